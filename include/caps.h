/*
 * Limits on what the network can make us hold or do. Each is checked before memory is taken; what exceeds one is an
 * error that names it. They sit above anything that a healthy API server sends (etcd takes up to 1.5 MiB by default).
 */
#ifndef TOLLGATE_CAPS_H
#define TOLLGATE_CAPS_H

enum {
	/* One object, event or refusal as JSON text: the API server's own limit for a request is 3 MiB. */
	CAP_OBJECT_BYTES = 4 << 20,
	/* One string of an object: annotations may have 256 KiB together, a condition's message 32768 characters of up to 4 bytes. */
	CAP_TEXT_BYTES = 512 << 10,
	/* Items of one list. Nothing that a user may set must make an object unreadable, and finalizers have no limit of their own:
	 * as many as fit into etcd's 1.5 MiB at six bytes each. */
	CAP_LIST_ITEMS = 512 << 10,
	/* The longest that a server can tell us to wait: one wrong answer must not put a kind to sleep. */
	CAP_RETRY_AFTER_MS = 60 * 1000,
};

#endif
