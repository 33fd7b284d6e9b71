/*
 * A chain of blocks, newest first, each twice the last one up to a limit; allocation moves a mark within the newest.
 * Knows nothing of what is stored. Under AddressSanitizer everything not handed out is poisoned, with a gap behind
 * each piece, so that reading past one, or after a reset, is reported as if each had come from malloc.
 */
#include "arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(ARENA_POISONS)
/* From sanitizer/asan_interface.h, which is no C standard header; both compilers' runtimes have them. */
void __asan_poison_memory_region(void const volatile *, size_t);
void __asan_unpoison_memory_region(void const volatile *, size_t);
#define poison(from, bytes)   __asan_poison_memory_region((from), (bytes))
#define unpoison(from, bytes) __asan_unpoison_memory_region((from), (bytes))
enum { GAP = 16 };
#else
#define poison(from, bytes)   ((void)(from), (void)(bytes))
#define unpoison(from, bytes) ((void)(from), (void)(bytes))
enum { GAP = 0 };
#endif

enum {
	BLOCK_FIRST = 4096,
	BLOCK_LARGEST = 1 << 20, /* growth stops here; one larger request still gets its own block */
	BLOCK_KEPT = 1 << 18,	 /* a reset keeps no more: one odd decision must not cost memory for ever */
};

struct arena_block {
	struct arena_block *older;
	size_t size; /* of bytes[] */
	_Alignas(max_align_t) unsigned char bytes[];
};

static size_t aligned(size_t bytes)
{
	const size_t mask = _Alignof(max_align_t) - 1;

	return (bytes + mask) & ~mask;
}

static void block_free(struct arena_block *block)
{
	unpoison(block->bytes, block->size);
	free(block);
}

static void block_push(struct arena *arena, size_t needed)
{
	size_t size = arena->block ? arena->block->size * 2 : BLOCK_FIRST;
	struct arena_block *block;

	if (size > BLOCK_LARGEST)
		size = BLOCK_LARGEST;
	if (size < needed)
		size = needed;
	block = memory_resize(NULL, sizeof(*block) + size);
	block->older = arena->block;
	block->size = size;
	poison(block->bytes, size);
	arena->block = block;
	arena->used = 0;
}

void arena_init(struct arena *arena)
{
	*arena = (struct arena){ 0 };
}

void arena_reset(struct arena *arena)
{
	struct arena_block *kept = NULL;

	while (arena->block) {
		struct arena_block *block = arena->block;

		arena->block = block->older;
		if (!kept && block->size <= BLOCK_KEPT)
			kept = block;
		else
			block_free(block);
	}
	if (kept) {
		kept->older = NULL;
		poison(kept->bytes, kept->size);
	}
	*arena = (struct arena){ .block = kept };
}

void arena_close(struct arena *arena)
{
	while (arena->block) {
		struct arena_block *block = arena->block;

		arena->block = block->older;
		block_free(block);
	}
	arena_init(arena);
}

size_t arena_bytes(const struct arena *arena)
{
	size_t bytes = 0;

	for (const struct arena_block *block = arena->block; block; block = block->older)
		bytes += sizeof(*block) + block->size;
	return bytes;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
	size_t step;
	void *piece;

	assert(bytes <= SIZE_MAX / 4);
	step = aligned(bytes ? bytes : 1) + GAP;
	if (!arena->block || arena->block->size - arena->used < step)
		block_push(arena, step);
	piece = arena->block->bytes + arena->used;
	arena->used += step;
	arena->total += bytes;
	unpoison(piece, bytes);
	return memset(piece, 0, bytes);
}

void *arena_copy(struct arena *arena, const void *from, size_t bytes)
{
	void *copy = arena_alloc(arena, bytes);

	return bytes ? memcpy(copy, from, bytes) : copy;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
	char *copy = arena_alloc(arena, len + 1);

	if (len)
		memcpy(copy, text, len);
	return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	char brief[256];
	va_list args;
	int len;
	char *text;

	va_start(args, format);
	len = vsnprintf(brief, sizeof(brief), format, args);
	va_end(args);
	assert(len >= 0);
	if ((size_t)len < sizeof(brief))
		return arena_strndup(arena, brief, (size_t)len);
	text = arena_alloc(arena, (size_t)len + 1);
	va_start(args, format);
	vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}
