/*
 * Who we are and to whom. Input: a letter, and files parted by a byte 0x1e. k: --kubeconfig; c: the same with --context two;
 * e: each file is one of $KUBECONFIG; h: it is ~/.kube/config; p: in a Pod, whose host, port and namespace are the first three
 * lines. What comes out is complete and consistent, or empty with a reason that can be shown.
 */
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "config.h"
#include "fuzz.h"

enum { FILES_MAX = 3, PATH_SIZE = 128 };
static const char *const variables[] = { "KUBECONFIG", "HOME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT",
					 "POD_NAMESPACE" };

/* ---- files ---- */

static char folder[PATH_SIZE];

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat, (void)type, (void)ftw;
	return remove(path);
}

static void remove_folder(void)
{
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *name, const char *text, size_t len)
{
	cleanup_free char *path = memory_printf("%s/%s", folder, name);
	FILE *file = fopen(path, "w");

	check(file && fwrite(text, 1, len, file) == len && fclose(file) == 0);
}

/* One for the process: HOME, and a Pod's mount. */
static void make_folder(void)
{
	const char *tmp = getenv("TMPDIR");

	if (folder[0])
		return;
	snprintf(folder, sizeof(folder), "%s/tollgate-fuzz-XXXXXX", tmp ? tmp : "/tmp");
	check(mkdtemp(folder));
	atexit(remove_folder);
	cleanup_free char *kube = memory_printf("%s/.kube", folder);

	check(mkdir(kube, 0700) == 0);
	write_file("token", "t", 1);
	write_file("ca.crt", "c", 1);
}

/* ---- what must hold ---- */

static bool is_empty(const struct cluster_config *config)
{
	static const struct cluster_config none;

	return memcmp(config, &none, sizeof(none)) == 0;
}

static void check_config(const struct cluster_config *config)
{
	const char *server = config->server;

	check(strncmp(server, "https://", 8) == 0 || strncmp(server, "http://", 7) == 0);
	check(server[strlen(server) - 1] != '/' && !strpbrk(server, " @?#\\\n"));
	check(config->ns && strlen(config->ns) <= 63 &&
	      config->ns[strspn(config->ns, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0');
	check(config->source);
	check(!(config->ca_data && config->ca_file) && !(config->cert_data && config->cert_file) &&
	      !(config->key_data && config->key_file));
	check(!(config->cert_data || config->cert_file) == !(config->key_data || config->key_file));
	check(!(config->insecure && (config->ca_data || config->ca_file)));
	check(!((config->token || config->token_file) && (config->username || config->password)));
	check(!config->exec.command || !(config->token || config->token_file || config->username || config->password));
	check(!config->exec.command || (config->exec.api_version && config->exec.args && config->exec.env));
	check(!config->impersonate_groups || config->impersonate_user);
}

static void check_result(struct cluster_config *config, int result, const struct error *err)
{
	if (result == 0) {
		check_config(config);
		cluster_config_close(config);
	} else {
		check_error(err);
	}
	check(is_empty(config));
}

static void load_pod(char *text)
{
	struct cluster_config config;
	struct error err = { 0 };

	for (size_t i = 2; i < 4; i++) {
		const char *line = strsep(&text, "\n");

		setenv(variables[i], line ? line : "", 1);
	}
	write_file("namespace", text ? text : "", text ? strlen(text) : 0);
	int result = cluster_config_in_cluster(&config, folder, &err);

	check_result(&config, result, &err);
	setenv("POD_NAMESPACE", text ? text : "", 1);
	result = cluster_config_in_cluster(&config, folder, &err);
	check_result(&config, result, &err);
}

static void load(char letter, const char *text, size_t len)
{
	cleanup_free char *first = memory_printf("%s/0", folder), *list = memory_strdup("");
	struct cluster_config config;
	struct error err = { 0 };

	for (size_t i = 0, at = 0; i < FILES_MAX && at <= len; i++) {
		const char *end = memchr(text + at, 0x1e, len - at);
		const size_t part = end ? (size_t)(end - text) - at : len - at;
		char *more = memory_printf("%s%s%s/%zu", list, *list ? ":" : "", folder, i);

		write_file(strrchr(more, '/') + 1, text + at, part);
		if (i == 0)
			write_file(".kube/config", text, part);
		free(list);
		list = more;
		at += part + 1;
	}
	if (letter == 'e')
		setenv("KUBECONFIG", list, 1);
	setenv("HOME", folder, 1);
	int result =
		cluster_config_load(&config, letter == 'k' || letter == 'c' ? first : NULL, letter == 'c' ? "two" : NULL, &err);

	check_result(&config, result, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = rest_of(data, size, 1);

	if (size == 0)
		return 0;
	make_folder();
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
	if (data[0] == 'p')
		load_pod(text);
	else
		load((char)data[0], text, size - 1);
	return 0;
}
