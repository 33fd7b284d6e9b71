/*
 * Owns: when a self-signed certificate is made. Must not know: how (pki.c), nor who serves it.
 * Invariant: what is served is within its time by this host's clock, however that is set; unless another cannot be made.
 */
#include "selfsigned.h"

#include <stdlib.h>
#include <string.h>

#include "certs.h"
#include "memory.h"
#include "pki.h"

enum { LOOK_MS = 3600 * 1000, AGAIN_MS = 60 * 1000, LABEL_MAX = 63, NAME_MAX_BYTES = 253 };

struct selfsigned {
	struct selfsigned_config config;
	struct pki_names names;
	struct certs_times times;
	struct cert_span span;
	int64_t again_at_ms; /* monotonic: not before, after a failure */
};

static instant_t wall(const struct selfsigned *s)
{
	return s->config.port->now(s->config.port->self);
}

/* Labels of letters, digits and hyphens: what a certificate and its clients can do something with. */
static bool is_dns_name(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
	size_t len;

	if (!name || strlen(name) > NAME_MAX_BYTES)
		return false;
	do {
		len = strspn(name, letters);
		if (len == 0 || len > LABEL_MAX)
			return false;
		name += len;
	} while (*name == '.' && *++name);
	return *name == '\0' && name[-1] != '.';
}

static int make(struct selfsigned *s, struct error *err)
{
	const struct cert_span span = certs_span(&s->times, SELFSIGNED_LIFE_MS, wall(s));
	cleanup_free char *chain = NULL;
	char *key = NULL;

	if (pki_self_signed(&s->names, span, &chain, &key, err) < 0)
		return -1;
	s->span = span;
	s->config.serve(s->config.context, chain, key);
	pki_forget(key);
	return 0;
}

struct selfsigned *selfsigned_new(const struct selfsigned_config *config, struct error *err)
{
	struct selfsigned *s = memory_alloc(sizeof(*s));

	*s = (struct selfsigned){ .config = *config, .names = { .names = { "localhost", "127.0.0.1", "::1" }, .n = 3 },
				  .times = certs_times_of(SELFSIGNED_LIFE_MS) };
	if (is_dns_name(config->host))
		s->names.names[s->names.n++] = config->host;
	if (make(s, err) == 0)
		return s;
	selfsigned_free(s);
	return NULL;
}

void selfsigned_free(struct selfsigned *s)
{
	free(s);
}

static int64_t mono(const struct selfsigned *s)
{
	return s->config.port->monotonic_ms(s->config.port->self);
}

/* How long it will do; 0: no more, as two thirds of its life have passed, or its time has not come: then the clock was ahead. */
static int64_t good_for_ms(const struct selfsigned *s)
{
	const instant_t now = wall(s), renewal = s->span.from + (s->span.until - s->span.from) / 3 * 2;

	return now >= s->span.from && now < renewal ? renewal - now : 0;
}

int64_t selfsigned_tick(struct selfsigned *s)
{
	struct error err = { 0 };

	if (good_for_ms(s) == 0 && mono(s) >= s->again_at_ms && make(s, &err) < 0) {
		s->again_at_ms = mono(s) + AGAIN_MS;
		log_error(s->config.log, "the certificate cannot be renewed; going on with the one before", "error", err.message);
	}
	if (good_for_ms(s) == 0)
		return AGAIN_MS;
	return good_for_ms(s) < LOOK_MS ? good_for_ms(s) : LOOK_MS;
}

instant_t selfsigned_expires(const struct selfsigned *s)
{
	return s->span.until;
}
