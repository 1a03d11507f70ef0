/* SPDX-License-Identifier: Apache-2.0
 * datetime: methods of Luxon's DateTime and n8n's own functions of dates. The worker's thread.
 */
#include "expr/date_int.h"
#include <math.h>
#include <stdio.h>

/* --- moments and results ---------------------------------------------------------------------- */

static double need_moment(lua_State *L, int at)
{
    struct date_zone *zone;
    if (js_is_missing(L, at))
        return (double)(js_lua(L)->scope->now_us / 1000);
    double ms = date_moment_of(L, at, &zone);
    if (!(fabs(ms) <= 8.64e15))
        luaL_error(L, "a date is expected");
    return ms;
}

static int push_like(lua_State *L, const struct js_date *d, double ms)
{
    date_push(L, ms, d->zone, d->luxon);
    return 1;
}

/* --- arithmetic ------------------------------------------------------------------------------- */

/* plus({days: 1}), plus(1, 'days'), plus(duration), plus(ms) */
static int shift(lua_State *L, double sign)
{
    const struct js_date *d = date_at(L, 1);
    double ms = d->ms, amounts[DATE_MS + 1] = { 0 };
    lua_settop(L, 3);
    if (lua_type(L, 2) == LUA_TNUMBER || lua_type(L, 2) == LUA_TSTRING)
        amounts[date_unit_arg(L, 3, DATE_MS)] = js_to_number(L, 2);
    else
        duration_amounts(L, 2, amounts);
    double months = amounts[DATE_YEAR] * 12 + amounts[DATE_QUARTER] * 3 + amounts[DATE_MONTH];
    double days = amounts[DATE_WEEK] * 7 + amounts[DATE_DAY];
    ms = date_add(ms, d->zone, DATE_MONTH, sign * months);
    ms = date_add(ms, d->zone, DATE_DAY, sign * days);
    for (enum date_unit u = DATE_HOUR; u <= DATE_MS; u++)
        ms += sign * amounts[u] * date_unit_ms(u);
    return push_like(L, d, ms);
}

static int date_plus(lua_State *L) { return shift(L, 1); }

static int date_minus(lua_State *L) { return shift(L, -1); }

static int date_start_of(lua_State *L)
{
    const struct js_date *d = date_at(L, 1);
    return push_like(L, d, date_floor(d->ms, d->zone, date_unit_arg(L, 2, DATE_WEEK)));
}

static int date_end_of(lua_State *L)
{
    const struct js_date *d = date_at(L, 1);
    enum date_unit unit = date_unit_arg(L, 2, DATE_MONTH);
    double start = date_floor(d->ms, d->zone, unit);
    return push_like(L, d, date_add(start, d->zone, unit, 1) - 1);
}

/* Whole units from *from to `to`; *from moves by them. */
static double whole_units(double *from, double to, const struct date_zone *z, enum date_unit unit)
{
    double n = trunc((to - *from) / date_unit_ms(unit)), step = to >= *from ? 1 : -1;
    if (unit >= DATE_HOUR) {
        *from += n * date_unit_ms(unit);
        return n;
    }
    /* the estimate by mean lengths is a few units off at most */
    for (int i = 0; i < 2000 && step * (date_add(*from, z, unit, n) - to) > 0; i++)
        n -= step;
    for (int i = 0; i < 2000 && step * (date_add(*from, z, unit, n + step) - to) <= 0; i++)
        n += step;
    *from = date_add(*from, z, unit, n);
    return n;
}

/* Pushes to - from in the units named by the mask; the smallest unit takes the fraction. */
static void push_difference(lua_State *L, double from, double to, const struct date_zone *z,
                            unsigned mask)
{
    double total = to - from;
    enum date_unit last = 0;
    js_charge(L, 100);
    for (enum date_unit u = DATE_YEAR; u <= DATE_MS; u++)
        last = mask >> u & 1 ? u : last;
    js_object_new(L);
    for (enum date_unit u = DATE_YEAR; u <= last; u++) {
        if (!(mask >> u & 1))
            continue;
        double n = total == total ? whole_units(&from, to, z, u) : NAN;
        if (u == last && from != to && n == n) {
            double step = to > from ? 1 : -1, next = u >= DATE_HOUR ? from + step * date_unit_ms(u)
                                                                    : date_add(from, z, u, step);
            n += step * (to - from) / (next - from);
        }
        lua_pushnumber(L, n == 0 ? 0 : n);
        js_put_field(L, -2, date_unit_names[u]);
    }
    duration_push(L, total);
}

static unsigned unit_mask(lua_State *L, int at, enum date_unit missing)
{
    unsigned mask = 0;
    if (js_type(L, at) != JS_ARRAY)
        return 1u << date_unit_arg(L, at, missing);
    size_t n = js_len(L, at);
    for (size_t i = 0; i < n; i++) {
        js_elem(L, at, i);
        mask |= 1u << date_unit_arg(L, lua_gettop(L), missing);
        lua_pop(L, 1);
    }
    return mask ? mask : 1u << missing;
}

static int date_diff(lua_State *L)
{
    const struct js_date *d = date_at(L, 1);
    lua_settop(L, 3);
    push_difference(L, need_moment(L, 2), d->ms, d->zone, unit_mask(L, 3, DATE_MS));
    return 1;
}

static int date_diff_now(lua_State *L)
{
    const struct js_date *d = date_at(L, 1);
    lua_settop(L, 2);
    push_difference(L, (double)(js_lua(L)->scope->now_us / 1000), d->ms, d->zone,
                    unit_mask(L, 2, DATE_MS));
    return 1;
}

/* n8n's diffTo(other, unit): a number, positive when the other is later; with several units an
 * object. */
static int difference_number(lua_State *L, double to, int unit_at)
{
    const struct js_date *d = date_at(L, 1);
    bool list = js_type(L, unit_at) == JS_ARRAY;
    unsigned mask = unit_mask(L, unit_at, DATE_DAY);
    push_difference(L, d->ms, to, d->zone, mask);
    lua_getiuservalue(L, -1, 2);
    if (list)
        return 1;
    js_member(L, -1, 0);
    return 1;
}

static int date_diff_to(lua_State *L)
{
    lua_settop(L, 3);
    return difference_number(L, need_moment(L, 2), 3);
}

static int date_diff_to_now(lua_State *L)
{
    lua_settop(L, 2);
    return difference_number(L, (double)(js_lua(L)->scope->now_us / 1000), 2);
}

/* --- reading parts ---------------------------------------------------------------------------- */

static int date_get(lua_State *L)
{
    double v = NAN;
    date_number_of(date_at(L, 1), js_is_missing(L, 2) ? "week" : js_arg_string(L, 2, NULL), &v);
    lua_pushnumber(L, v);
    return 1;
}

void date_set_field(struct date_fields *f, const char *name, int v)
{
    if (!strncmp(name, "year", 4))
        f->year = v;
    else if (!strncmp(name, "month", 5))
        f->month = v;
    else if (!strncmp(name, "day", 3))
        f->day = v;
    else if (!strncmp(name, "hour", 4))
        f->hour = v;
    else if (!strncmp(name, "minute", 6))
        f->minute = v;
    else if (!strncmp(name, "second", 6))
        f->second = v;
    else if (!strncmp(name, "millisecond", 11))
        f->ms = v;
}

void date_set_fields(lua_State *L, int at, struct date_fields *f)
{
    size_t n = js_type(L, at) == JS_OBJECT ? js_members(L, at) : 0;
    for (size_t i = 0; i < n; i++) {
        js_member(L, at, i);
        double v = js_to_number(L, -1);
        date_set_field(f, lua_tostring(L, -2), fabs(v) < 1e9 ? (int)v : 0);
        lua_pop(L, 2);
    }
    if (f->month < 1 || f->month > 12)
        luaL_error(L, "a month is between 1 and 12");
    int last = date_days_in_month(f->year, f->month);
    f->day = f->day > last && f->day <= 31 ? last : f->day;
}

static int date_set(lua_State *L)
{
    const struct js_date *d = date_at(L, 1);
    struct date_fields f;
    if (d->ms != d->ms)
        return push_like(L, d, NAN);
    date_split(d->ms, d->zone, &f);
    date_set_fields(L, 2, &f);
    return push_like(L, d, date_join(&f, d->zone));
}

static int date_to_object(lua_State *L)
{
    static const char *const names[] = { "year",   "month",  "day",        "hour",
                                         "minute", "second", "millisecond" };
    js_object_new(L);
    for (size_t i = 0; i < 7; i++) {
        double v;
        date_number_of(date_at(L, 1), names[i], &v);
        lua_pushnumber(L, v);
        js_put_field(L, -2, names[i]);
    }
    return 1;
}

/* --- zones and text --------------------------------------------------------------------------- */

struct date_zone *date_zone_arg(lua_State *L, int at)
{
    size_t len;
    const char *name = js_arg_string(L, at, &len);
    struct date_zone *zone = date_zone_find(js_lua(L), name, len);
    if (!zone)
        luaL_error(L, "the time zone '%s' is not known", name);
    return zone;
}

static int date_set_zone(lua_State *L)
{
    const struct js_date *d = date_at(L, 1);
    lua_settop(L, 3);
    struct date_zone *zone = lua_isnil(L, 2) ? date_zone_local(js_lua(L)) : date_zone_arg(L, 2);
    double ms = d->ms;
    if (js_type(L, 3) == JS_OBJECT && ms == ms) {
        struct date_fields f;
        js_get(L, 3, "keepLocalTime", 13);
        if (js_truth(L, -1)) {
            date_split(ms, d->zone, &f);
            ms = date_join(&f, zone);
        }
    }
    date_push(L, ms, zone, true);
    return 1;
}

static int date_to_utc(lua_State *L)
{
    date_push(L, date_at(L, 1)->ms, date_zone_utc(js_lua(L)), true);
    return 1;
}

static int date_to_local(lua_State *L)
{
    date_push(L, date_at(L, 1)->ms, date_zone_local(js_lua(L)), true);
    return 1;
}

static int date_same(lua_State *L)
{
    lua_settop(L, 1);
    return 1;
}

static int format_with(lua_State *L, const char *format, size_t len)
{
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    date_format(&b, date_at(L, 1), format, len);
    luaL_pushresult(&b);
    return 1;
}

static int date_to_format(lua_State *L)
{
    size_t len = 10;
    lua_settop(L, 2);
    const char *format = lua_isnil(L, 2) ? "yyyy-MM-dd" : js_arg_string(L, 2, &len);
    js_charge(L, len);
    return format_with(L, format, len);
}

/* toISO({suppressMilliseconds, includeOffset}) */
static int date_to_iso(lua_State *L)
{
    char text[DATE_TEXT_MAX];
    struct js_date d = *date_at(L, 1);
    lua_settop(L, 2);
    if (d.ms != d.ms) {
        lua_pushlightuserdata(L, NULL);
        return 1;
    }
    d.luxon = true;
    size_t len = date_iso(&d, text);
    if (js_type(L, 2) == JS_OBJECT) {
        char *dot = strchr(text, '.');
        js_get(L, 2, "suppressMilliseconds", 20);
        if (js_truth(L, -1) && fmod(d.ms, 1000) == 0)
            memmove(dot, dot + 4, strlen(dot + 4) + 1);
        js_get(L, 2, "includeOffset", 13);
        if (!lua_isnil(L, -1) && !js_truth(L, -1)) {
            char *time = strchr(text, 'T'), *offset = strpbrk(time, "Z+-");
            *offset = '\0';
        }
        len = strlen(text);
    }
    lua_pushlstring(L, text, len);
    return 1;
}

#define FORMATTED(name, format)                                                                    \
    static int date_to_##name(lua_State *L) { return format_with(L, format, sizeof(format) - 1); }
FORMATTED(iso_date, "yyyy-MM-dd")
FORMATTED(iso_time, "HH:mm:ss.SSSZZ")
FORMATTED(iso_week, "kkkk-'W'WW-c")
FORMATTED(sql, "yyyy-MM-dd HH:mm:ss.SSS ZZ")
FORMATTED(sql_date, "yyyy-MM-dd")
FORMATTED(rfc, "EEE, dd MMM yyyy HH:mm:ss ZZZ")

static int date_to_http(lua_State *L)
{
    date_to_utc(L);
    lua_replace(L, 1);
    return format_with(L, "EEE, dd MMM yyyy HH:mm:ss 'GMT'", 31);
}

static int date_to_millis(lua_State *L)
{
    lua_pushnumber(L, date_at(L, 1)->ms);
    return 1;
}

static int date_to_seconds(lua_State *L)
{
    lua_pushnumber(L, date_at(L, 1)->ms / 1000);
    return 1;
}

static int date_to_unix(lua_State *L)
{
    lua_pushnumber(L, floor(date_at(L, 1)->ms / 1000));
    return 1;
}

static int date_to_js(lua_State *L)
{
    date_push(L, date_at(L, 1)->ms, date_zone_local(js_lua(L)), false);
    return 1;
}

static int date_to_date_time(lua_State *L)
{
    date_push(L, date_at(L, 1)->ms, date_at(L, 1)->zone, true);
    return 1;
}

/* "in 3 days", "2 hours ago" */
static int date_to_relative(lua_State *L)
{
    const struct js_date *d = date_at(L, 1);
    double now = (double)(js_lua(L)->scope->now_us / 1000), n = 0;
    static const enum date_unit order[] = { DATE_YEAR, DATE_MONTH,  DATE_DAY,
                                            DATE_HOUR, DATE_MINUTE, DATE_SECOND };
    enum date_unit unit = DATE_SECOND;
    char text[80], number[TEXT_NUMBER_MAX];
    if (d->ms != d->ms)
        return 0;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        double from = now;
        n = whole_units(&from, d->ms, d->zone, order[i]);
        unit = order[i];
        if (n != 0)
            break;
    }
    text_of_number(fabs(n), number);
    const char *name = date_unit_names[unit];
    int len = (int)strlen(name) - (fabs(n) == 1);
    if (d->ms >= now)
        snprintf(text, sizeof text, "in %s %.*s", number, len, name);
    else
        snprintf(text, sizeof text, "%s %.*s ago", number, len, name);
    lua_pushstring(L, text);
    return 1;
}

/* --- questions -------------------------------------------------------------------------------- */

static int date_has_same(lua_State *L)
{
    const struct js_date *d = date_at(L, 1);
    enum date_unit unit = date_unit_arg(L, 3, DATE_MS);
    lua_pushboolean(L, date_floor(d->ms, d->zone, unit) ==
                           date_floor(need_moment(L, 2), d->zone, unit));
    return 1;
}

static int date_equals(lua_State *L)
{
    const struct js_date *other = date_at(L, 2);
    lua_pushboolean(L, other && other->ms == date_at(L, 1)->ms);
    return 1;
}

static int date_is_between(lua_State *L)
{
    double ms = date_at(L, 1)->ms, a = need_moment(L, 2), b = need_moment(L, 3);
    lua_pushboolean(L, a < b ? ms > a && ms < b : ms > b && ms < a);
    return 1;
}

static int date_is_dst(lua_State *L)
{
    const struct js_date *d = date_at(L, 1);
    lua_pushboolean(L, d->ms == d->ms && date_zone_is_dst(d->zone, (int64_t)floor(d->ms / 1000)));
    return 1;
}

static int date_is_weekend(lua_State *L)
{
    double v = 0;
    date_number_of(date_at(L, 1), "weekday", &v);
    lua_pushboolean(L, v == 6 || v == 7);
    return 1;
}

/* isInLast(n, unit): between that long ago and now */
static int date_is_in_last(lua_State *L)
{
    const struct js_date *d = date_at(L, 1);
    double now = (double)(js_lua(L)->scope->now_us / 1000);
    double since =
        date_add(now, d->zone, date_unit_arg(L, 3, DATE_MINUTE), -js_arg_number(L, 2, 0));
    lua_pushboolean(L, d->ms >= since && d->ms <= now);
    return 1;
}

static int date_extract(lua_State *L)
{
    double v = NAN;
    const char *name = js_is_missing(L, 2) ? "week" : js_arg_string(L, 2, NULL);
    if (!strcmp(name, "yearDayNumber"))
        name = "ordinal";
    if (!date_number_of(date_at(L, 1), !strcmp(name, "weekNumber") ? "week" : name, &v))
        return luaL_error(L, "'%s' is no part of a date", name);
    lua_pushnumber(L, v);
    return 1;
}

static int date_end_of_month(lua_State *L)
{
    lua_settop(L, 1);
    return date_end_of(L);
}

static int date_true(lua_State *L)
{
    lua_pushboolean(L, 1);
    return 1;
}

static int date_is_empty(lua_State *L)
{
    lua_pushboolean(L, 0);
    return 1;
}

const struct js_method js_date_ext[] = {
    { "plus", date_plus },
    { "minus", date_minus },
    { "startOf", date_start_of },
    { "beginningOf", date_start_of },
    { "endOf", date_end_of },
    { "endOfMonth", date_end_of_month },
    { "diff", date_diff },
    { "diffNow", date_diff_now },
    { "diffTo", date_diff_to },
    { "diffToNow", date_diff_to_now },
    { "get", date_get },
    { "set", date_set },
    { "toObject", date_to_object },
    { "setZone", date_set_zone },
    { "setLocale", date_same },
    { "reconfigure", date_same },
    { "toUTC", date_to_utc },
    { "toLocal", date_to_local },
    { "toFormat", date_to_format },
    { "format", date_to_format },
    { "toISO", date_to_iso },
    { "toISODate", date_to_iso_date },
    { "toISOTime", date_to_iso_time },
    { "toISOWeekDate", date_to_iso_week },
    { "toSQL", date_to_sql },
    { "toSQLDate", date_to_sql_date },
    { "toRFC2822", date_to_rfc },
    { "toHTTP", date_to_http },
    { "toMillis", date_to_millis },
    { "toSeconds", date_to_seconds },
    { "toUnixInteger", date_to_unix },
    { "toJSDate", date_to_js },
    { "toDate", date_to_js },
    { "toDateTime", date_to_date_time },
    { "toRelative", date_to_relative },
    { "hasSame", date_has_same },
    { "equals", date_equals },
    { "isBetween", date_is_between },
    { "isDst", date_is_dst },
    { "isWeekend", date_is_weekend },
    { "isInLast", date_is_in_last },
    { "extract", date_extract },
    { "toInt", date_to_millis },
    { "toFloat", date_to_millis },
    { "toBoolean", date_true },
    { "isEmpty", date_is_empty },
    { "isNotEmpty", date_true },
    { NULL, NULL },
};
