/* SPDX-License-Identifier: Apache-2.0
 * catalyst.webhookSigned: a webhook as Standard Webhooks has it. The call is made by libcurl on a
 * pool thread, because the address that is connected to must be looked at, not only the one that a
 * name had a moment before: no private address, no redirect, no proxy. A receiver tells repetitions
 * by webhook-id, so what was not answered is sent again, on a ladder of waits.
 * Thread: the worker's; webhook_call() a pool thread.
 */
#include "notify_int.h"
#include "address.h"
#include "sign.h"
#include <curl/curl.h>
#include <openssl/sha.h>
#include <unistd.h>

enum { WEBHOOK_SEND, WEBHOOK_ENABLE };
enum { WEBHOOK_BODY_MAX = 1 << 20, WEBHOOK_ANSWER_MAX = 400 };

/* The waits after the first, second .. failure: 8 tries in 28 hours. */
static const int64_t webhook_ladder_ms[] = { 5000,     300000,   1800000, 7200000,
                                             18000000, 36000000, 36000000 };
enum { WEBHOOK_WAITS = sizeof webhook_ladder_ms / sizeof *webhook_ladder_ms };

static const wf_pair webhook_operations[] = { { "send", "Send the item to the endpoint" },
                                              { "enable",
                                                "Use an endpoint again that was switched off" },
                                              { NULL, NULL } };

const wf_param webhook_params[] = {
    { WF_P_CRED(struct webhook_config, credential, "webhookSigning"), .flags = WF_REQUIRED,
      .help = "The secrets to sign with" },
    { WF_P_CHOICE(struct webhook_config, operation, webhook_operations), .def = "send",
      .help = "What to do" },
    { WF_P_STR(struct webhook_config, url), .flags = WF_EXPR,
      .help = "The endpoint; absent: `config.url` of the item" },
    { WF_P_VALUE(struct webhook_config, body), .flags = WF_EXPR,
      .help = "What to send, any JSON; absent: the item without `config`" },
    { WF_P_STR(struct webhook_config, id), .flags = WF_EXPR,
      .help = "webhook-id; absent: the item's `id`, else one that is the same on every try" },
    { WF_NAMED("allowPrivate"), WF_F_BOOL(struct webhook_config, allow_private),
      .help = "Endpoints may be in private networks and on this host" },
    { WF_NAMED("timeout"), WF_F_MS(struct webhook_config, timeout_ms), .def = "10s", .min = 100,
      .max = 60000, .help = "How soon a 2xx must come" },
    { WF_NAMED("disableAfter"), WF_F_MS(struct webhook_config, disable_after_ms), .def = "5d",
      .help = "An endpoint that fails for so long is switched off; 0: never" },
    WF_END,
};
const wf_param webhook_cred[] = {
    { .name = "secret",
      .type = WF_STRING,
      .flags = WF_REQUIRED | WF_SECRET,
      .help = "whsec_ and base64 of 24 to 64 bytes; several, with spaces, while one replaces "
              "another" },
    WF_END,
};
const wf_metric webhook_metrics[] = {
    { WF_COUNTER, "send_total{channel=\"webhook\",outcome=\"accepted\"}", NULL,
      "What was sent, by outcome: Calls that were answered by 2xx" },
    { WF_COUNTER, "send_total{channel=\"webhook\",outcome=\"rejected\"}", NULL,
      "What was sent, by outcome: Items that were given up" },
    { WF_COUNTER, "send_total{channel=\"webhook\",outcome=\"unknown\"}", NULL,
      "What was sent, by outcome: Always 0: what is not known is repeated" },
    WF_EACH_CLASS(WF_REJECTED_ROW, "webhook") /* */
    { WF_COUNTER, "webhook_signed_failures_total", NULL, "Tries that failed" },
    { WF_COUNTER, "webhook_signed_disabled_total", NULL, "Endpoints that were switched off" },
    { (wf_metric_kind)0, NULL, NULL, NULL },
};
const wf_pair webhook_codes[] = { { "failed", "No 2xx came in time; tried again" },
                                  { NULL, NULL } };

const char webhook_docs[] =
    "Sends the item as a webhook, signed as [Standard Webhooks](https://www.standardwebhooks.com) "
    "describes:\n"
    "\n"
    "```\n"
    "webhook-id: 3c1f0e5a9d2b4c77-1767600000000-0\n"
    "webhook-timestamp: 1767600000\n"
    "webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4= v1,...\n"
    "```\n"
    "\n"
    "**A receiver** takes the bytes of the body as they came, computes base64 of HMAC-SHA256 over\n"
    "`id.timestamp.body` with the decoded secret (what stands behind `whsec_`), and compares it "
    "in\n"
    "constant time with each signature that begins with `v1,`; one match is enough. It refuses "
    "timestamps\nmore than 5 minutes away, answers 2xx within 10 seconds, and drops a webhook-id "
    "that it has seen.\nTo change the secret, put the new one before the old one, and take the old "
    "one out a day later.\n"
    "\n"
    "**Tries.** After a failure the next one comes after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 "
    "h; give\nthe node `\"retry\": {\"tries\": 8}`. Everything but 2xx is a failure, redirects "
    "too. "
    "410 and\n`disableAfter` switch the endpoint off: items leave on `rejected` with code "
    "`disabled` "
    "until the\noperation `enable`.\n"
    "\n"
    "**Where to.** The address that is connected to must be public, unless `allowPrivate` is set: "
    "loopback,\nprivate, link-local, shared and reserved ranges are refused, also when a name "
    "changes its address, and\nalso inside IPv6. No proxy of the environment is used.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.webhookSigned\", \"parameters\": {\"url\": "
    "\"https://example.com/hook\"},\n"
    " \"retry\": {\"tries\": 8}, \"credentials\": {\"webhookSigning\": {\"name\": \"hook\"}}}\n"
    "```\n";

int webhook_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct webhook_config *c = config;
    (void)h;
    if (!c->url.len || !strncmp(c->url.ptr, "https://", 8) || !strncmp(c->url.ptr, "http://", 7))
        return 0;
    snprintf(why, why_size, "url must begin with https:// or http://");
    return -1;
}

/* --- the call --------------------------------------------------------------------------------- */

struct webhook_job {
    char *url, *body, *headers[4];
    size_t body_len;
    int64_t timeout_ms;
    int allow_private;
    /* the result */
    int is_private;
    long status;
    size_t answer_len;
    char answer[WEBHOOK_ANSWER_MAX + 1], why[CURL_ERROR_SIZE + 1];
};

static curl_socket_t webhook_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct webhook_job *job = arg;
    (void)purpose;
    if (!job->allow_private && !address_is_public(&address->addr)) {
        job->is_private = 1;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t webhook_answer(char *bytes, size_t size, size_t n, void *arg)
{
    struct webhook_job *job = arg;
    size_t room = WEBHOOK_ANSWER_MAX - job->answer_len;
    size_t take = size * n < room ? size * n : room;
    memcpy(job->answer + job->answer_len, bytes, take);
    job->answer_len += take;
    return size * n;
}

static void webhook_call(void *arg)
{
    struct webhook_job *job = arg;
    struct curl_slist *headers = NULL;
    CURL *curl = curl_easy_init();
    if (!curl)
        return;
    for (size_t i = 0; i < 4; i++)
        headers = curl_slist_append(headers, job->headers[i]);
    curl_easy_setopt(curl, CURLOPT_URL, job->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)job->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, job->body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)job->body_len);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "Catalyst");
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE, 1L << 20);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, webhook_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, job);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, webhook_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, job);
    CURLcode result = curl_easy_perform(curl);
    if (result == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &job->status);
    else
        snprintf(job->why, sizeof job->why, "%s", curl_easy_strerror(result));
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
}

static void webhook_free(struct webhook_job *job)
{
    free(job->url);
    free(job->body);
    for (size_t i = 0; i < 4; i++)
        free(job->headers[i]);
    free(job);
}

/* --- endpoints that fail ---------------------------------------------------------------------- */

/* A URL may hold a secret: the table knows its hash. */
static wf_str webhook_name(const wf_host *h, wf_item *it, wf_str url)
{
    unsigned char sum[SHA256_DIGEST_LENGTH];
    char *text = h->alloc(it, 2 * sizeof sum + 1);
    SHA256((const unsigned char *)url.ptr, url.len, sum);
    for (size_t i = 0; i < sizeof sum; i++)
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
    return str_of(text);
}

/* The node may be gone by now; an endpoint that is not noted is noted with its next failure. */
static void webhook_noted(const wf_host *h, void *arg, const wf_rows *rows)
{
    (void)h;
    (void)arg;
    (void)rows;
}

static void webhook_note(const wf_host *h, wf_item *it, wf_str url, int went_well, int disable)
{
    const wf_sql *sql = h->service("sql/1");
    wf_str now = h->fmt(it, "%lld", (long long)h->now_ms(it));
    wf_str params[] = { webhook_name(h, it, url), now, disable ? now : str_of("0") };
    wf_statement good = { .pg = "DELETE FROM notify_endpoints WHERE url = $1",
                          .params = params,
                          .n_params = 1 };
    wf_statement bad = { .pg = "INSERT INTO notify_endpoints (url, failing_since_ms, disabled_ms) "
                               "VALUES ($1, $2, $3) ON CONFLICT (url) DO UPDATE SET "
                               "disabled_ms = excluded.disabled_ms",
                         .params = params,
                         .n_params = 3 };
    if (sql)
        sql->run(h->inst(it), went_well ? &good : &bad, 1, webhook_noted, NULL);
    if (disable)
        h->count(h->inst(it), COUNT_DISABLED, 1);
}

/* --- the outcome ------------------------------------------------------------------------------ */

static wf_str webhook_url(const wf_host *h, wf_item *it)
{
    const struct webhook_config *c = h->config(it);
    return send_text_of(h, it, c->url, "config.url", "");
}

static void webhook_failed(const wf_host *h, wf_item *it, const struct webhook_job *job)
{
    uint32_t attempt = h->attempt(it);
    wf_str url = webhook_url(h, it);
    wf_str why = job->status ? h->fmt(it, "HTTP %ld: %s", job->status, job->answer)
                             : h->fmt(it, "%s", job->why);
    h->count(h->inst(it), COUNT_FAILURES, 1);
    webhook_note(h, it, url, 0, job->status == 410);
    if (job->status == 410)
        send_reject(h, it, "webhook", WF_CLASS_PERMANENT_RECIPIENT, "disabled", why);
    else if (attempt > WEBHOOK_WAITS)
        send_reject(h, it, "webhook", WF_CLASS_PERMANENT_RECIPIENT, "exhausted", why);
    else
        h->retry(it, webhook_ladder_ms[attempt ? attempt - 1 : 0], "webhook: %.*s", (int)why.len,
                 why.ptr);
}

static void webhook_done(const wf_host *h, wf_item *it, void *arg)
{
    struct webhook_job *job = arg;
    if (!it) {
        webhook_free(job);
        return;
    }
    if (job->is_private) {
        send_reject(h, it, "webhook", WF_CLASS_PERMANENT_CONTENT, "address",
                    str_of("the endpoint's address is not public"));
    } else if (job->status >= 200 && job->status < 300) {
        webhook_note(h, it, webhook_url(h, it), 1, 0);
        send_end(h, it,
                 &(struct outcome){ .outcome = WF_OUTCOME_ACCEPTED,
                                    .channel = "webhook",
                                    .provider_id = h->fmt(it, "%s", job->headers[1] + 12) });
    } else {
        webhook_failed(h, it, job);
    }
    webhook_free(job);
}

/* --- sending ---------------------------------------------------------------------------------- */

static wf_str webhook_body(const wf_host *h, wf_item *it)
{
    const struct webhook_config *c = h->config(it);
    return h->v->json(it, c->body ? c->body : h->v->unset(it, h->value(it), "config"));
}

static wf_str webhook_id(const wf_host *h, wf_item *it)
{
    const struct webhook_config *c = h->config(it);
    wf_str id = send_text_of(h, it, c->id, "id", h->key(it));
    char *copy = h->alloc(it, id.len + 1);
    for (size_t i = 0; i < id.len; i++)
        copy[i] = (char)(id.ptr[i] > ' ' && id.ptr[i] < 0x7f ? id.ptr[i] : '_');
    return (wf_str){ copy, id.len < 200 ? id.len : 200 };
}

static void webhook_send(const wf_host *h, wf_item *it)
{
    const struct webhook_config *c = h->config(it);
    wf_str secrets = h->secret(c->credential, "secret"), body = webhook_body(h, it);
    wf_str url = webhook_url(h, it), id = webhook_id(h, it);
    char signatures[SIGN_SIZE];
    long long now_s = h->now_ms(it) / 1000;
    if (body.len > WEBHOOK_BODY_MAX) {
        send_reject(h, it, "webhook", WF_CLASS_PERMANENT_CONTENT, "request",
                    str_of("the body is larger than 1 MiB"));
        return;
    }
    char *id_text = memory_print("%.*s", (int)id.len, id.ptr);
    if (sign_all(secrets.ptr, secrets.len, id_text, now_s, body.ptr, body.len, signatures) < 0) {
        free(id_text);
        send_reject(h, it, "webhook", WF_CLASS_PERMANENT_ACCOUNT, "request",
                    str_of("a secret of the credential is not base64 of 24 to 64 bytes"));
        return;
    }
    struct webhook_job *job = memory_get(sizeof *job);
    job->url = memory_print("%.*s", (int)url.len, url.ptr);
    job->body = memory_get(body.len + 1);
    memcpy(job->body, body.ptr, body.len);
    job->body_len = body.len;
    job->headers[0] = memory_text("content-type: application/json");
    job->headers[1] = memory_print("webhook-id: %s", id_text);
    job->headers[2] = memory_print("webhook-timestamp: %lld", now_s);
    job->headers[3] = memory_print("webhook-signature: %s", signatures);
    job->timeout_ms = c->timeout_ms;
    job->allow_private = c->allow_private;
    free(id_text);
    h->offload(it, webhook_call, webhook_done, job);
}

struct webhook_look {
    wf_ticket ticket;
};

/* failing_since_ms, disabled_ms of the endpoint */
static void webhook_looked(const wf_host *h, void *arg, const wf_rows *rows)
{
    wf_item *it = h->resume(h, ((struct webhook_look *)arg)->ticket);
    free(arg);
    if (!it)
        return;
    const struct webhook_config *c = h->config(it);
    int64_t since = 0, disabled = 0;
    if (rows->n_rows) {
        since = strtoll(rows->cells[0].ptr ? rows->cells[0].ptr : "0", NULL, 10);
        disabled = strtoll(rows->cells[1].ptr ? rows->cells[1].ptr : "0", NULL, 10);
    }
    if (since && !disabled && c->disable_after_ms && h->now_ms(it) - since >= c->disable_after_ms) {
        webhook_note(h, it, webhook_url(h, it), 0, 1);
        disabled = h->now_ms(it);
    }
    if (disabled)
        send_reject(h, it, "webhook", WF_CLASS_PERMANENT_RECIPIENT, "disabled",
                    str_of("the endpoint was switched off after failing for long"));
    else
        webhook_send(h, it);
}

static void webhook_enable(const wf_host *h, wf_item *it, wf_str url)
{
    webhook_note(h, it, url, 1, 0);
    send_end(h, it, &(struct outcome){ .outcome = WF_OUTCOME_ACCEPTED, .channel = "webhook" });
}

static void webhook_item(const wf_host *h, wf_item *it)
{
    const struct webhook_config *c = h->config(it);
    const wf_sql *sql = h->service("sql/1");
    wf_str url = webhook_url(h, it), name = webhook_name(h, it, url);
    wf_statement statement = { .pg = "SELECT failing_since_ms, disabled_ms FROM notify_endpoints "
                                     "WHERE url = $1",
                               .params = &name,
                               .n_params = 1 };
    if (!url.len || memchr(url.ptr, 0, url.len) ||
        !(url.len > 8 && (!strncmp(url.ptr, "http://", 7) || !strncmp(url.ptr, "https://", 8)))) {
        send_reject(h, it, "webhook", WF_CLASS_PERMANENT_CONTENT, "request",
                    str_of("url must begin with https:// or http://"));
        return;
    }
    if (c->operation == WEBHOOK_ENABLE) {
        webhook_enable(h, it, url);
        return;
    }
    struct webhook_look *look = sql ? memory_get(sizeof *look) : NULL;
    if (look) {
        look->ticket = h->park(it, 60000);
        if (sql->run(h->inst(it), &statement, 1, webhook_looked, look) == 0)
            return;
        it = h->resume(h, look->ticket);
        free(look);
    }
    webhook_send(h, it);
}

void webhook_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        webhook_item(h, items[i]);
}
