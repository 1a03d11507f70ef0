/* SPDX-License-Identifier: Apache-2.0
 * keeper.h - what all workers of the process share: rules, lists of numbers, rates.
 *
 *   struct keeper    watches a rules file and the sources of lists on threads of its own; nodes
 * with the same sources share one, so a list of 100 million numbers is there once struct snapshot
 * rules and lists as they were at one moment: immutable, reference counted. A worker holds one for
 * a frame and longer; what is replaced goes when the last one has let go of it. No message waits
 * for a reload, none sees half of one. struct rates     counters of rates; they outlive reloads and
 * belong to the rules file's name
 *
 * A rules file that is wrong changes nothing: the old rules stay, and an event says why.
 * Threads: the functions are for any thread; those of a keeper block, workers never wait for them
 * but for a mutex that is held for a pointer's exchange.
 */
#ifndef FIREWALL_KEEPER_H
#define FIREWALL_KEEPER_H
#include "numbers.h"
#include "rules.h"

enum list_name { LIST_DENY = 0, LIST_ALLOW = 1, LIST_NAMES };

struct redis_source {
    const char *host, *path, *user, *password, *ca_file, *cert_file, *key_file, *server_name;
    int port, database, is_tls, is_insecure; /* host NULL or "" and path "": none */
    const char *key[LIST_NAMES];             /* "" or NULL: not of Redis */
    int is_risk;                             /* scores are no expiry */
};

struct keeper_config {
    const char *rules_file, *model_file; /* model_file "" or NULL: none */
    const char *cache_folder;            /* of compiled patterns; "" or NULL: none */
    const char *list_file[LIST_NAMES];   /* "" or NULL: none */
    const char *saved_file[LIST_NAMES];  /* where lists of Redis are kept; "" or NULL: nowhere */
    struct redis_source redis;
    int64_t poll_ms, lists_wait_ms;
    size_t keys; /* of the rates */
};

struct rates {
    struct rates *next;
    char *name;
    unsigned refs;
    struct slots *buckets, *windows, *seen;
    struct ranges *ranges;
    /* As the newest rules have them, for who feeds back without rules. */
    _Atomic int64_t window_ms, conversion_window_ms;
};
struct rates *rates_get(const char *name, size_t keys);
void rates_put(struct rates *r);

struct snapshot {
    _Atomic uint32_t refs;
    struct rules *rules;
    struct numbers *lists[LIST_NAMES];
    struct numbers_delta *deltas[LIST_NAMES];
    char version[32]; /* hash of the rules file, number of the load */
};
void snapshot_unref(struct snapshot *s); /* NULL is fine */

/* Something that was loaded, or could not be. */
struct keeper_event {
    int64_t at_ms;
    int is_rules, failed;
    char version[32], source[200], text[600];
    uint64_t count;      /* rules, or numbers */
    struct rules *rules; /* of a load of rules, one reference; else NULL */
};

struct keeper;
struct keeper *keeper_get(const struct keeper_config *c);
void keeper_put(struct keeper *k); /* its threads end by themselves */
/* Grows with every snapshot: a worker that has seen this one has the newest. */
uint64_t keeper_generation(const struct keeper *k);
/* With a reference; NULL while rules, or lists that are waited for, are not there. */
struct snapshot *keeper_snapshot(struct keeper *k);
/* The oldest event nobody took; 1, or 0: there is none. */
int keeper_event(struct keeper *k, struct keeper_event *out);
/* One node of those that share a keeper speaks for it: 1 when it is this one. */
int keeper_speaks(struct keeper *k, const void *node);
void keeper_silence(struct keeper *k, const void *node); /* the node goes */
/* The rules of any keeper that watches this file, with a reference; or NULL. */
struct rules *keeper_rules_of(const char *rules_file);
/* How long ago the lists were last known to be as their source has them; 0 without sources. */
int64_t keeper_age_ms(const struct keeper *k, int64_t now_ms);
/* Why there is no snapshot, or why the newest file was not taken; "" when all is well. */
void keeper_trouble(struct keeper *k, char *text, size_t size);
/* Waits until a snapshot newer than `generation` is there. 0, or -1: not in time. For tests and
 * tools. */
int keeper_wait(struct keeper *k, uint64_t generation, int64_t ms);
/* Keepers whose threads have not ended. For tests: what is left is freed before the process ends.
 */
unsigned keeper_threads(void);

int64_t wall_ms(void);

#endif
