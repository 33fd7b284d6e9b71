/*
 * The seam to payment providers. A PaymentMethod's phase belongs to the provider that its class names:
 *   manual     staff patch the phase into status; Tollgate never moves it (but for a card's expiry);
 *   sandbox    built in, for demonstrations and tests; an annotation decides;
 *   any other  an outside controller owns the phase.
 * A built-in provider is asked by an effect (provider_request) and answers with a provider_result, which is an input of a later
 * decision. A network provider fits the same seam: the request carries an idempotency token, the answer may take minutes.
 */
#ifndef TOLLGATE_PROVIDER_H
#define TOLLGATE_PROVIDER_H

#include "paymentmethod.h"

#define PROVIDER_MANUAL "manual"
#define PROVIDER_SANDBOX "sandbox"
#define SANDBOX_OUTCOME_ANNOTATION "billing.miloapis.com/sandbox-outcome"

/* Text that changes whenever the question does: the same token always has the same answer. */
enum { PROVIDER_TOKEN_SIZE = 128 };

struct provider_request {
	const char *provider;            /* static text: PROVIDER_SANDBOX, ... */
	char token[PROVIDER_TOKEN_SIZE]; /* NUL-terminated */
	const char *outcome;             /* sandbox: what the annotation asks for; borrowed from the record */
	int64_t card_year;               /* sandbox: year in which the made-up card expires */
};

struct provider_result {
	char token[PROVIDER_TOKEN_SIZE]; /* of the request that this answers */
	enum method_phase phase;
	const char *failure_reason;  /* static, or owned by the result's store */
	const char *failure_message;
	bool has_card;
	struct method_card card;
};

/* The sandbox's answer: pure. An unknown outcome text fails the method with a reason that says so. */
struct provider_result sandbox_answer(const struct provider_request *);

#endif
