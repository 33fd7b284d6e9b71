/*
 * Instants and RFC 3339: integer arithmetic on the proleptic Gregorian calendar. Must not know any clock or time zone.
 * Days are counted from 1970-01-01 in a year that begins in March, so that the leap day comes last (the method of
 * Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms").
 */
#include "instant.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS	  (60 * MINUTE_MS)
#define DAY_MS	  (24 * HOUR_MS)

enum { DAYS_PER_ERA = 146097, YEARS_PER_ERA = 400, DAYS_BEFORE_1970 = 719468 /* from 0000-03-01 */ };

struct date {
	int64_t year;
	int month, day;
};

static int64_t floor_div(int64_t value, int64_t by)
{
	return value / by - (value % by < 0);
}

static int64_t days_of(int64_t year, int month, int day)
{
	const int64_t y = month <= 2 ? year - 1 : year;
	const int64_t era = floor_div(y, YEARS_PER_ERA);
	const int64_t year_of_era = y - era * YEARS_PER_ERA;
	const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - DAYS_BEFORE_1970;
}

static struct date date_of(int64_t days)
{
	const int64_t since = days + DAYS_BEFORE_1970;
	const int64_t era = floor_div(since, DAYS_PER_ERA);
	const int64_t day_of_era = since - era * DAYS_PER_ERA;
	const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const int month_from_march = (int)((5 * day_of_year + 2) / 153);
	struct date date;

	date.day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
	date.month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	date.year = year_of_era + era * YEARS_PER_ERA + (date.month <= 2);
	return date;
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

char *instant_format(instant_t at, char text[INSTANT_TEXT_SIZE])
{
	const int64_t ms_of_day = (at % DAY_MS + DAY_MS) % DAY_MS;
	const int64_t seconds = ms_of_day / SECOND_MS;
	const struct date date = date_of(floor_div(at, DAY_MS));

	snprintf(text, INSTANT_TEXT_SIZE, "%04lld-%02d-%02dT%02d:%02d:%02dZ", (long long)date.year, date.month, date.day,
		 (int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60));
	return text;
}

char *instant_format_micro(instant_t at, char text[INSTANT_TEXT_SIZE])
{
	char *end = strchr(instant_format(at, text), 'Z');

	snprintf(end, INSTANT_TEXT_SIZE - (size_t)(end - text), ".%03d000Z", (int)((at % SECOND_MS + SECOND_MS) % SECOND_MS));
	return text;
}

struct reader {
	const char *at, *end;
};

/* Exactly n digits. */
static bool read_number(struct reader *in, int n, int *out)
{
	*out = 0;
	for (int i = 0; i < n; i++) {
		if (in->at == in->end || *in->at < '0' || *in->at > '9')
			return false;
		*out = *out * 10 + (*in->at++ - '0');
	}
	return true;
}

static bool read_mark(struct reader *in, char upper, char lower)
{
	if (in->at == in->end || (*in->at != upper && *in->at != lower))
		return false;
	in->at++;
	return true;
}

/* ".123456789": at least a digit; those past the milliseconds are read and cut. */
static bool read_fraction(struct reader *in, int *ms)
{
	int digits = 0;

	*ms = 0;
	if (!read_mark(in, '.', ',')) /* RFC 3339 has no comma, but ISO 8601 has, and the API server takes both */
		return true;
	for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++, digits++)
		if (digits < 3)
			*ms = *ms * 10 + (*in->at - '0');
	for (int i = digits; i < 3; i++)
		*ms *= 10;
	return digits > 0;
}

static bool read_offset(struct reader *in, int64_t *offset_ms)
{
	int sign = 1, hours, minutes;

	*offset_ms = 0;
	if (read_mark(in, 'Z', 'z'))
		return true;
	if (read_mark(in, '-', '-'))
		sign = -1;
	else if (!read_mark(in, '+', '+'))
		return false;
	if (!read_number(in, 2, &hours) || !read_mark(in, ':', ':') || !read_number(in, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*offset_ms = sign * (hours * HOUR_MS + minutes * MINUTE_MS);
	return true;
}

/* What has four digits for its year in UTC too: nothing else could be written again as RFC 3339. */
static instant_t within_years(instant_t at)
{
	const instant_t first = days_of(0, 1, 1) * DAY_MS, last = days_of(10000, 1, 1) * DAY_MS - 1;

	return at < first ? first : at > last ? last : at;
}

int instant_parse(const char *text, size_t len, instant_t *out)
{
	struct reader in = { text, text + len };
	int year, month, day, hour, minute, second, ms;
	int64_t offset_ms;

	if (!read_number(&in, 4, &year) || !read_mark(&in, '-', '-') || !read_number(&in, 2, &month) || !read_mark(&in, '-', '-') ||
	    !read_number(&in, 2, &day) || !read_mark(&in, 'T', 't'))
		return -1;
	if (!read_number(&in, 2, &hour) || !read_mark(&in, ':', ':') || !read_number(&in, 2, &minute) ||
	    !read_mark(&in, ':', ':') || !read_number(&in, 2, &second) || !read_fraction(&in, &ms) ||
	    !read_offset(&in, &offset_ms) || in.at != in.end)
		return -1;
	if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 60)
		return -1;
	*out = within_years(days_of(year, month, day) * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + ms - offset_ms);
	return 0;
}

instant_t instant_after_month(int year, int month)
{
	if (year < 1970 || year > 9999 || month < 1 || month > 12)
		return 0;
	return (month == 12 ? days_of(year + 1, 1, 1) : days_of(year, month + 1, 1)) * DAY_MS;
}

int instant_year(instant_t at)
{
	return (int)date_of(floor_div(at, DAY_MS)).year;
}
