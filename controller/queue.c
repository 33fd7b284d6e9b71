/*
 * One item per key that there is something to remember of, found by hash; four binary heaps hold pointers to items and the items
 * know their places in them, so everything is O(log n). Must not know any kind by name, what a key is for, nor a clock to
 * decide by. Invariants: an item is in at most one of the two ready heaps, never while it is processing, and then it is among the running;
 * it exists only while it is ready, processing, delayed, timed or has failures (release() is called wherever one of these ends); tables
 * shrink as they empty.
 */
#include "queue.h"

#include <assert.h>
#include <stdlib.h>

#include "memory.h"

/* The first two are enum priority's ready keys, in order of adding. */
enum heap_id { HEAP_LOW, HEAP_HIGH, HEAP_MONO, HEAP_WALL, HEAPS };

/* What an item's places and ranks are indexed by: it is in one of the ready heaps at a time. */
enum slot { SLOT_READY, SLOT_MONO, SLOT_WALL, SLOTS };

#define NOWHERE UINT32_MAX /* no place in a heap */
/* SMALLEST: heaps and buckets never shrink below. FAILURES_MAX: 5 ms << 17 is the last delay below the maximum, and no shift beyond it is
 * ever computed. */
enum { SMALLEST = 64, FAILURES_MAX = 18 };

struct item {
	struct item *next; /* in its bucket */
	struct key key;
	int64_t rank[SLOTS];   /* ready: the number of the add; else when it is due */
	uint32_t place[SLOTS]; /* index in the heap, or NOWHERE */
	uint8_t failures;      /* at most FAILURES_MAX: more make no difference */
	uint8_t priority;      /* enum priority: while ready, dirty or processing; between, of the last time */
	uint8_t delay_priority; /* to be added with when the delay is over */
	bool processing : 1, dirty : 1; /* dirty: added while processing */
	bool came : 1, taken_for : 1;   /* its moment of the wall clock has come: since it was taken last, and before that */
	int64_t since_ms;      /* of the add that made it ready or dirty */
	int64_t since_ns;      /* the same moment, for measuring */
};

/* A key that is being processed. */
struct running {
	struct item *item;
	int64_t since_ns;
};

struct heap {
	struct item **at;
	uint32_t n, size;
};

struct queue {
	struct atoms *atoms;
	struct item **buckets;
	size_t n_buckets; /* a power of two */
	size_t n_items;
	struct heap heaps[HEAPS];
	struct running *running; /* in no order; as many at a time as the worker has requests under way, which is few */
	size_t n_running, running_size;
	int64_t adds_counted; /* gives each add its rank */
	bool aged_last;	      /* the last take let a LOW key go before HIGH ones */
	int64_t (*now_ns)(void); /* NULL: nothing is measured */
	struct tally {
		uint64_t adds_total, retries_total;
		size_t ready;
		struct queue_times times;
	} tallies[KIND_COUNT];
};

static int64_t add_saturating(int64_t a, int64_t b)
{
	if (b > 0 && a > INT64_MAX - b)
		return INT64_MAX;
	if (b < 0 && a < INT64_MIN - b)
		return INT64_MIN;
	return a + b;
}

static int64_t subtract_saturating(int64_t a, int64_t b)
{
	if (b < 0 && a > INT64_MAX + b)
		return INT64_MAX;
	if (b > 0 && a < INT64_MIN + b)
		return INT64_MIN;
	return a - b;
}

/* --- heaps --- */

static enum slot slot_of(enum heap_id id)
{
	return id == HEAP_MONO ? SLOT_MONO : id == HEAP_WALL ? SLOT_WALL : SLOT_READY;
}

static void heap_put(struct heap *heap, enum slot slot, uint32_t place, struct item *item)
{
	heap->at[place] = item;
	item->place[slot] = place;
}

static void heap_up(struct heap *heap, enum slot slot, uint32_t place, struct item *item)
{
	while (place > 0 && heap->at[(place - 1) / 2]->rank[slot] > item->rank[slot]) {
		heap_put(heap, slot, place, heap->at[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	heap_put(heap, slot, place, item);
}

static void heap_down(struct heap *heap, enum slot slot, uint32_t place, struct item *item)
{
	for (uint32_t child = 2 * place + 1; child < heap->n; child = 2 * place + 1) {
		if (child + 1 < heap->n && heap->at[child + 1]->rank[slot] < heap->at[child]->rank[slot])
			child++;
		if (heap->at[child]->rank[slot] >= item->rank[slot])
			break;
		heap_put(heap, slot, place, heap->at[child]);
		place = child;
	}
	heap_put(heap, slot, place, item);
}

static void heap_resize(struct heap *heap, uint32_t size)
{
	heap->at = memory_resize(heap->at, size * sizeof(struct item *));
	heap->size = size;
}

static void heap_insert(struct queue *queue, enum heap_id id, struct item *item, int64_t rank)
{
	struct heap *heap = &queue->heaps[id];

	if (heap->n == heap->size)
		heap_resize(heap, heap->size > 0 ? heap->size * 2 : SMALLEST);
	item->rank[slot_of(id)] = rank;
	heap_up(heap, slot_of(id), heap->n++, item);
	if (slot_of(id) == SLOT_READY)
		queue->tallies[item->key.kind].ready++;
}

static void heap_remove(struct queue *queue, enum heap_id id, struct item *item)
{
	struct heap *heap = &queue->heaps[id];
	enum slot slot = slot_of(id);
	uint32_t place = item->place[slot];
	struct item *last = heap->at[--heap->n];

	assert(heap->at[place] == item);
	item->place[slot] = NOWHERE;
	if (slot == SLOT_READY)
		queue->tallies[item->key.kind].ready--;
	if (last != item) {
		heap_up(heap, slot, place, last);
		heap_down(heap, slot, last->place[slot], last);
	}
	if (heap->size > SMALLEST && heap->n < heap->size / 4)
		heap_resize(heap, heap->size / 2);
}

static struct item *heap_first(const struct queue *queue, enum heap_id id)
{
	return queue->heaps[id].n > 0 ? queue->heaps[id].at[0] : NULL;
}

/* --- items by key --- */

static size_t bucket_of(struct key key, size_t n_buckets)
{
	uint32_t hash = key.name->hash * 0x9e3779b1u ^ (key.ns != NULL ? key.ns->hash : 0) ^ (uint32_t)key.kind << 24;

	hash ^= hash >> 15;
	return (hash * 0x85ebca6bu >> 7) & (n_buckets - 1);
}

static struct item *find(const struct queue *queue, struct key key)
{
	struct item *item = queue->buckets[bucket_of(key, queue->n_buckets)];

	while (item != NULL && !key_equal(item->key, key))
		item = item->next;
	return item;
}

static void rehash(struct queue *queue, size_t n_buckets)
{
	struct item **buckets = memory_alloc(n_buckets * sizeof(struct item *));

	for (size_t i = 0; i < queue->n_buckets; i++) {
		for (struct item *item = queue->buckets[i], *next; item != NULL; item = next) {
			size_t bucket = bucket_of(item->key, n_buckets);

			next = item->next;
			item->next = buckets[bucket];
			buckets[bucket] = item;
		}
	}
	free(queue->buckets);
	queue->buckets = buckets;
	queue->n_buckets = n_buckets;
}

static struct item *find_or_create(struct queue *queue, struct key key)
{
	struct item *item = find(queue, key);

	if (item != NULL)
		return item;
	if (queue->n_items == queue->n_buckets)
		rehash(queue, queue->n_buckets * 2);
	struct item **bucket = &queue->buckets[bucket_of(key, queue->n_buckets)];

	item = memory_alloc(sizeof(*item));
	item->key = (struct key){ .kind = key.kind, .ns = atom_ref(key.ns), .name = atom_ref(key.name) };
	for (int i = 0; i < SLOTS; i++)
		item->place[i] = NOWHERE;
	item->next = *bucket;
	*bucket = item;
	queue->n_items++;
	return item;
}

static void destroy(struct queue *queue, struct item *item)
{
	atom_unref(queue->atoms, item->key.ns);
	atom_unref(queue->atoms, item->key.name);
	free(item);
}

/* Forgets the item if there is nothing left to remember. */
static void release(struct queue *queue, struct item *item)
{
	if (item->processing || item->failures > 0)
		return;
	for (int i = 0; i < SLOTS; i++)
		if (item->place[i] != NOWHERE)
			return;
	struct item **link = &queue->buckets[bucket_of(item->key, queue->n_buckets)];

	while (*link != item)
		link = &(*link)->next;
	*link = item->next;
	queue->n_items--;
	destroy(queue, item);
	if (queue->n_buckets > SMALLEST && queue->n_items < queue->n_buckets / 4)
		rehash(queue, queue->n_buckets / 2);
}

/* --- measuring --- */

static int64_t clock_ns(const struct queue *queue)
{
	return queue->now_ns != NULL ? queue->now_ns() : 0;
}

static double seconds(int64_t from_ns, int64_t to_ns)
{
	return to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 0;
}

static void start_running(struct queue *queue, struct item *item)
{
	int64_t now_ns = clock_ns(queue);

	if (queue->n_running == queue->running_size) {
		queue->running_size = queue->running_size > 0 ? queue->running_size * 2 : SMALLEST;
		queue->running = memory_resize(queue->running, queue->running_size * sizeof(*queue->running));
	}
	queue->running[queue->n_running++] = (struct running){ .item = item, .since_ns = now_ns };
	item->processing = true;
	if (queue->now_ns != NULL)
		histogram_observe(&queue->tallies[item->key.kind].times.wait, seconds(item->since_ns, now_ns));
}

static void stop_running(struct queue *queue, struct item *item)
{
	struct queue_times *times = &queue->tallies[item->key.kind].times;
	struct running *running = queue->running;

	while (running->item != item)
		running++;
	if (queue->now_ns != NULL) {
		double taken_s = seconds(running->since_ns, clock_ns(queue));

		histogram_observe(&times->work, taken_s);
		histogram_observe(&times->reconcile, taken_s);
	}
	*running = queue->running[--queue->n_running];
	item->processing = false;
}

/* --- the state machine --- */

static void add_item(struct queue *queue, struct item *item, enum priority priority, int64_t now_ms)
{
	bool ready = item->place[SLOT_READY] != NOWHERE;

	if (ready || item->dirty) {
		if (item->priority >= priority)
			return;
		/* Its rank stays, so among HIGH ones it has the place that its waiting has earned. */
		if (ready) {
			heap_remove(queue, HEAP_LOW, item);
			heap_insert(queue, HEAP_HIGH, item, item->rank[SLOT_READY]);
		}
		item->priority = (uint8_t)priority;
		return;
	}
	queue->tallies[item->key.kind].adds_total++;
	item->priority = (uint8_t)priority;
	item->since_ms = now_ms;
	item->since_ns = clock_ns(queue);
	item->rank[SLOT_READY] = queue->adds_counted++;
	if (item->processing)
		item->dirty = true;
	else
		heap_insert(queue, (enum heap_id)priority, item, item->rank[SLOT_READY]);
}

static void delay_item(struct queue *queue, struct item *item, int64_t due_ms, enum priority priority)
{
	bool delayed = item->place[SLOT_MONO] != NOWHERE;

	if (!delayed || priority > (enum priority)item->delay_priority)
		item->delay_priority = (uint8_t)priority;
	if (delayed && item->rank[SLOT_MONO] <= due_ms)
		return;
	if (delayed)
		heap_remove(queue, HEAP_MONO, item);
	heap_insert(queue, HEAP_MONO, item, due_ms);
}

static void move_due(struct queue *queue, int64_t now_mono_ms, instant_t now_wall)
{
	struct item *item;

	while ((item = heap_first(queue, HEAP_MONO)) != NULL && item->rank[SLOT_MONO] <= now_mono_ms) {
		heap_remove(queue, HEAP_MONO, item);
		add_item(queue, item, (enum priority)item->delay_priority, now_mono_ms);
	}
	while ((item = heap_first(queue, HEAP_WALL)) != NULL && item->rank[SLOT_WALL] <= now_wall) {
		heap_remove(queue, HEAP_WALL, item);
		item->came = true;
		add_item(queue, item, PRIORITY_HIGH, now_mono_ms);
	}
}

static struct item *choose(struct queue *queue, int64_t now_ms)
{
	struct item *high = heap_first(queue, HEAP_HIGH), *low = heap_first(queue, HEAP_LOW);
	bool aged = high != NULL && low != NULL && !queue->aged_last && subtract_saturating(now_ms, low->since_ms) > QUEUE_AGED_MS;

	queue->aged_last = aged;
	return high == NULL || aged ? low : high;
}

struct queue *queue_new(struct atoms *atoms)
{
	struct queue *queue = memory_alloc(sizeof(*queue));

	queue->atoms = atoms;
	for (int kind = 0; kind < KIND_COUNT; kind++)
		queue->tallies[kind].times = (struct queue_times){ .wait.buckets = &buckets_decades, .work.buckets = &buckets_decades,
								   .reconcile.buckets = &buckets_reconcile };
	rehash(queue, SMALLEST);
	return queue;
}

void queue_measure(struct queue *queue, int64_t (*now_ns)(void))
{
	queue->now_ns = now_ns;
}

void queue_free(struct queue *queue)
{
	if (queue == NULL)
		return;
	for (size_t i = 0; i < queue->n_buckets; i++) {
		for (struct item *item = queue->buckets[i], *next; item != NULL; item = next) {
			next = item->next;
			destroy(queue, item);
		}
	}
	for (int i = 0; i < HEAPS; i++)
		free(queue->heaps[i].at);
	free(queue->running);
	free(queue->buckets);
	free(queue);
}

void queue_add(struct queue *queue, struct key key, enum priority priority, int64_t now_mono_ms)
{
	add_item(queue, find_or_create(queue, key), priority, now_mono_ms);
}

void queue_add_after(struct queue *queue, struct key key, int64_t due_mono_ms)
{
	delay_item(queue, find_or_create(queue, key), due_mono_ms, PRIORITY_HIGH);
}

void queue_add_at(struct queue *queue, struct key key, instant_t wall)
{
	if (wall == 0)
		return;
	struct item *item = find_or_create(queue, key);

	if (item->place[SLOT_WALL] != NOWHERE) {
		if (item->rank[SLOT_WALL] <= wall)
			return;
		heap_remove(queue, HEAP_WALL, item);
	}
	heap_insert(queue, HEAP_WALL, item, wall);
}

void queue_forget_at(struct queue *queue, struct key key)
{
	struct item *item = find(queue, key);

	if (item == NULL || item->place[SLOT_WALL] == NOWHERE)
		return;
	heap_remove(queue, HEAP_WALL, item);
	release(queue, item);
}

bool queue_take(struct queue *queue, int64_t now_mono_ms, instant_t now_wall, struct key *out)
{
	move_due(queue, now_mono_ms, now_wall);
	struct item *item = choose(queue, now_mono_ms);

	if (item == NULL)
		return false;
	heap_remove(queue, (enum heap_id)item->priority, item);
	item->taken_for = item->came;
	item->came = false;
	start_running(queue, item);
	*out = item->key;
	return true;
}

bool queue_moment_came(const struct queue *queue, struct key key)
{
	const struct item *item = find(queue, key);

	assert(item != NULL && item->processing);
	return item->taken_for;
}

void queue_done(struct queue *queue, struct key key)
{
	struct item *item = find(queue, key);

	assert(item != NULL && item->processing);
	if (item == NULL || !item->processing)
		return;
	stop_running(queue, item);
	if (item->dirty) {
		item->dirty = false;
		heap_insert(queue, (enum heap_id)item->priority, item, item->rank[SLOT_READY]);
	}
	release(queue, item);
}

void queue_retry(struct queue *queue, struct key key, int64_t now_mono_ms, int64_t minimum_ms)
{
	struct item *item = find_or_create(queue, key);
	int64_t delay_ms = QUEUE_BACKOFF_MAX_MS;

	if (item->failures < FAILURES_MAX)
		delay_ms = (int64_t)QUEUE_BACKOFF_FIRST_MS << item->failures++;
	if (delay_ms < minimum_ms)
		delay_ms = minimum_ms;
	queue->tallies[key.kind].retries_total++;
	delay_item(queue, item, add_saturating(now_mono_ms, delay_ms), (enum priority)item->priority);
}

bool queue_has_failed(const struct queue *queue, struct key key)
{
	const struct item *item = find(queue, key);

	return item != NULL && item->failures > 0;
}

void queue_forget(struct queue *queue, struct key key)
{
	struct item *item = find(queue, key);

	if (item == NULL)
		return;
	item->failures = 0;
	release(queue, item);
}

int64_t queue_next_mono(const struct queue *queue)
{
	const struct item *item = heap_first(queue, HEAP_MONO);

	return item != NULL ? item->rank[SLOT_MONO] : INT64_MAX;
}

instant_t queue_next_wall(const struct queue *queue)
{
	const struct item *item = heap_first(queue, HEAP_WALL);

	return item != NULL ? item->rank[SLOT_WALL] : 0;
}

struct queue_stats queue_stats(const struct queue *queue, int64_t now_mono_ms)
{
	const struct item *low = heap_first(queue, HEAP_LOW), *high = heap_first(queue, HEAP_HIGH);
	const struct item *oldest = low == NULL || (high != NULL && high->rank[SLOT_READY] < low->rank[SLOT_READY]) ? high : low;
	size_t places = queue->n_buckets; /* pointers to items */
	int64_t waited_ms = oldest != NULL ? subtract_saturating(now_mono_ms, oldest->since_ms) : 0;
	struct queue_stats stats = {
		.depth = queue->heaps[HEAP_LOW].n + queue->heaps[HEAP_HIGH].n,
		.low = queue->heaps[HEAP_LOW].n,
		.processing = queue->n_running,
		.delayed = queue->heaps[HEAP_MONO].n,
		.timed = queue->heaps[HEAP_WALL].n,
		.keys = queue->n_items,
		.oldest_ready_ms = waited_ms > 0 ? waited_ms : 0,
	};

	for (int i = 0; i < HEAPS; i++)
		places += queue->heaps[i].size;
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		stats.adds_total += queue->tallies[kind].adds_total;
		stats.retries_total += queue->tallies[kind].retries_total;
	}
	stats.bytes = sizeof(*queue) + places * sizeof(struct item *) + queue->running_size * sizeof(struct running) +
		      queue->n_items * sizeof(struct item);
	return stats;
}

struct queue_kind_stats queue_kind_stats(const struct queue *queue, enum kind_id kind)
{
	const struct tally *tally = &queue->tallies[kind];
	struct queue_kind_stats stats = { .adds_total = tally->adds_total, .retries_total = tally->retries_total, .depth = tally->ready,
					  .times = &tally->times };
	int64_t now_ns = clock_ns(queue);

	for (size_t i = 0; i < queue->n_running; i++) {
		double taken_s = seconds(queue->running[i].since_ns, now_ns);

		if (queue->running[i].item->key.kind != kind)
			continue;
		stats.processing++;
		stats.unfinished_s += taken_s;
		stats.longest_s = taken_s > stats.longest_s ? taken_s : stats.longest_s;
	}
	return stats;
}

void queue_each(const struct queue *queue, void (*visit)(void *context, const struct queue_entry *), void *context)
{
	for (size_t i = 0; i < queue->n_buckets; i++) {
		for (const struct item *item = queue->buckets[i]; item != NULL; item = item->next) {
			const struct queue_entry entry = {
				.key = item->key,
				.ready = item->place[SLOT_READY] != NOWHERE,
				.processing = item->processing,
				.since_mono = item->since_ms,
				.failures = item->failures,
				.due_mono = item->place[SLOT_MONO] != NOWHERE ? item->rank[SLOT_MONO] : INT64_MAX,
				.due_wall = item->place[SLOT_WALL] != NOWHERE ? item->rank[SLOT_WALL] : 0,
			};

			visit(context, &entry);
		}
	}
}
