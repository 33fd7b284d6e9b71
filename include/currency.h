/*
 * The currencies that an account can be billed in. Source: ISO 4217, list one (current currencies), as its maintenance
 * agency publishes it; reconcilers/currency.c says what of it is left out. Pure functions of constant data: no errors,
 * nothing to free.
 */
#ifndef TOLLGATE_CURRENCY_H
#define TOLLGATE_CURRENCY_H

#include <stdbool.h>

/* How many fraction digits amounts of the currency have ("minor units"): 2 for EUR, 0 for JPY, 3 for KWD; -1 if the code
 * is NULL or no currency in use. Codes are in upper case. */
int currency_minor_units(const char *code);

/* Is it an ISO 4217 code of a currency in use? */
static inline bool currency_known(const char *code)
{
	return currency_minor_units(code) >= 0;
}

#endif
