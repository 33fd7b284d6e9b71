/*
 * money.c and currency.c: what is a decimal number, what comes back, ties, and laws that hold for any amounts.
 */
#include "../../reconcilers/money.h"
#include "currency.h"
#include "decide.h"

#define NINES_38 "99999999999999999999999999999999999999"

enum { ROUNDS = 20000 };

static struct money amount(const char *text)
{
	struct money parsed;
	const char *reason = money_parse(text, &parsed, &test_arena);

	if (reason)
		fail_msg("\"%s\" %s", text, reason);
	return parsed;
}

static const char *text_of(struct money a)
{
	return money_format(a, 0, &test_arena);
}

/* ---- texts ---- */

static void a_decimal_number_comes_back_normalised(void **state)
{
	static const struct {
		const char *text, *expected;
		unsigned scale;
		int sign;
	} rows[] = {
		{ "0", "0", 0, 0 },
		{ "-0", "0", 0, 0 },
		{ "0.00", "0.00", 2, 0 },
		{ "-0.00", "0.00", 2, 0 },
		{ "000.0", "0.0", 1, 0 },
		{ "7", "7", 0, 1 },
		{ "-7", "-7", 0, -1 },
		{ "10", "10", 0, 1 },
		{ "1.50", "1.50", 2, 1 },
		{ "-1.05", "-1.05", 2, -1 },
		{ "007.50", "7.50", 2, 1 },
		{ "-0.05", "-0.05", 2, -1 },
		{ "0.001", "0.001", 3, 1 },
		{ "100.000", "100.000", 3, 1 },
		{ "18446744073709551615", "18446744073709551615", 0, 1 }, /* 2^64 - 1, and one more: a second limb */
		{ "18446744073709551616", "18446744073709551616", 0, 1 },
		{ "-18446744073709551616.0", "-18446744073709551616.0", 1, -1 },
		{ NINES_38, NINES_38, 0, 1 },
		{ "-" NINES_38, "-" NINES_38, 0, -1 },
		{ "9.9999999999999999999999999999999999999", "9.9999999999999999999999999999999999999", 37, 1 },
		{ "00000000000000000000000000000000000001", "1", 0, 1 },
		{ "-0.0000000000000000000000000000000000001", "-0.0000000000000000000000000000000000001", 37, -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		rule(rows[i].text);
		struct money a = amount(rows[i].text);
		assert_string_equal(text_of(a), rows[i].expected);
		assert_int_equal(a.scale, rows[i].scale);
		assert_int_equal(money_sign(a), rows[i].sign);
	}
}

static void what_is_no_decimal_number_is_refused_with_the_reason(void **state)
{
	static const char wrong[] = "is not a decimal number", long_[] = "has more than 38 digits";
	static const struct {
		const char *text, *reason;
	} rows[] = {
		{ NULL, wrong },
		{ "", wrong },
		{ "-", wrong },
		{ "--1", wrong },
		{ "+1", wrong },
		{ "-+1", wrong },
		{ "1-", wrong },
		{ ".", wrong },
		{ ".5", wrong },
		{ "-.5", wrong },
		{ "5.", wrong },
		{ "-5.", wrong },
		{ "1..5", wrong },
		{ "1.2.3", wrong },
		{ "1.-5", wrong },
		{ "1,5", wrong },
		{ "1_000", wrong },
		{ " 1", wrong },
		{ "1 ", wrong },
		{ "1 000", wrong },
		{ "1. 5", wrong },
		{ "1\n", wrong },
		{ "- 1", wrong },
		{ "1e3", wrong },
		{ "1E3", wrong },
		{ "1.5e-3", wrong },
		{ "0x10", wrong },
		{ "a", wrong },
		{ "NaN", wrong },
		{ "Inf", wrong },
		{ "-Infinity", wrong },
		{ "1EUR", wrong },
		{ "\xD9\xA1", wrong }, /* a digit, but of another script */
		{ "0" NINES_38, long_ },
		{ "9" NINES_38, long_ },
		{ "99" NINES_38, long_ },
		{ "-0" NINES_38, long_ },
		{ NINES_38 ".0", long_ },
		{ "0." NINES_38, long_ },
		{ NINES_38 "." NINES_38, long_ },
		{ "9" NINES_38 "x", wrong }, /* that it is no number is said first */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		rule(rows[i].text ? rows[i].text : "(null)");
		struct money out = { .size = 1, .scale = 9 };
		const char *reason = money_parse(rows[i].text, &out, &test_arena);
		assert_non_null(reason);
		assert_string_equal(reason, rows[i].reason);
		assert_string_equal(text_of(out), "0");
	}
}

static void a_text_has_at_least_the_digits_asked_for(void **state)
{
	static const struct {
		const char *text;
		unsigned at_least;
		const char *expected;
	} rows[] = {
		{ "0", 2, "0.00" },	   { "-0", 3, "0.000" },     { "1", 0, "1" },	       { "1", 2, "1.00" },
		{ "-1", 2, "-1.00" },	   { "1.5", 2, "1.50" },     { "-1.05", 2, "-1.05" },  { "-1.05", 3, "-1.050" },
		{ "1.005", 2, "1.005" },   { "-0.004", 2, "-0.004" }, { "0.1", 40, "0.1000000000000000000000000000000000000000" },
		{ "1200", 1, "1200.0" },   { NINES_38, 2, NINES_38 ".00" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		rule(rows[i].expected);
		assert_string_equal(money_format(amount(rows[i].text), rows[i].at_least, &test_arena), rows[i].expected);
	}
	assert_string_equal(money_format((struct money){ 0 }, 2, &test_arena), "0.00");
}

/* ---- arithmetic ---- */

static void sums_are_exact_and_keep_the_most_fraction_digits(void **state)
{
	static const struct {
		const char *a, *b, *sum, *difference;
	} rows[] = {
		{ "0", "0", "0", "0" },
		{ "0.1", "0.2", "0.3", "-0.1" },
		{ "1", "0.01", "1.01", "0.99" },
		{ "1.00", "1", "2.00", "0.00" },
		{ "-1.5", "1.50", "0.00", "-3.00" },
		{ "-2", "-3", "-5", "1" },
		{ "0.999", "0.001", "1.000", "0.998" },
		{ "9223372036854775807", "1", "9223372036854775808", "9223372036854775806" },
		{ "18446744073709551615", "1", "18446744073709551616", "18446744073709551614" },
		{ "-18446744073709551616", "1", "-18446744073709551615", "-18446744073709551617" },
		{ NINES_38, "1", "100000000000000000000000000000000000000", "99999999999999999999999999999999999998" },
		{ NINES_38, "-" NINES_38, "0", "199999999999999999999999999999999999998" },
		{ NINES_38, "0.0000000000000000000000000000000000001", NINES_38 ".0000000000000000000000000000000000001",
		  "99999999999999999999999999999999999998.9999999999999999999999999999999999999" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		rule(rows[i].sum);
		struct money a = amount(rows[i].a), b = amount(rows[i].b);
		assert_string_equal(text_of(money_add(a, b, &test_arena)), rows[i].sum);
		assert_string_equal(text_of(money_subtract(a, b, &test_arena)), rows[i].difference);
	}
}

static void a_list_sums_up_without_limit(void **state)
{
	static struct money many[1000];
	const struct money mixed[] = { amount("1"), amount("-0.25"), amount("0.125"), amount("-10"), { 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = amount(NINES_38);
	/* 1000 * (10^38 - 1) = 10^41 - 1000 */
	assert_string_equal(text_of(money_sum(many, COUNT(many), &test_arena)), NINES_38 "000");
	assert_string_equal(text_of(money_sum(mixed, COUNT(mixed), &test_arena)), "-9.125");
	assert_string_equal(text_of(money_sum(mixed, 1, &test_arena)), "1");
	assert_string_equal(text_of(money_sum(NULL, 0, &test_arena)), "0");
}

static void halves_are_rounded_away_from_zero(void **state)
{
	static const struct {
		const char *text;
		unsigned digits;
		const char *expected;
	} rows[] = {
		{ "0.5", 0, "1" },	    { "1.5", 0, "2" },		 { "2.5", 0, "3" },	     { "0.4", 0, "0" },
		{ "0.499999", 0, "0" },	    { "0.500001", 0, "1" },	 { "9.5", 0, "10" },	     { "99.49", 0, "99" },
		{ "0.05", 0, "0" },	    { "1234.5", 0, "1235" },	 { "0.005", 2, "0.01" },     { "0.015", 2, "0.02" },
		{ "0.025", 2, "0.03" },	    { "1.005", 2, "1.01" },	 { "1.00499", 2, "1.00" },   { "1.00499999", 2, "1.00" },
		{ "2.675", 2, "2.68" },	    { "99.995", 2, "100.00" },	 { "0.004", 2, "0.00" },     { "0.0005", 3, "0.001" },
		{ "0.0015", 3, "0.002" },   { "0.0025", 3, "0.003" },	 { "0.00249", 3, "0.002" },  { "9.9995", 3, "10.000" },
		{ "1.2344999", 3, "1.234" }, { "0.00005", 4, "0.0001" }, { "0.00025", 4, "0.0003" }, { "7", 0, "7" },
		{ "7", 2, "7.00" },	    { "7.1", 3, "7.100" },	 { "7.10", 2, "7.10" },	     { "7.10", 1, "7.1" },
		{ "0.0000000000000000000000000000000000005", 36, "0.000000000000000000000000000000000001" },
		{ "9.9999999999999999999999999999999999999", 0, "10" },
		{ "9.9999999999999999999999999999999999999", 2, "10.00" },
		{ "0.4999999999999999999999999999999999999", 0, "0" },
		{ "0", 2, "0.00" },
		{ "0.000", 2, "0.00" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		rule(rows[i].text);
		struct money a = amount(rows[i].text), rounded = money_round(a, rows[i].digits, &test_arena);
		assert_string_equal(text_of(rounded), rows[i].expected);
		/* Below zero it is the mirror image, and zero has no sign. */
		const char *mirrored = text_of(money_round(money_negate(a), rows[i].digits, &test_arena));
		assert_string_equal(mirrored, text_of(money_negate(rounded)));
		assert_int_equal(mirrored[0] == '-', strpbrk(rows[i].expected, "123456789") != NULL);
	}
}

static void amounts_compare_by_value(void **state)
{
	static const struct {
		const char *a, *b;
		int expected;
	} rows[] = {
		{ "0", "0.00", 0 },  { "-0", "0", 0 },	      { "1", "1.000", 0 },     { "-1.50", "-1.5", 0 },
		{ "2", "10", -1 },   { "-2", "-10", 1 },      { "-1", "1", -1 },       { "0", "-0.01", 1 },
		{ "1.1", "1.09", 1 }, { "0.9", "0.10", 1 },   { "-0.1", "-0.09", -1 }, { "0.001", "0", 1 },
		{ "18446744073709551616", "18446744073709551615", 1 },
		{ "-18446744073709551616", "1", -1 },
		{ NINES_38, "0.0000000000000000000000000000000000001", 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		rule(rows[i].a);
		struct money a = amount(rows[i].a), b = amount(rows[i].b);
		assert_int_equal(money_compare(a, b), rows[i].expected);
		assert_int_equal(money_compare(b, a), -rows[i].expected);
	}
}

static void an_amount_is_turned_around_or_kept_from_below_zero(void **state)
{
	(void)state;
	assert_string_equal(text_of(money_negate(amount("1.05"))), "-1.05");
	assert_string_equal(text_of(money_negate(amount("-1.05"))), "1.05");
	assert_string_equal(text_of(money_negate(amount("0.00"))), "0.00");
	assert_string_equal(text_of(money_not_below_zero(amount("-1.05"))), "0.00");
	assert_string_equal(text_of(money_not_below_zero(amount("0.0"))), "0.0");
	assert_string_equal(text_of(money_not_below_zero(amount("1.05"))), "1.05");
}

/* ---- laws, for amounts at random ---- */

/* Digits with or without a point and a sign, leading zeros among them. Nines and zeros are frequent: carries travel far. */
static const char *random_text(uint64_t *random)
{
	unsigned n = 1 + next_random(random) % MONEY_DIGITS_MAX, whole = 1 + next_random(random) % n;
	char text[MONEY_DIGITS_MAX + 3];
	size_t len = 0;

	if (next_random(random) % 2)
		text[len++] = '-';
	for (unsigned i = 0; i < n; i++) {
		if (i == whole)
			text[len++] = '.';
		text[len++] = "0123456789990055"[next_random(random) % 16];
	}
	return arena_strndup(&test_arena, text, len);
}

static struct money random_amount(uint64_t *random)
{
	return amount(random_text(random));
}

/* 10^-digits, as text says it. */
static struct money step_of(unsigned digits)
{
	char text[MONEY_DIGITS_MAX + 3] = "1";

	if (digits) {
		memset(text, '0', digits + 2);
		text[1] = '.';
		text[digits + 1] = '1';
		text[digits + 2] = '\0';
	}
	return amount(text);
}

static void equal(struct money a, struct money b)
{
	assert_int_equal(a.scale, b.scale);
	assert_int_equal(money_compare(a, b), 0);
	assert_string_equal(text_of(a), text_of(b));
}

/* What comes back is the text without a zero's sign and with no zero before another whole digit. */
static void texts_and_amounts_map_one_to_one(void **state)
{
	uint64_t random = 1;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		const char *text = random_text(&random), *whole = text + (text[0] == '-');
		bool zero = !strpbrk(text, "123456789");
		while (whole[0] == '0' && whole[1] && whole[1] != '.')
			whole++;
		const char *normal = arena_printf(&test_arena, "%s%s", text[0] == '-' && !zero ? "-" : "", whole);
		const char *once = text_of(amount(text));
		assert_string_equal(once, normal);
		assert_string_equal(text_of(amount(once)), once);
		arena_reset(&test_arena);
	}
}

static void sums_hold_in_any_order(void **state)
{
	uint64_t random = 2;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		const struct money all[] = { random_amount(&random), random_amount(&random), random_amount(&random) };
		struct money a = all[0], b = all[1], c = all[2];
		struct money left = money_add(money_add(a, b, &test_arena), c, &test_arena);
		equal(money_add(a, b, &test_arena), money_add(b, a, &test_arena));
		equal(left, money_add(a, money_add(b, c, &test_arena), &test_arena));
		equal(left, money_sum(all, COUNT(all), &test_arena));
		arena_reset(&test_arena);
	}
}

static void taking_away_undoes_adding(void **state)
{
	uint64_t random = 3;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct money a = random_amount(&random), b = random_amount(&random);
		struct money difference = money_subtract(a, b, &test_arena), back = money_add(difference, b, &test_arena);
		assert_int_equal(money_compare(back, a), 0);
		equal(money_round(back, a.scale, &test_arena), a);
		assert_int_equal(money_sign(money_subtract(a, a, &test_arena)), 0);
		assert_int_equal(money_compare(a, b), money_sign(difference));
		assert_int_equal(money_compare(b, a), -money_sign(difference));
		arena_reset(&test_arena);
	}
}

static void rounding_moves_by_half_a_step_at_most_and_once(void **state)
{
	uint64_t random = 4;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct money a = random_amount(&random);
		unsigned digits = next_random(&random) % (i % 2 ? 5 : MONEY_DIGITS_MAX);
		struct money rounded = money_round(a, digits, &test_arena), moved = money_subtract(rounded, a, &test_arena);
		struct money step = step_of(digits), twice = money_add(moved, moved, &test_arena);
		assert_int_equal(rounded.scale, digits);
		assert_true(money_compare(twice, step) <= 0);
		assert_true(money_compare(twice, money_negate(step)) >= 0);
		if (!money_compare(twice, step) || !money_compare(twice, money_negate(step)))
			assert_int_equal(money_sign(moved), money_sign(a)); /* a tie: away from zero */
		equal(money_round(rounded, digits, &test_arena), rounded);
		equal(money_round(money_negate(a), digits, &test_arena), money_negate(rounded));
		arena_reset(&test_arena);
	}
}

static struct money of_units(int64_t units, unsigned scale)
{
	int64_t power = 1, size = units < 0 ? -units : units;

	for (unsigned i = 0; i < scale; i++)
		power *= 10;
	const char *whole = arena_printf(&test_arena, "%s%lld", units < 0 ? "-" : "", (long long)(size / power));
	if (!scale)
		return amount(whole);
	return amount(arena_printf(&test_arena, "%s.%0*lld", whole, (int)scale, (long long)(size % power)));
}

/* Where 64 bits suffice, C's own integers say what is right; a tie in four makes rounding earn its name. */
static void small_amounts_agree_with_integers(void **state)
{
	uint64_t random = 5;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		unsigned scale = next_random(&random) % 7, digits = next_random(&random) % 7;
		int64_t a = (int64_t)next_random(&random) - (1 << 30), b = (int64_t)next_random(&random) - (1 << 30), step = 1;
		for (unsigned d = digits; d < scale; d++)
			step *= 10;
		if (step > 1 && i % 4 == 0)
			a = a / step * step + (a < 0 ? -step / 2 : step / 2);
		int64_t cut = a / step, left = a % step < 0 ? -(a % step) : a % step;
		if (step > 1 && left >= step / 2)
			cut += a < 0 ? -1 : 1;
		struct money x = of_units(a, scale), y = of_units(b, scale);
		equal(money_add(x, y, &test_arena), of_units(a + b, scale));
		equal(money_subtract(x, y, &test_arena), of_units(a - b, scale));
		assert_int_equal(money_compare(x, y), (a > b) - (a < b));
		if (digits <= scale)
			equal(money_round(x, digits, &test_arena), of_units(cut, digits));
		arena_reset(&test_arena);
	}
}

/* ---- currencies ---- */

static void every_currency_has_its_minor_units(void **state)
{
	static const char *const none[] = { "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW",
					    "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF" };
	static const char *const three[] = { "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND" };
	static const char *const two[] = { "EUR", "USD", "GBP", "CHF", "MGA", "MRU", "HUF", "TWD", "IDR", "UYU", "AED", "ZWG" };
	static const char *const unknown[] = { "UYI", "CLF", "UYW", "XAU", "XXX", "XTS", "eur", "EURO", "EU", "" };
	int found[5] = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(none); i++)
		assert_int_equal(currency_minor_units(none[i]), 0);
	for (size_t i = 0; i < COUNT(three); i++)
		assert_int_equal(currency_minor_units(three[i]), 3);
	for (size_t i = 0; i < COUNT(two); i++)
		assert_int_equal(currency_minor_units(two[i]), 2);
	for (size_t i = 0; i < COUNT(unknown); i++)
		assert_int_equal(currency_minor_units(unknown[i]), -1);
	assert_int_equal(currency_minor_units(NULL), -1);
	for (char a = 'A'; a <= 'Z'; a++) {
		for (char b = 'A'; b <= 'Z'; b++) {
			for (char c = 'A'; c <= 'Z'; c++) {
				int digits = currency_minor_units((char[]){ a, b, c, '\0' });
				assert_in_range(digits + 1, 0, 4);
				found[digits + 1]++;
			}
		}
	}
	/* 155 currencies in use, of which all but the lists above have two. */
	assert_int_equal(found[0], 26 * 26 * 26 - 155);
	assert_int_equal(found[1], COUNT(none));
	assert_int_equal(found[2], 0);
	assert_int_equal(found[3], 155 - COUNT(none) - COUNT(three));
	assert_int_equal(found[4], COUNT(three));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_decimal_number_comes_back_normalised),
		cmocka_unit_test(what_is_no_decimal_number_is_refused_with_the_reason),
		cmocka_unit_test(a_text_has_at_least_the_digits_asked_for),
		cmocka_unit_test(sums_are_exact_and_keep_the_most_fraction_digits),
		cmocka_unit_test(a_list_sums_up_without_limit),
		cmocka_unit_test(halves_are_rounded_away_from_zero),
		cmocka_unit_test(amounts_compare_by_value),
		cmocka_unit_test(an_amount_is_turned_around_or_kept_from_below_zero),
		cmocka_unit_test(texts_and_amounts_map_one_to_one),
		cmocka_unit_test(sums_hold_in_any_order),
		cmocka_unit_test(taking_away_undoes_adding),
		cmocka_unit_test(rounding_moves_by_half_a_step_at_most_and_once),
		cmocka_unit_test(small_amounts_agree_with_integers),
		cmocka_unit_test(every_currency_has_its_minor_units),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
