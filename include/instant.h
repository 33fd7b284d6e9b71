/*
 * Moments in time as Unix milliseconds, UTC, and their RFC 3339 text as Kubernetes writes it (metav1.Time: whole seconds,
 * `Z`; metav1.MicroTime is read too). Pure: nobody here asks a clock. Proleptic Gregorian calendar, no leap seconds.
 */
#ifndef TOLLGATE_INSTANT_H
#define TOLLGATE_INSTANT_H

#include <stddef.h>
#include <stdint.h>

typedef int64_t instant_t; /* 0 = unset */

/* The moment's second, the earlier one before 1970 too: what survives a trip over the wire. */
static inline instant_t instant_second(instant_t moment)
{
	return moment - (moment % 1000 + 1000) % 1000;
}

enum { INSTANT_TEXT_SIZE = 32 }; /* fits any text that is written here, with its NUL */

/* "2026-11-22T10:06:20Z"; sub-seconds are cut. */
char *instant_format(instant_t, char text[INSTANT_TEXT_SIZE]);
/* metav1.MicroTime, as the API server wants it of Events and Leases: "2026-11-22T10:06:20.123000Z". */
char *instant_format_micro(instant_t, char text[INSTANT_TEXT_SIZE]);
/* RFC 3339 with any offset and any number of fraction digits; 0 or -1 when it is not one (year 0000-9999, real
 * calendar day, 24-hour clock; second 60 is read as the next minute's 0). Where an offset or that second leads out of these years,
 * their first or last moment, so that whatever is read can be written. */
int instant_parse(const char *text, size_t len, instant_t *out);

/* The first moment after the given month: what follows 2027-02 is 2027-03-01T00:00:00Z. month 1-12; year 1970-9999;
 * anything else gives 0. */
instant_t instant_after_month(int year, int month);
/* The year in which the moment lies (UTC). */
int instant_year(instant_t);

#endif
