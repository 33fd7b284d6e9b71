/*
 * Heap allocation that cannot fail: out of memory prints one line on stderr and aborts, here and nowhere else. A
 * controller that is restarted in a known state beats one that limps on through untested error paths. Sizes that come
 * from the network are checked against caps.h before they get here.
 */
#ifndef TOLLGATE_MEMORY_H
#define TOLLGATE_MEMORY_H

#include <stddef.h>

void *memory_alloc(size_t bytes);                  /* zeroed; free() it */
void *memory_resize(void *old, size_t bytes);      /* realloc; what is added is not zeroed */
char *memory_strdup(const char *text);             /* NULL gives NULL */
char *memory_strndup(const char *text, size_t len);
/* printf into new memory; free() it. */
char *memory_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Wipes a text that may be secret, and frees it. NULL is fine. */
void memory_forget(char *secret);

/* Cleanup attribute for heap pointers: `cleanup_free char *text = NULL;` */
void memory_cleanup(void *pointer_to_pointer);
#define cleanup_free __attribute__((cleanup(memory_cleanup)))

#endif
