/* Owns: the text as it grows, commas, and what JSON escapes (RFC 8259, section 7). Knows no kinds and no shapes. */
#include "print.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "text.h"

enum { FIRST_ROOM = 1024 };

static void put(struct print *print, const char *bytes, size_t len)
{
	if (print->room - print->len <= len) {
		print->room = 2 * print->room + len + FIRST_ROOM;
		print->text = memory_resize(print->text, print->room);
	}
	memcpy(print->text + print->len, bytes, len);
	print->len += len;
	print->text[print->len] = '\0';
}

void print_token(struct print *print, const char *token)
{
	put(print, token, strlen(token));
}

/* What is written ends in a bracket only where a container has been opened: in a text a quote would follow. */
void print_element(struct print *print)
{
	const char last = print->len > 0 ? print->text[print->len - 1] : '[';

	if (last != '{' && last != '[')
		put(print, ",", 1);
}

void print_member(struct print *print, const char *name)
{
	print_element(print);
	put(print, "\"", 1);
	put(print, name, strlen(name));
	put(print, "\":", 2);
}

static void put_escape(struct print *print, unsigned char byte)
{
	static const char shorts[0x20] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
	char name = (char)byte, text[sizeof("\\u001f")];

	if (byte < sizeof(shorts))
		name = shorts[byte];
	if (name)
		put(print, (char[]){ '\\', name }, 2);
	else
		put(print, text, (size_t)snprintf(text, sizeof(text), "\\u%04x", byte));
}

static bool is_plain_ascii(char byte)
{
	return byte >= ' ' && (unsigned char)byte < 0x80 && byte != '"' && byte != '\\';
}

/* How much of it can be written as it is. */
static size_t plain(const char *text)
{
	size_t len = 0;

	for (;;) {
		while (is_plain_ascii(text[len]))
			len++;
		if ((unsigned char)text[len] < 0x80)
			return len;
		const size_t sequence = text_sequence(text + len);

		assert(sequence);
		len += sequence;
	}
}

void print_string(struct print *print, const char *text)
{
	put(print, "\"", 1);
	for (;;) {
		const size_t len = plain(text);

		put(print, text, len);
		text += len;
		if (!*text)
			break;
		put_escape(print, (unsigned char)*text++);
	}
	put(print, "\"", 1);
}

void print_integer(struct print *print, int64_t value)
{
	char text[sizeof("-9223372036854775808")];

	put(print, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value));
}
