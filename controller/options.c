/*
 * The command line and the file behind --config. A setting is one row of FLAGS; getopt_long, --help, the file's keys and the
 * defaults walk the rows. Must not know what a setting does. Invariant: whatever is in struct options has passed its row's check,
 * and each text in it is its own.
 */
#include "options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "yamldoc.h"

#ifndef TOLLGATE_VERSION
#define TOLLGATE_VERSION "dev"
#endif

enum { WRITES_MAX = 256, RATE_MAX = 100000, TIMEOUT_MAX_S = 24 * 60 * 60, DELAY_MAX_S = 600, LIFETIME_MIN_S = 30, LIFETIME_MAX_S = 87600 * 60 * 60, SHOWN_MAX = 64 };

/* Sets a member from text. NULL, or what the text should have been, to be read after "is not". */
typedef const char *setter(void *member, const char *text);

static setter set_text, set_namespace, set_name, set_address, set_writes, set_rate, set_level, set_format, set_label, set_switch,
	set_rebind, set_secure, set_seconds, set_delay, set_lifetime, set_url;

/* FLAG(name, argument, setter, member, default, help). No default: empty, or decided in set_defaults. --help puts the default
 * after a help that does not speak of it. RARE: what few set is for --help-all. */
#define FLAGS(FLAG, RARE)                                                                                                                \
	FLAG("kubeconfig", " FILE", set_text, kubeconfig, NULL, "else $KUBECONFIG, the Pod's, ~/.kube/config")                     \
	FLAG("context", " NAME", set_text, context, NULL, "context of the kubeconfig")                                             \
	FLAG("namespace", " NAME", set_namespace, ns, NULL, "watch only this one (default: all)")                                  \
	FLAG("metrics-bind-address", " ADDR", set_address, metrics_bind_address, ":8080", "serve /metrics here, 0 = off")          \
	FLAG("health-probe-bind-address", " ADDR", set_address, health_probe_bind_address, ":8081", "/healthz and /readyz, 0=off") \
	FLAG("config", " FILE", set_text, config_file, NULL, "these settings as YAML; flags win")                                  \
	FLAG("max-concurrent-writes", " N", set_writes, max_concurrent_writes, "32", "writes in flight, 1-256")                    \
	FLAG("log-level", " LEVEL", set_level, log_level, "info", "error, warn, info or debug")                                    \
	FLAG("log-format", " FORMAT", set_format, log_format, NULL, "json or text (default: text on a terminal)")                  \
	FLAG("project-label", " KEY", set_label, project_label, NULL, "(" PROJECT_LABEL_DEFAULT ")")                             \
	FLAG("enable-sandbox-provider", "[=BOOL]", set_switch, sandbox, "false", "pretend to charge, for demos")                   \
	FLAG("rebind", " POLICY", set_rebind, rebind, "Supersede", "Supersede (default) or Reject, if bound")                      \
	FLAG("leader-elect", "[=BOOL]", set_switch, leader_elect, "false", "one of several decides")                       \
	FLAG("cache-sync-timeout", " TIME", set_seconds, cache_sync_timeout_s, "2m", "exit if a server that answers takes longer")                          \
	FLAG("webhook-bind-address", " ADDR", set_address, webhook_bind_address, "0", "admission by TLS, 0 = off")                 \
	FLAG("webhook-cert-dir", " DIR", set_text, webhook_cert_dir, NULL, "with tls.crt and tls.key; else own ones")              \
	FLAG("webhook-cert-lifetime", " TIME", set_lifetime, webhook_cert_lifetime_s, "2160h", "of its own certificates")          \
	FLAG("webhook-url", " URL", set_url, webhook_url, NULL, "in place of its Service: outside a cluster")                      \
	RARE("leader-elect-namespace", " NAME", set_namespace, leader_elect_namespace, NULL, "where the Lease is (default: its own)") \
	RARE("leader-elect-id", " NAME", set_name, leader_elect_id, "tollgate", "name of the Lease")                               \
	RARE("leader-elect-lease-duration", " T", set_seconds, leader_elect_lease_duration_s, "15s", "others wait so long")     \
	RARE("leader-elect-renew-deadline", " T", set_seconds, leader_elect_renew_deadline_s, "10s", "then a leader stops")     \
	RARE("leader-elect-retry-period", " T", set_seconds, leader_elect_retry_period_s, "2s", "between renewals")             \
	RARE("metrics-secure", "=BOOL|auto", set_secure, metrics_secure, "auto", "TLS, unless on loopback")          \
	RARE("shutdown-delay-duration", " T", set_delay, shutdown_delay_s, "0s", "ports stay open so long")                        \
	RARE("watch-idle-timeout", " TIME", set_seconds, watch_idle_timeout_s, "150s", "a silent watch is dead then")              \
	RARE("kube-api-qps", " N", set_rate, kube_api_qps, "0", "writes a second, 0 = unlimited")                        \
	RARE("kube-api-burst", " N", set_rate, kube_api_burst, "10", "writes at once beyond that")

struct flag {
	const char *name, *argument; /* the argument with what joins it to the name */
	setter *set;
	size_t member;
	const char *preset, *help;
	bool rare;
};

static const struct flag flags[] = {
#define FLAG(name, argument, set, member, preset, help) { name, argument, set, offsetof(struct options, member), preset, help, false },
#define RARE(name, argument, set, member, preset, help) { name, argument, set, offsetof(struct options, member), preset, help, true },
	FLAGS(FLAG, RARE)
#undef RARE
#undef FLAG
};

enum { N_FLAGS = sizeof(flags) / sizeof(flags[0]), HELP = N_FLAGS, HELP_ALL, VERSION, N_ALL, FIRST_VALUE = 256 };

static const char *const more_names[] = { "help", "help-all", "version" };

static const char *name_of(int flag)
{
	return flag < N_FLAGS ? flags[flag].name : more_names[flag - N_FLAGS];
}

/* --- values --- */

static const char *set_text(void *member, const char *text)
{
	char **own = member;

	free(*own);
	*own = *text != '\0' ? memory_strdup(text) : NULL;
	return NULL;
}

static bool is_one_of(char c, const char *others)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c != '\0' && strchr(others, c) != NULL);
}

static bool begins_and_ends_alphanumeric(const char *text, size_t len, const char *upper)
{
	return len > 0 && is_one_of(text[0], upper) && is_one_of(text[len - 1], upper);
}

static bool is_dns_label(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_one_of(text[i], "-"))
			return false;
	return len <= 63 && begins_and_ends_alphanumeric(text, len, "");
}

/* apimachinery's IsQualifiedName: [dns-subdomain/]name. */
static bool is_label_key(const char *text)
{
	static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *slash = strchr(text, '/'), *name = slash != NULL ? slash + 1 : text;

	if (slash != NULL) {
		if (slash - text > 253)
			return false;
		for (const char *part = text, *end; part <= slash; part = end + 1) {
			end = part + strcspn(part, "./");
			if (!is_dns_label(part, (size_t)(end - part)))
				return false;
		}
	}
	for (const char *at = name; *at != '\0'; at++)
		if (!is_one_of(*at, "-_.") && strchr(upper, *at) == NULL)
			return false;
	return strlen(name) <= 63 && begins_and_ends_alphanumeric(name, strlen(name), upper);
}

static const char *set_namespace(void *member, const char *text)
{
	if (*text != '\0' && !is_dns_label(text, strlen(text)))
		return "the name of a namespace";
	return set_text(member, text);
}

static const char *set_name(void *member, const char *text)
{
	return is_dns_label(text, strlen(text)) ? set_text(member, text) : "a name of lower-case letters, digits and dashes";
}

static const char *set_label(void *member, const char *text)
{
	return is_label_key(text) ? set_text(member, text) : "a label key such as example.com/project";
}

/* Whether it can be listened on is server.c's to say. */
static const char *set_address(void *member, const char *text)
{
	if (strcmp(text, "0") != 0 && strchr(text, ':') == NULL)
		return "an address such as :8080 or 127.0.0.1:8080, or 0 for none";
	return set_text(member, text);
}

/* The decimal number at *text, which moves past it; -1 if there is none, or one beyond max. */
static long take_number(const char **text, long max)
{
	long number = 0;
	const char *at = *text;

	for (; *at >= '0' && *at <= '9'; at++) {
		number = number * 10 + (*at - '0');
		if (number > max)
			return -1;
	}
	if (at == *text)
		return -1;
	*text = at;
	return number;
}

static const char *set_writes(void *member, const char *text)
{
	long number = take_number(&text, WRITES_MAX);

	if (number < 1 || *text != '\0')
		return "a number from 1 to 256";
	*(long *)member = number;
	return NULL;
}

static const char *set_rate(void *member, const char *text)
{
	long number = take_number(&text, RATE_MAX);

	if (number < 0 || *text != '\0')
		return "a number from 0 to 100000";
	*(long *)member = number;
	return NULL;
}

/* The seconds of a text such as 90, 90s, 2m or 1h30m; -1 if it is none, or more than max. */
static long read_time(const char *text, long max)
{
	const char *at = text;
	long seconds = 0;

	do {
		long number = take_number(&at, max);
		bool alone = *at == '\0' && seconds == 0 && strpbrk(text, "hms") == NULL;

		if (number < 0 || (!alone && (*at == '\0' || strchr("hms", *at) == NULL)))
			return -1;
		seconds += number * (*at == 'h' ? 3600 : *at == 'm' ? 60 : 1);
		at += !alone;
		if (seconds > max)
			return -1;
	} while (*at != '\0');
	return seconds;
}

static const char *set_seconds(void *member, const char *text)
{
	long seconds = read_time(text, TIMEOUT_MAX_S);

	if (seconds < 1)
		return "a time from 1s to 24h such as 90, 90s, 2m or 1h30m";
	*(long *)member = seconds;
	return NULL;
}

static const char *set_delay(void *member, const char *text)
{
	long seconds = read_time(text, DELAY_MAX_S);

	if (seconds < 0)
		return "a time from 0s to 10m such as 5s";
	*(long *)member = seconds;
	return NULL;
}

static const char *set_lifetime(void *member, const char *text)
{
	long seconds = read_time(text, LIFETIME_MAX_S);

	if (seconds < LIFETIME_MIN_S)
		return "a time from 30s to 87600h such as 2160h";
	*(long *)member = seconds;
	return NULL;
}

/* What is behind https:// is certkeeper.c's to read. */
static const char *set_url(void *member, const char *text)
{
	if (*text != '\0' && strncmp(text, "https://", strlen("https://")) != 0)
		return "an address such as https://127.0.0.1:9443";
	return set_text(member, text);
}

static const char *set_switch(void *member, const char *text)
{
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return "true or false";
	*(bool *)member = *text == 't';
	return NULL;
}

static const char *set_secure(void *member, const char *text)
{
	static const char *const words[] = { [SECURE_AUTO] = "auto", [SECURE_ALWAYS] = "true", [SECURE_NEVER] = "false" };

	for (int i = SECURE_AUTO; i <= SECURE_NEVER; i++) {
		if (strcmp(text, words[i]) == 0) {
			*(enum secure *)member = (enum secure)i;
			return NULL;
		}
	}
	return "auto, true or false";
}

static const char *set_level(void *member, const char *text)
{
	return log_level_parse(text, member) == 0 ? NULL : "one of error, warn, info, debug";
}

static const char *set_format(void *member, const char *text)
{
	return log_format_parse(text, member) == 0 ? NULL : "json or text";
}

static const char *set_rebind(void *member, const char *text)
{
	if (strcmp(text, "Supersede") != 0 && strcmp(text, "Reject") != 0)
		return "Supersede or Reject";
	*(enum rebind *)member = *text == 'S' ? REBIND_SUPERSEDE : REBIND_REJECT;
	return NULL;
}

static const char *set(struct options *options, const struct flag *flag, const char *text)
{
	return flag->set((char *)options + flag->member, text);
}

/* --- what is said when something is wrong --- */

/* Someone's text within a message: one line, and not the whole message. */
struct shown {
	char text[SHOWN_MAX + sizeof("...")];
};

static struct shown shown(const char *text, size_t len)
{
	struct shown shown;
	size_t n = len < SHOWN_MAX ? len : SHOWN_MAX;

	if (n < len)
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	for (size_t i = 0; i < n; i++)
		shown.text[i] = (char)((unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i]);
	snprintf(shown.text + n, sizeof("..."), "%s", n < len ? "..." : "");
	return shown;
}

/* Insertions, deletions and replacements that make one of the other; texts longer than a flag can be are far from all. */
static size_t distance(const char *a, size_t a_len, const char *b)
{
	size_t row[SHOWN_MAX + 1], b_len = strlen(b);

	if (a_len > SHOWN_MAX || b_len > SHOWN_MAX)
		return SHOWN_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b_len];
}

/* The flag that was probably meant: up to three letters off and at least half right, or begun with; NULL if none or many are. */
static const char *nearest(const char *name, size_t len, int n_names)
{
	const char *near = NULL;
	size_t least = len / 2 < 3 ? len / 2 : 3, begun = 0;

	for (int i = 0; i < n_names; i++) {
		size_t off = distance(name, len, name_of(i));

		if (off <= least && len > 1) {
			least = off > 0 ? off - 1 : 0;
			near = name_of(i);
		}
	}
	for (int i = 0; near == NULL && i < n_names; i++)
		begun += len > 2 && strncmp(name, name_of(i), len) == 0;
	for (int i = 0; near == NULL && begun == 1 && i < n_names; i++)
		if (strncmp(name, name_of(i), len) == 0)
			return name_of(i);
	return near;
}

static enum options_result unknown_flag(const char *argument, struct error *err)
{
	size_t len = strcspn(argument, "="), dashes = strspn(argument, "-");
	const char *near = dashes < len ? nearest(argument + dashes, len - dashes, N_ALL) : NULL;

	if (near != NULL)
		error_set(err, ERROR_INVALID, "unknown flag %s; did you mean --%s? See --help", shown(argument, len).text, near);
	else
		error_set(err, ERROR_INVALID, "unknown flag %s; see --help", shown(argument, len).text);
	return OPTIONS_ERROR;
}

/* --- the file --- */

static int unknown_key(const struct yamldoc *doc, const struct yamlnode *key, struct error *err)
{
	static const char more[] = ", ... (see --help)";
	struct shown name = shown(key->text, strlen(key->text));
	const char *near = nearest(key->text, strlen(key->text), N_FLAGS);
	char known[ERROR_MESSAGE_MAX] = "";
	size_t used = strlen(yamldoc_name(doc)) + strlen(":000:000: unknown key \"\"; known are ") + strlen(name.text), at = 0;

	if (near != NULL)
		return yamldoc_fail(doc, key, err, "unknown key \"%s\"; did you mean \"%s\"?", name.text, near);
	for (int i = 0; i < N_FLAGS; i++) {
		if (flags[i].member == offsetof(struct options, config_file))
			continue;
		bool fits = used + at + strlen(flags[i].name) + sizeof(more) + 2 < ERROR_MESSAGE_MAX;

		at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", at == 0 ? "" : ", ",
				       fits ? flags[i].name : more + 2);
		if (!fits)
			break;
	}
	return yamldoc_fail(doc, key, err, "unknown key \"%s\"; known are %s", name.text, known);
}

static int set_from_file(struct options *options, const struct yamldoc *doc, const struct yamlnode *key,
			 const struct yamlnode *value, struct error *err)
{
	static const char *const shapes[] = {
		[YAMLNODE_NULL] = "nothing", [YAMLNODE_LIST] = "a list", [YAMLNODE_MAP] = "a mapping"
	};
	const struct flag *flag = NULL;

	for (int i = 0; i < N_FLAGS; i++)
		if (strcmp(key->text, flags[i].name) == 0 && flags[i].member != offsetof(struct options, config_file))
			flag = &flags[i];
	if (flag == NULL)
		return unknown_key(doc, key, err);
	if (value->type != YAMLNODE_SCALAR)
		return yamldoc_fail(doc, value, err, "%s: a value is wanted, not %s", flag->name, shapes[value->type]);
	/* YAML has types: a number or a boolean in quotes is a text, and true without them is none. */
	bool is_text = flag->set != set_switch && flag->set != set_writes && flag->set != set_rate && flag->set != set_secure;
	bool truth = strcmp(value->text, "true") == 0 || strcmp(value->text, "false") == 0;
	struct shown text = shown(value->text, strlen(value->text));

	if (is_text ? truth && !value->quoted : value->quoted)
		return yamldoc_fail(doc, value, err, "%s: %s must be written %s quotes", flag->name, text.text,
				    is_text ? "in" : "without");
	const char *wanted = set(options, flag, value->text);

	if (wanted != NULL)
		return yamldoc_fail(doc, value, err, "%s: \"%s\" is not %s", flag->name, text.text, wanted);
	return 0;
}

static int read_file(struct options *options, const char *path, struct error *err)
{
	struct yamldoc *doc = yamldoc_read(path, err);
	int result = 0;

	if (doc == NULL)
		return -1;
	const struct yamlnode *root = yamldoc_root(doc);

	if (root->type != YAMLNODE_MAP && root->type != YAMLNODE_NULL)
		result = yamldoc_fail(doc, root, err, "a mapping of settings is wanted, such as \"log-level: info\"");
	for (size_t i = 0; root->type == YAMLNODE_MAP && i < root->n && result == 0; i++)
		result = set_from_file(options, doc, root->keys[i], root->items[i], err);
	yamldoc_free(doc);
	return result;
}

/* --- the command line --- */

static void print_flags(FILE *out, bool rare)
{
	for (int i = 0; i < N_FLAGS; i++) {
		const struct flag *flag = &flags[i];

		if (flag->rare != rare)
			continue;
		bool told = flag->preset == NULL || strstr(flag->help, "default") != NULL;
		bool fits = told || strlen(flag->help) + strlen(" (default )") + strlen(flag->preset) <= 44;

		fprintf(out, "  --%s%-*s%s", flag->name, 32 - (int)strlen(flag->name), flag->argument, flag->help);
		if (!told)
			fprintf(out, "%s(default %s)", fits ? " " : "\n      ", flag->preset);
		fputc('\n', out);
	}
}

static void print_help(FILE *out, bool all)
{
	fputs("Usage: tollgate [FLAG]...  Decides who pays for each project, and may it deploy.\n\n", out);
	print_flags(out, false);
	if (all)
		print_flags(out, true);
	fputs("  --help, --help-all, --version\n"
	      "Exit codes: 0 told to stop, 1 failed while running or stopped twice,\n"
	      "2 wrong flag, settings or kubeconfig.\n",
	      out);
}

static void set_defaults(struct options *options)
{
	*options = (struct options){ .log_format = isatty(STDERR_FILENO) ? LOG_TEXT : LOG_JSON };
	for (int i = 0; i < N_FLAGS; i++)
		if (flags[i].preset != NULL)
			set(options, &flags[i], flags[i].preset);
	set_label(&options->project_label, PROJECT_LABEL_DEFAULT); /* without a default in its row: --help has no room for both */
}

/* Walks the command line; given[i] becomes the text of flag i, checked, and HELP or VERSION in the return value what to print. */
static enum options_result parse_line(struct options *options, int argc, char **argv, const char *given[N_FLAGS], int *print,
				      struct error *err)
{
	struct option table[N_ALL + 1] = { { 0 } };

	for (int i = 0; i < N_ALL; i++) {
		int takes = i >= N_FLAGS ? no_argument : flags[i].set == set_switch ? optional_argument : required_argument;

		table[i] = (struct option){ .name = name_of(i), .has_arg = takes, .val = FIRST_VALUE + i };
	}
	opterr = 0;
	optind = 0; /* makes glibc begin anew */
	for (;;) {
		int at = optind > 0 ? optind : 1;
		/* '+': an argument that is no flag ends the flags; ':': a missing value is told from an unknown flag. */
		int value = getopt_long(argc, argv, "+:h", table, NULL);

		if (value == -1)
			break;
		bool complaint = value == '?' || value == ':';
		int flag = value == 'h' ? HELP : (complaint ? optopt : value) - FIRST_VALUE;

		/* getopt_long takes beginnings of names for the names; scripts that use them break with the next flag. */
		if (flag < 0 || (value != 'h' && strcspn(argv[at] + 2, "=") != strlen(name_of(flag))))
			return unknown_flag(argv[at], err);
		if (complaint) {
			error_set(err, ERROR_INVALID, "flag --%s %s; see --help", name_of(flag),
				  value == ':' ? "needs a value" : "takes no value");
			return OPTIONS_ERROR;
		}
		if (flag >= N_FLAGS) {
			*print = flag;
			return OPTIONS_EXIT;
		}
		given[flag] = optarg != NULL ? optarg : "true";
		const char *wanted = set(options, &flags[flag], given[flag]);

		if (wanted != NULL) {
			error_set(err, ERROR_INVALID, "flag --%s: \"%s\" is not %s", flags[flag].name,
				  shown(given[flag], strlen(given[flag])).text, wanted);
			return OPTIONS_ERROR;
		}
	}
	if (optind < argc) {
		const char *text = argv[optind];
		bool truth = strcmp(text, "true") == 0 || strcmp(text, "false") == 0;

		error_set(err, ERROR_INVALID, "unexpected argument \"%s\"; %ssee --help", shown(text, strlen(text)).text,
			  truth ? "a switch takes its value after \"=\"; " : "");
		return OPTIONS_ERROR;
	}
	return OPTIONS_RUN;
}

/* Settings that would have no effect are a mistake. */
static int check_together(const struct options *options, struct error *err)
{
	const char *idle = options->webhook_cert_dir != NULL ? "webhook-cert-dir" : options->webhook_url != NULL ? "webhook-url" : NULL;

	if (idle != NULL && strcmp(options->webhook_bind_address, "0") == 0)
		return error_set(err, ERROR_INVALID, "flag --%s needs --webhook-bind-address, such as :9443", idle);
	/* client-go's rule; renewals are up to a fifth late. */
	if (options->leader_elect_lease_duration_s <= options->leader_elect_renew_deadline_s ||
	    5 * options->leader_elect_renew_deadline_s <= 6 * options->leader_elect_retry_period_s)
		return error_set(err, ERROR_INVALID, "flag --leader-elect-renew-deadline must be less than --leader-elect-lease-duration, and more "
						     "than 1.2 times --leader-elect-retry-period");
	if (options->webhook_cert_dir != NULL && options->webhook_url != NULL)
		return error_set(err, ERROR_INVALID, "flag --webhook-url goes with certificates of Tollgate's own, not with --webhook-cert-dir: "
						     "there the webhook configurations are yours to write");
	return 0;
}

enum options_result options_parse(struct options *options, int argc, char **argv, FILE *out, struct error *err)
{
	const char *given[N_FLAGS] = { NULL };
	int print = 0;

	set_defaults(options);
	enum options_result result = parse_line(options, argc, argv, given, &print, err);

	if (print == HELP || print == HELP_ALL)
		print_help(out, print == HELP_ALL);
	else if (print == VERSION)
		fprintf(out, "tollgate %s\n", TOLLGATE_VERSION);
	if (result != OPTIONS_RUN)
		return result;
	if (options->config_file != NULL && read_file(options, options->config_file, err) != 0)
		return OPTIONS_ERROR;
	for (int i = 0; i < N_FLAGS && options->config_file != NULL; i++)
		if (given[i] != NULL)
			set(options, &flags[i], given[i]);
	return check_together(options, err) == 0 ? OPTIONS_RUN : OPTIONS_ERROR;
}

void options_close(struct options *options)
{
	free(options->kubeconfig);
	free(options->context);
	free(options->ns);
	free(options->metrics_bind_address);
	free(options->health_probe_bind_address);
	free(options->config_file);
	free(options->project_label);
	free(options->webhook_bind_address);
	free(options->webhook_cert_dir);
	free(options->webhook_url);
	free(options->leader_elect_namespace);
	free(options->leader_elect_id);
	*options = (struct options){ 0 };
}
