/*
 * Owns: the round of requests in which certificates and configurations are looked at and put right, and the folder in its place.
 * Must not know: when a certificate is due (certs.c), how it is made (pki.c), JSON, the server that serves it.
 *
 *   read both configurations → read the Secret ─→ nothing to do ───────────────────→ patch what differs → rest
 *                                 ↑            └→ make certificates → write ───────┘        │
 *                                 └─────────────── another replica was first ──────┘        └ changed meanwhile: another round
 *
 * Invariants: one request at a time. The configurations are read before the Secret and patched on that version: a replica that has read an
 * old bundle then can't overwrite a newer one, as whoever wrote the newer one changed the version since. A failed read replaces nothing.
 */
#include "certkeeper.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caps.h"
#include "codec.h"
#include "memory.h"
#include "pki.h"
#include "secret.h"
#include "textfile.h"
#include "webhookconfig.h"

enum {
	ROUND_MS = 10 * 1000,    /* for so long nothing of ours can be written after somebody has reset caBundle */
	ROUNDS_AN_OVERLAP = 4,
	FOLDER_MS = 5 * 1000,
	TIMEOUT_MS = 10 * 1000,
	BACKOFF_FIRST_MS = 500,
	WAITING_MS = 1000,       /* for the leader to make the first certificate: nobody is ready before */
	RACES_MAX = 4,           /* lost in a row; then it is no race */
	LEAF_LAST_PART = 10,     /* of its life: then a bundle that can't be written holds up nothing any more */
	BODY_FIRST_BYTES = 8192,
	BASE64_MAX = PKI_PEM_MAX / 3 * 4,
};

/* What the answer that is awaited is about, in the order of a round. */
enum stage { RESTING, READING_MUTATING, READING_VALIDATING, READING_SECRET, WRITING_SECRET, PATCHING_MUTATING, PATCHING_VALIDATING };

/* What goes wrong is said when it has done so twice in a row (a server that starts up refuses for a moment), and then once. */
struct trouble {
	unsigned failures;
	char said[ERROR_MESSAGE_MAX];
};

struct configuration {
	const char *plural;
	char *text; /* as read in this round; NULL = it is not there, or could not be read */
	size_t len;
	bool right; /* holds the bundle, or is not there */
	bool absent_said;
	struct trouble trouble;
};

enum { MUTATING, VALIDATING, CONFIGURATIONS };

struct certkeeper {
	struct certkeeper_config config;
	certkeeper_serve *serve;
	void *context;
	struct certs_times times;
	struct pki_names names;
	char *made_names[PKI_NAMES_MAX];
	char *url; /* without slashes at its end */

	/* The round under way. */
	enum stage stage;
	struct call *call;
	char *body; /* of the answer */
	size_t body_len, body_size;
	bool body_too_long;
	struct configuration configurations[CONFIGURATIONS];
	char *secret_text; /* as read; NULL = there is none */
	size_t secret_len;
	struct pki_store store;
	struct certs_step step; /* what the Secret that is being written carries out */
	struct error unusable;  /* why what was there is replaced */
	instant_t next;         /* when the certificates want to be looked at again */
	bool failed;
	int retry_after_ms;

	/* From round to round. */
	int64_t due_at; /* monotonic */
	int64_t backoff_ms;
	unsigned races;
	bool led; /* when it last looked */
	char *bundle; /* base64: what the configurations must hold; NULL = not known */
	bool in_step;
	int64_t in_step_since; /* monotonic: that bundle, seen there by us */
	char *served_chain, *served_key;
	struct trouble trouble; /* with Secret or folder */
	struct certkeeper_stats stats;
};

static int64_t mono(const struct certkeeper *k)
{
	return k->config.port->monotonic_ms(k->config.port->self);
}

static instant_t wall(const struct certkeeper *k)
{
	return k->config.port->now(k->config.port->self);
}

static void forget(char **text, size_t len)
{
	if (*text)
		explicit_bzero(*text, len);
	free(*text);
	*text = NULL;
}

static bool leads(const struct certkeeper *k)
{
	return !k->config.leads || k->config.leads(k->config.leads_context);
}

/* ---- what people are told ---- */

/* Two troubles are the same when `words` are: what the server says about them may name a version or a time. */
static void say_trouble(struct certkeeper *k, struct trouble *trouble, const char *words, const char *name, const struct error *err)
{
	if (++trouble->failures < 2 || strcmp(trouble->said, words) == 0)
		return;
	snprintf(trouble->said, sizeof(trouble->said), "%s", words);
	log_warn(k->config.log, words, "name", name, "error", err ? err->message : NULL);
}

static void say_well(struct certkeeper *k, struct trouble *trouble, const char *words, const char *name)
{
	if (trouble->said[0])
		log_info(k->config.log, words, "name", name);
	*trouble = (struct trouble){ 0 };
}

static void note_failure(struct certkeeper *k, const struct error *err)
{
	k->failed = true;
	if (err->retry_after_ms > k->retry_after_ms)
		k->retry_after_ms = err->retry_after_ms;
}

static void secret_failed(struct certkeeper *k, const struct error *err)
{
	note_failure(k, err);
	say_trouble(k, &k->trouble,
		    err->class == ERROR_FORBIDDEN && !k->secret_text && k->stage == WRITING_SECRET ?
			    "waiting: the Secret of the webhook's certificates is missing, and this account may not create it; apply deploy/base" :
		    err->class == ERROR_FORBIDDEN ?
			    "waiting: not allowed to read and write the Secret of the webhook's certificates; apply deploy/base" :
			    "the Secret of the webhook's certificates cannot be read or written; trying again with back-off",
		    k->config.secret, err);
}

static void secret_well(struct certkeeper *k)
{
	say_well(k, &k->trouble, "the Secret of the webhook's certificates is read and written again", k->config.secret);
}

static void configuration_failed(struct certkeeper *k, struct configuration *c, const struct error *err)
{
	note_failure(k, err);
	c->right = false;
	if (err->class == ERROR_RETRY && !err->code)
		return; /* a server that does not answer is said once, of the Secret */
	say_trouble(k, &c->trouble,
		    err->class == ERROR_FORBIDDEN ?
			    "not allowed to read and patch the webhook configuration, whose caBundle may be wrong; apply deploy/base" :
			    "caBundle of the webhook configuration cannot be kept; trying again with back-off",
		    c->plural, err);
}

/* ---- what is served ---- */

static void serve_pair(struct certkeeper *k, const char *chain, const char *key, instant_t expires)
{
	k->stats.expires = expires;
	if (k->served_chain && strcmp(k->served_chain, chain) == 0 && strcmp(k->served_key, key) == 0)
		return;
	free(k->served_chain);
	pki_forget(k->served_key);
	k->served_chain = memory_strdup(chain);
	k->served_key = memory_strdup(key);
	k->serve(k->context, k->served_chain, k->served_key);
}

/* ---- requests ---- */

static int on_data(void *context, int status, const char *data, size_t len)
{
	struct certkeeper *k = context;

	(void)status;
	if (len > CAP_OBJECT_BYTES - k->body_len) {
		k->body_too_long = true;
		return -1;
	}
	if (k->body_len + len > k->body_size) { /* not realloc, which would leave a copy of a key behind */
		char *old = k->body;
		size_t size = 2 * (k->body_len + len) + BODY_FIRST_BYTES;

		k->body = memory_alloc(size);
		if (old)
			memcpy(k->body, old, k->body_len);
		forget(&old, k->body_len);
		k->body_size = size;
	}
	memcpy(k->body + k->body_len, data, len);
	k->body_len += len;
	return 0;
}

static char *take_body(struct certkeeper *k, size_t *len)
{
	char *text = k->body ? k->body : memory_strdup("");

	*len = k->body_len;
	k->body = NULL;
	k->body_len = k->body_size = 0;
	return text;
}

static void drop_body(struct certkeeper *k)
{
	forget(&k->body, k->body_len);
	k->body_len = k->body_size = 0;
	k->body_too_long = false;
}

static void on_done(void *context, int status, int retry_after_ms, const struct error *transport);

static void ask(struct certkeeper *k, enum stage stage, const char *method, const char *path, const char *content_type, const char *body)
{
	const struct reply reply = { .context = k, .on_data = on_data, .on_done = on_done };
	const struct request request = { .method = method, .path = path, .content_type = content_type, .body = body,
					 .body_len = body ? strlen(body) : 0, .timeout_ms = TIMEOUT_MS };

	drop_body(k);
	k->stage = stage;
	k->call = k->config.port->send(k->config.port->self, &request, &reply);
}

static void ask_configuration(struct certkeeper *k, enum stage stage, const struct configuration *c, const char *patch)
{
	cleanup_free char *path = memory_printf("/apis/admissionregistration.k8s.io/v1/%s/%s", c->plural, k->config.webhooks);

	ask(k, stage, patch ? "PATCH" : "GET", path, patch ? "application/json-patch+json" : NULL, patch);
}

static void ask_secret(struct certkeeper *k, enum stage stage, const char *method, const char *body)
{
	const bool create = strcmp(method, "POST") == 0;
	cleanup_free char *path = memory_printf("/api/v1/namespaces/%s/secrets%s%s", k->config.ns, create ? "" : "/", create ? "" : k->config.secret);

	ask(k, stage, method, path, body ? "application/json" : NULL, body);
}

/* Which configuration the request under way is about. */
static size_t place_of(enum stage stage)
{
	return stage == READING_MUTATING || stage == PATCHING_MUTATING ? MUTATING : VALIDATING;
}

/* ---- the round ---- */

static void forget_secret(struct certkeeper *k)
{
	forget(&k->secret_text, k->secret_len);
	k->secret_len = 0;
	pki_store_close(&k->store);
}

static void drop_configurations(struct certkeeper *k)
{
	for (size_t i = 0; i < CONFIGURATIONS; i++) {
		free(k->configurations[i].text);
		k->configurations[i].text = NULL;
	}
}

static void read_secret(struct certkeeper *k)
{
	forget_secret(k);
	ask_secret(k, READING_SECRET, "GET", NULL);
}

static void begin_round(struct certkeeper *k)
{
	drop_configurations(k);
	k->failed = false;
	k->retry_after_ms = 0;
	k->next = INT64_MAX;
	ask_configuration(k, READING_MUTATING, &k->configurations[MUTATING], NULL);
}

static void note_step(struct certkeeper *k)
{
	const bool was = k->in_step;

	k->in_step = k->bundle != NULL;
	for (size_t i = 0; i < CONFIGURATIONS; i++)
		k->in_step &= k->configurations[i].right;
	if (k->in_step && !was)
		k->in_step_since = mono(k);
}

static int64_t pause_of(struct certkeeper *k)
{
	const int64_t steady = k->times.overlap_ms / ROUNDS_AN_OVERLAP < ROUND_MS ? k->times.overlap_ms / ROUNDS_AN_OVERLAP : ROUND_MS;
	const int64_t until_next = k->next - wall(k);

	if (k->failed) {
		k->backoff_ms = k->backoff_ms ? k->backoff_ms * 2 : BACKOFF_FIRST_MS;
		if (k->backoff_ms > steady)
			k->backoff_ms = steady;
		return k->backoff_ms > k->retry_after_ms ? k->backoff_ms : k->retry_after_ms;
	}
	k->backoff_ms = 0;
	if (!k->served_chain && !leads(k))
		return WAITING_MS;
	return until_next > 0 && until_next < steady ? until_next : steady;
}

static void end_round(struct certkeeper *k)
{
	note_step(k);
	if (!k->failed)
		k->races = 0;
	drop_configurations(k);
	forget_secret(k);
	drop_body(k);
	k->stage = RESTING;
	k->due_at = mono(k) + pause_of(k);
}

/* What we read was no longer so when we wrote. Somebody else has written: look at once, but not for ever. */
static void lost_race(struct certkeeper *k, const struct error *err, void (*again)(struct certkeeper *),
		      void (*give_up)(struct certkeeper *, const struct error *))
{
	if (k->races++ < RACES_MAX) {
		again(k);
		return;
	}
	k->races = 0;
	give_up(k, err);
}

/* ---- the configurations ---- */

static void patch_from(struct certkeeper *k, size_t i)
{
	for (; i < CONFIGURATIONS; i++) {
		struct configuration *c = &k->configurations[i];
		cleanup_free char *patch = NULL;
		struct error err = { 0 };

		if (!c->text || !k->bundle)
			continue;
		if (webhookconfig_patch(c->text, c->len, k->bundle, k->url, &patch, &err) < 0) {
			configuration_failed(k, c, &err);
		} else if (patch && !leads(k)) {
			c->right = false;
		} else if (patch) {
			c->right = k->in_step = false;
			ask_configuration(k, i == MUTATING ? PATCHING_MUTATING : PATCHING_VALIDATING, c, patch);
			return;
		} else {
			c->right = true;
			say_well(k, &c->trouble, "caBundle of the webhook configuration is kept again", c->plural);
		}
	}
	end_round(k);
}

static void configuration_read(struct certkeeper *k, size_t i, const struct error *err)
{
	struct configuration *c = &k->configurations[i];

	if (!err->class) {
		c->text = take_body(k, &c->len);
		c->absent_said = false;
	} else if (err->class == ERROR_NOT_FOUND) {
		c->right = true; /* nobody is told to ask us, so nobody can be told wrongly */
		if (!c->absent_said)
			log_info(k->config.log, "admission webhooks are not installed", "resource", c->plural, "name", k->config.webhooks);
		c->absent_said = true;
		c->trouble = (struct trouble){ 0 };
	} else {
		configuration_failed(k, c, err);
	}
	if (i + 1 < CONFIGURATIONS)
		ask_configuration(k, READING_VALIDATING, &k->configurations[i + 1], NULL);
	else
		read_secret(k);
}

static void patch_refused(struct certkeeper *k, const struct error *err)
{
	const size_t i = place_of(k->stage);

	configuration_failed(k, &k->configurations[i], err);
	patch_from(k, i + 1);
}

static void configuration_patched(struct certkeeper *k, size_t i, const struct error *err)
{
	struct configuration *c = &k->configurations[i];

	/* A JSON Patch whose tests fail is a 422. */
	if (err->class == ERROR_CONFLICT || err->class == ERROR_NOT_FOUND || err->code == 422) {
		lost_race(k, err, begin_round, patch_refused);
	} else if (err->class) {
		patch_refused(k, err);
	} else {
		c->right = true;
		c->trouble = (struct trouble){ 0 };
		log_info(k->config.log, "wrote caBundle into the webhook configuration", "resource", c->plural, "name", k->config.webhooks);
		patch_from(k, i + 1);
	}
}

/* ---- the Secret ---- */

/* What the Secret holds now is true: serve its leaf, if that is one, and want its bundle everywhere. */
static void adopt(struct certkeeper *k, const struct certs *certs)
{
	if (certs->n_cas) {
		char *bundle = pki_encode(k->store.pem[PKI_CA_CRT]);

		if (!k->bundle || strcmp(k->bundle, bundle) != 0)
			k->in_step = false;
		free(k->bundle);
		k->bundle = bundle;
	}
	if (certs_leaf_usable(certs, &k->times, wall(k)))
		serve_pair(k, k->store.pem[PKI_TLS_CRT], k->store.pem[PKI_TLS_KEY], certs->leaf.until);
}

/* A leaf of a new CA is refused by whoever asks us on the word of a configuration that does not have that CA yet. As long as the present leaf
 * lives, it waits until the bundle has been in the configurations for as long as the decision itself waits. */
static bool held_back(const struct certkeeper *k, const struct certs *certs, const struct certs_step *step)
{
	const instant_t now = wall(k);

	if (!step->new_leaf || step->new_ca || certs->leaf_ca <= 0 || !certs_leaf_usable(certs, &k->times, now))
		return false;
	if (certs->leaf.until - now < (certs->leaf.until - certs->leaf.from) / LEAF_LAST_PART)
		return false;
	return !k->in_step || mono(k) - k->in_step_since < k->times.wait_ms;
}

static void write_secret(struct certkeeper *k)
{
	char *values[PKI_PARTS], *body;
	struct error err = { 0 };

	for (size_t i = 0; i < PKI_PARTS; i++)
		values[i] = pki_encode(k->store.pem[i]);
	body = k->secret_text ? secret_replacement(k->secret_text, k->secret_len, pki_part_names, PKI_PARTS, values, &err) :
				secret_body(k->config.ns, k->config.secret, pki_part_names, PKI_PARTS, values);
	assert(body); /* the text was read before */
	ask_secret(k, WRITING_SECRET, k->secret_text ? "PUT" : "POST", body);
	pki_forget(body);
	for (size_t i = 0; i < PKI_PARTS; i++)
		pki_forget(values[i]);
}

/* The Secret has been read, or there is none. */
static void look_at_secret(struct certkeeper *k)
{
	struct error err = { 0 };
	struct certs certs;

	pki_read(&k->store, &k->names, &certs, &k->unusable);
	adopt(k, &certs);
	k->step = certs_decide(&certs, &k->times, wall(k));
	k->next = k->step.next;
	if (!certs_step_any(&k->step) || held_back(k, &certs, &k->step) || !leads(k)) {
		secret_well(k);
		patch_from(k, 0);
	} else if (pki_carry_out(&k->store, &certs, &k->step, &k->times, &k->names, wall(k), &err) < 0) {
		secret_failed(k, &err);
		patch_from(k, 0);
	} else {
		write_secret(k);
	}
}

static void decode_store(struct certkeeper *k, const char *const values[])
{
	for (size_t i = 0; i < PKI_PARTS; i++)
		k->store.pem[i] = values[i] ? pki_decode(values[i]) : NULL;
}

static void secret_read(struct certkeeper *k, const struct error *err)
{
	char *values[PKI_PARTS] = { 0 };
	struct error unreadable = { 0 };

	k->stats.reads++;
	if (err->class && err->class != ERROR_NOT_FOUND) {
		k->stats.read_errors++;
		secret_failed(k, err);
		end_round(k);
		return;
	}
	if (!err->class) {
		k->secret_text = take_body(k, &k->secret_len);
		if (secret_decode(k->secret_text, k->secret_len, pki_part_names, PKI_PARTS, BASE64_MAX, values, &unreadable) < 0) {
			k->stats.read_errors++;
			secret_failed(k, &unreadable);
			end_round(k);
			return;
		}
		decode_store(k, (const char *const *)values);
	}
	for (size_t i = 0; i < PKI_PARTS; i++)
		pki_forget(values[i]);
	look_at_secret(k);
}

static void write_refused(struct certkeeper *k, const struct error *err)
{
	secret_failed(k, err);
	patch_from(k, 0); /* what was read still holds */
}

static void tell_renewal(struct certkeeper *k, const char *what, const char *expires)
{
	char *uid = k->config.recorder && k->secret_text ? secret_uid(k->secret_text, k->secret_len) : NULL;
	cleanup_free char *note = memory_printf("New %s for the admission webhook, valid until %s", what, expires);
	const struct regarding regarding = { .api_version = "v1", .kind = "Secret", .ns = k->config.ns, .name = k->config.secret, .uid = uid };
	const struct event event = { .reason = "CertificateRenewed", .action = "Renew", .note = note };

	if (uid)
		recorder_add(k->config.recorder, &regarding, &event);
	free(uid);
}

static void secret_written(struct certkeeper *k, const struct error *err)
{
	char text[INSTANT_TEXT_SIZE];
	const char *what;
	struct certs certs;
	struct error unusable;

	/* Created, written or deleted by somebody else meanwhile; a namespace that is missing is not, and ends with the races. */
	if (err->class == ERROR_CONFLICT || err->class == ERROR_NOT_FOUND) {
		lost_race(k, err, read_secret, write_refused);
		return;
	}
	if (err->class) {
		write_refused(k, err);
		return;
	}
	secret_well(k);
	pki_read(&k->store, &k->names, &certs, &unusable);
	adopt(k, &certs);
	k->next = certs_decide(&certs, &k->times, wall(k)).next;
	k->stats.rotations += k->step.new_leaf;
	what = !k->step.new_ca ? k->step.new_leaf ? "certificate" : NULL : k->step.new_leaf ? "CA and certificate" : "CA";
	log_info(k->config.log, "stored certificates for the admission webhook", "secret", k->config.secret, "new", what, "expires",
		 instant_format(certs.leaf.until, text), "because", k->unusable.class ? k->unusable.message : NULL);
	if (what)
		tell_renewal(k, what, text);
	patch_from(k, 0);
}

static void on_done(void *context, int status, int retry_after_ms, const struct error *transport)
{
	struct certkeeper *k = context;
	struct error err = { 0 };

	k->call = NULL;
	if (k->body_too_long)
		error_set(&err, ERROR_INVALID, "the answer is longer than %d bytes", CAP_OBJECT_BYTES);
	else if (transport)
		err = *transport;
	else if (status < 200 || status > 299)
		status_error(status, k->body ? k->body : "", k->body_len, retry_after_ms, &err);
	switch (k->stage) {
	case RESTING:
		break;
	case READING_MUTATING:
	case READING_VALIDATING:
		configuration_read(k, place_of(k->stage), &err);
		break;
	case READING_SECRET:
		secret_read(k, &err);
		break;
	case WRITING_SECRET:
		secret_written(k, &err);
		break;
	case PATCHING_MUTATING:
	case PATCHING_VALIDATING:
		configuration_patched(k, place_of(k->stage), &err);
		break;
	}
}

/* ---- the folder ---- */

static char *read_file(const char *dir, const char *name, struct error *err)
{
	cleanup_free char *path = memory_printf("%s/%s", dir, name);

	return textfile_read(path, PKI_PEM_MAX, err);
}

/* -1 with ERROR_INVALID: nothing that can be served, now. */
static int read_folder(struct certkeeper *k, char **chain, char **key, struct cert_span *span, struct error *err)
{
	char text[INSTANT_TEXT_SIZE];
	const instant_t now = wall(k);

	*chain = read_file(k->config.dir, pki_part_names[PKI_TLS_CRT], err);
	*key = *chain ? read_file(k->config.dir, pki_part_names[PKI_TLS_KEY], err) : NULL;
	if (!*key)
		return -1;
	if (pki_check_pair(*chain, *key, span, err) < 0)
		return error_wrap(err, "%s", k->config.dir);
	if (now >= span->until)
		return error_set(err, ERROR_INVALID, "%s: tls.crt: expired at %s", k->config.dir, instant_format(span->until, text));
	if (now < span->from)
		return error_set(err, ERROR_INVALID, "%s: tls.crt: not valid before %s", k->config.dir, instant_format(span->from, text));
	return 0;
}

static void look_into_folder(struct certkeeper *k)
{
	char *chain = NULL, *key = NULL;
	struct cert_span span;
	struct error err = { 0 };

	k->stats.reads++;
	if (read_folder(k, &chain, &key, &span, &err) < 0) {
		k->stats.read_errors++;
		say_trouble(k, &k->trouble, "the certificate in the folder cannot be used; going on with the one before", k->config.dir, &err);
	} else {
		say_well(k, &k->trouble, "the certificate in the folder can be used again", k->config.dir);
		k->stats.rotations += k->served_chain && strcmp(k->served_chain, chain) != 0;
		serve_pair(k, chain, key, span.until);
	}
	free(chain);
	pki_forget(key);
	k->due_at = mono(k) + FOLDER_MS;
}

static int try_folder(struct certkeeper *k, struct error *err)
{
	char *chain = NULL, *key = NULL;
	struct cert_span span;
	int result = read_folder(k, &chain, &key, &span, err);

	free(chain);
	pki_forget(key);
	return result;
}

/* ---- beginning and end ---- */

static void add_name(struct certkeeper *k, char *name)
{
	k->made_names[k->names.n] = name;
	k->names.names[k->names.n++] = name;
}

/* "https://host[:port][/path]"; the host, without the brackets of an IPv6 address, or NULL. malloc'ed. */
static char *host_of(const char *url)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.";
	const char *host = strncmp(url, "https://", 8) == 0 ? url + 8 : "", *after;
	const bool bracket = *host == '[';
	size_t len = bracket ? strcspn(++host, "]") : strspn(host, letters);
	cleanup_free char *name = memory_strndup(host, len);
	unsigned char address[16];

	after = host + len + (bracket && host[len] == ']');
	if (*after == ':')
		after += 1 + strspn(after + 1, "0123456789");
	if (!len || (bracket && (host[len] != ']' || inet_pton(AF_INET6, name, address) != 1)) || (*after && *after != '/'))
		return NULL;
	for (; *after; after++)
		if (*after <= ' ' || *after > '~' || strchr("?#@\\", *after))
			return NULL;
	return memory_strdup(name);
}

static int take_url(struct certkeeper *k, const char *url, struct error *err)
{
	size_t len = strlen(url);
	char *host = host_of(url);

	if (!host)
		return error_set(err, ERROR_INVALID, "\"%s\" is not https://host:port/path, without user, query and fragment", url);
	add_name(k, host);
	while (url[len - 1] == '/')
		len--;
	k->url = memory_strndup(url, len);
	return 0;
}

struct certkeeper *certkeeper_new(const struct certkeeper_config *config, certkeeper_serve *serve, void *context, struct error *err)
{
	struct certkeeper *k = memory_alloc(sizeof(*k));

	*k = (struct certkeeper){ .config = *config, .serve = serve, .context = context, .times = certs_times_of(config->leaf_lifetime_ms),
				  .configurations = { { .plural = "mutatingwebhookconfigurations" }, { .plural = "validatingwebhookconfigurations" } } };
	k->due_at = mono(k);
	add_name(k, memory_printf("%s.%s.svc", config->service, config->ns));
	add_name(k, memory_printf("%s.%s.svc.cluster.local", config->service, config->ns));
	add_name(k, memory_printf("%s.%s", config->service, config->ns));
	add_name(k, memory_strdup(config->service));
	if ((config->url && take_url(k, config->url, err) < 0) || (config->dir && try_folder(k, err) < 0)) {
		certkeeper_free(k);
		return NULL;
	}
	return k;
}

void certkeeper_free(struct certkeeper *k)
{
	if (!k)
		return;
	if (k->call)
		k->config.port->cancel(k->config.port->self, k->call);
	drop_body(k);
	drop_configurations(k);
	forget_secret(k);
	for (size_t i = 0; i < k->names.n; i++)
		free(k->made_names[i]);
	free(k->url);
	free(k->bundle);
	free(k->served_chain);
	pki_forget(k->served_key);
	free(k);
}

int64_t certkeeper_tick(struct certkeeper *k)
{
	const bool led = k->led;

	k->led = leads(k);
	if (k->led && !led)
		k->due_at = mono(k); /* what was left to the leader before is ours now */
	if (!k->call && mono(k) >= k->due_at) {
		if (k->config.dir)
			look_into_folder(k);
		else
			begin_round(k);
	}
	if (k->call) /* its end is what is waited for */
		return TIMEOUT_MS;
	const int64_t wait = k->due_at - mono(k);
	return wait > 0 ? wait : 0;
}

bool certkeeper_is_writing(const struct certkeeper *k)
{
	return k->call && (k->stage == WRITING_SECRET || k->stage == PATCHING_MUTATING || k->stage == PATCHING_VALIDATING);
}

struct certkeeper_stats certkeeper_stats(const struct certkeeper *k)
{
	struct certkeeper_stats stats = k->stats;

	stats.in_step = k->config.dir || k->in_step;
	return stats;
}
