-- SPDX-License-Identifier: Apache-2.0
-- Tables of the platform that belong to no plugin, all of them series in time: hypertables where TimescaleDB
-- is there, else partitions by RANGE that platform_house() makes ahead and drops. Engines call it hourly.

CREATE TABLE platform_series (
    name     text PRIMARY KEY,
    at       text NOT NULL,     -- its column of time
    unit     text NOT NULL CHECK (unit IN ('day', 'month')),
    ahead    integer NOT NULL,  -- partitions beyond the one of now
    keep     interval NOT NULL,
    is_hyper boolean NOT NULL,
    note     text NOT NULL DEFAULT '' -- what TimescaleDB would not do
);

CREATE FUNCTION platform_hyper(a_name text, a_at text, a_unit text, a_keep interval, a_segment text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    notes text := '';
BEGIN
    EXECUTE format('SELECT create_hypertable(%L, %L, chunk_time_interval => interval %L)',
                   a_name, a_at, '1 ' || a_unit);
    BEGIN
        EXECUTE format('SELECT add_retention_policy(%L, interval %L)', a_name, a_keep);
    EXCEPTION WHEN OTHERS THEN -- the edition without policies
        notes := 'no retention: ' || SQLERRM;
    END;
    BEGIN
        EXECUTE format('ALTER TABLE %I SET (timescaledb.compress, timescaledb.compress_segmentby = %L, '
                       'timescaledb.compress_orderby = %L)', a_name, a_segment, a_at || ' DESC');
        EXECUTE format('SELECT add_compression_policy(%L, interval %L)', a_name, '7 days');
    EXCEPTION WHEN OTHERS THEN
        notes := concat_ws('; ', nullif(notes, ''), 'no compression: ' || SQLERRM);
    END;
    RETURN notes;
END $$;

CREATE FUNCTION platform_make(a_name text, a_columns text, a_at text, a_unit text, a_ahead integer,
                              a_keep interval, a_segment text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    hyper boolean := EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                             WHERE p.proname = 'create_hypertable');
    notes text := '';
BEGIN
    IF hyper THEN
        EXECUTE format('CREATE TABLE %I (%s)', a_name, a_columns);
        notes := platform_hyper(a_name, a_at, a_unit, a_keep, a_segment);
    ELSE
        EXECUTE format('CREATE TABLE %I (%s) PARTITION BY RANGE (%I)', a_name, a_columns, a_at);
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', a_name || '_default', a_name);
        EXECUTE format('CREATE INDEX %I ON %I USING brin (%I)', a_name || '_brin', a_name, a_at);
    END IF;
    INSERT INTO platform_series (name, at, unit, ahead, keep, is_hyper, note)
        VALUES (a_name, a_at, a_unit, a_ahead, a_keep, hyper, notes);
END $$;

-- Who did what to which thing, and why. By month: few rows, kept for long.
SELECT platform_make('audit_log',
    'at timestamptz NOT NULL DEFAULT now(), id text NOT NULL, tenant_id text, actor text NOT NULL, '
    'action text NOT NULL, object text NOT NULL DEFAULT '''', reason text NOT NULL DEFAULT '''', '
    'before jsonb, after jsonb, trace_id text, PRIMARY KEY (id, at)',
    'at', 'month', 2, '2 years', 'tenant_id');
CREATE INDEX audit_log_tenant ON audit_log (tenant_id, at);
CREATE INDEX audit_log_object ON audit_log (object, at);

-- The topic billing.events as rows.
SELECT platform_make('billing_events',
    'at timestamptz NOT NULL, id text NOT NULL, tenant_id text NOT NULL, op text NOT NULL, idem text, '
    'msg_id text, trace_id text, units integer, price_micro bigint, ccy text, card text, ver bigint, '
    'prefix text, worker bigint, seq bigint, PRIMARY KEY (id, at)',
    'at', 'day', 3, '1 year', 'tenant_id');
CREATE INDEX billing_events_tenant ON billing_events (tenant_id, at);

-- A value a minute.
SELECT platform_make('system_metrics',
    'at timestamptz NOT NULL, name text NOT NULL, labels jsonb NOT NULL DEFAULT ''{}'', '
    'value double precision NOT NULL, PRIMARY KEY (name, labels, at)',
    'at', 'day', 3, '90 days', 'name');

SELECT platform_make('metrics_hourly',
    'bucket timestamptz NOT NULL, name text NOT NULL, labels jsonb NOT NULL DEFAULT ''{}'', '
    'n bigint NOT NULL, total double precision NOT NULL, least double precision NOT NULL, '
    'greatest double precision NOT NULL, PRIMARY KEY (name, labels, bucket)',
    'bucket', 'month', 2, '2 years', 'name');

-- Whole hours of system_metrics, and of billing_events by op and currency; again and again gives the same.
CREATE FUNCTION platform_rollup(a_from timestamptz, a_to timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    n_rows bigint;
BEGIN
    INSERT INTO metrics_hourly AS h (bucket, name, labels, n, total, least, greatest)
    SELECT date_trunc('hour', m.at, 'UTC'), m.name, m.labels, count(*), sum(m.value), min(m.value),
           max(m.value)
    FROM (
        SELECT at, name, labels, value FROM system_metrics WHERE at >= a_from AND at < a_to
        UNION ALL
        SELECT at, 'billing.' || op, jsonb_build_object('ccy', coalesce(ccy, '')),
               coalesce(price_micro, 0)::double precision / 1000000
        FROM billing_events WHERE at >= a_from AND at < a_to
    ) m
    GROUP BY 1, 2, 3
    ON CONFLICT (name, labels, bucket) DO UPDATE SET n = excluded.n, total = excluded.total,
        least = excluded.least, greatest = excluded.greatest;
    GET DIAGNOSTICS n_rows = ROW_COUNT;
    RETURN n_rows;
END $$;

-- One partition; what went to the default one of that time moves along, or it could not be attached.
CREATE FUNCTION platform_partition(s platform_series, a_from timestamp) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    part   text := s.name || '_p' || to_char(a_from, 'YYYYMMDD');
    from_  text := to_char(a_from, 'YYYY-MM-DD') || ' 00:00+00';
    until_ text := to_char(a_from + ('1 ' || s.unit)::interval, 'YYYY-MM-DD') || ' 00:00+00';
BEGIN
    IF to_regclass(quote_ident(part)) IS NOT NULL THEN
        RETURN 0;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, s.name);
    EXECUTE format('WITH moved AS (DELETE FROM %I WHERE %I >= %L AND %I < %L RETURNING *) '
                   'INSERT INTO %I SELECT * FROM moved',
                   s.name || '_default', s.at, from_, s.at, until_, part);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', s.name, part,
                   from_, until_);
    RETURN 1;
EXCEPTION WHEN lock_not_available THEN
    RETURN 0; -- the table is in use: the next time
END $$;

CREATE FUNCTION platform_drop_old(s platform_series) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    old text;
    n   integer := 0;
BEGIN
    FOR old IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = quote_ident(s.name)::regclass AND c.relname ~ ('^' || s.name || '_p[0-9]{8}$')
          AND to_date(right(c.relname, 8), 'YYYYMMDD') + ('1 ' || s.unit)::interval
              <= (now() - s.keep) AT TIME ZONE 'UTC'
    LOOP
        EXECUTE format('DROP TABLE %I', old);
        n := n + 1;
    END LOOP;
    RETURN n;
EXCEPTION WHEN lock_not_available THEN
    RETURN n;
END $$;

-- Partitions ahead, those past their time, and the hours that are over. How many partitions came or went.
CREATE FUNCTION platform_house() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    s platform_series;
    n integer := 0;
BEGIN
    PERFORM set_config('lock_timeout', '100ms', true);
    FOR s IN SELECT * FROM platform_series WHERE NOT is_hyper ORDER BY name LOOP
        FOR i IN 0 .. s.ahead LOOP
            n := n + platform_partition(s, date_trunc(s.unit, now() AT TIME ZONE 'UTC')
                                           + i * ('1 ' || s.unit)::interval);
        END LOOP;
        n := n + platform_drop_old(s);
    END LOOP;
    PERFORM platform_rollup(date_trunc('hour', now()) - interval '3 hours', date_trunc('hour', now()));
    RETURN n;
END $$;

SELECT platform_house();
