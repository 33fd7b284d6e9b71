/*
 * May projects of an account deploy? One pure verdict from specs and from facts that others own, shared by bindings and
 * ProjectBillings, so that one event moves both at once. Knows neither. What cannot be determined is not allowed.
 */
#include "gate.h"

#include "payment.h"

/* What is looked at, and room for words. */
struct question {
	const char *name;
	const struct billingaccount *account;
	struct payment_verdict payment;
	struct arena *arena;
};

typedef bool deploy_rule(const struct question *, struct deploy_verdict *);

static bool account_missing(const struct question *ask, struct deploy_verdict *verdict)
{
	if (ask->account)
		return false;
	verdict->reason = DEPLOY_ACCOUNT_NOT_READY;
	verdict->message = arena_printf(ask->arena, "billing account \"%s\" was not found", ask->name);
	return true;
}

static bool account_deleting(const struct question *ask, struct deploy_verdict *verdict)
{
	if (!ask->account->meta.deleted)
		return false;
	verdict->reason = DEPLOY_ACCOUNT_DELETING;
	verdict->message = arena_printf(ask->arena, "billing account \"%s\" is being deleted (current phase: %s)", ask->name,
					account_phase_name(account_phase(ask->account)));
	return true;
}

static bool account_suspended(const struct question *ask, struct deploy_verdict *verdict)
{
	const struct account_suspension *suspension = ask->account->status.suspension;
	const char *why = suspension && suspension->reason ? suspension->reason : "";

	if (account_phase(ask->account) != ACCOUNT_SUSPENDED)
		return false;
	verdict->reason = DEPLOY_ACCOUNT_SUSPENDED;
	verdict->message = arena_printf(ask->arena, "billing account \"%s\" is suspended (current phase: Suspended)%s%s", ask->name,
					*why ? ": " : "", why);
	return true;
}

static bool account_not_ready(const struct question *ask, struct deploy_verdict *verdict)
{
	enum account_phase phase = account_phase(ask->account);

	if (phase == ACCOUNT_READY)
		return false;
	verdict->reason = DEPLOY_ACCOUNT_NOT_READY;
	verdict->message = arena_printf(ask->arena, "billing account \"%s\" is not ready (current phase: %s)", ask->name,
					account_phase_name(phase));
	return true;
}

static bool method_required(const struct question *ask, struct deploy_verdict *verdict)
{
	if (ask->payment.ready || ask->payment.method.standing != DEFAULT_METHOD_NOT_CONFIGURED)
		return false;
	verdict->reason = DEPLOY_PAYMENT_METHOD_REQUIRED;
	verdict->message = "payment method required before deploy";
	return true;
}

static bool method_not_usable(const struct question *ask, struct deploy_verdict *verdict)
{
	if (ask->payment.ready)
		return false;
	verdict->reason = DEPLOY_PAYMENT_METHOD_NOT_USABLE;
	verdict->message = ask->payment.method.message;
	return true;
}

/* By precedence; each may rely on those before it not having applied. */
static deploy_rule *const rules[] = { account_missing,   account_deleting, account_suspended,
				      account_not_ready, method_required,  method_not_usable };

struct deploy_verdict deploy_judge(atom_t account_name, const struct billingaccount *account, const struct payment_means *means,
				   instant_t now, struct arena *arena)
{
	struct question ask = { .name = atom_text(account_name), .account = account, .arena = arena };
	struct deploy_verdict verdict = { .reason = DEPLOY_ALLOWED, .message = "" };

	if (account)
		ask.payment = payment_judge(account, means, now, arena);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i](&ask, &verdict))
			return verdict;
	return verdict;
}

const char *deploy_reason_name(enum deploy_reason reason)
{
	static const char *const names[] = {
		[DEPLOY_ALLOWED] = "Allowed",
		[DEPLOY_NO_BINDING] = "NoBinding",
		[DEPLOY_PAYMENT_METHOD_REQUIRED] = "PaymentMethodRequired",
		[DEPLOY_PAYMENT_METHOD_NOT_USABLE] = "PaymentMethodNotUsable",
		[DEPLOY_ACCOUNT_NOT_READY] = "AccountNotReady",
		[DEPLOY_ACCOUNT_SUSPENDED] = "AccountSuspended",
		[DEPLOY_ACCOUNT_DELETING] = "AccountDeleting",
	};
	return names[reason];
}
