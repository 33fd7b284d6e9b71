/*
 * Arithmetic of a token bucket. Knows neither clock nor what is limited.
 * Invariant: 0 <= level <= size; a rate in tokens a second is one in thousandths a millisecond, so nothing is ever rounded away.
 */
#include "bucket.h"

enum { TOKEN = 1000 };

static int64_t level_at(const struct bucket *b, int64_t now_ms)
{
	int64_t room = b->size * TOKEN - b->level, passed = now_ms > b->at_ms ? now_ms - b->at_ms : 0;

	return passed > room / b->rate ? b->size * TOKEN : b->level + passed * b->rate;
}

void bucket_init(struct bucket *b, int64_t rate, int64_t size, int64_t now_ms)
{
	*b = (struct bucket){ .rate = rate, .size = size, .level = size * TOKEN, .at_ms = now_ms };
}

int64_t bucket_wait(const struct bucket *b, int64_t now_ms)
{
	if (!b->rate)
		return 0;
	int64_t missing = TOKEN - level_at(b, now_ms);
	return missing > 0 ? (missing + b->rate - 1) / b->rate : 0;
}

void bucket_take(struct bucket *b, int64_t now_ms)
{
	if (!b->rate)
		return;
	b->level = level_at(b, now_ms) - TOKEN;
	b->at_ms = now_ms;
}
