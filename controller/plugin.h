/*
 * Runs a credential plugin (kubeconfig's exec) in the loop: at most one process at a time, which blocks nothing, says no more than fits,
 * and ends: within a minute or with its whole process group killed. What it printed is given to the caller alone; what it says on its
 * stderr becomes log lines, since that is where people are asked to log in. When to run it is auth.h's business.
 */
#ifndef TOLLGATE_PLUGIN_H
#define TOLLGATE_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "error.h"
#include "log.h"
#include "loop.h"

enum { PLUGIN_TIMEOUT_MS = 60 * 1000 };

struct plugin;

struct plugin_config {
	struct loop *loop;
	struct log *log;
	const struct exec_config *exec;
	int timeout_ms;
	/* Once for each run, never from within plugin_run. err NULL: it ended well, and out is all that it printed; wiped after the call.
	 * Else ERROR_RETRY: "exec plugin <command>: <what happened>[: <installHint>]". May run it again. */
	void (*done)(void *context, const char *out, size_t len, const struct error *err);
	void *context;
};

/* All that the config points to is borrowed. ERROR_INVALID: it wants a terminal, and our stdin is none. */
struct plugin *plugin_new(const struct plugin_config *, struct error *) must_check;
/* Kills what runs; without callback. */
void plugin_free(struct plugin *);

/* exec_info: for KUBERNETES_EXEC_INFO; copied. Not while it runs. */
void plugin_run(struct plugin *, const char *exec_info);
bool plugin_runs(const struct plugin *);
/* Does it get our stdin? */
bool plugin_interactive(const struct plugin *);
/* "exec plugin <command>: <err>[: <installHint>]": for what is wrong with what it printed. -1. */
int plugin_blame(const struct plugin *, struct error *err);

#endif
