/* SPDX-License-Identifier: Apache-2.0
 * rules.h - a rules file, checked and compiled: what the stages go by. Immutable but for hit
 * counters and the sketches that rules share with the set they replaced; reference counted.
 *
 *   rules_load.c   the file: JSON to struct rules, all mistakes at once, with line and suggestion
 *   rules_when.c   conditions of rules: the table of their names and forms
 *   words.c        durations, actions, reasons, edit distance
 *   registry.c     registered senders, brands
 *
 * Thread: any; loading may take seconds (patterns are compiled).
 */
#ifndef FIREWALL_RULES_H
#define FIREWALL_RULES_H
#include "content.h"
#include "sketch.h"
#include "tree.h"
#include <stdatomic.h>

/* --- words ------------------------------------------------------------------------------------ */

enum stage {
    STAGE_PARSE = 0,
    STAGE_ALLOW,
    STAGE_DENY,
    STAGE_SENDER,
    STAGE_RATE,
    STAGE_CONTENT,
    STAGE_NEAR,
    STAGE_SCORE,
    STAGE_VERDICT,
    STAGES
};

#define VERDICTS(X)                                                                                \
    X(PASS, "pass")                                                                                \
    X(TAG, "tag")                                                                                  \
    X(THROTTLE, "throttle")                                                                        \
    X(QUARANTINE, "quarantine") X(DROP, "drop") X(REJECT, "reject") X(REROUTE, "reroute")
enum verdict {
    VERDICT_NONE = 0,
#define X(name, text) VERDICT_##name,
    VERDICTS(X)
#undef X
        VERDICT_END
};
const char *verdict_name(enum verdict v);

/* Why a message got its verdict: the closed list of codes. */
#define REASONS(X)                                                                                 \
    X(MALFORMED, "malformed", "a member is missing or of the wrong kind")                          \
    X(BAD_NUMBER, "bad_number", "the recipient is no telephone number")                            \
    X(ALLOWED, "allowed", "it stands on an allow list")                                            \
    X(NUMBER, "number", "a number stands on a deny list or in a denied range")                     \
    X(SENDER, "sender", "the sender is denied")                                                    \
    X(HOST, "host", "a host of a URL is denied")                                                   \
    X(SIGNAL, "signal", "attributes of signalling contradict each other")                          \
    X(UNREGISTERED, "unregistered", "the sender is not registered for country and tenant")         \
    X(LOOKALIKE, "lookalike", "the sender looks like a brand it does not belong to")               \
    X(RATE, "rate", "too many at once")                                                            \
    X(LIMIT, "limit", "more than its window allows")                                               \
    X(VELOCITY, "velocity", "too many in the window")                                              \
    X(DISTINCT, "distinct", "too many different recipients")                                       \
    X(NEW_SENDER, "new_sender", "a sender not seen before")                                        \
    X(RATIO, "ratio", "sends much and receives nearly nothing")                                    \
    X(COST, "cost", "the cost cap of the window is reached")                                       \
    X(VOLUME, "volume", "far above what is usual for tenant and range")                            \
    X(RANGE, "range", "consecutive numbers")                                                       \
    X(CONVERSION, "conversion", "hardly any of the codes sent is used")                            \
    X(SHARE, "share", "one key makes most of the traffic")                                         \
    X(CONTENT, "content", "the text")                                                              \
    X(NEAR, "near", "near duplicates")                                                             \
    X(SCORE, "score", "the model's score")                                                         \
    X(WEIGHT, "weight", "the weights of the rules that matched")                                   \
    X(STALE, "stale", "lists are older than the route may go by")                                  \
    X(POLICY, "policy", "a rule of the operator")
enum reason {
    REASON_NONE = 0,
#define X(name, text, help) REASON_##name,
    REASONS(X)
#undef X
        REASON_END
};
const char *reason_name(enum reason r);
enum reason reason_of(const char *name); /* REASON_NONE: there is no such */

/* "500ms", "10s", "5m", "2h", "1d", or a number of milliseconds; 0 or -1. */
int words_duration(const struct tree *t, int64_t *ms);
/* A sender in lower case, cut to SENDER_BYTES; returns its length. */
enum { SENDER_BYTES = 64 };
size_t words_lower(const char *text, size_t len, char out[SENDER_BYTES]);
/* Letters to be changed, at most `max` + 1. */
unsigned words_distance(const char *a, size_t a_len, const char *b, size_t b_len, unsigned max);
/* The word of a list (ends with NULL) that `word` may have been meant for, or NULL. */
const char *words_suggest(const char *word, const char *const *list);

/* --- conditions ------------------------------------------------------------------------------- */

enum per { PER_TENANT = 1, PER_SENDER = 2, PER_RECIPIENT = 4, PER_ROUTE = 8, PER_RANGE = 16 };
enum sender_kind { SENDER_ALPHANUMERIC = 1, SENDER_NUMERIC = 2, SENDER_SHORT = 4, SENDER_NONE = 8 };
enum class { CLASS_OTP = 1, CLASS_TRANSACTIONAL = 2, CLASS_MARKETING = 4, CLASS_NONE = 8 };
enum { CLASSES = 4 };
enum direction { DIRECTION_MT = 1, DIRECTION_MO = 2 };

enum cond_kind {
    COND_CLASS = 1,
    COND_SENDER_KIND,
    COND_URL,
    COND_SHORTENER,
    COND_DISGUISED,
    COND_MIN_LENGTH,
    COND_TO,
    COND_FROM,
    COND_SENDER,
    COND_HOST,
    COND_SIGNAL,
    COND_LIST,
    COND_LIST_FROM,
    COND_REGISTRY,
    COND_RATE,
    COND_LIMIT,
    COND_COUNT,
    COND_DISTINCT,
    COND_NEW_SENDER,
    COND_RATIO,
    COND_COST,
    COND_VOLUME,
    COND_RUN,
    COND_GROWTH,
    COND_CONVERSION,
    COND_SHARE,
    COND_CONTENT, /* text, words, regex, regexRaw: told by the content engine */
    COND_NEAR,
    COND_SCORE,
    COND_WEIGHT
};

struct prefix {
    uint64_t value;
    unsigned digits;
};

struct word {
    const char *text; /* senders: lower case; hosts: lower case */
    uint32_t len;
    uint32_t is_open; /* ended with '*' */
};

struct signal_test {
    const char *of, *other; /* other NULL: prefixes */
    size_t of_len, other_len;
    unsigned digits; /* how many must agree */
    int is_not;      /* none of the prefixes */
};

struct cond {
    enum cond_kind kind;
    uint32_t mask; /* classes, sender kinds, per */
    int truth;     /* of yes and no; which list (0 deny, 1 allow); registry: 1 look-alike */
    int64_t limit; /* limit, above, length, minLength */
    int64_t window_ms, burst, learn_ms;
    double ratio; /* below, factor, share */
    uint32_t n;
    const struct prefix *prefixes;
    const struct word *words;
    struct signal_test signal;
    struct sketch *sketch; /* of count, distinct, ratio, share */
};

/* --- rules ------------------------------------------------------------------------------------ */

struct scope {
    const uint64_t *tenants, *routes; /* bits by place in rules->tenants, routes; NULL: all */
    uint64_t countries;               /* bits of rules->countries; 0: all */
    unsigned directions;              /* 0: all */
};

struct rule {
    const char *id, *code, *route; /* code of reject, route of reroute; or NULL */
    uint64_t id_hash;              /* the same over reloads: rates are kept by it */
    unsigned line;
    enum stage stage;
    enum verdict verdict;
    enum reason reason;
    int is_monitor, weight;
    int64_t hold_ms, expires_ms;
    int has_scope;
    struct scope scope;
    uint32_t n_conds, index;
    struct cond *conds; /* cheap first */
};

/* Names to places, from 1. */
struct names {
    uint32_t n, size;
    uint64_t *hashes;
    uint32_t *places;
};
uint32_t names_find(const struct names *s, uint64_t hash); /* 0: not there */

struct registry;

struct rules {
    _Atomic uint32_t refs;
    struct pool *pool;
    char hash[17]; /* of the file's bytes */
    uint32_t n, n_content;
    struct rule *rules;
    uint32_t n_stage[STAGES];
    const struct rule **stage[STAGES];
    _Atomic uint64_t *hits; /* n */
    struct names tenants, routes;
    uint32_t n_countries;
    struct prefix countries[64];
    const struct registry *registry;
    struct content *content; /* NULL: no rule needs texts */
    int needs_text, needs_near, needs_score, needs_ait, needs_cost, needs_signal;
    int64_t near_window_ms, ait_window_ms, conversion_window_ms;
    uint32_t n_prices;
    const struct prefix *price_prefixes; /* longest first */
    const int64_t *prices_micro;
    int64_t stale_ms;
    enum verdict stale_verdict;
    const uint64_t *closed_routes; /* bits; NULL: none */
    char *text;                    /* the file, for the audit */
    size_t text_len;
};

/* `old`: counters and sketches of rules that stay come along; NULL: none. `model_file` NULL: the
 * built-in one. `cache_folder` NULL: compiled patterns are kept nowhere. NULL: *why has all
 * mistakes, a line each, in memory of its own (free()). */
struct rules *rules_load(const char *text, size_t len, const char *model_file,
                         const char *cache_folder, const struct rules *old, char **why);
struct rules *rules_ref(struct rules *r);
void rules_unref(struct rules *r); /* NULL is fine */

/* --- the registry of senders ------------------------------------------------------------------ */

/* `to` decides the country. 1 registered, 0 not, -1: nothing is registered for the country. */
int registry_has(const struct registry *g, uint64_t to, unsigned to_digits, uint64_t tenant,
                 uint64_t sender);
/* 1 when the sender looks like a brand that does not belong to the tenant. */
int registry_looks_alike(const struct registry *g, const char *sender, size_t len, uint64_t tenant);

void registry_fini(const struct registry *g); /* what is not in the pool */

/* Hash of a tenant, route or other name; and of a sender, whose case does not count. */
uint64_t name_hash(const char *text, size_t len);
uint64_t sender_hash(const char *text, size_t len);

unsigned digits_of(uint64_t number);
int prefix_fits(const struct prefix *p, uint64_t number, unsigned digits);

#endif
