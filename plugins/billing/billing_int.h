/* SPDX-License-Identifier: Apache-2.0
 * What the files of the billing plugin share: the worker's tenants and slices, the rows of the
 * ledger, and the steps of the three nodes.
 *
 * Everything here belongs to one worker and is used on its thread only, but for the snapshot of the
 * rates, which is read by all.
 */
#ifndef PLUGIN_BILLING_INT_H
#define PLUGIN_BILLING_INT_H
#include "money.h"
#include "rates.h"
#include <catalyst/channel.h>
#include <catalyst/plugin.h>
#include <string.h>

#define STR_OF(text) ((wf_str){ text, sizeof(text) - 1 })
#define STR_INIT(text)                                                                             \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    } /* in static tables */
#define COUNT_OF(list) (sizeof(list) / sizeof *(list))

/* --- the worker ------------------------------------------------------------------------------- */

enum { TENANT_NAME_MAX = 200, MESSAGE_ID_MAX = 200, USAGES_MAX = 256 };

enum tenant_state {
    TENANT_NEW = 1, /* not asked for yet, or being asked for */
    TENANT_KNOWN,
    TENANT_UNKNOWN /* the store has none; asked again after a while */
};
enum point { POINT_SUBMIT = 1, POINT_DELIVERY };

/* What of a month a tenant has used of a card: counted by all workers, with some lag. */
struct usage {
    char card[RATE_NAME_MAX + 1];
    int64_t month, base, delta; /* base: what the store counts; delta: what it was not told yet */
};

/* An item that waits for its tenant. */
struct waiter {
    struct waiter *next;
    wf_ticket ticket;
    struct node *node;
    int64_t amount_micro; /* what it costs; 0: not known yet */
    int is_asked;         /* the request under way counts it */
};

struct tenant {
    struct tenant *next; /* in its bucket */
    uint64_t hash;
    char *name;
    size_t name_len;
    enum tenant_state state;
    int64_t retry_ms; /* UNKNOWN: when to ask again; KNOWN: no grant before, the money is out */
    int64_t used_ms;  /* the last reservation */

    char currency[4], card[RATE_NAME_MAX + 1], tier[RATE_NAME_MAX + 1], zone_name[64], points[200];
    int is_suspended;
    int64_t bundle, hold_ttl_s;
    struct money_zone *zone;
    struct money_month month;
    const struct rate_card *cards[3]; /* of the worker's snapshot */
    int64_t rates_serial;             /* which snapshot; 0: look them up */
    struct usage *usages;             /* the latest used first */
    unsigned n_usages;

    int64_t slice; /* 0: none yet */
    int64_t avail_micro, lease_ms;
    int64_t low_micro;   /* with less than that more is asked for early; 0: when it is short */
    int64_t price_micro; /* of the last message */
    int is_rich;         /* the slice is little of what the tenant can spend: nobody misses it */
    int64_t rate_from_ms, rate_micro; /* reserved since then: how large the next slice is */
    int has_horizon;
    int64_t horizon_us; /* its latest message in the ledger before this worker's own */
    struct waiter *first, **last;
    int64_t asked_micro; /* what those who waited needed at the last request */
    int is_out;          /* and there was less than that */
    int wants, asked;    /* on the list of the next request; in the one under way */
    struct tenant *next_asked;
};

/* What became of a message here: answers repetitions, and settles without asking the store. */
enum hold_state { HOLD_RESERVED = 1, HOLD_COMMITTED, HOLD_RELEASED };
struct hold {
    uint64_t key, body, by; /* by: the item, the same when its execution begins again */
    int64_t amount_micro, unit_micro, slice;
    int64_t at_us; /* the message's */
    uint32_t units;
    uint8_t state;
};

/* One of our nodes on this worker. */
struct node {
    struct worker *worker;
    const wf_host *h;
    wf_inst *inst;
    struct node *next;
    int is_closed;
    uint32_t jobs; /* calls under way that name it; freed at 0 when closed */
};

struct look;
struct text;
struct worker {
    const wf_host *h;
    const wf_sql *sql;
    const wf_ledger *ledger;
    const wf_loop *loop; /* NULL: no timers, work is done when items come */
    struct node *nodes;
    char owner[40];
    int64_t next_slice, seq;
    uint32_t jobs; /* calls under way that name it */

    struct tenant **buckets;
    size_t n_buckets, n_tenants;
    struct tenant *wanting; /* by next_asked */
    int is_asking;
    int64_t ask_ms; /* no request before: the store did not answer */

    struct hold *holds;
    uint32_t *hold_slots;
    uint64_t n_holds;  /* ever added */
    int64_t forgot_us; /* the latest message that had to make room for another */
    int64_t front_us;  /* the latest message seen, by this clock no later than now */
    struct look *look; /* of the frame at hand: who asks the store about an earlier life; or NULL */
    int may_look;

    struct rates *rates;
    int64_t rates_serial, tenants_version;
    struct waiter *rates_first, **rates_last;
    struct rate_load *load;
    int is_looking;                     /* at the versions */
    int64_t now_ms, ahead_ms;           /* see worker_clock() */
    int64_t look_ms, lease_ms, idle_ms; /* when next */
    wf_timer *timer;
    wf_inst *timer_inst;
};

/* One worker per thread, made with the first of our nodes. NULL: *why says what is not offered. */
struct node *node_open(const wf_host *h, wf_inst *inst, wf_error *why);
void node_close(struct node *node);
/* What is due: refresh, leases, idle slices, requests. Called with every frame and by a timer. */
void worker_tick(struct worker *w, int64_t now_ms);
int64_t wall_ms(void);
/* The worker's own time, now: no earlier than the wall clock ever was, and it never goes back, so
 * that leases end and what is due is done whoever sets the clock. wall 0: it is not known. */
int64_t worker_clock(struct worker *w, int64_t wall);
/* Cleared. Aborts when there is none. */
void *worker_memory(size_t bytes);

/* Statements for a node; `fn` gets arg. The job keeps worker and node alive. */
typedef void sql_fn(struct worker *w, struct node *node, void *arg, const wf_rows *rows);
int worker_sql(struct worker *w, struct node *node, const wf_statement *statements, size_t n,
               sql_fn *fn, void *arg);

struct tenant *tenant_of(struct worker *w, const char *name, size_t len);
void tenant_wait(struct tenant *t, struct node *node, wf_ticket ticket, int64_t amount_micro);
void tenant_want(struct worker *w, struct tenant *t); /* on the next request */
void tenant_forget_slice(struct tenant *t);
struct usage *tenant_usage(struct tenant *t, const char *card, int64_t month);
enum point tenant_point(const struct tenant *t, const char *channel, size_t len);
void tenant_fill(struct worker *w, struct tenant *t, const wf_str *cells); /* CONFIG_COLUMNS */
#define CONFIG_COLUMNS                                                                             \
    "c.tenant_id, c.currency, c.time_zone, c.card, c.tier, c.charge_points, c.status, "            \
    "c.hold_ttl_s, c.bundle_units"
enum { CONFIG_CELLS = 9 };

/* grant.c: money for those that wait. */
void grant_ask(struct worker *w, int64_t now_ms);
void lease_renew(struct worker *w, int64_t now_ms);
void slices_give_back(struct worker *w, int64_t now_ms, int is_closing); /* those that are idle */

/* load.c: the snapshot of the rates. */
void rates_look(struct worker *w, int64_t now_ms); /* newer rates or tenants? */
void rates_wait(struct worker *w, struct node *node, wf_ticket ticket);
void rates_join(void);
void rates_close(struct worker *w);
void rates_waiters_go(struct worker *w);

/* Rows b of the ledger by their keys w: `[{"i":..,"t":tenant,"k":id + end},..]` as $1. PostgreSQL
 * looks each up by the index: left to choose, it reads whole partitions that it takes for small. */
#define LEDGER_ROWS_PG                                                                             \
    "jsonb_to_recordset($1::jsonb) AS w(i bigint, t text, k text) CROSS JOIN LATERAL (SELECT * "   \
    "FROM billing_transactions x WHERE x.tenant_id = w.t AND x.idempotency_key = w.k LIMIT 1) b"
#define LEDGER_ROWS_SQLITE                                                                         \
    "(SELECT CAST(value->>'i' AS INTEGER) AS i, value->>'t' AS t, value->>'k' AS k "               \
    "FROM json_each($1)) AS w JOIN billing_transactions b ON b.tenant_id = w.t "                   \
    "AND b.idempotency_key = w.k"
void ledger_key(struct text *list, size_t i, wf_str tenant, wf_str id, const char *end);

/* lookback.c: a message that this worker's memory does not reach may have been reserved before. 1:
 * the item is parked until the store has told. */
int look_back(struct node *node, wf_item *it, const struct tenant *t, wf_str id, int64_t at_us,
              int64_t now_ms, int64_t timeout_ms);
/* Around many items that are reserved for the first time: gathers, and asks for all at once. */
void look_back_begin(struct worker *w);
void look_back_flush(struct worker *w);

/* holds.c. Pointers are good until the next hold is added. hold_add: the key is in no other. */
void holds_open(struct worker *w);
void holds_close(struct worker *w);
struct hold *hold_find(struct worker *w, uint64_t key);
struct hold *hold_add(struct worker *w, uint64_t key, int64_t at_us, int64_t now_ms);
uint64_t hold_key(wf_str tenant, wf_str id); /* never 0 */
int is_ahead(int64_t at_us, int64_t now_ms); /* later than clocks may differ */

/* --- a growing text --------------------------------------------------------------------------- */

struct text {
    char *ptr;
    size_t len, size;
};
void text_add(struct text *t, const char *s, size_t len);
void text_addf(struct text *t, const char *format, ...) WF_PRINTF(2, 3);
void text_json(struct text *t, const char *s, size_t len); /* with quotes */
void text_free(struct text *t);
int64_t int_of(wf_str cell); /* 0 for null */

/* --- the ledger ------------------------------------------------------------------------------- */

enum ledger_op { OP_RESERVE = 1, OP_COMMIT, OP_RELEASE, OP_REFUND };

/* One line of the ledger, as of the item: texts are borrowed. */
struct charge {
    enum ledger_op op;
    wf_str tenant, id, channel, currency, card, prefix;
    int64_t amount_micro, hold_micro, units, unit_micro, version, slice, accept_us;
    uint64_t body;
};
const char *op_name(enum ledger_op op);
/* Ends an INSERT of ledger lines that are not the turn's: one that is there already stays as it is,
 * and one with its key that is another is refused. */
#define LEDGER_ONCE                                                                                \
    "ON CONFLICT (tenant_id, idempotency_key) DO UPDATE SET body = "                               \
    "catalyst_refuse(excluded.body, 'billing_same_key_other_body') "                               \
    "WHERE billing_transactions.body <> excluded.body"
/* The row leaves with the turn, and the event when there is a topic. -1: the store has no tables.
 */
int ledger_write(struct worker *w, wf_item *it, const struct charge *c, wf_str topic);

/* --- nodes ------------------------------------------------------------------------------------ */

struct reserve_config {
    wf_str events, id, tenant, to, channel, text, segments, class_name, ts, network;
    int direction, on_outage;
    int64_t timeout_ms;
};
enum { PORT_RESERVED, PORT_DENIED };
enum {
    COUNT_RESERVED,
    COUNT_REPEATED,
    COUNT_RESERVED_MICRO,
    COUNT_GRANTS,
    COUNT_GRANT_MICRO,
    COUNT_GRANT_MS,
    COUNT_WAITED,
    COUNT_DENIED
}; /* then one for each reason */
enum { OUTAGE_QUEUE, OUTAGE_DENY };
/* Reserves or denies; parks where money or rates are still to come. `final`: the money that could
 * be had is there, what it does not cover is denied. */
void reserve_item(struct node *node, wf_item *it, const struct reserve_config *c, int64_t now_ms,
                  int final);
void reserve_deny(struct node *node, wf_item *it, const char *reason, const char *words);
void reserve_process(const wf_host *h, wf_item *const *items, size_t n);
extern const wf_param reserve_params[];
extern const wf_pair reserve_codes[];
extern const wf_metric reserve_metrics[];
extern const char reserve_docs[];

struct settle_config {
    wf_str events;
    int operation;
    int64_t amount_micro; /* -1: all of it */
};
enum { SETTLE_AUTO, SETTLE_COMMIT, SETTLE_RELEASE, SETTLE_REFUND };
enum { PORT_SETTLED, PORT_REPEATED, PORT_REFUSED };
void settle_process(const wf_host *h, wf_item *const *items, size_t n);
extern const wf_param settle_params[];
extern const wf_pair settle_codes[];
extern const wf_metric settle_metrics[];
extern const char settle_docs[];

void account_process(const wf_host *h, wf_item *const *items, size_t n);
int account_check(const wf_host *h, const void *config, char *why, size_t why_size);
extern const wf_param account_params[];
extern const wf_metric account_metrics[];
extern const char account_docs[];

/* account.c and its operations */
enum account_op {
    ACCOUNT_TOP_UP,
    ACCOUNT_ADJUST,
    ACCOUNT_BALANCE,
    ACCOUNT_PRICE,
    ACCOUNT_INVOICE,
    ACCOUNT_RECONCILE,
    ACCOUNT_EXPIRE,
    ACCOUNT_LOAD,
    ACCOUNT_CHANGED,
    ACCOUNT_APPLY,
    ACCOUNT_TENANT,
    ACCOUNT_LOW
};
struct account_config {
    int operation, direction, finish;
    wf_str tenant, key, currency, channel, to, class_name, month, card, note, events, network;
    int64_t amount_micro, units, at_us, within_ms, fold_ms, limit, from_us;
    int64_t below_micro, clear_micro;
    const wf_value *settings, *rows, *cache;
};
enum { ACCOUNT_DONE, ACCOUNT_REFUSED };
enum { ACCOUNT_COUNT_DONE, ACCOUNT_COUNT_REFUSED, ACCOUNT_COUNT_EXPIRED, ACCOUNT_COUNT_DRIFT };
/* An operation that waits for the store. */
struct account_job {
    struct node *node;
    wf_ticket ticket;
    const struct account_config *c; /* of the item: valid while it is */
    void (*then)(struct account_job *job, wf_item *it, const wf_rows *rows);
    wf_str tenant; /* in the item's memory */
    struct money_month month;
    char currency[4];
    int step;
    void *more; /* in the item's memory */
};
/* Runs statements for an item and calls `then` with their rows; refuses the item where they fail.
 */
void account_run(struct account_job *job, wf_item *it, const wf_statement *statements, size_t n,
                 void (*then)(struct account_job *, wf_item *, const wf_rows *));
void account_emit(struct account_job *job, wf_item *it, const wf_value *billing); /* frees job */
void account_refuse(struct account_job *job, wf_item *it, const char *reason, const char *words);
const wf_value *account_row(const wf_host *h, wf_item *it, const char *const *names,
                            const wf_str *cells);
void account_push_rows(struct account_job *job, wf_item *it, const wf_rows *rows,
                       const char *const *names); /* an output item for each; ends it */
void expire_start(struct account_job *job, wf_item *it);
void low_start(struct account_job *job, wf_item *it);
void invoice_start(struct account_job *job, wf_item *it);
void reconcile_start(struct account_job *job, wf_item *it);
void load_start(struct account_job *job, wf_item *it);
#endif
