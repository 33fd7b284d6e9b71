/* FNV-1a: spreads what nobody chooses to make collide, and needs no more than that. Stable across processes. */
#ifndef TOLLGATE_HASH_H
#define TOLLGATE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_EMPTY 0xcbf29ce484222325ULL

static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3ULL;
	return hash;
}

/* With its NUL, so that "ab","c" and "a","bc" differ. NULL is as "". */
static inline uint64_t hash_text(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)(text ? *text : '\0')) * 0x100000001b3ULL;
	while (text && *text++);
	return hash;
}

#endif
