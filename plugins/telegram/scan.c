/* SPDX-License-Identifier: Apache-2.0
 * JSON as far as getUpdates needs it: see scan.h. What stands inside an update is skipped by its
 * brackets and strings; whether it is JSON is found when the item is made.
 */
#include "scan.h"
#include <string.h>

static int is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static size_t skip_space(wf_str s, size_t i)
{
    while (i < s.len && is_space(s.ptr[i]))
        i++;
    return i;
}

/* Behind the string that begins at i; s.len + 1: it does not end. */
static size_t skip_string(wf_str s, size_t i)
{
    for (i++; i < s.len && s.ptr[i] != '"'; i++)
        i += s.ptr[i] == '\\';
    return i < s.len ? i + 1 : s.len + 1;
}

static size_t skip_word(wf_str s, size_t i)
{
    while (i < s.len && !is_space(s.ptr[i]) && s.ptr[i] != ',' && s.ptr[i] != ']' &&
           s.ptr[i] != '}')
        i++;
    return i;
}

/* Behind the value that begins at i; s.len + 1: it is torn. */
static size_t skip_value(wf_str s, size_t i)
{
    size_t depth = 0;
    do {
        if (i >= s.len)
            return s.len + 1;
        char c = s.ptr[i];
        if (c == '"') {
            i = skip_string(s, i);
        } else if (c == '{' || c == '[') {
            depth++;
            i++;
        } else if (c == '}' || c == ']') {
            if (!depth)
                return s.len + 1;
            depth--;
            i++;
        } else {
            i = depth ? i + 1 : skip_word(s, i);
        }
    } while (depth);
    return i;
}

wf_str scan_member(wf_str object, const char *name)
{
    const wf_str none = { NULL, 0 };
    size_t len = strlen(name), i = skip_space(object, 0);
    if (i >= object.len || object.ptr[i] != '{')
        return none;
    for (i = skip_space(object, i + 1); i < object.len && object.ptr[i] == '"';) {
        size_t key = i + 1, end = skip_string(object, i);
        i = skip_space(object, end);
        if (i >= object.len || object.ptr[i] != ':')
            return none;
        size_t value = skip_space(object, i + 1);
        i = skip_value(object, value);
        if (i > object.len)
            return none;
        if (end - 1 - key == len && !memcmp(object.ptr + key, name, len))
            return (wf_str){ object.ptr + value, i - value };
        i = skip_space(object, i);
        if (i < object.len && object.ptr[i] == ',')
            i = skip_space(object, i + 1);
    }
    return none;
}

wf_str scan_element(wf_str array, size_t *at)
{
    const wf_str none = { NULL, 0 };
    size_t i = skip_space(array, *at);
    if (i >= array.len || array.ptr[i] != (*at ? ',' : '['))
        return none;
    i = skip_space(array, i + 1);
    if (i >= array.len || array.ptr[i] == ']')
        return none;
    size_t end = skip_value(array, i);
    if (end > array.len || end == i)
        return none;
    *at = end;
    return (wf_str){ array.ptr + i, end - i };
}

int scan_int(wf_str text, int64_t *out)
{
    enum { DIGITS_MAX = 18 };
    int64_t n = 0;
    size_t i = text.len && text.ptr[0] == '-';
    if (i >= text.len || text.len - i > DIGITS_MAX)
        return -1;
    for (size_t k = i; k < text.len; k++) {
        if (text.ptr[k] < '0' || text.ptr[k] > '9')
            return -1;
        n = n * 10 + (text.ptr[k] - '0');
    }
    *out = i ? -n : n;
    return 0;
}
