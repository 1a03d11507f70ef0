/* SPDX-License-Identifier: Apache-2.0
 * date: the values Date, DateTime (Luxon's) and Duration: making, properties, JavaScript's Date
 * methods. Both kinds of date are one box and share their methods; a DateTime never changes, the
 * setters of Date change the Date at hand. The worker's thread.
 */
#include "expr/date_int.h"
#include <math.h>
#include <stdio.h>

struct js_date *date_at(lua_State *L, int at)
{
    struct js_date *d = lua_type(L, at) == LUA_TUSERDATA ? lua_touserdata(L, at) : NULL;
    return d && d->box.kind == JS_DATE ? d : NULL;
}

struct js_date *date_push(lua_State *L, double ms, struct date_zone *zone, bool luxon)
{
    struct js_date *d = lua_newuserdatauv(L, sizeof *d, 0);
    if (!(fabs(ms) <= 8.64e15))
        ms = NAN;
    *d = (struct js_date){ .box.kind = JS_DATE, .luxon = luxon, .ms = trunc(ms), .zone = zone };
    luaL_setmetatable(L, "date");
    return d;
}

static int push_format(lua_State *L, const char *format, bool utc);

/* --- properties ------------------------------------------------------------------------------- */

enum {
    PROP_NONE,
    YEAR,
    QUARTER,
    MONTH,
    DAY,
    WEEKDAY,
    WEEK,
    WEEK_YEAR,
    HOUR,
    MINUTE,
    SECOND,
    MS,
    ORDINAL,
    MONTH_DAYS,
    YEAR_DAYS,
    OFFSET
};

static const struct {
    const char *name;
    int what;
} number_properties[] = {
    { "year", YEAR },
    { "quarter", QUARTER },
    { "month", MONTH },
    { "day", DAY },
    { "weekday", WEEKDAY },
    { "weekNumber", WEEK },
    { "week", WEEK },
    { "weekYear", WEEK_YEAR },
    { "hour", HOUR },
    { "minute", MINUTE },
    { "second", SECOND },
    { "millisecond", MS },
    { "ordinal", ORDINAL },
    { "daysInMonth", MONTH_DAYS },
    { "daysInYear", YEAR_DAYS },
    { "offset", OFFSET },
    { "days", DAY },
    { "hours", HOUR },
    { "minutes", MINUTE },
    { "seconds", SECOND },
    { "months", MONTH },
    { "years", YEAR },
};

static double number_property(const struct date_fields *f, int what)
{
    int64_t week_year;
    int week = date_week(f, &week_year);
    switch (what) {
    case YEAR:
        return (double)f->year;
    case QUARTER:
        return (f->month - 1) / 3 + 1;
    case MONTH:
        return f->month;
    case DAY:
        return f->day;
    case WEEKDAY:
        return f->weekday;
    case WEEK:
        return week;
    case WEEK_YEAR:
        return (double)week_year;
    case HOUR:
        return f->hour;
    case MINUTE:
        return f->minute;
    case SECOND:
        return f->second;
    case MS:
        return f->ms;
    case ORDINAL:
        return date_day_of_year(f);
    case MONTH_DAYS:
        return date_days_in_month(f->year, f->month);
    case YEAR_DAYS:
        return date_is_leap(f->year) ? 366 : 365;
    default:
        return f->offset_seconds / 60.0;
    }
}

bool date_number_of(const struct js_date *d, const char *name, double *out)
{
    struct date_fields f;
    for (size_t i = 0; i < sizeof number_properties / sizeof *number_properties; i++)
        if (!strcmp(number_properties[i].name, name)) {
            *out = NAN;
            if (d->ms == d->ms) {
                date_split(d->ms, d->zone, &f);
                *out = number_property(&f, number_properties[i].what);
            }
            return true;
        }
    return false;
}

int date_index(lua_State *L)
{
    struct js_date *d = date_at(L, 1);
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    struct date_fields f = { .month = 1, .weekday = 1 };
    double number;
    bool valid = d->ms == d->ms;
    if (date_number_of(d, key, &number)) {
        lua_pushnumber(L, number);
        return 1;
    }
    if (valid)
        date_split(d->ms, d->zone, &f);
    if (!strcmp(key, "isValid"))
        lua_pushboolean(L, valid);
    else if (!strcmp(key, "zoneName"))
        lua_pushstring(L, date_zone_name(d->zone));
    else if (!strcmp(key, "monthLong") || !strcmp(key, "monthShort"))
        lua_pushlstring(L, date_month_names[f.month - 1],
                        key[5] == 'S' ? 3 : strlen(date_month_names[f.month - 1]));
    else if (!strcmp(key, "weekdayLong") || !strcmp(key, "weekdayShort"))
        lua_pushlstring(L, date_day_names[f.weekday - 1],
                        key[7] == 'S' ? 3 : strlen(date_day_names[f.weekday - 1]));
    else if (!strcmp(key, "isInDST"))
        lua_pushboolean(L, valid && date_zone_is_dst(d->zone, (int64_t)floor(d->ms / 1000)));
    else if (!strcmp(key, "isInLeapYear"))
        lua_pushboolean(L, date_is_leap(f.year));
    else if (!strcmp(key, "isOffsetFixed"))
        lua_pushboolean(L, !strncmp(date_zone_name(d->zone), "UTC", 3));
    else if (!strcmp(key, "locale"))
        lua_pushliteral(L, "en-US");
    else if (!strcmp(key, "offsetNameShort"))
        push_format(L, "ZZZZ", false);
    else
        lua_pushnil(L);
    return 1;
}

/* --- JavaScript's Date ------------------------------------------------------------------------ */

static int get_part(lua_State *L, int what, bool utc)
{
    struct js_date *d = date_at(L, 1);
    struct date_fields f;
    if (d->ms != d->ms) {
        lua_pushnumber(L, NAN);
        return 1;
    }
    date_split(d->ms, utc ? date_zone_utc(js_lua(L)) : d->zone, &f);
    double v = number_property(&f, what);
    lua_pushnumber(L, what == MONTH ? v - 1 : what == WEEKDAY ? (double)(f.weekday % 7) : v);
    return 1;
}

#define GETTER(name, what)                                                                         \
    static int get_##name(lua_State *L) { return get_part(L, what, false); }                       \
    static int get_utc_##name(lua_State *L) { return get_part(L, what, true); }
GETTER(year, YEAR)
GETTER(month, MONTH)
GETTER(date, DAY)
GETTER(day, WEEKDAY)
GETTER(hours, HOUR)
GETTER(minutes, MINUTE)
GETTER(seconds, SECOND)
GETTER(ms, MS)

static int date_value(lua_State *L)
{
    lua_pushnumber(L, date_at(L, 1)->ms);
    return 1;
}

/* Writes arguments 2 and on into the fields from `first` on, as setHours(h, m, s, ms) does. */
static int set_parts(lua_State *L, int first, bool utc)
{
    struct js_date *d = date_at(L, 1);
    struct date_zone *zone = utc ? date_zone_utc(js_lua(L)) : d->zone;
    struct date_fields f = { .month = 1, .day = 1 };
    if (d->luxon)
        return luaL_error(L, "a DateTime does not change: use set({...})");
    if (d->ms == d->ms)
        date_split(d->ms, zone, &f);
    int n = lua_gettop(L);
    for (int i = 2, what = first; i <= n && i < 6; i++, what++) {
        double v = js_to_number(L, i);
        if (!(fabs(v) < 1e9)) {
            d->ms = NAN;
            break;
        }
        int value = (int)v;
        switch (what) {
        case 0:
            f.year = value;
            break;
        case 1:
            f.year += (int64_t)floor(value / 12.0);
            f.month = value - (int)floor(value / 12.0) * 12 + 1;
            break;
        case 2:
            f.day = value;
            break;
        case 3:
            f.hour = value;
            break;
        case 4:
            f.minute = value;
            break;
        case 5:
            f.second = value;
            break;
        default:
            f.ms = value;
        }
    }
    d->ms = d->ms == d->ms || first == 0 ? date_join(&f, zone) : NAN;
    return date_value(L);
}

#define SETTER(name, first)                                                                        \
    static int set_##name(lua_State *L) { return set_parts(L, first, false); }                     \
    static int set_utc_##name(lua_State *L) { return set_parts(L, first, true); }
SETTER(year, 0)
SETTER(month, 1)
SETTER(date, 2)
SETTER(hours, 3)
SETTER(minutes, 4)
SETTER(seconds, 5)
SETTER(ms, 6)

static int set_time(lua_State *L)
{
    struct js_date *d = date_at(L, 1);
    double ms = js_to_number(L, 2);
    if (!d->luxon)
        d->ms = fabs(ms) <= 8.64e15 ? trunc(ms) : NAN;
    return date_value(L);
}

static int date_offset(lua_State *L)
{
    struct js_date *d = date_at(L, 1);
    double offset = NAN;
    date_number_of(d, "offset", &offset);
    lua_pushnumber(L, -offset);
    return 1;
}

static int push_iso(lua_State *L, bool luxon)
{
    char text[DATE_TEXT_MAX];
    struct js_date d = *date_at(L, 1);
    if (d.ms != d.ms) {
        if (!luxon)
            return luaL_error(L, "the date is invalid");
        lua_pushlightuserdata(L, NULL);
        return 1;
    }
    d.luxon = luxon;
    lua_pushlstring(L, text, date_iso(&d, text));
    return 1;
}

static int date_to_iso_string(lua_State *L) { return push_iso(L, false); }

static int date_to_json(lua_State *L)
{
    if (date_at(L, 1)->ms != date_at(L, 1)->ms) {
        lua_pushlightuserdata(L, NULL);
        return 1;
    }
    return push_iso(L, date_at(L, 1)->luxon);
}

static int push_format(lua_State *L, const char *format, bool utc)
{
    struct js_date d = *date_at(L, 1);
    luaL_Buffer b;
    if (utc)
        d.zone = date_zone_utc(js_lua(L));
    luaL_buffinit(L, &b);
    date_format(&b, &d, format, strlen(format));
    luaL_pushresult(&b);
    return 1;
}

static int date_to_date_string(lua_State *L) { return push_format(L, "EEE MMM dd yyyy", false); }

static int date_to_time_string(lua_State *L) { return push_format(L, "HH:mm:ss 'GMT'ZZZ", false); }

static int date_to_utc_string(lua_State *L)
{
    return push_format(L, "EEE, dd MMM yyyy HH:mm:ss 'GMT'", true);
}

static int date_to_locale_date(lua_State *L) { return push_format(L, "M/d/yyyy", false); }

static int date_to_locale_time(lua_State *L) { return push_format(L, "h:mm:ss a", false); }

/* Without options as Date or DateTime print themselves in English. */
static int date_to_locale(lua_State *L)
{
    return push_format(L, date_at(L, 1)->luxon ? "M/d/yyyy" : "M/d/yyyy, h:mm:ss a", false);
}

static int date_to_text(lua_State *L)
{
    js_to_string(L, 1, NULL);
    return 1;
}

const struct js_method js_date_methods[] = {
    { "getTime", date_value },
    { "valueOf", date_value },
    { "getFullYear", get_year },
    { "getMonth", get_month },
    { "getDate", get_date },
    { "getDay", get_day },
    { "getHours", get_hours },
    { "getMinutes", get_minutes },
    { "getSeconds", get_seconds },
    { "getMilliseconds", get_ms },
    { "getUTCFullYear", get_utc_year },
    { "getUTCMonth", get_utc_month },
    { "getUTCDate", get_utc_date },
    { "getUTCDay", get_utc_day },
    { "getUTCHours", get_utc_hours },
    { "getUTCMinutes", get_utc_minutes },
    { "getUTCSeconds", get_utc_seconds },
    { "getUTCMilliseconds", get_utc_ms },
    { "setFullYear", set_year },
    { "setMonth", set_month },
    { "setDate", set_date },
    { "setHours", set_hours },
    { "setMinutes", set_minutes },
    { "setSeconds", set_seconds },
    { "setMilliseconds", set_ms },
    { "setUTCFullYear", set_utc_year },
    { "setUTCMonth", set_utc_month },
    { "setUTCDate", set_utc_date },
    { "setUTCHours", set_utc_hours },
    { "setUTCMinutes", set_utc_minutes },
    { "setUTCSeconds", set_utc_seconds },
    { "setUTCMilliseconds", set_utc_ms },
    { "setTime", set_time },
    { "getTimezoneOffset", date_offset },
    { "toISOString", date_to_iso_string },
    { "toJSON", date_to_json },
    { "toDateString", date_to_date_string },
    { "toTimeString", date_to_time_string },
    { "toUTCString", date_to_utc_string },
    { "toLocaleDateString", date_to_locale_date },
    { "toLocaleTimeString", date_to_locale_time },
    { "toLocaleString", date_to_locale },
    { "toString", date_to_text },
    { NULL, NULL },
};

/* --- making Dates ----------------------------------------------------------------------------- */

/* new Date(y, m, ...) and Date.UTC(y, m, ...) */
static double from_parts(lua_State *L, struct date_zone *zone)
{
    int n = lua_gettop(L), v[7] = { 0, 0, 1, 0, 0, 0, 0 };
    for (int i = 0; i < n && i < 7; i++) {
        double d = js_to_number(L, i + 1);
        if (!(fabs(d) < 1e9))
            return NAN;
        v[i] = (int)d;
    }
    int carry = (int)floor(v[1] / 12.0);
    struct date_fields f = { .year = v[0] + (v[0] >= 0 && v[0] < 100 ? 1900 : 0) + carry,
                             .month = v[1] - carry * 12 + 1,
                             .day = v[2],
                             .hour = v[3],
                             .minute = v[4],
                             .second = v[5],
                             .ms = v[6] };
    return date_join(&f, zone);
}

/* A text as Date reads it: a date alone is UTC. */
static double from_text(lua_State *L, const char *s, size_t len)
{
    struct date_zone *found, *local = date_zone_local(js_lua(L));
    bool date_only =
        len <= 10 && len >= 4 && strspn(s, "0123456789-") == len && (len == 4 || s[4] == '-');
    return date_parse(s, len, false, date_only ? date_zone_utc(js_lua(L)) : local, &found,
                      js_lua(L));
}

static int date_new(lua_State *L)
{
    struct date_zone *zone = date_zone_local(js_lua(L));
    double ms = (double)(js_lua(L)->scope->now_us / 1000);
    size_t len;
    if (lua_gettop(L) > 1) {
        ms = from_parts(L, zone);
    } else if (lua_type(L, 1) == LUA_TSTRING) {
        const char *s = lua_tolstring(L, 1, &len);
        ms = from_text(L, s, len);
    } else if (lua_gettop(L) == 1) {
        ms = js_to_number(L, 1);
    }
    date_push(L, ms, zone, false);
    return 1;
}

static int date_now(lua_State *L)
{
    lua_pushnumber(L, (double)(js_lua(L)->scope->now_us / 1000));
    return 1;
}

static int date_utc(lua_State *L)
{
    lua_pushnumber(L, from_parts(L, date_zone_utc(js_lua(L))));
    return 1;
}

static int date_parse_static(lua_State *L)
{
    size_t len;
    const char *s = js_arg_string(L, 1, &len);
    lua_pushnumber(L, from_text(L, s, len));
    return 1;
}

/* Date() without new: the time as text. */
static int date_call(lua_State *L)
{
    lua_settop(L, 0);
    date_new(L);
    js_to_string(L, 1, NULL);
    return 1;
}

const struct js_method js_js_date_statics[] = {
    { "new Date", date_new },
    { "Date", date_call },
    { "Date.now", date_now },
    { "Date.UTC", date_utc },
    { "Date.parse", date_parse_static },
    { NULL, NULL },
};
