/*
 * The rules of the domain once more, from its description alone: who pays for a project, may it deploy. It reads the objects as
 * people see them and shares nothing with the code under test. Where the description leaves something open it says so, and nothing is checked.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "apiserver.h"

struct verdict {
	const struct stored *binding; /* that pays; NULL: none */
	bool open;          /* the description does not decide it */
	bool allowed;
	const char *reason; /* NULL = one of several, all of them refusals */
};

/* Of a project as seen from one of its namespaces. */
struct verdict model_verdict(const struct apiserver *, const struct stored *room, instant_t now);
/* Which binding of a namespace must be Active for a project: NULL, none. *open: the description does not decide it. */
const struct stored *model_winner(const struct apiserver *, const char *ns, const char *project, bool *open);
/* Was there ever a binding that this one had to give way to: newer and of its namespace, or of another one, which
 * only organizations that move can bring about? */
bool model_gave_way(const struct apiserver *, const struct stored *binding, bool elsewhere);
/* "" = the namespace is no project's. */
const char *model_project(const struct stored *room);

#endif
