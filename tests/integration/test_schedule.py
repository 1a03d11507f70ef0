# SPDX-License-Identifier: Apache-2.0
"""Schedules on real engines and PostgreSQL: each time fires once, in any number of engines."""
import json
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from engines import Engine  # noqa: E402


def clock(parameters, **settings):
    return {
        "id": "clock", "name": "clock", "active": True, "settings": settings,
        "nodes": [
            {"id": "s", "name": "Clock", "type": "catalyst.scheduleTrigger", "parameters": parameters},
            {"id": "w", "name": "Write", "type": "catalyst.postgres",
             "credentials": {"postgres": {"name": "db"}}, "parameters": {
                 "operation": "executeQuery",
                 "query": "INSERT INTO fired (at, hour, zone, engine) VALUES ($1, $2, $3, $4)",
                 "options": {"queryReplacement": [
                     "={{ $json.timestamp }}", "={{ $json.Hour }}", "={{ $json.Timezone }}", "x"]}}}],
        "connections": {"Clock": {"main": [[{"node": "Write", "type": "main", "index": 0}]]}}}


EACH_SECOND = {"rule": {"interval": [{"field": "seconds", "secondsInterval": 1}]}}


class House:
    """Engines that share a database, which also takes what executions write."""

    def __init__(self, catalyst, folder, server, name):
        self.catalyst, self.folder, self.server, self.name = catalyst, folder, server, name
        self.url = server.create_database(name)
        self.sql("CREATE TABLE fired (at timestamptz, hour text, zone text, engine text, "
                 "written timestamptz DEFAULT now())")
        self.credentials = folder / "credentials.json"
        self.credentials.write_text(json.dumps({"db": {"type": "postgres", "data": {
            "host": "127.0.0.1", "port": str(server.port), "database": name, "user": "catalyst"}}}))
        self.started = []

    def sql(self, text):
        return self.server.psql(text, database=self.name).stdout.strip()

    def engine(self, name, workflow):
        engine = Engine(self.catalyst, self.folder, "--store", self.url, "--credentials",
                        self.credentials, workflows=[workflow], name=name).start()
        self.started.append(engine)
        return engine

    def fired(self):
        return int(self.sql("SELECT count(*) FROM fired"))

    def wait_fired(self, n, timeout_s=30):
        end = time.monotonic() + timeout_s
        while self.fired() < n:
            assert time.monotonic() < end, [e.log()[-2000:] for e in self.started]
            time.sleep(0.1)

    def twice(self):
        return int(self.sql("SELECT count(*) - count(DISTINCT at) FROM fired"))

    def longest_gap(self):
        return float(self.sql("SELECT coalesce(max(extract(epoch FROM gap)), 0) FROM "
                              "(SELECT at - lag(at) OVER (ORDER BY at) AS gap FROM fired) g"))


@pytest.fixture
def house(catalyst, tmp_path, postgres, unique):
    house = House(catalyst, tmp_path, postgres, unique("clock"))
    yield house
    for engine in house.started:
        engine.kill()


def test_one_engine_in_its_zone(house):
    house.engine("one", clock(EACH_SECOND, timezone="Asia/Tokyo"))
    house.wait_fired(3)
    assert house.twice() == 0 and house.longest_gap() == 1
    hour, zone, tokyo = house.sql(
        "SELECT hour, zone, to_char(at AT TIME ZONE 'Asia/Tokyo', 'HH24') FROM fired LIMIT 1").split("|")
    assert zone == "Asia/Tokyo (UTC+09:00)" and hour == tokyo
    assert float(house.sql("SELECT max(extract(epoch FROM written - at)) FROM fired")) < 0.9


@pytest.mark.parametrize("durability", ["none", "at_least_once", "exactly_once", "each_step"])
def test_three_engines_fire_once(house, durability):
    for name in ("one", "two", "three"):
        house.engine(name, clock(EACH_SECOND, durability=durability))
    house.wait_fired(8)
    assert house.twice() == 0
    assert house.longest_gap() == 1


@pytest.mark.parametrize("durability", ["none", "exactly_once"])
def test_another_takes_over_from_a_dead_engine(house, durability):
    one = house.engine("one", clock(EACH_SECOND, durability=durability))
    house.wait_fired(2)
    house.engine("two", clock(EACH_SECOND, durability=durability))
    one.kill()
    house.wait_fired(house.fired() + 4)
    assert house.twice() <= 1  # at most what the dead one had written and not committed
    assert house.longest_gap() <= 5


def restart_after_pause(house, misfire):
    rule = {"misfire": misfire, "rule": {"interval": [
        {"field": "cronExpression", "expression": "* * * * * *"}]}}
    one = house.engine("one", clock(rule))
    house.wait_fired(1)
    one.stop()
    stopped = house.fired()
    # From now on it fires at a time long past only: what the pause missed.
    second = int(house.sql("SELECT extract(second FROM max(at))::int FROM fired"))
    due = (second + 2) % 60
    rule["rule"]["interval"][0]["expression"] = f"{due} * * * * *"
    time.sleep(9)
    house.engine("two", clock(rule))
    time.sleep(4)
    return house.fired() - stopped


def test_a_missed_time_runs_once(house):
    assert restart_after_pause(house, "once") == 1


def test_a_missed_time_is_skipped(house):
    assert restart_after_pause(house, "skip") == 0
