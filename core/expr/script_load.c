/* SPDX-License-Identifier: Apache-2.0
 * script_load: a Lua step from its text to the function that runs: errors of syntax, and the forms
 * that start and count faster (see script_source.c). Any thread for script_syntax, else the
 * worker's; nothing blocks.
 */
#include <stdlib.h>
#include "expr/script_int.h"

/* A text in parts: what a script sees as locals stands on its first line, so that line numbers
 * stay. */
struct source {
    wf_str parts[4];
    unsigned at;
};

static const char *read_source(lua_State *L, void *data, size_t *size)
{
    struct source *s = data;
    (void)L;
    if (s->at == 4)
        return NULL;
    *size = s->parts[s->at].len;
    const char *ptr = s->parts[s->at++].ptr;
    return *size ? ptr : read_source(L, data, size);
}

static int load_script(lua_State *L, wf_str source, bool each)
{
    struct source s = { .parts = { each ? STR("local item,json=... ") : STR("local items=... "),
                                   source } };
    return lua_load(L, read_source, &s, "=L", "t");
}

/* People paste what ran in another engine. */
static const char *syntax_hint(wf_str source)
{
    static const char *const foreign[] = { "const ", "let ", "=>", "===", "!==", "&&",
                                           "||",     "${",   "//", "+=",  "++" };
    if (memmem(source.ptr, source.len, "$json", 5) || memmem(source.ptr, source.len, "$input", 6))
        return " ($json is of expressions: Lua has item.json, or items[1].json)";
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (memmem(source.ptr, source.len, foreign[i], strlen(foreign[i])))
            return " (this looks like JavaScript: the step is written in Lua)";
    return "";
}

static int fail_syntax(wf_str source, const char *text, struct err *err)
{
    struct err plain;
    script_fail_text(&plain, ERR_INVALID, text);
    return err_set(err, ERR_INVALID, "%s%s", plain.text, syntax_hint(source));
}

int script_syntax(wf_str source, struct err *err)
{
    lua_State *L = luaL_newstate();
    if (!L)
        bug_out_of_memory(0);
    int result = 0;
    if (load_script(L, source, true) != LUA_OK)
        result = fail_syntax(source, lua_tostring(L, -1), err);
    lua_close(L);
    return result;
}

static void set_environment(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "env");
    lua_setupvalue(L, -2, 1);
}

/* The text as it is run: see script_source.c. Leaves its bytes on the stack. */
static wf_str run_text(lua_State *L, wf_str source, struct expr_script *script, bool *counts)
{
    char *copy = lua_newuserdatauv(L, source.len + 1, 0);
    if (script->each && source_shorten(source, copy))
        source.ptr = copy;
    script->counted = source_is_straight(source);
    int64_t bytes = script->counted ? -1 : source_counted_bytes(source);
    *counts = bytes >= 0;
    if (!*counts)
        return source;
    char *counted = lua_newuserdatauv(L, (size_t)bytes + 1, 0);
    source_count(source, counted);
    script->counted = true;
    return (wf_str){ counted, (size_t)bytes };
}

/* The script, which is on top and right, as a function of fixed parameters, which starts faster
 * than a chunk with its "..." and needs no hook. A script that this does not suit stays as it is.
 */
static void fit_script(lua_State *L, wf_str source, struct expr_script *script)
{
    bool counts;
    int plain = lua_gettop(L);
    wf_str text = run_text(L, source, script, &counts);
    struct source s = { .parts = {
                            script->each ? STR("local _steps=... return function(item,json) ")
                                         : STR("local _steps=... return function(items) "),
                            counts ? STR("local _left=500 ") : STR(""), text, STR("\nend") } };
    if (lua_load(L, read_source, &s, "=L", "t") == LUA_OK) {
        set_environment(L);
        lua_pushcfunction(L, script_turns);
        lua_call(L, 1, 1);
        lua_replace(L, plain);
    } else {
        script->counted = false;
    }
    lua_settop(L, plain);
}

/* (source, script): keeps the function. */
static int keep_script(lua_State *L)
{
    const wf_str *source = lua_touserdata(L, 1);
    struct expr_script *script = lua_touserdata(L, 2);
    if (load_script(L, *source, script->each) != LUA_OK)
        return lua_error(L);
    set_environment(L);
    fit_script(L, *source, script);
    script->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

struct expr_script *script_compile(struct expr_lua *lua, wf_str source, const char *name,
                                   bool each_item, struct err *err)
{
    struct expr_script *script = xcalloc(1, sizeof *script);
    script->each = each_item;
    lua->fuel = INT64_MAX;
    lua_pushcfunction(lua->lua, keep_script);
    lua_pushlightuserdata(lua->lua, &source);
    lua_pushlightuserdata(lua->lua, script);
    if (lua_pcall(lua->lua, 2, 0, 0) != LUA_OK) {
        fail_syntax(source, lua_tostring(lua->lua, -1), err);
        lua_pop(lua->lua, 1);
        free(script);
        return NULL;
    }
    script->name = xstrdup(name ? name : "script");
    return script;
}

void script_free(struct expr_lua *lua, struct expr_script *script)
{
    if (!script)
        return;
    luaL_unref(lua->lua, LUA_REGISTRYINDEX, script->ref);
    free(script->name);
    free(script);
}
