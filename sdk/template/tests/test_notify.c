/* SPDX-License-Identifier: Apache-2.0
 * The connector under the fake host: no engine, no network.
 */
#undef NDEBUG
#include "../notify.c"
#include <assert.h>
#include <catalyst/fake_host.h>

static struct fake *started(void)
{
    struct fake *f = fake_create(&wf_plugin_entry, "acme.notify");
    fake_cred(f, "acmeChat", "{\"token\":\"t0k\"}");
    if (fake_start(f, "{\"text\":\"={{ $json.say }}\"}") != 0)
        fprintf(stderr, "%s\n", fake_error(f)), abort();
    return f;
}

static void posts_each_message(void)
{
    struct fake *f = started();
    wf_item *it = fake_item(f, "{\"say\":\"hello\"}");
    fake_reply(f, 201, "ok");
    fake_run(f);
    const struct fake_request *r = fake_request(f, 0);
    assert(!strcmp(r->method, "POST") && !strcmp(r->url, "https://chat.example.com/messages"));
    assert(!strcmp(r->body.ptr, "{\"text\":\"hello\"}"));
    assert(!strcmp(fake_header(r->headers, "authorization"), "Bearer t0k"));
    assert(fake_ended(it) == FAKE_EMITTED);
    assert(!strcmp(fake_output_json(f, SENT, 0), "{\"answer\":\"ok\"}"));
    fake_destroy(f);
}

static void retries_what_may_succeed_later(void)
{
    struct fake *f = started();
    wf_item *busy = fake_item(f, "{\"say\":\"a\"}"), *lost = fake_item(f, "{\"say\":\"b\"}"),
            *down = fake_item(f, "{\"say\":\"c\"}");
    fake_reply_to(f, NULL, &(wf_reply){ .status = 429, .retry_after_ms = 700 });
    fake_reply_to(f, NULL,
                  &(wf_reply){ .status = 0, .error = "timed out", .flags = WF_REPLY_MAYBE_SENT });
    fake_reply_to(f, NULL, &(wf_reply){ .status = 0, .error = "connection refused" });
    fake_run(f);
    assert(fake_ended(busy) == FAKE_RETRY && fake_retry_ms(busy) == 700);
    assert(fake_ended(lost) == FAKE_FAILED); /* it may have arrived: never posted twice */
    assert(fake_ended(down) == FAKE_RETRY && !strcmp(fake_why(down), "chat: connection refused"));
    fake_destroy(f);
}

static void tells_what_the_service_said(void)
{
    struct fake *f = started();
    wf_item *it = fake_item(f, "{\"say\":\"a\"}");
    fake_reply(f, 403, "blocked");
    fake_run(f);
    assert(fake_ended(it) == FAKE_FAILED && !strcmp(fake_why(it), "chat: HTTP 403: blocked"));
    fake_destroy(f);
}

static void needs_its_parameters(void)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    fake_cred(f, "acmeChat", "{\"token\":\"t0k\"}");
    assert(fake_start(f, "{}") == -1 && !strcmp(fake_error(f), "parameter 'text': is required"));
    fake_destroy(f);
}

int main(void)
{
    posts_each_message();
    retries_what_may_succeed_later();
    tells_what_the_service_said();
    needs_its_parameters();
    puts("notify: all tests passed");
    return 0;
}
