/* Sockets that listen at an address: "host:port", "[v6]:port" or ":port" (all addresses). */
#ifndef TOLLGATE_LISTEN_H
#define TOLLGATE_LISTEN_H

#include "error.h"

/* The descriptor, which does not block. -1 with ERROR_INVALID. */
int listen_open(const char *address, struct error *) must_check;
/* The port of such a descriptor. */
int listen_port(int fd);
/* "cannot listen on ...: why". Returns -1. */
int listen_failed(const char *address, const char *why, struct error *);

#endif
