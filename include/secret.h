/*
 * A Secret (core/v1) between JSON text and the few entries of its data that somebody is interested in. Entries stay base64, as they are
 * on the wire. Takes what anybody wrote.
 */
#ifndef TOLLGATE_SECRET_H
#define TOLLGATE_SECRET_H

#include <stddef.h>

#include "error.h"

/* Its data's entries of these keys, malloc'ed; NULL for one that is missing, is no text or longer than max. 0, or -1 with ERROR_INVALID
 * when the text is no Secret. */
int secret_decode(const char *text, size_t len, const char *const keys[], size_t n, size_t max, char *values[], struct error *) must_check;
/* Its UID, malloc'ed; NULL when it has none, or the text is no Secret. */
char *secret_uid(const char *text, size_t len);
/* The body that replaces the Secret that was read as `text` by one with these entries, guarded by its resourceVersion: all else in it stays as
 * it was. malloc'ed; NULL as in secret_decode. */
char *secret_replacement(const char *text, size_t len, const char *const keys[], size_t n, char *const values[], struct error *) must_check;
/* The body that creates one. malloc'ed. */
char *secret_body(const char *ns, const char *name, const char *const keys[], size_t n, char *const values[]);

#endif
