/*
 * Where the API server is, how it is reached, and by which name it is recognised. Reads the environment's NO_PROXY; opens no
 * connection, knows no curl. Trusts config.c to have checked the server's URL. Invariant: an endpoint that is not secure has no
 * header that says who we are.
 */
#include "endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* ---- proxy ---- */

/* Does the address lie in "10.0.0.0/8" or equal "10.1.2.3"? */
static bool address_matches(const char *host, const char *pattern)
{
	char network[64];
	unsigned char a[16], b[16];
	int family = strchr(host, ':') ? AF_INET6 : AF_INET;
	size_t len = strcspn(pattern, "/"), size = family == AF_INET6 ? 16 : 4;
	unsigned long bits = pattern[len] ? strtoul(pattern + len + 1, NULL, 10) : size * 8;

	if (len >= sizeof(network) || bits > size * 8)
		return false;
	memcpy(network, pattern, len);
	network[len] = '\0';
	if (inet_pton(family, host, a) != 1 || inet_pton(family, network, b) != 1)
		return false;
	for (size_t i = 0; i < bits; i++)
		if ((a[i / 8] ^ b[i / 8]) & (0x80 >> i % 8))
			return false;
	return true;
}

/* "example.com" is that host and all below it, ".example.com" only what is below. */
static bool name_matches(const char *host, const char *pattern)
{
	const char *bare = *pattern == '.' ? pattern + 1 : pattern;
	size_t len = strlen(host), tail = strlen(bare);

	if (len < tail || tail == 0 || strcasecmp(host + len - tail, bare) != 0)
		return false;
	return len == tail ? bare == pattern : host[len - tail - 1] == '.';
}

/* Go's rules, as every other Kubernetes client has them: no proxy for loopback, nor for what NO_PROXY lists. */
static bool bypasses_proxy(const char *host)
{
	const char *list = getenv("NO_PROXY") ? getenv("NO_PROXY") : getenv("no_proxy");
	cleanup_free char *copy = memory_strdup(list ? list : "");
	char *rest = copy, *pattern;
	bool address = address_matches(host, host);

	if (strcasecmp(host, "localhost") == 0 || address_matches(host, "127.0.0.0/8") || address_matches(host, "::1"))
		return true;
	while ((pattern = strsep(&rest, ", ")) != NULL)
		if (strcmp(pattern, "*") == 0 || (address ? address_matches(host, pattern) : name_matches(host, pattern)))
			return true;
	return false;
}

/* Our reading of NO_PROXY and not curl's, because with tls-server-name curl believes that to be the host. */
static char *choose_proxy(const char *url, const char *host)
{
	if (!url)
		return bypasses_proxy(host) ? memory_strdup("") : NULL;
	/* As in Go, the proxy resolves the name: socks5h is curl's word for that. */
	if (strncasecmp(url, "socks5://", 9) == 0)
		return memory_printf("socks5h://%s", url + 9);
	return memory_strdup(url);
}

/* ---- where to ---- */

static void add_header(struct endpoint *endpoint, char *line)
{
	endpoint->headers[endpoint->n_headers++] = line;
}

/* With tls-server-name the URL carries that name, because SNI and verification follow the URL; the connection is led to the real
 * host, and the Host header says what it would have said. */
static void swap_server_name(struct endpoint *endpoint, const char *name, const char *host, const char *port)
{
	const char *authority = strstr(endpoint->base, "://") + 3;
	int len = (int)strcspn(authority, "/");
	cleanup_free char *swapped = memory_printf(strchr(name, ':') ? "[%s]" : "%s", name);
	char *base = memory_printf("https://%s:%s%s", swapped, port, authority + len);

	endpoint->route = memory_printf("%s:%s:%s:%s", swapped, port, host, port);
	add_header(endpoint, memory_printf("Host: %.*s", len, authority));
	free(endpoint->base);
	endpoint->base = base;
}

static void set_target(struct endpoint *endpoint, const struct cluster_config *config)
{
	const char *authority = strstr(config->server, "://") + 3;
	size_t len = *authority == '[' ? strcspn(authority, "]") + 1 : strcspn(authority, ":/");
	cleanup_free char *host = memory_strndup(authority, len);
	cleanup_free char *bare = *host == '[' ? memory_strndup(host + 1, len - 2) : memory_strdup(host);
	const char *after = authority + len;

	endpoint->secure = strncmp(config->server, "https://", 8) == 0;
	cleanup_free char *port = *after == ':' ? memory_strndup(after + 1, strcspn(after + 1, "/")) : memory_strdup("443");

	endpoint->host = memory_strndup(authority, strcspn(authority, "/"));
	endpoint->base = memory_strdup(config->server);
	endpoint->proxy = choose_proxy(config->proxy_url, bare);
	if (endpoint->secure && config->tls_server_name)
		swap_server_name(endpoint, config->tls_server_name, host, port);
}

static int set_identity(struct endpoint *endpoint, const struct cluster_config *config, struct error *err)
{
	if (!endpoint->secure)
		return 0;
	if (config->impersonate_user)
		add_header(endpoint, memory_printf("Impersonate-User: %s", config->impersonate_user));
	if (config->impersonate_uid)
		add_header(endpoint, memory_printf("Impersonate-Uid: %s", config->impersonate_uid));
	for (char **group = config->impersonate_groups; group && *group; group++) {
		if (endpoint->n_headers == ENDPOINT_HEADERS_MAX)
			return error_set(err, ERROR_INVALID, "as-groups: more than %d", ENDPOINT_HEADERS_MAX - 4);
		add_header(endpoint, memory_printf("Impersonate-Group: %s", *group));
	}
	return 0;
}

/* ---- beginning and end ---- */

int endpoint_init(struct endpoint *endpoint, const struct cluster_config *config, struct error *err)
{
	*endpoint = (struct endpoint){ 0 };
	set_target(endpoint, config);
	add_header(endpoint, memory_strdup("Accept: application/json"));
	add_header(endpoint, memory_strdup("Expect:")); /* none: curl would wait for a 100 before a large body */
	if (set_identity(endpoint, config, err)) {
		endpoint_close(endpoint);
		return -1;
	}
	return 0;
}

void endpoint_close(struct endpoint *endpoint)
{
	free(endpoint->host);
	free(endpoint->base);
	free(endpoint->route);
	free(endpoint->proxy);
	while (endpoint->n_headers)
		free(endpoint->headers[--endpoint->n_headers]);
	*endpoint = (struct endpoint){ 0 };
}
