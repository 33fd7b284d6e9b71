/*
 * What an admission rule sees: the cache, with what has been looked up at the API server in front of it.
 * Must not know any rule. Invariant: of two versions of an object the looked-up one is seen, by key and in walks alike.
 */
#include "admission.h"

static const struct look *look_for(const struct admission *in, enum kind_id kind, atom_t ns, atom_t name)
{
	const struct key key = { .kind = (uint8_t)kind, .ns = ns, .name = name };

	for (size_t i = in->n_looks; i-- > 0;) /* the latest counts */
		if (key_equal(in->looks[i].key, key))
			return &in->looks[i];
	return NULL;
}

const void *admission_get(const struct admission *in, enum kind_id kind, atom_t ns, atom_t name)
{
	const struct look *look = look_for(in, kind, ns, name);

	if (!look && in->listed & 1u << kind)
		return NULL;
	return look ? look->object : view_get(in->view, kind, ns, name);
}

const void *admission_now(const struct admission *in, enum kind_id kind, const void *object)
{
	const struct object *meta = object;
	const struct look *look = look_for(in, kind, meta->ns, meta->name);

	if (!look && in->listed & 1u << kind)
		return NULL;
	return look ? look->object : object;
}

struct walk {
	const struct admission *in;
	enum kind_id kind;
	void (*visit)(void *context, const void *object);
	void *context;
};

static void visit_as_it_is_now(void *context, const void *object)
{
	const struct walk *walk = context;
	const void *now = admission_now(walk->in, walk->kind, object);

	if (now)
		walk->visit(walk->context, now);
}

void admission_each(const struct admission *in, enum kind_id kind, void (*visit)(void *context, const void *object), void *context)
{
	struct walk walk = { .in = in, .kind = kind, .visit = visit, .context = context };

	view_each(in->view, kind, visit_as_it_is_now, &walk);
	for (size_t i = 0; i < in->n_looks; i++) {
		const struct look *look = &in->looks[i];
		if (look->key.kind == kind && look->object && look_for(in, kind, look->key.ns, look->key.name) == look &&
		    !view_get(in->view, kind, look->key.ns, look->key.name))
			visit(context, look->object);
	}
}
