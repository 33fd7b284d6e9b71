/*
 * Certificates as PEM texts: makes a CA, signs leaves, and says of texts that anybody may have written what they are worth (GnuTLS, ECDSA
 * P-256). What to make and when is certs.h's business. No clock, no files, no API server. Keys appear in no message; copies that were
 * needed on the way are wiped.
 */
#ifndef TOLLGATE_PKI_H
#define TOLLGATE_PKI_H

#include "certs.h"
#include "error.h"

enum { PKI_NAMES_MAX = 5, PKI_PEM_MAX = 256 << 10, PKI_DIGEST_BYTES = 32 };

enum pki_part { PKI_CA_CRT, PKI_CA_KEY, PKI_TLS_CRT, PKI_TLS_KEY, PKI_PARTS };
extern const char *const pki_part_names[PKI_PARTS]; /* "ca.crt" and so on, as the Secret's data names them */

/* What the Secret keeps: the bundle (newest CA first), the newest CA's key, the leaf and its key. malloc'ed; NULL = not there. */
struct pki_store {
	char *pem[PKI_PARTS];
};
void pki_store_close(struct pki_store *);
/* Wipes and frees a text that may hold a key. NULL is fine. */
void pki_forget(char *);

/* DNS names and IP addresses that a leaf is for; borrowed. */
struct pki_names {
	const char *names[PKI_NAMES_MAX];
	size_t n;
};

/* Never fails: what cannot be used is not in the result. err (class set) says the first reason why not; a store without any part is
 * none. Times are read, not judged. */
void pki_read(const struct pki_store *, const struct pki_names *, struct certs *, struct error *err);
/* Makes of the store, which was read as `certs`, what the step says. On -1 the store is as it was. */
int pki_carry_out(struct pki_store *, const struct certs *, const struct certs_step *, const struct certs_times *,
		  const struct pki_names *, instant_t now, struct error *) must_check;
/* A chain and a key from elsewhere. ERROR_INVALID: unreadable, or the key is another certificate's. */
int pki_check_pair(const char *chain_pem, const char *key_pem, struct cert_span *, struct error *) must_check;

/* A certificate that nobody signed but itself, for servers whose clients are told not to care, and its key (pki_forget). malloc'ed PEM. */
int pki_self_signed(const struct pki_names *, struct cert_span, char **chain_pem, char **key_pem, struct error *) must_check;

/* SHA-256 of texts in a row; no other row has the same. */
void pki_digest(const char *const texts[], size_t n, unsigned char digest[PKI_DIGEST_BYTES]);
/* Base64 of a text, malloc'ed. */
char *pki_encode(const char *text);
/* malloc'ed; NULL when it is not base64, or not of a text, or of one longer than PKI_PEM_MAX. */
char *pki_decode(const char *base64);

#endif
