/* SPDX-License-Identifier: Apache-2.0
 * Zone files: a table of changes, and a rule in words for the time behind it, such as
 * "CET-1CEST,M3.5.0,M10.5.0/3". Thread: any.
 */
#include "tz.h"
#include "memory.h"
#include <catalyst/date.h>

enum { TZ_FILE_MAX = 1 << 18, TZ_CHANGES_MAX = 20000 };

/* The day and second of a year on which the clock is changed. */
struct tz_turn {
    int kind, month, week, day; /* kind: 'M', 'J', or '0' for days from 0 */
    int64_t second;
};

struct tz {
    int64_t *at, *offset; /* from at[i] on it is offset[i] */
    size_t n;
    int64_t first;
    int has_rule, has_dst;
    int64_t standard, dst;
    struct tz_turn on, off;
};

/* --- the rule behind the table ---------------------------------------------------------------- */

static int tz_int(const char **p)
{
    int n = 0;
    while (**p >= '0' && **p <= '9' && n < 100000)
        n = n * 10 + *(*p)++ - '0';
    return n;
}

static void tz_name(const char **p)
{
    if (**p == '<') {
        *p += strcspn(*p, ">");
        *p += **p == '>';
        return;
    }
    while ((**p | 32) >= 'a' && (**p | 32) <= 'z')
        ++*p;
}

/* hh, hh:mm, hh:mm:ss with a sign */
static int64_t tz_clock(const char **p)
{
    int64_t sign = **p == '-' ? -1 : 1, seconds, unit = 3600;
    *p += **p == '-' || **p == '+';
    for (seconds = tz_int(p) * unit; **p == ':' && unit > 1;) {
        ++*p;
        unit /= 60;
        seconds += tz_int(p) * unit;
    }
    return sign * seconds;
}

static int tz_turn_parse(const char **p, struct tz_turn *t)
{
    if (*(*p)++ != ',')
        return -1;
    t->kind = **p == 'M' || **p == 'J' ? *(*p)++ : '0';
    t->day = tz_int(p);
    if (t->kind == 'M') {
        t->month = t->day;
        *p += **p == '.';
        t->week = tz_int(p);
        *p += **p == '.';
        t->day = tz_int(p);
        if (t->month < 1 || t->month > 12 || t->week < 1 || t->week > 5 || t->day > 6)
            return -1;
    }
    t->second = 7200;
    if (**p == '/') {
        ++*p;
        t->second = tz_clock(p);
    }
    return t->day <= 366 ? 0 : -1;
}

static int tz_rule_parse(struct tz *z, const char *p)
{
    tz_name(&p);
    z->standard = -tz_clock(&p);
    z->has_rule = 1;
    if (!*p)
        return 0;
    tz_name(&p);
    z->dst = z->standard + 3600;
    if (*p != ',')
        z->dst = -tz_clock(&p);
    z->has_dst = 1;
    return tz_turn_parse(&p, &z->on) == 0 && tz_turn_parse(&p, &z->off) == 0 && !*p ? 0 : -1;
}

/* Local seconds since 1970 at which a turn of that year comes. */
static int64_t tz_turn_at(const struct tz_turn *t, int64_t year)
{
    int64_t day = wf_date_days(year, 1, 1);
    if (t->kind == 'M') {
        int64_t first = wf_date_days(year, t->month, 1);
        int64_t days = wf_date_month_days(year, t->month);
        int64_t into = (t->day - ((first + 4) % 7 + 7) % 7 + 7) % 7 + (int64_t)7 * (t->week - 1);
        day = first + (into >= days ? into - 7 : into);
    } else if (t->kind == 'J') {
        int is_leap = wf_date_month_days(year, 2) == 29;
        day += t->day - 1 + (is_leap && t->day >= 60);
    } else {
        day += t->day;
    }
    return day * 86400 + t->second;
}

static int64_t tz_by_rule(const struct tz *z, int64_t utc_s)
{
    if (!z->has_dst)
        return z->standard;
    int64_t year = wf_date_of_ms((utc_s + z->standard) * 1000).year;
    int64_t on = tz_turn_at(&z->on, year) - z->standard, off = tz_turn_at(&z->off, year) - z->dst;
    /* on the southern half of the world summer lies around the new year */
    int is_dst = on < off ? utc_s >= on && utc_s < off : utc_s >= on || utc_s < off;
    return is_dst ? z->dst : z->standard;
}

/* --- the table -------------------------------------------------------------------------------- */

static int64_t tz_number(const unsigned char *p, int bytes)
{
    uint64_t n = p[0] & 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < bytes; i++)
        n = n << 8 | p[i];
    return (int64_t)n;
}

struct tz_counts {
    size_t isut, isstd, leap, time, type, text;
};

static int tz_header(const unsigned char *p, size_t len, struct tz_counts *c)
{
    if (len < 44 || memcmp(p, "TZif", 4) != 0)
        return -1;
    size_t *to[] = { &c->isut, &c->isstd, &c->leap, &c->time, &c->type, &c->text };
    for (int i = 0; i < 6; i++) {
        int64_t n = tz_number(p + 20 + (size_t)4 * (size_t)i, 4);
        if (n < 0 || n > TZ_CHANGES_MAX)
            return -1;
        *to[i] = (size_t)n;
    }
    return c->type ? 0 : -1;
}

static size_t tz_body_size(const struct tz_counts *c, size_t width)
{
    return c->time * (width + 1) + c->type * 6 + c->text + c->leap * (width + 4) + c->isstd +
           c->isut;
}

static int tz_table(struct tz *z, const unsigned char *p, const struct tz_counts *c, int width)
{
    const unsigned char *kinds = p + c->time * (size_t)width, *types = kinds + c->time;
    z->first = tz_number(types, 4);
    z->at = memory_get(c->time * sizeof *z->at);
    z->offset = memory_get(c->time * sizeof *z->offset);
    for (z->n = 0; z->n < c->time; z->n++) {
        if (kinds[z->n] >= c->type)
            return -1;
        z->at[z->n] = tz_number(p + z->n * (size_t)width, width);
        z->offset[z->n] = tz_number(types + (size_t)6 * kinds[z->n], 4);
    }
    return 0;
}

static int tz_read(struct tz *z, const unsigned char *p, size_t len)
{
    struct tz_counts c;
    char rule[100];
    int width = 4;
    if (tz_header(p, len, &c) != 0)
        return -1;
    if (p[4] >= '2') {
        size_t skip = 44 + tz_body_size(&c, 4);
        if (skip > len || tz_header(p + skip, len - skip, &c) != 0)
            return -1;
        p += skip;
        len -= skip;
        width = 8;
    }
    size_t size = 44 + tz_body_size(&c, (size_t)width);
    if (size > len || tz_table(z, p + 44, &c, width) != 0)
        return -1;
    if (width == 4 || len - size < 2)
        return 0;
    size_t text = len - size - 2; /* between two ends of line */
    if (text >= sizeof rule)
        return -1;
    memcpy(rule, p + size + 1, text);
    rule[text] = 0;
    return *rule ? tz_rule_parse(z, rule) : 0;
}

struct tz *tz_parse(const unsigned char *bytes, size_t len)
{
    struct tz *z = memory_get(sizeof *z);
    if (tz_read(z, bytes, len) == 0)
        return z;
    tz_free(z);
    return NULL;
}

static int tz_name_is_plain(const char *name)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";
    return *name && *name != '/' && strlen(name) < 100 && strspn(name, plain) == strlen(name);
}

struct tz *tz_open(const char *name)
{
    char path[200];
    struct tz *z = NULL;
    if (!tz_name_is_plain(name))
        return NULL;
    if (!strcmp(name, "UTC"))
        return memory_get(sizeof(struct tz));
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    unsigned char *bytes = memory_get(TZ_FILE_MAX);
    size_t len = fread(bytes, 1, TZ_FILE_MAX, file);
    fclose(file);
    z = tz_parse(bytes, len);
    free(bytes);
    return z;
}

void tz_free(struct tz *z)
{
    if (!z)
        return;
    free(z->at);
    free(z->offset);
    free(z);
}

int64_t tz_offset(const struct tz *z, int64_t utc_s)
{
    if (!z)
        return 0;
    size_t low = 0, high = z->n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (z->at[mid] <= utc_s)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == z->n && z->has_rule)
        return tz_by_rule(z, utc_s);
    return low ? z->offset[low - 1] : z->first;
}
