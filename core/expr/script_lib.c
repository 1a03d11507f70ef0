/* SPDX-License-Identifier: Apache-2.0
 * script_lib: the environment of Lua steps. Libraries are read-only for scripts, so nothing of one
 * run is seen by another; what is global in a script lives in its run. What could run code unseen,
 * block, or loop in C without end is left out or wrapped.
 *
 * The worker's thread. Only require() reads files, once for each module of a state.
 */
#include "expr/script_int.h"
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include "expr/pattern_int.h"

/* --- base functions --------------------------------------------------------------------------- */

static int lib_type(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lua_type(L, 1) == LUA_TLIGHTUSERDATA)
        lua_pushstring(L, lua_touserdata(L, 1) ? "table" : "null");
    else
        lua_pushstring(L, luaL_typename(L, 1));
    return 1;
}

static int lib_next(lua_State *L)
{
    if (luaL_getmetafield(L, 1, "__next") != LUA_TNIL) {
        lua_insert(L, 1);
        lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
        return lua_gettop(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (lua_next(L, 1))
        return 2;
    lua_pushnil(L);
    return 1;
}

static int lib_setmetatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (!lua_isnil(L, 2))
        luaL_checktype(L, 2, LUA_TTABLE);
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    /* finalizers run outside of every limit */
    if (lua_istable(L, 2) && lua_getfield(L, 2, "__gc") != LUA_TNIL)
        return luaL_error(L, "__gc is not allowed");
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int pcall_end(lua_State *L, int status, lua_KContext context)
{
    (void)context;
    bool fine = status == LUA_OK || status == LUA_YIELD;
    if (!fine && js_lua(L)->exhausted) /* the step limit is for everybody */
        return lua_error(L);
    if (fine) {
        lua_pushboolean(L, 1);
        lua_replace(L, 1);
        return lua_gettop(L);
    }
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static int lib_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushnil(L); /* the place of the answer */
    lua_insert(L, 1);
    int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, pcall_end);
    return pcall_end(L, status, 0);
}

/* --- wrapped libraries ------------------------------------------------------------------------ */

static int lib_rep(lua_State *L)
{
    size_t len, sep_len = 0;
    luaL_checklstring(L, 1, &len);
    lua_Integer n = luaL_checkinteger(L, 2);
    luaL_optlstring(L, 3, "", &sep_len);
    if (n > 0 && (double)n * (double)(len + sep_len + 1) > (double)js_lua(L)->limit_bytes)
        return luaL_error(L, "string.rep of %I times %I bytes is too large", (LUAI_UACINT)n,
                          (LUAI_UACINT)len);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* Functions of `table` work on as many elements as a length says, and a length may lie. */
static int lib_sized(lua_State *L)
{
    if (lua_istable(L, 1) || lua_type(L, 1) == LUA_TLIGHTUSERDATA) {
        lua_Integer n = luaL_len(L, 1);
        js_charge(L, n < 0 ? 0 : (size_t)n >> 2);
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int lib_ranged(lua_State *L)
{
    lua_Integer from = luaL_optinteger(L, 2, 1), to = luaL_optinteger(L, 3, 0);
    if (to > from)
        js_charge(L, (size_t)to - (size_t)from);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int lib_concat(lua_State *L)
{
    lua_Integer from = luaL_optinteger(L, 3, 1),
                to = luaL_opt(L, luaL_checkinteger, 4, luaL_len(L, 1));
    if (to > from)
        js_charge(L, (size_t)to - (size_t)from);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* library[name] = wrapper over what is there. The library is on top. */
static void wrap(lua_State *L, const char *name, lua_CFunction wrapper)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, wrapper, 1);
    lua_setfield(L, -2, name);
}

static void remove_field(lua_State *L, const char *name)
{
    lua_pushnil(L);
    lua_setfield(L, -2, name);
}

static int fail_write(lua_State *L)
{
    return luaL_error(L, "cannot change '%s': libraries are shared",
                      lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?");
}

/* Puts the library on top into the builtins at `builtins` behind a read-only face; pops it. */
static void publish(lua_State *L, int builtins, const char *name)
{
    lua_newtable(L);
    lua_newtable(L);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, fail_write);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_setfield(L, builtins, name);
    lua_pop(L, 1);
}

static void open_libraries(lua_State *L, int builtins)
{
    luaL_requiref(L, "string", luaopen_string, 0);
    remove_field(L, "dump");
    wrap(L, "rep", lib_rep);
    pattern_open(L);
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
    publish(L, builtins, "string");
    luaL_requiref(L, "table", luaopen_table, 0);
    wrap(L, "insert", lib_sized);
    wrap(L, "remove", lib_sized);
    wrap(L, "sort", lib_sized);
    wrap(L, "unpack", lib_ranged);
    wrap(L, "move", lib_ranged);
    wrap(L, "concat", lib_concat);
    lua_getfield(L, -1, "unpack");
    lua_setfield(L, builtins, "unpack");
    publish(L, builtins, "table");
    luaL_requiref(L, "math", luaopen_math, 0);
    remove_field(L, "randomseed");
    publish(L, builtins, "math");
    luaL_requiref(L, "utf8", luaopen_utf8, 0);
    publish(L, builtins, "utf8");
}

static void open_base(lua_State *L, int builtins)
{
    static const char *const kept[] = { "assert", "error",    "ipairs",      "pairs",
                                        "select", "tonumber", "tostring",    "rawequal",
                                        "rawlen", "rawget",   "getmetatable" };
    luaL_requiref(L, LUA_GNAME, luaopen_base, 0);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        lua_getfield(L, -1, kept[i]);
        lua_setfield(L, builtins, kept[i]);
    }
    lua_pop(L, 1);
}

/* --- items of nodes --------------------------------------------------------------------------- */

static int push_foreign(lua_State *L, struct script_thread *t, const struct expr_item *item)
{
    lua_createtable(L, 0, 2);
    view_push_json(L, t, item->json);
    lua_setfield(L, -2, "json");
    view_push_json(L, t, item->binary);
    lua_setfield(L, -2, "binary");
    return 1;
}

/* The node a function of node("X") belongs to; x:first() is x.first(), so a table in front is
 * dropped. */
static int node_of(lua_State *L)
{
    if (lua_istable(L, 1))
        lua_remove(L, 1);
    return (int)lua_tointeger(L, lua_upvalueindex(1));
}

static const struct expr_view *view_of_run(lua_State *L)
{
    static const struct expr_view none = { 0 };
    const struct expr_view *v = script_running(L)->run->scope.view;
    return v ? v : &none;
}

static int64_t count_of(lua_State *L, int node, unsigned *branch, int *run)
{
    *branch = (unsigned)luaL_optinteger(L, 1, 0);
    *run = (int)luaL_optinteger(L, 2, -1);
    const struct expr_view *v = view_of_run(L);
    int64_t n = v->count ? v->count(script_running(L)->run->scope.of, node, *branch, *run) : -1;
    if (n < 0)
        luaL_error(L, "the node has not run");
    return n;
}

static int push_node_item(lua_State *L, int node, bool last)
{
    struct script_thread *t = script_running(L);
    struct expr_item item = { 0 };
    unsigned branch;
    int run;
    int64_t n = count_of(L, node, &branch, &run);
    if (!n ||
        view_of_run(L)->at(t->run->scope.of, node, branch, run, last ? n - 1 : 0, &item) != 0) {
        lua_pushnil(L);
        return 1;
    }
    return push_foreign(L, t, &item);
}

static int node_first(lua_State *L) { return push_node_item(L, node_of(L), false); }

static int node_last(lua_State *L) { return push_node_item(L, node_of(L), true); }

static int node_all(lua_State *L)
{
    struct script_thread *t = script_running(L);
    int node = node_of(L), run;
    unsigned branch;
    int64_t n = count_of(L, node, &branch, &run);
    js_charge(L, (size_t)n);
    lua_createtable(L, n < 4096 ? (int)n : 4096, 0);
    for (int64_t i = 0; i < n; i++) {
        struct expr_item item = { 0 };
        view_of_run(L)->at(t->run->scope.of, node, branch, run, i, &item);
        push_foreign(L, t, &item);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int node_item(lua_State *L)
{
    struct script_thread *t = script_running(L);
    struct expr_item item = { 0 };
    char why[200] = "there is no such item";
    const struct expr_view *v = view_of_run(L);
    if (!v->paired || v->paired(t->run->scope.of, (int)lua_tointeger(L, lua_upvalueindex(1)), &item,
                                why, sizeof why))
        return luaL_error(L, "%s", why);
    return push_foreign(L, t, &item);
}

static int node_index(lua_State *L)
{
    static const luaL_Reg members[] = { { "first", node_first },
                                        { "last", node_last },
                                        { "all", node_all },
                                        { "item", node_item },
                                        { NULL, NULL } };
    const char *name = luaL_checkstring(L, 2);
    for (const luaL_Reg *m = members; m->name; m++) {
        if (strcmp(m->name, name) != 0)
            continue;
        lua_getmetatable(L, 1);
        lua_getfield(L, -1, "node");
        if (m->func == node_item) { /* a member, not a function */
            lua_pushcclosure(L, node_item, 1);
            lua_call(L, 0, 1);
        } else {
            lua_pushcclosure(L, m->func, 1);
        }
        return 1;
    }
    return luaL_error(L, "a node has first(), last(), all() and item, not '%s'", name);
}

static int lib_node(lua_State *L)
{
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);
    const struct expr_view *v = view_of_run(L);
    int node =
        v->node_index ? v->node_index(script_running(L)->run->scope.of, (wf_str){ name, len }) : -1;
    if (node < 0)
        return luaL_error(L, "there is no node named '%s'", name);
    lua_newtable(L);
    lua_createtable(L, 0, 3);
    lua_pushcfunction(L, node_index);
    lua_setfield(L, -2, "__index");
    lua_pushinteger(L, node);
    lua_setfield(L, -2, "node");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    return 1;
}

/* input.all(), input.first(), input.last(): a script over all items has them; one per item asks. */
static int input_all(lua_State *L)
{
    struct script_thread *t = script_running(L);
    if (!t->script->each) {
        view_push(L, t, t->views[0]);
        return 1;
    }
    lua_settop(L, 0);
    return node_all(L);
}

static int push_input(lua_State *L, bool last)
{
    struct script_thread *t = script_running(L);
    lua_settop(L, 0);
    if (t->script->each)
        return push_node_item(L, -1, last);
    if (!t->run->n_items)
        lua_pushnil(L);
    else
        view_push(L, t, view_of_item(t, last ? (int64_t)t->run->n_items - 1 : 0));
    return 1;
}

static int input_first(lua_State *L) { return push_input(L, false); }

static int input_last(lua_State *L) { return push_input(L, true); }

/* --- waiting ---------------------------------------------------------------------------------- */

static int wait_end(lua_State *L, int status, lua_KContext context)
{
    struct script_thread *t = script_running(L);
    (void)status;
    (void)context;
    t->waits = false;
    if (t->error)
        return luaL_error(L, "%s", t->error);
    view_push_json(L, t, t->answer);
    return 1;
}

/* Leaves the script with what it asks for; it goes on in wait_end. */
static int wait_for(lua_State *L, const char *op, struct json fields)
{
    struct script_thread *t = script_running(L);
    struct json name = json_of_str_borrow(str_of(op));
    t->wait = json_set_key(t->run->scope.arena, &fields, STR("op"), &name);
    t->waits = true;
    return lua_yieldk(L, 0, 0, wait_end);
}

static int http_request(lua_State *L)
{
    if (lua_type(L, 1) == LUA_TSTRING) {
        lua_createtable(L, 0, 1);
        lua_pushvalue(L, 1);
        lua_setfield(L, -2, "url");
        lua_replace(L, 1);
    }
    struct json fields = script_json(L, 1);
    if (fields.type != JSON_OBJECT || !JSON_GET(&fields, "url"))
        return luaL_error(L, "http.request takes a table with a url");
    return wait_for(L, "http", fields);
}

static int kafka_send(lua_State *L)
{
    struct json fields = script_json(L, 1);
    if (fields.type != JSON_OBJECT || !JSON_GET(&fields, "topic"))
        return luaL_error(L, "kafka.send takes a table with a topic");
    return wait_for(L, "kafka", fields);
}

/* A function of a plugin, with the arguments from `first` on. */
static int wait_for_call(lua_State *L, struct json name, int first)
{
    struct arena *a = script_running(L)->run->scope.arena;
    int n = lua_gettop(L) - first + 1;
    struct json *args, list = json_array(a, (size_t)n, &args);
    struct json_member *m;
    struct json object = json_object(a, 2, &m);
    for (int i = 0; i < n; i++)
        args[i] = script_json(L, first + i);
    m[0] = (struct json_member){ json_of_str_borrow(STR("name")), name };
    m[1] = (struct json_member){ json_of_str_borrow(STR("args")), list };
    return wait_for(L, "call", object);
}

static int lib_call(lua_State *L)
{
    luaL_checkstring(L, 1);
    return wait_for_call(L, script_json(L, 1), 2);
}

static int redis_call(lua_State *L)
{
    int n = lua_gettop(L);
    if (!n)
        return luaL_error(L, "redis.call takes a command");
    for (int i = 1; i <= n; i++) {
        if (lua_type(L, i) != LUA_TSTRING && lua_type(L, i) != LUA_TNUMBER)
            return luaL_error(L, "redis.call takes strings and numbers, not a %s",
                              luaL_typename(L, i));
    }
    return wait_for_call(L, json_of_str_borrow(STR("redis.call")), 1);
}

static int lib_sleep(lua_State *L)
{
    struct arena *a = script_running(L)->run->scope.arena;
    struct json object = json_object(a, 0, &(struct json_member *){ 0 });
    lua_Number ms = luaL_checknumber(L, 1);
    if (!(ms >= 0 && ms <= 9e15))
        return luaL_error(L, "sleep takes milliseconds");
    struct json value = json_of_double((double)(int64_t)ms);
    return wait_for(L, "sleep", json_set_key(a, &object, STR("ms"), &value));
}

/* --- the rest --------------------------------------------------------------------------------- */

static int lib_now(lua_State *L)
{
    lua_pushinteger(L, script_running(L)->run->scope.now_us / 1000);
    return 1;
}

static int lib_log(lua_State *L)
{
    struct script_run *run = script_running(L)->run;
    int n = lua_gettop(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&b, ' ');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    size_t len;
    const char *s = lua_tolstring(L, -1, &len);
    if (run->log)
        run->log(run->ctx, (wf_str){ s, len });
    return 0;
}

static int lib_array(lua_State *L)
{
    if (lua_isnoneornil(L, 1))
        lua_newtable(L);
    else
        luaL_checktype(L, 1, LUA_TTABLE);
    lua_rawgetp(L, LUA_REGISTRYINDEX, js_lua(L)->script_array_mt);
    lua_setmetatable(L, -2);
    return 1;
}

static int lib_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    struct json v = script_json(L, 1);
    wf_str text = json_text(script_running(L)->run->scope.arena, &v);
    js_charge(L, text.len >> 4);
    lua_pushlstring(L, text.ptr, text.len);
    return 1;
}

static int lib_decode(lua_State *L)
{
    size_t len;
    struct json_error error;
    struct script_thread *t = script_running(L);
    const char *s = luaL_checklstring(L, 1, &len);
    struct json *v = arena_alloc(t->run->scope.arena, sizeof *v);
    js_charge(L, len >> 4);
    if (json_parse_copy(t->run->scope.arena, s, len, 0, v, &error) != 0)
        return luaL_error(L, "json_decode: %s at byte %I", error.reason, (LUAI_UACINT)error.offset);
    view_push_json(L, t, v);
    return 1;
}

/* Reads a module of the configured folder; leaves its function. */
static void load_module(lua_State *L, const char *name)
{
    char path[512], chunk[128];
    const char *dir = js_lua(L)->require_dir;
    size_t len = strlen(name);
    if (!dir)
        luaL_error(L, "require: no folder of modules is configured");
    if (!len || len > 100 ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != len)
        luaL_error(L, "require: '%s' is not the name of a module", name);
    snprintf(path, sizeof path, "%s/%s.lua", dir, name);
    snprintf(chunk, sizeof chunk, "=%s.lua", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        luaL_error(L, "require: there is no module '%s'", name);
    char *text = lua_newuserdatauv(L, 1 << 20, 0);
    size_t n = fread(text, 1, 1 << 20, file);
    fclose(file);
    if (n == 1 << 20)
        luaL_error(L, "require: module '%s' is larger than 1 MiB", name);
    if (luaL_loadbufferx(L, text, n, chunk, "t") != LUA_OK)
        lua_error(L);
    lua_remove(L, -2);
    lua_getfield(L, LUA_REGISTRYINDEX, "env");
    lua_setupvalue(L, -2, 1);
}

static int lib_require(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    script_watch(L); /* a module may have loops */
    lua_getfield(L, LUA_REGISTRYINDEX, "modules");
    if (lua_getfield(L, -1, name) != LUA_TNIL)
        return 1;
    lua_pop(L, 1);
    load_module(L, name);
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, name);
    return 1;
}

/* --- globals ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum expr_meta meta;
} metas[] = {
    { "workflow", EXPR_META_WORKFLOW },  { "execution", EXPR_META_EXECUTION },
    { "vars", EXPR_META_VARS },          { "env", EXPR_META_ENV },
    { "prevNode", EXPR_META_PREV_NODE }, { "parameter", EXPR_META_PARAMETER },
    { "runIndex", EXPR_META_RUN_INDEX },
};

static int push_meta(lua_State *L, struct script_thread *t, size_t i)
{
    const struct expr_view *v = view_of_run(L);
    if (t->metas[i]) {
        view_push(L, t, t->metas[i]);
        return 1;
    }
    const struct json *value = v->meta ? v->meta(t->run->scope.of, metas[i].meta, -1) : NULL;
    uint32_t before = t->n_views;
    view_push_json(L, t, value);
    if (t->n_views > before)
        t->metas[i] = t->views[before];
    return 1;
}

/* The names of the other mode are not there: nil would only fail somewhere else. */
static void check_mode(lua_State *L, const struct script_thread *t, const char *name)
{
    if (t->script->each && !strcmp(name, "items"))
        luaL_error(L, "items is there in mode runOnceForAllItems; in this mode there is item");
    if (!t->script->each && (!strcmp(name, "item") || !strcmp(name, "json")))
        luaL_error(L,
                   "%s is there in mode runOnceForEachItem; in this mode there is the list items",
                   name);
}

/* A name that is no builtin: something of the run, or a global the script made. */
static int read_global(lua_State *L)
{
    struct script_thread *t = script_running(L);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (t && t->globals != LUA_NOREF) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, t->globals);
        lua_pushvalue(L, 2);
        if (lua_rawget(L, -2) != LUA_TNIL)
            return 1;
    }
    if (t && !strcmp(name, "index") && t->script->each) {
        const struct expr_view *v = view_of_run(L);
        const struct json *i = v->meta ? v->meta(t->run->scope.of, EXPR_META_ITEM_INDEX, -1) : NULL;
        int64_t place = 0;
        json_int(i, &place);
        lua_pushinteger(L, place + 1);
        return 1;
    }
    for (size_t i = 0; t && i < sizeof metas / sizeof *metas; i++)
        if (!strcmp(metas[i].name, name))
            return push_meta(L, t, i);
    if (t)
        check_mode(L, t, name);
    lua_pushnil(L);
    return 1;
}

static int write_global(lua_State *L)
{
    struct script_thread *t = script_running(L);
    lua_getfield(L, LUA_REGISTRYINDEX, "builtins");
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL)
        return luaL_error(L, "'%s' is part of the language here: write local %s",
                          lua_tostring(L, 2), lua_tostring(L, 2));
    if (!t)
        return luaL_error(L, "a global outside of a run");
    if (t->globals == LUA_NOREF) {
        lua_newtable(L);
        t->globals = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->globals);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_rawset(L, -3);
    return 0;
}

static const luaL_Reg functions[] = {
    { "type", lib_type },          { "next", lib_next },       { "setmetatable", lib_setmetatable },
    { "pcall", lib_pcall },        { "node", lib_node },       { "sleep", lib_sleep },
    { "call", lib_call },          { "now", lib_now },         { "log", lib_log },
    { "print", lib_log },          { "array", lib_array },     { "json_encode", lib_encode },
    { "json_decode", lib_decode }, { "require", lib_require }, { NULL, NULL },
};
static const luaL_Reg input_functions[] = {
    { "all", input_all }, { "first", input_first }, { "last", input_last }, { NULL, NULL }
};
static const luaL_Reg http_functions[] = { { "request", http_request }, { NULL, NULL } };
static const luaL_Reg kafka_functions[] = { { "send", kafka_send }, { NULL, NULL } };
static const luaL_Reg redis_functions[] = { { "call", redis_call }, { NULL, NULL } };

void script_open_library(lua_State *L)
{
    lua_newtable(L);
    int builtins = lua_gettop(L);
    open_base(L, builtins);
    luaL_setfuncs(L, functions, 0);
    open_libraries(L, builtins);
    luaL_newlib(L, input_functions);
    publish(L, builtins, "input");
    luaL_newlib(L, http_functions);
    publish(L, builtins, "http");
    luaL_newlib(L, kafka_functions);
    publish(L, builtins, "kafka");
    luaL_newlib(L, redis_functions);
    publish(L, builtins, "redis");
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, builtins, "null");
    lua_newtable(L);
    lua_pushcfunction(L, read_global);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, builtins);
    lua_newtable(L); /* the environment: always empty, so that every write is seen */
    lua_newtable(L);
    lua_pushvalue(L, builtins);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, write_global);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, builtins);
    lua_setfield(L, LUA_REGISTRYINDEX, "builtins");
    lua_newtable(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "modules");
    lua_remove(L, builtins);
}
