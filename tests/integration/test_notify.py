# SPDX-License-Identifier: Apache-2.0
"""catalyst.notify and its trigger, run by the binary: alerts come by webhook, notifications leave as
signed webhooks, which the receiver verifies with an implementation of its own."""
import contextlib
import sqlite3
import time

import pytest
from notifying import NEW, OLD, Receiver, Routing, fast, stamp, until, verify


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def routing(catalyst, tmp_path, receiver):
    started = []

    def start(configuration=None, **more):
        one = Routing(catalyst, tmp_path, configuration or fast(), receiver.url, **more).start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.engine.kill()


def told(receiver):
    return [(i["receiver"], i["status"], i["firing"], i["resolved"]) for i in receiver.items()]


def test_a_group_is_told_and_resolved(routing, receiver):
    one = routing()
    given = one.post("alerts", [{"labels": {"alertname": "Down", "host": host}, "startsAt": stamp()}
                                for host in "ab"])  # at once, so that they are told together
    assert given["notify"]["accepted"] == 2
    until(lambda: receiver.got)
    one.alert(over=True, alertname="Down", host="a")
    until(lambda: len(receiver.got) == 2)
    one.alert(over=True, alertname="Down", host="b")
    until(lambda: len(receiver.got) == 3)
    assert told(receiver) == [("team", "firing", 2, 0), ("team", "firing", 1, 1),
                              ("team", "resolved", 0, 1)]
    first = receiver.items()[0]
    assert first["groupKey"] == '{}:{alertname="Down"}'
    assert first["commonLabels"] == {"alertname": "Down"}
    assert {a["labels"]["host"] for a in first["alerts"]} == {"a", "b"}
    assert len({i["incident"] for i in receiver.items()}) == 1
    assert len({i["id"] for i in receiver.items()}) == 3
    for _, path, headers, body in receiver.got:
        assert path == "/hook"
        assert verify(NEW, headers, body) and verify(OLD, headers, body)
        assert not verify(NEW, headers, body + b" ")
        assert not verify(NEW, headers, body, now=time.time() + 301)
    assert "notify_notifications_total" in one.engine.get("/metrics")[1]


def test_wrong_alerts_are_told(routing):
    one = routing()
    answer = one.post("alerts", [{"labels": {}}, {"labels": {"a b": "x"}}, {"labels": {"a": "x"}}])
    assert answer["notify"]["accepted"] == 1
    assert [w["index"] for w in answer["notify"]["rejected"]] == [0, 1]
    assert "at least one label" in answer["notify"]["rejected"][0]["reason"]


def test_silences_and_acknowledgements(routing, receiver):
    one = routing(fast(route={"escalation": [{"after": "8s", "receiver": "lead"}]}))
    made = one.post("silence", {"matchers": ['host="a"'], "duration": "1h"})["silence"]
    until(lambda: [s["id"] for s in one.post("list", {})["silences"]] == [made["id"]])
    one.alert(alertname="Down", host="a")
    one.alert(alertname="Slow", host="b")
    until(lambda: receiver.got)
    assert told(receiver) == [("team", "firing", 1, 0)]
    one.post("ack", {"what": receiver.items()[0]["incident"]})
    one.post("expire", {"id": made["id"]})
    until(lambda: len(receiver.got) == 2)  # the one that was silent, with the next interval
    until(lambda: len(receiver.got) == 3)  # it escalates; the other was acknowledged
    assert sorted((i["receiver"], i["groupLabels"]["alertname"]) for i in receiver.items()) == [
        ("lead", "Down"), ("team", "Down"), ("team", "Slow")]
    assert one.post("list", {})["silences"][0]["state"] == "expired"


@pytest.mark.parametrize("kill_after_s", [0.1, 0.7, 1.1, 1.4])
def test_a_killed_engine_tells_once(routing, receiver, tmp_path, kill_after_s):
    """In the middle of group_wait, as the group is told, and behind it."""
    one = routing(fast(route={"group_wait": "1s", "group_interval": "3s"}))
    one.alert(alertname="Down", host="a")
    time.sleep(kill_after_s)
    one.engine.kill()
    one.start()
    until(lambda: receiver.got)
    time.sleep(4)
    ids = {i["id"] for i in receiver.items()}
    assert len(ids) == 1, told(receiver)  # a repetition of the webhook has the same id
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db", timeout=60)) as store:
        assert store.execute("SELECT id FROM notify_claims").fetchall() == [(i,) for i in ids]
        until(lambda: not store.execute("SELECT id FROM notify_outbox").fetchall())


def test_prometheus_talks_to_it(routing, receiver):
    """The body of Alertmanager's own webhook, and the item form of topics."""
    one = routing()
    one.post("alerts", {"version": "4", "status": "firing", "alerts": [
        {"status": "firing", "labels": {"alertname": "A"}, "annotations": {"summary": "s"},
         "startsAt": stamp(), "endsAt": "0001-01-01T00:00:00Z"}]})
    one.post("alerts", {"labels": {"alertname": "B"}, "severity": "critical",
                        "starts_at": int(time.time() * 1e6)})
    until(lambda: len(receiver.got) == 2)
    assert {(i["commonLabels"]["alertname"], i["severity"]) for i in receiver.items()} == {
        ("A", "info"), ("B", "critical")}


def test_an_engine_that_lost_the_routing_writes_nothing(routing, receiver, tmp_path):
    """Another one took over meanwhile; it finds the alert where it was."""
    one = routing()
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db", timeout=60)) as store:
        store.execute("UPDATE notify_owner SET epoch = epoch + 1")
        store.commit()
        one.alert(alertname="Down")
        one.engine.wait_log("notify.lost")
        until(lambda: "another engine" in one.engine.get("/readyz")[1])
        time.sleep(1.5)
        assert not receiver.got
        assert len(store.execute("SELECT id FROM notify_inbox").fetchall()) == 1
    one.engine.kill()
    one.start()
    until(lambda: receiver.got)


def test_a_flood_comes_through(routing, receiver):
    one = routing(fast(route={"group_by": ["n"]}, **{"global": {"storm": {"max": 5, "per": "5s"}}}))
    for part in range(4):
        one.post("alerts", [{"labels": {"alertname": "A", "n": f"{part}-{i}"}} for i in range(500)])
    until(lambda: sum(i.get("held", 1) for i in receiver.items()) == 2000, 120)
    assert len(receiver.got) <= 25  # five in five seconds


def test_on_postgresql(routing, receiver, postgres, unique):
    one = routing(store=postgres.create_database(unique("notify")))
    one.alert(alertname="Down", host="a")
    time.sleep(0.5)
    one.engine.kill()
    one.start()
    until(lambda: receiver.got)
    made = one.post("silence", {"matchers": ['host="b"'], "duration": "1h"})["silence"]
    until(lambda: [s["id"] for s in one.post("list", {})["silences"]] == [made["id"]])
    one.alert(alertname="Down", host="b")
    one.alert(over=True, alertname="Down", host="a")
    until(lambda: len(receiver.got) >= 2)
    time.sleep(1)
    assert told(receiver) == [("team", "firing", 1, 0), ("team", "resolved", 0, 1)]
