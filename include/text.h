/* UTF-8 text where only so many bytes fit, or where anything may have come. */
#ifndef TOLLGATE_TEXT_H
#define TOLLGATE_TEXT_H

#include <string.h>

/* How many bytes of a NUL-terminated text to take where there is room for max: whole characters. */
static inline size_t text_cut(const char *text, size_t max)
{
	const size_t len = strlen(text);
	size_t taken = len < max ? len : max;

	while (taken < len && taken > 0 && ((unsigned char)text[taken] & 0xC0) == 0x80)
		taken--;
	return taken;
}

/* The length of the UTF-8 sequence at text, 0 if it is none: a stray, overlong or missing byte, a surrogate, past U+10FFFF. Of a
 * NUL 1. */
static inline size_t text_sequence(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t len = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
	    (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return len;
}

#endif
