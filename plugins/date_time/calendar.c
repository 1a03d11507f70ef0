/* SPDX-License-Identifier: Apache-2.0
 * Arithmetic of the Gregorian calendar and formatting, over catalyst/date.h.
 */
#include "calendar.h"
#include <stdarg.h>
#include <stdio.h>

static const int64_t unit_ms[UNITS] = { [WEEK] = 7 * INT64_C(86400000),
                                        [DAY] = 86400000,
                                        [HOUR] = 3600000,
                                        [MINUTE] = 60000,
                                        [SECOND] = 1000,
                                        [MILLISECOND] = 1 };
static const int unit_months[UNITS] = { [YEAR] = 12, [QUARTER] = 3, [MONTH] = 1 };

static int64_t local(int64_t ms, int zone) { return ms + (int64_t)zone * 60000; }

int calendar_add(int64_t *ms, int zone, enum unit unit, int64_t n)
{
    int64_t limit = INT64_C(20000000000000000);
    if (unit > MONTH) {
        if (n > limit / unit_ms[unit] || n < -limit / unit_ms[unit])
            return -1;
        *ms += n * unit_ms[unit];
    } else {
        wf_date d = wf_date_of_ms(local(*ms, zone));
        if (n > 10000000 || n < -10000000)
            return -1;
        int64_t months = d.year * 12 + d.month - 1 + n * unit_months[unit];
        d.year = wf_date_floor(months, 12);
        d.month = (int)(months - d.year * 12) + 1;
        int last = wf_date_month_days(d.year, d.month);
        d.day = d.day < last ? d.day : last;
        *ms = wf_date_ms(&d) - (int64_t)zone * 60000;
    }
    return *ms < -CALENDAR_MAX_MS || *ms > CALENDAR_MAX_MS ? -1 : 0;
}

int64_t calendar_floor(int64_t ms, int zone, enum unit unit)
{
    int64_t at = local(ms, zone);
    if (unit >= DAY) {
        at = wf_date_floor(at, unit_ms[unit]) * unit_ms[unit];
    } else if (unit == WEEK) {
        at = (wf_date_floor(at, unit_ms[DAY]) - calendar_weekday(ms, zone) + 1) * unit_ms[DAY];
    } else {
        wf_date d = wf_date_of_ms(at);
        wf_date first = { .year = d.year,
                          .month = (d.month - 1) / unit_months[unit] * unit_months[unit] + 1,
                          .day = 1 };
        at = wf_date_ms(&first);
    }
    return at - (int64_t)zone * 60000;
}

int64_t calendar_ceiling(int64_t ms, int zone, enum unit unit)
{
    int64_t at = calendar_floor(ms, zone, unit);
    calendar_add(&at, zone, unit, 1);
    return at - 1;
}

int calendar_weekday(int64_t ms, int zone)
{
    int64_t days = wf_date_floor(local(ms, zone), unit_ms[DAY]) + 3; /* 1970-01-01 was a Thursday */
    return (int)(days - wf_date_floor(days, 7) * 7) + 1;
}

/* The week belongs to the year that has its Thursday. */
int calendar_week(int64_t ms, int zone, int64_t *year)
{
    int64_t thursday =
        wf_date_floor(local(ms, zone), unit_ms[DAY]) - calendar_weekday(ms, zone) + 4;
    *year = wf_date_of_ms(thursday * unit_ms[DAY]).year;
    return (int)((thursday - wf_date_days(*year, 1, 1)) / 7) + 1;
}

/* Whole units that fit between, moving *from; to is not before it. */
static int64_t whole_units(int64_t *from, int64_t to, int zone, enum unit unit)
{
    int64_t n, at = *from;
    if (unit > MONTH) {
        n = (to - *from) / unit_ms[unit];
    } else {
        wf_date a = wf_date_of_ms(local(*from, zone)), b = wf_date_of_ms(local(to, zone));
        n = ((b.year - a.year) * 12 + b.month - a.month) / unit_months[unit] + 1;
        while (n > 0 && (at = *from, calendar_add(&at, zone, unit, n) != 0 || at > to))
            n--;
    }
    calendar_add(from, zone, unit, n);
    return n;
}

void calendar_between(int64_t from, int64_t to, int zone, const uint8_t *wanted, double *out)
{
    int64_t start = from < to ? from : to, end = from < to ? to : from, next;
    int smallest = 0;
    for (int unit = 0; unit < UNITS; unit++) {
        out[unit] = 0;
        if (!wanted[unit])
            continue;
        out[unit] = (double)whole_units(&start, end, zone, (enum unit)unit);
        smallest = unit;
    }
    next = start;
    calendar_add(&next, zone, (enum unit)smallest, 1);
    out[smallest] += (double)(end - start) / (double)(next - start);
    for (int unit = 0; from > to && unit < UNITS; unit++)
        out[unit] = out[unit] == 0 ? 0 : -out[unit];
}

/* --- formats ---------------------------------------------------------------------------------- */

static const char *const months[] = { "January",   "February", "March",    "April",
                                      "May",       "June",     "July",     "August",
                                      "September", "October",  "November", "December" };
static const char *const weekdays[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday" };

struct writer {
    char *to;
    size_t size, len;
    wf_date d;
    int64_t ms;
    int zone;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *format, ...)
{
    char text[64];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (int i = 0; i < n && i < (int)sizeof text - 1; i++, w->len++)
        if (w->len + 1 < w->size)
            w->to[w->len] = text[i];
}

/* +2, +02:00, +0200 */
static void put_zone(struct writer *w, size_t count)
{
    int minutes = w->zone < 0 ? -w->zone : w->zone;
    char sign = w->zone < 0 ? '-' : '+';
    if (count == 1 && minutes % 60 == 0)
        put(w, "%c%d", sign, minutes / 60);
    else if (count == 1)
        put(w, "%c%d:%02d", sign, minutes / 60, minutes % 60);
    else
        put(w, count == 2 ? "%c%02d:%02d" : "%c%02d%02d", sign, minutes / 60, minutes % 60);
}

static void put_year(struct writer *w, int64_t year, size_t count)
{
    if (count == 2)
        put(w, "%02lld", (long long)(year - wf_date_floor(year, 100) * 100));
    else
        put(w, "%0*lld", count == 1 ? 1 : (int)count, (long long)year);
}

static void put_name(struct writer *w, const char *name, size_t count)
{
    put(w, "%.*s", count == 3 ? 3 : count == 5 ? 1 : 20, name);
}

/* One run of `count` equal letters of a date; 0 when they are no token. */
static int put_day_token(struct writer *w, char letter, size_t count)
{
    int width = count == 1 ? 1 : 2, weekday = calendar_weekday(w->ms, w->zone);
    int64_t days = wf_date_days(w->d.year, w->d.month, w->d.day), week_year;
    int week = calendar_week(w->ms, w->zone, &week_year);
    if (letter == 'y')
        put_year(w, w->d.year, count);
    else if (letter == 'k')
        put_year(w, week_year, count);
    else if ((letter == 'M' || letter == 'L') && count >= 3)
        put_name(w, months[w->d.month - 1], count);
    else if (letter == 'M' || letter == 'L')
        put(w, "%0*d", width, w->d.month);
    else if ((letter == 'E' || letter == 'c') && count >= 3)
        put_name(w, weekdays[weekday - 1], count);
    else if (letter == 'E' || letter == 'c')
        put(w, "%d", weekday);
    else if (letter == 'd')
        put(w, "%0*d", width, w->d.day);
    else if (letter == 'o')
        put(w, "%0*d", (int)count, (int)(days - wf_date_days(w->d.year, 1, 1)) + 1);
    else if (letter == 'W')
        put(w, "%0*d", width, week);
    else if (letter == 'q')
        put(w, "%0*d", width, (w->d.month - 1) / 3 + 1);
    else
        return 0;
    return 1;
}

/* The same of a time. */
static int put_time_token(struct writer *w, char letter, size_t count)
{
    int width = count == 1 ? 1 : 2;
    switch (letter) {
    case 'H':
        put(w, "%0*d", width, w->d.hour);
        break;
    case 'h':
        put(w, "%0*d", width, (w->d.hour + 11) % 12 + 1);
        break;
    case 'm':
        put(w, "%0*d", width, w->d.minute);
        break;
    case 's':
        put(w, "%0*d", width, w->d.second);
        break;
    case 'S':
        put(w, "%0*d", count == 1 ? 1 : 3, w->d.ms);
        break;
    case 'a':
        put(w, "%s", w->d.hour < 12 ? "AM" : "PM");
        break;
    case 'Z':
        put_zone(w, count);
        break;
    case 'X':
        put(w, "%lld", (long long)wf_date_floor(w->ms, 1000));
        break;
    case 'x':
        put(w, "%lld", (long long)w->ms);
        break;
    default:
        return 0;
    }
    return 1;
}

size_t calendar_format(int64_t ms, int zone, const char *format, size_t len, char *to, size_t size)
{
    struct writer w = {
        .to = to, .size = size, .d = wf_date_of_ms(local(ms, zone)), .ms = ms, .zone = zone
    };
    for (size_t i = 0; i < len;) {
        size_t n = 1;
        if (format[i] == '\'') { /* text as it stands */
            for (i++; i < len && format[i] != '\''; i++)
                put(&w, "%c", format[i]);
            i++;
            continue;
        }
        while (i + n < len && n < 6 && format[i + n] == format[i])
            n++;
        if (!put_day_token(&w, format[i], n) && !put_time_token(&w, format[i], n))
            for (size_t k = 0; k < n; k++)
                put(&w, "%c", format[i]);
        i += n;
    }
    if (size)
        to[w.len < size ? w.len : size - 1] = 0;
    return w.len;
}
