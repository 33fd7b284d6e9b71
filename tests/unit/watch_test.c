/* The list-and-watch protocol, rule by rule: events in, commands out, with time as an argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "watch.h"

static struct watch_cmd event(struct watch *w, const char *version, int64_t now)
{
	return watch_step(w, &(struct watch_event){ .type = WATCH_EVENT, .resource_version = version }, now);
}

static struct watch_cmd page(struct watch *w, const char *version, const char *token, int64_t now)
{
	return watch_step(w, &(struct watch_event){ .type = WATCH_PAGE, .resource_version = version, .continue_token = token }, now);
}

static struct watch_cmd broken(struct watch *w, enum watch_failure failure, int64_t retry_after, int64_t now)
{
	return watch_step(w, &(struct watch_event){ .type = WATCH_FAILED, .failure = failure, .retry_after_ms = retry_after }, now);
}

static struct watch_cmd tick(struct watch *w, int64_t now)
{
	return watch_step(w, &(struct watch_event){ .type = WATCH_TICK }, now);
}

static struct watch_cmd ended(struct watch *w, int64_t now)
{
	return watch_step(w, &(struct watch_event){ .type = WATCH_ENDED }, now);
}

static struct watch_cmd started(struct watch *w)
{
	watch_init(w, 7);
	return watch_step(w, &(struct watch_event){ .type = WATCH_START }, 0);
}

static void watching_at(struct watch *w, const char *version)
{
	started(w);
	assert_int_equal(page(w, version, NULL, 0).type, WATCH_DO_WATCH);
}

static void the_first_list_is_a_consistent_read(void **state)
{
	struct watch w;
	struct watch_cmd cmd = started(&w);

	(void)state;
	assert_int_equal(cmd.type, WATCH_DO_LIST);
	assert_null(cmd.resource_version); /* a consistent read */
	assert_int_equal(cmd.limit, 500000);
	assert_null(cmd.continue_token);
	assert_false(w.synced);
	watch_close(&w);
}

static void continue_pages_name_no_version(void **state)
{
	struct watch w;
	struct watch_cmd cmd;

	(void)state;
	started(&w);
	cmd = page(&w, "100", "token-2", 0);
	assert_int_equal(cmd.type, WATCH_DO_LIST);
	assert_null(cmd.resource_version);
	assert_false(cmd.exact);
	assert_string_equal(cmd.continue_token, "token-2");
	assert_int_equal(cmd.limit, 500000);
	assert_false(w.synced);
	cmd = page(&w, "100", NULL, 0);
	assert_int_equal(cmd.type, WATCH_DO_WATCH);
	assert_string_equal(cmd.resource_version, "100");
	assert_true(w.synced);
	watch_close(&w);
}

static void a_watch_lasts_five_to_ten_minutes(void **state)
{
	bool low = false, high = false;

	(void)state;
	for (uint64_t seed = 1; seed < 2000; seed++) {
		struct watch w;
		struct watch_cmd cmd;

		watch_init(&w, seed * 0x9e3779b97f4a7c15u);
		watch_step(&w, &(struct watch_event){ .type = WATCH_START }, 0);
		cmd = page(&w, "1", NULL, 0);
		assert_in_range(cmd.timeout_s, 300, 600);
		low |= cmd.timeout_s < 330;
		high |= cmd.timeout_s > 570;
		watch_close(&w);
	}
	assert_true(low && high);
}

static void a_clean_end_goes_on_from_the_last_version_at_once(void **state)
{
	struct watch w;
	struct watch_cmd cmd;

	(void)state;
	watching_at(&w, "100");
	assert_int_equal(event(&w, "105", 10).type, WATCH_DO_NOTHING);
	assert_int_equal(event(&w, "zz-opaque-9", 20).type, WATCH_DO_NOTHING);
	cmd = ended(&w, 300000);
	assert_int_equal(cmd.type, WATCH_DO_WATCH);
	assert_string_equal(cmd.resource_version, "zz-opaque-9");
	watch_close(&w);
}

static void the_version_is_as_old_as_its_last_move(void **state)
{
	struct watch w;

	(void)state;
	started(&w);
	assert_int_equal(w.moved_at, 0);
	page(&w, "100", "more", 10);
	assert_int_equal(w.moved_at, 0); /* a list counts as a whole */
	page(&w, "100", NULL, 20);
	assert_int_equal(w.moved_at, 20);
	event(&w, "101", 30);
	event(&w, "101", 40); /* the same again */
	assert_int_equal(w.moved_at, 30);
	ended(&w, 5000);
	assert_int_equal(w.moved_at, 30);
	event(&w, "102", 6000);
	assert_int_equal(w.moved_at, 6000);
	watch_close(&w);
}

static void a_quiet_end_after_a_second_is_clean_too(void **state)
{
	struct watch w;

	(void)state;
	watching_at(&w, "100");
	assert_int_equal(ended(&w, 1000).type, WATCH_DO_WATCH);
	watch_close(&w);
}

static void a_stream_that_ends_at_once_is_a_failure(void **state)
{
	struct watch w;

	(void)state;
	watching_at(&w, "100");
	assert_int_equal(ended(&w, 999).type, WATCH_DO_WAIT);
	watch_close(&w);
}

static void a_stream_that_is_cut_while_it_brings_something_goes_on_soon(void **state)
{
	struct watch w;
	int64_t now = 0;

	(void)state;
	watching_at(&w, "100");
	for (int i = 0; i < 20; i++) {
		event(&w, "101", now + 10);
		struct watch_cmd cmd = ended(&w, now + 20);
		assert_int_equal(cmd.type, WATCH_DO_WAIT); /* or a server that sends a bookmark and hangs up would keep us busy */
		assert_in_range(cmd.due, now + 21, now + 120);
		now = cmd.due;
		assert_int_equal(tick(&w, now).type, WATCH_DO_WATCH);
	}
	watch_close(&w);
}

static void the_first_expiry_lists_at_once_and_further_ones_back_off(void **state)
{
	struct watch w;
	int64_t now = 60000;

	(void)state;
	watching_at(&w, "100");
	for (int i = 0; i < 8; i++) { /* an outage has worn the back-off to its end */
		now = broken(&w, FAILURE_PASSING, 0, now).due;
		tick(&w, now);
	}
	now = broken(&w, FAILURE_EXPIRED, 0, now).due - now;
	assert_true(now <= 20);
	watch_close(&w);
	watching_at(&w, "100");
	now = 0;
	for (int i = 0; i < 40; i++) { /* a server that calls every version expired */
		now = broken(&w, FAILURE_EXPIRED, 0, now).due;
		tick(&w, now);
	}
	assert_true(now > 60000);
	watch_close(&w);
}

static void a_list_without_end_is_given_up_for_a_while(void **state)
{
	struct watch w;
	char token[16];
	int pages = 0;

	(void)state;
	started(&w);
	page(&w, "100", "same", 0);
	assert_int_equal(page(&w, "100", "same", 0).type, WATCH_DO_WAIT);
	watch_close(&w);
	started(&w);
	do
		snprintf(token, sizeof(token), "t%d", pages++);
	while (pages < 100000 && page(&w, "100", token, 0).type == WATCH_DO_LIST);
	assert_in_range(pages, 1000, 10000); /* 100,000 objects are 200 pages */
	watch_close(&w);
}

static void a_long_wait_is_cut_short_when_the_server_is_back(void **state)
{
	struct watch w;
	int64_t now = 0;

	(void)state;
	watching_at(&w, "100");
	for (int i = 0; i < 9; i++) {
		now = broken(&w, FAILURE_PASSING, 29000, now).due;
		if (i < 8)
			tick(&w, now);
	}
	now -= 20000;
	watch_hurry(&w, now);
	assert_int_equal(tick(&w, now + 1000).type, WATCH_DO_WATCH);
	watch_hurry(&w, now); /* means nothing to one that does not wait */
	assert_int_equal(tick(&w, now + 2000).type, WATCH_DO_NOTHING);
	watch_close(&w);
}

static void a_broken_stream_waits_and_goes_on_from_its_version(void **state)
{
	struct watch w;
	struct watch_cmd cmd;

	(void)state;
	watching_at(&w, "100");
	event(&w, "101", 10);
	cmd = broken(&w, FAILURE_PASSING, 0, 5000);
	assert_int_equal(cmd.type, WATCH_DO_WAIT);
	assert_in_range(cmd.due, 5001, 5800);
	assert_int_equal(tick(&w, cmd.due - 1).type, WATCH_DO_WAIT);
	cmd = tick(&w, cmd.due);
	assert_int_equal(cmd.type, WATCH_DO_WATCH);
	assert_string_equal(cmd.resource_version, "101");
	watch_close(&w);
}

static void gone_lists_anew_and_consistently(void **state)
{
	struct watch w;
	struct watch_cmd cmd;

	(void)state;
	watching_at(&w, "100");
	cmd = broken(&w, FAILURE_EXPIRED, 0, 5000);
	cmd = tick(&w, cmd.due);
	assert_int_equal(cmd.type, WATCH_DO_LIST);
	assert_null(cmd.resource_version); /* a list from the cache could be as old */
	assert_int_equal(cmd.limit, 500000);
	cmd = page(&w, "900", NULL, 6000);
	assert_int_equal(cmd.type, WATCH_DO_WATCH);
	assert_string_equal(cmd.resource_version, "900");
	watch_close(&w);
}

static void an_expired_token_lists_in_one_piece_at_the_first_pages_version(void **state)
{
	struct watch w;
	struct watch_cmd cmd;

	(void)state;
	started(&w);
	page(&w, "100", "token-2", 0);
	cmd = broken(&w, FAILURE_EXPIRED, 0, 0);
	cmd = tick(&w, cmd.due);
	assert_int_equal(cmd.type, WATCH_DO_LIST);
	assert_string_equal(cmd.resource_version, "100");
	assert_true(cmd.exact);
	assert_int_equal(cmd.limit, 0);
	assert_null(cmd.continue_token);
	/* and when that version is gone too, a new consistent list */
	cmd = broken(&w, FAILURE_EXPIRED, 0, 1000);
	cmd = tick(&w, cmd.due);
	assert_null(cmd.resource_version);
	assert_false(cmd.exact);
	watch_close(&w);
}

static void a_failed_page_is_asked_for_again(void **state)
{
	struct watch w;
	struct watch_cmd cmd;

	(void)state;
	started(&w);
	page(&w, "100", "token-2", 0);
	cmd = broken(&w, FAILURE_PASSING, 0, 0);
	cmd = tick(&w, cmd.due);
	assert_string_equal(cmd.continue_token, "token-2");
	watch_close(&w);
}

/* kube-apiserver gives each request a minute. */
static void a_list_that_does_not_come_whole_is_asked_for_in_pages(void **state)
{
	struct watch w;
	struct watch_cmd cmd;

	(void)state;
	started(&w);
	cmd = broken(&w, FAILURE_PASSING, 0, 5000); /* nobody is there */
	cmd = tick(&w, cmd.due);
	assert_int_equal(cmd.limit, 500000);
	cmd = broken(&w, FAILURE_PASSING, 0, 70000);
	cmd = tick(&w, cmd.due);
	assert_int_equal(cmd.limit, 5000);
	cmd = page(&w, "100", "token-2", 80000);
	assert_int_equal(cmd.limit, 5000);
	cmd = broken(&w, FAILURE_PASSING, 0, 81000);
	cmd = tick(&w, cmd.due);
	assert_int_equal(cmd.limit, 5000);
	assert_string_equal(cmd.continue_token, "token-2");
	page(&w, "100", NULL, 82000);
	broken(&w, FAILURE_EXPIRED, 0, 90000); /* the next list begins whole again */
	cmd = tick(&w, 100000);
	assert_int_equal(cmd.limit, 500000);
	watch_close(&w);
}

static void a_version_from_the_future_lists_anew(void **state)
{
	struct watch w;
	struct watch_cmd cmd;

	(void)state;
	watching_at(&w, "100");
	cmd = broken(&w, FAILURE_TOO_LARGE, 1000, 0);
	assert_true(cmd.due >= 1000);
	cmd = tick(&w, cmd.due);
	assert_int_equal(cmd.type, WATCH_DO_LIST);
	assert_null(cmd.resource_version);
	watch_close(&w);
}

static void backoff_doubles_to_thirty_seconds_with_full_jitter(void **state)
{
	static const int64_t bounds[] = { 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000, 30000 };
	int64_t most[9] = { 0 }, least[9];

	(void)state;
	for (unsigned i = 0; i < 9; i++)
		least[i] = INT64_MAX;
	for (uint64_t seed = 1; seed < 500; seed++) {
		struct watch w;
		int64_t now = 0;

		watch_init(&w, seed * 0x9e3779b97f4a7c15u);
		watch_step(&w, &(struct watch_event){ .type = WATCH_START }, 0);
		for (unsigned i = 0; i < 9; i++) {
			struct watch_cmd cmd = broken(&w, FAILURE_PASSING, 0, now);
			int64_t wait = cmd.due - now;

			assert_in_range(wait, 1, bounds[i]);
			most[i] = wait > most[i] ? wait : most[i];
			least[i] = wait < least[i] ? wait : least[i];
			now = cmd.due;
			tick(&w, now);
		}
		watch_close(&w);
	}
	for (unsigned i = 0; i < 9; i++) { /* it does use the whole range */
		assert_true(most[i] > bounds[i] * 9 / 10);
		assert_true(least[i] < bounds[i] / 10);
	}
}

static void backoff_is_forgotten_after_two_quiet_minutes(void **state)
{
	struct watch w;
	struct watch_cmd cmd;
	int64_t now = 0;

	(void)state;
	watching_at(&w, "1");
	for (int i = 0; i < 8; i++) {
		now = broken(&w, FAILURE_PASSING, 0, now).due;
		tick(&w, now);
	}
	now += 120000 + 30000;
	cmd = broken(&w, FAILURE_PASSING, 0, now);
	assert_in_range(cmd.due - now, 1, 800);
	watch_close(&w);
}

static void retry_after_is_a_least_wait(void **state)
{
	struct watch w;
	struct watch_cmd cmd;

	(void)state;
	watching_at(&w, "1");
	cmd = broken(&w, FAILURE_PASSING, 7000, 100);
	assert_in_range(cmd.due - 100, 7000, 7000 * 5 / 4);
	watch_close(&w);
}

static void a_missing_kind_is_asked_for_steadily(void **state)
{
	struct watch w;
	struct watch_cmd cmd = started(&w);
	int64_t now = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		cmd = broken(&w, FAILURE_NO_SUCH_KIND, 0, now);
		assert_int_equal(cmd.due - now, 2000);
		now = cmd.due;
		assert_int_equal(tick(&w, now).type, WATCH_DO_LIST);
	}
	watch_close(&w);
}

static void a_kind_that_was_removed_is_listed_when_it_is_back(void **state)
{
	struct watch w;
	struct watch_cmd cmd;

	(void)state;
	watching_at(&w, "100");
	cmd = broken(&w, FAILURE_NO_SUCH_KIND, 0, 0);
	cmd = tick(&w, cmd.due);
	assert_int_equal(cmd.type, WATCH_DO_LIST);
	assert_null(cmd.resource_version);
	watch_close(&w);
}

static void a_refusal_keeps_the_version(void **state)
{
	struct watch w;
	struct watch_cmd cmd;

	(void)state;
	watching_at(&w, "100");
	cmd = broken(&w, FAILURE_REFUSED, 0, 0);
	cmd = tick(&w, cmd.due);
	assert_int_equal(cmd.type, WATCH_DO_WATCH);
	assert_string_equal(cmd.resource_version, "100");
	watch_close(&w);
}

static void ticks_at_other_times_change_nothing(void **state)
{
	struct watch w;

	(void)state;
	started(&w);
	assert_int_equal(tick(&w, 5).type, WATCH_DO_NOTHING);
	page(&w, "1", NULL, 6);
	assert_int_equal(tick(&w, 7).type, WATCH_DO_NOTHING);
	watch_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_list_is_a_consistent_read),
		cmocka_unit_test(continue_pages_name_no_version),
		cmocka_unit_test(a_watch_lasts_five_to_ten_minutes),
		cmocka_unit_test(a_clean_end_goes_on_from_the_last_version_at_once),
		cmocka_unit_test(the_version_is_as_old_as_its_last_move),
		cmocka_unit_test(a_quiet_end_after_a_second_is_clean_too),
		cmocka_unit_test(a_stream_that_ends_at_once_is_a_failure),
		cmocka_unit_test(a_stream_that_is_cut_while_it_brings_something_goes_on_soon),
		cmocka_unit_test(the_first_expiry_lists_at_once_and_further_ones_back_off),
		cmocka_unit_test(a_list_without_end_is_given_up_for_a_while),
		cmocka_unit_test(a_long_wait_is_cut_short_when_the_server_is_back),
		cmocka_unit_test(a_broken_stream_waits_and_goes_on_from_its_version),
		cmocka_unit_test(gone_lists_anew_and_consistently),
		cmocka_unit_test(an_expired_token_lists_in_one_piece_at_the_first_pages_version),
		cmocka_unit_test(a_failed_page_is_asked_for_again),
		cmocka_unit_test(a_list_that_does_not_come_whole_is_asked_for_in_pages),
		cmocka_unit_test(a_version_from_the_future_lists_anew),
		cmocka_unit_test(backoff_doubles_to_thirty_seconds_with_full_jitter),
		cmocka_unit_test(backoff_is_forgotten_after_two_quiet_minutes),
		cmocka_unit_test(retry_after_is_a_least_wait),
		cmocka_unit_test(a_missing_kind_is_asked_for_steadily),
		cmocka_unit_test(a_kind_that_was_removed_is_listed_when_it_is_back),
		cmocka_unit_test(a_refusal_keeps_the_version),
		cmocka_unit_test(ticks_at_other_times_change_nothing),
	};

	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
