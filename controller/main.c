/*
 * The program: flags, the order of start and stop, signals, exit codes. The only file that knows all parts.
 *
 * Start: health, metrics and admission answer first, then caches fill, then one replica is elected and decides. Stop: readiness fails
 * first; what is under way ends, then events are sent, then the Lease is given back, each within its time; the addresses close last.
 *
 * Exit codes: 0 stopped by a signal after finishing what was under way; 1 could not go on (the log says why), lost the leadership, or was
 * told twice to stop; 2 wrong flags, configuration or kubeconfig.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "health.h"
#include "identity.h"
#include "listen.h"
#include "memory.h"
#include "metrics.h"
#include "options.h"
#include "parts.h"
#include "review.h"
#include "reviewer.h"
#include "selfsigned.h"
#include "stopwatch.h"

#ifndef TOLLGATE_VERSION
#define TOLLGATE_VERSION "dev"
#endif

/* Of what deploy/base/webhooks.yaml installs. */
#define WEBHOOK_NAME "tollgate-webhook" /* Service and Secret */
#define WEBHOOK_CONFIGURATIONS "tollgate"
#define NAMESPACE_DEFAULT "tollgate-system"

enum { EXIT_USAGE = 2, DESCRIPTORS_MAX = 65536, HOST_SIZE = 65 /* Linux's longest, with its NUL */ };

struct program {
	struct options options;
	struct log log;
	struct cluster_config cluster;
	struct settings settings;
	struct loop *loop;
	struct http *http;
	struct port port;
	struct port writers; /* the same, but what writes passes only while this process leads */
	char host[HOST_SIZE], identity[HOST_SIZE + 40];  /* "hostname_uuid" */
	struct elector *elector; /* NULL: it always leads */
	struct recorder *recorder;
	struct manager manager;
	struct parts parts;
	struct server *health_server, *metrics_server, *webhook_server;
	struct webhook *webhook;   /* NULL: off */
	struct certkeeper *certs;
	struct reviewer *reviewer;          /* of who may read metrics; NULL: everybody */
	struct selfsigned *metrics_certs;   /* NULL: without TLS */
	unsigned stop_step;  /* which of stop_steps is waited for, from 1; 0 = running */
	bool cut_off;        /* a write of ours may still be on its way */
	int64_t step_by, linger_until; /* monotonic */
	int exit_code;
};

/* The shorter of two waits, of which a negative one is none. */
static int64_t shorter(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static bool leads(void *context)
{
	struct program *p = context;

	return !p->stop_step && (!p->elector || elector_leads(p->elector));
}

/* ---- the way down ---- */

/* Reviews too: with failurePolicy Fail each that is cut off is somebody's write refused. */
static bool requests_ended(const struct program *p)
{
	return manager_is_idle(&p->manager) && (!p->webhook || !webhook_stats(p->webhook)->in_flight) &&
	       (!p->certs || !certkeeper_is_writing(p->certs));
}

static bool events_sent(const struct program *p)
{
	return recorder_is_idle(p->recorder);
}

/* Clients are still sent to these ports until all have heard that it is not ready any more. */
static bool has_lingered(const struct program *p)
{
	return loop_monotonic_ms() >= p->linger_until;
}

static bool lease_given_back(const struct program *p)
{
	return !p->elector || p->cut_off || elector_released(p->elector);
}

/* In this order, as whoever leads next must not meet a write of ours, and waits for the Lease. Together less than the Deployment's grace period. */
static const struct {
	bool (*done)(const struct program *);
	int64_t ms;
	const char *late;
} stop_steps[] = {
	{ requests_ended, 30000, "requests under way did not end in time and are cut off; the lease is left to run out" },
	{ events_sent, 2000, "events could not be sent in time and are dropped" },
	{ lease_given_back, 3000, "the lease could not be given back; another replica waits until it has run out" },
	{ has_lingered, 3600000, NULL },
};

enum { STOP_STEPS = sizeof(stop_steps) / sizeof(stop_steps[0]) };

static void begin_step(struct program *p)
{
	p->step_by = loop_monotonic_ms() + stop_steps[p->stop_step - 1].ms;
	if (stop_steps[p->stop_step - 1].done == lease_given_back && p->elector && !p->cut_off)
		elector_release(p->elector);
}

/* Takes all steps that it can; returns in how many milliseconds the present one's time is over. */
static int64_t go_down(struct program *p)
{
	while (p->stop_step <= STOP_STEPS) {
		int64_t left = shorter(p->step_by - loop_monotonic_ms(), stop_steps[p->stop_step - 1].done == has_lingered ?
										 p->linger_until - loop_monotonic_ms() : -1);

		if (!stop_steps[p->stop_step - 1].done(p)) {
			if (left > 0)
				return left;
			log_warn(&p->log, stop_steps[p->stop_step - 1].late);
			p->cut_off |= stop_steps[p->stop_step - 1].done == requests_ended;
		}
		if (++p->stop_step <= STOP_STEPS)
			begin_step(p);
	}
	if (p->cut_off)
		http_abort(p->http);
	loop_stop(p->loop);
	return -1;
}

/* Nothing that was decided while this process led may go out any more, and what it believes may be old: it ends at once. */
static void end_at_once(struct program *p)
{
	http_abort(p->http);
	p->exit_code = EXIT_FAILURE;
	loop_stop(p->loop);
}

static int64_t drain(void *context)
{
	struct program *p = context;
	int64_t wait = manager_drain(&p->manager);

	if (p->certs)
		wait = shorter(wait, certkeeper_tick(p->certs));
	wait = shorter(wait, recorder_tick(p->recorder, manager_is_behind(&p->manager)));
	if (p->metrics_certs)
		wait = shorter(wait, selfsigned_tick(p->metrics_certs));
	if (p->elector) /* last: it ends what it did not let out */
		wait = shorter(wait, elector_tick(p->elector));
	if (p->manager.failed || (p->elector && elector_lost(p->elector))) {
		end_at_once(p);
		return -1;
	}
	loop_wake_at(p->loop, manager_wakes_at(&p->manager));
	if (http_send_now(p->http))
		wait = 0;
	return p->stop_step ? shorter(wait, go_down(p)) : wait;
}

static void on_signal(void *context, int signum)
{
	struct program *p = context;

	if (p->stop_step) {
		log_warn(&p->log, "told twice to stop: leaving at once");
		http_abort(p->http);
		_exit(EXIT_FAILURE);
	}
	log_info(&p->log, "stopping: finishing requests under way", "signal", signum == SIGINT ? "SIGINT" : "SIGTERM");
	p->parts.stopping = true;
	manager_stop(&p->manager);
	p->linger_until = loop_monotonic_ms() + p->options.shutdown_delay_s * 1000;
	p->stop_step = 1;
	begin_step(p);
}

/* ---- the way up ---- */

/* "0" turns an address off. */
static int open_health(struct program *p, struct error *err)
{
	const struct server_handler handler = { .context = &p->parts, .handle = health_handle, .methods = HEALTH_METHODS,
					       .body_max = HEALTH_BODY_MAX };
	const char *address = p->options.health_probe_bind_address;

	if (strcmp(address, "0") == 0)
		return 0;
	p->health_server = server_new(p->loop, address, false, &handler, err);
	return p->health_server ? 0 : error_wrap(err, "--health-probe-bind-address");
}

/* ---- metrics ---- */

/* What leaves this host is for those alone who may read it. */
static bool is_secure(enum secure secure, const char *address)
{
	return secure == SECURE_ALWAYS || (secure == SECURE_AUTO && !listen_is_loopback(address));
}

static void serve_metrics_certificate(void *context, const char *chain_pem, const char *key_pem)
{
	struct program *p = context;
	struct error err = { 0 };
	struct tls_identity *identity = tls_identity_new(chain_pem, key_pem, &err);

	if (identity)
		server_set_identity(p->metrics_server, identity);
	else
		log_error(&p->log, "the certificate for metrics cannot be used", "error", err.message);
}

static int make_metrics_certificate(struct program *p, struct error *err)
{
	p->metrics_certs = selfsigned_new(&(struct selfsigned_config){ .port = &p->port,
								       .log = &p->log,
								       .host = p->host,
								       .serve = serve_metrics_certificate,
								       .context = p },
					  err);
	return p->metrics_certs ? 0 : -1;
}

static int open_metrics(struct program *p, struct error *err)
{
	const char *address = p->options.metrics_bind_address;
	const bool secure = is_secure(p->options.metrics_secure, address);
	struct server_handler handler = { .context = &p->parts, .handle = metrics_handle };

	if (strcmp(address, "0") == 0)
		return 0;
	if (secure) {
		p->reviewer = reviewer_new(
			&(struct reviewer_config){ .port = &p->port, .log = &p->log, .next = handler, .answer = server_answer });
		handler = (struct server_handler){ .context = p->reviewer, .handle = reviewer_handle };
	} else if (!listen_is_loopback(address)) {
		log_warn(&p->log, "metrics are served in the clear, to whoever reaches the port: --metrics-secure=false", "address", address);
	}
	p->metrics_server = server_new(p->loop, address, secure, &handler, err);
	if (!p->metrics_server)
		return error_wrap(err, "--metrics-bind-address");
	return secure ? make_metrics_certificate(p, err) : 0;
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
	p->certs = certkeeper_new(&(struct certkeeper_config){ .port = &p->writers,
							       .leads = leads,
							       .leads_context = p,
							       .recorder = p->recorder,
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
	p->parts.webhook = p->webhook;
	p->parts.webhook_server = p->webhook_server;
	p->parts.certs = p->certs;
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

/* client-go's: the host's name, which in a cluster is the Pod's, and a UUID, as two processes may share a host. */
static void name_yourself(struct program *p)
{
	unsigned char id[16] = { 0 };
	size_t used;

	if (gethostname(p->host, sizeof(p->host) - 1) < 0 || !p->host[0])
		snprintf(p->host, sizeof(p->host), "tollgate");
	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		abort(); /* never for so few bytes, says getrandom(2) */
	id[6] = (unsigned char)((id[6] & 0x0f) | 0x40); /* RFC 9562: version 4, random */
	id[8] = (unsigned char)((id[8] & 0x3f) | 0x80);
	used = (size_t)snprintf(p->identity, sizeof(p->identity), "%s_", p->host);
	for (size_t i = 0; i < sizeof(id); i++)
		used += (size_t)snprintf(p->identity + used, sizeof(p->identity) - used, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
					 id[i]);
}

/* As client-go's leaders do, so that people find it where they look first. */
static void tell_leading(void *context, const char *lease_uid)
{
	struct program *p = context;
	struct elector_stats stats = elector_stats(p->elector);
	cleanup_free char *note = memory_printf("%s became leader", p->identity);
	const struct regarding lease = { .api_version = "coordination.k8s.io/v1", .kind = "Lease", .ns = stats.ns, .name = stats.name, .uid = lease_uid };
	const struct event event = { .reason = "LeaderElection", .action = "Lead", .note = note };

	recorder_add(p->recorder, &lease, &event);
}

/* Who writes, and who tells. */
static int prepare_leading(struct program *p, struct error *err)
{
	const struct options *o = &p->options;

	p->writers = p->port;
	if (o->leader_elect) {
		p->elector = elector_new(&(struct elector_config){ .port = &p->port,
								   .log = &p->log,
								   .ns = o->leader_elect_namespace ? o->leader_elect_namespace : own_namespace(p),
								   .name = o->leader_elect_id,
								   .identity = p->identity,
								   .lease_ms = o->leader_elect_lease_duration_s * 1000,
								   .renew_ms = o->leader_elect_renew_deadline_s * 1000,
								   .retry_ms = o->leader_elect_retry_period_s * 1000,
								   .began = tell_leading,
								   .context = p },
					 err);
		if (!p->elector)
			return -1;
		p->writers = elector_port(p->elector);
	}
	p->recorder = recorder_new(&(struct recorder_config){ .port = &p->writers, .log = &p->log, .instance = p->identity });
	return 0;
}

static int start(struct program *p, struct error *err)
{
	char agent[128 + sizeof(p->identity)];
	const struct options *o = &p->options;

	if (cluster_config_load(&p->cluster, o->kubeconfig, o->context, err) < 0)
		return -1;
	p->settings = (struct settings){ .rebind = o->rebind, .sandbox = o->sandbox, .project_label = o->project_label };
	name_yourself(p);
	/* With the identity: the API server's audit log then tells one replica's requests from another's. */
	snprintf(agent, sizeof(agent), "tollgate/%s (%s)", TOLLGATE_VERSION, p->identity);
	p->http = http_new(p->loop, &p->cluster, &p->log, agent, err);
	if (!p->http)
		return -1;
	p->port = http_port(p->http);
	if (prepare_leading(p, err) < 0)
		return -1;
	manager_init(&p->manager, &(struct manager_config){
					  .port = &p->writers,
					  .leads = leads,
					  .leads_context = p,
					  .recorder = p->recorder,
					  .qps = o->kube_api_qps,
					  .burst = o->kube_api_burst,
					  .settings = &p->settings,
					  .log = &p->log,
					  .ns = o->ns,
					  .source = p->cluster.server,
					  .watch_idle_timeout_ms = o->watch_idle_timeout_s * 1000,
					  .max_concurrent_writes = (unsigned)o->max_concurrent_writes,
					  .cache_sync_timeout_ms = o->cache_sync_timeout_s * 1000,
				  });
	queue_measure(p->manager.queue, stopwatch_ns);
	p->parts = (struct parts){ .log = &p->log, .version = TOLLGATE_VERSION, .identity = p->identity, .loop = p->loop, .http = p->http,
				   .manager = &p->manager, .elector = p->elector, .recorder = p->recorder,
				   .stale_ms = 2000L * o->watch_idle_timeout_s };
	return prepare_webhook(p, err);
}

static int run(struct program *p)
{
	struct error err = { 0 };

	p->loop = loop_new();
	/* First, as a signal that comes meanwhile waits until the loop runs. */
	loop_on_signal(p->loop, SIGINT, on_signal, p);
	loop_on_signal(p->loop, SIGTERM, on_signal, p);
	signal(SIGPIPE, SIG_IGN);
	if (start(p, &err) < 0) {
		log_error(&p->log, "cannot start", "error", err.message);
		return EXIT_USAGE;
	}
	if (open_health(p, &err) < 0 || open_metrics(p, &err) < 0 || open_webhook(p, &err) < 0) {
		log_error(&p->log, "cannot serve", "error", err.message);
		return EXIT_FAILURE;
	}
	loop_on_drain(p->loop, drain, p);
	raise_descriptor_limit();
	log_info(&p->log, "starting", "version", TOLLGATE_VERSION, "identity", p->identity, "server", p->cluster.server, "configuration", p->cluster.source);
	manager_start(&p->manager);
	loop_run(p->loop);
	log_info(&p->log, "stopped");
	return p->exit_code;
}

static void stop(struct program *p)
{
	server_free(p->webhook_server); /* first, as it drops what is under way */
	webhook_free(p->webhook);
	server_free(p->metrics_server); /* likewise */
	reviewer_free(p->reviewer);
	selfsigned_free(p->metrics_certs);
	certkeeper_free(p->certs);
	if (p->manager.cache)
		manager_close(&p->manager);
	recorder_free(p->recorder);
	elector_free(p->elector);
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
