/*
 * log.c: one line a call, whatever is in the values; JSON is JSON even when it is cut; what the level hides is not written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "log.h"

enum { LINE_BYTES = 8192 };

struct rig {
	struct log log;
	int reader;
	char text[2 * LINE_BYTES];
};

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	rig->reader = ends[0];
	rig->log = (struct log){ .fd = ends[1], .level = LOG_INFO, .format = LOG_TEXT };
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	close(rig->log.fd);
	close(rig->reader);
	free(rig);
	return 0;
}

/* What was written since, up to a mark that the test itself writes, as a pipe that is empty would block. */
static char *written(struct rig *rig)
{
	size_t len = 0;

	assert_int_equal(write(rig->log.fd, "\0", 1), 1);
	do {
		ssize_t n = read(rig->reader, rig->text + len, sizeof(rig->text) - len);

		assert_true(n > 0);
		len += (size_t)n;
	} while (rig->text[len - 1] != '\0');
	return rig->text;
}

static json_t *parsed(struct rig *rig)
{
	const char *text = written(rig);
	json_error_t error;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (json == NULL)
		fail_msg("%s: %s", error.text, text);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	return json;
}

static void assert_member(const json_t *json, const char *key, const char *value)
{
	assert_string_equal(json_string_value(json_object_get(json, key)), value);
}

/* The text line without its time, which has to look like one. */
static const char *after_time(const char *text)
{
	const char *form = "00:00:00.000 ";

	for (; *form != '\0'; form++, text++)
		assert_true(*form == '0' ? *text >= '0' && *text <= '9' : *text == *form);
	return text;
}

static void a_json_line_has_time_level_message_and_fields(void **state)
{
	struct rig *rig = *state;

	rig->log.format = LOG_JSON;
	log_info(&rig->log, "synced", "kind", "BillingAccount", "nothing", (char *)0, "objects", "12");
	time_t before = time(NULL);
	const char *text = written(rig);
	char day[32];
	struct tm tm;

	/* In this order, for people who look at it raw. */
	assert_non_null(
		strstr(text, "Z\",\"level\":\"info\",\"msg\":\"synced\",\"kind\":\"BillingAccount\",\"objects\":\"12\"}\n"));
	gmtime_r(&before, &tm);
	strftime(day, sizeof(day), "{\"ts\":\"%Y-%m-", &tm);
	assert_int_equal(strncmp(text, day, strlen(day)), 0);
	assert_int_equal(strchr(text, 'Z') - text, strlen("{\"ts\":\"2026-11-22T10:06:20.123"));
}

static void a_text_line_is_for_people(void **state)
{
	struct rig *rig = *state;

	log_warn(&rig->log, "cannot list, will retry", "kind", "Namespace", "after", "0.8 s", "empty", "", "equation", "a=b");
	assert_string_equal(after_time(written(rig)),
			    "WARN  cannot list, will retry kind=Namespace after=\"0.8 s\" empty=\"\" equation=\"a=b\"\n");
	log_error(&rig->log, "stop");
	assert_string_equal(after_time(written(rig)), "ERROR stop\n");
}

static void colours_only_when_asked_for_and_only_in_text(void **state)
{
	struct rig *rig = *state;

	rig->log.colour = true;
	log_error(&rig->log, "stop");
	assert_string_equal(after_time(written(rig)), "\x1b[31mERROR\x1b[0m stop\n");
	rig->log.format = LOG_JSON;
	log_error(&rig->log, "stop");
	assert_null(strchr(written(rig), '\x1b'));
}

static void the_level_hides_what_is_above_it(void **state)
{
	struct rig *rig = *state;

	for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
		memset(rig->log.lines, 0, sizeof(rig->log.lines));
		rig->log.level = (enum log_level)level;
		for (int of = LOG_ERROR; of <= LOG_DEBUG; of++)
			log_write(&rig->log, (enum log_level)of, "x", (char *)0);
		const char *text = written(rig);
		int lines = 0;

		for (; *text != '\0'; text++)
			lines += *text == '\n';
		assert_int_equal(lines, level + 1);
		for (int of = LOG_ERROR; of <= LOG_DEBUG; of++)
			assert_int_equal(rig->log.lines[of], of <= level);
	}
}

static void debug_lines_that_are_hidden_cost_no_arguments(void **state)
{
	struct rig *rig = *state;
	int evaluated = 0;

	log_debug(&rig->log, "x", "n", evaluated++ == 0 ? "a" : "b");
	assert_int_equal(evaluated, 0);
}

static const struct {
	const char *rule, *value, *json, *text;
} values[] = {
	{ "a newline does not end the line", "a\nb\r\tc", "a\nb\r\tc", "\"a\\nb\\r\\tc\"" },
	{ "control characters are escaped", "\x01\x1b[31m\x7f", "\x01\x1b[31m\x7f", "\"\\u0001\\u001b[31m\\u007f\"" },
	{ "so are those of Latin-1",
	  "\xc2\x9b"
	  "2J",
	  "\xc2\x9b"
	  "2J",
	  "\\u009b2J" },
	{ "quotes and backslashes", "say \"a\\b\"", "say \"a\\b\"", "\"say \\\"a\\\\b\\\"\"" },
	{ "UTF-8 passes", "Z\xc3\xbcrich \xf0\x9f\x92\xb3", "Z\xc3\xbcrich \xf0\x9f\x92\xb3",
	  "\"Z\xc3\xbcrich \xf0\x9f\x92\xb3\"" },
	{ "what is no UTF-8 is replaced, byte by byte",
	  "\xff"
	  "a\xc3",
	  "\xef\xbf\xbd"
	  "a\xef\xbf\xbd",
	  "\xef\xbf\xbd"
	  "a\xef\xbf\xbd" },
	{ "overlong and surrogate are none", "\xc0\xaf\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
	  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	{ "nor is what lies past Unicode", "\xf4\x90\x80\x80\xe0\x80\x80", NULL, NULL },
	{ "half a sequence before the end", "\xf0\x9f\x92", NULL, NULL },
};

static void any_value_makes_one_line(void **state)
{
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char want[256];

		rig->log.format = LOG_JSON;
		log_info(&rig->log, values[i].value, "key", values[i].value);
		json_t *json = parsed(rig);

		if (values[i].json != NULL) {
			assert_member(json, "key", values[i].json);
			assert_member(json, "msg", values[i].json);
		}
		json_decref(json);
		rig->log.format = LOG_TEXT;
		log_info(&rig->log, "m", "key", values[i].value);
		snprintf(want, sizeof(want), "INFO  m key=%s\n", values[i].text != NULL ? values[i].text : "");
		if (values[i].text != NULL)
			assert_string_equal(after_time(written(rig)), want);
		else
			written(rig);
	}
}

/* Values of many lengths around the limit, that end in bytes which make a cut awkward. */
static void a_line_too_long_is_cut_and_still_a_line(void **state)
{
	enum { UNITS = 40 };
	static const char *const units[] = { "x", "\"", "\n", "\x01", "\xc3\xbc", "\xf0\x9f\x92\xb3", "\xff" };
	struct rig *rig = *state;
	int cut = 0, whole = 0;

	for (size_t unit = 0; unit < sizeof(units) / sizeof(units[0]); unit++) {
		for (size_t n = 7850; n < 8150; n += n < 8050 ? 3 : 1) {
			size_t len = strlen(units[unit]);
			char *value = calloc(n + UNITS * len + 1, 1);

			memset(value, 'x', n);
			for (size_t i = 0; i < UNITS; i++)
				memcpy(value + n + i * len, units[unit], len);
			rig->log.format = LOG_JSON;
			log_info(&rig->log, "m", "long", value, "next", "short");
			json_t *json = parsed(rig);

			assert_true(strlen(rig->text) <= LINE_BYTES);
			const char *got = json_string_value(json_object_get(json, "long"));

			assert_non_null(got);
			if (strlen(got) >= 3 && strcmp(got + strlen(got) - 3, "\xe2\x80\xa6") == 0) {
				cut++;
				assert_true(strlen(rig->text) > LINE_BYTES - 32);
				assert_null(json_object_get(json, "next"));
			} else {
				whole++;
			}
			json_decref(json);
			rig->log.format = LOG_TEXT;
			log_info(&rig->log, value, "next", "short");
			assert_true(strlen(written(rig)) <= LINE_BYTES);
			assert_ptr_equal(strchr(rig->text, '\n'), rig->text + strlen(rig->text) - 1);
			free(value);
		}
	}
	assert_true(cut > 100 && whole > 100);
}

static void errno_survives(void **state)
{
	struct rig *rig = *state;
	struct log closed = { .fd = -1, .level = LOG_INFO };

	(void)rig;
	errno = ENOENT;
	log_info(&closed, "nobody hears this");
	assert_int_equal(errno, ENOENT);
}

static void flags_are_spelled_exactly(void **state)
{
	enum log_level level = LOG_DEBUG;
	enum log_format format = LOG_TEXT;

	(void)state;
	assert_int_equal(log_level_parse("error", &level), 0);
	assert_int_equal(level, LOG_ERROR);
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_DEBUG);
	assert_int_equal(log_level_parse("Debug", &level), -1);
	assert_int_equal(log_level_parse("", &level), -1);
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
		assert_int_equal(log_level_parse(log_level_name((enum log_level)i), &level), 0);
		assert_int_equal(level, i);
	}
	assert_int_equal(log_format_parse("json", &format), 0);
	assert_int_equal(format, LOG_JSON);
	assert_int_equal(log_format_parse("text", &format), 0);
	assert_int_equal(format, LOG_TEXT);
	assert_int_equal(log_format_parse("jso", &format), -1);
	assert_int_equal(log_format_parse("", &format), -1);
}

/* A reader that stalls costs lines, not the process. */
static void a_reader_that_stalls_holds_nothing_up(void **state)
{
	char text[4096];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	struct log log = { .fd = ends[1], .level = LOG_INFO };

	alarm(20); /* it would wait for ever */
	for (int i = 0; i < 20000; i++)
		log_info(&log, "nobody reads this");
	assert_true(log.stalled);
	while (read(ends[0], text, sizeof(text)) == (ssize_t)sizeof(text))
		;
	log_info(&log, "and goes on");
	alarm(0);
	assert_false(log.stalled);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
#define RIGGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		RIGGED(a_json_line_has_time_level_message_and_fields),
		RIGGED(a_text_line_is_for_people),
		RIGGED(colours_only_when_asked_for_and_only_in_text),
		RIGGED(the_level_hides_what_is_above_it),
		RIGGED(debug_lines_that_are_hidden_cost_no_arguments),
		RIGGED(any_value_makes_one_line),
		RIGGED(a_line_too_long_is_cut_and_still_a_line),
		RIGGED(errno_survives),
		RIGGED(flags_are_spelled_exactly),
		cmocka_unit_test(a_reader_that_stalls_holds_nothing_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
