/* SPDX-License-Identifier: Apache-2.0
 * datetime_make: what makes a DateTime: the functions of DateTime itself and n8n's toDateTime. The
 * worker's thread.
 */
#include "expr/date_int.h"
#include <math.h>

/* --- any value as a date ---------------------------------------------------------------------- */

/* A date, a text or milliseconds. NaN when it is none. */
double date_moment_of(lua_State *L, int at, struct date_zone **zone)
{
    size_t len;
    *zone = date_zone_local(js_lua(L));
    struct js_date *d = date_at(L, at);
    if (d) {
        *zone = d->zone;
        return d->ms;
    }
    if (lua_type(L, at) == LUA_TNUMBER)
        return lua_tonumber(L, at);
    if (lua_type(L, at) != LUA_TSTRING)
        return NAN;
    const char *s = lua_tolstring(L, at, &len);
    struct date_zone *found;
    return date_parse(s, len, false, *zone, &found, js_lua(L));
}

/* --- making DateTimes ------------------------------------------------------------------------- */

/* The zone that options at `at` ask for; *keep when the text's own offset stays. */
static struct date_zone *zone_option(lua_State *L, int at, bool *keep)
{
    struct date_zone *zone = date_zone_local(js_lua(L));
    *keep = false;
    if (js_type(L, at) != JS_OBJECT)
        return zone;
    js_get(L, at, "setZone", 7);
    *keep = js_truth(L, -1);
    js_get(L, at, "zone", 4);
    if (!lua_isnil(L, -1))
        zone = date_zone_arg(L, lua_gettop(L));
    lua_pop(L, 2);
    return zone;
}

static int from_text(lua_State *L, bool only_iso)
{
    size_t len;
    bool keep;
    lua_settop(L, 2);
    struct date_zone *zone = zone_option(L, 2, &keep), *found = zone;
    double ms = NAN;
    if (lua_type(L, 1) == LUA_TSTRING) {
        const char *s = lua_tolstring(L, 1, &len);
        ms = date_parse(s, len, only_iso, zone, &found, js_lua(L));
    }
    date_push(L, ms, keep ? found : zone, true);
    return 1;
}

static int from_iso(lua_State *L) { return from_text(L, true); }

static int from_any(lua_State *L) { return from_text(L, false); }

static int from_format(lua_State *L)
{
    size_t len, format_len;
    bool keep;
    lua_settop(L, 3);
    struct date_zone *zone = zone_option(L, 3, &keep);
    const char *s = js_arg_string(L, 1, &len), *format = js_arg_string(L, 2, &format_len);
    date_push(L, date_parse_format(s, len, format, format_len, zone), zone, true);
    return 1;
}

static int from_number(lua_State *L, double factor)
{
    bool keep;
    lua_settop(L, 2);
    date_push(L, js_to_number(L, 1) * factor, zone_option(L, 2, &keep), true);
    return 1;
}

static int from_millis(lua_State *L) { return from_number(L, 1); }

static int from_seconds(lua_State *L) { return from_number(L, 1000); }

static int from_object(lua_State *L)
{
    bool keep;
    struct date_fields f;
    lua_settop(L, 2);
    struct date_zone *zone = zone_option(L, 2, &keep);
    date_split((double)(js_lua(L)->scope->now_us / 1000), zone, &f);
    f.month = f.day = 1;
    f.hour = f.minute = f.second = f.ms = 0;
    date_set_fields(L, 1, &f);
    date_push(L, date_join(&f, zone), zone, true);
    return 1;
}

static int datetime_now(lua_State *L)
{
    date_push(L, (double)(js_lua(L)->scope->now_us / 1000), date_zone_local(js_lua(L)), true);
    return 1;
}

/* DateTime.local(y, m, d, ...) and DateTime.utc(...) */
static int from_places(lua_State *L, struct date_zone *zone)
{
    static const char *const names[] = { "year",   "month",  "day",        "hour",
                                         "minute", "second", "millisecond" };
    struct date_fields f = { .month = 1, .day = 1 };
    int n = lua_gettop(L);
    if (!n) {
        date_push(L, (double)(js_lua(L)->scope->now_us / 1000), zone, true);
        return 1;
    }
    for (int i = 0; i < n && i < 7; i++)
        date_set_field(&f, names[i], (int)js_arg_integer(L, i + 1, 0));
    bool fine = f.month >= 1 && f.month <= 12;
    date_push(L, fine ? date_join(&f, zone) : NAN, zone, true);
    return 1;
}

static int datetime_local(lua_State *L) { return from_places(L, date_zone_local(js_lua(L))); }

static int datetime_utc(lua_State *L) { return from_places(L, date_zone_utc(js_lua(L))); }

static int is_datetime(lua_State *L)
{
    const struct js_date *d = date_at(L, 1);
    lua_pushboolean(L, d && d->luxon);
    return 1;
}

static int extreme(lua_State *L, bool max)
{
    int n = lua_gettop(L), best = 1;
    for (int i = 1; i <= n; i++) {
        if (!date_at(L, i))
            return luaL_error(L, "DateTime.%s() takes DateTimes", max ? "max" : "min");
        double a = date_at(L, i)->ms, b = date_at(L, best)->ms;
        if (max ? a > b : a < b)
            best = i;
    }
    lua_settop(L, n);
    lua_pushvalue(L, best);
    return n > 0;
}

static int datetime_max(lua_State *L) { return extreme(L, true); }

static int datetime_min(lua_State *L) { return extreme(L, false); }

/* Any value by n8n's toDateTime: a text, milliseconds, or with a unit 's', 'ms', 'us', 'excel'. */
int js_to_date_time(lua_State *L)
{
    struct date_zone *zone;
    lua_settop(L, 2);
    double ms = date_moment_of(L, 1, &zone);
    const char *unit = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "ms";
    if (lua_type(L, 1) == LUA_TSTRING && ms != ms) {
        size_t len;
        const char *s = lua_tolstring(L, 1, &len);
        ms = text_to_number(s, len);
    }
    if (!strcmp(unit, "s"))
        ms *= 1000;
    else if (!strcmp(unit, "us"))
        ms /= 1000;
    else if (!strcmp(unit, "excel"))
        ms = (ms - 25569) * 864e5;
    if (ms != ms)
        return luaL_error(L, "'%s' cannot be read as a date", js_to_string(L, 1, NULL));
    date_push(L, ms, zone, true);
    return 1;
}

const struct js_method js_date_statics[] = {
    { "DateTime.now", datetime_now },
    { "DateTime.local", datetime_local },
    { "DateTime.utc", datetime_utc },
    { "DateTime.fromISO", from_iso },
    { "DateTime.fromSQL", from_any },
    { "DateTime.fromRFC2822", from_any },
    { "DateTime.fromHTTP", from_any },
    { "DateTime.fromFormat", from_format },
    { "DateTime.fromString", from_format },
    { "DateTime.fromMillis", from_millis },
    { "DateTime.fromSeconds", from_seconds },
    { "DateTime.fromJSDate", from_millis },
    { "DateTime.fromObject", from_object },
    { "DateTime.isDateTime", is_datetime },
    { "DateTime.max", datetime_max },
    { "DateTime.min", datetime_min },
    { NULL, NULL },
};
