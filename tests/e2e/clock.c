/*
 * For one test: a wall clock that is ahead of the machine's by CLOCK_AHEAD_S seconds, preloaded into tollgate. Months end on the
 * real clock no oftener than that. Monotonic clocks are the machine's; timers at moments of the wall clock follow along.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

static time_t ahead_s(void)
{
	const char *text = getenv("CLOCK_AHEAD_S");

	return text ? (time_t)atoll(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int (*real)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int result = real(clock, now);

	if (clock == CLOCK_REALTIME)
		now->tv_sec += ahead_s();
	return result;
}

time_t time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *old)
{
	int (*real)(int, int, const struct itimerspec *, struct itimerspec *) =
		(int (*)(int, int, const struct itimerspec *, struct itimerspec *))dlsym(RTLD_NEXT, "timerfd_settime");
	struct itimerspec shifted = *when;

	if (flags & TFD_TIMER_ABSTIME)
		shifted.it_value.tv_sec -= ahead_s();
	return real(fd, flags, &shifted, old);
}
