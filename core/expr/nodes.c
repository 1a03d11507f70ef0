/* SPDX-License-Identifier: Apache-2.0
 * nodes: what expressions see of their execution (table N of compiled code): items of other nodes,
 * $workflow and the like, the time. Everything is asked through the scope's expr_view, which
 * answers from memory. The worker's thread.
 */
#include "expr/date_int.h"
#include "expr/expr_int.h"

static const struct expr_scope *scope_of(lua_State *L) { return js_lua(L)->scope; }

static const struct expr_view *view_of(lua_State *L)
{
    static const struct expr_view none = { 0 };
    const struct expr_scope *s = scope_of(L);
    return s->view ? s->view : &none;
}

/* An item as an object {json, binary}. */
static int push_item(lua_State *L, const struct expr_item *item)
{
    lua_createtable(L, 2, 2);
    js_push(L, item->json);
    js_put_field(L, -2, "json");
    js_push(L, item->binary);
    js_put_field(L, -2, "binary");
    return 1;
}

static void paired(lua_State *L, struct expr_item *item)
{
    int node = (int)lua_tointeger(L, 1);
    const struct expr_scope *s = scope_of(L);
    char why[200] = "there is no such item";
    *item = (struct expr_item){ s->json, s->binary };
    if (node == -1)
        return;
    if (!view_of(L)->paired || view_of(L)->paired(s->of, node, item, why, sizeof why) != 0)
        luaL_error(L, "%s", why);
}

static int node_item(lua_State *L)
{
    struct expr_item item;
    paired(L, &item);
    return push_item(L, &item);
}

static int node_json(lua_State *L)
{
    struct expr_item item;
    paired(L, &item);
    js_push(L, item.json);
    return 1;
}

/* N.binary() is the current item's. */
static int node_binary(lua_State *L)
{
    struct expr_item item;
    if (lua_isnone(L, 1))
        lua_pushinteger(L, -1);
    paired(L, &item);
    js_push(L, item.binary);
    return 1;
}

static int node_matching(lua_State *L)
{
    const struct expr_scope *s = scope_of(L);
    struct expr_item item = { 0 };
    char why[200] = "there is no such item";
    int node = (int)lua_tointeger(L, 1);
    if (!view_of(L)->matching ||
        view_of(L)->matching(s->of, node, js_arg_integer(L, 2, 0), &item, why, sizeof why) != 0)
        return luaL_error(L, "%s", why);
    return push_item(L, &item);
}

/* Items of an output; raises an error when the node has not run. Branch and run are arguments 2
 * and 3. */
static int64_t count_items(lua_State *L, int node, unsigned *branch, int *run)
{
    *branch = (unsigned)js_arg_integer(L, 2, 0);
    *run = (int)js_arg_integer(L, 3, -1);
    int64_t n = view_of(L)->count ? view_of(L)->count(scope_of(L)->of, node, *branch, *run) : -1;
    if (n < 0)
        luaL_error(L, "the node has not run");
    return n;
}

static bool item_at(lua_State *L, int node, unsigned branch, int run, int64_t i,
                    struct expr_item *item)
{
    *item = (struct expr_item){ 0 };
    return view_of(L)->at && view_of(L)->at(scope_of(L)->of, node, branch, run, i, item) == 0;
}

static int push_end(lua_State *L, bool last)
{
    unsigned branch;
    int run, node = (int)lua_tointeger(L, 1);
    struct expr_item item;
    int64_t n = count_items(L, node, &branch, &run);
    if (!n || !item_at(L, node, branch, run, last ? n - 1 : 0, &item)) {
        lua_pushnil(L);
        return 1;
    }
    return push_item(L, &item);
}

static int node_first(lua_State *L) { return push_end(L, false); }

static int node_last(lua_State *L) { return push_end(L, true); }

static int node_all(lua_State *L)
{
    unsigned branch;
    int run, node = (int)lua_tointeger(L, 1);
    struct expr_item item;
    int64_t n = count_items(L, node, &branch, &run);
    js_charge(L, (size_t)n);
    js_array_new(L, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        item_at(L, node, branch, run, i, &item);
        push_item(L, &item);
        js_array_set(L, -2, (size_t)i);
    }
    return 1;
}

/* N.at(node, index) */
static int node_at(lua_State *L)
{
    struct expr_item item;
    item_at(L, (int)lua_tointeger(L, 1), 0, -1, js_arg_integer(L, 2, 0), &item);
    return push_item(L, &item);
}

static int node_ran(lua_State *L)
{
    const struct expr_view *v = view_of(L);
    lua_pushboolean(L, v->count && v->count(scope_of(L)->of, (int)lua_tointeger(L, 1), 0, -1) >= 0);
    return 1;
}

static int node_by_name(lua_State *L)
{
    size_t len;
    const char *name = js_arg_string(L, 1, &len);
    int node = view_of(L)->node_index
                   ? view_of(L)->node_index(scope_of(L)->of, (wf_str){ name, len })
                   : -1;
    if (node < 0)
        return luaL_error(L, "there is no node named '%s'", name);
    lua_pushinteger(L, node);
    return 1;
}

static int node_meta(lua_State *L)
{
    const struct expr_view *v = view_of(L);
    js_push(L, v->meta ? v->meta(scope_of(L)->of, (enum expr_meta)lua_tointeger(L, 1),
                                 (int)lua_tointeger(L, 2))
                       : NULL);
    return 1;
}

static int node_now(lua_State *L)
{
    const struct expr_scope *s = scope_of(L);
    date_push(L, (double)(s->now_us / 1000), date_zone_local(js_lua(L)), true);
    return 1;
}

static int node_today(lua_State *L)
{
    const struct expr_scope *s = scope_of(L);
    struct date_zone *zone = date_zone_local(js_lua(L));
    struct date_fields f;
    date_split((double)(s->now_us / 1000), zone, &f);
    f.hour = f.minute = f.second = f.ms = 0;
    date_push(L, date_join(&f, zone), zone, true);
    return 1;
}

static const luaL_Reg functions[] = {
    { "item", node_item },         { "json", node_json },   { "binary", node_binary },
    { "matching", node_matching }, { "first", node_first }, { "last", node_last },
    { "all", node_all },           { "at", node_at },       { "ran", node_ran },
    { "node", node_by_name },      { "meta", node_meta },   { "now", node_now },
    { "today", node_today },       { NULL, NULL },
};

void runtime_open_nodes(lua_State *L) { luaL_newlib(L, functions); }
