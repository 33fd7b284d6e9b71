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
#include <sys/resource.h>
#include <unistd.h>

#include "certkeeper.h"
#include "health.h"
#include "http.h"
#include "identity.h"
#include "loop.h"
#include "manager.h"
#include "memory.h"
#include "options.h"
#include "review.h"
#include "server.h"
#include "webhook.h"

#ifndef TOLLGATE_VERSION
#define TOLLGATE_VERSION "dev"
#endif

/* Of what deploy/base/webhooks.yaml installs. */
#define WEBHOOK_NAME "tollgate-webhook" /* Service and Secret */
#define WEBHOOK_CONFIGURATIONS "tollgate"
#define NAMESPACE_DEFAULT "tollgate-system"

enum { EXIT_USAGE = 2, DRAIN_MS = 30000, DESCRIPTORS_MAX = 65536 };

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
	struct server *health_server, *metrics_server, *webhook_server;
	struct webhook *webhook;   /* NULL: off */
	struct certkeeper *certs;
	int64_t stop_by; /* monotonic; 0 = running */
	int exit_code;
};

/* The shorter of two waits, of which a negative one is none. */
static int64_t shorter(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Reviews too: with failurePolicy Fail each that is cut off is somebody's write refused. */
static bool is_idle(const struct program *p)
{
	return manager_is_idle(&p->manager) && (!p->webhook || !webhook_stats(p->webhook)->in_flight);
}

static int64_t drain(void *context)
{
	struct program *p = context;
	int64_t wait = manager_drain(&p->manager), left;

	if (p->certs)
		wait = shorter(wait, certkeeper_tick(p->certs));

	if (p->manager.failed) {
		p->exit_code = EXIT_FAILURE;
		loop_stop(p->loop);
		return -1;
	}
	loop_wake_at(p->loop, manager_wakes_at(&p->manager));
	if (!p->stop_by)
		return wait;
	left = p->stop_by - loop_monotonic_ms();
	if (!is_idle(p) && left > 0)
		return shorter(wait, left);
	if (!is_idle(p))
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
static int open_server(struct program *p, const char *flag, const char *address,
		       bool (*handle)(void *, const struct server_request *, struct exchange *, struct server_reply *),
		       struct server **server, struct error *err)
{
	const struct server_handler handler = { .context = &p->health, .handle = handle };

	if (strcmp(address, "0") == 0)
		return 0;
	*server = server_new(p->loop, address, false, &handler, err);
	return *server ? 0 : error_wrap(err, "%s", flag);
}

/* ---- admission ---- */

static void serve_certificate(void *context, const char *chain_pem, const char *key_pem)
{
	struct program *p = context;
	struct error err = { 0 };
	struct tls_identity *identity = tls_identity_new(chain_pem, key_pem, &err);

	if (!identity) {
		log_error(&p->log, "the webhook's certificate cannot be used", "error", err.message);
		return;
	}
	server_set_identity(p->webhook_server, identity);
	log_info(&p->log, "admission webhook serves a certificate", "address", p->options.webhook_bind_address, "from",
		 p->options.webhook_cert_dir ? p->options.webhook_cert_dir : "Secret " WEBHOOK_NAME);
}

/* Where Tollgate itself is at home. */
static const char *own_namespace(const struct program *p)
{
	const char *pod = getenv("POD_NAMESPACE");

	if (pod && *pod)
		return pod;
	return strcmp(p->cluster.source, "in-cluster") == 0 ? p->cluster.ns : NAMESPACE_DEFAULT;
}

/* All of admission but its port. */
static int prepare_webhook(struct program *p, struct error *err)
{
	const struct options *o = &p->options;

	if (strcmp(o->webhook_bind_address, "0") == 0)
		return 0;
	p->webhook = webhook_new(&(struct webhook_config){ .port = &p->port,
							   .cache = p->manager.cache,
							   .codec = p->manager.codec,
							   .atoms = p->manager.atoms,
							   .log = &p->log,
							   .synced = &p->manager.synced,
							   .answer = server_answer });
	p->certs = certkeeper_new(&(struct certkeeper_config){ .port = &p->port,
							       .log = &p->log,
							       .dir = o->webhook_cert_dir,
							       .ns = own_namespace(p),
							       .secret = WEBHOOK_NAME,
							       .service = WEBHOOK_NAME,
							       .url = o->webhook_url,
							       .webhooks = WEBHOOK_CONFIGURATIONS,
							       .leaf_lifetime_ms = o->webhook_cert_lifetime_s * 1000 },
				  serve_certificate, p, err);
	return p->certs ? 0 : -1;
}

static int open_webhook(struct program *p, struct error *err)
{
	const struct server_handler handler = { .context = p->webhook, .handle = webhook_handle, .body_max = REVIEW_BYTES_MAX };

	if (!p->webhook)
		return 0;
	p->webhook_server = server_new(p->loop, p->options.webhook_bind_address, true, &handler, err);
	p->health.webhook = p->webhook;
	p->health.webhook_server = p->webhook_server;
	p->health.certs = p->certs;
	return p->webhook_server ? 0 : error_wrap(err, "--webhook-bind-address");
}

/* Each idle connection to the webhook holds one; the usual soft limit of 1024 is for programs that use select(2). */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
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
	return prepare_webhook(p, err);
}

static int run(struct program *p)
{
	struct error err = { 0 };

	if (start(p, &err) < 0) {
		log_error(&p->log, "cannot start", "error", err.message);
		return EXIT_USAGE;
	}
	if (open_server(p, "--health-probe-bind-address", p->options.health_probe_bind_address, health_handle, &p->health_server, &err) < 0 ||
	    open_server(p, "--metrics-bind-address", p->options.metrics_bind_address, metrics_handle, &p->metrics_server, &err) < 0 ||
	    open_webhook(p, &err) < 0) {
		log_error(&p->log, "cannot serve", "error", err.message);
		return EXIT_FAILURE;
	}
	loop_on_drain(p->loop, drain, p);
	loop_on_signal(p->loop, SIGINT, on_signal, p);
	loop_on_signal(p->loop, SIGTERM, on_signal, p);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
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
	server_free(p->webhook_server); /* first, as it drops what is under way */
	webhook_free(p->webhook);
	certkeeper_free(p->certs);
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
