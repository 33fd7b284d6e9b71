/*
 * Exact decimal amounts for decisions: parsed from a resource's text, added up, compared, rounded once at the end, and
 * written as text again. No floating point, no limit to sums. Knows no currency: how many fraction digits one has is
 * currency.h's.
 *
 * Ownership and lifetime: an amount is a value to copy freely; its digits live in the arena that the call was given and
 * are valid until that is reset. Nothing is freed. (struct money){ 0 } is zero and needs no arena.
 * Errors: only parsing can fail. Out of memory aborts, as in memory.h.
 * Source of the rules: amounts travel as `[-]digits[.digits]`, of at most MONEY_DIGITS_MAX digits, the precision that the decimal
 * types of common databases end at; invoices round half away from zero.
 */
#ifndef TOLLGATE_MONEY_H
#define TOLLGATE_MONEY_H

#include <stddef.h>

#include "arena.h"

enum { MONEY_DIGITS_MAX = 38 }; /* in a text, leading zeros and fraction included */

/* Private to money.c, but for copying: units / 10^scale, units in `size` limbs, least first; size < 0 = below zero. */
struct money {
	const void *limbs;
	int size;
	unsigned scale; /* fraction digits, trailing zeros included: "1.50" has 2 */
};

/* NULL and the amount with the text's fraction digits; or what is wrong, static text that goes on after the field's name ("is not
 * a decimal number"), and zero. No sign but '-', no exponent, no spaces, a digit on both sides of a point. NULL is no number. */
const char *money_parse(const char *text, struct money *out, struct arena *);

/* The amount in digits, with its own fraction digits or zeros up to at_least; never rounds, never writes "-0". What was
 * parsed comes back as it was, but for leading zeros and a zero's sign. Lives in the arena. */
const char *money_format(struct money, unsigned at_least, struct arena *);

/* Exact, with the fraction digits of the one that has most; none gives 0. */
struct money money_sum(const struct money *amounts, size_t n, struct arena *);
struct money money_add(struct money, struct money, struct arena *);
struct money money_subtract(struct money from, struct money, struct arena *);

/* With exactly that many fraction digits: zeros are added, or a half is rounded away from zero (-0.5 becomes -1). */
struct money money_round(struct money, unsigned digits, struct arena *);

/* -1, 0 or 1 as a is below, equal to or above b; "1.0" equals "1". */
int money_compare(struct money a, struct money b);

static inline int money_sign(struct money a)
{
	return (a.size > 0) - (a.size < 0);
}

static inline struct money money_negate(struct money a)
{
	return (struct money){ .limbs = a.limbs, .size = -a.size, .scale = a.scale };
}

/* The amount, or 0 if it is below. */
static inline struct money money_not_below_zero(struct money a)
{
	return a.size < 0 ? (struct money){ .scale = a.scale } : a;
}

#endif
