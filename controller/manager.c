/*
 * Owns: the runtime's parts and their wiring, the state of the server as people are told it, and when deciding may begin.
 * Must not know: kinds by name, curl, libuv.
 * Invariant: nothing is decided before every kind has been listed once (an object not seen yet is not an object that is missing), nor by
 * a replica that does not lead. One that does not keeps no list of what it might decide: when it comes to lead, it looks at everything.
 */
#include "manager.h"

#include <stdio.h>
#include <string.h>

enum {
	DRAIN_BUDGET_MS = 5,             /* then the loop looks at its sockets */
	RESYNC_MS = 10 * 3600 * 1000,    /* controller-runtime's SyncPeriod, +- 10 % */
	UNREADABLE_EVERY_MS = 1000,
	SWEEP_STEPS = 4,                 /* in which the queue is filled, with a look at the sockets between */
	CLOCK_BACK_MS = 1000,            /* less than that passes by itself before anybody notices */
};

static int64_t mono(const struct manager *m)
{
	return m->config.port->monotonic_ms(m->config.port->self);
}

/* ---- what the cache says ---- */

static void enqueue(void *context, struct key key)
{
	struct manager *m = context;

	queue_add(m->queue, key, PRIORITY_HIGH, mono(m));
}

static void enqueue_later(void *context, struct key key)
{
	struct manager *m = context;

	if (key.kind + 1u < m->sweep.left && view_has(cache_view(m->cache), key))
		return; /* the sweep comes to it */
	queue_add(m->queue, key, PRIORITY_LOW, mono(m));
}

static void on_changed(void *context, enum kind_id kind, const void *old, const void *new)
{
	struct manager *m = context;
	const struct key_sink sink = { .context = m, .add = enqueue, .add_later = enqueue_later };

	if (m->deciding) /* see begin_deciding */
		kinds_wake(cache_view(m->cache), kind, old, new, &sink);
}

/* ---- sweeps ---- */

/*
 * What was there before can wait behind what people do now, so everything is looked at with low priority; and what refers comes before what
 * is referred to, so that an account counts its bindings once and not as they come. The queue holds a key of a hundred thousand no longer
 * than it has to: a sweep puts in some at a time.
 */

/* Of what an object's watchers would be woken for, only what is not there yet is left: all else has its own turn in the sweep. */
static void enqueue_missing(void *context, struct key key)
{
	struct manager *m = context;

	if (!view_has(cache_view(m->cache), key))
		queue_add(m->queue, key, PRIORITY_LOW, mono(m));
}

static void sweep_object(void *context, const void *object)
{
	struct manager *m = context;
	const enum kind_id kind = (enum kind_id)(m->sweep.left - 1);
	const struct key_sink sink = { .context = m, .add = enqueue_missing };

	if (kinds[kind].reconciler->run)
		queue_add(m->queue, object_key(kind, object), PRIORITY_LOW, mono(m));
	kinds_wake_dependents(cache_view(m->cache), kind, NULL, object, &sink);
}

static void sweep_everything(struct manager *m)
{
	m->sweep = (struct sweep){ .left = KIND_COUNT };
}

/* Keys of its own are what it waits for: however many changes there are, those age and get their turns. */
static bool sweep_is_due(const struct manager *m)
{
	return m->sweep.left && m->dispatch.open && queue_stats(m->queue, 0).low < m->config.sweep_ahead;
}

static void sweep_on(struct manager *m)
{
	if (!view_walk(cache_view(m->cache), (enum kind_id)(m->sweep.left - 1), &m->sweep.at, 1 + m->config.sweep_ahead / SWEEP_STEPS, sweep_object, m))
		m->sweep = (struct sweep){ .left = m->sweep.left - 1 };
}

static void count_objects(const struct manager *m, char text[32])
{
	struct cache_stats stats;
	size_t total = 0;

	cache_stats(m->cache, &stats);
	for (unsigned k = 0; k < KIND_COUNT; k++)
		total += stats.objects[k];
	snprintf(text, 32, "%zu", total);
}

static bool leads(const struct manager *m)
{
	return !m->config.leads || m->config.leads(m->config.leads_context);
}

/* Every kind has been listed, and this replica leads. */
static void begin_deciding(struct manager *m)
{
	char objects[32];

	m->deciding = true;
	sweep_everything(m);
	count_objects(m, objects);
	log_info(m->config.log, "caches are in step, deciding begins", "objects", objects);
}

/* A watch may be behind without knowing, and each kind's by another measure; what the leader before us wrote last must be seen, all of it, before
 * anything is decided on it. So it is as at a start: every kind is listed, consistently, since we lead. */
static bool knows_what_was_written(struct manager *m)
{
	if (!m->led) {
		m->led = true;
		for (unsigned k = 0; k < KIND_COUNT; k++)
			informer_relist(&m->informers[k]);
	}
	for (unsigned k = 0; k < KIND_COUNT; k++)
		if (!informer_listed(&m->informers[k]))
			return false;
	return true;
}

/* Who does not lead any more is about to end; till then nothing new is begun. */
static void check_leading(struct manager *m)
{
	bool may = m->synced && !m->stopping && leads(m) && (m->deciding || knows_what_was_written(m));

	if (may && !m->deciding)
		begin_deciding(m);
	m->dispatch.open = may;
}

/* ---- what the server's state is, for people ---- */

/* One line for all kinds in that state, and one when none is any more. Waits until every kind has been heard of, so that a start
 * without definitions or without rights is one line. *said: the set of kinds (bits) that has been named. */
static void say_kinds(struct manager *m, enum kind_state state, uint32_t *said, const char *bad, const char *good, const char *why)
{
	char names[1024] = "";
	uint32_t now = 0;
	size_t used = 0;

	for (unsigned k = 0; k < KIND_COUNT; k++) {
		const struct resource *r = kinds[k].resource;

		if (m->states[k] == KIND_UNHEARD)
			return;
		if (m->states[k] != state)
			continue;
		now |= 1u << k;
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s%s%s", used ? ", " : "", r->plural, r->group[0] ? "." : "",
					 r->group);
		if (used >= sizeof(names))
			used = sizeof(names) - 1;
	}
	if (now & ~*said)
		log_warn(m->config.log, bad, "resources", names, "error", why);
	else if (!now && *said)
		log_info(m->config.log, good);
	*said = now ? *said | now : 0; /* no line for each one that turns up */
}

static enum kind_state state_of(const struct error *err)
{
	if (!err)
		return KIND_FINE;
	if (err->class == ERROR_NOT_FOUND)
		return KIND_MISSING;
	return err->class == ERROR_FORBIDDEN ? KIND_REFUSED : KIND_FAILING;
}

/* What concerns the server as a whole is said once, whichever kind met it first. */
static enum server_state server_state_of(const struct error *err)
{
	if (err && err->class == ERROR_RETRY)
		return err->code ? SERVER_TROUBLED : SERVER_SILENT;
	return err && err->code == 401 ? SERVER_UNAUTHORIZED : SERVER_FINE;
}

static const char *const server_words[] = {
	[SERVER_SILENT] = "API server does not answer; trying again with back-off",
	[SERVER_TROUBLED] = "API server answers with an error; trying again with back-off",
	[SERVER_UNAUTHORIZED] = "API server does not accept our credentials; trying again with back-off",
};

/* Trouble is said when the first kind meets it, and its end when the last one is over it: a server that is starting up answers
 * some and not others. The first good sign is enough to cut the others' waits short. */
static void say_server(struct manager *m, enum kind_id kind, const struct error *err)
{
	enum server_state now = server_state_of(err);
	uint32_t bit = 1u << kind;

	if (now != SERVER_FINE) {
		m->in_trouble |= bit;
		if (m->server == SERVER_FINE || (now == SERVER_UNAUTHORIZED && m->server != now)) {
			m->server = now;
			log_warn(m->config.log, server_words[now], "server", m->config.source, "error", err->message);
		}
		return;
	}
	m->in_trouble &= ~bit;
	if (m->server == SERVER_FINE)
		return;
	for (unsigned k = 0; k < KIND_COUNT; k++)
		informer_hurry(&m->informers[k]);
	if (!m->in_trouble) {
		m->server = SERVER_FINE;
		log_info(m->config.log, "API server answers again", "server", m->config.source);
	}
}

static void on_state(void *context, enum kind_id kind, const struct error *err)
{
	struct manager *m = context;
	enum kind_state now = state_of(err), before = m->states[kind];

	say_server(m, kind, err);
	if (server_state_of(err) != SERVER_FINE)
		return; /* what this kind was before is still to be told apart when the server is back */
	/* A server that has just started refuses for a moment, until its roles are loaded: only a second refusal counts. */
	if (now == KIND_REFUSED && before != KIND_REFUSED && !(m->suspected & 1u << kind)) {
		m->suspected |= 1u << kind;
		return;
	}
	m->suspected &= ~(1u << kind);
	m->states[kind] = now;
	if (now == KIND_FAILING && before != KIND_FAILING)
		log_warn(m->config.log, "list or watch failed; trying again with back-off", "resource", kinds[kind].resource->plural, "error",
			 err->message);
	else if (now == KIND_FINE && before == KIND_FAILING)
		log_info(m->config.log, "list and watch go on", "resource", kinds[kind].resource->plural);
	say_kinds(m, KIND_MISSING, &m->missing_said,
		  "waiting: custom resource definitions are missing; install them with: kubectl apply -f crds/",
		  "all custom resource definitions are there", NULL);
	say_kinds(m, KIND_REFUSED, &m->refused_said,
		  "waiting: not allowed to list or watch; this account's role lacks the right (deploy/base/rbac.yaml has them all)",
		  "allowed to list and watch everything again", now == KIND_REFUSED ? err->message : NULL);
}

static void on_unreadable(void *context, enum kind_id kind, const struct error *err)
{
	struct manager *m = context;
	int64_t now = mono(m);

	(void)kind;
	/* The counter has them all; the log names at least one a second. */
	if (m->unreadable_said_at && now - m->unreadable_said_at < UNREADABLE_EVERY_MS) {
		log_debug(m->config.log, "object cannot be read and is left alone", "object", err->message);
		return;
	}
	m->unreadable_said_at = now;
	log_error(m->config.log, "object cannot be read and is left alone", "object", err->message);
}

/* ---- providers ---- */

/* Built-in payment providers, by name. One that needs the network answers false here, and later through the cache. */
static bool ask_provider(const struct provider_request *request, struct provider_result *result)
{
	if (strcmp(request->provider, PROVIDER_SANDBOX) != 0)
		return false;
	*result = sandbox_answer(request);
	return true;
}

/* ---- the life of it ---- */

static void check_sync(struct manager *m, int64_t now)
{
	char waiting[512] = "", objects[32];
	size_t used = 0;
	bool stuck = false;

	if (m->synced)
		return;
	for (unsigned k = 0; k < KIND_COUNT; k++) {
		if (informer_synced(&m->informers[k]))
			continue;
		used += (size_t)snprintf(waiting + used, sizeof(waiting) - used, "%s%s", used ? ", " : "", kinds[k].resource->plural);
		if (used >= sizeof(waiting))
			used = sizeof(waiting) - 1;
		/* A server that is away, refuses us or lacks the CRD is waited for: each of these has been said and may pass. */
		stuck |= m->server == SERVER_FINE && (m->states[k] == KIND_UNHEARD || m->states[k] == KIND_FINE);
	}
	if (!used) {
		m->synced = true;
		count_objects(m, objects);
		if (!leads(m))
			log_info(m->config.log, "caches are in step; deciding begins when this replica leads", "objects", objects);
	} else if (stuck && now - m->started_at > m->config.cache_sync_timeout_ms) {
		m->failed = true;
		log_error(m->config.log, "caches did not get in step in time; see --cache-sync-timeout", "waiting", waiting);
	}
}

static void plan_resync(struct manager *m, int64_t now)
{
	uint64_t random = m->config.port->random(m->config.port->self);

	m->resync_at = now + RESYNC_MS - RESYNC_MS / 10 + (int64_t)(random % (RESYNC_MS / 5));
}

static int64_t clock_offset(const struct manager *m, int64_t now)
{
	return m->config.port->now(m->config.port->self) - now;
}

/* A clock that is set forwards makes moments come due, and the queue sees to that. One that is set back takes back what has been
 * decided on them, and nothing waits for that any more: so everything is decided anew. */
static void watch_clock(struct manager *m, int64_t now)
{
	int64_t offset = clock_offset(m, now), back_ms = m->clock_offset - offset;
	char text[32];

	if (back_ms > 0 && back_ms < CLOCK_BACK_MS)
		return; /* and not forgotten: a clock that is slewed goes back in many small steps */
	m->clock_offset = offset;
	if (back_ms <= 0 || !m->deciding)
		return;
	snprintf(text, sizeof(text), "%lld", (long long)back_ms / 1000);
	log_warn(m->config.log, "the clock was set back: everything is decided anew", "seconds", text);
	sweep_everything(m);
}

static int64_t sooner(int64_t wait, int64_t due, int64_t now)
{
	int64_t other = due > now ? due - now : 0;

	return wait < 0 || other < wait ? other : wait;
}

int64_t manager_drain(struct manager *m)
{
	int64_t now = mono(m), wait = -1;

	for (unsigned k = 0; k < KIND_COUNT; k++)
		if (informer_due(&m->informers[k]) <= now)
			informer_tick(&m->informers[k]);
	check_sync(m, now);
	check_leading(m);
	watch_clock(m, now);
	if (now >= m->resync_at) {
		plan_resync(m, now);
		if (m->deciding)
			sweep_everything(m);
	}
	if (sweep_is_due(m))
		sweep_on(m);
	if (dispatch_run(&m->dispatch, DRAIN_BUDGET_MS) || sweep_is_due(m))
		return 0;
	struct dispatch_wait next = dispatch_wait(&m->dispatch);
	m->wakes_at = next.wall;
	wait = next.ms;
	for (unsigned k = 0; k < KIND_COUNT; k++)
		if (informer_due(&m->informers[k]) != INT64_MAX)
			wait = sooner(wait, informer_due(&m->informers[k]), now);
	if (!m->synced)
		wait = sooner(wait, now + 1000, now);
	return sooner(wait, m->resync_at, now);
}

instant_t manager_wakes_at(const struct manager *m)
{
	return m->wakes_at;
}

bool manager_is_behind(const struct manager *m)
{
	return m->dispatch.open && (m->sweep.left || queue_stats(m->queue, 0).depth);
}

void manager_init(struct manager *m, const struct manager_config *config)
{
	*m = (struct manager){ .config = *config };
	if (!m->config.sweep_ahead)
		m->config.sweep_ahead = SWEEP_AHEAD;
	m->atoms = atoms_new();
	atoms_seed(m->atoms, config->port->random(config->port->self));
	m->codec = codec_new(m->atoms, config->settings->project_label);
	m->cache = cache_new(m->atoms, m->codec, config->settings,
			     (struct cache_listener){ .context = m, .changed = on_changed, .doubtful = enqueue });
	m->queue = queue_new(m->atoms);
	dispatch_init(&m->dispatch, config->port, m->cache, m->queue, config->log, ask_provider);
	m->dispatch.recorder = config->recorder;
	dispatch_limit(&m->dispatch, config->qps, config->burst);
	m->writer = writer_new(config->port, m->cache, m->codec, m->atoms, config->max_concurrent_writes,
			       (struct writer_listener){ .context = &m->dispatch, .finished = dispatch_finished });
	m->dispatch.writer = m->writer;
	for (unsigned k = 0; k < KIND_COUNT; k++)
		informer_init(&m->informers[k], (enum kind_id)k, config->port, m->cache, m->codec, m->atoms, config->ns,
			      config->watch_idle_timeout_ms, (struct informer_listener){ .context = m, .state = on_state, .unreadable = on_unreadable });
}

void manager_start(struct manager *m)
{
	m->started_at = mono(m);
	m->clock_offset = clock_offset(m, m->started_at);
	plan_resync(m, m->started_at);
	m->led = leads(m);
	for (unsigned k = 0; k < KIND_COUNT; k++)
		informer_start(&m->informers[k]);
}

void manager_stop(struct manager *m)
{
	m->stopping = true;
	m->dispatch.open = false;
}

bool manager_is_idle(const struct manager *m)
{
	return writer_stats(m->writer)->in_flight == 0;
}

void manager_close(struct manager *m)
{
	for (unsigned k = 0; k < KIND_COUNT; k++)
		informer_close(&m->informers[k]);
	writer_free(m->writer);
	dispatch_close(&m->dispatch);
	queue_free(m->queue);
	cache_free(m->cache);
	codec_free(m->codec);
	atoms_free(m->atoms);
}
