/* lease.h. Of the tree only the members of an election are touched. */
#include "lease.h"

#include <string.h>

#include "caps.h"
#include "text.h"
#include "tree.h"

static const char *version_of(const json_t *tree)
{
	return tree_text(json_object_get(tree, "metadata"), "resourceVersion", LEASE_VERSION_SIZE - 1);
}

static json_t *parse(const char *text, size_t len, struct error *err)
{
	json_t *tree = tree_parse(text, len, CAP_OBJECT_BYTES, err);

	const char *kind = tree_text(tree, "kind", 64);

	if (kind && strcmp(kind, "Lease") == 0 && version_of(tree))
		return tree;
	if (tree)
		error_set(err, ERROR_INVALID, "not a Lease");
	json_decref(tree);
	return NULL;
}

static instant_t moment(const json_t *spec, const char *member)
{
	const char *text = tree_text(spec, member, 64);
	instant_t moment = 0;

	return text && instant_parse(text, strlen(text), &moment) == 0 ? moment : 0;
}

/* Somebody whose name cannot be shown is somebody all the same. */
static const char *holder_of(const json_t *spec)
{
	const json_t *holder = json_object_get(spec, "holderIdentity");
	const char *name = tree_text(spec, "holderIdentity", CAP_TEXT_BYTES);

	return name ? name : !holder || json_is_null(holder) || (json_is_string(holder) && !json_string_length(holder)) ? "" : "?";
}

int lease_decode(const char *text, size_t len, struct lease_record *record, struct error *err)
{
	cleanup_tree json_t *tree = parse(text, len, err);
	const json_t *spec = json_object_get(tree, "spec");
	const char *holder = holder_of(spec);
	json_int_t seconds = json_integer_value(json_object_get(spec, "leaseDurationSeconds"));
	json_int_t transitions = json_integer_value(json_object_get(spec, "leaseTransitions"));

	const char *uid = tree_text(json_object_get(tree, "metadata"), "uid", LEASE_VERSION_SIZE - 1);

	if (!tree)
		return -1;
	*record = (struct lease_record){
		.duration_ms = seconds > 0 && seconds <= INT32_MAX ? seconds * 1000 : 0,
		.acquired = moment(spec, "acquireTime"),
		.renewed = moment(spec, "renewTime"),
		.transitions = transitions > 0 && transitions < INT32_MAX ? (uint32_t)transitions : 0,
	};
	memcpy(record->holder, holder, text_cut(holder, sizeof(record->holder) - 1));
	memcpy(record->version, version_of(tree), strlen(version_of(tree)));
	memcpy(record->uid, uid ? uid : "", uid ? strlen(uid) : 0);
	return 0;
}

static json_t *micro(instant_t moment)
{
	char text[INSTANT_TEXT_SIZE];

	return tree_string(instant_format_micro(moment, text));
}

static json_t *spec_with(json_t *spec, const struct lease_record *record)
{
	json_object_set_new(spec, "holderIdentity", tree_string(record->holder));
	json_object_set_new(spec, "leaseDurationSeconds", json_integer(record->duration_ms / 1000));
	json_object_set_new(spec, "acquireTime", micro(record->acquired));
	json_object_set_new(spec, "renewTime", micro(record->renewed));
	json_object_set_new(spec, "leaseTransitions", json_integer(record->transitions));
	return spec;
}

char *lease_replacement(const char *text, size_t len, const struct lease_record *record, struct error *err)
{
	json_t *tree = parse(text, len, err), *spec = json_object_get(tree, "spec");

	if (!tree)
		return NULL;
	json_object_set_new(tree, "spec", spec_with(json_is_object(spec) ? json_incref(spec) : json_object(), record));
	return tree_print(tree);
}

char *lease_body(const char *ns, const char *name, const struct lease_record *record)
{
	return tree_print(tree_made(json_pack("{s:s,s:s,s:{s:s,s:s},s:o}", "apiVersion", "coordination.k8s.io/v1", "kind", "Lease", "metadata", "namespace",
				      ns, "name", name, "spec", spec_with(json_object(), record))));
}
