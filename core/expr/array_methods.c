/* SPDX-License-Identifier: Apache-2.0
 * array_methods: methods of JavaScript arrays. They read JSON arrays in place and make table
 * arrays. What changes an array in JavaScript (sort, reverse, push ...) changes a table array too,
 * but never an item: a JSON array is copied first. The worker's thread.
 */
#include "expr/expr_int.h"
#include <math.h>
#include <stdlib.h>

/* Calls argument `f` with element i, i and the array; the result is on top. */
static void call_with(lua_State *L, int f, size_t i)
{
    lua_pushvalue(L, f);
    js_elem(L, 1, i);
    lua_pushnumber(L, (lua_Number)i);
    lua_pushvalue(L, 1);
    js_call(L, 3);
}

static bool call_truth(lua_State *L, size_t i)
{
    call_with(L, 2, i);
    bool yes = js_truth(L, -1);
    lua_pop(L, 1);
    return yes;
}

/* The length as it is now: a callback may have pushed. */
static size_t prepare(lua_State *L)
{
    js_arg_function(L, 2);
    lua_settop(L, 2);
    return js_len(L, 1);
}

static int array_map(lua_State *L)
{
    size_t n = prepare(L);
    js_array_new(L, n);
    for (size_t i = 0; i < n; i++) {
        call_with(L, 2, i);
        js_array_set(L, 3, i);
    }
    return 1;
}

static int array_filter(lua_State *L)
{
    size_t n = prepare(L);
    js_array_new(L, 0);
    for (size_t i = 0; i < n; i++)
        if (call_truth(L, i)) {
            js_elem(L, 1, i);
            js_array_add(L, 3);
        }
    return 1;
}

static int array_for_each(lua_State *L)
{
    size_t n = prepare(L);
    for (size_t i = 0; i < n; i++) {
        call_with(L, 2, i);
        lua_pop(L, 1);
    }
    return 0;
}

/* The first place, from the start or the end, where the callback says yes; n when there is none. */
static size_t find_place(lua_State *L, bool last, size_t *n)
{
    *n = prepare(L);
    for (size_t i = 0; i < *n; i++) {
        size_t at = last ? *n - 1 - i : i;
        if (call_truth(L, at))
            return at;
    }
    return *n;
}

static int find_element(lua_State *L, bool last)
{
    size_t n, at = find_place(L, last, &n);
    js_elem(L, 1, at);
    return 1;
}

static int find_index(lua_State *L, bool last)
{
    size_t n, at = find_place(L, last, &n);
    lua_pushnumber(L, at < n ? (lua_Number)at : -1);
    return 1;
}

static int array_find(lua_State *L) { return find_element(L, false); }

static int array_find_last(lua_State *L) { return find_element(L, true); }

static int array_find_index(lua_State *L) { return find_index(L, false); }

static int array_find_last_index(lua_State *L) { return find_index(L, true); }

static int array_some(lua_State *L)
{
    size_t n, at = find_place(L, false, &n);
    lua_pushboolean(L, at < n);
    return 1;
}

static int array_every(lua_State *L)
{
    size_t n = prepare(L), i = 0;
    while (i < n && call_truth(L, i))
        i++;
    lua_pushboolean(L, i == n);
    return 1;
}

static int reduce(lua_State *L, bool right)
{
    bool given = lua_gettop(L) >= 3;
    js_arg_function(L, 2);
    size_t n = js_len(L, 1), i = 0;
    lua_settop(L, 3);
    if (!given) {
        if (!n)
            return js_type_error(L);
        js_elem(L, 1, right ? n - 1 : 0);
        lua_replace(L, 3);
        i = 1;
    }
    for (; i < n; i++) {
        size_t at = right ? n - 1 - i : i;
        lua_pushvalue(L, 2);
        lua_pushvalue(L, 3);
        js_elem(L, 1, at);
        lua_pushnumber(L, (lua_Number)at);
        lua_pushvalue(L, 1);
        js_call(L, 4);
        lua_replace(L, 3);
    }
    return 1;
}

static int array_reduce(lua_State *L) { return reduce(L, false); }

static int array_reduce_right(lua_State *L) { return reduce(L, true); }

static size_t search(lua_State *L, bool (*same)(lua_State *, int, int), size_t from)
{
    size_t n = js_len(L, 1);
    for (size_t i = from; i < n; i++) {
        js_elem(L, 1, i);
        bool found = same(L, -1, 2);
        lua_pop(L, 1);
        if (found)
            return i;
    }
    return n;
}

static size_t from_arg(lua_State *L, int at)
{
    int64_t n = (int64_t)js_len(L, 1), i = js_arg_integer(L, at, 0);
    i = i < 0 ? i + n : i;
    return i < 0 ? 0 : i > n ? (size_t)n : (size_t)i;
}

static int array_includes(lua_State *L)
{
    lua_settop(L, 3);
    lua_pushboolean(L, search(L, js_same, from_arg(L, 3)) < js_len(L, 1));
    return 1;
}

static int array_index_of(lua_State *L)
{
    lua_settop(L, 3);
    size_t at = search(L, js_strict_equal, from_arg(L, 3));
    lua_pushnumber(L, at < js_len(L, 1) ? (lua_Number)at : -1);
    return 1;
}

static int array_last_index_of(lua_State *L)
{
    lua_settop(L, 2);
    for (size_t i = js_len(L, 1); i-- > 0; lua_pop(L, 1)) {
        js_elem(L, 1, i);
        if (js_strict_equal(L, -1, 2)) {
            lua_pushnumber(L, (lua_Number)i);
            return 1;
        }
    }
    lua_pushnumber(L, -1);
    return 1;
}

static int array_join(lua_State *L)
{
    size_t n = js_len(L, 1), len = 1;
    lua_settop(L, 2);
    const char *sep = lua_isnil(L, 2) ? "," : js_arg_string(L, 2, &len);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (size_t i = 0; i < n; i++) {
        if (i)
            luaL_addlstring(&b, sep, len);
        js_elem(L, 1, i);
        enum js_type type = js_type(L, -1);
        if (type == JS_UNDEFINED || type == JS_NULL) {
            lua_pop(L, 1);
            continue;
        }
        js_to_string(L, -1, NULL);
        lua_remove(L, -2);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    return 1;
}

/* Adds the elements from..to of the array at `at` to the table array on top. */
static void add_part(lua_State *L, int at, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        js_elem(L, at, i);
        js_array_add(L, -2);
    }
}

static size_t end_arg(lua_State *L, int at, size_t n)
{
    return js_is_missing(L, at) ? n : from_arg(L, at);
}

static int array_slice(lua_State *L)
{
    size_t n = js_len(L, 1), from = from_arg(L, 2), to = end_arg(L, 3, n);
    js_array_new(L, to > from ? to - from : 0);
    add_part(L, 1, from, to);
    return 1;
}

static int array_concat(lua_State *L)
{
    int n = lua_gettop(L);
    js_array_new(L, js_len(L, 1));
    for (int i = 1; i <= n; i++) {
        if (js_type(L, i) == JS_ARRAY) {
            js_charge(L, js_len(L, i));
            add_part(L, i, 0, js_len(L, i));
        } else {
            lua_pushvalue(L, i);
            js_array_add(L, -2);
        }
    }
    return 1;
}

static void flatten(lua_State *L, int to, int from, int64_t depth)
{
    size_t n = js_len(L, from);
    luaL_checkstack(L, 8, "an array is nested too deeply");
    js_charge(L, n);
    for (size_t i = 0; i < n; i++) {
        js_elem(L, from, i);
        if (depth > 0 && js_type(L, -1) == JS_ARRAY) {
            flatten(L, to, lua_gettop(L), depth - 1);
            lua_pop(L, 1);
        } else {
            js_array_add(L, to);
        }
    }
}

static int array_flat(lua_State *L)
{
    int64_t depth = js_arg_integer(L, 2, 1);
    lua_settop(L, 1);
    js_array_new(L, 0);
    flatten(L, 2, 1, depth > 100 ? 100 : depth);
    return 1;
}

static int array_flat_map(lua_State *L)
{
    array_map(L);
    js_array_new(L, 0);
    flatten(L, 4, 3, 1);
    return 1;
}

static int array_at(lua_State *L)
{
    int64_t i = js_arg_integer(L, 2, 0), n = (int64_t)js_len(L, 1);
    i = i < 0 ? i + n : i;
    if (i < 0 || i >= n)
        lua_pushnil(L);
    else
        js_elem(L, 1, (size_t)i);
    return 1;
}

/* --- order ------------------------------------------------------------------------------------ */

/* Whether element a (on the stack) comes after b: by function 2, else as texts with undefined last.
 */
static bool comes_after(lua_State *L, int a, int b)
{
    if (!lua_isnoneornil(L, 2)) {
        lua_pushvalue(L, 2);
        lua_pushvalue(L, a);
        lua_pushvalue(L, b);
        js_call(L, 2);
        double order = js_to_number(L, -1);
        lua_pop(L, 1);
        return order > 0;
    }
    js_charge(L, 2);
    if (lua_isnil(L, a) || lua_isnil(L, b))
        return lua_isnil(L, a) && !lua_isnil(L, b);
    size_t la, lb;
    const char *sa = js_to_string(L, a, &la), *sb = js_to_string(L, b, &lb);
    int order = memcmp(sa, sb, la < lb ? la : lb);
    lua_pop(L, 2);
    return order > 0 || (!order && la > lb);
}

/* Merges the sorted runs [from, middle) and [middle, to) of the array at `src` into the one at
 * `dst`. */
static void merge_runs(lua_State *L, int src, int dst, size_t from, size_t middle, size_t to)
{
    size_t a = from, b = middle;
    for (size_t i = from; i < to; i++) {
        bool take_b = a >= middle;
        if (!take_b && b < to) {
            js_elem(L, src, a);
            js_elem(L, src, b);
            take_b = comes_after(L, lua_gettop(L) - 1, lua_gettop(L));
            lua_pop(L, 2);
        }
        js_elem(L, src, take_b ? b++ : a++);
        js_array_set(L, dst, i);
    }
}

/* Stable merge sort of the table array at place 3, with a second one at 4; leaves the sorted one on
 * top. */
static void merge_sort(lua_State *L)
{
    size_t n = js_len(L, 3);
    int src = 3, dst = 4;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t from = 0; from < n; from += 2 * width) {
            size_t middle = from + width < n ? from + width : n;
            size_t to = from + 2 * width < n ? from + 2 * width : n;
            merge_runs(L, src, dst, from, middle, to);
        }
        int swap = src;
        src = dst;
        dst = swap;
    }
    lua_pushvalue(L, src);
}

static int array_to_sorted(lua_State *L)
{
    lua_settop(L, 2);
    if (!lua_isnil(L, 2))
        js_arg_function(L, 2);
    js_spread(L, 1);
    js_array_new(L, js_len(L, 1));
    merge_sort(L);
    return 1;
}

/* Writes the array on top over the table array at 1 and returns that; a JSON array stays as it is.
 */
static int write_back(lua_State *L)
{
    if (!lua_istable(L, 1))
        return 1;
    size_t n = js_len(L, -1);
    for (size_t i = 0; i < n; i++) {
        js_elem(L, -1, i);
        js_array_set(L, 1, i);
    }
    lua_settop(L, 1);
    return 1;
}

static int array_sort(lua_State *L)
{
    array_to_sorted(L);
    return write_back(L);
}

static int array_to_reversed(lua_State *L)
{
    size_t n = js_len(L, 1);
    js_array_new(L, n);
    for (size_t i = 0; i < n; i++) {
        js_elem(L, 1, n - 1 - i);
        js_array_set(L, -2, i);
    }
    return 1;
}

static int array_reverse(lua_State *L)
{
    array_to_reversed(L);
    return write_back(L);
}

const struct js_method js_array_methods[] = {
    { "map", array_map },
    { "filter", array_filter },
    { "forEach", array_for_each },
    { "find", array_find },
    { "findLast", array_find_last },
    { "findIndex", array_find_index },
    { "findLastIndex", array_find_last_index },
    { "some", array_some },
    { "every", array_every },
    { "reduce", array_reduce },
    { "reduceRight", array_reduce_right },
    { "includes", array_includes },
    { "indexOf", array_index_of },
    { "lastIndexOf", array_last_index_of },
    { "join", array_join },
    { "slice", array_slice },
    { "concat", array_concat },
    { "flat", array_flat },
    { "flatMap", array_flat_map },
    { "at", array_at },
    { "sort", array_sort },
    { "toSorted", array_to_sorted },
    { "reverse", array_reverse },
    { "toReversed", array_to_reversed },
    { NULL, NULL },
};

/* --- the rest --------------------------------------------------------------------------------- */

static int array_keys(lua_State *L)
{
    size_t n = js_len(L, 1);
    js_array_new(L, n);
    for (size_t i = 0; i < n; i++) {
        lua_pushnumber(L, (lua_Number)i);
        js_array_set(L, -2, i);
    }
    return 1;
}

static int array_entries(lua_State *L)
{
    size_t n = js_len(L, 1);
    js_array_new(L, n);
    for (size_t i = 0; i < n; i++) {
        js_array_new(L, 2);
        lua_pushnumber(L, (lua_Number)i);
        js_array_set(L, -2, 0);
        js_elem(L, 1, i);
        js_array_set(L, -2, 1);
        js_array_set(L, -2, i);
    }
    return 1;
}

static int array_values(lua_State *L)
{
    js_spread(L, 1);
    return 1;
}

/* An array of an item cannot be changed: JavaScript would change the item. */
static void need_own(lua_State *L, const char *name)
{
    if (!lua_istable(L, 1))
        luaL_error(L, "%s() would change the item: copy the array with [...array] first", name);
}

static int array_push(lua_State *L)
{
    int n = lua_gettop(L);
    need_own(L, "push");
    for (int i = 2; i <= n; i++) {
        lua_pushvalue(L, i);
        js_array_add(L, 1);
    }
    lua_pushnumber(L, (lua_Number)js_len(L, 1));
    return 1;
}

static int array_pop(lua_State *L)
{
    need_own(L, "pop");
    size_t n = js_len(L, 1);
    if (!n)
        return 0;
    js_elem(L, 1, n - 1);
    lua_pushnil(L);
    lua_rawseti(L, 1, (lua_Integer)n);
    return 1;
}

/* Replaces the elements of the table array at 1 by those of the array on top. */
static void replace_all(lua_State *L)
{
    size_t n = js_len(L, -1), old = js_len(L, 1);
    for (size_t i = 0; i < n; i++) {
        js_elem(L, -1, i);
        js_array_set(L, 1, i);
    }
    for (size_t i = old; i > n; i--) {
        lua_pushnil(L);
        lua_rawseti(L, 1, (lua_Integer)i);
    }
}

static int array_shift(lua_State *L)
{
    need_own(L, "shift");
    size_t n = js_len(L, 1);
    js_charge(L, n);
    js_elem(L, 1, 0);
    js_array_new(L, n);
    add_part(L, 1, 1, n);
    replace_all(L);
    lua_pop(L, 1);
    return 1;
}

static int array_unshift(lua_State *L)
{
    int n = lua_gettop(L);
    need_own(L, "unshift");
    js_charge(L, js_len(L, 1));
    js_array_new(L, js_len(L, 1));
    for (int i = 2; i <= n; i++) {
        lua_pushvalue(L, i);
        js_array_add(L, -2);
    }
    add_part(L, 1, 0, js_len(L, 1));
    replace_all(L);
    lua_pushnumber(L, (lua_Number)js_len(L, 1));
    return 1;
}

/* Pushes what is left of the array after splice(from, count, ...new). */
static void push_spliced(lua_State *L, int args, size_t from, size_t count)
{
    js_array_new(L, js_len(L, 1));
    add_part(L, 1, 0, from);
    for (int i = 4; i <= args; i++) {
        lua_pushvalue(L, i);
        js_array_add(L, -2);
    }
    add_part(L, 1, from + count, js_len(L, 1));
}

static size_t splice_count(lua_State *L, int args, size_t from)
{
    int64_t left = (int64_t)(js_len(L, 1) - from),
            count = js_arg_integer(L, 3, args < 3 ? left : 0);
    return count < 0 ? 0 : (size_t)(count > left ? left : count);
}

static int array_splice(lua_State *L)
{
    int n = lua_gettop(L);
    need_own(L, "splice");
    js_charge(L, js_len(L, 1));
    size_t from = from_arg(L, 2), count = splice_count(L, n, from);
    js_array_new(L, count);
    add_part(L, 1, from, from + count);
    push_spliced(L, n, from, count);
    replace_all(L);
    lua_pop(L, 1);
    return 1;
}

static int array_to_spliced(lua_State *L)
{
    int n = lua_gettop(L);
    size_t from = from_arg(L, 2), count = splice_count(L, n, from);
    push_spliced(L, n, from, count);
    return 1;
}

static int array_with(lua_State *L)
{
    lua_settop(L, 3);
    js_spread(L, 1);
    size_t i = from_arg(L, 2);
    lua_pushvalue(L, 3);
    if (i < js_len(L, 1))
        js_array_set(L, 4, i);
    lua_settop(L, 4);
    return 1;
}

static int array_fill(lua_State *L)
{
    size_t n = js_len(L, 1), from = from_arg(L, 3), to = end_arg(L, 4, n);
    lua_settop(L, 2);
    if (lua_istable(L, 1))
        lua_pushvalue(L, 1);
    else
        js_spread(L, 1);
    for (size_t i = from; i < to; i++) {
        lua_pushvalue(L, 2);
        js_array_set(L, 3, i);
    }
    return 1;
}

static int array_text(lua_State *L)
{
    js_to_string(L, 1, NULL);
    return 1;
}

const struct js_method js_array_more[] = {
    { "keys", array_keys },
    { "entries", array_entries },
    { "values", array_values },
    { "push", array_push },
    { "pop", array_pop },
    { "shift", array_shift },
    { "unshift", array_unshift },
    { "splice", array_splice },
    { "toSpliced", array_to_spliced },
    { "with", array_with },
    { "fill", array_fill },
    { "toString", array_text },
    { NULL, NULL },
};
