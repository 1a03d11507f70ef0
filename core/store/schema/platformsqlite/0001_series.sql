-- SPDX-License-Identifier: Apache-2.0
-- Tables of the platform that belong to no plugin. Plain tables: SQLite has no partitions, and nothing of
-- them is dropped by time. For a first look and for tests.

CREATE TABLE audit_log (
    at        TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    id        TEXT NOT NULL,
    tenant_id TEXT,
    actor     TEXT NOT NULL,
    action    TEXT NOT NULL,
    object    TEXT NOT NULL DEFAULT '',
    reason    TEXT NOT NULL DEFAULT '',
    before    TEXT,
    after     TEXT,
    trace_id  TEXT,
    PRIMARY KEY (id, at)
);
CREATE INDEX audit_log_tenant ON audit_log (tenant_id, at);
CREATE INDEX audit_log_object ON audit_log (object, at);

CREATE TABLE billing_events (
    at          TEXT NOT NULL,
    id          TEXT NOT NULL,
    tenant_id   TEXT NOT NULL,
    op          TEXT NOT NULL,
    idem        TEXT,
    msg_id      TEXT,
    trace_id    TEXT,
    units       INTEGER,
    price_micro INTEGER,
    ccy         TEXT,
    card        TEXT,
    ver         INTEGER,
    prefix      TEXT,
    worker      INTEGER,
    seq         INTEGER,
    PRIMARY KEY (id, at)
);
CREATE INDEX billing_events_tenant ON billing_events (tenant_id, at);

CREATE TABLE system_metrics (
    at     TEXT NOT NULL,
    name   TEXT NOT NULL,
    labels TEXT NOT NULL DEFAULT '{}',
    value  REAL NOT NULL,
    PRIMARY KEY (name, labels, at)
);

CREATE TABLE metrics_hourly (
    bucket   TEXT NOT NULL,
    name     TEXT NOT NULL,
    labels   TEXT NOT NULL DEFAULT '{}',
    n        INTEGER NOT NULL,
    total    REAL NOT NULL,
    least    REAL NOT NULL,
    greatest REAL NOT NULL,
    PRIMARY KEY (name, labels, bucket)
);
