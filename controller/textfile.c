/*
 * Owns: the reading of small files that may hold secrets. Must not know what they are for.
 */
#include "textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

/* The file, but no more than size bytes of it; -1 with errno. */
static ssize_t read_up_to(const char *path, char *text, size_t size)
{
	/* O_NONBLOCK: a FIFO in its place must not stop the loop. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;
	ssize_t got = -1;

	while (fd >= 0 && len < size && ((got = read(fd, text + len, size - len)) > 0 || (got < 0 && errno == EINTR)))
		len += got > 0 ? (size_t)got : 0;
	int cause = errno;

	if (fd >= 0)
		close(fd);
	errno = cause;
	return got < 0 ? -1 : (ssize_t)len;
}

char *textfile_read(const char *path, size_t max, struct error *err)
{
	char *text = memory_alloc(max + 1), *copy = NULL;
	ssize_t len = read_up_to(path, text, max + 1);

	if (len < 0)
		error_set(err, ERROR_INVALID, "%s: %s", path, strerror(errno));
	else if ((size_t)len > max)
		error_set(err, ERROR_INVALID, "%s: longer than %zu bytes", path, max);
	else if (memchr(text, '\0', (size_t)len))
		error_set(err, ERROR_INVALID, "%s: not a text", path);
	else
		copy = memory_strndup(text, (size_t)len);
	explicit_bzero(text, max + 1);
	free(text);
	return copy;
}
