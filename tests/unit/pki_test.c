/*
 * pki.c against openssl's command line, which judges what it makes, and against texts that are not what they should be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "memory.h"
#include "pki.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOUR ((int64_t)3600 * 1000)
#define NOW_SECOND instant_second((instant_t)time(NULL) * 1000)

static const struct pki_names names = {
	.names = { "tollgate.tollgate-system.svc", "tollgate", "127.0.0.1", "fd00::1", "hooks.example.com" }, .n = 5
};

struct rig {
	struct certs_times times;
	instant_t now;
	struct pki_store store;
	char folder[32];
};

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig->times = certs_times_of(24 * HOUR);
	rig->now = instant_second((instant_t)time(NULL) * 1000);
	strcpy(rig->folder, "/tmp/pki_test.XXXXXX");
	if (!mkdtemp(rig->folder))
		return -1;
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;
	cleanup_free char *command = memory_printf("rm -r %s", rig->folder);

	pki_store_close(&rig->store);
	assert_int_equal(system(command), 0);
	free(rig);
	return 0;
}

static struct certs read_store(struct rig *rig, const char *complaint)
{
	struct certs certs;
	struct error err;

	pki_read(&rig->store, &names, &certs, &err);
	if (!complaint && err.class)
		fail_msg("%s", err.message);
	if (complaint && !strstr(err.message, complaint))
		fail_msg("\"%s\" instead of \"%s\"", err.message, complaint);
	return certs;
}

static void carry_out(struct rig *rig, struct certs_step step)
{
	struct error unusable, err;
	struct certs certs;

	pki_read(&rig->store, &names, &certs, &unusable);
	if (pki_carry_out(&rig->store, &certs, &step, &rig->times, &names, rig->now, &err) < 0)
		fail_msg("%s", err.message);
}

static void make_everything(struct rig *rig)
{
	carry_out(rig, (struct certs_step){ .new_ca = true, .new_leaf = true });
}

static char *path_in(struct rig *rig, const char *name)
{
	return memory_printf("%s/%s", rig->folder, name);
}

static void write_file(struct rig *rig, const char *name, const char *text)
{
	cleanup_free char *path = path_in(rig, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static char *read_file(struct rig *rig, const char *name)
{
	cleanup_free char *path = path_in(rig, name);
	char *text = memory_alloc(PKI_PEM_MAX);
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	assert_true(fread(text, 1, PKI_PEM_MAX - 1, file) > 0);
	fclose(file);
	return text;
}

/* Runs in the folder that holds the store's parts under their names; what it says goes to `out` if there is one. */
static bool run(struct rig *rig, const char *command, char *out, size_t size)
{
	cleanup_free char *line = memory_printf("cd %s && { %s; } 2>&1", rig->folder, command);
	char spare[16384];
	FILE *pipe;
	size_t len;

	for (size_t i = 0; i < PKI_PARTS; i++)
		if (rig->store.pem[i])
			write_file(rig, pki_part_names[i], rig->store.pem[i]);
	pipe = popen(line, "r");
	assert_non_null(pipe);
	len = fread(out ? out : spare, 1, (out ? size : sizeof(spare)) - 1, pipe);
	(out ? out : spare)[len] = '\0';
	return pclose(pipe) == 0;
}

static void expect(struct rig *rig, bool good, const char *command)
{
	char out[16384];

	if (run(rig, command, out, sizeof(out)) != good)
		fail_msg("%s: %s", command, out);
}

#define VERIFY "openssl verify -x509_strict -purpose sslserver -CAfile ca.crt "

/* ---- what it makes ---- */

static void openssl_accepts_the_leaf_for_each_name(void **state)
{
	struct rig *rig = *state;

	make_everything(rig);
	for (size_t i = 0; i < names.n; i++) {
		const bool address = strchr(names.names[i], ':') || strncmp(names.names[i], "127.", 4) == 0;
		cleanup_free char *command = memory_printf(VERIFY "%s %s tls.crt", address ? "-verify_ip" : "-verify_hostname", names.names[i]);

		expect(rig, true, command);
	}
	expect(rig, false, VERIFY "-verify_hostname else.example.com tls.crt");
	expect(rig, false, VERIFY "-verify_ip 127.0.0.2 tls.crt");
	expect(rig, false, "openssl verify -purpose sslclient -CAfile ca.crt tls.crt");
	expect(rig, false, "openssl verify tls.crt");
}

static void certificates_say_what_they_are(void **state)
{
	static const struct {
		const char *file, *text;
	} rows[] = {
		{ "ca.crt", "CA:TRUE, pathlen:0" },
		{ "ca.crt", "Certificate Sign\n" },
		{ "ca.crt", "Subject: CN = tollgate-webhook-ca" },
		{ "ca.crt", "X509v3 Subject Key Identifier" },
		{ "ca.crt", "ASN1 OID: prime256v1" },
		{ "ca.crt", "Signature Algorithm: ecdsa-with-SHA256" },
		{ "tls.crt", "CA:FALSE" },
		{ "tls.crt", "Digital Signature\n" },
		{ "tls.crt", "TLS Web Server Authentication\n" },
		{ "tls.crt", "X509v3 Authority Key Identifier" },
		{ "tls.crt", "X509v3 Subject Key Identifier" },
		{ "tls.crt", "ASN1 OID: prime256v1" },
		{ "tls.crt", "DNS:tollgate.tollgate-system.svc, DNS:tollgate, IP Address:127.0.0.1, IP Address:FD00:0:0:0:0:0:0:1, DNS:hooks" },
	};
	struct rig *rig = *state;
	char out[16384];

	make_everything(rig);
	for (size_t i = 0; i < COUNT(rows); i++) {
		cleanup_free char *command = memory_printf("openssl x509 -noout -text -in %s", rows[i].file);

		assert_true(run(rig, command, out, sizeof(out)));
		if (!strstr(out, rows[i].text))
			fail_msg("%s lacks \"%s\": %s", rows[i].file, rows[i].text, out);
	}
	expect(rig, true, "openssl pkey -noout -check -in ca.key && openssl pkey -noout -check -in tls.key");
}

static void serials_and_keys_are_never_the_same_twice(void **state)
{
	struct rig *rig = *state;
	char first[256], second[256], key[4096];

	make_everything(rig);
	assert_true(run(rig, "openssl x509 -noout -serial -in tls.crt", first, sizeof(first)));
	snprintf(key, sizeof(key), "%s", rig->store.pem[PKI_TLS_KEY]);
	carry_out(rig, (struct certs_step){ .new_leaf = true });
	assert_true(run(rig, "openssl x509 -noout -serial -in tls.crt", second, sizeof(second)));
	assert_int_equal(strlen(first), strlen("serial=\n") + 32);
	assert_string_not_equal(first, second);
	assert_string_not_equal(key, rig->store.pem[PKI_TLS_KEY]);
}

static void what_is_made_reads_back(void **state)
{
	struct rig *rig = *state;
	struct certs certs;

	certs = read_store(rig, NULL);
	assert_int_equal(certs.n_cas, 0);
	make_everything(rig);
	certs = read_store(rig, NULL);
	assert_int_equal(certs.n_cas, 1);
	assert_true(certs.keyed);
	assert_true(certs.leaf_named);
	assert_int_equal(certs.leaf_ca, 0);
	assert_int_equal(certs.cas[0].from, rig->now - rig->times.back_ms);
	assert_int_equal(certs.cas[0].until, certs.cas[0].from + rig->times.ca_ms);
	assert_int_equal(certs.leaf.from, rig->now - rig->times.back_ms);
	assert_int_equal(certs.leaf.until, certs.leaf.from + rig->times.leaf_ms);
}

/* Both CAs carry the same name; clients must find the right one all the same. */
static void a_bundle_of_two_vouches_for_the_leaves_of_both(void **state)
{
	struct rig *rig = *state;

	make_everything(rig);
	expect(rig, true, "cp tls.crt old.crt && cp ca.crt old-ca.crt");
	carry_out(rig, (struct certs_step){ .new_ca = true });
	assert_int_equal(read_store(rig, NULL).n_cas, 2);
	assert_int_equal(read_store(rig, NULL).leaf_ca, 1);
	expect(rig, true, VERIFY "tls.crt");
	carry_out(rig, (struct certs_step){ .new_leaf = true });
	assert_int_equal(read_store(rig, NULL).leaf_ca, 0);
	expect(rig, true, VERIFY "tls.crt && " VERIFY "old.crt");
	expect(rig, false, "openssl verify -CAfile old-ca.crt tls.crt");
	carry_out(rig, (struct certs_step){ .drop = { [1] = true } });
	assert_int_equal(read_store(rig, NULL).n_cas, 1);
	assert_true(read_store(rig, NULL).keyed);
	expect(rig, true, VERIFY "tls.crt");
	expect(rig, false, VERIFY "old.crt");
}

static void a_leaf_ends_with_its_ca_at_the_latest(void **state)
{
	struct rig *rig = *state;
	struct certs certs;

	make_everything(rig);
	rig->now += rig->times.ca_ms - HOUR;
	carry_out(rig, (struct certs_step){ .new_leaf = true });
	certs = read_store(rig, NULL);
	assert_int_equal(certs.leaf.until, certs.cas[0].until);
}

static void one_may_vouch_for_itself(void **state)
{
	static const struct pki_names own = { .names = { "localhost", "127.0.0.1", "::1", "host-1.example.com" }, .n = 4 };
	const struct cert_span span = { .from = NOW_SECOND, .until = NOW_SECOND + 365 * 24 * HOUR };
	struct rig *rig = *state;
	struct cert_span read;
	struct error err;
	char out[16384];

	assert_int_equal(pki_self_signed(&own, span, &rig->store.pem[PKI_TLS_CRT], &rig->store.pem[PKI_TLS_KEY], &err), 0);
	assert_int_equal(pki_check_pair(rig->store.pem[PKI_TLS_CRT], rig->store.pem[PKI_TLS_KEY], &read, &err), 0);
	assert_int_equal(read.from, span.from);
	assert_int_equal(read.until, span.until);
	expect(rig, true, "openssl verify -purpose sslserver -CAfile tls.crt -verify_hostname localhost tls.crt");
	expect(rig, true, "openssl verify -purpose sslserver -CAfile tls.crt -verify_hostname host-1.example.com tls.crt");
	expect(rig, true, "openssl verify -purpose sslserver -CAfile tls.crt -verify_ip ::1 tls.crt");
	expect(rig, false, "openssl verify -purpose sslserver -CAfile tls.crt -verify_hostname tollgate tls.crt");
	expect(rig, false, "openssl verify -purpose sslclient -CAfile tls.crt tls.crt");
	assert_true(run(rig, "openssl x509 -noout -text -in tls.crt", out, sizeof(out)));
	assert_non_null(strstr(out, "ASN1 OID: prime256v1"));
	assert_non_null(strstr(out, "CA:FALSE"));
}

static void a_digest_is_of_texts_and_where_they_end(void **state)
{
	static const char *const rows[][2] = { { "ab", "c" }, { "a", "bc" }, { "abc", "" }, { "", "abc" }, { "ab", "C" } };
	unsigned char digests[COUNT(rows)][PKI_DIGEST_BYTES], again[PKI_DIGEST_BYTES];
	struct rig *rig = *state;
	char hex[2 * PKI_DIGEST_BYTES + 1], out[256];

	for (size_t i = 0; i < COUNT(rows); i++) {
		pki_digest(rows[i], 2, digests[i]);
		pki_digest(rows[i], 2, again);
		assert_memory_equal(digests[i], again, PKI_DIGEST_BYTES);
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(digests[i], digests[j], PKI_DIGEST_BYTES);
	}
	for (size_t i = 0; i < PKI_DIGEST_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", digests[0][i]);
	assert_true(run(rig, "printf 'ab\\0c\\0' | openssl dgst -sha256 -r", out, sizeof(out)));
	assert_memory_equal(out, hex, sizeof(hex) - 1);
}

/* ---- what others make ---- */

static void take_files(struct rig *rig)
{
	for (size_t i = 0; i < PKI_PARTS; i++) {
		free(rig->store.pem[i]);
		rig->store.pem[i] = read_file(rig, pki_part_names[i]);
	}
}

static void a_pair_made_by_hand_is_read(void **state)
{
	struct rig *rig = *state;
	struct certs certs;
	struct cert_span span;
	struct error err;

	expect(rig, true, "printf 'subjectAltName=DNS:tollgate' > ext; openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt "
			  "-days 9 -subj /CN=hand && openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN=x && openssl x509 "
			  "-req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3 -extfile ext -out tls.crt");
	take_files(rig);
	certs = read_store(rig, "tls.crt: does not name tollgate.tollgate-system.svc");
	assert_int_equal(certs.n_cas, 1);
	assert_true(certs.keyed);
	assert_int_equal(certs.leaf_ca, 0);
	assert_false(certs.leaf_named);
	assert_int_equal(pki_check_pair(rig->store.pem[PKI_TLS_CRT], rig->store.pem[PKI_TLS_KEY], &span, &err), 0);
	assert_int_equal(span.until - span.from, 3 * 24 * HOUR);
	assert_int_equal(pki_check_pair(rig->store.pem[PKI_CA_CRT], rig->store.pem[PKI_TLS_KEY], &span, &err), -1);
	assert_string_equal(err.message, "tls.key is not the key of the first certificate in tls.crt");
}

static void replace(struct rig *rig, enum pki_part part, const char *text)
{
	pki_forget(rig->store.pem[part]);
	rig->store.pem[part] = memory_strdup(text);
}

static void what_cannot_be_used_is_not_there(void **state)
{
	static const char not_pem[] = "hello";
	static const char torn[] = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
	struct rig *rig = *state;
	struct pki_store good;
	struct certs certs;

	make_everything(rig);
	good = rig->store;
	const struct {
		enum pki_part part;
		const char *text, *complaint;
		size_t n_cas;
		bool keyed;
		int leaf_ca;
	} rows[] = {
		{ PKI_CA_CRT, NULL, "ca.crt: missing", 0, false, -1 },
		{ PKI_CA_CRT, not_pem, "ca.crt: ", 0, false, -1 },
		{ PKI_CA_CRT, torn, "ca.crt: ", 0, false, -1 },
		{ PKI_CA_CRT, good.pem[PKI_TLS_CRT], "ca.crt: certificate 1 is no CA's", 0, false, -1 },
		{ PKI_CA_CRT, good.pem[PKI_TLS_KEY], "ca.crt: ", 0, false, -1 },
		{ PKI_CA_KEY, NULL, "ca.key: missing", 1, false, 0 },
		{ PKI_CA_KEY, not_pem, "ca.key: ", 1, false, 0 },
		{ PKI_CA_KEY, good.pem[PKI_TLS_KEY], "ca.key is not the key of the first certificate in ca.crt", 1, false, 0 },
		{ PKI_TLS_CRT, NULL, "tls.crt: missing", 1, true, -1 },
		{ PKI_TLS_CRT, torn, "tls.crt: ", 1, true, -1 },
		{ PKI_TLS_CRT, good.pem[PKI_CA_CRT], "tls.key is not the key of the first certificate in tls.crt", 1, true, -1 },
		{ PKI_TLS_KEY, NULL, "tls.key: missing", 1, true, -1 },
		{ PKI_TLS_KEY, good.pem[PKI_TLS_CRT], "tls.key: ", 1, true, -1 },
		{ PKI_TLS_KEY, good.pem[PKI_CA_KEY], "tls.key is not the key of the first certificate in tls.crt", 1, true, -1 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		rig->store = (struct pki_store){ 0 };
		for (size_t part = 0; part < PKI_PARTS; part++)
			replace(rig, (enum pki_part)part, part == rows[i].part ? rows[i].text : good.pem[part]);
		certs = read_store(rig, rows[i].complaint);
		if (certs.n_cas != rows[i].n_cas || certs.keyed != rows[i].keyed || certs.leaf_ca != rows[i].leaf_ca)
			fail_msg("row %zu: %zu CAs, key %d, leaf of %d", i, certs.n_cas, certs.keyed, certs.leaf_ca);
		pki_store_close(&rig->store);
	}
	rig->store = good;
}

static void a_leaf_of_another_ca_of_the_same_name_is_none(void **state)
{
	struct rig *rig = *state;
	cleanup_free char *leaf = NULL, *key = NULL;

	make_everything(rig);
	leaf = memory_strdup(rig->store.pem[PKI_TLS_CRT]);
	key = memory_strdup(rig->store.pem[PKI_TLS_KEY]);
	pki_store_close(&rig->store);
	make_everything(rig);
	replace(rig, PKI_TLS_CRT, leaf);
	replace(rig, PKI_TLS_KEY, key);
	assert_int_equal(read_store(rig, "tls.crt: not signed by a CA of ca.crt").leaf_ca, -1);
}

static void too_many_and_too_long_are_refused(void **state)
{
	struct rig *rig = *state;
	char *text;

	make_everything(rig);
	text = memory_printf("%s%s%s%s%s", rig->store.pem[PKI_CA_CRT], rig->store.pem[PKI_CA_CRT], rig->store.pem[PKI_CA_CRT],
			     rig->store.pem[PKI_CA_CRT], rig->store.pem[PKI_CA_CRT]);
	replace(rig, PKI_CA_CRT, text);
	free(text);
	assert_int_equal(read_store(rig, "ca.crt: more than 4 certificates").n_cas, 0);
	text = memory_alloc(PKI_PEM_MAX + 2);
	memset(text, '\n', PKI_PEM_MAX + 1);
	replace(rig, PKI_CA_CRT, text);
	free(text);
	assert_int_equal(read_store(rig, "ca.crt: longer than").n_cas, 0);
}

static void base64_goes_both_ways(void **state)
{
	static const char *const texts[] = { "", "a", "ab", "abc", "-----BEGIN CERTIFICATE-----\nMIIB\n" };
	static const char *const wrong[] = { "%%%", "QUJ", "QQBC" /* a NUL in it */ };
	cleanup_free char *encoded = pki_encode("abc\n");
	cleanup_free char *long_text = memory_alloc(1001), *long_base64 = NULL;

	(void)state;
	assert_string_equal(encoded, "YWJjCg==");
	for (size_t i = 0; i < COUNT(texts); i++) {
		cleanup_free char *there = pki_encode(texts[i]), *back = pki_decode(there);

		assert_non_null(back);
		assert_string_equal(back, texts[i]);
	}
	memset(long_text, 'x', 1000);
	long_base64 = pki_encode(long_text);
	assert_null(strchr(long_base64, '\n')); /* the API server's has no lines, and ours is compared with it */
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_null(pki_decode(wrong[i]));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(openssl_accepts_the_leaf_for_each_name),
		TEST(certificates_say_what_they_are),
		TEST(serials_and_keys_are_never_the_same_twice),
		TEST(what_is_made_reads_back),
		TEST(a_bundle_of_two_vouches_for_the_leaves_of_both),
		TEST(a_leaf_ends_with_its_ca_at_the_latest),
		TEST(one_may_vouch_for_itself),
		TEST(a_digest_is_of_texts_and_where_they_end),
		TEST(a_pair_made_by_hand_is_read),
		TEST(what_cannot_be_used_is_not_there),
		TEST(a_leaf_of_another_ca_of_the_same_name_is_none),
		TEST(too_many_and_too_long_are_refused),
		cmocka_unit_test(base64_goes_both_ways),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
