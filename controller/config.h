/*
 * Which API server, and who we are to it: kubeconfig files merged as kubectl merges them, or the service account of the Pod
 * we run in. Reads files and the environment it is given; opens no connection. Rules and limits: kubernetes/client-go
 * tools/clientcmd (loader.go, validation.go), controller-runtime pkg/client/config.
 */
#ifndef TOLLGATE_CONFIG_H
#define TOLLGATE_CONFIG_H

#include <stdbool.h>

#include "error.h"

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
