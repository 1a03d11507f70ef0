/* SPDX-License-Identifier: Apache-2.0
 * Time zones for the borders of months. libc knows one zone per process, and tenants have their
 * own: so the zone's file is read here, its table of changes and the rule behind its end
 * ("CET-1CEST,M3.5.0,M10.5.0/3", the form M of POSIX that zone files use).
 * Thread: any; zone_read reads a file of some kilobytes.
 */
#include "money.h"
#include <catalyst/date.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ZONE_FILE_MAX = 1 << 18, ZONE_DAY_S = 86400 };

struct zone_day {
    int64_t month, week, day, at_s;
};
struct money_zone {
    int64_t *changes, *east; /* n of them: from that second on, so far east */
    size_t n;
    int64_t first;
    int has_rule, has_summer;
    int64_t winter, summer;
    struct zone_day begins, ends;
};

/* --- the rule --------------------------------------------------------------------------------- */

static int64_t zone_number(const char **p)
{
    int64_t n = 0;
    for (int i = 0; i < 4 && **p >= '0' && **p <= '9'; i++, ++*p)
        n = n * 10 + (**p - '0');
    return n;
}

static int64_t zone_seconds(const char **p)
{
    int64_t sign = **p == '-' ? -1 : 1, s;
    *p += **p == '-' || **p == '+';
    s = zone_number(p) * 3600;
    for (int64_t unit = 60; **p == ':' && unit; unit /= 60) {
        ++*p;
        s += zone_number(p) * unit;
    }
    return sign * s;
}

static int zone_word(const char **p)
{
    const char *from = *p;
    if (**p == '<') {
        *p = strchr(*p, '>');
        return *p ? (++*p, 1) : (*p = from, 0);
    }
    while ((**p >= 'a' && **p <= 'z') || (**p >= 'A' && **p <= 'Z'))
        ++*p;
    return *p > from;
}

static int zone_day_of(const char **p, struct zone_day *d)
{
    if (**p != ',' || (*p)[1] != 'M')
        return 0;
    *p += 2;
    d->month = zone_number(p);
    *p += **p == '.';
    d->week = zone_number(p);
    *p += **p == '.';
    d->day = zone_number(p);
    d->at_s = 7200;
    if (**p == '/') {
        ++*p;
        d->at_s = zone_seconds(p);
    }
    return d->month >= 1 && d->month <= 12 && d->week >= 1 && d->week <= 5 && d->day <= 6;
}

static int zone_rule(struct money_zone *z, const char *p)
{
    if (!*p)
        return 1;
    if (!zone_word(&p))
        return 0;
    z->winter = -zone_seconds(&p);
    z->has_rule = 1;
    if (!*p)
        return 1;
    if (!zone_word(&p))
        return 0;
    z->summer = *p == ',' ? z->winter + 3600 : -zone_seconds(&p);
    z->has_summer = 1;
    return zone_day_of(&p, &z->begins) && zone_day_of(&p, &z->ends) && !*p;
}

/* Seconds since 1970 of civil time when the rule's day comes in that year. */
static int64_t zone_day_s(const struct zone_day *d, int64_t year)
{
    int64_t first = wf_date_days(year, (int)d->month, 1);
    int64_t weekday = ((first + 4) % 7 + 7) % 7;
    int64_t day = first + (d->day - weekday + 7) % 7 + (d->week - 1) * 7;
    while (day >= first + wf_date_month_days(year, (int)d->month))
        day -= 7;
    return day * ZONE_DAY_S + d->at_s;
}

static int64_t zone_rule_east(const struct money_zone *z, int64_t utc_s)
{
    if (!z->has_summer)
        return z->winter;
    int64_t year = wf_date_of_ms((utc_s + z->winter) * 1000).year;
    int64_t begins = zone_day_s(&z->begins, year) - z->winter;
    int64_t ends = zone_day_s(&z->ends, year) - z->summer;
    int is_summer =
        begins < ends ? utc_s >= begins && utc_s < ends : utc_s >= begins || utc_s < ends;
    return is_summer ? z->summer : z->winter;
}

/* --- the file --------------------------------------------------------------------------------- */

static int64_t zone_big(const unsigned char *p, int bytes)
{
    uint64_t n = bytes == 4 && p[0] & 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < bytes; i++)
        n = n << 8 | p[i];
    return (int64_t)n;
}

struct zone_head {
    size_t times, types, chars, leaps, standard, ut;
};

static int zone_head_read(const unsigned char *p, size_t left, struct zone_head *h)
{
    if (left < 44 || memcmp(p, "TZif", 4) != 0)
        return 0;
    *h = (struct zone_head){ .ut = (size_t)zone_big(p + 20, 4),
                             .standard = (size_t)zone_big(p + 24, 4),
                             .leaps = (size_t)zone_big(p + 28, 4),
                             .times = (size_t)zone_big(p + 32, 4),
                             .types = (size_t)zone_big(p + 36, 4),
                             .chars = (size_t)zone_big(p + 40, 4) };
    size_t most = ZONE_FILE_MAX;
    return h->ut < most && h->standard < most && h->leaps < most && h->times < most &&
           h->types < most && h->types && h->chars < most;
}

static size_t zone_block(const struct zone_head *h, size_t width)
{
    return h->times * (width + 1) + h->types * 6 + h->chars + h->leaps * (width + 4) + h->standard +
           h->ut;
}

/* The second block has 64 bit times, and the rule stands behind it between line ends. */
static int zone_parse(struct money_zone *z, const unsigned char *p, size_t len)
{
    struct zone_head h;
    if (!zone_head_read(p, len, &h) || p[4] < '2' || len < 44 + zone_block(&h, 4))
        return 0;
    size_t skip = 44 + zone_block(&h, 4);
    p += skip;
    len -= skip;
    if (!zone_head_read(p, len, &h) || len < 44 + zone_block(&h, 8) + 2)
        return 0;
    const unsigned char *times = p + 44, *kinds = times + h.times * 8, *types = kinds + h.times;
    z->changes = calloc(h.times + 1, sizeof *z->changes);
    z->east = calloc(h.times + 1, sizeof *z->east);
    if (!z->changes || !z->east)
        abort();
    z->n = h.times;
    z->first = zone_big(types, 4);
    for (size_t i = 0; i < h.times; i++) {
        if (kinds[i] >= h.types)
            return 0;
        z->changes[i] = zone_big(times + i * 8, 8);
        z->east[i] = zone_big(types + (size_t)kinds[i] * 6, 4);
    }
    const char *rule = (const char *)p + 44 + zone_block(&h, 8);
    const char *end = memchr(rule + 1, '\n', len - 44 - zone_block(&h, 8) - 1);
    char text[128] = "";
    if (*rule != '\n' || !end || (size_t)(end - rule) > sizeof text)
        return 0;
    memcpy(text, rule + 1, (size_t)(end - rule - 1));
    return zone_rule(z, text);
}

static size_t zone_file(const char *name, unsigned char *to)
{
    char path[256];
    if (!*name || strstr(name, "..") || *name == '/' || strlen(name) > 60)
        return 0;
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    FILE *file = fopen(path, "rb");
    size_t n = file ? fread(to, 1, ZONE_FILE_MAX, file) : 0;
    if (file)
        fclose(file);
    return n;
}

struct money_zone *zone_read(const char *name)
{
    struct money_zone *z = calloc(1, sizeof *z);
    unsigned char *bytes = malloc(ZONE_FILE_MAX);
    if (!z || !bytes)
        abort();
    size_t n = strcmp(name, "UTC") ? zone_file(name, bytes) : 0;
    int ok = !strcmp(name, "UTC") || (n && zone_parse(z, bytes, n));
    free(bytes);
    if (ok)
        return z;
    zone_free(z);
    return NULL;
}

void zone_free(struct money_zone *z)
{
    if (!z)
        return;
    free(z->changes);
    free(z->east);
    free(z);
}

int64_t zone_east(const struct money_zone *z, int64_t utc_s)
{
    size_t from = 0, to = z->n;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (z->changes[middle] <= utc_s)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == z->n && z->has_rule)
        return zone_rule_east(z, utc_s);
    return from ? z->east[from - 1] : z->first;
}

/* --- months ----------------------------------------------------------------------------------- */

/* The first instant whose civil time is this or later: before it the offset may be another. */
static int64_t zone_utc(const struct money_zone *z, int64_t civil_s)
{
    int64_t early = civil_s - zone_east(z, civil_s - ZONE_DAY_S);
    int64_t late = civil_s - zone_east(z, civil_s + ZONE_DAY_S);
    int64_t first = early < late ? early : late, second = early < late ? late : early;
    return first + zone_east(z, first) >= civil_s ? first : second;
}

struct money_month month_numbered(const struct money_zone *z, int64_t number)
{
    int64_t year = number / 100;
    int month = (int)(number % 100);
    int64_t next = month == 12 ? (year + 1) * 100 + 1 : number + 1;
    int64_t from = wf_date_days(year, month, 1) * ZONE_DAY_S;
    int64_t to = wf_date_days(next / 100, (int)(next % 100), 1) * ZONE_DAY_S;
    return (struct money_month){ number, zone_utc(z, from) * 1000000, zone_utc(z, to) * 1000000 };
}

struct money_month month_of(const struct money_zone *z, int64_t at_us)
{
    int64_t s = wf_date_floor(at_us, 1000000);
    wf_date d = wf_date_of_ms((s + zone_east(z, s)) * 1000);
    return month_numbered(z, d.year * 100 + d.month);
}
