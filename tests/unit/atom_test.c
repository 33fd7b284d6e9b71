/* Rules of the atom table: one pointer a string, references counted, removal that loses nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "atom.h"

static void same_string_is_same_pointer(void **state)
{
	struct atoms *atoms = atoms_new();
	atom_t a = atom_of(atoms, "billing"), b = atom_intern(atoms, "billing-other", 7);

	(void)state;
	assert_ptr_equal(a, b);
	assert_string_equal(a->text, "billing");
	assert_int_equal(atoms_count(atoms), 1);
	assert_ptr_equal(atom_from_text(a->text), a);
	atom_unref(atoms, a);
	assert_ptr_equal(atom_find(atoms, "billing", 7), b);
	atom_unref(atoms, b);
	assert_null(atom_find(atoms, "billing", 7));
	atoms_free(atoms);
}

static void different_strings_are_different_atoms(void **state)
{
	struct atoms *atoms = atoms_new();
	const char *texts[] = { "", "a", "ab", "aa", "b", "abcdefgh", "abcdefghi", "ABCDEFGH", "zahlungsfähig", "日本" };
	enum { N = sizeof(texts) / sizeof(texts[0]) };
	atom_t made[N];

	(void)state;
	for (size_t i = 0; i < N; i++)
		made[i] = atom_of(atoms, texts[i]);
	for (size_t i = 0; i < N; i++)
		for (size_t j = 0; j < N; j++)
			assert_true((made[i] == made[j]) == (i == j));
	for (size_t i = 0; i < N; i++)
		atom_unref(atoms, made[i]);
	atoms_free(atoms);
}

static void null_passes_through(void **state)
{
	struct atoms *atoms = atoms_new();

	(void)state;
	assert_null(atom_ref(NULL));
	atom_unref(atoms, NULL);
	atoms_free(atoms);
	atoms_free(NULL);
}

static void bytes_return_to_what_they_were(void **state)
{
	struct atoms *atoms = atoms_new();
	const size_t before = atoms_bytes(atoms);
	atom_t atom = atom_of(atoms, "a name that takes some room");

	(void)state;
	assert_true(atoms_bytes(atoms) > before + strlen(atom->text));
	atom_unref(atoms, atom);
	assert_int_equal(atoms_bytes(atoms), before);
	atoms_free(atoms);
}

/* Adds and removes in a scrambled order against a plain array; growth, shrinking and moved-up neighbours all happen. */
static void table_agrees_with_a_model(void **state)
{
	enum { NAMES = 3000, STEPS = 60000 };
	struct atoms *atoms = atoms_new();
	static unsigned refs[NAMES];
	size_t held = 0;
	uint32_t random = 1;
	char name[32];

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		unsigned i;

		random = random * 1664525 + 1013904223;
		i = (random >> 8) % NAMES;
		snprintf(name, sizeof(name), "name-%u", i);
		/* Fill for a while, then drain, so that the table also shrinks. */
		if ((random >> 28) < (step < STEPS / 2 ? 12u : 4u)) {
			atom_of(atoms, name);
			held += refs[i]++ == 0;
		} else if (refs[i]) {
			atom_unref(atoms, atom_find(atoms, name, strlen(name)));
			held -= --refs[i] == 0;
		}
		assert_int_equal(atoms_count(atoms), held);
	}
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		assert_true(!atom_find(atoms, name, strlen(name)) == !refs[i]);
		while (refs[i]) {
			atom_unref(atoms, atom_find(atoms, name, strlen(name)));
			refs[i]--;
		}
		assert_null(atom_find(atoms, name, strlen(name)));
	}
	atoms_free(atoms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_string_is_same_pointer), cmocka_unit_test(different_strings_are_different_atoms),
		cmocka_unit_test(null_passes_through),	       cmocka_unit_test(bytes_return_to_what_they_were),
		cmocka_unit_test(table_agrees_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
