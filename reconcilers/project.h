/* Who pays for a project, and may it deploy? The contest and the gate joined, for all who show the answer. */
#ifndef TOLLGATE_PROJECT_H
#define TOLLGATE_PROJECT_H

#include "gate.h"
#include "view.h"

struct project_facts {
	struct contest contest;
	const struct payment_means *means; /* for each claim, of its account; empty for history */
};

struct project_verdict {
	const struct claim *winner; /* NULL when nobody pays */
	struct deploy_verdict deploy;
};

struct project_facts project_gather(const struct view *, atom_t project, struct arena *);
struct project_verdict project_judge(const struct project_facts *, instant_t now, struct arena *);

#endif
