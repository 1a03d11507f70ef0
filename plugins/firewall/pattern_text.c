/* SPDX-License-Identifier: Apache-2.0
 * From the words of a rule to what vectorscan is given. Literals are normalised as texts are, in
 * each way a text may come out: as Latin or as another script, with 1 as i or as l. Expressions are
 * written over the normalised text by their authors, so only their letters beyond ASCII are folded;
 * what is refused is refused with words the author can act on.
 */
#include "confusables.h"
#include "patterns.h"
#include <catalyst/text.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- literals --------------------------------------------------------------------------------- */

static int is_edge_word(char c) { return norm_is_letter(c) || norm_is_digit(c); }

static void add_text(struct expression *e, const char *s)
{
    size_t n = strlen(e->text), len = strlen(s);
    if (n + len < sizeof e->text)
        memcpy(e->text + n, s, len + 1);
}

/* A word begins or ends here. \b knows ASCII only. */
static void add_edge(struct expression *e, char next, int at_start)
{
    if (!is_edge_word(next))
        return;
    if ((unsigned char)next < 0x80)
        add_text(e, "\\b");
    else
        add_text(e, at_start ? "(?:^|[^0-9a-z\\x80-\\xff])" : "(?:$|[^0-9a-z\\x80-\\xff])");
}

static void literal_expression(struct expression *e, const char *text, size_t len, int words)
{
    static const char hex[] = "0123456789abcdef";
    e->text[0] = 0;
    e->flags = HS_FLAG_SINGLEMATCH;
    if (words)
        add_edge(e, text[0], 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        char one[5] = { (char)c, 0 };
        if (!norm_is_digit(text[i]) && (c < 'a' || c > 'z'))
            memcpy(one, (char[]){ '\\', 'x', hex[c >> 4], hex[c & 15], 0 }, 5);
        add_text(e, one);
    }
    if (words)
        add_edge(e, text[len - 1], 0);
}

/* Adds the normalised text as a form, when no other is the same. */
static unsigned add_form(struct expression *forms, unsigned n, const char *text, size_t len,
                         int words)
{
    literal_expression(&forms[n], text, len, words);
    for (unsigned i = 0; i < n; i++)
        if (strcmp(forms[i].text, forms[n].text) == 0)
            return n;
    return n + 1;
}

static unsigned literal_forms(const struct content_pattern *p, struct expression *forms,
                              struct content_problem *why)
{
    /* words of another script in front: then what may be Latin is not taken for it */
    static const char foreign[] = "ы ы ы ы ы ы ы ы ";
    char text[3 * CONTENT_PATTERN_MAX + 40], input[CONTENT_PATTERN_MAX + sizeof foreign];
    uint16_t from[sizeof text + 1];
    struct norm n = { .text = text, .from = from, .size = sizeof text };
    int words = p->kind == CONTENT_WORDS;
    unsigned count = 0;
    norm_run(&n, p->text, p->len);
    if (n.len < 2) {
        snprintf(why->text, sizeof why->text,
                 "less than two characters are left when it is normalised; write a longer text");
        return 0;
    }
    count = add_form(forms, count, text, n.len, words);
    for (uint32_t i = 0; i < n.n_alts; i++)
        text[n.alts[i].at] = n.alts[i].byte;
    count = add_form(forms, count, text, n.len, words);
    if (n.flags & NORM_MIXED) {
        memcpy(input, foreign, sizeof foreign - 1);
        memcpy(input + sizeof foreign - 1, p->text, p->len);
        norm_run(&n, input, sizeof foreign - 1 + p->len);
        if (n.len > sizeof foreign - 1)
            count = add_form(forms, count, text + sizeof foreign - 1, n.len - (sizeof foreign - 1),
                             words);
    }
    return count;
}

/* --- expressions ------------------------------------------------------------------------------ */

enum { GROUPS_MAX = 40 };

/* {n}, {n,} or {n,m} at s: the most times, 0 when it is none. *len: its bytes. */
static unsigned long repeat_times(const char *s, size_t left, size_t *len)
{
    char copy[24] = "", *end;
    const char *close = memchr(s, '}', left);
    if (!close || close - s > 20 || !norm_is_digit(s[1]))
        return 0;
    memcpy(copy, s + 1, (size_t)(close - s) - 1);
    unsigned long least = strtoul(copy, &end, 10), most = least;
    if (*end == ',')
        most = end[1] ? strtoul(end + 1, &end, 10) : least + 1;
    if (*end && *end != ',')
        return 0;
    *len = (size_t)(close - s) + 1;
    most = most > least ? most : least;
    return most > 1000000 ? 1000000 : most + (most == 0);
}

static size_t class_end(const char *s, size_t len, size_t i)
{
    i += 1 + (i + 1 < len && s[i + 1] == '^');
    i += i < len && s[i] == ']';
    while (i < len && s[i] != ']')
        i += s[i] == '\\' ? 2 : 1;
    return i;
}

/* The last byte of what one position is: a class, an escape, a character. */
static size_t atom_end(const char *s, size_t len, size_t i)
{
    return s[i] == '[' ? class_end(s, len, i) : s[i] == '\\' ? i + 1 : i;
}

/* How many positions an automaton of it has, more or less: repeats within repeats multiply. */
static unsigned long positions(const char *s, size_t len)
{
    unsigned long sum[GROUPS_MAX + 1] = { 0 }, last = 0, times;
    unsigned depth = 0;
    for (size_t i = 0; i < len; i++) {
        size_t more = 0;
        if (s[i] == '(') {
            if (++depth > GROUPS_MAX)
                return REPEATS_MAX + 1;
            sum[depth] = 0;
        } else if (s[i] == ')' && depth) {
            last = sum[depth--];
            sum[depth] += last;
        } else if (s[i] == '{' && (times = repeat_times(s + i, len - i, &more)) != 0) {
            sum[depth] += last * (times - 1);
            last *= times;
            i += more - 1;
        } else if (!strchr("|*+?^$", s[i])) {
            i = atom_end(s, len, i);
            last = 1;
            sum[depth]++;
        }
        if (sum[depth] > REPEATS_MAX || last > REPEATS_MAX)
            return REPEATS_MAX + 1;
    }
    return sum[0];
}

/* A code point of an expression as normalised texts have it. */
static size_t fold_letter(uint32_t cp, char *out)
{
    unsigned fold = cp < 0x80 ? FOLD_SAME_LETTER : fold_of(cp);
    if (fold == FOLD_STRIP)
        return 0;
    if (fold < FOLD_FIRST_ENTRY)
        return wf_text_put(cp, out);
    const struct fold_entry *e = &fold_entries[fold - FOLD_FIRST_ENTRY];
    memcpy(out, e->base, e->len);
    return e->len;
}

static int has_bad_utf8(const char *s, size_t len)
{
    const char *end = s + len;
    char back[4];
    while (s < end) {
        const char *at = s;
        uint32_t cp = wf_text_next(&s, end);
        if (cp >= 0x80 && (s - at < 2 || wf_text_put(cp, back) != (size_t)(s - at)))
            return 1;
    }
    return 0;
}

static unsigned regex_form(const struct content_pattern *p, struct expression *e,
                           struct content_problem *why)
{
    const char *s = p->text, *end = p->text + p->len;
    size_t to = 0;
    int is_wide = 0;
    if (memchr(s, 0, p->len) || has_bad_utf8(s, p->len)) {
        snprintf(why->text, sizeof why->text, "it holds a NUL or is not valid UTF-8");
        return 0;
    }
    if (positions(s, p->len) > REPEATS_MAX) {
        snprintf(why->text, sizeof why->text,
                 "its repeats unfold to more than %d positions or its groups are too deep; use "
                 "smaller numbers in {n,m}",
                 REPEATS_MAX);
        return 0;
    }
    while (s < end && to + 8 < sizeof e->text) {
        uint32_t cp = wf_text_next(&s, end);
        size_t len = p->kind == CONTENT_REGEX ? fold_letter(cp, e->text + to)
                                              : wf_text_put(cp, e->text + to);
        for (size_t i = 0; i < len; i++)
            is_wide |= (unsigned char)e->text[to + i] >= 0x80;
        to += len;
    }
    e->text[to] = 0;
    e->flags = HS_FLAG_SINGLEMATCH | HS_FLAG_CASELESS | HS_FLAG_DOTALL;
    /* a text as it came may be no UTF-8, which vectorscan must not meet then */
    if (is_wide && p->kind == CONTENT_REGEX)
        e->flags |= HS_FLAG_UTF8;
    return 1;
}

static int check_expression(const struct expression *e, struct content_problem *why)
{
    hs_compile_error_t *error = NULL;
    hs_expr_info_t *info = NULL;
    int bad = hs_expression_info(e->text, e->flags, &info, &error) != HS_SUCCESS;
    if (bad)
        snprintf(why->text, sizeof why->text,
                 "%s (look-around and back-references are not offered)", error->message);
    else if (info->min_width == 0) {
        snprintf(why->text, sizeof why->text, "it matches an empty text, so every text");
        bad = 1;
    }
    free(info);
    if (error)
        hs_free_compile_error(error);
    return bad;
}

unsigned expression_forms(const struct content_pattern *p, struct expression *forms,
                          struct content_problem *why)
{
    if (p->len == 0 || p->len > CONTENT_PATTERN_MAX) {
        snprintf(why->text, sizeof why->text, "it has %zu bytes; 1 to %d are taken", p->len,
                 CONTENT_PATTERN_MAX);
        return 0;
    }
    if (p->kind == CONTENT_LITERAL || p->kind == CONTENT_WORDS)
        return literal_forms(p, forms, why);
    return regex_form(p, forms, why) && !check_expression(forms, why) ? 1 : 0;
}
