/*
 * Owns: the text format's letter. Must not know: any metric, nor who reads it.
 * Invariant: a family's HELP and TYPE stand once, before its first sample.
 */
#include "exposition.h"

#include <inttypes.h>
#include <math.h>

static const char *const type_names[] = { [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram" };

/* "\" and line breaks, and in a label's value quotes. */
static void put_escaped(FILE *out, const char *text, char quote)
{
	for (; *text; text++) {
		if (*text == '\\' || (quote && *text == quote))
			putc_unlocked('\\', out);
		if (*text == '\n')
			fputs_unlocked("\\n", out);
		else
			putc_unlocked(*text, out);
	}
}

static void begin(struct exposition *exposition, const struct metric_family *family)
{
	FILE *out = exposition->out;

	if (exposition->family == family->name)
		return;
	exposition->family = family->name;
	fprintf(out, "# HELP %s ", family->name);
	put_escaped(out, family->help, '\0');
	fprintf(out, "\n# TYPE %s %s\n", family->name, type_names[family->type]);
}

/* le: the bound of a histogram's bucket, NULL for none. */
static void put_labels(FILE *out, const struct labels *labels, const char *le)
{
	char separator = '{';

	for (unsigned i = 0; i < labels->n; i++) {
		putc_unlocked(separator, out);
		fputs_unlocked(labels->of[i].name, out);
		fputs_unlocked("=\"", out);
		put_escaped(out, labels->of[i].value, '"');
		putc_unlocked('"', out);
		separator = ',';
	}
	if (le)
		fprintf(out, "%cle=\"%s\"", separator, le);
	if (le || labels->n)
		putc_unlocked('}', out);
}

/* Whole numbers, which most are, with all their digits. */
static void put_value(FILE *out, double value)
{
	const double exact = 9007199254740992.0; /* 2^53 */

	if (value > -exact && value < exact && value == (double)(int64_t)value)
		fprintf(out, " %" PRId64 "\n", (int64_t)value);
	else if (isinf(value))
		fputs_unlocked(value > 0 ? " +Inf\n" : " -Inf\n", out);
	else
		fprintf(out, " %.15g\n", value);
}

static void put_series(FILE *out, const char *name, const char *suffix, const struct labels *labels, const char *le, double value)
{
	fputs_unlocked(name, out);
	fputs_unlocked(suffix, out);
	put_labels(out, labels, le);
	put_value(out, value);
}

void exposition_sample(struct exposition *exposition, const struct metric_family *family, const struct labels *labels, double value)
{
	if (isnan(value))
		return;
	begin(exposition, family);
	put_series(exposition->out, family->name, "", labels, NULL, value);
}

/* Each bucket holds those before it. Bounds are short decimals, so six digits are all that they have. */
void exposition_histogram(struct exposition *exposition, const struct metric_family *family, const struct labels *labels,
			  const struct histogram *histogram)
{
	const struct buckets *buckets = histogram->buckets;
	uint64_t count = 0;
	char le[32];

	begin(exposition, family);
	for (unsigned i = 0; i < buckets->n; i++) {
		count += histogram->counts[i];
		snprintf(le, sizeof(le), "%g", buckets->bounds[i]);
		put_series(exposition->out, family->name, "_bucket", labels, le, (double)count);
	}
	count += histogram->counts[buckets->n];
	put_series(exposition->out, family->name, "_bucket", labels, "+Inf", (double)count);
	put_series(exposition->out, family->name, "_sum", labels, NULL, histogram->sum);
	put_series(exposition->out, family->name, "_count", labels, NULL, (double)count);
}
