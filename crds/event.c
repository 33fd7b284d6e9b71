/* event.h. An Event is written and never read: what the API server answers is looked at for its status alone. */
#include "event.h"

#include "tree.h"

static json_t *series_of(const struct event_series *series)
{
	char last[INSTANT_TEXT_SIZE];

	if (series->count < 2)
		return NULL;
	return tree_made(json_pack("{s:I,s:s}", "count", (json_int_t)series->count, "lastObservedTime", instant_format_micro(series->last, last)));
}

char *event_body(const struct event_record *e)
{
	char time[INSTANT_TEXT_SIZE];
	json_t *regarding = tree_made(json_pack("{s:s,s:s,s:s*,s:s,s:s*}", "apiVersion", e->regarding.api_version, "kind", e->regarding.kind,
						"namespace", e->regarding.ns, "name", e->regarding.name, "uid", e->regarding.uid));

	return tree_print(tree_made(json_pack("{s:s,s:s,s:{s:s,s:s},s:o,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o*}", "apiVersion", "events.k8s.io/v1", "kind",
					      "Event", "metadata", "namespace", e->ns, "name", e->name, "regarding", regarding, "reportingController",
					      e->controller, "reportingInstance", e->instance, "eventTime", instant_format_micro(e->time, time),
					      "type", e->warning ? "Warning" : "Normal", "reason", e->reason, "action", e->action, "note", e->note,
					      "series", series_of(&e->series))));
}

char *event_patch(const struct event_series *series)
{
	return tree_print(tree_made(json_pack("{s:o}", "series", series_of(series))));
}
