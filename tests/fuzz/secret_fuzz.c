/* Secrets. Input: the Secret. What replaces it holds the new entries under its UID, and all else stays. */
#include "fuzz.h"
#include "secret.h"

enum { KEYS = 3, VALUE_MAX = 64 };
static const char *const keys[KEYS] = { "ca.crt", "tls.crt", "tls.key" };

static void forget(char *values[KEYS])
{
	for (size_t i = 0; i < KEYS; i++)
		free(values[i]);
}

static void check_replacement(const char *text, size_t len)
{
	char *const wanted[KEYS] = { (char[]){ "YQ==" }, (char[]){ "Yg==" }, (char[]){ "Yw==" } };
	struct error err = { 0 };
	cleanup_free char *replacement = secret_replacement(text, len, keys, KEYS, wanted, &err);
	cleanup_free char *uid = secret_uid(text, len), *uid_after = secret_uid(replacement, strlen(replacement));
	json_t *before = json_of(text, len), *after = json_of(replacement, strlen(replacement));
	char *values[KEYS];

	check(secret_decode(replacement, strlen(replacement), keys, KEYS, VALUE_MAX, values, &err) == 0);
	for (size_t i = 0; i < KEYS; i++) {
		check(values[i] && strcmp(values[i], wanted[i]) == 0);
		json_object_del(json_object_get(before, "data"), keys[i]);
		json_object_del(json_object_get(after, "data"), keys[i]);
	}
	check(json_covers(after, before));
	check(!uid == !uid_after && (!uid || strcmp(uid, uid_after) == 0));
	forget(values);
	json_decref(before);
	json_decref(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_codec fuzz = codec_open();
	cleanup_free char *text = rest_of(data, size, 0);
	char *values[KEYS];
	struct error err = { 0 };
	const bool read = secret_decode(text, size, keys, KEYS, VALUE_MAX, values, &err) == 0;

	for (size_t i = 0; i < KEYS; i++)
		check(!values[i] || (read && values[i][0] && strlen(values[i]) <= VALUE_MAX));
	if (read) {
		cleanup_free char *body = secret_body("ns", "name", keys, 0, NULL);

		check(body);
		check_replacement(text, size);
	} else {
		check_error(&err);
		check(!secret_replacement(text, size, keys, 0, NULL, &err));
	}
	forget(values);
	codec_close(&fuzz);
	return 0;
}
