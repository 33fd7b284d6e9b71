/*
 * Decimal arithmetic on GMP's integers: an amount is a whole number of units, each 10^-scale. Must not know currencies,
 * resources or floating point; no other file knows GMP.
 * Invariant: what GMP allocates is freed before a function returns; results are copied into the arena.
 */
#include "money.h"

#include <stdbool.h>
#include <string.h>

#include <gmp.h>

#define DIGITS "0123456789"

/* Begins units (the caller clears it) with the amount's, at a scale not below its own. */
static void begin(mpz_t units, struct money a, unsigned scale)
{
	mpz_t own; /* borrows the limbs: nothing to clear */

	mpz_init(units);
	mpz_ui_pow_ui(units, 10, scale - a.scale);
	mpz_mul(units, units, mpz_roinit_n(own, a.limbs, a.size));
}

/* Clears units. */
static struct money end(mpz_t units, unsigned scale, struct arena *arena)
{
	size_t n = mpz_size(units);
	struct money a = { .limbs = arena_copy(arena, mpz_limbs_read(units), n * sizeof(mp_limb_t)),
			   .size = mpz_sgn(units) * (int)n,
			   .scale = scale };

	mpz_clear(units);
	return a;
}

static unsigned larger(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

const char *money_parse(const char *text, struct money *out, struct arena *arena)
{
	static const char not_decimal[] = "is not a decimal number", too_long[] = "has more than 38 digits";
	_Static_assert(MONEY_DIGITS_MAX == 38, "too_long says the number");

	*out = (struct money){ 0 };
	if (!text)
		return not_decimal;
	bool negative = *text == '-';
	const char *whole = text + negative;
	size_t n_whole = strspn(whole, DIGITS);
	bool point = whole[n_whole] == '.';
	const char *fraction = whole + n_whole + point;
	size_t n_fraction = point ? strspn(fraction, DIGITS) : 0;
	if (!n_whole || (point && !n_fraction) || fraction[n_fraction])
		return not_decimal;
	if (n_whole + n_fraction > MONEY_DIGITS_MAX)
		return too_long;

	char digits[MONEY_DIGITS_MAX + 1] = "";
	memcpy(digits, whole, n_whole);
	memcpy(digits + n_whole, fraction, n_fraction);
	mpz_t units;
	mpz_init_set_str(units, digits, 10);
	if (negative)
		mpz_neg(units, units);
	*out = end(units, (unsigned)n_fraction, arena);
	return NULL;
}

const char *money_format(struct money a, unsigned at_least, struct arena *arena)
{
	unsigned scale = larger(a.scale, at_least);
	mpz_t units;

	begin(units, a, scale);
	mpz_abs(units, units);
	char *digits = arena_alloc(arena, mpz_sizeinbase(units, 10) + 2); /* what mpz_get_str asks for */
	mpz_get_str(digits, 10, units);
	mpz_clear(units);

	size_t len = strlen(digits), zeros = len > scale ? 0 : scale + 1 - len; /* a digit stands before the point */
	char *text = arena_alloc(arena, sizeof("-.") + zeros + len);
	char *point = text;
	if (a.size < 0)
		*point++ = '-';
	memset(point, '0', zeros);
	memcpy(point + zeros, digits, len + 1);
	point += zeros + len - scale;
	if (scale) {
		memmove(point + 1, point, scale + 1);
		*point = '.';
	}
	return text;
}

struct money money_sum(const struct money *amounts, size_t n, struct arena *arena)
{
	unsigned scale = 0;
	mpz_t sum, units;

	for (size_t i = 0; i < n; i++)
		scale = larger(scale, amounts[i].scale);
	mpz_init(sum);
	for (size_t i = 0; i < n; i++) {
		begin(units, amounts[i], scale);
		mpz_add(sum, sum, units);
		mpz_clear(units);
	}
	return end(sum, scale, arena);
}

struct money money_add(struct money a, struct money b, struct arena *arena)
{
	return money_sum((const struct money[]){ a, b }, 2, arena);
}

struct money money_subtract(struct money from, struct money a, struct arena *arena)
{
	return money_add(from, money_negate(a), arena);
}

struct money money_round(struct money a, unsigned digits, struct arena *arena)
{
	mpz_t units, half;

	begin(units, a, larger(a.scale, digits));
	if (a.scale > digits) {
		/* Half a step away from zero, then cut towards it. */
		mpz_init(half);
		mpz_ui_pow_ui(half, 10, a.scale - digits - 1);
		mpz_mul_ui(half, half, 5);
		if (a.size < 0)
			mpz_sub(units, units, half);
		else
			mpz_add(units, units, half);
		mpz_mul_ui(half, half, 2);
		mpz_tdiv_q(units, units, half);
		mpz_clear(half);
	}
	return end(units, digits, arena);
}

int money_compare(struct money a, struct money b)
{
	unsigned scale = larger(a.scale, b.scale);
	mpz_t left, right;

	begin(left, a, scale);
	begin(right, b, scale);
	int order = mpz_cmp(left, right);
	mpz_clear(left);
	mpz_clear(right);
	return (order > 0) - (order < 0);
}
