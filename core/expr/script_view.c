/* SPDX-License-Identifier: Apache-2.0
 * script_view: how scripts read and write items (see script_int.h for the idea). Lists count
 * from 1. The worker's thread; nothing blocks.
 */
#include "expr/script_int.h"
#include <stdio.h>

enum { GENERATION_BITS = 31 };

static int view_next(lua_State *L);

/* --- handles ---------------------------------------------------------------------------------- */

struct view *view_new(struct script_thread *t, enum view_kind kind, const struct json *base,
                      struct view *parent)
{
    if (t->n_views == t->size_views) {
        t->size_views = t->size_views ? t->size_views * 2 : 64;
        t->views = xrealloc(t->views, sizeof(struct view *) * t->size_views);
    }
    struct view *v = ARENA_NEW(&t->arena, struct view);
    v->kind = kind;
    v->base = base;
    v->array = base && base->type == JSON_ARRAY;
    v->parent = parent;
    v->item = v->paired = -1;
    v->id = t->n_views;
    t->views[t->n_views++] = v;
    return v;
}

void view_push(lua_State *L, const struct script_thread *t, const struct view *v)
{
    uint64_t handle = (uint64_t)t->generation << 32 | (v->id + 1u);
    lua_pushlightuserdata(L, (void *)(uintptr_t)handle);
}

struct view *view_at(lua_State *L, int at)
{
    uint64_t handle = (uint64_t)(uintptr_t)lua_touserdata(L, at);
    if (!handle || lua_type(L, at) != LUA_TLIGHTUSERDATA)
        return NULL;
    struct script_thread *t = script_running(L);
    uint32_t id = (uint32_t)handle - 1u;
    if (handle >> 32 != t->generation || id >= t->n_views)
        luaL_error(L, "an item of an earlier run was kept: it is gone");
    return t->views[id];
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool push_scalar(lua_State *L, const struct json *v)
{
    double d = 0;
    switch (v ? v->type : JSON_MISSING) {
    case JSON_MISSING:
        lua_pushnil(L);
        return true;
    case JSON_NULL:
        lua_pushlightuserdata(L, NULL);
        return true;
    case JSON_FALSE:
    case JSON_TRUE:
        lua_pushboolean(L, v->type == JSON_TRUE);
        return true;
    case JSON_INT:
        lua_pushinteger(L, v->i);
        return true;
    case JSON_DOUBLE:
        lua_pushnumber(L, v->d);
        return true;
    case JSON_NUMBER:
        json_double(v, &d);
        lua_pushnumber(L, d);
        return true;
    case JSON_STRING:
        lua_pushlstring(L, v->s, v->len);
        return true;
    default:
        return false;
    }
}

void view_push_json(lua_State *L, struct script_thread *t, const struct json *v)
{
    if (!push_scalar(L, v))
        view_push(L, t, view_new(t, VIEW_JSON, v, NULL));
}

/* Pushes slot `i` of a view that was not written to; the child is remembered, so that a write
 * through one reference is seen through all. */
static void push_slot(lua_State *L, struct script_thread *t, struct view *v, uint32_t i)
{
    const struct json *value = v->array ? &v->base->elements[i] : &v->base->members[i].value;
    if (push_scalar(L, value))
        return;
    if (!v->children)
        v->children = ARENA_ARRAY(&t->arena, struct view *, v->base->len);
    if (!v->children[i])
        v->children[i] = view_new(t, VIEW_JSON, value, v);
    view_push(L, t, v->children[i]);
}

static void push_cell(lua_State *L, struct script_thread *t, struct view *v, struct cell *c)
{
    if (c->ref) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, t->refs);
        lua_rawgeti(L, -1, c->ref);
        lua_remove(L, -2);
        return;
    }
    if (!c->child && push_scalar(L, &c->value))
        return;
    if (!c->child) {
        c->child = view_new(t, VIEW_JSON, &c->value, v);
        /* the cell may move when the list grows: the child keeps its own copy of the header */
        struct json *copy = arena_alloc(&t->arena, sizeof *copy);
        *copy = c->value;
        c->child->base = copy;
    }
    view_push(L, t, c->child);
}

static uint32_t view_len(const struct script_thread *t, const struct view *v)
{
    if (v->cells)
        return v->n;
    if (v->kind == VIEW_ITEMS)
        return (uint32_t)t->run->n_items;
    return v->kind == VIEW_JSON ? v->base->len : 0;
}

static void push_at(lua_State *L, struct script_thread *t, struct view *v, uint32_t i)
{
    if (v->cells)
        push_cell(L, t, v, &v->cells[i]);
    else if (v->kind == VIEW_ITEMS)
        view_push(L, t, view_of_item(t, i));
    else
        push_slot(L, t, v, i);
}

/* The place of a key, or -1. */
static int64_t find_key(lua_State *L, const struct view *v, const char *key, size_t len)
{
    if (!v->cells) {
        const struct json *value = json_get(v->base, key, len);
        if (v->base->len > 64)
            js_charge(L, v->base->len >> 4);
        return value ? (int64_t)((const struct json_member *)((const char *)value -
                                                              offsetof(struct json_member, value)) -
                                 v->base->members)
                     : -1;
    }
    if (v->n > 64)
        js_charge(L, v->n >> 4);
    for (uint32_t i = 0; i < v->n; i++)
        if (v->cells[i].key.len == len && !memcmp(v->cells[i].key.s, key, len))
            return i;
    return -1;
}

/* A key as bytes: numbers name members of objects by their digits. */
static const char *key_bytes(lua_State *L, int at, char number[32], size_t *len)
{
    if (lua_type(L, at) == LUA_TSTRING)
        return lua_tolstring(L, at, len);
    if (!lua_isinteger(L, at))
        luaL_error(L, "a field's name is a string, not %s", luaL_typename(L, at));
    *len = (size_t)snprintf(number, 32, "%lld", (long long)lua_tointeger(L, at));
    return number;
}

static int index_item(lua_State *L, struct script_thread *t, struct view *v)
{
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (!strcmp(key, "json"))
        push_cell(L, t, v, &v->parts[0]);
    else if (!strcmp(key, "binary"))
        push_cell(L, t, v, &v->parts[1]);
    else if (!strcmp(key, "pairedItem"))
        lua_pushinteger(L, v->paired >= 0 ? v->paired : v->item);
    else
        lua_pushnil(L);
    return 1;
}

static int view_index(lua_State *L)
{
    struct view *v = view_at(L, 1);
    struct script_thread *t = script_running(L);
    if (!v)
        return luaL_error(L, "attempt to index a null value (field '%s')",
                          lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?");
    if (v->kind == VIEW_ITEM)
        return index_item(L, t, v);
    int64_t i = -1;
    if (v->kind == VIEW_JSON && !v->array) {
        char number[32];
        size_t len;
        const char *key = key_bytes(L, 2, number, &len);
        i = find_key(L, v, key, len);
    } else if (lua_type(L, 2) == LUA_TNUMBER) {
        lua_Integer k = lua_tointeger(L, 2);
        i = k >= 1 && k <= (lua_Integer)view_len(t, v) ? k - 1 : -1;
    }
    if (i < 0)
        lua_pushnil(L);
    else
        push_at(L, t, v, (uint32_t)i);
    return 1;
}

static int view_length(lua_State *L)
{
    struct view *v = view_at(L, 1);
    if (!v)
        return luaL_error(L, "attempt to get length of a null value");
    lua_pushinteger(L, v->kind == VIEW_ITEM || (v->kind == VIEW_JSON && !v->array)
                           ? 0
                           : (lua_Integer)view_len(script_running(L), v));
    return 1;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void mark_dirty(struct view *v)
{
    for (; v && !v->dirty; v = v->parent)
        v->dirty = true;
}

static struct cell *add_cell(struct script_thread *t, struct view *v)
{
    if (v->n == v->size) {
        struct cell *old = v->cells;
        v->size = v->size ? v->size * 2 : 8;
        v->cells = arena_alloc(&t->arena, sizeof *v->cells * v->size);
        if (v->n)
            memcpy(v->cells, old, sizeof *old * v->n);
    }
    return &v->cells[v->n++];
}

/* From here on the view's content is its cells. */
static void open_cells(lua_State *L, struct script_thread *t, struct view *v)
{
    mark_dirty(v);
    if (v->cells)
        return;
    uint32_t n = view_len(t, v);
    js_charge(L, n >> 2);
    v->size = n + 4;
    v->cells = arena_alloc(&t->arena, sizeof *v->cells * v->size);
    for (uint32_t i = 0; i < n; i++) {
        struct cell *c = &v->cells[i];
        c->ref = 0;
        if (v->kind == VIEW_ITEMS) {
            *c = (struct cell){ .child = view_of_item(t, i) };
            continue;
        }
        c->value = v->array ? v->base->elements[i] : v->base->members[i].value;
        c->key = v->array ? (struct json){ 0 } : v->base->members[i].key;
        c->child = v->children ? v->children[i] : NULL;
    }
    v->n = n;
}

/* Puts the value at stack place `at` into a cell. */
static void set_cell(lua_State *L, struct script_thread *t, struct cell *c, int at)
{
    size_t len;
    struct arena *a = t->run->scope.arena;
    c->ref = 0;
    c->child = NULL;
    switch (lua_type(L, at)) {
    case LUA_TBOOLEAN:
        c->value = json_of_bool(lua_toboolean(L, at));
        break;
    case LUA_TNUMBER:
        c->value = lua_isinteger(L, at) ? json_of_int(lua_tointeger(L, at))
                                        : json_of_double(lua_tonumber(L, at));
        break;
    case LUA_TSTRING: {
        const char *s = lua_tolstring(L, at, &len);
        c->value = json_of_str(a, s, len);
        break;
    }
    case LUA_TLIGHTUSERDATA:
        c->child = view_at(L, at);
        c->value = (struct json){ .type = JSON_NULL };
        break;
    case LUA_TTABLE:
        lua_rawgeti(L, LUA_REGISTRYINDEX, t->refs);
        lua_pushvalue(L, at);
        lua_rawseti(L, -2, t->n_refs + 1);
        lua_pop(L, 1);
        c->ref = ++t->n_refs;
        break;
    case LUA_TNIL:
        c->value = (struct json){ .type = JSON_MISSING };
        break;
    default:
        luaL_error(L, "a %s cannot be put into an item", luaL_typename(L, at));
    }
}

static void remove_cell(struct view *v, uint32_t i)
{
    memmove(&v->cells[i], &v->cells[i + 1], sizeof *v->cells * (v->n - i - 1));
    v->n--;
}

static void write_list(lua_State *L, struct script_thread *t, struct view *v)
{
    if (!lua_isinteger(L, 2))
        luaL_error(L, "a list has numbered elements, not a field '%s'",
                   lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?");
    lua_Integer k = lua_tointeger(L, 2);
    open_cells(L, t, v);
    if (k < 1 || k > (lua_Integer)v->n + 1)
        luaL_error(L, "element %I of a list with %d elements", (LUAI_UACINT)k, (int)v->n);
    if (k == (lua_Integer)v->n + 1) {
        if (!lua_isnil(L, 3)) {
            struct cell *c = add_cell(t, v);
            *c = (struct cell){ .value = { .type = JSON_NULL } };
            set_cell(L, t, c, 3);
        }
    } else if (lua_isnil(L, 3) && k == (lua_Integer)v->n) {
        v->n--;
    } else {
        set_cell(L, t, &v->cells[k - 1], 3);
        if (lua_isnil(L, 3)) /* a hole: JSON has null for it */
            v->cells[k - 1].value.type = JSON_NULL;
    }
}

static void write_object(lua_State *L, struct script_thread *t, struct view *v)
{
    char number[32];
    size_t len;
    const char *key = key_bytes(L, 2, number, &len);
    open_cells(L, t, v);
    int64_t i = find_key(L, v, key, len);
    if (lua_isnil(L, 3)) {
        if (i >= 0)
            remove_cell(v, (uint32_t)i);
        return;
    }
    if (i >= 0) {
        set_cell(L, t, &v->cells[i], 3);
        return;
    }
    struct cell c = { .key = json_of_str(t->run->scope.arena, key, len) };
    set_cell(L, t, &c, 3);
    *add_cell(t, v) = c;
}

static void write_item(lua_State *L, struct script_thread *t, struct view *v)
{
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (!strcmp(key, "json")) {
        if (!lua_istable(L, 3) && !view_at(L, 3))
            luaL_error(L, "item.json must be a table, not %s", luaL_typename(L, 3));
        set_cell(L, t, &v->parts[0], 3);
    } else if (!strcmp(key, "binary")) {
        set_cell(L, t, &v->parts[1], 3);
    } else if (!strcmp(key, "pairedItem")) {
        v->paired = luaL_checkinteger(L, 3);
    } else {
        luaL_error(L, "an item has json, binary and pairedItem: write to item.json.%s", key);
    }
    mark_dirty(v);
}

static int view_write(lua_State *L)
{
    struct view *v = view_at(L, 1);
    struct script_thread *t = script_running(L);
    if (!v)
        return luaL_error(L, "attempt to index a null value");
    if (v->kind == VIEW_ITEM)
        write_item(L, t, v);
    else if (v->kind == VIEW_ITEMS || v->array)
        write_list(L, t, v);
    else
        write_object(L, t, v);
    return 0;
}

/* --- walking ---------------------------------------------------------------------------------- */

/* Pushes key and value of place i, or nil. */
static int push_pair(lua_State *L, struct script_thread *t, struct view *v, uint32_t i)
{
    if (v->kind == VIEW_ITEM) {
        static const char *const keys[] = { "json", "binary" };
        for (; i < 2; i++)
            if (v->parts[i].child || v->parts[i].ref || v->parts[i].value.type) {
                lua_pushstring(L, keys[i]);
                push_cell(L, t, v, &v->parts[i]);
                return 2;
            }
        lua_pushnil(L);
        return 1;
    }
    if (i >= view_len(t, v)) {
        lua_pushnil(L);
        return 1;
    }
    if (v->kind == VIEW_ITEMS || v->array)
        lua_pushinteger(L, (lua_Integer)i + 1);
    else
        push_scalar(L, v->cells ? &v->cells[i].key : &v->base->members[i].key);
    push_at(L, t, v, i);
    return 2;
}

static int pairs_step(lua_State *L)
{
    uint32_t i = (uint32_t)lua_tointeger(L, lua_upvalueindex(1));
    struct view *v = view_at(L, 1);
    if (!v)
        return luaL_error(L, "a table is expected");
    lua_pushinteger(L, (lua_Integer)i + 1);
    lua_replace(L, lua_upvalueindex(1));
    return push_pair(L, script_running(L), v, i);
}

static int view_pairs(lua_State *L)
{
    if (!view_at(L, 1))
        return luaL_error(L, "attempt to walk a null value");
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, pairs_step, 1);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* next(view, key), for next(t) == nil and the like. */
static int view_next(lua_State *L)
{
    struct view *v = view_at(L, 1);
    struct script_thread *t = script_running(L);
    int64_t i = -1;
    if (!v)
        return luaL_error(L, "attempt to walk a null value");
    if (!lua_isnoneornil(L, 2)) {
        char number[32];
        size_t len;
        if (v->kind == VIEW_ITEM)
            i = !strcmp(luaL_checkstring(L, 2), "json") ? 0 : 1;
        else if (v->kind == VIEW_ITEMS || v->array)
            i = luaL_checkinteger(L, 2) - 1;
        else {
            const char *key = key_bytes(L, 2, number, &len);
            i = find_key(L, v, key, len);
        }
        if (i < 0 || i > UINT32_MAX - 2)
            return luaL_error(L, "invalid key to 'next'");
    }
    return push_pair(L, t, v, (uint32_t)(i + 1));
}

static int view_text(lua_State *L)
{
    if (lua_type(L, 1) == LUA_TLIGHTUSERDATA && !lua_touserdata(L, 1)) {
        lua_pushliteral(L, "null");
        return 1;
    }
    struct json v = script_json(L, 1);
    wf_str text = json_text(script_running(L)->run->scope.arena, &v);
    lua_pushlstring(L, text.ptr, text.len);
    return 1;
}

/* Arithmetic and comparing with null or a table of an item: say what it is. */
static int fail_operator(lua_State *L)
{
    int at = lua_type(L, 1) == LUA_TLIGHTUSERDATA ? 1 : 2;
    return luaL_error(L, "attempt to calculate with a %s value",
                      lua_touserdata(L, at) ? "table" : "null");
}

static const luaL_Reg metamethods[] = {
    { "__index", view_index },  { "__newindex", view_write }, { "__len", view_length },
    { "__pairs", view_pairs },  { "__tostring", view_text },  { "__next", view_next },
    { "__add", fail_operator }, { "__sub", fail_operator },   { "__mul", fail_operator },
    { "__div", fail_operator }, { "__mod", fail_operator },   { "__pow", fail_operator },
    { "__unm", fail_operator }, { "__idiv", fail_operator },  { "__concat", fail_operator },
    { "__lt", fail_operator },  { "__le", fail_operator },    { NULL, NULL },
};

void view_open(lua_State *L)
{
    lua_pushlightuserdata(L, NULL);
    lua_newtable(L);
    luaL_setfuncs(L, metamethods, 0);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

/* --- items ------------------------------------------------------------------------------------ */

struct view *view_items(struct script_thread *t) { return view_new(t, VIEW_ITEMS, NULL, NULL); }

static struct view *new_item(struct script_thread *t, int64_t index)
{
    const struct expr_item *it = &t->run->items[index];
    struct view *v = view_new(t, VIEW_ITEM, NULL, NULL);
    v->item = index;
    if (it->json) {
        v->parts[0].child = view_new(t, VIEW_JSON, it->json, v);
        v->parts[0].child->item = index;
    }
    if (it->binary)
        v->parts[1].child = view_new(t, VIEW_JSON, it->binary, v);
    return v;
}

/* Views 0 is the item of a script per item, or the list of items, which keeps its views by place.
 */
struct view *view_of_item(struct script_thread *t, int64_t index)
{
    if (t->script->each)
        return t->n_views ? t->views[0] : new_item(t, index);
    struct view *list = t->views[0];
    if (!list->children)
        list->children = ARENA_ARRAY(&t->arena, struct view *, t->run->n_items);
    if (!list->children[index]) {
        list->children[index] = new_item(t, index);
        list->children[index]->parent = list;
    }
    return list->children[index];
}
