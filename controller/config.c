/*
 * Finds the one cluster and the one user that we are to use, and refuses what kubectl would refuse or what could only be meant
 * otherwise. Must not connect, and must not log. Invariant: *config is complete and consistent, or closed and empty on -1; nothing
 * secret ever reaches an error message.
 */
#include "config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "yamldoc.h"

#define MOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

enum { SMALL_FILE_MAX = 4096 };

/* The files of one KUBECONFIG, in order: the first that says something wins. */
struct files {
	const char *list; /* as it was given */
	struct yamldoc **docs;
	size_t n;
};

/* A named entry, and the file it came from: relative paths are relative to that file. */
struct entry {
	const struct yamldoc *doc;
	const struct yamlnode *item; /* { name: x, cluster: {...} } */
	const struct yamlnode *body; /* {...}, or NULL */
};

static void cleanup_files(struct files *files)
{
	for (size_t i = 0; i < files->n; i++)
		yamldoc_free(files->docs[i]);
	free(files->docs);
}

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* ---- values ---- */

static int check_readable(const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char byte;
	ssize_t got = fd < 0 ? -1 : read(fd, &byte, 1);
	int cause = errno;

	if (fd >= 0)
		close(fd);
	if (got < 0)
		return error_set(err, ERROR_INVALID, "%s: %s", path, strerror(cause));
	return 0;
}

static int check_namespace(const char *ns, struct error *err)
{
	size_t len = strlen(ns);
	bool ok = len >= 1 && len <= 63 && ns[0] != '-' && ns[len - 1] != '-';

	for (size_t i = 0; i < len && ok; i++)
		ok = (ns[i] >= 'a' && ns[i] <= 'z') || (ns[i] >= '0' && ns[i] <= '9') || ns[i] == '-';
	if (!ok)
		return error_set(err, ERROR_INVALID, "\"%.80s\" is not a namespace: 1 to 63 of a-z, 0-9 and -", ns);
	return 0;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

/* A host name or an address: it becomes part of a URL. */
static int check_server_name(const char *name, struct error *err)
{
	for (const char *at = name; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("-._:", *at))
			return error_set(err, ERROR_INVALID, "must be a host name");
	return 0;
}

/* "host", "host:port", "[address]:port": what stands before the path. Others take it apart without looking again. */
static bool is_authority(const char *text, size_t len)
{
	char address[64], *end;
	struct in6_addr parsed;
	size_t host = 0;

	if (len && *text == '[') {
		host = strcspn(text, "]") + 1;
		if (host > len || host - 2 >= sizeof(address))
			return false;
		memcpy(address, text + 1, host - 2);
		address[host - 2] = '\0';
		if (inet_pton(AF_INET6, address, &parsed) != 1)
			return false;
	} else {
		while (host < len && (isalnum((unsigned char)text[host]) || strchr("-._", text[host])))
			host++;
		if (host == 0)
			return false;
	}
	if (host == len)
		return true;
	if (text[host] != ':' || !isdigit((unsigned char)text[host + 1]))
		return false;
	unsigned long port = strtoul(text + host + 1, &end, 10);

	return end == text + len && port >= 1 && port <= 65535;
}

/* The server without trailing slashes. Userinfo, query and fragment have no meaning here, so whoever wrote one erred. */
static int take_server(struct cluster_config *config, const char *server, struct error *err)
{
	const char *host = strncmp(server, "https://", 8) == 0	? server + 8
			   : strncmp(server, "http://", 7) == 0 ? server + 7
								: NULL;
	size_t len = strlen(server);

	if (!host)
		return error_set(err, ERROR_INVALID, "must begin with https:// or http://");
	if (has_control(server) || server[strcspn(server, " @?#\\")] || !is_authority(host, strcspn(host, "/")))
		return error_set(err, ERROR_INVALID, "must be https://host:port/path, without user, query and fragment");
	while (server[len - 1] == '/')
		len--;
	config->server = memory_strndup(server, len);
	return 0;
}

static int take_proxy(struct cluster_config *config, const char *proxy, struct error *err)
{
	static const char *const schemes[] = { "http://", "https://", "socks5://" };

	/* curl would only find out with the first request, and quote all of it, a password too. */
	for (const char *at = proxy; *at; at++)
		if (*at <= ' ' || *at > '~' || strchr("\"<>\\^`{|}", *at))
			return error_set(err, ERROR_INVALID, "has a character that no URL has; in user and password write it as %%20 and so on");
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		size_t len = strlen(schemes[i]);

		if (strncasecmp(proxy, schemes[i], len) == 0 && proxy[len] && proxy[len] != '/') {
			config->proxy_url = memory_strdup(proxy);
			return 0;
		}
	}
	return error_set(err, ERROR_INVALID, "must be http://host, https://host or socks5://host");
}

/* Base64 of PEM, as in certificate-authority-data. */
static int decode_pem(const char *text, char **out, struct error *err)
{
	gnutls_datum_t in = { .data = (unsigned char *)memory_strdup(text), .size = (unsigned)strlen(text) };
	gnutls_datum_t pem = { 0 };
	int result = gnutls_base64_decode2(&in, &pem);

	explicit_bzero(in.data, in.size);
	free(in.data);
	if (result < 0)
		return error_set(err, ERROR_INVALID, "is not base64");
	char *copy = memory_strndup((const char *)pem.data, pem.size);
	bool ok = strlen(copy) == pem.size && strstr(copy, "-----BEGIN ");

	explicit_bzero(pem.data, pem.size);
	gnutls_free(pem.data);
	if (!ok) {
		free(copy);
		return error_set(err, ERROR_INVALID, "is not PEM (-----BEGIN ...) once decoded");
	}
	*out = copy;
	return 0;
}

/* ---- fields of an entry ---- */

/* Puts place and key before what a check of a value said. */
static int fail_key(const struct entry *entry, const char *key, struct error *err)
{
	return yamldoc_fail(entry->doc, yamlnode_get(entry->body, key), err, "%s: %s", key, err->message);
}

static int fail_entry(const struct entry *entry, struct error *err, const char *what)
{
	return yamldoc_fail(entry->doc, entry->item, err, "%s", what);
}

/* The text under a key, or NULL when it is absent or empty: kubectl makes no difference. */
static int get_text(const struct entry *entry, const char *key, const char **out, struct error *err)
{
	*out = NULL;
	if (yamldoc_string(entry->doc, entry->body, key, out, err))
		return -1;
	if (*out && !**out)
		*out = NULL;
	return 0;
}

static int copy_text(const struct entry *entry, const char *key, char **out, struct error *err)
{
	const char *text;

	if (get_text(entry, key, &text, err))
		return -1;
	*out = memory_strdup(text);
	return 0;
}

/* Text that becomes a header's value, or a part of a URL. */
static int copy_word(const struct entry *entry, const char *key, bool spaces, char **out, struct error *err)
{
	if (copy_text(entry, key, out, err))
		return -1;
	if (*out && (has_control(*out) || (!spaces && strchr(*out, ' ')))) {
		error_set(err, ERROR_INVALID, "has a %scontrol character", spaces ? "" : "space or ");
		return fail_key(entry, key, err);
	}
	return 0;
}

/* A path, resolved against the folder of the file that names it. */
static int copy_path(const struct entry *entry, const char *key, char **out, struct error *err)
{
	const char *text, *file = yamldoc_name(entry->doc), *slash = strrchr(file, '/');

	if (get_text(entry, key, &text, err))
		return -1;
	if (text && *text != '/' && slash)
		*out = memory_printf("%.*s/%s", (int)(slash - file), file, text);
	else
		*out = memory_strdup(text);
	return 0;
}

/* Inline data, else the file. */
static int copy_pem(const struct entry *entry, const char *key, char **data, char **file, struct error *err)
{
	char data_key[64];
	const char *text;

	snprintf(data_key, sizeof(data_key), "%s-data", key);
	if (get_text(entry, data_key, &text, err))
		return -1;
	if (!text)
		return copy_path(entry, key, file, err);
	if (decode_pem(text, data, err))
		return fail_key(entry, data_key, err);
	return 0;
}

/* ---- cluster, user, context ---- */

static int read_cluster(struct cluster_config *config, const struct entry *entry, struct error *err)
{
	const char *text;

	if (get_text(entry, "server", &text, err))
		return -1;
	if (!text)
		return fail_entry(entry, err, "this cluster has no server");
	if (take_server(config, text, err))
		return fail_key(entry, "server", err);
	if (get_text(entry, "proxy-url", &text, err))
		return -1;
	if (text && take_proxy(config, text, err))
		return fail_key(entry, "proxy-url", err);
	if (copy_text(entry, "tls-server-name", &config->tls_server_name, err) ||
	    yamldoc_bool(entry->doc, entry->body, "insecure-skip-tls-verify", &config->insecure, err) ||
	    copy_pem(entry, "certificate-authority", &config->ca_data, &config->ca_file, err))
		return -1;
	if (config->tls_server_name && check_server_name(config->tls_server_name, err))
		return fail_key(entry, "tls-server-name", err);
	if (config->insecure && (config->ca_data || config->ca_file))
		return fail_entry(entry, err, "a certificate authority together with insecure-skip-tls-verify: remove one of them");
	return 0;
}

static int read_impersonation(struct cluster_config *config, const struct entry *entry, struct error *err)
{
	const struct yamlnode *groups = NULL;

	if (copy_word(entry, "as", true, &config->impersonate_user, err) ||
	    copy_word(entry, "as-uid", true, &config->impersonate_uid, err) ||
	    yamldoc_list(entry->doc, entry->body, "as-groups", &groups, err))
		return -1;
	if (yamlnode_get(entry->body, "as-user-extra"))
		return yamldoc_fail(entry->doc, yamlnode_get(entry->body, "as-user-extra"), err, "as-user-extra: not supported");
	if ((config->impersonate_uid || (groups && groups->n)) && !config->impersonate_user)
		return fail_entry(entry, err, "as-uid and as-groups need a user to impersonate (as)");
	if (!groups || !groups->n)
		return 0;
	config->impersonate_groups = memory_alloc((groups->n + 1) * sizeof(char *));
	for (size_t i = 0; i < groups->n; i++) {
		const struct yamlnode *group = groups->items[i];

		if (group->type != YAMLNODE_SCALAR || !*group->text || has_control(group->text))
			return yamldoc_fail(entry->doc, group, err, "as-groups: must be a list of names");
		config->impersonate_groups[i] = memory_strdup(group->text);
	}
	return 0;
}

/* ---- credential plugins ---- */

static int refuse_auth_provider(const struct entry *entry, struct error *err)
{
	const struct yamlnode *provider = yamlnode_get(entry->body, "auth-provider");

	if (provider && yamlnode_get(entry->body, "exec"))
		return fail_entry(entry, err, "auth-provider together with exec: only one is allowed");
	if (provider)
		return yamldoc_fail(entry->doc, provider, err, "auth-provider: Kubernetes has dropped these; use exec");
	return 0;
}

static int read_args(const struct entry *exec, char ***out, struct error *err)
{
	const struct yamlnode *list = NULL;

	if (yamldoc_list(exec->doc, exec->body, "args", &list, err))
		return -1;
	*out = memory_alloc(((list ? list->n : 0) + 1) * sizeof(char *));
	for (size_t i = 0; list && i < list->n; i++) {
		if (list->items[i]->type != YAMLNODE_SCALAR)
			return yamldoc_fail(exec->doc, list->items[i], err, "args: must be a list of texts");
		(*out)[i] = memory_strdup(list->items[i]->text);
	}
	return 0;
}

static int read_env(const struct entry *exec, char ***out, struct error *err)
{
	const struct yamlnode *list = NULL;

	if (yamldoc_list(exec->doc, exec->body, "env", &list, err))
		return -1;
	*out = memory_alloc(((list ? list->n : 0) + 1) * sizeof(char *));
	for (size_t i = 0; list && i < list->n; i++) {
		const struct yamlnode *item = list->items[i];
		const char *name = NULL, *value = "";

		if (item->type != YAMLNODE_MAP)
			return yamldoc_fail(exec->doc, item, err, "env: must be a list of maps");
		if (yamldoc_string(exec->doc, item, "name", &name, err) || yamldoc_string(exec->doc, item, "value", &value, err))
			return -1;
		if (!name || !*name || strchr(name, '='))
			return yamldoc_fail(exec->doc, item, err, "env: each needs a name, without \"=\"");
		(*out)[i] = memory_printf("%s=%s", name, value);
	}
	return 0;
}

/* A default in v1beta1, demanded in v1. */
static int read_interactive(const struct entry *exec, bool beta, enum interactive *out, struct error *err)
{
	static const char *const modes[] = { "Never", "IfAvailable", "Always" };
	const char *mode;

	if (get_text(exec, "interactiveMode", &mode, err))
		return -1;
	if (!mode && !beta)
		return fail_entry(exec, err, "exec: interactiveMode must be Never, IfAvailable or Always");
	*out = INTERACTIVE_IF_AVAILABLE;
	for (unsigned i = 0; mode && i < sizeof(modes) / sizeof(*modes); i++) {
		*out = (enum interactive)i;
		if (strcmp(mode, modes[i]) == 0)
			mode = NULL;
	}
	if (!mode)
		return 0;
	error_set(err, ERROR_INVALID, "must be Never, IfAvailable or Always");
	return fail_key(exec, "interactiveMode", err);
}

/* As for other paths, but a bare name is looked for in PATH. */
static int read_command(const struct entry *exec, char **out, struct error *err)
{
	const char *text;

	if (get_text(exec, "command", &text, err))
		return -1;
	if (!text)
		return fail_entry(exec, err, "exec: command must be given");
	return strchr(text, '/') ? copy_path(exec, "command", out, err) : copy_text(exec, "command", out, err);
}

static int read_exec(struct exec_config *exec, const struct entry *user, struct error *err)
{
	static const char group[] = "client.authentication.k8s.io/";
	struct entry entry = { .doc = user->doc };

	if (yamldoc_map(user->doc, user->body, "exec", &entry.body, err))
		return -1;
	entry.item = entry.body;
	if (!entry.body)
		return 0;
	if (read_command(&entry, &exec->command, err) || copy_text(&entry, "apiVersion", &exec->api_version, err))
		return -1;
	if (!exec->api_version)
		return fail_entry(&entry, err, "exec: apiVersion must be given");
	const char *version = strncmp(exec->api_version, group, sizeof(group) - 1) == 0 ? exec->api_version + sizeof(group) - 1 : "";
	const bool beta = strcmp(version, "v1beta1") == 0;

	if (!beta && strcmp(version, "v1") != 0) {
		error_set(err, ERROR_INVALID, "must be client.authentication.k8s.io/v1 or v1beta1");
		return fail_key(&entry, "apiVersion", err);
	}
	if (copy_text(&entry, "installHint", &exec->install_hint, err) || read_args(&entry, &exec->args, err) ||
	    read_env(&entry, &exec->env, err) ||
	    yamldoc_bool(entry.doc, entry.body, "provideClusterInfo", &exec->provide_cluster_info, err))
		return -1;
	return read_interactive(&entry, beta, &exec->interactive, err);
}

static void free_list(char **list)
{
	for (char **item = list; item && *item; item++)
		memory_forget(*item);
	free(list);
}

static void close_exec(struct exec_config *exec)
{
	free(exec->api_version);
	free(exec->command);
	free(exec->install_hint);
	free_list(exec->args);
	free_list(exec->env);
	*exec = (struct exec_config){ 0 };
}

/* spec.cluster.config would come from there. */
static int check_extensions(const struct cluster_config *config, const struct entry *cluster, struct error *err)
{
	const struct yamlnode *list = NULL;

	if (!config->exec.provide_cluster_info)
		return 0;
	if (yamldoc_list(cluster->doc, cluster->body, "extensions", &list, err))
		return -1;
	for (size_t i = 0; list && i < list->n; i++) {
		const struct yamlnode *name = yamlnode_get(list->items[i], "name");

		if (name && name->type == YAMLNODE_SCALAR && strcmp(name->text, "client.authentication.k8s.io/exec") == 0)
			return yamldoc_fail(cluster->doc, list->items[i], err, "extensions: %s is not supported", name->text);
	}
	return 0;
}

/* ---- users ---- */

static int read_user(struct cluster_config *config, const struct entry *entry, struct error *err)
{
	if (refuse_auth_provider(entry, err) || read_exec(&config->exec, entry, err) || copy_word(entry, "token", false, &config->token, err) ||
	    copy_path(entry, "tokenFile", &config->token_file, err) || copy_text(entry, "username", &config->username, err) ||
	    copy_text(entry, "password", &config->password, err) ||
	    copy_pem(entry, "client-certificate", &config->cert_data, &config->cert_file, err) ||
	    copy_pem(entry, "client-key", &config->key_data, &config->key_file, err) || read_impersonation(config, entry, err))
		return -1;
	bool cert = config->cert_data || config->cert_file, key = config->key_data || config->key_file;

	if (cert && !key)
		return fail_entry(entry, err, "client-certificate without client-key");
	if (key && !cert)
		return fail_entry(entry, err, "client-key without client-certificate");
	if ((config->token || config->token_file) && (config->username || config->password))
		return fail_entry(entry, err, "a token together with username and password: only one is allowed");
	if (config->token_file && !config->token && check_readable(config->token_file, err))
		return fail_key(entry, "tokenFile", err);
	/* client-go runs no plugin for a request that has an Authorization header already. */
	if (config->token || config->token_file || config->username || config->password)
		close_exec(&config->exec);
	return 0;
}

/* ---- files ---- */

static int read_files(struct files *files, const char *list, bool skip_missing, struct error *err)
{
	cleanup_free char *copy = memory_strdup(list);
	char *rest = copy, *path;

	files->list = list;
	while ((path = strsep(&rest, skip_missing ? ":" : "")) != NULL) {
		if (!*path)
			continue;
		struct yamldoc *doc = yamldoc_read(path, err);

		if (!doc && skip_missing && err->class == ERROR_NOT_FOUND)
			continue;
		if (!doc)
			return -1;
		files->docs = memory_resize(files->docs, (files->n + 1) * sizeof(*files->docs));
		files->docs[files->n++] = doc;
		if (yamldoc_root(doc)->type != YAMLNODE_MAP && yamldoc_root(doc)->type != YAMLNODE_NULL)
			return error_set(err, ERROR_INVALID, "%s: not a kubeconfig", path);
	}
	if (files->n == 0)
		return error_set(err, ERROR_INVALID, "%s: no such file", list);
	return 0;
}

/* Finds the entry of that name in the list `plural` (clusters) and its body under `singular` (cluster). 0 with item NULL when no
 * file has it. */
static int find_entry(const struct files *files, const char *plural, const char *singular, const char *name, struct entry *out,
		      struct error *err)
{
	*out = (struct entry){ 0 };
	for (size_t f = 0; f < files->n && !out->item; f++) {
		const struct yamldoc *doc = files->docs[f];
		const struct yamlnode *list = NULL;

		if (yamldoc_list(doc, yamldoc_root(doc), plural, &list, err))
			return -1;
		for (size_t i = 0; list && i < list->n; i++) {
			const struct yamlnode *item = list->items[i];
			const char *item_name = NULL;

			if (item->type != YAMLNODE_MAP)
				return yamldoc_fail(doc, item, err, "%s: must be a list of maps", plural);
			if (yamldoc_string(doc, item, "name", &item_name, err))
				return -1;
			if (!item_name || strcmp(item_name, name) != 0)
				continue;
			if (out->item)
				return yamldoc_fail(doc, item, err, "%s \"%.80s\" is there twice (first in line %u)", singular,
						    name, out->item->line);
			*out = (struct entry){ .doc = doc, .item = item };
			if (yamldoc_map(doc, item, singular, &out->body, err))
				return -1;
		}
	}
	return 0;
}

/* The names of all contexts, as many as fit. */
static const char *list_contexts(const struct files *files, char *text, size_t size)
{
	size_t used = 0, more = 0;

	for (size_t f = 0; f < files->n; f++) {
		const struct yamlnode *list = yamlnode_get(yamldoc_root(files->docs[f]), "contexts");

		for (size_t i = 0; list && list->type == YAMLNODE_LIST && i < list->n; i++) {
			const struct yamlnode *name = yamlnode_get(list->items[i], "name");

			if (!name || name->type != YAMLNODE_SCALAR)
				continue;
			if (more || used + strlen(name->text) + 20 > size)
				more++;
			else
				used += (size_t)sprintf(text + used, "%s%s", used ? ", " : "", name->text);
		}
	}
	if (more)
		sprintf(text + used, "%s%zu more", used ? " and " : "", more > 99999 ? 99999 : more);
	else if (!used)
		return "none";
	return text;
}

/* --context, else the first current-context. */
static int find_context(const struct files *files, const char *wanted, const char **name, struct entry *out, struct error *err)
{
	char known[144];

	*name = wanted;
	for (size_t f = 0; f < files->n && !*name; f++) {
		const struct entry root = { .doc = files->docs[f], .body = yamldoc_root(files->docs[f]) };

		if (get_text(&root, "current-context", name, err))
			return -1;
	}
	if (!*name) {
		error_set(err, ERROR_INVALID, "%.80s: no current-context; choose one with --context: %s", files->list,
			  list_contexts(files, known, sizeof(known)));
		return -1;
	}
	if (find_entry(files, "contexts", "context", *name, out, err))
		return -1;
	if (!out->item)
		return error_set(err, ERROR_INVALID, "%.80s: no context \"%.40s\"; there are: %s", files->list, *name,
				 list_contexts(files, known, sizeof(known)));
	return 0;
}

/* The entry that the context names under `singular`; item stays NULL when it names none. */
static int follow(const struct files *files, const struct entry *context, const char *plural, const char *singular,
		  struct entry *out, struct error *err)
{
	const char *name;

	*out = (struct entry){ 0 };
	if (get_text(context, singular, &name, err))
		return -1;
	if (!name)
		return 0;
	if (find_entry(files, plural, singular, name, out, err))
		return -1;
	if (!out->item)
		return yamldoc_fail(context->doc, yamlnode_get(context->body, singular), err, "no %s \"%.80s\" is defined",
				    singular, name);
	return 0;
}

static int read_kubeconfig(struct cluster_config *config, const char *list, bool skip_missing, const char *wanted,
			   struct error *err)
{
	__attribute__((cleanup(cleanup_files))) struct files files = { 0 };
	struct entry context, cluster, user;
	const char *name;

	if (read_files(&files, list, skip_missing, err) || find_context(&files, wanted, &name, &context, err) ||
	    follow(&files, &context, "clusters", "cluster", &cluster, err) || follow(&files, &context, "users", "user", &user, err))
		return -1;
	if (!cluster.item)
		return fail_entry(&context, err, "this context names no cluster");
	if (read_cluster(config, &cluster, err) || (user.item && read_user(config, &user, err)) ||
	    check_extensions(config, &cluster, err) ||
	    copy_text(&context, "namespace", &config->ns, err))
		return -1;
	if (!config->ns)
		config->ns = memory_strdup("default");
	if (check_namespace(config->ns, err))
		return fail_key(&context, "namespace", err);
	config->source = memory_printf("context %s of %s", name, yamldoc_name(context.doc));
	return 0;
}

/* ---- in-cluster ---- */

/* POD_NAMESPACE, then the mounted file, then "default". */
static int read_pod_namespace(struct cluster_config *config, const char *mount, struct error *err)
{
	cleanup_free char *path = memory_printf("%s/namespace", mount);
	char text[SMALL_FILE_MAX] = "";
	int fd = env("POD_NAMESPACE") ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0) {
		ssize_t got = read(fd, text, sizeof(text) - 1);

		close(fd);
		text[got > 0 ? got : 0] = '\0';
		text[strcspn(text, " \t\r\n")] = '\0';
	}
	config->ns = memory_strdup(env("POD_NAMESPACE") ? env("POD_NAMESPACE") : *text ? text : "default");
	if (check_namespace(config->ns, err))
		return error_wrap(err, "%s", env("POD_NAMESPACE") ? "POD_NAMESPACE" : path);
	return 0;
}

static int read_in_cluster(struct cluster_config *config, const char *mount, struct error *err)
{
	const char *host = env("KUBERNETES_SERVICE_HOST"), *port = env("KUBERNETES_SERVICE_PORT");

	if (!host || !port)
		return error_set(err, ERROR_NOT_FOUND, "not in a Pod: KUBERNETES_SERVICE_HOST and _PORT are not set");
	cleanup_free char *server = memory_printf(strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host, port);

	config->source = memory_strdup("in-cluster");
	config->ca_file = memory_printf("%s/ca.crt", mount);
	config->token_file = memory_printf("%s/token", mount);
	if (take_server(config, server, err))
		return error_wrap(err, "KUBERNETES_SERVICE_HOST and _PORT");
	/* Going on without it would mean the system's authorities: any of them could then speak for the API server. */
	if (check_readable(config->ca_file, err) || check_readable(config->token_file, err))
		return error_wrap(err, "in-cluster (is automountServiceAccountToken off?)");
	return read_pod_namespace(config, mount, err);
}

/* ---- the way in ---- */

static int finish(struct cluster_config *config, int result, enum error_class class, const struct error *ours, struct error *err)
{
	if (result == 0)
		return 0;
	cluster_config_close(config);
	return error_set(err, class, "%s", ours->message);
}

int cluster_config_in_cluster(struct cluster_config *config, const char *mount, struct error *err)
{
	struct error ours = { 0 };

	*config = (struct cluster_config){ 0 };
	int result = read_in_cluster(config, mount, &ours);

	return finish(config, result, ours.class, &ours, err);
}

int cluster_config_load(struct cluster_config *config, const char *kubeconfig, const char *context, struct error *err)
{
	struct error ours = { 0 };

	*config = (struct cluster_config){ 0 };
	if (kubeconfig && *kubeconfig)
		return finish(config, read_kubeconfig(config, kubeconfig, false, context, &ours), ERROR_INVALID, &ours, err);
	if (env("KUBECONFIG")) {
		int result = read_kubeconfig(config, env("KUBECONFIG"), true, context, &ours);

		if (result)
			error_wrap(&ours, "KUBECONFIG");
		return finish(config, result, ERROR_INVALID, &ours, err);
	}
	/* A Pod has no contexts: who asks for one by name means a kubeconfig. */
	if (!context) {
		int result = cluster_config_in_cluster(config, MOUNT, &ours);

		if (result == 0 || ours.class != ERROR_NOT_FOUND)
			return finish(config, result, ERROR_INVALID, &ours, err);
	}
	cleanup_free char *path = memory_printf("%s/.kube/config", env("HOME") ? env("HOME") : "");
	int result = read_kubeconfig(config, path, false, context, &ours);

	if (result && ours.class == ERROR_NOT_FOUND)
		error_set(&ours, ERROR_INVALID, "no cluster: --kubeconfig and $KUBECONFIG are not set, %s does not exist, and %s",
			  path, context ? "--context needs a kubeconfig" : "this is not a Pod");
	return finish(config, result, ERROR_INVALID, &ours, err);
}

void cluster_config_close(struct cluster_config *config)
{
	char *const plain[] = { config->server,	    config->tls_server_name, config->proxy_url,	       config->ca_file,
				config->ca_data,    config->cert_file,	     config->cert_data,	       config->key_file,
				config->token_file, config->username,	     config->impersonate_user, config->impersonate_uid,
				config->ns,	    config->source };

	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		free(plain[i]);
	memory_forget(config->key_data);
	memory_forget(config->token);
	memory_forget(config->password);
	free_list(config->impersonate_groups);
	close_exec(&config->exec);
	*config = (struct cluster_config){ 0 };
}
