/*
 * Does a text hold a payment card's number? Billing data stays outside the rules for such numbers (PCI DSS) only while nobody
 * writes one into it, so a text with one is refused before it is stored. Pure, in time linear to the text's length.
 *
 * A number has 13 to 19 digits and a right last digit (Luhn: ISO/IEC 7812-1, annex B). It is written
 *   together:  4111111111111111, also inside a word; no digit before or after it
 *   in groups: 4111 1111 1111 1111, 3782-822463-10005: a group of 4 digits, then groups of 4 to 6, one space or hyphen between two;
 *              a last group of 1 to 3 may be the number's end (19 digits are written 4 4 4 4 3) or no part of it. Groups are no
 *              parts of words.
 * One in ten numbers of any sort has a right last digit. What must not be refused by such chance is known by other marks:
 *   a moment, of which no card's number has the beginning: 20YYMM..., or milli-, micro- or nanoseconds since 1970 in the years
 *   from 2015 to 2034
 *   an IBAN, by its own check digits (ISO 13616)
 *   a digest or identifier: 32 or more hexadecimal digits together, letters among them
 */
#ifndef TOLLGATE_CARDNUMBER_H
#define TOLLGATE_CARDNUMBER_H

#include <stdbool.h>

/* UTF-8, or any other bytes; digits are those of ASCII. */
bool card_number_in(const char *text);

#endif
