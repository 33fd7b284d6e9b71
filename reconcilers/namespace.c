/*
 * Decides the mark on a project's namespace: may workloads be created in it, and if not, why? Admission policies in the API server
 * (deploy/gate) read it, so that the gate holds while Tollgate is down. Nothing else of a Namespace is ever written.
 * Invariant: "allowed" is there only while the project's verdict says so; what is no project's namespace bears no mark.
 */
#include "namespace_inputs.h"

#include "text.h"
#include "wake.h"

enum {
	MARKS_MAX = 2,
	/* Of a policy's message the API server takes 5 KiB in one line, else it says something of its own. */
	MESSAGE_MAX = 1024,
};

/* In one line and not too long, cut between characters. */
static const char *one_line(const char *message, struct arena *arena)
{
	char *line = arena_strndup(arena, message, text_cut(message, MESSAGE_MAX));

	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7F)
			*c = ' ';
	return line;
}

static void mark(struct outcome *outcome, struct mark *marks, struct mark wanted, const char *observed)
{
	if (!same_text(wanted.value, observed))
		marks[outcome->n_marks++] = wanted;
}

/*
 * The words that the next write may have. A write can be refused because its words find no room beside what others wrote there, so what
 * is not true any more, an open gate or other words, is taken back without new ones first; they follow on the next turn.
 */
static const char *words(const struct namespace *self, const char *message)
{
	bool stale = self->deploy_message || same_text(self->deploy, DEPLOY_ALLOWED_VALUE);

	return stale && !same_text(message, self->deploy_message) ? NULL : message;
}

struct outcome namespace_reconcile(const struct namespace_inputs *in, struct arena *arena)
{
	const struct namespace *self = in->self;
	const char *deploy = NULL, *message = NULL;
	struct outcome outcome = { 0 };

	if (!self || self->meta.deleted)
		return outcome;
	if (self->project) {
		struct deploy_verdict verdict = project_judge(&in->facts, in->now, arena).deploy;
		bool allowed = verdict.reason == DEPLOY_ALLOWED;
		deploy = allowed ? DEPLOY_ALLOWED_VALUE : DEPLOY_BLOCKED_VALUE;
		message = allowed ? NULL : words(self, one_line(verdict.message, arena));
	}
	struct mark *marks = arena_array(arena, struct mark, MARKS_MAX);
	mark(&outcome, marks, (struct mark){ MARK_LABEL, DEPLOY_LABEL, deploy }, self->deploy);
	mark(&outcome, marks, (struct mark){ MARK_ANNOTATION, DEPLOY_MESSAGE_ANNOTATION, message }, self->deploy_message);
	outcome.marks = marks;
	return outcome;
}

struct namespace_inputs namespace_gather(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct namespace_inputs in = { .now = now, .self = view_get(view, KIND_NAMESPACE, NULL, key.name) };

	if (in.self && in.self->project)
		in.facts = project_gather(view, in.self->project, arena);
	return in;
}

static struct outcome run(const struct view *view, struct key key, instant_t now, struct arena *arena)
{
	struct namespace_inputs in = namespace_gather(view, key, now, arena);
	return namespace_reconcile(&in, arena);
}

static void index_namespace(const void *object, struct index_key out[INDEXES_MAX])
{
	const struct namespace *namespace = object;
	out[NAMESPACE_BY_PROJECT] = (struct index_key){ NULL, namespace->project };
}

/* What moves its verdict wakes it together with the project's ProjectBillings: wake_gates(). */
const struct reconciler namespace_reconciler = {
	.run = run,
	.index = index_namespace,
	.n_indexes = NAMESPACE_INDEXES,
};
