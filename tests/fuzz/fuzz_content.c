/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes what the firewall does with texts that anybody may send: normalising, links, patterns,
 * near duplicates, score. The text is taken as one message and as a frame of its pieces, and must
 * give the same twice. Bytes from 0xfe on split pieces; in front of the first 0xff stands a
 * pattern.
 */
#include "content.h"
#include "model.h"
#include "normalise.h"
#include "urls.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void must(int holds)
{
    if (!holds)
        abort();
}

/* The bytes of the character at s, 0 when it is none. */
static size_t utf8_size(const char *s, size_t left)
{
    unsigned char c = (unsigned char)*s;
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || n > left)
        return 0;
    for (size_t k = 1; k < n; k++)
        if (((unsigned char)s[k] & 0xc0) != 0x80)
            return 0;
    return n;
}

static int is_utf8(const char *text, size_t len)
{
    for (size_t i = 0, n; i < len; i += n)
        if ((n = utf8_size(text + i, len - i)) == 0)
            return 0;
    return 1;
}

/* Text is valid, in its room and without big letters; offsets lead back in order. */
static void fuzz_normalise(const char *text, size_t len)
{
    static char normal[CONTENT_TEXT_MAX];
    static uint16_t from[CONTENT_TEXT_MAX + 1];
    static const uint32_t sizes[] = { 0, 1, 7, 160, CONTENT_TEXT_MAX };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct norm n = { .text = normal, .from = from, .size = sizes[i] };
        norm_run(&n, text, len);
        must(n.len <= sizes[i] && is_utf8(normal, n.len) && n.n_alts <= NORM_ALTS_MAX);
        for (uint32_t k = 0; k < n.len; k++) {
            must((unsigned char)(normal[k] - 'A') >= 26 && from[k] < len);
            must(k == 0 || from[k] >= from[k - 1]);
        }
        for (uint32_t k = 0; k < n.n_alts; k++)
            must(n.alts[k].at < n.len);
    }
    char name[40];
    must(norm_skeleton(text, len, name, sizeof name) == strlen(name));
}

static const struct content *fixed_content(void)
{
    static struct content *c;
    static const struct content_pattern patterns[] = {
        { "free money", sizeof "free money" - 1, CONTENT_LITERAL, 1 },
        { "win", sizeof "win" - 1, CONTENT_WORDS, 2 },
        { "https?://[a-z.]{1,20}\\.com", sizeof "https?://[a-z.]{1,20}\\.com" - 1, CONTENT_REGEX,
          3 },
        { "выигр.{1,5}приз", sizeof "выигр.{1,5}приз" - 1, CONTENT_REGEX, 4 },
        { "\\xd0.", sizeof "\\xd0." - 1, CONTENT_REGEX_RAW, 5 },
    };
    struct content_options options = { .model_file = "" };
    struct content_problem why;
    if (!c)
        c = content_compile(patterns, sizeof patterns / sizeof *patterns, &options, &why);
    must(c != NULL);
    return c;
}

static size_t run(struct content_scratch *s, const struct content *c,
                  const struct content_message *messages, size_t n, struct content_result *out)
{
    uint16_t which[CONTENT_FRAME_MAX];
    for (size_t i = 0; i < n; i++)
        which[i] = (uint16_t)i;
    content_begin(s, messages, n, out);
    content_match(c, s, which, n);
    content_near(c, s, 60000, which, n);
    content_score(c, s, which, n);
    return n;
}

static void check(const struct content_result *r)
{
    must(r->n_hosts <= CONTENT_HOSTS_MAX && r->n_hits <= CONTENT_HITS_MAX);
    must(r->text_bytes <= CONTENT_TEXT_MAX && r->score_pm >= 0 && r->score_pm <= 1000);
    for (uint32_t i = 0; i < r->n_hosts; i++) {
        const struct content_host *h = &r->hosts[i];
        must(h->len > 0 && h->len < URL_HOST_MAX && strlen(h->ptr) == h->len && h->base < h->len);
    }
    for (uint32_t i = 1; i < r->n_hits; i++)
        must(r->hits[i - 1] < r->hits[i]);
}

/* One for all, as a worker has it while rules are reloaded. */
static struct content_scratch *one_scratch(void)
{
    static struct content_scratch *s;
    if (!s)
        s = content_scratch_create();
    return s;
}

static void fuzz_frames(const char *text, size_t len)
{
    static struct content_message messages[16];
    static struct content_result first[16], second[16];
    size_t n = 0, at = 0;
    const struct content *c = fixed_content();
    struct content_scratch *s = one_scratch();
    for (size_t i = 0; i <= len && n < 16; i++) {
        if (i < len && (unsigned char)text[i] < 0xfe)
            continue;
        messages[n] = (struct content_message){ text + at, i - at, n % 3, 1000 + (int64_t)n };
        n++;
        at = i + 1;
    }
    run(s, c, messages, n, first);
    run(s, c, messages, n, second);
    for (size_t i = 0; i < n; i++) {
        check(&second[i]);
        must(first[i].n_hits == second[i].n_hits && first[i].score_pm == second[i].score_pm);
        must(first[i].fingerprint == second[i].fingerprint);
        must(!second[i].fingerprint || second[i].near_count > 1);
    }
}

static void fuzz_pattern(const char *text, size_t len)
{
    const char *end = memchr(text, 0xff, len);
    struct content_options options = { 0 };
    struct content_problem why = { 0 };
    if (!end || end - text > 60)
        return;
    for (int kind = CONTENT_LITERAL; kind <= CONTENT_REGEX_RAW; kind++) {
        struct content_pattern p = { text, (size_t)(end - text), (enum content_kind)kind, 1 };
        struct content *c = content_compile(&p, 1, &options, &why);
        must(c || why.text[0]);
        if (c) {
            struct content_scratch *s = one_scratch();
            struct content_message m = { end + 1, (size_t)(text + len - end - 1), 1, 1 };
            struct content_result r;
            uint16_t which = 0;
            content_begin(s, &m, 1, &r);
            content_match(c, s, &which, 1);
        }
        content_free(c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const char *text = (const char *)bytes;
    fuzz_normalise(text, len);
    fuzz_frames(text, len);
    fuzz_pattern(text, len);
    return 0;
}
