/*
 * What a refusal means. Input: a line with the HTTP code and the Retry-After header's milliseconds, then the body. There is always
 * a class and a message that can be shown, and nobody makes us wait for longer than the cap.
 */
#include <stdio.h>

#include "caps.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = rest_of(data, size, 0);
	const char *newline = memchr(text, '\n', size);
	int code = 0, header_ms = 0;
	struct error err = { 0 }, again;

	if (!newline || sscanf(text, "%9d %9d", &code, &header_ms) != 2)
		return 0;
	const size_t len = size - (size_t)(newline + 1 - text);

	status_error(code, newline + 1, len, header_ms, &err);
	check_error(&err);
	check(err.retry_after_ms >= 0 && err.retry_after_ms <= CAP_RETRY_AFTER_MS);
	check(err.retry_after_ms >= (header_ms < CAP_RETRY_AFTER_MS ? header_ms : CAP_RETRY_AFTER_MS));
	check(code == 0 || err.code == code);
	/* A longer wait in the header never makes for a shorter one, nor for another meaning. */
	status_error(code, newline + 1, len, CAP_RETRY_AFTER_MS, &again);
	check(again.class == err.class && again.retry_after_ms == CAP_RETRY_AFTER_MS && strcmp(again.message, err.message) == 0);
	return 0;
}
