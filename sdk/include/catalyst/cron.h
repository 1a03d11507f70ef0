/* SPDX-License-Identifier: Apache-2.0
 * catalyst/cron.h - cron expressions: from text to bits, and to the next civil time. Header only,
 * needs libc only. The schedule plugin checks with it, the engine fires with it.
 *
 * An expression has five fields (minute hour day month weekday) or six, with seconds in front.
 * Fields take *, numbers, lists, ranges, steps and English names of months and days; 0 and 7 are
 * Sunday. When both day fields are restricted, a day that either names counts, as cron always had
 * it.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#ifndef WF_CRON_EXPR_H
#define WF_CRON_EXPR_H
#include <catalyst/date.h>
#include <stdio.h>

typedef enum {
    WF_CRON_ALL,
    WF_CRON_SECONDS,
    WF_CRON_MINUTES,
    WF_CRON_HOURS,
    WF_CRON_DAYS,
    WF_CRON_WEEKS,
    WF_CRON_MONTHS
} wf_cron_unit;

typedef struct {
    uint64_t seconds, minutes; /* bit n: that second */
    uint64_t hours, days;      /* days: bits 1..31 */
    uint64_t months, weekdays; /* months: bits 1..12; weekdays: bits 0..6, 0 is Sunday */
    int any_day, any_weekday;  /* the field was * or ? */
    /* And of what matches only each `every`-th unit, counted in civil time from 1970 on; weeks
     * begin on Monday. */
    wf_cron_unit unit;
    int64_t every;
} wf_cron_bits;

/* --- reading ---------------------------------------------------------------------------------- */

enum {
    WF_CRON_SECOND,
    WF_CRON_MINUTE,
    WF_CRON_HOUR,
    WF_CRON_DAY,
    WF_CRON_MONTH,
    WF_CRON_WEEKDAY,
    WF_CRON_FIELDS
};

/* Where the reading stands. */
typedef struct {
    const char *at, *end; /* of one field */
    const char *text;     /* that field's begin, for messages */
    int field, min, max;
    char *why;
    size_t why_size;
} wf_cron_reader;

static inline int wf_cron_wrong(const wf_cron_reader *r, const char *what)
{
    static const char *const names[] = { "second", "minute", "hour", "day", "month", "weekday" };
    int len = (int)(r->end - r->text);
    snprintf(r->why, r->why_size, "cron: %s field '%.*s': %s", names[r->field], len > 60 ? 60 : len,
             r->text, what);
    return -1;
}

static inline int wf_cron_odd(const wf_cron_reader *r, const char *what)
{
    for (const char *p = r->at; p < r->end; p++)
        if (strchr("LlWw#", *p))
            return wf_cron_wrong(r, "L, W and # are not known; name the days, or let a condition "
                                    "choose");
    return wf_cron_wrong(r, what);
}

/* Up to four digits; -1: none. */
static inline int wf_cron_number(wf_cron_reader *r)
{
    int n = 0, digits = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9' && digits < 4; r->at++, digits++)
        n = n * 10 + (*r->at - '0');
    return digits ? n : -1;
}

static inline int wf_cron_name(wf_cron_reader *r)
{
    static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec",
                      days[] = "sunmontuewedthufrisat";
    const char *names = r->field == WF_CRON_MONTH     ? months
                        : r->field == WF_CRON_WEEKDAY ? days
                                                      : "";
    for (int i = 0; names[i]; i += 3)
        if (r->end - r->at >= 3 && (r->at[0] | 32) == names[i] && (r->at[1] | 32) == names[i + 1] &&
            (r->at[2] | 32) == names[i + 2]) {
            r->at += 3;
            while (r->at < r->end && (*r->at | 32) >= 'a' && (*r->at | 32) <= 'z')
                r->at++; /* "monday" is as good as "mon" */
            return r->min + i / 3;
        }
    return -1;
}

static inline int wf_cron_value(wf_cron_reader *r, int *out)
{
    char what[60];
    int n = wf_cron_number(r);
    if (n < 0)
        n = wf_cron_name(r);
    if (n < 0)
        return wf_cron_odd(r,
                           r->field >= WF_CRON_MONTH ? "wants numbers or names" : "wants numbers");
    *out = n;
    if (n >= r->min && n <= r->max)
        return 0;
    snprintf(what, sizeof what, "%d is not between %d and %d", n, r->min, r->max);
    return wf_cron_wrong(r, what);
}

/* One of a list: "*", "5", "1-5", any of them with "/step". */
static inline int wf_cron_part(wf_cron_reader *r, uint64_t *bits)
{
    int from = r->min, to = r->max, step = 1, one = 0;
    if (r->at < r->end && (*r->at == '*' || *r->at == '?')) {
        r->at++;
    } else {
        if (wf_cron_value(r, &from) != 0)
            return -1;
        to = from;
        one = 1;
        if (r->at < r->end && *r->at == '-') {
            r->at++;
            one = 0;
            if (wf_cron_value(r, &to) != 0)
                return -1;
            if (r->field == WF_CRON_WEEKDAY && to == 0 && from > 0)
                to = 7; /* fri-sun */
        }
    }
    if (to < from)
        return wf_cron_wrong(r, "a range runs upwards; write two, such as 22-23,0-2");
    if (r->at < r->end && *r->at == '/') {
        r->at++;
        step = wf_cron_number(r);
        if (step < 1)
            return wf_cron_wrong(r, "a step is a number from 1 on");
        if (one)
            to = r->max;
    }
    if (r->at < r->end && *r->at != ',')
        return wf_cron_odd(r, "cannot be read; write 5, 1-5, */10 or a list of these");
    for (int i = from; i <= to; i += step)
        *bits |= (uint64_t)1 << i;
    return 0;
}

static inline int wf_cron_field(wf_cron_reader *r, uint64_t *bits)
{
    static const int lowest[] = { 0, 0, 0, 1, 1, 0 }, highest[] = { 59, 59, 23, 31, 12, 7 };
    r->min = lowest[r->field];
    r->max = highest[r->field];
    *bits = 0;
    for (r->at = r->text;; r->at++) {
        if (wf_cron_part(r, bits) != 0)
            return -1;
        if (r->at == r->end)
            return 0;
    }
}

/* "31 2": days that no month of these has. */
static inline int wf_cron_ever(const wf_cron_bits *c)
{
    for (int month = 1; month <= 12; month++)
        if (c->months >> month & 1 &&
            c->days & (((uint64_t)2 << wf_date_month_days(2000, month)) - 2))
            return 1;
    return !c->any_weekday;
}

static inline const char *wf_cron_macro(const char *text)
{
    static const char *const macros[][2] = {
        { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" },
        { "@weekly", "0 0 * * 0" }, { "@daily", "0 0 * * *" },    { "@midnight", "0 0 * * *" },
        { "@hourly", "0 * * * *" }, { "@minutely", "* * * * *" }, { "@secondly", "* * * * * *" },
    };
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        if (!strcmp(text, macros[i][0]))
            return macros[i][1];
    return text;
}

/* 0, or -1 with why: which field, what is wrong, what to write. */
static inline int wf_cron_parse(const char *text, wf_cron_bits *out, char *why, size_t why_size)
{
    const char *begins[WF_CRON_FIELDS + 1], *ends[WF_CRON_FIELDS + 1];
    uint64_t bits[WF_CRON_FIELDS] = { 1 };
    int n = 0;
    for (const char *p = wf_cron_macro(text); n <= WF_CRON_FIELDS;) {
        p += strspn(p, " \t\n");
        if (!*p)
            break;
        begins[n] = p;
        p += strcspn(p, " \t\n");
        ends[n++] = p;
    }
    if (n != WF_CRON_FIELDS && n != WF_CRON_FIELDS - 1) {
        snprintf(why, why_size,
                 "cron: '%.100s' has %s%d field%s; it wants five (minute hour day month weekday) "
                 "or six with seconds in front",
                 text, n > WF_CRON_FIELDS ? "more than " : "",
                 n > WF_CRON_FIELDS ? WF_CRON_FIELDS : n, n == 1 ? "" : "s");
        return -1;
    }
    int shift = WF_CRON_FIELDS - n;
    for (int i = shift; i < WF_CRON_FIELDS; i++) {
        wf_cron_reader r = { .text = begins[i - shift],
                             .end = ends[i - shift],
                             .field = i,
                             .why = why,
                             .why_size = why_size };
        if (wf_cron_field(&r, &bits[i]) != 0)
            return -1;
    }
    char day = *begins[WF_CRON_DAY - shift], weekday = *begins[WF_CRON_WEEKDAY - shift];
    *out = (wf_cron_bits){ .seconds = bits[WF_CRON_SECOND],
                           .minutes = bits[WF_CRON_MINUTE],
                           .hours = bits[WF_CRON_HOUR],
                           .days = bits[WF_CRON_DAY],
                           .months = bits[WF_CRON_MONTH],
                           .weekdays = (bits[WF_CRON_WEEKDAY] | bits[WF_CRON_WEEKDAY] >> 7) & 127,
                           .any_day = day == '*' || day == '?',
                           .any_weekday = weekday == '*' || weekday == '?',
                           .every = 1 };
    if (wf_cron_ever(out))
        return 0;
    snprintf(why, why_size, "cron: '%.100s': no month it names has such a day", text);
    return -1;
}

/* --- the next civil time ---------------------------------------------------------------------- */

enum { WF_CRON_YEARS_AHEAD = 12 };

/* The lowest bit from `from` on, or -1. */
static inline int wf_cron_bit(uint64_t bits, int from)
{
    for (; from < 64; from++)
        if (bits >> from & 1)
            return from;
    return -1;
}

static inline int wf_cron_each(const wf_cron_bits *c, wf_cron_unit unit, int64_t count)
{
    return c->unit != unit || c->every <= 1 || count % c->every == 0;
}

static inline int wf_cron_day_fits(const wf_cron_bits *c, const wf_date *d)
{
    int64_t days = wf_date_days(d->year, d->month, d->day);
    int day = c->days >> d->day & 1, weekday = c->weekdays >> ((days + 4) % 7) & 1;
    int fits = c->any_day || c->any_weekday ? day && weekday : day || weekday;
    return fits && wf_cron_each(c, WF_CRON_DAYS, days) &&
           wf_cron_each(c, WF_CRON_WEEKS, (days + 3) / 7);
}

/* Moves to the first fitting day from d on: 0 it was d, 1 it is a later one, -1 there is none. */
static inline int wf_cron_find_day(const wf_cron_bits *c, wf_date *d)
{
    int64_t limit = d->year + WF_CRON_YEARS_AHEAD;
    for (int moved = 0;; moved = 1) {
        if (d->day > wf_date_month_days(d->year, d->month)) {
            d->day = 1;
            d->year += d->month == 12;
            d->month = d->month % 12 + 1;
        }
        if (d->year > limit)
            return -1;
        if (!(c->months >> d->month & 1) ||
            !wf_cron_each(c, WF_CRON_MONTHS, d->year * 12 + d->month - 1))
            d->day = 32;
        else if (wf_cron_day_fits(c, d))
            return moved;
        else
            d->day++;
    }
}

static inline int wf_cron_find_second(const wf_cron_bits *c, int64_t minutes, int from)
{
    for (int s = from; (s = wf_cron_bit(c->seconds, s)) >= 0; s++)
        if (wf_cron_each(c, WF_CRON_SECONDS, minutes * 60 + s))
            return s;
    return -1;
}

/* Moves to the first fitting time of that day from d's on; 0: none is left. */
static inline int wf_cron_find_time(const wf_cron_bits *c, wf_date *d)
{
    int64_t days = wf_date_days(d->year, d->month, d->day);
    int minute = d->minute, second = d->second;
    for (int hour = d->hour; (hour = wf_cron_bit(c->hours, hour)) >= 0; hour++) {
        if (hour > d->hour)
            minute = second = 0;
        if (!wf_cron_each(c, WF_CRON_HOURS, days * 24 + hour))
            continue;
        for (int m = minute; (m = wf_cron_bit(c->minutes, m)) >= 0; m++) {
            int64_t minutes = (days * 24 + hour) * 60 + m;
            int s = wf_cron_each(c, WF_CRON_MINUTES, minutes)
                        ? wf_cron_find_second(c, minutes, m > minute ? 0 : second)
                        : -1;
            if (s < 0)
                continue;
            d->hour = hour;
            d->minute = m;
            d->second = s;
            return 1;
        }
    }
    return 0;
}

/* The first fitting civil second (counted as if it were UTC) from `civil` on; INT64_MIN: none. */
static inline int64_t wf_cron_next(const wf_cron_bits *c, int64_t civil)
{
    wf_date d = wf_date_of_ms(civil * 1000);
    for (;;) {
        int moved = wf_cron_find_day(c, &d);
        if (moved < 0)
            return INT64_MIN;
        if (moved)
            d.hour = d.minute = d.second = 0;
        if (wf_cron_find_time(c, &d))
            return wf_date_floor(wf_date_ms(&d), 1000);
        d.day++;
        d.hour = d.minute = d.second = 0;
    }
}
#endif
