/* SPDX-License-Identifier: Apache-2.0
 * catalyst.messageStatus: a receipt finds the message it speaks of and moves its state, by the
 * lattice of catalyst/channel.h: receipts come twice and out of order, and a state only grows.
 *
 * A message of several parts is as far as the part that is furthest behind, and failed as soon as
 * one part did. Each state of each part is one row of messages_status, written once however often
 * its receipt comes.
 */
#include "messages_int.h"

static enum wf_state highest(uint32_t seen)
{
    enum wf_state state = (enum wf_state)0;
    for (unsigned i = 1; i < WF_STATES; i++)
        if (seen >> i & 1u)
            state = (enum wf_state)i;
    return state;
}

/* --- parts ------------------------------------------------------------------------------------ */

/* The state of the whole message: `context` has the names of its parts when there are several. */
static enum wf_state whole_state(const wf_host *h, struct cache *cache, const struct place *at,
                                 const wf_value *context, uint32_t own_seen)
{
    const wf_value *ids = h->v->get(context, "provider_ids", 12);
    size_t n = h->v->count(ids);
    enum wf_state low = highest(own_seen), final = (enum wf_state)0;
    if (wf_state_is_final(low))
        final = low;
    for (size_t i = 0; i < n; i++) {
        struct place part = *at;
        wf_str unused;
        if (h->v->bytes(h->v->at(ids, i), &part.provider_id.ptr, &part.provider_id.len) != 0)
            continue;
        const struct known *known = cache_find(cache, &part, &unused);
        enum wf_state state = known ? highest(known->seen) : WF_STATE_ACCEPTED;
        if (wf_state_is_final(state) && state > final)
            final = state;
        if (state < low)
            low = state;
    }
    return final ? final : low;
}

/* --- one receipt ------------------------------------------------------------------------------ */

struct receipt {
    const wf_host *h;
    wf_item *it;
    const wf_value *value;
    struct place at;
    wf_str state_name, code, error_class;
    enum wf_state state;
    int64_t at_us;
};

static wf_str text_of(const struct receipt *r, const char *name)
{
    const wf_value *v = r->h->v->get(r->value, name, strlen(name));
    return v ? r->h->v->text(r->it, v) : (wf_str){ "", 0 };
}

static struct receipt receipt_of(const wf_host *h, wf_item *it)
{
    struct receipt r = { .h = h, .it = it, .value = h->value(it) };
    r.at = (struct place){ member_str(h, r.value, "channel"), member_str(h, r.value, "account"),
                           member_str(h, r.value, "provider_id") };
    r.state_name = member_str(h, r.value, "state");
    r.state = wf_state_of(r.state_name.ptr, r.state_name.len);
    r.code = text_of(&r, "code");
    r.error_class = member_str(h, r.value, "class");
    r.at_us = member_int(h, r.value, "ts_provider_us", 0);
    return r;
}

static int add_status_row(const struct receipt *r, wf_str id)
{
    const wf_host *h = r->h;
    const wf_ledger *ledger = h->service("ledger/1");
    const wf_value *row =
        h->build(r->it, "{s:S,s:S,s:S,s:S,s:i,s:S,s:S,s:i}", "channel", r->at.channel, "account",
                 r->at.account, "provider_id", r->at.provider_id, "id", id, "state",
                 (int64_t)r->state, "code", r->code, "class", r->error_class, "at_us",
                 r->at_us ? r->at_us : h->now_ms(r->it) * 1000);
    if (ledger && ledger->commit_row(r->it, "messages_status", row,
                                     "provider_id,id,channel,account,state") == 0)
        return 0;
    h->fail(r->it, "table messages_status is not there: run `catalyst migrate`");
    return -1;
}

static int tell(const struct receipt *r, const wf_value *message, wf_str topic, enum wf_state state)
{
    const wf_host *h = r->h;
    struct event event = { .topic = topic,
                           .channel = r->at.channel,
                           .id = member_str(h, message, "id"),
                           .tenant_id = member_str(h, message, "tenant_id"),
                           .trace_id = member_str(h, message, "trace_id"),
                           .from = member_str(h, message, "from"),
                           .to = member_str(h, message, "to"),
                           .wants_receipt = member_true(h, message, "dlr"),
                           .provider_id = r->at.provider_id,
                           .state = str_of(wf_state_name(state)),
                           .code = r->code,
                           .error_class = r->error_class,
                           .reason = { "", 0 },
                           .at_us = r->at_us,
                           .message_ts_us = member_int(h, message, "ts_us", 0) };
    return event_send(h, r->it, &event);
}

static bool is_end(enum wf_state state) { return state >= WF_STATE_DELIVERED; }

/* A message's first end; read after delivered is no other one. */
static void count_end(const struct receipt *r, const struct status_node *node,
                      const wf_value *message, enum wf_state state)
{
    wf_str class = member_str(r->h, message, "class");
    enum wf_channel channel = wf_channel_of(r->at.channel.ptr, r->at.channel.len);
    unsigned row = wf_traffic(channel, wf_kind_of(class.ptr, class.len)) * ENDS +
                   (unsigned)(state - WF_STATE_DELIVERED);
    r->h->count(node->inst, METRIC_ENDED + row, 1);
    count_time(r->h, r->it, node->inst, METRIC_END_TIME, message, channel);
}

static void finish(const struct receipt *r, const wf_value *message, enum wf_state state,
                   bool moved)
{
    const wf_host *h = r->h;
    const wf_value *status = h->build(r->it, "{s:s,s:b,s:b}", "state", wf_state_name(state),
                                      "moved", moved ? 1 : 0, "final", is_end(state) ? 1 : 0);
    const wf_value *out = h->v->set_key(r->it, r->value, str_of("message"), message);
    h->emit(r->it, moved ? PORT_MOVED : PORT_OLD,
            h->v->set_key(r->it, out, str_of("status"), status));
}

/* Ends the item with what the cache has; false: it has nothing. */
static bool finish_receipt(struct receipt r, struct status_node *node)
{
    const wf_host *h = r.h;
    wf_item *it = r.it;
    wf_str text;
    struct known *known = cache_find(node->cache, &r.at, &text);
    if (!known)
        return false;
    const char *why;
    const wf_value *message = h->v->parse(it, text, &why);
    enum wf_state before = whole_state(h, node->cache, &r.at, message, known->seen);
    bool is_new = r.state > highest(known->seen);
    known->seen |= 1u << r.state;
    enum wf_state after = whole_state(h, node->cache, &r.at, message, known->seen);
    const struct status_config *c = h->config(it);
    bool moved = after > before;
    h->count(node->inst, moved ? METRIC_MOVED : METRIC_OLD, 1);
    if (is_new && add_status_row(&r, member_str(h, message, "id")) != 0)
        return true;
    if (moved && tell(&r, message, c->events, after) != 0)
        return true;
    if (is_end(after) && !is_end(before))
        count_end(&r, node, message, after);
    finish(&r, message, after, moved);
    return true;
}

bool status_finish(const wf_host *h, wf_item *it, struct status_node *node)
{
    return finish_receipt(receipt_of(h, it), node);
}

void status_unknown(const wf_host *h, wf_item *it)
{
    struct status_node *node = h->state(it);
    h->count(node->inst, METRIC_UNKNOWN, 1);
    h->pass(it, PORT_UNKNOWN);
}

void status_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct status_node *node = h->state(items[i]);
        struct receipt r = receipt_of(h, items[i]);
        const struct status_config *c = h->config(items[i]);
        if (!r.at.provider_id.len || !r.state) {
            status_unknown(h, items[i]); /* it names no message, or no state of ours */
        } else if (finish_receipt(r, node)) {
            h->count(node->inst, METRIC_CACHE_HITS, 1);
        } else {
            h->count(node->inst, METRIC_CACHE_MISSES, 1);
            lookup_wait(node, items[i], &r.at, c->hold_ms);
        }
    }
}

/* --- the node --------------------------------------------------------------------------------- */

void *status_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    const wf_sql *sql = h->service("sql/1");
    const wf_loop *loop = h->service("loop/1");
    if (!sql || !loop || !h->service("ledger/1")) {
        why->fault = WF_REJECTED;
        why->detail =
            str_of("this engine lacks sql/1, loop/1 or ledger/1: it is older than this plugin");
        return NULL;
    }
    struct status_node *node = calloc(1, sizeof *node);
    if (!node)
        abort();
    *node = (struct status_node){
        .h = h, .inst = inst, .sql = sql, .loop = loop, .cache = cache_get()
    };
    return node;
}

void status_close(const wf_host *h, void *state)
{
    (void)h;
    if (state)
        lookup_free(state);
}
