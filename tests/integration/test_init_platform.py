# SPDX-License-Identifier: Apache-2.0
"""`catalyst init-platform` with a real Kafka and PostgreSQL: what it makes, that it may run again, and
what engines do with the tables afterwards."""
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from engines import Engine  # noqa: E402

OURS = ["audit_log", "billing_events", "system_metrics", "metrics_hourly"]


@pytest.fixture
def database(postgres, unique):
    name = unique("platform")
    return name, postgres.create_database(name)


@pytest.fixture
def broker(new_server):
    """Its own: the topics have fixed names."""
    return new_server("kafka")


def init(catalyst, *flags, code=0):
    done = subprocess.run([catalyst, "init-platform", "--json", *flags], text=True,
                          capture_output=True, timeout=240)
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout.startswith("{") else None


def states(result):
    return {t["name"]: t["state"] for t in result["topics"]}


def test_the_whole(catalyst, broker, postgres, database):
    flags = ["--kafka", broker.url(), "--store", database[1], "--partitions", "3"]
    dry = init(catalyst, *flags, "--dry-run")
    assert dry["dry_run"] and set(states(dry).values()) == {"missing"}
    assert {"of": "platform", "number": 1, "name": "series"} in dry["steps"]
    assert postgres.psql("SELECT count(*) FROM pg_class WHERE relname = 'audit_log'",
                         database=database[0]).stdout.strip() == "0"
    first = init(catalyst, *flags)
    assert set(states(first).values()) == {"created"}
    assert all(t["partitions"] == 3 and t["replication"] == 1 for t in first["topics"])
    names = set(states(first))
    assert {f"messaging.{c}.{w}" for c in ("sms", "whatsapp", "telegram", "ussd")
            for w in ("outbound", "released", "inbound", "status", "dlq")} < names
    assert {"billing.events", "firewall.alerts", "notifications.billing", "workflow.triggers"} < names
    assert any(n.startswith("notifications.") for n in names)
    assert not any(n.startswith("messaging.viber") for n in names)
    kinds = {t["name"]: t["kind"] for t in first["tables"]}
    assert all(kinds[name] == "partitions" for name in OURS), kinds

    # Again: nothing to do. With more partitions: told, and left as it is; the others are made.
    again = init(catalyst, *flags)
    assert set(states(again).values()) == {"there"} and again["steps"] == []
    more = init(catalyst, "--kafka", broker.url(), "--store", database[1], "--partitions", "5",
                "--all-channels")
    assert states(more)["billing.events"] == "smaller"
    assert states(more)["messaging.viber.status"] == "created"
    assert init(catalyst, *flags, "--all-channels")["topics"]
    found = {t["name"]: t["partitions"] for t in
             init(catalyst, *flags, "--all-channels", "--dry-run")["topics"]}
    assert found["billing.events"] == 3 and found["messaging.line.dlq"] == 5


def test_series_are_kept_by_engines(catalyst, tmp_path, postgres, database):
    def sql(text):
        return postgres.psql(text, database=database[0]).stdout.strip()
    result = init(catalyst, "--store", database[1])
    assert "no Kafka is configured" in result["kafka_note"]
    # Rows of every age find a place; sums of the hours that are over.
    sql("INSERT INTO system_metrics SELECT now() - i * interval '1 minute', 'tps', '{}', 2 "
        "FROM generate_series(1, 300) i")
    sql("INSERT INTO billing_events (at, id, tenant_id, op, price_micro, ccy) "
        "SELECT date_trunc('hour', now()) - interval '30 minutes', i::text, 't', 'commit', 2500, "
        "'EUR' FROM generate_series(1, 4) i")
    # As if today's partition had been forgotten, and an old one were left.
    sql("DO $$ DECLARE today text := 'billing_events_p' || to_char(now() AT TIME ZONE 'UTC', "
        "'YYYYMMDD'); BEGIN EXECUTE format('ALTER TABLE billing_events DETACH PARTITION %I', today); "
        "EXECUTE format('INSERT INTO billing_events SELECT * FROM %I', today); "
        "EXECUTE format('DROP TABLE %I', today); END $$")
    sql("CREATE TABLE system_metrics_p20200101 PARTITION OF system_metrics "
        "FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-01-02 00:00+00')")
    with Engine(catalyst, tmp_path, "--store", database[1]):
        end = time.monotonic() + 90
        while sql("SELECT to_regclass('system_metrics_p20200101') IS NULL") != "t":
            assert time.monotonic() < end
            time.sleep(0.2)
    assert sql("SELECT to_regclass('billing_events_p' || to_char(now() AT TIME ZONE 'UTC', "
               "'YYYYMMDD')) IS NOT NULL") == "t"
    assert sql("SELECT count(*) FROM billing_events") == "4"
    assert sql("SELECT count(*) FROM ONLY billing_events_default") in ("0", "4")
    assert sql("SELECT n || ' ' || total FROM metrics_hourly WHERE name = 'billing.commit'") == \
        "4 0.01"
    assert sql("SELECT count(*) FROM metrics_hourly WHERE name = 'tps' AND n = 60 AND total = 120") \
        == "3"
    assert sql("SELECT relkind FROM pg_class WHERE relname = 'audit_log_brin'") == "I"


def test_hypertables_where_the_extension_is(catalyst, postgres, database):
    """TimescaleDB's functions, as far as they are called; the edition without compression."""
    def sql(text):
        return postgres.psql(text, database=database[0]).stdout.strip()
    sql("CREATE TABLE asked (what text); "
        "CREATE FUNCTION create_hypertable(a regclass, b name, chunk_time_interval interval) RETURNS "
        "void LANGUAGE sql AS $$ INSERT INTO asked VALUES ('hyper ' || a || ' ' || b || ' ' || $3) $$; "
        "CREATE FUNCTION add_retention_policy(a regclass, b interval) RETURNS void LANGUAGE sql AS "
        "$$ INSERT INTO asked VALUES ('keep ' || a || ' ' || b) $$")
    init(catalyst, "--store", database[1])
    asked = sql("SELECT what FROM asked").split("\n")
    assert "hyper billing_events at 1 day" in asked and "keep billing_events 1 year" in asked
    assert "hyper metrics_hourly bucket 1 mon" in asked
    assert sql("SELECT bool_and(is_hyper AND note LIKE 'no compression: %') FROM platform_series") == \
        "t"
    assert sql("SELECT relkind FROM pg_class WHERE relname = 'audit_log'") == "r"
    assert sql("SELECT platform_house()") == "0"


def test_one_half_that_is_down(catalyst, broker, tmp_path):
    down = init(catalyst, "--kafka", "127.0.0.1:1", "--store", f"sqlite:{tmp_path}/a.db", code=3)
    assert down["kafka_note"] and all(t["kind"] == "table" for t in down["tables"]
                                      if t["name"] in OURS)
    down = init(catalyst, "--kafka", broker.url(), "--partitions", "2", "--store",
                "postgresql://127.0.0.1:1/none", code=3)
    assert down["store_note"] and set(states(down).values()) == {"created"}
    refused = init(catalyst, "--kafka", broker.url(), "--partitions", "2", "--replication", "9",
                   "--all-channels", "--store", f"sqlite:{tmp_path}/a.db", code=1)
    assert states(refused)["messaging.line.inbound"] == "failed"
    assert any("error" in t for t in refused["topics"])
