/*
 * endpoint.c: the URL, the way there and the headers that follow from a configuration. Certificates are tried in http_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "endpoint.h"
#include "memory.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_text(const char *text, const char *expected)
{
	if (!expected)
		assert_null(text);
	else if (!text)
		fail_msg("nothing, expected \"%s\"", expected);
	else
		assert_string_equal(text, expected);
}

static struct endpoint open_endpoint(const struct cluster_config *config)
{
	struct endpoint endpoint;
	struct error err;

	if (endpoint_init(&endpoint, config, &err))
		fail_msg("%s", err.message);
	return endpoint;
}

static const char *find_header(const struct endpoint *endpoint, const char *name)
{
	for (size_t i = 0; i < endpoint->n_headers; i++)
		if (strncmp(endpoint->headers[i], name, strlen(name)) == 0)
			return endpoint->headers[i];
	return NULL;
}

static void server_name_takes_the_place_of_the_host(void **state)
{
	static const struct {
		const char *server, *name, *base, *route, *host;
	} rows[] = {
		{ "https://10.0.0.1:6443", NULL, "https://10.0.0.1:6443", NULL, NULL },
		{ "https://10.0.0.1:6443", "kubernetes", "https://kubernetes:6443", "kubernetes:6443:10.0.0.1:6443",
		  "Host: 10.0.0.1:6443" },
		{ "https://api.example.com", "k", "https://k:443", "k:443:api.example.com:443", "Host: api.example.com" },
		{ "https://[fd00::1]:6443/p/q", "k", "https://k:6443/p/q", "k:6443:[fd00::1]:6443", "Host: [fd00::1]:6443" },
		{ "https://[fd00::1]", "k", "https://k:443", "k:443:[fd00::1]:443", "Host: [fd00::1]" },
		{ "https://api/p", "10.0.0.1", "https://10.0.0.1:443/p", "10.0.0.1:443:api:443", "Host: api" },
		{ "https://api:1", "fd00::1", "https://[fd00::1]:1", "[fd00::1]:1:api:1", "Host: api:1" },
		{ "http://api:8001/p", "k", "http://api:8001/p", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct cluster_config config = { .server = memory_strdup(rows[i].server),
						       .tls_server_name = memory_strdup(rows[i].name) };
		struct endpoint endpoint = open_endpoint(&config);

		assert_text(endpoint.base, rows[i].base);
		assert_text(endpoint.route, rows[i].route);
		assert_text(find_header(&endpoint, "Host:"), rows[i].host);
		assert_int_equal(endpoint.secure, strncmp(rows[i].server, "https", 5) == 0);
		endpoint_close(&endpoint);
		free(config.server);
		free(config.tls_server_name);
	}
}

static void proxy_is_the_configured_or_the_environments_or_none(void **state)
{
	static const struct {
		const char *server, *proxy_url, *no_proxy, *expected; /* "" = none, NULL = the environment's */
	} rows[] = {
		{ "https://10.1.2.3:6443", NULL, NULL, NULL },
		{ "https://10.1.2.3:6443", NULL, "", NULL },
		{ "https://10.1.2.3:6443", NULL, "10.0.0.0/8", "" },
		{ "https://10.1.2.3:6443", NULL, "11.0.0.0/8,10.1.2.0/24", "" },
		{ "https://10.1.2.3:6443", NULL, "10.1.2.0/31", NULL },
		{ "https://10.1.2.3:6443", NULL, "10.1.2.2/31", "" },
		{ "https://10.1.2.3:6443", NULL, "10.1.2.3", "" },
		{ "https://10.1.2.3:6443", NULL, "0.0.0.0/0", "" },
		{ "https://10.1.2.3:6443", NULL, "10.0.0.0/33", NULL },
		{ "https://10.1.2.3:6443", NULL, "fd00::/8", NULL },
		{ "https://10.1.2.3:6443", NULL, "2.3", NULL },
		{ "https://[fd00::1]:6443", NULL, "fd00::/8", "" },
		{ "https://[fd00::1]:6443", NULL, "fd00::1", "" },
		{ "https://[fd00::1]:6443", NULL, "fe00::/8", NULL },
		{ "https://api.example.com", NULL, "example.com", "" },
		{ "https://api.example.com", NULL, "EXAMPLE.com", "" },
		{ "https://api.example.com", NULL, ".example.com", "" },
		{ "https://example.com", NULL, ".example.com", NULL },
		{ "https://example.com", NULL, "example.com", "" },
		{ "https://badexample.com", NULL, "example.com", NULL },
		{ "https://badexample.com", NULL, ".", NULL },
		{ "https://api.example.com", NULL, "a, b ,example.com", "" },
		{ "https://api.example.com", NULL, "*", "" },
		{ "https://localhost:6443", NULL, NULL, "" },
		{ "https://127.5.0.1:6443", NULL, NULL, "" },
		{ "https://[::1]:6443", NULL, NULL, "" },
		/* Who names a proxy means it. */
		{ "https://127.0.0.1:6443", "http://proxy:3128", "*", "http://proxy:3128" },
		{ "https://10.1.2.3:6443", "https://proxy", NULL, "https://proxy" },
		{ "https://10.1.2.3:6443", "socks5://proxy:1080", NULL, "socks5h://proxy:1080" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct cluster_config config = { .server = memory_strdup(rows[i].server),
						       .proxy_url = memory_strdup(rows[i].proxy_url),
						       .tls_server_name = memory_strdup(i % 2 ? "kubernetes" : NULL) };

		unsetenv("NO_PROXY");
		unsetenv("no_proxy");
		if (rows[i].no_proxy)
			setenv(i % 3 ? "NO_PROXY" : "no_proxy", rows[i].no_proxy, 1);
		struct endpoint endpoint = open_endpoint(&config);

		if (!endpoint.proxy != !rows[i].expected || (endpoint.proxy && strcmp(endpoint.proxy, rows[i].expected) != 0))
			fail_msg("%s with NO_PROXY=%s: %s", rows[i].server, rows[i].no_proxy, endpoint.proxy);
		endpoint_close(&endpoint);
		free(config.server);
		free(config.proxy_url);
		free(config.tls_server_name);
	}
	unsetenv("NO_PROXY");
	unsetenv("no_proxy");
}

static void impersonation_goes_over_tls_only(void **state)
{
	char user[] = "jane", uid[] = "42", group[] = "staff", https[] = "https://api", http[] = "http://api";
	char *groups[] = { group, NULL };
	struct cluster_config config = {
		.server = https, .impersonate_user = user, .impersonate_uid = uid, .impersonate_groups = groups
	};
	struct endpoint endpoint = open_endpoint(&config);

	(void)state;
	assert_text(find_header(&endpoint, "Impersonate-User"), "Impersonate-User: jane");
	assert_text(find_header(&endpoint, "Impersonate-Uid"), "Impersonate-Uid: 42");
	assert_text(find_header(&endpoint, "Impersonate-Group"), "Impersonate-Group: staff");
	endpoint_close(&endpoint);

	config.server = http;
	endpoint = open_endpoint(&config);
	assert_null(find_header(&endpoint, "Impersonate"));
	assert_text(find_header(&endpoint, "Accept"), "Accept: application/json");
	endpoint_close(&endpoint);
}

static void number_of_groups_is_bounded(void **state)
{
	char user[] = "jane", https[] = "https://api", group[] = "g";
	char *groups[101] = { 0 };
	struct cluster_config config = { .server = https, .impersonate_user = user, .impersonate_groups = groups };
	struct endpoint endpoint;
	struct error err;

	(void)state;
	for (size_t i = 0; i < 60; i++)
		groups[i] = group;
	endpoint = open_endpoint(&config);
	endpoint_close(&endpoint);
	for (size_t i = 0; i < 100; i++)
		groups[i] = group;
	assert_int_equal(endpoint_init(&endpoint, &config, &err), -1);
	assert_string_equal(err.message, "as-groups: more than 60");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_name_takes_the_place_of_the_host),
		cmocka_unit_test(proxy_is_the_configured_or_the_environments_or_none),
		cmocka_unit_test(impersonation_goes_over_tls_only),
		cmocka_unit_test(number_of_groups_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
