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
    struct view *v = arena_alloc(&t->arena, sizeof *v);
    *v = (struct view){ .kind = kind, .base = base, .parent = parent, .item = -1 };
    v->array = kind == VIEW_ITEMS || (base && base->type == JSON_ARRAY);
    if (base) {
        v->n = v->size = base->len;
        v->slots = (struct json *)(uintptr_t)base->elements; /* written when they are own */
    }
    v->id = t->n_views;
    t->views[t->n_views++] = v;
    return v;
}

void view_push(lua_State *L, const struct script_thread *t, const struct view *v)
{
    uint64_t handle = (uint64_t)t->generation << 32 | (v->id + 1u);
    lua_pushlightuserdata(L, (void *)(uintptr_t)handle);
}

struct view *view_of_handle(const struct script_thread *t, uint64_t handle)
{
    uint32_t id = (uint32_t)handle - 1u;
    return handle >> 32 == t->generation && id < t->n_views ? t->views[id] : NULL;
}

/* As view_at, where a light userdata is known to be. */
static inline struct view *view_self(lua_State *L, int at)
{
    uint64_t handle = (uint64_t)(uintptr_t)lua_touserdata(L, at);
    if (!handle)
        return NULL;
    struct view *v = view_of_handle(script_running(L), handle);
    if (!v)
        luaL_error(L, "an item of an earlier run was kept: it is gone");
    return v;
}

struct view *view_at(lua_State *L, int at)
{
    return lua_type(L, at) == LUA_TLIGHTUSERDATA ? view_self(L, at) : NULL;
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

static struct json *slot_at(const struct view *v, uint32_t i)
{
    return &v->slots[v->array ? i : 2 * (size_t)i + 1];
}

static void push_ref(lua_State *L, const struct script_thread *t, int ref)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->refs);
    lua_rawgeti(L, -1, ref);
    lua_remove(L, -2);
}

static void need_links(struct script_thread *t, struct view *v)
{
    if (!v->links)
        v->links = ARENA_ARRAY(&t->arena, struct link, v->size);
}

/* Pushes the value in slot i. The view of a container is remembered, so that a write through one
 * reference is seen through all. */
static void push_at(lua_State *L, struct script_thread *t, struct view *v, uint32_t i)
{
    const struct link *link = v->links ? &v->links[i] : NULL;
    if (v->kind == VIEW_ITEMS && !v->slots) {
        view_push(L, t, view_of_item(t, i));
    } else if (link && link->ref) {
        push_ref(L, t, link->ref);
    } else if (link && link->child) {
        view_push(L, t, link->child);
    } else if (!push_scalar(L, slot_at(v, i))) {
        struct json *value = slot_at(v, i);
        if (v->own) { /* the slot may move */
            struct json *copy = arena_alloc(&t->arena, sizeof *copy);
            *copy = *value;
            value = copy;
        }
        need_links(t, v);
        v->links[i].child = view_new(t, VIEW_JSON, value, v);
        view_push(L, t, v->links[i].child);
    }
}

/* The same for the json or the binary of an item. */
static void push_part(lua_State *L, struct script_thread *t, struct view *v, int part)
{
    const struct link *link = &v->parts->links[part];
    if (link->ref)
        push_ref(L, t, link->ref);
    else if (link->child)
        view_push(L, t, link->child);
    else
        push_scalar(L, &v->parts->values[part]);
}

/* Where a key of this address was found last is where it is now, for messages of one shape. */
static uint8_t *hint_of(struct script_thread *t, const char *key)
{
    uintptr_t at = (uintptr_t)key;
    return &t->hints[(at >> 4 ^ at >> 11) % sizeof t->hints];
}

static inline bool is_key(const struct json *key, const char *bytes, size_t len)
{
    return key->len == len && !memcmp(key->s, bytes, len);
}

/* The place of a key, or -1. */
static int64_t find_key(lua_State *L, struct script_thread *t, const struct view *v,
                        const char *key, size_t len)
{
    uint8_t *hint = hint_of(t, key);
    if (*hint < v->n && is_key(&v->slots[2 * (size_t)*hint], key, len))
        return *hint;
    if (v->n > 64)
        js_charge(L, v->n >> 4);
    for (uint32_t i = 0; i < v->n; i++)
        if (is_key(&v->slots[2 * (size_t)i], key, len)) {
            *hint = (uint8_t)(i < UINT8_MAX ? i : UINT8_MAX);
            return i;
        }
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
        push_part(L, t, v, 0);
    else if (!strcmp(key, "binary"))
        push_part(L, t, v, 1);
    else if (!strcmp(key, "pairedItem"))
        lua_pushinteger(L, v->parts->paired >= 0 ? v->parts->paired : v->item);
    else
        lua_pushnil(L);
    return 1;
}

static int view_index(lua_State *L)
{
    struct view *v = view_self(L, 1);
    struct script_thread *t = script_running(L);
    if (!v)
        return luaL_error(L, "attempt to index a null value (field '%s')",
                          lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?");
    if (v->kind == VIEW_ITEM)
        return index_item(L, t, v);
    int64_t i = -1;
    if (!v->array) {
        char number[32];
        size_t len;
        const char *key = key_bytes(L, 2, number, &len);
        i = find_key(L, t, v, key, len);
    } else if (lua_type(L, 2) == LUA_TNUMBER) {
        lua_Integer k = lua_tointeger(L, 2);
        i = k >= 1 && k <= (lua_Integer)v->n ? k - 1 : -1;
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
    lua_pushinteger(L, v->array ? (lua_Integer)v->n : 0);
    return 1;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void mark_dirty(struct view *v)
{
    for (; v && !v->dirty; v = v->parent)
        v->dirty = true;
}

/* Gives the view slots of its own, with room for `size` of them. They lie in the run's arena and
 * become the value that is handed on; before those of an object is the one slot that
 * json_object_like wants. */
static void take_slots(struct script_thread *t, struct view *v, uint32_t size)
{
    size_t unit = v->array ? 1 : 2;
    struct json *slots = arena_alloc(t->run->scope.arena, (unit * size + 1) * sizeof *slots);
    if (v->slots)
        memcpy(slots + 1, v->slots, unit * v->n * sizeof *slots);
    if (v->links && size > v->size) {
        struct link *links = ARENA_ARRAY(&t->arena, struct link, size);
        memcpy(links, v->links, v->n * sizeof *links);
        v->links = links;
    }
    v->slots = slots + 1;
    v->size = size;
    v->own = true;
    v->shared = false;
}

/* From here on the view may be written to, and one slot more fits in. */
static void open_slots(lua_State *L, struct script_thread *t, struct view *v)
{
    mark_dirty(v);
    if (v->own && !v->shared && v->n < v->size)
        return;
    bool list = v->kind == VIEW_ITEMS && !v->slots;
    js_charge(L, v->n >> 2);
    take_slots(t, v, v->own && v->n == v->size ? 2 * v->size : v->n + 4);
    if (!list)
        return;
    need_links(t, v);
    for (uint32_t i = 0; i < v->n; i++) {
        v->slots[i] = (struct json){ .type = JSON_NULL };
        v->links[i].child = view_of_item(t, i);
    }
}

/* What the script puts into a slot: a value, or what a link is for. */
static void take_value(lua_State *L, struct script_thread *t, int at, struct json *value,
                       struct link *link)
{
    size_t len;
    *link = (struct link){ 0 };
    switch (lua_type(L, at)) {
    case LUA_TBOOLEAN:
        *value = json_of_bool(lua_toboolean(L, at));
        break;
    case LUA_TNUMBER:
        *value = lua_isinteger(L, at) ? json_of_int(lua_tointeger(L, at))
                                      : json_of_double(lua_tonumber(L, at));
        break;
    case LUA_TSTRING: {
        const char *s = lua_tolstring(L, at, &len);
        *value = json_of_str(t->run->scope.arena, s, len);
        break;
    }
    case LUA_TLIGHTUSERDATA:
        link->child = view_at(L, at);
        *value = (struct json){ .type = JSON_NULL };
        if (link->child && link->child->kind == VIEW_JSON)
            *value = *link->child->base; /* as long as nobody writes to it */
        break;
    case LUA_TTABLE:
        lua_rawgeti(L, LUA_REGISTRYINDEX, t->refs);
        lua_pushvalue(L, at);
        lua_rawseti(L, -2, t->n_refs + 1);
        lua_pop(L, 1);
        link->ref = ++t->n_refs;
        *value = (struct json){ .type = JSON_NULL };
        break;
    case LUA_TNIL:
        *value = (struct json){ .type = JSON_MISSING };
        break;
    default:
        luaL_error(L, "a %s cannot be put into an item", luaL_typename(L, at));
    }
}

/* Writes slot i, which is the last or the one behind it. A slot is never without a value: lists of
 * JSON have null where Lua's have a hole. */
static void set_slot(struct script_thread *t, struct view *v, uint32_t i, const struct json *value,
                     const struct link *link)
{
    if (link->child || link->ref)
        need_links(t, v);
    if (v->links)
        v->links[i] = *link;
    *slot_at(v, i) = *value;
    if (value->type == JSON_MISSING)
        slot_at(v, i)->type = JSON_NULL;
}

static void remove_slot(struct view *v, uint32_t i)
{
    size_t unit = v->array ? 1 : 2, rest = v->n - i - 1;
    memmove(v->slots + unit * i, v->slots + unit * (i + 1), unit * rest * sizeof *v->slots);
    if (v->links)
        memmove(v->links + i, v->links + i + 1, rest * sizeof *v->links);
    v->n--;
}

static void write_list(lua_State *L, struct script_thread *t, struct view *v)
{
    struct json value;
    struct link link;
    if (!lua_isinteger(L, 2))
        luaL_error(L, "a list has numbered elements, not a field '%s'",
                   lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?");
    lua_Integer k = lua_tointeger(L, 2);
    if (k < 1 || k > (lua_Integer)v->n + 1)
        luaL_error(L, "element %I of a list with %d elements", (LUAI_UACINT)k, (int)v->n);
    take_value(L, t, 3, &value, &link);
    open_slots(L, t, v);
    bool gone = value.type == JSON_MISSING;
    if (gone && k >= (lua_Integer)v->n) {
        v->n -= k == (lua_Integer)v->n;
        return;
    }
    v->n += k > (lua_Integer)v->n;
    set_slot(t, v, (uint32_t)k - 1, &value, &link);
}

static void write_object(lua_State *L, struct script_thread *t, struct view *v)
{
    char number[32];
    size_t len;
    struct json value;
    struct link link;
    const char *key = key_bytes(L, 2, number, &len);
    take_value(L, t, 3, &value, &link);
    open_slots(L, t, v);
    int64_t i = find_key(L, t, v, key, len);
    if (value.type == JSON_MISSING) {
        if (i >= 0)
            remove_slot(v, (uint32_t)i);
        return;
    }
    if (i < 0) {
        i = v->n++;
        v->slots[2 * (size_t)i] = json_of_str(t->run->scope.arena, key, len);
        if (v->n <= UINT8_MAX)
            *hint_of(t, key) = (uint8_t)i;
    }
    set_slot(t, v, (uint32_t)i, &value, &link);
}

static void write_item(lua_State *L, struct script_thread *t, struct view *v)
{
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    struct item_parts *parts = v->parts;
    if (!strcmp(key, "json")) {
        if (!lua_istable(L, 3) && !view_at(L, 3))
            luaL_error(L, "item.json must be a table, not %s", luaL_typename(L, 3));
        take_value(L, t, 3, &parts->values[0], &parts->links[0]);
    } else if (!strcmp(key, "binary")) {
        take_value(L, t, 3, &parts->values[1], &parts->links[1]);
    } else if (!strcmp(key, "pairedItem")) {
        parts->paired = luaL_checkinteger(L, 3);
    } else {
        luaL_error(L, "an item has json, binary and pairedItem: write to item.json.%s", key);
    }
    mark_dirty(v);
}

static int view_write(lua_State *L)
{
    struct view *v = view_self(L, 1);
    struct script_thread *t = script_running(L);
    if (!v)
        return luaL_error(L, "attempt to index a null value");
    if (v->kind == VIEW_ITEM)
        write_item(L, t, v);
    else if (v->array)
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
        for (; i < 2; i++) {
            const struct link *link = &v->parts->links[i];
            if (link->child || link->ref || v->parts->values[i].type) {
                lua_pushstring(L, keys[i]);
                push_part(L, t, v, (int)i);
                return 2;
            }
        }
        lua_pushnil(L);
        return 1;
    }
    if (i >= v->n) {
        lua_pushnil(L);
        return 1;
    }
    if (v->array)
        lua_pushinteger(L, (lua_Integer)i + 1);
    else
        push_scalar(L, &v->slots[2 * (size_t)i]);
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
        else if (v->array)
            i = luaL_checkinteger(L, 2) - 1;
        else {
            const char *key = key_bytes(L, 2, number, &len);
            i = find_key(L, t, v, key, len);
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

static int fail_call(lua_State *L)
{
    struct view *v = view_at(L, 1);
    return luaL_error(L, "attempt to call a %s value%s", v ? "table" : "null",
                      v && v->array ? ": walk a list by ipairs(..)" : "");
}

/* Operators are left out: Lua itself then says which field it is that cannot be added. */
static const luaL_Reg metamethods[] = {
    { "__index", view_index },   { "__newindex", view_write },
    { "__len", view_length },    { "__pairs", view_pairs },
    { "__tostring", view_text }, { "__next", view_next },
    { "__call", fail_call },     { NULL, NULL },
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

struct view *view_items(struct script_thread *t)
{
    struct view *v = view_new(t, VIEW_ITEMS, NULL, NULL);
    v->n = v->size = (uint32_t)t->run->n_items;
    return v;
}

static struct view *new_item(struct script_thread *t, int64_t index)
{
    const struct expr_item *it = &t->run->items[index];
    struct view *v = view_new(t, VIEW_ITEM, NULL, NULL);
    struct item_parts *parts = arena_alloc(&t->arena, sizeof *parts);
    *parts = (struct item_parts){ .paired = -1 };
    v->item = index;
    v->parts = parts;
    if (it->json) {
        parts->links[0].child = view_new(t, VIEW_JSON, it->json, v);
        parts->links[0].child->item = index;
    }
    if (it->binary)
        parts->links[1].child = view_new(t, VIEW_JSON, it->binary, v);
    return v;
}

/* View 0 is the item of a script per item, or the list of items, which keeps its views by place. */
struct view *view_of_item(struct script_thread *t, int64_t index)
{
    if (t->script->each)
        return t->n_views ? t->views[0] : new_item(t, index);
    if (!t->items)
        t->items = ARENA_ARRAY(&t->arena, struct view *, t->run->n_items);
    if (!t->items[index]) {
        t->items[index] = new_item(t, index);
        t->items[index]->parent = t->views[0];
    }
    return t->items[index];
}
