/* SPDX-License-Identifier: Apache-2.0
 * Long messages: every text comes back whole from its parts by each way, in any order; golden
 * headers; and a shelf that stays within its bounds whatever is put on it.
 */
#include "segment.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define S(text) ((struct smpp_str){ .ptr = (text), .len = sizeof(text) - 1 })

static const struct smpp_address alice = { .ton = 1, .npi = 1, .addr = { "491511", 6 } };
static const struct smpp_address bob = { .ton = 1, .npi = 1, .addr = { "491512", 6 } };
static uint8_t unpacked[SMPP_PDU_MAX];

struct wire {
    uint8_t bytes[SMPP_PDU_MAX];
    int len;
};

/* Part `i` as the bytes of a submit_sm. */
static void write_part(const struct segment_plan *plan, const uint8_t *coded, unsigned i,
                       struct wire *to)
{
    static uint8_t scratch[SEGMENT_SCRATCH], tlvs[SMPP_PDU_MAX];
    struct smpp_out out = smpp_out_of(tlvs, sizeof tlvs);
    struct smpp_error err = { 0 };
    struct smpp_pdu pdu = { .command = SMPP_SUBMIT_SM,
                            .sequence = 1,
                            .sm = { .from = alice, .to = bob, .esm_class = 0x03 } };
    assert_int_equal(segment_fill(plan, coded, i, 0x1234, scratch, &out, &pdu), 0);
    assert_int_equal(pdu.sm.esm_class & 0x03, 0x03);
    assert_true(pdu.sm.text.len <= SMPP_TEXT_MAX);
    to->len = smpp_pdu_write(&pdu, to->bytes, sizeof to->bytes, &err);
    if (to->len < 0)
        fail_msg("%s %s", err.field, err.why);
}

static void read_part(const struct wire *from, int packed, struct segment_part *part)
{
    struct smpp_pdu pdu;
    assert_int_equal(smpp_pdu_read(&pdu, from->bytes, (size_t)from->len, NULL), 0);
    assert_int_equal(segment_read(&pdu, GSM_SEPTETS, packed, unpacked, part, NULL), 0);
}

/* The text cut, written, read backwards, put together: it is the same. Returns the parts. */
static unsigned there_and_back(const char *text, struct gsm_coding coding, enum segment_way way,
                               int packed)
{
    static uint8_t coded[70000];
    static struct wire wires[SEGMENT_MAX];
    static char back[70000];
    struct segment_plan plan;
    struct segment_whole whole = { 0 };
    struct segment_part part;
    ssize_t len = gsm_encode(text, strlen(text), &coding, coded, sizeof coded, NULL);
    assert_true(len >= 0);
    assert_int_equal(segment_plan_make(coded, (size_t)len, &coding, way, packed, &plan), 0);
    struct segment_shelf *shelf = segment_shelf_create(NULL);
    for (unsigned i = 0; i < plan.parts; i++)
        write_part(&plan, coded, i, &wires[i]);
    for (unsigned i = plan.parts; i-- > 0;) {
        read_part(&wires[i], packed, &part);
        assert_int_equal(part.coding.alphabet, coding.alphabet);
        assert_int_equal(part.coding.single, coding.single);
        assert_int_equal(part.coding.locking, coding.locking);
        if (plan.parts == 1) {
            assert_int_equal(part.total, 0);
            whole = (struct segment_whole){ .octets = part.octets, .len = part.len, .have = 1 };
            break;
        }
        assert_int_equal(part.number, i + 1);
        assert_int_equal(part.total, plan.parts);
        assert_int_equal(part.reference, way == SEGMENT_UDH8 ? 0x34 : 0x1234);
        assert_int_equal(segment_shelf_put(shelf, &alice, &bob, &part, i, 0, &whole),
                         i ? SEGMENT_HELD : SEGMENT_WHOLE);
    }
    size_t n = gsm_decode(whole.octets, whole.len, &coding, back, sizeof back);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(back, text, n);
    for (unsigned i = 0; plan.parts > 1 && i < plan.parts; i++)
        assert_int_equal(whole.tags[i], i); /* in order of the parts, not of their coming */
    segment_shelf_destroy(shelf);
    return plan.parts;
}

/* A text that grows by one character a time, in and out at every length from `from` on. */
static void growing(struct gsm_coding coding, enum segment_way way, int packed, const char *usual,
                    const char *odd, unsigned most)
{
    char text[4000] = "";
    size_t len = 0;
    for (unsigned n = 0; n < most; n++) {
        const char *next = n % 7 == 3 ? odd : usual;
        if (n < 3 || n > 60)
            there_and_back(text, coding, way, packed);
        memcpy(text + len, next, strlen(next) + 1);
        len += strlen(next);
    }
}

static void every_way_and_alphabet(void **state)
{
    (void)state;
    const struct gsm_coding base = { .alphabet = GSM_SEPTETS }, ucs2 = { .alphabet = GSM_UCS2 };
    const struct gsm_coding hindi = { GSM_SEPTETS, GSM_HINDI, GSM_HINDI };
    const enum segment_way ways[] = { SEGMENT_UDH8, SEGMENT_UDH16, SEGMENT_SAR, SEGMENT_PAYLOAD };
    for (unsigned w = 0; w < 4; w++) {
        for (int packed = 0; packed < 2; packed++) {
            growing(base, ways[w], packed, "x", "€", 400);
            growing(base, ways[w], packed, "x", "@", 330);
            growing(hindi, ways[w], packed, "न", "A", 320);
        }
        growing(ucs2, ways[w], 0, "я", "😀", 220);
    }
}

static char *times(const char *text, unsigned n)
{
    static char all[200000];
    all[0] = 0;
    size_t len = strlen(text);
    for (size_t i = 0; i < n; i++)
        memcpy(all + i * len, text, len + 1);
    return all;
}

static void how_many_parts(void **state)
{
    (void)state;
    struct gsm_coding base = { .alphabet = GSM_SEPTETS }, ucs2 = { .alphabet = GSM_UCS2 };
    struct gsm_coding latin1 = { .alphabet = GSM_LATIN1 };
    assert_int_equal(there_and_back(times("a", 160), base, SEGMENT_UDH8, 0), 1);
    assert_int_equal(there_and_back(times("a", 306), base, SEGMENT_UDH8, 0), 2);
    assert_int_equal(there_and_back(times("a", 306), base, SEGMENT_UDH16, 0), 3);
    assert_int_equal(there_and_back(times("a", 304), base, SEGMENT_UDH16, 0), 2);
    assert_int_equal(there_and_back(times("€", 153), base, SEGMENT_UDH8, 0), 3);
    assert_int_equal(there_and_back(times("😀", 67), ucs2, SEGMENT_UDH8, 0), 3);
    assert_int_equal(there_and_back(times("é", 140), latin1, SEGMENT_UDH8, 0), 1);
    assert_int_equal(there_and_back(times("é", 268), latin1, SEGMENT_UDH8, 0), 2);
    assert_int_equal(there_and_back(times("é", 268), latin1, SEGMENT_UDH16, 0), 3);
    assert_int_equal(there_and_back(times("a", 2000), base, SEGMENT_PAYLOAD, 0), 1);
    assert_int_equal(there_and_back(times("a", 255 * 153), base, SEGMENT_UDH8, 0), 255);
    static uint8_t coded[70000];
    struct segment_plan plan;
    memset(coded, 'a', sizeof coded);
    assert_int_equal(segment_plan_make(coded, 255 * 153 + 1, &base, SEGMENT_UDH8, 0, &plan), -1);
    memset(coded, 0x1b, 200); /* pairs of ESC and ESC: the cut falls between pairs, at 152 */
    assert_int_equal(segment_plan_make(coded, 200, &base, SEGMENT_UDH8, 0, &plan), 0);
    assert_int_equal(plan.starts[1], 152);
    coded[0] = 'a'; /* now at 153 */
    assert_int_equal(segment_plan_make(coded, 200, &base, SEGMENT_UDH8, 0, &plan), 0);
    assert_int_equal(plan.starts[1], 153);
    assert_int_equal(segment_plan_make(coded, 65536, &base, SEGMENT_PAYLOAD, 0, &plan), -1);
    assert_int_equal(segment_plan_make(coded, 65000, &base, SEGMENT_PAYLOAD, 0, &plan), 0);
}

static void golden_headers(void **state)
{
    (void)state;
    struct gsm_coding coding = { GSM_SEPTETS, GSM_TURKISH, GSM_TURKISH };
    static uint8_t coded[400];
    uint8_t scratch[SEGMENT_SCRATCH], room[64];
    struct smpp_out out = smpp_out_of(room, sizeof room);
    struct smpp_pdu pdu = { .command = SMPP_SUBMIT_SM };
    struct segment_plan plan;
    memset(coded, 'a', sizeof coded);
    assert_int_equal(segment_plan_make(coded, 200, &coding, SEGMENT_UDH8, 0, &plan), 0);
    assert_int_equal(segment_fill(&plan, coded, 1, 0x77, scratch, &out, &pdu), 0);
    assert_memory_equal(pdu.sm.text.ptr,
                        "\x0b\x00\x03\x77\x02\x02\x24\x01\x01\x25\x01\x01"
                        "aaa",
                        15);
    assert_int_equal(pdu.sm.text.len, 12 + 200 - 146);
    assert_int_equal(pdu.sm.esm_class, 0x40);
    coding = (struct gsm_coding){ .alphabet = GSM_SEPTETS };
    assert_int_equal(segment_plan_make(coded, 200, &coding, SEGMENT_UDH16, 0, &plan), 0);
    assert_int_equal(segment_fill(&plan, coded, 0, 0x1234, scratch, &out, &pdu), 0);
    assert_memory_equal(pdu.sm.text.ptr, "\x06\x08\x04\x12\x34\x02\x01", 7);
    assert_int_equal(segment_plan_make(coded, 200, &coding, SEGMENT_SAR, 0, &plan), 0);
    assert_int_equal(segment_fill(&plan, coded, 1, 0x1234, scratch, &out, &pdu), 0);
    assert_int_equal(pdu.sm.esm_class, 0);
    assert_int_equal(pdu.tlvs.bytes, 16);
    assert_memory_equal(pdu.tlvs.ptr, "\x02\x0c\0\x02\x12\x34\x02\x0e\0\x01\x02\x02\x0f\0\x01\x02",
                        16);
    /* packed: the header, one fill bit, the text; "aaa" behind six octets */
    assert_int_equal(segment_plan_make(coded, 156, &coding, SEGMENT_UDH8, 1, &plan), 0);
    assert_int_equal(plan.parts, 1);
    assert_int_equal(segment_plan_make(coded, 163, &coding, SEGMENT_UDH8, 1, &plan), 0);
    assert_int_equal(segment_fill(&plan, coded, 1, 5, scratch, &out, &pdu), 0);
    assert_memory_equal(pdu.sm.text.ptr,
                        "\x05\0\x03\x05\x02\x02\xc2\xe1\x70\x38\x1c\x0e\x87\xc3\x61", 15);
    out = smpp_out_of(room, 10);
    assert_int_equal(segment_plan_make(coded, 200, &coding, SEGMENT_SAR, 0, &plan), 0);
    assert_int_equal(segment_fill(&plan, coded, 1, 1, scratch, &out, &pdu), -1);
}

static int read_text(const char *octets, size_t len, struct segment_part *part)
{
    char *exact = malloc(len + !len); /* so that a sanitizer sees a read past the end */
    assert_non_null(exact);
    memcpy(exact, octets, len);
    struct smpp_pdu pdu = { .command = SMPP_DELIVER_SM,
                            .sm = { .esm_class = 0x40, .text = { exact, (uint32_t)len } } };
    int got = segment_read(&pdu, GSM_SEPTETS, 0, unpacked, part, NULL);
    free(exact);
    return got;
}

static void headers_that_are_odd(void **state)
{
    (void)state;
    struct segment_part part;
    assert_int_equal(read_text("\x05\0\x03\x09\x00\x01xy", 8, &part), 0);
    assert_int_equal(part.total, 0);
    assert_int_equal(part.len, 2);
    assert_int_equal(read_text("\x05\0\x03\x09\x02\x03xy", 8, &part), 0); /* part 3 of 2 */
    assert_int_equal(part.total, 0);
    assert_int_equal(read_text("\x06\x05\x04\x0b\x84\x23\xf0x", 8, &part), 0);
    assert_int_equal(part.dest_port, 0x0b84);
    assert_int_equal(part.source_port, 0x23f0);
    assert_int_equal(read_text("\x04\x70\x02\x01\x02", 5, &part), 0); /* unknown, and no text */
    assert_int_equal(part.len, 0);
    assert_int_equal(read_text("\0x", 2, &part), 0);
    assert_int_equal(part.len, 1);
    assert_int_equal(read_text("", 0, &part), -1);
    assert_int_equal(read_text("\x05\0\x03\x09\x02", 5, &part), -1);
    assert_int_equal(read_text("\x05\0\x04\x09\x02\x01", 6, &part), -1);
    assert_int_equal(read_text("\x01\0", 2, &part), -1);
    assert_int_equal(read_text("\x03\x24\x01\x7f", 4, &part), 0); /* a language nobody has */
    assert_int_equal(part.coding.single, 0);
}

/* --- the shelf -------------------------------------------------------------------------------- */

static struct segment_part piece(unsigned reference, unsigned number, unsigned total,
                                 const char *text)
{
    return (struct segment_part){ .reference = (uint16_t)reference,
                                  .number = (uint8_t)number,
                                  .total = (uint8_t)total,
                                  .coding = { .alphabet = GSM_SEPTETS },
                                  .octets = (const uint8_t *)text,
                                  .len = (uint32_t)strlen(text) };
}

static enum segment_took put(struct segment_shelf *shelf, unsigned reference, unsigned number,
                             unsigned total, const char *text, int64_t now_ms,
                             struct segment_whole *whole)
{
    struct segment_part part = piece(reference, number, total, text);
    return segment_shelf_put(shelf, &alice, &bob, &part, number * UINT64_C(100), now_ms, whole);
}

static void duplicates_and_disorder(void **state)
{
    (void)state;
    struct segment_whole whole;
    struct segment_shelf *shelf =
        segment_shelf_create(&(struct segment_limits){ .timeout_ms = 1000 });
    assert_int_equal(put(shelf, 1, 3, 3, "c", 0, &whole), SEGMENT_HELD);
    assert_int_equal(put(shelf, 1, 1, 3, "a", 1, &whole), SEGMENT_HELD);
    assert_int_equal(put(shelf, 1, 3, 3, "c", 2, &whole), SEGMENT_DUPLICATE);
    assert_int_equal(put(shelf, 2, 1, 2, "x", 3, &whole), SEGMENT_HELD); /* another message */
    assert_int_equal(put(shelf, 1, 2, 3, "b", 4, &whole), SEGMENT_WHOLE);
    assert_int_equal(whole.len, 3);
    assert_memory_equal(whole.octets, "abc", 3);
    assert_int_equal(whole.have, 3);
    assert_int_equal(whole.tags[0], 100);
    assert_int_equal(whole.tags[2], 300);
    assert_memory_equal(whole.from.addr.ptr, "491511", 6);
    assert_int_equal(put(shelf, 1, 2, 3, "b", 5, &whole), SEGMENT_DUPLICATE); /* sent again, late */
    assert_int_equal(whole.have, 0);
    assert_int_equal(put(shelf, 1, 2, 3, "B", 6, &whole), SEGMENT_HELD); /* the number used anew */
    assert_int_equal(put(shelf, 1, 2, 3, "?", 7, &whole), SEGMENT_CLASH);
    assert_int_equal(whole.have, 1);
    assert_memory_equal(whole.octets, "B", 1);
    assert_int_equal(segment_shelf_messages(shelf), 2);
    struct segment_part part = piece(2, 2, 2, "y");
    assert_int_equal(segment_shelf_put(shelf, &bob, &alice, &part, 0, 8, &whole), SEGMENT_HELD);
    part.wide = 1; /* 8 and 16 bits of reference are not the same */
    assert_int_equal(segment_shelf_put(shelf, &alice, &bob, &part, 0, 8, &whole), SEGMENT_HELD);
    assert_int_equal(put(shelf, 2, 2, 2, "y", 9, &whole), SEGMENT_WHOLE);
    segment_shelf_destroy(shelf);
}

static void time_out_in_order(void **state)
{
    (void)state;
    struct segment_whole whole;
    struct segment_shelf *shelf =
        segment_shelf_create(&(struct segment_limits){ .timeout_ms = 1000 });
    assert_int_equal(segment_shelf_due_ms(shelf), -1);
    put(shelf, 1, 1, 2, "a", 0, &whole);
    put(shelf, 2, 1, 3, "b", 10, &whole);
    put(shelf, 1, 1, 2, "a", 20, &whole); /* a duplicate does not keep it alive */
    put(shelf, 2, 2, 3, "c", 30, &whole); /* another part does */
    assert_int_equal(segment_shelf_due_ms(shelf), 1000);
    assert_int_equal(segment_shelf_expired(shelf, 999, &whole), 0);
    assert_int_equal(segment_shelf_expired(shelf, 1000, &whole), 1);
    assert_int_equal(whole.reference, 1);
    assert_int_equal(segment_shelf_expired(shelf, 1000, &whole), 0);
    assert_int_equal(segment_shelf_expired(shelf, INT64_MAX, &whole), 1);
    assert_int_equal(whole.have, 2);
    assert_int_equal(whole.total, 3);
    assert_memory_equal(whole.octets, "bc", 2);
    put(shelf, 3, 1, 1, "z", 2000, &whole); /* one of one, and its note goes too */
    assert_int_equal(whole.have, 1);
    assert_true(segment_shelf_bytes(shelf) > 0);
    assert_int_equal(segment_shelf_expired(shelf, 3000, &whole), 0);
    assert_int_equal(segment_shelf_bytes(shelf), 0);
    segment_shelf_destroy(shelf);
}

static void bounds_hold(void **state)
{
    (void)state;
    struct segment_whole whole;
    struct segment_limits limits = { .messages = 50, .bytes = 100000, .timeout_ms = 1000 };
    struct segment_shelf *shelf = segment_shelf_create(&limits);
    unsigned handed_out = 0;
    char text[160];
    memset(text, 'x', sizeof text);
    text[159] = 0;
    for (unsigned i = 0; i < 5000; i++) {
        unsigned took = put(shelf, i, 1 + i % 9, 10, text, i / 100, &whole);
        if (took == SEGMENT_FULL) {
            assert_int_equal(whole.have, 1);
            handed_out++;
            took = put(shelf, i, 1 + i % 9, 10, text, i / 100, &whole);
        }
        assert_int_equal(took, SEGMENT_HELD);
        assert_true(segment_shelf_messages(shelf) <= limits.messages);
        assert_true(segment_shelf_bytes(shelf) <= limits.bytes);
    }
    assert_int_equal(handed_out, 4950);
    for (unsigned i = 0; i < 20000; i++) /* what is whole leaves notes, bounded too */
        assert_true(put(shelf, i, 1, 1, "z", 60, &whole) != SEGMENT_HELD);
    assert_true(segment_shelf_bytes(shelf) <= limits.bytes);
    segment_shelf_destroy(shelf);
    shelf = segment_shelf_create(&(struct segment_limits){ .bytes = 500 });
    assert_int_equal(put(shelf, 1, 1, 255, "x", 0, &whole), SEGMENT_FULL);
    assert_int_equal(whole.have, 0); /* will never fit */
    segment_shelf_destroy(shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_and_alphabet),
        cmocka_unit_test(how_many_parts),
        cmocka_unit_test(golden_headers),
        cmocka_unit_test(headers_that_are_odd),
        cmocka_unit_test(duplicates_and_disorder),
        cmocka_unit_test(time_out_in_order),
        cmocka_unit_test(bounds_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
