/*
 * PaymentMethod: a card, bank account, bank transfer or marketplace subscription of a billing account. Its phase belongs to
 * the provider of its class (provider.h).
 */
#ifndef TOLLGATE_PAYMENTMETHOD_H
#define TOLLGATE_PAYMENTMETHOD_H

#include "arena.h"
#include "object.h"

enum method_phase { METHOD_PHASE_ABSENT = 0, METHOD_PENDING, METHOD_AWAITING_CONFIRMATION, METHOD_ACTIVE, METHOD_FAILED };
enum method_type {
	METHOD_TYPE_ABSENT = 0,
	METHOD_CARD,
	METHOD_US_BANK_ACCOUNT,
	METHOD_BANK_TRANSFER,
	METHOD_MARKETPLACE_SUBSCRIPTION
};
enum marketplace_provider { MARKETPLACE_ABSENT = 0, MARKETPLACE_AWS, MARKETPLACE_AZURE, MARKETPLACE_GCP };

struct marketplace {
	enum marketplace_provider provider;
	const char *subscription_id;
};

struct method_spec {
	atom_t account; /* billingAccountRef.name, in the method's own namespace */
	const char *display_name;
	atom_t class; /* paymentMethodClassRef.name */
	enum method_type type;
	const struct marketplace *marketplace;
};

struct method_card {
	const char *brand, *last4, *country, *funding;
	int64_t expiry_month, expiry_year; /* good through the last day of that month, UTC */
};

struct method_us_bank_account {
	const char *bank_name, *last4, *account_type, *account_holder_type;
};

struct method_details {
	const char *type; /* card, usBankAccount, ...: as the provider writes it */
	const struct method_card *card;
	const struct method_us_bank_account *us_bank_account;
};

struct method_status {
	enum method_phase phase;
	const struct method_details *details;
	const char *failure_reason, *failure_message;
	struct conditions conditions; /* InstrumentReady */
	int64_t observed_generation;
};

struct paymentmethod {
	struct object meta;
	const char *sandbox_outcome; /* annotation, provider.h */
	struct method_spec spec;
	struct method_status status;
};

enum method_index { METHOD_BY_CLASS /* (NULL, class name); a method that names none is not in it */, METHOD_INDEXES };

/* When the card stops being good: the first moment after its expiry month; 0 when it is no card or says nothing. */
instant_t method_expires_at(const struct paymentmethod *);

/* Can it be charged at `now`? A pure verdict of the provider's phase and the card's date, not of conditions. If not, *why gets
 * a short clause for people ("card declined", "expired", "awaiting confirmation"), static or from the arena. */
bool method_usable(const struct paymentmethod *, instant_t now, const char **why, struct arena *);

const char *method_phase_name(enum method_phase);

#endif
