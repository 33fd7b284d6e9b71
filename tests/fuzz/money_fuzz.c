/*
 * Amounts. Input: a byte for the digits to round to, then amounts, one a line. GMP's rationals, which money.c does not use, tell
 * what each result must be.
 */
#include <ctype.h>
#include <gmp.h>

#include "fuzz.h"
#include "money.h"

enum { AMOUNTS_MAX = 8, ROUND_MAX = 64 };

/* The value of a text that money wrote or took; the caller clears it. */
static void value_of(mpq_t value, const char *text)
{
	const char *point = strchr(text, '.');
	size_t scale = point ? strlen(point + 1) : 0;
	cleanup_free char *digits = memory_strdup(text);

	if (point)
		memmove(digits + (point - text), digits + (point - text) + 1, scale + 1);
	mpq_init(value);
	check(mpz_set_str(mpq_numref(value), digits, 10) == 0);
	mpz_ui_pow_ui(mpq_denref(value), 10, scale);
	mpq_canonicalize(value);
}

static void check_value(struct money amount, const mpq_t wanted, struct arena *arena)
{
	mpq_t value;

	value_of(value, money_format(amount, 0, arena));
	check(mpq_equal(value, wanted));
	check(money_sign(amount) == mpq_sgn(wanted));
	mpq_clear(value);
}

/* "-007.50" is "-7.50", and "-0.0" is "0.0". */
static void check_format(struct money amount, const char *text, struct arena *arena)
{
	const char *digits = text + (*text == '-');

	while (*digits == '0' && isdigit((unsigned char)digits[1]))
		digits++;
	const bool zero = digits[strspn(digits, "0.")] == '\0';

	check(strcmp(money_format(amount, 0, arena), arena_printf(arena, "%s%s", *text == '-' && !zero ? "-" : "", digits)) == 0);
	struct money again;

	check(!money_parse(money_format(amount, 0, arena), &again, arena) && money_compare(amount, again) == 0 &&
	      again.scale == amount.scale);
}

/* No further off than half a step, and a half goes away from zero. */
static void check_round(struct money amount, unsigned digits, struct arena *arena)
{
	const struct money rounded = money_round(amount, digits, arena);
	mpq_t exact, got, half, off;

	value_of(exact, money_format(amount, 0, arena));
	value_of(got, money_format(rounded, 0, arena));
	mpq_init(half);
	mpq_init(off);
	mpq_set_ui(half, 1, 2);
	mpz_ui_pow_ui(mpq_denref(off), 10, digits);
	mpz_set_ui(mpq_numref(off), 1);
	mpq_canonicalize(off);
	mpq_mul(half, half, off);
	mpq_sub(off, got, exact);
	if (mpq_sgn(exact) < 0)
		mpq_neg(off, off); /* > 0: away from zero */
	check(rounded.scale == digits);
	check(mpq_cmp(off, half) <= 0);
	mpq_neg(half, half);
	check(mpq_cmp(off, half) > 0);
	mpq_clears(exact, got, half, off, NULL);
}

static void check_pair(struct money a, struct money b, const mpq_t x, const mpq_t y, struct arena *arena)
{
	mpq_t wanted;

	mpq_init(wanted);
	mpq_add(wanted, x, y);
	check_value(money_add(a, b, arena), wanted, arena);
	mpq_sub(wanted, x, y);
	check_value(money_subtract(a, b, arena), wanted, arena);
	check(money_compare(a, b) == mpq_sgn(wanted));
	check(money_compare(b, a) == -mpq_sgn(wanted));
	mpq_clear(wanted);
}

static void check_amounts(const struct money *amounts, size_t n, unsigned digits, struct arena *arena)
{
	mpq_t total, values[AMOUNTS_MAX];

	mpq_init(total);
	for (size_t i = 0; i < n; i++) {
		value_of(values[i], money_format(amounts[i], 0, arena));
		mpq_add(total, total, values[i]);
		check_round(amounts[i], digits, arena);
		check_pair(amounts[i], amounts[0], values[i], values[0], arena);
		check(money_sign(money_not_below_zero(amounts[i])) >= 0);
	}
	check_value(money_sum(amounts, n, arena), total, arena);
	for (size_t i = 0; i < n; i++)
		mpq_clear(values[i]);
	mpq_clear(total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = rest_of(data, size, 1);
	char *rest = text, *line;
	struct money amounts[AMOUNTS_MAX];
	struct arena arena;
	size_t n = 0;

	if (size == 0)
		return 0;
	arena_init(&arena);
	while (n < AMOUNTS_MAX && (line = strsep(&rest, "\n")) != NULL) {
		if (money_parse(line, &amounts[n], &arena)) {
			check(money_sign(amounts[n]) == 0);
			continue;
		}
		check_format(amounts[n++], line, &arena);
	}
	check_amounts(amounts, n, data[0] % ROUND_MAX, &arena);
	arena_close(&arena);
	return 0;
}
