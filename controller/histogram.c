/*
 * Owns: the bounds. Must not know: what is measured, nor how it is printed.
 */
#include "histogram.h"

#define BUCKETS(name, ...)                                                                  \
	static const double name##_bounds[] = { __VA_ARGS__ };                              \
	const struct buckets name = { name##_bounds, sizeof(name##_bounds) / sizeof(double) }

BUCKETS(buckets_reconcile, .005, .01, .025, .05, .1, .15, .2, .25, .3, .35, .4, .45, .5, .6, .7, .8, .9, 1, 1.25, 1.5, 1.75, 2, 2.5, 3,
	3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60);
BUCKETS(buckets_decades, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100, 1000);
BUCKETS(buckets_request, .005, .025, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60);
BUCKETS(buckets_short, .0001, .00025, .0005, .001, .002, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10);

void histogram_observe(struct histogram *histogram, double seconds)
{
	const struct buckets *buckets = histogram->buckets;
	unsigned i = 0;

	while (i < buckets->n && seconds > buckets->bounds[i])
		i++;
	histogram->counts[i]++;
	histogram->sum += seconds;
}

uint64_t histogram_count(const struct histogram *histogram)
{
	uint64_t count = 0;

	for (unsigned i = 0; i <= histogram->buckets->n; i++)
		count += histogram->counts[i];
	return count;
}
