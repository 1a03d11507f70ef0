/* SPDX-License-Identifier: Apache-2.0 */
#include "../hop.c"
#include "../menu.c"
#include "../reply.c"
#include "../ussd.c"
#include "fake_host.h"
#include <setjmp.h>
#include <cmocka.h>

static struct fake *last; /* node that an item went through */

/* One item through a node: the port it left on, and its value. */
static const wf_value *through(const char *type, const char *params, const char *json, int *port)
{
    if (last)
        fake_destroy(last);
    last = fake_create(&wf_plugin_entry, type);
    if (fake_start(last, params) != 0)
        fail_msg("%s", fake_error(last));
    fake_item(last, json);
    fake_run(last);
    for (*port = 0; *port < 3; ++*port)
        if (fake_outputs(last, (unsigned)*port))
            return fake_output(last, (unsigned)*port, 0)->value;
    fail_msg("%s: no output", json);
    return NULL;
}

static const char *text_at(const wf_value *v, const char *path)
{
    const wf_value *found = fake_path(v, path);
    return found && fake_type(found) == WF_JSON_STRING ? found->text.ptr : "(none)";
}

static int64_t int_at(const wf_value *v, const char *path)
{
    int64_t n = -99;
    fake_get_int64(fake_path(v, path), &n);
    return n;
}

/* --- hops ------------------------------------------------------------------------------------- */

static void every_gateway_says_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *json, *session, *msisdn, *op, *input;
        int64_t hop;
    } cases[] = {
        { "{\"body\":{\"sessionId\":\"AT_1\",\"phoneNumber\":\"+2547\",\"serviceCode\":\"*384#\","
          "\"text\":\"\"}}",
          "AT_1", "+2547", "begin", "", 0 },
        { "{\"body\":{\"sessionId\":\"AT_1\",\"phoneNumber\":\"+2547\",\"text\":\"1*20*\"}}",
          "AT_1", "+2547", "continue", "", 3 },
        { "{\"body\":{\"sessionId\":\"AT_1\",\"phoneNumber\":\"+2547\",\"text\":\"1*20\"}}", "AT_1",
          "+2547", "continue", "20", 2 },
        { "{\"body\":{},\"query\":{\"SESSIONID\":\"7\",\"MSISDN\":\"254\",\"INPUT\":\"1\"}}", "7",
          "254", "continue", "1", -1 },
        { "{\"body\":{\"operation\":\"begin\",\"sessionId\":12,\"msisdn\":\"254\"}}", "12", "254",
          "begin", "", 0 },
        { "{\"from\":\"+2547\",\"to\":\"384\",\"text\":\"2\",\"ussd_service_op\":18,"
          "\"its_session_info\":1286}",
          "2547.5", "+2547", "continue", "2", 3 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int port;
        const wf_value *v = through("catalyst.ussdHop", "{}", cases[i].json, &port);
        assert_int_equal(port, HOP_HOP);
        assert_string_equal(text_at(v, "ussd.session"), cases[i].session);
        assert_string_equal(text_at(v, "ussd.msisdn"), cases[i].msisdn);
        assert_string_equal(text_at(v, "ussd.op"), cases[i].op);
        assert_string_equal(text_at(v, "ussd.input"), cases[i].input);
        assert_int_equal(int_at(v, "ussd.hop"), cases[i].hop);
        assert_int_equal(fake_metric(last, cases[i].op[0] == 'b' ? METRIC_BEGUN : METRIC_CONTINUED),
                         1);
    }
}

static void what_is_no_hop_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *json, *reason;
        int port;
    } cases[] = {
        { "{}", "no_session", HOP_REFUSED },
        { "{\"body\":{\"sessionId\":\"a b\",\"phoneNumber\":\"1\",\"text\":\"\"}}", "bad_session",
          HOP_REFUSED },
        { "{\"body\":{\"sessionId\":\"a\",\"phoneNumber\":\"\",\"text\":\"\"}}", "no_number",
          HOP_REFUSED },
        { "{\"body\":{\"sessionId\":\"a\",\"phoneNumber\":\"1\",\"status\":\"Success\"}}", "(none)",
          HOP_ENDED },
        { "{\"body\":{\"operation\":\"end\",\"sessionId\":\"a\"}}", "(none)", HOP_ENDED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int port;
        const wf_value *v = through("catalyst.ussdHop", "{}", cases[i].json, &port);
        assert_int_equal(port, cases[i].port);
        assert_string_equal(text_at(v, "ussd.reason"), cases[i].reason);
        assert_int_equal(
            fake_metric(last, cases[i].port == HOP_ENDED ? METRIC_ENDED : METRIC_REFUSED), 1);
    }
}

/* --- menus ------------------------------------------------------------------------------------ */

#define MENU                                                                                       \
    "{\"menu\":{\"start\":\"main\",\"screens\":{"                                                  \
    "\"main\":{\"text\":\"Hi {msisdn}\",\"options\":{\"1\":{\"action\":\"balance\"},\"2\":"        \
    "\"amount\"}},"                                                                                \
    "\"amount\":{\"text\":\"Amount?\",\"input\":\"amount\",\"digits\":true,\"max\":4,\"next\":"    \
    "\"sure\"},"                                                                                   \
    "\"sure\":{\"text\":\"Top up {amount}? {what}\",\"options\":{\"1\":{\"action\":\"topup\","     \
    "\"next\":\"done\"},\"2\":\"done\"}},"                                                         \
    "\"done\":{\"text\":\"Bye\",\"end\":true}}}}"

static const wf_value *step(const char *session, const char *input, int *port)
{
    static char json[1000];
    snprintf(json, sizeof json, "{\"ussd\":{\"msisdn\":\"254\",\"input\":\"%s\"},\"session\":%s}",
             input, session);
    return through("catalyst.ussdMenu", MENU, json, port);
}

static void a_session_walks_through_its_screens(void **state)
{
    (void)state;
    int port;
    const wf_value *v = step("{\"state\":\"new\"}", "", &port);
    assert_int_equal(port, MENU_REPLY);
    assert_string_equal(text_at(v, "menu.text"), "Hi 254");
    assert_int_equal(fake_metric(last, METRIC_SESSIONS), 1);
    assert_string_equal(text_at(v, "menu.data"), "{\"screen\":\"main\",\"fields\":{}}");
    v = step("{\"state\":\"open\",\"data\":\"{\\\"screen\\\":\\\"main\\\",\\\"fields\\\":{}}\"}",
             "2", &port);
    assert_string_equal(text_at(v, "menu.screen"), "amount");
    static const char *const sessions[] = {
        "{\"state\":\"open\",\"data\":{\"screen\":\"amount\",\"fields\":{}}}",
        "{\"state\":\"open\",\"data\":{\"screen\":\"amount\"}}", /* of a question that was pushed */
    };
    for (int i = 0; i < 2; i++) {
        v = step(sessions[i], "250", &port);
        assert_string_equal(text_at(v, "menu.text"), "Top up 250? {what}");
    }
    assert_int_equal(fake_metric(last, METRIC_SESSIONS), 0);
    assert_int_equal(fake_metric(last, METRIC_FINISHED), 0);
    v = step(
        "\"{\\\"state\\\":\\\"open\\\",\\\"data\\\":{\\\"screen\\\":\\\"sure\\\",\\\"fields\\\":"
        "{\\\"amount\\\":\\\"250\\\"}}}\"",
        "1", &port);
    assert_int_equal(port, MENU_ACTION);
    assert_string_equal(text_at(v, "menu.action"), "topup");
    assert_string_equal(text_at(v, "menu.fields.amount"), "250");
    assert_string_equal(text_at(v, "menu.text"), "Bye");
    assert_true(fake_truth(fake_path(v, "menu.end")));
    assert_int_equal(fake_metric(last, METRIC_FINISHED), 1);
}

static void what_fits_nothing_shows_the_screen_again(void **state)
{
    (void)state;
    static const char *const inputs[] = { "9", "", "12a", "12345" };
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        int port;
        const wf_value *v = step(i < 2 ? "{\"state\":\"open\",\"data\":{\"screen\":\"main\"}}"
                                       : "{\"state\":\"open\",\"data\":{\"screen\":\"amount\"}}",
                                 inputs[i], &port);
        assert_int_equal(port, MENU_REPLY);
        assert_non_null(strstr(text_at(v, "menu.text"), "Not a choice here.\n"));
        assert_string_equal(text_at(v, "menu.screen"), i < 2 ? "main" : "amount");
        assert_int_equal(fake_metric(last, METRIC_INVALID), 1);
    }
}

static void a_repeated_hop_gets_its_answer_again(void **state)
{
    (void)state;
    int port;
    const wf_value *v = step("{\"state\":\"repeated\",\"reply\":\"CON Amount?\"}", "2", &port);
    assert_int_equal(port, MENU_REPEATED);
    assert_string_equal(text_at(v, "menu.body"), "CON Amount?");
    assert_int_equal(fake_metric(last, METRIC_REPEATED), 1);
    v = step("{\"state\":\"lost\"}", "2", &port);
    assert_int_equal(port, MENU_REPLY);
    assert_true(fake_truth(fake_path(v, "menu.end")));
    assert_int_equal(fake_metric(last, METRIC_TIMEOUTS), 1);
    assert_int_equal(fake_metric(last, METRIC_SESSIONS), 0);
}

static void wrong_menus_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *menu, *says;
    } cases[] = {
        { "{}", "start names a screen" },
        { "{\"start\":\"a\",\"screens\":{\"a\":{\"options\":{\"1\":\"a\"}}}}", "has no text" },
        { "{\"start\":\"a\",\"screens\":{\"a\":{\"text\":\"x\"}}}", "leads nowhere" },
        { "{\"start\":\"a\",\"screens\":{\"a\":{\"text\":\"x\",\"options\":{\"1\":\"b\"}}}}",
          "'b'" },
        { "{\"start\":\"a\",\"screens\":{\"a\":{\"text\":\"x\",\"input\":\"i\",\"next\":\"c\"}}}",
          "'c'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char params[400];
        struct fake *f = fake_create(&wf_plugin_entry, "catalyst.ussdMenu");
        snprintf(params, sizeof params, "{\"menu\":%s}", cases[i].menu);
        assert_int_equal(fake_start(f, params), -1);
        assert_non_null(strstr(fake_error(f), cases[i].says));
        fake_destroy(f);
    }
}

/* --- replies ---------------------------------------------------------------------------------- */

static const wf_value *reply(const char *text, const char *more, int *port)
{
    static char params[3000], json[3000];
    snprintf(params, sizeof params, "{\"text\":\"={{ $json.t }}\",\"end\":false%s}", more);
    snprintf(json, sizeof json, "{\"t\":\"%s\"}", text);
    return through("catalyst.ussdReply", params, json, port);
}

static void a_reply_fits_the_screen(void **state)
{
    (void)state;
    char text[1000];
    int port;
    const wf_value *v = reply("1 Yes", "", &port);
    assert_string_equal(text_at(v, "reply.body"), "CON 1 Yes");
    assert_int_equal(int_at(v, "reply.ussd_service_op"), 2);
    memset(text, 'a', 182);
    text[182] = 0;
    v = reply(text, "", &port);
    assert_int_equal(int_at(v, "reply.units"), 182);
    assert_false(fake_truth(fake_path(v, "reply.cut")));
    strcpy(text + 181, "{}"); /* two septets each */
    v = reply(text, "", &port);
    assert_true(fake_truth(fake_path(v, "reply.cut")));
    assert_int_equal(int_at(v, "reply.units"), 182);
    assert_string_equal(text_at(v, "reply.text") + 180, "..");
    v = reply(text, ",\"onLong\":\"refuse\"", &port);
    assert_int_equal(port, REPLY_REFUSED);
    text[0] = 0;
    for (int i = 0; i < 81; i++)
        strcat(text, "\xc5\x82"); /* not in GSM 03.38 */
    v = reply(text, "", &port);
    assert_true(fake_truth(fake_path(v, "reply.ucs2")));
    assert_int_equal(int_at(v, "reply.units"), 80);
}

/* --- catalyst/gsm.h --------------------------------------------------------------------------- */

static void lengths_are_those_of_23_038(void **state)
{
    (void)state;
    static const struct {
        const char *unit;
        unsigned n, units, parts;
        int ucs2;
    } cases[] = {
        { "a", 0, 0, 1, 0 },
        { "a", 160, 160, 1, 0 },
        { "a", 161, 161, 2, 0 },
        { "a", 306, 306, 2, 0 },
        { "a", 307, 307, 3, 0 },
        { "{", 80, 160, 1, 0 },
        { "{", 81, 162, 2, 0 },
        { "{", 152, 304, 2, 0 },
        { "{", 153, 306, 3, 0 },
        { "\xe2\x82\xac", 80, 160, 1, 0 },
        { "\xc3\xa9", 160, 160, 1, 0 },
        { "\xce\xa9", 160, 160, 1, 0 },
        { "`", 70, 70, 1, 1 },
        { "`", 71, 71, 2, 1 },
        { "\xf0\x9f\x98\x80", 35, 70, 1, 1 },
        { "\xf0\x9f\x98\x80", 36, 72, 2, 1 },
        { "\xf0\x9f\x98\x80", 67, 134, 3, 1 },
        { "\xc3\x81", 134, 134, 2, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1000] = "";
        for (unsigned k = 0; k < cases[i].n; k++)
            strcat(text, cases[i].unit);
        struct wf_sms_length length = wf_sms_length(text, strlen(text));
        assert_int_equal(length.units, cases[i].units);
        assert_int_equal(length.parts, cases[i].parts);
        assert_int_equal(length.is_ucs2, cases[i].ucs2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_gateway_says_the_same),
        cmocka_unit_test(what_is_no_hop_says_why),
        cmocka_unit_test(a_session_walks_through_its_screens),
        cmocka_unit_test(what_fits_nothing_shows_the_screen_again),
        cmocka_unit_test(a_repeated_hop_gets_its_answer_again),
        cmocka_unit_test(wrong_menus_are_refused),
        cmocka_unit_test(a_reply_fits_the_screen),
        cmocka_unit_test(lengths_are_those_of_23_038),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
