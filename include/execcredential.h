/*
 * An ExecCredential (client.authentication.k8s.io) between JSON text and C: what a credential plugin is told, and what it answers.
 * Sources: Kubernetes "Authenticating", client-go credential plugins; k8s.io/client-go plugin/pkg/client/auth/exec.
 */
#ifndef TOLLGATE_EXECCREDENTIAL_H
#define TOLLGATE_EXECCREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "instant.h"

enum { EXECCREDENTIAL_BYTES_MAX = 256 << 10 };

/* For KUBERNETES_EXEC_INFO. Borrowed; NULL = absent. */
struct execinfo {
	const char *api_version;
	bool interactive;
	/* spec.cluster; server NULL = the plugin is not told. */
	const char *server, *tls_server_name, *ca_base64, *proxy_url;
	bool insecure;
};

/* malloc'ed. */
char *execcredential_info(const struct execinfo *);

/* malloc'ed; NULL = absent. Certificate and key are both there or neither. */
struct execcredential {
	char *token, *cert_pem, *key_pem;
	instant_t expires; /* 0 = it does not say */
};

/* 0, or -1 with ERROR_INVALID and nothing to close. The version must be the one that was asked for. Nothing of the text is in a message. */
int execcredential_decode(const char *text, size_t len, const char *api_version, struct execcredential *, struct error *) must_check;
void execcredential_close(struct execcredential *);

#endif
