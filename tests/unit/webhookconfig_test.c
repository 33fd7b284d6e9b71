/* Where the API server is to ask: the path that a configuration has, behind our URL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "memory.h"
#include "webhookconfig.h"

#define URL "https://127.0.0.1:9443"

static void a_path_goes_behind_our_url(void **state)
{
	static const struct {
		const char *client, *url;
	} rows[] = {
		{ "\"service\":{\"path\":\"/mutate\"}", URL "/mutate" },
		{ "\"url\":\"https://other:1/mutate/x\"", URL "/mutate/x" },
		{ "\"url\":\"" URL "/mutate\"", URL "/mutate" },
		{ "\"url\":\"https://other\"", URL },
		{ "\"service\":{}", URL },
		{ "\"service\":{\"path\":\"mutate\"}", URL }, /* no path: it would become a part of the port */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cleanup_free char *text = memory_printf("{\"metadata\":{\"resourceVersion\":\"1\"},\"webhooks\":[{\"name\":\"a\",\"clientConfig\":{%s}}]}",
							rows[i].client);
		cleanup_free char *wanted = memory_printf("\"url\":\"%s\"", rows[i].url);
		char *patch;
		struct error err;

		assert_int_equal(webhookconfig_patch(text, strlen(text), "Q0E=", URL, &patch, &err), 0);
		if (!strstr(patch, wanted))
			fail_msg("%s: expected %s in %s", rows[i].client, wanted, patch);
		free(patch);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_goes_behind_our_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
