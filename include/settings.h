/* What an operator chooses and decisions depend on. Fixed for the life of the process. */
#ifndef TOLLGATE_SETTINGS_H
#define TOLLGATE_SETTINGS_H

#include <stdbool.h>

enum rebind { REBIND_SUPERSEDE = 0, REBIND_REJECT };

struct settings {
	enum rebind rebind;
	bool sandbox;              /* the sandbox payment provider is on */
	const char *project_label; /* label key that makes a Namespace a project's */
};

#define PROJECT_LABEL_DEFAULT "resourcemanager.miloapis.com/project-name"
#define ORGANIZATION_LABEL "resourcemanager.miloapis.com/organization-name"

#endif
