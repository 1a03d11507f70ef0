-- SPDX-License-Identifier: Apache-2.0
-- The same records as in PostgreSQL. Times are microseconds since 1970.

CREATE TABLE engine_instance (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT NOT NULL,
    heartbeat_us INTEGER NOT NULL,
    taken_by     INTEGER
);

CREATE TABLE workflow (
    id     TEXT PRIMARY KEY,
    name   TEXT NOT NULL,
    active INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE workflow_version (
    version     INTEGER PRIMARY KEY AUTOINCREMENT,
    workflow_id TEXT NOT NULL REFERENCES workflow (id),
    number      INTEGER NOT NULL,
    definition  TEXT NOT NULL,
    deployed_us INTEGER NOT NULL,
    UNIQUE (workflow_id, number)
);

CREATE TABLE revision (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    value    INTEGER NOT NULL
);
INSERT INTO revision VALUES (1, 0);

CREATE TABLE source (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    workflow_id TEXT NOT NULL,
    node        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,
    UNIQUE (workflow_id, node, kind, name)
);

CREATE TABLE source_position (
    source    INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    owner     INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    block_seq INTEGER NOT NULL DEFAULT 0,
    released  INTEGER NOT NULL DEFAULT 0,
    fresh     INTEGER NOT NULL DEFAULT 1, -- no commit has moved it yet
    PRIMARY KEY (source, partition)
) WITHOUT ROWID;

-- Columns over the n executions are blobs of fixed-width little-endian unsigned integers; the view
-- `executions` reads them. payload: inputs and outputs, lz4.
CREATE TABLE block (
    source        INTEGER NOT NULL,
    partition     INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    n             INTEGER NOT NULL,
    position_min  INTEGER NOT NULL,
    position_max  INTEGER NOT NULL,
    version       INTEGER NOT NULL, -- of all, unless `versions` is there
    started_us    INTEGER NOT NULL, -- the earliest start
    n_outputs     INTEGER NOT NULL,
    inputs_bytes  INTEGER NOT NULL, -- in payload, before compression
    outputs_bytes INTEGER NOT NULL,
    checksum      INTEGER NOT NULL, -- CRC-32C
    created_us    INTEGER NOT NULL,
    positions     BLOB,             -- 8 bytes each; NULL: position_min, position_min + 1 ...
    versions      BLOB,             -- 8 bytes each
    statuses      BLOB,             -- 1 byte each; NULL: all ended well
    durations     BLOB NOT NULL,    -- 4 bytes each, microseconds
    started       BLOB NOT NULL,    -- 4 or 8 bytes each, microseconds after started_us
    payload       BLOB NOT NULL
);
CREATE UNIQUE INDEX block_lane ON block (source, partition, seq);
CREATE INDEX block_position ON block (source, partition, position_max, position_min);
CREATE INDEX block_created ON block (created_us);

-- Parked and failed executions, one row each.
CREATE TABLE execution (
    source       INTEGER NOT NULL,
    partition    INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    status       INTEGER NOT NULL,
    retry        INTEGER NOT NULL DEFAULT 0,
    handed_epoch INTEGER NOT NULL DEFAULT 0, -- of the lane when it was handed to an engine
    started_us   INTEGER NOT NULL,
    ended_us     INTEGER NOT NULL,           -- 0: not yet
    wake_us      INTEGER NOT NULL,           -- 2^63-1: not by time
    node         TEXT NOT NULL,
    error        TEXT NOT NULL,
    state        TEXT NOT NULL,
    PRIMARY KEY (source, partition, position)
) WITHOUT ROWID;
CREATE INDEX execution_wake ON execution (source, partition, wake_us) WHERE status = 4;
CREATE INDEX execution_retry ON execution (source, partition) WHERE retry = 1;
CREATE INDEX execution_ended ON execution (ended_us) WHERE status <> 4;

CREATE TABLE credential (
    id     TEXT PRIMARY KEY,
    name   TEXT NOT NULL,
    type   TEXT NOT NULL,
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- One row per execution of a block, with its entries of the columns as hexadecimal text. json_each over
-- an array of n zeros counts them.
CREATE VIEW block_entry AS
SELECT b.source, b.partition, b.created_us, b.started_us, b.version, b.position_min, i.key AS i,
       CASE WHEN b.statuses IS NULL THEN 1
            ELSE instr('12345', substr(hex(substr(b.statuses, i.key + 1, 1)), 2, 1)) END AS status,
       hex(substr(b.positions, 8 * i.key + 1, 8)) AS position_hex,
       hex(substr(b.versions, 8 * i.key + 1, 8)) AS version_hex,
       hex(substr(b.durations, 4 * i.key + 1, 4)) AS duration_hex,
       CASE WHEN length(b.started) = 8 * b.n THEN hex(substr(b.started, 8 * i.key + 1, 8))
            ELSE hex(substr(b.started, 4 * i.key + 1, 4)) || '00000000' END AS started_hex
FROM block b, json_each('[' || replace(hex(zeroblob(b.n - 1)), '00', '0,') || '0]') i
WHERE b.n > 0;

-- The same with numbers. A hexadecimal digit is its place in a text.
CREATE VIEW block_execution AS
SELECT e.source, e.partition, e.created_us, e.status,
       CASE WHEN position_hex = '' THEN e.position_min + e.i
            ELSE (instr('123456789ABCDEF', substr(position_hex, 1, 1)) * 16 + instr('123456789ABCDEF', substr(position_hex, 2, 1)))
             + ((instr('123456789ABCDEF', substr(position_hex, 3, 1)) * 16 + instr('123456789ABCDEF', substr(position_hex, 4, 1))) << 8)
             + ((instr('123456789ABCDEF', substr(position_hex, 5, 1)) * 16 + instr('123456789ABCDEF', substr(position_hex, 6, 1))) << 16)
             + ((instr('123456789ABCDEF', substr(position_hex, 7, 1)) * 16 + instr('123456789ABCDEF', substr(position_hex, 8, 1))) << 24)
             + ((instr('123456789ABCDEF', substr(position_hex, 9, 1)) * 16 + instr('123456789ABCDEF', substr(position_hex, 10, 1))) << 32)
             + ((instr('123456789ABCDEF', substr(position_hex, 11, 1)) * 16 + instr('123456789ABCDEF', substr(position_hex, 12, 1))) << 40)
             + ((instr('123456789ABCDEF', substr(position_hex, 13, 1)) * 16 + instr('123456789ABCDEF', substr(position_hex, 14, 1))) << 48)
             + ((instr('123456789ABCDEF', substr(position_hex, 15, 1)) * 16 + instr('123456789ABCDEF', substr(position_hex, 16, 1))) << 56) END AS position,
       CASE WHEN version_hex = '' THEN e.version
            ELSE (instr('123456789ABCDEF', substr(version_hex, 1, 1)) * 16 + instr('123456789ABCDEF', substr(version_hex, 2, 1)))
             + ((instr('123456789ABCDEF', substr(version_hex, 3, 1)) * 16 + instr('123456789ABCDEF', substr(version_hex, 4, 1))) << 8)
             + ((instr('123456789ABCDEF', substr(version_hex, 5, 1)) * 16 + instr('123456789ABCDEF', substr(version_hex, 6, 1))) << 16)
             + ((instr('123456789ABCDEF', substr(version_hex, 7, 1)) * 16 + instr('123456789ABCDEF', substr(version_hex, 8, 1))) << 24)
             + ((instr('123456789ABCDEF', substr(version_hex, 9, 1)) * 16 + instr('123456789ABCDEF', substr(version_hex, 10, 1))) << 32)
             + ((instr('123456789ABCDEF', substr(version_hex, 11, 1)) * 16 + instr('123456789ABCDEF', substr(version_hex, 12, 1))) << 40)
             + ((instr('123456789ABCDEF', substr(version_hex, 13, 1)) * 16 + instr('123456789ABCDEF', substr(version_hex, 14, 1))) << 48)
             + ((instr('123456789ABCDEF', substr(version_hex, 15, 1)) * 16 + instr('123456789ABCDEF', substr(version_hex, 16, 1))) << 56) END AS version,
       (instr('123456789ABCDEF', substr(duration_hex, 1, 1)) * 16 + instr('123456789ABCDEF', substr(duration_hex, 2, 1)))
             + ((instr('123456789ABCDEF', substr(duration_hex, 3, 1)) * 16 + instr('123456789ABCDEF', substr(duration_hex, 4, 1))) << 8)
             + ((instr('123456789ABCDEF', substr(duration_hex, 5, 1)) * 16 + instr('123456789ABCDEF', substr(duration_hex, 6, 1))) << 16)
             + ((instr('123456789ABCDEF', substr(duration_hex, 7, 1)) * 16 + instr('123456789ABCDEF', substr(duration_hex, 8, 1))) << 24) AS duration_us,
       e.started_us + (instr('123456789ABCDEF', substr(started_hex, 1, 1)) * 16 + instr('123456789ABCDEF', substr(started_hex, 2, 1)))
             + ((instr('123456789ABCDEF', substr(started_hex, 3, 1)) * 16 + instr('123456789ABCDEF', substr(started_hex, 4, 1))) << 8)
             + ((instr('123456789ABCDEF', substr(started_hex, 5, 1)) * 16 + instr('123456789ABCDEF', substr(started_hex, 6, 1))) << 16)
             + ((instr('123456789ABCDEF', substr(started_hex, 7, 1)) * 16 + instr('123456789ABCDEF', substr(started_hex, 8, 1))) << 24)
             + ((instr('123456789ABCDEF', substr(started_hex, 9, 1)) * 16 + instr('123456789ABCDEF', substr(started_hex, 10, 1))) << 32)
             + ((instr('123456789ABCDEF', substr(started_hex, 11, 1)) * 16 + instr('123456789ABCDEF', substr(started_hex, 12, 1))) << 40)
             + ((instr('123456789ABCDEF', substr(started_hex, 13, 1)) * 16 + instr('123456789ABCDEF', substr(started_hex, 14, 1))) << 48)
             + ((instr('123456789ABCDEF', substr(started_hex, 15, 1)) * 16 + instr('123456789ABCDEF', substr(started_hex, 16, 1))) << 56) AS started_us
FROM block_entry e;

-- Every execution that ended or waits, one row each. A failure told by a block is told better by its row
-- in `execution`; where that row is gone, the execution was run again since.
CREATE VIEW executions AS
SELECT x.source || '-' || x.partition || '-' || x.position AS id,
       w.id AS workflow,
       w.name AS workflow_name,
       v.number AS version,
       CASE x.status WHEN 1 THEN 'success' WHEN 2 THEN 'error' WHEN 3 THEN 'canceled' WHEN 4 THEN 'waiting'
                     WHEN 5 THEN 'retried' END AS status,
       strftime('%Y-%m-%d %H:%M:%S', x.started_us / 1000000, 'unixepoch')
           || printf('.%06d', x.started_us % 1000000) AS started_at,
       x.duration_us / 1000.0 AS duration_ms,
       x.node,
       x.error
FROM (
    SELECT c.source, c.partition, c.position, c.version,
           CASE c.status WHEN 2 THEN 5 ELSE c.status END AS status, c.started_us, c.duration_us,
           NULL AS node, NULL AS error
    FROM block_execution c
    WHERE c.status = 1 OR NOT EXISTS (
        SELECT 1 FROM execution e
        WHERE e.source = c.source AND e.partition = c.partition AND e.position = c.position)
    UNION ALL
    SELECT e.source, e.partition, e.position, e.version, e.status, e.started_us,
           CASE e.ended_us WHEN 0 THEN NULL ELSE e.ended_us - e.started_us END, e.node, e.error
    FROM execution e
) x
LEFT JOIN workflow_version v ON v.version = x.version
LEFT JOIN workflow w ON w.id = v.workflow_id;
