/* SPDX-License-Identifier: Apache-2.0
 * The promise to plugins: what was compiled with SDK 1.0 loads and works today, and what cannot
 * work is refused with words that say why.
 */
#include "../../sdk/fake_host.h"
#include <setjmp.h>
#include <cmocka.h>
#include "layout.h"
#include "plugin/plugin.h"
#include <stdlib.h>
#include <unistd.h>

#define FOLDER ABI_PLUGINS "/"

/* --- the header grows at its ends only ---------------------------------------------------------
 */

static const struct layout *find(const struct layout *list, const char *name)
{
    for (; list->name; list++)
        if (!strcmp(list->name, name))
            return list;
    return NULL;
}

static void fields_stay_where_they_are(void **state)
{
    (void)state;
    size_t n = 0;
    for (const struct layout *was = layout_frozen; was->name; was++, n++) {
        const struct layout *is = find(layout_today, was->name);
        if (is->offset != was->offset || is->size != was->size)
            fail_msg("%s was %zu bytes at %zu, is %zu bytes at %zu", was->name, was->size,
                     was->offset, is->size, is->offset);
    }
    assert_true(n > 150);
}

static bool never_grows(const char *name)
{
    return !strcmp(name, "wf_str") || !strcmp(name, "wf_pair") || !strcmp(name, "wf_ticket") ||
           !strcmp(name, "wf_list");
}

static void structs_do_not_shrink_and_numbers_stay(void **state)
{
    (void)state;
    for (const struct layout *was = totals_frozen; was->name; was++) {
        const struct layout *is = find(totals_today, was->name);
        bool grew = was->size && is->offset > was->offset && !never_grows(was->name);
        if (is->offset != was->offset && !grew)
            fail_msg("%s was %zu, is %zu", was->name, was->offset, is->offset);
    }
}

/* A field put into padding at a struct's end would not change the size that the loader goes by. */
static void no_padding_at_the_end(void **state)
{
    (void)state;
    static const char *const structs[] = { "wf_plugin", "wf_node",      "wf_param",  "wf_request",
                                           "wf_error",  "wf_cred_type", "wf_metric", "wf_output",
                                           "wf_host",   "wf_values",    "wf_reply" };
    for (size_t i = 0; i < sizeof structs / sizeof *structs; i++) {
        size_t end = 0, len = strlen(structs[i]);
        for (const struct layout *field = layout_frozen; field->name; field++)
            if (!strncmp(field->name, structs[i], len) && field->name[len] == '.' &&
                field->offset + field->size > end)
                end = field->offset + field->size;
        if (end != find(totals_frozen, structs[i])->offset)
            fail_msg("%s ends at %zu, its size is %zu", structs[i], end,
                     find(totals_frozen, structs[i])->offset);
    }
}

/* --- plugins of other days -----------------------------------------------------------------------
 */

/* A node as the loader made it, under the fake host of today. */
static struct fake *fake_of(struct plugin_set *set, const char *type)
{
    static wf_plugin entry;
    const struct node_type *found = plugin_find(set, type);
    if (!found)
        fail_msg("no node type %s", type);
    entry =
        (wf_plugin){ WF_PLUGIN_SIZES, .name = "as-loaded", .nodes = &found->node, .n_nodes = 1 };
    return fake_create(&entry, NULL);
}

static struct plugin_set *loaded(const char *file)
{
    struct err err;
    struct plugin_set *set = plugin_set_create();
    if (plugin_set_load(set, file, &err) != 0)
        fail_msg("%s", err.text);
    return set;
}

static void a_plugin_of_sdk_1_0_works(void **state)
{
    (void)state;
    struct plugin_set *set = loaded(FOLDER "everything.so");
    assert_ptr_equal(plugin_find(set, "v1.also"), plugin_find(set, "v1.items"));
    assert_string_equal(plugin_find_cred(set, "v1account")->fields[0].name, "token");
    assert_int_equal(plugin_find(set, "v1.items")->n_metrics, 1);
    struct fake *f = fake_of(set, "v1.items");
    fake_cred(f, "v1account", "{\"token\":\"t\"}");
    if (fake_start(f,
                   "{\"text\":\"={{ $json.who }}\",\"rows\":[{\"name\":\"a\"}],\"wait\":\"1m\"}"))
        fail_msg("%s", fake_error(f));
    fake_item(f, "{\"who\":\"Ann\",\"x\":[1]}");
    fake_run(f);
    assert_string_equal(fake_output_json(f, 0, 0),
                        "{\"text\":\"Ann\",\"count\":3,\"wait\":60000,\"limit\":65536,\"on\":true,"
                        "\"mode\":1,\"rows\":1,\"x\":[1]}");
    assert_int_equal(fake_metric(f, 0), 1);
    fake_destroy(f);
    f = fake_of(set, "v1.segments");
    assert_int_equal(fake_start(f, "{}"), 0);
    fake_item(f, "{\"n\":1}");
    fake_item(f, "{\"n\":2}");
    fake_run(f);
    assert_string_equal(fake_output_json(f, 0, 0), "{\"n\":2}");
    fake_destroy(f);
    plugin_set_destroy(set);
}

/* The host of 1.0 ends before memory(), or wherever the frozen header says. */
static void a_host_cut_short_is_enough_for_it(void **state)
{
    (void)state;
    struct plugin_set *set = loaded(FOLDER "everything.so");
    struct fake *f = fake_of(set, "v1.items");
    fake_shrink(f, (uint32_t)find(totals_frozen, "wf_host")->offset);
    assert_int_equal(fake_start(f, "{}"), 0);
    wf_item *it = fake_item(f, "{}");
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_EMITTED);
    fake_destroy(f);
    plugin_set_destroy(set);
}

static void an_older_plugin_is_filled_up(void **state)
{
    (void)state;
    struct plugin_set *set = loaded(FOLDER "older.so");
    const struct node_type *type = plugin_find(set, "older.second");
    assert_string_equal(type->node.params[1].def, "5");
    assert_null(type->node.params[1].rows);
    assert_null(type->node.params[2].name);
    assert_int_equal(type->node.flags, 0);
    assert_null(type->node.aliases);
    assert_int_equal(type->plugin->request_size, offsetof(wf_request, headers));
    struct fake *f = fake_of(set, "older.second");
    assert_int_equal(fake_start(f, "{\"count\":8}"), 0);
    fake_item(f, "{}");
    fake_run(f);
    assert_string_equal(fake_output_json(f, 0, 0), "{\"text\":\"old\",\"count\":8}");
    fake_destroy(f);
    plugin_set_destroy(set);
}

static void a_newer_plugin_works_while_it_asks_for_nothing_new(void **state)
{
    (void)state;
    struct plugin_set *set = loaded(FOLDER "newer.so");
    struct fake *f = fake_of(set, "newer.second");
    assert_int_equal(fake_start(f, "{}"), 0);
    wf_item *it = fake_item(f, "{}");
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_PASSED);
    fake_destroy(f);
    plugin_set_destroy(set);
}

static void refused(const char *file, const char *why)
{
    char message[600];
    struct err err = { 0 };
    struct plugin_set *set = plugin_set_create();
    assert_int_equal(plugin_set_load(set, file, &err), -1);
    snprintf(message, sizeof message, "%s: %s", file, why);
    assert_string_equal(err.text, message);
    assert_null(plugin_node_at(set, 0));
    plugin_set_destroy(set);
}

static void what_cannot_work_says_why(void **state)
{
    (void)state;
    refused(FOLDER "other_abi.so",
            "was made for plugin ABI 99, this is 1: compile it with this SDK");
    refused(FOLDER "newer_used.so", "plugin 'newer': node 1 uses parts that this engine does not "
                                    "know: it needs a newer one");
    refused(FOLDER "no_entry.so",
            "has no symbol wf_plugin_entry: end its source with WF_PLUGIN(...)");
    refused(FOLDER "open_symbol.so", "undefined symbol: function_that_is_nowhere");
    refused(ABI_SOURCE "/older.c", "is no shared library (not an ELF file)");
    refused(FOLDER "not_there.so", "cannot be read: No such file or directory");
}

/* A copy that was broken off (a full disk, a lost connection): mapping it would end the process. */
static void a_cut_off_file_is_refused(void **state)
{
    (void)state;
    static char whole[1 << 20];
    char path[] = "/tmp/catalyst-cut-XXXXXX.so";
    FILE *from = fopen(FOLDER "older.so", "rb");
    assert_non_null(from);
    size_t size = fread(whole, 1, sizeof whole, from);
    fclose(from);
    assert_true(size > 4096 && size < sizeof whole);
    close(mkstemps(path, 3));
    for (size_t cut = 4; cut < size; cut = cut < 256 ? cut + 9 : cut * 2) {
        FILE *to = fopen(path, "wb");
        assert_non_null(to);
        assert_int_equal(fwrite(whole, 1, cut, to), cut);
        fclose(to);
        refused(path, "is not whole: it ends too early; copy it again");
    }
    unlink(path);
}

static void collect(void *ctx, const char *file, const char *reason)
{
    char *to = ctx;
    (void)reason;
    snprintf(to + strlen(to), 200 - strlen(to), "%s ", strrchr(file, '/') + 1);
}

static void broken_ones_do_not_stop_the_others(void **state)
{
    (void)state;
    char reported[200] = "";
    struct err err;
    struct plugin_set *set = plugin_set_create();
    assert_int_equal(plugin_set_load_dir(set, ABI_PLUGINS, collect, reported, &err), 3);
    assert_string_equal(reported, "newer_used.so no_entry.so open_symbol.so other_abi.so ");
    assert_string_equal(plugin_at(set, 0)->name, "everything"); /* in the order of their names */
    assert_string_equal(plugin_at(set, 1)->name, "newer");
    assert_string_equal(plugin_at(set, 2)->name, "older");
    assert_int_equal(plugin_set_load(set, FOLDER "older.so", &err), -1);
    assert_non_null(strstr(err.text, "plugin 'older' is there already, version 0.1.0 from "));
    plugin_set_destroy(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_stay_where_they_are),
        cmocka_unit_test(structs_do_not_shrink_and_numbers_stay),
        cmocka_unit_test(no_padding_at_the_end),
        cmocka_unit_test(a_plugin_of_sdk_1_0_works),
        cmocka_unit_test(a_host_cut_short_is_enough_for_it),
        cmocka_unit_test(a_cut_off_file_is_refused),
        cmocka_unit_test(an_older_plugin_is_filled_up),
        cmocka_unit_test(a_newer_plugin_works_while_it_asks_for_nothing_new),
        cmocka_unit_test(what_cannot_work_says_why),
        cmocka_unit_test(broken_ones_do_not_stop_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
