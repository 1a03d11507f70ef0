/* SPDX-License-Identifier: Apache-2.0
 * calendar: the Gregorian calendar for all years, units of time, and moments in a zone. Pure
 * functions.
 */
#include "expr/date_int.h"
#include <catalyst/date.h>
#include <math.h>

int64_t date_days(int64_t year, int month, int day)
{
    year += (month - 1) / 12;
    month = (month - 1) % 12 + 1;
    return month < 1 ? wf_date_days(year - 1, month + 12, day) : wf_date_days(year, month, day);
}

void date_of_days(int64_t days, int64_t *year, int *month, int *day)
{
    wf_date date = wf_date_of_ms(days * 86400000);
    *year = date.year;
    *month = date.month;
    *day = date.day;
}

bool date_is_leap(int64_t year) { return wf_date_month_days(year, 2) == 29; }

int date_days_in_month(int64_t year, int month) { return wf_date_month_days(year, month); }

int date_day_of_year(const struct date_fields *f)
{
    return (int)(date_days(f->year, f->month, f->day) - date_days(f->year, 1, 1)) + 1;
}

static int weekday_of(int64_t days) { return (int)(((days + 3) % 7 + 7) % 7) + 1; }

int date_week(const struct date_fields *f, int64_t *year)
{
    /* the week belongs to the year of its Thursday */
    int64_t days = date_days(f->year, f->month, f->day), thursday = days - (weekday_of(days) - 4);
    int month, day;
    date_of_days(thursday, year, &month, &day);
    return (int)((thursday - date_days(*year, 1, 1)) / 7) + 1;
}

void date_split(double ms, const struct date_zone *z, struct date_fields *f)
{
    int64_t whole = (int64_t)floor(ms), seconds = (int64_t)floor((double)whole / 1000);
    f->offset_seconds = date_zone_offset(z, seconds);
    int64_t local = seconds + f->offset_seconds, days = (int64_t)floor((double)local / 86400);
    int rest = (int)(local - days * 86400);
    date_of_days(days, &f->year, &f->month, &f->day);
    f->weekday = weekday_of(days);
    f->hour = rest / 3600;
    f->minute = rest / 60 % 60;
    f->second = rest % 60;
    f->ms = (int)(whole - seconds * 1000);
}

double date_join(const struct date_fields *f, const struct date_zone *z)
{
    if (f->year > 275760 || f->year < -271821)
        return NAN;
    int64_t local = date_days(f->year, f->month, 1) * 86400 + (int64_t)(f->day - 1) * 86400 +
                    (int64_t)f->hour * 3600 + (int64_t)f->minute * 60 + f->second;
    int first = date_zone_offset(z, local), offset = date_zone_offset(z, local - first);
    int64_t seconds = local - offset;
    /* a local time that is skipped: as if the clock had not been put forward */
    int there = first == offset ? offset : date_zone_offset(z, seconds);
    if (there != offset)
        seconds = local - (offset < there ? offset : there);
    double ms = (double)seconds * 1000 + f->ms;
    return fabs(ms) > 8.64e15 ? NAN : ms;
}

/* --- units ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    enum date_unit unit;
} units[] = {
    { "year", DATE_YEAR },        { "years", DATE_YEAR },
    { "y", DATE_YEAR },           { "quarter", DATE_QUARTER },
    { "quarters", DATE_QUARTER }, { "month", DATE_MONTH },
    { "months", DATE_MONTH },     { "M", DATE_MONTH },
    { "week", DATE_WEEK },        { "weeks", DATE_WEEK },
    { "w", DATE_WEEK },           { "day", DATE_DAY },
    { "days", DATE_DAY },         { "d", DATE_DAY },
    { "hour", DATE_HOUR },        { "hours", DATE_HOUR },
    { "h", DATE_HOUR },           { "minute", DATE_MINUTE },
    { "minutes", DATE_MINUTE },   { "m", DATE_MINUTE },
    { "second", DATE_SECOND },    { "seconds", DATE_SECOND },
    { "s", DATE_SECOND },         { "millisecond", DATE_MS },
    { "milliseconds", DATE_MS },  { "ms", DATE_MS },
};

enum date_unit date_unit_of(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strlen(units[i].name) == len &&
            (len == 1 ? *name == *units[i].name : !strncasecmp(units[i].name, name, len)))
            return units[i].unit;
    return 0;
}

double date_unit_ms(enum date_unit unit)
{
    static const double ms[] = {
        [DATE_YEAR] = 365 * 864e5, [DATE_QUARTER] = 91 * 864e5, [DATE_MONTH] = 30 * 864e5,
        [DATE_WEEK] = 7 * 864e5,   [DATE_DAY] = 864e5,          [DATE_HOUR] = 36e5,
        [DATE_MINUTE] = 6e4,       [DATE_SECOND] = 1e3,         [DATE_MS] = 1
    };
    return ms[unit];
}

double date_add(double ms, const struct date_zone *z, enum date_unit unit, double amount)
{
    struct date_fields f;
    double whole = trunc(amount), rest = amount - whole;
    if (ms != ms || amount != amount || fabs(amount) > 1e16)
        return NAN;
    if (unit >= DATE_HOUR)
        return ms + amount * date_unit_ms(unit);
    if (fabs(whole) > 1e8)
        return NAN;
    date_split(ms, z, &f);
    if (unit == DATE_WEEK || unit == DATE_DAY) {
        int64_t days =
            date_days(f.year, f.month, f.day) + (int64_t)whole * (unit == DATE_WEEK ? 7 : 1);
        date_of_days(days, &f.year, &f.month, &f.day);
    } else {
        int64_t months = f.year * 12 + f.month - 1 +
                         (int64_t)whole * (unit == DATE_YEAR      ? 12
                                           : unit == DATE_QUARTER ? 3
                                                                  : 1);
        f.year = (int64_t)floor((double)months / 12);
        f.month = (int)(months - f.year * 12) + 1;
        int last = date_days_in_month(f.year, f.month);
        f.day = f.day > last ? last : f.day;
    }
    double out = whole != 0 ? date_join(&f, z) : ms;
    return rest != 0 ? out + rest * date_unit_ms(unit) : out;
}

double date_floor(double ms, const struct date_zone *z, enum date_unit unit)
{
    struct date_fields f;
    if (ms != ms)
        return ms;
    date_split(ms, z, &f);
    switch (unit) {
    case DATE_YEAR:
        f.month = 1; /* fall through */
    case DATE_QUARTER:
    case DATE_MONTH:
        if (unit == DATE_QUARTER)
            f.month = (f.month - 1) / 3 * 3 + 1;
        f.day = 1; /* fall through */
    case DATE_WEEK:
    case DATE_DAY:
        if (unit == DATE_WEEK)
            date_of_days(date_days(f.year, f.month, f.day) - (f.weekday - 1), &f.year, &f.month,
                         &f.day);
        f.hour = 0; /* fall through */
    case DATE_HOUR:
        f.minute = 0; /* fall through */
    case DATE_MINUTE:
        f.second = 0; /* fall through */
    default:
        if (unit != DATE_MS)
            f.ms = 0;
    }
    if (unit >= DATE_HOUR) /* the offset stays: an hour that comes twice is two hours */
        return ms - (unit == DATE_HOUR     ? fmod(ms + f.offset_seconds * 1000.0, 36e5)
                     : unit == DATE_MINUTE ? fmod(ms, 6e4)
                     : unit == DATE_SECOND ? fmod(ms, 1e3)
                                           : 0);
    return date_join(&f, z);
}
