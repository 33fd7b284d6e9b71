/* A certificate chain and its key, as a server shows them: counted, so that connections under way keep the one they began with. */
#ifndef TOLLGATE_IDENTITY_H
#define TOLLGATE_IDENTITY_H

#include <gnutls/gnutls.h>

#include "error.h"

struct tls_identity;

/* PEM. NULL with ERROR_INVALID: unreadable, or the key is another certificate's. */
struct tls_identity *tls_identity_new(const char *chain_pem, const char *key_pem, struct error *) must_check;
/* One more reference; returns its argument. NULL passes through both. */
struct tls_identity *tls_identity_ref(struct tls_identity *);
void tls_identity_unref(struct tls_identity *);
/* Borrowed. */
gnutls_certificate_credentials_t tls_identity_credentials(const struct tls_identity *);

#endif
