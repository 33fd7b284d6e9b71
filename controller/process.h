/*
 * What the kernel says of this process: for the process_* metrics that every Prometheus client has, and how much memory its cgroup may use.
 * Sources: proc(5); Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
 */
#ifndef TOLLGATE_PROCESS_H
#define TOLLGATE_PROCESS_H

#include <stdint.h>

/* NAN: not known, or no limit. */
struct process_stats {
	double cpu_seconds, start_time_seconds /* Unix time */;
	double resident_bytes, virtual_bytes, virtual_max_bytes;
	double anonymous_bytes; /* of the resident ones, those without a file: heap and stack */
	double allocated_bytes; /* what malloc has given out, its own overhead included; 0 where it is another's than glibc's */
	double open_fds, max_fds;
	double memory_limit_bytes; /* the tightest of its cgroup and those above it, as far as they can be seen from here */
};

/* root: "" but for tests, whose proc and sys are elsewhere. Reads a few small files. */
struct process_stats process_stats(const char *root);

#endif
