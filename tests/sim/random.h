/*
 * The simulator's only source of chance: splitmix64. One seed, one run. Streams that must not disturb each other (what people do, in
 * which order things are delivered, the controller's own jitter) are separate states.
 */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct chance {
	uint64_t state;
};

static inline uint64_t chance_next(struct chance *c)
{
	uint64_t z = c->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline struct chance chance_of(uint64_t seed, uint64_t stream)
{
	struct chance c = { seed * 0xd1342543de82ef95u + stream };

	chance_next(&c);
	return c;
}

/* 0 .. n-1; n > 0. */
static inline unsigned chance_below(struct chance *c, unsigned n)
{
	return (unsigned)(((chance_next(c) >> 32) * n) >> 32);
}

/* True in so many of a hundred. */
static inline bool chance_percent(struct chance *c, unsigned percent)
{
	return chance_below(c, 100) < percent;
}

#endif
