/*
 * Builds a status's list of conditions, and makes reasons and messages that the API server accepts.
 * Knows no kind and asks no clock. Invariant: the list is exactly what was desired, in that order; a transition time moves
 * only when its status flips, and is in whole seconds, so that what is written reads back equal.
 */
#include "condition.h"

#include <string.h>

#include "text.h"

/* Limits of metav1.Condition, in bytes here: never more than the characters it counts. */
enum { MESSAGE_MAX = 32768, REASON_MAX = 1024 };

const struct condition *condition_find(const struct conditions *list, const char *type)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->items[i].type && !strcmp(list->items[i].type, type))
			return &list->items[i];
	return NULL;
}

static const char *fit_message(const char *message, struct arena *arena)
{
	if (!message)
		return "";
	size_t len = text_cut(message, MESSAGE_MAX);
	return message[len] ? arena_strndup(arena, message, len) : message;
}

struct conditions conditions_merge(const struct conditions *observed, const struct condition *desired, size_t n, instant_t now,
				   struct arena *arena)
{
	struct condition *items = arena_array(arena, struct condition, n);

	for (size_t i = 0; i < n; i++) {
		const struct condition *before = condition_find(observed, desired[i].type);
		bool steady = before && before->status == desired[i].status && before->last_transition;

		items[i] = desired[i];
		items[i].message = fit_message(desired[i].message, arena);
		items[i].last_transition = steady ? before->last_transition : instant_second(now);
	}
	return (struct conditions){ .n = n, .items = items };
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9');
}

static bool is_inner(char c)
{
	return is_alnum(c) || c == '_' || c == ',' || c == ':';
}

static bool is_reason(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > REASON_MAX || !is_letter(text[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!is_inner(text[i]))
			return false;
	return is_alnum(text[len - 1]) || text[len - 1] == '_';
}

const char *condition_reason(const char *text, const char *fallback, struct arena *arena)
{
	if (!text)
		return fallback;
	if (is_reason(text))
		return text;
	while (*text && !is_alnum(*text))
		text++;
	if (!*text)
		return fallback;

	/* A reason can't begin with a digit: "3ds_failed" becomes "Failed_3ds_failed". */
	const char *prefix = is_letter(*text) ? "" : arena_printf(arena, "%s_", fallback);
	char *reason = arena_alloc(arena, strlen(prefix) + strlen(text) + 1);
	size_t len = strlen(prefix);

	memcpy(reason, prefix, len);
	for (; *text && len < REASON_MAX; text++) {
		if (is_inner(*text))
			reason[len++] = *text;
		else if (reason[len - 1] != '_') /* one filler for a run: multi-byte letters, spaces */
			reason[len++] = '_';
	}
	while (!is_alnum(reason[len - 1]))
		len--;
	reason[len] = '\0';
	return reason;
}
