/*
 * Log lines. A line is put together on the stack within 8 KiB and written at once, so lines of several writers do not mix and
 * logging takes no memory. Must not know where the values come from: any byte may be in them, and what comes out is UTF-8 without
 * control characters, one line. Invariant: RESERVE bytes are always free, so a line that is cut still ends as its format wants.
 */
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "instant.h"
#include "text.h"

enum { LINE_BYTES = 8192, RESERVE = 16, STALL_MS = 20 };

struct line {
	char text[LINE_BYTES];
	size_t len;
	bool cut; /* takes no more */
};

static const struct {
	const char *name, *label, *colour;
} levels[] = {
	[LOG_ERROR] = { "error", "ERROR", "\x1b[31m" },
	[LOG_WARN] = { "warn", "WARN ", "\x1b[33m" },
	[LOG_INFO] = { "info", "INFO ", "\x1b[32m" },
	[LOG_DEBUG] = { "debug", "DEBUG", "\x1b[36m" },
};

static void put(struct line *line, const char *text, size_t len)
{
	if (line->cut || line->len + len > LINE_BYTES - RESERVE) {
		line->cut = true;
		return;
	}
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static void put_text(struct line *line, const char *text)
{
	put(line, text, strlen(text));
}

/* Escapes as JSON has them; the text form uses the same. C1 controls too: a terminal acts on them as on ESC. */
static void put_escaped(struct line *line, const char *text, bool quoted)
{
	static const char hex[] = "0123456789abcdef";

	while (*text != '\0' && !line->cut) {
		const unsigned char *at = (const unsigned char *)text;
		size_t len = text_sequence(text);
		unsigned control = len == 1 && (at[0] < 0x20 || at[0] == 0x7f) ? at[0]
				   : len == 2 && at[0] == 0xc2 && at[1] < 0xa0 ? at[1]
									       : 0;

		if (len == 0) {
			put_text(line, "\xef\xbf\xbd");
			len = 1;
		} else if (*text == '\n' || *text == '\t' || *text == '\r') {
			put(line, *text == '\n' ? "\\n" : *text == '\t' ? "\\t" : "\\r", 2);
		} else if (control != 0) {
			put(line, (char[]){ '\\', 'u', '0', '0', hex[control >> 4], hex[control & 15] }, 6);
		} else if (quoted && (*text == '"' || *text == '\\')) {
			put(line, (char[]){ '\\', *text }, 2);
		} else {
			put(line, text, len);
		}
		text += len;
	}
}

/* Text that must not be taken for more than one value. */
static bool needs_quotes(const char *value)
{
	if (*value == '\0')
		return true;
	for (; *value != '\0'; value++)
		if ((unsigned char)*value <= ' ' || *value == '"' || *value == '=' || *value == '\\')
			return true;
	return false;
}

/* What the reserve is for: it fits, once for a value and once for the line. */
static void finish(struct line *line, const char *end)
{
	memcpy(line->text + line->len, end, strlen(end));
	line->len += strlen(end);
}

/* The opening quote, if any, is on the line already. */
static void put_value(struct line *line, const char *value, bool quoted)
{
	put_escaped(line, value, quoted);
	if (line->cut)
		finish(line, "\xe2\x80\xa6"); /* an ellipsis */
	if (quoted)
		finish(line, "\"");
}

/* A pair whose value does not begin on the line is left out. */
static void put_pair(struct line *line, enum log_format format, const char *key, const char *value)
{
	bool quoted = format == LOG_JSON || needs_quotes(value);
	size_t before = line->len;

	if (line->cut)
		return;
	put_text(line, format == LOG_JSON ? ",\"" : " ");
	put_escaped(line, key, true);
	put_text(line, format == LOG_JSON ? "\":\"" : quoted ? "=\"" : "=");
	if (line->cut)
		line->len = before;
	else
		put_value(line, value, quoted);
}

static void put_head(struct line *line, const struct log *log, enum log_level level, const char *message)
{
	struct timespec now = { 0 };
	char text[INSTANT_TEXT_SIZE], ms[] = ".000";

	clock_gettime(CLOCK_REALTIME, &now);
	instant_format((instant_t)now.tv_sec * 1000, text);
	text[sizeof("2026-11-22T10:06:20") - 1] = '\0';
	ms[1] = (char)('0' + now.tv_nsec / 100000000);
	ms[2] = (char)('0' + now.tv_nsec / 10000000 % 10);
	ms[3] = (char)('0' + now.tv_nsec / 1000000 % 10);
	if (log->format == LOG_JSON) {
		put_text(line, "{\"ts\":\"");
		put_text(line, text);
		put_text(line, ms);
		put_text(line, "Z\",\"level\":\"");
		put_text(line, levels[level].name);
		put_text(line, "\",\"msg\":\"");
		put_value(line, message, true);
		return;
	}
	put_text(line, text + sizeof("2026-11-22T") - 1);
	put_text(line, ms);
	put_text(line, log->colour ? " " : "");
	put_text(line, log->colour ? levels[level].colour : " ");
	put_text(line, levels[level].label);
	put_text(line, log->colour ? "\x1b[0m " : " ");
	put_value(line, message, false);
}

/* Room for so much at least, at once: a pipe's writer blocks otherwise, and the whole process with it. */
static bool has_room(struct log *log)
{
	struct pollfd fd = { .fd = log->fd, .events = POLLOUT };
	int n;

	if (log->fd < 0) /* nobody listens, and poll would wait for that one */
		return false;
	do
		n = poll(&fd, 1, log->stalled ? 0 : STALL_MS);
	while (n < 0 && errno == EINTR);
	log->stalled = n == 0;
	return n > 0;
}

/* A log that cannot be written has nobody to tell: what does not go out soon is lost, but for signals. */
static void write_out(struct log *log, const char *text, size_t len)
{
	while (len > 0 && has_room(log)) {
		ssize_t n = write(log->fd, text, len < PIPE_BUF ? len : PIPE_BUF);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

int log_level_parse(const char *text, enum log_level *level)
{
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
		if (strcmp(text, levels[i].name) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}

const char *log_level_name(enum log_level level)
{
	return levels[level].name;
}

int log_format_parse(const char *text, enum log_format *format)
{
	if (strcmp(text, "json") != 0 && strcmp(text, "text") != 0)
		return -1;
	*format = *text == 'j' ? LOG_JSON : LOG_TEXT;
	return 0;
}

void log_write(struct log *log, enum log_level level, const char *message, ...)
{
	int saved = errno;
	struct line line;
	va_list pairs;

	if (level > log->level)
		return;
	line.len = 0;
	line.cut = false;
	put_head(&line, log, level, message);
	va_start(pairs, message);
	for (const char *key; (key = va_arg(pairs, const char *)) != NULL;) {
		const char *value = va_arg(pairs, const char *);

		if (value != NULL)
			put_pair(&line, log->format, key, value);
	}
	va_end(pairs);
	finish(&line, log->format == LOG_JSON ? "}\n" : "\n");
	write_out(log, line.text, line.len);
	log->lines[level]++;
	errno = saved;
}
