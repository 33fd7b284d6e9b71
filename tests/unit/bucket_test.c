/* bucket.c: how many tokens there are, and when the next one comes, to the millisecond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bucket.h"

static void without_a_rate_there_is_no_limit(void **state)
{
	struct bucket b = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(bucket_wait(&b, 5), 0);
		bucket_take(&b, 5);
	}
}

static void a_burst_then_the_rate(void **state)
{
	struct bucket b;
	int64_t now = 1000, taken = 0;

	(void)state;
	bucket_init(&b, 3, 5, now);
	for (; !bucket_wait(&b, now); taken++)
		bucket_take(&b, now);
	assert_int_equal(taken, 5);
	assert_int_equal(bucket_wait(&b, now), 334);
	assert_int_equal(bucket_wait(&b, now + 333), 1);
	assert_int_equal(bucket_wait(&b, now + 334), 0);
	for (int64_t end = now + 100 * 1000; now < end; now++) /* a third of a millisecond is not lost */
		for (; !bucket_wait(&b, now); taken++)
			bucket_take(&b, now);
	assert_in_range(taken, 5 + 299, 5 + 300);
}

static void a_rest_fills_it_and_no_more(void **state)
{
	struct bucket b;
	int taken = 0;

	(void)state;
	bucket_init(&b, 1000, 7, 0);
	for (int i = 0; i < 7; i++)
		bucket_take(&b, 0);
	for (int64_t now = INT64_MAX / 2; !bucket_wait(&b, now); taken++)
		bucket_take(&b, now);
	assert_int_equal(taken, 7);
	assert_int_equal(bucket_wait(&b, 5), 1); /* a clock that runs backwards gives nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_rate_there_is_no_limit),
		cmocka_unit_test(a_burst_then_the_rate),
		cmocka_unit_test(a_rest_fills_it_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
