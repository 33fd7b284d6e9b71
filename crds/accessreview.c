/* accessreview.h. What is known of a user goes from one review to the other as it is; what has an odd shape goes nowhere. */
#include "accessreview.h"

#include <stdlib.h>

#include "memory.h"
#include "tree.h"

static const struct resource token_review = { .group = "authentication.k8s.io", .version = "v1", .kind = "TokenReview" };
static const struct resource access_review = { .group = "authorization.k8s.io", .version = "v1", .kind = "SubjectAccessReview" };

char *tokenreview_body(const char *token)
{
	return tree_print(tree_made(json_pack("{s:s,s:s,s:{s:s}}", "apiVersion", "authentication.k8s.io/v1", "kind", token_review.kind,
					      "spec", "token", token)));
}

/* The whole of such an answer; the caller's. The parser's own words would show what it stumbled over. */
static json_t *parse(const struct resource *resource, const char *text, size_t len, struct error *err)
{
	json_t *tree = tree_parse(text, len, ACCESSREVIEW_BYTES_MAX, NULL);

	if (tree && tree_check_kind(resource, "", false, tree, NULL) == 0 && json_is_object(json_object_get(tree, "status")))
		return tree;
	json_decref(tree);
	error_set(err, ERROR_INVALID, "the answer is no %s with a status, or is longer than %d bytes", resource->kind, ACCESSREVIEW_BYTES_MAX);
	return NULL;
}

/* A member, borrowed; NULL when there is none. One of another type makes the user odd: left out, it might be allowed what it is not. */
static json_t *part(const json_t *user, const char *name, json_type type, bool *odd)
{
	json_t *value = json_object_get(user, name);

	if (!value || json_is_null(value))
		return NULL;
	*odd |= json_typeof(value) != type;
	return value;
}

static char *question(const json_t *user, const char *name, const char *verb, const char *path)
{
	bool odd = false;
	json_t *groups = part(user, "groups", JSON_ARRAY, &odd), *uid = part(user, "uid", JSON_STRING, &odd);
	json_t *extra = part(user, "extra", JSON_OBJECT, &odd);

	if (odd)
		return NULL;
	return tree_print(tree_made(json_pack("{s:s,s:s,s:{s:{s:s,s:s},s:s,s:O*,s:O*,s:O*}}", "apiVersion", "authorization.k8s.io/v1", "kind",
					      access_review.kind, "spec", "nonResourceAttributes", "verb", verb, "path", path, "user", name,
					      "groups", groups, "uid", uid, "extra", extra)));
}

int tokenreview_decode(const char *text, size_t len, const char *verb, const char *path, struct tokenreview *review, struct error *err)
{
	cleanup_tree json_t *tree = parse(&token_review, text, len, err);
	const json_t *status = json_object_get(tree, "status"), *user = json_object_get(status, "user");
	const char *name = tree_text(user, "username", ACCESSREVIEW_USER_BYTES);

	*review = (struct tokenreview){ 0 };
	if (!tree)
		return -1;
	if (!json_is_true(json_object_get(status, "authenticated")))
		return 0;
	review->question = name ? question(user, name, verb, path) : NULL;
	if (!review->question)
		return error_set(err, ERROR_INVALID, "the %s names no user, or one that cannot be asked about", token_review.kind);
	review->user = memory_strdup(name);
	return 0;
}

void tokenreview_close(struct tokenreview *review)
{
	free(review->user);
	free(review->question);
	*review = (struct tokenreview){ 0 };
}

int accessreview_decode(const char *text, size_t len, bool *allowed, struct error *err)
{
	cleanup_tree json_t *tree = parse(&access_review, text, len, err);
	const json_t *status = json_object_get(tree, "status");

	*allowed = json_is_true(json_object_get(status, "allowed")) && !json_is_true(json_object_get(status, "denied"));
	return tree ? 0 : -1;
}
