/* Rules of struct error: filled whole, cut between characters, wrapped without losing class and code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "error.h"

static void set_fills_everything(void **state)
{
	struct error err = { .class = ERROR_RETRY, .code = 503, .retry_after_ms = 5, .message = "old" };

	(void)state;
	assert_int_equal(error_set(&err, ERROR_INVALID, "%s is %d", "netDays", 7), -1);
	assert_int_equal(err.class, ERROR_INVALID);
	assert_int_equal(err.code, 0);
	assert_int_equal(err.retry_after_ms, 0);
	assert_string_equal(err.message, "netDays is 7");
}

static void nobody_listening_is_fine(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, ERROR_RETRY, "x"), -1);
	assert_int_equal(error_wrap(NULL, "x"), -1);
}

static void wrap_adds_in_front_and_keeps_the_rest(void **state)
{
	struct error err;

	(void)state;
	error_set(&err, ERROR_CONFLICT, "changed meanwhile");
	err.code = 409;
	err.retry_after_ms = 1000;
	assert_int_equal(error_wrap(&err, "account %s", "acme/main"), -1);
	assert_string_equal(err.message, "account acme/main: changed meanwhile");
	assert_int_equal(err.class, ERROR_CONFLICT);
	assert_int_equal(err.code, 409);
	assert_int_equal(err.retry_after_ms, 1000);
}

static void own_message_may_be_an_argument(void **state)
{
	struct error err;

	(void)state;
	error_set(&err, ERROR_RETRY, "inner");
	error_set(&err, ERROR_GONE, "outer (%s)", err.message);
	assert_string_equal(err.message, "outer (inner)");
}

/* "ä€𝄞" take 2, 3 and 4 bytes: shifted by every offset, the cut goes through each of their bytes. */
static void long_messages_are_cut_between_characters(void **state)
{
	const char *characters[] = { "x", "ä", "€", "𝄞" };
	char text[2 * ERROR_MESSAGE_MAX + 8];
	struct error err;

	(void)state;
	for (size_t c = 0; c < 4; c++) {
		const size_t bytes = strlen(characters[c]);

		for (size_t offset = 0; offset < 4; offset++) {
			size_t len = offset;

			memset(text, '.', offset);
			while (len + bytes < 2 * ERROR_MESSAGE_MAX) {
				memcpy(text + len, characters[c], bytes);
				len += bytes;
			}
			text[len] = '\0';
			error_set(&err, ERROR_INVALID, "%s", text);
			assert_int_equal(strlen(err.message), offset + (ERROR_MESSAGE_MAX - 1 - offset) / bytes * bytes);
			assert_memory_equal(err.message, text, strlen(err.message));
			error_wrap(&err, "%s", text + offset);
			assert_int_equal(strlen(err.message), (ERROR_MESSAGE_MAX - 1) / bytes * bytes);
		}
	}
}

/* jansson shows the byte at which it stopped, which may be the first of several. */
static void bytes_that_are_no_text_become_question_marks(void **state)
{
	struct error err;

	(void)state;
	error_set(&err, ERROR_INVALID, "near '%s', ü", "J\xc3\xb6rg \\\xc3");
	assert_string_equal(err.message, "near 'J\xc3\xb6rg \\?', ü");
	error_wrap(&err, "%.2s", "\xa4\xff");
	assert_string_equal(err.message, "??: near 'J\xc3\xb6rg \\?', ü");
}

static void wrap_that_leaves_no_room_keeps_the_prefix(void **state)
{
	char text[ERROR_MESSAGE_MAX];
	struct error err;

	(void)state;
	memset(text, 'p', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error_set(&err, ERROR_INVALID, "why");
	error_wrap(&err, "%s", text);
	assert_string_equal(err.message, text);
	error_set(&err, ERROR_INVALID, "why");
	error_wrap(&err, "%.*s", ERROR_MESSAGE_MAX - 3, text);
	assert_int_equal(strlen(err.message), ERROR_MESSAGE_MAX - 1);
	assert_string_equal(err.message + ERROR_MESSAGE_MAX - 3, ": ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_fills_everything),
		cmocka_unit_test(nobody_listening_is_fine),
		cmocka_unit_test(wrap_adds_in_front_and_keeps_the_rest),
		cmocka_unit_test(own_message_may_be_an_argument),
		cmocka_unit_test(long_messages_are_cut_between_characters),
		cmocka_unit_test(bytes_that_are_no_text_become_question_marks),
		cmocka_unit_test(wrap_that_leaves_no_room_keeps_the_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
