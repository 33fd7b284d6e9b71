/*
 * options.c: a flag beats the file, the file beats the default, and whatever is wrong is said in one line that names it and what
 * would be right. Files are written to a folder that goes with each test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "options.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct rig {
	struct options options;
	struct error err;
	char *printed;
	size_t printed_len;
	char folder[64], file[96];
};

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	strcpy(rig->folder, "/tmp/options_test.XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	snprintf(rig->file, sizeof(rig->file), "%s/c.yaml", rig->folder);
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	unlink(rig->file);
	rmdir(rig->folder);
	options_close(&rig->options);
	free(rig->printed);
	free(rig);
	return 0;
}

/* Parses a command line given as words; the last is NULL. */
static enum options_result parse(struct rig *rig, ...)
{
	char *argv[16] = { NULL };
	int argc = 0;
	va_list words;
	const char *word = "tollgate";

	va_start(words, rig);
	for (; word != NULL; word = va_arg(words, const char *))
		argv[argc++] = strdup(word);
	va_end(words);
	options_close(&rig->options);
	free(rig->printed);
	rig->printed = NULL;
	memset(&rig->err, 0, sizeof(rig->err));
	FILE *out = open_memstream(&rig->printed, &rig->printed_len);
	enum options_result result = options_parse(&rig->options, argc, argv, out, &rig->err);

	fclose(out);
	while (argc > 0)
		free(argv[--argc]);
	return result;
}

static enum options_result parse_file(struct rig *rig, const char *yaml)
{
	FILE *file = fopen(rig->file, "w");

	assert_non_null(file);
	fputs(yaml, file);
	fclose(file);
	return parse(rig, "--config", rig->file, NULL);
}

static void assert_says(const struct rig *rig, const char *what)
{
	if (strstr(rig->err.message, what) == NULL)
		fail_msg("no \"%s\" in: %s", what, rig->err.message);
	assert_null(strchr(rig->err.message, '\n'));
	assert_int_equal(rig->err.class, ERROR_INVALID);
}

static void without_flags_all_is_default(void **state)
{
	struct rig *rig = *state;
	const struct options *options = &rig->options;

	assert_int_equal(parse(rig, NULL), OPTIONS_RUN);
	assert_null(options->kubeconfig);
	assert_null(options->context);
	assert_null(options->ns);
	assert_null(options->config_file);
	assert_string_equal(options->metrics_bind_address, ":8080");
	assert_string_equal(options->health_probe_bind_address, ":8081");
	assert_int_equal(options->max_concurrent_writes, 32);
	assert_int_equal(options->log_level, LOG_INFO);
	assert_int_equal(options->log_format, isatty(STDERR_FILENO) ? LOG_TEXT : LOG_JSON);
	assert_string_equal(options->project_label, PROJECT_LABEL_DEFAULT);
	assert_false(options->sandbox);
	assert_int_equal(options->rebind, REBIND_SUPERSEDE);
	assert_false(options->leader_elect);
	assert_int_equal(options->cache_sync_timeout_s, 120);
	assert_string_equal(rig->printed, "");
}

static void each_flag_sets_its_own(void **state)
{
	struct rig *rig = *state;
	const struct options *options = &rig->options;

	assert_int_equal(parse(rig, "--kubeconfig", "/k", "--context=c", "--namespace", "acme", "--metrics-bind-address", "0",
			       "--health-probe-bind-address=[::1]:9", "--max-concurrent-writes", "256", "--log-level=debug", NULL),
			 OPTIONS_RUN);
	assert_string_equal(options->kubeconfig, "/k");
	assert_string_equal(options->context, "c");
	assert_string_equal(options->ns, "acme");
	assert_string_equal(options->metrics_bind_address, "0");
	assert_string_equal(options->health_probe_bind_address, "[::1]:9");
	assert_int_equal(options->max_concurrent_writes, 256);
	assert_int_equal(options->log_level, LOG_DEBUG);
	assert_int_equal(parse(rig, "--log-format=text", "--project-label", "example.com/Project", "--enable-sandbox-provider",
			       "--rebind", "Reject", "--leader-elect=true", "--cache-sync-timeout", "1h1m1s", NULL),
			 OPTIONS_RUN);
	assert_int_equal(options->log_format, LOG_TEXT);
	assert_string_equal(options->project_label, "example.com/Project");
	assert_true(options->sandbox);
	assert_int_equal(options->rebind, REBIND_REJECT);
	assert_true(options->leader_elect);
	assert_int_equal(options->cache_sync_timeout_s, 3661);
	assert_int_equal(parse(rig, "--webhook-bind-address=:9443", "--webhook-cert-dir", "/certs", NULL), OPTIONS_RUN);
	assert_string_equal(options->webhook_bind_address, ":9443");
	assert_string_equal(options->webhook_cert_dir, "/certs");
	assert_int_equal(parse(rig, "--webhook-bind-address=:9443", "--webhook-cert-dir=/certs", "--webhook-url=https://a:1", NULL), OPTIONS_ERROR);
	assert_says(rig, "not with --webhook-cert-dir");
	assert_int_equal(parse(rig, "--webhook-bind-address=:9443", "--webhook-cert-lifetime=720h", "--webhook-url=https://127.0.0.1:9443/x", NULL),
			 OPTIONS_RUN);
	assert_int_equal(options->webhook_cert_lifetime_s, 720 * 3600);
	assert_string_equal(options->webhook_url, "https://127.0.0.1:9443/x");
}

static void the_last_of_a_flag_counts_and_empty_is_none(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(parse(rig, "--namespace=a", "--namespace=b", "--leader-elect", "--leader-elect=false", NULL), OPTIONS_RUN);
	assert_string_equal(rig->options.ns, "b");
	assert_false(rig->options.leader_elect);
	assert_int_equal(parse(rig, "--namespace=", "--kubeconfig", "", "--config=", NULL), OPTIONS_RUN);
	assert_null(rig->options.ns);
	assert_null(rig->options.kubeconfig);
	assert_null(rig->options.config_file);
}

static const struct {
	const char *argument, *says;
} wrong_flags[] = {
	{ "--foo", "unknown flag --foo; see --help" },
	{ "--foo=bar", "unknown flag --foo; see --help" },
	{ "--namspace=x", "unknown flag --namspace; did you mean --namespace?" },
	{ "--kubec=x", "unknown flag --kubec; did you mean --kubeconfig?" }, /* beginnings are not enough */
	{ "--log-leve=info", "did you mean --log-level?" },
	{ "--log-lvl", "did you mean --log-level?" },
	{ "--kkubeconfiig", "did you mean --kubeconfig?" },
	{ "--ku", "unknown flag --ku; see --help" },   /* too little to guess from */
	{ "--log", "unknown flag --log; see --help" }, /* could be two */
	{ "-kubeconfig", "unknown flag -kubeconfig; did you mean --kubeconfig?" },
	{ "-x", "unknown flag -x; see --help" },
	{ "--=", "unknown flag --; see --help" },
	{ "--line\nbreak", "unknown flag --line?break; see --help" },
	{ "extra", "unexpected argument \"extra\"; see --help" },
	{ "-", "unexpected argument \"-\"" },
	{ "true", "a switch takes its value after \"=\"" },
	{ "--kubeconfig", "flag --kubeconfig needs a value" },
	{ "--help=me", "flag --help takes no value" },
	{ "--max-concurrent-writes=0", "flag --max-concurrent-writes: \"0\" is not a number from 1 to 256" },
	{ "--max-concurrent-writes=257", "from 1 to 256" },
	{ "--max-concurrent-writes=-1", "from 1 to 256" },
	{ "--max-concurrent-writes=1x", "from 1 to 256" },
	{ "--max-concurrent-writes= 1", "from 1 to 256" },
	{ "--max-concurrent-writes=99999999999999999999", "from 1 to 256" },
	{ "--max-concurrent-writes=", "from 1 to 256" },
	{ "--log-level=trace", "\"trace\" is not one of error, warn, info, debug" },
	{ "--log-format=xml", "\"xml\" is not json or text" },
	{ "--rebind=supersede", "\"supersede\" is not Supersede or Reject" },
	{ "--leader-elect=yes", "\"yes\" is not true or false" },
	{ "--enable-sandbox-provider=", "\"\" is not true or false" },
	{ "--metrics-bind-address=8080", "\"8080\" is not an address such as :8080" },
	{ "--health-probe-bind-address=", "is not an address" },
	{ "--namespace=Acme", "\"Acme\" is not the name of a namespace" },
	{ "--namespace=a.b", "is not the name of a namespace" },
	{ "--namespace=-a", "is not the name of a namespace" },
	{ "--namespace=aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg", "is not the name of a namespace" },
	{ "--project-label=", "is not a label key" },
	{ "--project-label=/a", "is not a label key" },
	{ "--project-label=a/", "is not a label key" },
	{ "--project-label=a/b/c", "is not a label key" },
	{ "--project-label=Example.com/a", "is not a label key" },
	{ "--project-label=a..b/c", "is not a label key" },
	{ "--project-label=a b", "is not a label key" },
	{ "--project-label=.a", "is not a label key" },
	{ "--project-label=aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg", "is not a label key" },
	{ "--cache-sync-timeout=0", "is not a time from 1s to 24h such as 90, 90s, 2m or 1h30m" },
	{ "--cache-sync-timeout=", "is not a time" },
	{ "--cache-sync-timeout=2", NULL },
	{ "--cache-sync-timeout=-2s", "is not a time" },
	{ "--cache-sync-timeout=1m30", "is not a time" },
	{ "--cache-sync-timeout=30x", "is not a time" },
	{ "--cache-sync-timeout=m", "is not a time" },
	{ "--cache-sync-timeout=25h", "is not a time" },
	{ "--cache-sync-timeout=24h", NULL },
	{ "--cache-sync-timeout=24h1s", "is not a time" },
	{ "--cache-sync-timeout=99999999999999999999s", "is not a time" },
	{ "--webhook-bind-address=9443", "is not an address such as :8080" },
	{ "--shutdown-delay-duration=11m", "is not a time from 0s to 10m such as 5s" },
	{ "--shutdown-delay-duration=0", NULL },
	{ "--metrics-secure=yes", "\"yes\" is not auto, true or false" },
	{ "--kube-api-qps=100001", "is not a number from 0 to 100000" },
	{ "--kube-api-burst=", "is not a number from 0 to 100000" },
	{ "--leader-elect-id=Tollgate", "is not a name of lower-case letters, digits and dashes" },
	{ "--leader-elect-lease-duration=10s", "flag --leader-elect-renew-deadline must be less than --leader-elect-lease-duration" },
	{ "--leader-elect-lease-duration=11s", NULL },
	{ "--leader-elect-retry-period=9s", "more than 1.2 times --leader-elect-retry-period" },
	{ "--leader-elect-retry-period=8s", NULL },
	{ "--webhook-cert-lifetime=29s", "is not a time from 30s to 87600h such as 2160h" },
	{ "--webhook-cert-lifetime=30s", NULL },
	{ "--webhook-cert-lifetime=87600h", NULL },
	{ "--webhook-cert-lifetime=87600h1s", "is not a time from 30s" },
	{ "--webhook-url=http://127.0.0.1:9443", "is not an address such as https://127.0.0.1:9443" },
	{ "--webhook-url=https://127.0.0.1:9443", "flag --webhook-url needs --webhook-bind-address" },
	{ "--webhook-cert-dir=/certs", "flag --webhook-cert-dir needs --webhook-bind-address" },
	{ "--project-label=a", NULL },
	{ "--project-label=a.b-c.d1/A_b.c-9", NULL },
	{ "--namespace=0-9", NULL },
	{ "--", NULL },
};

static void a_wrong_flag_is_one_line_that_names_it(void **state)
{
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT(wrong_flags); i++) {
		enum options_result result = parse(rig, wrong_flags[i].argument, NULL);

		if (result != (wrong_flags[i].says != NULL ? OPTIONS_ERROR : OPTIONS_RUN))
			fail_msg("%s: %s", wrong_flags[i].argument, rig->err.message);
		if (wrong_flags[i].says != NULL)
			assert_says(rig, wrong_flags[i].says);
		assert_string_equal(rig->printed, "");
	}
	assert_int_equal(parse(rig, "x", "--foo", NULL), OPTIONS_ERROR);
	assert_says(rig, "unexpected argument \"x\""); /* what comes first is said */
}

static void times_are_seconds_or_have_units(void **state)
{
	static const struct {
		const char *text;
		long seconds;
	} times[] = { { "90", 90 },	 { "90s", 90 },	  { "2m", 120 },      { "1m30s", 90 },
		      { "1h30m", 5400 }, { "30s1m", 90 }, { "86400", 86400 }, { "0m1s", 1 } };
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT(times); i++) {
		if (parse(rig, "--cache-sync-timeout", times[i].text, NULL) != OPTIONS_RUN)
			fail_msg("%s", rig->err.message);
		assert_int_equal(rig->options.cache_sync_timeout_s, times[i].seconds);
	}
}

static void long_texts_are_cut_in_messages(void **state)
{
	struct rig *rig = *state;
	char flag[512];

	memset(flag, 'x', sizeof(flag));
	flag[sizeof(flag) - 1] = '\0';
	memcpy(flag, "--", 2);
	assert_int_equal(parse(rig, flag, NULL), OPTIONS_ERROR);
	assert_says(rig, "xxx...; see --help");
	memcpy(flag, "--namespace=a", 13);
	for (size_t i = 13; i < sizeof(flag) - 2; i += 2)
		memcpy(flag + i, "\xc3\xbc", 3);
	assert_int_equal(parse(rig, flag, NULL), OPTIONS_ERROR);
	assert_says(rig, "\xc3\xbc...\" is not the name"); /* whole letters */
	memset(flag, 'a', sizeof(flag));
	memcpy(flag, "--project-label=", 16);
	for (size_t i = 16 + 50; i < 16 + 254; i += 51)
		flag[i] = '.';
	strcpy(flag + 16 + 254, "/a"); /* each part is short enough */
	assert_int_equal(parse(rig, flag, NULL), OPTIONS_ERROR);
	strcpy(flag + 16 + 253, "/a");
	assert_int_equal(parse(rig, flag, NULL), OPTIONS_RUN);
}

/* Enough room for the least terminal, each flag on it, and so are the exit codes. */
static void help_fits_one_screen(void **state)
{
	static const char *const must[] = { "--kubeconfig FILE",
					    "--context",
					    "--namespace",
					    "--metrics-bind-address",
					    ":8080",
					    ":8081",
					    "--health-probe-bind-address",
					    "--config FILE",
					    "--max-concurrent-writes N",
					    "32",
					    "--log-level",
					    "--log-format",
					    "--project-label",
					    PROJECT_LABEL_DEFAULT,
					    "--enable-sandbox-provider[=BOOL]",
					    "--rebind",
					    "Supersede (default)",
					    "--leader-elect[=BOOL]",
					    "--help-all",
					    "--cache-sync-timeout",
					    "--webhook-bind-address",
					    "--webhook-cert-dir",
					    "--webhook-cert-lifetime",
					    "2160h",
					    "--webhook-url",
					    "--help",
					    "--version",
					    "Exit codes: 0",
					    "\n2 wrong flag" };
	struct rig *rig = *state;
	int lines = 0;

	assert_int_equal(parse(rig, "--help", "--foo", NULL), OPTIONS_EXIT);
	for (size_t i = 0; i < COUNT(must); i++)
		if (strstr(rig->printed, must[i]) == NULL)
			fail_msg("no %s in:\n%s", must[i], rig->printed);
	for (const char *line = rig->printed, *end; (end = strchr(line, '\n')) != NULL; line = end + 1, lines++)
		if (end - line > 80)
			fail_msg("too long: %.100s", line);
	assert_true(lines <= 24);
	char *whole = strdup(rig->printed);

	assert_int_equal(parse(rig, "-h", NULL), OPTIONS_EXIT);
	assert_string_equal(rig->printed, whole);
	free(whole);
}

static void version_is_one_line(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(parse(rig, "--version", NULL), OPTIONS_EXIT);
	assert_int_equal(strncmp(rig->printed, "tollgate ", 9), 0);
	assert_ptr_equal(strchr(rig->printed, '\n'), rig->printed + rig->printed_len - 1);
	assert_true(rig->printed_len > 10);
}

static void a_file_sets_what_its_keys_name(void **state)
{
	struct rig *rig = *state;
	const struct options *options = &rig->options;

	if (parse_file(rig, "# all of them\nkubeconfig: /k\ncontext: \"true\"\nnamespace: 1234\nmetrics-bind-address: 0\n"
			    "health-probe-bind-address: ':9'\nmax-concurrent-writes: 7\nlog-level: warn\nlog-format: "
			    "json\nproject-label: a/b\n"
			    "enable-sandbox-provider: true\nrebind: Reject\nleader-elect: true\ncache-sync-timeout: 30s\n") !=
	    OPTIONS_RUN)
		fail_msg("%s", rig->err.message);
	assert_string_equal(options->kubeconfig, "/k");
	assert_string_equal(options->context, "true");
	assert_string_equal(options->ns, "1234");
	assert_string_equal(options->metrics_bind_address, "0");
	assert_string_equal(options->health_probe_bind_address, ":9");
	assert_int_equal(options->max_concurrent_writes, 7);
	assert_int_equal(options->log_level, LOG_WARN);
	assert_int_equal(options->log_format, LOG_JSON);
	assert_string_equal(options->project_label, "a/b");
	assert_true(options->sandbox);
	assert_int_equal(options->rebind, REBIND_REJECT);
	assert_true(options->leader_elect);
	assert_int_equal(options->cache_sync_timeout_s, 30);
	assert_string_equal(options->config_file, rig->file);
}

static void a_flag_beats_the_file_and_the_file_the_default(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(parse_file(rig, "namespace: file\nleader-elect: true\nlog-level: warn\nmax-concurrent-writes: 7\n"),
			 OPTIONS_RUN);
	/* Wherever --config stands, and though the value is the default's. */
	assert_int_equal(
		parse(rig, "--namespace=flag", "--config", rig->file, "--leader-elect=false", "--max-concurrent-writes=32", NULL),
		OPTIONS_RUN);
	assert_string_equal(rig->options.ns, "flag");
	assert_false(rig->options.leader_elect);
	assert_int_equal(rig->options.max_concurrent_writes, 32);
	assert_int_equal(rig->options.log_level, LOG_WARN);
	assert_int_equal(parse(rig, "--namespace=", "--config", rig->file, NULL), OPTIONS_RUN);
	assert_null(rig->options.ns); /* all, as asked */
}

static void an_empty_file_sets_nothing(void **state)
{
	static const char *const empty[] = { "", "# nothing\n", "---\n", "{}\n", "null\n" };
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT(empty); i++) {
		if (parse_file(rig, empty[i]) != OPTIONS_RUN)
			fail_msg("%s", rig->err.message);
		assert_int_equal(rig->options.max_concurrent_writes, 32);
	}
}

static const struct {
	const char *yaml, *says;
} wrong_files[] = {
	{ "log-level: info\nfoo: 1\n", "c.yaml:2:1: unknown key \"foo\"; known are kubeconfig, context, namespace, " },
	{ "  log-levl: info\n", "c.yaml:1:3: unknown key \"log-levl\"; did you mean \"log-level\"?" },
	{ "config: x\n", "c.yaml:1:1: unknown key \"config\"" },
	{ "help: true\n", "c.yaml:1:1: unknown key \"help\"" },
	{ "version: 1\n", "c.yaml:1:1: unknown key \"version\"" },
	{ "--log-level: info\n", "c.yaml:1:1: unknown key \"--log-level\"" },
	{ "log_level: info\n", "did you mean \"log-level\"?" },
	{ "log-level: info\nlog-level: warn\n", "c.yaml:2:1: \"log-level\" is there twice" },
	{ "log-level: loud\n", "c.yaml:1:12: log-level: \"loud\" is not one of error, warn, info, debug" },
	{ "max-concurrent-writes: many\n", "c.yaml:1:24: max-concurrent-writes: \"many\" is not a number from 1 to 256" },
	{ "max-concurrent-writes: 0x10\n", "is not a number" },
	{ "max-concurrent-writes: 1.5\n", "is not a number" },
	{ "max-concurrent-writes: \"32\"\n", "c.yaml:1:24: max-concurrent-writes: 32 must be written without quotes" },
	{ "leader-elect: \"true\"\n", "leader-elect: true must be written without quotes" },
	{ "leader-elect: yes\n", "\"yes\" is not true or false" },
	{ "context: true\n", "c.yaml:1:10: context: true must be written in quotes" },
	{ "leader-elect:\n", "leader-elect: a value is wanted, not nothing" },
	{ "context: ~\n", "c.yaml:1:10: context: a value is wanted, not nothing" },
	{ "context: [a]\n", "c.yaml:1:10: context: a value is wanted, not a list" },
	{ "context:\n  name: a\n", "c.yaml:2:3: context: a value is wanted, not a mapping" },
	{ "- log-level\n", "c.yaml:1:1: a mapping of settings is wanted" },
	{ "info\n", "c.yaml:1:1: a mapping of settings is wanted" },
	{ "log-level: info\n---\nlog-level: warn\n", "c.yaml:2:1: " },
	{ "log-level: [\n", "c.yaml:2:1: " },
	{ "log-level: !loud info\n", "c.yaml:1:12: " },
	{ "? [a]\n: b\n", "c.yaml:1:3: " },
	{ "\tlog-level: info\n", "c.yaml:1:1: " },
};

static void a_wrong_file_is_named_with_line_and_column(void **state)
{
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT(wrong_files); i++) {
		if (parse_file(rig, wrong_files[i].yaml) != OPTIONS_ERROR)
			fail_msg("taken: %s", wrong_files[i].yaml);
		assert_says(rig, wrong_files[i].says);
		assert_int_equal(strncmp(rig->err.message, rig->file, strlen(rig->file)), 0);
	}
	unlink(rig->file);
	assert_int_equal(parse(rig, "--config", rig->file, NULL), OPTIONS_ERROR);
	assert_non_null(strstr(rig->err.message, rig->file));
}

static void the_list_of_known_keys_ends_before_the_message_does(void **state)
{
	struct rig *rig = *state;

	for (size_t len = 1; len < 90; len++) {
		char yaml[128] = "";

		memset(yaml, 'x', len);
		strcat(yaml, ": 1\n");
		assert_int_equal(parse_file(rig, yaml), OPTIONS_ERROR);
		size_t end = strlen(rig->err.message);

		assert_true(end < ERROR_MESSAGE_MAX - 1);
		assert_true(strcmp(rig->err.message + end - strlen("(see --help)"), "(see --help)") == 0 ||
			    strcmp(rig->err.message + end - strlen("cache-sync-timeout"), "cache-sync-timeout") == 0);
	}
}

static void what_a_flag_says_is_checked_before_the_file_is_read(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(parse_file(rig, "foo: 1\n"), OPTIONS_ERROR);
	assert_int_equal(parse(rig, "--config", rig->file, "--log-level=loud", NULL), OPTIONS_ERROR);
	assert_says(rig, "flag --log-level");
	assert_int_equal(parse(rig, "--config", rig->file, "--help", NULL), OPTIONS_EXIT);
}

int main(void)
{
#define RIGGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		RIGGED(without_flags_all_is_default),
		RIGGED(each_flag_sets_its_own),
		RIGGED(the_last_of_a_flag_counts_and_empty_is_none),
		RIGGED(a_wrong_flag_is_one_line_that_names_it),
		RIGGED(times_are_seconds_or_have_units),
		RIGGED(long_texts_are_cut_in_messages),
		RIGGED(help_fits_one_screen),
		RIGGED(version_is_one_line),
		RIGGED(a_file_sets_what_its_keys_name),
		RIGGED(a_flag_beats_the_file_and_the_file_the_default),
		RIGGED(an_empty_file_sets_nothing),
		RIGGED(a_wrong_file_is_named_with_line_and_column),
		RIGGED(the_list_of_known_keys_ends_before_the_message_does),
		RIGGED(what_a_flag_says_is_checked_before_the_file_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
