/* SPDX-License-Identifier: Apache-2.0
 * Alphabets: golden septets, all tables there and back, the index made again, packing with fill
 * bits, data_coding, and which alphabet is chosen for what.
 */
#include "gsm.h"
#include "gsm_int.h"
#include "segment.h"
#include <catalyst/text.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct gsm_coding septets = { .alphabet = GSM_SEPTETS };
static const struct gsm_coding ucs2 = { .alphabet = GSM_UCS2 };

static void encodes(const struct gsm_coding *coding, const char *text, const char *wanted,
                    size_t len)
{
    uint8_t got[256];
    char back[512];
    assert_int_equal(gsm_encode(text, strlen(text), coding, got, sizeof got, NULL), len);
    assert_memory_equal(got, wanted, len);
    size_t n = gsm_decode(got, len, coding, back, sizeof back);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(back, text, n);
}
#define ENCODES(coding, text, wanted) encodes(coding, text, wanted, sizeof(wanted) - 1)

static const struct gsm_coding latin1 = { .alphabet = GSM_LATIN1 };
static const struct gsm_coding ascii = { .alphabet = GSM_ASCII };
static const struct gsm_coding binary = { .alphabet = GSM_BINARY };
static const struct gsm_coding cyrillic = { .alphabet = GSM_CYRILLIC };
static const struct gsm_coding hebrew = { .alphabet = GSM_HEBREW };
static const struct gsm_coding jis = { .alphabet = GSM_JIS };
static const struct gsm_coding euckr = { .alphabet = GSM_EUCKR };
static const struct gsm_coding turkish_single = { GSM_SEPTETS, GSM_TURKISH, 0 };
static const struct gsm_coding turkish_locking = { GSM_SEPTETS, 0, GSM_TURKISH };
static const struct gsm_coding spanish_single = { GSM_SEPTETS, GSM_SPANISH, 0 };
static const struct gsm_coding hindi_both = { GSM_SEPTETS, GSM_HINDI, GSM_HINDI };
static const struct gsm_coding kannada_both = { GSM_SEPTETS, GSM_KANNADA, GSM_KANNADA };

static void refuses(const struct gsm_coding *coding, const char *text, size_t wanted_at)
{
    uint8_t got[256];
    size_t at = 99;
    assert_int_equal(gsm_encode(text, strlen(text), coding, got, sizeof got, &at), -1);
    assert_int_equal(at, wanted_at);
}

static void golden(void **state)
{
    (void)state;
    ENCODES(&septets, "Hello @ 5$", "Hello \0 5\x02");
    ENCODES(&septets, "€[]{}\\^~|\f",
            "\x1b\x65\x1b\x3c\x1b\x3e\x1b\x28\x1b\x29\x1b\x2f\x1b\x14"
            "\x1b\x3d\x1b\x40\x1b\x0a");
    ENCODES(&septets, "ÄÖÜäöüßñàΔΦΓΛΩΠΨΣΘΞ",
            "\x5b\x5c\x5e\x7b\x7c\x7e\x1e\x7d\x7f\x10\x12\x13\x14\x15\x16\x17\x18\x19\x1a");
    refuses(&septets, "abc`", 3);
    refuses(&septets, "smart \xe2\x80\x9cquote", 6);
    refuses(&septets, "ç", 0); /* GSM has the capital only */
    ENCODES(&turkish_single, "ş", "\x1b\x73");
    ENCODES(&turkish_locking, "şç€", "\x1d\x60\x04");
    ENCODES(&spanish_single, "¿Qué? áíóú", "\x60Qu\x05? \x1b\x61\x1b\x69\x1b\x6f\x1b\x75");
    ENCODES(&hindi_both, "नमस्ते १", "\x2f\x42\x4c\x5f\x27\x59 \x1b\x1d");
    ENCODES(&kannada_both, "ಡ", "\x24");
    ENCODES(&ucs2, "Aя😀", "\0A\x04\x4f\xd8\x3d\xde\x00");
    ENCODES(&latin1, "aé", "a\xe9");
    refuses(&latin1, "é€", 2);
    refuses(&ascii, "aé", 1);
    uint8_t small[3];
    assert_int_equal(gsm_encode("abcd", 4, &septets, small, 3, NULL), -1);
    assert_int_equal(gsm_encode("ab€", 5, &septets, small, 3, NULL), -1);
    assert_int_equal(gsm_encode("ab", 2, &ucs2, small, 3, NULL), -1);
}

static void decodes(const struct gsm_coding *coding, const char *octets, size_t len,
                    const char *wanted)
{
    char got[256];
    size_t n = gsm_decode((const uint8_t *)octets, len, coding, got, sizeof got);
    got[n] = 0;
    assert_string_equal(got, wanted);
}
#define DECODES(coding, octets, wanted) decodes(coding, octets, sizeof(octets) - 1, wanted)

static void what_is_odd_decodes(void **state)
{
    (void)state;
    DECODES(&septets, "a\x1b\x41", "aA"); /* no such extension: the main table's */
    DECODES(&septets,
            "a\x1b\x1b"
            "b",
            "a b");
    DECODES(&septets, "a\x1b", "a ");
    DECODES(&septets, "\x80", "\xef\xbf\xbd");
    DECODES(&ucs2, "\xd8\x3d\0A",
            "\xef\xbf\xbd"
            "A");
    DECODES(&ucs2, "\xde\x00\0A\0",
            "\xef\xbf\xbd"
            "A\xef\xbf\xbd");
    DECODES(&ascii, "a\xe9", "a\xef\xbf\xbd");
    DECODES(&binary, "a\xe9", "aé");
    DECODES(&cyrillic, "\xb0\xd1", "Аб");
    DECODES(&hebrew, "\xf9\xec", "של");
    DECODES(&jis, "\x93\xfa\x96\x7b", "日本");
    DECODES(&jis, "a\x93", "a\xef\xbf\xbd");
    DECODES(&euckr, "\xc7\xd1", "한");
    char small[4];
    assert_int_equal(gsm_decode((const uint8_t *)"\x1b\x65\x1b\x65", 4, &septets, small, 4), 3);
    assert_int_equal(gsm_decode((const uint8_t *)"\x93\xfa\x96\x7b", 4, &jis, small, 4), 3);
}

/* Its septets come back as the character; one with ESC only when `wanted` is 2. */
static void comes_back(uint16_t cp, const struct gsm_coding *coding, ssize_t wanted)
{
    char text[4], back[8];
    uint8_t octets[4];
    size_t len = wf_text_put(cp, text);
    ssize_t n = gsm_encode(text, len, coding, octets, sizeof octets, NULL);
    assert_true(n == wanted || (n == 1 && wanted == 2)); /* it may be in the main table too */
    assert_int_equal(gsm_decode(octets, (size_t)n, coding, back, sizeof back), len);
    assert_memory_equal(back, text, len);
}

static void every_character_of_every_table(void **state)
{
    (void)state;
    for (unsigned l = 0; l < GSM_LANGUAGES; l++) {
        for (unsigned s = 0; s < GSM_LANGUAGES; s++) {
            struct gsm_coding coding = { GSM_SEPTETS, (uint8_t)s, (uint8_t)l };
            for (uint32_t i = 0; i < 128; i++) {
                if (gsm_locking[l][i])
                    comes_back(gsm_locking[l][i], &coding, 1);
                if (gsm_single[s][i])
                    comes_back(gsm_single[s][i], &coding, 2);
            }
        }
    }
}

static void the_index_is_what_the_tables_are(void **state)
{
    (void)state;
    static struct gsm_where wanted[0x10000];
    uint32_t rows = 128;
    for (unsigned language = 0; language < GSM_LANGUAGES; language++)
        for (unsigned i = 0; i < 128; i++) {
            wanted[gsm_locking[language][i]].locking |= (uint16_t)(1u << language);
            wanted[gsm_single[language][i]].single |= (uint16_t)(1u << language);
        }
    wanted[0] = (struct gsm_where){ 0 }; /* 0 in a table is a hole, not a character */
    for (uint32_t cp = 0; cp < 0x10000; cp++) {
        const struct gsm_where *got = gsm_where_is(cp);
        int there = wanted[cp].locking || wanted[cp].single;
        rows += cp >= 128 && there;
        assert_true(there ? got != NULL : got == NULL || cp < 128);
        assert_int_equal(got ? got->locking : 0, wanted[cp].locking);
        assert_int_equal(got ? got->single : 0, wanted[cp].single);
        uint8_t septet = gsm_base_septet(cp); /* the direct index of the base alphabet */
        if (wanted[cp].locking & 1)
            assert_int_equal(gsm_locking[0][septet], cp);
        else if (wanted[cp].single & 1)
            assert_int_equal(gsm_single[0][septet & 0x7f], cp);
        else
            assert_int_equal(septet, GSM_NONE);
    }
    assert_int_equal(rows, gsm_where_count);
}

static void packing(void **state)
{
    (void)state;
    uint8_t packed[200], back[200], text[200];
    assert_int_equal(gsm_pack((const uint8_t *)"hellohello", 10, 0, packed), 9);
    assert_memory_equal(packed, "\xE8\x32\x9B\xFD\x46\x97\xD9\xEC\x37", 9);
    assert_int_equal(gsm_fill_bits(6), 1);
    assert_int_equal(gsm_fill_bits(7), 0);
    assert_int_equal(gsm_fill_bits(0), 0);
    assert_int_equal(gsm_fill_bits(4), 3);
    assert_int_equal(gsm_fill_bits(9), 5);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 37 % 128);
    for (unsigned fill = 0; fill < 7; fill++) {
        for (size_t n = 0; n <= 160; n++) {
            assert_int_equal(gsm_pack(text, n, fill, packed), gsm_packed_bytes(n, fill));
            gsm_unpack(packed, fill, back, n);
            assert_memory_equal(back, text, n);
        }
    }
}

static void data_codings(void **state)
{
    (void)state;
    assert_int_equal(gsm_alphabet_of(0, (enum gsm_alphabet)0), GSM_SEPTETS);
    assert_int_equal(gsm_alphabet_of(0, GSM_LATIN1), GSM_LATIN1);
    assert_int_equal(gsm_alphabet_of(1, GSM_LATIN1), GSM_ASCII);
    assert_int_equal(gsm_alphabet_of(3, GSM_SEPTETS), GSM_LATIN1);
    assert_int_equal(gsm_alphabet_of(8, GSM_SEPTETS), GSM_UCS2);
    assert_int_equal(gsm_alphabet_of(0x10, GSM_LATIN1), GSM_SEPTETS);
    assert_int_equal(gsm_alphabet_of(0x18, GSM_SEPTETS), GSM_UCS2);
    assert_int_equal(gsm_alphabet_of(0xf0, GSM_SEPTETS), GSM_SEPTETS);
    assert_int_equal(gsm_alphabet_of(0xf5, GSM_SEPTETS), GSM_BINARY);
    assert_int_equal(gsm_alphabet_of(0xe0, GSM_SEPTETS), GSM_UCS2);
    for (unsigned dc = 0; dc < 256; dc++)
        assert_true(gsm_alphabet_of((uint8_t)dc, GSM_SEPTETS) != 0);
    for (unsigned a = GSM_SEPTETS; a <= GSM_EUCKR; a++) {
        enum gsm_alphabet alphabet = (enum gsm_alphabet)a;
        const char *name = gsm_alphabet_name(alphabet);
        assert_int_equal(gsm_alphabet_named(name, strlen(name)), alphabet);
        assert_int_equal(gsm_alphabet_of(gsm_data_coding(alphabet), GSM_SEPTETS), alphabet);
    }
    assert_int_equal(gsm_language_named("turkish", 7), GSM_TURKISH);
    assert_int_equal(gsm_language_named("klingon", 7), 0);
    assert_string_equal(gsm_language_name(13), "urdu");
}

/* --- choosing --------------------------------------------------------------------------------- */

static char *repeat(const char *text, unsigned times)
{
    size_t len = strlen(text);
    char *all = malloc(len * times + 1);
    assert_non_null(all);
    for (unsigned i = 0; i < times; i++)
        memcpy(all + i * len, text, len);
    all[len * times] = 0;
    return all;
}

static struct gsm_choice chosen(const char *text, unsigned times, const struct gsm_rules *rules)
{
    struct gsm_choice choice;
    char *all = repeat(text, times);
    assert_int_equal(gsm_choose(all, strlen(all), rules, &choice), 0);
    free(all);
    return choice;
}

static void is(struct gsm_choice c, unsigned alphabet, unsigned parts, unsigned units)
{
    assert_int_equal(c.coding.alphabet, alphabet);
    assert_int_equal(c.parts, parts);
    assert_int_equal(c.units, units);
}

static void parts_of_texts(void **state)
{
    (void)state;
    struct gsm_rules plain = { 0 }, wide = { .reference16 = 1 };
    is(chosen("", 0, &plain), GSM_SEPTETS, 1, 0);
    is(chosen("a", 160, &plain), GSM_SEPTETS, 1, 160);
    is(chosen("a", 161, &plain), GSM_SEPTETS, 2, 161);
    is(chosen("a", 306, &plain), GSM_SEPTETS, 2, 306);
    is(chosen("a", 307, &plain), GSM_SEPTETS, 3, 307);
    is(chosen("a", 305, &wide), GSM_SEPTETS, 3, 305);
    is(chosen("€", 80, &plain), GSM_SEPTETS, 1, 160);
    is(chosen("€", 153, &plain), GSM_SEPTETS, 3, 306); /* a part holds 152 of 153 */
    is(chosen("я", 70, &plain), GSM_UCS2, 1, 70);
    is(chosen("я", 71, &plain), GSM_UCS2, 2, 71);
    is(chosen("я", 134, &plain), GSM_UCS2, 2, 134);
    is(chosen("😀", 35, &plain), GSM_UCS2, 1, 70);
    is(chosen("😀", 67, &plain), GSM_UCS2, 3, 134); /* 33 and 33 and 1: never half of one */
    is(chosen("é", 71, &(struct gsm_rules){ .no_septets = 1 }), GSM_UCS2, 2, 71);
    is(chosen("ê", 71, &(struct gsm_rules){ .latin1 = 1 }), GSM_LATIN1, 1, 71);
    is(chosen("a", 255 * 153, &plain), GSM_SEPTETS, 255, 255 * 153);
    struct gsm_choice choice;
    char *all = repeat("a", 255 * 153 + 1);
    assert_int_equal(gsm_choose(all, strlen(all), &plain, &choice), -1);
    free(all);
    assert_int_equal(gsm_choose("a\0b", 3, &(struct gsm_rules){ .single = ~1u }, &choice), 0);
    is(choice, GSM_UCS2, 1, 3);                        /* NUL is in no table */
    is(chosen("\xff\xfe", 1, &plain), GSM_UCS2, 1, 2); /* no UTF-8 at all */
}

static void national_tables_when_allowed(void **state)
{
    (void)state;
    struct gsm_rules plain = { 0 };
    struct gsm_rules single = { .single = 1u << GSM_TURKISH };
    struct gsm_rules both = { .single = 1u << GSM_TURKISH | 1u << GSM_HINDI,
                              .locking = 1u << GSM_TURKISH | 1u << GSM_HINDI };
    assert_int_equal(chosen("şaka ", 20, &plain).coding.alphabet, GSM_UCS2);
    struct gsm_choice c = chosen("şaka ", 20, &single);
    is(c, GSM_SEPTETS, 1, 120);
    assert_int_equal(c.coding.single, GSM_TURKISH);
    c = chosen("ş", 150, &both); /* 150 septets in the locking table, 300 in the single one */
    is(c, GSM_SEPTETS, 1, 150);
    assert_int_equal(c.coding.locking, GSM_TURKISH);
    assert_int_equal(c.coding.single, 0);
    c = chosen("न", 155, &both);
    is(c, GSM_SEPTETS, 1, 155);
    assert_int_equal(c.coding.locking, GSM_HINDI);
    c = chosen("न", 156, &both);
    is(c, GSM_SEPTETS, 2, 156);
    c = chosen("नमस्ते A ", 10, &both); /* capitals are in the single table */
    assert_int_equal(c.coding.locking, GSM_HINDI);
    assert_int_equal(c.coding.single, GSM_HINDI);
    is(chosen("н", 20, &both), GSM_UCS2, 1, 20);
    is(chosen("न", 70, &both), GSM_SEPTETS, 1, 70); /* 66 octets and not 140 */
    assert_int_equal(segment_single(&(struct gsm_coding){ GSM_SEPTETS, 1, 0 }), 155);
    assert_int_equal(segment_single(&(struct gsm_coding){ GSM_SEPTETS, 1, 1 }), 152);
    assert_int_equal(segment_each(&(struct gsm_coding){ GSM_SEPTETS, 1, 0 }, SEGMENT_UDH8), 149);
    assert_int_equal(segment_each(&(struct gsm_coding){ GSM_SEPTETS, 1, 1 }, SEGMENT_UDH8), 146);
}

static void transliteration(void **state)
{
    (void)state;
    struct gsm_rules rules = { .transliterate = 1 };
    struct gsm_choice c = chosen("It’s “fine” – really… ", 5, &rules);
    assert_int_equal(c.transliterated, 1);
    is(c, GSM_SEPTETS, 1, 120);
    assert_int_equal(c.parts_plain, 2);
    assert_int_equal(c.units_plain, 110);
    assert_int_equal(chosen("It’s", 1, &rules).transliterated, 0); /* nothing is saved */
    assert_int_equal(chosen("It’s 😀", 20, &rules).transliterated, 0);
    char to[200];
    uint32_t changed = 0;
    const char *text = "“Łódź” — ½ ™ ﬁ 😀 é€";
    size_t n = gsm_transliterate(text, strlen(text), to, sizeof to, &changed);
    to[n] = 0;
    assert_string_equal(to, "\"Lodz\" - 1/2 TM fi 😀 é€");
    assert_int_equal(changed, 9);
    for (uint32_t cp = 1, last = 0; cp < 0x10000; cp++) {
        char utf8[4];
        const char *stand_in = gsm_stand_in(cp);
        if (!stand_in)
            continue;
        last = cp;
        assert_true(strlen(stand_in) <= GSM_TRANSLIT_FACTOR * wf_text_put(cp, utf8));
        for (const char *p = stand_in; *p; p++) /* a stand-in is in the base alphabet itself */
            assert_int_not_equal(gsm_base_septet((unsigned char)*p), GSM_NONE);
        assert_true(last);
    }
    assert_string_equal(gsm_stand_in(0x09), " "); /* the ends of the table, so it is sorted */
    assert_string_equal(gsm_stand_in(0xfeff), "");
    assert_string_equal(gsm_stand_in(0x1e9e), "SS");
    assert_string_equal(gsm_stand_in(0x160), "S");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(what_is_odd_decodes),
        cmocka_unit_test(every_character_of_every_table),
        cmocka_unit_test(the_index_is_what_the_tables_are),
        cmocka_unit_test(packing),
        cmocka_unit_test(data_codings),
        cmocka_unit_test(parts_of_texts),
        cmocka_unit_test(national_tables_when_allowed),
        cmocka_unit_test(transliteration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
