/*
 * Formatting errors into the caller's struct: no allocation, no output. A message is always UTF-8, wherever it had to be cut and
 * whatever was put into it: libraries cut characters too, and environment and files hold any bytes.
 */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/* Drops the bytes of a character that the cut went through. */
static void trim_cut_character(char *text)
{
	size_t len = strlen(text), start = len;
	unsigned char lead;
	size_t needed;

	while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
		start--;
	if (start == 0)
		return;
	lead = (unsigned char)text[start - 1];
	needed = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
	if (len - (start - 1) < needed)
		text[start - 1] = '\0';
}

static void copy_message(struct error *err, const char *text, int whole_len)
{
	memcpy(err->message, text, strlen(text) + 1);
	if (whole_len >= ERROR_MESSAGE_MAX)
		trim_cut_character(err->message);
	for (char *at = err->message; *at;) {
		const size_t sequence = text_sequence(at);

		if (sequence == 0)
			*at = '?';
		at += sequence ? sequence : 1;
	}
}

int error_set(struct error *err, enum error_class class, const char *format, ...)
{
	char text[ERROR_MESSAGE_MAX]; /* apart, since an argument may be err's own message */
	va_list args;
	int len;

	if (!err)
		return -1;
	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	*err = (struct error){ .class = class };
	copy_message(err, text, len);
	return -1;
}

int error_wrap(struct error *err, const char *format, ...)
{
	char text[ERROR_MESSAGE_MAX];
	va_list args;
	int before, len;

	if (!err)
		return -1;
	va_start(args, format);
	before = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	len = before;
	if (before < ERROR_MESSAGE_MAX)
		len += snprintf(text + before, sizeof(text) - (size_t)before, ": %s", err->message);
	copy_message(err, text, len);
	return -1;
}
