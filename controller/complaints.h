/*
 * Which failures are worth a line in the log: the same one not more than once in a while, and of different ones only so many, since ten
 * thousand objects may fail for one reason.
 */
#ifndef TOLLGATE_COMPLAINTS_H
#define TOLLGATE_COMPLAINTS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	COMPLAINTS_EVERY_MS = 10 * 1000,
	COMPLAINTS_MAX = 20,       /* in that time */
	COMPLAINTS_REMEMBERED = 256, /* several times as many: what was said is known until it may be said again */
	COMPLAINTS_WAYS = 4,       /* places that one of them may have */
};

struct complaint {
	uint64_t what; /* 0 = none */
	int64_t at;
};

/* All zero is as new. Time is monotonic milliseconds, and not 0. */
struct complaints {
	struct complaint said[COMPLAINTS_REMEMBERED];
	int64_t since;     /* the time that COMPLAINTS_MAX counts for */
	unsigned n;        /* said since */
	uint64_t left_out; /* not said although they were new */
};

/* what: a hash of all that makes two failures the same. True: say it. */
bool complaints_may(struct complaints *, uint64_t what, int64_t now);
/* How many were left out, once their time is over and then no more; else 0. */
uint64_t complaints_left_out(struct complaints *, int64_t now);

#endif
