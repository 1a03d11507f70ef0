/* SPDX-License-Identifier: Apache-2.0
 * The plugin's tables. All rows of a routing carry its name, `engine`.
 */
#ifndef PLUGIN_NOTIFY_TABLES_H
#define PLUGIN_NOTIFY_TABLES_H

/* What is for the core, what it knows, what is due and not yet an execution, which execution took
 * which notification, and who runs a core now. */
#define TABLES_CORE(SERIAL)                                                                        \
    "CREATE TABLE notify_inbox (seq " SERIAL ", id text NOT NULL UNIQUE, engine text NOT NULL,"    \
    " kind text NOT NULL, body text NOT NULL, at_ms bigint NOT NULL);"                             \
    "CREATE TABLE notify_state (engine text NOT NULL, key text NOT NULL, body text NOT NULL,"      \
    " PRIMARY KEY (engine, key));"                                                                 \
    "CREATE TABLE notify_outbox (engine text NOT NULL, id text NOT NULL, body text NOT NULL,"      \
    " at_ms bigint NOT NULL, PRIMARY KEY (engine, id));"                                           \
    "CREATE TABLE notify_claims (engine text NOT NULL, id text NOT NULL, taken_by text NOT NULL,"  \
    " at_ms bigint NOT NULL, PRIMARY KEY (engine, id));"                                           \
    "CREATE TABLE notify_owner (engine text PRIMARY KEY, epoch bigint NOT NULL);"

/* Of senders: the message that began an incident's thread; lines for digests and the digests that
 * were sent; webhook endpoints that fail. */
#define TABLES_SENDERS(SERIAL)                                                                     \
    "CREATE TABLE notify_threads (id text PRIMARY KEY, ts text NOT NULL, channel text NOT NULL,"   \
    " at_ms bigint NOT NULL);"                                                                     \
    "CREATE TABLE notify_digest (seq " SERIAL ", id text NOT NULL UNIQUE, digest text NOT NULL,"   \
    " recipient text NOT NULL, topic text NOT NULL, body text NOT NULL, at_ms bigint NOT NULL);"   \
    "CREATE INDEX notify_digest_by ON notify_digest (digest, recipient, seq);"                     \
    "CREATE TABLE notify_digest_sent (digest text NOT NULL, recipient text NOT NULL,"              \
    " day text NOT NULL, hash text NOT NULL, state text NOT NULL, at_ms bigint NOT NULL,"          \
    " PRIMARY KEY (digest, recipient, day));"                                                      \
    "CREATE TABLE notify_endpoints (url text PRIMARY KEY, failing_since_ms bigint NOT NULL,"       \
    " disabled_ms bigint NOT NULL);"

#endif
