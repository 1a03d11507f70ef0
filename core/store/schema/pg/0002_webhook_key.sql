-- SPDX-License-Identifier: Apache-2.0
-- Idempotency keys of webhooks. A key is claimed before anything of its request runs; that the execution is
-- durable, and its answer, come in the transaction of the turn. Not partitioned: a key is found by itself
-- alone, and leaves when it expires.
CREATE TABLE webhook_key (
    source     integer NOT NULL,
    key        text NOT NULL,
    print      text NOT NULL,                  -- of the request's content
    token      bigint NOT NULL,                -- of the claim
    owner      integer NOT NULL,               -- the engine that claimed it
    accepted   boolean NOT NULL DEFAULT false, -- its execution is durable
    status     integer,                        -- of the answer; NULL: there is none yet
    headers    bytea,
    body       bytea,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (source, key)
) WITH (fillfactor = 80);
CREATE INDEX webhook_key_expires ON webhook_key (expires_at);
