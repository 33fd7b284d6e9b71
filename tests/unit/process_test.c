/*
 * What is read of /proc and of cgroups: files as kernels write them, in a folder of the test's own, and once our own process for real.
 */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "process.h"

struct root {
	char path[64];
};

static int setup(void **state)
{
	struct root *root = calloc(1, sizeof(*root));

	strcpy(root->path, "/tmp/process_test.XXXXXX");
	assert_non_null(mkdtemp(root->path));
	*state = root;
	return 0;
}

static int teardown(void **state)
{
	struct root *root = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", root->path);
	assert_int_equal(system(command), 0);
	free(root);
	return 0;
}

static void put(const struct root *root, const char *path, const char *text)
{
	char name[512];
	FILE *file;

	snprintf(name, sizeof(name), "%s%s", root->path, path);
	for (char *at = name + strlen(root->path) + 1; (at = strchr(at, '/')); *at++ = '/') {
		*at = '\0';
		mkdir(name, 0700);
	}
	file = fopen(name, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static double limit_of(const struct root *root)
{
	return process_stats(root->path).memory_limit_bytes;
}

static void the_limit_of_version_2_is_the_tightest_above(void **state)
{
	const struct root *root = *state;

	put(root, "/proc/self/cgroup", "0::/kubepods/pod1/main\n");
	assert_true(isnan(limit_of(root)));
	put(root, "/sys/fs/cgroup/kubepods/pod1/main/memory.max", "max\n");
	assert_true(isnan(limit_of(root)));
	put(root, "/sys/fs/cgroup/kubepods/pod1/memory.max", "268435456\n");
	assert_true(limit_of(root) == 268435456);
	put(root, "/sys/fs/cgroup/kubepods/pod1/main/memory.max", "134217728\n");
	assert_true(limit_of(root) == 134217728);
	put(root, "/sys/fs/cgroup/kubepods/memory.max", "67108864\n");
	assert_true(limit_of(root) == 67108864);
}

static void in_a_container_the_group_is_the_mount(void **state)
{
	const struct root *root = *state;

	put(root, "/proc/self/cgroup", "0::/\n");
	put(root, "/sys/fs/cgroup/memory.max", "1000000\n");
	assert_true(limit_of(root) == 1000000);
}

static void version_1_counts_too_and_no_limit_is_a_large_number_there(void **state)
{
	const struct root *root = *state;

	put(root, "/proc/self/cgroup", "12:cpu,cpuacct:/docker/1\n4:hugetlb,memory:/docker/1\n1:name=systemd:/docker/1\n0::/\n");
	put(root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	assert_true(isnan(limit_of(root)));
	put(root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "33554432\n"); /* the path is the host's: not seen from within */
	assert_true(limit_of(root) == 33554432);
}

static void the_start_is_counted_from_the_kernels(void **state)
{
	const struct root *root = *state;
	char text[512];

	put(root, "/proc/stat", "cpu  1 2 3 4\nintr 5\nctxt 6\nbtime 1795000000\nprocesses 7\n");
	snprintf(text, sizeof(text), "7 (a) b) c) S 1 7 7 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 3 0 %ld 1000 200\n", 123 * sysconf(_SC_CLK_TCK));
	put(root, "/proc/self/stat", text);
	assert_true(process_stats(root->path).start_time_seconds == 1795000123);
	put(root, "/proc/self/statm", "5000 300 100 9 0 80 0\n");
	assert_true(process_stats(root->path).resident_bytes == 300.0 * (double)sysconf(_SC_PAGESIZE));
	assert_true(process_stats(root->path).anonymous_bytes == 200.0 * (double)sysconf(_SC_PAGESIZE));
	assert_true(process_stats(root->path).virtual_bytes == 5000.0 * (double)sysconf(_SC_PAGESIZE));
}

static void what_cannot_be_read_is_not_known(void **state)
{
	const struct process_stats stats = process_stats(((const struct root *)*state)->path);

	assert_true(isnan(stats.start_time_seconds) && isnan(stats.resident_bytes) && isnan(stats.open_fds) && isnan(stats.memory_limit_bytes));
	put(*state, "/proc/self/stat", "7 (cut off");
	assert_true(isnan(process_stats(((const struct root *)*state)->path).start_time_seconds));
}

/* It keeps descriptors of its own beside ours, which /proc alone shows. */
static bool under_valgrind(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded && strstr(preloaded, "vgpreload");
}

static int count_open(void)
{
	int open = 0;

	for (int fd = 0; fd < 1024; fd++)
		open += fcntl(fd, F_GETFD) >= 0;
	return open;
}

static void our_own_process_is_as_it_is(void **state)
{
	struct process_stats before = process_stats(""), after;
	double now = (double)time(NULL);
	int fd = open("/dev/null", O_RDONLY);

	(void)state;
	after = process_stats("");
	close(fd);
	assert_true(before.open_fds == count_open() || under_valgrind());
	assert_true(after.open_fds == before.open_fds + 1);
	assert_true(before.max_fds > before.open_fds);
	assert_true(before.start_time_seconds == after.start_time_seconds);
	assert_true(before.start_time_seconds > now - 3600 && before.start_time_seconds < now + 2);
	assert_true(before.cpu_seconds > 0 && after.cpu_seconds >= before.cpu_seconds);
	assert_true(before.resident_bytes > 100e3 && before.resident_bytes < before.virtual_bytes);
	assert_true(before.anonymous_bytes > 0 && before.anonymous_bytes < before.resident_bytes);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(the_limit_of_version_2_is_the_tightest_above),
		CASE(in_a_container_the_group_is_the_mount),
		CASE(version_1_counts_too_and_no_limit_is_a_large_number_there),
		CASE(the_start_is_counted_from_the_kernels),
		CASE(what_cannot_be_read_is_not_known),
		cmocka_unit_test(our_own_process_is_as_it_is),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
