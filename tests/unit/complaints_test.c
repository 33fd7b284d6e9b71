/* complaints.c: what is said, what is not, and how much was left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "complaints.h"

static void the_same_is_said_once_in_a_while(void **state)
{
	struct complaints c = { 0 };

	(void)state;
	assert_true(complaints_may(&c, 1, 100));
	assert_false(complaints_may(&c, 1, 100));
	assert_true(complaints_may(&c, 2, 100)); /* another one is not held up */
	assert_false(complaints_may(&c, 1, 100 + COMPLAINTS_EVERY_MS - 1));
	assert_true(complaints_may(&c, 1, 100 + COMPLAINTS_EVERY_MS));
	assert_false(complaints_may(&c, 1, 101 + COMPLAINTS_EVERY_MS));
	assert_int_equal(complaints_left_out(&c, 100 + 9 * COMPLAINTS_EVERY_MS), 0);
}

static void many_different_ones_are_bounded_and_counted(void **state)
{
	struct complaints c = { 0 };
	unsigned said = 0;

	(void)state;
	for (uint64_t what = 1; what <= 10000; what++)
		said += complaints_may(&c, what * 0x9E3779B97F4A7C15ULL, 500);
	assert_int_equal(said, COMPLAINTS_MAX);
	assert_int_equal(complaints_left_out(&c, 500 + COMPLAINTS_EVERY_MS - 1), 0); /* not yet */
	assert_int_equal(complaints_left_out(&c, 500 + COMPLAINTS_EVERY_MS), 10000 - COMPLAINTS_MAX);
	assert_int_equal(complaints_left_out(&c, 500 + 2 * COMPLAINTS_EVERY_MS), 0); /* once */
	assert_true(complaints_may(&c, 3, 500 + COMPLAINTS_EVERY_MS));
}

/* Whatever hashes there are: what was said is remembered until it may be said again. */
static void what_was_said_is_remembered_long_enough(void **state)
{
	struct complaints c = { 0 };
	uint64_t what = 88172645463325252ULL;
	unsigned forgotten = 0, said = 0;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		int64_t now = 1000 + round * (int64_t)COMPLAINTS_EVERY_MS;
		uint64_t first = what;
		for (int i = 0; i < COMPLAINTS_MAX; i++) {
			what ^= what << 13, what ^= what >> 7, what ^= what << 17;
			said += complaints_may(&c, what, now);
		}
		for (int i = 0; i < COMPLAINTS_MAX; i++) {
			first ^= first << 13, first ^= first >> 7, first ^= first << 17;
			c.n = 0; /* the bound is another rule */
			forgotten += complaints_may(&c, first, now + COMPLAINTS_EVERY_MS - 1);
		}
	}
	assert_int_equal(said, 2000 * COMPLAINTS_MAX);
	assert_true(forgotten < said / 1000); /* of five in the same set one gives way */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_is_said_once_in_a_while),
		cmocka_unit_test(many_different_ones_are_bounded_and_counted),
		cmocka_unit_test(what_was_said_is_remembered_long_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
