/* SPDX-License-Identifier: Apache-2.0
 * What the firewall's content stages cost a message: 10,000 patterns (8,000 literals, 2,000
 * expressions about links), near duplicates and the score, over 8,192 texts as companies send them,
 * every tenth one spam in disguise. Frames of 256. One JSON line per step: the median, the least
 * and the most of 9 rounds, in ns a message.
 */
#include "content.h"
#include "train/mutate.h"
#include "train/templates.h"
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 9, TEXTS = 8192, FRAME = 256, PATTERNS = 10000, TEXT_BYTES = 400 };

struct bench {
    struct content *content;
    struct content_scratch *scratch;
    struct content_message messages[TEXTS];
    struct content_result results[FRAME];
    uint16_t which[FRAME];
    char texts[TEXTS][TEXT_BYTES];
    uint64_t hits, near, spam;
};

enum step { BEGIN = 1, MATCH, NEAR, SCORE, STEPS };
static const char *const step_names[STEPS] = { "", "begin", "match", "near", "score" };

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void make_texts(struct bench *b, int is_plain)
{
    size_t n_ham = sizeof ham_templates / sizeof *ham_templates;
    size_t n_spam = sizeof spam_templates / sizeof *spam_templates;
    struct mutate m = { .seed = 3 };
    for (size_t i = 0; i < TEXTS; i++) {
        int is_spam = !is_plain && i % 10 == 0;
        m.out = b->texts[i];
        m.size = TEXT_BYTES;
        const char *text = is_spam ? spam_templates[mutate_next(&m, (uint32_t)n_spam)]
                                   : ham_templates[mutate_next(&m, (uint32_t)n_ham)];
        mutate(&m, text, is_spam ? MUTATE_FILL | MUTATE_LOOKS : MUTATE_FILL);
        b->messages[i] = (struct content_message){ b->texts[i], m.len, i % 50, 1700000000000 };
    }
    for (size_t i = 0; i < FRAME; i++)
        b->which[i] = (uint16_t)i;
}

static void word(struct mutate *m, char *out)
{
    static const char consonants[] = "bcdfghjklmnprstvwz", vowels[] = "aeiou";
    for (uint32_t n = 2 + mutate_next(m, 3); n; n--) {
        *out++ = consonants[mutate_next(m, sizeof consonants - 1)];
        *out++ = vowels[mutate_next(m, sizeof vowels - 1)];
    }
    *out = 0;
}

static struct content *compile(void)
{
    static struct content_pattern patterns[PATTERNS];
    static char texts[PATTERNS][80];
    struct content_options options = { .model_file = "" };
    struct content_problem why;
    struct mutate m = { .seed = 5 };
    for (uint32_t i = 0; i < PATTERNS; i++) {
        static const char *const forms[] = { "https?://[a-z0-9.-]*%s[a-z0-9-]*\\.(com|net|ru)/",
                                             "%s\\s+(your|the)\\s+%s",
                                             "\\b%s\\.(xyz|top|info)/[a-z0-9]{4,8}",
                                             "%s.{0,20}%s" };
        char a[10], b[10];
        int is_regex = i % 5 == 0;
        word(&m, a);
        word(&m, b);
        if (is_regex)
            snprintf(texts[i], sizeof texts[i], forms[i / 5 % 4], a, b);
        else
            snprintf(texts[i], sizeof texts[i], i % 3 ? "%s %s" : "%s", a, b);
        patterns[i] = (struct content_pattern){ texts[i], strlen(texts[i]),
                                                is_regex ? CONTENT_REGEX : CONTENT_LITERAL, i };
    }
    double start = cpu_ns();
    struct content *c = content_compile(patterns, PATTERNS, &options, &why);
    if (!c) {
        fprintf(stderr, "content_bench: pattern %zu: %s\n", why.pattern, why.text);
        exit(1);
    }
    printf("{\"bench\":\"content.compile\",\"patterns\":%d,\"s\":%.2f,\"bytes\":%zu}\n", PATTERNS,
           (cpu_ns() - start) / 1e9, content_bytes(c));
    return c;
}

/* All texts once; the time of each step is added. */
static void run(struct bench *b, double ns[STEPS])
{
    for (size_t at = 0; at < TEXTS; at += FRAME) {
        double t[STEPS];
        t[0] = cpu_ns();
        content_begin(b->scratch, b->messages + at, FRAME, b->results);
        t[BEGIN] = cpu_ns();
        content_match(b->content, b->scratch, b->which, FRAME);
        t[MATCH] = cpu_ns();
        content_near(b->content, b->scratch, 60000, b->which, FRAME);
        t[NEAR] = cpu_ns();
        content_score(b->content, b->scratch, b->which, FRAME);
        t[SCORE] = cpu_ns();
        for (int s = BEGIN; s < STEPS; s++)
            ns[s] += (t[s] - t[s - 1]) / TEXTS;
        for (size_t i = 0; i < FRAME; i++) {
            b->hits += b->results[i].n_hits;
            b->near += b->results[i].near_count > 1;
            b->spam += b->results[i].score_pm >= 800;
        }
    }
}

static void tell(const char *texts, const char *name, double *ns)
{
    qsort(ns, ROUNDS, sizeof *ns, by_size);
    printf("{\"bench\":\"content.%s.%s\",\"ns\":%.0f,\"min\":%.0f,\"max\":%.0f}\n", texts, name,
           ns[ROUNDS / 2], ns[0], ns[ROUNDS - 1]);
}

static void measure(struct bench *b, const char *texts)
{
    double ns[STEPS][ROUNDS] = { { 0 } }, all[ROUNDS];
    double warm[STEPS] = { 0 };
    run(b, warm);
    b->hits = b->near = b->spam = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double once[STEPS] = { 0 };
        run(b, once);
        all[round] = 0;
        for (int s = BEGIN; s < STEPS; s++) {
            ns[s][round] = once[s];
            all[round] += once[s];
        }
    }
    for (int s = BEGIN; s < STEPS; s++)
        tell(texts, step_names[s], ns[s]);
    tell(texts, "all", all);
    double n = (double)ROUNDS * TEXTS / 100;
    printf("{\"bench\":\"content.%s.seen\",\"hit_percent\":%.1f,\"near_percent\":%.1f,"
           "\"spam_percent\":%.1f}\n",
           texts, (double)b->hits / n, (double)b->near / n, (double)b->spam / n);
}

int main(void)
{
    struct bench *b = calloc(1, sizeof *b);
    if (!b)
        return 1;
    b->content = compile();
    b->scratch = content_scratch_create();
    make_texts(b, 1);
    measure(b, "plain");
    make_texts(b, 0);
    measure(b, "mixed");
    content_scratch_free(b->scratch);
    content_free(b->content);
    free(b);
    return 0;
}
