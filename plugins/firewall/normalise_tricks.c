/* SPDX-License-Identifier: Apache-2.0
 * The ways to write a word so that a filter does not see it, undone one by one on the text that
 * norm_run() has folded. Each pass is run only when its sign was seen, reads the text once and
 * writes it back over itself, never longer than it was.
 *
 * Each rule leaves alone what people write anyway: "3pm", "gr8", "2nite", "I c u", "call me. At 5",
 * mail addresses and the paths of links. Where a sign may be two letters, norm_alt keeps the
 * second.
 */
#include "normalise.h"
#include <string.h>

/* Those that are seen in links and are no English word at the start of a sentence. */
static const char *const tlds[] = { "biz", "cc",  "cfd",  "click", "club", "co", "com",
                                    "de",  "icu", "info", "link",  "live", "ly", "net",
                                    "org", "ru",  "sbs",  "shop",  "site", "tk", "top",
                                    "uk",  "vip", "xyz",  "online" };

int norm_is_tld(const char *s, size_t len)
{
    for (size_t i = 0; i < sizeof tlds / sizeof *tlds; i++)
        if (strlen(tlds[i]) == len && memcmp(s, tlds[i], len) == 0)
            return 1;
    return 0;
}

static uint32_t word_end(const struct norm *n, uint32_t i)
{
    while (i < n->len && norm_is_word(n->text[i]))
        i++;
    return i;
}

static int is_word_at(const struct norm *n, uint32_t i, const char *word)
{
    size_t len = strlen(word);
    return n->len - i >= len && memcmp(n->text + i, word, len) == 0 &&
           (i + len == n->len || !norm_is_word(n->text[i + len])) &&
           (i == 0 || !norm_is_word(n->text[i - 1]));
}

static inline void copy(struct norm *n, uint32_t *to, uint32_t i)
{
    n->text[*to] = n->text[i];
    n->from[(*to)++] = n->from[i];
}

static void finish(struct norm *n, uint32_t to, uint32_t flag)
{
    if (to == n->len)
        return;
    n->from[to] = n->from[n->len];
    n->len = to;
    n->flags |= flag;
}

/* --- links ------------------------------------------------------------------------------------ */

static uint32_t skip(const struct norm *n, uint32_t i, const char *set)
{
    while (i < n->len && n->text[i] && strchr(set, n->text[i]))
        i++;
    return i;
}

/* A dot written apart at i, in any of its ways: where what follows it begins, or 0. */
static uint32_t apart_dot(const struct norm *n, uint32_t i)
{
    uint32_t p = skip(n, i, " ([{"), dot = p, after;
    if (p < n->len && n->text[p] == '.')
        p++;
    else if (is_word_at(n, p, "dot"))
        p += 3;
    else
        return 0;
    after = skip(n, p, " )]}");
    if (after == n->len || !norm_is_word(n->text[after]))
        return 0;
    int bracket = (dot > i && n->text[dot - 1] != ' ') || (after > p && n->text[p] != ' ');
    uint32_t end = word_end(n, after);
    int tld = norm_is_tld(n->text + after, end - after);
    if (bracket)
        return after; /* nobody writes [.] but to hide a link */
    if (dot == i && after == p && n->text[dot] == '.')
        return 0; /* an honest dot */
    if (dot == i) /* "Hello. Com" may be two sentences; only the plainest names are joined */
        return tld && n->text[dot] == '.' && end - after == 3 ? after : 0;
    return tld ? after : 0;
}

static int is_hxxp(const struct norm *n, uint32_t i)
{
    return (n->text[i] == 'h' && n->len - i > 4 && memcmp(n->text + i, "hxxp", 4) == 0 &&
            (n->text[i + 4] == ':' || n->text[i + 4] == 's') &&
            (i == 0 || !norm_is_word(n->text[i - 1])));
}

void norm_join_links(struct norm *n)
{
    uint32_t to = 0;
    for (uint32_t i = 0; i < n->len;) {
        uint32_t after;
        if (is_hxxp(n, i)) {
            for (unsigned k = 0; k < 4; k++, i++) {
                copy(n, &to, i);
                n->text[to - 1] = "http"[k];
            }
            n->flags |= NORM_OBFUSCATED;
        } else if (to && norm_is_word(n->text[to - 1]) && !norm_is_word(n->text[i]) &&
                   (after = apart_dot(n, i)) != 0) {
            copy(n, &to, i);
            n->text[to - 1] = '.';
            i = after;
        } else {
            copy(n, &to, i++);
        }
    }
    finish(n, to, NORM_OBFUSCATED);
}

/* --- spelled digits --------------------------------------------------------------------------- */

static const char *const digit_words[] = { "zero", "one",   "two",   "three", "four", "five",
                                           "six",  "seven", "eight", "nine",  "oh" };

/* The digit spelled at i: its character and *end, or 0. */
static char spelled_digit(const struct norm *n, uint32_t i, uint32_t *end)
{
    for (size_t k = 0; k < sizeof digit_words / sizeof *digit_words; k++) {
        if (n->text[i] == *digit_words[k] && is_word_at(n, i, digit_words[k])) {
            *end = i + (uint32_t)strlen(digit_words[k]);
            return (char)('0' + k % 10);
        }
    }
    return 0;
}

/* How many digits in a row are spelled at i, with one space, dash or comma between them. */
static unsigned spelled_run(const struct norm *n, uint32_t i, uint32_t *end)
{
    unsigned count = 0;
    uint32_t next;
    while (i < n->len && spelled_digit(n, i, &next)) {
        count++;
        *end = next;
        i = next < n->len && strchr(" -,", n->text[next]) ? next + 1 : n->len;
    }
    return count;
}

void norm_join_digits(struct norm *n)
{
    uint32_t to = 0, end = 0;
    for (uint32_t i = 0; i < n->len;) {
        int at_word = norm_is_letter(n->text[i]) && (i == 0 || !norm_is_word(n->text[i - 1]));
        if (!at_word || spelled_run(n, i, &end) < 3) {
            copy(n, &to, i++);
            continue;
        }
        while (i < end) {
            uint32_t next = i;
            char digit = spelled_digit(n, i, &next);
            if (digit) {
                copy(n, &to, i);
                n->text[to - 1] = digit;
            }
            i = digit ? next : i + 1;
        }
    }
    finish(n, to, NORM_SPELLED);
}

/* --- letters with spaces between them --------------------------------------------------------- */

/* Letters that stand alone from i on, each with the same sign between: how many, and the *end. */
static unsigned single_run(const struct norm *n, uint32_t i, uint32_t *end)
{
    char sign = 0;
    unsigned count = 0;
    while (i < n->len && n->text[i] >= 'a' && n->text[i] <= 'z' &&
           (i + 1 == n->len || !norm_is_word(n->text[i + 1]))) {
        count++;
        *end = i + 1;
        if (i + 1 == n->len || !strchr(" .-_*", n->text[i + 1]) || (sign && n->text[i + 1] != sign))
            break;
        sign = n->text[i + 1];
        i += 2;
    }
    /* "I c u" is chat, "w.i.n" is not */
    return sign == ' ' ? (count >= 4 ? count : 0) : (count >= 3 ? count : 0);
}

void norm_join_letters(struct norm *n)
{
    uint32_t to = 0, end = 0;
    for (uint32_t i = 0; i < n->len;) {
        int at_word = i == 0 || !norm_is_word(n->text[i - 1]);
        if (!at_word || !single_run(n, i, &end)) {
            copy(n, &to, i++);
            continue;
        }
        for (; i < end; i += 2)
            copy(n, &to, i);
        i = end;
    }
    finish(n, to, NORM_SPACED);
}

/* --- digits and signs as letters -------------------------------------------------------------- */

/* The letter a sign stands for, 0 = none. */
static char leet_letter(char c)
{
    static const char signs[] = "013457@$!|8", letters[] = "oieastasilb";
    const char *at = c ? strchr(signs, c) : NULL;
    return (char)(at ? letters[at - signs] : 0);
}

/* What else it may stand for. */
static char leet_other(char c) { return (char)(c == '1' || c == '!' ? 'l' : c == '|' ? 'i' : 0); }

/* The end of what stands between spaces, and whether it is a link or an address. */
static uint32_t chunk_end(const struct norm *n, uint32_t i, int *is_link)
{
    uint32_t start = i, dot = 0, at = 0;
    *is_link = 0;
    for (; i < n->len && n->text[i] != ' '; i++) {
        if (n->text[i] == '.' && i > start && i + 2 < n->len && norm_is_letter(n->text[i + 1]) &&
            norm_is_letter(n->text[i + 2])) {
            uint32_t end = word_end(n, i + 1);
            dot = i;
            if (at || (end < n->len && n->text[end] == '/') ||
                norm_is_tld(n->text + i + 1, end - i - 1))
                *is_link = 1;
        } else if (n->text[i] == '@') {
            at = i;
        } else if (n->text[i] == '/' && i > start && n->text[i - 1] == '/') {
            *is_link = 1;
        }
    }
    if (dot && n->len - start > 4 && memcmp(n->text + start, "www.", 4) == 0)
        *is_link = 1;
    return i;
}

/* Is [i, end) a word with signs for letters, and not a number with its unit or a chat word? */
static int is_leet(const struct norm *n, uint32_t i, uint32_t end)
{
    uint32_t letters = 0, signs = 0, leading = 0, trailing = 0;
    for (uint32_t k = i; k < end; k++) {
        if (norm_is_letter(n->text[k]))
            letters++, trailing = 0;
        else if (leet_letter(n->text[k]))
            signs++, trailing++, leading += letters == 0;
        else
            return 0;
    }
    if (letters < 2 || signs == 0 || signs > letters)
        return 0;
    if (leading && (leading > 1 || (n->text[i] != '$' && letters < 4)))
        return 0; /* 3pm, 10k; but 5ecure */
    if (trailing == 2 && memcmp(n->text + end - 2, "33", 2) == 0)
        return 1; /* fr33 */
    /* ref12, gr8, "win!"; but paypa1 */
    return trailing == 0 || (trailing == 1 && letters >= 4 && norm_is_digit(n->text[end - 1]));
}

static void read_leet_word(struct norm *n, uint32_t i, uint32_t end)
{
    for (; i < end; i++) {
        char c = n->text[i], letter = leet_letter(c);
        if (!letter)
            continue;
        char other = leet_other(c);
        if (other && n->n_alts < NORM_ALTS_MAX)
            n->alts[n->n_alts++] = (struct norm_alt){ (uint16_t)i, other };
        n->text[i] = letter;
        n->flags |= NORM_LEET;
    }
}

/* The end of letters, digits and signs that may be letters. */
static uint32_t leet_end(const struct norm *n, uint32_t i, uint32_t end)
{
    while (i < end && (norm_is_word(n->text[i]) || strchr("@$!|", n->text[i])))
        i++;
    return i;
}

void norm_read_leet(struct norm *n)
{
    for (uint32_t i = 0; i < n->len; i++) {
        int is_link;
        uint32_t end = chunk_end(n, i, &is_link);
        while (!is_link && i < end) {
            uint32_t stop = leet_end(n, i, end);
            /* signs behind a word are what they are: "win!" */
            while (stop > i && (n->text[stop - 1] == '!' || n->text[stop - 1] == '$' ||
                                n->text[stop - 1] == '@' || n->text[stop - 1] == '|'))
                stop--;
            if (is_leet(n, i, stop))
                read_leet_word(n, i, stop);
            i = leet_end(n, i, end) + 1;
        }
        i = end;
    }
}

/* --- names ------------------------------------------------------------------------------------ */

/* Letters that look alike as one; the digits that no letter looks like stay. */
static char plain_look(char c)
{
    char letter = leet_letter(c);
    if (c == '9')
        return 'g';
    if (letter)
        c = letter;
    return (char)(c == 'i' ? 'l' : c);
}

size_t norm_skeleton(const char *text, size_t len, char *out, size_t size)
{
    char bytes[512];
    uint16_t from[513];
    struct norm n = { .text = bytes, .from = from, .size = sizeof bytes };
    size_t to = 0;
    int has_letter = 0;
    if (size == 0)
        return 0;
    norm_run(&n, text, len);
    for (uint32_t i = 0; i < n.len; i++)
        has_letter |= norm_is_letter(n.text[i]);
    for (uint32_t i = 0; i < n.len && to + 1 < size; i++) {
        char c = (char)(has_letter ? plain_look(n.text[i]) : n.text[i]);
        if (!norm_is_word(c))
            continue;
        if (to && has_letter && c == 'n' && out[to - 1] == 'r')
            out[to - 1] = 'm';
        else if (to && c == 'v' && out[to - 1] == 'v')
            out[to - 1] = 'w';
        else
            out[to++] = c;
    }
    while (to && (unsigned char)out[to - 1] >= 0x80 && len > size)
        to--; /* no half letter at the cut */
    out[to] = 0;
    return to;
}
