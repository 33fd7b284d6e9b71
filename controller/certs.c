/*
 * certs.h: when a CA joins the bundle, when a leaf is replaced, when a CA leaves. Everything follows from what the certificates
 * themselves say, so that replicas need no other memory. Only the newest CA's key is kept: while a new CA waits for its overlap, no
 * leaf can be signed by the one before, which is why a leaf is renewed with four overlaps to spare.
 */
#include "certs.h"

enum { CA_LEAVES = 4, OVERLAP_PART = 12, OVERLAP_MAX_MS = 5 * 60 * 1000, BACK_PART = 20, BACK_MAX_MS = 60 * 1000, SECOND_MS = 1000 };

static int64_t at_most(int64_t value, int64_t max)
{
	return value < max ? value : max;
}

struct certs_times certs_times_of(int64_t leaf_ms)
{
	struct certs_times times = {
		.leaf_ms = leaf_ms,
		.ca_ms = leaf_ms * CA_LEAVES,
		.overlap_ms = at_most(leaf_ms / OVERLAP_PART, OVERLAP_MAX_MS),
		.back_ms = at_most(leaf_ms / BACK_PART, BACK_MAX_MS),
	};

	/* A certificate's times have whole seconds: its making is known to one. */
	times.wait_ms = times.overlap_ms + times.back_ms + SECOND_MS;
	return times;
}

struct cert_span certs_span(const struct certs_times *times, int64_t life_ms, instant_t now)
{
	const instant_t from = instant_second(now - times->back_ms);

	return (struct cert_span){ .from = from, .until = instant_second(from + life_ms) };
}

/* The moment at which what was done when that certificate was made has reached everybody. */
static instant_t settled_at(struct cert_span span, const struct certs_times *times)
{
	return span.from + times->back_ms + times->wait_ms;
}

static instant_t renewal_at(struct cert_span span)
{
	return span.from + (span.until - span.from) / 3 * 2;
}

/* One that begins a little later than now was made by a clock ahead of ours, and clients may see it as valid. */
static bool in_force(struct cert_span span, const struct certs_times *times, instant_t now)
{
	return span.from <= now + times->wait_ms && now < span.until;
}

bool certs_leaf_usable(const struct certs *certs, const struct certs_times *times, instant_t now)
{
	return certs->leaf_ca >= 0 && certs->leaf_named && in_force(certs->leaf, times, now) &&
	       in_force(certs->cas[certs->leaf_ca], times, now);
}

static void sooner(instant_t *next, instant_t moment)
{
	if (moment < *next)
		*next = moment;
}

/* Is it time for something that is due then? If not, that is a moment to ask again. */
static bool is_due(struct certs_step *step, instant_t moment, instant_t now)
{
	if (moment > now)
		sooner(&step->next, moment);
	return moment <= now;
}

/* A usable leaf of the newest CA is renewed in time; one of an older CA gives way when the newest has been in the bundle long enough. */
static bool leaf_is_due(struct certs_step *step, const struct certs *certs, const struct certs_times *times, instant_t now)
{
	return is_due(step, certs->leaf_ca > 0 ? settled_at(certs->cas[0], times) : renewal_at(certs->leaf), now);
}

static void drop_old(struct certs_step *step, const struct certs *certs, const struct certs_times *times, bool usable, instant_t now)
{
	const bool superseded = certs->n_cas > 1 && usable && certs->leaf_ca == 0 && is_due(step, settled_at(certs->leaf, times), now);

	for (size_t i = 0; i < certs->n_cas; i++)
		step->drop[i] = is_due(step, certs->cas[i].until, now) || (superseded && i > 0);
}

/* The new CA needs a place: the oldest goes that did not sign what is served. */
static void make_room(struct certs_step *step, const struct certs *certs)
{
	for (size_t i = 0; i < certs->n_cas; i++)
		if (step->drop[i])
			return;
	for (size_t i = certs->n_cas; certs->n_cas == CERTS_CAS_MAX && i-- > 0;) {
		if ((int)i != certs->leaf_ca) {
			step->drop[i] = true;
			return;
		}
	}
}

struct certs_step certs_decide(const struct certs *certs, const struct certs_times *times, instant_t now)
{
	struct certs_step step = { .next = INT64_MAX };
	const bool usable = certs_leaf_usable(certs, times, now);

	step.new_ca = certs->n_cas == 0 || !certs->keyed || !in_force(certs->cas[0], times, now) ||
		      is_due(&step, renewal_at(certs->cas[0]), now);
	drop_old(&step, certs, times, usable, now);
	if (step.new_ca)
		make_room(&step, certs);
	/* Without a leaf there is nothing to wait for. With one, it stays until a CA that has just been made is known. */
	step.new_leaf = !usable || (!step.new_ca && leaf_is_due(&step, certs, times, now));
	if (usable)
		sooner(&step.next, certs->leaf.until);
	return step;
}

bool certs_step_any(const struct certs_step *step)
{
	bool any = step->new_ca || step->new_leaf;

	for (size_t i = 0; i < CERTS_CAS_MAX; i++)
		any |= step->drop[i];
	return any;
}
