/*
 * Limits on what the network can make us hold or do. Each is checked before memory is taken; what exceeds one is an
 * error that names it. They sit above anything that a healthy API server sends (etcd takes up to 1.5 MiB by default).
 */
#ifndef TOLLGATE_CAPS_H
#define TOLLGATE_CAPS_H

enum {
	/* One object, event or refusal as JSON text: the API server's own limit for a request is 3 MiB. */
	CAP_OBJECT_BYTES = 4 << 20,
	/* One string of an object: the longest we keep, a condition's message, has 32768 characters of up to 4 bytes. */
	CAP_TEXT_BYTES = 128 << 10,
	/* Items of one list: the longest that a schema of ours allows has 32 (maxItems); finalizers have no limit. */
	CAP_LIST_ITEMS = 1024,
};

#endif
