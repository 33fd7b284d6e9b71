/*
 * pki.h with GnuTLS. Its objects live within one call; what leaves is text. Times are not compared here: signatures are checked with
 * the checks of time switched off, so that certs.c alone judges them.
 */
#include "pki.h"

#include <arpa/inet.h>
#include <assert.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

#define CA_NAME "tollgate-webhook-ca"
#define LEAF_NAME "tollgate-webhook" /* clients look at the alternative names; the Service's name may be too long for this field */
#define SELF_NAME "tollgate"

enum { SERIAL_BYTES = 16, KEY_ID_BYTES = 64, CHAIN_MAX = 16 };

const char *const pki_part_names[PKI_PARTS] = { "ca.crt", "ca.key", "tls.crt", "tls.key" };

/* ---- memory ---- */

void pki_forget(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void pki_store_close(struct pki_store *store)
{
	for (size_t i = 0; i < PKI_PARTS; i++)
		pki_forget(store->pem[i]);
	*store = (struct pki_store){ 0 };
}

/* Several certificates, the first one being what the text is about. */
struct chain {
	gnutls_x509_crt_t *crts;
	unsigned n;
};

static void chain_close(struct chain *chain)
{
	for (unsigned i = 0; i < chain->n; i++)
		gnutls_x509_crt_deinit(chain->crts[i]);
	gnutls_free(chain->crts);
	*chain = (struct chain){ 0 };
}

static void crt_cleanup(gnutls_x509_crt_t *crt)
{
	if (*crt)
		gnutls_x509_crt_deinit(*crt);
}

static void key_cleanup(gnutls_x509_privkey_t *key)
{
	if (*key)
		gnutls_x509_privkey_deinit(*key); /* wipes it */
}

#define cleanup_chain __attribute__((cleanup(chain_close)))
#define cleanup_crt __attribute__((cleanup(crt_cleanup)))
#define cleanup_key __attribute__((cleanup(key_cleanup)))

/* Takes what GnuTLS has made. NULL when it holds a NUL: that is no text. */
static char *take_text(gnutls_datum_t *made)
{
	char *text = memchr(made->data, '\0', made->size) ? NULL : memory_strndup((const char *)made->data, made->size);

	explicit_bzero(made->data, made->size);
	gnutls_free(made->data);
	return text;
}

static gnutls_datum_t borrowed(const char *text)
{
	/* GnuTLS only reads it; its type does not say so. */
	union {
		const char *text;
		unsigned char *data;
	} same = { .text = text };

	return (gnutls_datum_t){ .data = same.data, .size = (unsigned)strlen(text) };
}

/* ---- base64 ---- */

char *pki_encode(const char *text)
{
	const gnutls_datum_t in = borrowed(text);
	gnutls_datum_t out;

	if (gnutls_base64_encode2(&in, &out) < 0)
		abort(); /* out of memory, as in memory.c */
	return take_text(&out);
}

char *pki_decode(const char *base64)
{
	const gnutls_datum_t in = borrowed(base64);
	gnutls_datum_t out;

	/* Nothing has no encoding in GnuTLS' eyes. */
	if (in.size == 0)
		return memory_strdup("");
	if (in.size / 4 * 3 > PKI_PEM_MAX || gnutls_base64_decode2(&in, &out) < 0)
		return NULL;
	return take_text(&out);
}

/* ---- digests ---- */

void pki_digest(const char *const texts[], size_t n, unsigned char digest[PKI_DIGEST_BYTES])
{
	gnutls_hash_hd_t hash;

	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
		abort();
	for (size_t i = 0; i < n; i++)
		if (gnutls_hash(hash, texts[i], strlen(texts[i]) + 1) < 0) /* with its NUL, so that "a" "b" is not "ab" */
			abort();
	gnutls_hash_deinit(hash, digest);
}

/* ---- reading ---- */

static int failed(struct error *err, const char *what, int code)
{
	error_set(err, ERROR_INVALID, "%s: %s", what, gnutls_strerror(code));
	return -1;
}

/* A text of which something can be read. */
static int take_pem(const char *pem, const char *what, gnutls_datum_t *in, struct error *err)
{
	*in = borrowed(pem ? pem : "");
	if (!pem)
		return error_set(err, ERROR_INVALID, "%s: missing", what);
	if (in->size > PKI_PEM_MAX)
		return error_set(err, ERROR_INVALID, "%s: longer than %d bytes", what, PKI_PEM_MAX);
	return 0;
}

static int open_chain(const char *pem, const char *what, struct chain *chain, struct error *err)
{
	gnutls_datum_t in;
	int code;

	*chain = (struct chain){ 0 };
	if (take_pem(pem, what, &in, err) < 0)
		return -1;
	code = gnutls_x509_crt_list_import2(&chain->crts, &chain->n, &in, GNUTLS_X509_FMT_PEM, 0);
	if (code < 0) {
		*chain = (struct chain){ 0 };
		return failed(err, what, code);
	}
	if (chain->n > CHAIN_MAX) {
		chain_close(chain);
		return error_set(err, ERROR_INVALID, "%s: more than %d certificates", what, CHAIN_MAX);
	}
	return 0;
}

static int open_key(const char *pem, const char *what, gnutls_x509_privkey_t *key, struct error *err)
{
	gnutls_datum_t in;
	int code;

	if (take_pem(pem, what, &in, err) < 0)
		return -1;
	if (gnutls_x509_privkey_init(key) < 0)
		abort();
	/* Never asks anybody for a password. */
	code = gnutls_x509_privkey_import2(*key, &in, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN);
	return code < 0 ? failed(err, what, code) : 0;
}

static bool belong_together(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
	unsigned char of_crt[KEY_ID_BYTES], of_key[KEY_ID_BYTES];
	size_t crt_len = sizeof(of_crt), key_len = sizeof(of_key);

	return gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, of_crt, &crt_len) >= 0 &&
	       gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key, &key_len) >= 0 && crt_len == key_len &&
	       memcmp(of_crt, of_key, crt_len) == 0;
}

/* Both, or neither. */
static int open_leaf(const char *chain_pem, const char *key_pem, struct chain *chain, gnutls_x509_privkey_t *key, struct error *err)
{
	if (open_chain(chain_pem, pki_part_names[PKI_TLS_CRT], chain, err) < 0)
		return -1;
	if (open_key(key_pem, pki_part_names[PKI_TLS_KEY], key, err) == 0) {
		if (belong_together(chain->crts[0], *key))
			return 0;
		error_set(err, ERROR_INVALID, "tls.key is not the key of the first certificate in tls.crt");
	}
	chain_close(chain);
	return -1;
}

/* A time that cannot be read is -1, long past. */
static struct cert_span span_of(gnutls_x509_crt_t crt)
{
	return (struct cert_span){ .from = (instant_t)gnutls_x509_crt_get_activation_time(crt) * 1000,
				   .until = (instant_t)gnutls_x509_crt_get_expiration_time(crt) * 1000 };
}

static int read_cas(const struct chain *bundle, struct certs *certs, struct error *err)
{
	if (bundle->n > CERTS_CAS_MAX)
		return error_set(err, ERROR_INVALID, "%s: more than %d certificates", pki_part_names[PKI_CA_CRT], CERTS_CAS_MAX);
	for (unsigned i = 0; i < bundle->n; i++) {
		if (gnutls_x509_crt_get_ca_status(bundle->crts[i], NULL) <= 0)
			return error_set(err, ERROR_INVALID, "%s: certificate %u is no CA's", pki_part_names[PKI_CA_CRT], i + 1);
		certs->cas[i] = span_of(bundle->crts[i]);
	}
	certs->n_cas = bundle->n;
	return 0;
}

static bool signed_by(gnutls_x509_crt_t leaf, gnutls_x509_crt_t ca)
{
	unsigned status = 0;

	return gnutls_x509_crt_verify(leaf, &ca, 1, GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status) >= 0 && status == 0;
}

static bool names_all(gnutls_x509_crt_t leaf, const struct pki_names *names, struct error *err)
{
	for (size_t i = 0; i < names->n; i++) {
		if (gnutls_x509_crt_check_hostname2(leaf, names->names[i], 0))
			continue;
		error_set(err, ERROR_INVALID, "%s: does not name %s", pki_part_names[PKI_TLS_CRT], names->names[i]);
		return false;
	}
	return true;
}

static int read_leaf(gnutls_x509_crt_t leaf, const struct chain *bundle, struct certs *certs, struct error *err)
{
	if (!gnutls_x509_crt_check_key_purpose(leaf, GNUTLS_KP_TLS_WWW_SERVER, 0))
		return error_set(err, ERROR_INVALID, "%s: not for a server", pki_part_names[PKI_TLS_CRT]);
	for (unsigned i = 0; i < certs->n_cas && certs->leaf_ca < 0; i++)
		if (signed_by(leaf, bundle->crts[i]))
			certs->leaf_ca = (int)i;
	if (certs->leaf_ca < 0)
		return error_set(err, ERROR_INVALID, "%s: not signed by a CA of %s", pki_part_names[PKI_TLS_CRT], pki_part_names[PKI_CA_CRT]);
	certs->leaf = span_of(leaf);
	return 0;
}

void pki_read(const struct pki_store *store, const struct pki_names *names, struct certs *certs, struct error *err)
{
	cleanup_chain struct chain bundle = { 0 }, chain = { 0 };
	cleanup_key gnutls_x509_privkey_t ca_key = NULL, leaf_key = NULL;
	struct error ca_err = { 0 }, leaf_err = { 0 };
	bool any = false;

	*certs = (struct certs){ .leaf_ca = -1 };
	for (size_t i = 0; i < PKI_PARTS; i++)
		any |= store->pem[i] != NULL;
	if (!any) {
		*err = (struct error){ 0 };
		return;
	}
	if (open_chain(store->pem[PKI_CA_CRT], pki_part_names[PKI_CA_CRT], &bundle, &ca_err) == 0 && read_cas(&bundle, certs, &ca_err) == 0 &&
	    open_key(store->pem[PKI_CA_KEY], pki_part_names[PKI_CA_KEY], &ca_key, &ca_err) == 0) {
		certs->keyed = belong_together(bundle.crts[0], ca_key);
		if (!certs->keyed)
			error_set(&ca_err, ERROR_INVALID, "ca.key is not the key of the first certificate in ca.crt");
	}
	if (open_leaf(store->pem[PKI_TLS_CRT], store->pem[PKI_TLS_KEY], &chain, &leaf_key, &leaf_err) == 0 &&
	    read_leaf(chain.crts[0], &bundle, certs, &leaf_err) == 0)
		certs->leaf_named = names_all(chain.crts[0], names, &leaf_err);
	*err = ca_err.class ? ca_err : leaf_err;
}

int pki_check_pair(const char *chain_pem, const char *key_pem, struct cert_span *span, struct error *err)
{
	cleanup_chain struct chain chain = { 0 };
	cleanup_key gnutls_x509_privkey_t key = NULL;

	if (open_leaf(chain_pem, key_pem, &chain, &key, err) < 0)
		return -1;
	*span = span_of(chain.crts[0]);
	return 0;
}

/* ---- making ---- */

/* Random, positive, and of full length whatever the dice say: RFC 5280, 4.1.2.2. */
static int set_serial(gnutls_x509_crt_t crt)
{
	unsigned char serial[SERIAL_BYTES];
	int code = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));

	serial[0] = (serial[0] & 0x7f) | 0x40;
	return code < 0 ? code : gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
}

static int set_key_ids(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer)
{
	unsigned char id[KEY_ID_BYTES];
	size_t len = sizeof(id);
	int code = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, &len);

	if (code < 0 || (code = gnutls_x509_crt_set_subject_key_id(crt, id, len)) < 0)
		return code;
	len = sizeof(id);
	code = gnutls_x509_crt_get_key_id(issuer, GNUTLS_KEYID_USE_SHA1, id, &len);
	return code < 0 ? code : gnutls_x509_crt_set_authority_key_id(crt, id, len);
}

static int set_name(gnutls_x509_crt_t crt, const char *name)
{
	unsigned char address[16];

	if (inet_pton(AF_INET, name, address) == 1)
		return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address, 4, GNUTLS_FSAN_APPEND);
	if (inet_pton(AF_INET6, name, address) == 1)
		return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address, 16, GNUTLS_FSAN_APPEND);
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name), GNUTLS_FSAN_APPEND);
}

/* What CA and leaf have in common. */
static int begin(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *name, struct cert_span span)
{
	int code;

	if ((code = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0)) < 0 ||
	    (code = gnutls_x509_crt_set_version(crt, 3)) < 0 || (code = gnutls_x509_crt_set_key(crt, key)) < 0 ||
	    (code = set_serial(crt)) < 0 ||
	    (code = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name))) < 0 ||
	    (code = gnutls_x509_crt_set_activation_time(crt, (time_t)(span.from / 1000))) < 0)
		return code;
	return gnutls_x509_crt_set_expiration_time(crt, (time_t)(span.until / 1000));
}

static int make_ca(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, struct cert_span span)
{
	int code;

	/* Path length 0: it signs leaves and no other CA. */
	if ((code = begin(crt, key, CA_NAME, span)) < 0 || (code = gnutls_x509_crt_set_basic_constraints(crt, 1, 0)) < 0 ||
	    (code = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN)) < 0 || (code = set_key_ids(crt, crt)) < 0)
		return code;
	return gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
}

/* What makes of one that was begun a server's, signed. */
static int finish(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer, gnutls_x509_privkey_t issuer_key, const struct pki_names *names)
{
	int code;

	if ((code = gnutls_x509_crt_set_basic_constraints(crt, 0, -1)) < 0 ||
	    (code = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0 ||
	    (code = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0)
		return code;
	for (size_t i = 0; i < names->n; i++)
		if ((code = set_name(crt, names->names[i])) < 0)
			return code;
	code = set_key_ids(crt, issuer);
	return code < 0 ? code : gnutls_x509_crt_sign2(crt, issuer, issuer_key, GNUTLS_DIG_SHA256, 0);
}

static int make_leaf(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, gnutls_x509_crt_t ca, gnutls_x509_privkey_t ca_key,
		     const struct pki_names *names, struct cert_span span)
{
	const instant_t ca_until = span_of(ca).until;
	int code;

	if (span.until > ca_until)
		span.until = ca_until;
	code = begin(crt, key, LEAF_NAME, span);
	return code < 0 ? code : finish(crt, ca, ca_key, names);
}

static char *crt_text(gnutls_x509_crt_t crt)
{
	gnutls_datum_t out;

	if (gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &out) < 0)
		abort();
	return take_text(&out);
}

static char *key_text(gnutls_x509_privkey_t key)
{
	gnutls_datum_t out;

	if (gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &out) < 0)
		abort();
	return take_text(&out);
}

/* The new CA if there is one, then those of the old that stay. */
static char *bundle_text(gnutls_x509_crt_t new_ca, const struct chain *old, const struct certs *certs, const struct certs_step *step)
{
	char *text = new_ca ? crt_text(new_ca) : memory_strdup("");

	for (size_t i = 0; i < certs->n_cas; i++) {
		if (step->drop[i])
			continue;
		cleanup_free char *before = text, *one = crt_text(old->crts[i]);
		text = memory_printf("%s%s", before, one);
	}
	return text;
}

static void put(struct pki_store *store, enum pki_part part, char *text)
{
	pki_forget(store->pem[part]);
	store->pem[part] = text;
}

int pki_carry_out(struct pki_store *store, const struct certs *certs, const struct certs_step *step, const struct certs_times *times,
		  const struct pki_names *names, instant_t now, struct error *err)
{
	cleanup_chain struct chain old = { 0 };
	cleanup_crt gnutls_x509_crt_t new_ca = NULL, leaf = NULL;
	cleanup_key gnutls_x509_privkey_t ca_key = NULL, leaf_key = NULL;
	int code;

	if (gnutls_x509_crt_init(&new_ca) < 0 || gnutls_x509_crt_init(&leaf) < 0 || gnutls_x509_privkey_init(&leaf_key) < 0)
		abort();
	if (certs->n_cas && open_chain(store->pem[PKI_CA_CRT], pki_part_names[PKI_CA_CRT], &old, err) < 0)
		return -1;
	if (step->new_ca) {
		if (gnutls_x509_privkey_init(&ca_key) < 0)
			abort();
		if ((code = make_ca(new_ca, ca_key, certs_span(times, times->ca_ms, now))) < 0)
			return failed(err, "making a CA", code);
	} else if (step->new_leaf && open_key(store->pem[PKI_CA_KEY], pki_part_names[PKI_CA_KEY], &ca_key, err) < 0) {
		return -1;
	}
	assert(step->new_ca || !step->new_leaf || old.n); /* certs.c asks for no leaf that nobody could sign */
	if (step->new_leaf && (code = make_leaf(leaf, leaf_key, step->new_ca ? new_ca : old.crts[0], ca_key, names,
						certs_span(times, times->leaf_ms, now))) < 0)
		return failed(err, "signing a certificate", code);
	put(store, PKI_CA_CRT, bundle_text(step->new_ca ? new_ca : NULL, &old, certs, step));
	if (step->new_ca)
		put(store, PKI_CA_KEY, key_text(ca_key));
	if (step->new_leaf) {
		put(store, PKI_TLS_CRT, crt_text(leaf));
		put(store, PKI_TLS_KEY, key_text(leaf_key));
	}
	return 0;
}

int pki_self_signed(const struct pki_names *names, struct cert_span span, char **chain_pem, char **key_pem, struct error *err)
{
	cleanup_crt gnutls_x509_crt_t crt = NULL;
	cleanup_key gnutls_x509_privkey_t key = NULL;
	int code;

	if (gnutls_x509_crt_init(&crt) < 0 || gnutls_x509_privkey_init(&key) < 0)
		abort();
	if ((code = begin(crt, key, SELF_NAME, span)) < 0 || (code = finish(crt, crt, key, names)) < 0)
		return failed(err, "making a certificate", code);
	*chain_pem = crt_text(crt);
	*key_pem = key_text(key);
	return 0;
}
