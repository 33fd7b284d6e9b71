/*
 * How a function says what went wrong: it returns 0 or -1, and its last argument is the caller's struct error, filled
 * on -1 only. The class is what policy looks at; the message is for people: what is wrong, where, what to do.
 */
#ifndef TOLLGATE_ERROR_H
#define TOLLGATE_ERROR_H

enum error_class {
	ERROR_NONE = 0,
	ERROR_RETRY,     /* passing: transport, 429, 5xx, timeout. Try again after a back-off */
	ERROR_CONFLICT,  /* HTTP 409: read again, decide again */
	ERROR_GONE,      /* HTTP 410: the resource version is too old, list again */
	ERROR_NOT_FOUND, /* HTTP 404 */
	ERROR_FORBIDDEN, /* HTTP 401 and 403 */
	ERROR_INVALID,   /* the request or the data is wrong and will stay so */
};

enum { ERROR_MESSAGE_MAX = 256 };

struct error {
	enum error_class class;
	int code;            /* HTTP status, or 0 when there was none */
	int retry_after_ms;  /* what the server asked for; 0 = it did not say */
	char message[ERROR_MESSAGE_MAX];
};

#define must_check __attribute__((warn_unused_result))

/* Fills err (which may be NULL) and returns -1, so that `return error_set(...)` is the whole path. Long messages are cut
 * at a UTF-8 boundary; bytes that are no UTF-8 become question marks. */
int error_set(struct error *err, enum error_class class, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Puts "<text>: " before the message. Only to add a fact that the callee lacked. Returns -1. */
int error_wrap(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
