/* SPDX-License-Identifier: Apache-2.0
 * Near duplicates: what is masked, that fingerprints of one campaign stay together and those of
 * other texts apart (over the ham of CATALYST_TEST_DATA when it is there), that the table finds
 * what a full comparison finds, counts in a window and stays as large as it is.
 */
#include "../confusables.c"
#include "../near.c"
#include "../normalise.c"
#include "../normalise_ascii.c"
#include "../normalise_tricks.c"
#include "../punycode.c"
#include "../simhash.c"
#include "../urls.c"
#include "../train/mutate.h"
#include "../train/samples.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct url_cache cache;

struct print {
    uint64_t fingerprint;
    uint32_t len;
};

static struct print print_of(const char *text, char *masked)
{
    static char normal[4096], room[CONTENT_HOSTS_MAX * URL_HOST_MAX];
    static uint16_t from[4097];
    struct url urls[CONTENT_HOSTS_MAX];
    struct norm n = { .text = normal, .from = from, .size = sizeof normal };
    struct simhash_text out = { .text = masked, .size = 4096 };
    size_t used;
    norm_run(&n, text, strlen(text));
    uint32_t found = urls_find(&cache, &n, text, urls, CONTENT_HOSTS_MAX, room, &used);
    simhash_mask(&out, normal, n.len, urls, found);
    masked[out.len] = 0;
    return (struct print){ simhash_of(masked, out.len), out.len };
}

static void check_mask(const char *text, const char *wanted)
{
    char masked[4097];
    print_of(text, masked);
    assert_string_equal(masked, wanted);
}

static void test_masks(void **state)
{
    (void)state;
    check_mask("Hi Anna, you owe $1,250.00!", "hi N you owe 0");
    check_mask("Dear Christine your code is 12-34 56", "dear N your code is 0");
    check_mask("Go to http://a.com/b?c=1 now", "go to U now");
    check_mask("this is it", "this is it");
    check_mask("", "");
}

static const char *const campaigns[] = {
    "Your parcel {num} could not be delivered. Please pay the fee of {money} at {url}",
    "Dear {name}, your account has been locked. Verify your details now at {url} or lose access",
    "Congratulations {name}! You won a {money} gift card. Claim it before midnight: {url}",
    "URGENT: we tried to reach you about your prize {num}. Call {phone} now to claim {money}",
    "Hi {name}, your tax refund of {money} is ready. Confirm your bank details here {url}",
    "Your Netflix payment was declined. Update your card within 24 hours at {url} to keep watching",
    "The parcel for {name} is held at our depot. Pay the customs of {money} today at {url}",
    "Hey {name} I found these pictures of you {url}",
    "Bank alert: a new device was added to your account. If this was not you visit {url}",
};

static void test_campaigns_stay_together(void **state)
{
    (void)state;
    enum { TIMES = 400 };
    static const unsigned ways[] = { MUTATE_FILL, MUTATE_FILL | MUTATE_LOOKS,
                                     MUTATE_FILL | MUTATE_HIDDEN, MUTATE_FILL | MUTATE_SHAPE,
                                     MUTATE_FILL | MUTATE_LOOKS | MUTATE_HIDDEN | MUTATE_SHAPE };
    char text[1000], masked[4097];
    struct mutate m = { .seed = 11, .out = text, .size = sizeof text };
    for (size_t w = 0; w < 5; w++) {
        unsigned near[9] = { 0 }, all = 0;
        for (size_t k = 0; k < sizeof campaigns / sizeof *campaigns; k++) {
            mutate(&m, campaigns[k], MUTATE_FILL);
            struct print first = print_of(text, masked);
            for (unsigned i = 0; i < TIMES; i++, all++) {
                mutate(&m, campaigns[k], ways[w]);
                struct print p = print_of(text, masked);
                int apart = __builtin_popcountll(p.fingerprint ^ first.fingerprint);
                for (int d = apart; d <= 8; d++)
                    near[d]++;
            }
        }
        print_message("mutation %2u: recall %.1f%% at 3 bits, %.1f%% at 6, %.1f%% at 8\n", ways[w],
                      100.0 * near[3] / all, 100.0 * near[6] / all, 100.0 * near[8] / all);
        /* a name without a sign of one costs its campaign */
        assert_true(near[6] * 100 >= all * 85);
    }
}

static void test_ham_stays_apart(void **state)
{
    (void)state;
    struct samples s;
    if (samples_read(&s) != 0) {
        print_message("skipped: CATALYST_TEST_DATA has no sms-spam and nus-sms\n");
        skip();
    }
    enum { MOST = 12000 };
    static struct print prints[MOST];
    static char masks[MOST][164];
    unsigned n = 0;
    char masked[4097];
    for (size_t i = 0; i < s.n && n < MOST; i++) {
        if (s.rows[i].is_spam)
            continue;
        struct print p = print_of(s.rows[i].text, masked);
        if (p.len < 20)
            continue;
        memcpy(masks[n], masked, sizeof masks[n] - 1);
        prints[n++] = p;
    }
    uint64_t pairs = 0, joins[9] = { 0 };
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = i + 1; k < n; k++, pairs++) {
            int apart = __builtin_popcountll(prints[i].fingerprint ^ prints[k].fingerprint);
            uint32_t more = prints[i].len > prints[k].len ? prints[i].len : prints[k].len;
            uint32_t less = prints[i].len + prints[k].len - more;
            if (apart > 8 || more - less > more / 4)
                continue;
            /* the same words begin it: true copies of the corpus are none of ours */
            if (strncmp(masks[i], masks[k], less / 2) == 0)
                continue;
            for (int d = apart; d <= 8; d++)
                joins[d]++;
        }
    }
    print_message("%u ham texts, %.1f M pairs: false joins per million pairs %.3f at 3 bits, %.3f "
                  "at 6, %.3f at 8\n",
                  n, (double)pairs / 1e6, (double)joins[3] * 1e6 / (double)pairs,
                  (double)joins[6] * 1e6 / (double)pairs, (double)joins[8] * 1e6 / (double)pairs);
    assert_true(joins[6] * 1000000 < pairs * 3);
    samples_free(&s);
}

/* The votes counted one by one. */
static uint64_t plain_simhash(const char *text, size_t len)
{
    uint32_t counts[64] = { 0 }, gram = 0, grams = (uint32_t)len - GRAM + 1;
    uint64_t out = 0;
    for (size_t i = 0; i < len; i++) {
        gram = gram << 8 | (unsigned char)text[i];
        for (unsigned b = 0; b < 64 && i >= GRAM - 1; b++)
            counts[b] += mix(gram) >> b & 1;
    }
    for (unsigned b = 0; b < 64; b++)
        out |= (uint64_t)(counts[b] > grams / 2) << b;
    return out;
}

static void test_upright_counters(void **state)
{
    (void)state;
    static char text[4096];
    uint32_t seed = 3;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + ((seed = seed * 1664525 + 1013904223) >> 20) % 26);
    for (size_t len = GRAM; len < 300; len++)
        assert_int_equal(simhash_of(text, len), plain_simhash(text, len));
    assert_int_equal(simhash_of(text, sizeof text), plain_simhash(text, sizeof text));
    assert_int_equal(simhash_of(text, GRAM - 1), 0);
}

static uint64_t random_word(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed ^ *seed >> 31;
}

static uint64_t flip(uint64_t word, unsigned bits, uint64_t *seed)
{
    uint64_t done = 0;
    while ((unsigned)__builtin_popcountll(done) < bits)
        done |= 1ull << random_word(seed) % 64;
    return word ^ done;
}

static void test_table_finds_all_near(void **state)
{
    (void)state;
    struct near_table *t = near_create();
    uint64_t seed = 5;
    for (unsigned i = 0; i < 3000; i++) {
        struct near_text first = { random_word(&seed), 1, 100, 1000 }, near = first, far = first;
        assert_int_equal(near_count(t, &first, 7, 60000), 1);
        near.fingerprint = flip(first.fingerprint, 1 + i % 7, &seed);
        assert_int_equal(near_count(t, &near, 7, 60000), 2);
        far.fingerprint = flip(first.fingerprint, 8, &seed);
        assert_int_equal(near_count(t, &far, 7, 60000), 1);
    }
    near_free(t);
}

static void test_what_is_near(void **state)
{
    (void)state;
    struct near_table *t = near_create();
    struct near_text text = { 0x1234567890abcdef, 1, 100, 1000 };
    assert_int_equal(near_count(t, &text, 6, 8000), 1);
    text.group = 2;
    assert_int_equal(near_count(t, &text, 6, 8000), 1);
    text.len = 50; /* same group, same bits, half as long */
    assert_int_equal(near_count(t, &text, 6, 8000), 1);
    text.len = 90;
    assert_int_equal(near_count(t, &text, 6, 8000), 2);
    near_free(t);
}

static void test_window(void **state)
{
    (void)state;
    struct near_table *t = near_create();
    struct near_text text = { .fingerprint = 99, .group = 1, .len = 40, .now_ms = 1000000 };
    for (unsigned i = 1; i <= 8; i++, text.now_ms += 1000)
        assert_int_equal(near_count(t, &text, 6, 8000), i);
    for (unsigned i = 0; i < 20; i++, text.now_ms += 1000)
        assert_int_equal(near_count(t, &text, 6, 8000), 8);
    text.now_ms -= 3000; /* clocks are set back */
    assert_in_range(near_count(t, &text, 6, 8000), 1, 9);
    text.now_ms += 100000;
    assert_int_equal(near_count(t, &text, 6, 8000), 1);
    assert_int_equal(near_count(t, &text, 6, 80000000), 1); /* another window starts anew */
    assert_int_equal(near_count(t, &text, 6, 0), 1);
    near_free(t);
}

static void test_full_table_keeps_campaigns(void **state)
{
    (void)state;
    struct near_table *t = near_create();
    struct near_text campaign = { .fingerprint = 42, .group = 1, .len = 40, .now_ms = 1000 };
    uint64_t seed = 9;
    unsigned sent = 0;
    for (unsigned i = 0; i < 5 * NEAR_CLUSTERS; i++) {
        struct near_text other = { random_word(&seed), 1, 40, 1000 };
        near_count(t, &other, 6, 60000);
        if (i % 1000 == 0)
            assert_int_equal(near_count(t, &campaign, 6, 60000), ++sent);
    }
    assert_int_equal(t->used, NEAR_CLUSTERS);
    near_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_campaigns_stay_together),
        cmocka_unit_test(test_ham_stays_apart),
        cmocka_unit_test(test_upright_counters),
        cmocka_unit_test(test_table_finds_all_near),
        cmocka_unit_test(test_what_is_near),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_full_table_keeps_campaigns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
