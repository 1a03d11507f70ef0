/* SPDX-License-Identifier: Apache-2.0
 * catalyst.telegram: what is sent for which parameters, what is refused before, and what becomes of
 * an item with each answer. The bot's token must show in the URL and nowhere else.
 */
#include "../telegram.c"
#include "../call.c"
#include "../form.c"
#include "../keyboard.c"
#include "../pace.c"
#include "../poll.c"
#include "../reply.c"
#include "../scan.c"
#include "fake_cases.h"
#include <stdio.h>

#define TOKEN "123456:AA-secret_Token"
#define OK    "{\"ok\":true,\"result\":{\"message_id\":77,\"chat\":{\"id\":4711}}}"
#define SAY   "{\"chatId\":\"4711\",\"text\":\"hello\"}"

static struct fake *begin_with(const char *cred, const char *given)
{
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.telegram");
    fake_cred(f, "telegramApi", cred);
    if (fake_start(f, given) != 0)
        fail_msg("%s: %s", given, fake_error(f));
    return f;
}

static struct fake *begin(const char *given)
{
    return begin_with("{\"accessToken\":\"" TOKEN "\",\"baseUrl\":\"http://bot.test/\"}", given);
}

/* The token is in no output, reason or line of the log. */
static void end(struct fake *f)
{
    for (unsigned port = 0; port < 3; port++)
        for (size_t i = 0; i < fake_outputs(f, port); i++)
            assert_null(strstr(fake_output_json(f, port, i), "secret"));
    for (const wf_item *it = f->items; it; it = it->next)
        assert_null(strstr(fake_why(it), "secret"));
    for (size_t i = 0; i < fake_logs(f); i++)
        assert_null(strstr(fake_log(f, i), "secret"));
    fake_destroy(f);
}

/* --- requests --------------------------------------------------------------------------------- */

static const struct {
    const char *params, *method, *body;
} sent[] = {
    { SAY, "sendMessage", "{\"chat_id\":4711,\"text\":\"hello\"}" },
    { "{\"chatId\":\"={{ $json.chat }}\",\"text\":\"={{ $json.say }}\",\"parseMode\":\"HTML\","
      "\"disableNotification\":true,\"protectContent\":true,\"disableLinkPreview\":true,"
      "\"messageThreadId\":3,\"replyToMessageId\":9,\"replyMarkup\":{\"inline_keyboard\":[[{"
      "\"text\":\"a\",\"callback_data\":\"={{ $json.say }}\"}]]}}",
      "sendMessage",
      "{\"chat_id\":-1001234567890,\"text\":\"hi\",\"link_preview_options\":{\"is_disabled\":true},"
      "\"disable_notification\":true,\"protect_content\":true,\"message_thread_id\":3,"
      "\"reply_parameters\":{\"message_id\":9},\"parse_mode\":\"HTML\",\"reply_markup\":"
      "{\"inline_keyboard\":[[{\"text\":\"a\",\"callback_data\":\"hi\"}]]}}" },
    { "{\"chatId\":\"@news\",\"text\":\"x\",\"replyMarkup\":\"{\\\"force_reply\\\":true}\","
      "\"resource\":\"message\",\"additionalFields\":{\"parse_mode\":\"MarkdownV2\","
      "\"disable_notification\":true}}",
      "sendMessage",
      "{\"chat_id\":\"@news\",\"text\":\"x\",\"disable_notification\":true,\"parse_mode\":"
      "\"MarkdownV2\",\"reply_markup\":{\"force_reply\":true}}" },
    { "{\"chatId\":\"1\",\"text\":\"x\",\"replyMarkup\":\"inlineKeyboard\",\"inlineKeyboard\":"
      "{\"rows\":[{\"row\":{\"buttons\":[{\"text\":\"a\",\"additionalFields\":"
      "{\"callback_data\":\"1\"}},{\"text\":\"b\",\"additionalFields\":{\"url\":\"https://h/"
      "\"}}]}},"
      "{\"row\":{}},{\"row\":{\"buttons\":[{\"text\":\"c\"}]}}]}}",
      "sendMessage",
      "{\"chat_id\":1,\"text\":\"x\",\"reply_markup\":{\"inline_keyboard\":[[{\"text\":\"a\","
      "\"callback_data\":\"1\"},{\"text\":\"b\",\"url\":\"https://h/\"}],[{\"text\":\"c\"}]]}}" },
    { "{\"chatId\":\"1\",\"text\":\"x\",\"replyMarkup\":\"replyKeyboard\",\"replyKeyboard\":"
      "{\"rows\":[{\"row\":{\"buttons\":[{\"text\":\"here\",\"additionalFields\":"
      "{\"request_location\":true}}]}}]},\"replyKeyboardOptions\":{\"resize_keyboard\":true}}",
      "sendMessage",
      "{\"chat_id\":1,\"text\":\"x\",\"reply_markup\":{\"keyboard\":[[{\"text\":\"here\","
      "\"request_location\":true}]],\"resize_keyboard\":true}}" },
    { "{\"chatId\":\"1\",\"text\":\"x\",\"replyMarkup\":\"forceReply\",\"forceReply\":"
      "{\"selective\":true}}",
      "sendMessage",
      "{\"chat_id\":1,\"text\":\"x\",\"reply_markup\":{\"force_reply\":true,\"selective\":true}}" },
    { "{\"chatId\":\"1\",\"text\":\"x\",\"replyMarkup\":\"replyKeyboardRemove\"}", "sendMessage",
      "{\"chat_id\":1,\"text\":\"x\",\"reply_markup\":{\"remove_keyboard\":true}}" },
    { "{\"chatId\":\"+49170\",\"text\":\"x\",\"replyMarkup\":\"none\"}", "sendMessage",
      "{\"chat_id\":\"+49170\",\"text\":\"x\"}" },
    { "{\"operation\":\"sendPhoto\",\"chatId\":\"1\",\"file\":\"https://h/a.png\",\"caption\":"
      "\"c\"}",
      "sendPhoto", "{\"chat_id\":1,\"photo\":\"https://h/a.png\",\"caption\":\"c\"}" },
    { "{\"operation\":\"sendDocument\",\"chatId\":\"1\",\"file\":\"AgAD\","
      "\"additionalFields\":{\"caption\":\"c\"}}",
      "sendDocument", "{\"chat_id\":1,\"document\":\"AgAD\",\"caption\":\"c\"}" },
    { "{\"operation\":\"editMessageText\",\"chatId\":\"1\",\"messageId\":\"={{ $json.n }}\","
      "\"text\":\"x\"}",
      "editMessageText", "{\"chat_id\":1,\"message_id\":8,\"text\":\"x\"}" },
    { "{\"operation\":\"editMessageText\",\"inlineMessageId\":\"in\",\"text\":\"x\"}",
      "editMessageText", "{\"inline_message_id\":\"in\",\"text\":\"x\"}" },
    { "{\"operation\":\"answerCallbackQuery\",\"callbackQueryId\":\"q\",\"text\":\"x\","
      "\"showAlert\":true}",
      "answerCallbackQuery", "{\"callback_query_id\":\"q\",\"text\":\"x\",\"show_alert\":true}" },
};

static void test_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
        struct fake *f = begin(sent[i].params);
        wf_item *it = fake_item(f, "{\"chat\":-1001234567890,\"say\":\"hi\",\"n\":8}");
        char url[200];
        fake_reply(f, 200, OK);
        fake_run(f);
        const struct fake_request *r = fake_request(f, 0);
        if (!r)
            fail_msg("%s: %s", sent[i].params, fake_output_json(f, PORT_REJECTED, 0));
        snprintf(url, sizeof url, "http://bot.test/bot" TOKEN "/%s", sent[i].method);
        assert_string_equal(r->url, url);
        assert_string_equal(r->method, "POST");
        assert_string_equal(fake_header(r->headers, "content-type"), "application/json");
        assert_string_equal(r->body.ptr, sent[i].body);
        assert_int_equal(fake_ended(it), FAKE_EMITTED);
        assert_int_equal(fake_outputs(f, PORT_ACCEPTED), 1);
        end(f);
    }
}

static void test_default_host(void **state)
{
    (void)state;
    struct fake *f = begin_with("{\"accessToken\":\"" TOKEN "\"}", SAY);
    fake_item(f, "{}");
    fake_reply(f, 200, OK);
    fake_run(f);
    assert_string_equal(fake_request(f, 0)->url,
                        "https://api.telegram.org/bot" TOKEN "/sendMessage");
    end(f);
}

static void test_upload(void **state)
{
    (void)state;
    struct fake *f = begin("{\"operation\":\"sendPhoto\",\"chatId\":\"1\",\"binaryData\":true,"
                           "\"binaryPropertyName\":\"pic\",\"caption\":\"c\",\"replyMarkup\":"
                           "{\"force_reply\":true}}");
    wf_item *it = fake_item(f, "{}"), *bare = fake_item(f, "{}");
    char wanted[1000];
    fake_part(it, "pic", "\0bytes", 6, "image/png", "a\"\r\nb.png");
    fake_reply(f, 200, OK);
    fake_run(f);
    const struct fake_request *r = fake_request(f, 0);
    const char *type = fake_header(r->headers, "content-type");
    const char *boundary = strstr(type, "boundary=") + 9;
    wf_str body = fake_sent(r);
    int head = snprintf(wanted, sizeof wanted,
                        "--%s\r\ncontent-disposition: form-data; name=\"chat_id\"\r\n\r\n1\r\n"
                        "--%s\r\ncontent-disposition: form-data; name=\"caption\"\r\n\r\nc\r\n"
                        "--%s\r\ncontent-disposition: form-data; name=\"reply_markup\"\r\n\r\n"
                        "{\"force_reply\":true}\r\n"
                        "--%s\r\ncontent-disposition: form-data; name=\"photo\"; "
                        "filename=\"a___b.png\"\r\ncontent-type: image/png\r\n\r\n",
                        boundary, boundary, boundary, boundary);
    assert_true(body.len > (size_t)head + 6);
    assert_memory_equal(body.ptr, wanted, head);
    assert_memory_equal(body.ptr + head, "\0bytes\r\n--", 10);
    assert_int_equal(fake_ended(bare), FAKE_EMITTED);
    assert_non_null(strstr(fake_output_json(f, PORT_REJECTED, 0), "no binary part 'pic'"));
    assert_int_equal(fake_requests(f), 1);
    end(f);
}

/* --- refused before anything is sent ---------------------------------------------------------- */

/* `unit`, n times, as a JSON parameter. */
static const char *long_params(const char *format, const char *unit, size_t n)
{
    static char text[40000], json[41000];
    text[0] = 0;
    char *to = text;
    for (size_t i = 0; i < n; i++)
        to = stpcpy(to, unit);
    snprintf(json, sizeof json, format, text);
    return json;
}

static const struct {
    const char *params, *unit;
    size_t n;
    const char *class, *why; /* NULL: it is sent */
} limits[] = {
    { "{\"chatId\":\"1\",\"text\":\"%s\"}", "a", 4096, NULL, NULL },
    { "{\"chatId\":\"1\",\"text\":\"%s\"}", "a", 4097, "permanent-content",
      "text has 4097 characters; Telegram takes 4096" },
    { "{\"chatId\":\"1\",\"text\":\"%s\"}", "\xf0\x9f\x98\x80", 4096, NULL, NULL },
    { "{\"chatId\":\"1\",\"text\":\"%s\"}", "\xc3\xa4", 4097, "permanent-content",
      "text has 4097 characters" },
    { "{\"chatId\":\"1\",\"text\":\"%s\",\"parseMode\":\"HTML\"}", "<b>", 3000, NULL, NULL },
    { "{\"chatId\":\"1\",\"text\":\"={{ $json.%s }}\"}", "none", 1, NULL, NULL },
    { "{\"chatId\":\"={{ $json.e }}\",\"text\":\"%s\"}", "a", 1, "permanent-recipient",
      "chatId is empty" },
    { "{\"operation\":\"sendPhoto\",\"chatId\":\"1\",\"file\":\"f\",\"caption\":\"%s\"}", "a", 1024,
      NULL, NULL },
    { "{\"operation\":\"sendPhoto\",\"chatId\":\"1\",\"file\":\"f\",\"caption\":\"%s\"}", "a", 1025,
      "permanent-content", "caption has 1025 characters" },
    { "{\"operation\":\"answerCallbackQuery\",\"callbackQueryId\":\"q\",\"text\":\"%s\"}", "a", 201,
      "permanent-content", "text has 201 characters; Telegram takes 200" },
    { "{\"chatId\":\"1\",\"text\":\"x\",\"replyMarkup\":{\"inline_keyboard\":[[{\"text\":\"a\"},"
      "{\"callback_data\":\"%s\"}]]}}",
      "a", 64, NULL, NULL },
    { "{\"chatId\":\"1\",\"text\":\"x\",\"replyMarkup\":{\"inline_keyboard\":[[{\"text\":\"a\"},"
      "{\"callback_data\":\"%s\"}]]}}",
      "\xc3\xa4", 33, "permanent-content", "callback_data of a button has 66 bytes" },
    { "{\"chatId\":\"1\",\"text\":\"x\",\"replyMarkup\":\"{\\\"inline_keyboard\\\":[[{"
      "\\\"callback_data\\\":\\\"%s\\\"}]]}\"}",
      "", 0, "permanent-content", "callback_data of a button has 0 bytes" },
    { "{\"chatId\":\"1\",\"text\":\"x\",\"replyMarkup\":{\"inline_keyboard\":[[{"
      "\"callback_data\":%s}]]}}",
      "7", 1, "permanent-content", "callback_data of a button is no text" },
    { "{\"chatId\":\"1\",\"text\":\"x\",\"replyMarkup\":\"inlineKeyboard\",\"inlineKeyboard\":"
      "{\"rows\":[{\"row\":{\"buttons\":[{\"text\":\"a\",\"additionalFields\":"
      "{\"callback_data\":\"\"}}]}}]}%s}",
      "", 1, "permanent-content", "callback_data of a button has 0 bytes" },
    { "{\"chatId\":\"1\",\"text\":\"x\",\"replyMarkup\":\"%s\"}", "someKeyboard", 1,
      "permanent-content", "replyMarkup is no JSON" },
    { "{\"chatId\":\"1\",\"text\":\"x\",\"replyMarkup\":[%s]}", "1", 1, "permanent-content",
      "replyMarkup is no object" },
    { "{\"operation\":\"editMessageText\",\"chatId\":\"1\",\"text\":\"%s\"}", "a", 1,
      "permanent-content", "messageId is missing" },
};

static void test_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct fake *f = begin(long_params(limits[i].params, limits[i].unit, limits[i].n));
        fake_item(f, "{\"e\":\"\",\"none\":\"x\"}");
        fake_reply(f, 200, OK);
        fake_run(f);
        const char *json = fake_output_json(f, PORT_REJECTED, 0);
        if (fake_requests(f) != !limits[i].why)
            fail_msg("%zu: %zu requests; %s", i, fake_requests(f), json);
        if (limits[i].why && !(strstr(json, limits[i].why) && strstr(json, limits[i].class) &&
                               strstr(json, "\"code\":\"request\"")))
            fail_msg("%zu: %s", i, json);
        end(f);
    }
}

static void test_credential(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        { "{\"accessToken\":\"\"}", "accessToken" },
        { "{\"accessToken\":\"1:secret/../x\"}", "accessToken" },
        { "{\"accessToken\":\"1:secret\\r\\nx\"}", "accessToken" },
        { "{\"accessToken\":\"1:secret\",\"baseUrl\":\"ftp://h\"}", "baseUrl" },
        { "{\"accessToken\":\"1:secret\",\"baseUrl\":\"http://\"}", "baseUrl" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fake *f = begin_with(wrong[i][0], SAY);
        fake_item(f, "{}");
        fake_run(f);
        assert_int_equal(fake_requests(f), 0);
        assert_non_null(strstr(fake_output_json(f, PORT_REJECTED, 0), wrong[i][1]));
        assert_non_null(strstr(fake_output_json(f, PORT_REJECTED, 0), "permanent-account"));
        assert_int_equal(fake_logs(f), 1);
        end(f);
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

#define NO(code, text) "{\"ok\":false,\"error_code\":" code ",\"description\":\"" text "\"}"
#define REJECTED(class, code, text)                                                                \
    "{\"a\":1,\"send\":{\"outcome\":\"rejected\",\"channel\":\"telegram\",\"chat_id\":\"4711\","   \
    "\"class\":\"" class "\",\"code\":\"" code "\",\"text\":\"" text "\"}}"
#define UNKNOWN(text)                                                                              \
    "{\"a\":1,\"send\":{\"outcome\":\"unknown\",\"channel\":\"telegram\",\"chat_id\":\"4711\","    \
    "\"text\":\"" text "\"}}"

static const struct {
    int status;
    const char *body;
    unsigned port;
    const char *json;
} answers[] = {
    { 200, OK, PORT_ACCEPTED,
      "{\"a\":1,\"send\":{\"outcome\":\"accepted\",\"channel\":\"telegram\",\"provider_id\":\"77\","
      "\"chat_id\":\"4711\"}}" },
    { 200, "{\"ok\":true,\"result\":true}", PORT_ACCEPTED,
      "{\"a\":1,\"send\":{\"outcome\":\"accepted\",\"channel\":\"telegram\",\"chat_id\":\"4711\"}"
      "}" },
    { 400, NO("400", "Bad Request: chat not found"), PORT_REJECTED,
      REJECTED("permanent-recipient", "400", "Bad Request: chat not found") },
    { 400, NO("400", "Bad Request: message is too long"), PORT_REJECTED,
      REJECTED("permanent-content", "400", "Bad Request: message is too long") },
    { 200, NO("400", "Bad Request: can't parse entities"), PORT_REJECTED,
      REJECTED("permanent-content", "400", "Bad Request: can't parse entities") },
    { 403, NO("403", "Forbidden: bot was blocked by the user"), PORT_REJECTED,
      REJECTED("permanent-recipient", "403", "Forbidden: bot was blocked by the user") },
    { 401, NO("401", "Unauthorized"), PORT_REJECTED,
      REJECTED("permanent-account", "401", "Unauthorized") },
    { 404, NO("404", "Not Found"), PORT_REJECTED,
      REJECTED("permanent-account", "404", "Not Found") },
    { 413, "<html>", PORT_REJECTED, REJECTED("permanent-content", "413", "HTTP 413") },
    { 302, "", PORT_REJECTED, REJECTED("permanent-account", "302", "HTTP 302") },
    { 400, NO("400", "you said bot" TOKEN "!"), PORT_REJECTED,
      REJECTED("permanent-content", "400", "you said bot*!") },
    { 200, "<html>", PORT_UNKNOWN, UNKNOWN("the answer is none of the Bot API") },
    { 200, "[]", PORT_UNKNOWN, UNKNOWN("the answer is none of the Bot API") },
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct fake *f = begin(SAY);
        fake_item(f, "{\"a\":1}");
        fake_reply(f, answers[i].status, answers[i].body);
        fake_run(f);
        assert_string_equal(fake_output_json(f, answers[i].port, 0), answers[i].json);
        assert_int_equal(fake_metric(f, answers[i].port), 1);
        for (unsigned c = 1; c <= WF_CLASSES; c++)
            assert_int_equal(fake_metric(f, COUNT_REASON + c - 1),
                             strstr(answers[i].json, wf_class_name((enum wf_class)c)) != NULL);
        assert_int_equal(fake_requests(f), 1);
        end(f);
    }
}

static void test_throttle(void **state)
{
    (void)state;
    static const wf_pair header[] = { { "retry-after", "30" }, { NULL, NULL } };
    static const struct {
        const char *body;
        int64_t wait_ms;
    } cases[] = {
        { "{\"ok\":false,\"error_code\":429,\"parameters\":{\"retry_after\":7}}", 7000 },
        { "{\"ok\":false,\"error_code\":429}", 30000 },
        { "{\"parameters\":{\"retry_after\":-5}}", 30000 },
        { "{\"parameters\":{\"retry_after\":9223372036854775807}}", 30000 },
        { "slow down", 30000 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake *f = begin(SAY);
        wf_item *it = fake_item(f, "{}");
        fake_reply_to(f, "sendMessage",
                      &(wf_reply){ .status = 429,
                                   .retry_after_ms = 30000,
                                   .headers = header,
                                   .body = { cases[i].body, strlen(cases[i].body) } });
        fake_run(f);
        assert_int_equal(fake_fault(it)->fault, WF_THROTTLE);
        assert_int_equal(fake_fault(it)->retry_after_ms, cases[i].wait_ms);
        assert_string_equal(fake_fault(it)->scope, "chat:4711");
        assert_string_equal(fake_fault(it)->code, "throttled");
        fake_again(it);
        fake_reply(f, 200, OK);
        fake_run(f);
        assert_int_equal(fake_outputs(f, PORT_ACCEPTED), 1);
        end(f);
    }
}

static void test_transient(void **state)
{
    (void)state;
    static const struct {
        wf_reply reply;
        const char *code;
    } cases[] = {
        { { .status = 502, .body = { "<html>", 6 } }, "server" },
        { { .status = 500, .body = { NO("500", "at bot" TOKEN), 64 } }, "server" },
        { { .error = "no route to http://bot.test/bot" TOKEN "/sendMessage" }, "transport" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake *f = begin(SAY);
        wf_item *it = fake_item(f, "{}");
        wf_reply reply = cases[i].reply;
        if (reply.body.ptr)
            reply.body.len = strlen(reply.body.ptr);
        fake_reply_to(f, "sendMessage", &reply);
        fake_run(f);
        assert_int_equal(fake_fault(it)->fault, WF_TRANSIENT);
        assert_string_equal(fake_fault(it)->code, cases[i].code);
        end(f);
    }
}

static void test_unknown(void **state)
{
    (void)state;
    struct fake *f = begin(SAY);
    wf_item *it = fake_item(f, "{\"a\":1}");
    fake_reply_to(f, "sendMessage",
                  &(wf_reply){ .flags = WF_REPLY_MAYBE_SENT, .error = "timed out at " TOKEN });
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_EMITTED);
    assert_string_equal(fake_output_json(f, PORT_UNKNOWN, 0), UNKNOWN("timed out at *"));
    assert_int_equal(fake_requests(f), 1);
    end(f);
}

/* A group became a supergroup: sent once more, to its new number; a second move is the end. */
static void test_migrate(void **state)
{
    (void)state;
    static const char moved[] =
        "{\"ok\":false,\"error_code\":400,\"description\":\"group chat was upgraded\","
        "\"parameters\":{\"migrate_to_chat_id\":-1009}}";
    for (int twice = 0; twice < 2; twice++) {
        struct fake *f = begin(SAY);
        fake_item(f, "{}");
        fake_reply(f, 400, moved);
        fake_reply(f, twice ? 400 : 200, twice ? moved : OK);
        fake_run(f);
        assert_int_equal(fake_requests(f), 2);
        assert_string_equal(fake_request(f, 1)->body.ptr, "{\"chat_id\":-1009,\"text\":\"hello\"}");
        assert_int_equal(fake_outputs(f, twice ? PORT_REJECTED : PORT_ACCEPTED), 1);
        if (twice)
            assert_non_null(strstr(fake_output_json(f, PORT_REJECTED, 0), "permanent-recipient"));
        end(f);
    }
}

static void what_may_have_been_sent_is_not_sent_again(void **state)
{
    (void)state;
    struct fake *f = begin(SAY);
    wf_item *it = fake_item(f, "{}");
    fake_maybe_begun(it);
    fake_run(f);
    assert_int_equal(fake_requests(f), 0);
    assert_int_equal(fake_outputs(f, PORT_UNKNOWN), 1);
    end(f);
}

/* --- pace: a loop whose timer the test fires -------------------------------------------------- */

struct wf_timer {
    void (*fn)(void *);
    void *arg;
};
static struct wf_timer pace_timer;
static int64_t pace_now_us = 1000000;

static int64_t pace_clock(void) { return pace_now_us; }
static wf_timer *pace_timer_make(wf_inst *inst, int64_t in_ms, void (*fn)(void *), void *arg)
{
    (void)inst, (void)in_ms;
    pace_timer = (struct wf_timer){ fn, arg };
    return &pace_timer;
}
static void pace_timer_stop(wf_timer *t) { t->fn = NULL; }

/* Seven for one chat: five go at once, two wait. */
static struct fake *after_a_burst(void)
{
    static const wf_loop loop = { .size = sizeof loop,
                                  .timer = pace_timer_make,
                                  .timer_stop = pace_timer_stop };
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.telegram");
    fake_service(f, "loop/1", &loop);
    fake_cred(f, "telegramApi", "{\"accessToken\":\"" TOKEN "\",\"baseUrl\":\"http://bot.test/\"}");
    assert_int_equal(fake_start(f, SAY), 0);
    ((struct wf_gate *)f->state)->clock_us = pace_clock;
    for (int i = 0; i < 7; i++) {
        fake_item(f, "{}");
        fake_reply(f, 200, OK);
    }
    fake_run(f);
    assert_int_equal(fake_requests(f), 5);
    assert_int_equal(fake_metric(f, COUNT_PACED), 2);
    return f;
}

/* Another engine sends them: nothing of them leaves here any more. */
static void what_waits_when_its_lane_goes_is_not_sent(void **state)
{
    (void)state;
    struct fake *f = after_a_burst();
    fake_leave(f);
    pace_now_us += 5000000;
    pace_timer.fn(pace_timer.arg);
    fake_run(f);
    assert_int_equal(fake_requests(f), 5);
    for (wf_item *it = f->items; it; it = it->next)
        fake_cancel(it);
    end(f);
}

static void a_chat_is_not_sent_to_too_often(void **state)
{
    (void)state;
    struct fake *f = after_a_burst();
    pace_now_us += 1000000;
    pace_timer.fn(pace_timer.arg);
    fake_run(f);
    assert_int_equal(fake_requests(f), 6);
    pace_throttled(&f->host, f->items, 9000);
    pace_now_us += 2000000;
    pace_timer.fn(pace_timer.arg);
    fake_run(f);
    assert_int_equal(fake_requests(f), 6); /* shut */
    pace_now_us += 8000000;
    pace_timer.fn(pace_timer.arg);
    fake_run(f);
    assert_int_equal(fake_requests(f), 7);
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_have_been_sent_is_not_sent_again),
        cmocka_unit_test(a_chat_is_not_sent_to_too_often),
        cmocka_unit_test(what_waits_when_its_lane_goes_is_not_sent),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_default_host),
        cmocka_unit_test(test_upload),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_credential),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_throttle),
        cmocka_unit_test(test_transient),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_migrate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
