/*
 * The text format: what a parser relies on. Values and labels that need care; that a family is introduced once and only when it has a
 * sample; that a histogram's buckets add up.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exposition.h"

static const struct metric_family temperature = { "temperature", METRIC_GAUGE, "How \"warm\"\nit is, in C:\\." };
static const struct metric_family knocks = { "knocks_total", METRIC_COUNTER, "Knocks" };
static const struct metric_family waits = { "waits_seconds", METRIC_HISTOGRAM, "Waits" };
static const struct labels none = { 0 };

struct page {
	char *text;
	size_t len;
	struct exposition exposition;
};


static void open_page(struct page *page)
{
	page->exposition.out = open_memstream(&page->text, &page->len);
}

static void expect(struct page *page, const char *text)
{
	fclose(page->exposition.out);
	assert_string_equal(page->text, text);
	free(page->text);
}

static void texts_are_escaped(void **state)
{
	const struct labels labels = { .n = 2, .of = { { "room", "a \"b\" \\ c\nd" }, { "floor", "ä" } } };
	struct page page = { 0 };

	(void)state;
	open_page(&page);
	exposition_sample(&page.exposition, &temperature, &labels, 21);
	expect(&page, "# HELP temperature How \"warm\"\\nit is, in C:\\\\.\n# TYPE temperature gauge\n"
		      "temperature{room=\"a \\\"b\\\" \\\\ c\\nd\",floor=\"ä\"} 21\n");
}

static void numbers_keep_their_digits(void **state)
{
	static const struct {
		double value;
		const char *text;
	} rows[] = {
		{ 0, "0" },
		{ -3, "-3" },
		{ 0.25, "0.25" },
		{ 1795341980.5, "1795341980.5" },
		{ 123456789012345, "123456789012345" },
		{ 9007199254740991, "9007199254740991" },
		{ 1e300, "1e+300" },
		{ 2e-06, "2e-06" },
		{ INFINITY, "+Inf" },
		{ -INFINITY, "-Inf" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct page page = { 0 };
		char want[128];

		open_page(&page);
		page.exposition.family = knocks.name; /* introduced already */
		exposition_sample(&page.exposition, &knocks, &none, rows[i].value);
		snprintf(want, sizeof(want), "knocks_total %s\n", rows[i].text);
		expect(&page, want);
	}
}

static void a_family_is_introduced_once_and_not_without_a_sample(void **state)
{
	const struct labels left = { .n = 1, .of = { { "side", "left" } } }, right = { .n = 1, .of = { { "side", "right" } } };
	struct page page = { 0 };

	(void)state;
	open_page(&page);
	exposition_sample(&page.exposition, &temperature, &none, NAN);
	exposition_sample(&page.exposition, &knocks, &left, 1);
	exposition_sample(&page.exposition, &knocks, &right, 2);
	expect(&page, "# HELP knocks_total Knocks\n# TYPE knocks_total counter\nknocks_total{side=\"left\"} 1\nknocks_total{side=\"right\"} 2\n");
}

static void buckets_hold_those_before_them(void **state)
{
	static const double bounds[] = { 1e-05, 0.5, 1000 };
	static const struct buckets buckets = { bounds, 3 };
	struct histogram histogram = { .buckets = &buckets };
	const struct labels labels = { .n = 1, .of = { { "door", "1" } } };
	struct page page = { 0 };

	(void)state;
	histogram_observe(&histogram, 0.5); /* bounds are inclusive */
	histogram_observe(&histogram, 0);
	histogram_observe(&histogram, 0.25);
	histogram_observe(&histogram, 2000);
	open_page(&page);
	exposition_histogram(&page.exposition, &waits, &labels, &histogram);
	expect(&page, "# HELP waits_seconds Waits\n# TYPE waits_seconds histogram\n"
		      "waits_seconds_bucket{door=\"1\",le=\"1e-05\"} 1\nwaits_seconds_bucket{door=\"1\",le=\"0.5\"} 3\n"
		      "waits_seconds_bucket{door=\"1\",le=\"1000\"} 3\nwaits_seconds_bucket{door=\"1\",le=\"+Inf\"} 4\n"
		      "waits_seconds_sum{door=\"1\"} 2000.75\nwaits_seconds_count{door=\"1\"} 4\n");
}

static void the_bounds_in_use_ascend_and_have_six_digits_at_most(void **state)
{
	const struct buckets *all[] = { &buckets_reconcile, &buckets_decades, &buckets_request, &buckets_short };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_in_range(all[i]->n, 1, HISTOGRAM_BOUNDS_MAX);
		for (unsigned b = 0; b < all[i]->n; b++) {
			char text[32];

			snprintf(text, sizeof(text), "%g", all[i]->bounds[b]);
			assert_true(strtod(text, NULL) == all[i]->bounds[b]);
			assert_true(b == 0 || all[i]->bounds[b] > all[i]->bounds[b - 1]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_escaped),
		cmocka_unit_test(numbers_keep_their_digits),
		cmocka_unit_test(a_family_is_introduced_once_and_not_without_a_sample),
		cmocka_unit_test(buckets_hold_those_before_them),
		cmocka_unit_test(the_bounds_in_use_ascend_and_have_six_digits_at_most),
	};

	return cmocka_run_group_tests_name("exposition", tests, NULL, NULL);
}
