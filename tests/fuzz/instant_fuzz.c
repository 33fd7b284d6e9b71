/* RFC 3339. Input: a text. What is read and written is the same moment, and libc's own calendar agrees. */
#include <stdio.h>
#include <time.h>

#include "fuzz.h"
#include "instant.h"

static void check_calendar(instant_t at, const char *text)
{
	const time_t seconds = (time_t)(at / 1000 - (at % 1000 < 0));
	struct tm tm;
	char libc[64];

	check(gmtime_r(&seconds, &tm));
	snprintf(libc, sizeof(libc), "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		 tm.tm_min, tm.tm_sec);
	check(strcmp(libc, text) == 0);
	check(instant_year(at) == tm.tm_year + 1900);
}

static void check_month(int year, int month)
{
	const instant_t after = instant_after_month(year, month);
	char text[INSTANT_TEXT_SIZE], wanted[64];

	check(!after == (year < 1970 || year > 9999 || month < 1 || month > 12));
	snprintf(wanted, sizeof(wanted), "%04d-%02d-01T00:00:00Z", month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1);
	check(!after || strcmp(instant_format(after, text), wanted) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = rest_of(data, size, 0);
	char plain[INSTANT_TEXT_SIZE], micro[INSTANT_TEXT_SIZE];
	instant_t at, again;
	int year = 0, month = 0;

	if (sscanf(text, "%9d-%9d", &year, &month) == 2)
		check_month(year, month);
	if (instant_parse(text, size, &at) != 0)
		return 0;
	check_calendar(at, instant_format(at, plain));
	instant_format_micro(at, micro);
	check(instant_parse(micro, strlen(micro), &again) == 0 && again == at);
	check(instant_parse(plain, strlen(plain), &again) == 0 && again <= at && at - again < 1000);
	return 0;
}
