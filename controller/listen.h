/* Sockets that listen at an address: "host:port", "[v6]:port" or ":port" (all addresses). */
#ifndef TOLLGATE_LISTEN_H
#define TOLLGATE_LISTEN_H

#include <stdbool.h>

#include "error.h"

struct sockaddr;

/* The descriptor, which does not block. -1 with ERROR_INVALID. */
int listen_open(const char *address, struct error *) must_check;
/* The port of such a descriptor. */
int listen_port(int fd);
/* Can nobody but this host connect to such an address? By what it says, without asking anybody: a name other than localhost may be any
 * host's. Also false for what listen_open refuses. */
bool listen_is_loopback(const char *address);
/* Does a connection come from this host? NULL: nobody knows, so no. */
bool listen_peer_is_loopback(const struct sockaddr *);
/* "cannot listen on ...: why". Returns -1. */
int listen_failed(const char *address, const char *why, struct error *);

#endif
