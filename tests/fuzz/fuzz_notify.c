/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes what the notification plugin reads from outside: configurations, alerts, silences and
 * matchers, and the texts it makes of them. The first byte says which.
 */
#include "../../plugins/notify/alert.c"
#include "../../plugins/notify/conf.c"
#include "../../plugins/notify/conf_route.c"
#include "../../plugins/notify/flap.c"
#include "../../plugins/notify/group.c"
#include "../../plugins/notify/gsm.c"
#include "../../plugins/notify/interval.c"
#include "../../plugins/notify/labels.c"
#include "../../plugins/notify/matcher.c"
#include "../../plugins/notify/mime.c"
#include "../../plugins/notify/oncall.c"
#include "../../plugins/notify/render.c"
#include "../../plugins/notify/router.c"
#include "../../plugins/notify/said.c"
#include "../../plugins/notify/silence.c"
#include "../../plugins/notify/state.c"
#include "../../plugins/notify/storm.c"
#include "../../plugins/notify/tz.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const int64_t now_ms = 1700000000000;

static void must(int holds)
{
    if (!holds)
        abort();
}

static void drop(void *arg, enum kind kind, const char *id, const json_t *notice)
{
    (void)arg;
    must(kind < KINDS && *id && json_is_object(notice));
}

/* {"conf": .., "alerts": [..], "silences": [..]}: an hour of it. */
static void route(const json_t *json)
{
    struct why why = { "" };
    struct conf *conf = conf_read(json_object_get(json, "conf"), &why);
    must(conf || why.text[0]);
    if (!conf)
        return;
    struct router *r = router_create(conf, drop, NULL);
    router_tick(r, now_ms);
    for (size_t i = 0; i < json_array_size(json_object_get(json, "alerts")); i++)
        router_alert(r, json_array_get(json_object_get(json, "alerts"), i), now_ms, &why);
    for (size_t i = 0; i < json_array_size(json_object_get(json, "silences")); i++)
        router_silence(r, json_array_get(json_object_get(json, "silences"), i), now_ms, &why);
    for (int minute = 0; minute < 60; minute++)
        router_tick(r, now_ms + minute * 60000);
    router_free(r);
    conf_free(conf);
}

/* What was read is written, and that is read as the same. */
static void match(const char *text)
{
    struct matchers m = { 0 }, again = { 0 };
    struct labels labels = { 0 };
    struct why why = { "" };
    labels_add(&labels, "a", "some text");
    if (matchers_parse(&m, text, &why) == 0) {
        char *written = matchers_text(&m);
        must(matchers_parse(&again, written, &why) == 0 && again.n == m.n);
        must(matchers_match(&again, &labels) == matchers_match(&m, &labels));
        free(written);
    } else {
        must(why.text[0] != 0);
    }
    matchers_fini(&m);
    matchers_fini(&again);
    labels_fini(&labels);
}

/* No line of a mail's head is longer than it may be, and none is added. */
static void mail(const char *text)
{
    char to[MIME_RECIPIENTS_MAX][MIME_ADDRESS_MAX + 1], sms[GSM_SEGMENT_SIZE];
    size_t n, len;
    must(gsm_segment(text, sms) <= GSM_SEPTETS_MAX);
    struct mime_mail m = { .from = "a@example.com",
                           .to = mime_addresses(text, to, &n) == 0 ? text : "b@example.com",
                           .reply_to = "",
                           .subject = text,
                           .text = text,
                           .html = "",
                           .id = text,
                           .thread = text,
                           .at_ms = now_ms };
    char *whole = mime_build(&m, &len), *head_end = strstr(whole, "\r\n\r\n");
    must(head_end != NULL && strlen(whole) == len);
    for (const char *line = whole; line < head_end; line = strstr(line, "\r\n") + 2) {
        must(strstr(line, "\r\n") - line <= 998);
        must(strncmp(line, "Bcc", 3) != 0);
    }
    free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len < 1 || len > 20000)
        return 0;
    char *text = memory_get(len);
    memcpy(text, bytes + 1, len - 1);
    if (bytes[0] == 'm') {
        match(text);
    } else if (bytes[0] == 't') {
        mail(text);
    } else if (bytes[0] == 'z') {
        struct tz *z = tz_parse((const unsigned char *)text, len - 1);
        for (int64_t s = -4000000000; z && s < 8000000000; s += 100000000)
            tz_offset(z, s);
        tz_free(z);
    } else {
        json_t *json = json_loadb(text, len - 1, 0, NULL);
        if (json)
            route(json);
        json_decref(json);
    }
    free(text);
    return 0;
}
