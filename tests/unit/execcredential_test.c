/*
 * execcredential.c: what a plugin is told, and what it may answer. Rows are JSON with ' for ".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "execcredential.h"
#include "memory.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define V1	     "client.authentication.k8s.io/v1"
#define HEAD	     "{'kind': 'ExecCredential', 'apiVersion': '" V1 "', 'status': "

static char *quoted(const char *text)
{
	char *copy = memory_strdup(text);

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	return copy;
}

static int decode(const char *text, struct execcredential *credential, struct error *err)
{
	cleanup_free char *json = quoted(text);

	return execcredential_decode(json, strlen(json), V1, credential, err);
}

static void assert_text(const char *text, const char *expected)
{
	if (!text || !expected)
		assert_true(text == expected);
	else
		assert_string_equal(text, expected);
}

static void plugin_is_told_who_asks(void **state)
{
	static const struct {
		struct execinfo info;
		const char *expected;
	} rows[] = {
		{ { .api_version = V1 }, "{'kind':'ExecCredential','apiVersion':'" V1 "','spec':{'interactive':false}}" },
		{ { .api_version = V1 "beta1", .interactive = true, .tls_server_name = "n", .ca_base64 = "QQ==", .proxy_url = "p", .insecure = true },
		  "{'kind':'ExecCredential','apiVersion':'" V1 "beta1','spec':{'interactive':true}}" },
		{ { .api_version = V1, .server = "https://x" },
		  "{'kind':'ExecCredential','apiVersion':'" V1
		  "','spec':{'cluster':{'server':'https://x','disable-compression':false},'interactive':false}}" },
		{ { .api_version = V1,
		    .server = "https://x",
		    .tls_server_name = "n",
		    .ca_base64 = "QQ==",
		    .proxy_url = "http://p",
		    .insecure = true },
		  "{'kind':'ExecCredential','apiVersion':'" V1
		  "','spec':{'cluster':{'server':'https://x','tls-server-name':'n','insecure-skip-tls-verify':true,"
		  "'certificate-authority-data':'QQ==','proxy-url':'http://p','disable-compression':false},'interactive':false}}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		cleanup_free char *expected = quoted(rows[i].expected), *text = execcredential_info(&rows[i].info);

		assert_string_equal(text, expected);
	}
}

static void credential_is_a_token_or_a_certificate_or_both(void **state)
{
	static const struct {
		const char *text, *token, *cert, *key;
		instant_t expires;
	} rows[] = {
		{ HEAD "{'token': 't'}}", "t", NULL, NULL, 0 },
		{ HEAD "{'token': 't', 'clientCertificateData': '', 'clientKeyData': null, 'more': 1}, 'spec': {}}", "t", NULL, NULL, 0 },
		{ HEAD "{'clientCertificateData': 'c', 'clientKeyData': 'k'}}", NULL, "c", "k", 0 },
		{ HEAD "{'token': 't', 'clientCertificateData': 'c', 'clientKeyData': 'k', 'expirationTimestamp': '2026-11-22T10:06:20Z'}}",
		  "t", "c", "k", 1795341980000 },
		{ HEAD "{'token': 't', 'expirationTimestamp': '2026-11-22T12:06:20.5+02:00'}}", "t", NULL, NULL, 1795341980500 },
		{ HEAD "{'token': 't', 'expirationTimestamp': null}}", "t", NULL, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct execcredential credential;
		struct error err;

		if (decode(rows[i].text, &credential, &err))
			fail_msg("%s: %s", rows[i].text, err.message);
		assert_text(credential.token, rows[i].token);
		assert_text(credential.cert_pem, rows[i].cert);
		assert_text(credential.key_pem, rows[i].key);
		assert_int_equal(credential.expires, rows[i].expires);
		execcredential_close(&credential);
		execcredential_close(&credential); /* twice does no harm */
	}
}

static void anything_else_is_refused_without_quoting_it(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "", "it printed nothing" },
		{ "s3cret", "what it printed is not JSON" },
		{ "{'token': s3cret}", "what it printed is not JSON" },
		{ HEAD "{'token': 's3cret'}} s3cret", "what it printed is not JSON" },
		{ "['s3cret']", "what it printed is not an ExecCredential" },
		{ "{'kind': 's3cret', 'apiVersion': '" V1 "'}", "what it printed is not an ExecCredential" },
		{ "{'kind': 'ExecCredential', 'status': {'token': 's3cret'}}",
		  "the kubeconfig says " V1 ", the plugin answered with no apiVersion" },
		{ "{'kind': 'ExecCredential', 'apiVersion': '" V1 "beta1', 'status': {'token': 's3cret'}}",
		  "the kubeconfig says " V1 ", the plugin answered with " V1 "beta1" },
		{ "{'kind': 'ExecCredential', 'apiVersion': '" V1 "'}", "it printed no status" },
		{ HEAD "'s3cret'}", "it printed no status" },
		{ HEAD "{}}", "it printed neither a token nor a client certificate" },
		{ HEAD "{'token': ''}}", "it printed neither a token nor a client certificate" },
		{ HEAD "{'token': 5}}", "status.token is not a text" },
		{ HEAD "{'token': 's3\\u0000cret'}}", "status.token is not a text" },
		{ HEAD "{'clientCertificateData': 's3cret'}}", "it printed only one of clientCertificateData and clientKeyData" },
		{ HEAD "{'token': 't', 'clientKeyData': 's3cret'}}", "it printed only one of clientCertificateData and clientKeyData" },
		{ HEAD "{'token': 't', 'expirationTimestamp': 's3cret'}}", "status.expirationTimestamp is not a time" },
		{ HEAD "{'token': 't', 'expirationTimestamp': 17}}", "status.expirationTimestamp is not a text" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct execcredential credential;
		struct error err = { 0 };

		assert_int_equal(decode(rows[i].text, &credential, &err), -1);
		assert_int_equal(err.class, ERROR_INVALID);
		if (!strstr(err.message, rows[i].message))
			fail_msg("%s: %s", rows[i].text, err.message);
		assert_null(strstr(err.message, "s3cret"));
		assert_null(credential.token);
		assert_null(credential.cert_pem);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plugin_is_told_who_asks),
		cmocka_unit_test(credential_is_a_token_or_a_certificate_or_both),
		cmocka_unit_test(anything_else_is_refused_without_quoting_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
