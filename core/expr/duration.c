/* SPDX-License-Identifier: Apache-2.0
 * duration: Luxon's Duration, and reading units of time from arguments. The worker's thread.
 */
#include "expr/date_int.h"
#include <math.h>

/* --- durations -------------------------------------------------------------------------------- */

const char *const date_unit_names[] = { NULL,   "years", "quarters", "months",  "weeks",
                                        "days", "hours", "minutes",  "seconds", "milliseconds" };

/* A box with its length in milliseconds and its amounts by unit. The object of amounts is on top.
 */
void duration_push(lua_State *L, double ms)
{
    struct js_box *box = lua_newuserdatauv(L, sizeof *box, 2);
    box->kind = JS_DURATION;
    luaL_setmetatable(L, "duration");
    lua_pushnumber(L, ms);
    lua_setiuservalue(L, -2, 1);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 2);
}

/* Calls each unit of the object or duration at `at`; the sum in milliseconds. */
double duration_amounts(lua_State *L, int at, double amounts[DATE_MS + 1])
{
    double sum = 0;
    at = lua_absindex(L, at);
    memset(amounts, 0, sizeof *amounts * (DATE_MS + 1));
    if (js_type(L, at) == JS_DURATION)
        lua_getiuservalue(L, at, 2);
    else
        lua_pushvalue(L, at);
    size_t n = js_type(L, -1) == JS_OBJECT ? js_members(L, -1) : 0;
    for (size_t i = 0; i < n; i++) {
        size_t len;
        js_member(L, -1, i);
        const char *name = lua_tolstring(L, -2, &len);
        enum date_unit unit = date_unit_of(name, len);
        if (!unit)
            luaL_error(L, "'%s' is no unit of time", name);
        amounts[unit] += js_to_number(L, -1);
        sum += js_to_number(L, -1) * date_unit_ms(unit);
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
    return sum;
}

enum date_unit date_unit_arg(lua_State *L, int at, enum date_unit missing)
{
    size_t len;
    if (js_is_missing(L, at))
        return missing;
    const char *name = js_arg_string(L, at, &len);
    enum date_unit unit = date_unit_of(name, len);
    if (!unit)
        luaL_error(L, "'%s' is no unit of time", name);
    return unit;
}

static int duration_as(lua_State *L)
{
    enum date_unit unit = date_unit_arg(L, 2, DATE_MS);
    lua_settop(L, 1);
    double amounts[DATE_MS + 1], sum = 0;
    duration_amounts(L, 1, amounts);
    /* months and years convert among themselves, not by days */
    if (unit <= DATE_MONTH) {
        double months = amounts[DATE_YEAR] * 12 + amounts[DATE_QUARTER] * 3 + amounts[DATE_MONTH];
        for (enum date_unit u = DATE_WEEK; u <= DATE_MS; u++)
            sum += amounts[u] * date_unit_ms(u) / date_unit_ms(DATE_MONTH);
        lua_pushnumber(L, (months + sum) / (unit == DATE_YEAR ? 12 : unit == DATE_QUARTER ? 3 : 1));
        return 1;
    }
    lua_pushnumber(L, js_to_number(L, 1) / date_unit_ms(unit));
    return 1;
}

static int duration_to_object(lua_State *L)
{
    lua_getiuservalue(L, 1, 2);
    return 1;
}

static int duration_to_millis(lua_State *L)
{
    lua_pushnumber(L, js_to_number(L, 1));
    return 1;
}

/* "2 hours, 30 minutes" */
static int duration_to_human(lua_State *L)
{
    double amounts[DATE_MS + 1];
    duration_amounts(L, 1, amounts);
    luaL_Buffer b;
    bool any = false;
    luaL_buffinit(L, &b);
    for (enum date_unit u = DATE_YEAR; u <= DATE_MS; u++) {
        char number[TEXT_NUMBER_MAX];
        if (amounts[u] == 0)
            continue;
        text_of_number(amounts[u], number);
        if (any)
            luaL_addstring(&b, ", ");
        luaL_addstring(&b, number);
        luaL_addchar(&b, ' ');
        luaL_addlstring(&b, date_unit_names[u], strlen(date_unit_names[u]) - (amounts[u] == 1));
        any = true;
    }
    luaL_pushresult(&b);
    return 1;
}

int duration_index(lua_State *L)
{
    size_t len;
    double amounts[DATE_MS + 1];
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tolstring(L, 2, &len) : "";
    for (enum date_unit u = DATE_YEAR; u <= DATE_MS; u++)
        if (!strcmp(date_unit_names[u], key)) {
            duration_amounts(L, 1, amounts);
            lua_pushnumber(L, amounts[u]);
            return 1;
        }
    lua_pushnil(L);
    return 1;
}

const struct js_method js_duration_methods[] = {
    { "as", duration_as },
    { "toObject", duration_to_object },
    { "toMillis", duration_to_millis },
    { "valueOf", duration_to_millis },
    { "toHuman", duration_to_human },
    { NULL, NULL },
};

static int duration_from_object(lua_State *L)
{
    double amounts[DATE_MS + 1];
    lua_settop(L, 1);
    double ms = duration_amounts(L, 1, amounts);
    js_object_new(L);
    js_merge(L, 2, 1);
    duration_push(L, ms);
    return 1;
}

static int duration_from_millis(lua_State *L)
{
    double ms = js_to_number(L, 1);
    js_object_new(L);
    lua_pushnumber(L, ms);
    js_put_field(L, -2, "milliseconds");
    duration_push(L, ms);
    return 1;
}

const struct js_method js_duration_statics[] = {
    { "Duration.fromObject", duration_from_object },
    { "Duration.fromMillis", duration_from_millis },
    { NULL, NULL },
};
