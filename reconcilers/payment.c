/*
 * Judges how an account pays: by an arrangement in force, else by its default payment method. Knows no conditions and no gate; both
 * are made from what it says. Invariant: the same verdict in whatever order the arrangements come.
 */
#include "payment.h"

#include <string.h>

#include "owner.h"

instant_t sooner_of(instant_t a, instant_t b)
{
	return !a || (b && b < a) ? b : a;
}

bool arrangement_precedes(const struct billingarrangement *a, const struct billingarrangement *b)
{
	instant_t a_starts = arrangement_starts_at(a), b_starts = arrangement_starts_at(b);

	if (a_starts != b_starts)
		return a_starts < b_starts;
	if (a->meta.created != b->meta.created)
		return a->meta.created < b->meta.created;
	return strcmp(a->meta.name->text, b->meta.name->text) < 0;
}

static void keep_first(const struct billingarrangement **kept, const struct billingarrangement *other)
{
	if (!*kept || arrangement_precedes(other, *kept))
		*kept = other;
}

static void keep_last_to_end(const struct billingarrangement **kept, const struct billingarrangement *other)
{
	if (!*kept || other->spec.ends_at > (*kept)->spec.ends_at ||
	    (other->spec.ends_at == (*kept)->spec.ends_at && arrangement_precedes(*kept, other)))
		*kept = other;
}

static void judge_arrangement(struct payment_verdict *verdict, const struct billingarrangement *one, instant_t now)
{
	enum arrangement_phase phase = arrangement_phase(one, now);

	verdict->until = sooner_of(verdict->until, arrangement_turns_at(one, now));
	if (phase == ARRANGEMENT_ENDED)
		keep_last_to_end(&verdict->ended, one);
	else
		keep_first(phase == ARRANGEMENT_ACTIVE ? &verdict->in_force : &verdict->scheduled, one);
}

struct payment_verdict payment_judge(const struct billingaccount *account, const struct payment_means *means, instant_t now,
				     struct arena *arena)
{
	struct payment_verdict verdict = { .method = default_method_judge(account, means->method, now, arena) };

	verdict.until = verdict.method.until;
	for (size_t i = 0; i < means->n_arrangements; i++) {
		const struct billingarrangement *one = means->arrangements[i];
		/* One that is being deleted is withdrawn; a type of a later version grants nothing that we know of. */
		if (!one->meta.deleted && one->spec.type == ARRANGEMENT_INVOICE && owned_by(&one->meta, &one->owners, account))
			judge_arrangement(&verdict, one, now);
	}
	verdict.ready = verdict.in_force || verdict.method.standing == DEFAULT_METHOD_READY;
	return verdict;
}

struct payment_means payment_gather(const struct view *view, const struct billingaccount *account, struct arena *arena)
{
	struct payment_means means = { 0 };

	if (!account)
		return means;
	if (account->spec.default_payment_method)
		means.method = view_get(view, KIND_PAYMENTMETHOD, account->meta.ns, account->spec.default_payment_method);
	struct postings found =
		view_find(view, KIND_BILLINGARRANGEMENT, ARRANGEMENT_BY_ACCOUNT, account->meta.ns, account->meta.name);
	const struct billingarrangement **arrangements = arena_array(arena, const struct billingarrangement *, found.n);
	for (size_t i = 0; i < found.n; i++)
		arrangements[i] = postings_object(&found, i);
	means.arrangements = arrangements;
	means.n_arrangements = found.n;
	return means;
}
