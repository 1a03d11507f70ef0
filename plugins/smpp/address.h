/* SPDX-License-Identifier: Apache-2.0
 * address.h - numbers and names of people as SMPP writes them, with type of number (TON) and
 * numbering plan (NPI), both ways.
 *
 * Envelopes hold E.164 with its plus sign, short codes as digits and sender names as text. SMPP
 * wants to be told which of them it is, and what SMSCs expect for short codes differs by route.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#ifndef SMPP_ADDRESS_H
#define SMPP_ADDRESS_H
#include "pdu.h"

enum smpp_ton {
    SMPP_TON_UNKNOWN,
    SMPP_TON_INTERNATIONAL,
    SMPP_TON_NATIONAL,
    SMPP_TON_NETWORK,
    SMPP_TON_SUBSCRIBER,
    SMPP_TON_ALPHANUMERIC,
    SMPP_TON_ABBREVIATED
};
enum smpp_npi { SMPP_NPI_UNKNOWN, SMPP_NPI_E164 };

enum {
    ADDRESS_NAME_MAX = 11, /* characters of an alphanumeric sender */
    ADDRESS_MAX = 20,      /* octets of an address in submit_sm and deliver_sm */
    ADDRESS_TEXT_MAX = 68  /* room for smpp_address_text(), NUL included */
};

/* A route's settings; all zero is good for most. */
struct address_rules {
    uint8_t short_ton; /* of short codes (3 to 8 digits): 0 means SMPP_TON_NETWORK */
    uint8_t short_npi;
    uint8_t keep_plus; /* the SMSC wants "+49..." and not "49..." */
    char country[4];   /* calling code of numbers in national form; "": they are left alone */
};

/* Which TON and NPI `text` has by the rules, and its form on the wire: digits without "+" or "00",
 * spaces and "-.()/" left out. `room` holds it (ADDRESS_MAX octets, borrowed by `to`). 0, or -1
 * with `why` set to a constant text: empty, too long, not of the GSM alphabet ... */
int smpp_address_of(const char *text, size_t len, const struct address_rules *rules,
                    char room[ADDRESS_MAX], struct smpp_address *to, const char **why);

/* The envelope's form: international numbers with "+", names and short codes as they are. Returns
 * its length; `to` is NUL-ended. Octets outside ASCII are taken as Latin-1, controls are left out.
 */
size_t smpp_address_text(const struct smpp_address *address, const struct address_rules *rules,
                         char to[ADDRESS_TEXT_MAX]);

#endif
