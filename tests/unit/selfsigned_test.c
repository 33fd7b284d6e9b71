/*
 * selfsigned.c on a clock of the test's: what is served at each moment of a long life, and whom it names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <gnutls/x509.h>

#include "memory.h"
#include "pki.h"
#include "selfsigned.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOUR ((int64_t)3600 * 1000)
#define DAY (24 * HOUR)
#define NOW ((instant_t)1795428380000)

struct rig {
	struct port port;
	struct log log;
	int64_t mono;
	instant_t wall;
	struct selfsigned *it;
	char *chain, *key; /* served */
	struct cert_span span;
	unsigned serves;
};

static int64_t port_mono(void *self)
{
	return ((struct rig *)self)->mono;
}

static instant_t port_wall(void *self)
{
	return ((struct rig *)self)->wall;
}

static void serve(void *context, const char *chain, const char *key)
{
	struct rig *rig = context;
	struct error err = { 0 };

	free(rig->chain);
	pki_forget(rig->key);
	rig->chain = memory_strdup(chain);
	rig->key = memory_strdup(key);
	rig->serves++;
	if (pki_check_pair(chain, key, &rig->span, &err) < 0)
		fail_msg("%s", err.message);
}

static void start(struct rig *rig, const char *host)
{
	const struct selfsigned_config config = { .port = &rig->port, .log = &rig->log, .host = host, .serve = serve, .context = rig };
	struct error err = { 0 };

	selfsigned_free(rig->it);
	rig->it = selfsigned_new(&config, &err);
	if (!rig->it)
		fail_msg("%s", err.message);
}

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	*rig = (struct rig){ .wall = NOW, .log = { .fd = -1 } };
	rig->port = (struct port){ .self = rig, .monotonic_ms = port_mono, .now = port_wall };
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	selfsigned_free(rig->it);
	free(rig->chain);
	pki_forget(rig->key);
	free(rig);
	return 0;
}

static void pass(struct rig *rig, int64_t ms)
{
	rig->mono += ms;
	rig->wall += ms;
}

static bool is_named(const struct rig *rig, const char *name)
{
	const gnutls_datum_t pem = { .data = (unsigned char *)rig->chain, .size = (unsigned)strlen(rig->chain) };
	gnutls_x509_crt_t crt;

	assert_int_equal(gnutls_x509_crt_init(&crt), 0);
	assert_int_equal(gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM), 0);
	const bool named = gnutls_x509_crt_check_hostname(crt, name);

	gnutls_x509_crt_deinit(crt);
	return named;
}

static void there_is_one_from_the_start(void **state)
{
	struct rig *rig = *state;

	start(rig, "host-1.example.com");
	assert_int_equal(rig->serves, 1);
	assert_true(rig->span.from < NOW);
	assert_int_equal(rig->span.until - rig->span.from, 365 * DAY);
	assert_int_equal(selfsigned_expires(rig->it), rig->span.until);
	assert_true(is_named(rig, "localhost"));
	assert_true(is_named(rig, "127.0.0.1"));
	assert_true(is_named(rig, "::1"));
	assert_true(is_named(rig, "host-1.example.com"));
	assert_false(is_named(rig, "host-2.example.com"));
}

static void a_host_that_is_no_name_is_left_out(void **state)
{
	static const char *const odd[] = { NULL, "", ".", "a.", ".a", "a..b", "a b", "a_b", "h\xc3\xb6st", "a/b", "*.example.com", "host\n" };
	char label[65], name[300];
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT(odd); i++) {
		start(rig, odd[i]);
		assert_true(is_named(rig, "localhost"));
		if (odd[i] && is_named(rig, odd[i]))
			fail_msg("\"%s\" is named", odd[i]);
	}
	memset(label, 'a', 64);
	label[64] = '\0';
	start(rig, label);
	assert_false(is_named(rig, label));
	start(rig, label + 1);
	assert_true(is_named(rig, label + 1));
	memset(name, 'a', sizeof(name));
	for (size_t i = 50; i < sizeof(name); i += 50)
		name[i] = '.';
	name[254] = '\0';
	start(rig, name);
	assert_false(is_named(rig, name));
}

static void it_is_renewed_long_before_it_expires(void **state)
{
	struct rig *rig = *state;
	int64_t wait;

	start(rig, "host");
	for (int64_t passed = 0; passed < 1000 * DAY; passed += wait) {
		wait = selfsigned_tick(rig->it);
		assert_in_range(wait, 1, HOUR);
		assert_true(rig->span.from <= rig->wall);
		assert_true(rig->wall + 120 * DAY < rig->span.until);
		pass(rig, wait);
	}
	assert_in_range(rig->serves, 4, 6);
}

static void a_tick_that_is_not_due_changes_nothing(void **state)
{
	struct rig *rig = *state;

	start(rig, "host");
	for (int i = 0; i < 1000; i++)
		assert_int_equal(selfsigned_tick(rig->it), HOUR);
	pass(rig, 240 * DAY);
	selfsigned_tick(rig->it);
	assert_int_equal(rig->serves, 1);
	pass(rig, 5 * DAY);
	selfsigned_tick(rig->it);
	selfsigned_tick(rig->it);
	assert_int_equal(rig->serves, 2);
}

static void a_clock_that_is_set_gets_one_of_its_own_time(void **state)
{
	struct rig *rig = *state;

	start(rig, "host");
	rig->wall -= 10 * HOUR; /* it was ahead when the process started */
	selfsigned_tick(rig->it);
	assert_int_equal(rig->serves, 2);
	assert_true(rig->span.from <= rig->wall);
	rig->wall += 3650 * DAY;
	selfsigned_tick(rig->it);
	assert_int_equal(rig->serves, 3);
	assert_true(rig->span.from <= rig->wall && rig->wall + 300 * DAY < rig->span.until);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(there_is_one_from_the_start),
		TEST(a_host_that_is_no_name_is_left_out),
		TEST(it_is_renewed_long_before_it_expires),
		TEST(a_tick_that_is_not_due_changes_nothing),
		TEST(a_clock_that_is_set_gets_one_of_its_own_time),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
