/* A record as its field table writes it, read again by jansson. For the tests of the codecs and their fuzzer. */
#ifndef TOLLGATE_WRITTEN_H
#define TOLLGATE_WRITTEN_H

#include <jansson.h>
#include <stdlib.h>

#include "../crds/encode.h"

/* The caller's; NULL when what was written is not JSON. */
static inline json_t *written(const struct shape *shape, const void *record)
{
	struct print text = { 0 };
	json_t *tree;

	encode_record(&text, shape, record);
	tree = json_loads(text.text, JSON_REJECT_DUPLICATES, NULL);
	free(text.text);
	return tree;
}

#endif
