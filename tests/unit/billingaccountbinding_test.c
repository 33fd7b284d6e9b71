/*
 * BillingAccountBinding: what each standing writes, and that at no moment two bindings of a project are Active: for all small
 * worlds in every order, and in random histories with late events, slow writes, conflicts and restarts.
 */
#include "../../reconcilers/billingaccountbinding_inputs.h"
#include "cluster.h"
#include "seats.h"

static struct outcome reconcile(struct table *table, size_t i)
{
	struct billingaccountbinding_inputs in = { .now = NOW + 7, .contest = table->contest, .claim = &table->claims[i] };
	return billingaccountbinding_reconcile(&in, &test_arena);
}

static bool same(const struct binding_status *a, const struct binding_status *b)
{
	return status_equal(&billingaccountbinding_resource, a, b);
}

/* ---- what each standing writes ---- */

struct row {
	const char *rule;
	enum binding_phase phase;
	enum condition_status bound; /* CONDITION_ABSENT: no status is written at all */
	const char *reason, *message, *deploy_reason;
	int established, ended; /* expected; 1000 is now */
	enum rebind rebind;
	const char *organization;
	struct seat seats[3];
};

static const struct row rows[] = {
	{ "alone and ready: becomes Active now", BINDING_ACTIVE, CONDITION_TRUE, "SuccessfulBinding",
	  "The project is billed to this account.", "PaymentMethodRequired", 1000, 0, 0, NULL,
	  { { "acme", "b", .created = 10 } } },
	{ "Active already: establishedAt stays", BINDING_ACTIVE, CONDITION_TRUE, "SuccessfulBinding", "", "PaymentMethodRequired", 12, 0, 0,
	  NULL, { { "acme", "b", 10, BINDING_ACTIVE, .established = 12 } } },
	{ "Active with a Suspended account stays bound", BINDING_ACTIVE, CONDITION_TRUE, "SuccessfulBinding", "", "AccountSuspended", 12, 0,
	  0, NULL, { { "acme", "b", 10, BINDING_ACTIVE, .established = 12, .account = SUSPENDED } } },
	{ "Active with an account that is being deleted stays bound", BINDING_ACTIVE, CONDITION_TRUE, "SuccessfulBinding", "",
	  "AccountDeleting", 12, 0, 0, NULL, { { "acme", "b", 10, BINDING_ACTIVE, .established = 12, .account = DELETING } } },
	{ "Active without its account: bound to nothing, still responsible", BINDING_ACTIVE, CONDITION_FALSE, "AccountNotFound",
	  "billing account \"account-of-b\" was not found", "AccountNotReady", 12, 0, 0, NULL,
	  { { "acme", "b", 10, BINDING_ACTIVE, .established = 12, .account = MISSING } } },
	{ "Active and being deleted stays as it is", BINDING_ACTIVE, CONDITION_TRUE, "SuccessfulBinding", "", "PaymentMethodRequired", 12, 0,
	  0, NULL, { { "acme", "b", 10, BINDING_ACTIVE, .established = 12, .deleted = 20 } } },
	{ "no account: no phase", 0, CONDITION_FALSE, "AccountNotFound", "billing account \"account-of-b\" was not found", NULL, 0, 0, 0,
	  NULL, { { "acme", "b", .created = 10, .account = MISSING } } },
	{ "account Provisioning: no phase", 0, CONDITION_FALSE, "AccountNotReady",
	  "billing account \"account-of-b\" is not ready (current phase: Provisioning)", NULL, 0, 0, 0, NULL,
	  { { "acme", "b", .created = 10, .account = PROVISIONING } } },
	{ "account being deleted: no phase", 0, CONDITION_FALSE, "AccountNotReady", "billing account \"account-of-b\" is being deleted", NULL,
	  0, 0, 0, NULL, { { "acme", "b", .created = 10, .account = DELETING } } },
	{ "account to be closed: no phase", 0, CONDITION_FALSE, "AccountNotReady", "is to be closed (spec.closureRequested) and takes no new binding", NULL,
	  0, 0, 0, NULL, { { "acme", "b", .created = 10, .account = CLOSING } } },
	{ "Active with an account that is to be closed stays", BINDING_ACTIVE, CONDITION_TRUE, "SuccessfulBinding", "", "PaymentMethodRequired", 12, 0,
	  0, NULL, { { "acme", "b", 10, BINDING_ACTIVE, .established = 12, .account = CLOSING } } },
	{ "other organization: no phase", 0, CONDITION_FALSE, "ProjectInOtherOrganization", "another organization", NULL, 0, 0, 0,
	  "acme-org", { { "zeta", "b", .created = 10, .organization = "zeta-org" } } },
	{ "established, then the organization differs: stays Active, and pays for nothing", BINDING_ACTIVE, CONDITION_FALSE,
	  "ProjectInOtherOrganization", "", "NoBinding", 12, 0, 0, "acme-org",
	  { { "zeta", "b", 10, BINDING_ACTIVE, .established = 12, .organization = "zeta-org" } } },
	{ "until one of the project's own organization takes over, which is not named", BINDING_SUPERSEDED, CONDITION_FALSE, "Superseded",
	  "project \"web\" is now billed to an account of another namespace", NULL, 12, 1000, 0, "acme-org",
	  { { "zeta", "b", 10, BINDING_ACTIVE, .established = 12, .organization = "zeta-org" },
	    { "acme", "c", .created = 20, .organization = "acme-org" } } },
	{ "another namespace was first: no phase, and it is not named", 0, CONDITION_FALSE, "ProjectClaimedElsewhere",
	  "project \"web\" is already billed to an account of another namespace", NULL, 0, 0, 0, NULL,
	  { { "zeta", "b", .created = 20 }, { "acme", "c", .created = 10 } } },
	{ "rebind Reject: told which binding has it", 0, CONDITION_FALSE, "ProjectClaimedElsewhere",
	  "project \"web\" already has an active billing account binding \"c\"", NULL, 0, 0, REBIND_REJECT, NULL,
	  { { "acme", "b", .created = 20 }, { "acme", "c", 10, BINDING_ACTIVE, .established = 10 } } },
	{ "Active with a newer sibling: Superseded now", BINDING_SUPERSEDED, CONDITION_FALSE, "Superseded", "binding \"c\"", NULL, 12, 1000, 0,
	  NULL, { { "acme", "b", 10, BINDING_ACTIVE, .established = 12 }, { "acme", "c", .created = 20 } } },
	{ "never Active with a newer sibling: Superseded too", BINDING_SUPERSEDED, CONDITION_FALSE, "Superseded", "", NULL, 0, 1000, 0, NULL,
	  { { "acme", "b", .created = 10 }, { "acme", "c", .created = 20 } } },
	{ "superseded by one that a faster clock made: not before it", BINDING_SUPERSEDED, CONDITION_FALSE, "Superseded", "", NULL, 12, 1005,
	  0, NULL, { { "acme", "b", 10, BINDING_ACTIVE, .established = 12 }, { "acme", "c", .created = 1005 } } },
	{ "history is never rewritten", 0, CONDITION_ABSENT, NULL, NULL, NULL, 0, 0, 0, NULL,
	  { { "acme", "b", 10, BINDING_SUPERSEDED, .established = 12, .ended = 20, .account = MISSING } } },
	{ "deleted before it was Active: nothing to say", 0, CONDITION_ABSENT, NULL, NULL, NULL, 0, 0, 0, NULL,
	  { { "acme", "b", .created = 10, .deleted = 20 } } },
	{ "the winner waits for an Active sibling", 0, CONDITION_ABSENT, NULL, NULL, NULL, 0, 0, 0, NULL,
	  { { "acme", "b", .created = 20 }, { "acme", "a", 10, BINDING_ACTIVE, .established = 10 } } },
	{ "and for one that may be on its way to Active", 0, CONDITION_ABSENT, NULL, NULL, NULL, 0, 0, 0, NULL,
	  { { "acme", "b", .created = 20 }, { "acme", "a", .created = 10 } } },
	{ "and for one in another namespace", 0, CONDITION_ABSENT, NULL, NULL, NULL, 0, 0, 0, NULL,
	  { { "acme", "b", .created = 10 }, { "zeta", "z", .created = 20 } } },
	{ "not for history", BINDING_ACTIVE, CONDITION_TRUE, "SuccessfulBinding", "", "PaymentMethodRequired", 1000, 0, 0, NULL,
	  { { "acme", "b", .created = 20 }, { "acme", "a", 10, BINDING_SUPERSEDED, .established = 10, .ended = 20 } } },
	{ "nor for one that leaves", BINDING_ACTIVE, CONDITION_TRUE, "SuccessfulBinding", "", "PaymentMethodRequired", 1000, 0, 0, NULL,
	  { { "acme", "b", .created = 20 }, { "acme", "a", .created = 10, .deleted = 15 } } },
};

static void check_status(const struct row *row, const struct binding_status *status)
{
	const struct condition *bound = expect_condition(&status->conditions, 0, "Bound", row->bound, row->reason);

	expect_text(bound->message, row->message);
	assert_int_equal(bound->observed_generation, 3);
	assert_int_equal(status->observed_generation, 3);
	assert_int_equal(status->phase, row->phase);
	assert_int_equal(status->responsibility.established_at, at(row->established));
	assert_int_equal(status->ended_at, at(row->ended));
	assert_int_equal(status->conditions.n, row->deploy_reason ? 2 : 1);
	if (row->deploy_reason)
		expect_condition(&status->conditions, 1, "DeployAllowed", CONDITION_FALSE, row->deploy_reason);
	if (row->phase == BINDING_ACTIVE && strcmp(row->reason, "ProjectInOtherOrganization") != 0) /* as it was */
		assert_string_equal(status->responsibility.current_account, "account-of-b");
}

/* Who is not bound is told why, in the condition's words, and what to do. */
static void check_event(const struct row *row, const struct outcome *outcome)
{
	if (row->bound == CONDITION_TRUE) {
		expect_event(outcome, false, "Bound", "Project \"web\" is billed to billing account \"account-of-b\"");
		return;
	}
	expect_event(outcome, strcmp(row->reason, "Superseded") != 0, row->reason, row->message);
	expect_event(outcome, strcmp(row->reason, "Superseded") != 0, row->reason, "Not bound: ");
	expect_event(outcome, strcmp(row->reason, "Superseded") != 0, row->reason, ". Next: ");
}

static void each_standing_writes_its_status_and_then_rests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct table table;
		rule(rows[i].rule);
		seat_all(&table, rows[i].seats, rows[i].organization, rows[i].rebind);
		struct outcome outcome = reconcile(&table, 0);
		assert_int_equal(outcome.finalizer, FINALIZER_KEEP);
		if (rows[i].bound == CONDITION_ABSENT) {
			assert_null(outcome.status);
			assert_int_equal(outcome.n_effects, 0);
			continue;
		}
		assert_non_null(outcome.status);
		check_status(&rows[i], outcome.status);
		check_event(&rows[i], &outcome);
		table.bindings[0].status = *(const struct binding_status *)outcome.status;
		struct outcome again = reconcile(&table, 0);
		if (rows[i].phase == BINDING_SUPERSEDED)
			assert_null(again.status);
		else
			assert_true(same(again.status, outcome.status));
		assert_int_equal(again.n_effects, 0);
	}
}

static void a_usable_card_allows_deploys_until_it_expires(void **state)
{
	static const struct seat seats[] = { { "acme", "b", .created = 10 }, { 0 } };
	struct method_card card = { .expiry_month = 2, .expiry_year = 2028 };
	struct method_details details = { .type = "card", .card = &card };
	struct paymentmethod method = method_of("acme", "visa", "account-of-b", METHOD_ACTIVE);
	struct table table;

	(void)state;
	seat_all(&table, seats, NULL, REBIND_SUPERSEDE);
	table.accounts[0].spec.default_payment_method = word("visa");
	method.status.details = &details;
	struct billingaccountbinding_inputs in = { .now = NOW, .contest = table.contest, .claim = table.claims, .means = { .method = &method } };
	struct outcome outcome = billingaccountbinding_reconcile(&in, &test_arena);
	const struct binding_status *status = outcome.status;
	const struct condition *allowed = expect_condition(&status->conditions, 1, "DeployAllowed", CONDITION_TRUE, "Allowed");
	assert_string_equal(allowed->message, "");
	assert_int_equal(outcome.wake_at, 0); /* the method's own moment wakes it */
}

/* ---- all small worlds ---- */

static size_t count_active(const struct table *table)
{
	size_t n = 0;

	for (size_t i = 0; i < table->contest.n_claims; i++)
		n += table->bindings[i].status.phase == BINDING_ACTIVE;
	return n;
}

static bool may_win(const struct seat *seat)
{
	return seat->phase == BINDING_ACTIVE || (seat->phase != BINDING_SUPERSEDED && seat->account == READY);
}

/* Who should be Active in the end, said again in other words than contest.c's: domain.md's, from the first state alone. */
static size_t expected_winner(const struct seat *seats, size_t n, enum rebind rebind)
{
	const char *holder = NULL;
	int best = 0;
	bool active = false;
	size_t winner = SIZE_MAX;

	for (size_t i = 0; i < n; i++)
		active |= seats[i].phase == BINDING_ACTIVE;
	for (size_t i = 0; i < n; i++) {
		int since = active ? seats[i].established : seats[i].created;
		if (!may_win(&seats[i]) || (active && seats[i].phase != BINDING_ACTIVE))
			continue;
		if (!holder || since < best || (since == best && strcmp(seats[i].ns, holder) < 0)) {
			holder = seats[i].ns;
			best = since;
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (!may_win(&seats[i]) || strcmp(seats[i].ns, holder) != 0)
			continue;
		if (winner == SIZE_MAX) {
			winner = i;
			continue;
		}
		const struct seat *a = &seats[i], *b = &seats[winner];
		bool newer = a->created > b->created || (a->created == b->created && strcmp(a->name, b->name) > 0);
		bool a_active = a->phase == BINDING_ACTIVE, b_active = b->phase == BINDING_ACTIVE;
		if (rebind == REBIND_SUPERSEDE ? newer : a_active != b_active ? a_active : !newer)
			winner = i;
	}
	return winner;
}

static void describe(const struct seat *seats, size_t n, enum rebind rebind)
{
	print_error("rebind %d:", (int)rebind);
	for (size_t i = 0; i < n; i++)
		print_error(" %s/%s created %d phase %d established %d account %d;", seats[i].ns, seats[i].name, seats[i].created,
			    (int)seats[i].phase, seats[i].established, (int)seats[i].account);
	print_error("\n");
}

/* Decisions are taken on what is seen, and land later, in a random order; each binding has at most one under way. */
static void play(struct table *table, const struct seat *seats, enum rebind rebind, uint64_t *random)
{
	size_t n = table->contest.n_claims, most = count_active(table), quiet = 0;
	struct binding_status under_way[SEATS_MAX];
	bool flying[SEATS_MAX] = { false };

	for (int steps = 0; quiet < 40 * n; steps++) {
		size_t i = next_random(random) % n;
		quiet++;
		assert_true(steps < 10000);
		if (flying[i]) {
			table->bindings[i].status = under_way[i];
			flying[i] = false;
			quiet = 0;
		} else {
			struct outcome outcome = reconcile(table, i);
			if (outcome.status && !same(outcome.status, &table->bindings[i].status)) {
				under_way[i] = *(const struct binding_status *)outcome.status;
				flying[i] = true;
				quiet = 0;
			}
		}
		size_t now = count_active(table);
		if (now > 1 && now > most) {
			describe(seats, n, rebind);
			fail_msg("%zu bindings are Active at once", now);
		}
		most = now;
	}
}

/* Two namespaces with an Active binding each: not of our making, so who keeps it may depend on the order; but
 * one at most does. */
static bool is_torn(const struct seat *seats, size_t n)
{
	const char *ns = NULL;

	for (size_t i = 0; i < n; i++) {
		if (seats[i].phase != BINDING_ACTIVE)
			continue;
		if (ns && strcmp(ns, seats[i].ns) != 0)
			return true;
		ns = seats[i].ns;
	}
	return false;
}

static void check_end(const struct table *table, const struct seat *seats, enum rebind rebind)
{
	size_t n = table->contest.n_claims, winner = expected_winner(seats, n, rebind);

	if (is_torn(seats, n)) {
		assert_true(count_active(table) <= 1);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		enum binding_phase expected = seats[i].phase == BINDING_SUPERSEDED ? BINDING_SUPERSEDED : BINDING_PHASE_ABSENT;
		if (i == winner)
			expected = BINDING_ACTIVE;
		else if (seats[i].phase == BINDING_ACTIVE) /* no other way ends it */
			expected = BINDING_SUPERSEDED;
		else if (may_win(&seats[i]) && rebind == REBIND_SUPERSEDE && !strcmp(seats[i].ns, seats[winner].ns))
			expected = BINDING_SUPERSEDED;
		if (table->bindings[i].status.phase != expected) {
			describe(seats, n, rebind);
			fail_msg("%s ends in phase %d, not %d", seats[i].name, (int)table->bindings[i].status.phase, (int)expected);
		}
	}
}

enum { SEAT_VARIANTS = 2 * 2 * 3 * 2 };

static struct seat seat_variant(size_t i, unsigned variant)
{
	static const char *const names[] = { "b0", "b1", "b2", "b3" };
	static const enum binding_phase phases[] = { BINDING_PHASE_ABSENT, BINDING_ACTIVE, BINDING_SUPERSEDED };
	struct seat seat = { .ns = variant % 2 ? "zeta" : "acme", .name = names[i] };

	variant /= 2;
	seat.created = variant % 2 ? 20 : 10;
	variant /= 2;
	seat.phase = phases[variant % 3];
	seat.account = variant / 3 ? PROVISIONING : READY;
	if (seat.phase != BINDING_PHASE_ABSENT)
		seat.established = seat.created + 1 + (int)i % 2;
	if (seat.phase == BINDING_SUPERSEDED) /* let go before anyone of this world claimed */
		seat.created -= 9, seat.established -= 9, seat.ended = 9;
	return seat;
}

static void play_world(const unsigned *variants, size_t n, uint64_t *random)
{
	for (int rebind = REBIND_SUPERSEDE; rebind <= REBIND_REJECT; rebind++) {
		struct seat seats[SEATS_MAX] = { { 0 } };
		struct table table;
		for (size_t i = 0; i < n; i++)
			seats[i] = seat_variant(i, variants[i]);
		seat_all(&table, seats, NULL, (enum rebind)rebind);
		play(&table, seats, (enum rebind)rebind, random);
		check_end(&table, seats, (enum rebind)rebind);
		arena_reset(&test_arena);
	}
}

static void every_small_world_ends_right_and_never_has_two_active(void **state)
{
	uint64_t random = 2026;
	unsigned v[4];

	(void)state;
	for (v[0] = 0; v[0] < SEAT_VARIANTS; v[0]++) {
		play_world(v, 1, &random);
		for (v[1] = 0; v[1] < SEAT_VARIANTS; v[1]++) {
			play_world(v, 2, &random);
			if ((v[0] + v[1]) % 5) /* a part of three's worlds and a sample of four's: within seconds */
				continue;
			for (v[2] = 0; v[2] < SEAT_VARIANTS; v[2]++) {
				play_world(v, 3, &random);
				v[3] = next_random(&random) % SEAT_VARIANTS;
				play_world(v, 4, &random);
			}
		}
	}
}

/* ---- histories ---- */

static void at_most_one_active(struct cluster *c)
{
	const char *projects[] = { "web", "api" };

	for (size_t p = 0; p < COUNT(projects); p++) {
		int active = 0;
		for (struct stored *s = c->stored; s; s = s->next) {
			const char *project = NULL, *phase = NULL;
			if (s->key.kind == KIND_BINDING &&
			    !json_unpack(s->object, "{s:{s:{s:s}},s:{s:s}}", "spec", "projectRef", "name", &project, "status", "phase",
					 &phase))
				active += !strcmp(project, projects[p]) && !strcmp(phase, "Active");
		}
		if (active > 1)
			fail_msg("%d bindings of %s are Active at once", active, projects[p]);
	}
}

static const struct billingaccountbinding *binding(const struct cluster *c, const char *ns, const char *name)
{
	const struct billingaccountbinding *found = get(c, KIND_BINDING, ns, name);
	assert_non_null(found);
	return found;
}

/* People do things, in between anything can happen, and once in a while the controller dies. */
static void a_random_history(uint64_t seed)
{
	uint64_t random = seed;
	struct cluster c;

	cluster_init(&c);
	c.after_write = at_most_one_active;
	c.settings.rebind = seed % 4 ? REBIND_SUPERSEDE : REBIND_REJECT;
	put_namespace(&c, "web-ns", "web", NULL);
	for (int i = 0; i < 4; i++) {
		static const char *const namespaces[] = { "acme", "zeta" };
		char name[2] = { (char)('a' + i), '\0' };
		put_account(&c, namespaces[i % 2], name, NULL);
	}
	for (int deed = 0; deed < 14; deed++) {
		const char *ns = next_random(&random) % 3 ? "acme" : "zeta", *accounts = ns[0] == 'a' ? "ac" : "bd";
		char name[8], account[2] = { accounts[next_random(&random) % 2], '\0' };
		snprintf(name, sizeof(name), "x%u", next_random(&random) % 6);
		bool there = server_find(&c, key_of(KIND_BINDING, ns, name));
		if (next_random(&random) % 4 == 0 && there)
			delete(&c, KIND_BINDING, ns, name);
		else if (!there)
			put_binding(&c, ns, name, account, next_random(&random) % 5 ? "web" : "api");
		for (unsigned steps = next_random(&random) % 40; steps && cluster_step(&c, &random); steps--)
			;
		if (next_random(&random) % 8 == 0)
			restart(&c);
		c.now += next_random(&random) % 3 * SECOND;
	}
	settle_at_random(&c, &random);
	assert_int_equal(settle(&c), 0);
	restart(&c);
	assert_int_equal(settle(&c), 0); /* a restart on a settled cluster writes nothing */
	cluster_close(&c);
}

static void random_histories_never_have_two_active_and_come_to_rest(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 120; seed++) {
		if (getenv("SHOW_SEEDS"))
			print_message("  seed %d\n", (int)seed);
		a_random_history(seed);
	}
	a_random_history(4481); /* a binding wins, loses again, and its write that makes it Active is still under way */
}

/* Edge case 1. */
static void of_two_made_in_one_second_the_greater_name_wins_in_any_order(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		uint64_t random = seed;
		struct cluster c;
		cluster_init(&c);
		c.after_write = at_most_one_active;
		put_account(&c, "acme", "one", NULL);
		put_account(&c, "acme", "two", NULL);
		put_binding(&c, "acme", seed % 2 ? "first" : "second", seed % 2 ? "one" : "two", "web");
		for (unsigned steps = next_random(&random) % 25; steps && cluster_step(&c, &random); steps--)
			;
		if (seed % 3 == 0)
			restart(&c);
		put_binding(&c, "acme", seed % 2 ? "second" : "first", seed % 2 ? "two" : "one", "web");
		settle_at_random(&c, &random);
		assert_int_equal(binding(&c, "acme", "second")->status.phase, BINDING_ACTIVE);
		assert_int_equal(binding(&c, "acme", "first")->status.phase, BINDING_SUPERSEDED);
		assert_int_equal(binding(&c, "acme", "first")->status.conditions.n, 1);
		const struct billingaccount *two = get(&c, KIND_BILLINGACCOUNT, "acme", "two");
		assert_int_equal(two->status.linked_projects_count, 1);
		cluster_close(&c);
	}
}

/* Edge case 2. */
static void rebinding_to_the_same_account_and_deleting_the_active_one(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_account(&c, "acme", "main", NULL);
	put_namespace(&c, "web-ns", "web", NULL);
	put_binding(&c, "acme", "b1", "main", "web");
	settle(&c);
	c.now += 60 * SECOND;
	put_binding(&c, "acme", "b2", "main", "web");
	settle(&c);
	assert_int_equal(binding(&c, "acme", "b1")->status.phase, BINDING_SUPERSEDED);
	assert_int_equal(binding(&c, "acme", "b1")->status.ended_at, NOW + 60 * SECOND);
	assert_int_equal(binding(&c, "acme", "b1")->status.responsibility.established_at, NOW);
	assert_string_equal(binding(&c, "acme", "b1")->status.responsibility.current_account, "main");
	assert_int_equal(binding(&c, "acme", "b2")->status.phase, BINDING_ACTIVE);
	assert_int_equal(((const struct billingaccount *)get(&c, KIND_BILLINGACCOUNT, "acme", "main"))->status.linked_projects_count, 1);

	delete(&c, KIND_NAMESPACE, NULL, "web-ns"); /* the project goes, and comes back under its name */
	settle(&c);
	assert_int_equal(binding(&c, "acme", "b2")->status.phase, BINDING_ACTIVE);
	put_namespace(&c, "web-ns", "web", NULL);
	settle(&c);

	delete(&c, KIND_BINDING, "acme", "b2");
	settle(&c);
	assert_int_equal(binding(&c, "acme", "b1")->status.phase, BINDING_SUPERSEDED); /* not revived */
	assert_int_equal(((const struct billingaccount *)get(&c, KIND_BILLINGACCOUNT, "acme", "main"))->status.linked_projects_count, 0);
	cluster_close(&c);
}

static void a_binding_waits_for_its_account_and_takes_it_when_ready(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_binding(&c, "acme", "b", "main", "web");
	settle(&c);
	expect_condition(&binding(&c, "acme", "b")->status.conditions, 0, "Bound", CONDITION_FALSE, "AccountNotFound");
	apply(&c, KIND_BILLINGACCOUNT, "acme", "main", "{'spec':{'currencyCode':'ZZZ'}}");
	settle(&c);
	expect_condition(&binding(&c, "acme", "b")->status.conditions, 0, "Bound", CONDITION_FALSE, "AccountNotReady");
	assert_int_equal(binding(&c, "acme", "b")->status.phase, BINDING_PHASE_ABSENT);
	apply(&c, KIND_BILLINGACCOUNT, "acme", "main", "{'spec':{'currencyCode':'USD'}}");
	settle(&c);
	expect_condition(&binding(&c, "acme", "b")->status.conditions, 0, "Bound", CONDITION_TRUE, "SuccessfulBinding");
	assert_int_equal(binding(&c, "acme", "b")->status.phase, BINDING_ACTIVE);
	apply(&c, KIND_BILLINGACCOUNT, "acme", "main", "{'status':{'phase':'Suspended'}}");
	settle(&c);
	assert_int_equal(binding(&c, "acme", "b")->status.phase, BINDING_ACTIVE);
	expect_condition(&binding(&c, "acme", "b")->status.conditions, 1, "DeployAllowed", CONDITION_FALSE, "AccountSuspended");
	cluster_close(&c);
}

static void a_pending_newer_binding_takes_over_once_its_account_is_ready(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	c.after_write = at_most_one_active;
	put_account(&c, "acme", "main", NULL);
	put_binding(&c, "acme", "old", "main", "web");
	put_binding(&c, "acme", "stuck", "later", "web");
	settle(&c);
	assert_int_equal(binding(&c, "acme", "old")->status.phase, BINDING_ACTIVE);
	put_account(&c, "acme", "later", NULL);
	settle(&c);
	assert_int_equal(binding(&c, "acme", "old")->status.phase, BINDING_SUPERSEDED);
	assert_int_equal(binding(&c, "acme", "stuck")->status.phase, BINDING_ACTIVE);
	cluster_close(&c);
}

/* A holder that rebinds keeps the project, also against a claim that is older than its own first binding. */
static void a_rebinding_tenant_keeps_its_project_in_any_order(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		uint64_t random = seed;
		struct cluster c;
		cluster_init(&c);
		c.after_write = at_most_one_active;
		put_binding(&c, "zeta", "older", "late", "web"); /* its account comes later */
		c.now += 10 * SECOND;
		put_account(&c, "acme", "main", NULL);
		put_binding(&c, "acme", "a1", "main", "web");
		settle(&c);
		put_account(&c, "zeta", "late", NULL);
		settle(&c);
		for (int i = 2; i < 5; i++) {
			char name[16];
			c.now += 10 * SECOND;
			snprintf(name, sizeof(name), "a%d", i);
			put_binding(&c, "acme", name, "main", "web");
			settle_at_random(&c, &random);
			assert_int_equal(binding(&c, "acme", name)->status.phase, BINDING_ACTIVE);
			expect_condition(&binding(&c, "zeta", "older")->status.conditions, 0, "Bound", CONDITION_FALSE,
					 "ProjectClaimedElsewhere");
		}
		delete(&c, KIND_BINDING, "acme", "a4");
		settle_at_random(&c, &random);
		assert_int_equal(binding(&c, "zeta", "older")->status.phase, BINDING_ACTIVE); /* it let go */
		cluster_close(&c);
	}
}

static void organizations_that_come_to_differ_part_binding_and_project(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_namespace(&c, "acme", NULL, "acme-org");
	put_namespace(&c, "web-ns", "web", "acme-org");
	put_account(&c, "acme", "main", NULL);
	put_binding(&c, "acme", "b", "main", "web");
	settle(&c);
	assert_int_equal(binding(&c, "acme", "b")->status.phase, BINDING_ACTIVE);
	put_namespace(&c, "acme", NULL, "zeta-org");
	settle(&c);
	expect_condition(&binding(&c, "acme", "b")->status.conditions, 0, "Bound", CONDITION_FALSE, "ProjectInOtherOrganization");
	expect_condition(&binding(&c, "acme", "b")->status.conditions, 1, "DeployAllowed", CONDITION_FALSE, "NoBinding");
	assert_int_equal(binding(&c, "acme", "b")->status.phase, BINDING_ACTIVE);
	assert_int_equal(binding(&c, "acme", "b")->status.responsibility.established_at, NOW);
	put_namespace(&c, "web-ns", "web", "zeta-org");
	settle(&c);
	assert_int_equal(binding(&c, "acme", "b")->status.phase, BINDING_ACTIVE);
	cluster_close(&c);
}

/* Whichever namespace of the project comes first. */
static void a_project_of_two_organizations_takes_no_binding_of_either(void **state)
{
	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		struct cluster c;
		cluster_init(&c);
		put_namespace(&c, "acme", NULL, "acme-org");
		put_namespace(&c, "web-1", "web", turn ? "acme-org" : "zeta-org");
		put_namespace(&c, "web-2", "web", turn ? "zeta-org" : "acme-org");
		put_account(&c, "acme", "main", NULL);
		put_binding(&c, "acme", "b", "main", "web");
		settle(&c);
		expect_condition(&binding(&c, "acme", "b")->status.conditions, 0, "Bound", CONDITION_FALSE, "ProjectInOtherOrganization");
		put_namespace(&c, turn ? "web-2" : "web-1", "web", "acme-org");
		settle(&c);
		assert_int_equal(binding(&c, "acme", "b")->status.phase, BINDING_ACTIVE);
		cluster_close(&c);
	}
}

/* ---- who is woken ---- */

/* Whatever came of a request, a sibling that is not Active may have waited for its end; its own turn is the queue's to choose. */
static void the_end_of_a_request_wakes_waiting_siblings(void **state)
{
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_account(&c, "acme", "main", NULL);
	put_binding(&c, "acme", "holds", "main", "web");
	settle(&c);
	put_binding(&c, "zeta", "waits", "none", "web");
	put_binding(&c, "zeta", "elsewhere", "none", "api");
	settle(&c);
	tell_watchers(&c, key_of(KIND_BINDING, "acme", "holds"));
	assert_true(is_woken(&c, KIND_BINDING, "zeta", "waits"));
	assert_int_equal(c.n_dirty, 1);
	settle(&c);
	tell_watchers(&c, key_of(KIND_BINDING, "zeta", "waits"));
	assert_int_equal(c.n_dirty, 0);
	cluster_close(&c);
}

static void only_what_a_contest_reads_wakes_siblings_and_gates(void **state)
{
	static const struct {
		const char *rule, *patch;
		bool siblings, gates, account;
	} changes[] = {
		{ "a label", "{'metadata':{'labels':{'a':'b'}}}", false, false, false },
		{ "what we observed", "{'status':{'observedGeneration':1}}", false, false, false },
		{ "how it shows its place", "{'status':{'conditions':[]}}", true, false, false },
		{ "since when it holds", "{'status':{'billingResponsibility':{'establishedAt':'2026-11-20T00:00:00Z'}}}", true, true, false },
		{ "that it holds", "{'status':{'phase':null}}", true, true, true },
	};
	struct cluster c;

	(void)state;
	cluster_init(&c);
	put_namespace(&c, "web-ns", "web", NULL);
	put_account(&c, "acme", "main", NULL);
	put_binding(&c, "acme", "old", "main", "web");
	settle(&c);
	put_binding(&c, "acme", "mid", "main", "web");
	settle(&c);
	put_binding(&c, "acme", "other", "main", "api");
	settle(&c);
	put_binding(&c, "zeta", "waits", "none", "web");
	settle(&c);
	assert_int_equal(c.n_dirty, 0);

	for (size_t i = 0; i < COUNT(changes); i++) {
		rule(changes[i].rule);
		forget_told(&c); /* who takes a condition away has it said again */
		apply(&c, KIND_BINDING, "acme", "old", "%s", changes[i].patch);
		deliver(&c, KIND_BINDING);
		assert_true(is_woken(&c, KIND_BINDING, "acme", "old"));
		assert_int_equal(is_woken(&c, KIND_BINDING, "zeta", "waits"), changes[i].siblings);
		assert_int_equal(is_woken(&c, KIND_PROJECTBILLING, "web-ns", "web"), changes[i].gates);
		assert_int_equal(c.n_dirty, 1 + changes[i].siblings + 2 * changes[i].gates + changes[i].account);
		settle(&c);
	}

	delete(&c, KIND_BINDING, "acme", "old");
	deliver(&c, KIND_BINDING);
	assert_true(is_woken(&c, KIND_BINDING, "acme", "old"));
	assert_true(is_woken(&c, KIND_BINDING, "zeta", "waits"));
	assert_true(is_woken(&c, KIND_PROJECTBILLING, "web-ns", "web"));
	assert_true(is_woken(&c, KIND_BILLINGACCOUNT, "acme", "main"));
	assert_false(is_woken(&c, KIND_BINDING, "acme", "mid")); /* history sleeps */
	assert_false(is_woken(&c, KIND_BINDING, "acme", "other"));
	cluster_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_standing_writes_its_status_and_then_rests),
		cmocka_unit_test(a_usable_card_allows_deploys_until_it_expires),
		cmocka_unit_test(every_small_world_ends_right_and_never_has_two_active),
		cmocka_unit_test(random_histories_never_have_two_active_and_come_to_rest),
		cmocka_unit_test(of_two_made_in_one_second_the_greater_name_wins_in_any_order),
		cmocka_unit_test(rebinding_to_the_same_account_and_deleting_the_active_one),
		cmocka_unit_test(a_binding_waits_for_its_account_and_takes_it_when_ready),
		cmocka_unit_test(a_pending_newer_binding_takes_over_once_its_account_is_ready),
		cmocka_unit_test(a_rebinding_tenant_keeps_its_project_in_any_order),
		cmocka_unit_test(organizations_that_come_to_differ_part_binding_and_project),
		cmocka_unit_test(a_project_of_two_organizations_takes_no_binding_of_either),
		cmocka_unit_test(the_end_of_a_request_wakes_waiting_siblings),
		cmocka_unit_test(only_what_a_contest_reads_wakes_siblings_and_gates),
	};

	arena_init(&test_arena);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&test_arena);
	return failed;
}
