/* SPDX-License-Identifier: Apache-2.0
 * What is administered: workflows, sources, engines, credentials.
 */
#include "conformance.h"

struct seen {
    unsigned n;
    uint64_t version;
    uint32_t number;
    bool active;
    char id[64], name[64], definition[200];
};

static void on_workflow(void *ctx, const struct store_workflow *w)
{
    struct seen *seen = ctx;
    seen->n++;
    seen->version = w->version;
    seen->number = w->number;
    seen->active = w->active;
    snprintf(seen->id, sizeof seen->id, "%.*s", STR_ARG(w->id));
    snprintf(seen->name, sizeof seen->name, "%.*s", STR_ARG(w->name));
    snprintf(seen->definition, sizeof seen->definition, "%.*s", STR_ARG(w->definition));
}

void deploys_make_versions(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    struct store_workflow one, same, two, other;
    uint64_t revision[4];
    assert_int_equal(store_revision(f->store, &revision[0], &err), 0);
    assert_int_equal(
        store_deploy(f->store, STR("w1"), STR("First"), STR("{\"a\":1}"), true, &one, &err), 0);
    assert_int_equal(one.number, 1);
    assert_true(one.version && one.active && one.deployed_us > noon_us);
    assert_int_equal(store_revision(f->store, &revision[1], &err), 0);
    assert_true(revision[1] > revision[0]);
    assert_int_equal(
        store_deploy(f->store, STR("w1"), STR("First"), STR("{\"a\":1}"), true, &same, &err), 0);
    assert_int_equal(same.version, one.version);
    assert_int_equal(
        store_deploy(f->store, STR("w2"), STR("Other"), STR("{}"), false, &other, &err), 0);
    assert_int_equal(
        store_deploy(f->store, STR("w1"), STR("New name"), STR("{\"a\":2}"), true, &two, &err), 0);
    assert_int_equal(two.number, 2);
    assert_true(two.version > one.version && other.version != two.version);
    struct seen seen = { 0 };
    assert_int_equal(store_workflows(f->store, on_workflow, &seen, &err), 0);
    assert_int_equal(seen.n, 2);
    seen = (struct seen){ 0 };
    assert_int_equal(store_workflow_version(f->store, one.version, on_workflow, &seen, &err), 0);
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.number, 1);
    assert_string_equal(seen.definition, "{\"a\":1}");
    assert_string_equal(seen.name, "New name");
    assert_int_equal(store_workflow_version(f->store, 99999, on_workflow, &seen, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(store_revision(f->store, &revision[2], &err), 0);
    assert_int_equal(store_set_active(f->store, STR("w1"), false, &err), 0);
    assert_int_equal(store_revision(f->store, &revision[3], &err), 0);
    assert_true(revision[3] > revision[2]);
    seen = (struct seen){ 0 };
    assert_int_equal(store_workflow_version(f->store, two.version, on_workflow, &seen, &err), 0);
    assert_false(seen.active);
    assert_int_equal(store_set_active(f->store, STR("nobody"), true, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(store_deploy(f->store, STR(""), STR("x"), STR("{}"), true, &one, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
}

void sources_have_one_number(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    uint32_t a, b, again;
    assert_int_equal(store_source(f->store, STR("w"), STR("n"), STR("kafka"), STR("t"), &a, &err),
                     0);
    assert_int_equal(store_source(f->store, STR("w"), STR("n"), STR("kafka"), STR("t2"), &b, &err),
                     0);
    assert_int_equal(
        store_source(f->store, STR("w"), STR("n"), STR("kafka"), STR("t"), &again, &err), 0);
    assert_true(a && b && a != b);
    assert_int_equal(a, again);
}

static void on_instance(void *ctx, uint32_t instance)
{
    uint32_t *list = ctx;
    list[++list[0]] = instance;
}

void a_dead_engine_is_given_to_one(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    uint32_t a, b, c, list[8] = { 0 };
    assert_int_equal(store_instance(f->store, STR("a"), &a, &err), 0);
    assert_int_equal(store_instance(f->store, STR("b"), &b, &err), 0);
    assert_int_equal(store_instance(f->store, STR("c"), &c, &err), 0);
    assert_int_equal(store_dead_instances(f->store, a, 60000, on_instance, list, &err), 0);
    assert_int_equal(list[0], 0);
    usleep(60000);
    assert_int_equal(store_heartbeat(f->store, f->instance, &err), 0);
    assert_int_equal(store_heartbeat(f->store, a, &err), 0);
    assert_int_equal(store_heartbeat(f->store, c, &err), 0);
    assert_int_equal(store_dead_instances(f->store, a, 50, on_instance, list, &err), 0);
    assert_int_equal(list[0], 1);
    assert_int_equal(list[1], b);
    list[0] = 0;
    assert_int_equal(store_dead_instances(f->store, c, 50, on_instance, list, &err), 0);
    assert_int_equal(store_dead_instances(f->store, a, 50, on_instance, list, &err), 0);
    assert_int_equal(list[0], 0);
    /* The dead one wakes up and learns it. */
    assert_int_equal(store_heartbeat(f->store, b, &err), -1);
    assert_int_equal(err.code, ERR_FENCED);
    /* Its heir dies too, before it was done. */
    usleep(60000);
    assert_int_equal(store_heartbeat(f->store, f->instance, &err), 0);
    assert_int_equal(store_heartbeat(f->store, c, &err), 0);
    assert_int_equal(store_dead_instances(f->store, c, 50, on_instance, list, &err), 0);
    assert_int_equal(list[0], 2);
    assert_int_equal(store_instance_leave(f->store, a, &err), 0);
    assert_int_equal(store_instance_leave(f->store, b, &err), 0);
    list[0] = 0;
    assert_int_equal(store_dead_instances(f->store, f->instance, 50, on_instance, list, &err), 0);
    assert_int_equal(list[0], 0);
    assert_int_equal(store_heartbeat(f->store, a, &err), -1);
    assert_int_equal(err.code, ERR_FENCED);
}

void who_leaves_work_behind_is_taken_over(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    uint32_t heir, list[8] = { 0 };
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    assert_int_equal(commit_sample(f, ss, &lane, 3, 1), STORE_OK); /* its outputs may not be out */
    close_session(f, ss);
    assert_int_equal(store_instance(f->store, STR("heir"), &heir, &err), 0);
    assert_int_equal(store_instance_leave(f->store, f->instance, &err), 0);
    usleep(60000);
    assert_int_equal(store_heartbeat(f->store, heir, &err), 0);
    assert_int_equal(store_dead_instances(f->store, heir, 50, on_instance, list, &err), 0);
    assert_int_equal(list[0], 1);
    assert_int_equal(list[1], f->instance);
}

static void on_credential(void *ctx, const struct store_credential *c)
{
    char *text = ctx;
    size_t len = strlen(text);
    snprintf(text + len, 500 - len, "%.*s/%.*s/%.*s/%zu%c ", STR_ARG(c->id), STR_ARG(c->name),
             STR_ARG(c->type), c->sealed.len,
             c->sealed.len ? c->sealed.ptr[c->sealed.len - 1] : '-');
}

void credentials_are_kept(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    struct store_credential one = { STR("c1"), STR("Shop"), STR("basic"), STR("\0\1\2\377\0z") };
    struct store_credential two = { STR("c2"), STR("Bank"), STR("bearer"), STR("") };
    char text[500] = "";
    assert_int_equal(store_credential_put(f->store, &one, &err), 0);
    assert_int_equal(store_credential_put(f->store, &two, &err), 0);
    assert_int_equal(store_credentials(f->store, on_credential, text, &err), 0);
    assert_string_equal(text, "c1/Shop/basic/6z c2/Bank/bearer/0- ");
    one.sealed = STR("new");
    one.name = STR("Shop 2");
    assert_int_equal(store_credential_put(f->store, &one, &err), 0);
    assert_int_equal(store_credential_delete(f->store, STR("c2"), &err), 0);
    assert_int_equal(store_credential_delete(f->store, STR("c2"), &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    text[0] = 0;
    assert_int_equal(store_credentials(f->store, on_credential, text, &err), 0);
    assert_string_equal(text, "c1/Shop 2/basic/3w ");
}
