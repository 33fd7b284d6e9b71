/* Leases. Input: the Lease. What replaces it reads as what was read, whoever wrote it, and all else in it stays. */
#include "fuzz.h"
#include "lease.h"

static bool lease_equal(const struct lease_record *a, const struct lease_record *b)
{
	return strcmp(a->holder, b->holder) == 0 && strcmp(a->version, b->version) == 0 && a->duration_ms == b->duration_ms &&
	       a->acquired == b->acquired && a->renewed == b->renewed && a->transitions == b->transitions;
}

/* Without what an election says. */
static json_t *rest_of_lease(const char *text, size_t len)
{
	static const char *const ours[] = { "holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime",
					    "leaseTransitions" };
	json_t *tree = json_of(text, len);

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		json_object_del(json_object_get(tree, "spec"), ours[i]);
	return tree;
}

static void check_replacement(const char *text, size_t len, const struct lease_record *record)
{
	struct lease_record again;
	struct error err;
	cleanup_free char *replacement = lease_replacement(text, len, record, &err);

	check(replacement && lease_decode(replacement, strlen(replacement), &again, &err) == 0);
	check(lease_equal(record, &again));
	json_t *before = rest_of_lease(text, len), *after = rest_of_lease(replacement, strlen(replacement));

	if (!json_is_object(json_object_get(before, "spec")))
		json_object_set_new(before, "spec", json_object());
	check(json_equal(before, after));
	json_decref(before);
	json_decref(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_codec fuzz = codec_open();
	cleanup_free char *text = rest_of(data, size, 0);
	struct lease_record record,
		ours = { .holder = "me", .duration_ms = 15000, .acquired = 1000, .renewed = 2001, .transitions = 7 };
	struct error err = { 0 };

	if (lease_decode(text, size, &record, &err) == 0) {
		check(record.version[0] && is_utf8(record.holder) && record.duration_ms >= 0);
		check_replacement(text, size, &record);
		memcpy(ours.version, record.version, sizeof(ours.version));
		check_replacement(text, size, &ours);
		cleanup_free char *body = lease_body("ns", "name", &record);

		check(lease_decode(body, strlen(body), &ours, &err) == -1); /* without a version yet */
	} else {
		check_error(&err);
		check(!lease_replacement(text, size, &ours, &err));
	}
	codec_close(&fuzz);
	return 0;
}
