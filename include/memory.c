/*
 * The one place that meets an exhausted heap: it says so and aborts. Everything above may take memory for granted, so
 * no caller has an error path that no test ever ran.
 */
#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory, size_t bytes)
{
	if (!memory) {
		fprintf(stderr, "tollgate: out of memory (%zu bytes)\n", bytes);
		abort();
	}
	return memory;
}

/* malloc(0) may give NULL, which is not what running out looks like. */
static size_t at_least_one(size_t bytes)
{
	return bytes ? bytes : 1;
}

void *memory_alloc(size_t bytes)
{
	return checked(calloc(1, at_least_one(bytes)), bytes);
}

void *memory_resize(void *old, size_t bytes)
{
	return checked(realloc(old, at_least_one(bytes)), bytes);
}

char *memory_strdup(const char *text)
{
	return text ? memory_strndup(text, strlen(text)) : NULL;
}

char *memory_strndup(const char *text, size_t len)
{
	char *copy = checked(malloc(len + 1), len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *memory_printf(const char *format, ...)
{
	va_list args;
	char *text = NULL;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return checked(text, strlen(format));
}

void memory_cleanup(void *pointer_to_pointer)
{
	void **pointer = pointer_to_pointer;

	free(*pointer);
	*pointer = NULL;
}

void memory_forget(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}
