/*
 * A small text file, read whole: a token, a certificate, a key. What is read may be secret, so nothing of it stays behind in memory that was
 * only needed on the way, and none of it is in a message.
 */
#ifndef TOLLGATE_TEXTFILE_H
#define TOLLGATE_TEXTFILE_H

#include <stddef.h>

#include "error.h"

/* malloc'ed; memory_forget() it. NULL with ERROR_INVALID, "<path>: ...", when it cannot be read, is longer than max bytes or holds a NUL.
 * Never waits: a FIFO that nobody writes into is an empty file. */
char *textfile_read(const char *path, size_t max, struct error *) must_check;
#endif
