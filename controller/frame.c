/*
 * Cuts a body into slices with a JSON tokenizer that knows brackets, strings and a few places, and nothing else. Bytes are not
 * looked at one by one where that can be avoided: a run of bytes to keep is copied when it ends (`from` is its start). Must not
 * know sockets, kinds, or whether what is inside a slice makes sense. Invariant: between two bytes all state is in struct frame,
 * so a chunk may end anywhere.
 *
 *   START --value--> VALUE ---scalar, string, closing bracket---> AFTER --last bracket--> DONE
 *                     ^  |                                        | ^
 *      array: , or [  |  | {                        , in an object| |
 *                     |  v                                        v |
 *                   COLON <---"key"--- KEY <----------------------+ (KEY_FIRST, VALUE_FIRST: a closing bracket will do as well)
 *
 * A byte that no arrow is for: a list is FAILED; a line or a whole is RAW, passed on untouched for the decoder to refuse.
 */
#include "frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

enum { KEEP_SIZE = 64 * 1024, FIRST_SIZE = 2048 }; /* buffers up to KEEP_SIZE survive a reset */

/* Those before STRING go by the byte, through action_of. */
enum state { START, VALUE, VALUE_FIRST, KEY, KEY_FIRST, COLON, AFTER, DONE, STRING, SCALAR, RAW, FAILED };

/* What a byte can mean outside of strings. */
enum class { OTHER, SPACE, NEWLINE, QUOTE, OPEN_OBJECT, OPEN_ARRAY, CLOSE_OBJECT, CLOSE_ARRAY, COLON_SIGN, COMMA, WORD, CLASSES };

static const uint8_t class_of[256] = {
	[' '] = SPACE,	    ['\t'] = SPACE,	  ['\r'] = SPACE,      ['\n'] = NEWLINE,   ['"'] = QUOTE, ['{'] = OPEN_OBJECT,
	['['] = OPEN_ARRAY, ['}'] = CLOSE_OBJECT, [']'] = CLOSE_ARRAY, [':'] = COLON_SIGN, [','] = COMMA, ['+'] = WORD,
	['-'] = WORD,	    ['.'] = WORD,	  ['0'] = WORD,	       ['1'] = WORD,	   ['2'] = WORD,  ['3'] = WORD,
	['4'] = WORD,	    ['5'] = WORD,	  ['6'] = WORD,	       ['7'] = WORD,	   ['8'] = WORD,  ['9'] = WORD,
	['E'] = WORD,	    ['a'] = WORD,	  ['e'] = WORD,	       ['f'] = WORD,	   ['l'] = WORD,  ['n'] = WORD,
	['r'] = WORD,	    ['s'] = WORD,	  ['t'] = WORD,	       ['u'] = WORD,
};

/* Must a scan through a string stop there? */
static uint8_t stops_string(char byte)
{
	static const uint8_t stops[256] = { ['"'] = 1, ['\\'] = 1, ['\n'] = 1 };

	return stops[(unsigned char)byte];
}

enum action { BAD, PASS, LINE_END, BEGIN, STRING_BEGIN, KEY_BEGIN, SCALAR_BEGIN, OPEN, CLOSE, MEMBER, NEXT };

#define BLANKS [SPACE] = PASS, [NEWLINE] = LINE_END
#define VALUES [QUOTE] = STRING_BEGIN, [OPEN_OBJECT] = OPEN, [OPEN_ARRAY] = OPEN, [WORD] = SCALAR_BEGIN
static const uint8_t action_of[][CLASSES] = {
	[START] = { BLANKS, [OTHER] = BEGIN, [QUOTE] = BEGIN, [OPEN_OBJECT] = BEGIN, [OPEN_ARRAY] = BEGIN, [CLOSE_OBJECT] = BEGIN,
		    [CLOSE_ARRAY] = BEGIN, [COLON_SIGN] = BEGIN, [COMMA] = BEGIN, [WORD] = BEGIN },
	[VALUE] = { BLANKS, VALUES },
	[VALUE_FIRST] = { BLANKS, VALUES, [CLOSE_ARRAY] = CLOSE },
	[KEY] = { BLANKS, [QUOTE] = KEY_BEGIN },
	[KEY_FIRST] = { BLANKS, [QUOTE] = KEY_BEGIN, [CLOSE_OBJECT] = CLOSE },
	[COLON] = { BLANKS, [COLON_SIGN] = MEMBER },
	[AFTER] = { BLANKS, [COMMA] = NEXT, [CLOSE_OBJECT] = CLOSE, [CLOSE_ARRAY] = CLOSE },
	[DONE] = { BLANKS },
};

/* Where a value is, as far as it matters. Everything below ELSEWHERE is ELSEWHERE, so spec.metadata.managedFields is not ours. */
enum place {
	ELSEWHERE, EVENT, LIST, ITEMS, ANNOTATIONS, REVIEW, REQUEST, JUDGED, JUDGED_METADATA, DROP_TO_NULL, DROP_TO_EMPTY,
	/* What a slice has at most once, if it is to be known without a tree: */
	OBJECT, METADATA, TYPE, NAMESPACE, NAME, VERSION
};
enum { IN_ARRAY = 0x80, ONCE = OBJECT, WORDS = TYPE };

#define KEY(in, is, key) { in, is, sizeof(key) - 1, key }
static const struct {
	enum place in, is;
	uint8_t len;
	const char *key; /* as spelled by every known server: a key with escapes is another key to us */
} places[] = {
	KEY(EVENT, TYPE, "type"),
	KEY(EVENT, OBJECT, "object"),
	KEY(LIST, ITEMS, "items"),
	KEY(OBJECT, METADATA, "metadata"),
	KEY(METADATA, NAME, "name"),
	KEY(METADATA, NAMESPACE, "namespace"),
	KEY(METADATA, VERSION, "resourceVersion"),
	KEY(METADATA, DROP_TO_NULL, "managedFields"),
	KEY(METADATA, ANNOTATIONS, "annotations"),
	KEY(ANNOTATIONS, DROP_TO_EMPTY, "kubectl.kubernetes.io/last-applied-configuration"),
	KEY(REVIEW, REQUEST, "request"),
	KEY(REQUEST, JUDGED, "object"),
	KEY(REQUEST, JUDGED, "oldObject"),
	KEY(JUDGED, JUDGED_METADATA, "metadata"),
	KEY(JUDGED_METADATA, DROP_TO_NULL, "managedFields"),
};

/* One call of frame_push. Bytes [from, at) are to be kept, and not copied yet, while frame->keeping. */
struct feed {
	struct frame *frame;
	const char *data, *at, *end, *from;
	frame_emit *emit;
	void *context;
	struct error *err;
};

static void text_shrink(struct frame_text *text)
{
	if (text->size > KEEP_SIZE) {
		free(text->at);
		*text = (struct frame_text){ 0 };
	}
	text->len = 0;
}

static struct frame_text *current(struct frame *frame)
{
	return frame->mode == FRAME_LIST && !frame->in_item ? &frame->envelope : &frame->slice;
}

static int append(struct frame *frame, const char *bytes, size_t len, struct error *err)
{
	struct frame_text *text = current(frame);

	if (len > frame->slice_limit - text->len)
		return error_set(err, ERROR_INVALID, "an object or line of more than %zu bytes came, which is the limit",
				 frame->slice_limit);
	if (text->len + len + 1 > text->size) {
		size_t size = text->size > FIRST_SIZE ? text->size : FIRST_SIZE;

		while (size < text->len + len + 1)
			size *= 2;
		text->at = memory_resize(text->at, size);
		text->size = size;
	}
	memcpy(text->at + text->len, bytes, len);
	text->len += len;
	return 0;
}

/* Copies what is to be kept up to here, so that the text is complete to the byte. */
static int flush(struct feed *feed)
{
	size_t len = feed->frame->keeping ? (size_t)(feed->at - feed->from) : 0;

	feed->from = feed->at;
	return len == 0 ? 0 : append(feed->frame, feed->at - len, len, feed->err);
}

static void keep_from_here(struct feed *feed)
{
	feed->frame->keeping = true;
	feed->from = feed->at;
}

static int emit_text(const struct frame_text *text, enum slice_type type, frame_emit *emit, void *context)
{
	if (text->len == 0)
		return emit(context, type, "", 0);
	text->at[text->len] = '\0';
	return emit(context, type, text->at, text->len);
}

static int bad(struct feed *feed)
{
	struct frame *frame = feed->frame;

	if (frame->mode == FRAME_LIST)
		return error_set(feed->err, ERROR_INVALID, "the answer is not a list: unexpected byte 0x%02x at offset %llu",
				 (unsigned)(unsigned char)*feed->at,
				 (unsigned long long)frame->consumed + (unsigned long long)(feed->at - feed->data));
	if (!frame->keeping)
		keep_from_here(feed);
	frame->state = RAW;
	frame->unsure = true;
	return 0;
}

/* ---- what the slice is about ---- */

static void forget_head(struct frame *frame)
{
	frame->passed = frame->noted = 0;
	frame->unsure = false;
}

static uint8_t once_bit(uint8_t place)
{
	return (uint8_t)(place < ONCE || place > VERSION ? 0 : 1u << (place - ONCE));
}

/* Whose key has just come. */
static void pass(struct frame *frame, uint8_t place)
{
	frame->unsure |= (frame->passed & once_bit(place)) != 0;
	frame->passed |= once_bit(place);
}

/* Where the next byte will be in the text that it goes to. */
static size_t position(const struct feed *feed)
{
	return current(feed->frame)->len + (size_t)(feed->at - feed->from);
}

static bool is_word(const struct frame *frame)
{
	return frame->next >= WORDS && !frame->dropping;
}

/* At its opening quote, */
static void begin_word(struct feed *feed)
{
	struct frame *frame = feed->frame;

	frame->noted |= once_bit(frame->next);
	frame->words[frame->next - WORDS].at = position(feed) + 1;
}

/* and at its closing one. */
static void end_word(struct feed *feed)
{
	struct frame *frame = feed->frame;

	frame->words[frame->next - WORDS].len = position(feed) - frame->words[frame->next - WORDS].at;
}

static struct frame_word word_of(const struct frame *frame, uint8_t place)
{
	if (!(frame->noted & once_bit(place)))
		return (struct frame_word){ 0 };
	return (struct frame_word){ .at = frame->slice.at + frame->words[place - WORDS].at, .len = frame->words[place - WORDS].len };
}

bool frame_head(const struct frame *frame, struct frame_head *head)
{
	const uint8_t containers = once_bit(OBJECT) | once_bit(METADATA);

	if (frame->unsure || frame->noted != (frame->passed & ~containers))
		return false;
	*head = (struct frame_head){ .type = word_of(frame, TYPE), .ns = word_of(frame, NAMESPACE), .name = word_of(frame, NAME),
				     .resource_version = word_of(frame, VERSION) };
	return true;
}

bool frame_word_is(struct frame_word word, const char *text)
{
	return word.len == strlen(text) && memcmp(word.at, text, word.len) == 0;
}

bool frame_word_copy(struct frame_word word, char *to, size_t room)
{
	if (!word.len || word.len >= room)
		return false;
	memcpy(to, word.at, word.len);
	to[word.len] = '\0';
	return true;
}

/* ---- the way through it ---- */

static void start(struct frame *frame)
{
	frame->state = START;
	frame->depth = 0;
	frame->dropping = frame->keeping = frame->in_item = frame->escaped = false;
	frame->slice.len = 0;
	forget_head(frame);
}

/* At a newline. In a watch it ends the line wherever it stands: no JSON string can hold one, so if it stands in a string the line
 * is broken, and swallowing those that follow would not repair it. */
static int end_line(struct feed *feed)
{
	struct frame *frame = feed->frame;
	struct frame_text *line = &frame->slice;

	if (frame->mode != FRAME_LINES) {
		feed->at++;
		return 0;
	}
	if (flush(feed) != 0)
		return -1;
	while (line->len > 0 && class_of[(unsigned char)line->at[line->len - 1]] == SPACE)
		line->len--;
	frame->unsure |= frame->state != DONE;
	if (line->len > 0 && emit_text(line, SLICE_LINE, feed->emit, feed->context) != 0)
		return -1;
	start(frame);
	feed->at++;
	return 0;
}

/* What the innermost open container is: its place, and IN_ARRAY. Only what is being dropped lies deeper than the stack, and of that
 * no more than the kind of bracket matters. */
static uint8_t innermost(const struct frame *frame)
{
	unsigned at = frame->depth - 1u;

	if (at < FRAME_DEPTH_MAX)
		return frame->stack[at];
	at -= FRAME_DEPTH_MAX;
	return (uint8_t)(frame->deep[at / 8] >> at % 8 & 1 ? IN_ARRAY : ELSEWHERE);
}

static void push(struct frame *frame, uint8_t container)
{
	unsigned at = frame->depth++;

	if (at < FRAME_DEPTH_MAX) {
		frame->stack[at] = container;
		return;
	}
	at -= FRAME_DEPTH_MAX;
	frame->deep[at / 8] = (uint8_t)((frame->deep[at / 8] & ~(1u << at % 8)) | (unsigned)(container & IN_ARRAY ? 1 : 0) << at % 8);
}

static bool token_is(const struct frame *frame, const struct frame_text *text, const char *word, size_t len)
{
	return text->len - frame->token_at == len && memcmp(text->at + frame->token_at, word, len) == 0;
}

/* At the closing quote of a key: where is its value? */
static int end_key(struct feed *feed)
{
	struct frame *frame = feed->frame;
	uint8_t in = innermost(frame);

	frame->state = COLON;
	frame->next = ELSEWHERE; /* and so is all within a value that is dropped */
	if (in == ELSEWHERE || frame->dropping)
		return 0;
	if (flush(feed) != 0)
		return -1;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (places[i].in == in && token_is(frame, current(frame), places[i].key, places[i].len))
			frame->next = (uint8_t)places[i].is;
	pass(frame, frame->next);
	return 0;
}

/* At the first byte of a value. */
static int begin_value(struct feed *feed)
{
	struct frame *frame = feed->frame;

	if (frame->dropping)
		return 0;
	if (frame->depth > 0 && innermost(frame) == (ITEMS | IN_ARRAY)) {
		frame->in_item = true;
		keep_from_here(feed);
		return 0;
	}
	if (frame->next == ITEMS) {
		if (frame->has_items)
			return error_set(feed->err, ERROR_INVALID, "the list has \"items\" twice");
		if (*feed->at != '[' && *feed->at != 'n')
			return error_set(feed->err, ERROR_INVALID, "\"items\" of the list is not an array");
		if (flush(feed) != 0)
			return -1;
		frame->has_items = true;
		frame->token_at = frame->envelope.len;
	}
	if (frame->next == DROP_TO_NULL || frame->next == DROP_TO_EMPTY) {
		const char *instead = frame->next == DROP_TO_NULL ? "null" : "\"\"";

		if (flush(feed) != 0 || append(frame, instead, strlen(instead), feed->err) != 0)
			return -1;
		frame->dropping = true;
		frame->keeping = false;
		frame->drop_depth = frame->depth;
	}
	return 0;
}

/* Just past a value. */
static int end_value(struct feed *feed)
{
	struct frame *frame = feed->frame;

	frame->state = frame->depth > 0 ? AFTER : DONE;
	if (frame->dropping) {
		if (frame->depth == frame->drop_depth) {
			frame->dropping = false;
			keep_from_here(feed);
		}
		return 0;
	}
	if (!frame->in_item || innermost(frame) != (ITEMS | IN_ARRAY))
		return 0;
	if (flush(feed) != 0 || emit_text(&frame->slice, SLICE_ITEM, feed->emit, feed->context) != 0)
		return -1;
	frame->slice.len = 0;
	forget_head(frame);
	frame->in_item = false;
	frame->keeping = false; /* commas between items are nobody's */
	return 0;
}

static int open_container(struct feed *feed)
{
	struct frame *frame = feed->frame;
	bool array = *feed->at == '[';

	if (frame->depth == FRAME_DEPTH_MAX && !frame->dropping)
		frame->next = DROP_TO_NULL; /* no schema of ours goes so deep: one odd object must not stop all others */
	if (begin_value(feed) != 0)
		return -1;
	if (frame->depth == FRAME_DEPTH_MAX + FRAME_DEEP_MAX)
		return error_set(feed->err, ERROR_INVALID, "JSON nested deeper than %d levels came", FRAME_DEPTH_MAX + FRAME_DEEP_MAX);
	push(frame, (uint8_t)((frame->dropping ? ELSEWHERE : frame->next) | (array ? IN_ARRAY : 0)));
	frame->state = array ? VALUE_FIRST : KEY_FIRST;
	feed->at++;
	if (array && frame->next == ITEMS && !frame->dropping) {
		if (flush(feed) != 0)
			return -1;
		frame->keeping = false;
	}
	/* Elements of an array have no key to look up: those of "items" are objects, all others are elsewhere. */
	if (array)
		frame->next = frame->next == ITEMS ? OBJECT : ELSEWHERE;
	return 0;
}

static int close_container(struct feed *feed)
{
	struct frame *frame = feed->frame;
	uint8_t in = innermost(frame);

	if (((in & IN_ARRAY) != 0) != (*feed->at == ']'))
		return bad(feed);
	if (in == (ITEMS | IN_ARRAY))
		keep_from_here(feed);
	frame->depth--;
	feed->at++;
	return end_value(feed);
}

static void next_element(struct frame *frame)
{
	uint8_t in = innermost(frame);

	frame->state = (in & IN_ARRAY) != 0 ? VALUE : KEY;
	frame->next = in == (ITEMS | IN_ARRAY) ? OBJECT : ELSEWHERE;
}

/* managedFields are the greater part of most objects, and the greater part of them is "f:name":{},"f:other":{}: at once into the next key,
 * unless the empty object would lie too deep. */
static bool enter_next_key(struct feed *feed)
{
	static const char between[] = "\":{},\"";
	const size_t len = sizeof(between) - 1;

	if (!feed->frame->dropping || feed->frame->depth == FRAME_DEPTH_MAX + FRAME_DEEP_MAX || (size_t)(feed->end - feed->at) < len ||
	    memcmp(feed->at, between, len) != 0)
		return false;
	feed->at += len;
	return true;
}

/* From anywhere within a string to its end or the chunk's. */
static int run_string(struct feed *feed)
{
	struct frame *frame = feed->frame;
	const char *at = feed->at, *end = feed->end;
	bool lines = frame->mode == FRAME_LINES;

	for (; at < end; at++) {
		if (frame->escaped) {
			frame->escaped = false;
			if (*at != '\n' || !lines)
				continue;
		}
		while (end - at >= 4 && !(stops_string(at[0]) | stops_string(at[1]) | stops_string(at[2]) | stops_string(at[3])))
			at += 4;
		while (at < end && !stops_string(*at))
			at++;
		if (at == end)
			break;
		feed->at = at;
		if (*at == '\\') {
			frame->escaped = true;
			frame->unsure |= is_word(frame);
		} else if (*at == '\n') {
			if (lines)
				return end_line(feed);
		} else if (frame->in_key) {
			if (enter_next_key(feed)) {
				at = feed->at - 1;
				continue;
			}
			int result = end_key(feed);

			feed->at++;
			return result;
		} else {
			if (is_word(frame))
				end_word(feed);
			feed->at++;
			return end_value(feed);
		}
	}
	feed->at = end;
	return 0;
}

static int run_scalar(struct feed *feed)
{
	struct frame *frame = feed->frame;

	while (feed->at < feed->end && class_of[(unsigned char)*feed->at] == WORD)
		feed->at++;
	if (feed->at == feed->end)
		return 0;
	if (frame->next == ITEMS) {
		if (flush(feed) != 0)
			return -1;
		if (!token_is(frame, &frame->envelope, "null", 4))
			return error_set(feed->err, ERROR_INVALID, "\"items\" of the list is not an array");
		frame->envelope.len = frame->token_at;
		if (append(frame, "[]", 2, feed->err) != 0)
			return -1;
	}
	return end_value(feed);
}

static int begin(struct feed *feed)
{
	static const uint8_t top[] = { [FRAME_LINES] = EVENT, [FRAME_LIST] = LIST, [FRAME_WHOLE] = OBJECT, [FRAME_REVIEW] = REVIEW };
	struct frame *frame = feed->frame;

	if (frame->mode == FRAME_LIST && *feed->at != '{')
		return bad(feed);
	frame->state = VALUE;
	frame->next = top[frame->mode];
	keep_from_here(feed);
	return 0;
}

static int begin_key(struct feed *feed)
{
	struct frame *frame = feed->frame;

	feed->at++;
	frame->state = STRING;
	frame->in_key = true;
	if (innermost(frame) == ELSEWHERE || frame->dropping)
		return 0;
	if (flush(feed) != 0)
		return -1;
	frame->token_at = current(frame)->len;
	return 0;
}

static int step(struct feed *feed)
{
	struct frame *frame = feed->frame;

	switch ((enum action)action_of[frame->state][class_of[(unsigned char)*feed->at]]) {
	case BAD:
		return bad(feed);
	case PASS:
		feed->at++;
		return 0;
	case LINE_END:
		return end_line(feed);
	case BEGIN:
		return begin(feed);
	case KEY_BEGIN:
		return begin_key(feed);
	case STRING_BEGIN:
	case SCALAR_BEGIN:
		if (begin_value(feed) != 0)
			return -1;
		frame->in_key = false;
		frame->state = *feed->at == '"' ? STRING : SCALAR;
		if (frame->state == STRING && is_word(frame))
			begin_word(feed);
		feed->at++;
		return 0;
	case OPEN:
		return open_container(feed);
	case CLOSE:
		return close_container(feed);
	case MEMBER:
		frame->state = VALUE;
		feed->at++;
		return 0;
	case NEXT:
		next_element(frame);
		feed->at++;
		return 0;
	}
	return 0;
}

static int run_raw(struct feed *feed)
{
	const char *newline = NULL;

	if (feed->frame->mode == FRAME_LINES)
		newline = memchr(feed->at, '\n', (size_t)(feed->end - feed->at));
	feed->at = newline != NULL ? newline : feed->end;
	return newline != NULL ? end_line(feed) : 0;
}

static int run(struct feed *feed)
{
	const struct frame *frame = feed->frame;
	int result = 0;

	while (result == 0 && feed->at < feed->end) {
		if (frame->state < STRING)
			result = step(feed);
		else if (frame->state == STRING)
			result = run_string(feed);
		else if (frame->state == SCALAR)
			result = run_scalar(feed);
		else
			result = run_raw(feed);
	}
	return result == 0 ? flush(feed) : -1;
}

void frame_init(struct frame *frame, enum frame_mode mode, size_t slice_limit)
{
	*frame = (struct frame){ .slice_limit = slice_limit };
	frame_reset(frame, mode);
}

void frame_reset(struct frame *frame, enum frame_mode mode)
{
	frame->mode = mode;
	frame->consumed = 0;
	frame->has_items = false;
	text_shrink(&frame->slice);
	text_shrink(&frame->envelope);
	start(frame);
}

void frame_close(struct frame *frame)
{
	free(frame->slice.at);
	free(frame->envelope.at);
	frame->slice = frame->envelope = (struct frame_text){ 0 };
	frame->state = FAILED;
}

int frame_push(struct frame *frame, const char *data, size_t len, frame_emit *emit, void *context, struct error *err)
{
	struct feed feed = { .frame = frame, .data = data, .at = data, .from = data, .emit = emit, .context = context, .err = err };

	if (frame->state == FAILED)
		return error_set(err, ERROR_INVALID, "the stream has already failed");
	if (len == 0)
		return 0;
	feed.end = data + len;
	if (run(&feed) != 0) {
		frame->state = FAILED;
		return -1;
	}
	frame->consumed += len;
	return 0;
}

int frame_finish(struct frame *frame, frame_emit *emit, void *context, struct error *err)
{
	enum state state = frame->state;

	frame->state = FAILED; /* until it is reset */
	if (state == FAILED)
		return error_set(err, ERROR_INVALID, "the stream has already failed");
	switch (frame->mode) {
	case FRAME_LINES:
		if (state == START)
			return 0;
		return error_set(err, ERROR_RETRY, "truncated: the stream ended within a line, after %llu bytes",
				 (unsigned long long)frame->consumed);
	case FRAME_LIST:
		if (state != DONE)
			return error_set(err, ERROR_RETRY, "truncated: the list ended after %llu bytes",
					 (unsigned long long)frame->consumed);
		if (!frame->has_items)
			return error_set(err, ERROR_INVALID, "the answer is not a list: it has no \"items\"");
		return emit_text(&frame->envelope, SLICE_ENVELOPE, emit, context);
	case FRAME_WHOLE:
	case FRAME_REVIEW:
		frame->unsure |= state != DONE;
		return emit_text(&frame->slice, SLICE_WHOLE, emit, context);
	}
	return 0;
}
