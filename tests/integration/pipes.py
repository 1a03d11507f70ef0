# SPDX-License-Identifier: Apache-2.0
"""The workflow that tests and drills run: Kafka -> if -> set -> code -> switch -> Kafka, on real
servers, and what must be true at the end."""
import json
import threading
import time

import kcat
from engines import Engine


def node(name, kind, parameters=None, **more):
    return {"id": name.lower().replace(" ", "-"), "name": name, "type": f"catalyst.{kind}",
            "typeVersion": 1, "parameters": parameters or {}, **more}


def condition(left, operation, right=None, kind="string"):
    return {"conditions": {"combinator": "and", "conditions": [
        {"leftValue": left, "rightValue": right, "operator": {"type": kind, "operation": operation}}]}}


QUICK = [{"name": "session.timeout.ms", "value": "1500"},
         {"name": "heartbeat.interval.ms", "value": "300"}]


def pipe(source, sink, identity, properties=QUICK, **settings):
    """if -> set -> code -> switch between two topics; consumers notice a death in 1.5 s."""
    nodes = [
        node("In", "kafkaTrigger", {"topic": source, "options": {"onlyMessage": True,
                                                                 "properties": properties}}),
        node("Has text", "if", condition("={{ $json.text }}", "notEmpty")),
        node("Stamp", "set", {"includeOtherFields": True, "assignments": {"assignments": [
            {"name": "greeting", "type": "string", "value": "=Hello {{ $json.text }}"}]}}),
        node("Price", "code", {"mode": "runOnceForEachItem",
                               "code": "item.json.total = item.json.n * 2"}),
        node("Channel", "switch", {"rules": {"values": [condition("={{ $json.channel }}", "equals",
                                                                  "sms")]}}),
        node("Out", "kafka", {"topic": sink, "key": "={{ $json.n }}"})]
    for i, one in enumerate(nodes):
        one["position"] = [i * 200, 0]
    links = zip(nodes, nodes[1:])
    return {"id": identity, "name": identity, "nodes": nodes, "settings": {
                "executionOrder": "v1", "durability": "exactly_once", **settings},
            "connections": {a["name"]: {"main": [[{"node": b["name"], "type": "main", "index": 0}]]}
                            for a, b in links}}


def message(n, channel="sms", text="you"):
    return json.dumps({"n": n, "channel": channel, "text": text})


def until(check, timeout_s=90, why=lambda: "it did not come"):
    end = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < end, why()
        time.sleep(0.05)


class Feeder:
    """Produces `size` messages every `pause_s` until it is told to stop, so that engines which come and go
    have something to do for as long as that takes; `count` is the number of the next message."""

    def __init__(self, setting, size, pause_s, first=0):
        self.setting, self.size, self.pause_s, self.count = setting, size, pause_s, first
        self.error, self.ended = None, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.ended.is_set():
                self.setting.produce([message(n) for n in range(self.count, self.count + self.size)])
                self.count += self.size
                self.ended.wait(self.pause_s)
        except Exception as error:  # told by the test's own thread
            self.error = error

    def stop(self):
        """How many messages there are."""
        self.ended.set()
        self.thread.join()
        if self.error:
            raise self.error
        return self.count


class Setting:
    """Two topics, a database, and engines that run the pipe between them."""

    def __init__(self, catalyst, kafka, postgres, unique, tmp_path, **settings):
        self.catalyst, self.kafka, self.postgres, self.tmp_path = catalyst, kafka, postgres, tmp_path
        self.name = unique("pipe")
        self.source, self.sink = unique("in"), unique("out")
        kafka.create_topic(self.source, partitions=4)
        kafka.create_topic(self.sink, partitions=4)
        self.url = postgres.create_database(self.name)
        self.definition = pipe(self.source, self.sink, self.name, **settings)
        self.engines = []

    def engine(self, *flags, name="engine", start=True):
        one = Engine(self.catalyst, self.tmp_path, "--store", self.url, "--kafka", self.kafka.url(),
                     *flags, workflows=[self.definition], name=name)
        self.engines.append(one)
        return one.start() if start else one

    def produce(self, messages):
        kcat.produce(self.kafka.url(), self.source, messages)

    def sql(self, query):
        return self.postgres.psql(query, database=self.name).stdout.strip()

    def statuses(self):
        rows = self.sql("SELECT status, count(*) FROM executions GROUP BY 1").splitlines()
        return {status: int(n) for status, n in (row.split("|") for row in rows)}

    def outputs(self):
        return kcat.consume(self.kafka.url(), self.sink)

    def close(self):
        for one in self.engines:
            if one.process:
                one.kill()
