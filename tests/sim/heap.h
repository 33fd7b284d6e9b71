/*
 * The simulator's heap, in place of libc's: it knows exactly what is allocated at any moment, so that a schedule which leaves a
 * byte behind fails with its seed, and it costs a tenth. One thread only. Under a sanitizer libc's heap stays, and nothing is counted.
 */
#ifndef SIM_HEAP_H
#define SIM_HEAP_H

#include <stddef.h>

struct heap_use {
	size_t blocks, bytes;
};

struct heap_use heap_use(void);

#endif
