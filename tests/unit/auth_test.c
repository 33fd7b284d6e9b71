/*
 * auth.c: which token is used when. Time is a number here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth.h"

static char path[64];

static int make_path(void **state)
{
	(void)state;
	strcpy(path, "/tmp/auth_test.XXXXXX");
	close(mkstemp(path));
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path) && rmdir(path);
}

static void write_token(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void assert_header(struct auth *auth, int64_t at_ms, const char *expected)
{
	const char *header = auth_header(auth, at_ms);

	if (!expected)
		assert_null(header);
	else if (!header)
		fail_msg("no header, expected \"%s\"", expected);
	else
		assert_string_equal(header, expected);
}

static void without_a_token_there_is_no_header(void **state)
{
	const struct cluster_config config = { 0 };
	struct auth *auth = auth_new(&config);

	(void)state;
	assert_header(auth, 0, NULL);
	assert_false(auth_rejected(auth, 0));
	auth_free(auth);
}

static void inline_token_is_used_as_it_is(void **state)
{
	char token[] = "abc";
	const struct cluster_config config = { .token = token };
	struct auth *auth = auth_new(&config);

	(void)state;
	assert_header(auth, 0, "Bearer abc");
	assert_false(auth_rejected(auth, 0));
	assert_header(auth, 1000000, "Bearer abc");
	auth_free(auth);
}

static void file_beats_the_inline_token(void **state)
{
	char token[] = "inline";
	const struct cluster_config config = { .token = token, .token_file = path };

	(void)state;
	write_token("file");
	struct auth *auth = auth_new(&config);

	assert_header(auth, 0, "Bearer file");
	auth_free(auth);
}

static void inline_token_serves_until_the_file_can_be_read(void **state)
{
	char token[] = "inline";
	const struct cluster_config config = { .token = token, .token_file = path };

	(void)state;
	write_token("");
	struct auth *auth = auth_new(&config);

	assert_header(auth, 0, "Bearer inline");
	write_token("file");
	assert_header(auth, 49999, "Bearer inline");
	assert_header(auth, 50000, "Bearer file");
	auth_free(auth);
}

static void file_is_read_again_after_50_seconds(void **state)
{
	const struct cluster_config config = { .token_file = path };

	(void)state;
	write_token("one");
	struct auth *auth = auth_new(&config);

	/* Any moment may be the first: the clock does not begin at 0. */
	assert_header(auth, 1234567, "Bearer one");
	write_token("two");
	assert_header(auth, 1234567 + 49999, "Bearer one");
	assert_header(auth, 1234567 + 50000, "Bearer two");
	write_token("three");
	assert_header(auth, 1234567 + 99999, "Bearer two");
	assert_header(auth, 1234567 + 100000, "Bearer three");
	auth_free(auth);
}

static void last_token_is_kept_when_the_file_is_no_good(void **state)
{
	char long_token[70000];
	const struct cluster_config config = { .token_file = path };
	const char *const bad[] = { "", " \n\t ", "two words", "line\nline", "ctrl\001", "del\177", long_token };
	int64_t now = 0;

	(void)state;
	memset(long_token, 'x', sizeof(long_token) - 1);
	long_token[sizeof(long_token) - 1] = '\0';
	write_token("good");
	struct auth *auth = auth_new(&config);

	assert_header(auth, now, "Bearer good");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		write_token(bad[i]);
		assert_header(auth, now += 50000, "Bearer good");
		assert_false(auth_rejected(auth, now));
	}
	unlink(path);
	assert_header(auth, now += 50000, "Bearer good");
	mkdir(path, 0700);
	assert_header(auth, now += 50000, "Bearer good");
	rmdir(path);
	/* Nobody writes into a FIFO: reading it must not wait. */
	mkfifo(path, 0600);
	assert_header(auth, now += 50000, "Bearer good");
	unlink(path);
	write_token("again");
	assert_header(auth, now += 50000, "Bearer again");
	auth_free(auth);
}

static void token_is_trimmed(void **state)
{
	const struct cluster_config config = { .token_file = path };

	(void)state;
	write_token("\r\n \tabc.def-_~+/=\n\n");
	struct auth *auth = auth_new(&config);

	assert_header(auth, 0, "Bearer abc.def-_~+/=");
	auth_free(auth);
}

static void rejection_reads_the_file_at_once(void **state)
{
	const struct cluster_config config = { .token_file = path };

	(void)state;
	write_token("one");
	struct auth *auth = auth_new(&config);

	assert_header(auth, 0, "Bearer one");
	assert_false(auth_rejected(auth, 10)); /* the same: no chance */
	write_token("two\n");
	assert_header(auth, 20, "Bearer one");
	assert_true(auth_rejected(auth, 30));
	assert_header(auth, 30, "Bearer two");
	assert_false(auth_rejected(auth, 40));
	/* And the 50 s count from there. */
	write_token("three");
	assert_header(auth, 50039, "Bearer two");
	assert_header(auth, 50040, "Bearer three");
	auth_free(auth);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_token_there_is_no_header),
		cmocka_unit_test(inline_token_is_used_as_it_is),
		cmocka_unit_test_setup_teardown(file_beats_the_inline_token, make_path, remove_path),
		cmocka_unit_test_setup_teardown(inline_token_serves_until_the_file_can_be_read, make_path, remove_path),
		cmocka_unit_test_setup_teardown(file_is_read_again_after_50_seconds, make_path, remove_path),
		cmocka_unit_test_setup_teardown(last_token_is_kept_when_the_file_is_no_good, make_path, remove_path),
		cmocka_unit_test_setup_teardown(token_is_trimmed, make_path, remove_path),
		cmocka_unit_test_setup_teardown(rejection_reads_the_file_at_once, make_path, remove_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
