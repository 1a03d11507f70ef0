# SPDX-License-Identifier: Apache-2.0
"""Nodes that talk to servers, run by the binary against real ones."""
import http.server
import json
import os
import subprocess
import threading
import time

import pytest

TRIGGER = {"id": "t", "name": "Start", "type": "catalyst.manualTrigger", "parameters": {}}


class Workflow:
    """Start -> Node, run once by `catalyst run`."""

    def __init__(self, catalyst, folder, credentials=None):
        self.catalyst, self.folder = catalyst, folder
        self.credentials = folder / "credentials.json"
        self.credentials.write_text(json.dumps(credentials or {}))

    def start(self, type_, parameters, items=None, **node):
        definition = {
            "id": "w", "name": "w", "settings": {}, "connections": {
                "Start": {"main": [[{"node": "Node", "type": "main", "index": 0}]]}},
            "nodes": [TRIGGER, {"id": "n", "name": "Node", "type": type_, "parameters": parameters,
                                **node}]}
        file = self.folder / "workflow.json"
        file.write_text(json.dumps(definition))
        process = subprocess.Popen(
            [self.catalyst, "run", file, "--credentials", self.credentials, "--output", "json",
             "--input", "-"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdin.write(json.dumps(items if items is not None else [{}]))
        process.stdin.close()
        return process

    def result(self, process):
        out, err = process.stdout.read(), process.stderr.read()
        process.wait(timeout=60)
        assert out, err
        return json.loads(out)

    def run(self, type_, parameters, items=None, **node):
        return self.result(self.start(type_, parameters, items, **node))

    def items(self, type_, parameters, items=None, **node):
        """What the node gives; the execution must succeed."""
        result = self.run(type_, parameters, items, **node)
        assert result["status"] == "success", result["error"]
        return [item["json"] for item in result["nodes"]["Node"][0]["outputs"][0]]

    def error(self, type_, parameters, items=None, **node):
        result = self.run(type_, parameters, items, **node)
        assert result["status"] == "error", result
        return result["error"]


# --- Redis ----------------------------------------------------------------------------------------

@pytest.fixture
def on_redis(catalyst, tmp_path, redis):
    host, port = "127.0.0.1", redis.port
    workflow = Workflow(catalyst, tmp_path, {
        "cache": {"type": "redis", "data": {"host": host, "port": str(port)}}})
    return Redis(workflow)


class Redis:
    def __init__(self, workflow):
        self.workflow = workflow
        self.node = {"credentials": {"redis": {"name": "cache"}}}

    def __call__(self, operation, items=None, **parameters):
        return self.workflow.items("catalyst.redis", {"operation": operation, **parameters}, items,
                                   **self.node)

    def get(self, key, **more):
        return self("get", key=key, propertyName="v", **more)[0]["v"]

    def error(self, operation, items=None, **parameters):
        return self.workflow.error("catalyst.redis", {"operation": operation, **parameters}, items,
                                   **self.node)


def test_redis_set_and_get(on_redis, unique):
    key = unique("k")
    assert on_redis("set", [{"a": 1}], key=key, value="x") == [{"a": 1}]
    assert on_redis.get(key) == "x"
    assert on_redis("delete", key=key) == [{}]
    assert on_redis.get(key) is None


def test_redis_expires(on_redis, unique):
    key = unique("k")
    on_redis("set", key=key, value="x", expire=True, ttl=1)
    assert on_redis.get(key) == "x"
    time.sleep(1.2)
    assert on_redis.get(key) is None


def test_redis_types(on_redis, unique):
    for value, type_ in [({"a": "1", "b": "x"}, "hash"), (["a", "b"], "list")]:
        key = unique("k")
        on_redis("set", key=key, value=value)
        assert on_redis.get(key) == value
        assert on_redis.get(key, keyType=type_) == value
    key = unique("k")
    on_redis("set", key=key, value=["a", "a"], keyType="sets")
    assert on_redis.get(key) == ["a"]
    on_redis("set", key=key, value=["b"], keyType="sets")  # replaces
    assert on_redis.get(key) == ["b"]
    assert "wants an object" in on_redis.error("set", key=key, value="x", keyType="hash")["message"]


def test_redis_counts_in_a_pipeline(on_redis, unique):
    key = unique("k")
    given = on_redis("incr", [{}] * 500, key=key)
    assert [item[key] for item in given] == list(range(1, 501))
    assert on_redis("incr", key=key, expire=True, ttl=100)[0][key] == 501


def test_redis_lists(on_redis, unique):
    key = unique("k")
    on_redis("push", [{"n": 1}, {"n": 2}], list=key, messageData="={{ JSON.stringify($json) }}",
             tail=True)
    assert on_redis("llen", list=key) == [{key: 2}]
    assert on_redis("pop", list=key, propertyName="a.b") == [{"a": {"b": {"n": 1}}}]
    assert on_redis("pop", list=key, propertyName="a.b", options={"dotNotation": False}) == [
        {"a.b": {"n": 2}}]
    assert on_redis("pop", list=key, propertyName="v") == [{"v": None}]


def test_redis_hashes_and_sorted_sets(on_redis, unique):
    key = unique("h")
    on_redis("hset", key=key, field="f", value="1")
    assert on_redis("hget", key=key, field="f", propertyName="v") == [{"v": "1"}]
    assert on_redis("hgetall", key=key, propertyName="v") == [{"v": {"f": "1"}}]
    key = unique("z")
    on_redis("zadd", [{"m": "b", "s": 2.5}, {"m": "a", "s": 1}], key=key, member="={{ $json.m }}",
             score="={{ $json.s }}")
    assert on_redis("zrange", key=key, propertyName="v") == [{"v": ["a", "b"]}]
    assert on_redis("zrange", key=key, propertyName="v", reverse=True, withScores=True) == [
        {"v": [{"member": "b", "score": 2.5}, {"member": "a", "score": 1}]}]


def test_redis_keys_and_info(on_redis, unique):
    prefix = unique("p")
    on_redis("set", key=prefix + ":a", value="1")
    on_redis("set", key=prefix + ":b", value={"x": "y"})
    assert on_redis("keys", keyPattern=prefix + ":*") == [
        {prefix + ":a": "1", prefix + ":b": {"x": "y"}}]
    names = on_redis("keys", keyPattern=prefix + ":*", getValues=False)[0]["keys"]
    assert sorted(names) == [prefix + ":a", prefix + ":b"]
    assert on_redis("info")[0]["redis_mode"] == "standalone"


def test_redis_scripts(on_redis, unique):
    key = unique("k")
    assert on_redis("eval", [{"n": 5}], propertyName="v", keys=[key],
                    script="return redis.call('INCRBY', KEYS[1], ARGV[1])",
                    arguments=["={{ $json.n }}"]) == [{"v": 5}]
    assert on_redis.error("eval", script="return nonsense()")["code"] == "rejected"


def test_redis_one_bad_item_of_many(on_redis, unique):
    key = unique("k")
    on_redis("set", key=key, value={"a": "b"})
    result = on_redis.workflow.run(
        "catalyst.redis", {"operation": "incr", "key": "={{ $json.k }}"},
        [{"k": unique("a")}, {"k": key}, {"k": unique("b")}],
        onError="continueErrorOutput", **on_redis.node)
    good, bad = result["nodes"]["Node"][0]["outputs"]
    assert len(good) == 2 and len(bad) == 1
    assert "WRONGTYPE" in bad[0]["json"]["error"]


def test_redis_wrong_password(catalyst, tmp_path, redis):
    workflow = Workflow(catalyst, tmp_path, {"cache": {"type": "redis", "data": {
        "host": "127.0.0.1", "port": str(redis.port), "password": "s3cret-word"}}})
    error = Redis(workflow).error("info")
    assert error["code"] == "auth"
    assert "s3cret-word" not in json.dumps(error)


def test_redis_comes_back(catalyst, tmp_path, new_server):
    server = new_server("redis")
    port = server.port
    server.stop()
    workflow = Workflow(catalyst, tmp_path, {"cache": {"type": "redis", "data": {
        "host": "127.0.0.1", "port": str(port)}}})
    process = workflow.start("catalyst.redis", {"operation": "incr", "key": "back"}, [{}],
                             credentials={"redis": {"name": "cache"}})
    time.sleep(1)
    server.start()
    result = workflow.result(process)
    assert result["status"] == "success", result["error"]
