/* SPDX-License-Identifier: Apache-2.0
 * The fake host of the SDK: what authors rely on, and that it notices what a plugin does wrong.
 */
#include "../../../sdk/fake_host.h"
#include <pthread.h>
#include <setjmp.h>
#include <cmocka.h>

struct config {
    wf_str text;
    int64_t count;
    const wf_value *body;
    const wf_cred *cred;
    wf_list rows;
};
struct row {
    wf_str name;
};
static const wf_param row_params[] = {
    { WF_P_STR(struct row, name), .flags = WF_EXPR | WF_REQUIRED },
    WF_END,
};
static const wf_param params[] = {
    { WF_P_STR(struct config, text), .flags = WF_EXPR, .def = "t" },
    { WF_P_INT(struct config, count), .flags = WF_EXPR, .def = "3", .min = 1, .max = 5 },
    { WF_P_VALUE(struct config, body), .flags = WF_EXPR },
    { WF_P_CRED(struct config, cred, "key,token") },
    { WF_NAMED("list.rows"), WF_F_LIST(struct config, rows, row_params, struct row) },
    WF_END,
};

/* What the node does with an item is the item's "do". */
static wf_ticket ticket;
static int job_runs, gone;

static void on_reply(const wf_host *h, wf_item *it, const wf_reply *r)
{
    if (r->status == 200)
        h->emit(it, 0, h->build(it, "{s:i,s:S}", "status", (int64_t)r->status, "body", r->body));
    else
        h->retry(it, 1500, "HTTP %d", r->status);
}

static void work(void *job) { ++*(int *)job; }

static void on_done(const wf_host *h, wf_item *it, void *job)
{
    (void)job;
    if (it)
        h->pass(it, 0);
    else
        gone++;
}

static void on_wake(const wf_host *h, wf_item *it, wf_str data)
{
    if (it)
        h->emit(it, 1, h->build(it, "{s:S}", "woken", data));
    else
        gone++;
}

static void on_download(const wf_host *h, wf_item *it, const wf_reply *r)
{
    const wf_blobs *blobs = h->service("blob/1");
    char text[3] = "";
    if (!r->status) {
        (h->fail)(it, "%s", r->error); /* cmocka has a macro of that name */
        return;
    }
    assert_int_equal(r->body.len, 0);
    assert_int_equal(blobs->read(r->download, 4, text, 2), (int64_t)blobs->length(r->download) - 4);
    assert_int_equal(blobs->read(r->download, 6, text, 2), 0);
    blobs->attach(it, "file", r->download, (wf_str){ "text/plain", 10 }, (wf_str){ "", 0 });
    h->emit(it, 0, h->build(it, "{s:s}", "tail", text));
}

static void act_more(const wf_host *h, wf_item *it, const char *what)
{
    wf_error error = {
        .size = sizeof error, .fault = WF_THROTTLE, .scope = "chat:1", .retry_after_ms = 9
    };
    const wf_ledger *ledger = h->service("ledger/1");
    const wf_blobs *blobs = h->service("blob/1");
    const wf_webhook *webhook = h->service("webhook/1");
    if (!strcmp(what, "row")) {
        assert_int_equal(
            ledger->commit_row(it, "sales", h->build(it, "{s:i}", "n", (int64_t)7), "n"), 0);
        h->done(it);
    } else if (!strcmp(what, "blob")) {
        wf_str mime, file;
        wf_blob *part = blobs->part(it, "in", &mime, &file);
        blobs->attach(it, "copy", part, mime, file);
        h->emit(it, 0, h->build(it, "{}"));
    } else if (!strcmp(what, "drop")) {
        blobs->attach(it, "in", NULL, (wf_str){ NULL, 0 }, (wf_str){ NULL, 0 });
        h->pass(it, 0);
    } else if (!strcmp(what, "transfer")) {
        wf_blob *up = blobs->create(it);
        assert_int_equal(blobs->write(up, "ab", 2), 0);
        assert_int_equal(blobs->write(up, "cd", 2), 0);
        h->request(it,
                   &(wf_request){ .method = "PUT",
                                  .url = "http://x/",
                                  .upload = up,
                                  .flags = WF_REQ_DOWNLOAD,
                                  .max_bytes = 6 },
                   on_download);
    } else if (!strcmp(what, "answer")) {
        assert_int_equal(webhook->respond(it, 204, NULL, (wf_str){ "", 0 }), 0);
        assert_int_equal(webhook->respond(it, 204, NULL, (wf_str){ "", 0 }), -1);
        h->done(it);
    } else if (!strcmp(what, "throttle")) {
        h->fail_with(it, &error, "slow %s", "down");
    } else if (!strcmp(what, "output")) {
        h->output(it,
                  &(wf_output){
                      .channel = "kafka", .topic = "out", .body = { "b", 1 }, .partition = -1 });
        h->done(it);
    } else if (!strcmp(what, "count")) {
        h->count(h->inst(it), 0, 2);
        h->log(h->inst(it), WF_WARN, "event", "n %d", 5);
        h->done(it);
    }
}

static void act(const wf_host *h, wf_item *it)
{
    const struct config *c = h->config(it);
    const char *what = h->v->text(it, h->v->path(h->value(it), "do")).ptr;
    if (!strcmp(what, "forget"))
        return;
    if (!strcmp(what, "twice"))
        h->pass(it, 0);
    if (!strcmp(what, "pass") || !strcmp(what, "twice"))
        h->pass(it, 0);
    else if (!strcmp(what, "port"))
        h->pass(it, 7);
    else if (!strcmp(what, "no object"))
        h->emit(it, 0, h->v->of_int(it, 1));
    else if (!strcmp(what, "config"))
        h->emit(it, 0,
                h->build(it, "{s:S,s:i,s:v}", "text", c->text, "count", c->count, "body", c->body));
    else if (!strcmp(what, "request"))
        h->request(it, &(wf_request){ .url = "http://x/a", .body = { "q", 1 } }, on_reply);
    else if (!strcmp(what, "offload"))
        h->offload(it, work, on_done, &job_runs);
    else if (!strcmp(what, "park"))
        ticket = h->park(it, 5000);
    else
        act_more(h, it, what);
}

static void process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        act(h, items[i]);
}

static void process_segments(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t left, right;
        wf_item *const *a = h->items(segs[i], 0, &left);
        h->items(segs[i], 1, &right);
        int64_t *runs = h->memory(segs[i], sizeof *runs);
        h->seg_push(segs[i], 0,
                    h->build(h->first(segs[i]), "{s:i,s:i,s:i}", "left", (int64_t)left, "right",
                             (int64_t)right, "run", ++*runs),
                    a, left);
        if (left != 3)
            h->seg_done(segs[i]);
        else
            h->seg_fail(segs[i], "three");
    }
}

static int check(const wf_host *h, const void *config, char *why, size_t size)
{
    const struct config *c = config;
    (void)h;
    snprintf(why, size, "text is bad");
    return strcmp(c->text.ptr, "bad") ? 0 : -1;
}

static const char *const ports[] = { "a", "b", NULL };
static const char *const inputs[] = { "left", "right", NULL };
static const wf_metric metrics[] = { { WF_COUNTER, "sent", "", "" }, { 0, NULL, NULL, NULL } };
static const wf_node nodes[] = {
    { .type = "test.item",
      .help = "x",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct config),
      .process = process,
      .metrics = metrics,
      .check = check },
    { .type = "test.segment",
      .help = "x",
      .ports = ports,
      .inputs = inputs,
      .process_segments = process_segments,
      .flags = WF_NODE_SEGMENT },
};
WF_PLUGIN("test", "1.0.0", nodes);

static struct fake *started(const char *parameters)
{
    struct fake *f = fake_create(&wf_plugin_entry, "test.item");
    if (fake_start(f, parameters) != 0)
        fail_msg("%s", fake_error(f));
    return f;
}

/* Runs one item that does `what`; the problem it makes, "" for none. */
static const char *problem_of(const char *what)
{
    static char text[300];
    struct fake *f = started("{}");
    fake_item(f, fake_fmt(&f->heap, "{\"do\":\"%s\"}", what));
    fake_run(f);
    const char *problem = fake_problem(f);
    snprintf(text, sizeof text, "%s", problem ? problem : "");
    fake_destroy(f);
    return text;
}

static void notices_what_is_wrong(void **state)
{
    (void)state;
    assert_string_equal(problem_of("pass"), "");
    assert_string_equal(problem_of("forget"), "item 0: node did not finish item");
    assert_string_equal(problem_of("twice"), "item 0: pass() after it was ended");
    assert_string_equal(problem_of("port"), "output on port 7; the node has 2");
    assert_string_equal(problem_of("no object"), "output on port 0 is no object: 1");
}

static void binds_parameters(void **state)
{
    (void)state;
    struct fake *f = started("{\"text\":\"={{ $json.who }}\",\"body\":{\"n\":[\"={{$json.n}}\",2]},"
                             "\"list\":{\"rows\":[{\"name\":\"x\"}]}}");
    fake_item(f, "{\"do\":\"config\",\"who\":\"Ann\",\"n\":{\"k\":1}}");
    wf_item *own = fake_item(f, "{\"do\":\"config\"}"), *made = fake_item(f, "{\"do\":\"config\"}");
    fake_params(own, "{\"text\":\"own\",\"count\":\"4\"}");
    fake_config(made, &(struct config){ .text = { "made", 4 }, .count = 99 });
    fake_run(f);
    assert_string_equal(fake_output_json(f, 0, 0),
                        "{\"text\":\"Ann\",\"count\":3,\"body\":{\"n\":[{\"k\":1},2]}}");
    assert_string_equal(fake_output_json(f, 0, 1), "{\"text\":\"own\",\"count\":4}");
    assert_string_equal(fake_output_json(f, 0, 2), "{\"text\":\"made\",\"count\":99}");
    fake_destroy(f);
}

static void refuses_parameters(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "{\"x\":1}", "parameter 'x': unknown parameter" },
        { "{\"count\":9}", "parameter 'count': 9 is not between 1 and 5" },
        { "{\"count\":\"q\"}", "parameter 'count': q is no whole number, time or size" },
        { "{\"list\":{\"rows\":[{}]}}", "parameter 'list.rows[0].name': is required" },
        { "{\"text\":\"={{ 1+1 }}\"}",
          "parameter 'text': the fake host solves ={{ $json.path }} only, not ={{ 1+1 }}" },
        { "{\"text\":\"bad\"}", "text is bad" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake *f = fake_create(&wf_plugin_entry, "test.item");
        assert_int_equal(fake_start(f, cases[i][0]), -1);
        assert_string_equal(fake_error(f), cases[i][1]);
        fake_destroy(f);
    }
}

static void an_item_whose_parameters_are_wrong_fails_before_the_node(void **state)
{
    (void)state;
    struct fake *f = started("{\"count\":\"={{ $json.n }}\"}");
    wf_item *it = fake_item(f, "{\"do\":\"pass\",\"n\":\"many\"}");
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_FAILED);
    assert_string_equal(fake_why(it), "parameter 'count': many is no whole number, time or size");
    fake_destroy(f);
}

static void answers_requests(void **state)
{
    (void)state;
    struct fake *f = started("{}");
    wf_item *a = fake_item(f, "{\"do\":\"request\"}"), *b = fake_item(f, "{\"do\":\"request\"}");
    fake_reply(f, 200, "fine");
    fake_reply(f, 429, "");
    fake_run(f);
    assert_int_equal(fake_requests(f), 2);
    assert_string_equal(fake_request(f, 0)->method, "GET");
    assert_string_equal(fake_request(f, 0)->url, "http://x/a");
    assert_string_equal(fake_request(f, 0)->body.ptr, "q");
    assert_null(fake_request(f, 2));
    assert_int_equal(fake_ended(a), FAKE_EMITTED);
    assert_string_equal(fake_output_json(f, 0, 0), "{\"status\":200,\"body\":\"fine\"}");
    assert_int_equal(fake_ended(b), FAKE_RETRY);
    assert_int_equal(fake_retry_ms(b), 1500);
    assert_string_equal(fake_why(b), "HTTP 429");
    fake_again(b);
    fake_reply(f, 200, "at last");
    fake_run(f);
    assert_int_equal(fake_ended(b), FAKE_EMITTED);
    assert_int_equal(b->attempt, 2);
    wf_item *c = fake_item(f, "{\"do\":\"request\"}");
    fake_run(f); /* nobody answers */
    assert_int_equal(fake_ended(c), FAKE_NOT_ENDED);
    fake_cancel(c);
    fake_destroy(f);
}

static void runs_jobs_and_parks(void **state)
{
    (void)state;
    job_runs = gone = 0;
    struct fake *f = started("{}");
    wf_item *job = fake_item(f, "{\"do\":\"offload\"}"),
            *parked = fake_item(f, "{\"do\":\"park\"}");
    fake_run(f);
    assert_int_equal(fake_ended(job), FAKE_PASSED);
    assert_int_equal(job_runs, 1);
    assert_int_equal(f->host.wake(ticket, on_wake, (wf_str){ "hi", 2 }), 0);
    fake_run(f);
    assert_int_equal(fake_ended(parked), FAKE_EMITTED);
    assert_string_equal(fake_output_json(f, 1, 0), "{\"woken\":\"hi\"}");
    assert_int_equal(f->host.wake(ticket, on_wake, (wf_str){ "late", 4 }),
                     0); /* stale: does nothing */
    fake_run(f);
    assert_int_equal(gone, 1);
    wf_item *late = fake_item(f, "{\"do\":\"park\"}");
    fake_run(f);
    fake_advance(f, 4999);
    assert_int_equal(fake_ended(late), FAKE_NOT_ENDED);
    fake_advance(f, 1);
    assert_int_equal(fake_ended(late), FAKE_TIMED_OUT);
    fake_destroy(f);
}

static void *wake_from_elsewhere(void *host)
{
    ((const wf_host *)host)->wake(ticket, on_wake, (wf_str){ "thread", 6 });
    return NULL;
}

static void wakes_from_other_threads(void **state)
{
    (void)state;
    pthread_t thread;
    struct fake *f = started("{}");
    wf_item *it = fake_item(f, "{\"do\":\"park\"}");
    fake_run(f);
    assert_int_equal(pthread_create(&thread, NULL, wake_from_elsewhere, &f->host), 0);
    assert_int_equal(fake_wait(f, 5000), 1);
    pthread_join(thread, NULL);
    assert_int_equal(fake_ended(it), FAKE_EMITTED);
    fake_destroy(f);
}

static void records_what_leaves(void **state)
{
    (void)state;
    struct fake *f = fake_create(&wf_plugin_entry, "test.item");
    const wf_cred *cred = fake_cred(f, "token", "{\"secret\":\"s3\"}");
    assert_int_equal(fake_start(f, "{}"), 0);
    assert_ptr_equal(((const struct config *)f->config)->cred, cred);
    assert_string_equal(f->host.secret(cred, "secret").ptr, "s3");
    assert_int_equal(f->host.secret(cred, "other").len, 0);
    assert_string_equal(f->host.cred_type(cred), "token");
    fake_item(f, "{\"do\":\"row\"}");
    fake_item(f, "{\"do\":\"answer\"}");
    fake_item(f, "{\"do\":\"output\"}");
    fake_item(f, "{\"do\":\"count\"}");
    wf_item *slow = fake_item(f, "{\"do\":\"throttle\"}"),
            *blob = fake_item(f, "{\"do\":\"blob\"}");
    fake_part(blob, "in", "bytes", 5, "text/plain", "f.txt");
    fake_run(f);
    assert_string_equal(fake_row(f, 0)->json, "{\"n\":7}");
    assert_string_equal(fake_row(f, 0)->table, "sales");
    assert_int_equal(fake_answer(f, 0)->status, 204);
    assert_string_equal(fake_message(f, 0)->topic, "out");
    assert_int_equal(fake_metric(f, 0), 2);
    assert_string_equal(fake_log(f, 0), "warn event n 5");
    assert_int_equal(fake_ended(slow), FAKE_FAILED);
    assert_string_equal(fake_why(slow), "slow down");
    assert_int_equal(fake_fault(slow)->fault, WF_THROTTLE);
    assert_string_equal(fake_fault(slow)->scope, "chat:1");
    const struct fake_part *part = fake_output(f, 0, 0)->parts;
    assert_string_equal(part->name, "in"); /* its own go along, as with the engine */
    assert_string_equal(part->next->name, "copy");
    assert_string_equal(part->next->file_name.ptr, "f.txt");
    assert_null(part->next->next);
    assert_null(f->host.service("loop/1"));
    fake_service(f, "ledger/1", NULL);
    assert_null(f->host.service("ledger/1"));
    fake_destroy(f);
}

static void bodies_are_blobs(void **state)
{
    (void)state;
    struct fake *f = fake_create(&wf_plugin_entry, "test.item");
    assert_int_equal(fake_start(f, "{}"), 0);
    wf_item *it = fake_item(f, "{\"do\":\"transfer\"}"),
            *large = fake_item(f, "{\"do\":\"transfer\"}"),
            *drop = fake_item(f, "{\"do\":\"drop\"}");
    fake_part(it, "old", "o", 1, "text/plain", "");
    fake_part(drop, "in", "x", 1, "text/plain", "");
    fake_part(drop, "kept", "k", 1, "text/plain", "");
    fake_reply(f, 200, "answer");
    fake_reply(f, 200, "too long");
    fake_run(f);
    assert_string_equal(fake_sent(fake_request(f, 0)).ptr ? "yes" : "no", "yes");
    assert_int_equal(fake_sent(fake_request(f, 0)).len, 4);
    assert_memory_equal(fake_sent(fake_request(f, 0)).ptr, "abcd", 4);
    const struct fake_output *passed = fake_output(f, 0, 0), *out = fake_output(f, 0, 1);
    assert_ptr_equal(passed->item, drop);
    assert_null(fake_output_part(passed, "in"));
    assert_non_null(fake_output_part(passed, "kept"));
    assert_string_equal(out->json, "{\"tail\":\"er\"}");
    assert_memory_equal(fake_blob(fake_output_part(out, "file")).ptr, "answer", 6);
    assert_non_null(fake_output_part(out, "old"));
    assert_int_equal(fake_ended(large), FAKE_FAILED);
    assert_string_equal(fake_why(large), "the reply is larger than max_bytes");
    fake_destroy(f);
}

static void makes_segments(void **state)
{
    (void)state;
    struct fake *f = fake_create(&wf_plugin_entry, "test.segment");
    assert_int_equal(fake_start(f, "{}"), 0);
    wf_item *a = fake_item(f, "{}");
    fake_item_at(f, 1, "{}");
    fake_execution(f);
    wf_item *failing = fake_item(f, "{}");
    fake_item(f, "{}");
    fake_item(f, "{}");
    fake_run(f);
    assert_string_equal(fake_output_json(f, 0, 0), "{\"left\":1,\"right\":1,\"run\":1}");
    assert_string_equal(fake_output_json(f, 0, 1), "{\"left\":3,\"right\":0,\"run\":1}");
    assert_int_equal(fake_output(f, 0, 1)->n_from, 3);
    assert_int_equal(fake_ended(a), FAKE_SEGMENT);
    assert_int_equal(fake_ended(failing), FAKE_FAILED);
    assert_string_equal(fake_why(failing), "three");
    fake_item(f, "{}"); /* the same execution again: memory() is still there */
    fake_run(f);
    assert_string_equal(fake_output_json(f, 0, 2), "{\"left\":1,\"right\":0,\"run\":2}");
    fake_destroy(f);
}

static void an_older_engine(void **state)
{
    (void)state;
    struct fake *f = fake_create(&wf_plugin_entry, "test.item");
    fake_shrink(f, offsetof(wf_host, memory));
    assert_int_equal(f->host.size, offsetof(wf_host, memory));
    assert_null(f->host.memory);
    assert_non_null(f->host.service);
    fake_destroy(f);
}

/* Its JSON: what a test gives comes back, and nonsense is refused. */
static void reads_and_writes_json(void **state)
{
    (void)state;
    struct fake_heap heap = { NULL };
    static const char *const good[][2] = {
        { " [1, -0.5e+3, \"a\\u00e4\\ud83d\\ude00\\n\", true,false,null] ",
          "[1,-0.5e+3,\"a\xc3\xa4\xf0\x9f\x98\x80\\n\",true,false,null]" },
        { "{\"a\":{\"b\":[]},\"c\":{},\"a\":2}", "{\"a\":2,\"c\":{}}" },
        { "12345678901234567890", "12345678901234567890" },
        { "\"\\u0001\\/\"", "\"\\u0001/\"" },
    };
    static const char *const bad[] = { "",      "[1,]", "{\"a\"}", "\"a",     "01",
                                       "1.",    "nul",  "[1 2]",   "\"\\x\"", "\"\\ud800\"",
                                       "{} {}", "-",    "\"\n\"",  "[" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const char *why = NULL;
        const wf_value *v = fake_parse(&heap, good[i][0], strlen(good[i][0]), &why);
        if (!v)
            fail_msg("%s: %s", good[i][0], why);
        assert_string_equal(fake_json(&heap, v).ptr, good[i][1]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *why = NULL;
        if (fake_parse(&heap, bad[i], strlen(bad[i]), &why) || !why)
            fail_msg("was taken: %s", bad[i]);
    }
    fake_heap_free(&heap);
}

static const char *set(const char *base, const char *path, const char *value)
{
    static char text[200];
    struct fake_heap heap = { NULL };
    const wf_value *v = value ? fake_parse(&heap, value, strlen(value), NULL) : NULL;
    const wf_value *made = fake_set(&heap, fake_parse(&heap, base, strlen(base), NULL), path, v);
    snprintf(text, sizeof text, "%s", made ? fake_json(&heap, made).ptr : "(wrong)");
    fake_heap_free(&heap);
    return text;
}

static void edits_by_copy(void **state)
{
    (void)state;
    assert_string_equal(set("{\"a\":1}", "b.c", "2"), "{\"a\":1,\"b\":{\"c\":2}}");
    assert_string_equal(set("{\"a\":[1,2]}", "a[1]", "9"), "{\"a\":[1,9]}");
    assert_string_equal(set("{\"a\":[1]}", "a[3]", "9"), "{\"a\":[1,null,null,9]}");
    assert_string_equal(set("{\"a\":1}", "['x.y']", "2"), "{\"a\":1,\"x.y\":2}");
    assert_string_equal(set("{\"a\":1}", "a.b", "2"), "(wrong)");
    assert_string_equal(set("{\"a\":{\"b\":1,\"c\":2}}", "a.b", NULL), "{\"a\":{\"c\":2}}");
    assert_string_equal(set("{\"a\":[1,2,3]}", "a[0]", NULL), "{\"a\":[2,3]}");
    assert_string_equal(set("{\"a\":1}", "x.y", NULL), "{\"a\":1}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notices_what_is_wrong),
        cmocka_unit_test(binds_parameters),
        cmocka_unit_test(refuses_parameters),
        cmocka_unit_test(an_item_whose_parameters_are_wrong_fails_before_the_node),
        cmocka_unit_test(answers_requests),
        cmocka_unit_test(runs_jobs_and_parks),
        cmocka_unit_test(wakes_from_other_threads),
        cmocka_unit_test(records_what_leaves),
        cmocka_unit_test(bodies_are_blobs),
        cmocka_unit_test(makes_segments),
        cmocka_unit_test(an_older_engine),
        cmocka_unit_test(reads_and_writes_json),
        cmocka_unit_test(edits_by_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
