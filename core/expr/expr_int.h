/* SPDX-License-Identifier: Apache-2.0
 * expr_int: what the files of the runtime share.
 *
 * A struct expr_lua holds two Lua states over one memory budget: `js` runs compiled expressions and
 * gives Lua's basic types JavaScript's meaning by metatables; `lua` runs the scripts of Lua steps
 * with Lua's own meaning. One state could not be both.
 *
 * JavaScript values in `js`:
 *   undefined nil; null a light userdata of NULL; true, false, strings, functions: Lua's own
 *   number    a float; integers of JSON beyond 2^53 stay Lua integers, so they are handed on
 * exactly JSON arrays and objects: a light userdata of their `struct json`, nothing is copied array
 * a table with the array metatable, elements from 1, undefined as a mark object    a table without
 * metatable: its keys in order from 1, its values under their names Date, DateTime, RegExp, Set:
 * full userdata that begins with struct js_box A value never outlives its evaluation: compiled code
 * has no place to keep one.
 */
#ifndef CATALYST_EXPR_INT_H
#define CATALYST_EXPR_INT_H
#include <lauxlib.h>
#include <lua.h>
#include "expr/expr.h"
#include "expr/text_int.h"

enum js_type {
    JS_UNDEFINED = 1,
    JS_NULL,
    JS_BOOLEAN,
    JS_NUMBER,
    JS_STRING,
    JS_ARRAY,
    JS_OBJECT,
    JS_DATE, /* Date and DateTime */
    JS_REGEX,
    JS_SET,
    JS_FUNCTION,
    JS_DURATION,
    JS_TYPES
};

struct js_box {
    uint32_t kind; /* JS_DATE, JS_REGEX, JS_SET */
};

struct js_method {
    const char *name;
    lua_CFunction fn;
};

struct date_zone;
struct script_thread;

struct expr_lua {
    lua_State *js, *lua;
    size_t bytes, limit_bytes;
    uint64_t limit_steps;
    int64_t fuel;    /* steps left of the running evaluation */
    bool hooked;     /* the count hook of `js` is set */
    int64_t hook_us; /* CPU time when the hook of `lua` last ran; 0: not yet */
    bool exhausted;  /* the step limit was hit: no pcall of a script may catch that */
    const struct expr_scope *scope;
    size_t arena_start;   /* scope->arena->total_bytes when it began */
    const void *array_mt; /* for a fast type check */
    const void *script_array_mt;
    struct date_zone *zones;
    struct regex_cache *regexes;
    struct script_thread *threads, *running; /* of `lua`: idle ones, and the one that runs */
    uint32_t generation;
    uint64_t random; /* state of Math.random() */
    char *require_dir;
};

static inline struct expr_lua *js_lua(lua_State *L)
{
    return *(struct expr_lua **)lua_getextraspace(L);
}

/* --- lookup.c --------------------------------------------------------------------------------- */

int lookup_value(const struct expr_lookup *look, const struct expr_scope *s,
                 const struct json **out, struct err *err);
int lookup_template(const struct expr *x, const struct expr_scope *s, struct json *out,
                    struct err *err);
/* A value as text of a template: undefined and null are empty, arrays and objects JSON. */
wf_str lookup_text(struct arena *a, const struct json *v);

/* --- value.c: JavaScript values --------------------------------------------------------------- */

enum js_type js_type(lua_State *L, int at);
const char *js_type_name(enum js_type type); /* "string", "array" ... */
/* Pushes a JSON value (NULL: undefined) without copying containers. */
void js_push(lua_State *L, const struct json *v);
void js_push_number(lua_State *L, double d);
/* Converts the value at `at` to JSON in the scope's arena. false: nested too deeply. */
bool js_to_json(lua_State *L, int at, struct json *out, unsigned depth);
/* As js_to_json; raises an error, also when the evaluation takes too much memory. */
struct json js_json(lua_State *L, int at);
/* Pushes the value as JavaScript's String() gives it and returns the bytes. */
const char *js_to_string(lua_State *L, int at, size_t *len);
double js_to_number(lua_State *L, int at);
bool js_truth(lua_State *L, int at);
bool js_loose_equal(lua_State *L, int a, int b);
/* SameValueZero: === with NaN equal to itself. */
bool js_same(lua_State *L, int a, int b);
bool js_strict_equal(lua_State *L, int a, int b);
/* a < b by JavaScript's rules. */
bool js_less(lua_State *L, int a, int b, bool or_equal);
bool js_deep_equal(lua_State *L, int a, int b);

/* Arrays (of both forms). Indices are 0-based. */
size_t js_len(lua_State *L, int at);
void js_elem(lua_State *L, int at, size_t i);
void js_array_new(lua_State *L, size_t n);
/* Pops the top into element i of the table array at `at`. */
void js_array_set(lua_State *L, int at, size_t i);
void js_array_add(lua_State *L, int at); /* at the end */
/* Pushes the value as a table array: itself, or a copy of a JSON array. */
void js_spread(lua_State *L, int at); /* of any iterable */

/* Objects (of both forms). */
void js_object_new(lua_State *L);
size_t js_members(lua_State *L, int at);
/* Pushes key and value of member i. */
void js_member(lua_State *L, int at, size_t i);
/* Pushes the property. */
void js_get(lua_State *L, int at, const char *key, size_t len);
bool js_has(lua_State *L, int at, const char *key, size_t len);
/* Pops key and value into the table object at `at`. */
void js_put(lua_State *L, int at);
void js_put_field(lua_State *L, int at, const char *key); /* pops the value */
/* Copies all members of the object at `from` into the table object at `to`. */
void js_merge(lua_State *L, int to, int from);

/* Takes steps off the budget; raises an error when it is used up. */
void js_charge(lua_State *L, size_t steps);
/* Before a function of an expression is called: from here on loops are possible. */
void js_watch(lua_State *L);
/* Calls the function below the n arguments on the stack for one result. */
void js_call(lua_State *L, int n);
/* Raises what JavaScript's TypeError does: the block becomes undefined. */
int js_type_error(lua_State *L);
bool js_is_type_error(lua_State *L, int at);

static inline struct arena *js_arena(lua_State *L) { return js_lua(L)->scope->arena; }

/* --- arguments of methods: `this` is 1 -------------------------------------------------------- */

double js_arg_number(lua_State *L, int at, double missing);
/* Converts like JavaScript's ToIntegerOrInfinity and clamps into int64. */
int64_t js_arg_integer(lua_State *L, int at, int64_t missing);
const char *js_arg_string(lua_State *L, int at, size_t *len); /* converted in place */
bool js_arg_function(lua_State *L, int at); /* raises an error unless it is a function */
static inline bool js_is_missing(lua_State *L, int at) { return lua_isnoneornil(L, at); }

/* --- registry.c ------------------------------------------------------------------------------- */

void runtime_open_methods(lua_State *L); /* pushes M */
void runtime_open_statics(lua_State *L); /* pushes S */
/* Calls method `name` as expressions do; object and arguments are on the stack. */
struct js_table {
    enum js_type type;
    const struct js_method *methods;
};
extern const struct js_method js_string_methods[], js_string_search[], js_string_ext[],
    js_array_methods[], js_array_more[], js_array_ext[], js_object_methods[], js_object_ext[],
    js_number_methods[], js_number_ext[], js_boolean_ext[], js_regex_methods[], js_set_methods[],
    js_date_methods[], js_date_ext[], js_function_methods[], js_duration_methods[];
extern const struct js_method js_math_statics[], js_object_statics[], js_core_statics[],
    js_ext_statics[], js_date_statics[], js_js_date_statics[], js_duration_statics[];
struct js_constant {
    const char *name;
    double value;
};
extern const struct js_constant js_constants[];

/* --- ops.c, nodes.c --------------------------------------------------------------------------- */

void runtime_open_operators(lua_State *L); /* pushes R; sets the metatables of the basic types */
void runtime_open_nodes(lua_State *L);     /* pushes N */

/* --- regex.c ---------------------------------------------------------------------------------- */

struct regex_cache;
void regex_cache_free(struct regex_cache *cache);
int regex_new(lua_State *L); /* (pattern, flags) -> RegExp */
/* Whether a literal is right, without a state. -1 with a sentence. */
int regex_check(wf_str source, const char *flags, char *why, size_t why_size);
struct regex;
/* The regular expression at `at`, or NULL. */
struct regex *regex_at(lua_State *L, int at);
bool regex_is_global(const struct regex *re);
wf_str regex_source(const struct regex *re);
const char *regex_flags(const struct regex *re);
/* Matches from byte `start`; pairs of byte offsets, -1 for groups without a match. Number of groups
 * with the whole, or 0 for no match. Raises an error at the match limit. */
int regex_exec(lua_State *L, struct regex *re, const char *s, size_t len, size_t start,
               int64_t *pairs, int max_groups);
/* Name of group i, or NULL. */
const char *regex_group_name(const struct regex *re, int i);
bool regex_has_names(const struct regex *re);
enum { REGEX_GROUPS_MAX = 100 };
void regex_open(lua_State *L);
/* Pushes what match() gives: the groups as an array with .index and .groups. */
void regex_push_match(lua_State *L, const struct regex *re, const char *s, const int64_t *pairs,
                      int n);

/* --- string_methods.c ------------------------------------------------------------------------- */

/* --- hash.c, value_ext.c ---------------------------------------------------------------------- */

int js_base64_encode(lua_State *L);
int js_base64_decode(lua_State *L);
int js_hash(lua_State *L);
int js_to_json_string(lua_State *L);
int js_string_normalize(lua_State *L); /* accents.c */
int js_string_locale_compare(lua_State *L);
uint32_t js_change_case(uint32_t code, bool upper);
int js_no_value(lua_State *L);            /* undefined */
bool js_is_nothing(lua_State *L, int at); /* null, "", [], {} */

/* --- globals.c, numbers.c, objects.c ---------------------------------------------------------- */

void set_open(lua_State *L);
/* Leaves an array with the different values of the array at `at`, in order. */
void js_push_unique(lua_State *L, int at);
int js_encode_component(lua_State *L);
int js_decode_component(lua_State *L);
int js_encode_uri(lua_State *L);
int js_decode_uri(lua_State *L);
int js_json_parse(lua_State *L);
int js_object_keys(lua_State *L);
int js_object_values(lua_State *L);
double js_round(double d);
/* Pushes 1,234.5 with that many digits behind the point. */
void js_push_grouped(lua_State *L, double d, int min_digits, int max_digits);

void js_push_case(lua_State *L, const char *s, size_t len, bool upper);

/* --- dates ------------------------------------------------------------------------------------ */

struct js_date {
    struct js_box box;
    bool luxon; /* DateTime; else JavaScript's Date */
    double ms;  /* since 1970 UTC; NaN: invalid */
    struct date_zone *zone;
};
struct js_date *date_at(lua_State *L, int at); /* NULL: not a date */
struct js_date *date_push(lua_State *L, double ms, struct date_zone *zone, bool luxon);
int js_to_date_time(lua_State *L); /* n8n's toDateTime of any value */
int date_index(lua_State *L);
/* ISO text as toISOString (Date) or toISO (DateTime) give it; returns the length. */
enum { DATE_TEXT_MAX = 64 };
size_t date_iso(const struct js_date *d, char to[DATE_TEXT_MAX]);
/* Milliseconds of an ISO or RFC 2822 text; NaN when it is none. zone: for texts without an offset.
 */
double date_parse(const char *s, size_t len, bool only_iso, struct date_zone *zone,
                  struct date_zone **found, struct expr_lua *lua);
int duration_index(lua_State *L);

#endif
