/*
 * Bytes from the API server in, pieces of JSON out: the lines of a watch, the items of a list, a whole body. Cuts where the syntax
 * says so, wherever the chunks end, and drops on the way what no one may store: metadata.managedFields becomes null, and the
 * annotation kubectl.kubernetes.io/last-applied-configuration "". Neither is ever buffered. No sockets, no JSON library.
 *
 * It also notes what an object is called and at which version it came (struct frame_head), since it passes there anyway: of an object
 * that is known at that version already no tree needs to be built, which costs thirty times what framing does.
 */
#ifndef TOLLGATE_FRAME_H
#define TOLLGATE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum frame_mode {
	FRAME_LINES, /* a watch: every line is one JSON object */
	FRAME_LIST,  /* a list: every element of the top-level "items" is one slice, the rest is the envelope */
	FRAME_WHOLE, /* single objects and error bodies, which need not be JSON: one slice at the end, empty if nothing came */
	FRAME_REVIEW, /* an admission review: as a whole, but its objects keep their annotations, which are judged */
};

enum slice_type {
	SLICE_LINE,	/* without its newline; blank lines are left out */
	SLICE_ITEM,	/* as they come, before the list is known to be complete */
	SLICE_ENVELOPE, /* last, from frame_finish: the top-level object with "items":[] */
	SLICE_WHOLE,
};

/* What is nested deeper than the first becomes null, like managedFields; deeper than both together is an error. The API server
 * itself takes no more than 10000 levels (Go's encoding/json). */
enum { FRAME_DEPTH_MAX = 64, FRAME_DEEP_MAX = 10000 };

/* The text is valid during the call, NUL-terminated for convenience, and may hold NULs of its own. It is framed, not judged: only
 * the JSON library knows whether it is JSON. -1 stops the frame; must not call it back, but for frame_head. */
typedef int frame_emit(void *context, enum slice_type type, const char *text, size_t len);

struct frame_text {
	char *at;
	size_t len, size;
};

/* Not NUL-terminated; at NULL: it is not there. */
struct frame_word {
	const char *at;
	size_t len;
};

/* The type of an event, and of its object, or of an item or a whole, what metadata says. */
struct frame_head {
	struct frame_word type, ns, name, resource_version;
};

enum { FRAME_WORDS = 4 };

/* Embedded by its owner, who looks at none of this. */
struct frame {
	enum frame_mode mode;
	size_t slice_limit;		   /* bytes in a slice, after dropping */
	uint64_t consumed;		   /* bytes of the body before the present chunk */
	struct frame_text slice, envelope; /* what of them has come so far; envelope: LIST only */
	size_t token_at;		   /* where the present key, or the value of "items", starts in its text */
	uint8_t state;			   /* enum state in frame.c */
	uint8_t next;			   /* enum place of the value to come */
	uint16_t depth;			   /* open containers */
	uint16_t drop_depth;		   /* depth around the value being dropped */
	bool dropping;			   /* inside a value that is not kept */
	bool keeping;			   /* bytes belong to a slice or the envelope: neither dropped nor between slices */
	bool in_item;			   /* LIST: they belong to the slice */
	bool in_key, escaped, has_items;
	/* For frame_head; bits and words by their places, see frame.c. */
	uint8_t passed, noted;		   /* what has come of the slice; what of it was a plain string */
	bool unsure;			   /* the slice is broken, or says something twice */
	struct {
		size_t at, len;
	} words[FRAME_WORDS]; /* in the slice */
	uint8_t stack[FRAME_DEPTH_MAX]; /* of each open container: its place, and whether it is an array */
	uint8_t deep[FRAME_DEEP_MAX / 8]; /* of those deeper, all dropped: is it an array? */
};

void frame_init(struct frame *, enum frame_mode, size_t slice_limit);
/* Ready for another body. Small buffers are kept. */
void frame_reset(struct frame *, enum frame_mode);
void frame_close(struct frame *);

/* Calls emit for what is complete. -1: emit said so (err is then its business), or ERROR_INVALID: nested beyond all measure, a
 * slice over its limit, or a list that is none; the frame then takes nothing until it is reset. A bad line or a bad whole is
 * passed on as it is, so that it can be reported with its text. */
int frame_push(struct frame *, const char *data, size_t len, frame_emit *emit, void *context, struct error *err) must_check;
/* The body has ended: emits envelope or whole. ERROR_RETRY `truncated`: a line without its newline, a list without its end. */
int frame_finish(struct frame *, frame_emit *emit, void *context, struct error *err) must_check;

/* Within emit: what was noted of its slice. False if that cannot be told for certain without the JSON library: the brackets do not
 * match, something is there twice, has an escape or is no string. What is no JSON for another reason is not noticed. */
bool frame_head(const struct frame *, struct frame_head *);
bool frame_word_is(struct frame_word, const char *text);
/* NUL-terminated. False, and nothing done: it is not there, empty, or does not fit. */
bool frame_word_copy(struct frame_word, char *to, size_t room);

#endif
