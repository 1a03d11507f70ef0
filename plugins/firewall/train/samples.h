/* SPDX-License-Identifier: Apache-2.0
 * samples.h - the public messages of the folder that CATALYST_TEST_DATA names, for the trainer and
 * for tests:
 *
 *   sms-spam/SMSSpamCollection.tsv   "ham" or "spam", a tab, the text: the SMS Spam Collection of
 * T. A. Almeida, J. M. Gomez Hidalgo and A. Yamakami (2011), UCI Machine Learning Repository, CC
 * BY 4.0 nus-sms/en.jsonl                 {"id": .., "text": ".."}, all ham: the NUS SMS Corpus of
 * T. Chen and M.-Y. Kan (2013), public domain
 *
 * A row's part comes from its text in small letters without signs, so that copies of a message fall
 * on the same side.
 */
#ifndef FIREWALL_SAMPLES_H
#define FIREWALL_SAMPLES_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sample {
    char *text;
    uint64_t key; /* of the letters and digits of the text */
    int is_spam, is_nus;
};

struct samples {
    struct sample *rows;
    size_t n, size;
};

static inline uint64_t samples_key(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text; text++) {
        char c = (char)((unsigned char)(*text - 'A') < 26 ? *text + 32 : *text);
        if ((unsigned char)(c - 'a') < 26 || (unsigned char)(c - '0') < 10)
            h = (h ^ (unsigned char)c) * 0x100000001b3u;
    }
    return h ^ h >> 32;
}

/* 0 to 9: tenths of the data. */
static inline unsigned samples_tenth(const struct sample *s) { return (unsigned)(s->key % 10); }

/* Never trained on: a fifth of the spam collection, half of the ham corpus. */
static inline int samples_is_held_out(const struct sample *s)
{
    return samples_tenth(s) < (s->is_nus ? 5 : 2);
}

static inline void samples_add(struct samples *s, const char *text, int is_spam, int is_nus)
{
    if (s->n == s->size) {
        s->size = s->size ? s->size * 2 : 4096;
        s->rows = realloc(s->rows, s->size * sizeof *s->rows);
        if (!s->rows)
            abort();
    }
    s->rows[s->n++] = (struct sample){ strdup(text), samples_key(text), is_spam, is_nus };
}

/* The text of a JSON line, unescaped in place; NULL when there is none. */
static inline char *samples_json_text(char *line)
{
    char *p = strstr(line, "\"text\": \""), *to, *text;
    if (!p)
        return NULL;
    text = to = p += 9;
    while (*p && *p != '"') {
        if (*p != '\\') {
            *to++ = *p++;
            continue;
        }
        unsigned cp = 0;
        switch (*++p) {
        case 'u':
            if (sscanf(p + 1, "%4x", &cp) == 1 && cp > 0x7f && cp < 0x800) {
                *to++ = (char)(0xc0 | cp >> 6);
                *to++ = (char)(0x80 | (cp & 63));
            } else if (cp > 0x7ff && (cp < 0xd800 || cp > 0xdfff)) {
                *to++ = (char)(0xe0 | cp >> 12);
                *to++ = (char)(0x80 | (cp >> 6 & 63));
                *to++ = (char)(0x80 | (cp & 63));
            }
            p += 4;
            break;
        case 'n':
        case 't':
        case 'r':
            *to++ = ' ';
            break;
        default:
            *to++ = *p;
        }
        p += *p != 0;
    }
    *to = 0;
    return text;
}

static inline int samples_read_file(struct samples *s, const char *folder, const char *name,
                                    int is_nus)
{
    char path[1000], *line = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    if (!f)
        return -1;
    while (getline(&line, &size, f) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        char *tab = strchr(line, '\t'), *text = is_nus ? samples_json_text(line) : tab;
        if (is_nus && text)
            samples_add(s, text, 0, 1);
        else if (text && (strncmp(line, "ham\t", 4) == 0 || strncmp(line, "spam\t", 5) == 0))
            samples_add(s, text + 1, line[0] == 's', 0);
    }
    free(line);
    fclose(f);
    return 0;
}

/* -1: the data is not there. */
static inline int samples_read(struct samples *s)
{
    const char *folder = getenv("CATALYST_TEST_DATA");
    *s = (struct samples){ 0 };
    if (!folder || samples_read_file(s, folder, "sms-spam/SMSSpamCollection.tsv", 0) != 0 ||
        samples_read_file(s, folder, "nus-sms/en.jsonl", 1) != 0)
        return -1;
    return 0;
}

static inline void samples_free(struct samples *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->rows[i].text);
    free(s->rows);
}

#endif
