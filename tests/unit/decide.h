/*
 * For tests of decisions: atoms, an arena, and records written as C literals. Header only, since each test links alone.
 * A record's pointers are to literals; its atoms live in one table per test program.
 */
#ifndef TOLLGATE_TEST_DECIDE_H
#define TOLLGATE_TEST_DECIDE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "billingaccount.h"
#include "billingaccountbinding.h"
#include "codec.h"
#include "condition.h"
#include "paymentmethod.h"
#include "reconcile.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAYBE_UNUSED __attribute__((unused))

/* Seconds, so that a test reads "NOW + 5 * SECOND". */
#define SECOND ((instant_t)1000)
#define DAY (86400 * SECOND)
#define NOW ((instant_t)1795341980000) /* 2026-11-22T10:06:20Z */

static struct atoms *test_atoms;
MAYBE_UNUSED static struct arena test_arena;

MAYBE_UNUSED static atom_t word(const char *text)
{
	if (!test_atoms)
		test_atoms = atoms_new();
	return text ? atom_of(test_atoms, text) : NULL; /* never released: the table lives as long as the program */
}

MAYBE_UNUSED static struct object named(const char *ns, const char *name)
{
	return (struct object){ .ns = word(ns), .name = word(name), .uid = "uid-1", .resource_version = "1", .generation = 3,
				.created = NOW - DAY };
}

MAYBE_UNUSED static struct billingaccount ready_account(const char *ns, const char *name, const char *default_method)
{
	return (struct billingaccount){
		.meta = named(ns, name),
		.spec = { .currency_code = "EUR", .default_payment_method = word(default_method) },
		.status = { .phase = ACCOUNT_READY, .linked_projects_count = INTEGER_ABSENT, .observed_generation = INTEGER_ABSENT,
			    .action_required_count = INTEGER_ABSENT },
	};
}

MAYBE_UNUSED static struct paymentmethod method_of(const char *ns, const char *name, const char *account, enum method_phase phase)
{
	return (struct paymentmethod){
		.meta = named(ns, name),
		.spec = { .account = word(account), .display_name = "a card", .class = word("cards") },
		.status = { .phase = phase, .observed_generation = INTEGER_ABSENT },
	};
}

MAYBE_UNUSED static struct billingaccountbinding binding_of(const char *ns, const char *name, const char *account, const char *project)
{
	return (struct billingaccountbinding){
		.meta = named(ns, name),
		.spec = { .account = word(account), .project = word(project) },
		.status = { .observed_generation = INTEGER_ABSENT },
	};
}

MAYBE_UNUSED static const struct condition *expect_condition(const struct conditions *list, size_t place, const char *type,
							     enum condition_status status, const char *reason)
{
	assert_true(place < list->n);
	assert_string_equal(list->items[place].type, type);
	assert_string_equal(list->items[place].reason, reason);
	assert_int_equal(list->items[place].status, status);
	assert_non_null(list->items[place].message);
	assert_int_equal(list->items[place].last_transition % SECOND, 0);
	return &list->items[place];
}

MAYBE_UNUSED static void expect_text(const char *text, const char *part)
{
	if (!text || !strstr(text, part))
		fail_msg("\"%s\" does not contain \"%s\"", text ? text : "(null)", part);
}

/* How many of an outcome's effects are of that type. */
MAYBE_UNUSED static size_t effects_of(const struct outcome *outcome, enum effect_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < outcome->n_effects; i++)
		n += outcome->effects[i].type == type;
	return n;
}

/* The outcome tells of that and of nothing else; reason NULL: of nothing. Every note is whole sentences that fit. */
MAYBE_UNUSED static void expect_event(const struct outcome *outcome, bool warning, const char *reason, const char *note)
{
	assert_int_equal(effects_of(outcome, EFFECT_EVENT), reason ? 1 : 0);
	for (size_t i = 0; i < outcome->n_effects; i++) {
		const struct event *event = &outcome->effects[i].event;
		if (outcome->effects[i].type != EFFECT_EVENT || !reason)
			continue;
		assert_string_equal(event->reason, reason);
		assert_int_equal(event->warning, warning);
		assert_non_null(event->action);
		expect_text(event->note, note);
		assert_int_equal(event->note[strlen(event->note) - 1], '.');
	}
}

/* Before each row of a table; SHOW_RULES=1 tells which row it was that failed. */
MAYBE_UNUSED static void rule(const char *text)
{
	if (getenv("SHOW_RULES"))
		print_message("  %s\n", text);
}

/* Deterministic, so that a failing seed can be run again. */
MAYBE_UNUSED static unsigned next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(*state >> 33);
}

#endif
