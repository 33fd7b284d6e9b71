/*
 * Reads the bundle of authorities and the client certificate, finds them good, and keeps them in memory files: curl's GnuTLS back end takes
 * files only (no CURLOPT_*_BLOB in 7.88) and opens them with each connection, when the real ones may be half written. Must not know when
 * to look, nor who connects. Invariant: all that is in a snapshot can be used, and a certificate has its key.
 */
#include "trust.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gnutls/x509.h>

#include "identity.h"
#include "memory.h"
#include "textfile.h"

static gnutls_datum_t datum(char *text)
{
	return (gnutls_datum_t){ .data = (unsigned char *)text, .size = (unsigned)strlen(text) };
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* ---- what is good ---- */

/* How many certificates, or a code of GnuTLS. expires: when the first one does. */
static int parse(char *pem, instant_t *expires)
{
	gnutls_datum_t text = datum(pem);
	gnutls_x509_crt_t *crts = NULL;
	unsigned n = 0;
	int code = gnutls_x509_crt_list_import2(&crts, &n, &text, GNUTLS_X509_FMT_PEM, 0);

	if (code < 0)
		return code;
	if (n)
		*expires = (instant_t)gnutls_x509_crt_get_expiration_time(crts[0]) * 1000;
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(crts[i]);
	gnutls_free(crts);
	return (int)n;
}

/* A bundle that somebody is writing just now ends anywhere, and GnuTLS is content with half a last line. */
static bool is_complete(const char *pem)
{
	while ((pem = strstr(pem, "-----BEGIN ")) != NULL) {
		pem = strstr(pem, "-----END ");
		if (pem)
			pem = strstr(pem + strlen("-----END "), "-----");
		if (!pem)
			return false;
	}
	return true;
}

static int check_bundle(char *pem, struct error *err)
{
	instant_t unused;
	int n = parse(pem, &unused);

	if (!is_complete(pem))
		return error_set(err, ERROR_INVALID, "incomplete");
	if (n <= 0)
		return error_set(err, ERROR_INVALID, "%s", n ? gnutls_strerror(n) : "has no certificate");
	return 0;
}

/* What would else come up with the first connection, and again with each that follows. */
static int check_pair(char *cert, const char *key, instant_t *expires, struct error *err)
{
	struct tls_identity *identity = tls_identity_new(cert, key, err);

	tls_identity_unref(identity);
	return identity && parse(cert, expires) > 0 ? 0 : -1;
}

/* ---- where it is ---- */

static char *take(const char *what, const char *file, const char *data, struct error *err)
{
	char *pem = data ? memory_strdup(data) : textfile_read(file, TRUST_BYTES_MAX, err);

	if (!pem)
		error_wrap(err, "%s", what);
	return pem;
}

static int read_bundle(const struct cluster_config *config, char **ca, struct error *err)
{
	*ca = NULL;
	if (!config->ca_file && !config->ca_data)
		return 0;
	*ca = take("certificate-authority", config->ca_file, config->ca_data, err);
	if (!*ca)
		return -1;
	if (check_bundle(*ca, err) == 0)
		return 0;
	memory_forget(*ca);
	*ca = NULL;
	return error_wrap(err, "certificate-authority%s%s", config->ca_file ? " " : "-data", config->ca_file ? config->ca_file : "");
}

struct pair {
	char *cert, *key;
	instant_t expires;
};

static void forget_pair(struct pair *pair)
{
	memory_forget(pair->cert);
	memory_forget(pair->key);
	*pair = (struct pair){ 0 };
}

static int read_pair(const struct cluster_config *config, const struct execcredential *shown, struct pair *pair, struct error *err)
{
	const bool configured = config->cert_file || config->cert_data, plugged = !configured && shown && shown->cert_pem;

	*pair = (struct pair){ 0 };
	if (!configured && !plugged)
		return 0;
	pair->cert = plugged ? memory_strdup(shown->cert_pem) : take("client-certificate", config->cert_file, config->cert_data, err);
	if (pair->cert)
		pair->key = plugged ? memory_strdup(shown->key_pem) : take("client-key", config->key_file, config->key_data, err);
	if (pair->key && check_pair(pair->cert, pair->key, &pair->expires, err) == 0)
		return 0;
	if (pair->key && plugged)
		error_wrap(err, "the plugin's clientCertificateData and clientKeyData");
	else if (pair->key)
		error_wrap(err, "client-certificate%s%s and client-key%s%s", config->cert_file ? " " : "-data",
			   config->cert_file ? config->cert_file : "", config->key_file ? " " : "-data", config->key_file ? config->key_file : "");
	forget_pair(pair);
	return -1;
}

/* ---- snapshots ---- */

static int open_file(const char *text, int *file, char **path, struct error *err)
{
	int fd = *file = memfd_create("trust", MFD_CLOEXEC);

	for (size_t sent = 0, len = strlen(text); sent < len;) {
		ssize_t n = fd < 0 ? -1 : write(fd, text + sent, len - sent);

		if (n < 0)
			return error_set(err, ERROR_INVALID, "memfd: %s", strerror(errno));
		sent += (size_t)n;
	}
	*path = memory_printf("/proc/self/fd/%d", fd);
	return 0;
}

/* Takes the texts. */
static struct trust *keep(char *ca, struct pair *pair, struct error *err)
{
	struct trust *trust = memory_alloc(sizeof(*trust));

	*trust = (struct trust){ .pem = { ca, pair->cert, pair->key }, .fd = { -1, -1, -1 }, .expires = pair->expires };
	for (unsigned i = 0; i < TRUST_PARTS; i++) {
		if (!trust->pem[i] || open_file(trust->pem[i], &trust->fd[i], &trust->path[i], err) == 0)
			continue;
		trust_free(trust);
		return NULL;
	}
	return trust;
}

struct trust *trust_new(const struct cluster_config *config, struct error *err)
{
	struct pair pair;
	char *ca;

	if (read_bundle(config, &ca, err))
		return NULL;
	if (read_pair(config, NULL, &pair, err) == 0)
		return keep(ca, &pair, err);
	memory_forget(ca);
	return NULL;
}

/* Without a configured pair there is that of a plugin, which stays until the plugin says something else. */
static bool keeps_pair(const struct cluster_config *config, const struct execcredential *shown)
{
	return !config->cert_file && !config->cert_data && !shown;
}

struct trust *trust_renew(const struct trust *old, const struct cluster_config *config, const struct execcredential *shown, struct error *err)
{
	struct pair pair = { 0 };
	char *ca;

	*err = (struct error){ 0 };
	if (read_bundle(config, &ca, err))
		ca = memory_strdup(old->pem[TRUST_CA]);
	if (keeps_pair(config, shown) || read_pair(config, shown, &pair, err))
		pair = (struct pair){ memory_strdup(old->pem[TRUST_CERT]), memory_strdup(old->pem[TRUST_KEY]), old->expires };
	if (!same(ca, old->pem[TRUST_CA]) || !same(pair.cert, old->pem[TRUST_CERT]) || !same(pair.key, old->pem[TRUST_KEY]))
		return keep(ca, &pair, err);
	memory_forget(ca);
	forget_pair(&pair);
	return NULL;
}

void trust_free(struct trust *trust)
{
	if (!trust)
		return;
	for (unsigned i = 0; i < TRUST_PARTS; i++) {
		memory_forget(trust->pem[i]);
		free(trust->path[i]);
		if (trust->fd[i] >= 0)
			close(trust->fd[i]);
	}
	free(trust);
}
