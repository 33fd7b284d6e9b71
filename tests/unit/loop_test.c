/*
 * loop.c: when the drain runs, and that signals and stop arrive. Lower bounds of time are checked exactly, upper bounds are as
 * generous as a loaded machine needs.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "loop.h"

enum { LATE_MS = 10000 };

struct drained {
	struct loop *loop;
	unsigned calls;
	unsigned stop_after;
	int64_t answer_ms;
	int64_t at_ms[8];
	int signum;
	unsigned signals;
};

static int64_t drain(void *context)
{
	struct drained *d = context;

	if (d->calls < 8)
		d->at_ms[d->calls] = loop_monotonic_ms();
	d->calls++;
	if (d->calls == d->stop_after)
		loop_stop(d->loop);
	return d->answer_ms;
}

static void drain_runs_again_at_once_while_work_remains(void **state)
{
	struct drained d = { .loop = loop_new(), .stop_after = 1000, .answer_ms = 0 };
	int64_t began = loop_monotonic_ms();

	(void)state;
	loop_on_drain(d.loop, drain, &d);
	loop_run(d.loop);
	assert_int_equal(d.calls, 1000);
	assert_true(loop_monotonic_ms() - began < LATE_MS);
	loop_free(d.loop);
}

static void drain_runs_again_when_it_is_due(void **state)
{
	struct drained d = { .loop = loop_new(), .stop_after = 2, .answer_ms = 40 };

	(void)state;
	loop_on_drain(d.loop, drain, &d);
	loop_run(d.loop);
	assert_int_equal(d.calls, 2);
	/* libuv and we round to milliseconds apart. */
	assert_true(d.at_ms[1] - d.at_ms[0] >= 39);
	assert_true(d.at_ms[1] - d.at_ms[0] < LATE_MS);
	loop_free(d.loop);
}

/* A drain that takes long must not shorten the sleep after it: the due time counts from its return. */
static int64_t slow_drain(void *context)
{
	struct drained *d = context;
	int64_t began = loop_monotonic_ms();

	if (d->calls == 1)
		d->at_ms[1] = began;
	if (++d->calls == 2) {
		loop_stop(d->loop);
		return -1;
	}
	while (loop_monotonic_ms() - began < 60)
		;
	d->at_ms[0] = loop_monotonic_ms();
	return 40;
}

static void due_time_counts_from_the_end_of_the_drain(void **state)
{
	struct drained d = { .loop = loop_new() };

	(void)state;
	loop_on_drain(d.loop, slow_drain, &d);
	loop_run(d.loop);
	assert_true(d.at_ms[1] - d.at_ms[0] >= 39);
	loop_free(d.loop);
}

/* Work remains once, then there is none: the loop must stop spinning. */
static int64_t drain_to_the_end(void *context)
{
	struct drained *d = context;

	drain(d);
	return d->calls == 1 ? 0 : 40;
}

static void loop_sleeps_again_when_the_work_is_done(void **state)
{
	struct drained d = { .loop = loop_new(), .stop_after = 3 };

	(void)state;
	loop_on_drain(d.loop, drain_to_the_end, &d);
	loop_run(d.loop);
	assert_true(d.at_ms[2] - d.at_ms[1] >= 39);
	loop_free(d.loop);
}

/* Nothing else is due: only the wall clock wakes it, at the moment given last, and once. */
static int64_t drain_at_a_moment(void *context)
{
	struct drained *d = context;

	d->at_ms[d->calls++] = loop_now();
	if (d->calls == 1) {
		loop_wake_at(d->loop, loop_now() + 3600 * 1000);
		loop_wake_at(d->loop, loop_now() + 60);
		return -1;
	}
	if (d->calls == 2)
		return 30; /* not woken again by what is over */
	loop_stop(d->loop);
	return -1;
}

static void drain_runs_at_a_moment_of_the_wall_clock(void **state)
{
	struct drained d = { .loop = loop_new() };

	(void)state;
	loop_on_drain(d.loop, drain_at_a_moment, &d);
	loop_run(d.loop);
	assert_true(d.at_ms[1] - d.at_ms[0] >= 60);
	assert_true(d.at_ms[1] - d.at_ms[0] < LATE_MS);
	assert_true(d.at_ms[2] - d.at_ms[1] >= 29);
	loop_free(d.loop);
}

/* A moment that has passed already is due at once; 0 takes it back. */
static int64_t drain_past_moments(void *context)
{
	struct drained *d = context;

	d->at_ms[d->calls++] = loop_monotonic_ms();
	if (d->calls == 1) {
		loop_wake_at(d->loop, loop_now() - 5000);
		return -1;
	}
	if (d->calls == 2) {
		loop_wake_at(d->loop, loop_now() + 20);
		loop_wake_at(d->loop, 0);
		return 60;
	}
	loop_stop(d->loop);
	return -1;
}

static void moments_may_be_past_or_taken_back(void **state)
{
	struct drained d = { .loop = loop_new() };

	(void)state;
	loop_on_drain(d.loop, drain_past_moments, &d);
	loop_run(d.loop);
	assert_true(d.at_ms[1] - d.at_ms[0] < LATE_MS);
	assert_true(d.at_ms[2] - d.at_ms[1] >= 59);
	loop_free(d.loop);
}

static int64_t interrupt_and_wait(void *context)
{
	struct drained *d = context;

	d->calls++;
	if (d->calls == 1)
		kill(getpid(), SIGUSR1);
	return d->answer_ms;
}

static void on_signal(void *context, int signum)
{
	struct drained *d = context;

	d->signals++;
	d->signum = signum;
	loop_stop(d->loop);
}

/* With a negative answer only something else wakes the loop: here the signal. */
static void signals_wake_a_loop_that_waits_for_ever(void **state)
{
	struct drained d = { .loop = loop_new(), .answer_ms = -1 };

	(void)state;
	loop_on_signal(d.loop, SIGUSR1, on_signal, &d);
	loop_on_drain(d.loop, interrupt_and_wait, &d);
	loop_run(d.loop);
	assert_int_equal(d.signum, SIGUSR1);
	assert_int_equal(d.signals, 1);
	assert_true(d.calls <= 3);
	loop_free(d.loop);
}

static void signals_are_told_apart(void **state)
{
	struct drained a = { .loop = loop_new(), .answer_ms = -1 }, b = a;

	(void)state;
	loop_on_signal(a.loop, SIGUSR2, on_signal, &b);
	loop_on_signal(a.loop, SIGUSR1, on_signal, &a);
	loop_on_drain(a.loop, interrupt_and_wait, &a);
	loop_run(a.loop);
	assert_int_equal(a.signals, 1);
	assert_int_equal(b.signals, 0);
	loop_free(a.loop);
}

static void loop_runs_again_after_a_stop(void **state)
{
	struct drained d = { .loop = loop_new(), .stop_after = 1, .answer_ms = 0 };

	(void)state;
	loop_on_drain(d.loop, drain, &d);
	loop_run(d.loop);
	assert_int_equal(d.calls, 1);
	d.stop_after = 3;
	loop_run(d.loop);
	assert_int_equal(d.calls, 3);
	loop_free(d.loop);
	loop_free(NULL);
}

static void an_answer_replaces_the_one_before(void **state)
{
	struct drained d = { .loop = loop_new(), .stop_after = 2, .answer_ms = 100000 };

	(void)state;
	/* The long sleep of the first run must not outlive it. */
	loop_on_signal(d.loop, SIGUSR1, on_signal, &d);
	loop_on_drain(d.loop, interrupt_and_wait, &d);
	loop_run(d.loop);
	d.calls = 0;
	d.answer_ms = 0;
	loop_on_drain(d.loop, drain, &d);
	loop_run(d.loop);
	assert_int_equal(d.calls, 2);
	loop_free(d.loop);
}

static void clocks_are_the_kernels(void **state)
{
	struct timespec boot;
	int64_t wall = (int64_t)time(NULL), mono = loop_monotonic_ms(), now = loop_now();

	(void)state;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	assert_true(now / 1000 >= wall && now / 1000 <= wall + 60);
	assert_true(boot.tv_sec * 1000 + boot.tv_nsec / 1000000 - mono < LATE_MS);
	assert_true(loop_monotonic_ms() >= mono);
}

/* The clock by which the loop judges its beat (libuv itself has another): each reading finds it later by this much. */
static uint64_t slip_ms, slipped_ms;

uint64_t uv_hrtime(void)
{
	struct timespec now;

	slipped_ms += slip_ms;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((uint64_t)now.tv_sec * 1000 + slipped_ms) * 1000000 + (uint64_t)now.tv_nsec;
}

static uint64_t beats(const struct loop *loop)
{
	return histogram_count(loop_lag(loop));
}

struct beaten {
	struct loop *loop;
	uint64_t until; /* stops at that many beats */
};

static int64_t drain_until_beaten(void *context)
{
	const struct beaten *b = context;

	if (beats(b->loop) >= b->until)
		loop_stop(b->loop);
	return -1;
}

static void beat_until(struct loop *loop, uint64_t n)
{
	struct beaten b = { .loop = loop, .until = n };

	loop_on_drain(loop, drain_until_beaten, &b);
	loop_run(loop);
	assert_int_equal(beats(loop), n); /* and no more of them */
}

static int64_t drain_that_works_past_a_beat(void *context)
{
	struct loop *loop = context;
	int64_t until = loop_monotonic_ms() + 1300;

	while (beats(loop) == 0 && loop_monotonic_ms() < until)
		;
	if (beats(loop) > 0)
		loop_stop(loop);
	return -1;
}

static void lag_is_the_time_for_which_the_loop_was_held_up(void **state)
{
	struct loop *loop = loop_new();

	(void)state;
	loop_on_drain(loop, drain_that_works_past_a_beat, loop);
	loop_run(loop);
	assert_int_equal(beats(loop), 1);
	assert_true(loop_lag(loop)->sum >= 0.29 && loop_lag(loop)->sum < LATE_MS / 1000.);
	loop_free(loop);
}

static void five_late_beats_in_a_row_are_sluggish_and_one_in_time_ends_it(void **state)
{
	struct loop *loop = loop_new();

	(void)state;
	assert_false(loop_is_sluggish(loop));
	slip_ms = 1500;
	beat_until(loop, 4);
	assert_false(loop_is_sluggish(loop));
	slip_ms = 700; /* late, but not by as much: what was is forgiven */
	beat_until(loop, 5);
	slip_ms = 1500;
	beat_until(loop, 9);
	assert_false(loop_is_sluggish(loop));
	beat_until(loop, 10);
	assert_true(loop_is_sluggish(loop));
	slip_ms = 0;
	beat_until(loop, 11);
	assert_false(loop_is_sluggish(loop));
	loop_free(loop);
}

static void one_long_gap_is_a_process_that_was_stopped(void **state)
{
	struct loop *loop = loop_new();

	(void)state;
	slip_ms = 3600 * 1000;
	beat_until(loop, 1);
	slip_ms = 0;
	assert_true(loop_lag(loop)->sum >= 3600);
	assert_false(loop_is_sluggish(loop));
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drain_runs_again_at_once_while_work_remains),
		cmocka_unit_test(drain_runs_again_when_it_is_due),
		cmocka_unit_test(due_time_counts_from_the_end_of_the_drain),
		cmocka_unit_test(loop_sleeps_again_when_the_work_is_done),
		cmocka_unit_test(drain_runs_at_a_moment_of_the_wall_clock),
		cmocka_unit_test(moments_may_be_past_or_taken_back),
		cmocka_unit_test(signals_wake_a_loop_that_waits_for_ever),
		cmocka_unit_test(signals_are_told_apart),
		cmocka_unit_test(loop_runs_again_after_a_stop),
		cmocka_unit_test(an_answer_replaces_the_one_before),
		cmocka_unit_test(clocks_are_the_kernels),
		cmocka_unit_test(lag_is_the_time_for_which_the_loop_was_held_up),
		cmocka_unit_test(five_late_beats_in_a_row_are_sluggish_and_one_in_time_ends_it),
		cmocka_unit_test(one_long_gap_is_a_process_that_was_stopped),
	};

	alarm(120); /* a loop that never wakes up is a failure, not a hang */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
