/*
 * The two shared verdicts: who pays for a project (contest.c), and may it deploy (gate.c).
 */
#include "seats.h"

/* ---- the contest ---- */

static const char *winner_name(const struct contest *contest)
{
	const struct claim *winner = contest_winner(contest);
	return winner ? winner->binding->meta.name->text : "nobody";
}

struct contest_row {
	const char *rule, *winner;
	enum rebind rebind;
	const char *organization;
	struct seat seats[6];
};

static const struct contest_row contests[] = {
	{ "no binding: nobody", "nobody", REBIND_SUPERSEDE, NULL, { { 0 } } },
	{ "the newest wins", "b1", REBIND_SUPERSEDE, NULL, { { "acme", "b1", .created = 20 }, { "acme", "b2", .created = 10 } } },
	{ "created in one second: the greater name wins", "b2", REBIND_SUPERSEDE, NULL,
	  { { "acme", "b1", .created = 10 }, { "acme", "b2", .created = 10 } } },
	{ "the newest wins over the Active one", "new", REBIND_SUPERSEDE, NULL,
	  { { "acme", "old", 10, BINDING_ACTIVE, .established = 10 }, { "acme", "new", .created = 20 } } },
	{ "an older one made Active out of order loses to the newest", "b2", REBIND_SUPERSEDE, NULL,
	  { { "acme", "b1", 10, BINDING_ACTIVE, .established = 30 }, { "acme", "b2", .created = 10 } } },
	{ "a binding without its account can't win", "old", REBIND_SUPERSEDE, NULL,
	  { { "acme", "new", .created = 20, .account = MISSING }, { "acme", "old", .created = 10 } } },
	{ "nor one whose account is Provisioning", "old", REBIND_SUPERSEDE, NULL,
	  { { "acme", "new", .created = 20, .account = PROVISIONING }, { "acme", "old", .created = 10 } } },
	{ "nor one whose account is Suspended", "old", REBIND_SUPERSEDE, NULL,
	  { { "acme", "new", .created = 20, .account = SUSPENDED }, { "acme", "old", .created = 10 } } },
	{ "nor one whose account is Archived", "old", REBIND_SUPERSEDE, NULL,
	  { { "acme", "new", .created = 20, .account = ARCHIVED }, { "acme", "old", .created = 10 } } },
	{ "nor one whose account is being deleted", "old", REBIND_SUPERSEDE, NULL,
	  { { "acme", "new", .created = 20, .account = DELETING }, { "acme", "old", .created = 10 } } },
	{ "nor one that is itself being deleted and never was Active", "old", REBIND_SUPERSEDE, NULL,
	  { { "acme", "new", .created = 20, .deleted = 30 }, { "acme", "old", .created = 10 } } },
	{ "Active sticks while its account is Suspended", "b", REBIND_SUPERSEDE, NULL,
	  { { "acme", "b", 10, BINDING_ACTIVE, .established = 10, .account = SUSPENDED } } },
	{ "Active sticks while its account is missing", "b", REBIND_SUPERSEDE, NULL,
	  { { "acme", "b", 10, BINDING_ACTIVE, .established = 10, .account = MISSING } } },
	{ "an older ready one does not take over from a Suspended account", "b", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a", .created = 5 }, { "acme", "b", 10, BINDING_ACTIVE, .established = 10, .account = SUSPENDED } } },
	{ "Active sticks while it is being deleted", "b", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a", .created = 5 }, { "acme", "b", 10, BINDING_ACTIVE, .established = 10, .deleted = 20 } } },
	{ "Superseded is never revived", "nobody", REBIND_SUPERSEDE, NULL,
	  { { "acme", "b", 10, BINDING_SUPERSEDED, .established = 10, .ended = 20 } } },
	{ "Superseded is no rival, however new", "old", REBIND_SUPERSEDE, NULL,
	  { { "acme", "new", 30, BINDING_SUPERSEDED, .established = 30, .ended = 40 }, { "acme", "old", .created = 10 } } },
	{ "two namespaces: the earlier claim holds the project", "z", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a", .created = 20 }, { "zeta", "z", .created = 10 } } },
	{ "two namespaces in one second: the lesser namespace holds it", "a", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a", .created = 10 }, { "zeta", "z", .created = 10 } } },
	{ "two namespaces: an Active binding holds it against an earlier claim", "a", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a", 20, BINDING_ACTIVE, .established = 25 }, { "zeta", "z", .created = 10 } } },
	{ "two namespaces, both Active: the earlier established holds it", "z", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a", 10, BINDING_ACTIVE, .established = 40 }, { "zeta", "z", 20, BINDING_ACTIVE, .established = 30 } } },
	{ "two namespaces, both Active: without a time of its own, its creation", "z", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a", .created = 20, .phase = BINDING_ACTIVE }, { "zeta", "z", 10, BINDING_ACTIVE, .established = 15 } } },
	{ "two namespaces, established in one second: the lesser namespace", "a", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a", 10, BINDING_ACTIVE, .established = 30 }, { "zeta", "z", 10, BINDING_ACTIVE, .established = 30 } } },
	{ "the holder's newest wins, not the newest of all", "a2", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a1", 10, BINDING_ACTIVE, .established = 10 }, { "acme", "a2", .created = 20 }, { "zeta", "z", .created = 30 } } },
	{ "while a holder rebinds nobody slips in", "a2", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a1", 10, BINDING_SUPERSEDED, .established = 10, .ended = 30 }, { "acme", "a2", .created = 30 },
	    { "zeta", "z", .created = 20 } } },
	{ "not even who claimed before the holder was established", "a2", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a1", 10, BINDING_SUPERSEDED, .established = 10, .ended = 30 }, { "acme", "a2", .created = 30 },
	    { "zeta", "z", .created = 5 } } },
	{ "of two that were handed over to, the longer chain holds it", "a3", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a1", 10, BINDING_SUPERSEDED, .established = 11, .ended = 20 },
	    { "acme", "a2", 20, BINDING_SUPERSEDED, .established = 22, .ended = 40 }, { "acme", "a3", .created = 40 },
	    { "zeta", "z1", 12, BINDING_SUPERSEDED, .established = 12, .ended = 40 }, { "zeta", "z2", .created = 40 } } },
	{ "a claim made after its namespace let go starts anew", "z", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a1", 10, BINDING_SUPERSEDED, .established = 10, .ended = 20 }, { "acme", "a2", .created = 40 },
	    { "zeta", "z", .created = 30 } } },
	{ "what never was Active hands over its age", "a2", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a1", 10, BINDING_SUPERSEDED, .ended = 40 }, { "acme", "a2", .created = 40 }, { "zeta", "z", .created = 30 } } },
	{ "but no more: who held the project comes first", "z2", REBIND_SUPERSEDE, NULL,
	  { { "acme", "a1", 10, BINDING_SUPERSEDED, .ended = 40 }, { "acme", "a2", .created = 40 },
	    { "zeta", "z1", 20, BINDING_SUPERSEDED, .established = 20, .ended = 40 }, { "zeta", "z2", .created = 40 } } },
	{ "another organization's binding can't win", "a", REBIND_SUPERSEDE, "acme-org",
	  { { "acme", "a", .created = 20, .organization = "acme-org" }, { "zeta", "z", .created = 10, .organization = "zeta-org" } } },
	{ "not even when it is Active", "a", REBIND_SUPERSEDE, "acme-org",
	  { { "acme", "a", .created = 20, .organization = "acme-org" },
	    { "zeta", "z", 10, BINDING_ACTIVE, .established = 10, .organization = "zeta-org" } } },
	{ "an unlabelled binding may claim a labelled project", "z", REBIND_SUPERSEDE, "acme-org", { { "zeta", "z", .created = 10 } } },
	{ "a labelled binding may claim an unlabelled project", "z", REBIND_SUPERSEDE, NULL,
	  { { "zeta", "z", .created = 10, .organization = "zeta-org" } } },
	{ "rebind Reject: the Active one keeps it", "old", REBIND_REJECT, NULL,
	  { { "acme", "new", .created = 20 }, { "acme", "old", 10, BINDING_ACTIVE, .established = 10 } } },
	{ "rebind Reject: also one that is newer than a waiting one", "new", REBIND_REJECT, NULL,
	  { { "acme", "new", 20, BINDING_ACTIVE, .established = 20 }, { "acme", "old", .created = 10 } } },
	{ "rebind Reject: none Active, the oldest gets it", "old", REBIND_REJECT, NULL,
	  { { "acme", "new", .created = 20 }, { "acme", "old", .created = 10 } } },
	{ "rebind Reject: in one second, the lesser name", "b1", REBIND_REJECT, NULL,
	  { { "acme", "b1", .created = 10 }, { "acme", "b2", .created = 10 } } },
};

/* All orders of the claims, by Heap's algorithm: the winner may not depend on what was seen first. */
static void each_order(struct table *table, size_t k, const struct contest_row *row)
{
	if (k <= 1) {
		if (strcmp(winner_name(&table->contest), row->winner) != 0)
			fail_msg("%s: %s wins, not %s", row->rule, winner_name(&table->contest), row->winner);
		return;
	}
	for (size_t i = 0; i < k; i++) {
		each_order(table, k - 1, row);
		size_t other = k % 2 ? 0 : i;
		struct claim claim = table->claims[other];
		table->claims[other] = table->claims[k - 1];
		table->claims[k - 1] = claim;
	}
}

static void every_contest_has_one_winner_in_every_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(contests); i++) {
		struct table table;
		seat_all(&table, contests[i].seats, contests[i].organization, contests[i].rebind);
		each_order(&table, table.contest.n_claims, &contests[i]);
	}
}

static void each_claim_knows_its_standing(void **state)
{
	static const struct {
		const char *rule;
		enum standing expected; /* of the first seat */
		enum rebind rebind;
		const char *organization;
		struct seat seats[4];
	} rows[] = {
		{ "alone and ready: wins", STANDING_WINS, REBIND_SUPERSEDE, NULL, { { "acme", "b", .created = 10 } } },
		{ "a newer sibling: Superseded, also when never Active", STANDING_SUPERSEDED, REBIND_SUPERSEDE, NULL,
		  { { "acme", "b", .created = 10 }, { "acme", "c", .created = 20 } } },
		{ "history stays history, whatever else is wrong", STANDING_SUPERSEDED, REBIND_SUPERSEDE, "acme-org",
		  { { "zeta", "b", 10, BINDING_SUPERSEDED, .deleted = 20, .account = MISSING, .organization = "zeta-org" } } },
		{ "being deleted and never Active: leaving", STANDING_LEAVING, REBIND_SUPERSEDE, NULL,
		  { { "acme", "b", .created = 10, .deleted = 20, .account = MISSING } } },
		{ "no account", STANDING_ACCOUNT_NOT_FOUND, REBIND_SUPERSEDE, NULL, { { "acme", "b", .created = 10, .account = MISSING } } },
		{ "account not ready", STANDING_ACCOUNT_NOT_READY, REBIND_SUPERSEDE, NULL,
		  { { "acme", "b", .created = 10, .account = PROVISIONING } } },
		{ "account being deleted", STANDING_ACCOUNT_NOT_READY, REBIND_SUPERSEDE, NULL,
		  { { "acme", "b", .created = 10, .account = DELETING } } },
		{ "account not ready yields nothing to a newer sibling: it may still come", STANDING_ACCOUNT_NOT_READY, REBIND_SUPERSEDE,
		  NULL, { { "acme", "b", .created = 10, .account = PROVISIONING }, { "acme", "c", .created = 20 } } },
		{ "another organization, said before the account", STANDING_OTHER_ORGANIZATION, REBIND_SUPERSEDE, "acme-org",
		  { { "zeta", "b", .created = 10, .account = MISSING, .organization = "zeta-org" } } },
		{ "another namespace holds the project", STANDING_CLAIMED_ELSEWHERE, REBIND_SUPERSEDE, NULL,
		  { { "zeta", "b", .created = 20 }, { "acme", "c", .created = 10 } } },
		{ "an Active one that was established later gives way for good", STANDING_SUPERSEDED, REBIND_SUPERSEDE, NULL,
		  { { "zeta", "b", 10, BINDING_ACTIVE, .established = 40 }, { "acme", "c", 20, BINDING_ACTIVE, .established = 30 } } },
		{ "rebind Reject: stands aside, not Superseded", STANDING_CLAIMED_ELSEWHERE, REBIND_REJECT, NULL,
		  { { "acme", "b", .created = 20 }, { "acme", "c", 10, BINDING_ACTIVE, .established = 10 } } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct table table;
		seat_all(&table, rows[i].seats, rows[i].organization, rows[i].rebind);
		enum standing standing = contest_standing(&table.contest, &table.claims[0]);
		if (standing != rows[i].expected)
			fail_msg("%s: standing %d, not %d", rows[i].rule, (int)standing, (int)rows[i].expected);
	}
}

static void any_of_a_projects_organizations_that_differs_keeps_a_binding_out(void **state)
{
	static const struct seat seats[] = { { "acme", "b", .created = 10, .organization = "acme-org" }, { 0 } };
	struct table table;

	(void)state;
	seat_all(&table, seats, "acme-org", REBIND_SUPERSEDE);
	assert_string_equal(winner_name(&table.contest), "b");
	table.organizations[1] = word("zeta-org");
	table.contest.n_organizations = 2;
	assert_string_equal(winner_name(&table.contest), "nobody");
}

/* ---- may it deploy? ---- */

struct deploy_row {
	const char *rule;
	enum account_state account;
	const char *default_method, *suspension;
	const char *method_account; /* NULL: there is no method of that name */
	enum method_phase method;
	const char *failure_reason, *failure_message;
	int expiry_year; /* December */
	enum deploy_reason reason;
	const char *message; /* a part; "" when all of it must be empty */
};

static const struct deploy_row deploys[] = {
	{ "account missing", MISSING, NULL, NULL, NULL, 0, NULL, NULL, 0, DEPLOY_ACCOUNT_NOT_READY, "billing account \"main\" was not found" },
	{ "account being deleted", DELETING, "visa", NULL, "main", METHOD_ACTIVE, NULL, NULL, 0, DEPLOY_ACCOUNT_DELETING,
	  "billing account \"main\" is being deleted (current phase: Ready)" },
	{ "account suspended, also without a method", SUSPENDED, NULL, NULL, NULL, 0, NULL, NULL, 0, DEPLOY_ACCOUNT_SUSPENDED,
	  "billing account \"main\" is suspended (current phase: Suspended)" },
	{ "account suspended for a reason", SUSPENDED, "visa", "overdue", "main", METHOD_ACTIVE, NULL, NULL, 0, DEPLOY_ACCOUNT_SUSPENDED,
	  "Suspended): overdue" },
	{ "account Provisioning", PROVISIONING, "visa", NULL, "main", METHOD_ACTIVE, NULL, NULL, 0, DEPLOY_ACCOUNT_NOT_READY,
	  "billing account \"main\" is not ready (current phase: Provisioning)" },
	{ "account Archived", ARCHIVED, "visa", NULL, "main", METHOD_ACTIVE, NULL, NULL, 0, DEPLOY_ACCOUNT_NOT_READY,
	  "billing account \"main\" is not ready (current phase: Archived)" },
	{ "no default method", READY, NULL, NULL, "main", METHOD_ACTIVE, NULL, NULL, 0, DEPLOY_PAYMENT_METHOD_REQUIRED,
	  "payment method required before deploy" },
	{ "method missing", READY, "visa", NULL, NULL, 0, NULL, NULL, 0, DEPLOY_PAYMENT_METHOD_NOT_USABLE,
	  "payment method \"visa\" cannot be used: it was not found in namespace \"acme\"" },
	{ "method of another account", READY, "visa", NULL, "other", METHOD_ACTIVE, NULL, NULL, 0, DEPLOY_PAYMENT_METHOD_NOT_USABLE,
	  "payment method \"visa\" cannot be used: it belongs to billing account \"other\"" },
	{ "method declined", READY, "visa", NULL, "main", METHOD_FAILED, "card_declined", NULL, 0, DEPLOY_PAYMENT_METHOD_NOT_USABLE,
	  "payment method \"visa\" cannot be used: card declined (card_declined)" },
	{ "method failed, in the provider's words", READY, "visa", NULL, "main", METHOD_FAILED, "do_not_honor", "The bank said no", 0,
	  DEPLOY_PAYMENT_METHOD_NOT_USABLE, "cannot be used: The bank said no (do_not_honor)" },
	{ "method failed without a word", READY, "visa", NULL, "main", METHOD_FAILED, NULL, NULL, 0, DEPLOY_PAYMENT_METHOD_NOT_USABLE,
	  "reports a failure" },
	{ "method awaiting confirmation", READY, "visa", NULL, "main", METHOD_AWAITING_CONFIRMATION, NULL, NULL, 0,
	  DEPLOY_PAYMENT_METHOD_NOT_USABLE, "cannot be used: awaiting confirmation" },
	{ "method pending", READY, "visa", NULL, "main", METHOD_PENDING, NULL, NULL, 0, DEPLOY_PAYMENT_METHOD_NOT_USABLE, "pending" },
	{ "method without a phase", READY, "visa", NULL, "main", METHOD_PHASE_ABSENT, NULL, NULL, 0, DEPLOY_PAYMENT_METHOD_NOT_USABLE,
	  "pending" },
	{ "Active, but the card's last month is over", READY, "visa", NULL, "main", METHOD_ACTIVE, NULL, NULL, 2025,
	  DEPLOY_PAYMENT_METHOD_NOT_USABLE, "cannot be used: card expired at the end of 12/2025 (card_expired)" },
	{ "Active card: allowed", READY, "visa", NULL, "main", METHOD_ACTIVE, NULL, NULL, 2026, DEPLOY_ALLOWED, "" },
	{ "Active without details: allowed", READY, "visa", NULL, "main", METHOD_ACTIVE, NULL, NULL, 0, DEPLOY_ALLOWED, "" },
};

static struct deploy_verdict judge(const struct deploy_row *row)
{
	struct account_suspension suspension = { .reason = row->suspension };
	struct method_card card = { .expiry_month = 12, .expiry_year = row->expiry_year };
	struct method_details details = { .type = "card", .card = &card };
	struct billingaccount account = ready_account("acme", "main", row->default_method);
	struct paymentmethod method = method_of("acme", "visa", row->method_account, row->method);
	struct seat seat = { "acme", "b", .account = row->account };
	struct table table;

	sit(&table, 0, &seat);
	account.meta.deleted = table.accounts[0].meta.deleted;
	account.status.phase = table.accounts[0].status.phase;
	account.spec.currency_code = table.accounts[0].spec.currency_code;
	account.status.suspension = row->suspension ? &suspension : NULL;
	method.status.failure_reason = row->failure_reason;
	method.status.failure_message = row->failure_message;
	method.status.details = row->expiry_year ? &details : NULL;
	struct payment_means means = { .method = row->method_account ? &method : NULL };
	return deploy_judge(word("main"), row->account == MISSING ? NULL : &account, &means, NOW,
			    &test_arena);
}

static void deploys_are_judged_by_precedence(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(deploys); i++) {
		struct deploy_verdict verdict = judge(&deploys[i]);
		if (verdict.reason != deploys[i].reason)
			fail_msg("%s: %s, not %s", deploys[i].rule, deploy_reason_name(verdict.reason),
				 deploy_reason_name(deploys[i].reason));
		if (!*deploys[i].message)
			assert_string_equal(verdict.message, "");
		expect_text(verdict.message, deploys[i].message);
	}
	assert_string_equal(judge(&deploys[6]).message, "payment method required before deploy"); /* to the letter */
}

static void deploy_reasons_are_those_of_the_table(void **state)
{
	(void)state;
	assert_string_equal(deploy_reason_name(DEPLOY_ALLOWED), "Allowed");
	assert_string_equal(deploy_reason_name(DEPLOY_NO_BINDING), "NoBinding");
	assert_string_equal(deploy_reason_name(DEPLOY_PAYMENT_METHOD_REQUIRED), "PaymentMethodRequired");
	assert_string_equal(deploy_reason_name(DEPLOY_PAYMENT_METHOD_NOT_USABLE), "PaymentMethodNotUsable");
	assert_string_equal(deploy_reason_name(DEPLOY_ACCOUNT_NOT_READY), "AccountNotReady");
	assert_string_equal(deploy_reason_name(DEPLOY_ACCOUNT_SUSPENDED), "AccountSuspended");
	assert_string_equal(deploy_reason_name(DEPLOY_ACCOUNT_DELETING), "AccountDeleting");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_contest_has_one_winner_in_every_order),
		cmocka_unit_test(each_claim_knows_its_standing),
		cmocka_unit_test(any_of_a_projects_organizations_that_differs_keeps_a_binding_out),
		cmocka_unit_test(deploys_are_judged_by_precedence),
		cmocka_unit_test(deploy_reasons_are_those_of_the_table),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
