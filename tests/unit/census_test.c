/*
 * How metrics tell objects apart: which series an object counts for, and that no two classes of a kind are one series, which Prometheus
 * would refuse to read. That the cache counts right is cache_test.c's.
 */
#include "decide.h"
#include "invoice.h"
#include "kind.h"
#include "projectbilling.h"

/* The labels that a record counts for, as `phase=Ready`. */
static const char *counted_as(enum kind_id kind, const void *record)
{
	static char text[256];
	const struct census *census = kinds[kind].reconciler->census;
	unsigned class = census->of(record);

	assert_in_range(class, 0, census->n - 1);
	text[0] = '\0';
	for (unsigned i = 0; i < CENSUS_LABELS_MAX && census->labels[i]; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s=%s", i ? "," : "", census->labels[i], census->value(class, i));
	return text;
}

static const char *project_counted_as(const char *type, const char *reason)
{
	const struct condition condition = { .type = type, .reason = reason, .message = "", .status = CONDITION_FALSE };
	const struct projectbilling self = { .meta = named("shop", "shop"), .status.conditions = { reason ? 1 : 0, &condition } };

	return counted_as(KIND_PROJECTBILLING, &self);
}

static void a_project_counts_by_its_reason(void **state)
{
	static const struct {
		const char *type, *reason, *want;
	} rows[] = {
		{ "DeployAllowed", NULL, "deploy=None,reason=None" },
		{ "DeployAllowed", "Allowed", "deploy=allowed,reason=Allowed" },
		{ "DeployAllowed", "NoBinding", "deploy=blocked,reason=NoBinding" },
		{ "DeployAllowed", "PaymentMethodRequired", "deploy=blocked,reason=PaymentMethodRequired" },
		{ "DeployAllowed", "PaymentMethodNotUsable", "deploy=blocked,reason=PaymentMethodNotUsable" },
		{ "DeployAllowed", "AccountNotReady", "deploy=blocked,reason=AccountNotReady" },
		{ "DeployAllowed", "AccountSuspended", "deploy=blocked,reason=AccountSuspended" },
		{ "DeployAllowed", "AccountDeleting", "deploy=blocked,reason=AccountDeleting" },
		{ "DeployAllowed", "OfAnotherVersion", "deploy=None,reason=None" },
		{ "SomebodyElses", "Allowed", "deploy=None,reason=None" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_string_equal(project_counted_as(rows[i].type, rows[i].reason), rows[i].want);
}

static void others_count_by_the_phase_they_show(void **state)
{
	struct billingaccount account = ready_account("acme", "main", NULL);
	struct paymentmethod method = method_of("acme", "visa", "main", METHOD_AWAITING_CONFIRMATION);
	struct invoice invoice = { .meta = named("acme", "one"), .status.phase = INVOICE_PAST_DUE };

	(void)state;
	assert_string_equal(counted_as(KIND_BILLINGACCOUNT, &account), "phase=Ready");
	account.status.phase = ACCOUNT_ARCHIVED;
	assert_string_equal(counted_as(KIND_BILLINGACCOUNT, &account), "phase=Archived");
	account.status.phase = ACCOUNT_PHASE_ABSENT;
	assert_string_equal(counted_as(KIND_BILLINGACCOUNT, &account), "phase=None");
	assert_string_equal(counted_as(KIND_PAYMENTMETHOD, &method), "phase=AwaitingConfirmation");
	method.status.phase = METHOD_FAILED;
	assert_string_equal(counted_as(KIND_PAYMENTMETHOD, &method), "phase=Failed");
	assert_string_equal(counted_as(KIND_INVOICE, &invoice), "phase=PastDue");
	invoice.status.phase = INVOICE_VOID;
	assert_string_equal(counted_as(KIND_INVOICE, &invoice), "phase=Void");
}

static bool same_series(const struct census *census, unsigned a, unsigned b)
{
	for (unsigned i = 0; i < CENSUS_LABELS_MAX && census->labels[i]; i++)
		if (strcmp(census->value(a, i), census->value(b, i)) != 0)
			return false;
	return true;
}

static void each_class_is_a_series_of_its_own(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		const struct census *census = kinds[kind].reconciler->census;
		if (!census)
			continue;
		assert_in_range(census->n, 1, CLASSES_MAX);
		assert_non_null(census->labels[0]);
		for (unsigned a = 0; a < census->n; a++) {
			for (unsigned i = 0; i < CENSUS_LABELS_MAX && census->labels[i]; i++)
				assert_true(*census->value(a, i)); /* "" is for Prometheus as if the label were not there */
			for (unsigned b = 0; b < a; b++)
				assert_false(same_series(census, a, b));
		}
		for (unsigned other = 0; other < kind; other++)
			if (kinds[other].reconciler->census)
				assert_string_not_equal(census->metric, kinds[other].reconciler->census->metric);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_project_counts_by_its_reason),
		cmocka_unit_test(others_count_by_the_phase_they_show),
		cmocka_unit_test(each_class_is_a_series_of_its_own),
	};

	return cmocka_run_group_tests_name("census", tests, NULL, NULL);
}
