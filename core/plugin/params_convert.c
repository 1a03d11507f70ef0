/* SPDX-License-Identifier: Apache-2.0
 * One value into one field: the conversions that constants and solved expressions share.
 *
 * Leniency is JavaScript's where it does not hide a mistake: numbers and booleans may be given as
 * text, text as numbers and booleans. Everything else is a sentence for the author of the workflow,
 * which never holds the value of a secret parameter. Runs on the hot path for solved values:
 * nothing here allocates but the copy of a text. Thread: any; nothing blocks.
 */
#include "plugin/plugin_int.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

size_t param_field_size(wf_type type)
{
    switch (type) {
    case WF_STRING:
        return sizeof(wf_str);
    case WF_INT:
    case WF_MS:
    case WF_BYTES:
        return sizeof(int64_t);
    case WF_BOOL:
    case WF_CHOICE:
        return sizeof(int);
    case WF_DOUBLE:
        return sizeof(double);
    case WF_LIST:
        return sizeof(wf_list);
    case WF_VALUE:
    case WF_CREDENTIAL:
        return sizeof(void *);
    }
    return 0;
}

const char *param_type_words(wf_type type)
{
    switch (type) {
    case WF_STRING:
        return "text";
    case WF_INT:
        return "a whole number";
    case WF_BOOL:
        return "true or false";
    case WF_MS:
        return "a time such as \"250ms\", \"2s\", \"5m\", \"1h\" or a number of milliseconds";
    case WF_DOUBLE:
        return "a number";
    case WF_CHOICE:
        return "a choice";
    case WF_LIST:
        return "a list";
    case WF_VALUE:
        return "JSON";
    case WF_CREDENTIAL:
        return "a credential";
    case WF_BYTES:
        return "a size such as \"64k\", \"2M\" or a number of bytes";
    }
    return "of an unknown type";
}

/* At most 40 bytes of a text, never half a character. */
static void describe_text(wf_str text, char *to, size_t size)
{
    int shown = text.len > 40 ? 40 : (int)text.len;
    while (shown > 0 && shown < (int)text.len && ((unsigned char)text.ptr[shown] & 0xc0) == 0x80)
        shown--;
    snprintf(to, size, "\"%.*s%s\"", shown, text.ptr, shown < (int)text.len ? "..." : "");
}

static void describe_number(const struct json *v, char *to, size_t size)
{
    if (json_write_bound(v) < size)
        to[json_write(v, to)] = 0;
    else
        snprintf(to, size, "a number");
}

/* What was given, in few words. */
static void describe(const wf_param *row, const struct json *v, char *to, size_t size)
{
    static const char *const words[] = {
        [JSON_MISSING] = "nothing",  [JSON_NULL] = "null",         [JSON_FALSE] = "false",
        [JSON_TRUE] = "true",        [JSON_INT] = "a number",      [JSON_DOUBLE] = "a number",
        [JSON_NUMBER] = "a number",  [JSON_STRING] = "other text", [JSON_ARRAY] = "an array",
        [JSON_OBJECT] = "an object",
    };
    bool secret = row->flags & WF_SECRET;
    if (!secret && v && v->type == JSON_STRING)
        describe_text(json_str(v), to, size);
    else if (!secret && json_is_number(v))
        describe_number(v, to, size);
    else
        snprintf(to, size, "%s", words[v ? v->type : JSON_MISSING]);
}

void param_complain(const wf_param *row, const char *what, const struct json *v, char *why)
{
    char got[96];
    describe(row, v, got, sizeof got);
    snprintf(why, PARAM_WHY_MAX, "must be %s, got %s", what, got);
}

static int complain(const wf_param *row, const char *what, const struct json *v, char *why)
{
    param_complain(row, what, v, why);
    return -1;
}

/* A number's text: digits, sign, fraction and exponent, with spaces around. */
static int number_of_text(wf_str s, char *to, size_t size)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\n' || s.ptr[0] == '\t'))
        s.ptr++, s.len--;
    while (s.len &&
           (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\n' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    if (!s.len || s.len >= size)
        return -1;
    for (size_t i = 0; i < s.len; i++)
        if (!strchr("0123456789+-.eE", s.ptr[i]) || !s.ptr[i])
            return -1;
    memcpy(to, s.ptr, s.len);
    to[s.len] = 0;
    return 0;
}

static bool get_double(const struct json *v, double *out)
{
    char text[64], *end;
    if (json_is_number(v))
        return json_double(v, out);
    if (v->type != JSON_STRING || number_of_text(json_str(v), text, sizeof text) != 0)
        return false;
    *out = strtod(text, &end);
    return !*end && isfinite(*out);
}

static bool get_int(const struct json *v, int64_t *out)
{
    char text[64], *end;
    double d;
    if (json_is_number(v))
        return json_int(v, out);
    if (v->type != JSON_STRING || number_of_text(json_str(v), text, sizeof text) != 0)
        return false;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (!*end)
        return !errno;
    d = strtod(text, &end);
    if (*end || d != floor(d) || fabs(d) > 9007199254740992.0)
        return false;
    *out = (int64_t)d;
    return true;
}

/* min and max as words; an open end is the limit of its type. */
static int out_of_range(const wf_param *row, const struct json *v, char *why)
{
    char what[96];
    long long min = row->min, max = row->max;
    if (row->max == INT64_MAX)
        snprintf(what, sizeof what, "%lld or more", min);
    else if (row->min == INT64_MIN)
        snprintf(what, sizeof what, "%lld or less", max);
    else
        snprintf(what, sizeof what, "between %lld and %lld", min, max);
    return complain(row, what, v, why);
}

static int convert_int(const wf_param *row, const struct json *v, int64_t *field, char *why)
{
    int64_t i;
    if (!get_int(v, &i)) {
        if (row->type == WF_INT || v->type != JSON_STRING)
            return complain(row, param_type_words(row->type), v, why);
        i = row->type == WF_MS ? params_ms(json_str(v)) : params_bytes(json_str(v));
        if (i < 0)
            return complain(row, param_type_words(row->type), v, why);
    }
    if (row->min != row->max ? i < row->min || i > row->max : row->type != WF_INT && i < 0) {
        if (row->min == row->max)
            return complain(row, "0 or more", v, why);
        return out_of_range(row, v, why);
    }
    *field = i;
    return 0;
}

static int convert_double(const wf_param *row, const struct json *v, double *field, char *why)
{
    double d;
    if (!get_double(v, &d))
        return complain(row, param_type_words(row->type), v, why);
    if (row->min != row->max && (d < (double)row->min || d > (double)row->max))
        return out_of_range(row, v, why);
    *field = d;
    return 0;
}

static int convert_bool(const wf_param *row, const struct json *v, int *field, char *why)
{
    int64_t i;
    wf_str text = json_str(v);
    if (v->type == JSON_TRUE || v->type == JSON_FALSE)
        *field = v->type == JSON_TRUE;
    else if (v->type == JSON_STRING && (str_eq(text, STR("true")) || str_eq(text, STR("1"))))
        *field = 1;
    else if (v->type == JSON_STRING && (str_eq(text, STR("false")) || str_eq(text, STR("0"))))
        *field = 0;
    else if (json_is_number(v) && json_int(v, &i) && (i == 0 || i == 1))
        *field = (int)i;
    else
        return complain(row, param_type_words(WF_BOOL), v, why);
    return 0;
}

static int bad_choice(const wf_param *row, const struct json *v, wf_str text, char *why)
{
    char what[240] = "one of", name[PARAM_NAME_MAX];
    const char *names[TABLE_ROWS_MAX];
    size_t n = 0, len = strlen(what);
    for (; row->choices[n].name && n < TABLE_ROWS_MAX; n++) {
        names[n] = row->choices[n].name;
        if (len < sizeof what - 48)
            len += (size_t)snprintf(what + len, sizeof what - len, "%s '%.40s'", n ? "," : "",
                                    names[n]);
        else if (len < sizeof what - 4)
            len += (size_t)snprintf(what + len, sizeof what - len, "%s", "...");
    }
    param_complain(row, what, v, why);
    if (text.len >= sizeof name)
        return -1;
    memcpy(name, text.ptr, text.len);
    name[text.len] = 0;
    const char *nearest = row->flags & WF_SECRET ? NULL : str_nearest(name, names, n);
    if (nearest && n > 1)
        snprintf(why + strlen(why), PARAM_WHY_MAX - strlen(why), "; did you mean '%.60s'?",
                 nearest);
    return -1;
}

static int convert_choice(const wf_param *row, const struct json *v, int *field, char *why)
{
    char scratch[64];
    wf_str text = json_str(v);
    if (v->type == JSON_TRUE || v->type == JSON_FALSE)
        text = v->type == JSON_TRUE ? STR("true") : STR("false");
    else if (json_is_number(v) && json_write_bound(v) < sizeof scratch)
        text = (wf_str){ scratch, json_write(v, scratch) };
    for (int i = 0; row->choices[i].name; i++)
        if (v->type < JSON_ARRAY && str_eq(str_of(row->choices[i].name), text)) {
            *field = i;
            return 0;
        }
    return bad_choice(row, v, text, why);
}

static int convert_text(struct arena *a, const wf_param *row, const struct json *v, bool solved,
                        wf_str *field, char *why)
{
    if (v->type == JSON_STRING) {
        *field = arena_str(a, v->s, v->len);
        return 0;
    }
    if (v->type >= JSON_ARRAY && !solved)
        return complain(row, param_type_words(WF_STRING), v, why);
    *field = json_text(a, v);
    return 0;
}

int param_convert(struct arena *a, const wf_param *row, const struct json *v, bool solved,
                  void *field, char *why)
{
    switch (row->type) {
    case WF_STRING:
        return convert_text(a, row, v, solved, field, why);
    case WF_INT:
    case WF_MS:
    case WF_BYTES:
        return convert_int(row, v, field, why);
    case WF_DOUBLE:
        return convert_double(row, v, field, why);
    case WF_BOOL:
        return convert_bool(row, v, field, why);
    case WF_CHOICE:
        return convert_choice(row, v, field, why);
    case WF_VALUE: {
        struct json *copy = arena_alloc(a, sizeof *copy);
        *copy = *v;
        *(const struct json **)field = copy;
        return 0;
    }
    case WF_LIST:
    case WF_CREDENTIAL:
        break;
    }
    return complain(row, param_type_words(row->type), v, why);
}

int param_text(struct arena *a, const wf_param *row, const struct json *v, wf_str *out,
               struct err *err)
{
    char why[PARAM_WHY_MAX];
    union {
        wf_str text;
        int64_t integer;
        double number;
        int index;
    } field = { .text = { "", 0 } };
    int result = row->type == WF_STRING && v->type != JSON_STRING
                     ? complain(row, param_type_words(WF_STRING), v, why)
                     : param_convert(a, row, v, false, &field, why);
    if (result != 0)
        return err_set(err, ERR_INVALID, "%s", why);
    struct json number = { .type = JSON_INT, .i = field.integer };
    if (row->type == WF_BOOL)
        *out = field.index ? STR("true") : STR("false");
    else if (row->type == WF_CHOICE)
        *out = str_of(row->choices[field.index].name);
    else if (row->type == WF_STRING)
        *out = field.text;
    else
        *out = json_text(a, row->type == WF_DOUBLE ? v : &number);
    return 0;
}

struct json param_default(struct arena *a, const wf_param *row)
{
    struct json v = { .type = JSON_MISSING };
    struct json_error error;
    bool json = row->type != WF_STRING && row->type != WF_CHOICE && row->type != WF_MS &&
                row->type != WF_BYTES;
    if (!row->def)
        return v;
    if (!json || (row->def[0] == '=' && row->flags & WF_EXPR) ||
        json_parse_copy(a, row->def, strlen(row->def), 0, &v, &error) != 0)
        return json_of_str(a, row->def, strlen(row->def));
    return v;
}
