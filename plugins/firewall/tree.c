/* SPDX-License-Identifier: Apache-2.0
 * Reads JSON into a tree with lines. Strict, but that // begins a comment to the end of its line.
 * Thread: any; nothing blocks.
 */
#include "tree.h"
#include "numbers_int.h"
#include <stdio.h>

enum { POOL_PIECE = 65536, TREE_DEPTH = 32 };

/* --- the pool --------------------------------------------------------------------------------- */

struct piece {
    struct piece *next;
    size_t used, size;
};

struct pool {
    struct piece *pieces;
    size_t bytes;
};

struct pool *pool_create(void) { return must(calloc(1, sizeof(struct pool))); }

void pool_free(struct pool *p)
{
    while (p && p->pieces) {
        struct piece *piece = p->pieces;
        p->pieces = piece->next;
        free(piece);
    }
    free(p);
}

void *pool_alloc(struct pool *p, size_t bytes)
{
    struct piece *piece = p->pieces;
    bytes = (bytes + 15) & ~(size_t)15;
    if (!piece || piece->size - piece->used < bytes) {
        size_t size = bytes > POOL_PIECE ? bytes : POOL_PIECE;
        piece = must(calloc(1, sizeof *piece + size));
        piece->size = size;
        piece->next = p->pieces;
        p->pieces = piece;
        p->bytes += sizeof *piece + size;
    }
    char *at = (char *)(piece + 1) + piece->used;
    piece->used += bytes;
    return at;
}

char *pool_copy(struct pool *p, const char *text, size_t len)
{
    char *copy = pool_alloc(p, len + 1);
    memcpy(copy, text, len);
    return copy;
}

size_t pool_bytes(const struct pool *p) { return p->bytes; }

/* --- reading ---------------------------------------------------------------------------------- */

struct reader {
    struct pool *pool;
    const char *at, *end;
    unsigned line, depth;
    const char *error;
};

static struct tree *tree_value(struct reader *r);

static struct tree *tree_error(struct reader *r, const char *error)
{
    if (!r->error)
        r->error = error;
    return NULL;
}

static void skip_space(struct reader *r)
{
    for (; r->at < r->end; r->at++) {
        if (*r->at == '\n') {
            r->line++;
        } else if (*r->at == '/' && r->at + 1 < r->end && r->at[1] == '/') {
            while (r->at + 1 < r->end && r->at[1] != '\n')
                r->at++;
        } else if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r') {
            return;
        }
    }
}

static int take(struct reader *r, char c)
{
    skip_space(r);
    if (r->at >= r->end || *r->at != c)
        return 0;
    r->at++;
    return 1;
}

static int read_hex(struct reader *r, unsigned *out)
{
    *out = 0;
    if (r->end - r->at < 4)
        return -1;
    for (int i = 0; i < 4; i++, r->at++) {
        const char *digits = "0123456789abcdef", *d = strchr(digits, *r->at | 0x20);
        if (!*r->at || !d)
            return -1;
        *out = *out * 16 + (unsigned)(d - digits);
    }
    return 0;
}

static size_t put_utf8(char *to, unsigned c)
{
    if (c < 0x80)
        return to[0] = (char)c, 1;
    if (c < 0x800)
        return to[0] = (char)(0xc0 | c >> 6), to[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000)
        return to[0] = (char)(0xe0 | c >> 12), to[1] = (char)(0x80 | (c >> 6 & 63)),
               to[2] = (char)(0x80 | (c & 63)), 3;
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 63));
    to[2] = (char)(0x80 | (c >> 6 & 63));
    to[3] = (char)(0x80 | (c & 63));
    return 4;
}

static int read_unicode(struct reader *r, char *to, size_t *n)
{
    unsigned c, low;
    if (read_hex(r, &c) != 0)
        return -1;
    if (c >= 0xd800 && c < 0xdc00) {
        if (r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u')
            return -1;
        r->at += 2;
        if (read_hex(r, &low) != 0 || low < 0xdc00 || low > 0xdfff)
            return -1;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    *n += put_utf8(to + *n, c);
    return c ? 0 : -1;
}

static int read_escape(struct reader *r, char *to, size_t *n)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    char c = *r->at++;
    if (c == 'u')
        return read_unicode(r, to, n);
    const char *place = c ? strchr(from, c) : NULL;
    if (!place)
        return -1;
    to[(*n)++] = into[place - from];
    return 0;
}

/* After the opening quote. A text never grows when its escapes are solved. */
static const char *read_text(struct reader *r, size_t *len)
{
    const char *begin = r->at;
    while (r->at < r->end && *r->at != '"') {
        r->at += *r->at == '\\' && r->at + 1 < r->end;
        r->at++;
    }
    if (r->at >= r->end)
        return tree_error(r, "a string has no end"), NULL;
    const char *end = r->at;
    char *to = pool_alloc(r->pool, (size_t)(end - begin) + 1);
    *len = 0;
    for (r->at = begin; r->at < end;) {
        if ((unsigned char)*r->at < 0x20)
            return tree_error(r, "a string holds a line break or control character"), NULL;
        if (*r->at != '\\')
            to[(*len)++] = *r->at++;
        else if (r->at++, read_escape(r, to, len) != 0)
            return tree_error(r, "a string holds an escape that is none"), NULL;
    }
    r->at = end + 1;
    return to;
}

static struct tree *read_members(struct reader *r, struct tree *t, char close)
{
    struct tree **end = &t->first;
    if (take(r, close))
        return t;
    do {
        const char *key = NULL;
        size_t len = 0;
        if (t->type == TREE_OBJECT) {
            if (!take(r, '"'))
                return tree_error(r, "a member's name in quotes is missing");
            key = read_text(r, &len);
            if (!key)
                return NULL;
            if (tree_get(t, key))
                return tree_error(r, "a member stands twice in one object");
            if (!take(r, ':'))
                return tree_error(r, "':' is missing after a member's name");
        }
        struct tree *child = tree_value(r);
        if (!child)
            return NULL;
        child->key = key;
        *end = child;
        end = &child->next;
        t->len++;
    } while (take(r, ','));
    if (take(r, close))
        return t;
    return tree_error(r, close == '}' ? "',' or '}' is missing" : "',' or ']' is missing");
}

static struct tree *read_number(struct reader *r, struct tree *t)
{
    char text[40];
    size_t n = 0;
    for (; r->at < r->end && n < sizeof text - 1 && *r->at && strchr("+-.eE0123456789", *r->at);
         r->at++)
        text[n++] = *r->at;
    text[n] = 0;
    char *end = NULL;
    t->type = TREE_NUMBER;
    t->number = strtod(text, &end);
    return n && !*end ? t : tree_error(r, "this is no JSON value");
}

static struct tree *read_word(struct reader *r, struct tree *t)
{
    static const struct {
        const char *word;
        enum tree_type type;
        int truth;
    } words[] = { { "true", TREE_BOOL, 1 }, { "false", TREE_BOOL, 0 }, { "null", TREE_NULL, 0 } };
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(words[i].word);
        if ((size_t)(r->end - r->at) >= len && !memcmp(r->at, words[i].word, len)) {
            r->at += len;
            t->type = words[i].type;
            t->truth = words[i].truth;
            return t;
        }
    }
    return read_number(r, t);
}

static struct tree *tree_value(struct reader *r)
{
    skip_space(r);
    struct tree *t = pool_alloc(r->pool, sizeof *t);
    t->line = r->line;
    if (r->at >= r->end)
        return tree_error(r, "the file ends too early");
    if (*r->at == '"') {
        r->at++;
        t->type = TREE_STRING;
        t->text = read_text(r, &t->len);
        return t->text ? t : NULL;
    }
    if (*r->at != '{' && *r->at != '[')
        return read_word(r, t);
    if (++r->depth > TREE_DEPTH)
        return tree_error(r, "is nested too deep");
    t->type = *r->at++ == '{' ? TREE_OBJECT : TREE_ARRAY;
    t = read_members(r, t, t->type == TREE_OBJECT ? '}' : ']');
    r->depth--;
    return t;
}

struct tree *tree_parse(struct pool *p, const char *text, size_t len, char *why, size_t why_size)
{
    struct reader r = { .pool = p, .at = text, .end = text + len, .line = 1 };
    struct tree *t = tree_value(&r);
    skip_space(&r);
    if (t && r.at < r.end)
        t = tree_error(&r, "something stands after the end");
    if (!t)
        snprintf(why, why_size, "line %u: %s", r.line, r.error);
    return t;
}

const struct tree *tree_get(const struct tree *object, const char *key)
{
    const struct tree *t = object && object->type == TREE_OBJECT ? object->first : NULL;
    while (t && strcmp(t->key, key) != 0)
        t = t->next;
    return t;
}
