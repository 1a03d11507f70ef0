/* SPDX-License-Identifier: Apache-2.0
 * wf_host.build: a value from a shape, "{s:s,s:[i,f,b,n,v,S]}".
 *
 * The shape is literal text of a plugin, so a wrong one is a mistake of its author and gives NULL.
 * Members are counted before they are read, so a container is allocated once. Commas and colons
 * must be there; spaces may be. Thread: the item's worker; nothing blocks.
 */
#include "plugin/plugin_int.h"
#include <stdarg.h>

/* The analyser does not see va_copy into a struct.
 * NOLINTBEGIN(clang-analyzer-valist.Uninitialized) */
enum { BUILD_DEPTH_MAX = 32 };

struct build {
    struct arena *a;
    const char *p;
    va_list args;
};

static char next(struct build *b)
{
    while (*b->p == ' ' || *b->p == '\n' || *b->p == '\t')
        b->p++;
    return *b->p;
}

/* Takes one character, or says that another is there. */
static bool take(struct build *b, char c)
{
    if (next(b) != c)
        return false;
    b->p++;
    return true;
}

/* Elements of the container that begins at p, behind its bracket: commas at its own level and one.
 */
static size_t count_parts(const char *p)
{
    size_t n = 1;
    bool any = false;
    for (unsigned depth = 0; *p; p++) {
        if (*p == '{' || *p == '[')
            depth++;
        else if ((*p == '}' || *p == ']') && depth-- == 0)
            break;
        else if (*p == ',' && !depth)
            n++;
        any |= *p != ' ' && *p != '\n' && *p != '\t';
    }
    return any ? n : 0;
}

static bool build_value(struct build *b, unsigned depth, struct json *out);

static struct json build_text(struct build *b, const char *text)
{
    return text ? json_of_str(b->a, text, strlen(text)) : (struct json){ .type = JSON_NULL };
}

static bool build_object(struct build *b, unsigned depth, struct json *out)
{
    struct json_member *members;
    size_t n = count_parts(b->p), used = 0;
    *out = json_object(b->a, n, &members);
    for (size_t i = 0; i < n; i++) {
        struct json_member *member = &members[used];
        const char *key;
        if ((i && !take(b, ',')) || !take(b, 's') || !(key = va_arg(b->args, const char *)) ||
            !take(b, ':'))
            return false;
        member->key = build_text(b, key);
        if (!build_value(b, depth + 1, &member->value))
            return false;
        if (member->value.type == JSON_MISSING) /* a value that is missing has no member */
            continue;
        for (size_t j = 0; j < used; j++)
            if (json_equal(&members[j].key, &member->key)) {
                members[j].value = member->value;
                member = NULL;
                break;
            }
        used += member != NULL;
    }
    out->len = (uint32_t)used;
    return take(b, '}');
}

static bool build_array(struct build *b, unsigned depth, struct json *out)
{
    struct json *elements;
    size_t n = count_parts(b->p);
    *out = json_array(b->a, n, &elements);
    for (size_t i = 0; i < n; i++) {
        if ((i && !take(b, ',')) || !build_value(b, depth + 1, &elements[i]))
            return false;
        if (elements[i].type == JSON_MISSING)
            elements[i].type = JSON_NULL;
    }
    return take(b, ']');
}

static bool build_value(struct build *b, unsigned depth, struct json *out)
{
    const struct json *v;
    wf_str text;
    char c = next(b);
    if (!c || depth > BUILD_DEPTH_MAX)
        return false;
    b->p++;
    switch (c) {
    case '{':
        return build_object(b, depth, out);
    case '[':
        return build_array(b, depth, out);
    case 's':
        *out = build_text(b, va_arg(b->args, const char *));
        return true;
    case 'S':
        text = va_arg(b->args, wf_str);
        *out =
            text.ptr ? json_of_str(b->a, text.ptr, text.len) : (struct json){ .type = JSON_NULL };
        return true;
    case 'i':
        *out = json_of_int(va_arg(b->args, int64_t));
        return true;
    case 'f':
        *out = json_of_double(va_arg(b->args, double));
        return true;
    case 'b':
        *out = json_of_bool(va_arg(b->args, int) != 0);
        return true;
    case 'n':
        *out = (struct json){ .type = JSON_NULL };
        return true;
    case 'v':
        v = va_arg(b->args, const struct json *);
        *out = v ? *v : (struct json){ .type = JSON_MISSING };
        return true;
    default:
        return false;
    }
}

const struct json *values_build(struct arena *a, const char *shape, va_list args)
{
    struct build b = { .a = a, .p = shape };
    struct json *out = arena_alloc(a, sizeof *out);
    va_copy(b.args, args);
    bool right = build_value(&b, 0, out) && !next(&b);
    va_end(b.args);
    if (right && out->type == JSON_MISSING)
        out->type = JSON_NULL;
    return right ? out : NULL;
}
/* NOLINTEND(clang-analyzer-valist.Uninitialized) */
