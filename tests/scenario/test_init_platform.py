# SPDX-License-Identifier: Apache-2.0
"""`catalyst init-platform` without servers: SQLite, and where there is nothing to do."""
import json
import sqlite3
import subprocess

import pytest


@pytest.fixture
def init(catalyst, tmp_path):
    def run(*flags):
        return subprocess.run([catalyst, "init-platform", *flags], text=True, cwd=tmp_path,
                              capture_output=True, timeout=120)
    return run


def test_sqlite(init, tmp_path):
    store = f"sqlite:{tmp_path}/store.db"
    dry = init("--store", store, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "tables of platform 1: series (would run)" in dry.stdout
    assert "nothing was done (--dry-run)" in dry.stdout
    assert not (tmp_path / "store.db").exists()
    done = init("--store", store, "--kafka", "embedded")
    assert done.returncode == 0, done.stderr
    assert "SQLite: plain ones" in done.stdout and "audit_log                table" in done.stdout
    assert "embedded Kafka begins empty with every start" in done.stdout
    again = init("--store", store, "--json")
    result = json.loads(again.stdout)
    assert result["steps"] == [] and result["topics"] == []
    assert "no Kafka is configured" in result["kafka_note"]
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("INSERT INTO audit_log (id, actor, action) VALUES ('1', 'ann', 'login')")
        db.execute("INSERT INTO metrics_hourly VALUES ('2026-01-01', 'tps', '{}', 1, 2, 2, 2)")


def test_memory_has_nothing_to_make(init):
    done = init("--store", "memory:")
    assert done.returncode == 0
    assert "the memory store begins empty with every start" in done.stdout


def test_wrong_words(init, tmp_path):
    for flags, words in ((["--partitions", "0"], "--partitions must be a number from 1 to 10000"),
                         (["--replication", "x"], "--replication must be a number from 1 to 100"),
                         (["--al-channels"], "did you mean '--all-channels'"),
                         (["now"], "unexpected word 'now'")):
        done = init("--store", f"sqlite:{tmp_path}/no.db", *flags)
        assert done.returncode == 2 and words in done.stderr, (flags, done.stderr)
    assert not (tmp_path / "no.db").exists()
