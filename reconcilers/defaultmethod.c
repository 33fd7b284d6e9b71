/*
 * The verdict on an account's default payment method: set, there, the account's own, and usable at this moment. Knows no
 * conditions and no gate; both are made from what it says.
 */
#include "defaultmethod.h"

#include "wake.h"

struct default_method_verdict default_method_judge(const struct billingaccount *account, const struct paymentmethod *method,
						   instant_t now, struct arena *arena)
{
	const char *name = atom_text(account->spec.default_payment_method), *why;

	if (!*name)
		return (struct default_method_verdict){
			DEFAULT_METHOD_NOT_CONFIGURED,
			"No default payment method is set: name one in spec.defaultPaymentMethodRef.", 0 };
	if (!method)
		return (struct default_method_verdict){
			DEFAULT_METHOD_NOT_FOUND,
			arena_printf(arena, "payment method \"%s\" cannot be used: it was not found in namespace \"%s\"", name,
				     atom_text(account->meta.ns)), 0 };
	if (method->spec.account != account->meta.name)
		return (struct default_method_verdict){
			DEFAULT_METHOD_NOT_FOUND,
			arena_printf(arena, "payment method \"%s\" cannot be used: it belongs to billing account \"%s\"", name,
				     atom_text(method->spec.account)), 0 };
	if (!method_usable(method, now, &why, arena))
		return (struct default_method_verdict){
			DEFAULT_METHOD_DEGRADED, arena_printf(arena, "payment method \"%s\" cannot be used: %s", name, why), 0 };
	return (struct default_method_verdict){ DEFAULT_METHOD_READY,
						arena_printf(arena, "Payment method \"%s\" is ready.", name),
						method_expires_at(method) };
}
