/* SPDX-License-Identifier: Apache-2.0
 * sim: one simulated world around the real engine. Clock, store, source, sink, partners and crashes
 * are made here and follow one seed, so a world that fails can be seen again exactly.
 *
 *   world.c  the steps: which of the things that may happen now does happen
 *   unit.c   an engine process: lanes it takes, its io table, its death
 *   store.c  the store: lanes, blocks, rows, transactions with weather
 *   nodes.c  a plugin whose nodes wait, write rows, send and fail as a message says
 *   check.c  what must be true at the end
 *
 * Thread: one. Nothing blocks.
 */
#ifndef CATALYST_SIM_H
#define CATALYST_SIM_H
#include "engine/engine.h"
#include <stdio.h>

enum { PARTS_MAX = 4, MESSAGES_MAX = 40, UNITS = 2, INDEX_MAX = 96, SOURCE = 7 };
/* Row 0 of an item is written by the node that acts and then waits. */
enum { ITEMS_MAX = 3, ROWS_MAX = 3, ACT_ROW = 0 };

enum sim_wait {
    WAIT_NONE, /* the item goes on at once */
    WAIT_REQUEST,
    WAIT_PARK,
    WAIT_OFFLOAD,
    WAIT_RETRY, /* succeeds at the third try */
    WAIT_FAIL,
    WAITS
};

/* What a message asks for, and what became of it. */
struct message {
    char text[200];
    bool malformed, bad_row, unique_row;
    unsigned items, wait, wait_mid, wait_late, rows, outputs;
    bool must_fail, may_fail;
    bool mended;      /* the store takes its bad row from now on */
    bool marked;      /* to be run again */
    unsigned marks;   /* so often it was */
    uint64_t handed;  /* epoch in which its row was handed out; 0: not since it was written */
    bool step_passed; /* each_step: the effect's result was let through */
    int64_t retried_us[3][4]; /* by waiting node and attempt: when it first asked for another try */
    uint64_t begun[3][ITEMS_MAX]; /* by waiting node and item: the epoch of its latest call; 0: none
                                     whose outcome is not known */
    unsigned alarms;              /* error workflows that were started for it */
    unsigned succeeded, failed;   /* columns of blocks that name it */
    unsigned rows_kept[ITEMS_MAX][ROWS_MAX]; /* ledger rows in the store */
    bool has_exec;                           /* its row in the store */
    struct store_exec exec;                  /* state is malloc'd */
    char error[256];                         /* of its row */
    unsigned outputs_kept;                   /* outputs in its block */
    char *bodies[INDEX_MAX];                 /* first body the sink saw per output */
    unsigned seen[INDEX_MAX];
};

struct sim_block {
    struct sim_block *next;
    uint64_t seq;
    struct store_block block; /* copies */
};

/* A lane in the store, and its messages. */
struct sim_lane {
    uint64_t epoch, position, block_seq, released, begun;
    struct sim_block *blocks, *last;
    uint64_t taken; /* positions below it were handed to an engine */
    unsigned n;
    struct message messages[MESSAGES_MAX];
    const struct unit *owner; /* who took it last, apart from the epoch: the judge of zombies */
    uint64_t owner_life;
};

enum event_kind {
    EV_APPLY = 1,
    EV_COMMITTED,
    EV_ARRIVE,
    EV_ACKNOWLEDGED,
    EV_REPLY,
    EV_WOKEN,
    EV_BEGIN,
    EV_OFFLOADED
};
struct event {
    struct event *next;
    enum event_kind kind;
    int64_t due_us;
    struct unit *unit;
    uint64_t life;           /* of the unit when it asked; another one since: the answer is lost */
    struct tx *tx;           /* APPLY, COMMITTED */
    struct sending *sending; /* ARRIVE, ACKNOWLEDGED */
    wf_ticket ticket;
    wf_reply_fn *reply;
    wf_wake_fn *wake;
    void (*work)(void *job);
    void *job;
    int status;
    const wf_host *h; /* BEGIN */
    /* ARRIVE; BEGIN: the item */
    unsigned partition, index;
    uint64_t position;
    char *body;
};

/* A block whose outputs are under way to the sink. */
struct sending {
    struct sending *next;
    struct lane *lane; /* NULL: the lane was lost */
    uint64_t seq;
    unsigned waiting;
};

enum open_state { OPEN_NOT, OPEN_TAKEN, OPEN_ADDED, OPEN_RESENT, OPEN_READY };
/* A lane as an engine process holds it. */
struct holding {
    struct unit *unit;
    unsigned partition;
    enum open_state state;
    struct store_lane at;
    struct lane *lane;
    uint64_t next; /* message to take */
};

/* One engine process. */
struct unit {
    struct engine *engine; /* NULL: dead */
    struct engine_plan *ep;
    uint64_t life;
    struct holding lanes[PARTS_MAX];
    struct sending *sending;
    struct tx *flight;
    int64_t accepted, released; /* events handed in and given back */
};

struct world {
    uint64_t seed, random, nonce, lives;
    bool verbose, calm; /* calm: no more crashes, everything is answered */
    int64_t now_us, wall_us;
    enum durability durability;
    bool wall_jumps;
    bool lenient; /* the node that acts hands what fails on, by its error output */
    struct plan *plan;
    unsigned parts, units, frames_max;
    struct engine_limits limits;
    struct sim_lane lanes[PARTS_MAX];
    struct unit unit[UNITS];
    int owner[PARTS_MAX]; /* unit the source gives the partition to; -1: none */
    struct event *events;
    uint64_t steps;
    unsigned crashes, steals, fenced, bad_rows, resent, restored, applied;
};
extern struct world world;

/* main.c */
_Noreturn void sim_fail(const char *format, ...) WF_PRINTF(1, 2);
void sim_say(const char *format, ...) WF_PRINTF(1, 2);
extern const wf_plugin sim_plugin; /* nodes.c */

/* world.c */
uint64_t sim_random(void);
unsigned sim_below(unsigned n); /* 0 .. n-1 */
bool sim_chance(unsigned percent);
/* A new event in up to `within_us`. */
struct event *sim_event(enum event_kind kind, struct unit *unit, unsigned within_us);
struct message *sim_message(unsigned partition, uint64_t position);
/* A plan for each durability, and for `lenient`. */
void sim_world(uint64_t seed, struct plan *plans[DURABILITY_EACH_STEP + 1][2]);

/* nodes.c */
void sim_begin(const struct event *ev);

/* unit.c */
void unit_start(struct unit *u);
void unit_crash(struct unit *u);
void unit_lane_open(struct unit *u, unsigned partition); /* the next stage of taking it */
void unit_lane_revoke(struct unit *u, unsigned partition, bool drain);
/* Hands out what was marked to run again. */
void unit_retry(struct unit *u, struct holding *h);
void unit_take(struct unit *u, struct holding *h, unsigned n);
void unit_acknowledged(struct unit *u, struct sending *s);

/* store.c */
void store_io_commit(void *ctx, const struct store_turn *turn);
void store_apply(struct event *ev);
void store_committed(struct event *ev);
void store_take(struct unit *u, unsigned partition, struct store_lane *at);
void tx_drop(struct tx *tx);
void store_clear(void);
void sink_arrive(struct event *ev);

/* check.c */
void check_end(void);

#endif
