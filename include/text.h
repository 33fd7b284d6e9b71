/* UTF-8 text where only so many bytes fit. */
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

#endif
