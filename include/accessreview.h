/*
 * Whose token is that, and may they? TokenReview (authentication.k8s.io/v1) and SubjectAccessReview (authorization.k8s.io/v1) between JSON
 * text and these two questions. An answer that leaves anything open is an error, never a yes. No error holds a part of a text that
 * was read: the API server sends tokens back with its answers.
 */
#ifndef TOLLGATE_ACCESSREVIEW_H
#define TOLLGATE_ACCESSREVIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

enum { ACCESSREVIEW_BYTES_MAX = 1 << 20, ACCESSREVIEW_USER_BYTES = 1024 };

/* The body that asks whose token that is, which is printable ASCII. malloc'ed. */
char *tokenreview_body(const char *token);

/* Whose it is. */
struct tokenreview {
	char *user;     /* NULL: nobody's, or it has expired */
	char *question; /* the body that asks whether they may: user, groups, uid and extra just as the answer had them */
};

/* 0, or -1 with ERROR_INVALID. verb and path (printable ASCII) of a request that is about no resource, such as "get" and "/metrics". */
int tokenreview_decode(const char *text, size_t len, const char *verb, const char *path, struct tokenreview *, struct error *) must_check;
/* Also of a zeroed one, and twice. */
void tokenreview_close(struct tokenreview *);

/* 0, or -1 with ERROR_INVALID. */
int accessreview_decode(const char *text, size_t len, bool *allowed, struct error *) must_check;

#endif
