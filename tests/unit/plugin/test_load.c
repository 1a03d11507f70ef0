/* SPDX-License-Identifier: Apache-2.0
 * The registry: what is refused when a plugin is loaded, and with which words; aliases, duplicates,
 * files.
 */
#include "stub.h"
#include <sys/stat.h>
#include <unistd.h>

static void on_items(const wf_host *h, wf_item *const *items, size_t n)
{
    (void)h;
    (void)items;
    (void)n;
}

static void on_segments(const wf_host *h, wf_segment *const *segs, size_t n)
{
    (void)h;
    (void)segs;
    (void)n;
}

static void on_close(const wf_host *h, void *state)
{
    (void)h;
    (void)state;
}

static const char *const two_ports[] = { "true", "false", NULL };
static const char *const same_ports[] = { "a", "a", NULL };
static const char *const aliases[] = { "n8n-nodes-base.if", NULL };

/* A sound plugin; tests break one thing of their copy. */
static wf_node good_node(void)
{
    return (wf_node){ .type = "catalyst.if",
                      .help = "Decides",
                      .ports = two_ports,
                      .params = table,
                      .config_size = sizeof(struct config),
                      .process = on_items,
                      .aliases = aliases };
}

static wf_plugin good_plugin(const wf_node *nodes, size_t n)
{
    return (wf_plugin){ WF_PLUGIN_SIZES, .name = "if", .version = "1.0.0", .nodes = nodes,
                        .n_nodes = n };
}

static void refuse_plugin(const wf_plugin *entry, const char *message)
{
    struct plugin_set *set = plugin_set_create();
    struct err err = { 0 };
    assert_int_equal(plugin_set_add(set, entry, NULL, &err), -1);
    assert_string_equal(err.text, message);
    assert_null(plugin_at(set, 0));
    assert_null(plugin_node_at(set, 0));
    plugin_set_destroy(set);
}

static void refuse_node(const wf_node *node, const char *message)
{
    char text[600];
    wf_plugin entry = good_plugin(node, 1);
    snprintf(text, sizeof text, "plugin 'if': node 'catalyst.if': %s", message);
    refuse_plugin(&entry, text);
}

static void refuse_row(wf_param row, const char *message)
{
    wf_param rows[] = { { WF_P_CHOICE(struct config, color, colors) }, row, WF_END };
    wf_node node = good_node();
    node.params = rows;
    refuse_node(&node, message);
}

static void a_sound_plugin_is_found(void **state)
{
    (void)state;
    struct err err;
    wf_node nodes[] = { good_node(), good_node() };
    nodes[1].type = "catalyst.sort";
    nodes[1].aliases = NULL;
    nodes[1].ports = NULL;
    nodes[1].flags = WF_NODE_SEGMENT;
    nodes[1].process = NULL;
    nodes[1].process_segments = on_segments;
    wf_plugin entry = good_plugin(nodes, 2);
    struct plugin_set *set = plugin_set_create();
    if (plugin_set_add(set, &entry, "if.so", &err) != 0)
        fail_msg("%s", err.text);
    const struct node_type *type = plugin_find(set, "catalyst.if");
    assert_non_null(type);
    assert_ptr_equal(plugin_find(set, "n8n-nodes-base.if"), type);
    assert_ptr_equal(plugin_node_at(set, 0), type);
    assert_null(plugin_find(set, "catalyst.fi"));
    assert_int_equal(type->n_ports, 2);
    assert_int_equal(type->n_inputs, 1);
    assert_int_equal(type->index, 0);
    assert_string_equal(type->plugin->name, "if");
    assert_string_equal(type->plugin->path, "if.so");
    assert_int_equal(type->plugin->request_size, sizeof(wf_request));
    type = plugin_find(set, "catalyst.sort");
    assert_int_equal(type->n_ports, 0);
    assert_int_equal(type->index, 1);
    assert_ptr_not_equal(type->node.params, table); /* copied */
    assert_null(plugin_node_at(set, 2));
    assert_string_equal(plugin_nearest(set, "catalyst.fi"), "catalyst.if");
    assert_string_equal(plugin_nearest(set, "n8n-nodes-base.sort"), "catalyst.sort");
    assert_string_equal(plugin_nearest(set, "catalyst.Sort"), "catalyst.sort");
    assert_string_equal(plugin_nearest(set, "n8n-nodes-base.fi"), "n8n-nodes-base.if");
    assert_string_equal(plugin_nearest(set, "N8N-nodes-base.iff"), "catalyst.if");
    assert_string_equal(plugin_nearest(set, "srot"), "catalyst.sort");
    assert_string_equal(plugin_nearest(set, "catalist.sor"), "catalyst.sort");
    assert_null(plugin_nearest(set, "catalyst.http"));
    assert_null(plugin_nearest(set, "acme.somethingElse"));
    assert_null(plugin_nearest(set, ""));
    plugin_set_destroy(set);
}

static void duplicates_name_both(void **state)
{
    (void)state;
    struct err err;
    wf_node first = good_node(), second = good_node();
    wf_plugin a = good_plugin(&first, 1), b = good_plugin(&second, 1);
    b.name = "mine";
    struct plugin_set *set = plugin_set_create();
    assert_int_equal(plugin_set_add(set, &a, "/lib/if.so", &err), 0);
    assert_int_equal(plugin_set_add(set, &b, NULL, &err), -1);
    assert_string_equal(
        err.text,
        "plugin 'mine': node type 'catalyst.if' is there already, from plugin 'if' (/lib/if.so)");
    second.type = "acme.if";
    assert_int_equal(plugin_set_add(set, &b, NULL, &err), -1);
    assert_string_equal(err.text,
                        "alias 'n8n-nodes-base.if' of 'acme.if': plugin 'mine': node type "
                        "'n8n-nodes-base.if' is there already, from plugin 'if' (/lib/if.so)");
    second.aliases = NULL;
    assert_int_equal(plugin_set_add(set, &b, NULL, &err), 0);
    b.name = "if";
    second.type = "acme.other";
    assert_int_equal(plugin_set_add(set, &b, NULL, &err), -1);
    assert_string_equal(err.text, "plugin 'if' is there already, version 1.0.0 from /lib/if.so");
    assert_null(plugin_find(set, "acme.other")); /* nothing of a refused plugin is in */
    plugin_set_destroy(set);
    wf_node twice[] = { good_node(), good_node() };
    wf_plugin c = good_plugin(twice, 2);
    refuse_plugin(&c, "plugin 'if': node type 'catalyst.if' is declared twice");
}

static void heads_are_checked_first(void **state)
{
    (void)state;
    wf_node node = good_node();
    wf_plugin entry = good_plugin(&node, 1);
    entry.abi = 7;
    entry.name = (const char *)8; /* never read */
    refuse_plugin(&entry, "was made for plugin ABI 7, this is 1: compile it with this SDK");
    entry = good_plugin(&node, 1);
    entry.size = 12;
    refuse_plugin(&entry, "wf_plugin of 12 bytes cannot be: 72 are the least, 4096 the most");
    entry = good_plugin(&node, 1);
    entry.node_size = 9;
    refuse_plugin(&entry, "wf_node of 9 bytes cannot be: 48 are the least, 4096 the most");
    entry = good_plugin(&node, 1);
    entry.param_size = 1 << 20;
    refuse_plugin(&entry, "wf_param of 1048576 bytes cannot be: 48 are the least, 4096 the most");
    entry = good_plugin(&node, 1);
    entry.reserved = 1;
    refuse_plugin(&entry, "wf_plugin.reserved is not 0: it needs a newer engine");
    entry = good_plugin(&node, 1);
    entry.name = "my plugin";
    refuse_plugin(&entry, "needs a name (letters, digits and _ - .) and a version");
    entry = good_plugin(&node, 1);
    entry.version = NULL;
    refuse_plugin(&entry, "needs a name (letters, digits and _ - .) and a version");
    entry = good_plugin(NULL, 3);
    refuse_plugin(&entry, "plugin 'if': 3 nodes cannot be: 1000 are the most");
}

static void nodes_are_checked(void **state)
{
    (void)state;
    wf_node node = good_node();
    wf_plugin entry = good_plugin(&node, 1);
    node.type = "if";
    refuse_plugin(&entry,
                  "plugin 'if': node 0: type 'if' is no \"vendor.name\" such as \"catalyst.if\"");
    node = good_node();
    node.help = NULL;
    refuse_node(&node, "has no help: one sentence says what it does");
    node = good_node();
    node.process = NULL;
    refuse_node(&node, "has no process()");
    node = good_node();
    node.flags = WF_NODE_SEGMENT;
    refuse_node(&node, "has no process_segments()");
    node.process_segments = on_segments;
    refuse_node(&node, "has a process() that is never called: its flags hold WF_NODE_SEGMENT");
    node.flags = 0;
    refuse_node(
        &node,
        "has a process_segments() that is never called: its flags do not hold WF_NODE_SEGMENT");
    node = good_node();
    node.flags = 1 << 20;
    refuse_node(&node, "flags 0x100000 are unknown: it needs a newer engine");
    node = good_node();
    node.flags = WF_NODE_SEGMENT | WF_NODE_TRIGGER;
    refuse_node(&node, "a trigger cannot work over segments");
    node = good_node();
    node.ports = same_ports;
    refuse_node(&node, "port 'a' is there twice");
    node = good_node();
    node.inputs = same_ports + 2;
    refuse_node(&node, "has an empty list of inputs; NULL means one, \"main\"");
    node = good_node();
    node.close = on_close;
    refuse_node(&node, "has close() without open()");
    node = good_node();
    node.config_size = 1 << 30;
    refuse_node(&node, "a config of 1073741824 bytes is too large");
    static const wf_metric metrics[] = { { 9, "x", "", "" }, { 0, NULL, NULL, NULL } };
    node = good_node();
    node.metrics = metrics;
    refuse_node(&node, "metric 'x': kind or name is wrong (letters, digits and _)");
    static const wf_pair codes[] = { { "not good", "" }, { NULL, NULL } };
    node = good_node();
    node.codes = codes;
    refuse_node(&node, "error code 'not good': letters, digits and _ - . only");
}

#define ROW_TEXT .type = WF_STRING, .offset = offsetof(struct config, text)
#define ROW_INT  .type = WF_INT, .offset = offsetof(struct config, count)

static void rows_are_checked(void **state)
{
    (void)state;
    refuse_row((wf_param){ .name = "", ROW_TEXT }, "parameter 1 has an empty name");
    refuse_row(
        (wf_param){ .name = "a b", ROW_TEXT },
        "parameter 'a b': a name holds letters, digits and _ - . $ @ only, at most 199 of them");
    refuse_row((wf_param){ .name = "a..b", ROW_TEXT },
               "parameter 'a..b': a dot joins two names; one is empty here");
    refuse_row((wf_param){ .name = "a", .type = 99 }, "parameter 'a': type 99 is unknown");
    refuse_row(
        (wf_param){ .name = "a", .type = WF_STRING, .offset = 100000 },
        "parameter 'a': its field (offset 100000, 16 bytes) is outside a config of 168 bytes");
    refuse_row((wf_param){ .name = "a", .type = WF_STRING, .offset = sizeof(struct config) - 8 },
               "parameter 'a': its field (offset 160, 16 bytes) is outside a config of 168 bytes");
    refuse_row((wf_param){ .name = "a", .type = WF_STRING, .offset = (size_t)-8 },
               "parameter 'a': its field (offset 18446744073709551608, 16 bytes) is outside a "
               "config of 168 bytes");
    refuse_row((wf_param){ .name = "a", .type = WF_INT, .offset = 4 },
               "parameter 'a': its field at offset 4 is not aligned to 8");
    refuse_row((wf_param){ .name = "a", ROW_TEXT, .flags = 1 << 16 },
               "parameter 'a': flags 0x10000 are unknown");
    refuse_row((wf_param){ .name = "a", ROW_TEXT, .flags = WF_RAW | WF_EXPR },
               "parameter 'a': WF_RAW and WF_EXPR exclude each other");
    refuse_row((wf_param){ .name = "a", ROW_TEXT, .flags = WF_REQUIRED, .def = "x" },
               "parameter 'a': is required and has a default: one of them means nothing");
    refuse_row((wf_param){ .name = "a", ROW_TEXT, .min = 1, .max = 2 },
               "parameter 'a': a range is for numbers");
    refuse_row((wf_param){ .name = "a", ROW_INT, .min = 3, .max = 2 },
               "parameter 'a': its range ends before it starts");
    refuse_row((wf_param){ .name = "a", ROW_INT, .def = "x" },
               "parameter 'a': its default: must be a whole number, got \"x\"");
    refuse_row((wf_param){ .name = "a", ROW_INT, .def = "9", .min = 1, .max = 5 },
               "parameter 'a': its default: must be between 1 and 5, got 9");
    refuse_row((wf_param){ .name = "a", ROW_TEXT, .def = "=x" },
               "parameter 'a': its default: cannot be an expression: its value must be the same "
               "for all items");
    refuse_row((wf_param){ .name = "a", WF_F_CHOICE(struct config, color, NULL) },
               "parameter 'a': has no choices");
    refuse_row((wf_param){ .name = "a", WF_F_CHOICE(struct config, color, colors), .def = "pink" },
               "parameter 'a': its default: must be one of 'red', 'green', 'blue', got \"pink\"");
    refuse_row((wf_param){ .name = "a", WF_F_LIST(struct config, rows, NULL, struct row) },
               "parameter 'a': a list needs rows and row_size");
    refuse_row((wf_param){ .name = "a", WF_F_CRED(struct config, cred, NULL) },
               "parameter 'a': names no credential type");
    refuse_row((wf_param){ .name = "a", WF_F_CRED(struct config, cred, "x"), .flags = WF_EXPR },
               "parameter 'a': a credential has no default and is never an expression");
    refuse_row((wf_param){ .name = "color", ROW_TEXT },
               "parameter 'color': is there twice; rows of one name must each have a show_if of "
               "their own");
    refuse_row((wf_param){ .name = "color.deep", ROW_TEXT },
               "parameter 'color.deep': 'color' is a parameter already, so it cannot be a group");
    static const wf_param bad_rows[] = { { .name = "x", .type = WF_INT, .offset = 1 << 20 },
                                         WF_END };
    refuse_row((wf_param){ .name = "a", WF_F_LIST(struct config, rows, bad_rows, struct row) },
               "parameter 'a': parameter 'x': its field (offset 1048576, 8 bytes) is outside a "
               "config of 48 bytes");
}

static void show_if_is_checked(void **state)
{
    (void)state;
    refuse_row((wf_param){ .name = "a", ROW_TEXT, .show_if = "" },
               "parameter 'a': show_if is empty; leave it out");
    refuse_row((wf_param){ .name = "a", ROW_TEXT, .show_if = "color" },
               "parameter 'a': show_if 'color': write name=value, name=a|b, with commas between");
    refuse_row((wf_param){ .name = "a", ROW_TEXT, .show_if = "colour=red" },
               "parameter 'a': show_if 'colour=red': there is no parameter 'colour' beside it");
    refuse_row((wf_param){ .name = "a", ROW_TEXT, .show_if = "color=red|pink" },
               "parameter 'a': show_if 'color=red|pink': 'color' is never 'pink'");
    refuse_row((wf_param){ .name = "a", ROW_TEXT, .show_if = "a=x" },
               "parameter 'a': show_if 'a=x' hangs on itself, or on more than 8 others in a row");
}

static int on_start(const wf_host *h, void *state, wf_source *source, wf_error *why)
{
    (void)h, (void)state, (void)source, (void)why;
    return 0;
}

static void on_stop(const wf_host *h, void *state) { (void)h, (void)state; }

static void on_stored(const wf_host *h, void *state, const uint64_t *tags, size_t n, int ok)
{
    (void)h, (void)state, (void)tags, (void)n, (void)ok;
}

static const wf_trigger good_trigger = { .size = sizeof good_trigger,
                                         .start = on_start,
                                         .stop = on_stop };

static void triggers_are_checked(void **state)
{
    (void)state;
    wf_node node = good_node();
    wf_trigger t = good_trigger;
    node.trigger = &t;
    refuse_node(&node, "has a trigger and not WF_NODE_TRIGGER in its flags");
    node.flags = WF_NODE_TRIGGER;
    t.stop = NULL;
    refuse_node(&node, "its trigger has no stop()");
    t.start = NULL;
    refuse_node(&node, "its trigger has no start()");
    t = good_trigger;
    t.flags = 1u << 20;
    refuse_node(&node, "its trigger asks for what this engine does not know: it needs a newer one");
    t = good_trigger;
    t.size = 8;
    refuse_node(&node, "wf_trigger of 8 bytes cannot be: 24 are the least, 4096 the most");
    node = good_node();
    node.flags = WF_NODE_ONCE;
    refuse_node(&node, "WF_NODE_ONCE is for nodes with WF_NODE_EFFECT");
}

/* Of a header before or after today's: what is not there is NULL, what is not known must be 0. */
static void triggers_are_read_as_far_as_they_go(void **state)
{
    (void)state;
    struct err err;
    struct {
        wf_trigger t;
        void *later;
    } newer = { .t = good_trigger };
    wf_node node = good_node();
    wf_plugin entry = good_plugin(&node, 1);
    newer.t.size = offsetof(wf_trigger, stored);
    newer.t.stored = on_stored;
    node.flags = WF_NODE_TRIGGER;
    node.trigger = &newer.t;
    struct plugin_set *set = plugin_set_create();
    if (plugin_set_add(set, &entry, NULL, &err) != 0)
        fail_msg("%s", err.text);
    const wf_trigger *t = plugin_find(set, "catalyst.if")->node.trigger;
    assert_ptr_equal(t->start, on_start);
    assert_null(t->stored);
    plugin_set_destroy(set);
    newer.t = good_trigger;
    newer.t.size = sizeof newer;
    set = plugin_set_create();
    assert_int_equal(plugin_set_add(set, &entry, NULL, &err), 0);
    plugin_set_destroy(set);
    newer.later = &newer;
    refuse_node(&node, "its trigger asks for what this engine does not know: it needs a newer one");
}

static void recursive_rows_are_refused(void **state)
{
    (void)state;
    static wf_param circle[] = { { .name = "again", .type = WF_LIST, .row_size = 16 }, WF_END };
    circle[0].rows = circle;
    wf_node node = good_node();
    node.params = circle;
    refuse_node(
        &node,
        "a table has more than 1000 parameters or lists more than 8 deep; is WF_END missing?");
}

static void credentials_are_checked(void **state)
{
    (void)state;
    static const wf_param fields[] = {
        { .name = "password", .type = WF_STRING, .flags = WF_SECRET }, WF_END
    };
    static const wf_param bad[] = { { .name = "a b", .type = WF_STRING }, WF_END };
    wf_cred_type creds[] = { { "redis", "A server", fields } };
    wf_node node = good_node();
    wf_plugin entry = good_plugin(&node, 1);
    struct err err;
    entry.creds = creds;
    entry.n_creds = 1;
    struct plugin_set *set = plugin_set_create();
    assert_int_equal(plugin_set_add(set, &entry, NULL, &err), 0);
    assert_string_equal(plugin_find_cred(set, "redis")->help, "A server");
    assert_null(plugin_find_cred(set, "valkey"));
    wf_node other = good_node();
    other.type = "acme.x";
    other.aliases = NULL;
    wf_plugin second = good_plugin(&other, 1);
    second.name = "second";
    second.creds = creds;
    second.n_creds = 1;
    assert_int_equal(plugin_set_add(set, &second, NULL, &err), -1);
    assert_string_equal(err.text, "plugin 'second': credential type 'redis' is there already");
    plugin_set_destroy(set);
    creds[0].fields = bad;
    refuse_plugin(&entry,
                  "plugin 'if': credential type 'redis': field 'a b': name or type is wrong");
    creds[0].fields = NULL;
    refuse_plugin(&entry, "plugin 'if': credential type 'redis': needs a type, help and fields");
}

/* --- migrations ------------------------------------------------------------------------------- */

static void migrations_are_checked(void **state)
{
    (void)state;
    wf_migration steps[] = { { 1, 0, "start", "CREATE TABLE if_a (n int)", NULL },
                             { 2, 0, "more", NULL, "CREATE TABLE if_b (n INTEGER)" } };
    wf_node node = good_node();
    wf_plugin entry = good_plugin(&node, 1);
    struct err err;
    entry.migrations = steps;
    entry.n_migrations = 2;
    struct plugin_set *set = plugin_set_create();
    assert_int_equal(plugin_set_add(set, &entry, NULL, &err), 0);
    assert_int_equal(plugin_at(set, 0)->n_migrations, 2);
    assert_string_equal(plugin_at(set, 0)->migrations[1].name, "more");
    plugin_set_destroy(set);
    steps[1].number = 3;
    refuse_plugin(&entry, "plugin 'if': migration 2 has the number 3: they count 1, 2, 3 ...");
    steps[1] = (wf_migration){ 2, 0, "", "SELECT 1", NULL };
    refuse_plugin(&entry, "plugin 'if': migration 2 needs a name of a few words");
    steps[1] = (wf_migration){ 2, 0, "none", "", NULL };
    refuse_plugin(&entry, "plugin 'if': migration 2 (none) has no statements");
    steps[1] = (wf_migration){ 2, 1, "new", "SELECT 1", NULL };
    refuse_plugin(&entry, "plugin 'if': migration 2: reserved is not 0: it needs a newer engine");
    entry.migrations = NULL;
    refuse_plugin(&entry, "plugin 'if': 2 migrations cannot be: 1000 are the most");
    /* One that was compiled before there were any: what lies behind its struct is not looked at. */
    entry.size = offsetof(wf_plugin, migrations);
    set = plugin_set_create();
    assert_int_equal(plugin_set_add(set, &entry, NULL, &err), 0);
    assert_int_equal(plugin_at(set, 0)->n_migrations, 0);
    plugin_set_destroy(set);
}

/* --- growth ----------------------------------------------------------------------------------- */

static void structs_are_copied_by_size(void **state)
{
    (void)state;
    char from[32] = "0123456789abcdef", to[16];
    memset(to, 'x', sizeof to);
    assert_int_equal(plugin_struct_copy(to, 16, from, 8), 0);
    assert_memory_equal(to, "01234567\0\0\0\0\0\0\0\0", 16);
    assert_int_equal(plugin_struct_copy(to, 16, from, 32), 0); /* the rest is zero */
    assert_memory_equal(to, from, 16);
    from[31] = 1;
    assert_int_equal(plugin_struct_copy(to, 16, from, 32), -1);
}

/* A plugin of a later SDK: its structs are longer by 16 bytes. */
struct longer_param {
    wf_param row;
    uint64_t more[2];
};
struct longer_node {
    wf_node node;
    uint64_t more[2];
};

static void longer_structs_are_taken_when_the_rest_is_zero(void **state)
{
    (void)state;
    struct err err;
    static struct longer_param rows[3];
    struct longer_node nodes[2];
    memset(rows, 0, sizeof rows);
    memset(nodes, 0, sizeof nodes);
    rows[0].row = table[0];
    rows[1].row = table[5];
    for (int i = 0; i < 2; i++) {
        nodes[i].node = good_node();
        nodes[i].node.params = &rows[0].row;
    }
    nodes[1].node.type = "catalyst.second";
    nodes[1].node.aliases = NULL;
    wf_plugin entry = good_plugin(&nodes[0].node, 2);
    entry.param_size = sizeof rows[0];
    entry.node_size = sizeof nodes[0];
    struct plugin_set *set = plugin_set_create();
    if (plugin_set_add(set, &entry, NULL, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(plugin_find(set, "catalyst.second")->node.params[1].name, "count");
    assert_null(plugin_find(set, "catalyst.second")->node.params[2].name);
    plugin_set_destroy(set);
    rows[1].more[1] = 1;
    refuse_plugin(&entry, "plugin 'if': node 'catalyst.if': parameter 1 uses parts that this "
                          "engine does not know: it "
                          "needs a newer one");
    rows[1].more[1] = 0;
    nodes[1].more[0] = 5;
    refuse_plugin(
        &entry,
        "plugin 'if': node 1 uses parts that this engine does not know: it needs a newer one");
}

/* A plugin of an earlier SDK: structs end where their last fields had not been thought of. */
static void shorter_structs_are_filled_up(void **state)
{
    (void)state;
    struct err err;
    enum { ROW = offsetof(wf_param, min), NODE = offsetof(wf_node, open) };
    static _Alignas(16) char rows[3 * ROW], nodes[2 * NODE];
    wf_node node = good_node();
    memcpy(rows, &table[0], ROW);
    memcpy(rows + ROW, &table[7], ROW); /* options.limit */
    memset(rows + 2 * (size_t)ROW, 0, ROW);
    node.params = (const wf_param *)(const void *)rows;
    memcpy(nodes, &node, NODE);
    node.type = "catalyst.second";
    memcpy(nodes + NODE, &node, NODE);
    wf_plugin entry = good_plugin((const wf_node *)(const void *)nodes, 2);
    entry.param_size = ROW;
    entry.node_size = NODE;
    struct plugin_set *set = plugin_set_create();
    if (plugin_set_add(set, &entry, NULL, &err) != 0)
        fail_msg("%s", err.text);
    const struct node_type *type = plugin_find(set, "catalyst.second");
    assert_null(type->node.aliases);
    assert_null(type->node.open);
    assert_string_equal(type->node.params[1].name, "options.limit");
    assert_null(type->node.params[1].choices);
    assert_null(type->node.params[2].name);
    plugin_set_destroy(set);
}

/* --- files ------------------------------------------------------------------------------------ */

static char dir[] = "/tmp/plugin-test-XXXXXX";

static void put_file(const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void collect(void *ctx, const char *file, const char *reason)
{
    char *to = ctx;
    const char *name = strrchr(file, '/') + 1;
    const char *why = strncmp(reason, file, strlen(file)) ? reason : reason + strlen(file);
    snprintf(to + strlen(to), 1000 - strlen(to), "%s%s\n", name, why);
}

static void files_that_are_no_plugins(void **state)
{
    (void)state;
    char reports[1000] = "", path[200];
    struct err err = { 0 };
    struct plugin_set *set = plugin_set_create();
    assert_non_null(mkdtemp(dir));
    put_file("b.so", "hello");
    put_file("a.so", "");
    put_file("c.so", "\177ELF but nothing more");
    put_file("readme.txt", "x");
    put_file(".hidden.so", "x");
    assert_int_equal(plugin_set_load_dir(set, dir, collect, reports, &err), 0);
    assert_non_null(strstr(reports, "a.so: is no shared library (not an ELF file)\n"
                                    "b.so: is no shared library (not an ELF file)\n"
                                    "c.so: "));
    assert_null(strstr(reports, "hidden"));
    assert_null(strstr(reports, "readme"));
    snprintf(path, sizeof path, "%s/nowhere", dir);
    assert_int_equal(plugin_set_load_dir(set, path, collect, reports, &err), -1);
    assert_non_null(strstr(err.text, "No such file or directory"));
    assert_int_equal(plugin_set_load(set, path, &err), -1);
    assert_non_null(strstr(err.text, "cannot be read: No such file or directory"));
    assert_null(plugin_at(set, 0));
    plugin_set_destroy(set);
    for (const char *const *name =
             (const char *const[]){ "a.so", "b.so", "c.so", "readme.txt", ".hidden.so", NULL };
         *name; name++) {
        snprintf(path, sizeof path, "%s/%s", dir, *name);
        unlink(path);
    }
    rmdir(dir);
}

static void no_folder_is_an_error_and_destroy_takes_null(void **state)
{
    (void)state;
    plugin_set_destroy(NULL);
    struct plugin_set *set = plugin_set_create();
    assert_null(plugin_nearest(set, "catalyst.if"));
    assert_null(plugin_find(set, ""));
    plugin_set_destroy(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_plugin_is_found),
        cmocka_unit_test(duplicates_name_both),
        cmocka_unit_test(heads_are_checked_first),
        cmocka_unit_test(nodes_are_checked),
        cmocka_unit_test(rows_are_checked),
        cmocka_unit_test(show_if_is_checked),
        cmocka_unit_test(triggers_are_checked),
        cmocka_unit_test(triggers_are_read_as_far_as_they_go),
        cmocka_unit_test(recursive_rows_are_refused),
        cmocka_unit_test(credentials_are_checked),
        cmocka_unit_test(migrations_are_checked),
        cmocka_unit_test(structs_are_copied_by_size),
        cmocka_unit_test(longer_structs_are_taken_when_the_rest_is_zero),
        cmocka_unit_test(shorter_structs_are_filled_up),
        cmocka_unit_test(files_that_are_no_plugins),
        cmocka_unit_test(no_folder_is_an_error_and_destroy_takes_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
