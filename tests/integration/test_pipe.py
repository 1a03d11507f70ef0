# SPDX-License-Identifier: Apache-2.0
"""The main job on real servers: Kafka -> if -> set -> code -> switch -> Kafka, the outcome of every
message in PostgreSQL."""
import json
import re
import subprocess
import time

import pytest

import kcat
from engines import Engine
from pipes import Setting, message, pipe, until


@pytest.fixture
def setting(catalyst, kafka, postgres, unique, tmp_path):
    made = []

    def make(**settings):
        made.append(Setting(catalyst, kafka, postgres, unique, tmp_path, **settings))
        return made[-1]
    yield make
    for one in made:
        one.close()


def test_messages_walk_through(setting):
    s = setting()
    s.produce([message(n) for n in range(1000)] + [message(1, channel="mail"), message(2, text="")])
    engine = s.engine()
    until(lambda: engine.done() == 1002, why=engine.log)
    assert engine.stop() == 0
    assert s.statuses() == {"success": 1002}
    out = s.outputs()
    assert len(out) == 1000
    assert len({m["headers"]["catalyst-id"] for m in out}) == 1000
    bodies = {json.loads(m["payload"])["n"]: (m["key"], json.loads(m["payload"])) for m in out}
    assert bodies[7] == ("7", {"n": 7, "channel": "sms", "text": "you", "greeting": "Hello you",
                               "total": 14})


def test_malformed_messages_fail_alone_with_their_bytes(setting, unique):
    letters = unique("dead")
    s = setting(deadLetter=letters)
    s.kafka.create_topic(letters, partitions=1)
    broken = ["{broken", '{"n": 1, "text": "tail"} x', "\\u0000", '{"n": "seven", "text": "x"}']
    s.produce([message(n) for n in range(50)] + broken + [message(n) for n in range(50, 100)])
    engine = s.engine()
    until(lambda: engine.done() == 104, why=engine.log)
    assert engine.stop() == 0
    assert s.statuses() == {"success": 100, "error": 4}
    assert len(s.outputs()) == 100
    dead = kcat.consume(s.kafka.url(), letters)
    assert sorted(m["payload"] for m in dead) == sorted(broken)
    reasons = {m["payload"]: m["headers"] for m in dead}
    assert reasons["{broken"]["catalyst-node"] == "In"
    assert reasons[broken[3]]["catalyst-node"] == "Price"
    identity = reasons["{broken"]["catalyst-execution"]
    shown = subprocess.run([s.catalyst, "executions", "show", identity, "--store", s.url], text=True,
                           capture_output=True)
    assert shown.returncode == 0, shown.stderr
    assert "{broken" in json.dumps(json.loads(shown.stdout))


@pytest.mark.parametrize("durability", ["none", "at_least_once"])
def test_other_durability_classes(setting, durability):
    s = setting(durability=durability)
    s.produce([message(n) for n in range(500)])
    engine = s.engine()
    until(lambda: engine.done() == 500, why=engine.log)
    until(lambda: len(s.outputs()) == 500)
    assert engine.stop() == 0
    assert not s.statuses()


def test_restart_goes_on_where_it_stopped(setting):
    s = setting()
    s.produce([message(n) for n in range(100)])
    first = s.engine()
    until(lambda: first.done() == 100, why=first.log)
    assert first.stop() == 0
    s.produce([message(n) for n in range(100, 200)])
    second = s.engine(name="second")
    until(lambda: second.done() == 100, why=second.log)
    time.sleep(0.3)
    assert second.done() == 100
    assert second.stop() == 0
    assert len(s.outputs()) == 200


def test_drain_under_load_loses_and_repeats_nothing(setting):
    s = setting()
    s.produce([message(n) for n in range(20000)])
    first = s.engine()
    until(lambda: first.done() > 100, why=first.log)
    assert first.stop() == 0
    second = s.engine(name="second")
    until(lambda: s.statuses() == {"success": 20000}, 120, why=second.log)
    assert second.stop() == 0
    ids = [m["headers"]["catalyst-id"] for m in s.outputs()]
    assert len(ids) == len(set(ids)) == 20000


def test_a_lane_that_nobody_has_is_taken_again(setting):
    """A former owner's claim comes late, as after an outage of the store: the engine that reads the
    partition loses the lane to one that does not, and the group never says so."""
    s = setting()
    engine = s.engine("--workers", "1")  # nobody joins later
    s.produce([message(n) for n in range(400)])
    until(lambda: s.statuses() == {"success": 400}, why=engine.log)
    s.sql("UPDATE source_position SET epoch = epoch + 1, owner = 999 "
          "WHERE source = (SELECT max(source) FROM source_position)")
    s.produce([message(n) for n in range(400, 800)])
    until(lambda: "trigger.fenced" in engine.log(), why=engine.log)
    until(lambda: s.statuses() == {"success": 800}, why=engine.log)
    assert "its lane is taken again" in engine.log()
    s.produce([message(n) for n in range(800, 1200)])
    until(lambda: s.statuses() == {"success": 1200}, why=engine.log)
    assert engine.stop() == 0
    ids = [m["headers"]["catalyst-id"] for m in s.outputs()]
    assert len(ids) == len(set(ids)) == 1200


def test_a_lane_is_lost_just_before_the_group_changes(setting):
    """As above, and another engine joins before the lane is taken again: partitions that stay where they
    are must be read on."""
    s = setting()
    engine = s.engine()
    s.produce([message(n) for n in range(400)])
    until(lambda: s.statuses() == {"success": 400}, why=engine.log)
    s.sql("UPDATE source_position SET epoch = epoch + 1, owner = 999 "
          "WHERE source = (SELECT max(source) FROM source_position)")
    s.produce([message(n) for n in range(400, 800)])
    until(lambda: "trigger.fenced" in engine.log(), why=engine.log)
    other = s.engine(name="other")
    until(lambda: s.statuses() == {"success": 800}, why=lambda: engine.log() + other.log())


def test_two_engines_share_and_one_takes_over(setting):
    s = setting()
    one, two = (s.engine("--workers", 1, name=name) for name in ("one", "two"))
    sent = 0

    def feed(count):
        nonlocal sent
        s.produce([message(n) for n in range(sent, sent + count)])
        sent += count
    until(lambda: feed(200) or one.done() and two.done(), why=lambda: "one of them gets nothing")
    until(lambda: s.statuses() == {"success": sent}, why=lambda: one.log() + two.log())
    began = time.monotonic()
    one.kill()
    feed(400)
    until(lambda: s.statuses() == {"success": sent}, why=two.log)
    took = time.monotonic() - began
    # Sessions of 1.5 s: far below the 30 s of a takeover that waits for a heartbeat, also on a busy machine.
    assert took < 25, f"taken over after {took:.1f} s"
    two.stop()
    bodies = {}
    for m in s.outputs():
        bodies.setdefault(m["headers"]["catalyst-id"], set()).add(m["payload"])
    assert len(bodies) == sent
    assert all(len(body) == 1 for body in bodies.values())


def test_engines_come_and_go_and_nothing_leaves_twice(setting):
    """Nobody crashes: who gives partitions up tells the journal first what has left."""
    s = setting()
    sent = 0

    def feed(seconds):
        nonlocal sent
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            s.produce([message(n) for n in range(sent, sent + 300)])
            sent += 300
    one = s.engine("--workers", 1, name="one")  # no more workers than partitions, so that each has some
    until(lambda: feed(0.2) or one.done(), why=one.log)
    two = s.engine("--workers", 1, name="two")
    until(lambda: feed(0.5) or two.done(), why=two.log)
    three = s.engine("--workers", 1, name="three")
    until(lambda: feed(0.5) or three.done(), why=three.log)
    assert two.stop() == 0
    feed(1)
    until(lambda: s.statuses() == {"success": sent}, 120, why=lambda: one.log() + three.log())
    assert one.stop() == 0 and three.stop() == 0
    ids = [m["headers"]["catalyst-id"] for m in s.outputs()]
    assert len(ids) == len(set(ids)) == sent


def test_broker_down_at_start(setting, new_server):
    s = setting()
    broker = new_server("kafka", heap="256m")
    broker.create_topic(s.source, partitions=2)
    broker.create_topic(s.sink, partitions=2)
    broker.stop()
    s.kafka = broker
    engine = s.engine(start=False)
    engine.ready = False
    engine.start()
    engine.wait_listening()
    # First the store connects, then there is only one reason left.
    until(lambda: "kafka" in engine.get("/readyz")[1].lower(), why=engine.log)
    assert engine.get("/readyz")[0] == 503
    assert engine.get("/healthz")[0] == 200
    broker.start()
    engine.wait_ready(90)
    s.produce([message(n) for n in range(10)])
    until(lambda: engine.done() == 10, why=engine.log)


def test_a_topic_that_comes_after_the_start(setting, unique):
    """Not ready while it is not there; ready when it is, also the worker that gets nothing of it."""
    s = setting()
    late = unique("late")
    s.definition["nodes"][0]["parameters"]["topic"] = late
    engine = s.engine("--workers", "2", start=False)
    engine.ready = False
    engine.start()
    engine.wait_listening()
    until(lambda: engine.log().count("not available") == 2, why=engine.log)
    until(lambda: engine.get("/readyz")[1].count("not available") == 1, why=lambda: (
        f"each reason once: {engine.get('/readyz')[1]}"))
    s.kafka.create_topic(late, partitions=1)
    engine.wait_ready(90)
    assert engine.done() == 0


def test_broker_restart_mid_flight(setting, new_server):
    s = setting()
    broker = new_server("kafka", heap="256m")
    broker.create_topic(s.source, partitions=2)
    broker.create_topic(s.sink, partitions=2)
    s.kafka = broker
    engine = s.engine()
    s.produce([message(n) for n in range(3000)])
    until(lambda: engine.done() > 0, why=engine.log)
    broker.kill()
    broker.start()
    s.produce([message(n) for n in range(3000, 4000)])
    until(lambda: s.statuses().get("success") == 4000, 120, why=engine.log)
    engine.stop()
    bodies = {}
    for m in s.outputs():
        bodies.setdefault(m["headers"]["catalyst-id"], set()).add(m["payload"])
    assert len(bodies) == 4000 and all(len(body) == 1 for body in bodies.values())


def test_postgres_down_at_start_and_restart_mid_flight(setting, new_server):
    s = setting()
    database = new_server("postgres")
    s.postgres, s.url = database, database.url()
    s.name = "catalyst"
    database.stop()
    engine = s.engine(start=False)
    engine.ready = False
    engine.start()
    engine.wait_log("store.wait")
    database.start()
    engine.wait_listening(90)
    engine.wait_ready(90)
    s.produce([message(n) for n in range(5000)])
    until(lambda: engine.done() > 0, why=engine.log)
    database.kill()
    s.produce([message(n) for n in range(5000, 6000)])
    time.sleep(0.5)
    assert engine.get("/healthz")[0] == 200
    until(lambda: "store" in engine.get("/readyz")[1], why=engine.log)
    assert engine.get("/readyz")[0] == 503
    database.start()
    engine.wait_ready(90)
    until(lambda: s.statuses().get("success") == 6000, 120,
          why=lambda: f"{s.statuses()}\n{engine.log()}")
    engine.stop()
    bodies = {}
    for m in s.outputs():
        bodies.setdefault(m["headers"]["catalyst-id"], set()).add(m["payload"])
    assert len(bodies) == 6000 and all(len(body) == 1 for body in bodies.values())


def test_embedded_kafka(catalyst, tmp_path):
    kcat.need()
    # its groups form after 3 s, longer than a quick session lasts
    flow = pipe("small.in", "small.out", "small", properties=[])
    engine = Engine(catalyst, tmp_path, "--store", "memory:", "--kafka", "embedded",
                    workflows=[flow]).start()
    try:
        broker = engine.addresses["kafka"]
        assert broker, engine.log()
        kcat.produce(broker, "small.in", [message(n) for n in range(10)])
        until(lambda: engine.done("success") == 10, why=engine.log)
        until(lambda: len(kcat.consume(broker, "small.out")) == 10)
    finally:
        assert engine.stop() == 0
        engine.kill()


def test_metrics_tell_the_lag(setting):
    s = setting()
    s.produce([message(n) for n in range(2000)])
    engine = s.engine()
    until(lambda: engine.done() == 2000, why=engine.log)
    until(lambda: re.search(r"^catalyst_trigger_lag\{.*\} 0$", engine.metrics(), re.M))
    until(lambda: engine.metric("catalyst_outputs_acknowledged_total") == 2000)
