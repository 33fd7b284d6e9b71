/*
 * What one object costs, to be counted by callgrind, which counts the same each time: decoding an object of each kind, deciding one that is
 * as it should be, and one change on an account with few and with many bindings. instructions.py runs it, and knows the table.
 * The world is the unit tests' own (cluster.h): the real codecs, cache, indexes and reconcilers.
 */
#include <valgrind/callgrind.h>

#include "cluster.h"
#include "informer.h"
#include "memory.h"

enum { ROUNDS = 100, FEW = 20, MANY = 120 };

/* What is between these two is counted, under that name, ROUNDS times over. */
static void begin(void)
{
	CALLGRIND_ZERO_STATS;
	CALLGRIND_TOGGLE_COLLECT;
}

static void end(const char *what)
{
	CALLGRIND_TOGGLE_COLLECT;
	CALLGRIND_DUMP_STATS_AT(what);
}

static void fill(struct cluster *c)
{
	put_class(c, "cards", "sandbox");
	put_namespace(c, "acme", NULL, "acme");
	put_namespace(c, "shop", "shop", "acme");
	apply(c, KIND_BILLINGACCOUNT, "acme", "main",
	      "{'spec':{'currencyCode':'EUR','defaultPaymentMethodRef':{'name':'visa'},'contactInfo':{'name':'Ada Muster',"
	      "'businessName':'Acme GmbH','email':'billing@acme.example','address':{'country':'DE','line1':'Musterweg 1',"
	      "'city':'Berlin','postalCode':'10115'}},'taxIds':[{'type':'eu_vat','value':'DE123456789'}]}}");
	apply(c, KIND_PAYMENTMETHOD, "acme", "visa",
	      "{'spec':{'billingAccountRef':{'name':'main'},'paymentMethodClassRef':{'name':'cards'},'displayName':'Company card',"
	      "'type':'card'}}");
	settle(c);
	apply(c, KIND_BILLINGARRANGEMENT, "acme", "terms",
	      "{'spec':{'billingAccountRef':{'name':'main'},'type':'Invoice','invoice':{'netDays':30},'reason':'Enterprise agreement'}}");
	apply(c, KIND_INVOICE, "acme", "october",
	      "{'spec':{'billingAccountRef':{'name':'main'},'period':{'start':'2026-10-01T00:00:00Z','end':'2026-10-31T23:59:59Z'}}}");
	put_binding(c, "acme", "shop-1", "main", "shop");
	settle(c);
}

static void bind_projects(struct cluster *c, unsigned from, unsigned to)
{
	char name[32];

	for (unsigned i = from; i < to; i++) {
		snprintf(name, sizeof(name), "project-%u", i);
		put_namespace(c, name, name, "acme");
		put_binding(c, "acme", name, "main", name);
		settle(c);
	}
}

/* An object of that kind, in the state that everything has come to. */
static const struct stored *sample(const struct cluster *c, enum kind_id kind)
{
	const struct stored *s = c->stored;

	while (s->key.kind != kind)
		s = s->next;
	return s;
}

static void count_decoding(struct cluster *c, enum kind_id kind)
{
	char *text = json_dumps(sample(c, kind)->object, JSON_COMPACT), what[64];

	begin();
	for (int i = 0; i < ROUNDS; i++)
		record_free(c->codec, kinds[kind].resource, decode(c, kind, text));
	snprintf(what, sizeof(what), "decode %s", kinds[kind].resource->kind);
	end(what);
	free(text);
}

/* ---- the way through an informer ---- */

struct call {
	struct reply reply;
};

static struct call *answer_later(void *self, const struct request *request, const struct reply *reply)
{
	struct call *call = self;

	(void)request;
	call->reply = *reply;
	return call;
}

static int64_t no_time(void *self)
{
	(void)self;
	return 1000;
}

static uint64_t no_chance(void *self)
{
	(void)self;
	return 1;
}

static void nothing_said(void *context, enum kind_id kind, const struct error *err)
{
	(void)context, (void)kind, (void)err;
}

static void feed(const struct call *call, const char *text)
{
	assert_int_equal(call->reply.on_data(call->reply.context, 200, text, strlen(text)), 0);
}

/* As the API server keeps them of a binding that people have applied, and Tollgate has given its status: more than half of the object. */
static const char managed_fields[] =
	"[{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:metadata\":{\"f:annotations\":{\".\":{},"
	"\"f:kubectl.kubernetes.io/last-applied-configuration\":{}}},\"f:spec\":{\".\":{},\"f:billingAccountRef\":{\".\":{},\"f:name\":{}},"
	"\"f:projectRef\":{\".\":{},\"f:name\":{}}}},\"manager\":\"kubectl-client-side-apply\",\"operation\":\"Update\",\"time\":"
	"\"2026-11-22T10:00:00Z\"},{\"apiVersion\":\"billing.miloapis.com/v1alpha1\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:status\":{"
	"\".\":{},\"f:billingResponsibility\":{\".\":{},\"f:currentAccount\":{},\"f:establishedAt\":{}},\"f:conditions\":{\".\":{},"
	"\"k:{\\\"type\\\":\\\"PaymentReady\\\"}\":{\".\":{},\"f:lastTransitionTime\":{},\"f:message\":{},\"f:observedGeneration\":{},"
	"\"f:reason\":{},\"f:status\":{},\"f:type\":{}},\"k:{\\\"type\\\":\\\"Ready\\\"}\":{\".\":{},\"f:lastTransitionTime\":{},\"f:message\":{},"
	"\"f:observedGeneration\":{},\"f:reason\":{},\"f:status\":{},\"f:type\":{}}},\"f:observedGeneration\":{},\"f:phase\":{}}},\"manager\":"
	"\"tollgate\",\"operation\":\"Update\",\"subresource\":\"status\",\"time\":\"2026-11-22T10:00:01Z\"}]";

static char *print_managed(const struct stored *stored)
{
	json_t *object = json_deep_copy(stored->object);
	char *text;

	assert_int_equal(json_object_set_new(json_object_get(object, "metadata"), "managedFields", json_loads(managed_fields, 0, NULL)), 0);
	text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(object);
	return text;
}

/* Events bring the only object of its kind as the cache has it, which is what becomes of our own writes. */
static void count_known_news(struct cluster *c, enum kind_id kind)
{
	struct call call;
	struct port port = { .self = &call, .send = answer_later, .monotonic_ms = no_time, .now = no_time, .random = no_chance };
	const struct resource *r = kinds[kind].resource;
	struct informer informer;
	char *object = print_managed(sample(c, kind)), *list, *event, what[64];

	list = memory_printf("{\"apiVersion\":\"%s/%s\",\"kind\":\"%sList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[%s]}",
			     r->group, r->version, r->kind, object);
	event = memory_printf("{\"type\":\"MODIFIED\",\"object\":%s}\n", object);
	informer_init(&informer, kind, &port, c->cache, c->codec, test_atoms, NULL, 0,
		      (struct informer_listener){ .state = nothing_said, .unreadable = nothing_said });
	informer_start(&informer);
	feed(&call, list);
	call.reply.on_done(call.reply.context, 200, 0, NULL);
	assert_true(informer_synced(&informer));
	begin();
	for (int i = 0; i < ROUNDS; i++)
		feed(&call, event);
	snprintf(what, sizeof(what), "news of a known %s", r->kind);
	end(what);
	assert_int_equal(informer.stats.known, 1 + ROUNDS);
	informer.call = NULL;
	informer_close(&informer);
	free(object);
	free(list);
	free(event);
}

static void count_deciding(struct cluster *c, enum kind_id kind, const char *among)
{
	struct key key = sample(c, kind)->key;
	char what[64];

	if (!kinds[kind].reconciler->run)
		return;
	begin();
	for (int i = 0; i < ROUNDS; i++) {
		kinds[kind].reconciler->run(cache_view(c->cache), key, c->now, &c->arena);
		arena_reset(&c->arena);
		cache_end_looks(c->cache);
	}
	snprintf(what, sizeof(what), "decide %s%s", kinds[kind].resource->kind, among);
	end(what);
}

/* What the watch brings about bindings is counted, what follows from it is not. */
static void count_news(struct cluster *c)
{
	CALLGRIND_TOGGLE_COLLECT;
	while (deliver(c, KIND_BINDING))
		;
	CALLGRIND_TOGGLE_COLLECT;
	settle(c);
}

/* Somebody binds a project to the account, and ends that: what it takes to take in both, and to wake whom they concern. */
static void count_a_change(struct cluster *c, const char *among)
{
	char what[64];

	snprintf(what, sizeof(what), "a binding comes and goes%s", among);
	size_t writes = c->writes;
	CALLGRIND_ZERO_STATS;
	for (int i = 0; i < ROUNDS; i++) {
		put_binding(c, "acme", "passing", "main", "passing");
		count_news(c);
		delete(c, KIND_BINDING, "acme", "passing");
		count_news(c);
	}
	assert_true(c->writes > writes);
	CALLGRIND_DUMP_STATS_AT(what);
}

int main(void)
{
	struct cluster *c = calloc(1, sizeof(*c));

	if (!c)
		return 1;
	json_object_seed(1); /* else jansson draws one */
	cluster_init(c);
	fill(c);
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		count_decoding(c, (enum kind_id)kind);
		count_deciding(c, (enum kind_id)kind, "");
	}
	count_known_news(c, KIND_BINDING);
	bind_projects(c, 0, FEW);
	count_deciding(c, KIND_BINDING, ", few");
	count_deciding(c, KIND_PROJECTBILLING, ", few");
	count_a_change(c, ", few");
	bind_projects(c, FEW, MANY);
	count_deciding(c, KIND_BINDING, ", many");
	count_deciding(c, KIND_PROJECTBILLING, ", many");
	count_a_change(c, ", many");
	cluster_close(c);
	free(c);
	printf("%d\n", ROUNDS);
	return 0;
}
