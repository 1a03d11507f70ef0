/* SPDX-License-Identifier: Apache-2.0
 * script_int: what the files of Lua steps share.
 *
 * A script sees items through views: light userdata that name a record of the run, never a pointer.
 * A view reads its JSON value when asked, so nothing is built that is not touched, and a run that
 * only reads makes no garbage. The first write to a view copies its members into cells, which may
 * then hold tables of the script too; what was not written is shared with the input when the item
 * is handed on.
 *
 * A handle is the number of the run (31 bits) and of the view in it. A script that keeps one for a
 * later run gets an error, and even a forged number can only name a view of the running run.
 */
#ifndef CATALYST_EXPR_SCRIPT_INT_H
#define CATALYST_EXPR_SCRIPT_INT_H
#include "expr/expr_int.h"

enum view_kind {
    VIEW_JSON = 1, /* an array or object */
    VIEW_ITEM,     /* an input item: json, binary, pairedItem */
    VIEW_ITEMS,    /* the list of input items */
};

/* A member or element once its view was written to: one of child, ref, value. */
struct cell {
    struct json key; /* objects */
    struct json value;
    struct view *child; /* of the value, when somebody holds it */
    int ref;            /* a table of the script, by its place in the thread's `refs`; 0: none */
};

struct view {
    enum view_kind kind;
    bool dirty; /* it or something below it was written to */
    bool array; /* VIEW_JSON: elements, not members */
    uint32_t id;
    struct view *parent;
    const struct json *base;
    struct view **children; /* by slot of base, as far as somebody holds them; NULL: none */
    struct cell *cells;     /* NULL: not written to */
    uint32_t n, size;       /* of cells */
    /* VIEW_ITEM, and the json of one: */
    int64_t item;         /* its place among the input items; -1 for other values */
    int64_t paired;       /* what the script wrote to pairedItem; -1: nothing */
    struct cell parts[2]; /* json, binary */
};

/* A coroutine with what one run needs; reused when the run is over. */
struct script_thread {
    struct script_thread *next;
    lua_State *co;
    int ref; /* of the coroutine, in the registry */
    uint32_t generation;
    struct script_run *run;
    struct expr_script *script;
    struct view **views;
    uint32_t n_views, size_views;
    int refs, n_refs; /* the table of the script's tables that cells hold */
    int globals;      /* the run's own globals, or LUA_NOREF */
    struct view *metas[8];
    struct json wait;
    const char *error; /* what a wait ended with */
    const struct json *answer;
    bool waits;
    struct arena arena; /* of the views */
    char first[4096];
};

struct expr_script {
    int ref;
    bool each;
    char *name;
};

int script_open(lua_State *L); /* sets up a state for scripts */
void script_close(struct expr_lua *lua);
void date_zone_free_all(struct date_zone *zones);

/* --- script_view.c ---------------------------------------------------------------------------- */

struct view *view_new(struct script_thread *t, enum view_kind kind, const struct json *base,
                      struct view *parent);
void view_push(lua_State *L, const struct script_thread *t, const struct view *v);
/* Pushes a value: scalars as Lua has them, arrays and objects as new views (`parent` NULL: of
 * nobody). */
void view_push_json(lua_State *L, struct script_thread *t, const struct json *v);
/* The view at `at`, or NULL when it is no view. Raises an error for one of another run. */
struct view *view_at(lua_State *L, int at);
void view_open(lua_State *L);                     /* sets the metatable of views */
struct view *view_items(struct script_thread *t); /* makes the list of input items */
struct view *view_of_item(struct script_thread *t, int64_t index);

/* --- script_value.c: from Lua to JSON; raises nothing, so it can run outside of protected calls */

/* Converts any value. -1 with a sentence in why. */
int script_to_json(lua_State *L, struct script_thread *t, int at, struct json *out, unsigned depth,
                   char *why, size_t why_size);
int view_to_json(lua_State *L, struct script_thread *t, struct view *v, struct json *out,
                 unsigned depth, char *why, size_t why_size);
/* As script_to_json, raising an error. */
struct json script_json(lua_State *L, int at);
bool script_is_array(lua_State *L, int at); /* made by array{} */

/* --- script_lib.c ----------------------------------------------------------------------------- */

void script_open_library(lua_State *L); /* pushes the environment of scripts */
static inline struct script_thread *script_running(lua_State *L) { return js_lua(L)->running; }

#endif
