/*
 * Log lines on stderr: one JSON object a line, or text for people. Fields are pairs of strings, so that nothing is formatted that
 * is not written. No line ever carries a token, a password or a whole object.
 */
#ifndef TOLLGATE_LOG_H
#define TOLLGATE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR = 0, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT = 0, LOG_JSON };

struct log {
	int fd;
	enum log_level level; /* may change at any time */
	enum log_format format;
	bool colour; /* text only */
	bool stalled; /* nobody read when a line was last to be written: the next one is not waited with */
	uint64_t lines[4]; /* written, by level */
};

/* Level and format as the flags spell them: "error" "warn" "info" "debug", "json" "text". -1 if they do not. */
int log_level_parse(const char *, enum log_level *);
int log_format_parse(const char *, enum log_format *);
const char *log_level_name(enum log_level);

/* log_write(log, LOG_INFO, "synced", "kind", "BillingAccount", "objects", count_text, NULL): a NULL value skips its pair. Control
 * characters are escaped in both formats. Each line is one write(2); a line that does not fit 8 KiB is cut. */
void log_write(struct log *, enum log_level, const char *message, ...) __attribute__((sentinel));

#define log_error(log, ...) log_write((log), LOG_ERROR, __VA_ARGS__, (char *)0)
#define log_warn(log, ...) log_write((log), LOG_WARN, __VA_ARGS__, (char *)0)
#define log_info(log, ...) log_write((log), LOG_INFO, __VA_ARGS__, (char *)0)
#define log_debug(log, ...) \
	do { \
		if ((log)->level >= LOG_DEBUG) \
			log_write((log), LOG_DEBUG, __VA_ARGS__, (char *)0); \
	} while (0)

#endif
