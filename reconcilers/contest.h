/* The contest of bindings as reconcilers use it: gate.h, and what costs less when the winner is known already. */
#ifndef TOLLGATE_CONTEST_H
#define TOLLGATE_CONTEST_H

#include "gate.h"
#include "view.h"

/* All claims on a project, sorted by (namespace, name), and the organizations of its namespaces, sorted. */
struct contest contest_gather(const struct view *, atom_t project, struct arena *);

/* Does it take a new binding on? It is Ready, and neither being deleted nor to be closed. */
bool account_takes_bindings(const struct billingaccount *);

/* contest_standing() for callers that ask for many claims: winner is what contest_winner() said. */
enum standing contest_judge(const struct contest *, const struct claim *winner, const struct claim *);

#endif
