/* SPDX-License-Identifier: Apache-2.0
 * catalyst/date.h - points in time for plugins. Header only, needs libc only.
 *
 * Items carry times as ISO 8601 text, as the text of mails and HTTP headers, or as milliseconds
 * since 1970 UTC. strptime() hangs on a locale and wants to know the format before; this reads all
 * of them. A text without zone is read as UTC, so that an engine's own zone never changes a result.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#ifndef WF_DATE_H
#define WF_DATE_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    int64_t year;
    int month, day; /* 1..12, 1..31 */
    int hour, minute, second, ms;
} wf_date;

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back. */
static inline int64_t wf_date_days(int64_t year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static inline int64_t wf_date_floor(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static inline wf_date wf_date_of_ms(int64_t ms)
{
    int64_t days = wf_date_floor(ms, 86400000), rest = ms - days * 86400000;
    int64_t z = days + 719468, era = wf_date_floor(z, 146097), of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100),
            month = (5 * of_year + 2) / 153;
    return (wf_date){ .year = year + era * 400 + (month >= 10),
                      .month = (int)(month < 10 ? month + 3 : month - 9),
                      .day = (int)(of_year - (153 * month + 2) / 5 + 1),
                      .hour = (int)(rest / 3600000),
                      .minute = (int)(rest / 60000 % 60),
                      .second = (int)(rest / 1000 % 60),
                      .ms = (int)(rest % 1000) };
}

static inline int wf_date_month_days(int64_t year, int month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* Milliseconds since 1970 UTC; the fields may be out of range by a carry, such as minute 75. */
static inline int64_t wf_date_ms(const wf_date *d)
{
    int64_t days = wf_date_days(d->year, d->month, d->day);
    return ((days * 24 + d->hour) * 60 + d->minute) * 60000 + (int64_t)d->second * 1000 + d->ms;
}

/* --- reading text: small readers that move *p and answer 0, or -1 ----------------------------- */

static inline int wf_date_digits(const char **p, const char *end, int min, int max, int *out)
{
    int n = 0, v = 0;
    while (*p < end && n < max && **p >= '0' && **p <= '9') {
        v = v * 10 + (**p - '0');
        ++*p;
        n++;
    }
    *out = v;
    return n >= min ? 0 : -1;
}

static inline int wf_date_char(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return -1;
    ++*p;
    return 0;
}

/* Z, GMT, UTC, +02, +0200, +02:00 or nothing; minutes east of Greenwich. */
static inline int wf_date_zone(const char **p, const char *end, int *minutes)
{
    int h, m = 0;
    *minutes = 0;
    if (end - *p >= 3 && (memcmp(*p, "GMT", 3) == 0 || memcmp(*p, "UTC", 3) == 0)) {
        *p += 3;
        return 0;
    }
    if (*p < end && (**p == 'Z' || **p == 'z')) {
        ++*p;
        return 0;
    }
    if (*p == end || (**p != '+' && **p != '-'))
        return 0;
    int sign = *(*p)++ == '-' ? -1 : 1;
    if (wf_date_digits(p, end, 2, 2, &h) != 0 || h > 18)
        return -1;
    int colon = wf_date_char(p, end, ':') == 0;
    if ((colon || *p < end) && (wf_date_digits(p, end, 2, 2, &m) != 0 || m > 59))
        return -1;
    *minutes = sign * (h * 60 + m);
    return 0;
}

/* 12:30, 12:30:15, 12:30:15.123456, 123015 */
static inline int wf_date_clock(const char **p, const char *end, wf_date *d)
{
    int digit, scale = 100;
    if (wf_date_digits(p, end, 2, 2, &d->hour) != 0)
        return -1;
    int colon = wf_date_char(p, end, ':') == 0;
    if (*p == end || (!colon && (**p < '0' || **p > '9')))
        return 0;
    if (wf_date_digits(p, end, 2, 2, &d->minute) != 0)
        return -1;
    if (colon ? wf_date_char(p, end, ':') != 0 : *p == end || **p < '0' || **p > '9')
        return 0;
    if (wf_date_digits(p, end, 2, 2, &d->second) != 0)
        return -1;
    if (wf_date_char(p, end, '.') != 0 && wf_date_char(p, end, ',') != 0)
        return 0;
    for (int n = 0; *p < end && **p >= '0' && **p <= '9'; n++, scale /= 10) {
        wf_date_digits(p, end, 1, 1, &digit);
        d->ms += digit * scale;
        if (n == 9)
            return -1;
    }
    return 0;
}

static inline int wf_date_valid(const wf_date *d)
{
    if (d->hour == 24 && (d->minute || d->second || d->ms))
        return 0;
    return d->month >= 1 && d->month <= 12 && d->day >= 1 &&
           d->day <= wf_date_month_days(d->year, d->month) && d->hour <= 24 && d->minute <= 59 &&
           d->second <= 60;
}

/* 2024-01-31, 2024-01, 2024, 2024/01/31, 20240131, each with a time behind T or a space. */
static inline int wf_date_iso(const char *p, const char *end, wf_date *d, int *zone)
{
    int year;
    if (wf_date_digits(&p, end, 4, 4, &year) != 0)
        return -1;
    d->year = year;
    if (p == end)
        return 0;
    char sep = *p;
    if (sep == '-' || sep == '/')
        p++;
    if (wf_date_digits(&p, end, 2, 2, &d->month) != 0)
        return -1;
    if (p == end)
        return sep == '-' ? 0 : -1;
    if ((sep == '-' || sep == '/') && wf_date_char(&p, end, sep) != 0)
        return -1;
    if (wf_date_digits(&p, end, 2, 2, &d->day) != 0)
        return -1;
    if (p == end)
        return 0;
    if (wf_date_char(&p, end, 'T') != 0 && wf_date_char(&p, end, 't') != 0 &&
        wf_date_char(&p, end, ' ') != 0)
        return -1;
    if (wf_date_clock(&p, end, d) != 0)
        return -1;
    while (p < end && *p == ' ')
        p++;
    if (wf_date_zone(&p, end, zone) != 0)
        return -1;
    return p == end ? 0 : -1;
}

static inline int wf_date_month_name(const char **p, const char *end, int *month)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    if (end - *p < 3)
        return -1;
    for (*month = 1; *month <= 12; ++*month) {
        const char *name = names + 3 * (*month - 1);
        if (((*p)[0] | 32) == name[0] && ((*p)[1] | 32) == name[1] && ((*p)[2] | 32) == name[2]) {
            *p += 3;
            return 0;
        }
    }
    return -1;
}

/* Tue, 15 Nov 1994 08:12:31 GMT; the day's name, the seconds and the zone may be missing. */
static inline int wf_date_mail(const char *p, const char *end, wf_date *d, int *zone)
{
    int year;
    const char *comma = memchr(p, ',', (size_t)(end - p));
    if (comma)
        p = comma + 1;
    while (p < end && *p == ' ')
        p++;
    if (wf_date_digits(&p, end, 1, 2, &d->day) != 0 || wf_date_char(&p, end, ' ') != 0 ||
        wf_date_month_name(&p, end, &d->month) != 0 || wf_date_char(&p, end, ' ') != 0 ||
        wf_date_digits(&p, end, 4, 4, &year) != 0)
        return -1;
    d->year = year;
    if (p == end)
        return 0;
    if (wf_date_char(&p, end, ' ') != 0 || wf_date_clock(&p, end, d) != 0)
        return -1;
    while (p < end && *p == ' ')
        p++;
    if (wf_date_zone(&p, end, zone) != 0)
        return -1;
    return p == end ? 0 : -1;
}

/* Reads a point in time. 0 with milliseconds since 1970 UTC, or -1. */
static inline int wf_date_parse(const char *text, size_t len, int64_t *ms)
{
    wf_date d = { .month = 1, .day = 1 };
    const char *end = text + len;
    int zone = 0, iso;
    while (text < end && *text == ' ')
        text++;
    while (end > text && end[-1] == ' ')
        end--;
    if (text == end)
        return -1;
    iso = wf_date_iso(text, end, &d, &zone) == 0;
    if (!iso) {
        d = (wf_date){ .month = 1, .day = 1 };
        zone = 0;
        if (wf_date_mail(text, end, &d, &zone) != 0)
            return -1;
    }
    if (!wf_date_valid(&d))
        return -1;
    d.minute -= zone;
    *ms = wf_date_ms(&d);
    return 0;
}

enum { WF_DATE_TEXT_SIZE = 40 };

/* Writes 2024-01-31T12:30:15.000Z; zone_minutes east of Greenwich. Returns the length. `to` has
 * WF_DATE_TEXT_SIZE bytes and gets a NUL. Years outside 0..9999 are written with a sign and six
 * digits. */
static inline size_t wf_date_text(int64_t ms, int zone_minutes, char *to)
{
    wf_date d = wf_date_of_ms(ms + (int64_t)zone_minutes * 60000);
    char *p = to;
    int wide = d.year < 0 || d.year > 9999;
    uint64_t year = (uint64_t)(d.year < 0 ? -d.year : d.year);
    const struct {
        uint64_t value;
        int digits;
        char before;
    } parts[] = { { year, wide ? 6 : 4, wide ? d.year < 0 ? '-' : '+' : 0 },
                  { (uint64_t)d.month, 2, '-' },
                  { (uint64_t)d.day, 2, '-' },
                  { (uint64_t)d.hour, 2, 'T' },
                  { (uint64_t)d.minute, 2, ':' },
                  { (uint64_t)d.second, 2, ':' },
                  { (uint64_t)d.ms, 3, '.' } };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        uint64_t v = parts[i].value;
        if (parts[i].before)
            *p++ = parts[i].before;
        for (int n = parts[i].digits - 1; n >= 0; n--, v /= 10)
            p[n] = (char)('0' + v % 10);
        p += parts[i].digits;
    }
    if (zone_minutes) {
        int z = zone_minutes < 0 ? -zone_minutes : zone_minutes;
        *p++ = zone_minutes < 0 ? '-' : '+';
        *p++ = (char)('0' + z / 600 % 10);
        *p++ = (char)('0' + z / 60 % 10);
        *p++ = ':';
        *p++ = (char)('0' + z % 60 / 10);
        *p++ = (char)('0' + z % 10);
    } else {
        *p++ = 'Z';
    }
    *p = 0;
    return (size_t)(p - to);
}

#endif
