/* SPDX-License-Identifier: Apache-2.0
 * Reading zone files: a table of changes, and behind its end a rule ("CET-1CEST,M3.5.0,M10.5.0/3")
 * that goes on for ever. Thread: any; zone_open reads a file.
 */
#include "base/zone.h"
#include <catalyst/date.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, NAME_MAX_BYTES = 255, DAY_S = 86400 };

/* When a rule changes the clock in a year. */
struct rule_date {
    char kind; /* 'M' month, week, day; 'J' day 1..365 without leap days; 'D' day 0..365 */
    int month, week, day;
    int64_t at; /* seconds of civil time after that day began; may be negative */
};

struct zone {
    char *name;
    int64_t *changes; /* times, ascending; n of them */
    int64_t *offsets; /* from each change on */
    size_t n;
    int64_t first; /* offset before the first change */
    bool has_rule, has_summer;
    int64_t winter, summer; /* offsets by the rule */
    struct rule_date begins, ends;
};

/* --- the rule --------------------------------------------------------------------------------- */

static bool take_number(const char **p, int max, int *out)
{
    int n = 0, digits = 0;
    for (; **p >= '0' && **p <= '9' && digits < 4; ++*p, digits++)
        n = n * 10 + (**p - '0');
    *out = n;
    return digits && n <= max;
}

/* [+-]h[h[h]][:mm[:ss]] */
static bool take_time(const char **p, int64_t *out)
{
    int64_t sign = **p == '-' ? -1 : 1;
    int part[3] = { 0, 0, 0 };
    if (**p == '-' || **p == '+')
        ++*p;
    for (int i = 0; i < 3; i++) {
        if (!take_number(p, i ? 59 : 167, &part[i]))
            return false;
        if (**p != ':')
            break;
        ++*p;
    }
    *out = sign * (part[0] * 3600 + part[1] * 60 + part[2]);
    return true;
}

static bool take_zone_name(const char **p)
{
    const char *start = *p;
    if (**p == '<') {
        const char *end = strchr(*p, '>');
        *p = end ? end + 1 : *p;
        return end != NULL;
    }
    while ((**p >= 'a' && **p <= 'z') || (**p >= 'A' && **p <= 'Z'))
        ++*p;
    return *p - start >= 3;
}

static bool take_date(const char **p, struct rule_date *d)
{
    bool ok;
    d->at = 2 * 3600;
    if (**p == 'M') {
        d->kind = *(*p)++;
        ok = take_number(p, 12, &d->month) && d->month > 0 && *(*p)++ == '.' &&
             take_number(p, 5, &d->week) && d->week > 0 && *(*p)++ == '.' &&
             take_number(p, 6, &d->day);
    } else {
        d->kind = **p == 'J' ? 'J' : 'D';
        *p += **p == 'J';
        ok = take_number(p, 365, &d->day);
    }
    if (!ok || **p != '/')
        return ok;
    ++*p;
    return take_time(p, &d->at);
}

/* Empty: the table is all there is. */
static bool parse_rule(struct zone *z, const char *text)
{
    const char *p = text;
    if (!*p)
        return true;
    if (!take_zone_name(&p) || !take_time(&p, &z->winter))
        return false;
    z->winter = -z->winter;
    z->has_rule = true;
    if (!*p)
        return true;
    if (!take_zone_name(&p))
        return false;
    z->summer = z->winter + 3600;
    if (*p != ',') {
        if (!take_time(&p, &z->summer))
            return false;
        z->summer = -z->summer;
    }
    z->has_summer = true;
    return *p++ == ',' && take_date(&p, &z->begins) && *p++ == ',' && take_date(&p, &z->ends) &&
           !*p;
}

static int64_t year_of(int64_t seconds)
{
    return wf_date_of_ms(wf_date_floor(seconds, DAY_S) * 86400000).year;
}

/* Days since 1970. */
static int64_t rule_day(const struct rule_date *d, int64_t year)
{
    int64_t jan1 = wf_date_days(year, 1, 1);
    bool leap = wf_date_month_days(year, 2) == 29;
    if (d->kind == 'D')
        return jan1 + d->day;
    if (d->kind == 'J')
        return jan1 + d->day - 1 + (leap && d->day >= 60);
    int64_t first = wf_date_days(year, d->month, 1);
    int64_t weekday = ((first + 4) % 7 + 7) % 7;
    int64_t day = first + (d->day - weekday + 7) % 7 + (d->week - 1) * 7;
    while (day >= first + wf_date_month_days(year, d->month))
        day -= 7;
    return day;
}

static void rule_changes(const struct zone *z, int64_t year, int64_t *begins, int64_t *ends)
{
    *begins = rule_day(&z->begins, year) * DAY_S + z->begins.at - z->winter;
    *ends = rule_day(&z->ends, year) * DAY_S + z->ends.at - z->summer;
}

static int64_t rule_offset(const struct zone *z, int64_t utc)
{
    if (!z->has_summer)
        return z->winter;
    int64_t latest = INT64_MIN, offset = z->winter, year = year_of(utc);
    for (int64_t y = year - 1; y <= year + 1; y++) {
        int64_t begins, ends;
        rule_changes(z, y, &begins, &ends);
        if (begins <= utc && begins >= latest) {
            latest = begins;
            offset = z->summer;
        }
        if (ends <= utc && ends > latest) {
            latest = ends;
            offset = z->winter;
        }
    }
    return offset;
}

static int64_t rule_next_change(const struct zone *z, int64_t utc)
{
    int64_t next = INT64_MAX, year = year_of(utc);
    for (int64_t y = year - 1; z->has_summer && y <= year + 1; y++) {
        int64_t begins, ends;
        rule_changes(z, y, &begins, &ends);
        if (begins > utc && begins < next)
            next = begins;
        if (ends > utc && ends < next)
            next = ends;
    }
    return next;
}

/* --- questions -------------------------------------------------------------------------------- */

/* How many changes lie at or before that time. */
static size_t changes_before(const struct zone *z, int64_t utc)
{
    size_t low = 0, high = z->n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (z->changes[mid] <= utc)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

int64_t zone_offset(const struct zone *z, int64_t utc)
{
    size_t n = changes_before(z, utc);
    if (n == z->n && z->has_rule)
        return rule_offset(z, utc);
    return n ? z->offsets[n - 1] : z->first;
}

int64_t zone_next_change(const struct zone *z, int64_t utc)
{
    size_t n = changes_before(z, utc);
    if (n < z->n)
        return z->changes[n];
    return z->has_rule ? rule_next_change(z, utc) : INT64_MAX;
}

int64_t zone_to_utc(const struct zone *z, int64_t civil)
{
    int64_t before = zone_offset(z, civil - DAY_S), after = zone_offset(z, civil + DAY_S);
    int64_t early = civil - (before > after ? before : after),
            late = civil - (before < after ? before : after);
    if (early + zone_offset(z, early) == civil)
        return early;
    if (late + zone_offset(z, late) == civil)
        return late;
    return zone_next_change(z, early);
}

const char *zone_name(const struct zone *z) { return z->name; }

/* --- the file --------------------------------------------------------------------------------- */

struct tz_header {
    uint32_t isut, isstd, leaps, times, types, chars;
};

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const unsigned char *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static bool read_header(const unsigned char *p, size_t len, struct tz_header *h)
{
    if (len < 44 || memcmp(p, "TZif", 4) != 0)
        return false;
    *h = (struct tz_header){ be32(p + 20), be32(p + 24), be32(p + 28),
                             be32(p + 32), be32(p + 36), be32(p + 40) };
    return h->isut < 10000 && h->isstd < 10000 && h->leaps < 10000 && h->times < 100000 &&
           h->types <= 256 && h->types > 0 && h->chars < 10000;
}

static size_t body_bytes(const struct tz_header *h, size_t time_bytes)
{
    return h->times * time_bytes + h->times + h->types * 6 + h->chars +
           h->leaps * (time_bytes + 4) + h->isstd + h->isut;
}

static bool read_table(struct zone *z, const unsigned char *p, const struct tz_header *h)
{
    const unsigned char *indices = p + (size_t)h->times * 8, *types = indices + h->times;
    z->changes = xcalloc(h->times + 1, sizeof *z->changes);
    z->offsets = xcalloc(h->times + 1, sizeof *z->offsets);
    z->n = h->times;
    z->first = (int32_t)be32(types);
    for (size_t i = 0; i < z->n; i++) {
        z->changes[i] = be64(p + i * 8);
        if (indices[i] >= h->types || (i && z->changes[i] <= z->changes[i - 1]))
            return false;
        z->offsets[i] = (int32_t)be32(types + indices[i] * 6u);
        if (z->offsets[i] <= -7 * DAY_S || z->offsets[i] >= 7 * DAY_S)
            return false;
    }
    return true;
}

static bool read_rule(struct zone *z, const unsigned char *p, size_t len)
{
    const unsigned char *end = len > 1 && p[0] == '\n' ? memchr(p + 1, '\n', len - 1) : NULL;
    char text[128];
    if (!end || (size_t)(end - p) > sizeof text)
        return false;
    memcpy(text, p + 1, (size_t)(end - p - 1));
    text[end - p - 1] = 0;
    return parse_rule(z, text);
}

static bool read_all(struct zone *z, const unsigned char *p, size_t len)
{
    struct tz_header h;
    if (!read_header(p, len, &h) || p[4] < '2' || len - 44 < body_bytes(&h, 4))
        return false;
    size_t skip = 44 + body_bytes(&h, 4); /* the table for readers of 32-bit times */
    if (!read_header(p + skip, len - skip, &h) || len - skip - 44 < body_bytes(&h, 8))
        return false;
    const unsigned char *body = p + skip + 44;
    size_t bytes = body_bytes(&h, 8);
    return read_table(z, body, &h) && read_rule(z, body + bytes, len - skip - 44 - bytes);
}

struct zone *zone_parse(const char *name, const void *bytes, size_t len, struct err *err)
{
    struct zone *z = xcalloc(1, sizeof *z);
    z->name = xstrdup(name);
    if (read_all(z, bytes, len))
        return z;
    zone_close(z);
    err_set(err, ERR_INVALID, "time zone '%s': its file is damaged", name);
    return NULL;
}

static bool is_safe_name(const char *name)
{
    size_t len = strlen(name);
    if (!len || len > NAME_MAX_BYTES || name[0] == '/' || strstr(name, ".."))
        return false;
    for (; *name; name++)
        if (!strchr("_+-/", *name) && !(*name >= '0' && *name <= '9') &&
            !(*name >= 'a' && *name <= 'z') && !(*name >= 'A' && *name <= 'Z'))
            return false;
    return true;
}

struct zone *zone_fixed(const char *name, int64_t offset_s)
{
    struct zone *z = xcalloc(1, sizeof *z);
    z->name = xstrdup(name);
    z->first = offset_s;
    return z;
}

struct zone *zone_open(const char *name, struct err *err)
{
    char path[320];
    if (!strcmp(name, "UTC"))
        return zone_fixed(name, 0);
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%.255s", name);
    FILE *f = is_safe_name(name) ? fopen(path, "rbe") : NULL;
    if (!f) {
        err_set(err, ERR_NOT_FOUND, "time zone '%.255s' is not known on this machine", name);
        return NULL;
    }
    unsigned char *bytes = xmalloc(FILE_MAX);
    size_t len = fread(bytes, 1, FILE_MAX, f);
    fclose(f);
    struct zone *z = zone_parse(name, bytes, len, err);
    free(bytes);
    return z;
}

void zone_close(struct zone *z)
{
    if (!z)
        return;
    free(z->name);
    free(z->changes);
    free(z->offsets);
    free(z);
}
