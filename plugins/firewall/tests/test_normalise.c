/* SPDX-License-Identifier: Apache-2.0
 * One spelling for many: what becomes of texts, what must be left alone, that the fast pass and the
 * general one agree, that offsets lead back and that nothing breaks on bytes of any kind.
 */
#include "../confusables.c"
#include "../normalise.c"
#include "../normalise_ascii.c"
#include "../normalise_tricks.c"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROOM = 4096 };

struct made {
    struct norm n;
    char text[ROOM + 1];
    uint16_t from[ROOM + 1];
};

static void make(struct made *m, const char *text, size_t len)
{
    m->n = (struct norm){ .text = m->text, .from = m->from, .size = ROOM };
    norm_run(&m->n, text, len);
    assert_true(m->n.len <= ROOM);
    m->text[m->n.len] = 0;
}

static void check(const char *text, const char *wanted, uint32_t flags)
{
    static struct made m;
    make(&m, text, strlen(text));
    assert_string_equal(m.text, wanted);
    if (m.n.flags != flags)
        fail_msg("\"%s\": flags %x, not %x", text, m.n.flags, flags);
}

static void test_plain_text_is_lower_case(void **state)
{
    (void)state;
    check("", "", 0);
    check("Your code is 482913.", "your code is 482913.", 0);
    check("  Two  spaces\r\n\tand\x01 more ", "two spaces and more", 0);
    check("WIN!!! Now??  ...", "win! now? .", 0);
    check("sooooo freeeee, www.x.com, 1000000", "soo free, www.x.com, 1000000", 0);
    check("\xc2\xa3"
          "100 or 20\xe2\x82\xac",
          "\xc2\xa3"
          "100 or 20\xe2\x82\xac",
          0);
}

static void test_unicode_is_folded(void **state)
{
    (void)state;
    check("Ｆｒｅｅ ﬁne Ⅳ ½", "free fine iv 1/2", 0);
    check("𝐌𝐨𝐧𝐞𝐲 🅵🆁🅴🅴 ⓐⓑⓒ", "money free abc", 0);
    check("Crème brûlée", "creme brulee", 0);
    check("e\xcc\x81t\xcc\x81", "et", NORM_HIDDEN);
    check("pay\xe2\x80\x8bpal \xc2\xad"
          "bank\xe2\x81\xa0",
          "paypal bank", NORM_HIDDEN);
    check("“quoted” — it’s", "\"quoted\" - it's", 0);
    check("heart ❤️ 👍🏽", "heart ❤ 👍", 0);
    check("a\xff\xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82", "a? ? ? ?", 0);
}

static void test_look_alikes(void **state)
{
    (void)state;
    check("Frее MОNEY", "free money", NORM_MIXED);
    check("раураl", "paypal", NORM_MIXED);
    check("your РАУРА account", "your paypa account", NORM_MIXED);
    check("ΗΕLLΟ wοrld", "hello world", NORM_MIXED);
    /* words of another script are left as they are, also those that could be Latin */
    check("Ваш код 482913. Никому не вор", "ваш код 482913. никому не вор", 0);
    check("Καλημέρα σας", "καλημερα σασ", 0);
    check("你好 WORLD", "你好 world", 0);
}

static void test_digits_in_words(void **state)
{
    (void)state;
    check("v1agra c1aim p4ssw0rd fr33", "viagra ciaim password free", NORM_LEET);
    check("paypa1 micr0soft $ave ca$h pr!ze", "paypai microsoft save cash prize", NORM_LEET);
    check("b00st c00l", "boost cool", NORM_LEET);
    check("3pm 10k gr8 2nite b4 ref12 150p covid19 m8 l8 1st",
          "3pm 10k gr8 2nite b4 ref12 150p "
          "covid19 m8 l8 1st",
          0);
    check("win! $100 me@work.com joe4@gm4il.com", "win! $100 me@work.com joe4@gm4il.com", 0);
    check("http://bit.ly/3xA5b1c www.pa1d.com", "http://bit.ly/3xa5b1c www.pa1d.com", 0);
}

static void test_second_readings(void **state)
{
    (void)state;
    static struct made m;
    make(&m, "pa1d w!n", 8);
    assert_string_equal(m.text, "paid win");
    assert_int_equal(m.n.n_alts, 2);
    assert_int_equal(m.n.alts[0].at, 2);
    assert_int_equal(m.n.alts[0].byte, 'l');
    char many[400] = "";
    for (size_t i = 0; i < 40; i++)
        memcpy(many + 5 * i, "pa1d ", 6);
    make(&m, many, strlen(many));
    assert_int_equal(m.n.n_alts, NORM_ALTS_MAX);
}

static void test_links_are_joined(void **state)
{
    (void)state;
    check("go hxxps://bad.example", "go https://bad.example", NORM_OBFUSCATED);
    check("bad[.]com bad(.)ru bad {dot} io", "bad.com bad.ru bad.io", NORM_OBFUSCATED);
    check("bad dot com, bad . com bad .com", "bad.com, bad.com bad.com", NORM_OBFUSCATED);
    check("I saw a dot there. Call me .. dot", "i saw a dot there. call me . dot", 0);
    check("polka dot dress", "polka dot dress", 0);
}

static void test_spelled_and_spaced(void **state)
{
    (void)state;
    check("call zero eight-one,two now", "call 0812 now", NORM_SPELLED);
    check("one or two of them", "one or two of them", 0);
    check("one two buckle", "one two buckle", 0);
    check("get f r e e cash W.I.N now", "get free cash win now", NORM_SPACED);
    check("I c u", "i c u", 0);
    check("v-i-a-g-r-a", "viagra", NORM_SPACED);
}

static void test_offsets_lead_back(void **state)
{
    (void)state;
    static struct made m;
    const char *text = "  A  Frее\xe2\x80\x8b b a d dot com";
    make(&m, text, strlen(text));
    assert_string_equal(m.text, "a free b a d.com");
    assert_int_equal(m.from[0], 2);
    assert_int_equal(text[m.from[2]], 'F');
    assert_int_equal((unsigned char)text[m.from[4]], 0xd0);
    assert_memory_equal(text + m.from[13], "com", 3);
    assert_int_equal(m.from[m.n.len], strlen(text));
}

static void test_bounds(void **state)
{
    (void)state;
    static struct made m;
    static char text[70000];
    memset(text, 'b', sizeof text);
    for (size_t i = 0; i < sizeof text; i += 2)
        text[i] = 'a';
    make(&m, text, sizeof text);
    assert_int_equal(m.n.len, ROOM);
    assert_true(m.n.flags & NORM_CUT);
    make(&m, text, ROOM);
    assert_int_equal(m.n.len, ROOM);
    assert_false(m.n.flags & NORM_CUT);
    /* a letter of two bytes at the end goes whole or not at all */
    m.n = (struct norm){ .text = m.text, .from = m.from, .size = 5 };
    norm_run(&m.n, "жжжж", 8);
    assert_int_equal(m.n.len, 4);
    assert_true(m.n.flags & NORM_CUT);
}

/* The general pass by itself, as norm_run() has it for texts that are not ASCII. */
static void make_general(struct made *m, const char *text, size_t len)
{
    m->n = (struct norm){ .text = m->text, .from = m->from, .size = ROOM };
    fold_any(&m->n, text, len);
}

static void test_fast_pass_agrees(void **state)
{
    (void)state;
    static const char signs[] = "aAbwWz019 !$@|.//[(dot\n~\x7f";
    static struct made fast, slow;
    char text[300];
    uint32_t seed = 7;
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)(seed >> 8) % sizeof text;
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = signs[(seed >> 16) % (sizeof signs - 1)];
        }
        seed = seed * 1664525 + 1013904223;
        unsigned sees;
        make_general(&slow, text, len);
        fast.n = (struct norm){ .text = fast.text, .from = fast.from, .size = ROOM };
        if (!norm_fold_ascii(&fast.n, text, len, &sees))
            skip(); /* no SSE2 */
        assert_int_equal(fast.n.len, slow.n.len);
        assert_memory_equal(fast.text, slow.text, fast.n.len);
        assert_memory_equal(fast.from, slow.from, fast.n.len * sizeof *fast.from);
        /* what it does not see must not have been there */
        make(&slow, text, len);
        if (fast.n.len && fast.text[fast.n.len - 1] == ' ')
            fast.n.len--;
        norm_join_links(&fast.n), norm_join_digits(&fast.n);
        norm_join_letters(&fast.n), norm_read_leet(&fast.n);
        assert_int_equal(fast.n.len, slow.n.len);
        assert_memory_equal(fast.text, slow.text, fast.n.len);
    }
}

static void check_skeleton(const char *text, const char *wanted)
{
    char out[64];
    assert_int_equal(norm_skeleton(text, strlen(text), out, sizeof out), strlen(wanted));
    assert_string_equal(out, wanted);
}

static void test_names(void **state)
{
    (void)state;
    check_skeleton("PayPal", "paypal");
    check_skeleton("PAYPA1", "paypal");
    check_skeleton("Ρаy-Pаl.", "paypal");
    check_skeleton("Arnazon", "amazon");
    check_skeleton("12345", "12345");
    check_skeleton("+49 151", "49151");
    char out[4];
    assert_int_equal(norm_skeleton("abcdef", 6, out, sizeof out), 3);
    assert_string_equal(out, "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_text_is_lower_case),
        cmocka_unit_test(test_unicode_is_folded),
        cmocka_unit_test(test_look_alikes),
        cmocka_unit_test(test_digits_in_words),
        cmocka_unit_test(test_second_readings),
        cmocka_unit_test(test_links_are_joined),
        cmocka_unit_test(test_spelled_and_spaced),
        cmocka_unit_test(test_offsets_lead_back),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_fast_pass_agrees),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
