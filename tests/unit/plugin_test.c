/*
 * plugin.c with small shell scripts as plugins: what they are told, what becomes of what they say, and that they end. Every wait has a
 * deadline and no test sleeps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "memory.h"
#include "plugin.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { DEADLINE_MS = 20000 };

static struct bench {
	char dir[64], script[80];
	struct exec_config exec;
	struct log log;
	struct loop *loop;
	struct plugin *plugin;
	unsigned done, again; /* runs that ended; that are to be begun from within done */
	bool late;
	int64_t give_up_ms;
	char *out;
	struct error err;
} bench;

static int set_up(void **state)
{
	(void)state;
	bench = (struct bench){ .log = { .fd = memfd_create("log", MFD_CLOEXEC), .level = LOG_INFO }, .loop = loop_new() };
	strcpy(bench.dir, "/tmp/plugin_test.XXXXXX");
	if (!mkdtemp(bench.dir))
		return -1;
	snprintf(bench.script, sizeof(bench.script), "%s/plugin", bench.dir);
	bench.exec = (struct exec_config){ .command = bench.script };
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	plugin_free(bench.plugin);
	loop_free(bench.loop); /* asserts that nothing of the plugin is left on it */
	free(bench.out);
	close(bench.log.fd);
	snprintf(command, sizeof(command), "rm -rf '%s'", bench.dir);
	return system(command);
}

static void write_script(const char *body)
{
	FILE *file = fopen(bench.script, "w");

	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", body);
	fclose(file);
	chmod(bench.script, 0700);
}

static void done(void *context, const char *out, size_t len, const struct error *err)
{
	(void)context;
	bench.done++;
	free(bench.out);
	bench.out = memory_strndup(out, len);
	bench.err = err ? *err : (struct error){ 0 };
	if (bench.again) {
		bench.again--;
		plugin_run(bench.plugin, "{}");
	}
}

static void open_plugin(int timeout_ms)
{
	struct error err = { 0 };
	const struct plugin_config config = {
		.loop = bench.loop, .log = &bench.log, .exec = &bench.exec, .timeout_ms = timeout_ms, .done = done
	};

	bench.plugin = plugin_new(&config, &err);
	if (!bench.plugin)
		fail_msg("%s", err.message);
}

static unsigned awaited;

static int64_t drain(void *context)
{
	int64_t left = bench.give_up_ms - loop_monotonic_ms();

	(void)context;
	bench.late = bench.done < awaited && left <= 0;
	if (bench.done < awaited && !bench.late)
		return left;
	loop_stop(bench.loop);
	return -1;
}

/* Until so many runs have ended. */
static void wait_for(unsigned runs)
{
	awaited = runs;
	bench.give_up_ms = loop_monotonic_ms() + DEADLINE_MS;
	loop_on_drain(bench.loop, drain, NULL);
	loop_run(bench.loop);
	assert_false(bench.late);
}

static void run_script(const char *body)
{
	write_script(body);
	if (!bench.plugin)
		open_plugin(PLUGIN_TIMEOUT_MS);
	plugin_run(bench.plugin, "{\"a\":1}");
	assert_true(plugin_runs(bench.plugin));
	assert_int_equal(bench.done, 0);
	wait_for(1);
	assert_false(plugin_runs(bench.plugin));
	bench.done = 0;
}

static const char *read_log(void)
{
	static char text[64 << 10];
	ssize_t len = pread(bench.log.fd, text, sizeof(text) - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

static void assert_has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("\"%s\" is not in \"%s\"", what, text);
}

static void what_it_prints_arrives_whole(void **state)
{
	(void)state;
	run_script("echo one; exec 2>&-; printf two");
	assert_int_equal(bench.err.class, ERROR_NONE);
	assert_string_equal(bench.out, "one\ntwo");
	run_script("head -c 200000 /dev/zero | tr '\\0' x");
	assert_int_equal(strspn(bench.out, "x"), 200000);
}

/* Ours, then the kubeconfig's, then what the protocol says: of one name there is one, the last. */
static void it_is_told_by_arguments_and_environment(void **state)
{
	char a[] = "two words", b[] = "*", one[] = "PLUGIN_TEST=new", two[] = "OTHER=a=b", info[] = "KUBERNETES_EXEC_INFO=forged";
	char *args[] = { a, b, NULL }, *env[] = { one, two, info, NULL };

	(void)state;
	bench.exec.args = args;
	bench.exec.env = env;
	setenv("PLUGIN_TEST", "old", 1);
	setenv("PLUGIN_KEPT", "kept", 1);
	run_script("printf '%s|' \"$@\" \"$PLUGIN_TEST\" \"$PLUGIN_KEPT\" \"$OTHER\" \"$KUBERNETES_EXEC_INFO\"; env | grep -c '^PLUGIN_TEST='");
	assert_string_equal(bench.out, "two words|*|new|kept|a=b|{\"a\":1}|1\n");
}

static void without_a_terminal_its_stdin_is_empty(void **state)
{
	(void)state;
	bench.exec.interactive = INTERACTIVE_IF_AVAILABLE;
	run_script("cat; echo end");
	assert_string_equal(bench.out, "end\n");
	assert_false(plugin_interactive(bench.plugin));
}

static void one_that_needs_a_terminal_is_refused(void **state)
{
	struct error err = { 0 };
	const struct plugin_config config = { .loop = bench.loop, .log = &bench.log, .exec = &bench.exec, .done = done };

	(void)state;
	bench.exec.interactive = INTERACTIVE_ALWAYS;
	assert_null(plugin_new(&config, &err));
	assert_int_equal(err.class, ERROR_INVALID);
	assert_has(err.message, "interactiveMode is Always, but standard input is not a terminal");
}

static void failures_are_named_with_the_hint(void **state)
{
	static const struct {
		const char *body, *message;
	} rows[] = {
		{ "echo secret; exit 3", "/plugin: failed with exit code 3: install it" },
		{ "echo secret; kill -9 $$", "/plugin: killed by signal 9: install it" },
		{ "yes secret", "/plugin: printed more than 262144 bytes: install it" },
	};
	char hint[] = "install it";

	(void)state;
	bench.exec.install_hint = hint;
	for (size_t i = 0; i < COUNT(rows); i++) {
		run_script(rows[i].body);
		assert_int_equal(bench.err.class, ERROR_RETRY);
		assert_has(bench.err.message, "exec plugin ");
		assert_has(bench.err.message, rows[i].message);
		assert_null(strstr(bench.err.message, "secret"));
		assert_null(strstr(read_log(), "secret"));
	}
}

static void one_that_is_not_there_is_said_later(void **state)
{
	char missing[] = "/nowhere/plugin", bare[] = "tollgate-no-such-plugin";
	char *commands[] = { missing, bare };

	(void)state;
	for (size_t i = 0; i < COUNT(commands); i++) {
		bench.exec.command = commands[i];
		run_script("");
		assert_has(bench.err.message, "cannot be run: executable not found");
	}
	write_script("");
	chmod(bench.script, 0600);
	bench.exec.command = bench.script;
	plugin_run(bench.plugin, "{}");
	wait_for(1);
	assert_has(bench.err.message, "cannot be run: permission denied"); /* even root needs an x somewhere */
}

static void bare_name_is_looked_for_in_path(void **state)
{
	char name[] = "plugin", path[128];
	char *env[] = { path, NULL };

	(void)state;
	snprintf(path, sizeof(path), "PATH=%s:%s", bench.dir, getenv("PATH"));
	bench.exec.command = name;
	bench.exec.env = env;
	run_script("echo found");
	assert_string_equal(bench.out, "found\n");
}

static bool is_alive(pid_t pid)
{
	char path[64], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "r");

	if (!file)
		return false;
	if (fscanf(file, "%*d %*s %c", &state) != 1)
		state = 0;
	fclose(file);
	return state != 0 && state != 'Z';
}

/* The pids that a script wrote into a file; waits until they are gone. */
static void assert_all_gone(void)
{
	char path[96];
	int64_t give_up_ms = loop_monotonic_ms() + DEADLINE_MS;
	unsigned n = 0;
	int pid;

	snprintf(path, sizeof(path), "%s/pids", bench.dir);
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	for (; fscanf(file, "%d", &pid) == 1; n++)
		while (is_alive(pid))
			assert_true(loop_monotonic_ms() < give_up_ms);
	fclose(file);
	assert_int_equal(n, 2);
}

/* The script and its child, which holds stdout and heeds no gentle signal. */
#define HANG "trap '' TERM HUP; cd \"$(dirname \"$0\")\"; sleep 1000 & echo $$ $! >pids.new; mv pids.new pids; wait; wait"

static void one_that_hangs_is_killed_with_all_it_started(void **state)
{
	(void)state;
	open_plugin(300);
	run_script(HANG);
	assert_int_equal(bench.err.class, ERROR_RETRY);
	assert_has(bench.err.message, "did not end within 0.3 s");
	assert_all_gone();
	/* And the next may run. */
	run_script("echo well");
	assert_string_equal(bench.out, "well\n");
}

static void one_that_leaves_its_stdout_to_another_is_not_waited_for_longer(void **state)
{
	(void)state;
	open_plugin(300);
	run_script("cd \"$(dirname \"$0\")\"; sleep 1000 & echo $$ $! >pids; echo half; exit 0");
	assert_has(bench.err.message, "did not end within 0.3 s");
	assert_all_gone();
}

static int64_t wait_for_pids(void *context)
{
	char path[96];

	(void)context;
	snprintf(path, sizeof(path), "%s/pids", bench.dir);
	bench.late = loop_monotonic_ms() >= bench.give_up_ms;
	if (access(path, F_OK) && !bench.late)
		return 10;
	loop_stop(bench.loop);
	return -1;
}

static void free_kills_it_without_a_word(void **state)
{
	(void)state;
	write_script(HANG);
	open_plugin(PLUGIN_TIMEOUT_MS);
	plugin_run(bench.plugin, "{}");
	bench.give_up_ms = loop_monotonic_ms() + DEADLINE_MS;
	loop_on_drain(bench.loop, wait_for_pids, NULL);
	loop_run(bench.loop);
	assert_false(bench.late);
	plugin_free(bench.plugin);
	bench.plugin = NULL;
	assert_all_gone();
	assert_int_equal(bench.done, 0);
}

static void it_may_be_run_again_at_once(void **state)
{
	(void)state;
	write_script("echo again");
	open_plugin(PLUGIN_TIMEOUT_MS);
	bench.again = 2;
	plugin_run(bench.plugin, "{}");
	wait_for(3);
	assert_string_equal(bench.out, "again\n");
}

static void what_it_says_goes_to_the_log_by_lines_and_not_for_ever(void **state)
{
	(void)state;
	run_script("echo 'open https://login' >&2; printf 'no end' >&2; echo secret");
	assert_has(read_log(), "open https://login");
	assert_has(read_log(), "no end");
	assert_null(strstr(read_log(), "secret"));
	assert_int_equal(bench.log.lines[LOG_INFO], 2);
	run_script("i=0; while [ $i -lt 3000 ]; do echo 'a rather long line that it says' >&2; i=$((i+1)); done; echo x");
	assert_string_equal(bench.out, "x\n"); /* it was read all the same, or the script would still wait */
	assert_int_equal(bench.log.lines[LOG_INFO], 2 + 20 + 1); /* and that there is more */
	run_script("head -c 5000 /dev/zero | tr '\\0' y >&2");
	assert_has(read_log(), "yyyy");
}

#define rule(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rule(what_it_prints_arrives_whole),
		rule(it_is_told_by_arguments_and_environment),
		rule(without_a_terminal_its_stdin_is_empty),
		rule(one_that_needs_a_terminal_is_refused),
		rule(failures_are_named_with_the_hint),
		rule(one_that_is_not_there_is_said_later),
		rule(bare_name_is_looked_for_in_path),
		rule(one_that_hangs_is_killed_with_all_it_started),
		rule(one_that_leaves_its_stdout_to_another_is_not_waited_for_longer),
		rule(free_kills_it_without_a_word),
		rule(it_may_be_run_again_at_once),
		rule(what_it_says_goes_to_the_log_by_lines_and_not_for_ever),
	};

	/* Whoever runs the tests may sit at a terminal. */
	if (!freopen("/dev/null", "r", stdin))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
