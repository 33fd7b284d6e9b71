/*
 * From an address as people write it to a socket that listens. Must not know who serves there.
 * Invariant: an error names the address and what is wrong with it.
 */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 512, HOST_MAX = 255 };

int listen_failed(const char *address, const char *why, struct error *err)
{
	return error_set(err, ERROR_INVALID, "cannot listen on \"%s\": %s", address, why);
}

/* host takes HOST_MAX + 1 bytes; port points into address. */
static int split(const char *address, char *host, const char **port, struct error *err)
{
	const char *colon = strrchr(address, ':'), *begin = address, *end = colon;
	long number = 0;

	if (colon == NULL)
		return listen_failed(address, "there is no port, as in :8080 or 127.0.0.1:8080", err);
	if (*begin == '[' && end[-1] == ']') {
		begin++;
		end--;
	} else if (memchr(begin, ':', (size_t)(end - begin)) != NULL) {
		return listen_failed(address, "an IPv6 address needs brackets, as in [::1]:8080", err);
	}
	if (end - begin > HOST_MAX)
		return listen_failed(address, "the name of the host is too long", err);
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	*port = colon + 1;
	for (const char *at = *port; *at != '\0' || at == *port; at++) {
		if (*at < '0' || *at > '9' || (number = number * 10 + (*at - '0')) > 65535)
			return listen_failed(address, "the port is not a number from 0 to 65535", err);
	}
	return 0;
}

/* The descriptor, or -1 with errno. */
static int listen_on(const struct addrinfo *where)
{
	int fd = socket(where->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1, no = 0;

	if (fd < 0)
		return -1;
	/* Neither matters enough to fail: the first is for a quick restart, the second for IPv4 through an IPv6 socket. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (where->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (bind(fd, where->ai_addr, where->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int why = errno;

	close(fd);
	errno = why;
	return -1;
}

int listen_open(const char *address, struct error *err)
{
	static const int families[] = { AF_INET6, AF_INET };
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *found;
	char host[HOST_MAX + 1] = "";
	const char *port = NULL;
	int fd = -1, result = 0, why = 0;

	if (split(address, host, &port, err) != 0)
		return -1;
	/* IPv6 first, as ":8080" then takes IPv4 as well; the other only where there is no such network. */
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && fd < 0; i++) {
		hints.ai_family = families[i];
		int lookup = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found);

		if (lookup != 0) {
			result = lookup;
			continue;
		}
		fd = listen_on(found);
		why = errno;
		freeaddrinfo(found);
		if (fd < 0 && why != EAFNOSUPPORT && why != EADDRNOTAVAIL)
			break;
	}
	if (fd < 0)
		return listen_failed(address, why != 0 ? strerror(why) : gai_strerror(result), err);
	return fd;
}

int listen_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} name = { .v6 = { .sin6_port = 0 } };
	socklen_t size = sizeof(name);

	if (getsockname(fd, &name.any, &size) != 0)
		return 0;
	return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

/* 127.0.0.0/8: RFC 1122, 3.2.1.3. */
static bool is_loopback_v4(const unsigned char address[4])
{
	return address[0] == 127;
}

static bool is_loopback_v6(const struct in6_addr *address)
{
	return IN6_IS_ADDR_LOOPBACK(address) || (IN6_IS_ADDR_V4MAPPED(address) && is_loopback_v4(address->s6_addr + 12));
}

bool listen_is_loopback(const char *address)
{
	char host[HOST_MAX + 1] = "";
	const char *port;
	unsigned char v4[4];
	struct in6_addr v6;

	if (split(address, host, &port, NULL) != 0)
		return false;
	if (inet_pton(AF_INET, host, v4) == 1)
		return is_loopback_v4(v4);
	return inet_pton(AF_INET6, host, &v6) == 1 ? is_loopback_v6(&v6) : strcasecmp(host, "localhost") == 0;
}

bool listen_peer_is_loopback(const struct sockaddr *peer)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (peer != NULL && peer->sa_family == AF_INET) {
		memcpy(&v4, peer, sizeof(v4));
		return is_loopback_v4((const unsigned char *)&v4.sin_addr);
	}
	if (peer == NULL || peer->sa_family != AF_INET6)
		return false;
	memcpy(&v6, peer, sizeof(v6));
	return is_loopback_v6(&v6.sin6_addr);
}
