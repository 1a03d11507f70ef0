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

static unsigned row_kept(const struct message *m, unsigned from, unsigned to)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ITEMS_MAX; i++)
        for (unsigned k = from; k < to; k++)
            n += m->rows_kept[i][k] != 0;
    return n;
}

static unsigned rows_booked(const struct message *m) { return row_kept(m, ACT_ROW + 1, ROWS_MAX); }

static unsigned rows_of_act(const struct message *m) { return row_kept(m, ACT_ROW, ACT_ROW + 1); }

/* No row twice, none that nobody wrote. The node that books writes all or nothing; so does the one
 * that acts, unless what fails there goes on. */
static void check_rows(const struct message *m, const char *name)
{
    unsigned booked = rows_booked(m), acted = rows_of_act(m);
    for (unsigned i = 0; i < ITEMS_MAX; i++)
        for (unsigned k = 0; k < ROWS_MAX; k++)
            if (m->rows_kept[i][k] > (i < m->items && m->rows && k <= m->rows))
                sim_fail("%s has row %u of item %u %u times: %s", name, k, i, m->rows_kept[i][k],
                         m->text);
    if (booked && booked != m->rows * m->items)
        sim_fail("%s has %u booked rows: %s", name, booked, m->text);
    if (acted && acted != m->items && !world.lenient)
        sim_fail("%s has %u rows of the node that acts: %s", name, acted, m->text);
    if (acted && m->wait_mid == WAIT_FAIL)
        sim_fail("%s has rows of a node that failed: %s", name, m->text);
    if (m->bad_row && !m->mended && (booked || acted))
        sim_fail("%s has rows beside one that was refused: %s", name, m->text);
}

/* Of how many items the node that acts let its effects through; -1: that cannot be told. */
static int acted_items(const struct message *m)
{
    if (!world.lenient || m->wait_mid == WAIT_NONE || m->wait_mid == WAIT_RETRY)
        return (int)m->items;
    if (m->wait_mid == WAIT_FAIL)
        return 0;
    return m->rows ? (int)rows_of_act(m) : -1;
}

static void check_success(const struct message *m, const char *name)
{
    if (m->must_fail || (m->bad_row && !m->mended))
        sim_fail("%s succeeded, but must fail: %s", name, m->text);
    if (m->has_exec)
        sim_fail("%s succeeded and left a row: %s", name, m->text);
    int acted = acted_items(m);
    check_rows(m, name);
    if (rows_booked(m) != m->rows * m->items || (m->rows && (int)rows_of_act(m) != acted))
        sim_fail("%s has %u and %u ledger rows: %s", name, rows_booked(m), rows_of_act(m), m->text);
    /* Two nodes send in any case. */
    unsigned sent = m->outputs_kept - 2 * m->outputs * m->items;
    if (acted < 0 ? m->outputs && (sent > m->outputs * m->items || sent % m->outputs)
                  : sent != m->outputs * (unsigned)acted)
        sim_fail("%s has %u outputs: %s", name, m->outputs_kept, m->text);
    check_sent(m, name);
}

static void check_failure(const struct message *m, const char *name)
{
    if (!m->must_fail && !m->may_fail && (!m->bad_row || m->mended))
        sim_fail("%s failed with %s: %s", name, m->error, m->text);
    if (!m->has_exec || m->exec.status != STORE_ERROR)
        sim_fail("%s failed and its row says %s: %s", name,
                 m->has_exec ? store_status_name(m->exec.status) : "nothing", m->text);
    /* A node may fail after others wrote and sent: that stays, in full or not at all. */
    check_rows(m, name);
    unsigned a_node = m->outputs * m->items, sent = m->outputs_kept;
    if (sent && (world.lenient ? sent > 3 * a_node || sent % m->outputs
                               : sent != a_node && sent != 2 * a_node))
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
