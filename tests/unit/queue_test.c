/*
 * queue.c: a key runs exactly as often as it has to, in the right order, and not before its time; the memory goes when the work
 * does. Clocks are numbers here. The last test compares 100,000 random steps with a model too simple to be wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
enum { NAMES = 16, MODEL_KINDS = 2 };

/* What the queue measures by. */
static int64_t clock_us;

static int64_t read_clock(void)
{
	return clock_us * 1000;
}

struct rig {
	struct atoms *atoms;
	struct queue *queue;
	size_t new_bytes; /* of the queue before its first key */
	struct key keys[NAMES];
};

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig->atoms = atoms_new();
	rig->queue = queue_new(rig->atoms);
	rig->new_bytes = queue_stats(rig->queue, 0).bytes;
	clock_us = 0;
	queue_measure(rig->queue, read_clock);
	for (int i = 0; i < NAMES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "name-%d", i / 3);
		/* Some differ in the kind only, some in the namespace only. */
		rig->keys[i].kind = (uint8_t)(i % 3 == 2);
		rig->keys[i].ns = i % 3 == 1 ? atom_of(rig->atoms, "acme") : NULL;
		rig->keys[i].name = atom_of(rig->atoms, name);
	}
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < NAMES; i++) {
		atom_unref(rig->atoms, rig->keys[i].ns);
		atom_unref(rig->atoms, rig->keys[i].name);
	}
	queue_free(rig->queue);
	assert_int_equal(atoms_count(rig->atoms), 0);
	atoms_free(rig->atoms);
	free(rig);
	return 0;
}

/* The index of the next key, or -1. */
static int take_at(struct rig *rig, int64_t mono, instant_t wall)
{
	struct key key;

	if (!queue_take(rig->queue, mono, wall, &key))
		return -1;
	for (int i = 0; i < NAMES; i++)
		if (key_equal(rig->keys[i], key))
			return i;
	fail_msg("a key that was never added");
	return -1;
}

static int take(struct rig *rig)
{
	return take_at(rig, 0, 0);
}

/* Takes the next key and is done with it. */
static int turn_at(struct rig *rig, int64_t mono, instant_t wall)
{
	int i = take_at(rig, mono, wall);

	if (i >= 0)
		queue_done(rig->queue, rig->keys[i]);
	return i;
}

/* Nothing is remembered, and no memory kept to speak of. */
static void assert_forgotten(struct rig *rig)
{
	assert_int_equal(queue_stats(rig->queue, 0).keys, 0);
	assert_true(queue_stats(rig->queue, 0).bytes < rig->new_bytes + 4096);
}

static void a_key_added_twice_runs_once(void **state)
{
	struct rig *rig = *state;

	queue_add(rig->queue, rig->keys[0], PRIORITY_HIGH, 0);
	queue_add(rig->queue, rig->keys[1], PRIORITY_HIGH, 0);
	queue_add(rig->queue, rig->keys[0], PRIORITY_HIGH, 0);
	assert_int_equal(queue_stats(rig->queue, 0).adds_total, 2);
	assert_int_equal(turn_at(rig, 0, 0), 0);
	assert_int_equal(turn_at(rig, 0, 0), 1);
	assert_int_equal(take(rig), -1);
	assert_forgotten(rig);
}

static void a_key_added_while_processed_runs_exactly_once_more(void **state)
{
	struct rig *rig = *state;

	queue_add(rig->queue, rig->keys[0], PRIORITY_HIGH, 0);
	assert_int_equal(take(rig), 0);
	for (int i = 0; i < 3; i++)
		queue_add(rig->queue, rig->keys[0], PRIORITY_HIGH, 0);
	assert_int_equal(queue_stats(rig->queue, 0).adds_total, 2);
	assert_int_equal(queue_stats(rig->queue, 0).depth, 0);
	assert_int_equal(queue_stats(rig->queue, 0).processing, 1);
	assert_int_equal(take(rig), -1); /* never twice at a time */
	queue_done(rig->queue, rig->keys[0]);
	assert_int_equal(turn_at(rig, 0, 0), 0);
	assert_int_equal(take(rig), -1);
	assert_forgotten(rig);
}

static void keys_differ_by_kind_namespace_and_name(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < NAMES; i++)
		queue_add(rig->queue, rig->keys[i], PRIORITY_HIGH, 0);
	for (int i = 0; i < NAMES; i++)
		assert_int_equal(turn_at(rig, 0, 0), i);
	assert_int_equal(take(rig), -1);
}

static void live_changes_go_first(void **state)
{
	struct rig *rig = *state;

	queue_add(rig->queue, rig->keys[0], PRIORITY_LOW, 0);
	queue_add(rig->queue, rig->keys[1], PRIORITY_LOW, 0);
	queue_add(rig->queue, rig->keys[2], PRIORITY_HIGH, 0);
	assert_int_equal(turn_at(rig, 0, 0), 2);
	assert_int_equal(turn_at(rig, 0, 0), 0);
	assert_int_equal(turn_at(rig, 0, 0), 1);
}

static void a_live_change_raises_a_waiting_key(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 3; i++)
		queue_add(rig->queue, rig->keys[i], PRIORITY_LOW, 0);
	queue_add(rig->queue, rig->keys[3], PRIORITY_HIGH, 0);
	queue_add(rig->queue, rig->keys[2], PRIORITY_HIGH, 0);
	queue_add(rig->queue, rig->keys[2], PRIORITY_LOW, 0); /* does not lower it again */
	assert_int_equal(turn_at(rig, 0, 0), 2);	      /* it has waited for longer than 3 */
	assert_int_equal(turn_at(rig, 0, 0), 3);
	assert_int_equal(turn_at(rig, 0, 0), 0);
	assert_int_equal(turn_at(rig, 0, 0), 1);
	assert_int_equal(take(rig), -1);
}

static void a_live_change_raises_a_key_that_was_added_while_processed(void **state)
{
	struct rig *rig = *state;

	queue_add(rig->queue, rig->keys[0], PRIORITY_LOW, 0);
	assert_int_equal(take(rig), 0);
	queue_add(rig->queue, rig->keys[1], PRIORITY_LOW, 0);
	queue_add(rig->queue, rig->keys[0], PRIORITY_LOW, 0);
	queue_add(rig->queue, rig->keys[0], PRIORITY_HIGH, 0);
	queue_done(rig->queue, rig->keys[0]);
	assert_int_equal(turn_at(rig, 0, 0), 0);
	assert_int_equal(turn_at(rig, 0, 0), 1);
}

static void who_waited_for_long_goes_first_every_second_time(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 3; i++)
		queue_add(rig->queue, rig->keys[i], PRIORITY_LOW, 0);
	for (int i = 3; i < 7; i++)
		queue_add(rig->queue, rig->keys[i], PRIORITY_HIGH, 0);
	assert_int_equal(turn_at(rig, QUEUE_AGED_MS, 0), 3); /* not longer than that yet */
	assert_int_equal(turn_at(rig, QUEUE_AGED_MS + 1, 0), 0);
	assert_int_equal(turn_at(rig, QUEUE_AGED_MS + 1, 0), 4);
	assert_int_equal(turn_at(rig, QUEUE_AGED_MS + 1, 0), 1);
	assert_int_equal(turn_at(rig, QUEUE_AGED_MS + 1, 0), 5);
	assert_int_equal(turn_at(rig, QUEUE_AGED_MS - 1, 0), 6); /* a clock that went back ages nobody */
	assert_int_equal(turn_at(rig, QUEUE_AGED_MS - 1, 0), 2);
}

static void a_delay_ends_when_it_is_due(void **state)
{
	struct rig *rig = *state;

	assert_true(queue_next_mono(rig->queue) == INT64_MAX);
	queue_add_after(rig->queue, rig->keys[0], 100);
	assert_int_equal(queue_next_mono(rig->queue), 100);
	assert_int_equal(queue_stats(rig->queue, 0).delayed, 1);
	assert_int_equal(take_at(rig, 99, INT64_MAX), -1);
	assert_int_equal(turn_at(rig, 100, 0), 0);
	assert_int_equal(take_at(rig, 1000, 0), -1);
	assert_forgotten(rig);
}

static void the_earliest_delay_stays(void **state)
{
	struct rig *rig = *state;

	queue_add_after(rig->queue, rig->keys[0], 100);
	queue_add_after(rig->queue, rig->keys[0], 200);
	queue_add_after(rig->queue, rig->keys[0], 50);
	assert_int_equal(queue_stats(rig->queue, 0).delayed, 1);
	assert_int_equal(turn_at(rig, 50, 0), 0);
	assert_int_equal(take_at(rig, 1000, 0), -1);
	assert_forgotten(rig);
}

static void an_add_does_not_end_a_delay(void **state)
{
	struct rig *rig = *state;

	queue_add_after(rig->queue, rig->keys[0], 100);
	queue_add(rig->queue, rig->keys[0], PRIORITY_HIGH, 0);
	assert_int_equal(turn_at(rig, 0, 0), 0);
	assert_int_equal(turn_at(rig, 100, 0), 0);
	assert_int_equal(take_at(rig, 1000, 0), -1);
}

static void a_delay_that_ends_while_processing_makes_it_run_once_more(void **state)
{
	struct rig *rig = *state;

	queue_add(rig->queue, rig->keys[0], PRIORITY_HIGH, 0);
	queue_add_after(rig->queue, rig->keys[0], 100);
	queue_add_at(rig->queue, rig->keys[0], 7);
	assert_int_equal(take_at(rig, 0, 0), 0);
	assert_int_equal(take_at(rig, 100, 7), -1);
	queue_done(rig->queue, rig->keys[0]);
	assert_int_equal(turn_at(rig, 100, 7), 0);
	assert_int_equal(take_at(rig, 1000, 1000), -1);
	assert_forgotten(rig);
}

static void a_moment_follows_the_wall_clock_wherever_it_jumps(void **state)
{
	struct rig *rig = *state;

	queue_add_at(rig->queue, rig->keys[0], 1000000);
	assert_int_equal(queue_next_wall(rig->queue), 1000000);
	assert_int_equal(queue_stats(rig->queue, 0).timed, 1);
	assert_int_equal(take_at(rig, 5000000, 999999), -1);
	assert_int_equal(take_at(rig, 6000000, 10), -1);	/* back */
	assert_int_equal(turn_at(rig, 6000001, 1000000000), 0); /* far ahead */
	assert_int_equal(queue_next_wall(rig->queue), 0);
	queue_add_at(rig->queue, rig->keys[1], -5); /* before 1970 is past, too */
	assert_int_equal(turn_at(rig, 6000001, 1), 1);
	assert_forgotten(rig);
}

static void who_is_taken_for_its_moment_knows_it(void **state)
{
	struct rig *rig = *state;

	queue_add_at(rig->queue, rig->keys[0], 100);
	queue_add(rig->queue, rig->keys[0], PRIORITY_HIGH, 0);
	assert_int_equal(take_at(rig, 0, 99), 0);
	assert_false(queue_moment_came(rig->queue, rig->keys[0]));
	assert_int_equal(take_at(rig, 0, 100), -1); /* it comes while it is being processed: that is for its next turn */
	assert_false(queue_moment_came(rig->queue, rig->keys[0]));
	queue_done(rig->queue, rig->keys[0]);
	assert_int_equal(take_at(rig, 0, 100), 0);
	assert_true(queue_moment_came(rig->queue, rig->keys[0]));
	queue_add(rig->queue, rig->keys[0], PRIORITY_HIGH, 0);
	queue_done(rig->queue, rig->keys[0]);
	assert_int_equal(take_at(rig, 0, 200), 0);
	assert_false(queue_moment_came(rig->queue, rig->keys[0])); /* once */
	queue_done(rig->queue, rig->keys[0]);
	assert_forgotten(rig);
}

static void the_earliest_moment_stays_until_it_is_forgotten(void **state)
{
	struct rig *rig = *state;

	queue_add_at(rig->queue, rig->keys[0], 200);
	queue_add_at(rig->queue, rig->keys[0], 100);
	queue_add_at(rig->queue, rig->keys[0], 300);
	queue_add_at(rig->queue, rig->keys[0], 0); /* unset: nothing */
	assert_int_equal(queue_next_wall(rig->queue), 100);
	queue_forget_at(rig->queue, rig->keys[0]);
	queue_forget_at(rig->queue, rig->keys[1]); /* never had one */
	assert_forgotten(rig);
	queue_add_at(rig->queue, rig->keys[0], 300);
	assert_int_equal(queue_next_wall(rig->queue), 300);
	queue_add_at(rig->queue, rig->keys[1], 0);
	assert_int_equal(queue_stats(rig->queue, 0).keys, 1);
}

static void backoff_doubles_to_the_cap(void **state)
{
	static const int64_t delays[] = { 5,	 10,	20,    40,    80,     160,    320,    640,     1280,	2560,	5120,
					  10240, 20480, 40960, 81920, 163840, 327680, 655360, 1000000, 1000000, 1000000 };
	struct rig *rig = *state;
	int64_t now = 77;

	for (size_t i = 0; i < COUNT(delays); i++) {
		queue_retry(rig->queue, rig->keys[0], now, 0);
		assert_int_equal(queue_next_mono(rig->queue), now + delays[i]);
		assert_int_equal(take_at(rig, now + delays[i] - 1, 0), -1);
		now += delays[i];
		assert_int_equal(turn_at(rig, now, 0), 0);
	}
	assert_int_equal(queue_stats(rig->queue, 0).retries_total, COUNT(delays));
	assert_int_equal(queue_stats(rig->queue, 0).keys, 1);
	queue_forget(rig->queue, rig->keys[0]);
	assert_forgotten(rig);
	queue_retry(rig->queue, rig->keys[0], now, 0);
	assert_int_equal(queue_next_mono(rig->queue), now + 5);
}

static void backoff_stays_at_the_cap_for_ever(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 100; i++) {
		queue_retry(rig->queue, rig->keys[0], i * 2000000, 0);
		assert_int_equal(turn_at(rig, i * 2000000 + 1000000, 0), 0);
	}
	queue_retry(rig->queue, rig->keys[0], 0, 0);
	assert_int_equal(queue_next_mono(rig->queue), 1000000);
}

static void a_server_may_ask_for_more_patience(void **state)
{
	struct rig *rig = *state;

	queue_retry(rig->queue, rig->keys[0], 0, 3000);
	assert_int_equal(queue_next_mono(rig->queue), 3000);
	queue_retry(rig->queue, rig->keys[1], 0, -7);
	assert_int_equal(queue_next_mono(rig->queue), 5);
	queue_retry(rig->queue, rig->keys[2], 0, 5000000); /* beyond the cap */
	queue_retry(rig->queue, rig->keys[3], INT64_MAX - 1, INT64_MAX);
	assert_int_equal(turn_at(rig, 5, 0), 1);
	assert_int_equal(turn_at(rig, 3000, 0), 0);
	assert_int_equal(take_at(rig, 4999999, 0), -1);
	assert_int_equal(turn_at(rig, 5000000, 0), 2);
	assert_true(queue_next_mono(rig->queue) == INT64_MAX);
}

static void a_retry_keeps_the_priority(void **state)
{
	struct rig *rig = *state;

	queue_add(rig->queue, rig->keys[0], PRIORITY_LOW, 0);
	queue_add(rig->queue, rig->keys[1], PRIORITY_LOW, 0);
	assert_int_equal(take(rig), 0);
	queue_retry(rig->queue, rig->keys[0], 0, 0);
	queue_done(rig->queue, rig->keys[0]);
	assert_int_equal(take(rig), 1);
	queue_retry(rig->queue, rig->keys[1], 0, 0);
	queue_add_after(rig->queue, rig->keys[1], 9); /* asked for by a live change: the earlier time, the higher priority */
	queue_done(rig->queue, rig->keys[1]);
	queue_add(rig->queue, rig->keys[2], PRIORITY_HIGH, 0);
	assert_int_equal(queue_next_mono(rig->queue), 5);
	assert_int_equal(take_at(rig, 5, 0), 2);
	assert_int_equal(take_at(rig, 5, 0), 1);
	assert_int_equal(take_at(rig, 5, 0), 0);
}

static void stats_tell_how_long_the_oldest_waits(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(queue_stats(rig->queue, 50).oldest_ready_ms, 0);
	queue_add(rig->queue, rig->keys[0], PRIORITY_LOW, 10);
	queue_add(rig->queue, rig->keys[1], PRIORITY_HIGH, 20);
	queue_add(rig->queue, rig->keys[0], PRIORITY_LOW, 30);
	assert_int_equal(queue_stats(rig->queue, 50).oldest_ready_ms, 40);
	assert_int_equal(queue_stats(rig->queue, 50).depth, 2);
	queue_add(rig->queue, rig->keys[0], PRIORITY_HIGH, 40);
	assert_int_equal(turn_at(rig, 50, 0), 0);
	assert_int_equal(queue_stats(rig->queue, 50).oldest_ready_ms, 30);
	assert_int_equal(queue_stats(rig->queue, 5).oldest_ready_ms, 0); /* never negative */
	assert_int_equal(queue_stats(rig->queue, INT64_MAX).oldest_ready_ms, INT64_MAX - 20);
}

static uint64_t above(const struct histogram *histogram, double bound)
{
	uint64_t count = histogram_count(histogram);

	for (unsigned i = 0; i < histogram->buckets->n && histogram->buckets->bounds[i] <= bound; i++)
		count -= histogram->counts[i];
	return count;
}

static void waiting_and_working_are_measured_for_each_kind(void **state)
{
	struct rig *rig = *state;
	const struct queue_times *times = queue_kind_stats(rig->queue, (enum kind_id)rig->keys[0].kind).times;

	queue_add(rig->queue, rig->keys[0], PRIORITY_HIGH, 0);
	clock_us = 2000000; /* two seconds in the queue, however often it is added meanwhile */
	queue_add(rig->queue, rig->keys[0], PRIORITY_HIGH, 0);
	assert_int_equal(take(rig), 0);
	assert_int_equal(histogram_count(&times->wait), 1);
	assert_int_equal(above(&times->wait, 1), 1);
	assert_true(times->wait.sum > 1.999 && times->wait.sum < 2.001);
	assert_int_equal(histogram_count(&times->work), 0); /* not before it is done */
	clock_us += 30; /* added again while processed: its next wait begins here */
	queue_add(rig->queue, rig->keys[0], PRIORITY_HIGH, 0);
	clock_us += 20;
	queue_done(rig->queue, rig->keys[0]);
	assert_int_equal(above(&times->work, 1e-5), 1);
	assert_int_equal(above(&times->work, 1e-4), 0);
	assert_int_equal(histogram_count(&times->reconcile), 1);
	assert_int_equal(above(&times->reconcile, .005), 0);
	assert_int_equal(take(rig), 0);
	assert_int_equal(histogram_count(&times->wait), 2);
	assert_true(times->wait.sum > 2.00001 && times->wait.sum < 2.00003);
	assert_int_equal(histogram_count(&queue_kind_stats(rig->queue, (enum kind_id)rig->keys[2].kind).times->wait), 0);
}

static void without_a_clock_nothing_is_measured(void **state)
{
	struct rig *rig = *state;
	struct queue *queue = queue_new(rig->atoms);
	const struct queue_times *times = queue_kind_stats(queue, (enum kind_id)rig->keys[0].kind).times;
	struct key key;

	queue_add(queue, rig->keys[0], PRIORITY_HIGH, 0);
	assert_true(queue_take(queue, 5000, 0, &key));
	assert_int_equal(queue_kind_stats(queue, (enum kind_id)key.kind).processing, 1);
	queue_done(queue, key);
	assert_int_equal(histogram_count(&times->wait) + histogram_count(&times->work) + histogram_count(&times->reconcile), 0);
	queue_free(queue);
}

struct seen {
	const struct rig *rig;
	struct queue_entry entries[NAMES];
	size_t n;
};

static void see(void *context, const struct queue_entry *entry)
{
	struct seen *seen = context;

	seen->n++;
	for (int i = 0; i < NAMES; i++)
		if (key_equal(seen->rig->keys[i], entry->key))
			seen->entries[i] = *entry;
}

static void each_key_is_shown_as_it_stands(void **state)
{
	struct rig *rig = *state;
	struct seen seen = { .rig = rig };
	const struct queue_entry *entries = seen.entries;
	struct key key;

	queue_add(rig->queue, rig->keys[0], PRIORITY_HIGH, 100);
	for (int i = 0; i < 2; i++) {
		assert_true(queue_take(rig->queue, 100, 0, &key));
		queue_retry(rig->queue, key, 100, 0);
		queue_done(rig->queue, key);
		queue_add(rig->queue, key, PRIORITY_HIGH, 100);
	}
	assert_true(queue_take(rig->queue, 100, 0, &key));
	queue_add(rig->queue, rig->keys[1], PRIORITY_LOW, 70);
	queue_add_at(rig->queue, rig->keys[2], 5000);
	queue_each(rig->queue, see, &seen);
	assert_int_equal(seen.n, 3);
	assert_true(entries[0].processing && !entries[0].ready);
	assert_int_equal(entries[0].failures, 2);
	assert_int_equal(entries[0].due_mono, 105); /* the first delay has not passed yet, and is the earlier one */
	assert_true(entries[1].ready && !entries[1].processing);
	assert_int_equal(entries[1].since_mono, 70);
	assert_int_equal(entries[1].failures, 0);
	assert_int_equal(entries[1].due_mono, INT64_MAX);
	assert_int_equal(entries[1].due_wall, 0);
	assert_true(!entries[2].ready && !entries[2].processing);
	assert_int_equal(entries[2].due_wall, 5000);
	queue_done(rig->queue, key);
}

static void many_keys_come_and_go(void **state)
{
	enum { MANY = 20000 };
	struct rig *rig = *state;
	size_t atoms = atoms_count(rig->atoms);
	int64_t previous = -1;
	struct key key;

	for (int i = 0; i < MANY; i++) {
		char name[32];

		snprintf(name, sizeof(name), "key-%d", i);
		key = (struct key){ .kind = 3, .ns = NULL, .name = atom_of(rig->atoms, name) };
		/* Two moments a key: the earlier one counts, and moves it within the heap. */
		queue_add_at(rig->queue, key, 1 + (instant_t)i * 7919 % 1000 + 1000);
		queue_add_at(rig->queue, key, 1 + (instant_t)i * 7919 % 1000);
		atom_unref(rig->atoms, key.name); /* the queue holds its own reference */
	}
	assert_int_equal(queue_stats(rig->queue, 0).keys, MANY);
	for (instant_t wall = queue_next_wall(rig->queue); wall != 0; wall = queue_next_wall(rig->queue)) {
		assert_true(wall > previous);
		previous = wall;
		while (queue_take(rig->queue, 0, wall, &key))
			queue_done(rig->queue, key);
	}
	assert_int_equal(queue_stats(rig->queue, 0).adds_total, MANY);
	assert_forgotten(rig);
	assert_int_equal(atoms_count(rig->atoms), atoms);
}

/* --- the model: a table of keys, searched from end to end --- */

struct model_key {
	bool ready, dirty, processing, delayed, timed;
	int priority, delay_priority, failures;
	int64_t order, since, delay;
	int64_t since_us, taken_us;
	instant_t moment;
	int kind;
};

struct model {
	struct model_key keys[NAMES];
	int64_t order;
	bool aged_last;
	struct model_kind {
		uint64_t adds, retries, waits, works;
		int64_t waited_us, worked_us;
	} kinds[MODEL_KINDS];
};

static void model_add(struct model *model, struct model_key *key, int priority, int64_t now)
{
	if (key->ready || key->dirty) {
		if (priority > key->priority)
			key->priority = priority;
		return;
	}
	model->kinds[key->kind].adds++;
	key->priority = priority;
	key->since = now;
	key->since_us = clock_us;
	key->order = model->order;
	if (key->processing)
		key->dirty = true;
	else
		key->ready = true;
}

static void model_delay(struct model_key *key, int64_t due, int priority)
{
	if (!key->delayed || priority > key->delay_priority)
		key->delay_priority = priority;
	if (!key->delayed || due < key->delay)
		key->delay = due;
	key->delayed = true;
}

static void model_retry(struct model *model, struct model_key *key, int64_t now, int64_t minimum)
{
	int64_t delay = 5;

	for (int i = 0; i < key->failures && delay < 1000000; i++)
		delay *= 2;
	if (delay > 1000000)
		delay = 1000000;
	if (delay < minimum)
		delay = minimum;
	key->failures++;
	model->kinds[key->kind].retries++;
	model_delay(key, now + delay, key->priority);
}

/* Moves what is due, in the order of the times; equal times are equally early. */
static void model_move(struct model *model, int64_t mono, instant_t wall)
{
	for (int kind = 0; kind < 2; kind++) {
		for (;;) {
			int64_t due = kind == 0 ? mono : wall, earliest = INT64_MAX;

			for (int i = 0; i < NAMES; i++) {
				const struct model_key *key = &model->keys[i];
				int64_t when = kind == 0 ? key->delay : key->moment;

				if ((kind == 0 ? key->delayed : key->timed) && when <= due && when < earliest)
					earliest = when;
			}
			if (earliest == INT64_MAX)
				break;
			model->order++;
			for (int i = 0; i < NAMES; i++) {
				struct model_key *key = &model->keys[i];

				if (kind == 0 && key->delayed && key->delay == earliest) {
					key->delayed = false;
					model_add(model, key, key->delay_priority, mono);
				} else if (kind == 1 && key->timed && key->moment == earliest) {
					key->timed = false;
					model_add(model, key, PRIORITY_HIGH, mono);
				}
			}
		}
	}
	model->order++;
}

/* The order of the next key to be taken of that priority, INT64_MAX if there is none; and since when it waits. */
static int64_t model_first(const struct model *model, int priority, int64_t *since)
{
	int64_t first = INT64_MAX;

	for (int i = 0; i < NAMES; i++) {
		const struct model_key *key = &model->keys[i];

		if (key->ready && key->priority == priority && key->order < first) {
			first = key->order;
			*since = key->since;
		}
	}
	return first;
}

static bool model_take(struct model *model, int taken, int64_t mono, instant_t wall)
{
	int64_t since = 0, ignored, low, high;

	model_move(model, mono, wall);
	low = model_first(model, PRIORITY_LOW, &since);
	high = model_first(model, PRIORITY_HIGH, &ignored);
	if (low == INT64_MAX && high == INT64_MAX) {
		model->aged_last = false;
		return taken == -1;
	}
	bool aged = low != INT64_MAX && high != INT64_MAX && !model->aged_last && mono - since > QUEUE_AGED_MS;
	int priority = high == INT64_MAX || aged ? PRIORITY_LOW : PRIORITY_HIGH;

	model->aged_last = aged;
	if (taken < 0)
		return false;
	struct model_key *key = &model->keys[taken];

	if (!key->ready || key->priority != priority || key->order != (priority == PRIORITY_LOW ? low : high))
		return false;
	key->ready = false;
	key->processing = true;
	key->taken_us = clock_us;
	model->kinds[key->kind].waits++;
	model->kinds[key->kind].waited_us += clock_us - key->since_us;
	return true;
}

static void model_done(struct model *model, struct model_key *key)
{
	key->processing = false;
	key->ready = key->dirty;
	key->dirty = false;
	model->kinds[key->kind].works++;
	model->kinds[key->kind].worked_us += clock_us - key->taken_us;
}

static bool about(double seconds, int64_t us)
{
	return seconds * 1e6 > (double)us - .5 && seconds * 1e6 < (double)us + .5;
}

static bool model_agrees_on_kind(const struct model *model, const struct rig *rig, int kind)
{
	struct queue_kind_stats got = queue_kind_stats(rig->queue, (enum kind_id)kind);
	const struct model_kind *want = &model->kinds[kind];
	size_t depth = 0, processing = 0;
	int64_t unfinished_us = 0, longest_us = 0;

	for (int i = 0; i < NAMES; i++) {
		const struct model_key *key = &model->keys[i];

		if (key->kind != kind)
			continue;
		depth += key->ready;
		if (!key->processing)
			continue;
		processing++;
		unfinished_us += clock_us - key->taken_us;
		if (clock_us - key->taken_us > longest_us)
			longest_us = clock_us - key->taken_us;
	}
	return got.adds_total == want->adds && got.retries_total == want->retries && got.depth == depth && got.processing == processing &&
	       about(got.unfinished_s, unfinished_us) && about(got.longest_s, longest_us) &&
	       histogram_count(&got.times->wait) == want->waits && about(got.times->wait.sum, want->waited_us) &&
	       histogram_count(&got.times->work) == want->works && about(got.times->work.sum, want->worked_us) &&
	       histogram_count(&got.times->reconcile) == want->works && about(got.times->reconcile.sum, want->worked_us);
}

static bool model_agrees(const struct model *model, const struct rig *rig, int64_t now)
{
	struct queue_stats want = { 0 }, got = queue_stats(rig->queue, now);
	int64_t next_mono = INT64_MAX, next_wall = INT64_MAX, oldest = INT64_MAX;

	for (int i = 0; i < NAMES; i++) {
		const struct model_key *key = &model->keys[i];

		want.depth += key->ready;
		want.processing += key->processing;
		want.delayed += key->delayed;
		want.timed += key->timed;
		want.keys += key->ready || key->processing || key->delayed || key->timed || key->failures > 0;
		if (key->delayed && key->delay < next_mono)
			next_mono = key->delay;
		if (key->timed && key->moment < next_wall)
			next_wall = key->moment;
		if (key->ready && key->order < oldest) {
			oldest = key->order;
			want.oldest_ready_ms = now - key->since;
		}
	}
	for (int kind = 0; kind < MODEL_KINDS; kind++) {
		want.adds_total += model->kinds[kind].adds;
		want.retries_total += model->kinds[kind].retries;
		if (!model_agrees_on_kind(model, rig, kind))
			return false;
	}
	return want.adds_total == got.adds_total && want.retries_total == got.retries_total && want.depth == got.depth &&
	       want.processing == got.processing && want.delayed == got.delayed && want.timed == got.timed &&
	       want.keys == got.keys && want.oldest_ready_ms == got.oldest_ready_ms && queue_next_mono(rig->queue) == next_mono &&
	       queue_next_wall(rig->queue) == (next_wall == INT64_MAX ? 0 : next_wall);
}

static uint32_t random_below(uint64_t *seed, uint32_t n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 32) % n;
}

static bool random_step(struct rig *rig, struct model *model, uint64_t *seed, int64_t mono, instant_t wall)
{
	int i = (int)random_below(seed, NAMES);
	struct model_key *key = &model->keys[i];
	struct key real = rig->keys[i];
	int64_t when = random_below(seed, 3000);

	model->order++;
	switch (random_below(seed, 10)) {
	case 0:
	case 1: {
		int priority = random_below(seed, 3) == 0 ? PRIORITY_HIGH : PRIORITY_LOW;

		queue_add(rig->queue, real, (enum priority)priority, mono);
		model_add(model, key, priority, mono);
		break;
	}
	case 2:
		queue_add_after(rig->queue, real, mono - 500 + when);
		model_delay(key, mono - 500 + when, PRIORITY_HIGH);
		break;
	case 3:
		queue_add_at(rig->queue, real, wall - 500 + when);
		if (!key->timed || wall - 500 + when < key->moment)
			key->moment = wall - 500 + when;
		key->timed = true;
		break;
	case 4:
		queue_forget_at(rig->queue, real);
		key->timed = false;
		break;
	case 5:
		if (!key->processing)
			break;
		when = random_below(seed, 4) == 0 ? when * 1000 : 0;
		queue_retry(rig->queue, real, mono, when);
		model_retry(model, key, mono, when);
		break;
	case 6:
		queue_forget(rig->queue, real);
		key->failures = 0;
		break;
	case 7:
	case 8:
		if (!key->processing)
			break;
		queue_done(rig->queue, real);
		model_done(model, key);
		break;
	default:
		return model_take(model, take_at(rig, mono, wall), mono, wall);
	}
	return true;
}

static void it_does_what_the_model_does(void **state)
{
	const char *chosen = getenv("QUEUE_TEST_SEED");

	(void)state;
	for (uint64_t start = chosen != NULL ? strtoull(chosen, NULL, 0) : 1, n = 0; n < (chosen != NULL ? 1 : 20); start++, n++) {
		void *fresh;
		struct model model = { 0 };
		uint64_t seed = start * 0x9e3779b97f4a7c15;
		int64_t mono = 1000;
		instant_t wall = 1700000000000;

		set_up(&fresh);
		for (int i = 0; i < NAMES; i++)
			model.keys[i].kind = ((struct rig *)fresh)->keys[i].kind;
		for (int step = 0; step < 5000; step++) {
			uint32_t passed = random_below(&seed, 8) == 0 ? random_below(&seed, 2000) : random_below(&seed, 3);

			mono += passed;
			wall += passed;
			clock_us += passed * 1000 + random_below(&seed, 1000);
			if (random_below(&seed, 50) == 0)
				wall += (int64_t)random_below(&seed, 200000) - 100000;
			if (!random_step(fresh, &model, &seed, mono, wall) || !model_agrees(&model, fresh, mono))
				fail_msg("QUEUE_TEST_SEED=%llu, step %d: the queue does not do what the model does",
					 (unsigned long long)start, step);
		}
		tear_down(&fresh);
	}
}

int main(void)
{
#define RIGGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		RIGGED(a_key_added_twice_runs_once),
		RIGGED(a_key_added_while_processed_runs_exactly_once_more),
		RIGGED(keys_differ_by_kind_namespace_and_name),
		RIGGED(live_changes_go_first),
		RIGGED(a_live_change_raises_a_waiting_key),
		RIGGED(a_live_change_raises_a_key_that_was_added_while_processed),
		RIGGED(who_waited_for_long_goes_first_every_second_time),
		RIGGED(a_delay_ends_when_it_is_due),
		RIGGED(the_earliest_delay_stays),
		RIGGED(an_add_does_not_end_a_delay),
		RIGGED(a_delay_that_ends_while_processing_makes_it_run_once_more),
		RIGGED(a_moment_follows_the_wall_clock_wherever_it_jumps),
		RIGGED(who_is_taken_for_its_moment_knows_it),
		RIGGED(the_earliest_moment_stays_until_it_is_forgotten),
		RIGGED(backoff_doubles_to_the_cap),
		RIGGED(backoff_stays_at_the_cap_for_ever),
		RIGGED(a_server_may_ask_for_more_patience),
		RIGGED(a_retry_keeps_the_priority),
		RIGGED(stats_tell_how_long_the_oldest_waits),
		RIGGED(waiting_and_working_are_measured_for_each_kind),
		RIGGED(without_a_clock_nothing_is_measured),
		RIGGED(each_key_is_shown_as_it_stands),
		RIGGED(many_keys_come_and_go),
		cmocka_unit_test(it_does_what_the_model_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
