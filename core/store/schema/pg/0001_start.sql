-- SPDX-License-Identifier: Apache-2.0
-- The journal and all that is kept beside it. Numbers of lanes and executions fit their C types; times of
-- the journal are the engine's, times of liveness and of partitions are the database's.

CREATE TABLE engine_instance (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now(),
    taken_by     integer,  -- the engine that takes its lanes over
    taken_call   bigint    -- by which call, so that a repeated call finds them again
);

CREATE TABLE workflow (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    active     boolean NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE workflow_version (
    version     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow_id text NOT NULL REFERENCES workflow,
    number      integer NOT NULL,
    definition  text NOT NULL,
    deployed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workflow_id, number)
);

-- One row. A sequence would not do: its number is seen before the deploy is.
CREATE TABLE revision (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    value    bigint NOT NULL
);
INSERT INTO revision (value) VALUES (0);

CREATE TABLE source (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow_id text NOT NULL,
    node        text NOT NULL,
    kind        text NOT NULL,
    name        text NOT NULL,
    UNIQUE (workflow_id, node, kind, name)
);

-- A lane. Updated by every commit: room in each page keeps the updates off the index, and vacuum comes
-- early because a few live rows gather many dead ones.
CREATE TABLE source_position (
    source      integer NOT NULL,
    partition   integer NOT NULL,
    owner       integer NOT NULL,
    epoch       bigint NOT NULL,
    position    bigint NOT NULL,
    block_seq   bigint NOT NULL DEFAULT 0,
    released    bigint NOT NULL DEFAULT 0,
    fresh       boolean NOT NULL DEFAULT true,  -- no commit has moved it yet
    token       bigint NOT NULL DEFAULT 0,      -- of the commit that moved it last
    assigned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, partition)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX source_position_owner ON source_position (owner);

-- What a turn did in one lane. The columns over its n executions are byte strings of fixed-width
-- little-endian unsigned integers, which cost the database nothing to receive; catalyst_uint reads them and
-- the view `executions` shows them. payload: inputs and outputs, lz4. Nothing here is ever updated.
CREATE TABLE block (
    created_at    timestamptz NOT NULL DEFAULT now(),
    source        integer NOT NULL,
    partition     integer NOT NULL,
    seq           bigint NOT NULL,
    n             integer NOT NULL,
    position_min  bigint NOT NULL,
    position_max  bigint NOT NULL,
    version       bigint NOT NULL,  -- of all, unless `versions` is there
    started_us    bigint NOT NULL,  -- the earliest start
    n_outputs     integer NOT NULL,
    inputs_bytes  integer NOT NULL, -- in payload, before compression
    outputs_bytes integer NOT NULL,
    checksum      bigint NOT NULL,  -- CRC-32C
    positions     bytea,            -- 8 bytes each; NULL: position_min, position_min + 1 ...
    versions      bytea,            -- 8 bytes each
    statuses      bytea,            -- 1 byte each; NULL: all ended well
    durations     bytea NOT NULL,   -- 4 bytes each, microseconds
    started       bytea NOT NULL,   -- 4 or 8 bytes each, microseconds after started_us
    payload       bytea NOT NULL
) PARTITION BY RANGE (created_at);
ALTER TABLE block
    ALTER positions SET STORAGE EXTERNAL, ALTER versions SET STORAGE EXTERNAL,
    ALTER statuses SET STORAGE EXTERNAL, ALTER durations SET STORAGE EXTERNAL,
    ALTER started SET STORAGE EXTERNAL, ALTER payload SET STORAGE EXTERNAL;
CREATE INDEX block_lane ON block (source, partition, seq);
CREATE INDEX block_position ON block (source, partition, position_max, position_min);
CREATE INDEX block_created ON block (created_at);
-- Catches what no day's partition takes: a commit never fails for want of one.
CREATE TABLE block_default PARTITION OF block DEFAULT;

-- Parked and failed executions, one row each. Not partitioned: a row is found by its id alone, and leaves
-- when the execution ends or by retention.
CREATE TABLE execution (
    source       integer NOT NULL,
    partition    integer NOT NULL,
    position     bigint NOT NULL,
    version      bigint NOT NULL,
    status       smallint NOT NULL,
    retry        boolean NOT NULL DEFAULT false,
    handed_epoch bigint NOT NULL DEFAULT 0, -- of the lane when it was handed to an engine
    handed_call  bigint NOT NULL DEFAULT 0, -- by which call, so that a repeated call finds it again
    started_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    wake_at      timestamptz NOT NULL,      -- infinity: not by time
    node         text NOT NULL,
    error        text NOT NULL,
    state        text NOT NULL,
    PRIMARY KEY (source, partition, position)
) WITH (fillfactor = 90);
CREATE INDEX execution_wake ON execution (source, partition, wake_at, position) WHERE status = 4;
CREATE INDEX execution_retry ON execution (source, partition) WHERE retry;
CREATE INDEX execution_ended ON execution (ended_at) WHERE status <> 4;

CREATE TABLE credential (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    type       text NOT NULL,
    sealed     bytea NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- A new version when the text differs from the newest. The row of `revision` makes deploys take turns.
CREATE FUNCTION catalyst_deploy(a_id text, a_name text, a_definition text, a_active boolean)
RETURNS SETOF workflow_version LANGUAGE plpgsql AS $$
DECLARE
    newest workflow_version;
BEGIN
    UPDATE revision SET value = value + 1;
    INSERT INTO workflow (id, name, active) VALUES (a_id, a_name, a_active)
        ON CONFLICT (id) DO UPDATE SET name = a_name, active = a_active, updated_at = now();
    SELECT * INTO newest FROM workflow_version WHERE workflow_id = a_id ORDER BY number DESC LIMIT 1;
    IF newest.version IS NULL OR newest.definition <> a_definition THEN
        INSERT INTO workflow_version (workflow_id, number, definition)
            VALUES (a_id, coalesce(newest.number, 0) + 1, a_definition) RETURNING * INTO newest;
    END IF;
    RETURN NEXT newest;
END $$;

-- Ends the transaction when not all lanes moved. As a function, because the transaction is sent in one go.
CREATE FUNCTION catalyst_fence(expected bigint, moved bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF moved <> expected THEN
        RAISE EXCEPTION 'a lane belongs to another engine' USING ERRCODE = 'CT001';
    END IF;
END $$;

-- Which rows of a statement over a JSON array the tables refuse: tries them one by one.
CREATE FUNCTION catalyst_bad_rows(statement text, entries jsonb)
RETURNS TABLE (entry integer, reason text) LANGUAGE plpgsql AS $$
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE;
    FOR i IN 0 .. jsonb_array_length(entries) - 1 LOOP
        BEGIN
            EXECUTE statement USING jsonb_build_array(entries -> i);
        EXCEPTION WHEN OTHERS THEN
            IF SQLSTATE !~ '^(0A|0L|21|22|23|42|44|P0)' THEN
                RAISE; -- not the row's fault
            END IF;
            entry := i;
            reason := SQLERRM;
            RETURN NEXT;
        END;
    END LOOP;
END $$;

-- Entry `i` of a column of little-endian unsigned integers.
CREATE FUNCTION catalyst_uint(packed bytea, width integer, i integer) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE width
        WHEN 1 THEN get_byte(packed, i)::bigint
        WHEN 4 THEN get_byte(packed, 4 * i)::bigint | (get_byte(packed, 4 * i + 1)::bigint << 8)
                  | (get_byte(packed, 4 * i + 2)::bigint << 16) | (get_byte(packed, 4 * i + 3)::bigint << 24)
        WHEN 8 THEN get_byte(packed, 8 * i)::bigint | (get_byte(packed, 8 * i + 1)::bigint << 8)
                  | (get_byte(packed, 8 * i + 2)::bigint << 16) | (get_byte(packed, 8 * i + 3)::bigint << 24)
                  | (get_byte(packed, 8 * i + 4)::bigint << 32) | (get_byte(packed, 8 * i + 5)::bigint << 40)
                  | (get_byte(packed, 8 * i + 6)::bigint << 48) | (get_byte(packed, 8 * i + 7)::bigint << 56)
    END
$$;

-- Every execution that ended or waits, one row each. A failure told by a block is told better by its row
-- in `execution`; where that row is gone, the execution was run again since.
-- `|| ''` brings a column in once per block instead of once per entry.
CREATE VIEW executions AS
SELECT x.source || '-' || x.partition || '-' || x.position AS id,
       w.id AS workflow,
       w.name AS workflow_name,
       v.number AS version,
       CASE x.status WHEN 1 THEN 'success' WHEN 2 THEN 'error' WHEN 3 THEN 'canceled' WHEN 4 THEN 'waiting'
                     WHEN 5 THEN 'retried' END AS status,
       x.started_at,
       x.duration_us / 1000.0 AS duration_ms,
       x.node,
       x.error,
       x.committed_at
FROM (
    SELECT c.source, c.partition, c.version, c.position,
           CASE c.status WHEN 2 THEN 5 ELSE c.status END AS status,
           to_timestamp(0) + c.started_us * interval '1 microsecond' AS started_at,
           c.duration_us, NULL::text AS node, NULL::text AS error, c.created_at AS committed_at
    FROM (
        SELECT b.source, b.partition, b.created_at,
               CASE WHEN b.versions IS NULL THEN b.version ELSE catalyst_uint(b.versions, 8, i) END AS version,
               CASE WHEN b.positions IS NULL THEN b.position_min + i
                    ELSE catalyst_uint(b.positions, 8, i) END AS position,
               CASE WHEN b.statuses IS NULL THEN 1 ELSE get_byte(b.statuses, i) END AS status,
               b.started_us + catalyst_uint(b.started, b.width, i) AS started_us,
               catalyst_uint(b.durations, 4, i) AS duration_us
        FROM (
            SELECT source, partition, created_at, n, version, position_min, started_us,
                   versions || '' AS versions, positions || '' AS positions, statuses || '' AS statuses,
                   durations || '' AS durations, started || '' AS started,
                   length(started) / greatest(n, 1) AS width
            FROM block OFFSET 0
        ) b, generate_series(0, b.n - 1) AS i
    ) c
    WHERE c.status = 1 OR NOT EXISTS (
        SELECT FROM execution e
        WHERE e.source = c.source AND e.partition = c.partition AND e.position = c.position)
    UNION ALL
    SELECT e.source, e.partition, e.version, e.position, e.status, e.started_at,
           extract(epoch FROM e.ended_at - e.started_at) * 1000000, e.node, e.error, NULL
    FROM execution e
) x
LEFT JOIN workflow_version v ON v.version = x.version
LEFT JOIN workflow w ON w.id = v.workflow_id;
