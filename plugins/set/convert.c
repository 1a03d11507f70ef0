/* SPDX-License-Identifier: Apache-2.0
 * Conversion of a value to the type that an assignment declares.
 *
 * The rules are n8n's: text is made of anything; numbers, booleans, arrays and objects are read
 * from text that holds one; what holds none is a mistake of the workflow or of the item. Thread:
 * the worker's.
 */
#include "set_int.h"
#include <errno.h>

/* Whole numbers stay exact beyond 2^53. */
static const wf_value *number_of_text(struct edit *e, const char *s, size_t len)
{
    char text[24], *end;
    double d;
    if (len && len < sizeof text && strspn(s, "-0123456789") >= len) {
        memcpy(text, s, len);
        text[len] = 0;
        errno = 0;
        long long i = strtoll(text, &end, 10);
        if (!*end && !errno)
            return e->h->v->of_int(e->it, i);
    }
    return wf_text_number(s, len, &d) == 0 ? e->h->v->of_number(e->it, d) : NULL;
}

static const wf_value *to_number(struct edit *e, const wf_value *value)
{
    const wf_values *v = e->h->v;
    const char *s;
    size_t len;
    if (v->type(value) == WF_JSON_BOOL)
        return v->of_int(e->it, v->boolean(value));
    return v->bytes(value, &s, &len) == 0 ? number_of_text(e, s, len) : NULL;
}

static const wf_value *to_boolean(struct edit *e, const wf_value *value)
{
    const wf_values *v = e->h->v;
    const char *s;
    size_t len;
    int64_t i;
    if (v->int64(value, &i) == 0)
        return i == 0 || i == 1 ? v->of_bool(e->it, (int)i) : NULL;
    if (v->bytes(value, &s, &len) != 0)
        return NULL;
    if (wf_text_equal(s, len, "true", 4, 1) || wf_text_equal(s, len, "1", 1, 0))
        return v->of_bool(e->it, 1);
    if (wf_text_equal(s, len, "false", 5, 1) || wf_text_equal(s, len, "0", 1, 0))
        return v->of_bool(e->it, 0);
    return NULL;
}

static const wf_value *to_container(struct edit *e, const wf_value *value, wf_json_type want)
{
    const wf_values *v = e->h->v;
    const char *s, *why;
    size_t len;
    if (v->bytes(value, &s, &len) != 0)
        return NULL;
    const wf_value *parsed = v->parse(e->it, (wf_str){ s, len }, &why);
    return v->type(parsed) == want ? parsed : NULL;
}

const wf_value *set_convert(struct edit *e, const wf_value *value, int type)
{
    static const wf_json_type json_types[] = { WF_JSON_STRING, WF_JSON_NUMBER, WF_JSON_BOOL,
                                               WF_JSON_ARRAY, WF_JSON_OBJECT };
    const wf_values *v = e->h->v;
    wf_json_type is = v->type(value);
    if (is == WF_JSON_MISSING)
        return wf_null(e->h, e->it);
    if (type == TYPE_ANY || is == json_types[type] || is == WF_JSON_NULL)
        return value;
    if (type == TYPE_STRING) {
        wf_str text = v->text(e->it, value);
        return v->of_str(e->it, text.ptr, text.len);
    }
    if (type == TYPE_NUMBER)
        return to_number(e, value);
    if (type == TYPE_BOOLEAN)
        return to_boolean(e, value);
    return to_container(e, value, json_types[type]);
}
