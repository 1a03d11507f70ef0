/* SPDX-License-Identifier: Apache-2.0
 * Small sums around money: units of a message, currencies, rounding, months of a time zone. Thread:
 * any; only zone_open reads a file.
 */
#ifndef PLUGIN_BILLING_MONEY_H
#define PLUGIN_BILLING_MONEY_H
#include <stddef.h>
#include <stdint.h>

__extension__ typedef __int128 money_wide;

/* Segments that a text takes as SMS: 160 and 153 septets of the GSM 7 bit alphabet, else 70 and 67
 * UTF-16 units. At least 1. Shift tables and data codings are the sender's business: an item that
 * knows better says `segments`. */
int64_t units_of_sms(const char *text, size_t len);

/* The digits of an international number, "+4917..." or "004917...", without leading signs, spaces,
 * dots, dashes or brackets: 3 to 15 of them. 0: it is none. `to` has room for 16. */
size_t number_digits(const char *text, size_t len, char *to);

/* Decimal places of a currency after ISO 4217; -1: no such currency. */
int currency_places(const char *code, size_t len);
/* Micro-units in the currency's minor unit: 10,000 for EUR, 1,000,000 for JPY, 1,000 for KWD. */
int64_t currency_minor(const char *code, size_t len);
/* In minor units, half to even. */
int64_t money_round(int64_t micro, int64_t minor);

/* A time zone by its IANA name; NULL: there is none by that name here. */
struct money_zone;
struct money_zone *zone_read(const char *name);
void zone_free(struct money_zone *z);
/* Seconds east of Greenwich. */
int64_t zone_east(const struct money_zone *z, int64_t utc_s);

/* A calendar month of a zone: [from_us, to_us); number 202607. */
struct money_month {
    int64_t number, from_us, to_us;
};
struct money_month month_of(const struct money_zone *z, int64_t at_us);
struct money_month month_numbered(const struct money_zone *z, int64_t number);
#endif
