/* SPDX-License-Identifier: Apache-2.0
 * Times and sizes as people write them: "250ms", "2s", "1.5h", "64k", "2M".
 *
 * One number, one unit, nothing else. Digits are read by hand because the text is not NUL-ended and
 * the locale has no say in it. Thread: any; nothing blocks.
 */
#include "plugin/plugin_int.h"

struct unit {
    const char *name;
    int64_t factor;
};

static wf_str trim(wf_str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s.ptr++, s.len--;
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

struct amount {
    int64_t whole, part, parts; /* whole + part/parts */
};

static bool take_digit(wf_str *s, int64_t *number)
{
    if (!s->len || s->ptr[0] < '0' || s->ptr[0] > '9')
        return false;
    *number = s->ptr[0] - '0';
    s->ptr++, s->len--;
    return true;
}

/* Reads digits and a fraction of at most 9 digits off the front. */
static int read_number(wf_str *s, struct amount *out)
{
    int64_t digit;
    size_t digits = 0;
    *out = (struct amount){ .parts = 1 };
    for (; take_digit(s, &digit); digits++)
        if (__builtin_mul_overflow(out->whole, 10, &out->whole) ||
            __builtin_add_overflow(out->whole, digit, &out->whole))
            return -1;
    if (!digits)
        return -1;
    if (!s->len || s->ptr[0] != '.')
        return 0;
    s->ptr++, s->len--;
    for (digits = 0; take_digit(s, &digit); digits++) {
        if (digits == 9)
            return -1;
        out->part = out->part * 10 + digit;
        out->parts *= 10;
    }
    return digits ? 0 : -1;
}

static int64_t multiply(const struct amount *amount, int64_t factor)
{
    int64_t whole, part;
    if (__builtin_mul_overflow(amount->whole, factor, &whole) ||
        __builtin_mul_overflow(amount->part, factor, &part))
        return -1;
    /* The fraction must come out whole: half a millisecond is a mistake, not a rounding. */
    if (part % amount->parts || __builtin_add_overflow(whole, part / amount->parts, &whole))
        return -1;
    return whole;
}

static int64_t read_unit(wf_str text, const struct unit *units, bool any_case)
{
    struct amount amount;
    text = trim(text);
    if (read_number(&text, &amount) != 0)
        return -1;
    text = trim(text);
    for (const struct unit *u = units; u->name; u++) {
        wf_str name = str_of(u->name);
        if (any_case ? str_eq_nocase(text, name) : str_eq(text, name))
            return multiply(&amount, u->factor);
    }
    return -1;
}

int64_t params_ms(wf_str text)
{
    static const struct unit units[] = {
        { "", 1 },        { "ms", 1 },       { "s", 1000 },      { "m", 60000 }, { "min", 60000 },
        { "h", 3600000 }, { "d", 86400000 }, { "w", 604800000 }, { NULL, 0 },
    };
    return read_unit(text, units, false);
}

int64_t params_bytes(wf_str text)
{
    static const struct unit units[] = {
        { "", 1 },
        { "b", 1 },
        { "k", 1 << 10 },
        { "kb", 1 << 10 },
        { "kib", 1 << 10 },
        { "m", 1 << 20 },
        { "mb", 1 << 20 },
        { "mib", 1 << 20 },
        { "g", 1 << 30 },
        { "gb", 1 << 30 },
        { "gib", 1 << 30 },
        { "t", INT64_C(1) << 40 },
        { "tb", INT64_C(1) << 40 },
        { "tib", INT64_C(1) << 40 },
        { NULL, 0 },
    };
    return read_unit(text, units, true);
}
