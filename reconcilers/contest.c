/*
 * Who pays for a project: the contest between all bindings that name it. Owns eligibility, the namespace that holds the
 * project, and the winner. Pure; reads no status but facts that stick (Active, Superseded, establishedAt, endedAt).
 * Invariant: every binding of a project that looks at the same contest names the same winner, in whatever order it was told.
 *
 *   all bindings of project "web"                 same organization? Active, or its account Ready?
 *        │
 *        ├── not eligible ──────────────────────► no phase (an Active one stays Active); Bound=False says why
 *        ▼
 *   which namespace holds the project?            an Active binding's, the earliest established; else as below
 *        │
 *        ├── in another namespace ──────────────► no phase; ProjectClaimedElsewhere (if Active: Superseded)
 *        ▼
 *   the newest of that namespace                  creationTimestamp, then the greater name
 *        │                                        (rebind: Reject: the Active one, else the oldest)
 *        ├── all others ────────────────────────► Superseded, for ever
 *        ▼
 *   the winner ── once all others have settled ─► Active   (billingaccountbinding.c waits for that)
 *
 * While a namespace rebinds, for a moment none of its bindings is Active. Its claim then lives on in the new binding, as old as
 * the one that is being replaced, and as what that one had replaced without a gap. So nobody slips in, not even who came first:
 *
 *   acme/old       ├─ created ── established ═══════════ ended ┤
 *   acme/new                                      ├─ created ── ...      TENURE_HANDED_OVER, since acme/old's establishedAt
 *   evil/mine   ├─ created ── ...                                        TENURE_NEVER_HELD, since its creation
 */
#include "contest.h"

#include <string.h>

#include "namespace.h"

static bool other_organization(const struct contest *contest, const struct claim *claim)
{
	for (size_t i = 0; claim->organization && i < contest->n_organizations; i++)
		if (contest->organizations[i] != claim->organization)
			return true;
	return false;
}

bool account_takes_bindings(const struct billingaccount *account)
{
	return !account->meta.deleted && account_phase(account) == ACCOUNT_READY && account->spec.closure_requested != YES;
}

/* Why this claim can't win, whatever its siblings do; 0 when it may. */
static enum standing bar(const struct contest *contest, const struct claim *claim)
{
	const struct billingaccountbinding *binding = claim->binding;
	bool active = binding->status.phase == BINDING_ACTIVE;

	if (binding->status.phase == BINDING_SUPERSEDED)
		return STANDING_SUPERSEDED;
	if (binding->meta.deleted && !active)
		return STANDING_LEAVING;
	if (other_organization(contest, claim))
		return STANDING_OTHER_ORGANIZATION;
	if (active) /* sticks, even when its account is Suspended or gone */
		return 0;
	if (!claim->account)
		return STANDING_ACCOUNT_NOT_FOUND;
	return account_takes_bindings(claim->account) ? 0 : STANDING_ACCOUNT_NOT_READY;
}

/* Did `earlier` give way to a claim of its namespace that reaches back to `reach`, without a gap? */
static bool hands_over(const struct billingaccountbinding *earlier, atom_t ns, instant_t reach)
{
	return earlier->meta.ns == ns && earlier->status.phase == BINDING_SUPERSEDED && earlier->status.ended_at >= reach;
}

/* How a namespace came to hold the project, the strongest first. */
enum tenure_kind { TENURE_ACTIVE = 1, TENURE_HANDED_OVER, TENURE_NEVER_HELD };

struct tenure {
	enum tenure_kind kind;
	instant_t since;
};

static struct tenure tenure_of(const struct contest *contest, const struct billingaccountbinding *binding)
{
	instant_t reach = binding->meta.created, established = binding->status.responsibility.established_at, since = 0;
	bool moved = true;

	if (binding->status.phase == BINDING_ACTIVE)
		return (struct tenure){ .kind = TENURE_ACTIVE, .since = established ? established : reach };
	while (moved) { /* back along the chain of hand-overs */
		moved = false;
		for (size_t i = 0; i < contest->n_claims; i++) {
			const struct billingaccountbinding *earlier = contest->claims[i].binding;
			if (!hands_over(earlier, binding->meta.ns, reach))
				continue;
			established = earlier->status.responsibility.established_at;
			if (established && (!since || established < since))
				since = established;
			if (earlier->meta.created < reach) {
				reach = earlier->meta.created;
				moved = true;
			}
		}
	}
	if (since)
		return (struct tenure){ .kind = TENURE_HANDED_OVER, .since = since };
	return (struct tenure){ .kind = TENURE_NEVER_HELD, .since = reach };
}

static bool outranks(struct tenure a, atom_t a_ns, struct tenure b, atom_t b_ns)
{
	if (a.kind != b.kind)
		return a.kind < b.kind;
	return a.since != b.since ? a.since < b.since : strcmp(a_ns->text, b_ns->text) < 0;
}

/* The namespace that holds the project, or NULL when nobody is eligible. */
static atom_t holder(const struct contest *contest)
{
	const struct billingaccountbinding *best = NULL;
	bool rivals = false;

	for (size_t i = 0; i < contest->n_claims; i++) {
		const struct billingaccountbinding *binding = contest->claims[i].binding;
		if (bar(contest, &contest->claims[i]))
			continue;
		rivals |= best && best->meta.ns != binding->meta.ns;
		best = binding;
	}
	if (!rivals) /* nearly always */
		return best ? best->meta.ns : NULL;

	struct tenure best_tenure = tenure_of(contest, best);
	for (size_t i = 0; i < contest->n_claims; i++) {
		const struct billingaccountbinding *binding = contest->claims[i].binding;
		if (bar(contest, &contest->claims[i]))
			continue;
		struct tenure tenure = tenure_of(contest, binding);
		if (outranks(tenure, binding->meta.ns, best_tenure, best->meta.ns)) {
			best = binding;
			best_tenure = tenure;
		}
	}
	return best->meta.ns;
}

/* Does a beat b, both of the namespace that holds the project? */
static bool beats(enum rebind rebind, const struct billingaccountbinding *a, const struct billingaccountbinding *b)
{
	bool a_active = a->status.phase == BINDING_ACTIVE, b_active = b->status.phase == BINDING_ACTIVE;
	bool newer = a->meta.created != b->meta.created ? a->meta.created > b->meta.created
							: strcmp(a->meta.name->text, b->meta.name->text) > 0;

	if (rebind == REBIND_SUPERSEDE)
		return newer;
	return a_active != b_active ? a_active : !newer;
}

const struct claim *contest_winner(const struct contest *contest)
{
	atom_t ns = holder(contest);
	const struct claim *winner = NULL;

	for (size_t i = 0; ns && i < contest->n_claims; i++) {
		const struct claim *claim = &contest->claims[i];
		if (claim->binding->meta.ns != ns || bar(contest, claim))
			continue;
		if (!winner || beats(contest->rebind, claim->binding, winner->binding))
			winner = claim;
	}
	return winner;
}

enum standing contest_judge(const struct contest *contest, const struct claim *winner, const struct claim *claim)
{
	enum standing barred = bar(contest, claim);

	/* Active ends in no other way than by giving way to a winner, wherever that one is. */
	if (winner && claim != winner && claim->binding->status.phase == BINDING_ACTIVE)
		return STANDING_SUPERSEDED;
	if (barred)
		return barred;
	if (claim == winner)
		return STANDING_WINS;
	if (contest->rebind == REBIND_SUPERSEDE && claim->binding->meta.ns == winner->binding->meta.ns)
		return STANDING_SUPERSEDED;
	return STANDING_CLAIMED_ELSEWHERE;
}

enum standing contest_standing(const struct contest *contest, const struct claim *claim)
{
	return contest_judge(contest, contest_winner(contest), claim);
}

static bool claim_before(const struct claim *a, const struct claim *b)
{
	int order = strcmp(a->binding->meta.ns->text, b->binding->meta.ns->text);
	return order ? order < 0 : strcmp(a->binding->meta.name->text, b->binding->meta.name->text) < 0;
}

/* Shell's sort: in place, short, and good for the few claims that a project has as for thousands. */
static void sort_claims(struct claim *claims, size_t n)
{
	for (size_t gap = n / 2; gap; gap = gap == 2 ? 1 : gap * 5 / 11)
		for (size_t i = gap; i < n; i++) {
			struct claim moving = claims[i];
			size_t at = i;
			for (; at >= gap && claim_before(&moving, &claims[at - gap]); at -= gap)
				claims[at] = claims[at - gap];
			claims[at] = moving;
		}
}

static void gather_organizations(struct contest *contest, const struct view *view, atom_t project, struct arena *arena)
{
	struct postings namespaces = view_find(view, KIND_NAMESPACE, NAMESPACE_BY_PROJECT, NULL, project);
	atom_t *sorted = arena_array(arena, atom_t, namespaces.n);
	size_t n = 0;

	for (size_t i = 0; i < namespaces.n; i++) {
		const struct namespace *namespace = postings_object(&namespaces, i);
		if (!namespace->organization)
			continue;
		size_t at = n++; /* a project has one namespace, or few */
		for (; at && strcmp(namespace->organization->text, sorted[at - 1]->text) < 0; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = namespace->organization;
	}
	contest->organizations = sorted;
	contest->n_organizations = n;
}

struct contest contest_gather(const struct view *view, atom_t project, struct arena *arena)
{
	struct contest contest = { .rebind = view_settings(view)->rebind };

	if (!project)
		return contest;
	struct postings bindings = view_find(view, KIND_BINDING, BINDING_BY_PROJECT, NULL, project);
	struct claim *claims = arena_array(arena, struct claim, bindings.n);
	for (size_t i = 0; i < bindings.n; i++) {
		const struct billingaccountbinding *binding = postings_object(&bindings, i);
		const struct namespace *namespace = view_get(view, KIND_NAMESPACE, NULL, binding->meta.ns);
		atom_t account = binding->spec.account;
		claims[i] = (struct claim){
			.binding = binding,
			.account = account ? view_get(view, KIND_BILLINGACCOUNT, binding->meta.ns, account) : NULL,
			.organization = namespace ? namespace->organization : NULL,
			.unsettled = view_unsettled(view, KIND_BINDING, binding->meta.ns, binding->meta.name),
		};
	}
	sort_claims(claims, bindings.n);
	contest.claims = claims;
	contest.n_claims = bindings.n;
	gather_organizations(&contest, view, project, arena);
	return contest;
}
