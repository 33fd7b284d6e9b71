/*
 * The verdict on a project: who pays for it (contest.c), may it deploy (gate.c), and if nobody pays, why. Knows no status and no label.
 * Invariant: names nothing of another organization.
 */
#include "project.h"

#include <string.h>

#include "billingaccountbinding_inputs.h"
#include "contest.h"
#include "payment.h"

#define NO_BINDING "billing account required before deploy"

static bool newer(const struct billingaccountbinding *a, const struct billingaccountbinding *b)
{
	if (a->meta.created != b->meta.created)
		return a->meta.created > b->meta.created;
	int order = strcmp(a->meta.name->text, b->meta.name->text);
	return order ? order > 0 : strcmp(a->meta.ns->text, b->meta.ns->text) > 0;
}

/* Nobody pays. Where someone tried, say what is in the way: of the newest that may be named, else without names. */
static const char *no_binding_message(const struct contest *contest, struct arena *arena)
{
	const struct claim *tried = NULL;
	bool foreign = false;

	for (size_t i = 0; i < contest->n_claims; i++) {
		const struct claim *claim = &contest->claims[i];
		enum standing standing = contest_judge(contest, NULL, claim);
		foreign |= standing == STANDING_OTHER_ORGANIZATION;
		if (standing != STANDING_ACCOUNT_NOT_FOUND && standing != STANDING_ACCOUNT_NOT_READY)
			continue;
		if (!tried || newer(claim->binding, tried->binding))
			tried = claim;
	}
	if (tried)
		return arena_printf(arena, NO_BINDING ": binding \"%s\" in \"%s\": %s", tried->binding->meta.name->text,
				    tried->binding->meta.ns->text, claim_obstacle(tried, arena));
	if (foreign)
		return NO_BINDING ": a binding was made from another organization than the project's";
	return NO_BINDING;
}

struct project_verdict project_judge(const struct project_facts *facts, instant_t now, struct arena *arena)
{
	struct project_verdict verdict = { .winner = contest_winner(&facts->contest), .deploy = { .reason = DEPLOY_NO_BINDING } };

	if (verdict.winner)
		verdict.deploy = deploy_judge(verdict.winner->binding->spec.account, verdict.winner->account,
					      &facts->means[verdict.winner - facts->contest.claims], now, arena);
	else
		verdict.deploy.message = no_binding_message(&facts->contest, arena);
	return verdict;
}

struct project_facts project_gather(const struct view *view, atom_t project, struct arena *arena)
{
	struct project_facts facts = { .contest = contest_gather(view, project, arena) };
	struct payment_means *means = arena_array(arena, struct payment_means, facts.contest.n_claims);

	for (size_t i = 0; i < facts.contest.n_claims; i++) {
		const struct claim *claim = &facts.contest.claims[i];
		if (claim->binding->status.phase != BINDING_SUPERSEDED)
			means[i] = payment_gather(view, claim->account, arena);
	}
	facts.means = means;
	return facts;
}
