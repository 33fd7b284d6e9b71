/*
 * For one test: an event loop that cannot keep up, preloaded into tollgate. While the file named by LATE_WHILE exists, each wait for
 * events takes 2.5 s longer than it should. A poll that does not wait is left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static void be_late(int timeout)
{
	const char *file = getenv("LATE_WHILE");
	struct timespec late = { .tv_sec = 2, .tv_nsec = 500000000 };
	int saved = errno; /* of a wait that a signal ended */

	if (timeout != 0 && file && access(file, F_OK) == 0)
		nanosleep(&late, NULL);
	errno = saved;
}

int epoll_pwait(int fd, struct epoll_event *events, int size, int timeout, const sigset_t *mask)
{
	int (*real)(int, struct epoll_event *, int, int, const sigset_t *) =
		(int (*)(int, struct epoll_event *, int, int, const sigset_t *))dlsym(RTLD_NEXT, "epoll_pwait");
	int n = real(fd, events, size, timeout, mask);

	be_late(timeout);
	return n;
}

int epoll_wait(int fd, struct epoll_event *events, int size, int timeout)
{
	int (*real)(int, struct epoll_event *, int, int) =
		(int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
	int n = real(fd, events, size, timeout);

	be_late(timeout);
	return n;
}
