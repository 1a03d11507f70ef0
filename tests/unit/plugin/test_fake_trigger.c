/* SPDX-License-Identifier: Apache-2.0
 * The fake host's side of triggers: what authors rely on, and that it notices what a plugin does
 * wrong.
 */
#include "../../../sdk/fake_trigger.h"
#include <setjmp.h>
#include <cmocka.h>

struct config {
    int64_t fail;
};
static const wf_param params[] = { { WF_P_INT(struct config, fail), .max = 1 }, WF_END };

static struct {
    const wf_triggers *engine;
    const struct config *config;
    wf_source *source;
    unsigned rooms, oks, losses, stops;
    uint64_t last_tag;
    char ended[64];
    int status;
    const char *trouble;
} seen;

static void *open_it(const wf_host *h, wf_inst *inst, wf_error *why)
{
    (void)why;
    memset(&seen, 0, sizeof seen);
    seen.engine = h->service("trigger/1");
    seen.config = h->inst_config(inst);
    return &seen;
}

static void close_it(const wf_host *h, void *state)
{
    (void)h;
    assert_ptr_equal(state, &seen);
    assert_null(seen.source); /* stopped before it is closed */
}

static int start(const wf_host *h, void *state, wf_source *source, wf_error *why)
{
    (void)h, (void)state;
    seen.source = source;
    if (!seen.config->fail)
        return 0;
    seen.source = NULL;
    why->fault = WF_TRANSIENT;
    why->detail = (wf_str){ "not now", 7 };
    return -1;
}

static void stop(const wf_host *h, void *state)
{
    (void)h, (void)state;
    seen.source = NULL;
    seen.stops++;
}

static void stored(const wf_host *h, void *state, const uint64_t *tags, size_t n, int ok)
{
    (void)h, (void)state;
    *(ok ? &seen.oks : &seen.losses) += (unsigned)n;
    seen.last_tag = tags[n - 1];
}

static void ended(const wf_host *h, void *state, uint64_t tag, wf_str json, const char *error)
{
    (void)h, (void)state;
    snprintf(seen.ended, sizeof seen.ended, "%d:%.*s:%s", (int)tag, (int)json.len, json.ptr,
             error ? error : "");
}

static void room(const wf_host *h, void *state)
{
    (void)h, (void)state;
    seen.rooms++;
}

static const char *trouble(const wf_host *h, void *state)
{
    (void)h, (void)state;
    return seen.trouble;
}

static void on_reply(const wf_host *h, void *arg, const wf_reply *r)
{
    (void)h;
    *(int *)arg = r->status;
}

static void pass_all(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->pass(items[i], 0);
}

static const char *const ports[] = { "main", NULL };
static const wf_trigger trigger = { sizeof trigger, 0, start, stop, stored, ended, room, trouble };
static const wf_node nodes[] = { { .type = "test.in",
                                   .help = "A trigger",
                                   .ports = ports,
                                   .params = params,
                                   .config_size = sizeof(struct config),
                                   .process = pass_all,
                                   .open = open_it,
                                   .close = close_it,
                                   .flags = WF_NODE_TRIGGER,
                                   .trigger = &trigger } };
static const wf_plugin entry = { WF_PLUGIN_BASE("test", "1.0.0", nodes) };

static struct fake *make(const char *parameters)
{
    struct fake *f = fake_create(&entry, NULL);
    fake_trigger(f);
    assert_int_equal(fake_start(f, parameters), 0);
    return f;
}

static size_t give(size_t n, uint32_t flags)
{
    static uint64_t tag;
    wf_inbound events[8];
    for (size_t i = 0; i < n; i++)
        events[i] = (wf_inbound){ .json = { "{\"a\":1}", 7 }, .tag = ++tag, .flags = flags };
    return seen.engine->accept(seen.source, events, n);
}

static void events_and_their_ends(void **state)
{
    (void)state;
    struct fake *f = make("{}");
    assert_int_equal(fake_trigger_start(f), 0);
    assert_int_equal(give(3, 0), 3);
    assert_int_equal(give(1, WF_INBOUND_ENDED), 1);
    assert_int_equal(fake_events(f), 4);
    assert_string_equal(fake_event(f, 0)->json, "{\"a\":1}");
    fake_stored(f, 1, 1);
    assert_int_equal(seen.oks, 1);
    assert_int_equal(seen.last_tag, fake_event(f, 0)->tag);
    fake_stored(f, 2, 0);
    assert_int_equal(seen.losses, 2);
    fake_stored(f, 0, 1);
    assert_int_equal(seen.oks, 2);
    fake_event_ended(f, 3, "{}", NULL);
    assert_string_equal(seen.ended, "4:{}:");
    fake_destroy(f); /* stops it first */
    assert_int_equal(seen.stops, 1);
}

static void room_is_told_once_it_was_missed(void **state)
{
    (void)state;
    struct fake *f = make("{}");
    fake_trigger_start(f);
    fake_room(f, 2);
    assert_int_equal(seen.rooms, 0);
    assert_int_equal(give(3, 0), 2);
    assert_int_equal(give(1, 0), 0);
    fake_room(f, 5);
    assert_int_equal(seen.rooms, 1);
    assert_int_equal(give(3, 0), 3);
    fake_room(f, 5);
    assert_int_equal(seen.rooms, 1);
    fake_destroy(f);
}

static void start_may_fail(void **state)
{
    (void)state;
    struct fake *f = make("{\"fail\":1}");
    assert_int_equal(fake_trigger_start(f), -1);
    assert_int_equal(fake_trigger_fault(f), WF_TRANSIENT);
    assert_string_equal(fake_error(f), "not now");
    fake_destroy(f);
    assert_int_equal(seen.stops, 0);
}

static void requests_are_answered_in_order(void **state)
{
    (void)state;
    int first = 0, second = 0;
    struct fake *f = make("{}");
    fake_trigger_start(f);
    wf_request r = { .url = "http://one/" };
    assert_int_equal(seen.engine->request(seen.source, &r, on_reply, &first), 0);
    r.url = "http://two/";
    assert_int_equal(seen.engine->request(seen.source, &r, on_reply, &second), 0);
    assert_int_equal(fake_asked(f), 2);
    assert_string_equal(fake_ask(f, 1)->url, "http://two/");
    assert_int_equal(fake_ask_answer(f, 200, "{}"), 0);
    assert_int_equal(first, 200);
    fake_trigger_stop(f);
    assert_int_equal(fake_ask_answer(f, 200, "{}"), -1); /* canceled */
    assert_int_equal(second, 0);
    fake_destroy(f);
}

static void trouble_is_told(void **state)
{
    (void)state;
    struct fake *f = make("{}");
    fake_trigger_start(f);
    assert_null(fake_trouble(f));
    seen.trouble = "far away";
    assert_string_equal(fake_trouble(f), "far away");
    fake_destroy(f);
}

static void wrong_use_is_noticed(void **state)
{
    (void)state;
    struct fake *f = make("{}");
    wf_inbound in = { .json = { "[1]", 3 }, .flags = WF_INBOUND_ENDED };
    fake_trigger_start(f);
    wf_source *source = seen.source;
    seen.engine->accept(source, &in, 1);
    const char *problem = fake_problem(f);
    assert_non_null(strstr(problem, "event 0 is no JSON object: [1]"));
    assert_non_null(strstr(problem, "wants ended() and has no tag"));
    fake_trigger_stop(f);
    assert_int_equal(seen.engine->accept(source, &in, 1), 0);
    assert_non_null(strstr(fake_problem(f), "accept() before start() or after stop()"));
    fake_destroy(f);
}

static void maybe_begun_is_the_tests_choice(void **state)
{
    (void)state;
    struct fake *f = make("{}");
    wf_item *it = fake_item(f, "{}"), *other = fake_item(f, "{}");
    fake_maybe_begun(it);
    assert_int_equal(f->host.maybe_begun(it), 1);
    assert_int_equal(f->host.maybe_begun(other), 0);
    fake_run(f);
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_and_their_ends),
        cmocka_unit_test(room_is_told_once_it_was_missed),
        cmocka_unit_test(start_may_fail),
        cmocka_unit_test(requests_are_answered_in_order),
        cmocka_unit_test(trouble_is_told),
        cmocka_unit_test(wrong_use_is_noticed),
        cmocka_unit_test(maybe_begun_is_the_tests_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
