/*
 * Finds card numbers in a text, in one walk over its runs of digits. Must not know who asks, nor hand out what it found: nobody is
 * to repeat a number in a message or a log.
 * Invariant: what is looked at around a run is bounded (an IBAN's 34 characters, a digest's 32), so time stays linear.
 */
#include "cardnumber.h"

#include <stddef.h>
#include <string.h>

#define DIGITS "0123456789"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LETTERS CAPITALS "abcdefghijklmnopqrstuvwxyz"
#define HEX DIGITS "ABCDEFabcdef"

enum { CARD_MIN = 13, CARD_MAX = 19, GROUP_MIN = 4, GROUP_MAX = 6, IBAN_MIN = 15, IBAN_MAX = 34, IBAN_HEAD = 4, DIGEST_MIN = 32, FIRST = 6 };

/* Digits, read from left to right while nobody knows yet where they end, and so which of them Luhn's rule doubles. */
struct digits {
	size_t n;
	unsigned last_plain, last_doubled; /* Luhn's sum modulo 10, with the last digit taken as it is, and doubled */
	unsigned first; /* the number that its first FIRST digits are */
};

/* strchr finds the NUL too. */
static bool one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

static struct digits followed_by(struct digits number, const char *run, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const unsigned digit = (unsigned)(run[i] - '0'), plain = number.last_plain;

		if (number.n < FIRST)
			number.first = number.first * 10 + digit;
		number.n++;
		number.last_plain = (number.last_doubled + digit) % 10;
		number.last_doubled = (plain + 2 * digit / 10 + 2 * digit % 10) % 10;
	}
	return number;
}

/* 20YYMM..., or milli-, micro- or nanoseconds since 1970 from 2015 up to 2034. */
static bool is_moment(struct digits number)
{
	const unsigned month = number.first % 100;

	if (number.n == 13 || number.n == 16 || number.n == 19)
		return number.first >= 142000 && number.first < 205000;
	return number.first / 10000 == 20 && month >= 1 && month <= 12;
}

static bool is_card(struct digits number)
{
	return number.n >= CARD_MIN && number.n <= CARD_MAX && number.last_plain == 0 && !is_moment(number);
}

/* The remainder by 97 of a number that goes on with this character; letters stand for 10 to 35. */
static unsigned iban_rest(unsigned rest, char c)
{
	return one_of(c, DIGITS) ? (rest * 10 + (unsigned)(c - '0')) % 97 : (rest * 100 + (unsigned)(c - 'A') + 10) % 97;
}

/* How many characters of the text an IBAN takes that it begins with, together or in groups of four; 0 if there is none. */
static size_t iban_length(const char *text)
{
	const char *at = text + IBAN_HEAD;
	unsigned rest = 0, head = 0; /* two capitals and two digits: six digits, which are moved to the end */
	for (size_t i = 0; i < IBAN_HEAD; i++)
		head = iban_rest(head, text[i]);
	for (size_t n = IBAN_HEAD + 1; n <= IBAN_MAX; n++) {
		unsigned whole;

		if (*at == ' ' && n % 4 == 1)
			at++;
		if (!one_of(*at, DIGITS CAPITALS))
			break;
		rest = iban_rest(rest, *at++);
		whole = (rest * (1000000 % 97) + head) % 97;
		if (n >= IBAN_MIN && whole == 1 && !one_of(*at, DIGITS LETTERS))
			return (size_t)(at - text);
	}
	return 0;
}

/* Where the IBAN ends whose check digits this run begins with; NULL if it is none. */
static const char *iban_end(const char *text, const char *run, size_t n)
{
	size_t len;

	if (n < 2 || run - text < 2 || !one_of(run[-1], CAPITALS) || !one_of(run[-2], CAPITALS))
		return NULL;
	if (run - text > 2 && one_of(run[-3], LETTERS))
		return NULL;
	len = iban_length(run - 2);
	return len ? run - 2 + len : NULL;
}

/* A run that may be a number is shorter itself. */
static bool in_digest(const char *text, const char *run, size_t n)
{
	const char *begin = run, *end = run + n;

	while (begin > text && run - begin < DIGEST_MIN && one_of(begin[-1], HEX))
		begin--;
	while (end - run < DIGEST_MIN && one_of(*end, HEX))
		end++;
	return end - begin >= DIGEST_MIN;
}

bool card_number_in(const char *text)
{
	static const struct digits none;
	struct digits groups = none; /* the number that the groups up to here may be; n 0: there is none */
	const char *end = text;	     /* of the run before */

	for (const char *run = text + strcspn(text, DIGITS); *run; run = end + strcspn(end, DIGITS)) {
		const size_t n = strspn(run, DIGITS);
		const bool joined = groups.n && run == end + 1 && one_of(*end, " -");
		const bool in_word = one_of(run[n], LETTERS) || (run > text && one_of(run[-1], LETTERS));
		const struct digits alone = followed_by(none, run, n), longer = followed_by(groups, run, n);

		if (!joined && is_card(groups))
			return true;
		end = iban_end(text, run, n);
		if (end) {
			groups = none;
			continue;
		}
		end = run + n;
		if (is_card(alone) && !in_digest(text, run, n))
			return true;
		if (!joined) {
			groups = n == GROUP_MIN && !in_word ? alone : none;
		} else if (!in_word && n >= GROUP_MIN && n <= GROUP_MAX) {
			groups = longer;
		} else {
			if (is_card(groups) || (!in_word && n < GROUP_MIN && is_card(longer)))
				return true;
			groups = none;
		}
	}
	return is_card(groups);
}
