/* A clock for measuring alone: nothing is decided by it, so nothing that decides need be given another one in a test. */
#ifndef TOLLGATE_STOPWATCH_H
#define TOLLGATE_STOPWATCH_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since some moment (CLOCK_MONOTONIC: stands still while the machine is suspended). */
static inline int64_t stopwatch_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * (int64_t)1000000000 + now.tv_nsec;
}

static inline double stopwatch_seconds_since(int64_t then_ns)
{
	return (double)(stopwatch_ns() - then_ns) / 1e9;
}

#endif
