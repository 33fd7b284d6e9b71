/*
 * The command line and the configuration file: one table of flags (FLAGS in options.c) gives getopt_long, --help, the file's keys
 * and the defaults. A flag beats the file, the file beats the default. Decides nothing.
 */
#ifndef TOLLGATE_OPTIONS_H
#define TOLLGATE_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "error.h"
#include "log.h"
#include "settings.h"

/* TLS, and only who may GET /metrics: AUTO = everywhere but on loopback. */
enum secure { SECURE_AUTO = 0, SECURE_ALWAYS, SECURE_NEVER };

struct options {
	char *kubeconfig, *context;
	char *ns;                    /* --namespace: watch only this one; NULL = all */
	char *metrics_bind_address;  /* ":8080"; "0" = off */
	char *health_probe_bind_address; /* ":8081"; "0" = off */
	char *config_file;
	long max_concurrent_writes;  /* 1-256 */
	enum log_level log_level;
	enum log_format log_format;
	char *project_label;
	bool sandbox;
	enum rebind rebind;
	bool leader_elect;
	char *leader_elect_namespace; /* NULL = Tollgate's own */
	char *leader_elect_id;        /* the Lease's name */
	long leader_elect_lease_duration_s, leader_elect_renew_deadline_s, leader_elect_retry_period_s;
	long kube_api_qps, kube_api_burst; /* requests about objects; qps 0 = no limit of our own */
	enum secure metrics_secure;
	long shutdown_delay_s;       /* for so long after a signal the ports stay open */
	long watch_idle_timeout_s;   /* a stream that is silent for longer is dead */
	long cache_sync_timeout_s;
	char *webhook_bind_address;  /* ":9443"; "0" = off */
	char *webhook_cert_dir;      /* NULL = certificates of its own, in a Secret */
	long webhook_cert_lifetime_s;
	char *webhook_url;           /* https://host[:port][/path]; NULL = the Service */
};

enum options_result { OPTIONS_RUN, OPTIONS_EXIT /* --help or --version was printed on out */, OPTIONS_ERROR /* exit 2 */ };

/* Errors name the flag, or the file with line and column, and what is allowed. out is stdout but for tests. */
enum options_result options_parse(struct options *, int argc, char **argv, FILE *out, struct error *) must_check;
void options_close(struct options *);

#endif
