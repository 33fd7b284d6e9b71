/*
 * malloc and its family over size classes: multiples of 16 bytes up to 1 KiB, then powers of two. Freed blocks go on their class's list and
 * are never given back. Each block is preceded by 16 bytes that name its class.
 * Invariant: what heap_use says is the sum over blocks that were handed out and not freed.
 */
#include "heap.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LIBC_HEAP 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(LIBC_HEAP)

struct heap_use heap_use(void)
{
	return (struct heap_use){ 0 };
}

#else

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { GRAIN = 16, SMALL_MAX = 1024, SMALL_CLASSES = SMALL_MAX / GRAIN, CLASSES = SMALL_CLASSES + 40, SLAB_BYTES = 1 << 20 };

struct block {
	size_t class;
	size_t offset; /* from here back to where the block begins: 0 but for aligned ones */
};

static struct block *free_lists[CLASSES];
static char *slab, *slab_end;
static struct heap_use use;

struct heap_use heap_use(void)
{
	return use;
}

static size_t class_bytes(size_t class)
{
	return class < SMALL_CLASSES ? (class + 1) * GRAIN : (size_t)SMALL_MAX << (class - SMALL_CLASSES + 1);
}

static size_t class_for(size_t bytes)
{
	size_t class = SMALL_CLASSES;

	if (bytes <= SMALL_MAX)
		return bytes ? (bytes - 1) / GRAIN : 0;
	while (class_bytes(class) < bytes)
		class++;
	return class;
}

static void *map(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static struct block *carve(size_t bytes)
{
	struct block *block;

	if (bytes > SLAB_BYTES / 4)
		return map(bytes);
	if ((size_t)(slab_end - slab) < bytes) {
		slab = map(SLAB_BYTES);
		slab_end = slab ? slab + SLAB_BYTES : NULL;
		if (!slab)
			return NULL;
	}
	block = (struct block *)(void *)slab;
	slab += bytes;
	return block;
}

/* Not malloc by name: a compiler may turn malloc and memset into calloc, which is here. */
static void *take(size_t bytes)
{
	size_t class = class_for(bytes);
	struct block *block;

	if (bytes > (size_t)1 << 36) {
		errno = ENOMEM;
		return NULL;
	}
	block = free_lists[class];
	if (block)
		memcpy(&free_lists[class], block + 1, sizeof(void *));
	else
		block = carve(sizeof(*block) + class_bytes(class));
	if (!block) {
		errno = ENOMEM;
		return NULL;
	}
	block->class = class;
	block->offset = 0;
	use.blocks++;
	use.bytes += class_bytes(class);
	return block + 1;
}

void *malloc(size_t bytes)
{
	return take(bytes);
}

static struct block *block_of(void *memory)
{
	struct block *block = (struct block *)memory - 1;

	return (struct block *)(void *)((char *)block - block->offset);
}

void free(void *memory)
{
	struct block *block;

	if (!memory)
		return;
	block = block_of(memory);
	use.blocks--;
	use.bytes -= class_bytes(block->class);
	memcpy(block + 1, &free_lists[block->class], sizeof(void *));
	free_lists[block->class] = block;
}

void *calloc(size_t n, size_t size)
{
	size_t bytes;
	void *memory;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	memory = take(bytes);
	if (memory)
		memset(memory, 0, bytes);
	return memory;
}

void *realloc(void *old, size_t bytes)
{
	size_t room;
	void *memory;

	if (!old)
		return take(bytes);
	room = class_bytes(block_of(old)->class) - block_of(old)->offset;
	if (bytes <= room && bytes >= room / 2)
		return old;
	memory = take(bytes);
	if (!memory)
		return NULL;
	memcpy(memory, old, bytes < room ? bytes : room);
	free(old);
	return memory;
}

void *memalign(size_t alignment, size_t bytes);
void *memalign(size_t alignment, size_t bytes)
{
	char *memory = take(bytes + alignment);
	size_t shift;
	struct block *block;

	if (!memory || alignment <= GRAIN)
		return memory;
	shift = (alignment - (uintptr_t)memory % alignment) % alignment;
	if (!shift)
		return memory;
	block = (struct block *)(void *)(memory + shift) - 1; /* shift is a multiple of GRAIN, which is sizeof(struct block) */
	block->offset = shift;
	return memory + shift;
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
	return memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
	*memory = memalign(alignment, bytes);
	return *memory ? 0 : ENOMEM;
}

size_t malloc_usable_size(void *memory);
size_t malloc_usable_size(void *memory)
{
	return memory ? class_bytes(block_of(memory)->class) - block_of(memory)->offset : 0;
}

#endif
