-- SPDX-License-Identifier: Apache-2.0
-- Idempotency keys of webhooks, as in PostgreSQL.
CREATE TABLE webhook_key (
    source     INTEGER NOT NULL,
    key        TEXT NOT NULL,
    print      TEXT NOT NULL,              -- of the request's content
    token      INTEGER NOT NULL,           -- of the claim
    owner      INTEGER NOT NULL,           -- the engine that claimed it
    accepted   INTEGER NOT NULL DEFAULT 0, -- its execution is durable
    status     INTEGER,                    -- of the answer; NULL: there is none yet
    headers    BLOB,
    body       BLOB,
    expires_us INTEGER NOT NULL,
    PRIMARY KEY (source, key)
) WITHOUT ROWID;
CREATE INDEX webhook_key_expires ON webhook_key (expires_us);
