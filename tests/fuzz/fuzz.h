/*
 * What the fuzz targets share. Each NAME_fuzz.c is one LLVMFuzzerTestOneInput: it asserts what must hold of any input, not only
 * that nothing breaks. What an input looks like stands at the top of its target. Linked to libFuzzer (`make fuzz`) or to replay.c.
 */
#ifndef TOLLGATE_FUZZ_H
#define TOLLGATE_FUZZ_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "error.h"
#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Also where NDEBUG is set. */
#define check(condition) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))
_Noreturn void fuzz_fail(const char *file, int line, const char *condition);

/* What -1 must leave behind: a class, and words that can be shown. */
void check_error(const struct error *);
bool is_utf8(const char *text);

/* The input's bytes from `at` on, with a NUL behind; malloc'ed. */
char *rest_of(const uint8_t *data, size_t size, size_t at);
/* Any JSON value, as lenient as the codecs are; NULL when it is none. The caller's. */
json_t *json_of(const char *text, size_t len);
/* The member of a member, borrowed; NULL where there is none. */
json_t *json_at(const json_t *tree, const char *outer, const char *inner);
/* Holds the first all that the second does? null is nothing; a list may have more items behind. */
bool json_covers(const json_t *more, const json_t *less);

/* RFC 6902 and RFC 7386 as the API server applies them. An operation that fails is a failure of the target. Both change the tree.
 */
void json_apply(json_t *tree, const char *patch);
void json_merge(json_t *tree, const json_t *patch);

/* A codec with atoms of its own; closing it checks that no atom is left. */
struct fuzz_codec {
	struct atoms *atoms;
	struct codec *codec;
};
struct fuzz_codec codec_open(void);
void codec_close(struct fuzz_codec *);
/* The kind that the digit names, in kinds.h's order; NULL when it names none. */
const struct resource *kind_of_digit(uint8_t digit);

#endif
