/*
 * Which bearer token goes with the next request, if any. A token file beats an inline token; the inline one serves until the file
 * could first be read. Must not know who asks or how a request is sent. Invariant: header is NULL or "Bearer " and a token without
 * spaces, control characters or line ends, so that a file's contents can never add a header of their own.
 */
#include "auth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

enum {
	TOKEN_FILE_AGE_MS = 50 * 1000, /* client-go: kubelet rotates at 80 % of a token's life, an hour at the least */
	TOKEN_BYTES_MAX = 64 << 10,    /* no API server takes headers that long */
};

static const char BEARER[] = "Bearer ";

struct auth {
	const struct cluster_config *config;
	char *header;
	bool read; /* the file was tried at read_at_ms */
	int64_t read_at_ms;
};

static void forget(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* "Bearer <text trimmed>", or NULL when nothing is left of it or it cannot be a token. */
static char *make_header(const char *text, size_t len)
{
	while (len && is_blank(text[len - 1]))
		len--;
	while (len && is_blank(text[0])) {
		text++;
		len--;
	}
	if (!len)
		return NULL;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
			return NULL;
	char *header = memory_alloc(sizeof(BEARER) + len);

	memcpy(header, BEARER, sizeof(BEARER) - 1);
	memcpy(header + sizeof(BEARER) - 1, text, len);
	return header;
}

/* The header that the file stands for, or NULL: unreadable, empty, too long or not a token. */
static char *read_file(const char *path)
{
	/* O_NONBLOCK: a FIFO in its place must not stop the loop. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return NULL;
	char *text = memory_alloc(TOKEN_BYTES_MAX + 1);
	size_t len = 0;
	ssize_t got;

	do {
		got = read(fd, text + len, TOKEN_BYTES_MAX + 1 - len);
		if (got > 0)
			len += (size_t)got;
	} while ((got > 0 && len <= TOKEN_BYTES_MAX) || (got < 0 && errno == EINTR));
	close(fd);

	char *header = got == 0 ? make_header(text, len) : NULL;

	explicit_bzero(text, len);
	free(text);
	return header;
}

/* True if there is another token now than before. */
static bool reread(struct auth *auth, int64_t monotonic_ms)
{
	auth->read = true;
	auth->read_at_ms = monotonic_ms;
	char *fresh = read_file(auth->config->token_file);

	if (!fresh)
		return false;
	if (auth->header && strcmp(auth->header, fresh) == 0) {
		forget(fresh);
		return false;
	}
	forget(auth->header);
	auth->header = fresh;
	return true;
}

struct auth *auth_new(const struct cluster_config *config)
{
	struct auth *auth = memory_alloc(sizeof(*auth));

	auth->config = config;
	if (config->token)
		auth->header = make_header(config->token, strlen(config->token));
	return auth;
}

void auth_free(struct auth *auth)
{
	if (!auth)
		return;
	forget(auth->header);
	free(auth);
}

const char *auth_header(struct auth *auth, int64_t monotonic_ms)
{
	if (auth->config->token_file && (!auth->read || monotonic_ms - auth->read_at_ms >= TOKEN_FILE_AGE_MS))
		reread(auth, monotonic_ms);
	return auth->header;
}

bool auth_rejected(struct auth *auth, int64_t monotonic_ms)
{
	return auth->config->token_file && reread(auth, monotonic_ms);
}
