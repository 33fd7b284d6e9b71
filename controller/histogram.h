/*
 * A histogram as Prometheus counts: observations by upper bound, and their sum. No memory of its own, no clock.
 */
#ifndef TOLLGATE_HISTOGRAM_H
#define TOLLGATE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_BOUNDS_MAX = 48 };

/* Upper bounds in seconds, ascending, each inclusive; what lies above the last is counted for "+Inf" alone. */
struct buckets {
	const double *bounds;
	unsigned n;
};

/* Of client-go's and controller-runtime's metrics, so that existing dashboards find them. */
extern const struct buckets buckets_reconcile; /* controller_runtime_reconcile_time_seconds */
extern const struct buckets buckets_decades;   /* 1e-8 ... 1e3, ten times each: workqueue, webhook latency */
extern const struct buckets buckets_request;   /* rest_client_request_duration_seconds */
extern const struct buckets buckets_short;     /* 0.1 ms ... 10 s: ours, where milliseconds matter */

struct histogram {
	const struct buckets *buckets;             /* static; set once */
	uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; /* not cumulative; [buckets->n] is what lies above */
	double sum;                                /* seconds */
};

void histogram_observe(struct histogram *, double seconds);
uint64_t histogram_count(const struct histogram *);

#endif
