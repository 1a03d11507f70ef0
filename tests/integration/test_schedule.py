# SPDX-License-Identifier: Apache-2.0
"""Schedules on real engines and PostgreSQL: each time fires once, in any number of engines."""
import json
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from engines import Engine, until  # noqa: E402


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

    def wait_fired(self, n, timeout_s=60):
        until(lambda: self.fired() >= n, timeout_s, self.logs)

    def logs(self):
        return "\n".join(engine.log()[-2000:] for engine in self.started)

    def wait_in_a_row(self, n):
        """Until it has fired n seconds in a row: what a machine with other work holds up for longer than
        a second fires once for them all."""
        until(lambda: int(self.sql(
            "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM (SELECT at - row_number() OVER "
            "(ORDER BY at) * interval '1 second' AS start FROM (SELECT DISTINCT at FROM fired) f) g "
            "GROUP BY start) runs")) >= n, 120, self.logs)

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
    house.wait_in_a_row(3)
    assert house.twice() == 0
    hour, zone, tokyo = house.sql(
        "SELECT hour, zone, to_char(at AT TIME ZONE 'Asia/Tokyo', 'HH24') FROM fired LIMIT 1").split("|")
    assert zone == "Asia/Tokyo (UTC+09:00)" and hour == tokyo
    until(lambda: float(house.sql("SELECT min(extract(epoch FROM written - at)) FROM fired")) < 0.9)
    assert float(house.sql("SELECT min(extract(epoch FROM written - at)) FROM fired")) >= 0


@pytest.mark.parametrize("durability", ["none", "at_least_once", "exactly_once", "each_step"])
def test_three_engines_fire_once(house, durability):
    for name in ("one", "two", "three"):
        house.engine(name, clock(EACH_SECOND, durability=durability))
    house.wait_in_a_row(6)
    for engine in house.started:
        assert engine.stop() == 0
    if durability in ("exactly_once", "each_step"):
        # What is committed is so once; what a node did outside may come from one that was held up too.
        ended = "SELECT count(*) FROM executions WHERE status = 'success'"
        assert house.sql(ended) == house.sql("SELECT count(DISTINCT at) FROM fired")
    assert house.twice() <= house.fired() // 6


@pytest.mark.parametrize("durability", ["none", "exactly_once"])
def test_another_takes_over_from_a_dead_engine(house, durability):
    one = house.engine("one", clock(EACH_SECOND, durability=durability))
    house.wait_fired(2)
    house.engine("two", clock(EACH_SECOND, durability=durability))
    one.kill()
    house.wait_fired(house.fired() + 4)
    assert house.twice() <= 1  # at most what the dead one had written and not committed
    assert house.longest_gap() <= 20


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
    if misfire == "once":
        until(lambda: house.fired() > stopped, 30, house.logs)  # the next time is 50 s away
    time.sleep(4)
    return house.fired() - stopped


def test_a_missed_time_runs_once(house):
    assert restart_after_pause(house, "once") == 1


def test_a_missed_time_is_skipped(house):
    assert restart_after_pause(house, "skip") == 0
