/* SPDX-License-Identifier: Apache-2.0
 * address.c - what kind of address a text is, and back.
 *
 *     text                                   TON  NPI  on the wire
 *     "+49 151 ...", "0049151..."             1    1   49151...
 *     digits, 9 or more                       1    1   as they are
 *     digits, 9 or more, behind a 0           1    1   with the route's country instead of the 0;
 *                                             2    1   as they are, when the route has no country
 *     3 to 8 digits                           3*   0*  as they are (a short code; * by the route)
 *     anything with a letter or other sign    5    0   as it is, at most 11 characters
 *
 * Seven and eight digits without a plus may be a number or a code; a plus, which our envelopes
 * have, decides for the number.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "address.h"
#include <string.h>

enum { SHORT_MIN = 3, SHORT_MAX = 8, NUMBER_MIN = 7, NUMBER_MAX = 15 };

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static int fault(const char **why, const char *text)
{
    *why = text;
    return -1;
}

/* How many digits in front of a national number are dialled at home only: 0 nearly everywhere. By
 * the number plans in libphonenumber; calling codes without such a prefix keep a 0 where numbers
 * begin with one. */
static uint32_t trunk_of(const char *country, const char *digits, size_t n)
{
    static const struct {
        char country[4], prefix[3];
        uint8_t whole; /* digits with the prefix, where numbers may begin like it; 0: it tells */
    } others[] = { { "1", "1", 11 },   { "7", "8", 11 },  { "36", "06", 0 }, { "375", "80", 11 },
                   { "375", "8", 10 }, { "993", "8", 9 }, { "39", "", 0 },   { "225", "", 0 },
                   { "227", "", 0 },   { "229", "", 0 },  { "241", "", 0 },  { "242", "", 0 },
                   { "378", "", 0 } };
    int is_other = 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        uint32_t len = (uint32_t)strlen(others[i].prefix);
        if (strcmp(others[i].country, country) != 0)
            continue;
        is_other = 1;
        if (n > len && !memcmp(digits, others[i].prefix, len) &&
            (!others[i].whole || n == others[i].whole))
            return len;
    }
    return !is_other && n && digits[0] == '0';
}

/* The digits of a text that may hold the signs people group them with; -1 when it holds another, or
 * more than fit. `*plus` when it began with one. */
static int digits_of(const char *text, size_t len, char room[ADDRESS_MAX], int *plus)
{
    int n = 0;
    *plus = len > 0 && text[0] == '+';
    for (size_t i = (size_t)*plus; i < len; i++) {
        if (is_digit(text[i]) && n < ADDRESS_MAX)
            room[n++] = text[i];
        else if (is_digit(text[i]) || !text[i] || !strchr(" -.()/", text[i]))
            return -1;
    }
    return n;
}

/* Senders' names: what phones show, which is the part of GSM 03.38 that ASCII has too. */
static int name_of(const char *text, size_t len, char room[ADDRESS_MAX], struct smpp_address *to,
                   const char **why)
{
    if (len > ADDRESS_NAME_MAX)
        return fault(why, "a sender's name has at most 11 characters");
    for (size_t i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] > '~' || text[i] == '`')
            return fault(why,
                         "a sender's name has letters, digits and signs of GSM and ASCII only");
    memcpy(room, text, len);
    *to = (struct smpp_address){ .ton = SMPP_TON_ALPHANUMERIC,
                                 .addr = { .ptr = room, .len = (uint32_t)len } };
    return 0;
}

/* A number as it is dialled at home becomes international, where the route says what home is and it
 * fits. */
static int at_home(const struct address_rules *rules, char room[ADDRESS_MAX], int *n)
{
    size_t code = strnlen(rules->country, sizeof rules->country);
    uint32_t trunk = trunk_of(rules->country, room, (size_t)*n);
    if (!code || *n - (int)trunk + (int)code > NUMBER_MAX)
        return 0;
    memmove(room + code, room + trunk, (size_t)*n - trunk);
    memcpy(room, rules->country, code);
    *n += (int)code - (int)trunk;
    return 1;
}

int smpp_address_of(const char *text, size_t len, const struct address_rules *rules,
                    char room[ADDRESS_MAX], struct smpp_address *to, const char **why)
{
    int plus = 0, n = digits_of(text, len, room, &plus);
    if (len == 0)
        return fault(why, "the address is empty");
    if (n < 0 && plus)
        return fault(why, "a number has digits only");
    if (n <= 0)
        return name_of(text, len, room, to, why);
    int international = plus;
    if (!plus && n > 2 && room[0] == '0' && room[1] == '0') {
        memmove(room, room + 2, (size_t)(n -= 2));
        international = 1;
    }
    if (n > NUMBER_MAX)
        return fault(why, "a number has at most 15 digits");
    if (international ? n < NUMBER_MIN : n < SHORT_MIN)
        return fault(why, "the number has too few digits");
    if (!international && n > SHORT_MAX && room[0] == '0' && !at_home(rules, room, &n)) {
        *to = (struct smpp_address){ .ton = SMPP_TON_NATIONAL, .npi = SMPP_NPI_E164 };
    } else if (!international && n <= SHORT_MAX) {
        uint8_t ton = rules->short_ton ? rules->short_ton : (uint8_t)SMPP_TON_NETWORK;
        *to = (struct smpp_address){ .ton = ton, .npi = rules->short_npi };
    } else {
        *to = (struct smpp_address){ .ton = SMPP_TON_INTERNATIONAL, .npi = SMPP_NPI_E164 };
        if (rules->keep_plus) {
            memmove(room + 1, room, (size_t)n++);
            room[0] = '+';
        }
    }
    to->addr = (struct smpp_str){ .ptr = room, .len = (uint32_t)n };
    return 0;
}

/* --- back ------------------------------------------------------------------------------------- */

static int all_digits(const struct smpp_str *s)
{
    for (uint32_t i = 0; i < s->len; i++)
        if (!is_digit(s->ptr[i]))
            return 0;
    return s->len > 0;
}

/* Text of a peer, as far as it can be shown; Latin-1 becomes UTF-8. */
static size_t text_of(const struct smpp_str *s, char *to, size_t room)
{
    size_t n = 0;
    for (uint32_t i = 0; i < s->len && n + 2 < room; i++) {
        unsigned char c = (unsigned char)s->ptr[i];
        if (c >= 0xa0) {
            to[n++] = (char)(0xc0 | c >> 6);
            to[n++] = (char)(0x80 | (c & 0x3f));
        } else if (c >= ' ' && c < 0x7f) {
            to[n++] = (char)c;
        }
    }
    to[n] = 0;
    return n;
}

size_t smpp_address_text(const struct smpp_address *address, const struct address_rules *rules,
                         char to[ADDRESS_TEXT_MAX])
{
    struct smpp_str rest = address->addr;
    size_t n = 0;
    if (!all_digits(&rest))
        return text_of(&rest, to, ADDRESS_TEXT_MAX);
    if (rest.len >= NUMBER_MIN && address->ton == SMPP_TON_NATIONAL && rules->country[0]) {
        n = strnlen(rules->country, sizeof rules->country);
        to[0] = '+';
        memcpy(to + 1, rules->country, n++);
        uint32_t trunk = trunk_of(rules->country, rest.ptr, rest.len);
        rest.ptr += trunk, rest.len -= trunk;
    } else if (address->ton == SMPP_TON_INTERNATIONAL) {
        if (rest.len > 2 && !memcmp(rest.ptr, "00", 2))
            rest.ptr += 2, rest.len -= 2;
        to[n++] = '+';
    }
    return n + text_of(&rest, to + n, ADDRESS_TEXT_MAX - n);
}
