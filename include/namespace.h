/*
 * Namespace, as far as billing looks at it: which project it belongs to, and which organization; and the mark on it that the API
 * server's admission policies read (deploy/gate): may workloads be created in it?
 */
#ifndef TOLLGATE_NAMESPACE_H
#define TOLLGATE_NAMESPACE_H

#include "object.h"

#define DEPLOY_LABEL "billing.miloapis.com/deploy" /* "allowed" or "blocked"; on projects' namespaces only */
#define DEPLOY_ALLOWED_VALUE "allowed"
#define DEPLOY_BLOCKED_VALUE "blocked"
#define DEPLOY_MESSAGE_ANNOTATION "billing.miloapis.com/deploy-message" /* why it is blocked, in one line */

struct namespace {
	struct object meta;
	atom_t project;      /* label settings.project_label; NULL = no project's namespace */
	atom_t organization; /* label ORGANIZATION_LABEL */
	const char *deploy, *deploy_message; /* DEPLOY_LABEL, DEPLOY_MESSAGE_ANNOTATION */
};

enum namespace_index { NAMESPACE_BY_PROJECT /* (NULL, project) */, NAMESPACE_INDEXES };

#endif
