/* SPDX-License-Identifier: Apache-2.0
 * script_int: what the files of Lua steps share.
 *
 * A script sees items through views: light userdata that name a record of the run, never a pointer.
 * A view reads its JSON value when asked, so nothing is built that is not touched, and a run that
 * only reads makes no garbage. The first write to a view copies its slots into the run's arena, as
 * the value that is handed on; what was not written is shared with the input. Tables of the script
 * and views that somebody holds stand beside the slots and are put in when the value is taken.
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

/* What a slot of a view holds instead of its plain value: a view somebody has of it, or a table of
 * the script by its place in the thread's `refs`. */
struct link {
    struct view *child;
    int ref; /* 0: none */
};

/* VIEW_ITEM: json and binary. */
struct item_parts {
    struct json values[2];
    struct link links[2];
    int64_t paired; /* what the script wrote to pairedItem; -1: nothing */
};

struct view {
    enum view_kind kind;
    bool dirty;  /* it or something below it was written to */
    bool array;  /* a list: elements, not members */
    bool own;    /* the slots are the view's own and may be written */
    bool shared; /* ... but somebody has taken them as a value: copy before the next write */
    uint32_t id;
    uint32_t n, size; /* slots, and for how many there is room */
    struct view *parent;
    const struct json *base; /* VIEW_JSON: the value as it came */
    struct json *slots;      /* elements, or key and value of each member; NULL: an unwritten
                              * VIEW_ITEMS */
    struct link *links;      /* by slot; NULL: every slot is its plain value */
    int64_t item; /* VIEW_ITEM, and the json of one: its place in the input; -1: another value */
    struct item_parts *parts; /* VIEW_ITEM */
};

/* A coroutine with what one run needs; reused when the run is over. */
struct script_thread {
    struct script_thread *next;
    lua_State *co;
    int ref; /* of the coroutine, in the registry */
    uint32_t generation;
    struct script_run *run;
    struct expr_script *script;
    bool hooked; /* the count hook is set */
    struct view **views;
    uint32_t n_views, size_views;
    struct view **items; /* of a script over all items: made so far, by place in the input */
    int refs, n_refs;    /* the table of the script's tables that links name */
    int globals;         /* the run's own globals, or LUA_NOREF */
    struct view *metas[8];
    uint8_t hints[128]; /* where a key was last found, by its address: only a guess */
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
    bool counted; /* ends or counts by itself, without the count hook: script_source.c */
    char *name;
};

int script_open(lua_State *L); /* sets up a state for scripts */
void script_close(struct expr_lua *lua);
void date_zone_free_all(struct date_zone *zones);

/* --- script_source.c -------------------------------------------------------------------------- */

/* No loop, jump or function is in the text: it ends by itself. */
bool source_is_straight(wf_str source);
/* Writes the text to `copy`, which has as many bytes, with `json` for `item.json`. False: a use of
 * either may change it, the copy is of no use. */
bool source_shorten(wf_str source, char *copy);
/* Writes the text with a count of `_left`, which asks _steps() for more when it is used up, in each
 * loop and function. The bytes it takes; -1: this text cannot be counted so. */
int64_t source_counted_bytes(wf_str source);
void source_count(wf_str source, char *to);

/* --- script.c --------------------------------------------------------------------------------- */

/* Lua's text of an error as people read it. -1. */
int script_fail_text(struct err *err, enum err_code code, const char *text);
/* _steps() of a script that counts its turns. */
int script_turns(lua_State *L);
/* Sets the count hook of the running script, before it gets functions from elsewhere. */
void script_watch(lua_State *L);

/* --- script_view.c ---------------------------------------------------------------------------- */

struct view *view_new(struct script_thread *t, enum view_kind kind, const struct json *base,
                      struct view *parent);
void view_push(lua_State *L, const struct script_thread *t, const struct view *v);
/* Pushes a value: scalars as Lua has them, arrays and objects as new views (`parent` NULL: of
 * nobody). */
void view_push_json(lua_State *L, struct script_thread *t, const struct json *v);
struct view *view_of_handle(const struct script_thread *t, uint64_t handle); /* or NULL */
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
