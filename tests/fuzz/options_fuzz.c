/*
 * The command line and its file. Input: arguments, one a line; after an empty line the file behind --config. What is accepted is
 * within its limits, and is accepted again when it is said as flags; what is not has a reason.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "options.h"

enum { ARGUMENTS_MAX = 32 };

static bool is_within(long value, long least, long most)
{
	return value >= least && value <= most;
}

static void check_limits(const struct options *o)
{
	check(is_within(o->max_concurrent_writes, 1, 256));
	check(is_within(o->kube_api_qps, 0, 100000) && is_within(o->kube_api_burst, 0, 100000));
	check(is_within(o->watch_idle_timeout_s, 1, 86400) && is_within(o->cache_sync_timeout_s, 1, 86400));
	check(is_within(o->webhook_cert_lifetime_s, 30, 87600L * 3600));
	check(o->leader_elect_lease_duration_s > o->leader_elect_renew_deadline_s && o->leader_elect_retry_period_s >= 1);
	check(o->project_label && o->leader_elect_id && o->rebind <= REBIND_REJECT && o->metrics_secure <= SECURE_NEVER);
	check(!o->webhook_cert_dir || !o->webhook_url);
}

static bool same_text(const char *a, const char *b)
{
	return !a == !b && (!a || strcmp(a, b) == 0);
}

/* The settings that have a text of their own, said as flags. */
static void check_again(const struct options *o)
{
	char *argv[] = { memory_strdup("tollgate"),
			 memory_printf("--namespace=%s", o->ns ? o->ns : ""),
			 memory_printf("--project-label=%s", o->project_label),
			 memory_printf("--leader-elect-id=%s", o->leader_elect_id),
			 memory_printf("--webhook-url=%s", o->webhook_url ? o->webhook_url : ""),
			 memory_printf("--webhook-bind-address=%s", o->webhook_bind_address ? o->webhook_bind_address : ":1"),
			 memory_printf("--max-concurrent-writes=%ld", o->max_concurrent_writes),
			 memory_printf("--watch-idle-timeout=%lds", o->watch_idle_timeout_s),
			 memory_printf("--webhook-cert-lifetime=%ldm", o->webhook_cert_lifetime_s / 60 + 1),
			 NULL };
	struct options again;
	struct error err = { 0 };

	check(options_parse(&again, sizeof(argv) / sizeof(argv[0]) - 1, argv, stdout, &err) == OPTIONS_RUN ||
	      o->webhook_cert_lifetime_s / 60 == 87600L * 60);
	check(same_text(o->ns, again.ns) && same_text(o->project_label, again.project_label));
	check(same_text(o->leader_elect_id, again.leader_elect_id) && same_text(o->webhook_url, again.webhook_url));
	check(o->max_concurrent_writes == again.max_concurrent_writes && o->watch_idle_timeout_s == again.watch_idle_timeout_s);
	options_close(&again);
	for (char **text = argv; *text; text++)
		free(*text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = rest_of(data, size, 0), *flag = NULL;
	char *argv[ARGUMENTS_MAX + 3] = { (char[]){ "tollgate" } }, *rest = text, *line;
	FILE *out = fopen("/dev/null", "w");
	int argc = 1, file = memfd_create("options", 0);
	struct options options;
	struct error err = { 0 };

	while ((line = strsep(&rest, "\n")) != NULL && *line && argc <= ARGUMENTS_MAX)
		argv[argc++] = line;
	if (rest) {
		const size_t len = size - (size_t)(rest - text);

		check(write(file, rest, len) == (ssize_t)len);
		flag = memory_printf("--config=/proc/self/fd/%d", file);
		argv[argc++] = flag;
	}
	const enum options_result result = options_parse(&options, argc, argv, out, &err);

	if (result == OPTIONS_RUN) {
		check_limits(&options);
		check_again(&options);
	} else if (result == OPTIONS_ERROR) {
		check(err.class != ERROR_NONE && err.message[0]);
	}
	options_close(&options);
	close(file);
	fclose(out);
	return 0;
}
