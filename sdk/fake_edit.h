/* SPDX-License-Identifier: Apache-2.0
 * fake_edit.h - edits by copy, and values from shapes, of the fake host; authors include
 * fake_host.h.
 */
#ifndef WF_FAKE_EDIT_H
#define WF_FAKE_EDIT_H
#include "fake_json.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"

/* --- editing by copy -------------------------------------------------------------------------- */

/* A copy with member `key` set; NULL value removes it. */
static inline const wf_value *fake_with(struct fake_heap *heap, const wf_value *base, wf_str key,
                                        const wf_value *value)
{
    size_t n = 0, old = base && base->type == WF_JSON_OBJECT ? base->n : 0;
    wf_value *v = fake_container(heap, WF_JSON_OBJECT, old + 1);
    int placed = value == NULL;
    for (size_t i = 0; i < old; i++) {
        int same = base->keys[i].len == key.len && !memcmp(base->keys[i].ptr, key.ptr, key.len);
        if (same && !value)
            continue;
        v->keys[n] = base->keys[i];
        v->parts[n++] = same ? value : base->parts[i];
        placed |= same;
    }
    if (!placed) {
        v->keys[n] = fake_str(heap, key.ptr, key.len);
        v->parts[n++] = value;
    }
    v->n = n;
    return v;
}

/* The same for an array's element. */
static inline const wf_value *fake_with_at(struct fake_heap *heap, const wf_value *base, size_t at,
                                           const wf_value *value)
{
    size_t old = base ? base->n : 0, n = !value || at < old ? old : at + 1;
    wf_value *v = fake_container(heap, WF_JSON_ARRAY, n);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == at && !value)
            continue;
        v->parts[used++] = i == at   ? value
                           : i < old ? base->parts[i]
                                     : fake_value(heap, WF_JSON_NULL);
    }
    v->n = used;
    return v;
}

/* NULL value removes what is at the path. NULL: the path is wrong or meets another kind of value.
 */
static inline const wf_value *fake_set(struct fake_heap *heap, const wf_value *base,
                                       const char *path, const wf_value *value)
{
    wf_str key;
    int64_t index = 0;
    int step = fake_step(&path, &key, &index);
    wf_json_type type = fake_type(base);
    if (step < 0 || (step == 0 && !value))
        return NULL;
    if (step == 0)
        return value;
    if (type > WF_JSON_NULL && type != (step == 1 ? WF_JSON_OBJECT : WF_JSON_ARRAY))
        return value ? NULL : base;
    if (step == 2 && index < 0)
        index += (int64_t)fake_count(base);
    if (step == 2 && (index < 0 || index > 100000))
        return NULL;
    const wf_value *part =
        step == 1 ? fake_get(base, key.ptr, key.len) : fake_at(base, (size_t)index);
    if (!value && !part)
        return base;
    if (*path || value) {
        part = *path ? fake_set(heap, part, path, value) : value;
        if (!part)
            return NULL;
    } else {
        part = NULL; /* the last step of a removal */
    }
    return step == 1 ? fake_with(heap, base, key, part)
                     : fake_with_at(heap, base, (size_t)index, part);
}

/* --- shapes --------------------------------------------------------------------------------------
 */

struct fake_shape {
    struct fake_heap *heap;
    const char *p;
    va_list args;
};

static inline char fake_shape_next(struct fake_shape *s)
{
    while (*s->p == ' ' || *s->p == '\n' || *s->p == '\t')
        s->p++;
    return *s->p;
}

/* *v is NULL for a missing value. 0, or -1 when the shape is wrong. */
static inline int fake_shape_value(struct fake_shape *s, const wf_value **v)
{
    const char *text;
    wf_str str;
    wf_value *made;
    char open = fake_shape_next(s);
    s->p += open != 0;
    switch (open) {
    case 's':
        text = va_arg(s->args, const char *);
        *v = text ? fake_string(s->heap, text, strlen(text)) : fake_value(s->heap, WF_JSON_NULL);
        return 0;
    case 'S':
        str = va_arg(s->args, wf_str);
        *v = str.ptr ? fake_string(s->heap, str.ptr, str.len) : fake_value(s->heap, WF_JSON_NULL);
        return 0;
    case 'i':
        *v = fake_int(s->heap, va_arg(s->args, int64_t));
        return 0;
    case 'f':
        *v = fake_number(s->heap, va_arg(s->args, double));
        return 0;
    case 'b':
        *v = made = fake_value(s->heap, WF_JSON_BOOL);
        made->truth = va_arg(s->args, int) != 0;
        return 0;
    case 'n':
        *v = fake_value(s->heap, WF_JSON_NULL);
        return 0;
    case 'v':
        *v = va_arg(s->args, const wf_value *);
        return 0;
    case '{':
    case '[':
        break;
    default:
        return -1;
    }
    const wf_value *into = fake_container(s->heap, open == '{' ? WF_JSON_OBJECT : WF_JSON_ARRAY, 0),
                   *part;
    char close = open == '{' ? '}' : ']';
    for (size_t i = 0; fake_shape_next(s) != close; i++) {
        text = NULL;
        if (i && (*s->p++ != ',' || !fake_shape_next(s)))
            return -1;
        if (open == '{') {
            if (*s->p++ != 's' || fake_shape_next(s) != ':')
                return -1;
            s->p++;
            text = va_arg(s->args, const char *);
        }
        if (fake_shape_value(s, &part) != 0)
            return -1;
        if (open == '[')
            into = fake_with_at(s->heap, into, i, part ? part : fake_value(s->heap, WF_JSON_NULL));
        else if (part)
            into = fake_with(s->heap, into, (wf_str){ text, strlen(text) }, part);
    }
    s->p++;
    *v = into;
    return 0;
}

static inline const wf_value *fake_vbuild(struct fake_heap *heap, const char *shape, va_list args)
{
    struct fake_shape s = { .heap = heap, .p = shape };
    const wf_value *v = NULL;
    va_copy(s.args, args);
    int wrong = fake_shape_value(&s, &v) != 0 || fake_shape_next(&s) != 0;
    va_end(s.args);
    if (wrong)
        return NULL;
    return v ? v : fake_value(heap, WF_JSON_NULL);
}

#pragma GCC diagnostic pop
#endif
