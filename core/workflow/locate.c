/* SPDX-License-Identifier: Apache-2.0
 * Finds where a value stands in the text of a definition.
 *
 * The parsed values carry no positions: they are the values of the message path, where a position
 * would only cost. A definition with mistakes is rare and short, so positions are found by a second
 * look at the text, level by level and only where somebody asks. The text has passed the strict
 * parser already: this scanner knows that brackets match and strings end, and would be wrong on
 * anything else.
 *
 * Thread: the compilation's. Nothing blocks.
 */
#include "workflow/workflow_int.h"
#include <stdio.h>
#include <stdlib.h>

static uint32_t skip_space(wf_str text, uint32_t at)
{
    while (at < text.len && strchr(" \t\r\n", text.ptr[at]) && text.ptr[at])
        at++;
    return at;
}

/* at: the opening quote; returns behind the closing one. */
static uint32_t skip_string(wf_str text, uint32_t at)
{
    for (at++; at < text.len && text.ptr[at] != '"'; at++)
        at += text.ptr[at] == '\\';
    return at + 1;
}

static uint32_t skip_value(wf_str text, uint32_t at)
{
    unsigned depth = 0;
    do {
        char c = text.ptr[at];
        if (c == '"') {
            at = skip_string(text, at);
        } else if (c == '{' || c == '[') {
            depth++;
            at++;
        } else if (c == '}' || c == ']') {
            depth--;
            at++;
        } else if (depth) {
            at++;
        } else {
            while (at < text.len && !strchr(" \t\r\n,]}", text.ptr[at]))
                at++;
        }
    } while (depth && at < text.len);
    return at;
}

void locate_init(struct locate *l, struct arena *a, wf_str text)
{
    *l = (struct locate){ .text = text, .arena = a, .line = 1 };
    l->root.at = skip_space(text, 0);
    l->root.end = skip_value(text, l->root.at);
}

/* Reads the child at `at` (no space before it); returns where the next one starts, or 0 at the end.
 */
static uint32_t list_child(wf_str text, uint32_t at, bool object, struct spot *child)
{
    *child = (struct spot){ 0 };
    if (object) {
        child->key = at;
        child->key_end = skip_string(text, at);
        at = skip_space(text, skip_space(text, child->key_end) + 1);
    }
    child->at = at;
    child->end = skip_value(text, at);
    at = skip_space(text, child->end);
    return at < text.len && text.ptr[at] == ',' ? skip_space(text, at + 1) : 0;
}

void locate_list(struct locate *l, struct spot *of)
{
    char open = l->text.ptr[of->at];
    if (of->listed)
        return;
    of->listed = true;
    uint32_t first = skip_space(l->text, of->at + 1);
    if ((open != '{' && open != '[') || strchr("]}", l->text.ptr[first]))
        return;
    struct spot child;
    for (uint32_t at = first; at; of->n++)
        at = list_child(l->text, at, open == '{', &child);
    of->children = ARENA_ARRAY(l->arena, struct spot, of->n);
    of->n = 0;
    for (uint32_t at = first; at; of->n++)
        at = list_child(l->text, at, open == '{', &of->children[of->n]);
}

uint32_t locate_line(struct locate *l, uint32_t offset)
{
    if (offset < l->line_at) {
        l->line_at = 0;
        l->line = 1;
    }
    for (; l->line_at < offset; l->line_at++)
        l->line += l->text.ptr[l->line_at] == '\n';
    return l->line;
}

/* --- strings ---------------------------------------------------------------------------------- */

static uint32_t hex4(const char *p)
{
    char digits[5] = { p[0], p[1], p[2], p[3], 0 };
    return (uint32_t)strtoul(digits, NULL, 16);
}

/* One character of a string's content at p: what it means in out (n bytes). Returns the bytes it
 * takes. */
static unsigned read_unit(const char *p, char out[4], unsigned *n)
{
    static const char short_forms[] = "b\bf\fn\nr\rt\t";
    if (*p != '\\') {
        out[0] = *p;
        *n = 1;
        return 1;
    }
    if (p[1] != 'u') {
        const char *form = strchr(short_forms, p[1]);
        out[0] = p[1];
        if (form)
            out[0] = form[1];
        *n = 1;
        return 2;
    }
    uint32_t code = hex4(p + 2);
    bool pair = code >= 0xd800 && code < 0xdc00;
    if (pair)
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(p + 8) - 0xdc00);
    *n = (unsigned)(str_utf8_put(out, code) - out);
    return pair ? 12 : 6;
}

uint32_t locate_in_string(const struct locate *l, const struct spot *string, size_t offset)
{
    uint32_t at = string->at;
    if (l->text.ptr[at] != '"')
        return at;
    char out[4];
    unsigned n;
    for (at++; at + 1 < string->end; offset -= n) {
        unsigned taken = read_unit(l->text.ptr + at, out, &n);
        if (offset < n)
            break;
        at += taken;
    }
    return at;
}

bool locate_is_key(const struct locate *l, const struct spot *member, wf_str name)
{
    const char *p = l->text.ptr + member->key + 1, *end = l->text.ptr + member->key_end - 1;
    if (!member->key_end)
        return false;
    if (!memchr(p, '\\', (size_t)(end - p)))
        return (size_t)(end - p) == name.len && !memcmp(p, name.ptr, name.len);
    size_t done = 0;
    while (p < end) {
        char out[4];
        unsigned n;
        p += read_unit(p, out, &n);
        if (done + n > name.len || memcmp(out, name.ptr + done, n) != 0)
            return false;
        done += n;
    }
    return done == name.len;
}

/* --- walking ---------------------------------------------------------------------------------- */

struct spot *locate_member(struct locate *l, struct spot *of, wf_str name)
{
    locate_list(l, of);
    for (uint32_t i = of->n; i-- > 0;)
        if (locate_is_key(l, &of->children[i], name))
            return &of->children[i];
    return NULL;
}

struct spot *locate_element(struct locate *l, struct spot *of, size_t i)
{
    if (l->text.ptr[of->at] != '[')
        return NULL;
    locate_list(l, of);
    return i < of->n ? &of->children[i] : NULL;
}

/* Whether `path` starts with the member's name as a whole step; *rest is what follows. */
static bool path_takes(const struct locate *l, const struct spot *member, const char *path,
                       const char **rest)
{
    if (!strncmp(path, "['", 2)) {
        for (const char *end = strstr(path, "']"); end; end = strstr(end + 1, "']"))
            if (locate_is_key(l, member, (wf_str){ path + 2, (size_t)(end - path - 2) })) {
                *rest = end + 2;
                return true;
            }
        return false;
    }
    size_t len = strlen(path);
    for (size_t i = 1; i <= len; i++)
        if ((i == len || path[i] == '.' || path[i] == '[') &&
            locate_is_key(l, member, (wf_str){ path, i })) {
            *rest = path + i;
            return true;
        }
    return false;
}

static struct spot *path_step(struct locate *l, struct spot *from, const char *path,
                              const char **rest)
{
    if (*path == '.')
        path++;
    if (l->text.ptr[from->at] == '[') {
        char *end;
        if (*path != '[')
            return NULL;
        unsigned long i = strtoul(path + 1, &end, 10);
        *rest = *end == ']' ? end + 1 : end;
        return locate_element(l, from, i);
    }
    locate_list(l, from);
    for (uint32_t i = from->n; i-- > 0;)
        if (from->children[i].key_end && path_takes(l, &from->children[i], path, rest))
            return &from->children[i];
    return NULL;
}

struct spot *locate_path(struct locate *l, struct spot *from, const char *path, bool *whole)
{
    while (*path) {
        const char *rest = path;
        struct spot *next = path_step(l, from, path, &rest);
        if (!next || rest == path)
            break;
        from = next;
        path = rest;
    }
    *whole = !*path;
    return from;
}
