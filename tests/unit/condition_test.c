/*
 * condition.c: order, transition times, and reasons that the API server accepts.
 */
#include "decide.h"

static const struct condition observed_items[] = {
	{ .type = "Foreign", .status = CONDITION_TRUE, .reason = "X", .message = "", .last_transition = 10 * SECOND },
	{ .type = "Second", .status = CONDITION_TRUE, .reason = "Old", .message = "", .last_transition = 20 * SECOND },
	{ .type = "First", .status = CONDITION_FALSE, .reason = "Old", .message = "", .last_transition = 30 * SECOND },
};
static const struct conditions observed = { COUNT(observed_items), observed_items };

static struct conditions merge(const struct condition *desired, size_t n)
{
	return conditions_merge(&observed, desired, n, NOW + 999, &test_arena);
}

static void conditions_come_in_the_desired_order_and_foreign_ones_go(void **state)
{
	const struct condition desired[] = { { .type = "First", .status = CONDITION_TRUE, .reason = "New" },
					     { .type = "Second", .status = CONDITION_TRUE, .reason = "New", .observed_generation = 7 } };
	struct conditions merged = merge(desired, COUNT(desired));

	(void)state;
	assert_int_equal(merged.n, 2);
	assert_string_equal(merged.items[0].type, "First");
	assert_string_equal(merged.items[1].type, "Second");
	assert_string_equal(merged.items[1].reason, "New");
	assert_int_equal(merged.items[1].observed_generation, 7);
	assert_string_equal(merged.items[0].message, ""); /* required on the wire */
}

static void transition_time_moves_only_when_the_status_flips(void **state)
{
	static const struct {
		const char *type;
		enum condition_status status;
		instant_t expected;
	} rows[] = {
		{ "Second", CONDITION_TRUE, 20 * SECOND }, /* same status, another reason */
		{ "Second", CONDITION_FALSE, NOW },
		{ "Second", CONDITION_UNKNOWN, NOW },
		{ "First", CONDITION_FALSE, 30 * SECOND },
		{ "Third", CONDITION_FALSE, NOW }, /* new: whole seconds of now */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct condition desired = { .type = rows[i].type, .status = rows[i].status, .reason = "R" };
		assert_int_equal(merge(&desired, 1).items[0].last_transition, rows[i].expected);
	}
}

static void transition_time_that_someone_left_out_is_made_up_once(void **state)
{
	const struct condition bare = { .type = "First", .status = CONDITION_TRUE, .reason = "R", .message = "" };
	const struct conditions before = { 1, &bare };
	struct conditions once = conditions_merge(&before, &bare, 1, NOW, &test_arena);
	struct conditions again = conditions_merge(&once, &bare, 1, NOW + DAY, &test_arena);

	(void)state;
	assert_int_equal(once.items[0].last_transition, NOW);
	assert_int_equal(again.items[0].last_transition, NOW);
}

static void long_messages_are_cut_between_characters(void **state)
{
	char *text = malloc(40001);

	(void)state;
	for (size_t i = 0; i < 40000; i += 2)
		memcpy(text + i, "\xC3\xA9", 2);
	text[40000] = '\0';
	struct condition desired = { .type = "First", .status = CONDITION_TRUE, .reason = "R", .message = text + 1 };
	text[1] = 'x'; /* an odd start: the limit falls inside a character */
	size_t len = strlen(merge(&desired, 1).items[0].message);
	assert_int_equal(len, 32767);
	free(text);
}

/* metav1.Condition's pattern, in the test's own words. */
static bool accepted(const char *reason)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", inner[] = "0123456789_,:";
	size_t len = strlen(reason);

	if (!len || len > 1024 || !strchr(letters, reason[0]) || reason[len - 1] == ',' || reason[len - 1] == ':')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr(letters, reason[i]) && !strchr(inner, reason[i]))
			return false;
	return true;
}

static void reasons_are_made_acceptable(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "card_declined", "card_declined" },
		{ "A", "A" },
		{ "trailing_", "trailing_" },
		{ "card declined!", "card_declined" },
		{ "insufficient-funds", "insufficient_funds" },
		{ "  spaced  out  ", "spaced_out" },
		{ "3ds_failed", "Failed_3ds_failed" },
		{ "_hidden", "hidden" },
		{ "ends:", "ends" },
		{ "a:b,c", "a:b,c" },
		{ "Zahlung überfällig", "Zahlung_berf_llig" },
		{ "拒绝", "Failed" },
		{ "!!!", "Failed" },
		{ "", "Failed" },
		{ NULL, "Failed" },
		{ "new\nline", "new_line" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *reason = condition_reason(rows[i].text, "Failed", &test_arena);
		assert_string_equal(reason, rows[i].expected);
		assert_true(accepted(reason));
	}
}

static void any_bytes_give_an_acceptable_reason(void **state)
{
	uint64_t random = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char text[2100];
		size_t len = next_random(&random) % (round % 50 ? 12 : sizeof(text) - 1);
		for (size_t i = 0; i < len; i++)
			text[i] = (char)(1 + next_random(&random) % 255);
		text[len] = '\0';
		const char *once = condition_reason(text, "Failed", &test_arena);
		assert_true(accepted(once));
		assert_string_equal(condition_reason(once, "Failed", &test_arena), once);
		arena_reset(&test_arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_come_in_the_desired_order_and_foreign_ones_go),
		cmocka_unit_test(transition_time_moves_only_when_the_status_flips),
		cmocka_unit_test(transition_time_that_someone_left_out_is_made_up_once),
		cmocka_unit_test(long_messages_are_cut_between_characters),
		cmocka_unit_test(reasons_are_made_acceptable),
		cmocka_unit_test(any_bytes_give_an_acceptable_reason),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
