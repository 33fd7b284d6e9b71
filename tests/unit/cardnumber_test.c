/*
 * cardnumber.c: which texts hold a card's number, and which only look like it. Numbers are the networks' public test numbers, or
 * made here; Luhn's rule is written a second time, from right to left as the standard says it, and the groups as a search.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cardnumber.h"
#include "memory.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ROUNDS = 200000, RUNS_MAX = 8 };

static const char *const numbers[] = {
	"4222222222222",       /* 13: Visa, the short form */
	"30569309025904",      /* 14: Diners Club */
	"38520000023237",      /* 14 */
	"378282246310005",     /* 15: American Express */
	"371449635398431",     /* 15 */
	"135412345678911",     /* 15: UATP, an airline's */
	"4111111111111111",    /* 16: Visa */
	"4242424242424242",    /* 16 */
	"5555555555554444",    /* 16: Mastercard */
	"2223003122003222",    /* 16: Mastercard, the series that begins with 2 */
	"6011111111111117",    /* 16: Discover */
	"3530111333300000",    /* 16: JCB */
	"6304000000000000",    /* 16: Maestro */
	"6205500000000000004", /* 19: UnionPay */
	"1234567812345670",    /* 16: no issuer's, but right all the same; so are the two below */
	"0000000000000000",
	"201499111111119", /* no month 99 */
};

/* ISO/IEC 7812-1, annex B: from the right, every second digit doubled, its digits added up. */
static bool luhn(const char *digits)
{
	static const int doubled[] = { 0, 2, 4, 6, 8, 1, 3, 5, 7, 9 };
	const size_t n = strlen(digits);
	int sum = 0;

	for (size_t i = 0; i < n; i++) {
		const int digit = digits[n - 1 - i] - '0';

		sum += i % 2 ? doubled[digit] : digit;
	}
	return sum % 10 == 0;
}

/* As dates and clocks write them. */
static bool is_moment(const char *digits, size_t n)
{
	const bool since_1970 = n == 13 || n == 16 || n == 19;

	if (since_1970)
		return strncmp(digits, "142", 3) >= 0 && strncmp(digits, "205", 3) < 0;
	return !strncmp(digits, "20", 2) && strncmp(digits + 4, "01", 2) >= 0 && strncmp(digits + 4, "12", 2) <= 0;
}

static bool is_number(const char *digits)
{
	const size_t n = strlen(digits);

	return n >= 13 && n <= 19 && luhn(digits) && !is_moment(digits, n);
}

static void expect(bool expected, const char *text)
{
	if (card_number_in(text) != expected)
		fail_msg("\"%s\" %s", text, expected ? "holds a card's number" : "holds none");
}

static unsigned roll(uint64_t *state, unsigned sides)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (unsigned)(*state >> 33) % sides;
}

/* ---- written together ---- */

static void a_number_is_found_wherever_it_stands(void **state)
{
	static const char *const around[][2] = {
		{ "", "" },	{ "card ", "" }, { "", " is my card" }, { "card:", ", thanks" }, { "PAN", "x" },
		{ "\n", "\n" }, { "(", ")" },	 { "é", "é" },		{ "卡号", "！" },	 { "\xff", "\x80" },
		{ "12 ", " 34" }, { "7. ", "." }, { "b2-", "/c3" },	{ "2026-10-01 ", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		assert_true(is_number(numbers[i]));
		for (size_t a = 0; a < COUNT(around); a++) {
			char text[128];

			snprintf(text, sizeof(text), "%s%s%s", around[a][0], numbers[i], around[a][1]);
			expect(true, text);
		}
	}
}

static void one_wrong_digit_makes_it_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		char text[32];

		snprintf(text, sizeof(text), "%s", numbers[i]);
		for (size_t at = 0; text[at]; at++) {
			const char right = text[at];

			for (text[at] = '0'; text[at] <= '9'; text[at]++)
				expect(text[at] == right, text);
			text[at] = right;
		}
	}
}

static void a_part_of_a_longer_run_is_none(void **state)
{
	static const char *const rows[] = {
		"41111111111111110000", /* 20 digits that pass, and hold a number */
		"14111111111111111",
		"41111111111111112",
		"4111111111111111411111111111111141111111111111114111111111111111",
		"422222222222",	 /* 12 */
		"42222222222228", /* 14 */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect(false, rows[i]);
}

/* Random digits between random neighbours: as the rule, written a second time, says. */
static void any_run_of_digits_is_judged_by_the_rule(void **state)
{
	static const char *const between[] = { "", " ", "x", "é", "-", ".", "\n" };
	uint64_t random = 0x9E3779B97F4A7C15;
	size_t found = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		char digits[32] = "", text[64];
		const unsigned n = 1 + roll(&random, 22);

		for (unsigned d = 0; d < n; d++)
			digits[d] = (char)('0' + roll(&random, 10));
		snprintf(text, sizeof(text), "%s%s%s", between[roll(&random, COUNT(between))], digits,
			 between[roll(&random, COUNT(between))]);
		found += is_number(digits);
		expect(is_number(digits), text);
	}
	assert_true(found > ROUNDS / 100);
}

/* ---- in groups ---- */

static void groups_as_on_cards_are_a_number(void **state)
{
	static const char *const rows[] = {
		"4111 1111 1111 1111",
		"4111-1111-1111-1111",
		"4111 1111-1111 1111",
		"3782 822463 10005",
		"3782-822463-10005",
		"3056 930902 5904",
		"3056 9309 025904",
		"6205 5000 0000 0000 004",   /* 19 digits end in a group of three */
		"6304 0000 0000 0000",
		"my card: 4111 1111 1111 1111.",
		"卡号4111 1111 1111 1111！",
		"4111 1111 1111 1111 123",   /* and the number on its back */
		"4111 1111 1111 1111 12/27", /* and when it expires */
		"4111 1111 1111 1111, 1227",
		"7 4111 1111 1111 1111",
		"12345 4111 1111 1111 1111", /* five digits begin no number */
		"4111 1111 4111-1111-1111-11111 4111 1111 1111 1111 x 5555 5555 5555 4444", /* only the last */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect(true, rows[i]);
}

static void other_groups_are_none(void **state)
{
	static const char *const rows[] = {
		"4111 1111 1111 1112",
		"4111  1111 1111 1111",	     /* two spaces */
		"4111 - 1111 - 1111 - 1111",
		"4111.1111.1111.1111",
		"4111\n1111\n1111\n1111",
		"411 11111 1111 1111",
		"41111 11111 111111",	     /* the first group has four */
		"4111 1111111 11111",	     /* seven */
		"4222 222 222 222",	     /* groups of three */
		"4111 1111 1111 1111 1227",  /* one longer sequence: which part of it would be the number? */
		"4111 4111 1111 1111 1111",
		"4111-1111-1111-1111-4111-1111-1111-1111",
		"x4111 1111 1111 1111",	     /* a word before, or behind */
		"4111 1111 1111 1111x",
		"4111 1111 1111x 1111",
		"2026-10-01",
		"2026-10-01 2026-10-31 2026-11-30",
		"2026-10-01T00:00:00Z",
		"+49 30 1234 5678",
		"",
		" ",
		"-",
		"1",
		"é",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect(false, rows[i]);
}

struct run {
	const char *at;
	size_t n;
};

static bool clean(const char *text, struct run run)
{
	return !isalpha((unsigned char)run.at[run.n]) && (run.at == text || !isalpha((unsigned char)run.at[-1]));
}

/* Are the runs from a to b groups of one sequence? */
static bool sequence(const char *text, const struct run *runs, size_t a, size_t b)
{
	if (runs[a].n != 4 || !clean(text, runs[a]))
		return false;
	for (size_t i = a + 1; i <= b; i++) {
		const char *between = runs[i].at - 1;

		if (runs[i].n < 4 || runs[i].n > 6 || !clean(text, runs[i]) || between != runs[i - 1].at + runs[i - 1].n ||
		    (*between != ' ' && *between != '-'))
			return false;
	}
	return true;
}

static bool is_number_of(const struct run *runs, size_t a, size_t b)
{
	char digits[256] = "";

	for (size_t i = a; i <= b; i++)
		strncat(digits, runs[i].at, runs[i].n);
	return is_number(digits);
}

static bool sequences_hold_number(const char *text, const struct run *runs, size_t n)
{
	for (size_t a = 0; a < n; a++) {
		bool begun_before = false;
		size_t b = a;

		for (size_t before = 0; before < a; before++)
			begun_before |= sequence(text, runs, before, a);
		if (begun_before || !sequence(text, runs, a, a))
			continue;
		while (b + 1 < n && sequence(text, runs, a, b + 1))
			b++;
		if (is_number_of(runs, a, b))
			return true;
		if (b + 1 < n && runs[b + 1].n < 4 && clean(text, runs[b + 1]) && runs[b + 1].at == runs[b].at + runs[b].n + 1 &&
		    strchr(" -", runs[b + 1].at[-1]) && is_number_of(runs, a, b + 1))
			return true;
	}
	return false;
}

/* Random runs and separators, digits mostly fours so that sums are right often: the search for the rule's words finds the same. */
static void any_groups_are_judged_by_the_rule(void **state)
{
	static const char *const between[] = { " ", "-", " ", "-", " ", "-", " ", "-", "  ", "x", "é", "." };
	static const unsigned lengths[] = { 4, 4, 4, 4, 4, 4, 4, 5, 6, 3, 1, 7 };
	uint64_t random = 0xD1B54A32D192ED03;
	size_t found = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct run runs[RUNS_MAX];
		const size_t n = 1 + roll(&random, RUNS_MAX);
		char text[256] = "", *end = text;

		if (roll(&random, 8) == 0)
			end = stpcpy(end, between[roll(&random, COUNT(between))]);
		for (size_t r = 0; r < n; r++) {
			runs[r] = (struct run){ end, lengths[roll(&random, COUNT(lengths))] };
			for (size_t d = 0; d < runs[r].n; d++)
				*end++ = roll(&random, 3) ? '4' : (char)('0' + roll(&random, 10));
			if (r + 1 < n || roll(&random, 8) == 0)
				end = stpcpy(end, between[roll(&random, COUNT(between))]);
		}
		*end = '\0';
		found += sequences_hold_number(text, runs, n);
		expect(sequences_hold_number(text, runs, n), text);
	}
	assert_true(found > ROUNDS / 200);
}

/* ---- what has a right last digit by chance ---- */

static void a_moment_is_none(void **state)
{
	static const char *const rows[] = {
		"1795341980005",       /* milliseconds since 1970 */
		"1795341980000009",    /* microseconds */
		"1795341980000000005", /* nanoseconds */
		"20261122100625",      /* a moment */
		"20261122100624125",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char digits[32] = "", *end = digits;

		for (const char *c = rows[i]; *c; c++)
			if (*c != ' ')
				*end++ = *c;
		assert_true(luhn(digits));
		expect(false, rows[i]);
	}
}

static void an_iban_is_none(void **state)
{
	static const char *const rows[] = {
		"DE89 3704 0044 0532 0130 00",
		"DE89370400440532013000",
		"DE89 3704 0044 0532 0130 00 is mine",
		"AT61 1904 3002 3457 3201",
		"AT611904300234573201",
		"BE68539007547034",
		"NO9386011117947",
		"FR14 2004 1010 0505 0001 3M02 606",
		"FR1420041010050500013M02606",
		"GB29 NWBK 6016 1331 9268 19",
		"IT60 X054 2811 1010 0000 0123 456",
		"CH93 0076 2011 6238 5295 7",
		"MT84MALT011000012345MTLCAST001S",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect(false, rows[i]);
}

/* One IBAN in ten holds a run or groups that pass; these do, and their own check digits are right (made below, by ISO 7064). */
static void an_iban_that_holds_a_right_number_is_none(void **state)
{
	static const struct {
		const char *country, *account, *grouped;
	} rows[] = {
		{ "AT", "4111111111111111", "%s 4111 1111 1111 1111" },
		{ "LT", "5555555555554444", "%s 5555 5555 5555 4444" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char head[8], text[64];
		unsigned rest = 0;

		/* The account, then the country's letters as numbers, then 00: what is missing to 98 are the check digits. */
		for (const char *c = rows[i].account; *c; c++)
			rest = (rest * 10 + (unsigned)(*c - '0')) % 97;
		for (const char *c = rows[i].country; *c; c++)
			rest = (rest * 100 + (unsigned)(*c - 'A') + 10) % 97;
		rest = rest * 100 % 97;
		snprintf(head, sizeof(head), "%s%02u", rows[i].country, 98 - rest);
		snprintf(text, sizeof(text), "%s%s", head, rows[i].account);
		expect(false, text);
		snprintf(text, sizeof(text), "IBAN: %.4s %.4s %.4s %.4s %.4s.", head, rows[i].account, rows[i].account + 4,
			 rows[i].account + 8, rows[i].account + 12);
		expect(false, text);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s", rows[i].account);
		expect(true, text);	       /* the walk goes on behind it */
		text[6] = text[6] == 'A' ? 'B' : 'A';
		text[strlen(text) - 17] = '\0';
		expect(true, text);	       /* another country's letters, and the check digits are wrong */
	}
}

static void digests_and_identifiers_are_none(void **state)
{
	static const struct {
		const char *text;
		bool found;
	} rows[] = {
		{ "sha256:9f86d081884c7d659a2feaa0c55a4111111111111111b0f00a08d15d6c15b0f0", false },
		{ "4111111111111111b0f00a08d15d6c15", false }, /* 32 */
		{ "b0f00a08d15d6c154111111111111111", false },
		{ "4111111111111111b0f00a08d15d6c1", true }, /* 31 */
		{ "b0f00a08d15d6c1g4111111111111111", true },
		{ "b0f00a08-1234-4234-8234-123456abcdef", false },
		{ "b0f04111-1111-1111-1111-0123456789ab", false },
		{ "12345678-1234-4234-8234-123456789012", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect(rows[i].found, rows[i].text);
}

/* ---- any text ---- */

/* Every end of the text is a NUL at the end of its own memory: the sanitizer sees a step beyond, and one before the beginning. */
static void no_text_is_read_beyond(void **state)
{
	static const char alphabet[] = "0123456789012345678901234567890123456789    ----ADEaf\xc3\xa9.";
	uint64_t random = 0xA0761D6478BD642F;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		const size_t n = roll(&random, 60);
		cleanup_free char *text = memory_alloc(n + 1);

		for (size_t c = 0; c < n; c++)
			text[c] = alphabet[roll(&random, sizeof(alphabet) - 1)];
		(void)card_number_in(text);
	}
}

/* Each of these makes a walk that looks back or ahead without a bound take hours. */
static void long_texts_take_linear_time(void **state)
{
	static const char *const patterns[] = { "4111111111111111a", "4111 ", "AT61 1904 3002 3457 3200 ", "AA11", "1", "4111-" };
	enum { BYTES = 8 << 20 };

	(void)state;
	for (size_t i = 0; i < COUNT(patterns); i++) {
		cleanup_free char *text = memory_alloc(BYTES + 1);
		const size_t n = strlen(patterns[i]);

		for (size_t at = 0; at < BYTES; at++)
			text[at] = patterns[i][at % n];
		expect(false, text);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_found_wherever_it_stands),
		cmocka_unit_test(one_wrong_digit_makes_it_none),
		cmocka_unit_test(a_part_of_a_longer_run_is_none),
		cmocka_unit_test(any_run_of_digits_is_judged_by_the_rule),
		cmocka_unit_test(groups_as_on_cards_are_a_number),
		cmocka_unit_test(other_groups_are_none),
		cmocka_unit_test(any_groups_are_judged_by_the_rule),
		cmocka_unit_test(a_moment_is_none),
		cmocka_unit_test(an_iban_is_none),
		cmocka_unit_test(an_iban_that_holds_a_right_number_is_none),
		cmocka_unit_test(digests_and_identifiers_are_none),
		cmocka_unit_test(no_text_is_read_beyond),
		cmocka_unit_test(long_texts_take_linear_time),
	};

	return cmocka_run_group_tests_name("cardnumber", tests, NULL, NULL);
}
