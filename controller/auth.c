/*
 * Which Authorization header goes with the next request, if any. A token file beats an inline token, which serves until the file could first
 * be read; a user's name beats neither (config.c sees to it); a plugin is asked where there is nothing else. Must not know who asks, how a
 * request is sent, how a plugin is run. Invariant: the header is NULL or one word, a space, and a word without spaces, control characters
 * or line ends, so that a file's contents can never add a header of their own.
 */
#include "auth.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "pki.h"
#include "textfile.h"

enum {
	TOKEN_FILE_AGE_MS = 50 * 1000, /* client-go: kubelet rotates at 80 % of a token's life, an hour at the least */
	TOKEN_BYTES_MAX = 64 << 10,    /* no API server takes headers that long */
	EARLY_MS = 60 * 1000,          /* before it expires a credential is replaced, */
	EARLY_PART = 5,                /* but not in the first four fifths of a short life */
	AGAIN_FIRST_MS = 1000,
	AGAIN_LAST_MS = 60 * 1000,
	YOUNG_MS = 3 * AGAIN_LAST_MS, /* a credential that is refused so soon says that the next may be, too */
};

struct auth {
	const struct cluster_config *config;
	char *header;
	bool read; /* the file was tried at read_at_ms */
	int64_t read_at_ms;
	/* With a plugin. */
	bool running, given;          /* it has said who we are, and nobody has refused that */
	instant_t expires, refresh;   /* 0 = never */
	int64_t given_at_ms;
	int64_t again_at_ms, again_ms;   /* after a failure: not before; the wait after the next one */
	int64_t refused_at_ms, refused_ms; /* a 401 counts from then on; the wait after the next one */
	struct error trouble;
	uint64_t reloads, failures;
};

/* ---- headers ---- */

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* "Bearer <text trimmed>", or NULL when nothing is left of it or it cannot be a token. */
static char *make_bearer(const char *text)
{
	size_t len = strlen(text);

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
	return memory_printf("Bearer %.*s", (int)len, text);
}

static char *make_basic(const char *username, const char *password)
{
	char *pair = memory_printf("%s:%s", username, password ? password : ""), *encoded = pki_encode(pair);
	char *header = memory_printf("Basic %s", encoded);

	memory_forget(pair);
	memory_forget(encoded);
	return header;
}

/* Takes the header, which is not NULL. True if it is another one than before. */
static bool change(struct auth *auth, char *header)
{
	const bool changed = !auth->header || strcmp(auth->header, header) != 0;

	auth->reloads += auth->header && changed;
	memory_forget(auth->header);
	auth->header = header;
	return changed;
}

/* ---- the token file ---- */

/* The header that the file stands for, or NULL: unreadable, empty, too long or not a token. */
static char *read_file(const char *path, struct error *err)
{
	char *text = textfile_read(path, TOKEN_BYTES_MAX, err), *header = text ? make_bearer(text) : NULL;

	if (text && !header)
		error_set(err, ERROR_INVALID, "%s: empty, or not a token", path);
	memory_forget(text);
	return header;
}

/* True if there is another token now than before. */
static bool reread(struct auth *auth, int64_t monotonic_ms)
{
	auth->read = true;
	auth->read_at_ms = monotonic_ms;
	auth->trouble = (struct error){ 0 };
	char *fresh = read_file(auth->config->token_file, &auth->trouble);

	auth->failures += !fresh;
	return fresh && change(auth, fresh);
}

/* ---- any of them ---- */

struct auth *auth_new(const struct cluster_config *config)
{
	struct auth *auth = memory_alloc(sizeof(*auth));

	auth->config = config;
	auth->again_ms = auth->refused_ms = AGAIN_FIRST_MS;
	if (config->token)
		auth->header = make_bearer(config->token);
	else if (config->username)
		auth->header = make_basic(config->username, config->password);
	return auth;
}

void auth_free(struct auth *auth)
{
	if (!auth)
		return;
	memory_forget(auth->header);
	free(auth);
}

const char *auth_header(struct auth *auth, int64_t monotonic_ms)
{
	if (auth->config->token_file && (!auth->read || !auth->header || monotonic_ms - auth->read_at_ms >= TOKEN_FILE_AGE_MS))
		reread(auth, monotonic_ms);
	return auth->header;
}

/* ---- the plugin ---- */

static int64_t next_wait(int64_t *wait_ms)
{
	int64_t wait = *wait_ms;

	*wait_ms = 2 * wait < AGAIN_LAST_MS ? 2 * wait : AGAIN_LAST_MS;
	return wait;
}

static bool is_usable(const struct auth *auth, instant_t now)
{
	return auth->given && (!auth->expires || now < auth->expires);
}

bool auth_is_due(const struct auth *auth, int64_t monotonic_ms, instant_t now)
{
	if (!auth->config->exec.command || auth->running || monotonic_ms < auth->again_at_ms)
		return false;
	return !is_usable(auth, now) || (auth->refresh && now >= auth->refresh);
}

void auth_running(struct auth *auth)
{
	auth->running = true;
}

enum auth_state auth_state(const struct auth *auth, instant_t now)
{
	if (!auth->config->exec.command) /* as nobody it must not go out: it would be told that it lacks rights */
		return auth->config->token_file && !auth->header ? AUTH_FAILED : AUTH_READY;
	if (is_usable(auth, now))
		return AUTH_READY;
	return auth->running ? AUTH_WAITING : AUTH_FAILED;
}

static instant_t refresh_time(instant_t expires, instant_t now)
{
	instant_t early = (expires - now) / EARLY_PART;

	return expires - (early < EARLY_MS ? early : EARLY_MS);
}

int auth_take(struct auth *auth, const struct execcredential *credential, int64_t monotonic_ms, instant_t now, struct error *err)
{
	char *header = credential->token ? make_bearer(credential->token) : NULL, until[INSTANT_TEXT_SIZE];

	if (credential->token && !header)
		return error_set(err, ERROR_RETRY, "what it gave as a token is none");
	if (credential->expires && credential->expires <= now) {
		memory_forget(header);
		return error_set(err, ERROR_RETRY, "its credential expired at %s", instant_format(credential->expires, until));
	}
	if (header) {
		change(auth, header);
	} else {
		memory_forget(auth->header);
		auth->header = NULL;
	}
	auth->running = false;
	auth->given = true;
	auth->given_at_ms = monotonic_ms;
	auth->expires = credential->expires;
	auth->refresh = credential->expires ? refresh_time(credential->expires, now) : 0;
	auth->again_at_ms = 0;
	auth->again_ms = AGAIN_FIRST_MS;
	auth->trouble = (struct error){ 0 };
	return 0;
}

void auth_failed(struct auth *auth, const struct error *err, int64_t monotonic_ms)
{
	auth->running = false;
	auth->again_at_ms = monotonic_ms + next_wait(&auth->again_ms);
	auth->trouble = *err;
	auth->failures++;
}

/* Of many requests that are refused at once the first counts; and a plugin whose credentials are refused as soon as they come is asked more
 * and more rarely. */
static bool plugin_rejected(struct auth *auth, int64_t monotonic_ms)
{
	if (!auth->given)
		return monotonic_ms >= auth->again_at_ms; /* one runs, or will */
	if (monotonic_ms < auth->refused_at_ms)
		return false;
	if (monotonic_ms - auth->given_at_ms >= YOUNG_MS)
		auth->refused_ms = AGAIN_FIRST_MS;
	auth->refused_at_ms = monotonic_ms + next_wait(&auth->refused_ms);
	auth->given = false;
	return true;
}

bool auth_rejected(struct auth *auth, int64_t monotonic_ms)
{
	if (auth->config->exec.command)
		return plugin_rejected(auth, monotonic_ms);
	return auth->config->token_file && reread(auth, monotonic_ms);
}

/* ---- for people ---- */

const struct error *auth_trouble(const struct auth *auth)
{
	return &auth->trouble;
}

struct auth_stats auth_stats(const struct auth *auth)
{
	const struct cluster_config *config = auth->config;

	return (struct auth_stats){
		.source = config->token_file	 ? "token file"
			  : config->token	 ? "token"
			  : config->username	 ? "basic"
			  : config->exec.command ? "exec plugin"
						 : NULL,
		.expires = auth->given ? auth->expires : 0,
		.reloads = auth->reloads,
		.failures = auth->failures,
	};
}
