/* SPDX-License-Identifier: Apache-2.0
 * What must be true of every message once the world has run dry.
 */
#include "sim.h"

/* What stands in the block arrived, and nothing else. */
static void check_sent(const struct message *m, const char *name)
{
    unsigned n = 0;
    for (unsigned i = 0; i < INDEX_MAX; i++)
        n += m->seen[i] != 0;
    if (n != m->outputs_kept)
        sim_fail("%u outputs of %s arrived, %u are in its block: %s", n, name, m->outputs_kept,
                 m->text);
}

static void check_success(const struct message *m, const char *name)
{
    if (m->must_fail)
        sim_fail("%s succeeded, but must fail: %s", name, m->text);
    if (m->has_exec)
        sim_fail("%s succeeded and left a row: %s", name, m->text);
    if (m->rows_kept != m->rows * m->items)
        sim_fail("%s has %u ledger rows: %s", name, m->rows_kept, m->text);
    if (m->outputs_kept != 2 * m->outputs * m->items) /* two nodes send */
        sim_fail("%s has %u outputs: %s", name, m->outputs_kept, m->text);
    check_sent(m, name);
}

static void check_failure(const struct message *m, const char *name)
{
    if (!m->must_fail && !m->may_fail)
        sim_fail("%s failed with %s: %s", name, m->error, m->text);
    if (!m->has_exec || m->exec.status != STORE_ERROR)
        sim_fail("%s failed and its row says %s: %s", name,
                 m->has_exec ? store_status_name(m->exec.status) : "nothing", m->text);
    /* A node may fail after others wrote and sent: that stays, in full or not at all. */
    unsigned rows = m->rows * m->items;
    if (m->rows_kept && (m->bad_row || m->rows_kept != rows))
        sim_fail("%s failed and has %u ledger rows: %s", name, m->rows_kept, m->text);
    if (m->outputs_kept && m->outputs_kept != m->outputs * m->items)
        sim_fail("%s failed and has %u outputs: %s", name, m->outputs_kept, m->text);
    check_sent(m, name);
}

void check_end(void)
{
    for (unsigned p = 0; p < world.parts; p++) {
        const struct sim_lane *lane = &world.lanes[p];
        for (unsigned n = 0; n < lane->n; n++) {
            const struct message *m = &lane->messages[n];
            char name[32];
            snprintf(name, sizeof name, "%u-%u", p, n);
            if (m->succeeded + m->failed != 1 + m->marks)
                sim_fail("%s ended %u times: %s", name, m->succeeded + m->failed, m->text);
            if (m->succeeded)
                check_success(m, name);
            else
                check_failure(m, name);
        }
    }
}
