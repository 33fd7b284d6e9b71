/*
 * Prometheus' text format: families of metrics, one after the other, each with its samples. Knows no metric by name.
 * Source: "Exposition formats" of the Prometheus documentation, text format 0.0.4.
 */
#ifndef TOLLGATE_EXPOSITION_H
#define TOLLGATE_EXPOSITION_H

#include <stdio.h>

#include "histogram.h"

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_family {
	const char *name; /* [a-zA-Z_:][a-zA-Z0-9_:]* */
	enum metric_type type;
	const char *help;
};

struct label {
	const char *name, *value; /* UTF-8; the value is escaped as it must be */
};

enum { LABELS_MAX = 4 };
struct labels {
	unsigned n;
	struct label of[LABELS_MAX];
	char number[12]; /* room for a value that is not a text elsewhere */
};

struct exposition {
	FILE *out; /* borrowed */
	const char *family; /* the name of the one under way, once it has a sample; borrowed */
};

/* A sample of the family; all of one family's come together. One that is not a number is left out, and so is a family without samples. */
void exposition_sample(struct exposition *, const struct metric_family *, const struct labels *, double value);
/* The series of a histogram. */
void exposition_histogram(struct exposition *, const struct metric_family *, const struct labels *, const struct histogram *);

#endif
