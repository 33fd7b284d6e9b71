/*
 * execcredential.h. Must not know how a plugin is run, nor what is done with what it says.
 * Invariant: whatever a plugin printed, no part of it but the version it claims to speak gets into a message: it may be a secret.
 */
#include "execcredential.h"

#include <string.h>

#include "memory.h"
#include "tree.h"

enum { VERSION_SHOWN = 64 };

static json_t *cluster_of(const struct execinfo *info)
{
	if (!info->server)
		return NULL;
	/* disable-compression has no omitempty in client-go: plugins may count on it. */
	return tree_made(json_pack("{s:s,s:s*,s:o*,s:s*,s:s*,s:b}", "server", info->server, "tls-server-name", info->tls_server_name,
				   "insecure-skip-tls-verify", info->insecure ? json_true() : NULL, "certificate-authority-data",
				   info->ca_base64, "proxy-url", info->proxy_url, "disable-compression", false));
}

char *execcredential_info(const struct execinfo *info)
{
	return tree_print(tree_made(json_pack("{s:s,s:s,s:{s:o*,s:b}}", "kind", "ExecCredential", "apiVersion", info->api_version, "spec",
					      "cluster", cluster_of(info), "interactive", info->interactive)));
}

static int check_version(const json_t *tree, const char *api_version, struct error *err)
{
	const char *kind = tree_text(tree, "kind", VERSION_SHOWN), *version = tree_text(tree, "apiVersion", VERSION_SHOWN);

	if (!kind || strcmp(kind, "ExecCredential") != 0)
		return error_set(err, ERROR_INVALID, "what it printed is not an ExecCredential");
	if (!version || strcmp(version, api_version) != 0)
		return error_set(err, ERROR_INVALID, "the kubeconfig says %s, the plugin answered with %s", api_version,
				 version ? version : "no apiVersion");
	return 0;
}

/* A member that is absent, null or "" says nothing; one of another type is an error. */
static int take_text(const json_t *status, const char *name, char **out, struct error *err)
{
	const json_t *value = json_object_get(status, name);

	if (!value || json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0))
		return 0;
	*out = memory_strdup(tree_text(status, name, EXECCREDENTIAL_BYTES_MAX));
	return *out ? 0 : error_set(err, ERROR_INVALID, "status.%s is not a text", name);
}

static int take_expiry(const json_t *status, instant_t *out, struct error *err)
{
	cleanup_free char *text = NULL;

	if (take_text(status, "expirationTimestamp", &text, err))
		return -1;
	if (text && instant_parse(text, strlen(text), out))
		return error_set(err, ERROR_INVALID, "status.expirationTimestamp is not a time such as 2027-01-31T10:00:00Z");
	return 0;
}

static int take_status(const json_t *status, struct execcredential *credential, struct error *err)
{
	if (!json_is_object(status))
		return error_set(err, ERROR_INVALID, "it printed no status");
	if (take_text(status, "token", &credential->token, err) || take_text(status, "clientCertificateData", &credential->cert_pem, err) ||
	    take_text(status, "clientKeyData", &credential->key_pem, err) || take_expiry(status, &credential->expires, err))
		return -1;
	if (!credential->cert_pem != !credential->key_pem)
		return error_set(err, ERROR_INVALID, "it printed only one of clientCertificateData and clientKeyData");
	if (!credential->token && !credential->cert_pem)
		return error_set(err, ERROR_INVALID, "it printed neither a token nor a client certificate");
	return 0;
}

int execcredential_decode(const char *text, size_t len, const char *api_version, struct execcredential *credential, struct error *err)
{
	struct error detail; /* quotes the text where it is no JSON */
	cleanup_tree json_t *tree = tree_parse(text, len, EXECCREDENTIAL_BYTES_MAX, &detail);

	*credential = (struct execcredential){ 0 };
	if (!tree)
		return error_set(err, ERROR_INVALID, len ? "what it printed is not JSON" : "it printed nothing");
	if (check_version(tree, api_version, err) == 0 && take_status(json_object_get(tree, "status"), credential, err) == 0)
		return 0;
	execcredential_close(credential);
	return -1;
}

void execcredential_close(struct execcredential *credential)
{
	memory_forget(credential->token);
	memory_forget(credential->cert_pem);
	memory_forget(credential->key_pem);
	*credential = (struct execcredential){ 0 };
}
