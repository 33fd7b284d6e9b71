/*
 * config.c: which files count, what wins, what is refused and in which words. A row is a kubeconfig; rows share a base that the
 * row's cluster, user and context are put into.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "memory.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* base64 of "-----BEGIN X-----\n" */
#define PEM64 "LS0tLS1CRUdJTiBYLS0tLS0K"
#define PEM   "-----BEGIN X-----\n"
#define V1    "client.authentication.k8s.io/v1"

static char dir[64];

static const char *in_dir(const char *name)
{
	static char paths[8][256];
	static size_t next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static const char *write_file(const char *name, const char *text)
{
	const char *path = in_dir(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

static int set_up(void **state)
{
	static const char *const variables[] = { "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT",
						 "POD_NAMESPACE" };

	(void)state;
	for (size_t i = 0; i < COUNT(variables); i++)
		unsetenv(variables[i]);
	strcpy(dir, "/tmp/config_test.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	setenv("HOME", dir, 1);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

/* A kubeconfig with one context "c" of cluster "k" and user "u"; the parts are flow maps without braces. */
static const char *write_config(const char *name, const char *cluster, const char *user, const char *context)
{
	char text[4096];

	snprintf(text, sizeof(text),
		 "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
		 "clusters:\n- name: k\n  cluster: {%s}\n"
		 "users:\n- name: u\n  user: {%s}\n"
		 "contexts:\n- name: c\n  context: {cluster: k, user: u%s}\n",
		 cluster, user, context);
	return write_file(name, text);
}

static struct cluster_config load(const char *kubeconfig, const char *context)
{
	struct cluster_config config;
	struct error err;

	if (cluster_config_load(&config, kubeconfig, context, &err))
		fail_msg("%s", err.message);
	return config;
}

static void assert_refused(const char *kubeconfig, const char *context, const char *expected)
{
	static const struct cluster_config empty;
	struct cluster_config config;
	struct error err = { 0 };
	char in_words[512];

	if (cluster_config_load(&config, kubeconfig, context, &err) == 0)
		fail_msg("accepted, expected: %s", expected);
	assert_int_equal(err.class, ERROR_INVALID);
	/* "$" in what is expected stands for the folder. */
	const char *dollar = strchr(expected, '$');

	if (dollar)
		snprintf(in_words, sizeof(in_words), "%.*s%s%s", (int)(dollar - expected), expected, dir, dollar + 1);
	else
		snprintf(in_words, sizeof(in_words), "%s", expected);
	if (!strstr(err.message, in_words))
		fail_msg("\"%s\" is not in \"%s\"", in_words, err.message);
	assert_memory_equal(&config, &empty, sizeof(config));
}

static void assert_text(const char *text, const char *expected)
{
	if (!expected)
		assert_null(text);
	else if (!text)
		fail_msg("nothing, expected \"%s\"", expected);
	else
		assert_string_equal(text, expected);
}

/* ---- one file ---- */

static void every_field_is_taken(void **state)
{
	(void)state;
	write_file("token", "t");
	write_config(
		"config",
		"server: 'https://api.example.com:6443/prefix//', tls-server-name: kubernetes, proxy-url: 'socks5://proxy:1080',"
		"certificate-authority-data: " PEM64 ", unknown: {x: [1]}",
		"client-certificate-data: " PEM64 ", client-key-data: " PEM64
		", token: inline, tokenFile: token, as: jane, as-uid: '42', as-groups: [a, b c]",
		", namespace: team-a");
	struct cluster_config config = load(in_dir("config"), NULL);

	assert_text(config.server, "https://api.example.com:6443/prefix");
	assert_text(config.tls_server_name, "kubernetes");
	assert_text(config.proxy_url, "socks5://proxy:1080");
	assert_text(config.ca_data, PEM);
	assert_text(config.cert_data, PEM);
	assert_text(config.key_data, PEM);
	assert_text(config.token, "inline");
	assert_text(config.token_file, in_dir("token"));
	assert_text(config.impersonate_user, "jane");
	assert_text(config.impersonate_uid, "42");
	assert_text(config.impersonate_groups[0], "a");
	assert_text(config.impersonate_groups[1], "b c");
	assert_null(config.impersonate_groups[2]);
	assert_text(config.ns, "team-a");
	assert_non_null(strstr(config.source, "context c of "));
	assert_false(config.insecure);
	assert_null(config.username);
	cluster_config_close(&config);
	cluster_config_close(&config); /* twice does no harm */
}

static void what_is_absent_stays_so(void **state)
{
	(void)state;
	write_config("config", "server: 'http://localhost:8001', certificate-authority-data: '', tls-server-name: ~", "", "");
	struct cluster_config config = load(in_dir("config"), NULL);

	assert_text(config.server, "http://localhost:8001");
	assert_null(config.tls_server_name);
	assert_null(config.ca_data);
	assert_null(config.token);
	assert_null(config.impersonate_groups);
	assert_text(config.ns, "default");
	cluster_config_close(&config);
}

static void basic_authentication_and_insecure_are_taken(void **state)
{
	(void)state;
	write_config("config", "server: 'https://x', insecure-skip-tls-verify: true", "username: admin, password: 12345", "");
	struct cluster_config config = load(in_dir("config"), NULL);

	assert_true(config.insecure);
	assert_text(config.username, "admin");
	assert_text(config.password, "12345");
	cluster_config_close(&config);
}

static void a_context_without_user_is_anonymous(void **state)
{
	(void)state;
	write_file("config", "current-context: c\nclusters: [{name: k, cluster: {server: 'https://x'}}]\n"
			     "contexts: [{name: c, context: {cluster: k}}]\n");
	struct cluster_config config = load(in_dir("config"), NULL);

	assert_null(config.token);
	cluster_config_close(&config);
}

static void inline_data_beats_the_file(void **state)
{
	(void)state;
	write_config("config", "server: 'https://x', certificate-authority: ca.crt, certificate-authority-data: " PEM64,
		     "client-certificate: c.crt, client-certificate-data: " PEM64 ", client-key: c.key", "");
	struct cluster_config config = load(in_dir("config"), NULL);

	assert_text(config.ca_data, PEM);
	assert_null(config.ca_file);
	assert_text(config.cert_data, PEM);
	assert_null(config.cert_file);
	assert_null(config.key_data);
	assert_text(config.key_file, in_dir("c.key"));
	cluster_config_close(&config);
}

static void base64_may_have_line_ends(void **state)
{
	(void)state;
	write_config("config", "server: 'https://x', certificate-authority-data: \"LS0tLS1CRUdJ\\nTiBYLS0tLS0K\\n\"", "", "");
	struct cluster_config config = load(in_dir("config"), NULL);

	assert_text(config.ca_data, PEM);
	cluster_config_close(&config);
}

static void relative_paths_start_at_their_own_file(void **state)
{
	char list[512], expected[256];

	(void)state;
	mkdir(in_dir("one"), 0700);
	mkdir(in_dir("two"), 0700);
	write_file("two/token", "t");
	write_file("one/config", "current-context: c\nclusters: [{name: k, cluster: {server: 'https://x', certificate-authority: "
				 "../ca.crt}}]\n");
	write_file("two/config",
		   "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
		   "users: [{name: u, user: {client-certificate: certs/a.crt, client-key: /etc/a.key, tokenFile: token}}]\n");
	snprintf(list, sizeof(list), "%s:%s", in_dir("one/config"), in_dir("two/config"));
	setenv("KUBECONFIG", list, 1);
	struct cluster_config config = load(NULL, NULL);

	snprintf(expected, sizeof(expected), "%s/one/../ca.crt", dir);
	assert_text(config.ca_file, expected);
	assert_text(config.cert_file, in_dir("two/certs/a.crt"));
	assert_text(config.key_file, "/etc/a.key");
	assert_text(config.token_file, in_dir("two/token"));
	cluster_config_close(&config);

	/* A file named without a folder: paths start where we are. */
	assert_int_equal(chdir(in_dir("two")), 0);
	write_file("two/plain",
		   "current-context: c\nclusters: [{name: k, cluster: {server: 'https://x', certificate-authority: ca}}]\n"
		   "contexts: [{name: c, context: {cluster: k}}]\n");
	config = load("plain", NULL);
	assert_text(config.ca_file, "ca");
	cluster_config_close(&config);
	assert_int_equal(chdir("/"), 0);
}

static void refusals_name_the_place_and_the_reason(void **state)
{
	static const struct {
		const char *cluster, *user, *context, *message;
	} rows[] = {
		{ "server: ''", "", "", "$/config:5:3: this cluster has no server" },
		{ "", "", "", "$/config:5:3: this cluster has no server" },
		{ "server: [x]", "", "", "$/config:6:21: server: must be a string" },
		{ "server: 'api:6443'", "", "", "$/config:6:21: server: must begin with https:// or http://" },
		{ "server: 'ftp://api'", "", "", "server: must begin with" },
		{ "server: 'https://'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https:///x'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://:6443'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://u:p@api'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://api?x'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://api#x'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://api:0'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://api:65536'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://api:x'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://api:'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://api:1x'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://[::1'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://[]:1'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://[api]:1'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://fd00::1'", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://a b'", "", "", "server: must be https://host:port/path" },
		{ "server: \"https://a/b\\nc\"", "", "", "server: must be https://host:port/path" },
		{ "server: 'https://x', insecure-skip-tls-verify: true, certificate-authority-data: " PEM64, "", "",
		  "$/config:5:3: a certificate authority together with insecure-skip-tls-verify" },
		{ "server: 'https://x', insecure-skip-tls-verify: true, certificate-authority: ca.crt", "", "",
		  "a certificate authority together with insecure-skip-tls-verify" },
		{ "server: 'https://x', insecure-skip-tls-verify: 'true'", "", "",
		  "insecure-skip-tls-verify: must be true or false" },
		{ "server: 'https://x', certificate-authority-data: '!!!'", "", "", "certificate-authority-data: is not base64" },
		{ "server: 'https://x', certificate-authority-data: aGVsbG8=", "", "", "certificate-authority-data: is not PEM" },
		{ "server: 'https://x', certificate-authority-data: " PEM64 "AA==", "", "",
		  "certificate-authority-data: is not PEM" }, /* a NUL at its end */
		{ "server: 'https://x', proxy-url: 'proxy:3128'", "", "",
		  "proxy-url: must be http://host, https://host or socks5://host" },
		{ "server: 'https://x', proxy-url: 'http://user:pass word@proxy:1'", "", "", "proxy-url: has a character that no URL has" },
		{ "server: 'https://x', proxy-url: 'ftp://proxy'", "", "", "proxy-url: must be" },
		{ "server: 'https://x', proxy-url: 'socks4://proxy'", "", "", "proxy-url: must be" },
		{ "server: 'https://x', proxy-url: 'http://'", "", "", "proxy-url: must be" },
		{ "server: 'https://x', tls-server-name: a/b", "", "", "tls-server-name: must be a host name" },
		{ "server: 'https://x'", "client-certificate-data: " PEM64, "",
		  "$/config:8:3: client-certificate without client-key" },
		{ "server: 'https://x'", "client-certificate: c.crt", "", "client-certificate without client-key" },
		{ "server: 'https://x'", "client-key: c.key", "", "client-key without client-certificate" },
		{ "server: 'https://x'", "token: t, username: u", "", "a token together with username and password" },
		{ "server: 'https://x'", "token: t, password: p", "", "a token together with username and password" },
		{ "server: 'https://x'", "tokenFile: /dev/null, username: u", "", "a token together with username and password" },
		{ "server: 'https://x'", "as-uid: '1'", "", "as-uid and as-groups need a user to impersonate (as)" },
		{ "server: 'https://x'", "as-groups: [g]", "", "as-uid and as-groups need a user to impersonate (as)" },
		{ "server: 'https://x'", "as: u, as-groups: g", "", "as-groups: must be a list" },
		{ "server: 'https://x'", "as: u, as-groups: [{}]", "", "as-groups: must be a list of names" },
		{ "server: 'https://x'", "as: u, as-groups: [\"a\\r\\nX: y\"]", "", "as-groups: must be a list of names" },
		{ "server: 'https://x'", "as: \"u\\nX-Evil: 1\"", "", "as: has a control character" },
		{ "server: 'https://x'", "as: u, as-user-extra: {a: [b]}", "", "as-user-extra: not supported" },
		{ "server: 'https://x'", "token: \"a\\nb\"", "", "token: has a space or control character" },
		{ "server: 'https://x'", "token: a b", "", "token: has a space or control character" },
		{ "server: 'https://x'", "tokenFile: missing", "", "tokenFile: $/missing: No such file or directory" },
		{ "server: 'https://x'", "auth-provider: {name: gcp}", "", "$/config:9:25: auth-provider: Kubernetes has dropped these; use exec" },
		{ "server: 'https://x'", "exec: {command: aws}, auth-provider: {}", "", "auth-provider together with exec: only one is allowed" },
		{ "server: 'https://x'", "exec: aws", "", "$/config:9:16: exec: must be a map" },
		{ "server: 'https://x'", "exec: {apiVersion: " V1 "}", "", "$/config:9:16: exec: command must be given" },
		{ "server: 'https://x'", "exec: {command: aws}", "", "$/config:9:16: exec: apiVersion must be given" },
		{ "server: 'https://x'", "exec: {command: aws, apiVersion: v1}", "",
		  "apiVersion: must be client.authentication.k8s.io/v1 or v1beta1" },
		{ "server: 'https://x'", "exec: {command: aws, apiVersion: client.authentication.k8s.io/v1alpha1}", "",
		  "apiVersion: must be client.authentication.k8s.io/v1 or v1beta1" },
		{ "server: 'https://x'", "exec: {command: aws, apiVersion: " V1 "}", "",
		  "$/config:9:16: exec: interactiveMode must be Never, IfAvailable or Always" },
		{ "server: 'https://x'", "exec: {command: aws, interactiveMode: never, apiVersion: " V1 "}", "",
		  "interactiveMode: must be Never, IfAvailable or Always" },
		{ "server: 'https://x'", "exec: {command: aws, args: x, interactiveMode: Never, apiVersion: " V1 "}", "", "args: must be a list" },
		{ "server: 'https://x'", "exec: {command: aws, args: [[]], interactiveMode: Never, apiVersion: " V1 "}", "",
		  "args: must be a list of texts" },
		{ "server: 'https://x'", "exec: {command: aws, env: [x], interactiveMode: Never, apiVersion: " V1 "}", "",
		  "env: must be a list of maps" },
		{ "server: 'https://x'", "exec: {command: aws, env: [{value: x}], interactiveMode: Never, apiVersion: " V1 "}", "",
		  "env: each needs a name" },
		{ "server: 'https://x'", "exec: {command: aws, env: [{name: a=b}], interactiveMode: Never, apiVersion: " V1 "}", "",
		  "env: each needs a name" },
		{ "server: 'https://x', extensions: [{name: client.authentication.k8s.io/exec, extension: {a: b}}]",
		  "exec: {command: aws, provideClusterInfo: true, interactiveMode: Never, apiVersion: " V1 "}", "",
		  "extensions: client.authentication.k8s.io/exec is not supported" },
		{ "server: 'https://x'", "", ", namespace: Team", "namespace: \"Team\" is not a namespace" },
		{ "server: 'https://x'", "", ", namespace: a/b", "namespace: \"a/b\" is not a namespace" },
		{ "server: 'https://x'", "", ", namespace: -a", "namespace: \"-a\" is not a namespace" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_refused(write_config("config", rows[i].cluster, rows[i].user, rows[i].context), NULL, rows[i].message);
}

static void secrets_do_not_reach_messages(void **state)
{
	struct cluster_config config;
	struct error err;

	(void)state;
	write_config("config", "server: 'https://x'", "token: \"s3cret\\n\", client-key-data: s3cret", "");
	assert_int_equal(cluster_config_load(&config, in_dir("config"), NULL, &err), -1);
	assert_null(strstr(err.message, "s3cret"));
	write_config("config", "server: 'https://x'", "username: u, password: [s3cret]", "");
	assert_int_equal(cluster_config_load(&config, in_dir("config"), NULL, &err), -1);
	assert_null(strstr(err.message, "s3cret"));
}

static void token_file_may_be_missing_if_there_is_a_token(void **state)
{
	(void)state;
	struct cluster_config config =
		load(write_config("config", "server: 'https://x'", "token: t, tokenFile: missing", ""), NULL);

	assert_text(config.token, "t");
	assert_text(config.token_file, in_dir("missing"));
	cluster_config_close(&config);
}

/* ---- plugins ---- */

static void plugin_is_taken_with_all_it_has(void **state)
{
	(void)state;
	write_config("config", "server: 'https://x', extensions: [{name: other, extension: 1}]",
		     "exec: {apiVersion: " V1 ", command: aws, args: [eks, '', --x=y z], env: [{name: A, value: b=c}, {name: D}],"
		     " installHint: see there, provideClusterInfo: true, interactiveMode: Always}",
		     "");
	struct cluster_config config = load(in_dir("config"), NULL);

	assert_text(config.exec.api_version, V1);
	assert_text(config.exec.command, "aws"); /* a bare name is looked for in PATH */
	assert_text(config.exec.args[0], "eks");
	assert_text(config.exec.args[1], "");
	assert_text(config.exec.args[2], "--x=y z");
	assert_null(config.exec.args[3]);
	assert_text(config.exec.env[0], "A=b=c");
	assert_text(config.exec.env[1], "D=");
	assert_null(config.exec.env[2]);
	assert_text(config.exec.install_hint, "see there");
	assert_true(config.exec.provide_cluster_info);
	assert_int_equal(config.exec.interactive, INTERACTIVE_ALWAYS);
	cluster_config_close(&config);
}

static void command_with_a_slash_starts_at_its_file(void **state)
{
	static const struct {
		const char *command, *expected; /* $: the file's folder */
	} rows[] = {
		{ "./plugin", "$/./plugin" }, { "bin/plugin", "$/bin/plugin" }, { "../plugin", "$/../plugin" },
		{ "/opt/plugin", "/opt/plugin" }, { "plugin", "plugin" },
	};
	char user[256], expected[256];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(user, sizeof(user), "exec: {apiVersion: " V1 "beta1, command: %s}", rows[i].command);
		write_config("config", "server: 'https://x'", user, "");
		struct cluster_config config = load(in_dir("config"), NULL);

		snprintf(expected, sizeof(expected), "%s%s", *rows[i].expected == '$' ? dir : "", rows[i].expected + (*rows[i].expected == '$'));
		assert_text(config.exec.command, expected);
		assert_int_equal(config.exec.interactive, INTERACTIVE_IF_AVAILABLE); /* the older version's default */
		assert_false(config.exec.provide_cluster_info);
		cluster_config_close(&config);
	}
}

/* As with kubectl: it is not run for a request that has an Authorization header. */
static void token_and_password_go_before_the_plugin(void **state)
{
	static const char *const users[] = { "token: t", "tokenFile: /dev/null", "username: u" };
	char user[256];

	(void)state;
	for (size_t i = 0; i < COUNT(users); i++) {
		snprintf(user, sizeof(user), "%s, exec: {apiVersion: " V1 "beta1, command: aws}", users[i]);
		struct cluster_config config = load(write_config("config", "server: 'https://x'", user, ""), NULL);

		assert_null(config.exec.command);
		cluster_config_close(&config);
	}
	struct cluster_config config =
		load(write_config("config", "server: 'https://x'",
				  "client-certificate: a, client-key: b, exec: {apiVersion: " V1 "beta1, command: aws}", ""),
		     NULL);

	assert_text(config.exec.command, "aws");
	cluster_config_close(&config);
}

/* ---- contexts and names ---- */

static const char TWO_CONTEXTS[] =
	"clusters:\n- {name: k, cluster: {server: 'https://k'}}\n- {name: l, cluster: {server: 'https://l'}}\n"
	"contexts:\n- {name: c, context: {cluster: k}}\n- {name: d, context: {cluster: l, namespace: n}}\n";

static void context_flag_beats_the_current_one(void **state)
{
	char text[1024];

	(void)state;
	snprintf(text, sizeof(text), "current-context: c\n%s", TWO_CONTEXTS);
	write_file("config", text);
	struct cluster_config config = load(in_dir("config"), "d");

	assert_text(config.server, "https://l");
	assert_text(config.ns, "n");
	cluster_config_close(&config);
	config = load(in_dir("config"), NULL);
	assert_text(config.server, "https://k");
	cluster_config_close(&config);
}

static void missing_contexts_list_those_that_there_are(void **state)
{
	char text[4096];
	size_t len;

	(void)state;
	write_file("config", TWO_CONTEXTS);
	assert_refused(in_dir("config"), NULL, "$/config: no current-context; choose one with --context: c, d");
	assert_refused(in_dir("config"), "e", "$/config: no context \"e\"; there are: c, d");
	write_file("config", "current-context: e\n");
	assert_refused(in_dir("config"), NULL, "$/config: no context \"e\"; there are: none");
	write_file("config", "");
	assert_refused(in_dir("config"), NULL, "$/config: no current-context; choose one with --context: none");

	len = (size_t)sprintf(text, "contexts:\n");
	for (int i = 0; i < 60; i++)
		len += (size_t)sprintf(text + len, "- {name: a-rather-long-name-%d, context: {}}\n", i);
	write_file("config", text);
	assert_refused(in_dir("config"), NULL, "--context: a-rather-long-name-0, a-rather-long-name-1, ");
	assert_refused(in_dir("config"), NULL, " more");
}

static void entries_must_be_there_and_be_one(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "current-context: c\ncontexts: [{name: c, context: {cluster: nope}}]\n",
		  "$/config:2:41: no cluster \"nope\" is defined" },
		{ "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: nope}}]\nclusters: [{name: k, cluster: "
		  "{}}]\n",
		  "$/config:2:50: no user \"nope\" is defined" },
		{ "current-context: c\ncontexts: [{name: c, context: {}}]\n", "$/config:2:12: this context names no cluster" },
		{ "current-context: c\ncontexts:\n- {name: c}\n- {name: c}\n",
		  "$/config:4:3: context \"c\" is there twice (first in line 3)" },
		{ "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\nclusters:\n- name: k\n  cluster: {}\n- name: "
		  "k\n",
		  "$/config:6:3: cluster \"k\" is there twice (first in line 4)" },
		{ "current-context: c\ncontexts: {c: {}}\n", "$/config:2:11: contexts: must be a list" },
		{ "current-context: c\ncontexts: [c]\n", "$/config:2:12: contexts: must be a list of maps" },
		{ "current-context: c\ncontexts: [{name: c, context: x}]\n", "$/config:2:31: context: must be a map" },
		{ "current-context: [c]\n", "$/config:1:18: current-context: must be a string" },
		{ "- a\n", "$/config: not a kubeconfig" },
		{ "hello\n", "$/config: not a kubeconfig" },
		{ "a: [\n", "$/config:2:1: " },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_refused(write_file("config", rows[i].text), NULL, rows[i].message);
}

/* ---- several files ---- */

static void first_file_wins_by_entry(void **state)
{
	char list[1024];

	(void)state;
	write_file("one", "contexts: [{name: c, context: {cluster: k, namespace: one}}]\n");
	write_file("two", "current-context: c\nclusters: [{name: k, cluster: {server: 'https://two'}}]\n"
			  "contexts: [{name: c, context: {cluster: other, namespace: two}}]\n");
	write_file("three", "current-context: d\nclusters: [{name: k, cluster: {server: 'https://three', tls-server-name: t}}]\n");
	snprintf(list, sizeof(list), ":%s:%s:%s::%s", in_dir("missing"), in_dir("one"), in_dir("two"), in_dir("three"));
	setenv("KUBECONFIG", list, 1);
	struct cluster_config config = load(NULL, NULL);

	assert_text(config.server, "https://two");
	assert_text(config.ns, "one");
	assert_null(config.tls_server_name); /* an entry is taken whole, not field by field */
	cluster_config_close(&config);

	snprintf(list, sizeof(list), "%s:%s", in_dir("missing"), in_dir("gone"));
	setenv("KUBECONFIG", list, 1);
	assert_refused(NULL, NULL, "KUBECONFIG: $/missing:");
	snprintf(list, sizeof(list), "%s:%s", in_dir("two"), dir);
	setenv("KUBECONFIG", list, 1);
	assert_refused(NULL, NULL, "KUBECONFIG: $: Is a directory");
}

static void precedence_is_flag_environment_pod_home(void **state)
{
	char text[256];
	static const char *const names[] = { "flag", "environment", "home" };

	(void)state;
	mkdir(in_dir(".kube"), 0700);
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(text, sizeof(text), "server: 'https://%s'", names[i]);
		write_config(i == 2 ? ".kube/config" : names[i], text, "", "");
	}
	setenv("KUBECONFIG", in_dir("environment"), 1);
	setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	struct cluster_config config = load(in_dir("flag"), NULL);

	assert_text(config.server, "https://flag");
	cluster_config_close(&config);
	config = load("", NULL);
	assert_text(config.server, "https://environment");
	cluster_config_close(&config);

	/* In a Pod, but here without its files: that is an error and not a reason to look further. */
	setenv("KUBECONFIG", "", 1);
	assert_refused(NULL, NULL,
		       "in-cluster (is automountServiceAccountToken off?): /var/run/secrets/kubernetes.io/serviceaccount/");
	/* A context means a kubeconfig. */
	config = load(NULL, "c");
	assert_text(config.server, "https://home");
	cluster_config_close(&config);

	unsetenv("KUBERNETES_SERVICE_PORT");
	config = load(NULL, NULL);
	assert_text(config.server, "https://home");
	cluster_config_close(&config);
	unlink(in_dir(".kube/config"));
	assert_refused(NULL, NULL, "are not set, $/.kube/config does not exist, and this is not a Pod");
	assert_refused(NULL, "c", "are not set, $/.kube/config does not exist, and --context needs a kubeconfig");
	/* A flag that names nothing is an error, whatever else there is. */
	assert_refused(in_dir("missing"), NULL, "$/missing: No such file or directory");
}

/* ---- in a Pod ---- */

static void pod_gets_its_mounted_identity(void **state)
{
	struct cluster_config config;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(cluster_config_in_cluster(&config, dir, &err), -1);
	assert_int_equal(err.class, ERROR_NOT_FOUND);
	setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	write_file("ca.crt", PEM);
	assert_int_equal(cluster_config_in_cluster(&config, dir, &err), -1);
	assert_int_equal(err.class, ERROR_INVALID);
	assert_non_null(strstr(err.message, "/token: No such file or directory"));
	write_file("token", "t");
	write_file("namespace", "mounted\n");
	assert_int_equal(cluster_config_in_cluster(&config, dir, &err), 0);
	assert_text(config.server, "https://10.96.0.1:443");
	assert_text(config.ca_file, in_dir("ca.crt"));
	assert_text(config.token_file, in_dir("token"));
	assert_text(config.ns, "mounted");
	assert_text(config.source, "in-cluster");
	assert_null(config.token);
	cluster_config_close(&config);

	setenv("POD_NAMESPACE", "from-env", 1);
	assert_int_equal(cluster_config_in_cluster(&config, dir, &err), 0);
	assert_text(config.ns, "from-env");
	cluster_config_close(&config);
	setenv("POD_NAMESPACE", "Bad", 1);
	assert_int_equal(cluster_config_in_cluster(&config, dir, &err), -1);
	assert_string_equal(err.message, "POD_NAMESPACE: \"Bad\" is not a namespace: 1 to 63 of a-z, 0-9 and -");
	unsetenv("POD_NAMESPACE");
	unlink(in_dir("namespace"));
	assert_int_equal(cluster_config_in_cluster(&config, dir, &err), 0);
	assert_text(config.ns, "default");
	cluster_config_close(&config);

	setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	assert_int_equal(cluster_config_in_cluster(&config, dir, &err), 0);
	assert_text(config.server, "https://[fd00::1]:443");
	cluster_config_close(&config);

	unlink(in_dir("ca.crt"));
	assert_int_equal(cluster_config_in_cluster(&config, dir, &err), -1);
	assert_int_equal(err.class, ERROR_INVALID);
	assert_non_null(strstr(err.message, "/ca.crt: No such file or directory"));
	setenv("KUBERNETES_SERVICE_PORT", "tcp://x", 1);
	assert_int_equal(cluster_config_in_cluster(&config, dir, &err), -1);
	assert_non_null(strstr(err.message, "KUBERNETES_SERVICE_HOST and _PORT: must be https://host:port"));
}

#define rule(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rule(every_field_is_taken),
		rule(what_is_absent_stays_so),
		rule(basic_authentication_and_insecure_are_taken),
		rule(a_context_without_user_is_anonymous),
		rule(inline_data_beats_the_file),
		rule(base64_may_have_line_ends),
		rule(relative_paths_start_at_their_own_file),
		rule(refusals_name_the_place_and_the_reason),
		rule(secrets_do_not_reach_messages),
		rule(token_file_may_be_missing_if_there_is_a_token),
		rule(plugin_is_taken_with_all_it_has),
		rule(command_with_a_slash_starts_at_its_file),
		rule(token_and_password_go_before_the_plugin),
		rule(context_flag_beats_the_current_one),
		rule(missing_contexts_list_those_that_there_are),
		rule(entries_must_be_there_and_be_one),
		rule(first_file_wins_by_entry),
		rule(precedence_is_flag_environment_pod_home),
		rule(pod_gets_its_mounted_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
