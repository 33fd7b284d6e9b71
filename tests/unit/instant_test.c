/* Rules of RFC 3339 and the calendar, as rows; and the calendar against the C library's own, every day of 800 years. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "instant.h"

static void good_texts_parse(void **state)
{
	static const struct {
		const char *text;
		instant_t at;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01T00:00:00.001Z", 1 },
		{ "1970-01-01T00:00:00,5Z", 500 },
		{ "1969-12-31T23:59:59Z", -1000 },
		{ "2026-11-22T10:06:20Z", INT64_C(1795341980000) },
		{ "2026-11-22T10:06:20.123456Z", INT64_C(1795341980123) },
		{ "2026-11-22T10:06:20.1Z", INT64_C(1795341980100) },
		{ "2026-11-22T10:06:20.99999999999999999999Z", INT64_C(1795341980999) },
		{ "2026-11-22T11:06:20+01:00", INT64_C(1795341980000) },
		{ "2026-11-22T00:36:20-09:30", INT64_C(1795341980000) },
		{ "2026-11-22T10:06:20-00:00", INT64_C(1795341980000) },
		{ "2026-11-22t10:06:20z", INT64_C(1795341980000) },
		{ "2024-02-29T12:00:00Z", INT64_C(1709208000000) },
		{ "2000-02-29T00:00:00Z", INT64_C(951782400000) },
		{ "2016-12-31T23:59:60Z", INT64_C(1483228800000) },
		{ "0000-01-01T00:00:00Z", INT64_C(-62167219200000) },
		{ "9999-12-31T23:59:59Z", INT64_C(253402300799000) },
		/* An offset, or a leap second, that leads out of the years that can be written. */
		{ "0000-01-01T00:00:00+23:59", INT64_C(-62167219200000) },
		{ "9999-12-31T23:59:59-00:01", INT64_C(253402300799999) },
		{ "9999-12-31T23:59:60Z", INT64_C(253402300799999) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		instant_t at = 42;

		if (instant_parse(rows[i].text, strlen(rows[i].text), &at) < 0 || at != rows[i].at)
			fail_msg("%s: got %lld, expected %lld", rows[i].text, (long long)at, (long long)rows[i].at);
	}
}

static void bad_texts_do_not(void **state)
{
	static const char *const rows[] = {
		"",
		"Z",
		"2026-11-22",
		"2026-11-22T10:06:20",
		"2026-11-22 10:06:20Z",
		"2026-11-22T10:06Z",
		"2026-11-22T24:00:00Z",
		"2026-11-22T10:60:00Z",
		"2026-11-22T10:06:61Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-04-00T00:00:00Z",
		"2023-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2026-11-22T10:06:20.Z",
		
		"2026-11-22T10:06:20+24:00",
		"2026-11-22T10:06:20+01:60",
		"2026-11-22T10:06:20+0100",
		"2026-11-22T10:06:20ZZ",
		"2026-11-22T10:06:20Z ",
		" 2026-11-22T10:06:20Z",
		"+026-11-22T10:06:20Z",
		"12026-11-22T10:06:20Z",
		"2026-1-22T10:06:20Z",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		instant_t at;

		if (instant_parse(rows[i], strlen(rows[i]), &at) == 0)
			fail_msg("\"%s\" was taken for a time", rows[i]);
	}
}

static void length_rules_not_the_nul(void **state)
{
	static const char text[] = "2026-11-22T10:06:20Z and more";
	instant_t at;

	(void)state;
	assert_int_equal(instant_parse(text, 20, &at), 0);
	for (size_t len = 0; len < 20; len++)
		assert_int_equal(instant_parse(text, len, &at), -1);
}

static void sub_seconds_are_cut_also_before_1970(void **state)
{
	char text[INSTANT_TEXT_SIZE];

	(void)state;
	assert_string_equal(instant_format(INT64_C(1795341980999), text), "2026-11-22T10:06:20Z");
	assert_string_equal(instant_format(-1, text), "1969-12-31T23:59:59Z");
	assert_string_equal(instant_format(-1000, text), "1969-12-31T23:59:59Z");
	assert_string_equal(instant_format(-1001, text), "1969-12-31T23:59:58Z");
}

static void extremes_fit_the_buffer(void **state)
{
	char text[INSTANT_TEXT_SIZE];

	(void)state;
	assert_string_equal(instant_format(INT64_MAX, text), "292278994-08-17T07:12:55Z");
	assert_true(strlen(instant_format(INT64_MIN, text)) < INSTANT_TEXT_SIZE);
}

static void calendar_agrees_with_the_c_library(void **state)
{
	(void)state;
	for (int64_t day = -146097; day < 146097; day++) {
		const time_t seconds = (time_t)(day * 86400 + 45296);
		char ours[INSTANT_TEXT_SIZE], theirs[INSTANT_TEXT_SIZE];
		struct tm tm;
		instant_t back;

		gmtime_r(&seconds, &tm);
		strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%SZ", &tm);
		instant_format((instant_t)seconds * 1000, ours);
		assert_string_equal(ours, theirs);
		assert_int_equal(instant_parse(ours, strlen(ours), &back), 0);
		assert_int_equal(back, (instant_t)seconds * 1000);
		assert_int_equal(instant_year(back), tm.tm_year + 1900);
	}
}

static void month_ends_when_the_next_begins(void **state)
{
	static const struct {
		int year, month;
		const char *after;
	} rows[] = {
		{ 2027, 2, "2027-03-01T00:00:00Z" }, { 2028, 2, "2028-03-01T00:00:00Z" },  { 2026, 12, "2027-01-01T00:00:00Z" },
		{ 1970, 1, "1970-02-01T00:00:00Z" }, { 9999, 11, "9999-12-01T00:00:00Z" }, { 9999, 12, "10000-01-01T00:00:00Z" },
	};
	static const int bad[][2] = { { 1969, 12 }, { 10000, 1 }, { 2026, 0 }, { 2026, 13 }, { -1, 1 } };
	char text[INSTANT_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(instant_format(instant_after_month(rows[i].year, rows[i].month), text), rows[i].after);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(instant_after_month(bad[i][0], bad[i][1]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_texts_parse),
		cmocka_unit_test(bad_texts_do_not),
		cmocka_unit_test(length_rules_not_the_nul),
		cmocka_unit_test(sub_seconds_are_cut_also_before_1970),
		cmocka_unit_test(extremes_fit_the_buffer),
		cmocka_unit_test(calendar_agrees_with_the_c_library),
		cmocka_unit_test(month_ends_when_the_next_begins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
