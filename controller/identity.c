/*
 * A certificate and its key, ready to be served. Must not know where they come from, nor who serves them.
 * Invariant: the two belong together; GnuTLS's copy lives as long as anybody holds a reference.
 */
#include "identity.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/x509.h>

#include "memory.h"

struct tls_identity {
	gnutls_certificate_credentials_t credentials;
	unsigned references;
};

static gnutls_datum_t datum(const char *text)
{
	return (gnutls_datum_t){ .data = (unsigned char *)(uintptr_t)text, .size = (unsigned)strlen(text) };
}

/* What GnuTLS also does in one call, where it loses memory over a bad certificate (3.7.9). It compares the two as well. */
static int set_pair(gnutls_certificate_credentials_t credentials, const char *chain_pem, const char *key_pem)
{
	gnutls_datum_t chain_text = datum(chain_pem), key_text = datum(key_pem);
	gnutls_x509_crt_t *chain = NULL;
	gnutls_x509_privkey_t key = NULL;
	unsigned n = 0;
	int result = gnutls_x509_privkey_init(&key);

	if (result >= 0)
		result = gnutls_x509_privkey_import2(key, &key_text, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (result >= 0)
		result = gnutls_x509_crt_list_import2(&chain, &n, &chain_text, GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_SORT);
	if (result >= 0)
		result = gnutls_certificate_set_x509_key(credentials, chain, (int)n, key);
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(chain[i]);
	gnutls_free(chain);
	gnutls_x509_privkey_deinit(key);
	return result;
}

struct tls_identity *tls_identity_new(const char *chain_pem, const char *key_pem, struct error *err)
{
	struct tls_identity *identity = memory_alloc(sizeof(*identity));
	int result = gnutls_certificate_allocate_credentials(&identity->credentials);

	identity->references = 1;
	if (result >= 0)
		result = set_pair(identity->credentials, chain_pem, key_pem);
	if (result >= 0)
		return identity;
	tls_identity_unref(identity);
	error_set(err, ERROR_INVALID, "certificate and key cannot be used: %s", gnutls_strerror(result));
	return NULL;
}

void tls_identity_unref(struct tls_identity *identity)
{
	if (identity == NULL || --identity->references > 0)
		return;
	if (identity->credentials != NULL)
		gnutls_certificate_free_credentials(identity->credentials);
	free(identity);
}

struct tls_identity *tls_identity_ref(struct tls_identity *identity)
{
	if (identity != NULL)
		identity->references++;
	return identity;
}

gnutls_certificate_credentials_t tls_identity_credentials(const struct tls_identity *identity)
{
	return identity->credentials;
}
