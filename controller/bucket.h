/* A token bucket, as client-go limits a client's requests (util/flowcontrol): so many a second, and so many at once after a rest. */
#ifndef TOLLGATE_BUCKET_H
#define TOLLGATE_BUCKET_H

#include <stdint.h>

struct bucket {
	int64_t rate, size; /* tokens a second, 0 = no limit; at most in store */
	int64_t level;      /* thousandths of tokens at that moment */
	int64_t at_ms;
};

/* Full. rate up to a million, size at least 1. */
void bucket_init(struct bucket *, int64_t rate, int64_t size, int64_t now_ms);
/* For how long there is none; 0 = there is one. */
int64_t bucket_wait(const struct bucket *, int64_t now_ms);
/* Only when there is one. */
void bucket_take(struct bucket *, int64_t now_ms);

#endif
