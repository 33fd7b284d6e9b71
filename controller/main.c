/*
 * The program: flags, the order of start and stop (health first, then caches, then deciding; the other way round to
 * stop), signals, exit codes. The only file that knows all parts.
 *
 * Exit codes: 0 stopped by a signal after finishing what was under way; 1 could not go on (the log says why) or was told twice to
 * stop; 2 wrong flags, configuration or kubeconfig.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "health.h"
#include "http.h"
#include "loop.h"
#include "manager.h"
#include "memory.h"
#include "options.h"
#include "server.h"

#ifndef TOLLGATE_VERSION
#define TOLLGATE_VERSION "dev"
#endif

enum { EXIT_USAGE = 2, DRAIN_MS = 30000 };

struct program {
	struct options options;
	struct log log;
	struct cluster_config cluster;
	struct settings settings;
	struct loop *loop;
	struct http *http;
	struct port port;
	struct manager manager;
	struct health health;
	struct server *health_server, *metrics_server;
	int64_t stop_by; /* monotonic; 0 = running */
	int exit_code;
};

static int64_t drain(void *context)
{
	struct program *p = context;
	int64_t wait = manager_drain(&p->manager), left;

	if (p->manager.failed) {
		p->exit_code = EXIT_FAILURE;
		loop_stop(p->loop);
		return -1;
	}
	loop_wake_at(p->loop, manager_wakes_at(&p->manager));
	if (!p->stop_by)
		return wait;
	left = p->stop_by - loop_monotonic_ms();
	if (!manager_is_idle(&p->manager) && left > 0)
		return left;
	if (!manager_is_idle(&p->manager))
		log_warn(&p->log, "requests under way did not end in time and are cut off");
	loop_stop(p->loop);
	return -1;
}

static void on_signal(void *context, int signum)
{
	struct program *p = context;

	if (p->stop_by) {
		log_warn(&p->log, "told twice to stop: leaving at once");
		_exit(EXIT_FAILURE);
	}
	log_info(&p->log, "stopping: finishing requests under way", "signal", signum == SIGINT ? "SIGINT" : "SIGTERM");
	p->health.stopping = true;
	manager_stop(&p->manager);
	p->stop_by = loop_monotonic_ms() + DRAIN_MS;
}

/* "0" turns an address off. */
static int open_server(struct program *p, const char *address,
		       bool (*handle)(void *, const struct server_request *, struct exchange *, struct server_reply *),
		       struct server **server, struct error *err)
{
	const struct server_handler handler = { .context = &p->health, .handle = handle };

	if (strcmp(address, "0") == 0)
		return 0;
	*server = server_new(p->loop, address, false, &handler, err);
	return *server ? 0 : -1;
}

static int start(struct program *p, struct error *err)
{
	char agent[128];
	const struct options *o = &p->options;

	if (cluster_config_load(&p->cluster, o->kubeconfig, o->context, err) < 0)
		return -1;
	p->settings = (struct settings){ .rebind = o->rebind, .sandbox = o->sandbox, .project_label = o->project_label };
	p->loop = loop_new();
	snprintf(agent, sizeof(agent), "tollgate/%s", TOLLGATE_VERSION);
	p->http = http_new(p->loop, &p->cluster, agent, err);
	if (!p->http)
		return -1;
	p->port = http_port(p->http);
	manager_init(&p->manager, &(struct manager_config){
					  .port = &p->port,
					  .settings = &p->settings,
					  .log = &p->log,
					  .ns = o->ns,
					  .source = p->cluster.server,
					  .max_concurrent_writes = (unsigned)o->max_concurrent_writes,
					  .cache_sync_timeout_ms = o->cache_sync_timeout_s * 1000,
				  });
	p->health = (struct health){ .manager = &p->manager, .http = p->http };
	return 0;
}

static int run(struct program *p)
{
	struct error err = { 0 };

	if (start(p, &err) < 0) {
		log_error(&p->log, "cannot start", "error", err.message);
		return EXIT_USAGE;
	}
	if (open_server(p, p->options.health_probe_bind_address, health_handle, &p->health_server, &err) < 0 ||
	    open_server(p, p->options.metrics_bind_address, metrics_handle, &p->metrics_server, &err) < 0) {
		log_error(&p->log, "cannot serve", "error", err.message);
		return EXIT_FAILURE;
	}
	loop_on_drain(p->loop, drain, p);
	loop_on_signal(p->loop, SIGINT, on_signal, p);
	loop_on_signal(p->loop, SIGTERM, on_signal, p);
	signal(SIGPIPE, SIG_IGN);
	log_info(&p->log, "starting", "version", TOLLGATE_VERSION, "server", p->cluster.server, "configuration", p->cluster.source);
	if (p->options.leader_elect)
		log_warn(&p->log, "--leader-elect is accepted but not in this version: run one replica");
	manager_start(&p->manager);
	loop_run(p->loop);
	log_info(&p->log, "stopped");
	return p->exit_code;
}

static void stop(struct program *p)
{
	if (p->manager.cache)
		manager_close(&p->manager);
	server_free(p->metrics_server);
	server_free(p->health_server);
	http_free(p->http);
	loop_free(p->loop);
	cluster_config_close(&p->cluster);
	options_close(&p->options);
}

int main(int argc, char **argv)
{
	struct program *p = memory_alloc(sizeof(*p));
	struct error err = { 0 };
	int code = EXIT_SUCCESS;

	switch (options_parse(&p->options, argc, argv, stdout, &err)) {
	case OPTIONS_RUN:
		p->log = (struct log){ .fd = STDERR_FILENO, .level = p->options.log_level, .format = p->options.log_format,
				       .colour = isatty(STDERR_FILENO) && !getenv("NO_COLOR") };
		code = run(p);
		stop(p);
		break;
	case OPTIONS_EXIT:
		options_close(&p->options);
		break;
	case OPTIONS_ERROR:
		fprintf(stderr, "tollgate: %s\n", err.message);
		options_close(&p->options);
		code = EXIT_USAGE;
		break;
	}
	free(p);
	return code;
}
