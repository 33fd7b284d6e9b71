/* Rules of the arena: zeroed, aligned, apart from each other, and reused after a reset. Sanitizers see the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
	enum { PIECES = 2000 };
	static unsigned char *pieces[PIECES];
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < PIECES; i++) {
			pieces[i] = arena_alloc(&arena, i % 97);
			assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
			for (size_t n = 0; n < i % 97; n++)
				assert_int_equal(pieces[i][n], 0);
			memset(pieces[i], (int)(i % 251), i % 97);
		}
		for (size_t i = 0; i < PIECES; i++)
			for (size_t n = 0; n < i % 97; n++)
				assert_int_equal(pieces[i][n], i % 251);
		arena_reset(&arena);
	}
	arena_close(&arena);
}

static void total_counts_what_was_handed_out(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena);
	arena_alloc(&arena, 10);
	arena_alloc(&arena, 100000);
	assert_int_equal(arena.total, 100010);
	arena_reset(&arena);
	assert_int_equal(arena.total, 0);
	arena_close(&arena);
}

static void reset_keeps_one_block_but_no_huge_one(void **state)
{
	struct arena arena;
	void *first;

	(void)state;
	arena_init(&arena);
	first = arena_alloc(&arena, 8);
	arena_reset(&arena);
	assert_ptr_equal(arena_alloc(&arena, 8), first);
	arena_alloc(&arena, 8 << 20);
	arena_reset(&arena);
	assert_ptr_equal(arena_alloc(&arena, 8), first);
	arena_close(&arena);
	assert_null(arena.block);
}

static void larger_than_any_block_is_one_piece(void **state)
{
	struct arena arena;
	char *piece;

	(void)state;
	arena_init(&arena);
	piece = arena_alloc(&arena, 5 << 20);
	memset(piece, 'x', 5 << 20);
	arena_alloc(&arena, 1);
	arena_close(&arena);
}

static void texts_end_where_they_should(void **state)
{
	struct arena arena;
	char longer[1000];
	int numbers[] = { 1, 2, 3 };

	(void)state;
	arena_init(&arena);
	memset(longer, 'y', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_string_equal(arena_strndup(&arena, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(&arena, NULL, 0), "");
	assert_string_equal(arena_printf(&arena, "%s/%d", "acme", 7), "acme/7");
	assert_string_equal(arena_printf(&arena, "%s", ""), "");
	assert_string_equal(arena_printf(&arena, "%s", longer), longer);
	assert_memory_equal(arena_copy(&arena, numbers, sizeof(numbers)), numbers, sizeof(numbers));
	assert_non_null(arena_copy(&arena, NULL, 0));
	arena_close(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),	 cmocka_unit_test(total_counts_what_was_handed_out),
		cmocka_unit_test(reset_keeps_one_block_but_no_huge_one), cmocka_unit_test(larger_than_any_block_is_one_piece),
		cmocka_unit_test(texts_end_where_they_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
