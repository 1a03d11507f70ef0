/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes what SMPP peers send. The first byte says what follows: a stream of PDUs, a receipt's
 * text, a part of a message for the shelf, text in an alphabet, or text to be sent.
 *
 * Besides not breaking, these must hold: a PDU that reads writes, and what was written reads as the
 * same; what is decoded encodes again to something that decodes the same; a text cut into parts
 * comes back whole.
 */
#include "gsm.h"
#include "pdu.h"
#include "pdu_int.h"
#include "receipt.h"
#include "segment.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void must(int holds)
{
    if (!holds)
        abort();
}

/* Compares fields by the table; the bytes they borrow lie elsewhere. */
static void must_be_same(const struct smpp_pdu *a, const struct smpp_pdu *b)
{
    const struct command *command = pdu_command(a->command);
    must(a->command == b->command && a->status == b->status && a->sequence == b->sequence);
    must(a->tlvs.bytes == b->tlvs.bytes);
    must(!a->tlvs.bytes || !memcmp(a->tlvs.ptr, b->tlvs.ptr, a->tlvs.bytes));
    for (const struct field *f = command->fields; f && f->kind; f++) {
        const char *x = (const char *)a + f->at, *y = (const char *)b + f->at;
        const struct smpp_str *s = (const void *)x, *t = (const void *)y;
        if (f->kind == FIELD_OCTET)
            must(*x == *y);
        else
            must(s->len == t->len && (!s->len || !memcmp(s->ptr, t->ptr, s->len)));
        if (f->count_at)
            must(((const char *)a)[f->count_at] == ((const char *)b)[f->count_at]);
    }
}

static void look_at_all(const struct smpp_pdu *pdu)
{
    static uint8_t room[SMPP_PDU_MAX];
    static const struct receipt_rules rules = { .unmarked = 1 };
    char line[512];
    struct receipt receipt;
    struct segment_part part;
    struct smpp_error err;
    size_t n = smpp_pdu_print(pdu, (int)(pdu->sequence % 2), line, sizeof line);
    must(n < sizeof line && line[n] == 0 && strlen(line) == n && !strchr(line, '\n'));
    smpp_tlv_check(&pdu->tlvs, &err);
    int64_t at_us = -1;
    if (pdu->command == SMPP_SUBMIT_SM && smpp_time_read(&pdu->sm.validity, 0, &at_us) == 1)
        must(at_us >= -(INT64_C(12) * 3600 * 1000000) && at_us < INT64_C(5000000000) * 1000000);
    if (pdu->command != SMPP_SUBMIT_SM && pdu->command != SMPP_DELIVER_SM &&
        pdu->command != SMPP_DATA_SM)
        return;
    if (receipt_read(pdu, &rules, &receipt) == 1)
        must(receipt.id.len && receipt.has_state && receipt.kind);
    for (int packed = 0; packed < 2; packed++)
        if (segment_read(pdu, GSM_SEPTETS, packed, room, &part, &err) == 0)
            must(part.number <= part.total && part.len < SMPP_PDU_MAX);
}

static void fuzz_stream(const uint8_t *bytes, size_t len)
{
    static uint8_t out[SMPP_PDU_MAX];
    struct smpp_pdu pdu, again;
    struct smpp_error err;
    int n;
    for (; (n = smpp_frame(bytes, len, &err)) > 0; bytes += n, len -= (size_t)n) {
        err = (struct smpp_error){ 0 };
        if (smpp_pdu_read(&pdu, bytes, (size_t)n, &err) != 0) {
            must(err.status && err.field && err.why && err.at <= (uint32_t)n);
            continue;
        }
        int size = smpp_pdu_write(&pdu, out, sizeof out, &err);
        must(size > 0 && (size_t)size == smpp_pdu_size(&pdu));
        must(smpp_pdu_read(&again, out, (size_t)size, &err) == 0);
        must_be_same(&pdu, &again);
        look_at_all(&pdu);
    }
}

static void fuzz_receipt(const char *text, size_t len)
{
    struct receipt r = { 0 };
    char key[RECEIPT_KEY_BYTES], to[RECEIPT_TEXT_BYTES], code[24];
    receipt_text_read(text, len, 60, &r);
    must(receipt_text_write(&r, -60, to) < sizeof to);
    must(receipt_code(&r, code) < sizeof code);
    for (int form = RECEIPT_ID_TEXT; form <= RECEIPT_ID_HEX; form++) {
        size_t n = receipt_key(text, len, (enum receipt_id_form)form, key);
        must(n < sizeof key && key[n] == 0);
    }
}

/* Pieces of the input as parts: two bytes say which, then up to 8 of text. */
static void fuzz_shelf(const uint8_t *bytes, size_t len)
{
    struct segment_limits limits = { .messages = 4, .bytes = 4000, .timeout_ms = 20 };
    struct segment_shelf *shelf = segment_shelf_create(&limits);
    struct segment_whole whole;
    struct smpp_address from = { .addr = { "1", 1 } };
    for (int64_t now_ms = 0; len >= 3; now_ms++) {
        size_t text = bytes[2] % 8 < len - 3 ? bytes[2] % 8 : len - 3;
        struct segment_part part = { .reference = bytes[0] % 4,
                                     .total = (uint8_t)(1 + bytes[1] % 5),
                                     .octets = bytes + 3,
                                     .len = (uint32_t)text };
        part.number = (uint8_t)(1 + bytes[1] / 16 % part.total);
        enum segment_took took = segment_shelf_put(shelf, &from, &from, &part, 1, now_ms, &whole);
        must(took != SEGMENT_WHOLE || (whole.have == part.total && whole.len <= 8u * whole.have));
        must(segment_shelf_messages(shelf) <= 4 && segment_shelf_bytes(shelf) <= 4000);
        while (segment_shelf_expired(shelf, now_ms, &whole))
            must(whole.have > 0 && whole.have < whole.total);
        bytes += 3 + text;
        len -= 3 + text;
    }
    segment_shelf_destroy(shelf);
}

static void fuzz_decode(const uint8_t *bytes, size_t len)
{
    static char text[3 * 4096 + 8], again[sizeof text];
    static uint8_t octets[2 * sizeof text];
    if (len < 3 || len > 4096)
        return;
    struct gsm_coding coding = { (uint8_t)(1 + bytes[0] % GSM_EUCKR), bytes[1] % 16,
                                 bytes[2] % 16 };
    size_t n = gsm_decode(bytes + 3, len - 3, &coding, text, GSM_DECODE_FACTOR * len);
    must(n <= GSM_DECODE_FACTOR * len);
    ssize_t m = gsm_encode(text, n, &coding, octets, sizeof octets, NULL);
    if (m >= 0) { /* all of it had a meaning */
        must(gsm_decode(octets, (size_t)m, &coding, again, sizeof again) == n);
        must(!memcmp(text, again, n));
    }
}

static void fuzz_choose(const char *text, size_t len)
{
    static uint8_t coded[2 * 8192], back[2 * 8192];
    static char plain[3 * 8192];
    struct gsm_rules rules = { 0 };
    struct gsm_choice choice;
    struct segment_plan plan;
    if (len < 4 || len > 4096)
        return;
    rules.single = (uint8_t)text[0] * 64u;
    rules.locking = (uint8_t)text[1] * 64u;
    rules.transliterate = text[2] & 1;
    rules.latin1 = text[2] >> 1 & 1;
    rules.reference16 = text[2] >> 2 & 1;
    text += 3, len -= 3;
    if (gsm_choose(text, len, &rules, &choice) != 0)
        return;
    if (choice.transliterated) {
        len = gsm_transliterate(text, len, plain, sizeof plain, NULL);
        text = plain;
    }
    ssize_t n = gsm_encode(text, len, &choice.coding, coded, sizeof coded, NULL);
    must(n >= 0 && (uint32_t)n == choice.units * (choice.coding.alphabet == GSM_UCS2 ? 2 : 1));
    must(segment_plan_make(coded, (size_t)n, &choice.coding,
                           rules.reference16 ? SEGMENT_UDH16 : SEGMENT_UDH8, 0, &plan) == 0);
    must(plan.parts == choice.parts); /* what is promised, and maybe charged, is what is sent */
    size_t at = 0;
    for (unsigned i = 0; i < plan.parts; i++) {
        uint8_t scratch[SEGMENT_SCRATCH];
        struct smpp_out none = { 0 };
        struct smpp_pdu pdu = { .command = SMPP_SUBMIT_SM };
        struct segment_part part;
        must(segment_fill(&plan, coded, i, 7, scratch, &none, &pdu) == 0);
        must(segment_read(&pdu, GSM_SEPTETS, 0, NULL, &part, NULL) == 0);
        memcpy(back + at, part.octets, part.len);
        at += part.len;
    }
    must(at == (size_t)n && !memcmp(back, coded, at));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return 0;
    switch (bytes[0] % 5) {
    case 0:
        fuzz_stream(bytes + 1, len - 1);
        break;
    case 1:
        fuzz_receipt((const char *)bytes + 1, len - 1);
        break;
    case 2:
        fuzz_shelf(bytes + 1, len - 1);
        break;
    case 3:
        fuzz_decode(bytes + 1, len - 1);
        break;
    default:
        fuzz_choose((const char *)bytes + 1, len - 1);
    }
    return 0;
}
