/*
 * trust.c: which certificates are taken over while files change under it, as kubelet and others write them. Certificates are made here
 * with pki.c; what connections do with them is tried in http_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "memory.h"
#include "pki.h"
#include "trust.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW	     ((instant_t)1795341980000)

static struct {
	char dir[64];
	struct pki_store stores[2]; /* two authorities, with a leaf each */
	struct certs certs[2];
	struct cluster_config config;
} bench;

static char *in_dir(const char *name)
{
	return memory_printf("%s/%s", bench.dir, name);
}

static void write_file(const char *name, const char *text, size_t len)
{
	cleanup_free char *path = in_dir(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
}

static void write_text(const char *name, const char *text)
{
	write_file(name, text, strlen(text));
}

static void make_store(struct pki_store *store, struct certs *certs, instant_t now)
{
	const struct pki_names names = { .names = { "somebody" }, .n = 1 };
	const struct certs_times times = { .leaf_ms = 3600000, .ca_ms = 36000000 };
	const struct certs_step step = { .new_ca = true, .new_leaf = true };
	struct error err;

	*certs = (struct certs){ .leaf_ca = -1 };
	if (pki_carry_out(store, certs, &step, &times, &names, now, &err))
		fail_msg("%s", err.message);
	pki_read(store, &names, certs, &err);
}

static int set_up(void **state)
{
	(void)state;
	memset(&bench, 0, sizeof(bench));
	strcpy(bench.dir, "/tmp/trust_test.XXXXXX");
	if (!mkdtemp(bench.dir))
		return -1;
	for (size_t i = 0; i < 2; i++)
		make_store(&bench.stores[i], &bench.certs[i], NOW + 7000 * (instant_t)i);
	bench.config.ca_file = in_dir("ca.crt");
	bench.config.cert_file = in_dir("tls.crt");
	bench.config.key_file = in_dir("tls.key");
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	for (size_t i = 0; i < 2; i++)
		pki_store_close(&bench.stores[i]);
	cluster_config_close(&bench.config);
	snprintf(command, sizeof(command), "rm -rf '%s'", bench.dir);
	return system(command);
}

static void write_store(size_t i)
{
	write_text("ca.crt", bench.stores[i].pem[PKI_CA_CRT]);
	write_text("tls.crt", bench.stores[i].pem[PKI_TLS_CRT]);
	write_text("tls.key", bench.stores[i].pem[PKI_TLS_KEY]);
}

static struct trust *open_trust(void)
{
	struct error err;
	struct trust *trust = trust_new(&bench.config, &err);

	if (!trust)
		fail_msg("%s", err.message);
	return trust;
}

static void assert_shows(const struct trust *trust, size_t ca, size_t pair)
{
	assert_string_equal(trust->pem[TRUST_CA], bench.stores[ca].pem[PKI_CA_CRT]);
	assert_string_equal(trust->pem[TRUST_CERT], bench.stores[pair].pem[PKI_TLS_CRT]);
	assert_string_equal(trust->pem[TRUST_KEY], bench.stores[pair].pem[PKI_TLS_KEY]);
	assert_int_equal(trust->expires, bench.certs[pair].leaf.until);
}

static struct trust *renew(const struct trust *old)
{
	struct error err;
	struct trust *trust = trust_renew(old, &bench.config, NULL, &err);

	assert_int_equal(err.class, ERROR_NONE);
	return trust;
}

/* Nothing is taken over, for that reason. */
static void assert_kept(const struct trust *old, const char *message)
{
	struct error err;
	struct trust *trust = trust_renew(old, &bench.config, NULL, &err);

	if (trust)
		fail_msg("taken over: %s", message);
	assert_int_equal(err.class, ERROR_INVALID);
	if (!strstr(err.message, message))
		fail_msg("\"%s\" is not in \"%s\"", message, err.message);
}

static void snapshot_can_be_read_however_the_files_change(void **state)
{
	char text[8192];

	(void)state;
	write_store(0);
	struct trust *trust = open_trust();

	write_store(1);
	assert_shows(trust, 0, 0);
	for (size_t i = 0; i < TRUST_PARTS; i++) {
		FILE *file = fopen(trust->path[i], "r");

		assert_non_null(file);
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		assert_string_equal(text, trust->pem[i]);
		fclose(file);
	}
	trust_free(trust);
}

static void same_contents_are_no_change(void **state)
{
	(void)state;
	write_store(0);
	struct trust *trust = open_trust();

	write_store(0); /* another mtime */
	assert_null(renew(trust));
	trust_free(trust);
}

static void other_contents_are_taken_over_with_the_same_size_and_time(void **state)
{
	struct stat before;
	const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	(void)state;
	write_store(0);
	utimensat(0, bench.config.ca_file, times, 0);
	struct trust *trust = open_trust();

	write_store(1);
	utimensat(0, bench.config.ca_file, times, 0);
	assert_int_equal(stat(bench.config.ca_file, &before), 0);
	assert_int_equal(before.st_mtime, 1000);
	struct trust *next = renew(trust);

	assert_shows(next, 1, 1);
	assert_null(renew(next));
	trust_free(trust);
	trust_free(next);
}

/* kubelet: file → ..data/file, ..data → ..2026_x; the link ..data is renamed over. */
static void swapped_link_is_followed(void **state)
{
	static const char *const names[] = { "ca.crt", "tls.crt", "tls.key" };
	static const enum pki_part parts[] = { PKI_CA_CRT, PKI_TLS_CRT, PKI_TLS_KEY };
	static const char *const folders[] = { "..one", "..two" };
	char name[64], target[64];

	(void)state;
	for (size_t f = 0; f < 2; f++) {
		cleanup_free char *folder = in_dir(folders[f]);

		mkdir(folder, 0700);
		for (size_t i = 0; i < 3; i++) {
			snprintf(name, sizeof(name), "%s/%s", folders[f], names[i]);
			write_text(name, bench.stores[f].pem[parts[i]]);
		}
	}
	for (size_t i = 0; i < 3; i++) {
		cleanup_free char *link = in_dir(names[i]);

		snprintf(target, sizeof(target), "..data/%s", names[i]);
		assert_int_equal(symlink(target, link), 0);
	}
	cleanup_free char *data = in_dir("..data"), *fresh = in_dir("..data_tmp");

	assert_int_equal(symlink("..one", data), 0);
	struct trust *trust = open_trust();

	assert_shows(trust, 0, 0);
	assert_int_equal(symlink("..two", fresh), 0);
	assert_int_equal(rename(fresh, data), 0);
	struct trust *next = renew(trust);

	assert_shows(next, 1, 1);
	trust_free(trust);
	trust_free(next);
}

static void what_cannot_be_used_leaves_the_old(void **state)
{
	static const char *const files[] = { "ca.crt", "tls.crt", "tls.key" };
	static const char garbage[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

	(void)state;
	write_store(0);
	struct trust *trust = open_trust();

	for (size_t i = 0; i < COUNT(files); i++) {
		cleanup_free char *path = in_dir(files[i]);

		unlink(path);
		assert_kept(trust, "No such file or directory");
		assert_kept(trust, files[i]);
		write_text(files[i], "");
		assert_kept(trust, files[i]);
		write_text(files[i], garbage);
		assert_kept(trust, files[i]);
		write_file(files[i], "a\0b", 3);
		assert_kept(trust, "not a text");
		unlink(path);
		mkfifo(path, 0600);
		assert_kept(trust, files[i]);
		unlink(path);
		write_store(0);
	}
	assert_null(renew(trust));
	trust_free(trust);
}

/* At every byte that a writer may have got to. */
static void half_written_files_are_not_taken_over(void **state)
{
	cleanup_free char *bundle = memory_printf("%s%s", bench.stores[0].pem[PKI_CA_CRT], bench.stores[1].pem[PKI_CA_CRT]);
	size_t first = strlen(bench.stores[0].pem[PKI_CA_CRT]), whole = strlen(bundle);
	struct error err;

	(void)state;
	write_store(0);
	struct trust *trust = open_trust();

	for (size_t len = 0; len < whole - 1; len++) { /* the last byte is a line's end */
		write_file("ca.crt", bundle, len);
		struct trust *next = trust_renew(trust, &bench.config, NULL, &err);

		/* Up to "-----BEGIN " the second could as well be a remark; and no text tells from a bundle of one. */
		if (len + 1 >= first && len < first + strlen("-----BEGIN "))
			trust_free(next);
		else if (next || !err.class)
			fail_msg("taken over after %zu of %zu bytes", len, whole);
	}
	write_store(0);
	for (size_t len = 0; len < strlen(bench.stores[1].pem[PKI_TLS_CRT]); len++) {
		write_file("tls.crt", bench.stores[1].pem[PKI_TLS_CRT], len);
		assert_kept(trust, "client-certificate");
	}
	trust_free(trust);
}

static void certificate_is_taken_over_when_its_key_is_there_too(void **state)
{
	(void)state;
	write_store(0);
	struct trust *trust = open_trust();

	write_text("tls.crt", bench.stores[1].pem[PKI_TLS_CRT]);
	assert_kept(trust, "client-certificate ");
	write_text("tls.key", bench.stores[1].pem[PKI_TLS_KEY]);
	struct trust *next = renew(trust);

	assert_shows(next, 0, 1);
	trust_free(trust);
	trust_free(next);
}

static void bundle_and_pair_do_not_wait_for_each_other(void **state)
{
	struct error err;

	(void)state;
	write_store(0);
	struct trust *trust = open_trust();

	write_text("ca.crt", bench.stores[1].pem[PKI_CA_CRT]);
	write_text("tls.crt", "");
	struct trust *next = trust_renew(trust, &bench.config, NULL, &err);

	assert_int_equal(err.class, ERROR_INVALID);
	assert_shows(next, 1, 0);
	trust_free(trust);
	write_store(0);
	write_text("ca.crt", "");
	trust = trust_renew(next, &bench.config, NULL, &err); /* and the other way round */
	assert_null(trust);
	write_text("tls.crt", bench.stores[1].pem[PKI_TLS_CRT]);
	write_text("tls.key", bench.stores[1].pem[PKI_TLS_KEY]);
	trust = trust_renew(next, &bench.config, NULL, &err);
	assert_int_equal(err.class, ERROR_INVALID);
	assert_shows(trust, 1, 1);
	trust_free(trust);
	trust_free(next);
}

static void plugins_pair_stays_until_the_plugin_says_another(void **state)
{
	struct execcredential shown = { .cert_pem = bench.stores[0].pem[PKI_TLS_CRT], .key_pem = bench.stores[0].pem[PKI_TLS_KEY] };
	const struct execcredential nothing = { 0 };
	struct error err;

	(void)state;
	write_store(0);
	free(bench.config.cert_file);
	free(bench.config.key_file);
	bench.config.cert_file = bench.config.key_file = NULL;
	struct trust *trust = open_trust(), *next;

	assert_null(trust->pem[TRUST_CERT]);
	next = trust_renew(trust, &bench.config, &shown, &err);
	trust_free(trust);
	assert_shows(next, 0, 0);
	trust = next;
	assert_null(renew(trust));
	assert_null(trust_renew(trust, &bench.config, &shown, &err));
	write_text("ca.crt", bench.stores[1].pem[PKI_CA_CRT]);
	next = renew(trust);
	assert_shows(next, 1, 0);
	trust_free(trust);
	trust = next;

	shown.key_pem = bench.stores[1].pem[PKI_TLS_KEY];
	assert_null(trust_renew(trust, &bench.config, &shown, &err));
	assert_non_null(strstr(err.message, "the plugin's clientCertificateData and clientKeyData"));
	shown.cert_pem = bench.stores[1].pem[PKI_TLS_CRT];
	next = trust_renew(trust, &bench.config, &shown, &err);
	assert_shows(next, 1, 1);
	trust_free(trust);
	trust = next;
	next = trust_renew(trust, &bench.config, &nothing, &err);
	assert_null(next->pem[TRUST_CERT]);
	assert_int_equal(next->expires, 0);
	trust_free(trust);
	trust_free(next);
}

static void configured_pair_goes_before_the_plugins(void **state)
{
	const struct execcredential shown = { .cert_pem = bench.stores[1].pem[PKI_TLS_CRT], .key_pem = bench.stores[1].pem[PKI_TLS_KEY] };
	struct error err;

	(void)state;
	write_store(0);
	struct trust *trust = open_trust();

	assert_null(trust_renew(trust, &bench.config, &shown, &err));
	assert_int_equal(err.class, ERROR_NONE);
	trust_free(trust);
}

#define rule(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rule(snapshot_can_be_read_however_the_files_change),
		rule(same_contents_are_no_change),
		rule(other_contents_are_taken_over_with_the_same_size_and_time),
		rule(swapped_link_is_followed),
		rule(what_cannot_be_used_leaves_the_old),
		rule(half_written_files_are_not_taken_over),
		rule(certificate_is_taken_over_when_its_key_is_there_too),
		rule(bundle_and_pair_do_not_wait_for_each_other),
		rule(plugins_pair_stays_until_the_plugin_says_another),
		rule(configured_pair_goes_before_the_plugins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
