/*
 * The sandbox payment provider: an annotation says what a bank would. For demonstrations and tests; off unless asked for.
 * Pure: the same request always has the same answer. Knows nothing of the method but what the request carries.
 */
#include <string.h>

#include "provider.h"

static const struct {
	const char *outcome;
	enum method_phase phase;
	const char *failure_reason, *failure_message;
} outcomes[] = {
	{ "active", METHOD_ACTIVE, NULL, NULL },
	{ "declined", METHOD_FAILED, "card_declined", "card declined" },
	{ "expired", METHOD_FAILED, "card_expired", "card expired" },
	{ "awaiting", METHOD_AWAITING_CONFIRMATION, NULL, NULL },
};

struct provider_result sandbox_answer(const struct provider_request *request)
{
	const char *wanted = request->outcome && *request->outcome ? request->outcome : "active";
	struct provider_result result = {
		.phase = METHOD_FAILED,
		.failure_reason = "unknown_sandbox_outcome",
		.failure_message = "annotation " SANDBOX_OUTCOME_ANNOTATION " must be one of active, declined, expired, awaiting",
	};

	memcpy(result.token, request->token, sizeof(result.token));
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		if (strcmp(outcomes[i].outcome, wanted) != 0)
			continue;
		result.phase = outcomes[i].phase;
		result.failure_reason = outcomes[i].failure_reason;
		result.failure_message = outcomes[i].failure_message;
	}
	if (result.phase == METHOD_ACTIVE) {
		result.has_card = true;
		result.card = (struct method_card){ .brand = "visa", .last4 = "4242", .country = "US", .funding = "credit",
						    .expiry_month = 12, .expiry_year = request->card_year };
	}
	return result;
}
