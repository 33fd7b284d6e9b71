/*
 * What is wrong with an account's spec, and the phase that follows from it: the one rule set behind admission, the phase
 * and Ready's message. Knows no other object and no clock. What the CRD's schema can say is not said again here.
 */
#include <string.h>

#include "billingaccount.h"
#include "currency.h"

#define MUST_BE_EMAIL "must be a valid email address, like billing@example.com"
#define BY_ARRANGEMENT "payment terms are granted by billing staff through a BillingArrangement"

enum {
	EMAIL_MAX = 254, /* RFC 5321, 4.5.3.1: a path of 256 with its brackets */
	EMAIL_LOCAL_MAX = 64,
	HOST_MAX = 253,
	HOST_LABEL_MAX = 63,
	INVOICE_EMAILS_MAX = 10,
	STANDARD_NET_DAYS = 30,
	STANDARD_DAY_OF_MONTH = 1,
};

/* The phase needs to know only that something is wrong: without an arena no sentence is made. */
#define FAULT(arena, ...) ((arena) ? arena_printf((arena), __VA_ARGS__) : "invalid")

static char lower(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c;
}

static bool equal_without_case(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b))
		a++, b++;
	return lower(*a) == lower(*b);
}

/* Letters and digits of any script: bytes of multi-byte characters pass (RFC 6531). */
static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || (unsigned char)c >= 0x80;
}

/* Characters, not bytes: the schema counts so too, and what it lets pass must not be refused here. */
static size_t characters(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xC0) != 0x80;
	return n;
}

/* dot-atom of RFC 5322: atoms of allowed characters, joined by single dots. */
static bool is_local_part(const char *text, size_t len)
{
	if (!len || characters(text, len) > EMAIL_LOCAL_MAX || text[len - 1] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.' && (!i || text[i - 1] == '.'))
			return false;
		if (text[i] != '.' && !is_alnum(text[i]) && !strchr("!#$%&'*+-/=?^_`{|}~", text[i]))
			return false;
	}
	return true;
}

static bool is_host(const char *text)
{
	size_t label = 0, len = strlen(text);

	if (len > HOST_MAX)
		return false;
	for (size_t i = 0; i <= len; i++) {
		if (text[i] == '.' || !text[i]) {
			if (!label || label > HOST_LABEL_MAX || text[i - 1] == '-')
				return false;
			label = 0;
		} else if (is_alnum(text[i]) || (text[i] == '-' && label)) {
			label++;
		} else {
			return false;
		}
	}
	return true;
}

static bool is_email(const char *text)
{
	const char *at = text ? strrchr(text, '@') : NULL;

	return at && characters(text, strlen(text)) <= EMAIL_MAX && is_local_part(text, (size_t)(at - text)) && is_host(at + 1);
}

static const char *contact_fault(const struct contact_info *contact, struct arena *arena)
{
	const struct strings *emails = &contact->invoice_emails;

	if (!is_email(contact->email))
		return FAULT(arena, "spec.contactInfo.email: \"%s\" " MUST_BE_EMAIL, contact->email ? contact->email : "");
	if (emails->n > INVOICE_EMAILS_MAX)
		return FAULT(arena, "spec.contactInfo.invoiceEmails: %zu addresses are more than %d", emails->n,
			     INVOICE_EMAILS_MAX);
	for (size_t i = 0; i < emails->n; i++) {
		if (!is_email(emails->items[i]))
			return FAULT(arena, "spec.contactInfo.invoiceEmails[%zu]: \"%s\" " MUST_BE_EMAIL, i, emails->items[i]);
		for (size_t j = 0; j < i; j++)
			if (equal_without_case(emails->items[i], emails->items[j]))
				return FAULT(arena,
					     "spec.contactInfo.invoiceEmails[%zu]: \"%s\" repeats \"%s\"; remove one of them", i,
					     emails->items[i], emails->items[j]);
	}
	return NULL;
}

static bool standard(int64_t value, int64_t expected)
{
	return value == INTEGER_ABSENT || value == expected;
}

static const char *terms_fault(const struct payment_terms *terms, struct arena *arena)
{
	if (!standard(terms->net_days, STANDARD_NET_DAYS))
		return FAULT(arena, "spec.paymentTerms.netDays: %lld is not the standard %d; " BY_ARRANGEMENT,
			     (long long)terms->net_days, STANDARD_NET_DAYS);
	if (terms->invoice_frequency != FREQUENCY_ABSENT && terms->invoice_frequency != FREQUENCY_MONTHLY)
		return FAULT(arena, "spec.paymentTerms.invoiceFrequency: only Monthly is standard; " BY_ARRANGEMENT);
	if (!standard(terms->invoice_day_of_month, STANDARD_DAY_OF_MONTH))
		return FAULT(arena, "spec.paymentTerms.invoiceDayOfMonth: %lld is not the standard %d; " BY_ARRANGEMENT,
			     (long long)terms->invoice_day_of_month, STANDARD_DAY_OF_MONTH);
	return NULL;
}

const char *account_validate(const struct account_spec *spec, struct arena *arena)
{
	const char *fault = NULL;

	if (!currency_known(spec->currency_code))
		return FAULT(arena, "spec.currencyCode: \"%s\" is not an ISO 4217 currency code",
			     spec->currency_code ? spec->currency_code : "");
	if (spec->payment_terms)
		fault = terms_fault(spec->payment_terms, arena);
	if (!fault && spec->contact_info)
		fault = contact_fault(spec->contact_info, arena);
	return fault;
}

enum account_phase account_phase(const struct billingaccount *account)
{
	if (account->status.phase == ACCOUNT_SUSPENDED || account->status.phase == ACCOUNT_ARCHIVED)
		return account->status.phase;
	return account_validate(&account->spec, NULL) ? ACCOUNT_PROVISIONING : ACCOUNT_READY;
}

const char *account_phase_name(enum account_phase phase)
{
	static const char *const names[] = {
		[ACCOUNT_PHASE_ABSENT] = "absent",   [ACCOUNT_PROVISIONING] = "Provisioning", [ACCOUNT_READY] = "Ready",
		[ACCOUNT_SUSPENDED] = "Suspended", [ACCOUNT_ARCHIVED] = "Archived",
	};
	return names[phase];
}
