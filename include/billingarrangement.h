/*
 * BillingArrangement: billing staff grant an account other terms for a window of time: payment by invoice instead of by its
 * default payment method. Windows are half-open: in force from startsAt up to, but not at, endsAt.
 */
#ifndef TOLLGATE_BILLINGARRANGEMENT_H
#define TOLLGATE_BILLINGARRANGEMENT_H

#include "billingaccount.h"

enum arrangement_phase { ARRANGEMENT_PHASE_ABSENT = 0, ARRANGEMENT_SCHEDULED, ARRANGEMENT_ACTIVE, ARRANGEMENT_ENDED };

struct arrangement_spec {
	atom_t account; /* billingAccountRef.name, in the arrangement's own namespace */
	enum arrangement_type type;
	const struct arrangement_invoice *invoice;
	instant_t starts_at, ends_at; /* 0: from its creation; for ever */
	const char *reason;
};

struct arrangement_status {
	enum arrangement_phase phase;
	struct conditions conditions; /* Active */
	int64_t observed_generation;
};

struct billingarrangement {
	struct object meta;
	struct owner_references owners;
	struct arrangement_spec spec;
	struct arrangement_status status;
};

enum arrangement_index { ARRANGEMENT_BY_ACCOUNT /* (namespace, account) */, ARRANGEMENT_INDEXES };

/* spec.startsAt, or where that is not set, its creation. */
instant_t arrangement_starts_at(const struct billingarrangement *);
/* By its own window alone; an empty or reversed one has ended before it began. Never ABSENT. */
enum arrangement_phase arrangement_phase(const struct billingarrangement *, instant_t now);
/* The next moment after `now` at which the phase changes; 0 = none. */
instant_t arrangement_turns_at(const struct billingarrangement *, instant_t now);

#endif
