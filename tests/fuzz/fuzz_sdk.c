/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes what the SDK's headers read: patterns, dates, numbers, text without regard to case. The
 * first byte says which; a pattern ends at the first newline, its text follows.
 */
#include <catalyst/date.h>
#include <catalyst/regex.h>
#include <catalyst/text.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void must(int holds)
{
    if (!holds)
        abort();
}

/* -2: refused. */
static int match(const char *pattern, size_t pattern_len, unsigned flags, const char *text,
                 size_t len)
{
    char why[200] = "";
    wf_regex *re = wf_regex_create(pattern, pattern_len, flags, why, sizeof why);
    if (!re) {
        must(why[0] != 0);
        return -2;
    }
    int found = wf_regex_find(re, text, len);
    must(found >= -1 && found <= 1);
    must(wf_regex_find(re, text, len) == found); /* nothing is left behind by a match */
    wf_regex_free(re);
    return found;
}

/* Items hold UTF-8 only; of other bytes it is enough that nothing breaks. */
static int is_utf8(const char *s, size_t len)
{
    const char *end = s + len;
    char put[4];
    while (s < end) {
        const char *from = s;
        size_t n = wf_text_put(wf_text_next(&s, end), put);
        if (n != (size_t)(s - from) || memcmp(put, from, n) != 0)
            return 0;
    }
    return 1;
}

/* A pattern in a group is the same pattern, and so is one beside another that never matches. */
static void fuzz_regex(const char *s, size_t len)
{
    const char *newline = memchr(s, '\n', len);
    size_t n = newline ? (size_t)(newline - s) : len;
    const char *text = newline ? newline + 1 : s + len;
    size_t text_len = (size_t)(s + len - text);
    static const unsigned flags[] = { 0, WF_REGEX_FOLD, WF_REGEX_LINES | WF_REGEX_DOT_ALL };
    char *group = malloc(n + 40);
    if (!group)
        abort();
    for (size_t i = 0; i < 3; i++) {
        int found = match(s, n, flags[i], text, text_len);
        if (found < 0 || !is_utf8(s, len))
            continue;
        memcpy(group, "(?:", 3);
        memcpy(group + 3, s, n);
        memcpy(group + 3 + n, ")|[]", 4);
        int again = match(group, n + 7, flags[i], text, text_len);
        must(again < 0 || again == found); /* it may become too large or too slow */
    }
    free(group);
}

static void fuzz_date(const char *s, size_t len)
{
    char text[WF_DATE_TEXT_SIZE];
    int64_t ms, again;
    if (wf_date_parse(s, len, &ms) != 0)
        return;
    size_t n = wf_date_text(ms, 0, text);
    must(n < sizeof text && text[n] == 0);
    if (text[0] != '-' && text[0] != '+')
        must(wf_date_parse(text, n, &again) == 0 && again == ms);
    n = wf_date_text(ms, -330, text);
    must(n < sizeof text);
    wf_date d = wf_date_of_ms(ms);
    must(wf_date_ms(&d) == ms);
}

static void fuzz_text(const char *s, size_t len)
{
    double d;
    size_t half = len / 2;
    const char *a = s, *b = s + half;
    wf_text_number(s, len, &d);
    must(wf_text_equal(s, len, s, len, 1));
    for (int fold = 0; fold < 2; fold++) {
        int begins = wf_text_begins(a, half, b, len - half, fold) >= 0;
        int ends = wf_text_ends(a, half, b, len - half, fold);
        int contains = wf_text_contains(a, half, b, len - half, fold);
        must(!begins || contains);
        must(!wf_text_equal(a, half, b, len - half, fold) || (begins && ends));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len < 1 || len > 2000)
        return 0;
    char *copy = malloc(len); /* of its own, so that reading past the end is seen */
    if (!copy)
        abort();
    memcpy(copy, bytes + 1, len - 1);
    if (bytes[0] == 'd')
        fuzz_date(copy, len - 1);
    else if (bytes[0] == 't')
        fuzz_text(copy, len - 1);
    else
        fuzz_regex(copy, len - 1);
    free(copy);
    return 0;
}
