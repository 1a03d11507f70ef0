/* SPDX-License-Identifier: Apache-2.0
 * receipt.c - receipts from PDUs: TLVs, the text in its dialects, and what a state means.
 *
 * The text is a row of "name:value" whose names are found wherever they stand, in any case and with
 * or without a space inside, for no two SMSCs agree:
 *
 *     id:0123 sub:001 dlvrd:001 submit date:2611221200 done date:261122120105 stat:DELIVRD err:000
 *     text:first twenty letter
 *
 * What follows "text:" is the message's own and is never searched: people may write "stat:DELIVRD".
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "receipt.h"
#include "pdu_int.h"
#include <stdio.h>
#include <string.h>

/* --- times ------------------------------------------------------------------------------------ */

static int two(const char *p) { return (p[0] - '0') * 10 + p[1] - '0'; }

/* 0 when it is no time. 10 digits: YYMMDDhhmm; 12: with seconds, or with the century; 14: both. */
static int64_t time_of(const char *p, size_t len, int utc_minutes)
{
    int part[6] = { 0 }; /* year of the century, month, day, hour, minute, second */
    for (size_t i = 0; i < len; i++)
        if (p[i] < '0' || p[i] > '9')
            return 0;
    if (len != 10 && len != 12 && len != 14)
        return 0;
    if (len == 14 || (len == 12 && two(p) == 20 && two(p + 2) > 12)) {
        if (two(p) != 20)
            return 0;
        p += 2;
        len -= 2;
    }
    for (size_t i = 0; i * 2 < len; i++)
        part[i] = two(p + i * 2);
    if (part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > 31 || part[3] > 23 ||
        part[4] > 59 || part[5] > 60)
        return 0;
    int64_t seconds = pdu_days(2000 + part[0], part[1], part[2]) * 86400 + part[3] * INT64_C(3600) +
                      part[4] * INT64_C(60) + part[5] - utc_minutes * INT64_C(60);
    return seconds * 1000000;
}

/* --- words of a state ------------------------------------------------------------------------- */

static const char *const state_words[SMPP_STATES] = { "SCHEDLD", "ENROUTE", "DELIVRD", "EXPIRED",
                                                      "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN",
                                                      "REJECTD", "SKIPPED" };
static const struct {
    const char *word;
    uint8_t state;
} more_words[] = {
    { "DELIVERED", SMPP_STATE_DELIVERED },
    { "DELIVRED", SMPP_STATE_DELIVERED },
    { "DELIVERD", SMPP_STATE_DELIVERED },
    { "UNDELIVERABLE", SMPP_STATE_UNDELIVERABLE },
    { "UNDELIVERED", SMPP_STATE_UNDELIVERABLE },
    { "UNDELIVRD", SMPP_STATE_UNDELIVERABLE },
    { "UNDELIVERD", SMPP_STATE_UNDELIVERABLE },
    { "UNDLVRD", SMPP_STATE_UNDELIVERABLE },
    { "FAILED", SMPP_STATE_UNDELIVERABLE },
    { "ACCEPTED", SMPP_STATE_ACCEPTED },
    { "REJECTED", SMPP_STATE_REJECTED },
    { "SCHEDULED", SMPP_STATE_SCHEDULED },
    { "BUFFERED", SMPP_STATE_ENROUTE },
    { "BUFFRED", SMPP_STATE_ENROUTE },
    { "EXPIRD", SMPP_STATE_EXPIRED },
    { "DELETD", SMPP_STATE_DELETED },
};

const char *receipt_state_word(unsigned state)
{
    return state < SMPP_STATES ? state_words[state] : "UNKNOWN";
}

/* A word in capitals, so that it is folded once and not for each word it is compared with. Returns
 * its length, 0 when it is longer than any we know. */
static size_t fold(const char *word, size_t len, char to[16])
{
    if (len > 15)
        return 0;
    for (size_t i = 0; i < len; i++)
        to[i] = (char)(word[i] >= 'a' && word[i] <= 'z' ? word[i] - 32 : word[i]);
    return len;
}

static int same(const char *a, size_t a_len, const char *b)
{
    return strlen(b) == a_len && !memcmp(a, b, a_len);
}

static void set_state(struct receipt *r, const char *word, size_t len)
{
    char folded[16];
    size_t n = fold(word, len, folded);
    r->state_text = (struct smpp_str){ .ptr = word, .len = (uint32_t)len };
    for (unsigned i = 0; i < SMPP_STATES; i++) {
        if (same(folded, n, state_words[i])) {
            r->has_state = 1;
            r->state = (uint8_t)i;
            return;
        }
    }
    for (size_t i = 0; i < sizeof more_words / sizeof *more_words; i++) {
        if (same(folded, n, more_words[i].word)) {
            r->has_state = 1;
            r->state = more_words[i].state;
        }
    }
}

enum wf_state receipt_state_of(unsigned state, enum wf_class *error_class)
{
    static const struct {
        uint8_t state, error_class;
    } meaning[SMPP_STATES] = {
        [SMPP_STATE_SCHEDULED] = { WF_STATE_ACCEPTED, 0 },
        [SMPP_STATE_ENROUTE] = { WF_STATE_SENT, 0 },
        [SMPP_STATE_DELIVERED] = { WF_STATE_DELIVERED, 0 },
        [SMPP_STATE_EXPIRED] = { WF_STATE_EXPIRED, WF_CLASS_TRANSIENT },
        [SMPP_STATE_DELETED] = { WF_STATE_FAILED, WF_CLASS_PERMANENT_CONTENT },
        [SMPP_STATE_UNDELIVERABLE] = { WF_STATE_FAILED, WF_CLASS_PERMANENT_RECIPIENT },
        [SMPP_STATE_ACCEPTED] = { WF_STATE_ACCEPTED, 0 }, /* by somebody, not by the phone */
        [SMPP_STATE_REJECTED] = { WF_STATE_REJECTED, WF_CLASS_PERMANENT_CONTENT },
        [SMPP_STATE_SKIPPED] = { WF_STATE_FAILED, WF_CLASS_TRANSIENT },
    };
    if (error_class)
        *error_class = (enum wf_class)(state < SMPP_STATES ? meaning[state].error_class : 0);
    return (enum wf_state)(state < SMPP_STATES ? meaning[state].state : 0);
}

unsigned receipt_state_from(enum wf_state state)
{
    switch (state) {
    case WF_STATE_ACCEPTED:
        return SMPP_STATE_ACCEPTED;
    case WF_STATE_SENT:
        return SMPP_STATE_ENROUTE;
    case WF_STATE_DELIVERED:
    case WF_STATE_READ:
        return SMPP_STATE_DELIVERED;
    case WF_STATE_REJECTED:
        return SMPP_STATE_REJECTED;
    case WF_STATE_EXPIRED:
        return SMPP_STATE_EXPIRED;
    case WF_STATE_FAILED:
        return SMPP_STATE_UNDELIVERABLE;
    }
    return SMPP_STATE_UNKNOWN;
}

/* --- the text --------------------------------------------------------------------------------- */

enum name {
    NAME_NONE,
    NAME_ID,
    NAME_SUB,
    NAME_DLVRD,
    NAME_SUBMIT,
    NAME_DONE,
    NAME_STAT,
    NAME_ERR,
    NAME_TEXT
};

/* With their lengths, by which most are told apart. */
#define NAME(word, name)                                                                           \
    {                                                                                              \
        word, sizeof(word) - 1, name                                                               \
    }
static const struct {
    char word[11];
    uint8_t len, name;
} names[] = {
    NAME("id", NAME_ID),         NAME("stat", NAME_STAT),         NAME("err", NAME_ERR),
    NAME("donedate", NAME_DONE), NAME("submitdate", NAME_SUBMIT), NAME("sub", NAME_SUB),
    NAME("dlvrd", NAME_DLVRD),   NAME("text", NAME_TEXT),         NAME("dlvd", NAME_DLVRD),
    NAME("status", NAME_STAT),   NAME("error", NAME_ERR),         NAME("msgid", NAME_ID),
};
#undef NAME

static int is_letter(char c) { return (unsigned char)((c | 32) - 'a') < 26; }

/* The name that ends before the colon at `colon`: letters, with one space, "_" or "-" between the
 * two words of a date. */
static enum name name_before(const char *text, size_t colon)
{
    char word[12];
    size_t n = sizeof word;
    int gaps = 0;
    for (size_t i = colon; i > 0 && n > 0; i--) {
        char c = text[i - 1];
        if (is_letter(c)) {
            word[--n] = (char)(c | 32);
        } else if ((c == ' ' || c == '_' || c == '-') && !gaps && sizeof word - n == 4 &&
                   !memcmp(word + n, "date", 4)) {
            gaps = 1;
        } else {
            break;
        }
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].len == sizeof word - n && !memcmp(names[i].word, word + n, names[i].len))
            return (enum name)names[i].name;
    return NAME_NONE;
}

static int16_t count_of(const struct smpp_str *value)
{
    int n = 0;
    for (uint32_t i = 0; i < value->len; i++) {
        if (value->ptr[i] < '0' || value->ptr[i] > '9' || n > 999)
            return -1;
        n = n * 10 + value->ptr[i] - '0';
    }
    return (int16_t)(value->len ? n : -1);
}

static void take(struct receipt *r, enum name name, struct smpp_str value, int utc_minutes)
{
    switch (name) {
    case NAME_ID:
        if (value.len && value.len <= RECEIPT_ID_MAX)
            r->id = value;
        break;
    case NAME_SUB:
        r->sub = count_of(&value);
        break;
    case NAME_DLVRD:
        r->dlvrd = count_of(&value);
        break;
    case NAME_SUBMIT:
        r->submit_us = time_of(value.ptr, value.len, utc_minutes);
        break;
    case NAME_DONE:
        r->done_us = time_of(value.ptr, value.len, utc_minutes);
        break;
    case NAME_STAT:
        set_state(r, value.ptr, value.len);
        break;
    case NAME_ERR:
        r->error = value;
        break;
    case NAME_TEXT:
    case NAME_NONE:
        break;
    }
}

static int is_gap(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ','; }

int receipt_text_read(const char *text, size_t len, int utc_minutes, struct receipt *out)
{
    int found = 0;
    while (len && text[len - 1] == 0) /* some count the NUL of their C string */
        len--;
    for (size_t i = 0; i < len; i++) {
        enum name name = text[i] == ':' ? name_before(text, i) : NAME_NONE;
        if (name == NAME_NONE)
            continue;
        size_t from = i + 1;
        if (name == NAME_TEXT) {
            out->text = (struct smpp_str){ .ptr = text + from, .len = (uint32_t)(len - from) };
            break;
        }
        while (from < len && text[from] == ' ')
            from++;
        size_t to = from;
        while (to < len && !is_gap(text[to]))
            to++;
        /* "stat: err:000": nothing stands between two names; but an id may have a colon in it */
        const char *colon = memchr(text + from, ':', to - from);
        if (colon && name_before(text, (size_t)(colon - text)) != NAME_NONE)
            continue;
        take(out, name, (struct smpp_str){ .ptr = text + from, .len = (uint32_t)(to - from) },
             utc_minutes);
        found |= name == NAME_ID || name == NAME_STAT;
        i = to - 1;
    }
    return found;
}

/* --- the PDU ---------------------------------------------------------------------------------- */

static enum receipt_kind kind_of(uint8_t esm_class)
{
    switch (esm_class & 0x3c) {
    case 0x04:
        return RECEIPT_MC;
    case 0x08:
        return RECEIPT_DEVICE;
    case 0x10:
        return RECEIPT_USER;
    case 0x20:
    case 0x24:
        return RECEIPT_INTERMEDIATE;
    default:
        return RECEIPT_NONE;
    }
}

static struct smpp_str text_of(const struct smpp_pdu *pdu)
{
    struct smpp_tlv payload;
    struct smpp_str text = pdu->sm.text;
    if (text.len == 0 && smpp_tlv_find(&pdu->tlvs, SMPP_TAG_MESSAGE_PAYLOAD, &payload))
        text = (struct smpp_str){ .ptr = (const char *)payload.value, .len = payload.len };
    if ((pdu->sm.esm_class & 0x40) && text.len && (uint8_t)text.ptr[0] < text.len) {
        uint32_t header = (uint8_t)text.ptr[0] + 1u;
        text.ptr += header;
        text.len -= header;
    }
    return text;
}

static void read_tlvs(const struct smpp_pdu *pdu, struct receipt *out)
{
    struct smpp_tlv tlv;
    struct smpp_str id;
    uint32_t state;
    if (smpp_tlv_text(&pdu->tlvs, SMPP_TAG_RECEIPTED_MESSAGE_ID, &id) && id.len &&
        id.len <= RECEIPT_ID_MAX)
        out->id = id;
    if (smpp_tlv_number(&pdu->tlvs, SMPP_TAG_MESSAGE_STATE, &state) && state < SMPP_STATES) {
        out->state = (uint8_t)state;
        out->has_state = 1;
    }
    if (smpp_tlv_find(&pdu->tlvs, SMPP_TAG_NETWORK_ERROR_CODE, &tlv) && tlv.len == 3) {
        out->network_type = tlv.value[0];
        out->network_code = (uint16_t)(tlv.value[1] << 8 | tlv.value[2]);
    }
}

int receipt_read(const struct smpp_pdu *pdu, const struct receipt_rules *rules, struct receipt *out)
{
    struct smpp_str text;
    *out = (struct receipt){ .kind = kind_of(pdu->sm.esm_class), .sub = -1, .dlvrd = -1 };
    if (out->kind == RECEIPT_NONE && !rules->unmarked)
        return 0;
    text = text_of(pdu);
    receipt_text_read(text.ptr, text.len, rules->utc_minutes, out);
    read_tlvs(pdu, out);
    int complete = out->id.len && out->has_state;
    if (out->kind == RECEIPT_NONE) {
        if (!complete)
            return 0;
        out->kind = RECEIPT_MC;
    }
    return complete ? 1 : -1;
}

size_t receipt_code(const struct receipt *receipt, char to[24])
{
    int n = 0;
    to[0] = 0;
    if (receipt->error.len)
        n = snprintf(to, 24, "%.*s", (int)(receipt->error.len < 23 ? receipt->error.len : 23),
                     receipt->error.ptr);
    else if (receipt->network_type)
        n = snprintf(to, 24, "%u:%u", receipt->network_type, receipt->network_code);
    return n > 0 ? (size_t)n : 0;
}
