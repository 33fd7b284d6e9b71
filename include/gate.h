/*
 * The two verdicts that several kinds share, as pure functions of specs and of facts that others own:
 * who pays for a project (the contest of bindings), and may it deploy (the gate).
 */
#ifndef TOLLGATE_GATE_H
#define TOLLGATE_GATE_H

#include "billingaccount.h"
#include "billingaccountbinding.h"
#include "billingarrangement.h"
#include "paymentmethod.h"
#include "settings.h"

/* One binding of a project, with what its standing depends on. */
struct claim {
	const struct billingaccountbinding *binding;
	const struct billingaccount *account; /* NULL if there is none */
	atom_t organization;                  /* label of the binding's namespace, or NULL */
	bool unsettled;                       /* a write under way may make it Active (view_unsettled) */
};

/* All that one project's contest depends on. gather sorts claims by (namespace, name). */
struct contest {
	const struct claim *claims;
	size_t n_claims;
	const atom_t *organizations; /* labels of the project's namespaces, NULLs left out */
	size_t n_organizations;
	enum rebind rebind;
};

enum standing {
	STANDING_WINS = 1,
	STANDING_SUPERSEDED,       /* a newer eligible sibling wins, or it is history already */
	STANDING_ACCOUNT_NOT_FOUND,
	STANDING_ACCOUNT_NOT_READY, /* not Ready, or to be deleted or closed */
	STANDING_OTHER_ORGANIZATION,
	STANDING_CLAIMED_ELSEWHERE, /* another namespace holds the project; or rebind is Reject and one is Active */
	STANDING_LEAVING,           /* the binding itself is being deleted and was never Active */
};

/* The winning claim, or NULL. */
const struct claim *contest_winner(const struct contest *);
/* Where one claim of the contest stands. */
enum standing contest_standing(const struct contest *, const struct claim *);

enum deploy_reason {
	DEPLOY_ALLOWED = 1,
	DEPLOY_NO_BINDING,
	DEPLOY_PAYMENT_METHOD_REQUIRED,
	DEPLOY_PAYMENT_METHOD_NOT_USABLE,
	DEPLOY_ACCOUNT_NOT_READY,
	DEPLOY_ACCOUNT_SUSPENDED,
	DEPLOY_ACCOUNT_DELETING,
};

struct deploy_verdict {
	enum deploy_reason reason;
	const char *message; /* "" when allowed; static or from the arena */
};

/* What an account could pay by. */
struct payment_means {
	const struct paymentmethod *method; /* what spec.defaultPaymentMethodRef names; NULL if there is none of that name */
	const struct billingarrangement *const *arrangements; /* all that name the account, in any order */
	size_t n_arrangements;
};

/* May projects of this account deploy? account NULL = not found (its name is still named). */
struct deploy_verdict deploy_judge(atom_t account_name, const struct billingaccount *account, const struct payment_means *,
				   instant_t now, struct arena *);
const char *deploy_reason_name(enum deploy_reason);

#endif
