/*
 * Remembers what was complained of lately, in a table of a fixed size. Knows no log and no objects.
 * Invariant: what is said is remembered for as long as it must not be said again, unless its few places are taken by newer ones.
 */
#include "complaints.h"

/* Where it is remembered, else the place that is longest out of use. */
static struct complaint *place_of(struct complaints *c, uint64_t what)
{
	struct complaint *set = &c->said[what % (COMPLAINTS_REMEMBERED / COMPLAINTS_WAYS) * COMPLAINTS_WAYS], *place = set;

	for (int i = 0; i < COMPLAINTS_WAYS; i++) {
		if (set[i].what == what)
			return &set[i];
		if (set[i].at < place->at)
			place = &set[i];
	}
	return place;
}

bool complaints_may(struct complaints *c, uint64_t what, int64_t now)
{
	struct complaint *place = place_of(c, what);

	if (place->what == what && place->at && now - place->at < COMPLAINTS_EVERY_MS)
		return false;
	if (!c->since || now - c->since >= COMPLAINTS_EVERY_MS) {
		c->since = now;
		c->n = 0;
	}
	if (c->n >= COMPLAINTS_MAX) {
		c->left_out++;
		return false;
	}
	c->n++;
	*place = (struct complaint){ .what = what, .at = now };
	return true;
}

uint64_t complaints_left_out(struct complaints *c, int64_t now)
{
	uint64_t n = c->left_out;

	if (now - c->since < COMPLAINTS_EVERY_MS)
		return 0;
	c->left_out = 0;
	return n;
}
