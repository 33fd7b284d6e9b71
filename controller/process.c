/*
 * Owns: how /proc and /sys/fs/cgroup are read. Keeps nothing. What cannot be read is not known, which is no error: a metric is left out.
 */
#include "process.h"

#include <dirent.h>
#include <limits.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"

static FILE *open_file(const char *root, const char *path)
{
	char name[PATH_MAX];

	return snprintf(name, sizeof(name), "%s%s", root, path) < (int)sizeof(name) ? fopen(name, "re") : NULL;
}

/* The file's first bytes as text; "" when there is none. */
static char *read_text(const char *root, const char *path, char *text, size_t size)
{
	FILE *file = open_file(root, path);
	size_t len = 0;

	if (file) {
		len = fread(text, 1, size - 1, file);
		fclose(file);
	}
	text[len] = '\0';
	return text;
}

/* ---- /proc ---- */

/* Of all that /proc/stat holds, which on a large machine is much. */
static double boot_time(const char *root)
{
	FILE *file = open_file(root, "/proc/stat");
	cleanup_free char *line = NULL;
	size_t size = 0;
	double boot = NAN;

	if (!file)
		return NAN;
	while (isnan(boot) && getline(&line, &size, file) >= 0)
		if (strncmp(line, "btime ", strlen("btime ")) == 0)
			boot = strtod(line + strlen("btime "), NULL);
	fclose(file);
	return boot;
}

/* The kernel counts from its own start, in ticks. The name before the fields may hold anything, ')' and blanks included. */
static double start_time(const char *root)
{
	enum { STARTTIME = 22, AFTER_NAME = 3 };
	char stat[1024];
	const char *field = strrchr(read_text(root, "/proc/self/stat", stat, sizeof(stat)), ')');

	for (int i = AFTER_NAME; field && i <= STARTTIME; i++)
		field = strchr(field + 1, ' ');
	return field ? boot_time(root) + strtod(field, NULL) / (double)sysconf(_SC_CLK_TCK) : NAN;
}

static double count_fds(const char *root)
{
	char path[PATH_MAX];
	int entries = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc/self/fd", root);
	dir = opendir(path);
	if (!dir)
		return NAN;
	for (const struct dirent *entry; (entry = readdir(dir));)
		entries += entry->d_name[0] != '.';
	closedir(dir);
	return entries - 1; /* without the one that was open to count them */
}

static double limit_of(__rlimit_resource_t resource)
{
	struct rlimit limit;

	return getrlimit(resource, &limit) < 0 ? NAN : (double)limit.rlim_cur; /* no limit: 2^64, as other clients say */
}

static double cpu_seconds(void)
{
	struct timespec used;

	return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) < 0 ? NAN : (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

/* ---- the cgroup ---- */

static double tighter(double a, double b)
{
	return isnan(a) || b < a ? b : a;
}

/* Version 1 writes "no limit" as the largest number of whole pages. */
static double limit_in(const char *root, const char *path)
{
	const double unlimited = 4611686018427387904.0; /* 2^62 */
	char text[64], *end;
	double limit = strtod(read_text(root, path, text, sizeof(text)), &end);

	return end == text || *text == 'm' /* "max" */ || limit >= unlimited ? NAN : limit;
}

/* The tightest limit from that group up to the mount. A container may be told a path that it cannot see; its own group is the mount then. */
static double tightest(const char *root, const char *mount, const char *group, size_t len, const char *file)
{
	char path[PATH_MAX];
	double limit = NAN;

	for (;;) {
		if (snprintf(path, sizeof(path), "%s%.*s/%s", mount, (int)len, group, file) < (int)sizeof(path))
			limit = tighter(limit, limit_in(root, path));
		if (!len)
			return limit;
		while (len && group[--len] != '/')
			;
	}
}

/* "0::/kubepods/pod1" is version 2, "4:memory:/docker/1" version 1; a host may have both. */
static double memory_limit(const char *root)
{
	char text[8192], *rest = read_text(root, "/proc/self/cgroup", text, sizeof(text));
	double limit = NAN;

	for (char *line; (line = strsep(&rest, "\n"));) {
		char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!group)
			continue;
		*controllers++ = *group++ = '\0';
		if (!*controllers)
			limit = tighter(limit, tightest(root, "/sys/fs/cgroup", group, strlen(group), "memory.max"));
		for (char *name; (name = strsep(&controllers, ","));)
			if (strcmp(name, "memory") == 0)
				limit = tighter(limit, tightest(root, "/sys/fs/cgroup/memory", group, strlen(group), "memory.limit_in_bytes"));
	}
	return limit;
}

/* The number at *at, which moves on; NAN where there is none. */
static double next_number(const char **at)
{
	char *end;
	double number = strtod(*at, &end);

	if (end == *at)
		return NAN;
	*at = end;
	return number;
}

static double allocated_bytes(void)
{
	const struct mallinfo2 heap = mallinfo2();

	return (double)heap.uordblks + (double)heap.hblkhd;
}

struct process_stats process_stats(const char *root)
{
	char text[256];
	const char *at = read_text(root, "/proc/self/statm", text, sizeof(text));
	double page = (double)sysconf(_SC_PAGESIZE), size = next_number(&at), resident = next_number(&at), shared = next_number(&at);

	return (struct process_stats){
		.cpu_seconds = cpu_seconds(),
		.start_time_seconds = start_time(root),
		.virtual_bytes = size * page,
		.resident_bytes = resident * page,
		.anonymous_bytes = (resident - shared) * page,
		.allocated_bytes = allocated_bytes(),
		.virtual_max_bytes = limit_of(RLIMIT_AS),
		.open_fds = count_fds(root),
		.max_fds = limit_of(RLIMIT_NOFILE),
		.memory_limit_bytes = memory_limit(root),
	};
}
