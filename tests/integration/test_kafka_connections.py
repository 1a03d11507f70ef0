# SPDX-License-Identifier: Apache-2.0
"""Kafka nodes with a credential: one workflow reads from one cluster and writes to another. The
clusters are embedded ones, each in a process of its own, so that an engine can die beside them."""
import collections
import json
import signal
import subprocess

import pytest

import kcat
from engines import Engine
from pipes import node, until


@pytest.fixture
def cluster(catalyst, tmp_path):
    """cluster("name") runs an embedded cluster; .brokers."""
    kcat.need()
    started = []

    def make(name):
        one = Engine(catalyst, tmp_path, "--store", "memory:", "--kafka", "embedded", name=name)
        started.append(one.start())
        one.brokers = one.addresses["kafka"]
        return one

    yield make
    for one in started:
        one.signal(signal.SIGCONT)
        one.kill()


def credentials(tmp_path, **brokers):
    """Credentials named after clusters."""
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({name: {"type": "kafka", "data": {
        "brokers": address, "protocol": "plaintext"}} for name, address in brokers.items()}))
    return "--credentials", path


def workflow(identity, source, sink, read=None, write=None):
    uses = lambda name: {"credentials": {"kafka": {"id": name, "name": name}}} if name else {}
    nodes = [node("In", "kafkaTrigger", {"topic": source, "options": {
                "onlyMessage": True}}, **uses(read)),
             node("Out", "kafka", {"topic": sink, "key": "={{ $json.n }}"}, **uses(write))]
    for one in nodes:
        one["position"] = [0, 0]
    return {"id": identity, "name": identity, "nodes": nodes, "settings": {"executionOrder": "v1"},
            "connections": {"In": {"main": [[{"node": "Out", "type": "main", "index": 0}]]}}}


def numbers(brokers, topic):
    return sorted(json.loads(m["payload"])["n"] for m in kcat.consume(brokers, topic))


def messages(count):
    return [json.dumps({"n": n}) for n in range(count)]


def test_there_and_back(catalyst, cluster, tmp_path):
    """1 -> 2 by one workflow, 2 -> 1 by another, on one engine."""
    one, two = cluster("one"), cluster("two")
    kcat.produce(one.brokers, "start", messages(300))
    kcat.produce(two.brokers, "start", ["{broken"])  # the wrong cluster's topic is not read
    with Engine(catalyst, tmp_path, "--store", "memory:", "--kafka", one.brokers, "--workers", 2,
                *credentials(tmp_path, two=two.brokers), workflows=[
                    workflow("there", "start", "middle", write="two"),
                    workflow("back", "middle", "end", read="two")]) as engine:
        until(lambda: engine.done("success") == 600, why=engine.log)
        until(lambda: len(numbers(one.brokers, "end")) == 300, why=engine.log)
    assert numbers(two.brokers, "middle") == list(range(300))
    assert numbers(one.brokers, "end") == list(range(300))
    assert not numbers(one.brokers, "middle") and not numbers(two.brokers, "end")


def test_no_brokers_in_the_settings(catalyst, cluster, tmp_path):
    one, two = cluster("one"), cluster("two")
    kcat.produce(one.brokers, "start", messages(50))
    with Engine(catalyst, tmp_path, "--store", "memory:",
                *credentials(tmp_path, one=one.brokers, two=two.brokers),
                workflows=[workflow("w", "start", "end", "one", "two")]) as engine:
        until(lambda: engine.done("success") == 50, why=engine.log)
        until(lambda: len(numbers(two.brokers, "end")) == 50, why=engine.log)
    assert numbers(two.brokers, "end") == list(range(50))


def test_login_of_the_settings_stays_with_their_brokers(catalyst, cluster, tmp_path):
    """The settings' cluster wants TLS (and cannot be reached); the credential's does not."""
    two = cluster("two")
    kcat.produce(two.brokers, "start", messages(20))
    engine = Engine(catalyst, tmp_path, "--store", "memory:", "--kafka", "127.0.0.1:9",
                    "--kafka-property", "security.protocol=ssl",
                    *credentials(tmp_path, two=two.brokers), ready=False,
                    workflows=[workflow("w", "start", "end", "two", "two")]).start()
    try:
        until(lambda: len(numbers(two.brokers, "end")) == 20, why=engine.log)
    finally:
        engine.kill()


@pytest.mark.parametrize("transactions", ["false", "true"])
def test_kill_9_while_the_other_cluster_sleeps(catalyst, cluster, tmp_path, transactions):
    """What is committed and could not leave is sent by the next engine, to the right cluster."""
    one, two = cluster("one"), cluster("two")
    kcat.produce(one.brokers, "start", messages(200))
    kcat.produce(two.brokers, "end", [])
    engine = Engine(catalyst, tmp_path, "--store", f"sqlite:{tmp_path}/c.db", "--kafka", one.brokers,
                    "--workers", 1, "--kafka-transactions", transactions,
                    *credentials(tmp_path, two=two.brokers), ready=False,
                    workflows=[workflow("w", "start", "end", write="two")])
    engine.start()
    two.signal(signal.SIGSTOP)
    engine.wait_listening()
    until(lambda: engine.done("success") == 200, why=engine.log)
    engine.kill()
    two.signal(signal.SIGCONT)
    engine.start()
    engine.wait_listening()
    until(lambda: len(numbers(two.brokers, "end")) >= 200, why=engine.log)
    until(lambda: engine.metric("catalyst_outputs_waiting") == 0)
    assert engine.stop() == 0
    bodies = collections.defaultdict(set)
    for m in kcat.consume(two.brokers, "end"):
        bodies[m["headers"]["catalyst-id"]].add(m["payload"])
    assert len(bodies) == 200 and all(len(one) == 1 for one in bodies.values())
    assert not numbers(one.brokers, "end")


def test_credential_that_went_away(catalyst, cluster, tmp_path):
    """Outputs of the journal for a connection that is not there wait, and are told of; with the
    credential they leave."""
    one, two = cluster("one"), cluster("two")
    flags = ["--store", f"sqlite:{tmp_path}/c.db", "--kafka", one.brokers, "--workers", 1,
             "--drain", "1s"]
    kcat.produce(one.brokers, "start", messages(30))
    first = Engine(catalyst, tmp_path, *flags, *credentials(tmp_path, two="127.0.0.1:9"),
                   ready=False, workflows=[workflow("w", "start", "end", write="two")]).start()
    first.wait_listening()
    until(lambda: first.done("success") == 30, why=first.log)
    first.kill()
    without = Engine(catalyst, tmp_path, *flags, name="without", ready=False, workflows=[
        workflow("w", "start", "end")]).start()
    without.wait_log("there is no credential 'two' of type kafka; outputs for it wait")
    without.kill()
    with Engine(catalyst, tmp_path, *flags, *credentials(tmp_path, two=two.brokers), name="again",
                workflows=[workflow("w", "start", "end", write="two")]) as again:
        until(lambda: len(numbers(two.brokers, "end")) == 30, why=again.log)


def check(catalyst, tmp_path, definition, *flags):
    path = tmp_path / "w.json"
    path.write_text(json.dumps(definition))
    return subprocess.run([catalyst, "check", path, *flags], capture_output=True, text=True,
                          timeout=120)


def test_unknown_connections_are_found_by_check(catalyst, tmp_path):
    flags = credentials(tmp_path, billing="127.0.0.1:1")
    good = check(catalyst, tmp_path, workflow("w", "a", "b", "billing", "billing"), *flags)
    assert good.returncode == 0, good.stderr
    bad = check(catalyst, tmp_path, workflow("w", "a", "b", "biling", "nowhere"), *flags)
    said = bad.stdout + bad.stderr
    assert bad.returncode == 1
    assert "no credential 'biling'; did you mean 'billing'?" in said
    assert "no credential 'nowhere' of type kafka" in said


def test_topic_that_no_broker_takes_fails_its_item(catalyst, cluster, tmp_path):
    one = cluster("one")
    kcat.produce(one.brokers, "start", messages(3))
    with Engine(catalyst, tmp_path, "--store", "memory:", "--kafka", one.brokers, "--workers", 1,
                workflows=[workflow("w", "start", "={{ $json.n === 1 ? 'a b' : 'end' }}")]) as engine:
        until(lambda: engine.done() == 3, why=engine.log)
        assert engine.done("error") == 1
        until(lambda: len(numbers(one.brokers, "end")) == 2, why=engine.log)
    assert numbers(one.brokers, "end") == [0, 2]
