/* SPDX-License-Identifier: Apache-2.0
 * value_json: JavaScript values as JSON in the scope's arena. js_to_json raises no errors, so it
 * also runs outside of protected calls, on the result of an evaluation. The worker's thread.
 */
#include "expr/expr_int.h"

enum { NESTING_MAX = JSON_DEPTH_MAX };

/* A small value that holds itself many times over is large as JSON. */
static bool afford(lua_State *L, size_t n)
{
    struct expr_lua *lua = js_lua(L);
    lua->fuel -= (int64_t)n + 1;
    if (lua->fuel >= 0 && lua->scope->arena->total_bytes <= lua->arena_start + lua->limit_bytes)
        return true;
    lua->exhausted = true;
    return false;
}

static bool array_to_json(lua_State *L, int at, struct json *out, unsigned depth)
{
    struct json *elements;
    size_t n = js_len(L, at);
    if (!afford(L, n))
        return false;
    *out = json_array(js_arena(L), n, &elements);
    for (size_t i = 0; i < n; i++) {
        js_elem(L, at, i);
        bool fine = js_to_json(L, -1, &elements[i], depth + 1);
        lua_pop(L, 1);
        if (!fine)
            return false;
        if (elements[i].type == JSON_MISSING)
            elements[i].type = JSON_NULL;
    }
    return true;
}

static bool object_to_json(lua_State *L, int at, struct json *out, unsigned depth)
{
    struct json_member *members;
    size_t n = js_members(L, at), kept = 0;
    if (!afford(L, n))
        return false;
    *out = json_object(js_arena(L), n, &members);
    for (size_t i = 0; i < n; i++) {
        js_member(L, at, i);
        bool fine = js_to_json(L, -1, &members[kept].value, depth + 1) &&
                    js_to_json(L, -2, &members[kept].key, depth + 1);
        lua_pop(L, 2);
        if (!fine)
            return false;
        /* undefined is left out, as JSON.stringify does */
        kept += members[kept].value.type != JSON_MISSING;
    }
    out->len = (uint32_t)kept;
    return true;
}

bool js_to_json(lua_State *L, int at, struct json *out, unsigned depth)
{
    size_t len;
    at = lua_absindex(L, at);
    *out = (struct json){ .type = JSON_MISSING };
    if (depth > NESTING_MAX || !lua_checkstack(L, 8))
        return false;
    switch (js_type(L, at)) {
    case JS_NULL:
        out->type = JSON_NULL;
        return true;
    case JS_BOOLEAN:
        *out = json_of_bool(lua_toboolean(L, at));
        return true;
    case JS_NUMBER:
        *out = lua_isinteger(L, at) ? json_of_int(lua_tointeger(L, at))
                                    : json_of_double(lua_tonumber(L, at));
        return true;
    case JS_STRING: {
        const char *s = lua_tolstring(L, at, &len);
        *out = json_of_str(js_arena(L), s, len);
        return true;
    }
    case JS_ARRAY:
    case JS_OBJECT:
        if (lua_type(L, at) == LUA_TLIGHTUSERDATA) {
            *out = *(const struct json *)lua_touserdata(L, at);
            return true;
        }
        return js_type(L, at) == JS_ARRAY ? array_to_json(L, at, out, depth)
                                          : object_to_json(L, at, out, depth);
    case JS_SET: {
        lua_getiuservalue(L, at, 1);
        bool fine = array_to_json(L, lua_gettop(L), out, depth);
        lua_pop(L, 1);
        return fine;
    }
    case JS_DATE: {
        char text[DATE_TEXT_MAX];
        if (date_at(L, at)->ms != date_at(L, at)->ms) {
            out->type = JSON_NULL;
            return true;
        }
        len = date_iso(date_at(L, at), text);
        *out = json_of_str(js_arena(L), text, len);
        return true;
    }
    case JS_REGEX:
        *out = json_object(js_arena(L), 0, &(struct json_member *){ NULL });
        return true;
    case JS_DURATION:
        *out = json_of_double(js_to_number(L, at));
        return true;
    default:
        return true;
    }
}

struct json js_json(lua_State *L, int at)
{
    struct json out;
    struct expr_lua *lua = js_lua(L);
    bool fine = js_to_json(L, at, &out, 0);
    if (lua->exhausted || lua->scope->arena->total_bytes > lua->arena_start + lua->limit_bytes)
        luaL_error(L, "not enough memory");
    if (!fine)
        luaL_error(L, "a value is nested deeper than %d levels", NESTING_MAX);
    return out;
}
