/* Rules of numbered things: a slab hands out each number once until it is given back, and a table loses none, whatever the order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "slab.h"
#include "table.h"

static uint32_t next(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	return *random >> 8;
}

static bool is_in(const struct table *table, uint32_t hash, uint32_t ref)
{
	uint32_t at = table_home(table, hash);
	const struct spot *spot;

	while ((spot = table_next(table, hash, &at)))
		if (spot->ref == ref)
			return true;
	return false;
}

static void remove_one(struct table *table, uint32_t hash, uint32_t ref)
{
	uint32_t at = table_home(table, hash);
	struct spot *spot;

	while ((spot = table_next(table, hash, &at)))
		if (spot->ref == ref)
			break;
	assert_non_null(spot);
	table_remove(table, spot);
}

/* Few hashes, and those at the end of the table too: equal ones, long runs, and runs that go round the end. */
static uint32_t hash_for(uint32_t ref)
{
	static const uint32_t hashes[] = { 0, 1, 0xffffffff, 0xfffffff0, 0xf0000000, 0x80000000 };

	return ref % 3 ? ref * 0x9e3779b1u : hashes[ref % 6];
}

static void a_table_agrees_with_a_model(void **state)
{
	enum { REFS = 2000, STEPS = 40000 };
	static bool there[REFS];
	struct table table = { 0 };
	uint32_t random = 1, n = 0;

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		uint32_t ref = 1 + next(&random) % (REFS - 1);
		bool fills = next(&random) % 16 < (step % 10000 < 5000 ? 12u : 4u); /* and drains, so that it also shrinks */

		assert_int_equal(is_in(&table, hash_for(ref), ref), there[ref]);
		if (fills == there[ref])
			continue;
		if (fills)
			table_add(&table, hash_for(ref), ref);
		else
			remove_one(&table, hash_for(ref), ref);
		there[ref] = fills;
		n += fills ? 1u : -1u;
		assert_int_equal(table.n, n);
		assert_true(n < table.size);
		if (step % 100 == 0)
			for (uint32_t r = 1; r < REFS; r++)
				assert_int_equal(is_in(&table, hash_for(r), r), there[r]);
	}
	table_close(&table);
}

static void an_empty_table_has_nothing(void **state)
{
	struct table table = { 0 };

	(void)state;
	assert_false(is_in(&table, 7, 1));
	table_add(&table, 7, 1);
	assert_true(is_in(&table, 7, 1));
	assert_false(is_in(&table, 8, 1));
	remove_one(&table, 7, 1);
	assert_false(is_in(&table, 7, 1));
	table_close(&table);
	table_close(&table);
}

static void a_slab_keeps_what_is_in_it(void **state)
{
	enum { THINGS = 1000 };
	static uint32_t numbers[THINGS];
	struct { uint32_t link, value[4]; } *thing;
	struct slab slab;
	uint32_t random = 1;

	(void)state;
	slab_init(&slab, sizeof(*thing));
	for (int step = 0; step < 20000; step++) {
		uint32_t i = next(&random) % THINGS;

		if (numbers[i]) {
			thing = slab_at(&slab, numbers[i]);
			assert_int_equal(thing->link, i);
			assert_int_equal(thing->value[3], ~i);
			slab_give(&slab, numbers[i]);
			assert_int_equal(thing->value[3], 0);
			numbers[i] = 0;
			continue;
		}
		numbers[i] = slab_take(&slab);
		assert_true(numbers[i] > 0 && numbers[i] < slab.end);
		thing = slab_at(&slab, numbers[i]);
		assert_int_equal(thing->link | thing->value[0] | thing->value[1] | thing->value[2] | thing->value[3], 0);
		thing->link = i;
		thing->value[3] = ~i;
	}
	assert_true(slab.end <= THINGS + 1); /* numbers are used again */
	slab_close(&slab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_agrees_with_a_model),
		cmocka_unit_test(an_empty_table_has_nothing),
		cmocka_unit_test(a_slab_keeps_what_is_in_it),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
