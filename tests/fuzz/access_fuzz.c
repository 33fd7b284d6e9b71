/*
 * TokenReview and SubjectAccessReview. Input: t or a, and the answer. Who asks is passed on exactly as the answer had it; a yes is
 * only what says yes; and no error repeats anything of an answer, which holds the token.
 */
#include "accessreview.h"
#include "fuzz.h"

/* Whatever was read, these are the only words. */
static void check_silent(const struct error *err)
{
	check_error(err);
	check(strncmp(err->message, "the answer is no ", 17) == 0 ||
	      strncmp(err->message, "the TokenReview names no user", 29) == 0);
}

static void check_token(const char *text, size_t len)
{
	static const char *const passed[] = { "groups", "uid", "extra" };
	struct tokenreview review;
	struct error err = { 0 };

	if (tokenreview_decode(text, len, "get", "/metrics", &review, &err) < 0) {
		check_silent(&err);
		check(!review.user && !review.question);
		return;
	}
	json_t *tree = json_of(text, len), *user = json_at(tree, "status", "user");

	check(!review.user == !review.question);
	check(!review.user == !json_is_true(json_at(tree, "status", "authenticated")));
	if (review.user) {
		json_t *question = json_of(review.question, strlen(review.question)), *spec = json_object_get(question, "spec");

		check(strcmp(json_string_value(json_object_get(spec, "user")), review.user) == 0);
		check(json_equal(json_object_get(spec, "user"), json_object_get(user, "username")));
		for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
			check(json_covers(json_object_get(spec, passed[i]), json_object_get(user, passed[i])));
		check(strcmp(json_string_value(json_at(spec, "nonResourceAttributes", "path")), "/metrics") == 0);
		json_decref(question);
	}
	json_decref(tree);
	tokenreview_close(&review);
	tokenreview_close(&review);
}

static void check_access(const char *text, size_t len)
{
	struct error err = { 0 };
	bool allowed = true;
	const bool read = accessreview_decode(text, len, &allowed, &err) == 0;
	json_t *tree = json_of(text, len);

	if (!read)
		check_silent(&err);
	if (!read || !json_is_true(json_at(tree, "status", "allowed")) || json_is_true(json_at(tree, "status", "denied")))
		check(!allowed);
	json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_codec fuzz = codec_open();
	cleanup_free char *text = rest_of(data, size, 1);

	if (size && data[0] == 't')
		check_token(text, size - 1);
	else if (size)
		check_access(text, size - 1);
	codec_close(&fuzz);
	return 0;
}
