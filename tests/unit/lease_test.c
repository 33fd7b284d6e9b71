/* A Lease between text and record: what is read of what anybody wrote, and that a replacement leaves alone what is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lease.h"
#include "memory.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LEASE(spec) "{\"kind\":\"Lease\",\"metadata\":{\"resourceVersion\":\"7\"}" spec "}"
#define SPEC(members) LEASE(",\"spec\":{" members "}")

static const struct lease_record record = { .holder = "pod-1_a", .duration_ms = 15000, .acquired = 1795428380000, .renewed = 1795428381042,
					    .transitions = 3 };

static void leases_are_read(void **state)
{
	static const struct {
		const char *text;
		struct lease_record record;
	} rows[] = {
		{ SPEC("\"holderIdentity\":\"pod-1_a\",\"leaseDurationSeconds\":15,\"acquireTime\":\"2026-11-23T10:06:20.000000Z\",\"renewTime\":"
		       "\"2026-11-23T10:06:21.042999Z\",\"leaseTransitions\":3"),
		  { .holder = "pod-1_a", .duration_ms = 15000, .acquired = 1795428380000, .renewed = 1795428381042, .transitions = 3 } },
		{ LEASE(""), { .holder = "" } },
		{ LEASE(",\"spec\":null"), { .holder = "" } },
		{ SPEC(""), { .holder = "" } },
		{ SPEC("\"holderIdentity\":\"\",\"leaseDurationSeconds\":1"), { .duration_ms = 1000 } },
		{ SPEC("\"holderIdentity\":null,\"renewTime\":null"), { .holder = "" } },
		{ SPEC("\"holderIdentity\":\"a\\u0000b\""), { .holder = "?" } },
		{ SPEC("\"holderIdentity\":5"), { .holder = "?" } },
		{ SPEC("\"leaseDurationSeconds\":-1,\"leaseTransitions\":-1,\"renewTime\":\"yesterday\""), { .holder = "" } },
		{ SPEC("\"leaseDurationSeconds\":2147483647,\"leaseTransitions\":2147483646"), { .duration_ms = INT64_C(2147483647000), .transitions = 2147483646 } },
		/* One more would be none that the API server takes. */
		{ SPEC("\"leaseDurationSeconds\":2147483648,\"leaseTransitions\":2147483647"), { .holder = "" } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct lease_record got;
		struct error err;

		if (lease_decode(rows[i].text, strlen(rows[i].text), &got, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.message);
		assert_string_equal(got.version, "7");
		if (strcmp(got.holder, rows[i].record.holder) != 0 || got.duration_ms != rows[i].record.duration_ms ||
		    got.acquired != rows[i].record.acquired || got.renewed != rows[i].record.renewed || got.transitions != rows[i].record.transitions)
			fail_msg("%s: \"%s\" %lld %lld %lld %u", rows[i].text, got.holder, (long long)got.duration_ms, (long long)got.acquired,
				 (long long)got.renewed, got.transitions);
	}
}

static void a_long_name_is_cut_at_a_whole_character(void **state)
{
	char name[600], *text;
	struct lease_record got;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(name) - 2; i += 2)
		memcpy(name + i, "\xC3\xA4", 2);
	name[sizeof(name) - 2] = '\0';
	text = memory_printf(SPEC("\"holderIdentity\":\"%s\""), name);
	assert_int_equal(lease_decode(text, strlen(text), &got, &err), 0);
	assert_int_equal(strlen(got.holder), (LEASE_HOLDER_SIZE - 1) / 2 * 2);
	assert_memory_equal(got.holder, name, strlen(got.holder));
	free(text);
}

static void what_is_no_lease_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "no JSON", "[]", "{}", "{\"kind\":\"Lease\"}", "{\"kind\":\"Lease\",\"metadata\":{\"resourceVersion\":\"\"}}",
		"{\"kind\":\"Lease\",\"metadata\":{\"resourceVersion\":\"1234567890123456789012345678901234567890123456789012345678901234\"}}",
		"{\"kind\":\"Status\",\"metadata\":{\"resourceVersion\":\"7\"}}", "{\"metadata\":{\"resourceVersion\":\"7\"}}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct lease_record got;
		struct error err = { 0 };

		if (lease_decode(texts[i], strlen(texts[i]), &got, &err) == 0 || err.class != ERROR_INVALID)
			fail_msg("%s was taken", texts[i]);
		if (lease_replacement(texts[i], strlen(texts[i]), &record, &err))
			fail_msg("%s was replaced", texts[i]);
	}
}

static void a_replacement_leaves_the_rest_alone(void **state)
{
	static const char before[] =
		"{\"kind\":\"Lease\",\"apiVersion\":\"coordination.k8s.io/v1\",\"metadata\":{\"name\":\"tollgate\",\"resourceVersion\":\"7\",\"labels\":{\"team\":"
		"\"billing\"},\"managedFields\":[{}]},\"spec\":{\"preferredHolder\":\"pod-2\",\"holderIdentity\":\"pod-0_z\",\"leaseTransitions\":2,\"new\":{\"a\":[1]}}}";
	static const char after[] =
		"{\"kind\":\"Lease\",\"apiVersion\":\"coordination.k8s.io/v1\",\"metadata\":{\"name\":\"tollgate\",\"resourceVersion\":\"7\",\"labels\":{\"team\":"
		"\"billing\"},\"managedFields\":[{}]},\"spec\":{\"preferredHolder\":\"pod-2\",\"holderIdentity\":\"pod-1_a\",\"leaseTransitions\":3,\"new\":{\"a\":[1]},"
		"\"leaseDurationSeconds\":15,\"acquireTime\":\"2026-11-23T10:06:20.000000Z\",\"renewTime\":\"2026-11-23T10:06:21.042000Z\"}}";
	struct error err;
	char *text = lease_replacement(before, strlen(before), &record, &err);

	(void)state;
	assert_string_equal(text, after);
	free(text);
	text = lease_replacement(LEASE(""), strlen(LEASE("")), &(struct lease_record){ .duration_ms = 1000 }, &err);
	assert_string_equal(text, "{\"kind\":\"Lease\",\"metadata\":{\"resourceVersion\":\"7\"},\"spec\":{\"holderIdentity\":\"\",\"leaseDurationSeconds\":1,"
				  "\"acquireTime\":\"1970-01-01T00:00:00.000000Z\",\"renewTime\":\"1970-01-01T00:00:00.000000Z\",\"leaseTransitions\":0}}");
	free(text);
}

static void a_new_one_says_all_that_is_known(void **state)
{
	char *text = lease_body("tollgate-system", "tollgate", &record);

	(void)state;
	assert_string_equal(text, "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"namespace\":\"tollgate-system\",\"name\":\"tollgate\"},"
				  "\"spec\":{\"holderIdentity\":\"pod-1_a\",\"leaseDurationSeconds\":15,\"acquireTime\":\"2026-11-23T10:06:20.000000Z\",\"renewTime\":"
				  "\"2026-11-23T10:06:21.042000Z\",\"leaseTransitions\":3}}");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leases_are_read),
		cmocka_unit_test(a_long_name_is_cut_at_a_whole_character),
		cmocka_unit_test(what_is_no_lease_is_refused),
		cmocka_unit_test(a_replacement_leaves_the_rest_alone),
		cmocka_unit_test(a_new_one_says_all_that_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
