/* SPDX-License-Identifier: Apache-2.0
 * What the node's files share: its parameters, its state on a worker, a message on its way through
 * the stages.
 *
 *   firewall.c   parameters, docs of the node, the plugin
 *   node.c       open, close, the timer; frames, and items that wait for rules
 *   message.c    stage 0: an item's members
 *   stages.c     stages 1 to 8: rules and their order
 *   conds.c      what each condition asks
 *   verdict.c    what leaves: port, `firewall` member, alerts
 *   feedback.c, quarantine.c, review.c   the other nodes
 */
#ifndef FIREWALL_INT_H
#define FIREWALL_INT_H
#include "keeper.h"
#include <catalyst/plugin.h>

enum { FRAME = 1024, NOTES_MAX = 4, WAITING_MAX = 8192 };
enum port { PORT_PASSED, PORT_QUARANTINED, PORT_BLOCKED, PORT_REROUTED };
enum { THROTTLE_RETRY, THROTTLE_BLOCK };

/* Members a message is read from. */
/* clang-format off */
#define FIELDS(X) \
    X(TENANT, "tenant_id") \
    X(FROM, "from") \
    X(TO, "to") \
    X(TEXT, "text") \
    X(CLASS, "class") \
    X(ROUTE, "route_hint") \
    X(DIRECTION, "direction") \
    X(ID, "id") \
    X(PRICE, "price_micro") \
    X(SIGNAL, "signal")
/* clang-format on */
enum field {
#define X(name, text) FIELD_##name,
    FIELDS(X)
#undef X
        FIELD_COUNT
};

struct config {
    wf_str rules, model, cache, deny_file, allow_file, deny_key, allow_key, deny_saved, allow_saved;
    wf_str events, hash_key;
    wf_str fields[FIELD_COUNT];
    const wf_cred *redis;
    int throttle, scores, alert_monitor;
    int64_t poll_ms, wait_ms, keys;
};

struct note {
    const struct rule *rule;
    int64_t value;
};

struct message {
    const char *text, *from, *tenant;
    uint32_t text_len, from_len, tenant_len;
    uint64_t to, from_number, tenant_hash, sender_hash, route_hash;
    uint64_t countries;
    const wf_value *signal;
    int64_t price_micro;
    uint32_t tenant_place, route_place;
    uint8_t to_digits, from_digits, class_mask, sender_kind, direction;
    uint8_t denied, denied_from, allowed, allowed_from;
    uint8_t n_notes, has_range, is_stale;
    enum verdict verdict; /* VERDICT_NONE: undecided */
    enum reason reason;
    enum stage stage;
    const struct rule *rule;      /* that decided; or NULL */
    struct note notes[NOTES_MAX]; /* rules that matched without deciding */
    int32_t weight;
    int64_t retry_ms; /* of a throttle */
    struct range_view range;
};

/* Metrics, in the order of the node's table. */
enum metric {
    METRIC_MESSAGES,
    METRIC_ALERTS,
    METRIC_MONITORED,
    METRIC_RELOADS,
    METRIC_REFUSED,
    METRIC_TROUBLE,
    METRIC_RULES,
    METRIC_DENIED_NUMBERS,
    METRIC_LIST_AGE,
    METRIC_VERDICT,                                  /* one each */
    METRIC_STAGE = METRIC_VERDICT + VERDICT_END - 1, /* 0 to 8 */
    METRIC_REASON = METRIC_STAGE + STAGES,           /* one each */
    METRIC_CLASS = METRIC_REASON + REASON_END - 1,   /* by class, then verdict */
    METRIC_FRAME = METRIC_CLASS + CLASSES * (VERDICT_END - 1),
    METRICS
};

struct node {
    const wf_host *h;
    wf_inst *inst;
    const struct config *c;
    const wf_loop *loop; /* or NULL */
    const wf_sql *sql;   /* or NULL */
    wf_timer *timer;
    struct keeper *keeper;
    struct rates *rates;
    struct snapshot *snapshot; /* of this worker; or NULL */
    uint64_t generation;       /* of the snapshot */
    struct content_scratch *scratch;
    uint8_t hash_key[16];
    int64_t now_ms, age_ms;
    int64_t counts[METRICS]; /* of this frame */
    uint8_t field_of[64];    /* by length of name and its last letter: field + 1 */
    int fields_are_plain;
    /* of the frame */
    size_t n;
    wf_item *const *items;
    struct message messages[FRAME];
    struct content_message texts[FRAME];
    struct content_result results[FRAME];
    uint64_t numbers[FRAME];
    uint8_t hits[FRAME];
    uint16_t live[FRAME], some[FRAME];
    size_t n_live;
    wf_ticket *waiting; /* items that came before there were rules */
    size_t n_waiting;
};

/* --- message.c -------------------------------------------------------------------------------- */

void message_fields(struct node *d);
/* Fills messages[i] of all items; wrong ones are decided. */
void message_read_all(struct node *d);

/* --- stages.c, conds.c ------------------------------------------------------------------------ */

void stages_run(struct node *d);
/* Whether all conditions of the rule hold for message `i`; counts what they count. */
int conds_hold(struct node *d, const struct rule *rule, size_t i);
/* Whether the rule has a condition of this kind (COND_NEAR, COND_SCORE) and all others that count
 * nothing hold: whether the answer matters at all. */
int conds_may_hold(struct node *d, const struct rule *rule, enum cond_kind kind, size_t i);
/* Has what its rates need fetched. */
void conds_fetch(struct node *d, const struct rule *rule, size_t i);

/* --- verdict.c -------------------------------------------------------------------------------- */

void verdict_finish_all(struct node *d);

/* --- node.c ----------------------------------------------------------------------------------- */

void *node_open(const wf_host *h, wf_inst *inst, wf_error *why);
void node_close(const wf_host *h, void *state);
void node_process(const wf_host *h, wf_item *const *items, size_t n);
int node_check(const wf_host *h, const void *config, char *why, size_t why_size);
void node_audit(struct node *d);

static inline void node_count(struct node *d, unsigned metric) { d->counts[metric]++; }

#endif
