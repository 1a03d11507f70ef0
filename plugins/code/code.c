/* SPDX-License-Identifier: Apache-2.0
 * catalyst.code: a step written in Lua, once per item or once for all items of an execution.
 *
 * The script is compiled when the workflow starts; it runs under the engine's step and memory
 * limits through service "script/1". `mode` decides which of the two process functions the engine
 * calls.
 */
#include <catalyst/plugin.h>
#include <string.h>

enum { ALL_ITEMS, EACH_ITEM };

struct config {
    const wf_cred *redis;
    wf_str code;
    int mode, language;
};

static const wf_pair modes[] = {
    { "runOnceForAllItems", "One run with all items of the execution: `items` is a list" },
    { "runOnceForEachItem", "One run for every item: `item`" },
    { NULL, NULL },
};

static const wf_pair languages[] = { { "lua", "Lua 5.4" }, { NULL, NULL } };

static const wf_param params[] = {
    { WF_P_CHOICE(struct config, mode, modes), .def = "runOnceForAllItems",
      .help = "How often the script runs" },
    { WF_P_CHOICE(struct config, language, languages), .def = "lua",
      .help = "Language of the script" },
    { WF_P_STR(struct config, code), .flags = WF_REQUIRED | WF_RAW | WF_MULTILINE,
      .help = "The script; what it returns goes on" },
    { WF_P_CRED(struct config, redis, "redis"), .help = "Server and login of redis.call()" },
    WF_END,
};

static void *code_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    static _Thread_local char text[512]; /* read at once, by the worker that called */
    const struct config *c = h->inst_config(inst);
    const wf_scripts *scripts = h->service("script/1");
    if (!scripts) {
        *why = (wf_error){ .size = sizeof *why,
                           .fault = WF_ACCOUNT,
                           .detail = { "this engine runs no scripts", 27 } };
        return NULL;
    }
    void *script = scripts->compile(inst, c->code, c->mode == EACH_ITEM, text, sizeof text);
    if (!script)
        *why = (wf_error){ .size = sizeof *why,
                           .fault = WF_ACCOUNT,
                           .detail = { text, strlen(text) } };
    return script;
}

static void code_close(const wf_host *h, void *state)
{
    const wf_scripts *scripts = h->service("script/1");
    scripts->free(state);
}

static void run_items(const wf_host *h, wf_item *const *items, size_t n)
{
    const wf_scripts *scripts = h->service("script/1");
    scripts->run_items(h->state(items[0]), items, n);
}

static void run_segments(const wf_host *h, wf_segment *const *segs, size_t n)
{
    const wf_scripts *scripts = h->service("script/1");
    scripts->run_segments(h->state(h->first(segs[0])), segs, n);
}

static int takes_segments(const void *config)
{
    return ((const struct config *)config)->mode == ALL_ITEMS;
}

static int check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const wf_scripts *scripts = h->service("script/1");
    return scripts ? scripts->syntax(((const struct config *)config)->code, why, why_size) : 0;
}

static const char docs[] =
    "Lua 5.4 without `os`, `io`, `debug` and loading of code. A script that runs too long or takes "
    "too much\n"
    "memory ends with an error on its execution alone; errors name the line. The settings "
    "`lua-steps`, `lua-memory`\n"
    "and `lua-dir` (the folder that `require(\"name\")` reads) are the engine's.\n"
    "\n"
    "| mode | there is | what it returns |\n"
    "|---|---|---|\n"
    "| runOnceForEachItem | `item` (`item.json.x` can be read and set), `json`, `index` | nothing: "
    "the item, as "
    "edited; a table: the new item's JSON (or `{json = ..}`); `false`: no item |\n"
    "| runOnceForAllItems | `items`, a list from 1; `input.first()`, `input.all()` | a list of "
    "items or tables; "
    "nothing: the items, as edited; one table: one item |\n"
    "\n"
    "Whoever makes new items over all of them says where one came from by `pairedItem`, the number "
    "of an input item\n"
    "from 0, as in `{json = {..}, pairedItem = 0}`; without it an item comes from all. An input "
    "item and its json\n"
    "that are returned know it themselves.\n"
    "\n"
    "`n8n-nodes-base.code` is this node too, when `language` is lua; JavaScript and Python are "
    "refused by the check.\n"
    "\n"
    "Also there: `node(\"Name\")` with `.first()`, `.last()`, `.all()`, `.item`; `workflow`, "
    "`execution`, `vars`,\n"
    "`env`, `now()`, `null`, `array{}`, `json_encode`, `json_decode`, `log(..)`. "
    "`http.request{url=..}`,\n"
    "`kafka.send{topic=.., value=..}`, `redis.call(command, ..)` and `sleep(ms)` wait without "
    "holding anybody up,\n"
    "and so do functions of plugins, `call(\"vendor.name\", ..)`. What cannot be done is an error, "
    "which `pcall`\n"
    "catches.\n"
    "\n"
    "`redis.call` takes any command that does not change the connection for others (no `MULTI`, "
    "`SELECT`,\n"
    "`SUBSCRIBE`, `BLPOP` ..; use `EVAL` where several must go together). Numbers and texts come "
    "as such, lists\n"
    "as lists, nothing as nil.\n"
    "\n"
    "`http.request`, `redis.call` and functions of plugins act at once, not with the commit of the "
    "turn, also under\n"
    "`exactly_once`: after a crash, or when the step is tried again, a script runs from its "
    "beginning and does them\n"
    "again. `kafka.send` leaves with the commit. A passing error has the step tried again only "
    "when it was the\n"
    "script's first call; a command whose answer was lost is never repeated, unless it only reads. "
    "What must happen\n"
    "once belongs into a node of its own, with durability `each_step`.\n"
    "\n"
    "```lua\n"
    "item.json.total = item.json.price * item.json.count\n"
    "item.json.seen = redis.call(\"INCR\", \"seen:\" .. item.json.sku)\n"
    "```\n";

static const char *const ports[] = { "main", NULL };
static const wf_node nodes[] = { {
    .type = "catalyst.code",
    .help = "Run a Lua script on items",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process = run_items,
    .process_segments = run_segments,
    .segments = takes_segments,
    .open = code_open,
    .close = code_close,
    .check = check,
    .group = "data",
    .docs = docs,
} };

WF_PLUGIN("code", "1.0.0", nodes);
