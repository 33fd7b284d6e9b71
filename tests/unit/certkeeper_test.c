/*
 * certkeeper.c with a small API server behind its port: a Secret, two webhook configurations, versions, and no more. The clock is the
 * test's, and so is the order in which requests of several replicas arrive. Each request may be refused, or its answer lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "certkeeper.h"
#include "memory.h"
#include "pki.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND ((int64_t)1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define NOW ((instant_t)1795428380000)

#define SECRETS "/api/v1/namespaces/tollgate-system/secrets"
#define SECRET SECRETS "/tollgate-webhook"
#define HOOKS "/apis/admissionregistration.k8s.io/v1/"
#define MUTATING_PATH HOOKS "mutatingwebhookconfigurations/tollgate"
#define VALIDATING_PATH HOOKS "validatingwebhookconfigurations/tollgate"

enum { REPLICAS_MAX = 3, OBJECTS = 3, BUNDLES_MAX = 64, ANSWER_MS = 5 };
enum { OF_SECRET, OF_MUTATING, OF_VALIDATING };

static const char *const paths[OBJECTS] = { SECRET, MUTATING_PATH, VALIDATING_PATH };

static const char *const installed[OBJECTS] = {
	"{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"type\":\"Opaque\",\"metadata\":{\"name\":\"tollgate-webhook\",\"namespace\":"
	"\"tollgate-system\",\"labels\":{\"app\":\"tollgate\"},\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"{}\"}}}",
	"{\"kind\":\"MutatingWebhookConfiguration\",\"metadata\":{\"name\":\"tollgate\"},\"webhooks\":[{\"name\":\"default.example.com\","
	"\"failurePolicy\":\"Fail\",\"clientConfig\":{\"service\":{\"name\":\"tollgate\",\"namespace\":\"tollgate-system\",\"path\":\"/mutate\"}}}]}",
	"{\"kind\":\"ValidatingWebhookConfiguration\",\"metadata\":{\"name\":\"tollgate\"},\"webhooks\":[{\"name\":\"a.example.com\","
	"\"clientConfig\":{\"service\":{\"name\":\"tollgate\",\"namespace\":\"tollgate-system\",\"path\":\"/validate\"},\"caBundle\":\"Cg==\"}},"
	"{\"name\":\"b.example.com\",\"timeoutSeconds\":5,\"clientConfig\":{\"service\":{\"name\":\"tollgate\",\"namespace\":\"tollgate-system\"}}}]}",
};

struct rig;

struct call {
	char method[8], path[256];
	char *body;
	struct reply reply;
};

struct replica {
	struct rig *rig;
	struct port port;
	struct certkeeper *keeper;
	struct call *call;
	char *chain, *key; /* served */
	unsigned serves;
	int64_t due; /* monotonic: when it wants to be called again */
};

/* What befalls the next requests that fit. */
struct fault {
	const char *method, *path; /* NULL = any */
	int status;                /* 0: the connection breaks */
	bool applied;              /* but the server has done it */
	int retry_after_ms;
	unsigned skip, times;
};

/* A caBundle that API servers may still go by. */
struct trusted {
	char *pem;
	int64_t until; /* monotonic; 0 = still the right one */
};

struct rig {
	struct log log;
	int64_t mono;
	instant_t wall;
	uint64_t dice;
	json_t *objects[OBJECTS]; /* NULL = not there */
	unsigned version;
	struct fault fault;
	bool elected;             /* only `leader` may write; else all */
	int leader;
	struct replica replicas[REPLICAS_MAX];
	struct certkeeper_config config;
	unsigned reads, writes; /* that arrived */
	char trace[4096];
	int64_t trust_ms; /* watch over what is served; 0 = no */
	struct trusted bundles[BUNDLES_MAX];
	size_t n_bundles, judged;
	char folder[40];
};

/* ---- the server ---- */

static json_t *find(json_t *root, const char *pointer, json_t **parent, char last[64])
{
	json_t *at = root;

	*parent = NULL;
	while (*pointer && at) {
		size_t len = strcspn(++pointer, "/");

		assert_true(len < 64);
		snprintf(last, 64, "%.*s", (int)len, pointer);
		*parent = at;
		at = json_is_array(at) ? json_array_get(at, strtoul(last, NULL, 10)) : json_object_get(at, last);
		pointer += len;
	}
	return *pointer ? NULL : at;
}

/* RFC 6902, as much of it as is used. */
static bool apply_patch(json_t *object, const char *text)
{
	json_t *patch = json_loads(text, 0, NULL), *operation;
	bool fine = json_is_array(patch);
	size_t i;

	json_array_foreach(patch, i, operation) {
		const char *op = json_string_value(json_object_get(operation, "op"));
		char last[64] = "";
		json_t *parent, *at = find(object, json_string_value(json_object_get(operation, "path")), &parent, last);
		json_t *value = json_object_get(operation, "value");

		if (strcmp(op, "test") == 0)
			fine &= at && json_equal(at, value);
		else if ((strcmp(op, "add") == 0 || (strcmp(op, "replace") == 0 && at)) && json_is_object(parent))
			json_object_set(parent, last, value);
		else
			fine = false;
	}
	json_decref(patch);
	return fine;
}

static void stamp(struct rig *rig, json_t *object)
{
	char version[16];

	snprintf(version, sizeof(version), "%u", ++rig->version);
	json_object_set_new(json_object_get(object, "metadata"), "resourceVersion", json_string(version));
}

static void install(struct rig *rig, int which)
{
	json_decref(rig->objects[which]);
	rig->objects[which] = json_loads(installed[which], 0, NULL);
	assert_non_null(rig->objects[which]);
	stamp(rig, rig->objects[which]);
}

static void uninstall(struct rig *rig, int which)
{
	json_decref(rig->objects[which]);
	rig->objects[which] = NULL;
}

static const char *version_of(const json_t *object)
{
	return json_string_value(json_object_get(json_object_get(object, "metadata"), "resourceVersion"));
}

static int replace(struct rig *rig, json_t **object, json_t *by)
{
	if (!by || strcmp(version_of(by), version_of(*object)) != 0) {
		json_decref(by);
		return 409;
	}
	json_decref(*object);
	*object = by;
	stamp(rig, by);
	return 200;
}

static int patch(struct rig *rig, json_t **object, const char *text)
{
	json_t *copy = json_deep_copy(*object);

	if (!apply_patch(copy, text)) {
		json_decref(copy);
		return 422;
	}
	json_decref(*object);
	*object = copy;
	stamp(rig, copy);
	return 200;
}

/* Does it, and says how it went; *body: the object. */
static int carry_out(struct rig *rig, const struct call *call, char **body)
{
	json_t **object = NULL;
	int status = 200;

	for (int i = 0; i < OBJECTS; i++)
		if (strcmp(call->path, paths[i]) == 0)
			object = &rig->objects[i];
	if (strcmp(call->method, "POST") == 0) {
		assert_string_equal(call->path, SECRETS);
		if (rig->objects[OF_SECRET])
			return 409;
		rig->objects[OF_SECRET] = json_loads(call->body, 0, NULL);
		stamp(rig, rig->objects[OF_SECRET]);
		return 201;
	}
	assert_non_null(object);
	if (!*object)
		return 404;
	if (strcmp(call->method, "PUT") == 0)
		status = replace(rig, object, json_loads(call->body, 0, NULL));
	else if (strcmp(call->method, "PATCH") == 0)
		status = patch(rig, object, call->body);
	if (status == 200)
		*body = json_dumps(*object, JSON_COMPACT);
	return status;
}

static bool befalls(struct fault *fault, const struct call *call)
{
	if (!fault->times || (fault->method && strcmp(fault->method, call->method) != 0) ||
	    (fault->path && !strstr(call->path, fault->path)))
		return false;
	if (fault->skip) {
		fault->skip--;
		return false;
	}
	fault->times--;
	return true;
}

static void free_call(struct call *call)
{
	free(call->body);
	free(call);
}

static void note_bundle(struct rig *rig);

/* The request of this replica arrives, and its answer comes back. */
static void answer(struct rig *rig, struct replica *replica)
{
	struct call *call = replica->call;
	const struct error lost = { .class = ERROR_RETRY, .message = "connection reset" };
	const bool faulty = befalls(&rig->fault, call);
	cleanup_free char *body = NULL;
	int status = 0;
	size_t half, used = strlen(rig->trace);

	replica->call = NULL;
	*(strcmp(call->method, "GET") == 0 ? &rig->reads : &rig->writes) += 1;
	snprintf(rig->trace + used, sizeof(rig->trace) - used, "%s %s, ", call->method,
		 strstr(call->path, "mutating") ? "mutating" : strstr(call->path, "validating") ? "validating" : "secret");
	if (!faulty || rig->fault.applied)
		status = carry_out(rig, call, &body);
	if (faulty) {
		free(body);
		body = NULL;
		status = rig->fault.status;
	}
	if (!body)
		body = memory_printf("{\"kind\":\"Status\",\"code\":%d,\"message\":\"no %d\"}", status, status);
	note_bundle(rig);
	rig->mono += ANSWER_MS;
	rig->wall += ANSWER_MS;
	half = strlen(body) / 2;
	if (status)
		assert_true(call->reply.on_data(call->reply.context, status, body, half) == 0 &&
			    call->reply.on_data(call->reply.context, status, body + half, strlen(body) - half) == 0);
	call->reply.on_done(call->reply.context, status, faulty ? rig->fault.retry_after_ms : 0, status ? NULL : &lost);
	free_call(call);
}

static bool leads(void *context)
{
	const struct replica *replica = context;

	return !replica->rig->elected || replica - replica->rig->replicas == replica->rig->leader; /* -1: nobody */
}

/* ---- the port ---- */

static struct call *port_send(void *self, const struct request *request, const struct reply *reply)
{
	struct replica *replica = self;
	struct call *call = calloc(1, sizeof(*call));

	assert_null(replica->call); /* one at a time */
	assert_int_equal(request->timeout_ms, 10000);
	snprintf(call->method, sizeof(call->method), "%s", request->method);
	snprintf(call->path, sizeof(call->path), "%s", request->path);
	call->body = request->body ? memory_strndup(request->body, request->body_len) : NULL;
	assert_int_equal(request->body != NULL, strcmp(request->method, "GET") != 0);
	if (request->body && !leads(replica))
		fail_msg("a follower's %s %s", request->method, request->path);
	if (strcmp(request->method, "PATCH") == 0)
		assert_string_equal(request->content_type, "application/json-patch+json");
	call->reply = *reply;
	replica->call = call;
	return call;
}

static void port_cancel(void *self, struct call *call)
{
	struct replica *replica = self;

	assert_ptr_equal(replica->call, call);
	replica->call = NULL;
	free_call(call);
}

static int64_t port_mono(void *self)
{
	return ((struct replica *)self)->rig->mono;
}

static instant_t port_wall(void *self)
{
	return ((struct replica *)self)->rig->wall;
}

static uint64_t port_random(void *self)
{
	(void)self;
	return 88172645463325252u;
}

static void take_served(void *context, const char *chain, const char *key)
{
	struct replica *replica = context;

	free(replica->chain);
	free(replica->key);
	replica->chain = memory_strdup(chain);
	replica->key = memory_strdup(key);
	replica->serves++;
}

/* ---- the rig ---- */

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	*rig = (struct rig){ .mono = 1000000, .wall = NOW, .dice = 88172645463325252u };
	rig->log = (struct log){ .fd = memfd_create("log", 0), .level = LOG_INFO };
	rig->config = (struct certkeeper_config){ .log = &rig->log, .ns = "tollgate-system", .secret = "tollgate-webhook",
						  .service = "tollgate", .webhooks = "tollgate", .leaf_lifetime_ms = 90 * DAY };
	for (int i = 0; i < OBJECTS; i++)
		install(rig, i);
	strcpy(rig->folder, "/tmp/certkeeper_test.XXXXXX");
	*state = rig;
	return rig->log.fd < 0 || !mkdtemp(rig->folder);
}

static void stop(struct replica *replica)
{
	certkeeper_free(replica->keeper);
	assert_null(replica->call);
	free(replica->chain);
	free(replica->key);
	*replica = (struct replica){ 0 };
}

static int tear_down(void **state)
{
	struct rig *rig = *state;
	cleanup_free char *command = memory_printf("rm -r %s", rig->folder);

	for (int i = 0; i < REPLICAS_MAX; i++)
		stop(&rig->replicas[i]);
	for (int i = 0; i < OBJECTS; i++)
		json_decref(rig->objects[i]);
	for (size_t i = 0; i < rig->n_bundles; i++)
		free(rig->bundles[i].pem);
	close(rig->log.fd);
	free(rig);
	return system(command);
}

/* As certkeeper_new: false when the configuration is refused. */
static bool try(struct rig *rig, struct replica *replica, struct error *err)
{
	replica->rig = rig;
	replica->port = (struct port){ .self = replica, .send = port_send, .cancel = port_cancel, .monotonic_ms = port_mono,
				       .now = port_wall, .random = port_random };
	rig->config.port = &replica->port;
	rig->config.leads = leads;
	rig->config.leads_context = replica;
	replica->keeper = certkeeper_new(&rig->config, take_served, replica, err);
	return replica->keeper;
}

static struct replica *start(struct rig *rig, int which)
{
	struct error err;

	if (!try(rig, &rig->replicas[which], &err))
		fail_msg("%s", err.message);
	return &rig->replicas[which];
}

static void restart_log(struct rig *rig)
{
	assert_int_equal(ftruncate(rig->log.fd, 0), 0);
	assert_int_equal(lseek(rig->log.fd, 0, SEEK_SET), 0);
}

/* How many lines of the log hold this. */
static unsigned said(struct rig *rig, const char *text)
{
	static char log[1 << 20];
	ssize_t len = pread(rig->log.fd, log, sizeof(log) - 1, 0);
	unsigned n = 0;

	assert_true(len >= 0);
	log[len] = '\0';
	assert_null(strstr(log, "PRIVATE"));
	for (const char *at = log; (at = strstr(at, text)) != NULL; at += strlen(text))
		n++;
	return n;
}

/* ---- who trusts what ---- */

/* The caBundle that all webhooks have, decoded; NULL when they differ. */
static char *bundle_of(const struct rig *rig, int which)
{
	const char *all = NULL;
	json_t *webhook;
	size_t i;

	json_array_foreach(json_object_get(rig->objects[which], "webhooks"), i, webhook) {
		const char *one = json_string_value(json_object_get(json_object_get(webhook, "clientConfig"), "caBundle"));

		if (!one || (all && strcmp(one, all) != 0))
			return NULL;
		all = one;
	}
	return all ? pki_decode(all) : NULL;
}

static struct certs judge(const char *bundle, const char *chain, const char *key)
{
	const struct pki_names names = { .names = { "tollgate.tollgate-system.svc" }, .n = 1 };
	struct pki_store store = { .pem = { [PKI_CA_CRT] = memory_strdup(bundle), [PKI_TLS_CRT] = memory_strdup(chain),
					    [PKI_TLS_KEY] = memory_strdup(key) } };
	struct error err;
	struct certs certs;

	pki_read(&store, &names, &certs, &err);
	pki_store_close(&store);
	return certs;
}

static bool trusts(struct rig *rig, const char *bundle, const struct replica *replica)
{
	struct certs certs = judge(bundle, replica->chain, replica->key);

	return certs.leaf_ca >= 0 && certs.leaf_named && certs.leaf.from <= rig->wall && rig->wall < certs.leaf.until;
}

/* Everything is as it should be. */
static void assert_well(struct rig *rig)
{
	for (int i = 0; i < REPLICAS_MAX; i++) {
		struct replica *replica = &rig->replicas[i];

		if (!replica->keeper)
			continue;
		if (!replica->chain)
			fail_msg("replica %d serves nothing", i);
		for (int which = OF_MUTATING; which <= OF_VALIDATING; which++) {
			cleanup_free char *bundle = bundle_of(rig, which);

			if (!bundle || !trusts(rig, bundle, replica))
				fail_msg("replica %d is not trusted by configuration %d", i, which);
		}
		assert_true(certkeeper_stats(replica->keeper).in_step);
		assert_true(certkeeper_stats(replica->keeper).expires > rig->wall);
	}
}

static void note_bundle(struct rig *rig)
{
	struct trusted *last = rig->n_bundles ? &rig->bundles[rig->n_bundles - 1] : NULL;
	char *pem = rig->trust_ms ? bundle_of(rig, OF_VALIDATING) : NULL;

	if (!pem || (last && strcmp(last->pem, pem) == 0)) {
		free(pem);
		return;
	}
	if (last)
		last->until = rig->mono;
	assert_true(rig->n_bundles < BUNDLES_MAX);
	rig->bundles[rig->n_bundles++] = (struct trusted){ .pem = pem };
}

/* As time goes by fewer bundles are trusted, so that signatures need judging only when something is new. */
static void nobody_is_refused(struct rig *rig)
{
	size_t news = rig->n_bundles;

	for (int i = 0; i < REPLICAS_MAX; i++) {
		news += rig->replicas[i].serves;
		if (rig->replicas[i].chain && certkeeper_stats(rig->replicas[i].keeper).expires <= rig->wall)
			fail_msg("replica %d serves what has expired at %lld ms", i, (long long)(rig->wall - NOW));
	}
	if (news == rig->judged)
		return;
	rig->judged = news;
	for (size_t b = 0; b < rig->n_bundles; b++) {
		if (rig->bundles[b].until && rig->bundles[b].until < rig->mono - rig->trust_ms)
			continue;
		for (int i = 0; i < REPLICAS_MAX; i++)
			if (rig->replicas[i].chain && !trusts(rig, rig->bundles[b].pem, &rig->replicas[i]))
				fail_msg("replica %d is refused at %lld ms", i, (long long)(rig->wall - NOW));
	}
}

/* ---- time ---- */

static uint64_t roll(struct rig *rig, uint64_t below)
{
	rig->dice ^= rig->dice << 13;
	rig->dice ^= rig->dice >> 7;
	rig->dice ^= rig->dice << 17;
	return rig->dice % below;
}

static void tick(struct replica *replica)
{
	int64_t wait = certkeeper_tick(replica->keeper);

	assert_true(wait >= 0);
	replica->due = replica->rig->mono + wait;
}

/* Answers one request under way, whichever the dice say; false when there is none. */
static bool answer_any(struct rig *rig)
{
	struct replica *waiting[REPLICAS_MAX];
	unsigned n = 0;

	for (int i = 0; i < REPLICAS_MAX; i++)
		if (rig->replicas[i].call)
			waiting[n++] = &rig->replicas[i];
	if (n)
		answer(rig, waiting[roll(rig, n)]);
	return n;
}

/* Lets what is due happen until that much time has passed. */
static void pass(struct rig *rig, int64_t ms)
{
	const int64_t end = rig->mono + ms;

	while (rig->mono < end) {
		int64_t next = end;

		for (int i = 0; i < REPLICAS_MAX; i++) {
			if (!rig->replicas[i].keeper)
				continue;
			tick(&rig->replicas[i]);
			if (!rig->replicas[i].call && rig->replicas[i].due < next)
				next = rig->replicas[i].due;
		}
		if (rig->trust_ms)
			nobody_is_refused(rig);
		if (answer_any(rig))
			continue;
		rig->wall += next - rig->mono;
		rig->mono = next;
	}
}

static char *secret_pem(struct rig *rig, const char *key)
{
	const char *value = json_string_value(json_object_get(json_object_get(rig->objects[OF_SECRET], "data"), key));

	return value ? pki_decode(value) : NULL;
}

/* ---- first start ---- */

static void secret_then_leaf_then_bundle(void **state)
{
	struct rig *rig = *state;
	struct replica *one = start(rig, 0);
	cleanup_free char *chain = NULL;

	assert_int_equal(certkeeper_stats(one->keeper).expires, 0);
	pass(rig, SECOND);
	assert_well(rig);
	assert_string_equal(rig->trace, "GET mutating, GET validating, GET secret, PUT secret, PATCH mutating, PATCH validating, ");
	chain = secret_pem(rig, "tls.crt");
	assert_string_equal(chain, one->chain);
	assert_int_equal(one->serves, 1);
	assert_int_equal(certkeeper_stats(one->keeper).rotations, 1);
	assert_int_equal(certkeeper_stats(one->keeper).read_errors, 0);
	assert_int_equal(said(rig, "stored certificates"), 1);
	assert_int_equal(said(rig, "WARN"), 0);
}

static void no_certificate_is_served_that_is_not_stored(void **state)
{
	struct rig *rig = *state;
	struct replica *one = start(rig, 0);

	rig->fault = (struct fault){ .method = "PUT", .status = 403, .times = 1000 };
	pass(rig, 60 * SECOND);
	assert_null(one->chain);
	assert_int_equal(said(rig, "not allowed to read and write the Secret"), 1);
	rig->fault.times = 0;
	pass(rig, 30 * SECOND);
	assert_well(rig);
	assert_int_equal(said(rig, "read and written again"), 1);
}

static void nothing_but_ours_is_changed(void **state)
{
	struct rig *rig = *state;
	json_t *webhook;
	size_t i;

	json_object_set_new(rig->objects[OF_SECRET], "data", json_pack("{s:s}", "other", "eA=="));
	start(rig, 0);
	pass(rig, SECOND);
	json_t *data = json_object_get(rig->objects[OF_SECRET], "data");
	assert_int_equal(json_object_size(data), 5);
	assert_string_equal(json_string_value(json_object_get(data, "other")), "eA==");
	json_object_del(rig->objects[OF_SECRET], "data");
	for (int which = OF_MUTATING; which <= OF_VALIDATING; which++)
		json_array_foreach(json_object_get(rig->objects[which], "webhooks"), i, webhook)
			json_object_del(json_object_get(webhook, "clientConfig"), "caBundle");
	for (int which = 0; which < OBJECTS; which++) {
		json_t *before = json_loads(installed[which], 0, NULL);

		json_object_del(json_object_get(rig->objects[which], "metadata"), "resourceVersion");
		json_array_foreach(json_object_get(before, "webhooks"), i, webhook)
			json_object_del(json_object_get(webhook, "clientConfig"), "caBundle");
		assert_true(json_equal(before, rig->objects[which]));
		json_decref(before);
	}
}

static void a_quiet_hour_writes_nothing(void **state)
{
	struct rig *rig = *state;
	struct replica *one = start(rig, 0);
	unsigned writes, reads;

	start(rig, 1);
	pass(rig, 60 * SECOND);
	writes = rig->writes;
	reads = rig->reads;
	pass(rig, HOUR);
	assert_int_equal(rig->writes, writes);
	assert_in_range(rig->reads - reads, 2 * 3 * 359, 2 * 3 * 361);
	assert_int_equal(one->serves, 1);
	reads = rig->reads;
	for (int i = 0; i < 1000; i++)
		assert_in_range(certkeeper_tick(one->keeper), 1, 10000);
	assert_null(one->call);
	assert_well(rig);
}

static void replicas_that_start_at_once_agree(void **state)
{
	struct rig *rig = *state;

	for (unsigned seed = 1; seed <= 40; seed++) {
		rig->dice = seed * 0x9E3779B97F4A7C15u;
		for (int i = 0; i < OBJECTS; i++)
			install(rig, i);
		if (seed % 4 == 0)
			uninstall(rig, OF_SECRET); /* and all may create it */
		for (int i = 0; i < REPLICAS_MAX; i++)
			start(rig, i);
		pass(rig, 10 * SECOND);
		assert_well(rig);
		cleanup_free char *bundle = bundle_of(rig, OF_MUTATING);
		assert_int_equal(judge(bundle, rig->replicas[0].chain, rig->replicas[0].key).n_cas, 1);
		unsigned made = 0;
		for (int i = 0; i < REPLICAS_MAX; i++) {
			assert_string_equal(rig->replicas[i].chain, rig->replicas[0].chain);
			assert_int_equal(rig->replicas[i].serves, 1);
			made += (unsigned)certkeeper_stats(rig->replicas[i].keeper).rotations;
		}
		assert_int_equal(made, 1);
		for (int i = 0; i < REPLICAS_MAX; i++)
			stop(&rig->replicas[i]);
	}
}

static void the_secrets_certificate_is_taken_as_it_is(void **state)
{
	struct rig *rig = *state;
	unsigned writes;

	start(rig, 0);
	pass(rig, SECOND);
	writes = rig->writes;
	start(rig, 1);
	pass(rig, SECOND);
	assert_int_equal(rig->writes, writes);
	assert_string_equal(rig->replicas[0].chain, rig->replicas[1].chain);
	assert_well(rig);
}

/* ---- refusals and losses ---- */

static void any_request_may_fail_in_any_way(void **state)
{
	static const struct fault ways[] = {
		{ .status = 0 },   { .status = 0, .applied = true }, { .status = 500 }, { .status = 503, .applied = true },
		{ .status = 409 }, { .status = 404 },		     { .status = 403 }, { .status = 429, .retry_after_ms = 1000 },
		{ .status = 422 }, { .status = 200 /* with a Status for an object */ },
	};
	struct rig *rig = *state;

	for (size_t way = 0; way < COUNT(ways); way++) {
		for (unsigned nth = 0; nth < 12; nth++) {
			for (int i = 0; i < OBJECTS; i++)
				install(rig, i);
			rig->fault = ways[way];
			rig->fault.skip = nth;
			rig->fault.times = 1 + nth % 2;
			start(rig, 0);
			start(rig, 1);
			pass(rig, 70 * SECOND);
			assert_int_equal(rig->fault.times, 0);
			assert_well(rig);
			assert_string_equal(rig->replicas[0].chain, rig->replicas[1].chain);
			stop(&rig->replicas[0]);
			stop(&rig->replicas[1]);
		}
	}
}

static void a_failed_read_replaces_nothing(void **state)
{
	static const struct fault ways[] = { { .status = 0 }, { .status = 500 }, { .status = 403 }, { .status = 200 }, { .status = 401 } };
	struct rig *rig = *state;
	cleanup_free char *before = NULL;
	struct replica *other;

	start(rig, 0);
	pass(rig, SECOND);
	before = json_dumps(rig->objects[OF_SECRET], JSON_SORT_KEYS);
	for (size_t way = 0; way < COUNT(ways); way++) {
		cleanup_free char *after = NULL;

		other = start(rig, 1);
		rig->fault = ways[way];
		rig->fault.path = "/secrets/";
		rig->fault.times = 1000;
		pass(rig, 120 * SECOND);
		after = json_dumps(rig->objects[OF_SECRET], JSON_SORT_KEYS);
		assert_string_equal(before, after);
		assert_null(other->chain);
		assert_true(certkeeper_stats(other->keeper).read_errors > 2);
		rig->fault.times = 0;
		pass(rig, 40 * SECOND);
		assert_well(rig);
		stop(other);
	}
}

static void a_missing_secret_is_created(void **state)
{
	struct rig *rig = *state;

	uninstall(rig, OF_SECRET);
	start(rig, 0);
	pass(rig, SECOND);
	assert_well(rig);
	assert_non_null(rig->objects[OF_SECRET]);
	assert_string_equal(json_string_value(json_object_get(rig->objects[OF_SECRET], "type")), "Opaque");
}

static void a_missing_secret_that_may_not_be_created_is_waited_for(void **state)
{
	struct rig *rig = *state;

	uninstall(rig, OF_SECRET);
	rig->fault = (struct fault){ .method = "POST", .status = 403, .times = 100000 };
	start(rig, 0);
	pass(rig, 600 * SECOND);
	assert_null(rig->replicas[0].chain);
	assert_int_equal(said(rig, "is missing, and this account may not create it; apply deploy/base"), 1);
	assert_int_equal(said(rig, "WARN"), 1);
	install(rig, OF_SECRET);
	pass(rig, 31 * SECOND);
	assert_well(rig);
}

static void waits_double_and_the_server_may_ask_for_more(void **state)
{
	static const int64_t waits[] = { 500, 1000, 2000, 4000, 8000, 10000, 10000 };
	struct rig *rig = *state;
	struct replica *one = start(rig, 0);

	rig->fault = (struct fault){ .path = "/secrets/", .status = 500, .times = 1000 };
	for (size_t i = 0; i < COUNT(waits); i++) {
		tick(one);
		while (one->call)
			answer(rig, one);
		tick(one);
		assert_int_equal(one->due - rig->mono, waits[i]);
		rig->mono = one->due;
	}
	rig->fault.retry_after_ms = 45000;
	tick(one);
	while (one->call)
		answer(rig, one);
	tick(one);
	assert_int_equal(one->due - rig->mono, 45000);
}

static void a_server_that_does_not_answer_is_said_once(void **state)
{
	struct rig *rig = *state;

	start(rig, 0);
	rig->fault = (struct fault){ .status = 0, .times = 100000 };
	pass(rig, HOUR);
	assert_int_equal(said(rig, "WARN"), 1);
	assert_int_equal(said(rig, "the Secret of the webhook's certificates cannot be read or written"), 1);
	rig->fault.times = 0;
	pass(rig, 31 * SECOND);
	assert_well(rig);
}

static void an_answer_without_end_is_cut_off(void **state)
{
	struct rig *rig = *state;
	struct replica *one = start(rig, 0);
	static char junk[1 << 16];
	struct call *call;
	unsigned pushed = 0;

	memset(junk, ' ', sizeof(junk));
	tick(one);
	call = one->call;
	while (call->reply.on_data(call->reply.context, 200, junk, sizeof(junk)) == 0)
		assert_true(++pushed < 1000);
	assert_int_equal(pushed, 64); /* CAP_OBJECT_BYTES */
	one->call = NULL;
	call->reply.on_done(call->reply.context, 200, 0, NULL);
	free_call(call);
	pass(rig, 5 * SECOND);
	assert_well(rig);
}

static void it_may_end_while_a_request_is_under_way(void **state)
{
	struct rig *rig = *state;

	for (int n = 0; n < 6; n++) {
		struct replica *one = start(rig, 0);

		tick(one);
		for (int i = 0; i < n && one->call; i++)
			answer(rig, one);
		stop(one); /* checks that nothing is left under way */
	}
}

/* ---- what others did to the Secret ---- */

static void set_entry(struct rig *rig, const char *key, const char *pem)
{
	cleanup_free char *base64 = pem ? pki_encode(pem) : NULL;
	json_t *data = json_object_get(rig->objects[OF_SECRET], "data");

	if (base64)
		json_object_set_new(data, key, json_string(base64));
	else
		json_object_del(data, key);
	stamp(rig, rig->objects[OF_SECRET]);
}

static void garbage_is_replaced(void **state)
{
	static const struct {
		const char *key, *text; /* text: the name of another entry, or itself; NULL: removed */
	} rows[] = {
		{ "ca.crt", NULL },    { "ca.crt", "hello" }, { "ca.crt", "tls.crt" }, { "ca.key", NULL },    { "ca.key", "tls.key" },
		{ "tls.crt", "ca.crt" }, { "tls.crt", "x" },	{ "tls.key", "ca.key" }, { "tls.key", NULL },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		cleanup_free char *other = NULL, *labels = NULL;

		start(rig, 0);
		pass(rig, SECOND);
		other = rows[i].text ? secret_pem(rig, rows[i].text) : NULL;
		set_entry(rig, rows[i].key, other ? other : rows[i].text);
		restart_log(rig);
		pass(rig, 40 * SECOND);
		assert_well(rig);
		assert_int_equal(said(rig, "stored certificates"), 1);
		assert_int_equal(said(rig, "because"), 1);
		labels = json_dumps(json_object_get(json_object_get(rig->objects[OF_SECRET], "metadata"), "labels"), 0);
		assert_string_equal(labels, "{\"app\": \"tollgate\"}");
		stop(&rig->replicas[0]);
	}
}

static void a_lost_ca_key_interrupts_nobody(void **state)
{
	struct rig *rig = *state;

	rig->trust_ms = 200 * SECOND;
	start(rig, 0);
	pass(rig, SECOND);
	set_entry(rig, "ca.key", NULL);
	pass(rig, HOUR);
	assert_well(rig);
	assert_int_equal(rig->n_bundles, 3); /* one, both, the other */
}

static void certificates_of_another_name_are_replaced(void **state)
{
	struct rig *rig = *state;
	struct replica *one;
	cleanup_free char *before = NULL;

	rig->config.service = "else";
	start(rig, 0);
	pass(rig, SECOND);
	before = secret_pem(rig, "ca.crt");
	stop(&rig->replicas[0]);
	rig->config.service = "tollgate";
	one = start(rig, 0);
	pass(rig, SECOND);
	assert_well(rig);
	assert_true(trusts(rig, before, one)); /* the CA is still good */
}

/* ---- the configurations ---- */

static void what_others_write_is_put_right(void **state)
{
	struct rig *rig = *state;

	start(rig, 0);
	start(rig, 1);
	pass(rig, SECOND);
	install(rig, OF_VALIDATING); /* applied again, without caBundle */
	pass(rig, 60 * SECOND);
	assert_well(rig);
	apply_patch(rig->objects[OF_MUTATING], "[{\"op\":\"add\",\"path\":\"/webhooks/0/clientConfig/caBundle\",\"value\":\"eA==\"}]");
	stamp(rig, rig->objects[OF_MUTATING]);
	pass(rig, 60 * SECOND);
	assert_well(rig);
}

static void missing_configurations_are_said_once_and_awaited(void **state)
{
	struct rig *rig = *state;
	struct replica *one;

	uninstall(rig, OF_MUTATING);
	uninstall(rig, OF_VALIDATING);
	one = start(rig, 0);
	pass(rig, HOUR);
	assert_non_null(one->chain);
	assert_true(certkeeper_stats(one->keeper).in_step);
	assert_int_equal(said(rig, "admission webhooks are not installed"), 2);
	assert_int_equal(said(rig, "WARN"), 0);
	assert_int_equal(rig->writes, 1);
	install(rig, OF_MUTATING);
	install(rig, OF_VALIDATING);
	pass(rig, 60 * SECOND);
	assert_well(rig);
}

/* Replica 1 has read an old bundle and is about to write it; meanwhile replica 0 writes a newer one. */
static void an_old_bundle_never_replaces_a_newer_one(void **state)
{
	struct rig *rig = *state;
	struct replica *late;
	cleanup_free char *newer = NULL;

	start(rig, 0);
	pass(rig, SECOND);
	install(rig, OF_MUTATING);
	late = start(rig, 1);
	tick(late);
	while (late->call && strcmp(late->call->method, "PATCH") != 0)
		answer(rig, late);
	assert_non_null(late->call);
	set_entry(rig, "ca.key", NULL); /* has replica 0 make another CA */
	rig->mono += 31 * SECOND;
	tick(&rig->replicas[0]);
	while (rig->replicas[0].call)
		answer(rig, &rig->replicas[0]);
	newer = bundle_of(rig, OF_MUTATING);
	answer(rig, late);
	cleanup_free char *after = bundle_of(rig, OF_MUTATING);
	assert_string_equal(after, newer);
	pass(rig, SECOND);
	assert_well(rig);
}

static void refused_configurations_do_not_keep_the_leaf_away(void **state)
{
	struct rig *rig = *state;
	struct replica *one = start(rig, 0);

	rig->fault = (struct fault){ .path = "webhookconfigurations", .status = 403, .times = 100000 };
	pass(rig, 600 * SECOND);
	assert_non_null(one->chain);
	assert_false(certkeeper_stats(one->keeper).in_step);
	assert_int_equal(said(rig, "not allowed to read and patch the webhook configuration"), 2);
	rig->fault.times = 0;
	pass(rig, 60 * SECOND);
	assert_well(rig);
}

static void no_new_ca_signs_while_the_bundle_cannot_be_written(void **state)
{
	struct rig *rig = *state;
	struct replica *one;
	struct certs certs;

	rig->config.leaf_lifetime_ms = 1200 * SECOND; /* waits 161 s */
	one = start(rig, 0);
	pass(rig, SECOND);
	pass(rig, 3200 * SECOND - 200 * SECOND); /* just before two thirds of the CA's life */
	cleanup_free char *bundle = bundle_of(rig, OF_MUTATING), *chain = memory_strdup(one->chain);
	rig->fault = (struct fault){ .method = "PATCH", .status = 403, .times = 100000 };
	certs = judge(bundle, one->chain, one->key);
	pass(rig, certs.leaf.until - rig->wall - 125 * SECOND);
	assert_string_equal(one->chain, chain);
	cleanup_free char *stored = secret_pem(rig, "ca.crt");
	assert_int_equal(judge(stored, one->chain, one->key).n_cas, 2);
	assert_int_equal(judge(stored, one->chain, one->key).leaf_ca, 1);
	/* A leaf that ends would help nobody either. */
	pass(rig, 40 * SECOND);
	assert_string_not_equal(one->chain, chain);
	rig->fault.times = 0;
	pass(rig, 60 * SECOND);
	assert_well(rig);
}

/* ---- one of several leads ---- */

static void only_the_leader_writes_and_all_serve(void **state)
{
	struct rig *rig = *state;

	rig->elected = true;
	rig->leader = -1; /* nobody is elected yet */
	for (int i = 0; i < REPLICAS_MAX; i++)
		start(rig, i);
	pass(rig, 60 * SECOND);
	assert_null(rig->replicas[0].chain);
	assert_int_equal(rig->writes, 0);
	assert_int_equal(said(rig, "WARN"), 0);
	rig->leader = 1;
	pass(rig, 3 * SECOND); /* nobody is ready before, so nobody waits for long */
	assert_well(rig);
	assert_int_equal(certkeeper_stats(rig->replicas[1].keeper).rotations, 1);
	install(rig, OF_MUTATING);
	rig->leader = -1;
	pass(rig, 60 * SECOND);
	assert_false(certkeeper_stats(rig->replicas[2].keeper).in_step);
	rig->leader = 2;
	tick(&rig->replicas[2]); /* it looks at once */
	pass(rig, SECOND);
	assert_true(certkeeper_stats(rig->replicas[2].keeper).in_step);
	pass(rig, 10 * SECOND);
	assert_well(rig);
}

/* ---- rotation ---- */

static void generations_pass_and_nobody_is_refused(void **state)
{
	static const int64_t lives[] = { 30 * SECOND, 600 * SECOND, 90 * DAY };
	struct rig *rig = *state;

	for (size_t turn = 0; turn < 2 * COUNT(lives); turn++) {
		const size_t life = turn / 2;
		const int64_t leaf_ms = lives[life], skip = leaf_ms == 90 * DAY ? 20 * DAY : 0;
		unsigned serves;

		for (int i = 0; i < OBJECTS; i++)
			install(rig, i);
		for (size_t i = 0; i < rig->n_bundles; i++)
			free(rig->bundles[i].pem);
		rig->n_bundles = rig->judged = 0;
		rig->config.leaf_lifetime_ms = leaf_ms;
		rig->trust_ms = leaf_ms / 12 < 300 * SECOND ? leaf_ms / 12 : 300 * SECOND;
		rig->elected = turn % 2;
		rig->leader = 0;
		for (int i = 0; i < REPLICAS_MAX; i++)
			start(rig, i);
		pass(rig, 10 * SECOND);
		/* Three CAs. Where a life is long, most of its quiet days are left out. */
		for (int64_t at = 0; at < leaf_ms * 8; at += skip ? skip : leaf_ms) {
			rig->mono += skip ? skip - HOUR : 0;
			rig->wall += skip ? skip - HOUR : 0;
			pass(rig, skip ? HOUR : leaf_ms);
			rig->leader = (rig->leader + 1) % REPLICAS_MAX;
		}
		assert_well(rig);
		assert_in_range(rig->n_bundles, 6, 8); /* 1, 21, 2, 32, 3, 43, ... */
		serves = rig->replicas[0].serves;
		assert_in_range(serves, 9, 17); /* twelve by age, and one with each new CA */
		for (int i = 0; i < REPLICAS_MAX; i++) {
			assert_in_range(rig->replicas[i].serves, serves - 1, serves + 1);
			stop(&rig->replicas[i]);
		}
	}
}

/* ---- outside the cluster ---- */

static const json_t *client_of(struct rig *rig, int which, size_t i)
{
	return json_object_get(json_array_get(json_object_get(rig->objects[which], "webhooks"), i), "clientConfig");
}

static void assert_url(struct rig *rig, int which, size_t i, const char *url)
{
	const json_t *client = client_of(rig, which, i);

	assert_string_equal(json_string_value(json_object_get(client, "url")), url);
	assert_int_equal(json_object_size(client), 2);
}

static void a_url_takes_the_services_place(void **state)
{
	static const struct {
		const char *url, *host, *mutate, *validate, *bare;
	} rows[] = {
		{ "https://127.0.0.1:9443", "127.0.0.1", "https://127.0.0.1:9443/mutate", "https://127.0.0.1:9443/validate",
		  "https://127.0.0.1:9443" },
		{ "https://[fd00::1]:9443/pre/fix/", "fd00::1", "https://[fd00::1]:9443/pre/fix/mutate", "https://[fd00::1]:9443/pre/fix/validate",
		  "https://[fd00::1]:9443/pre/fix" },
		{ "https://hooks.example.com", "hooks.example.com", "https://hooks.example.com/mutate", "https://hooks.example.com/validate",
		  "https://hooks.example.com" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct replica *one;
		unsigned writes;

		for (int which = 0; which < OBJECTS; which++)
			install(rig, which);
		rig->config.url = rows[i].url;
		one = start(rig, 0);
		pass(rig, SECOND);
		writes = rig->writes;
		pass(rig, 600 * SECOND);
		assert_int_equal(rig->writes, writes);
		assert_well(rig);
		assert_url(rig, OF_MUTATING, 0, rows[i].mutate);
		assert_url(rig, OF_VALIDATING, 0, rows[i].validate);
		assert_url(rig, OF_VALIDATING, 1, rows[i].bare);
		cleanup_free char *bundle = bundle_of(rig, OF_MUTATING);
		struct pki_store store = { .pem = { bundle, NULL, one->chain, one->key } };
		struct certs certs;
		struct error err;
		pki_read(&store, &(struct pki_names){ .names = { rows[i].host, "tollgate.tollgate-system.svc.cluster.local", "tollgate" }, .n = 3 },
			 &certs, &err);
		assert_true(certs.leaf_named);
		stop(one);
	}
	/* Another port, the same paths. */
	rig->config.url = "https://hooks.example.com:1";
	start(rig, 0);
	pass(rig, SECOND);
	assert_url(rig, OF_MUTATING, 0, "https://hooks.example.com:1/mutate");
}

static void what_is_no_url_is_refused(void **state)
{
	static const char *const urls[] = { "",			 "http://a",	  "https://",	    "https:///x",	"https://a?x",
					    "https://a/b#c",	 "https://u@a",	  "https://[x]",    "https://[::1",	"https://a b",
					    "https://a:9443x/y", "https://a/\xc3", "https://a\\b/c", "https://[]/mutate" };
	struct rig *rig = *state;
	struct error err;

	for (size_t i = 0; i < COUNT(urls); i++) {
		rig->config.url = urls[i];
		if (try(rig, &rig->replicas[0], &err))
			fail_msg("\"%s\" is taken for a URL", urls[i]);
		assert_int_equal(err.class, ERROR_INVALID);
	}
}

/* ---- the folder ---- */

static void put_file(struct rig *rig, const char *name, const char *text)
{
	cleanup_free char *path = memory_printf("%s/%s", rig->folder, name), *fresh = memory_printf("%s.new", path);
	FILE *file = fopen(fresh, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(fresh, path), 0);
}

static struct pki_store make_pair(instant_t at)
{
	const struct pki_names names = { .names = { "tollgate.tollgate-system.svc" }, .n = 1 };
	const struct certs_times times = certs_times_of(DAY);
	const struct certs_step step = { .new_ca = true, .new_leaf = true };
	struct pki_store store = { 0 };
	struct certs certs = { .leaf_ca = -1 };
	struct error err;

	assert_int_equal(pki_carry_out(&store, &certs, &step, &times, &names, at, &err), 0);
	return store;
}

static void put_pair(struct rig *rig, const struct pki_store *pair)
{
	put_file(rig, "tls.crt", pair->pem[PKI_TLS_CRT]);
	put_file(rig, "tls.key", pair->pem[PKI_TLS_KEY]);
}

static void a_folder_is_followed_and_nothing_written(void **state)
{
	struct rig *rig = *state;
	struct pki_store first = make_pair(NOW), second = make_pair(NOW);
	struct replica *one;

	put_pair(rig, &first);
	rig->config.dir = rig->folder;
	one = start(rig, 0);
	pass(rig, SECOND);
	assert_string_equal(one->chain, first.pem[PKI_TLS_CRT]);
	assert_true(certkeeper_stats(one->keeper).in_step);
	assert_true(certkeeper_stats(one->keeper).expires > NOW + DAY / 2);
	pass(rig, 60 * SECOND);
	assert_int_equal(one->serves, 1);
	put_pair(rig, &second);
	pass(rig, 10 * SECOND);
	assert_string_equal(one->chain, second.pem[PKI_TLS_CRT]);
	assert_string_equal(one->key, second.pem[PKI_TLS_KEY]);
	assert_int_equal(one->serves, 2);
	assert_int_equal(certkeeper_stats(one->keeper).rotations, 1);
	assert_int_equal(rig->reads + rig->writes, 0);
	pki_store_close(&first);
	pki_store_close(&second);
}

static void what_is_bad_in_the_folder_changes_nothing(void **state)
{
	struct rig *rig = *state;
	struct pki_store good = make_pair(NOW), other = make_pair(NOW), old = make_pair(NOW - 2 * DAY);
	cleanup_free char *half = memory_strndup(other.pem[PKI_TLS_CRT], strlen(other.pem[PKI_TLS_CRT]) / 2);
	const struct {
		const char *name, *crt, *key, *why;
	} rows[] = {
		{ "half a certificate", half, other.pem[PKI_TLS_KEY], "tls.crt" },
		{ "nothing", "", "", "tls.crt" },
		{ "a certificate without its key", other.pem[PKI_TLS_CRT], good.pem[PKI_TLS_KEY], "is not the key of" },
		{ "an expired pair", old.pem[PKI_TLS_CRT], old.pem[PKI_TLS_KEY], "expired at" },
	};
	struct replica *one;

	put_pair(rig, &good);
	rig->config.dir = rig->folder;
	one = start(rig, 0);
	pass(rig, SECOND);
	for (size_t i = 0; i < COUNT(rows); i++) {
		restart_log(rig);
		put_file(rig, "tls.crt", rows[i].crt);
		put_file(rig, "tls.key", rows[i].key);
		pass(rig, 60 * SECOND);
		if (one->serves != 1 || said(rig, rows[i].why) != 1 || said(rig, "WARN") != 1)
			fail_msg("%s: served %u times, said %u times", rows[i].name, one->serves, said(rig, "WARN"));
		put_pair(rig, &good);
		pass(rig, 10 * SECOND);
		assert_int_equal(said(rig, "can be used again"), 1);
	}
	put_pair(rig, &other);
	pass(rig, 10 * SECOND);
	assert_string_equal(one->chain, other.pem[PKI_TLS_CRT]);
	pki_store_close(&good);
	pki_store_close(&other);
	pki_store_close(&old);
}

static void a_start_needs_a_folder_that_can_be_used(void **state)
{
	struct rig *rig = *state;
	struct pki_store early = make_pair(NOW + DAY);
	struct error err;

	rig->config.dir = rig->folder;
	assert_false(try(rig, &rig->replicas[0], &err));
	assert_int_equal(err.class, ERROR_INVALID);
	assert_non_null(strstr(err.message, "tls.crt: No such file"));
	put_pair(rig, &early);
	assert_false(try(rig, &rig->replicas[0], &err));
	assert_non_null(strstr(err.message, "not valid before"));
	pki_store_close(&early);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(secret_then_leaf_then_bundle),
		TEST(no_certificate_is_served_that_is_not_stored),
		TEST(nothing_but_ours_is_changed),
		TEST(a_quiet_hour_writes_nothing),
		TEST(replicas_that_start_at_once_agree),
		TEST(the_secrets_certificate_is_taken_as_it_is),
		TEST(any_request_may_fail_in_any_way),
		TEST(a_failed_read_replaces_nothing),
		TEST(a_missing_secret_is_created),
		TEST(a_missing_secret_that_may_not_be_created_is_waited_for),
		TEST(waits_double_and_the_server_may_ask_for_more),
		TEST(a_server_that_does_not_answer_is_said_once),
		TEST(an_answer_without_end_is_cut_off),
		TEST(it_may_end_while_a_request_is_under_way),
		TEST(garbage_is_replaced),
		TEST(a_lost_ca_key_interrupts_nobody),
		TEST(certificates_of_another_name_are_replaced),
		TEST(what_others_write_is_put_right),
		TEST(missing_configurations_are_said_once_and_awaited),
		TEST(an_old_bundle_never_replaces_a_newer_one),
		TEST(refused_configurations_do_not_keep_the_leaf_away),
		TEST(no_new_ca_signs_while_the_bundle_cannot_be_written),
		TEST(only_the_leader_writes_and_all_serve),
		TEST(generations_pass_and_nobody_is_refused),
		TEST(a_url_takes_the_services_place),
		TEST(what_is_no_url_is_refused),
		TEST(a_folder_is_followed_and_nothing_written),
		TEST(what_is_bad_in_the_folder_changes_nothing),
		TEST(a_start_needs_a_folder_that_can_be_used),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
