/* SPDX-License-Identifier: Apache-2.0
 * catalyst.telegramTrigger: updates of a bot by getUpdates, one worker of all engines at a time.
 *
 *   ask: getUpdates(offset) --> updates --> accept() --> stored() of all --> ask with the offset
 *    ^   waits up to `timeout`                                               behind them
 *    `-- nothing came, or later after trouble
 *
 * The offset is what tells Telegram that updates are done with, so it moves only when all that were
 * given are in the journal. What a crash leaves unacknowledged comes again and is not run again:
 * update_id is the event's place (WF_INBOUND_PLACED). Telegram begins with other numbers when a bot
 * had nothing for a week, maybe lower ones; the upper part of a place counts these beginnings.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "poll.h"
#include "scan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    UPDATES_MAX = 100,      /* of one answer */
    ID_BITS = 40,           /* of a place; above: how often numbers began anew */
    REPEATED_MAX = 1 << 20, /* an id lower than the place by more is of a new beginning */
    EMPTY_MS = 50,          /* a server that does not wait is not asked without rest */
    FIRST_WAIT_MS = 1000,
    LAST_WAIT_MS = 60000,
    CONFLICT_WAIT_MS = 5000,
    GRACE_MS = 15000, /* of the answer, beside the time it may wait for updates */
    BODY_MAX = 64 << 20,
};
enum { COUNT_UPDATES, COUNT_REPEATED, COUNT_FAILED };

struct poll {
    const wf_host *h;
    wf_inst *inst;
    const wf_triggers *engine;
    const wf_loop *loop;
    const struct poll_config *config;
    wf_source *source; /* NULL: stopped */
    wf_timer *timer;   /* until it asks again */
    int is_asking;
    char *url; /* holds the token */
    char allowed[1024];
    char *answer; /* updates that are not given yet; or NULL */
    wf_str list;
    size_t at;       /* in list */
    uint64_t place;  /* of the next update */
    int64_t offset;  /* 0: whatever there is */
    int64_t last_id; /* of the updates that were given */
    size_t unstored;
    int is_lost; /* one of them was not taken */
    int is_full; /* room() comes */
    unsigned failures;
    char trouble[400];
};

/* --- parameters ------------------------------------------------------------------------------- */

const wf_param poll_params[] = {
    { WF_P_CRED(struct poll_config, credential, "telegramApi"), .flags = WF_REQUIRED,
      .help = "The bot" },
    { WF_P_VALUE(struct poll_config, updates),
      .help = "Which kinds of updates: a list as [\"message\", \"callback_query\"]; none or "
              "[\"*\"]: what the Bot API gives by itself" },
    { WF_NAMED("options.limit"), WF_F_INT(struct poll_config, limit), .def = "100", .min = 1,
      .max = UPDATES_MAX, .help = "How many updates one call may give" },
    { WF_NAMED("options.timeout"), WF_F_MS(struct poll_config, timeout_ms), .def = "25s", .min = 0,
      .max = 50000, .help = "How long a call waits for updates" },
    WF_END,
};
const wf_metric poll_metrics[] = {
    { WF_COUNTER, "telegram_updates_total", NULL, "Updates that were given to the engine" },
    { WF_COUNTER, "telegram_updates_repeated_total", NULL,
      "Updates that came again and were not run again" },
    { WF_COUNTER, "telegram_polls_failed_total", NULL, "Calls of getUpdates that failed" },
    { (wf_metric_kind)0, NULL, NULL, NULL },
};

/* A name of updates, quoted, behind what is there. -1: it is none, or there is no room. */
static int add_kind(const char *name, size_t len, char *to, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz_";
    size_t used = strlen(to);
    for (size_t k = 0; k < len; k++)
        if (!name[k] || !strchr(plain, name[k]))
            return -1;
    if (!len || used + len + 5 > size)
        return -1;
    snprintf(to + used, size - used, "%s\"%.*s\"", used > 1 ? "," : "", (int)len, name);
    return 0;
}

/* allowed_updates. -1: a name is none. */
static int list_kinds(const wf_host *h, const wf_value *updates, char *to, size_t size)
{
    size_t n = h->v->count(updates);
    snprintf(to, size, "[");
    for (size_t i = 0; i < n; i++) {
        const char *name;
        size_t len;
        if (h->v->bytes(h->v->at(updates, i), &name, &len) != 0)
            return -1;
        if (len == 1 && name[0] == '*')
            continue;
        if (add_kind(name, len, to, size) != 0)
            return -1;
    }
    size_t used = strlen(to);
    snprintf(to + used, size - used, "]");
    return 0;
}

int poll_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct poll_config *c = config;
    char kinds[1024];
    wf_json_type type = h->v->type(c->updates);
    if ((type == WF_JSON_ARRAY || type == WF_JSON_MISSING || type == WF_JSON_NULL) &&
        list_kinds(h, c->updates, kinds, sizeof kinds) == 0)
        return 0;
    snprintf(why, why_size,
             "updates: a list of names of updates, as [\"message\", \"callback_query\"]");
    return -1;
}

static char *make_url(const wf_host *h, const wf_cred *cred, const char **why)
{
    static const char plain[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-:";
    wf_str token = h->secret(cred, "accessToken"), base = h->secret(cred, "baseUrl");
    if (!base.len)
        base = (wf_str){ "https://api.telegram.org", 24 };
    while (base.len && base.ptr[base.len - 1] == '/')
        base.len--;
    size_t size = base.len + token.len + 32, same = 0;
    while (same < token.len && token.ptr[same] && strchr(plain, token.ptr[same]))
        same++;
    *why = "accessToken of the credential is no token of a bot";
    if (!token.len || same < token.len)
        return NULL;
    *why = "baseUrl of the credential must begin with http:// or https://";
    if (!(base.len > 7 && !strncmp(base.ptr, "http://", 7)) &&
        !(base.len > 8 && !strncmp(base.ptr, "https://", 8)))
        return NULL;
    char *url = malloc(size);
    if (!url)
        abort();
    snprintf(url, size, "%.*s/bot%.*s/getUpdates", (int)base.len, base.ptr, (int)token.len,
             token.ptr);
    return url;
}

void *poll_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    const struct poll_config *c = h->inst_config(inst);
    const char *wrong;
    char *url = make_url(h, c->credential, &wrong);
    if (!url) {
        why->fault = WF_ACCOUNT;
        why->detail = (wf_str){ wrong, strlen(wrong) };
        return NULL;
    }
    struct poll *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    *p = (struct poll){ .h = h,
                        .inst = inst,
                        .engine = h->service("trigger/1"),
                        .loop = h->service("loop/1"),
                        .config = c,
                        .url = url };
    list_kinds(h, c->updates, p->allowed, sizeof p->allowed);
    return p;
}

void poll_close(const wf_host *h, void *state)
{
    struct poll *p = state;
    (void)h;
    free(p->url);
    free(p->answer);
    free(p);
}

void poll_pass(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->pass(items[i], 0);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void ask(struct poll *p);

static void on_timer(void *arg)
{
    struct poll *p = arg;
    p->timer = NULL;
    ask(p);
}

static void ask_later(struct poll *p, int64_t in_ms)
{
    if (p->source && !p->timer)
        p->timer = p->loop->timer(p->inst, in_ms, on_timer, p);
}

/* Asks again in wait_ms, or with back-off when that is longer. */
static void fail(struct poll *p, int64_t wait_ms, const char *what, wf_str words)
{
    int64_t backoff = (int64_t)FIRST_WAIT_MS << (p->failures < 6 ? p->failures : 6);
    if (backoff > LAST_WAIT_MS)
        backoff = LAST_WAIT_MS;
    snprintf(p->trouble, sizeof p->trouble, "Telegram: %s%s%.*s", what, words.len ? ": " : "",
             (int)(words.len < 200 ? words.len : 200), words.len ? words.ptr : "");
    if (!p->failures++)
        p->h->log(p->inst, WF_WARN, "telegram.poll", "%s", p->trouble);
    p->h->count(p->inst, COUNT_FAILED, 1);
    ask_later(p, wait_ms > backoff ? wait_ms : backoff);
}

static void on_answer(const wf_host *h, void *arg, const wf_reply *r);

/* One question at a time, and none while updates are on their way into the journal. */
static void ask(struct poll *p)
{
    char body[1200];
    if (!p->source || p->is_asking || p->timer || p->unstored || p->answer)
        return;
    int len = snprintf(body, sizeof body,
                       "{\"offset\":%lld,\"limit\":%lld,\"timeout\":%lld,\"allowed_updates\":%s}",
                       (long long)p->offset, (long long)p->config->limit,
                       (long long)p->config->timeout_ms / 1000, p->allowed);
    const wf_pair headers[] = { { "content-type", "application/json" }, { NULL, NULL } };
    const wf_request request = { .method = "POST",
                                 .url = p->url,
                                 .headers = headers,
                                 .body = { body, (size_t)len },
                                 .timeout_ms = p->config->timeout_ms + GRACE_MS,
                                 .max_bytes = BODY_MAX };
    p->is_asking = 1;
    if (p->engine->request(p->source, &request, on_answer, p) == 0)
        return;
    p->is_asking = 0;
    ask_later(p, FIRST_WAIT_MS);
}

/* --- updates ---------------------------------------------------------------------------------- */

static int64_t id_of(uint64_t place) { return (int64_t)(place & (((uint64_t)1 << ID_BITS) - 1)); }

static uint64_t place_of(uint64_t next, int64_t id)
{
    uint64_t beginnings = (next >> ID_BITS) + (id + REPEATED_MAX < id_of(next));
    return beginnings << ID_BITS | (uint64_t)id;
}

static void forget_answer(struct poll *p)
{
    free(p->answer);
    p->answer = NULL;
}

/* All that was given is in the journal, or will not be run: what comes next is asked for. */
static void settle(struct poll *p)
{
    if (p->unstored || p->answer)
        return;
    if (p->last_id && !p->is_lost)
        p->offset = p->last_id + 1;
    p->last_id = 0;
    p->is_lost = 0;
    ask(p);
}

/* Up to UPDATES_MAX of those that wait; ends: how far the list was read with each. */
static size_t read_updates(const struct poll *p, wf_inbound *events, size_t *ends)
{
    size_t n = 0, at = p->at;
    uint64_t next = p->place;
    wf_str update;
    while (n < UPDATES_MAX && (update = scan_element(p->list, &at)).ptr) {
        int64_t id;
        if (scan_int(scan_member(update, "update_id"), &id) != 0 || id <= 0 || id >> ID_BITS)
            continue; /* no update */
        events[n] =
            (wf_inbound){ .json = update, .tag = place_of(next, id), .flags = WF_INBOUND_PLACED };
        if (events[n].tag >= next)
            next = events[n].tag + 1;
        ends[n++] = at;
    }
    return n;
}

static void count_taken(struct poll *p, const wf_inbound *events, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int repeated = events[i].tag < p->place;
        p->h->count(p->inst, repeated ? COUNT_REPEATED : COUNT_UPDATES, 1);
        if (!repeated)
            p->place = events[i].tag + 1;
        p->last_id = id_of(events[i].tag);
    }
    p->unstored += n;
}

static void give(struct poll *p)
{
    wf_inbound events[UPDATES_MAX];
    size_t ends[UPDATES_MAX] = { 0 };
    while (p->source && p->answer) {
        size_t n = read_updates(p, events, ends);
        size_t taken = n ? p->engine->accept(p->source, events, n) : 0;
        count_taken(p, events, taken);
        if (taken)
            p->at = ends[taken - 1];
        p->is_full = taken < n;
        if (p->is_full)
            return; /* room() comes */
        if (n < UPDATES_MAX)
            forget_answer(p);
    }
    settle(p);
}

static void take_updates(struct poll *p, wf_str list)
{
    size_t at = 0;
    p->failures = 0;
    p->trouble[0] = 0;
    if (!scan_element(list, &at).ptr) {
        ask_later(p, EMPTY_MS);
        return;
    }
    p->answer = malloc(list.len);
    if (!p->answer)
        abort();
    memcpy(p->answer, list.ptr, list.len);
    p->list = (wf_str){ p->answer, list.len };
    p->at = 0;
    give(p);
}

/* What "description" says, without its quotes. */
static wf_str words_of(const wf_reply *r)
{
    wf_str said = scan_member(r->body, "description");
    if (said.len >= 2 && said.ptr[0] == '"')
        return (wf_str){ said.ptr + 1, said.len - 2 };
    return (wf_str){ "", 0 };
}

static int64_t throttled_ms(const wf_reply *r)
{
    int64_t s = 0;
    scan_int(scan_member(scan_member(r->body, "parameters"), "retry_after"), &s);
    return s > 0 && s < 86400 && s * 1000 > r->retry_after_ms ? s * 1000 : r->retry_after_ms;
}

static void on_answer(const wf_host *h, void *arg, const wf_reply *r)
{
    struct poll *p = arg;
    char what[64] = "no answer";
    (void)h;
    p->is_asking = 0;
    wf_str ok = scan_member(r->body, "ok"), list = scan_member(r->body, "result");
    if (r->status == 200 && ok.len == 4 && !memcmp(ok.ptr, "true", 4) && list.ptr) {
        take_updates(p, list);
        return;
    }
    if (r->status)
        snprintf(what, sizeof what, "HTTP %d", r->status);
    if (r->status == 409) /* another one asks, or a webhook is set: the words say which */
        fail(p, CONFLICT_WAIT_MS, what, words_of(r));
    else if (r->status == 401 || r->status == 404)
        fail(p, LAST_WAIT_MS, "the token is refused", words_of(r));
    else
        fail(p, r->status == 429 ? throttled_ms(r) : 0, what, words_of(r));
}

/* --- the trigger ------------------------------------------------------------------------------ */

static int start(const wf_host *h, void *state, wf_source *source, wf_error *why)
{
    struct poll *p = state;
    (void)h;
    if (!p->loop || !p->engine) {
        why->fault = WF_ACCOUNT;
        why->detail = (wf_str){ "this engine has no loop", 23 };
        return -1;
    }
    p->source = source;
    p->place = p->engine->place(source);
    p->offset = p->last_id = 0; /* what was not acknowledged comes again */
    p->unstored = 0;
    p->failures = 0;
    p->is_lost = p->is_full = 0;
    p->trouble[0] = 0;
    ask(p);
    return 0;
}

static void stop(const wf_host *h, void *state)
{
    struct poll *p = state;
    (void)h;
    p->source = NULL;
    p->is_asking = 0; /* its answer does not come any more */
    if (p->timer)
        p->loop->timer_stop(p->timer);
    p->timer = NULL;
    forget_answer(p);
}

static void stored(const wf_host *h, void *state, const uint64_t *tags, size_t n, int ok)
{
    struct poll *p = state;
    (void)h, (void)tags;
    p->unstored -= n < p->unstored ? n : p->unstored;
    p->is_lost |= !ok;
    if (p->source)
        settle(p);
}

static void room(const wf_host *h, void *state)
{
    struct poll *p = state;
    (void)h;
    if (p->is_full)
        give(p);
}

static const char *trouble(const wf_host *h, void *state)
{
    const struct poll *p = state;
    (void)h;
    return p->trouble[0] ? p->trouble : NULL;
}

const wf_trigger poll_trigger = { .size = sizeof poll_trigger,
                                  .flags = WF_TRIGGER_SINGLE,
                                  .start = start,
                                  .stop = stop,
                                  .stored = stored,
                                  .room = room,
                                  .trouble = trouble };

const char poll_docs[] =
    "The item is the Bot API's Update as it came: `update_id` and one of `message`, "
    "`callback_query` ...\n"
    "\n"
    "The bot is asked by `getUpdates`, by one worker of all engines at a time; when its engine "
    "dies another takes\nover within seconds. The offset that tells Telegram \"done\" moves only "
    "when the updates are in the journal,\nand one that comes again after a crash is not run "
    "again: none is lost, none runs twice. (With durability\nnone and at_least_once it may run "
    "twice.) A bot that has a webhook cannot be asked: the Bot API answers\n409, which the ready "
    "check shows until the webhook is deleted.\n"
    "\n"
    "**By webhook instead**: a `catalyst.webhook` node with `authentication` `headerAuth` and a "
    "credential\nhttpHeaderAuth of name `X-Telegram-Bot-Api-Secret-Token`, whose value is the "
    "`secret_token` of `setWebhook`.\nIt is compared in constant time, and who has it wrong is "
    "answered 401. Telegram sends again what was not\nanswered with 2xx, so an update may come "
    "twice; `update_id` says so.\n"
    "\n"
    "Presses of inline buttons come as `callback_query`. Answer them by `catalyst.telegram`, "
    "operation\n`answerCallbackQuery`, within seconds, or the button keeps turning.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.telegramTrigger\", \"parameters\": {\"updates\": [\"message\", "
    "\"callback_query\"]},\n"
    " \"credentials\": {\"telegramApi\": {\"name\": \"bot\"}}}\n"
    "```\n";
