# SPDX-License-Identifier: Apache-2.0
"""Requests that come twice under one idempotency key: one execution, one answer, also after a
restart, a crash, and from another engine."""
import sqlite3
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from engines import Engine, Gate, until  # noqa: E402
from test_cases import definition  # noqa: E402


def hook(gate=None, mode="lastNode", path="in", status=0, **options):
    nodes = [{"name": "Hook", "type": "catalyst.webhook", "parameters": {
        "httpMethod": "POST", "path": path, "responseMode": mode, "responseCode": status,
        "options": {"idempotencyKeyHeader": "Idempotency-Key", **options}}},
             {"name": "Mark", "type": "catalyst.set", "parameters": {
                 "mode": "raw", "jsonOutput": "={{ { id: $execution.id, a: $json.body.a } }}"}}]
    wires = ["Hook -> Mark"]
    if gate:
        nodes += [gate.step, {**nodes[1], "name": "End", "parameters": {
            "mode": "raw", "jsonOutput": "={{ $('Mark').item.json }}"}}]
        wires += ["Mark -> Held", "Held -> End"]
    return definition({"id": path, "name": path, "nodes": nodes, "wires": wires})


@pytest.fixture
def gate():
    with Gate() as one:
        yield one


@pytest.fixture
def engine(catalyst, tmp_path):
    started = []

    def start(*workflows, name="engine", workers=2):
        one = Engine(catalyst, tmp_path, "--store", f"sqlite:{tmp_path}/store.db", "--workers",
                     str(workers), workflows=workflows, name=name).start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()


def send(one, key, body=None, path="/webhook/in", **headers):
    if key is not None:
        headers["Idempotency-Key"] = key
    return one.call("POST", path, body or {"a": 1}, headers)


def test_the_same_answer_comes_again(engine):
    one = engine(hook(status=201, responseHeaders=[{"name": "x-one", "value": "1"}]))
    first = send(one, "k")
    assert first.status == 201 and "idempotent-replayed" not in first.headers
    for _ in range(3):
        again = send(one, "k")
        assert again.status == 201 and again.body == first.body
        assert again.headers["idempotent-replayed"] == "true" and again.headers["x-one"] == "1"
        assert again.headers["content-type"] == first.headers["content-type"]
    assert one.done() == 1
    assert send(one, "l").body != first.body and send(one, None).body != first.body
    assert one.done() == 3


def test_another_body_is_refused(engine):
    one = engine(hook())
    assert send(one, "k").status == 200
    assert send(one, "k", {"a": 2}).status == 422
    assert send(one, "k", path="/webhook/in?b=1").status == 422
    assert send(one, "").status == 400 and send(one, "x" * 256).status == 400
    assert one.done() == 1


def test_at_once_as_well(engine):
    one = engine(hook(mode="onReceived"))
    assert send(one, "k").status == 202
    again = send(one, "k")
    assert again.status == 202 and again.headers["idempotent-replayed"] == "true"
    one.wait_done(1)


def test_while_the_first_runs_it_is_busy(engine, gate):
    one = engine(hook(gate))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(send(one, "k")))
    thread.start()
    gate.wait()
    assert send(one, "k").status == 409
    gate.open()
    thread.join()
    assert answers[0].status == 200
    again = send(one, "k")
    assert again.status == 200 and again.body == answers[0].body
    assert one.done() == 1


def test_many_at_once_are_one(engine, gate):
    one = engine(hook(gate), workers=4)
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(send(one, "k").status))
               for _ in range(24)]
    for thread in threads:
        thread.start()
    until(lambda: len(statuses) == 23, what=lambda: f"answered: {statuses}")
    gate.open()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [409] * 23
    assert one.done() == 1


def test_a_failed_execution_answers_again(engine):
    bad = hook()
    bad["nodes"][1] = {**bad["nodes"][1], "type": "catalyst.stopAndError",
                       "parameters": {"errorMessage": "no"}}
    one = engine(bad)
    assert send(one, "k").status == 500
    again = send(one, "k")
    assert again.status == 500 and again.headers["idempotent-replayed"] == "true"
    assert one.done() == 1


def test_it_survives_a_restart(engine):
    one = engine(hook())
    first = send(one, "k")
    assert one.stop() == 0
    two = engine(hook(), name="second")
    again = send(two, "k")
    assert again.body == first.body and again.headers["idempotent-replayed"] == "true"
    assert two.done() == 0


def test_an_execution_that_outlives_its_engine_answers(engine, gate, tmp_path):
    one = engine(hook(gate))
    threading.Thread(target=lambda: lost(one), daemon=True).start()
    with sqlite3.connect(tmp_path / "store.db", timeout=60) as store:
        until(lambda: store.execute("SELECT count(*) FROM executions WHERE status = 'waiting'")
              .fetchone()[0] == 1, what="it is not in the store")
    store.close()
    one.kill()
    two = engine(hook(gate), name="second")
    assert send(two, "k").status == 409  # it is accepted, and will go on
    gate.open()
    again = until(lambda: (answer := send(two, "k")).status != 409 and answer, what="it is busy for ever")
    assert again.status == 200 and again.json()["a"] == 1
    assert again.headers["idempotent-replayed"] == "true"


def lost(one):
    try:
        send(one, "k")
    except OSError:
        pass


def test_keys_are_forgotten(engine):
    one = engine(hook(idempotencyKeyRetention="1s"))
    first = send(one, "k")
    again = until(lambda: (answer := send(one, "k")).body != first.body and answer, what="it is kept")
    assert again.status == 200


def test_without_the_option_the_header_means_nothing(engine):
    plain = hook()
    del plain["nodes"][0]["parameters"]["options"]["idempotencyKeyHeader"]
    one = engine(plain)
    assert send(one, "k").body != send(one, "k").body
