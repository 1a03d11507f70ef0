/* SPDX-License-Identifier: Apache-2.0
 * catalyst/functions.h - functions that a plugin offers to Lua steps: `call("acme.lookup", 7)`.
 *
 * A plugin may export a second symbol beside its entry, made by WF_FUNCTIONS. An engine that does
 * not know it does not look for it, so such a plugin loads everywhere.
 *
 *   static const wf_function functions[] = {
 *       { .name = "acme.lookup", .help = "A customer by number", .cred = "acme",
 *         .open = lookup_open, .close = lookup_close, .call = lookup_call },
 *   };
 *   WF_FUNCTIONS(functions);
 *
 * A call is an item. Its value is {"args": [..]}, what the script gave, as JSON. Like a node's item
 * it is ended exactly once, now or later: emit() on port 0 with {"value": ..} answers (anything but
 * an object is wrapped so by emit() itself; without `value` the script gets nil); fail(), retry()
 * and fail_with() raise an error in the script, which pcall() catches. It may wait as items do:
 * park(), request(), offload(), a wf_conn (conn.h). Its config() is NULL and its state() not yours.
 * Meanwhile the script stands still and nobody else does.
 *
 * Durability. What a function does outside happens at once, in the middle of a turn, not with its
 * commit: after a crash the execution may run again from its beginning and do it again. The same
 * goes for a step that is tried again. key() of a call is that of the script's item, the same for
 * all calls of one run. What must happen once belongs into a node with durability each_step, into
 * output() or into a ledger.
 *
 * An error that no pcall() catches fails the item. WF_TRANSIENT and WF_THROTTLE have the step tried
 * again only while it was the script's first call: later ones would repeat those before.
 *
 * Thread: [w], all of it. Nothing blocks.
 */
#ifndef WF_FUNCTIONS_H
#define WF_FUNCTIONS_H
#include <catalyst/plugin.h>

typedef struct {
    const char *name; /* "vendor.name"; ours are "redis.call" and the like */
    const char *help; /* one sentence */
    /* The type of credential it works with: the one that the step names under `credentials`. NULL:
     * it needs none. */
    const char *cred;
    /* Once per step and worker, before its first call. NULL with why->fault set: it cannot work,
     * and calls raise why->detail. `cred` is NULL when the step names none. NULL: no state. */
    void *(*open)(const wf_host *h, wf_inst *inst, const wf_cred *cred, wf_error *why);
    void (*close)(const wf_host *h, void *state);
    void (*call)(const wf_host *h, void *state, wf_item *call);
} wf_function;

typedef struct {
    uint32_t size, function_size;
    const wf_function *list;
    size_t n;
} wf_functions;

#define WF_FUNCTIONS(t)                                                                            \
    extern const wf_functions wf_functions_entry;                                                  \
    WF_EXPORT const wf_functions wf_functions_entry = { .size = sizeof(wf_functions),              \
                                                        .function_size = sizeof(wf_function),      \
                                                        .list = t,                                 \
                                                        .n = sizeof(t) / sizeof *(t) }
#endif
