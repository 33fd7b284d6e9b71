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

static void nothing_goes_out_before_the_file_has_a_token(void **state)
{
	const struct cluster_config config = { .token_file = path };

	(void)state;
	write_token("\n");
	struct auth *auth = auth_new(&config);

	assert_header(auth, 1000, NULL);
	assert_int_equal(auth_state(auth, 1), AUTH_FAILED);
	assert_non_null(strstr(auth_trouble(auth)->message, "empty, or not a token"));
	write_token("one");
	assert_header(auth, 1001, "Bearer one"); /* without waiting for the next look */
	assert_int_equal(auth_state(auth, 1), AUTH_READY);
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

static void trouble_with_the_file_is_said_and_counted(void **state)
{
	const struct cluster_config config = { .token_file = path };

	(void)state;
	write_token("one");
	struct auth *auth = auth_new(&config);

	assert_header(auth, 0, "Bearer one");
	assert_int_equal(auth_trouble(auth)->class, ERROR_NONE);
	assert_int_equal(auth_stats(auth).reloads, 0);
	write_token("s3cret\nin two lines");
	auth_header(auth, 50000);
	assert_non_null(strstr(auth_trouble(auth)->message, path));
	assert_null(strstr(auth_trouble(auth)->message, "s3cret"));
	assert_int_equal(auth_stats(auth).failures, 1);
	write_token("two");
	auth_header(auth, 100000);
	assert_int_equal(auth_trouble(auth)->class, ERROR_NONE);
	assert_int_equal(auth_stats(auth).reloads, 1);
	assert_string_equal(auth_stats(auth).source, "token file");
	auth_free(auth);
}

static void user_and_password_are_one_header(void **state)
{
	char user[] = "Aladdin", password[] = "open sesame";
	struct cluster_config config = { .username = user, .password = password };
	struct auth *auth = auth_new(&config);

	(void)state;
	assert_header(auth, 0, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
	assert_false(auth_rejected(auth, 0));
	auth_free(auth);
	config.password = NULL;
	auth = auth_new(&config);
	assert_header(auth, 0, "Basic QWxhZGRpbjo=");
	auth_free(auth);
}

/* ---- plugins ---- */

#define T0 ((instant_t)1795341980000)

static char aws[] = "aws";
static const struct cluster_config plugged = { .exec = { .command = aws } };

/* The plugin has just said this. expires: after how many ms, 0 = it did not say. */
static void give(struct auth *auth, const char *token, int64_t at_ms, int64_t expires)
{
	char text[32];
	struct error err;
	const struct execcredential credential = { .token = strcpy(text, token), .expires = expires ? T0 + at_ms + expires : 0 };

	auth_running(auth);
	assert_int_equal(auth_take(auth, &credential, at_ms, T0 + at_ms, &err), 0);
}

static void assert_turn(const struct auth *auth, int64_t at_ms, bool due, enum auth_state expected)
{
	assert_int_equal(auth_is_due(auth, at_ms, T0 + at_ms), due);
	assert_int_equal(auth_state(auth, T0 + at_ms), expected);
}

static void without_a_plugin_everything_is_ready(void **state)
{
	char token[] = "t";
	const struct cluster_config config = { .token = token };
	struct auth *auth = auth_new(&config);

	(void)state;
	assert_turn(auth, 0, false, AUTH_READY);
	auth_free(auth);
}

static void plugin_is_run_once_for_all_who_wait(void **state)
{
	struct auth *auth = auth_new(&plugged);

	(void)state;
	assert_true(auth_is_due(auth, 0, T0));
	auth_running(auth);
	assert_turn(auth, 0, false, AUTH_WAITING);
	assert_turn(auth, 59000, false, AUTH_WAITING);
	give(auth, "one", 59000, 0);
	assert_turn(auth, 59000, false, AUTH_READY);
	assert_header(auth, 59000, "Bearer one");
	assert_turn(auth, 1000000000, false, AUTH_READY); /* it did not say when it expires */
	auth_free(auth);
}

static void credential_is_replaced_a_minute_before_it_expires(void **state)
{
	struct auth *auth = auth_new(&plugged);

	(void)state;
	give(auth, "one", 0, 3600000);
	assert_int_equal(auth_stats(auth).expires, T0 + 3600000);
	assert_turn(auth, 3539999, false, AUTH_READY);
	assert_turn(auth, 3540000, true, AUTH_READY); /* the old one still serves */
	auth_running(auth);
	assert_turn(auth, 3599999, false, AUTH_READY);
	assert_turn(auth, 3600000, false, AUTH_WAITING);
	give(auth, "two", 3600000, 3600000);
	assert_turn(auth, 3600000, false, AUTH_READY);
	assert_header(auth, 3600000, "Bearer two");
	auth_free(auth);
}

static void short_life_is_used_for_most_of_it(void **state)
{
	struct auth *auth = auth_new(&plugged);

	(void)state;
	give(auth, "one", 0, 10000);
	assert_turn(auth, 7999, false, AUTH_READY);
	assert_turn(auth, 8000, true, AUTH_READY);
	assert_turn(auth, 10000, true, AUTH_FAILED);
	auth_free(auth);
}

static void plugin_that_fails_is_run_more_and_more_rarely(void **state)
{
	const struct error why = { .class = ERROR_RETRY, .message = "exit code 1" };
	struct auth *auth = auth_new(&plugged);
	int64_t now = 5;

	(void)state;
	for (int64_t wait = 1000; wait < 100000; wait *= 2) {
		int64_t expected = wait < 60000 ? wait : 60000;

		assert_true(auth_is_due(auth, now, T0));
		auth_running(auth);
		auth_failed(auth, &why, now);
		assert_turn(auth, now + expected - 1, false, AUTH_FAILED);
		assert_string_equal(auth_trouble(auth)->message, "exit code 1");
		now += expected;
	}
	assert_int_equal(auth_stats(auth).failures, 7);
	give(auth, "one", now, 0);
	assert_int_equal(auth_trouble(auth)->class, ERROR_NONE);
	assert_true(auth_rejected(auth, now));
	auth_running(auth);
	auth_failed(auth, &why, now);
	assert_turn(auth, now + 1000, true, AUTH_FAILED); /* from the start again */
	auth_free(auth);
}

static void old_credential_serves_while_the_plugin_fails(void **state)
{
	const struct error why = { .class = ERROR_RETRY };
	struct auth *auth = auth_new(&plugged);

	(void)state;
	give(auth, "one", 0, 600000);
	auth_running(auth);
	auth_failed(auth, &why, 540000);
	assert_turn(auth, 540500, false, AUTH_READY);
	assert_turn(auth, 541000, true, AUTH_READY);
	auth_free(auth);
}

static void refused_credential_is_asked_for_anew(void **state)
{
	struct auth *auth = auth_new(&plugged);

	(void)state;
	give(auth, "one", 0, 0);
	assert_true(auth_rejected(auth, 500000));
	assert_turn(auth, 500000, true, AUTH_FAILED);
	auth_running(auth);
	assert_true(auth_rejected(auth, 500001)); /* another request: it may wait, too */
	give(auth, "two", 500100, 0);
	assert_header(auth, 500100, "Bearer two");
	auth_free(auth);
}

static void plugin_whose_credentials_are_refused_at_once_is_not_run_for_each_request(void **state)
{
	struct auth *auth = auth_new(&plugged);
	unsigned runs = 0;

	(void)state;
	give(auth, "bad", 0, 0);
	for (int64_t now = 0; now < 300000; now += 100) {
		if (!auth_rejected(auth, now))
			continue;
		runs++;
		give(auth, "bad", now, 0);
	}
	assert_in_range(runs, 8, 11); /* after 0, 1, 3, 7, 15, 31, 63, 123 ... s */
	auth_free(auth);
}

static void what_is_no_credential_is_not_taken(void **state)
{
	struct auth *auth = auth_new(&plugged);
	char bad[] = "s3cret\r\nX-Evil: 1", good[] = "good";
	struct execcredential credential = { .token = bad };
	struct error err;

	(void)state;
	auth_running(auth);
	assert_int_equal(auth_take(auth, &credential, 0, T0, &err), -1);
	assert_null(strstr(err.message, "s3cret"));
	credential = (struct execcredential){ .token = good, .expires = T0 };
	assert_int_equal(auth_take(auth, &credential, 0, T0, &err), -1);
	assert_non_null(strstr(err.message, "expired at 2026-11-22T"));
	assert_header(auth, 0, NULL);
	assert_turn(auth, 0, false, AUTH_WAITING);
	auth_free(auth);
}

/* A client certificate, which somebody else keeps. */
static void credential_may_be_without_a_token(void **state)
{
	struct auth *auth = auth_new(&plugged);
	struct execcredential credential = { 0 };
	struct error err;

	(void)state;
	give(auth, "one", 0, 0);
	assert_int_equal(auth_take(auth, &credential, 0, T0, &err), 0);
	assert_turn(auth, 0, false, AUTH_READY);
	assert_header(auth, 0, NULL);
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
		cmocka_unit_test_setup_teardown(nothing_goes_out_before_the_file_has_a_token, make_path, remove_path),
		cmocka_unit_test_setup_teardown(last_token_is_kept_when_the_file_is_no_good, make_path, remove_path),
		cmocka_unit_test_setup_teardown(token_is_trimmed, make_path, remove_path),
		cmocka_unit_test_setup_teardown(rejection_reads_the_file_at_once, make_path, remove_path),
		cmocka_unit_test_setup_teardown(trouble_with_the_file_is_said_and_counted, make_path, remove_path),
		cmocka_unit_test(user_and_password_are_one_header),
		cmocka_unit_test(without_a_plugin_everything_is_ready),
		cmocka_unit_test(plugin_is_run_once_for_all_who_wait),
		cmocka_unit_test(credential_is_replaced_a_minute_before_it_expires),
		cmocka_unit_test(short_life_is_used_for_most_of_it),
		cmocka_unit_test(plugin_that_fails_is_run_more_and_more_rarely),
		cmocka_unit_test(old_credential_serves_while_the_plugin_fails),
		cmocka_unit_test(refused_credential_is_asked_for_anew),
		cmocka_unit_test(plugin_whose_credentials_are_refused_at_once_is_not_run_for_each_request),
		cmocka_unit_test(what_is_no_credential_is_not_taken),
		cmocka_unit_test(credential_may_be_without_a_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
