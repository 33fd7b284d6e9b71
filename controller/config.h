/*
 * Which API server, and who we are to it: kubeconfig files merged as kubectl merges them, or the service account of the Pod
 * we run in. Reads files and the environment it is given; opens no connection. Rules and limits: kubernetes/client-go
 * tools/clientcmd (loader.go, validation.go), controller-runtime pkg/client/config.
 */
#ifndef TOLLGATE_CONFIG_H
#define TOLLGATE_CONFIG_H

#include <stdbool.h>

#include "error.h"

/* A credential plugin: a command that says who we are. Texts as in struct cluster_config. */
struct exec_config {
	char *api_version;    /* client.authentication.k8s.io/v1 or v1beta1 */
	char *command;        /* NULL = no plugin; without a slash it is looked for in PATH */
	char **args;          /* NULL-terminated, or NULL; without the command */
	char **env;           /* "NAME=value", added to ours; NULL-terminated, or NULL */
	char *install_hint;
	bool provide_cluster_info;
	enum interactive { INTERACTIVE_NEVER = 0, INTERACTIVE_IF_AVAILABLE, INTERACTIVE_ALWAYS } interactive; /* stdin */
};

/* Everything is malloc'ed and owned; NULL when absent. Of each pair inline data and file, at most one is set: data wins. */
struct cluster_config {
	char *server;          /* https://host:port[/prefix], no trailing slash */
	char *tls_server_name; /* for SNI and verification, instead of the URL's host */
	char *proxy_url;
	bool insecure;         /* do not verify the server */
	char *ca_file, *ca_data;               /* data is PEM */
	char *cert_file, *cert_data, *key_file, *key_data;
	char *token, *token_file;              /* the file beats the inline token */
	char *username, *password;
	struct exec_config exec;               /* only where there is neither token nor user name, which go before it */
	char *impersonate_user, *impersonate_uid;
	char **impersonate_groups;             /* NULL-terminated, or NULL */
	char *ns;              /* the context's namespace, "default" if it has none */
	char *source;          /* for messages: the file and context, or "in-cluster" */
};

/* kubeconfig: --kubeconfig or NULL. context: --context or NULL. Precedence: the flag, $KUBECONFIG, in-cluster, ~/.kube/config.
 * ERROR_INVALID, with file and line or field where there is one. */
int cluster_config_load(struct cluster_config *, const char *kubeconfig, const char *context, struct error *) must_check;
/* The middle of them alone: the service account mounted at `mount`. ERROR_NOT_FOUND when we do not run in a Pod. */
int cluster_config_in_cluster(struct cluster_config *, const char *mount, struct error *) must_check;
void cluster_config_close(struct cluster_config *);

#endif
