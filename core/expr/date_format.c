/* SPDX-License-Identifier: Apache-2.0
 * date_format: dates as text and text as dates: ISO 8601, the free forms that JavaScript's Date
 * reads, and Luxon's format tokens. Month and day names are English. The worker's thread.
 */
#include "expr/date_int.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *const date_month_names[12] = { "January",   "February", "March",    "April",
                                           "May",       "June",     "July",     "August",
                                           "September", "October",  "November", "December" };
const char *const date_day_names[7] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday" };

static size_t offset_text(char *to, size_t size, int seconds, const char *format)
{
    int minutes = abs(seconds) / 60;
    return (size_t)snprintf(to, size, format, seconds < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

size_t date_iso(const struct js_date *d, char to[DATE_TEXT_MAX])
{
    struct date_fields f;
    if (d->ms != d->ms)
        return (size_t)sprintf(to, "Invalid %s", d->luxon ? "DateTime" : "Date");
    date_split(d->ms, d->zone, &f);
    bool utc = !d->luxon || !strcmp(date_zone_name(d->zone), "UTC");
    if (!d->luxon) { /* a Date shows UTC */
        struct date_fields shift = f;
        shift.second -= f.offset_seconds;
        int64_t s = date_days(f.year, f.month, f.day) * 86400 + f.hour * 3600 + f.minute * 60 +
                    shift.second;
        int64_t days = (int64_t)floor((double)s / 86400);
        int rest = (int)(s - days * 86400);
        date_of_days(days, &f.year, &f.month, &f.day);
        f.hour = rest / 3600;
        f.minute = rest / 60 % 60;
        f.second = rest % 60;
    }
    const char *year = f.year > 9999 ? "+%06lld" : f.year < 0 ? "-%06lld" : "%04lld";
    size_t n = (size_t)sprintf(to, year, (long long)(f.year < 0 ? -f.year : f.year));
    n += (size_t)sprintf(to + n, "-%02d-%02dT%02d:%02d:%02d.%03d", f.month, f.day, f.hour, f.minute,
                         f.second, f.ms);
    if (utc)
        return n + (size_t)sprintf(to + n, "Z");
    return n + offset_text(to + n, 12, f.offset_seconds, "%c%02d:%02d");
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Exactly n digits at *s. */
static bool digits(const char **s, const char *end, int n, int *out)
{
    if (end - *s < n)
        return false;
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (!isdigit((unsigned char)(*s)[i]))
            return false;
        v = v * 10 + (*s)[i] - '0';
    }
    *s += n;
    *out = v;
    return true;
}

static bool take(const char **s, const char *end, char c)
{
    if (*s >= end || **s != c)
        return false;
    ++*s;
    return true;
}

static bool read_offset(const char **s, const char *end, bool *given, int *seconds)
{
    int hours, minutes = 0;
    *given = true;
    *seconds = 0;
    if (take(s, end, 'Z') || take(s, end, 'z'))
        return true;
    bool minus = *s < end && **s == '-';
    if (!take(s, end, '+') && !take(s, end, '-')) {
        *given = false;
        return true;
    }
    if (!digits(s, end, 2, &hours))
        return false;
    take(s, end, ':');
    digits(s, end, 2, &minutes);
    *seconds = (minus ? -1 : 1) * (hours * 3600 + minutes * 60);
    return hours <= 23 && minutes < 60;
}

static void read_fraction(const char **s, const char *end, int *ms)
{
    int scale = 100;
    for (*ms = 0; *s < end && isdigit((unsigned char)**s); ++*s, scale /= 10)
        *ms += (**s - '0') * scale;
}

static bool read_time(const char **s, const char *end, struct date_fields *f)
{
    if (!digits(s, end, 2, &f->hour))
        return false;
    bool colon = take(s, end, ':');
    if (digits(s, end, 2, &f->minute)) {
        if (colon ? take(s, end, ':') : *s < end && isdigit((unsigned char)**s)) {
            if (!digits(s, end, 2, &f->second))
                return false;
            if (take(s, end, '.') || take(s, end, ','))
                read_fraction(s, end, &f->ms);
        }
    } else if (colon) {
        return false;
    }
    return f->hour <= 24 && f->minute < 60 && f->second < 60 &&
           (f->hour < 24 || !(f->minute || f->second || f->ms));
}

static bool read_iso_date(const char **s, const char *end, struct date_fields *f)
{
    int year, n;
    bool minus = *s < end && **s == '-', sign = minus || (*s < end && **s == '+');
    *s += sign;
    if (!digits(s, end, sign ? 6 : 4, &year))
        return false;
    *f = (struct date_fields){ .year = minus ? -year : year, .month = 1, .day = 1 };
    bool dash = take(s, end, '-');
    if (take(s, end, 'W')) {
        int weekday = 1;
        if (!digits(s, end, 2, &n) || n < 1 || n > 53)
            return false;
        if (take(s, end, '-') || (*s < end && isdigit((unsigned char)**s)))
            if (!digits(s, end, 1, &weekday) || weekday < 1 || weekday > 7)
                return false;
        int64_t fourth = date_days(f->year, 1, 4), monday = fourth - ((fourth + 3) % 7 + 7) % 7;
        date_of_days(monday + (n - 1) * 7 + weekday - 1, &f->year, &f->month, &f->day);
        return true;
    }
    const char *three = *s;
    if (digits(&three, end, 3, &n) && (three == end || !isdigit((unsigned char)*three)) && n >= 1 &&
        n <= 366) {
        *s = three;
        date_of_days(date_days(f->year, 1, 1) + n - 1, &f->year, &f->month, &f->day);
        return true;
    }
    if (!digits(s, end, 2, &f->month))
        return !dash;
    if (f->month < 1 || f->month > 12)
        return false;
    if (dash ? take(s, end, '-') : *s < end && isdigit((unsigned char)**s))
        if (!digits(s, end, 2, &f->day) || f->day < 1 ||
            f->day > date_days_in_month(f->year, f->month))
            return false;
    return true;
}

static double joined(const struct date_fields *f, bool offset, int seconds, struct date_zone *zone,
                     struct date_zone **found, struct expr_lua *lua)
{
    *found = offset ? date_zone_fixed(lua, seconds) : zone;
    return date_join(f, *found);
}

/* Month by name; 0: none. */
static int month_of(const char *s, size_t len)
{
    for (int i = 0; len >= 3 && i < 12; i++)
        if (len <= strlen(date_month_names[i]) && !strncasecmp(s, date_month_names[i], len))
            return i + 1;
    return 0;
}

/* "Mon, 25 Dec 1995 13:30:00 GMT", "December 17, 1995 03:24", "12/25/1995 1:30 PM" */
static double parse_free(const char *s, const char *end, struct date_zone *zone,
                         struct date_zone **found, struct expr_lua *lua)
{
    struct date_fields f = { .year = -1 };
    int numbers[3], n = 0, seconds = 0;
    bool offset = false, time = false;
    while (s < end) {
        if (isalpha((unsigned char)*s)) {
            const char *word = s;
            while (s < end && isalpha((unsigned char)*s))
                s++;
            size_t len = (size_t)(s - word);
            int month = month_of(word, len);
            if (month && !f.month)
                f.month = month;
            else if ((len == 2 && !strncasecmp(word, "PM", 2)) && f.hour < 12)
                f.hour += 12;
            else if (len == 2 && !strncasecmp(word, "AM", 2))
                f.hour %= 12;
            else if ((len == 3 && (!strncasecmp(word, "GMT", 3) || !strncasecmp(word, "UTC", 3))) ||
                     (len == 1 && *word == 'Z'))
                offset = true;
            else if (len < 3)
                return NAN;
        } else if (isdigit((unsigned char)*s)) {
            char *stop;
            long value = strtol(s, &stop, 10);
            if (stop - s > 6)
                return NAN;
            if (stop < end && *stop == ':' && !time) {
                f.hour = (int)value;
                f.minute = (int)strtol(stop + 1, &stop, 10);
                if (stop < end && *stop == ':')
                    f.second = (int)strtol(stop + 1, &stop, 10);
                s = stop;
                if (take(&s, end, '.'))
                    read_fraction(&s, end, &f.ms);
                time = true;
                continue;
            }
            if (n == 3)
                return NAN;
            numbers[n++] = (int)value;
            s = stop;
        } else if (time && (*s == '+' || *s == '-')) {
            if (!read_offset(&s, end, &offset, &seconds))
                return NAN;
        } else {
            s++;
        }
    }
    if (f.month && n == 2) { /* day and year in either order */
        f.day = numbers[0] > 31 ? numbers[1] : numbers[0];
        f.year = numbers[0] > 31 ? numbers[0] : numbers[1];
    } else if (!f.month && n == 3) {
        bool year_first = numbers[0] > 31;
        f.year = year_first ? numbers[0] : numbers[2];
        f.month = year_first ? numbers[1] : numbers[0];
        f.day = year_first ? numbers[2] : numbers[1];
    }
    if (f.year >= 0 && f.year < 50)
        f.year += 2000;
    else if (f.year >= 50 && f.year < 100)
        f.year += 1900;
    if (f.year < 0 || f.month < 1 || f.month > 12 || f.day < 1 || f.day > 31 || f.hour > 24 ||
        f.minute > 59 || f.second > 59)
        return NAN;
    return joined(&f, offset, seconds, zone, found, lua);
}

double date_parse(const char *s, size_t len, bool only_iso, struct date_zone *zone,
                  struct date_zone **found, struct expr_lua *lua)
{
    struct date_fields f;
    const char *at = s, *end = s + len;
    char copy[128];
    int seconds = 0;
    bool offset = false;
    *found = zone;
    while (at < end && isspace((unsigned char)*at))
        at++;
    while (end > at && isspace((unsigned char)end[-1]))
        end--;
    if (end - at >= (ptrdiff_t)sizeof copy || at == end)
        return NAN;
    memcpy(copy, at, (size_t)(end - at)); /* ends with a NUL for strtol */
    copy[end - at] = '\0';
    at = copy;
    end = copy + strlen(copy);
    const char *start = at;
    if (read_iso_date(&at, end, &f)) {
        if (at == end)
            return joined(&f, false, 0, zone, found, lua);
        if ((take(&at, end, 'T') || take(&at, end, 't') || take(&at, end, ' ')) &&
            read_time(&at, end, &f)) {
            while (at < end && *at == ' ')
                at++;
            if (read_offset(&at, end, &offset, &seconds) && (at == end || *at == '['))
                return joined(&f, offset, seconds, zone, found, lua);
        }
    }
    return only_iso ? NAN : parse_free(start, end, zone, found, lua);
}

/* --- Luxon's tokens --------------------------------------------------------------------------- */

/* Length of the token at s: a run of one letter. */
static size_t run_of(const char *s, const char *end)
{
    size_t n = 1;
    while (s + n < end && s[n] == *s)
        n++;
    return n;
}

static const char *macro_of(char letter, size_t n)
{
    static const struct {
        char letter;
        size_t n;
        const char *format;
    } macros[] = {
        { 'D', 1, "M/d/yyyy" },
        { 'D', 2, "MMM d, yyyy" },
        { 'D', 3, "MMMM d, yyyy" },
        { 'D', 4, "EEEE, MMMM d, yyyy" },
        { 't', 1, "h:mm a" },
        { 't', 2, "h:mm:ss a" },
        { 't', 3, "h:mm:ss a ZZZZ" },
        { 'T', 1, "HH:mm" },
        { 'T', 2, "HH:mm:ss" },
        { 'T', 3, "HH:mm:ss ZZZZ" },
        { 'f', 1, "M/d/yyyy, h:mm a" },
        { 'f', 2, "MMM d, yyyy, h:mm a" },
        { 'f', 3, "MMMM d, yyyy 'at' h:mm a ZZZZ" },
        { 'F', 1, "M/d/yyyy, h:mm:ss a" },
        { 'F', 2, "MMM d, yyyy, h:mm:ss a" },
        { 'F', 3, "MMMM d, yyyy 'at' h:mm:ss a ZZZZ" },
    };
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        if (macros[i].letter == letter && macros[i].n == n)
            return macros[i].format;
    return NULL;
}

static size_t number_token(char *to, long long value, size_t width)
{
    return (size_t)snprintf(to, 40, "%0*lld", (int)(width > 20 ? 20 : width), value);
}

static size_t name_token(char *to, const char *name, size_t n)
{
    return (size_t)snprintf(to, 40, "%.*s", n == 5 ? 1 : n == 3 ? 3 : 40, name);
}

static size_t offset_token(char *to, const struct date_fields *f, const struct js_date *d, size_t n)
{
    int minutes = abs(f->offset_seconds) / 60;
    if (n == 1 && minutes % 60 == 0)
        return (size_t)snprintf(to, 40, "%c%d", f->offset_seconds < 0 ? '-' : '+', minutes / 60);
    if (n == 1)
        return offset_text(to, 40, f->offset_seconds, "%c%d:%02d");
    if (n == 2)
        return offset_text(to, 40, f->offset_seconds, "%c%02d:%02d");
    if (n == 3)
        return offset_text(to, 40, f->offset_seconds, "%c%02d%02d");
    if (n == 5)
        return (size_t)snprintf(to, 40, "%.39s", date_zone_name(d->zone));
    if (!f->offset_seconds)
        return (size_t)sprintf(to, "UTC");
    return offset_text(to, 40, f->offset_seconds, minutes % 60 ? "GMT%c%d:%02d" : "GMT%c%d");
}

/* Writes one token; 0 when the letters are none. */
static size_t one_token(char *to, const struct js_date *d, const struct date_fields *f, char letter,
                        size_t n)
{
    int64_t week_year;
    int week = date_week(f, &week_year);
    switch (letter) {
    case 'S':
        return n == 1 || n == 3 ? number_token(to, f->ms, n) : 0;
    case 'u':
        return n == 1 || n == 3 ? number_token(to, f->ms, 3)
               : n == 2         ? number_token(to, f->ms / 10, 2)
                                : 0;
    case 's':
        return n <= 2 ? number_token(to, f->second, n) : 0;
    case 'm':
        return n <= 2 ? number_token(to, f->minute, n) : 0;
    case 'H':
        return n <= 2 ? number_token(to, f->hour, n) : 0;
    case 'h':
        return n <= 2 ? number_token(to, f->hour % 12 ? f->hour % 12 : 12, n) : 0;
    case 'a':
        return n == 1 ? (size_t)sprintf(to, f->hour < 12 ? "AM" : "PM") : 0;
    case 'Z':
        return n <= 5 ? offset_token(to, f, d, n) : 0;
    case 'z':
        return n == 1 ? (size_t)snprintf(to, 40, "%.39s", date_zone_name(d->zone)) : 0;
    case 'd':
        return n <= 2 ? number_token(to, f->day, n) : 0;
    case 'c':
    case 'E':
        return n == 1             ? number_token(to, f->weekday, 1)
               : n >= 3 && n <= 5 ? name_token(to, date_day_names[f->weekday - 1], n)
                                  : 0;
    case 'L':
    case 'M':
        return n <= 2   ? number_token(to, f->month, n)
               : n <= 5 ? name_token(to, date_month_names[f->month - 1], n)
                        : 0;
    case 'y':
        return n == 2                       ? number_token(to, ((f->year % 100) + 100) % 100, 2)
               : n == 1 || n == 4 || n == 6 ? number_token(to, f->year, n)
                                            : 0;
    case 'G':
        return n == 1   ? (size_t)sprintf(to, f->year > 0 ? "AD" : "BC")
               : n == 2 ? (size_t)sprintf(to, f->year > 0 ? "Anno Domini" : "Before Christ")
                        : 0;
    case 'k':
        return n == 2   ? number_token(to, week_year % 100, 2)
               : n == 4 ? number_token(to, week_year, 4)
                        : 0;
    case 'W':
    case 'n':
        return n <= 2 ? number_token(to, week, n) : 0;
    case 'o':
        return n == 1 || n == 3 ? number_token(to, date_day_of_year(f), n) : 0;
    case 'q':
        return n <= 2 ? number_token(to, (f->month - 1) / 3 + 1, n) : 0;
    case 'X':
        return n == 1 ? number_token(to, (long long)floor(d->ms / 1000), 1) : 0;
    case 'x':
        return n == 1 ? number_token(to, (long long)d->ms, 1) : 0;
    default:
        return 0;
    }
}

void date_format(luaL_Buffer *b, const struct js_date *d, const char *s, size_t len)
{
    struct date_fields f;
    const char *end = s + len;
    if (d->ms != d->ms) {
        luaL_addstring(b, "Invalid DateTime");
        return;
    }
    date_split(d->ms, d->zone, &f);
    while (s < end) {
        char token[48];
        if (*s == '\'') {
            const char *close = memchr(s + 1, '\'', (size_t)(end - s - 1));
            close = close ? close : end;
            luaL_addlstring(b, s + 1, (size_t)(close - s - 1));
            s = close < end ? close + 1 : end;
            continue;
        }
        size_t n = run_of(s, end);
        const char *macro = macro_of(*s, n);
        size_t written = macro ? 0 : one_token(token, d, &f, *s, n);
        if (macro)
            date_format(b, d, macro, strlen(macro));
        else
            luaL_addlstring(b, written ? token : s, written ? written : n);
        s += n;
    }
}

/* A number of 1..max digits, or exactly `width` when that is not 0. */
static bool read_number(const char **s, const char *end, size_t width, size_t max, int *out)
{
    size_t n = 0;
    int v = 0;
    while (n < (width ? width : max) && *s < end && isdigit((unsigned char)**s)) {
        v = v * 10 + *(*s)++ - '0';
        n++;
    }
    *out = v;
    return n && (!width || n == width);
}

static bool read_name(const char **s, const char *end, const char *const *names, int n_names,
                      size_t n, int *out)
{
    for (int i = 0; i < n_names; i++) {
        size_t len = n == 3 ? 3 : strlen(names[i]);
        if ((size_t)(end - *s) >= len && !strncasecmp(*s, names[i], len)) {
            *s += len;
            *out = i + 1;
            return true;
        }
    }
    return false;
}

/* What fromFormat gathers beside the fields. */
struct reading {
    struct date_fields f;
    bool pm, am, offset, unix_time;
    int seconds;
    double ms;
};

static bool read_token(const char **s, const char *end, char letter, size_t n, struct reading *r)
{
    int v;
    switch (letter) {
    case 'y':
        if (!read_number(s, end, n == 4 ? 4 : n == 2 ? 2 : 0, 6, &v))
            return false;
        r->f.year = n == 2 ? v + (v > 60 ? 1900 : 2000) : v;
        return true;
    case 'L':
    case 'M':
        if (n >= 3)
            return read_name(s, end, date_month_names, 12, n, &r->f.month);
        return read_number(s, end, n == 2 ? 2 : 0, 2, &r->f.month);
    case 'd':
        return read_number(s, end, n == 2 ? 2 : 0, 2, &r->f.day);
    case 'H':
    case 'h':
        return read_number(s, end, n == 2 ? 2 : 0, 2, &r->f.hour);
    case 'm':
        return read_number(s, end, n == 2 ? 2 : 0, 2, &r->f.minute);
    case 's':
        return read_number(s, end, n == 2 ? 2 : 0, 2, &r->f.second);
    case 'S':
        return read_number(s, end, n == 3 ? 3 : 0, 3, &r->f.ms);
    case 'u':
        read_fraction(s, end, &r->f.ms);
        return true;
    case 'c':
    case 'E':
        return n == 1 ? read_number(s, end, 1, 1, &v) : read_name(s, end, date_day_names, 7, n, &v);
    case 'a':
        if (end - *s < 2)
            return false;
        r->pm = !strncasecmp(*s, "PM", 2);
        r->am = !strncasecmp(*s, "AM", 2);
        *s += 2;
        return r->pm || r->am;
    case 'Z':
        return read_offset(s, end, &r->offset, &r->seconds) && r->offset;
    case 'X':
    case 'x': {
        char *stop;
        r->ms = strtod(*s, &stop) * (letter == 'X' ? 1000 : 1);
        r->unix_time = stop > *s;
        *s = stop;
        return r->unix_time;
    }
    default:
        return false;
    }
}

static bool read_format(const char **s, const char *end, const char *t, const char *t_end,
                        struct reading *r)
{
    while (t < t_end) {
        if (*t == '\'') {
            for (t++; t < t_end && *t != '\''; t++)
                if (!take(s, end, *t))
                    return false;
            t += t < t_end;
            continue;
        }
        size_t n = run_of(t, t_end);
        const char *macro = macro_of(*t, n);
        if (macro) {
            if (!read_format(s, end, macro, macro + strlen(macro), r))
                return false;
        } else if (isalpha((unsigned char)*t)) {
            if (!read_token(s, end, *t, n, r))
                return false;
        } else {
            for (size_t i = 0; i < n; i++)
                if (!take(s, end, *t))
                    return false;
        }
        t += n;
    }
    return true;
}

double date_parse_format(const char *s, size_t len, const char *format, size_t format_len,
                         struct date_zone *zone)
{
    struct reading r = { .f = { .month = 1, .day = 1 } };
    const char *end = s + len;
    if (!read_format(&s, end, format, format + format_len, &r) || s != end)
        return NAN;
    if (r.unix_time)
        return r.ms;
    if (r.pm && r.f.hour < 12)
        r.f.hour += 12;
    if (r.am && r.f.hour == 12)
        r.f.hour = 0;
    if (!r.f.year)
        r.f.year = 1970;
    if (r.f.month < 1 || r.f.month > 12 || r.f.day < 1 ||
        r.f.day > date_days_in_month(r.f.year, r.f.month) || r.f.hour > 24 || r.f.minute > 59 ||
        r.f.second > 59)
        return NAN;
    if (!r.offset)
        return date_join(&r.f, zone);
    return (double)(date_days(r.f.year, r.f.month, r.f.day) * 86400 + r.f.hour * 3600 +
                    r.f.minute * 60 + r.f.second - r.seconds) *
               1000 +
           r.f.ms;
}
