/* SPDX-License-Identifier: Apache-2.0
 * script: runs Lua steps. A script is loaded once for each worker; a run takes an idle coroutine,
 * so a run that does not wait makes no garbage of its own. A run that waits (http.request, sleep
 * ...) keeps its coroutine until it is resumed or cancelled.
 *
 * The worker's thread; nothing blocks.
 */
#include "expr/script_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* A turn of a loop takes two instructions at the least. */
enum { HOOK_STEPS = 1000, HOOK_TURNS = HOOK_STEPS / 2, STEPS_PER_US = 10 };

/* --- steps ------------------------------------------------------------------------------------ */

static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* One step can be a long piece of work in C (joining or comparing large strings): steps that took
 * longer than a tenth of a microsecond each are counted by their time. `level` is that of the
 * script's function. */
static void count_steps(lua_State *L, int level)
{
    struct expr_lua *lua = js_lua(L);
    int64_t now = cpu_us(), spent = lua->hook_us ? (now - lua->hook_us) * STEPS_PER_US : 0;
    lua->hook_us = now;
    lua->fuel -= spent > HOOK_STEPS ? spent : HOOK_STEPS;
    if (lua->fuel >= 0)
        return;
    lua->exhausted = true;
    luaL_where(L, level);
    lua_pushfstring(L, "step limit of %I reached", (LUAI_UACINT)lua->limit_steps);
    lua_concat(L, 2);
    lua_error(L);
}

static void on_count(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    count_steps(L, 0);
}

int script_turns(lua_State *L)
{
    count_steps(L, 1);
    lua_pushinteger(L, HOOK_TURNS);
    return 1;
}

/* The hook costs more than the instructions it counts: scripts that can do without run without. */
static void set_hook(struct script_thread *t, bool wanted)
{
    if (t->hooked == wanted)
        return;
    t->hooked = wanted;
    lua_sethook(t->co, wanted ? on_count : NULL, wanted ? LUA_MASKCOUNT : 0, HOOK_STEPS);
}

void script_watch(lua_State *L) { set_hook(script_running(L), true); }

/* --- coroutines ------------------------------------------------------------------------------- */

int script_open(lua_State *L)
{
    view_open(L);
    lua_newtable(L);
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    js_lua(L)->script_array_mt = lua_topointer(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, js_lua(L)->script_array_mt);
    script_open_library(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "env");
    return 0;
}

static int make_coroutine(lua_State *L)
{
    struct script_thread *t = lua_touserdata(L, 1);
    t->co = lua_newthread(L);
    t->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_newtable(L);
    t->refs = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static struct script_thread *thread_take(struct expr_lua *lua)
{
    struct script_thread *t = lua->threads;
    if (t) {
        lua->threads = t->next;
        return t;
    }
    t = xcalloc(1, sizeof *t);
    t->globals = LUA_NOREF;
    arena_init(&t->arena, t->first, sizeof t->first);
    lua_pushcfunction(lua->lua, make_coroutine);
    lua_pushlightuserdata(lua->lua, t);
    if (lua_pcall(lua->lua, 1, 0, 0) == LUA_OK)
        return t;
    lua_pop(lua->lua, 1);
    free(t);
    return NULL;
}

static int forget_tables(lua_State *L)
{
    struct script_thread *t = lua_touserdata(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, t->globals);
    t->globals = LUA_NOREF;
    if (t->n_refs) {
        lua_newtable(L);
        lua_rawseti(L, LUA_REGISTRYINDEX, t->refs);
    }
    t->n_refs = 0;
    return 0;
}

/* The run is over: the coroutine and its memory are free for the next one. */
static void thread_give(struct expr_lua *lua, struct script_thread *t)
{
    lua_settop(t->co, 0);
    if (t->globals != LUA_NOREF || t->n_refs) {
        lua_pushcfunction(lua->lua, forget_tables);
        lua_pushlightuserdata(lua->lua, t);
        if (lua_pcall(lua->lua, 1, 0, 0) != LUA_OK)
            lua_pop(lua->lua, 1);
    }
    t->run = NULL;
    t->n_views = 0;
    t->items = NULL;
    t->error = NULL;
    t->waits = false;
    memset(t->metas, 0, sizeof t->metas);
    arena_clear(&t->arena);
    t->next = lua->threads;
    lua->threads = t;
}

static void thread_free(struct expr_lua *lua, struct script_thread *t)
{
    luaL_unref(lua->lua, LUA_REGISTRYINDEX, t->ref);
    luaL_unref(lua->lua, LUA_REGISTRYINDEX, t->refs);
    luaL_unref(lua->lua, LUA_REGISTRYINDEX, t->globals);
    arena_fini(&t->arena);
    free(t->views);
    free(t);
}

void script_close(struct expr_lua *lua)
{
    while (lua->threads) {
        struct script_thread *t = lua->threads;
        lua->threads = t->next;
        thread_free(lua, t);
    }
}

/* --- errors
 * ---------------------------------------------------------------------------------------- */

/* "L:3: text" becomes "line 3: text", and what Lua calls userdata here what the author does. */
int script_fail_text(struct err *err, enum err_code code, const char *text)
{
    const char *head = text[0] == 'L' && text[1] == ':' ? "line " : "";
    const char *rest = head[0] ? text + 2 : text;
    const char *tried = strstr(rest, "attempt to "),
               *odd = tried ? strstr(tried, "userdata") : NULL;
    if (!odd)
        return err_set(err, code, "%s%s", head, rest);
    return err_set(err, code, "%s%.*stable or null%s", head, (int)(odd - rest), rest,
                   odd + strlen("userdata"));
}

/* --- results ---------------------------------------------------------------------------------- */

static enum script_status fail(struct script_run *run, enum err_code code, const char *text)
{
    script_fail_text(&run->err, code, text);
    return SCRIPT_FAILED;
}

/* An output as it is gathered: everything is checked before the first one is emitted. */
struct output {
    const struct json *json;
    int64_t from;
    bool pass;
};

struct results {
    struct script_thread *t;
    lua_State *L;
    struct output *list;
    size_t n, size;
    char why[240];
};

static struct output *add_output(struct results *r)
{
    if (r->n == r->size) {
        struct output *old = r->list;
        r->size = r->size ? r->size * 2 : 16;
        r->list = arena_alloc(&r->t->arena, sizeof *r->list * r->size);
        if (r->n)
            memcpy(r->list, old, sizeof *old * r->n);
    }
    return &r->list[r->n++];
}

static int add_json(struct results *r, struct json v, int64_t from, bool pass,
                    const struct json *same)
{
    if (v.type == JSON_ARRAY && r->t->script->each) {
        snprintf(r->why, sizeof r->why,
                 "a run for each item returns one item, {json = ..} or its fields, not a list: "
                 "lists are of mode runOnceForAllItems");
        return -1;
    }
    if (v.type != JSON_OBJECT) {
        snprintf(r->why, sizeof r->why,
                 "the json of an item must be a table with named fields, not %s",
                 json_type_name(&v));
        return -1;
    }
    if (!pass) {
        struct json *copy = arena_alloc(r->t->run->scope.arena, sizeof *copy);
        *copy = v;
        same = copy;
    }
    *add_output(r) = (struct output){ same, from, pass };
    return 0;
}

/* An item of the input, edited or not. */
static int add_item_view(struct results *r, struct view *item)
{
    const struct expr_item *input = &r->t->run->items[item->item];
    const struct link *c = &item->parts->links[0];
    int64_t from = item->parts->paired >= 0 ? item->parts->paired : item->item;
    struct json v = item->parts->values[0];
    if (c->child && !c->child->dirty && c->child->base == input->json)
        return add_json(r, *input->json, from, from == item->item, input->json);
    if (c->child) {
        if (view_to_json(r->L, r->t, c->child, &v, 0, r->why, sizeof r->why) != 0)
            return -1;
    } else if (c->ref) {
        lua_rawgeti(r->L, LUA_REGISTRYINDEX, r->t->refs);
        lua_rawgeti(r->L, -1, c->ref);
        int result = script_to_json(r->L, r->t, lua_gettop(r->L), &v, 0, r->why, sizeof r->why);
        lua_pop(r->L, 2);
        if (result != 0)
            return -1;
    }
    return add_json(r, v, from, false, NULL);
}

static struct view *result_view(struct results *r, int at)
{
    if (lua_type(r->L, at) != LUA_TLIGHTUSERDATA)
        return NULL;
    return view_of_handle(r->t, (uint64_t)(uintptr_t)lua_touserdata(r->L, at));
}

/* Raw read of a field; leaves it on the stack. */
static int raw_field(lua_State *L, int at, const char *name)
{
    lua_pushstring(L, name);
    return lua_rawget(L, at);
}

/* pairedItem as n8n has it: a number, or {item = number}; on top of the stack. */
static int paired_item(struct results *r, int64_t *from)
{
    lua_State *L = r->L;
    int type = lua_type(L, -1);
    if (type == LUA_TNIL)
        return 0;
    if (type == LUA_TTABLE) {
        type = raw_field(L, lua_gettop(L), "item");
        lua_replace(L, -2);
    }
    if (type == LUA_TNUMBER) {
        *from = (int64_t)lua_tonumber(L, -1);
        return 0;
    }
    snprintf(r->why, sizeof r->why,
             "pairedItem is the number of an input item, from 0, or {item = number}; without it an "
             "item comes from all");
    return -1;
}

/* A table: {json = ..., pairedItem = n}, or the json itself. */
static int add_table(struct results *r, int at)
{
    struct script_thread *t = r->t;
    int64_t from = t->script->each ? 0 : -1;
    struct json v;
    bool wrapped = raw_field(r->L, at, "json") != LUA_TNIL;
    if (wrapped && !lua_istable(r->L, -1) && !result_view(r, -1)) {
        snprintf(r->why, sizeof r->why,
                 "the json of an item must be a table with named fields, not %s (a field of that "
                 "name: {json = {json = ..}})",
                 lua_touserdata(r->L, -1) ? "an item of an earlier run" : luaL_typename(r->L, -1));
        return -1;
    }
    if (wrapped) {
        struct view *inner = result_view(r, -1);
        if (inner && inner->item >= 0)
            from = inner->item;
        raw_field(r->L, at, "pairedItem");
        if (paired_item(r, &from) != 0)
            return -1;
        lua_pop(r->L, 1);
    }
    if (from >= (int64_t)t->run->n_items || from < -1) {
        snprintf(r->why, sizeof r->why, "pairedItem is %lld, but there are %zu items",
                 (long long)from, t->run->n_items);
        return -1;
    }
    int result =
        script_to_json(r->L, t, wrapped ? lua_gettop(r->L) : at, &v, 0, r->why, sizeof r->why);
    lua_pop(r->L, 1);
    return result != 0 ? -1 : add_json(r, v, from, false, NULL);
}

/* One item of the result. */
static int add_result(struct results *r, int at)
{
    struct view *v = result_view(r, at);
    if (!lua_checkstack(r->L, 8))
        return -1;
    if (v && v->kind == VIEW_ITEM)
        return add_item_view(r, v);
    if (v && v->kind == VIEW_JSON) {
        struct json json;
        int64_t from = v->item >= 0 ? v->item : r->t->script->each ? 0 : -1;
        if (view_to_json(r->L, r->t, v, &json, 0, r->why, sizeof r->why) != 0)
            return -1;
        return add_json(r, json, from, v->item >= 0 && !v->dirty, v->base);
    }
    if (lua_istable(r->L, at))
        return add_table(r, at);
    snprintf(r->why, sizeof r->why, "an item of the result is a %s: return items, tables%s",
             luaL_typename(r->L, at), ", nil or false");
    return -1;
}

static int add_list_view(struct results *r, struct view *list)
{
    bool written = list->slots != NULL;
    for (uint32_t i = 0; i < list->n; i++) {
        struct link link = { .child = written ? NULL : view_of_item(r->t, i) };
        int result;
        if (list->links && written)
            link = list->links[i];
        if (link.ref) {
            lua_rawgeti(r->L, LUA_REGISTRYINDEX, r->t->refs);
            lua_rawgeti(r->L, -1, link.ref);
            result = add_result(r, lua_gettop(r->L));
            lua_pop(r->L, 2);
        } else if (!link.child) {
            snprintf(r->why, sizeof r->why,
                     "items[%u] is not an item: put {json = ..} or an item there", i + 1);
            result = -1;
        } else if (link.child->kind != VIEW_ITEM) {
            view_push(r->L, r->t, link.child);
            result = add_result(r, lua_gettop(r->L));
            lua_pop(r->L, 1);
        } else {
            result = add_item_view(r, link.child);
        }
        if (result != 0)
            return -1;
    }
    return 0;
}

/* A Lua list of results; false when the table is one item. */
static bool is_list(struct results *r, int at)
{
    bool empty;
    if (script_is_array(r->L, at))
        return true;
    lua_pushnil(r->L);
    empty = !lua_next(r->L, at);
    if (!empty)
        lua_pop(r->L, 2);
    bool first = lua_rawgeti(r->L, at, 1) != LUA_TNIL;
    lua_pop(r->L, 1);
    return empty || first;
}

static int add_list(struct results *r, int at)
{
    lua_Integer n = (lua_Integer)lua_rawlen(r->L, at);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(r->L, at, i);
        int result = add_result(r, lua_gettop(r->L));
        lua_pop(r->L, 1);
        if (result != 0)
            return -1;
    }
    return 0;
}

/* What the script returned, at stack place 1 of its coroutine. */
static int gather(struct results *r, int n_results)
{
    lua_State *L = r->L;
    int at = n_results ? lua_gettop(L) - n_results + 1 : 0;
    int type = at ? lua_type(L, at) : LUA_TNIL;
    bool each = r->t->script->each;
    struct view *v = at ? result_view(r, at) : NULL;
    if (type == LUA_TNIL)
        return each ? add_item_view(r, r->t->views[0]) : add_list_view(r, r->t->views[0]);
    if (type == LUA_TBOOLEAN && !lua_toboolean(L, at))
        return 0;
    if (!each && v && v->kind == VIEW_ITEMS)
        return add_list_view(r, v);
    if (!each && type == LUA_TTABLE && is_list(r, at))
        return add_list(r, at);
    return add_result(r, at);
}

static enum script_status finish(struct expr_lua *lua, struct script_thread *t, int n_results)
{
    struct script_run *run = t->run;
    struct results r;
    r.t = t;
    r.L = t->co;
    r.list = NULL;
    r.n = r.size = 0;
    r.why[0] = 0;
    enum script_status status = SCRIPT_DONE;
    /* the common case first: the item, edited or not */
    if (gather(&r, n_results) != 0)
        status = fail(run, ERR_INVALID, r.why[0] ? r.why : "the result is too large");
    else
        for (size_t i = 0; i < r.n; i++)
            run->emit(run->ctx, r.list[i].json, r.list[i].from, r.list[i].pass);
    run->thread = NULL;
    thread_give(lua, t);
    return status;
}

static enum script_status fail_run(struct expr_lua *lua, struct script_thread *t, int status)
{
    lua_State *L = t->co;
    struct script_run *run = t->run;
    enum err_code code = lua->exhausted || status == LUA_ERRMEM ? ERR_LIMIT : ERR_INVALID;
    if (status == LUA_ERRMEM) {
        err_set(&run->err, code, "memory limit of %zu KiB reached", lua->limit_bytes >> 10);
    } else if (lua_isnil(L, -1)) {
        err_set(&run->err, code, "error() was called without a message");
    } else if (lua_type(L, -1) == LUA_TSTRING) {
        script_fail_text(&run->err, code, lua_tostring(L, -1));
    } else {
        struct json v;
        char why[100];
        bool fine = script_to_json(L, t, lua_gettop(L), &v, 0, why, sizeof why) == 0;
        err_set(&run->err, code, "error: %.400s", fine ? json_text(run->scope.arena, &v).ptr : why);
    }
    run->thread = NULL;
    lua_resetthread(L);
    /* an error out of the hook leaves the coroutine deaf to hooks for good */
    if (code == ERR_LIMIT || lua->exhausted)
        thread_free(lua, t);
    else
        thread_give(lua, t);
    return SCRIPT_FAILED;
}

/* --- running ---------------------------------------------------------------------------------- */

static enum script_status resume(struct expr_lua *lua, struct script_thread *t, int n_args)
{
    struct script_thread *outer = lua->running;
    const struct expr_scope *scope = lua->scope;
    int n_results = 0;
    lua->running = t;
    lua->scope = &t->run->scope;
    lua->arena_start = t->run->scope.arena->total_bytes;
    lua->fuel = (int64_t)lua->limit_steps;
    lua->exhausted = false;
    lua->hook_us = 0;
    int status = lua_resume(t->co, lua->lua, n_args, &n_results);
    enum script_status result;
    if (status == LUA_YIELD) {
        t->run->wait = t->wait;
        t->run->thread = t;
        result = SCRIPT_WAITS;
    } else if (status == LUA_OK) {
        result = finish(lua, t, n_results);
    } else {
        result = fail_run(lua, t, status);
    }
    lua->running = outer;
    lua->scope = scope;
    return result;
}

enum script_status script_start(struct expr_lua *lua, struct expr_script *script,
                                struct script_run *run)
{
    struct script_thread *t = thread_take(lua);
    if (!t)
        return fail(run, ERR_LIMIT, "memory limit reached");
    t->run = run;
    t->script = script;
    set_hook(t, !script->counted);
    t->generation = lua->generation = (lua->generation + 1) & 0x7fffffff;
    run->thread = NULL;
    /* no error can happen here: the stack has room and nothing is allocated in Lua */
    lua_rawgeti(t->co, LUA_REGISTRYINDEX, script->ref);
    if (script->each) {
        struct view *item = view_of_item(t, 0);
        view_push(t->co, t, item);
        if (item->parts->links[0].child)
            view_push(t->co, t, item->parts->links[0].child);
        else
            lua_pushnil(t->co);
        return resume(lua, t, 2);
    }
    view_push(t->co, t, view_items(t));
    return resume(lua, t, 1);
}

void script_moved(struct script_run *run)
{
    struct script_thread *t = run->thread;
    BUG_IF(!t || !t->waits);
    t->run = run;
}

enum script_status script_resume(struct expr_lua *lua, struct script_run *run,
                                 const struct json *answer, const char *error)
{
    struct script_thread *t = run->thread;
    BUG_IF(!t || t->run != run || !t->waits);
    t->error = error;
    t->answer = answer; /* pushed in wait_end, where errors are caught */
    return resume(lua, t, 0);
}

void script_cancel(struct expr_lua *lua, struct script_run *run)
{
    struct script_thread *t = run->thread, *outer = lua->running;
    const struct expr_scope *scope = lua->scope;
    if (!t)
        return;
    /* <close> variables of the script run now, under the same limits */
    lua->running = t;
    lua->scope = &run->scope;
    lua->fuel = (int64_t)lua->limit_steps;
    lua->exhausted = false;
    lua->hook_us = 0;
    lua_resetthread(t->co);
    run->thread = NULL;
    if (lua->exhausted)
        thread_free(lua, t);
    else
        thread_give(lua, t);
    lua->running = outer;
    lua->scope = scope;
}
