/* SPDX-License-Identifier: Apache-2.0
 * registry: all methods and global functions by name. The compiler asks it whether a name exists;
 * the runtime makes one Lua function per method name that picks the code by the type of its object.
 */
#include "expr/emit_int.h"
#include "expr/expr_int.h"
#include <stdlib.h>

/* Earlier tables win where two of one type have the same name. */
static const struct js_table tables[] = {
    { JS_STRING, js_string_methods },
    { JS_STRING, js_string_search },
    { JS_ARRAY, js_array_methods },
    { JS_ARRAY, js_array_more },
    { JS_OBJECT, js_object_methods },
    { JS_NUMBER, js_number_methods },
    { JS_REGEX, js_regex_methods },
    { JS_SET, js_set_methods },
    { JS_DATE, js_date_methods },
    { JS_FUNCTION, js_function_methods },
    { JS_DURATION, js_duration_methods },
    { JS_STRING, js_string_ext },
    { JS_ARRAY, js_array_ext },
    { JS_OBJECT, js_object_ext },
    { JS_NUMBER, js_number_ext },
    { JS_BOOLEAN, js_boolean_ext },
    { JS_DATE, js_date_ext },
};
enum { TABLES = sizeof tables / sizeof *tables, TABLE_FIRST_EXTENSION = 11 };

static const struct js_method *const statics[] = { js_core_statics,    js_math_statics,
                                                   js_object_statics,  js_ext_statics,
                                                   js_date_statics,    js_js_date_statics,
                                                   js_duration_statics };
enum { STATICS = sizeof statics / sizeof *statics };

static lua_CFunction find(const struct js_method *m, const char *name)
{
    for (; m->name; m++)
        if (!strcmp(m->name, name))
            return m->fn;
    return NULL;
}

bool runtime_has_method(const char *name)
{
    for (size_t i = 0; i < TABLES; i++)
        if (find(tables[i].methods, name))
            return true;
    return false;
}

bool runtime_has_static(const char *name)
{
    for (size_t i = 0; i < STATICS; i++)
        if (find(statics[i], name))
            return true;
    for (const struct js_constant *c = js_constants; c->name; c++)
        if (!strcmp(c->name, name))
            return true;
    return false;
}

static const char *nearest(const char *name, const struct js_method *const *list, size_t n)
{
    const char *names[1024];
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        for (const struct js_method *m = list[i]; m->name && count < 1024; m++)
            names[count++] = m->name;
    return str_nearest(name, names, count);
}

const char *runtime_nearest_method(const char *name)
{
    const struct js_method *list[TABLES];
    for (size_t i = 0; i < TABLES; i++)
        list[i] = tables[i].methods;
    return nearest(name, list, TABLES);
}

const char *runtime_nearest_static(const char *name) { return nearest(name, statics, STATICS); }

/* --- calling ---------------------------------------------------------------------------------- */

/* A method name with its code for each type. */
struct entry {
    const char *name;
    bool extension; /* n8n's own: on undefined it is an error, not a silent undefined */
    lua_CFunction fn[JS_TYPES];
};

static int fail_method(lua_State *L, const struct entry *e, enum js_type type)
{
    if (type != JS_UNDEFINED && type != JS_NULL)
        return luaL_error(L, "%s() is no method of %s", e->name, js_type_name(type));
    if (!strcmp(e->name, "isEmpty") || !strcmp(e->name, "isNotEmpty")) {
        lua_pushboolean(L, e->name[2] == 'E');
        return 1;
    }
    if (e->extension)
        return luaL_error(L, "%s() cannot be used on %s", e->name, js_type_name(type));
    return js_type_error(L);
}

static int call_method(lua_State *L)
{
    const struct entry *e = lua_touserdata(L, lua_upvalueindex(1));
    enum js_type type = js_type(L, 1);
    /* every method may look at its whole object, so large ones cost steps */
    if (type == JS_STRING || type == JS_ARRAY)
        js_charge(L, type == JS_STRING ? lua_rawlen(L, 1) >> 4 : js_len(L, 1) >> 2);
    if (e->fn[type])
        return e->fn[type](L);
    if (type == JS_OBJECT) { /* a function kept in an object */
        lua_getfield(L, 1, e->name);
        if (lua_isfunction(L, -1)) {
            lua_replace(L, 1);
            js_call(L, lua_gettop(L) - 1);
            return 1;
        }
        lua_pop(L, 1);
    }
    return fail_method(L, e, type);
}

/* Adds code to the entry of a name in M (on top), making it when it is new. */
static void add_method(lua_State *L, const struct js_table *table, const struct js_method *m,
                       bool extension)
{
    struct entry *e;
    if (lua_getfield(L, -1, m->name) == LUA_TFUNCTION) {
        lua_getupvalue(L, -1, 1);
        e = lua_touserdata(L, -1);
        lua_pop(L, 2);
    } else {
        lua_pop(L, 1);
        e = lua_newuserdatauv(L, sizeof *e, 0);
        *e = (struct entry){ .name = m->name, .extension = extension };
        lua_pushcclosure(L, call_method, 1);
        lua_setfield(L, -2, m->name);
    }
    if (!e->fn[table->type])
        e->fn[table->type] = m->fn;
    e->extension = e->extension && extension;
}

void runtime_open_methods(lua_State *L)
{
    lua_newtable(L);
    for (size_t i = 0; i < TABLES; i++)
        for (const struct js_method *m = tables[i].methods; m->name; m++)
            add_method(L, &tables[i], m, i >= TABLE_FIRST_EXTENSION);
}

void runtime_open_statics(lua_State *L)
{
    lua_newtable(L);
    for (size_t i = 0; i < STATICS; i++)
        for (const struct js_method *m = statics[i]; m->name; m++) {
            lua_pushcfunction(L, m->fn);
            lua_setfield(L, -2, m->name);
        }
    for (const struct js_constant *c = js_constants; c->name; c++) {
        lua_pushnumber(L, c->value);
        lua_setfield(L, -2, c->name);
    }
}
