/*
 * The event loop (libuv): timers, signals, and one hook that runs before the loop sleeps, where the runtime drains its queue.
 * Knows nothing of Kubernetes. One loop per process, one thread.
 */
#ifndef TOLLGATE_LOOP_H
#define TOLLGATE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "instant.h"

struct loop;

struct loop *loop_new(void);
/* All that was opened on it must be closed; pending closes are run to their end. */
void loop_free(struct loop *);

/* Runs until loop_stop. */
void loop_run(struct loop *);
void loop_stop(struct loop *);

/* `drain` is called before every sleep. It returns when it wants to run again at the latest, in milliseconds from then: 0 = work
 * remains, poll without sleeping; negative = only when something else happens. */
void loop_on_drain(struct loop *, int64_t (*drain)(void *context), void *context);
/* Lets the drain run at that moment of the wall clock too, exactly and without polling: also when the clock is set or the machine comes
 * back from a suspension meanwhile, and at once when either happens. Replaces the moment given before; 0 = none. */
void loop_wake_at(struct loop *, instant_t);
void loop_on_signal(struct loop *, int signum, void (*handle)(void *context, int signum), void *context);

/* How late the loop came to what was due, seen once a second: buckets_short. A machine's suspension is not lag; a stopped process is. */
const struct histogram *loop_lag(const struct loop *);
/* More than a second late, five times in a row: it is not getting through its work. One long gap, after which all is well, is none of that:
 * a process that was stopped for a minute comes back. */
bool loop_is_sluggish(const struct loop *);

int64_t loop_monotonic_ms(void); /* CLOCK_BOOTTIME */
instant_t loop_now(void);        /* CLOCK_REALTIME */

/* For http.c and server.c, which hang their own handles into the loop: a struct uv_loop_s *. */
struct uv_loop_s *loop_uv(struct loop *);

#endif
