/* SPDX-License-Identifier: Apache-2.0
 * The store's conformance tests: one set for all kinds of stores, of what store.h promises.
 *
 * Each topic is a file with the list of its cases here, so a case that is not listed does not
 * compile; test_conformance.c runs all of them for each kind.
 */
#ifndef STORE_CONFORMANCE_H
#define STORE_CONFORMANCE_H
#include "../fixture.h"

#define LANES_CASES(X)                                                                             \
    X(a_lane_begins_fresh_and_keeps_its_place)                                                     \
    X(a_new_owner_fences_the_former_one)                                                           \
    X(all_lanes_move_or_none)                                                                      \
    X(a_commit_must_meet_position_and_number)                                                      \
    X(a_row_that_moved_is_found)                                                                   \
    X(released_and_bare_moves_are_kept)                                                            \
    X(lanes_of_an_engine_are_listed)
#define BLOCKS_CASES(X)                                                                            \
    X(blocks_come_back_in_order)                                                                   \
    X(blocks_come_back_whole)                                                                      \
    X(a_flipped_byte_is_noticed)
#define PARKED_CASES(X)                                                                            \
    X(parked_executions_are_handed_out_when_due)                                                   \
    X(a_limit_hands_out_the_rest_later)                                                            \
    X(pages_lose_nobody)                                                                           \
    X(written_again_it_is_handed_out_again)                                                        \
    X(only_the_owner_gets_parked_executions)                                                       \
    X(a_failed_execution_is_retried_once)                                                          \
    X(text_that_is_no_text_does_not_stop_a_turn)
#define ROWS_CASES(X)                                                                              \
    X(rows_ride_in_the_turn)                                                                       \
    X(a_row_meets_one_with_its_key)                                                                \
    X(rows_with_one_key_meet_in_a_turn)                                                            \
    X(bad_rows_are_told_one_by_one)                                                                \
    X(a_nul_in_a_row_hurts_nobody)                                                                 \
    X(the_database_refuses_rows_one_by_one)                                                        \
    X(columns_keep_their_types)
#define TABLES_CASES(X)                                                                            \
    X(tables_are_migrated)                                                                         \
    X(a_bad_step_leaves_nothing)                                                                   \
    X(triggers_move_balances)                                                                      \
    X(guilty_rows_are_found_among_many)
#define ADMIN_CASES(X)                                                                             \
    X(deploys_make_versions)                                                                       \
    X(sources_have_one_number)                                                                     \
    X(a_dead_engine_is_given_to_one)                                                               \
    X(who_leaves_work_behind_is_taken_over)                                                        \
    X(credentials_are_kept)
#define EXECUTIONS_CASES(X)                                                                        \
    X(executions_are_listed)                                                                       \
    X(executions_are_shown)
#define HOUSE_CASES(X)                                                                             \
    X(retention_drops_what_is_old)                                                                 \
    X(partitions_come_and_go)                                                                      \
    X(what_housekeeping_saw_is_told)                                                               \
    X(lanes_of_engines_that_left_go)                                                               \
    X(a_second_opening_finds_everything)                                                           \
    X(another_schema_is_refused)
#define KEYS_CASES(X)                                                                              \
    X(a_key_is_claimed_once)                                                                       \
    X(an_answer_is_kept)                                                                           \
    X(a_fenced_turn_marks_no_key)                                                                  \
    X(a_claim_of_a_dead_engine_is_free)                                                            \
    X(keys_expire)
#define SESSIONS_CASES(X)                                                                          \
    X(a_closed_session_says_nothing)                                                               \
    X(a_session_tells_that_it_is_up)

#define ALL_CASES(X)                                                                               \
    LANES_CASES(X)                                                                                 \
    BLOCKS_CASES(X)                                                                                \
    PARKED_CASES(X)                                                                                \
    ROWS_CASES(X)                                                                                  \
    TABLES_CASES(X)                                                                                \
    ADMIN_CASES(X)                                                                                 \
    EXECUTIONS_CASES(X)                                                                            \
    HOUSE_CASES(X)                                                                                 \
    KEYS_CASES(X)                                                                                  \
    SESSIONS_CASES(X)

#define DECLARE_CASE(name) void name(void **state);
ALL_CASES(DECLARE_CASE)

static inline struct fixture *fixture_of(void **state) { return *state; }

static const int64_t noon_us = INT64_C(1700000000) * 1000000;

/* --- blocks.c --------------------------------------------------------------------------------- */

struct read_back {
    struct fixture *f;
    unsigned n;
    uint64_t seqs[64];
    char error[500];
    void (*check)(const struct store_block *b);
};

struct read_back read_blocks(struct fixture *f, struct store_session *ss, uint64_t after,
                             uint32_t limit, void (*check)(const struct store_block *));

/* --- parked.c --------------------------------------------------------------------------------- */

struct store_exec parked_exec(uint64_t position, int64_t wake_us);
/* A turn that writes these executions and removes those. */
void commit_execs(struct fixture *f, struct store_session *ss, const struct store_lane *lane,
                  const struct store_exec *execs, uint32_t n, const struct exec_id *ended,
                  uint32_t n_ended);

/* --- executions.c ----------------------------------------------------------------------------- */

struct listed {
    unsigned n, by_status[8];
    int64_t last_us;
    bool is_sorted;
    struct store_execution one; /* strings are copies */
    char workflow[64], name[64], node[64], error[64], input[64], state[64], body[64];
};

struct listed list_executions(struct fixture *f, struct store_filter filter);
struct listed show_execution(struct fixture *f, uint64_t position);
#endif
