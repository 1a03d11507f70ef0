/* SPDX-License-Identifier: Apache-2.0
 * The plugin's tables: held messages, what was loaded when, and every version of the rules.
 */
#include "other_nodes.h"

#define QUARANTINE                                                                                 \
    "CREATE TABLE firewall_quarantine (id text PRIMARY KEY, tenant_id text NOT NULL, "             \
    "message_id text NOT NULL, rule text NOT NULL, reason text NOT NULL, version text NOT NULL, "  \
    "state text NOT NULL CHECK (state IN ('held', 'released', 'denied', 'expired')), "             \
    "held_us bigint NOT NULL, until_us bigint NOT NULL, decided_us bigint, decided_by text, "      \
    "decided_key text, message text NOT NULL);"                                                    \
    "CREATE INDEX firewall_quarantine_held ON firewall_quarantine (until_us) WHERE state = "       \
    "'held';"                                                                                      \
    "CREATE INDEX firewall_quarantine_key ON firewall_quarantine (decided_key) "                   \
    "WHERE decided_key IS NOT NULL;"
#define AUDIT                                                                                      \
    "CREATE TABLE firewall_audit (id text PRIMARY KEY, at_ms bigint NOT NULL, kind text NOT "      \
    "NULL, "                                                                                       \
    "source text NOT NULL, version text NOT NULL, outcome text NOT NULL, entries bigint NOT "      \
    "NULL, "                                                                                       \
    "detail text NOT NULL);"                                                                       \
    "CREATE TABLE firewall_rules (hash text PRIMARY KEY, at_ms bigint NOT NULL, body text NOT "    \
    "NULL);"

const wf_migration firewall_migrations[FIREWALL_MIGRATIONS] = {
    { .number = 1,
      .name = "quarantine, audit, rules",
      .pg = QUARANTINE AUDIT,
      .sqlite = QUARANTINE AUDIT },
};
_Static_assert(sizeof firewall_migrations / sizeof *firewall_migrations == FIREWALL_MIGRATIONS,
               "the plugin names them all");
