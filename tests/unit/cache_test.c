/*
 * The cache, rule by rule: what a list, a watch and our own writes do to it, and what its listener hears. Objects are real
 * JSON through the real codec; what is under test is which of them are believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <malloc.h>

#include "billingaccount.h"
#include "billingaccountbinding.h"
#include "cache.h"

struct world {
	struct atoms *atoms;
	struct codec *codec;
	struct settings settings;
	struct cache *cache;
	char heard[4096]; /* "+b@1 ~b@2 -b ?b " */
};

static void changed(void *context, enum kind_id kind, const void *old, const void *new)
{
	struct world *w = context;
	const struct object *o = new ? new : old;
	size_t used = strlen(w->heard);

	(void)kind;
	if (new)
		snprintf(w->heard + used, sizeof(w->heard) - used, "%s%s@%s ", old ? "~" : "+", o->name->text, o->resource_version);
	else
		snprintf(w->heard + used, sizeof(w->heard) - used, "-%s ", o->name->text);
}

static void doubtful(void *context, struct key key)
{
	struct world *w = context;
	size_t used = strlen(w->heard);

	snprintf(w->heard + used, sizeof(w->heard) - used, "?%s ", key.name->text);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->atoms = atoms_new();
	w->codec = codec_new(w->atoms, PROJECT_LABEL_DEFAULT);
	w->settings.project_label = PROJECT_LABEL_DEFAULT;
	w->cache = cache_new(w->atoms, w->codec, &w->settings,
			     (struct cache_listener){ .context = w, .changed = changed, .doubtful = doubtful });
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	cache_free(w->cache);
	codec_free(w->codec);
	assert_int_equal(atoms_count(w->atoms), 0); /* no reference leaked */
	atoms_free(w->atoms);
	free(w);
	return 0;
}

static void *binding(struct world *w, const char *name, const char *uid, const char *version, const char *project)
{
	char text[1024];
	struct error err = { 0 };
	void *record;

	snprintf(text, sizeof(text),
		 "{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"BillingAccountBinding\",\"metadata\":{\"name\":\"%s\","
		 "\"namespace\":\"acme\",\"uid\":\"%s\",\"resourceVersion\":\"%s\",\"generation\":1,"
		 "\"creationTimestamp\":\"2026-11-22T10:00:00Z\"},\"spec\":{\"billingAccountRef\":{\"name\":\"main\"},"
		 "\"projectRef\":{\"name\":\"%s\"}}}",
		 name, uid, version, project);
	record = record_decode(w->codec, kinds[KIND_BINDING].resource, text, strlen(text), &err);
	if (!record)
		fail_msg("%s", err.message);
	return record;
}

static void put(struct world *w, const char *name, const char *uid, const char *version)
{
	cache_put(w->cache, KIND_BINDING, binding(w, name, uid, version, "shop"));
}

/* A key with atoms of its own; release with key_drop. */
static struct key key_take(struct world *w, const char *name)
{
	return (struct key){ .kind = KIND_BINDING, .ns = atom_of(w->atoms, "acme"), .name = atom_of(w->atoms, name) };
}

static void key_drop(struct world *w, struct key key)
{
	atom_unref(w->atoms, key.ns);
	atom_unref(w->atoms, key.name);
}

static const char *version(struct world *w, struct key key)
{
	const struct object *o = view_get(cache_view(w->cache), KIND_BINDING, key.ns, key.name);

	return o ? o->resource_version : "none";
}

static void expect(struct world *w, const char *heard)
{
	assert_string_equal(w->heard, heard);
	w->heard[0] = '\0';
}

static void events_are_seen_and_told_in_order(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	put(w, "b", "u1", "2");
	assert_string_equal(version(w, b), "2");
	cache_delete(w->cache, b, "u1");
	assert_string_equal(version(w, b), "none");
	expect(w, "+b@1 ~b@2 -b ");
	key_drop(w, b);
}

static void the_same_version_again_is_no_news(void **state)
{
	struct world *w = *state;

	put(w, "b", "u1", "1");
	put(w, "b", "u1", "1");
	expect(w, "+b@1 ");
}

static void another_uid_under_a_name_is_a_delete_and_an_add(void **state)
{
	struct world *w = *state;

	put(w, "b", "u1", "1");
	put(w, "b", "u2", "5");
	expect(w, "+b@1 -b +b@5 ");
}

static void a_delete_of_another_uid_is_not_ours(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u2", "5");
	cache_delete(w->cache, b, "u1");
	assert_string_equal(version(w, b), "5");
	expect(w, "+b@5 ");
	key_drop(w, b);
}

static void a_list_drops_what_it_does_not_name(void **state)
{
	struct world *w = *state;
	struct key a = key_take(w, "a"), b = key_take(w, "b");

	put(w, "a", "u1", "1");
	put(w, "b", "u2", "2");
	expect(w, "+a@1 +b@2 ");
	cache_list_begin(w->cache, KIND_BINDING);
	put(w, "b", "u2", "2");
	put(w, "c", "u3", "3");
	cache_list_end(w->cache, KIND_BINDING);
	assert_string_equal(version(w, a), "none");
	assert_string_equal(version(w, b), "2");
	expect(w, "+c@3 -a ");
	key_drop(w, a);
	key_drop(w, b);
}

static void a_list_that_does_not_end_drops_nothing(void **state)
{
	struct world *w = *state;
	struct key a = key_take(w, "a");

	put(w, "a", "u1", "1");
	cache_list_begin(w->cache, KIND_BINDING);
	put(w, "b", "u2", "2");
	cache_list_begin(w->cache, KIND_BINDING); /* it broke; a new one */
	put(w, "a", "u1", "1");
	put(w, "b", "u2", "2");
	cache_list_end(w->cache, KIND_BINDING);
	assert_string_equal(version(w, a), "1");
	expect(w, "+a@1 +b@2 ");
	key_drop(w, a);
}

static void after_a_write_older_events_are_dropped_until_its_own(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	cache_write_begin(w->cache, b);
	cache_write_end(w->cache, b, binding(w, "b", "u1", "7", "shop"));
	put(w, "b", "u1", "3"); /* what others did before our write: old news */
	put(w, "b", "u1", "4");
	assert_string_equal(version(w, b), "7");
	put(w, "b", "u1", "7");
	put(w, "b", "u1", "9");
	assert_string_equal(version(w, b), "9");
	expect(w, "+b@1 ~b@7 ~b@9 ");
	key_drop(w, b);
}

static void an_event_that_overtakes_the_answer_ends_the_wait(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	cache_write_begin(w->cache, b);
	put(w, "b", "u1", "7"); /* our own write, seen by the watch first */
	put(w, "b", "u1", "9"); /* and somebody's after it */
	cache_write_end(w->cache, b, binding(w, "b", "u1", "7", "shop"));
	assert_string_equal(version(w, b), "9");
	put(w, "b", "u1", "10"); /* not dropped: nothing is awaited */
	assert_string_equal(version(w, b), "10");
	expect(w, "+b@1 ~b@7 ~b@9 ~b@10 ");
	key_drop(w, b);
}

static void an_older_event_during_the_flight_does_not_end_the_wait(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	cache_write_begin(w->cache, b);
	put(w, "b", "u1", "3");
	cache_write_end(w->cache, b, binding(w, "b", "u1", "7", "shop"));
	assert_string_equal(version(w, b), "7");
	put(w, "b", "u1", "5");
	assert_string_equal(version(w, b), "7");
	key_drop(w, b);
}

static void a_write_that_changed_nothing_awaits_nothing(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	cache_write_begin(w->cache, b);
	assert_false(cache_write_end(w->cache, b, binding(w, "b", "u1", "1", "shop")));
	put(w, "b", "u1", "2");
	assert_string_equal(version(w, b), "2");
	key_drop(w, b);
}

static void a_created_object_is_there_at_once_and_not_twice(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	cache_write_begin(w->cache, b);
	cache_write_end(w->cache, b, binding(w, "b", "u1", "4", "shop"));
	put(w, "b", "u1", "4");
	expect(w, "+b@4 ");
	key_drop(w, b);
}

static void a_delete_is_news_while_a_version_is_awaited(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	cache_write_begin(w->cache, b);
	cache_write_end(w->cache, b, binding(w, "b", "u1", "7", "shop"));
	cache_delete(w->cache, b, "u1");
	put(w, "b", "u2", "9");
	assert_string_equal(version(w, b), "9");
	expect(w, "+b@1 ~b@7 -b +b@9 ");
	key_drop(w, b);
}

static void a_list_with_another_version_than_awaited_is_doubtful(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	cache_write_begin(w->cache, b);
	cache_write_end(w->cache, b, binding(w, "b", "u1", "7", "shop"));
	expect(w, "+b@1 ~b@7 ");
	cache_list_begin(w->cache, KIND_BINDING);
	put(w, "b", "u1", "5"); /* older or newer: nobody may say */
	cache_list_end(w->cache, KIND_BINDING);
	assert_string_equal(version(w, b), "7");
	assert_true(cache_is_doubtful(w->cache, b));
	expect(w, "?b ");
	/* reading settles it */
	cache_write_begin(w->cache, b);
	cache_write_end(w->cache, b, binding(w, "b", "u1", "9", "shop"));
	assert_false(cache_is_doubtful(w->cache, b));
	assert_string_equal(version(w, b), "9");
	key_drop(w, b);
}

/* Our write, somebody's after it, and a relist that brings theirs: the read answers the same, and no event ever will. */
static void what_a_list_and_a_read_agree_on_is_not_awaited(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	cache_write_begin(w->cache, b);
	cache_write_end(w->cache, b, binding(w, "b", "u1", "7", "shop"));
	cache_list_begin(w->cache, KIND_BINDING);
	put(w, "b", "u1", "9");
	cache_list_end(w->cache, KIND_BINDING);
	cache_write_begin(w->cache, b);
	assert_true(cache_write_end(w->cache, b, binding(w, "b", "u1", "9", "shop")));
	put(w, "b", "u1", "12");
	assert_string_equal(version(w, b), "12");
	key_drop(w, b);
}

static void a_version_that_never_comes_is_not_awaited_for_ever(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");
	char text[16];

	put(w, "b", "u1", "1");
	cache_write_begin(w->cache, b);
	cache_write_end(w->cache, b, binding(w, "b", "u1", "a-lie", "shop"));
	for (int i = 10; i < 100 && !cache_is_doubtful(w->cache, b); i++) {
		snprintf(text, sizeof(text), "%d", i);
		put(w, "b", "u1", text);
	}
	assert_true(cache_is_doubtful(w->cache, b));
	w->heard[0] = '\0';
	key_drop(w, b);
}

static void an_object_that_cannot_be_read_is_asked_for(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	cache_drop(w->cache, b);
	assert_string_equal(version(w, b), "none");
	assert_true(cache_is_doubtful(w->cache, b));
	expect(w, "+b@1 -b ?b ");
	cache_write_begin(w->cache, b);
	cache_read_missing(w->cache, b);
	assert_false(cache_is_doubtful(w->cache, b));
	key_drop(w, b);
}

static void a_list_without_the_awaited_object_is_doubtful(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	cache_write_begin(w->cache, b);
	cache_write_end(w->cache, b, binding(w, "b", "u1", "7", "shop"));
	cache_list_begin(w->cache, KIND_BINDING);
	cache_list_end(w->cache, KIND_BINDING);
	assert_string_equal(version(w, b), "7");
	assert_true(cache_is_doubtful(w->cache, b));
	expect(w, "+b@7 ?b ");
	cache_write_begin(w->cache, b);
	cache_read_missing(w->cache, b);
	assert_string_equal(version(w, b), "none");
	expect(w, "-b ");
	key_drop(w, b);
}

static void a_list_during_the_flight_blurs_the_answer(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	cache_write_begin(w->cache, b);
	cache_list_begin(w->cache, KIND_BINDING);
	put(w, "b", "u1", "9");
	cache_list_end(w->cache, KIND_BINDING);
	cache_write_end(w->cache, b, binding(w, "b", "u1", "7", "shop"));
	assert_string_equal(version(w, b), "9"); /* 7 may be older: not believed */
	assert_true(cache_is_doubtful(w->cache, b));
	key_drop(w, b);
}

static void more_events_than_can_be_noted_blur_the_answer(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "100");
	cache_write_begin(w->cache, b);
	for (int i = 101; i < 120; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		put(w, "b", "u1", text);
	}
	cache_write_end(w->cache, b, binding(w, "b", "u1", "115", "shop"));
	assert_string_equal(version(w, b), "119");
	assert_true(cache_is_doubtful(w->cache, b));
	key_drop(w, b);
}

static void a_lost_answer_is_doubtful_without_a_word(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	cache_write_begin(w->cache, b);
	cache_write_lost(w->cache, b);
	assert_true(cache_is_doubtful(w->cache, b));
	expect(w, "+b@1 ");
	key_drop(w, b);
}

static void an_object_that_came_back_while_we_asked_is_kept(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	cache_write_begin(w->cache, b);
	put(w, "b", "u2", "8");
	cache_read_missing(w->cache, b);
	assert_string_equal(version(w, b), "8");
	key_drop(w, b);
}

static void the_next_request_does_not_forget_what_is_awaited(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	cache_write_begin(w->cache, b);
	cache_write_end(w->cache, b, binding(w, "b", "u1", "7", "shop"));
	cache_write_begin(w->cache, b);
	put(w, "b", "u1", "3");
	assert_string_equal(version(w, b), "7");
	cache_write_end(w->cache, b, NULL); /* refused */
	put(w, "b", "u1", "4");
	cache_write_begin(w->cache, b);
	cache_write_lost(w->cache, b);
	put(w, "b", "u1", "5");
	cache_write_begin(w->cache, b);
	assert_false(cache_write_end(w->cache, b, binding(w, "b", "u1", "7", "shop"))); /* read */
	put(w, "b", "u1", "6");
	assert_string_equal(version(w, b), "7");
	cache_write_begin(w->cache, b);
	put(w, "b", "u1", "7");
	put(w, "b", "u1", "9");
	assert_string_equal(version(w, b), "9"); /* seen at last: what follows is newer */
	cache_write_end(w->cache, b, binding(w, "b", "u1", "7", "shop"));
	assert_string_equal(version(w, b), "9");
	expect(w, "+b@1 ~b@7 ~b@9 ");
	key_drop(w, b);
}

static void a_read_that_was_overtaken_is_not_believed(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	cache_write_begin(w->cache, b);
	put(w, "b", "u1", "2");
	cache_write_end(w->cache, b, binding(w, "b", "u1", "1", "shop"));
	assert_string_equal(version(w, b), "2");
	put(w, "b", "u1", "3"); /* nothing is awaited */
	expect(w, "+b@1 ~b@2 ~b@3 ");
	key_drop(w, b);
}

static void a_read_of_what_a_list_named_is_overtaken_by_any_event(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	cache_write_begin(w->cache, b);
	cache_write_end(w->cache, b, binding(w, "b", "u1", "4", "shop"));
	cache_write_begin(w->cache, b);
	cache_list_begin(w->cache, KIND_BINDING);
	put(w, "b", "u1", "7");
	cache_list_end(w->cache, KIND_BINDING);
	cache_write_end(w->cache, b, binding(w, "b", "u1", "7", "shop"));
	assert_true(cache_is_doubtful(w->cache, b));
	cache_write_begin(w->cache, b);
	put(w, "b", "u1", "8");
	cache_write_end(w->cache, b, binding(w, "b", "u1", "7", "shop"));
	assert_string_equal(version(w, b), "8");
	put(w, "b", "u1", "9");
	assert_string_equal(version(w, b), "9");
	key_drop(w, b);
}

static void a_list_without_an_object_under_way_is_doubtful(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	put(w, "b", "u1", "1");
	cache_write_begin(w->cache, b);
	put(w, "b", "u1", "2");
	cache_list_begin(w->cache, KIND_BINDING);
	cache_list_end(w->cache, KIND_BINDING);
	cache_write_end(w->cache, b, binding(w, "b", "u1", "2", "shop"));
	assert_true(cache_is_doubtful(w->cache, b));
	cache_write_begin(w->cache, b);
	cache_list_begin(w->cache, KIND_BINDING);
	cache_list_end(w->cache, KIND_BINDING);
	cache_write_end(w->cache, b, NULL);
	assert_true(cache_is_doubtful(w->cache, b));
	cache_write_begin(w->cache, b);
	cache_read_missing(w->cache, b);
	assert_string_equal(version(w, b), "none");
	key_drop(w, b);
}

static void a_list_older_than_a_write_does_not_end_the_wait(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");

	cache_write_begin(w->cache, b);
	cache_write_end(w->cache, b, binding(w, "b", "u1", "4", "shop"));
	cache_list_begin(w->cache, KIND_BINDING);
	cache_list_end(w->cache, KIND_BINDING);
	assert_true(cache_is_doubtful(w->cache, b));
	cache_write_begin(w->cache, b);
	put(w, "b", "u1", "2");
	cache_write_end(w->cache, b, binding(w, "b", "u1", "4", "shop"));
	put(w, "b", "u1", "3");
	assert_string_equal(version(w, b), "4");
	put(w, "b", "u1", "4");
	put(w, "b", "u1", "5");
	assert_string_equal(version(w, b), "5");
	key_drop(w, b);
}

static size_t indexed(struct world *w, unsigned index, const char *scope, const char *value)
{
	atom_t s = scope ? atom_of(w->atoms, scope) : NULL, v = atom_of(w->atoms, value);
	size_t n = view_find(cache_view(w->cache), KIND_BINDING, index, s, v).n;

	atom_unref(w->atoms, s);
	atom_unref(w->atoms, v);
	return n;
}

static void indexes_follow_adds_updates_and_deletes(void **state)
{
	struct world *w = *state;
	char name[16];

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "b%d", i);
		cache_put(w->cache, KIND_BINDING, binding(w, name, name, "1", i % 2 ? "odd" : "even"));
	}
	assert_int_equal(indexed(w, BINDING_BY_ACCOUNT, "acme", "main"), 200);
	assert_int_equal(indexed(w, BINDING_BY_PROJECT, NULL, "odd"), 100);
	assert_int_equal(indexed(w, BINDING_BY_PROJECT, NULL, "even"), 100);
	for (int i = 0; i < 200; i += 4) { /* recreated for the other project */
		snprintf(name, sizeof(name), "b%d", i);
		cache_put(w->cache, KIND_BINDING, binding(w, name, "new", "2", "odd"));
	}
	assert_int_equal(indexed(w, BINDING_BY_PROJECT, NULL, "odd"), 150);
	assert_int_equal(indexed(w, BINDING_BY_PROJECT, NULL, "even"), 50);
	cache_list_begin(w->cache, KIND_BINDING);
	cache_list_end(w->cache, KIND_BINDING);
	assert_int_equal(indexed(w, BINDING_BY_ACCOUNT, "acme", "main"), 0);
	assert_int_equal(indexed(w, BINDING_BY_PROJECT, NULL, "odd"), 0);
	w->heard[0] = '\0';
}

/* ---- the indexes ---- */

static uint32_t random_below(uint64_t *seed, uint32_t n);

enum { PLACES = 4, WANDERERS = 40 };

/* Which binding names which of a few accounts and projects, as a walk over all of them sees it. */
struct whereabouts {
	const struct view *view;
	uint8_t seen[BINDING_INDEXES][PLACES][WANDERERS];
};

static void see_where(void *context, const void *object)
{
	struct whereabouts *where = context;
	const struct billingaccountbinding *b = object;
	unsigned i = (unsigned)atoi(b->meta.name->text + 1), account = (unsigned)(b->spec.account->text[1] - '0');

	assert_ptr_equal(view_get(where->view, KIND_BINDING, b->meta.ns, b->meta.name), b);
	where->seen[BINDING_BY_ACCOUNT][account][i]++;
	where->seen[b->status.phase == BINDING_ACTIVE ? BINDING_ACTIVE_BY_ACCOUNT : BINDING_NEW_BY_ACCOUNT][account][i]++;
	where->seen[BINDING_BY_NAMESPACE][0][i]++; /* all are in one */
	where->seen[BINDING_BY_PROJECT][b->spec.project->text[1] - '0'][i]++;
}

struct finds {
	size_t n;
	atom_t last;
};

static void find_again(void *context, const void *object)
{
	struct finds *finds = context;

	finds->n++;
	finds->last = ((const struct object *)object)->name;
}

/* Finding by each key gives the same, each once; in whatever way one looks. */
static void expect_same_found(struct world *w, const struct whereabouts *where, unsigned index, unsigned place)
{
	uint8_t found_ones[WANDERERS] = { 0 };
	char value[8];

	snprintf(value, sizeof(value), "%c%u", index == BINDING_BY_PROJECT ? 'p' : 'a', place);
	if (index == BINDING_BY_NAMESPACE && !place)
		snprintf(value, sizeof(value), "acme");
	atom_t scope = index == BINDING_BY_PROJECT || index == BINDING_BY_NAMESPACE ? NULL : atom_of(w->atoms, "acme");
	atom_t atom = atom_of(w->atoms, value);
	struct postings found = view_find(cache_view(w->cache), KIND_BINDING, index, scope, atom);
	struct finds finds = { 0 };
	for (size_t i = 0; i < found.n; i++) {
		const struct object *o = postings_object(&found, i);
		assert_true(postings_key(&found, i).name == o->name && postings_key(&found, i).ns == o->ns);
		found_ones[atoi(o->name->text + 1)]++;
	}
	assert_memory_equal(found_ones, where->seen[index][place], sizeof(found_ones));
	postings_each(&found, find_again, &finds);
	assert_int_equal(finds.n, found.n);
	assert_true(!found.n || finds.last == postings_key(&found, found.n - 1).name);
	atom_unref(w->atoms, scope);
	atom_unref(w->atoms, atom);
}

static void expect_whereabouts(struct world *w)
{
	struct whereabouts where = { .view = cache_view(w->cache) };

	view_each(where.view, KIND_BINDING, see_where, &where);
	for (unsigned index = 0; index < BINDING_INDEXES; index++)
		for (unsigned place = 0; place < PLACES; place++)
			expect_same_found(w, &where, index, place);
	w->heard[0] = '\0';
}

static void put_wanderer(struct world *w, unsigned i, unsigned version, unsigned account, unsigned project, bool active)
{
	char text[1024];
	struct error err = { 0 };
	void *record;

	snprintf(text, sizeof(text),
		 "{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"BillingAccountBinding\",\"metadata\":{\"name\":\"b%u\","
		 "\"namespace\":\"acme\",\"uid\":\"u\",\"resourceVersion\":\"%u\",\"generation\":1,"
		 "\"creationTimestamp\":\"2026-11-22T10:00:00Z\"},\"spec\":{\"billingAccountRef\":{\"name\":\"a%u\"},"
		 "\"projectRef\":{\"name\":\"p%u\"}}%s}",
		 i, version, account, project, active ? ",\"status\":{\"phase\":\"Active\"}" : "");
	record = record_decode(w->codec, kinds[KIND_BINDING].resource, text, strlen(text), &err);
	if (!record)
		fail_msg("%s", err.message);
	cache_put(w->cache, KIND_BINDING, record);
}

/* Postings of none, one and many members, growing and shrinking. */
static void what_is_found_is_what_is_there_after_any_history(void **state)
{
	struct world *w = *state;
	uint64_t seed = 42;

	for (unsigned step = 1; step < 4000; step++) {
		unsigned i = random_below(&seed, WANDERERS), crowd = step / 500 % 2 ? 1 : PLACES; /* at times all in one place */
		if (random_below(&seed, 8) < (step / 1000 % 2 ? 6u : 2u)) {
			char name[16];
			snprintf(name, sizeof(name), "b%u", i);
			struct key key = key_take(w, name);
			cache_delete(w->cache, key, "u");
			key_drop(w, key);
		} else {
			put_wanderer(w, i, step, random_below(&seed, crowd), random_below(&seed, PLACES), random_below(&seed, 2));
		}
		expect_whereabouts(w);
	}
}

/* ---- looking ---- */

static void the_same_object_is_the_same_pointer(void **state)
{
	struct world *w = *state;
	const struct view *view = cache_view(w->cache);
	const void *seen[200];
	char name[16];

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 200; i++) { /* more than are remembered at first */
			snprintf(name, sizeof(name), "b%u", i);
			if (!round)
				put(w, name, name, "1");
			w->heard[0] = '\0';
		}
		for (unsigned i = 0; i < 400; i++) {
			snprintf(name, sizeof(name), "b%u", i % 200);
			struct key key = key_take(w, name);
			const struct object *object = view_get(view, KIND_BINDING, key.ns, key.name);
			assert_ptr_equal(object->name, key.name);
			if (i < 200)
				seen[i] = object;
			assert_ptr_equal(object, seen[i % 200]);
			key_drop(w, key);
		}
		cache_end_looks(w->cache);
	}
}

struct walker {
	struct world *w;
	struct key outer;
	const struct object *seen;
	size_t n;
};

static void look_around(void *context, const void *object)
{
	struct walker *walker = context;
	const struct object *o = object;

	assert_ptr_equal(view_get(cache_view(walker->w->cache), KIND_BINDING, o->ns, o->name), o);
	assert_non_null(view_get(cache_view(walker->w->cache), KIND_BINDING, walker->outer.ns, walker->outer.name));
	walker->n++;
}

static void a_walk_leaves_what_its_caller_looked_at(void **state)
{
	struct world *w = *state;
	struct walker walker = { .w = w, .outer = key_take(w, "b") };

	put(w, "a", "ua", "1");
	put(w, "b", "ub", "2");
	put(w, "c", "uc", "3");
	walker.seen = view_get(cache_view(w->cache), KIND_BINDING, walker.outer.ns, walker.outer.name);
	view_each(cache_view(w->cache), KIND_BINDING, look_around, &walker);
	assert_int_equal(walker.n, 3);
	assert_string_equal(walker.seen->resource_version, "2");
	assert_ptr_equal(view_get(cache_view(w->cache), KIND_BINDING, walker.outer.ns, walker.outer.name), walker.seen);
	key_drop(w, walker.outer);
	w->heard[0] = '\0';
}

/* ---- the census ---- */

static uint32_t random_below(uint64_t *seed, uint32_t n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 32) % n;
}

static void *account(struct world *w, unsigned name, unsigned uid, unsigned version, const char *phase)
{
	char text[1024], status[64] = "";
	struct error err = { 0 };
	void *record;

	if (*phase)
		snprintf(status, sizeof(status), ",\"status\":{\"phase\":\"%s\"}", phase);
	snprintf(text, sizeof(text),
		 "{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"BillingAccount\",\"metadata\":{\"name\":\"a%u\","
		 "\"namespace\":\"acme\",\"uid\":\"u%u\",\"resourceVersion\":\"%u\",\"generation\":1,"
		 "\"creationTimestamp\":\"2026-11-22T10:00:00Z\"},\"spec\":{\"currencyCode\":\"EUR\"}%s}",
		 name, uid, version, status);
	record = record_decode(w->codec, kinds[KIND_BILLINGACCOUNT].resource, text, strlen(text), &err);
	if (!record)
		fail_msg("%s", err.message);
	return record;
}

static void recount(void *context, const void *object)
{
	((uint32_t *)context)[((const struct billingaccount *)object)->status.phase]++;
}

static void expect_recount(struct world *w)
{
	uint32_t counted[CLASSES_MAX] = { 0 };
	struct cache_stats stats;

	view_each(cache_view(w->cache), KIND_BILLINGACCOUNT, recount, counted);
	cache_stats(w->cache, &stats);
	assert_memory_equal(stats.classes[KIND_BILLINGACCOUNT], counted, sizeof(counted));
	w->heard[0] = '\0';
}

/* Few names, so that they meet; what a step does is of no matter here, only that the sums follow. */
static void random_history_step(struct world *w, uint64_t *seed, unsigned version)
{
	static const char *const phases[] = { "", "Provisioning", "Ready", "Suspended", "Archived" };
	unsigned name = random_below(seed, 6), uid = name * 10 + random_below(seed, 2);
	const char *phase = phases[random_below(seed, 5)];
	char text[16];
	struct key key = { .kind = KIND_BILLINGACCOUNT };

	snprintf(text, sizeof(text), "a%u", name);
	key.name = atom_of(w->atoms, text);
	key.ns = atom_of(w->atoms, "acme");
	switch (random_below(seed, 10)) {
	case 0:
		snprintf(text, sizeof(text), "u%u", uid);
		cache_delete(w->cache, key, text);
		break;
	case 1:
		cache_drop(w->cache, key);
		break;
	case 2:
		cache_list_begin(w->cache, KIND_BILLINGACCOUNT);
		break;
	case 3:
		cache_list_end(w->cache, KIND_BILLINGACCOUNT);
		break;
	case 4:
	case 5:
		cache_write_begin(w->cache, key);
		if (random_below(seed, 2))
			cache_put(w->cache, KIND_BILLINGACCOUNT, account(w, name, uid, version, phase));
		if (random_below(seed, 4))
			cache_write_end(w->cache, key, account(w, name, uid, version + random_below(seed, 2), phases[random_below(seed, 5)]));
		else
			cache_read_missing(w->cache, key);
		break;
	default:
		cache_put(w->cache, KIND_BILLINGACCOUNT, account(w, name, uid, version, phase));
	}
	key_drop(w, key);
}

static void the_census_is_a_recount_after_any_history(void **state)
{
	struct world *w = *state;

	for (uint64_t start = 1; start <= 20; start++) {
		uint64_t seed = start * 0x9e3779b97f4a7c15;
		for (unsigned step = 1; step < 500; step++) {
			random_history_step(w, &seed, (unsigned)start * 1000 + step);
			expect_recount(w);
		}
	}
}

/* ---- known news ---- */

/* Two caches live through the same: one is given records, the other is told versions wherever it takes them. */
struct twins {
	void *worlds[2];
	struct key keys[2];
	bool flying;
	unsigned known;
};

static bool twins_put(struct twins *t, unsigned name, const char *uid, const char *version)
{
	bool known = false;

	for (unsigned i = 0; i < 2; i++) {
		struct world *w = t->worlds[i];
		const struct key key = key_take(w, name ? "a" : "b");

		known = i == 1 && cache_put_known(w->cache, key, version);
		if (!known)
			put(w, name ? "a" : "b", uid, version);
		key_drop(w, key);
	}
	t->known += known;
	return known;
}

static void twins_answer(struct twins *t, const char *uid, const char *version)
{
	bool changed[2], known;

	for (unsigned i = 0; i < 2; i++) {
		struct world *w = t->worlds[i];

		known = i == 1 && cache_write_end_known(w->cache, t->keys[i], version, &changed[i]);
		if (!known)
			changed[i] = cache_write_end(w->cache, t->keys[i], binding(w, "b", uid, version, "shop"));
		t->known += known;
	}
	assert_int_equal(changed[0], changed[1]);
}

static void twins_random_step(struct twins *t, uint64_t *seed)
{
	char version[16], uid[16];
	const unsigned what = random_below(seed, 16), name = random_below(seed, 4) == 0;

	snprintf(version, sizeof(version), "%u", random_below(seed, 6));
	snprintf(uid, sizeof(uid), "u%u", random_below(seed, 20) == 0);
	if (what < 8) {
		twins_put(t, name, uid, version);
	} else if (what < 11 && t->flying) {
		t->flying = false;
		twins_answer(t, uid, version);
	} else {
		const bool flying = t->flying;

		for (unsigned i = 0; i < 2; i++) {
			struct world *w = t->worlds[i];

			if (what < 13 && !flying)
				cache_write_begin(w->cache, t->keys[i]), t->flying = true;
			else if (what == 11)
				cache_write_lost(w->cache, t->keys[i]), t->flying = false;
			else if (what == 12 && version[0] < '3')
				cache_read_missing(w->cache, t->keys[i]), t->flying = false;
			else if (what == 12)
				cache_write_end(w->cache, t->keys[i], NULL), t->flying = false;
			else if (what == 13)
				cache_delete(w->cache, t->keys[i], uid);
			else if (what == 14 && version[0] < '2')
				cache_drop(w->cache, t->keys[i]);
			else if (version[0] < '3')
				cache_list_begin(w->cache, KIND_BINDING);
			else
				cache_list_end(w->cache, KIND_BINDING);
		}
	}
}

static void expect_twins_alike(struct twins *t)
{
	struct world *a = t->worlds[0], *b = t->worlds[1];
	struct cache_stats stats[2];

	expect(b, a->heard);
	a->heard[0] = '\0';
	cache_stats(a->cache, &stats[0]);
	cache_stats(b->cache, &stats[1]);
	for (unsigned i = 0; i < 2; i++)
		memset(stats[i].bytes, 0, sizeof(stats[i].bytes)); /* where things lie in memory decides how long they are to name */
	assert_memory_equal(&stats[0], &stats[1], sizeof(stats[0]));
	assert_int_equal(cache_is_doubtful(a->cache, t->keys[0]), cache_is_doubtful(b->cache, t->keys[1]));
	assert_int_equal(view_unsettled(cache_view(a->cache), KIND_BINDING, t->keys[0].ns, t->keys[0].name),
			 view_unsettled(cache_view(b->cache), KIND_BINDING, t->keys[1].ns, t->keys[1].name));
	assert_string_equal(version(a, t->keys[0]), version(b, t->keys[1]));
}

static void news_that_is_known_does_what_its_record_would_do(void **state)
{
	unsigned known = 0;

	(void)state;
	for (uint64_t start = 1; start <= 300; start++) {
		struct twins t = { 0 };
		uint64_t seed = start * 0x9e3779b97f4a7c15;

		for (unsigned i = 0; i < 2; i++) {
			setup(&t.worlds[i]);
			t.keys[i] = key_take(t.worlds[i], "b");
		}
		for (unsigned step = 0; step < 200; step++) {
			twins_random_step(&t, &seed);
			expect_twins_alike(&t);
		}
		known += t.known;
		for (unsigned i = 0; i < 2; i++) {
			key_drop(t.worlds[i], t.keys[i]);
			teardown(&t.worlds[i]);
		}
	}
	assert_true(known > 5000);
}

static void only_the_very_version_is_known(void **state)
{
	struct world *w = *state;
	struct key b = key_take(w, "b");
	bool changed;

	assert_false(cache_put_known(w->cache, b, "1"));
	put(w, "b", "u1", "1");
	assert_false(cache_put_known(w->cache, b, "2"));
	assert_false(cache_put_known(w->cache, b, "10"));
	assert_false(cache_put_known(w->cache, b, ""));
	assert_true(cache_put_known(w->cache, b, "1"));
	cache_write_begin(w->cache, b);
	put(w, "b", "u1", "2");
	assert_false(cache_write_end_known(w->cache, b, "3", &changed));
	assert_false(cache_write_end_known(w->cache, b, "1", &changed)); /* it is what a read may show that was overtaken */
	put(w, "b", "u1", "4");
	assert_true(cache_write_end_known(w->cache, b, "2", &changed));
	assert_true(changed);
	assert_string_equal(version(w, b), "4");
	cache_write_begin(w->cache, b);
	assert_true(cache_write_end_known(w->cache, b, "4", &changed));
	assert_false(changed);
	expect(w, "+b@1 ~b@2 ~b@4 ");
	key_drop(w, b);
}

/* ---- what it weighs ---- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OTHER_HEAP 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define OTHER_HEAP 1
#endif

enum { WEIGHED = 20000, PER_ACCOUNT = 10, BINDING_BYTES_MAX = 270 };

struct heap {
	size_t used, held; /* bytes that were asked for, rounded as malloc does, and those that it took from the system */
};

/* What malloc knows of itself; zeros where it is another's, as valgrind's. */
static struct heap heap(void)
{
#ifdef OTHER_HEAP
	return (struct heap){ 0 };
#else
	struct mallinfo2 info = mallinfo2();

	return (struct heap){ .used = info.uordblks + info.hblkhd, .held = info.arena + info.hblkhd };
#endif
}

static bool is_weighed(void)
{
	struct heap before = heap();
	void *volatile some = malloc(100000);
	bool moved = heap().used - before.used >= 100000;

	free(some);
	return moved;
}

/* The i-th of many, as the benchmark makes them (tests/bench/objects.py): projects of their own, ten to an account. */
static void put_weighed(struct world *w, unsigned i, bool converged)
{
	char text[2048], status[1024] = "";
	unsigned account = i % (WEIGHED / PER_ACCOUNT);
	struct error err = { 0 };
	void *record;

	if (converged)
		snprintf(status, sizeof(status),
			 ",\"status\":{\"phase\":\"Active\",\"observedGeneration\":1,\"billingResponsibility\":{"
			 "\"establishedAt\":\"2026-11-22T10:00:01Z\",\"currentAccount\":\"acct-%05u\"},\"conditions\":["
			 "{\"type\":\"Bound\",\"status\":\"True\",\"observedGeneration\":1,\"lastTransitionTime\":\"2026-11-22T10:00:01Z\","
			 "\"reason\":\"SuccessfulBinding\",\"message\":\"The project is billed to this account.\"},"
			 "{\"type\":\"DeployAllowed\",\"status\":\"True\",\"observedGeneration\":1,\"lastTransitionTime\":\"2026-11-22T10:00:01Z\","
			 "\"reason\":\"Allowed\",\"message\":\"\"}]}",
			 account);
	snprintf(text, sizeof(text),
		 "{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"kind\":\"BillingAccountBinding\",\"metadata\":{\"name\":\"binding-%06u\","
		 "\"namespace\":\"org-%u\",\"uid\":\"7f0c9a52-3d1b-4c8e-9a77-%012u\",\"resourceVersion\":\"%u\",\"generation\":1,"
		 "\"creationTimestamp\":\"2026-11-22T10:00:00Z\"},\"spec\":{\"billingAccountRef\":{\"name\":\"acct-%05u\"},"
		 "\"projectRef\":{\"name\":\"proj-%06u\"}}%s}",
		 i, account % 10, i, 1000000 + i * 2 + converged, account, i, status);
	record = record_decode(w->codec, kinds[KIND_BINDING].resource, text, strlen(text), &err);
	if (!record)
		fail_msg("%s", err.message);
	cache_put(w->cache, KIND_BINDING, record);
	w->heard[0] = '\0';
}

/* A write to each makes every record longer; the holes that the shorter ones leave must be of use. */
static void bindings_leave_no_holes(void **state)
{
	struct world *w = *state;
	struct heap before, after;

	if (!is_weighed())
		skip();
	put_weighed(w, 0, true);
	malloc_trim(0);
	before = heap();
	for (unsigned i = 1; i < WEIGHED; i++)
		put_weighed(w, i, false);
	for (unsigned i = 1; i < WEIGHED; i++)
		put_weighed(w, i, true);
	after = heap();
	print_message("a binding that was written to takes %zu bytes of the heap, and %zu of the system\n",
		      (after.used - before.used) / (WEIGHED - 1), (after.held - before.held) / (WEIGHED - 1));
	assert_true(after.held - before.held <= (size_t)(WEIGHED - 1) * BINDING_BYTES_MAX * 11 / 10);
}

static void pass_by(void *context, const void *object)
{
	(void)context;
	(void)object;
}

/* All of it: the record, its entry, its places in the indexes, and the atoms of its name and project. */
static void a_binding_weighs_little(void **state)
{
	struct world *w = *state;
	struct heap before, after;

	if (!is_weighed())
		skip();
	put_weighed(w, 0, true); /* what is there once */
	malloc_trim(0);
	before = heap();
	for (unsigned i = 1; i < WEIGHED; i++)
		put_weighed(w, i, true);
	after = heap();
	print_message("a binding takes %zu bytes of the heap\n", (after.used - before.used) / (WEIGHED - 1));
	view_each(cache_view(w->cache), KIND_BINDING, pass_by, NULL);
	assert_true(heap().used <= after.used + 10000); /* whoever walks past all of them keeps none */
	assert_true(after.used - before.used <= (size_t)(WEIGHED - 1) * BINDING_BYTES_MAX);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(events_are_seen_and_told_in_order),
		CASE(the_same_version_again_is_no_news),
		CASE(another_uid_under_a_name_is_a_delete_and_an_add),
		CASE(a_delete_of_another_uid_is_not_ours),
		CASE(a_list_drops_what_it_does_not_name),
		CASE(a_list_that_does_not_end_drops_nothing),
		CASE(after_a_write_older_events_are_dropped_until_its_own),
		CASE(an_event_that_overtakes_the_answer_ends_the_wait),
		CASE(an_older_event_during_the_flight_does_not_end_the_wait),
		CASE(a_write_that_changed_nothing_awaits_nothing),
		CASE(a_created_object_is_there_at_once_and_not_twice),
		CASE(a_delete_is_news_while_a_version_is_awaited),
		CASE(a_list_with_another_version_than_awaited_is_doubtful),
		CASE(what_a_list_and_a_read_agree_on_is_not_awaited),
		CASE(a_version_that_never_comes_is_not_awaited_for_ever),
		CASE(an_object_that_cannot_be_read_is_asked_for),
		CASE(a_list_without_the_awaited_object_is_doubtful),
		CASE(a_list_during_the_flight_blurs_the_answer),
		CASE(more_events_than_can_be_noted_blur_the_answer),
		CASE(a_lost_answer_is_doubtful_without_a_word),
		CASE(an_object_that_came_back_while_we_asked_is_kept),
		CASE(the_next_request_does_not_forget_what_is_awaited),
		CASE(a_read_that_was_overtaken_is_not_believed),
		CASE(a_read_of_what_a_list_named_is_overtaken_by_any_event),
		CASE(a_list_without_an_object_under_way_is_doubtful),
		CASE(a_list_older_than_a_write_does_not_end_the_wait),
		CASE(indexes_follow_adds_updates_and_deletes),
		CASE(what_is_found_is_what_is_there_after_any_history),
		CASE(the_same_object_is_the_same_pointer),
		CASE(a_walk_leaves_what_its_caller_looked_at),
		CASE(the_census_is_a_recount_after_any_history),
		CASE(only_the_very_version_is_known),
		cmocka_unit_test(news_that_is_known_does_what_its_record_would_do),
		CASE(bindings_leave_no_holes), /* before what follows fills the heap */
		CASE(a_binding_weighs_little),
	};

	return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
