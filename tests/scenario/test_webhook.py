# SPDX-License-Identifier: Apache-2.0
"""What a webhook takes and refuses, beside authentication: origins, bots, addresses, files."""
import json
import sqlite3
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from engines import Engine, until  # noqa: E402
from test_cases import definition  # noqa: E402


def hook(method="POST", nodes=(), wires=(), mode="lastNode", **parameters):
    return definition({"id": "hook", "name": "hook", "nodes": [
        {"name": "Hook", "type": "catalyst.webhook", "parameters": {
            "httpMethod": method, "path": "in", "responseMode": mode, **parameters}}, *nodes],
        "wires": list(wires)})


@pytest.fixture
def engine(catalyst, tmp_path):
    started = []

    def start(workflow, flags=()):
        one = Engine(catalyst, tmp_path, "--store", f"sqlite:{tmp_path}/store.db", "--workers", "1",
                     *flags, workflows=[workflow]).start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()


ORIGINS = {"options": {"allowedOrigins": "https://shop.example, https://app.example:8443"}}


def test_the_browsers_question_is_answered(engine):
    one = engine(hook(**ORIGINS))

    def ask(origin, method="POST", **more):
        return one.call("OPTIONS", "/webhook/in", headers={
            "Origin": origin, "Access-Control-Request-Method": method, **more})

    answer = ask("https://shop.example", **{"Access-Control-Request-Headers": "x-one, content-type"})
    assert answer.status == 204 and answer.body == b""
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "x-one, content-type"
    assert "origin" in answer.headers["vary"]
    assert ask("https://evil.example").status == 403
    assert ask("https://shop.example", method="DELETE").status == 405
    assert one.call("OPTIONS", "/webhook/in").status == 405


def test_pages_of_other_origins_are_refused(engine):
    one = engine(hook(**ORIGINS))
    good = one.call("POST", "/webhook/in", {"a": 1}, {"Origin": "https://app.example:8443"})
    assert good.status == 200
    assert good.headers["access-control-allow-origin"] == "https://app.example:8443"
    assert one.call("POST", "/webhook/in", {"a": 1}, {"Origin": "https://app.example"}).status == 403
    plain = one.call("POST", "/webhook/in", {"a": 1})
    assert plain.status == 200 and "access-control-allow-origin" not in plain.headers


def test_without_origins_nothing_is_said(engine):
    one = engine(hook())
    answer = one.call("POST", "/webhook/in", {"a": 1}, {"Origin": "https://shop.example"})
    assert answer.status == 200 and "access-control-allow-origin" not in answer.headers
    assert one.call("OPTIONS", "/webhook/in", headers={
        "Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}).status == 405


def test_bots_are_refused(engine):
    one = engine(hook(method="GET", options={"ignoreBots": True}))
    assert one.call("GET", "/webhook/in", headers={"User-Agent": "Slackbot-LinkExpanding"}).status == 403
    assert one.call("GET", "/webhook/in", headers={"User-Agent": "Mozilla/5.0"}).status == 200


@pytest.mark.parametrize("allow, status", [("127.0.0.0/8", 200), ("10.0.0.0/8", 403),
                                           ("10.0.0.1, 127.0.0.1", 200)])
def test_addresses(engine, allow, status):
    one = engine(hook(options={"ipWhitelist": allow}))
    assert one.call("POST", "/webhook/in", {"a": 1}).status == status


@pytest.mark.parametrize("options, why", [
    ({"ipWhitelist": "10.0.0.1, localhost"}, "localhost"),
    ({"allowedOrigins": "shop.example"}, "is no origin"),
    ({"allowedOrigins": "https://shop.example/path"}, "is no origin")])
def test_what_cannot_work_is_told(catalyst, tmp_path, options, why):
    import subprocess
    path = tmp_path / "w.json"
    path.write_text(json.dumps(hook(options=options)))
    done = subprocess.run([str(catalyst), "check", str(path)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1 and why in done.stdout + done.stderr


def test_streaming_is_told(catalyst, tmp_path):
    import subprocess
    path = tmp_path / "w.json"
    path.write_text(json.dumps(hook(mode="streaming")))
    done = subprocess.run([str(catalyst), "check", str(path)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1 and "responseMode" in done.stdout + done.stderr


def test_a_body_that_is_no_text_is_a_file(engine):
    one = engine(hook(responseData="firstEntryBinary", options={"binaryPropertyName": "picture"}))
    answer = one.call("POST", "/webhook/in", b"\x89PNG\x00\xff", {"content-type": "image/png"})
    assert answer.status == 200 and answer.body == b"\x89PNG\x00\xff"
    assert answer.headers["content-type"] == "image/png"


FORM = (b"--B\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
        b"--B\r\ncontent-disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\n"
        b"content-type: text/plain\r\n\r\nfile\r\n--B--\r\n")


@pytest.mark.parametrize("raw", [False, True])
def test_forms_with_files(engine, raw):
    one = engine(hook(options={"rawBody": raw}, nodes=[
        {"name": "Look", "type": "catalyst.set", "parameters": {"mode": "raw", "jsonOutput":
            "={{ { body: $json.body, f: $binary.f.fileSize, raw: $binary.data.fileSize } }}"}}],
        wires=["Hook -> Look"]))
    answer = one.call("POST", "/webhook/in", FORM,
                      {"content-type": "multipart/form-data; boundary=B"}).json()
    assert answer["body"] == {"a": "1"} and answer["f"] == 4
    assert answer.get("raw") == (len(FORM) if raw else None)


def test_the_raw_body_of_json(engine):
    one = engine(hook(options={"rawBody": True}, responseData="firstEntryBinary"))
    answer = one.call("POST", "/webhook/in", b'{"a" : 1}', {"content-type": "application/json"})
    assert answer.body == b'{"a" : 1}'


# --- what is refused ------------------------------------------------------------------------------

NO_JSON = b'{"a": 1'
IS_JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("mode", ["onReceived", "lastNode"])
def test_a_body_that_does_not_parse_is_refused(engine, mode):
    one = engine(hook(mode=mode))
    answer = one.call("POST", "/webhook/in", NO_JSON, IS_JSON)
    assert answer.status == 400
    assert "not JSON" in answer.json()["error"] and "byte 7" in answer.json()["error"]
    form = one.call("POST", "/webhook/in", b"no form", {"content-type": "multipart/form-data"})
    assert form.status == 400
    assert one.call("POST", "/webhook/in", {"a": 1}).status in (200, 202)
    one.wait_done(1)
    assert one.done("error") == 0


def test_with_the_raw_body_anything_is_taken(engine):
    one = engine(hook(options={"rawBody": True}, nodes=[
        {"name": "Look", "type": "catalyst.set", "parameters": {"mode": "raw", "jsonOutput":
            "={{ { body: $json.body, raw: $binary.data.fileSize } }}"}}], wires=["Hook -> Look"]))
    answer = one.call("POST", "/webhook/in", NO_JSON, IS_JSON)
    assert answer.status == 200
    assert answer.json() == {"body": NO_JSON.decode(), "raw": len(NO_JSON)}


def test_pages_can_read_errors(engine):
    shop = {"Origin": "https://shop.example"}
    one = engine(hook(mode="onReceived", options={
        **ORIGINS["options"], "ipWhitelist": "10.0.0.1"}))

    def readable(answer):
        return (answer.headers.get("access-control-allow-origin") == shop["Origin"]
                and "origin" in answer.headers.get("vary", ""))

    address = one.call("POST", "/webhook/in", {"a": 1}, shop)
    assert address.status == 403 and readable(address)
    method = one.call("DELETE", "/webhook/in", None, shop)
    assert method.status == 405 and readable(method) and method.headers["allow"] == "POST"
    other = one.call("POST", "/webhook/in", {"a": 1}, {"Origin": "https://evil.example"})
    assert other.status == 403 and "access-control-allow-origin" not in other.headers
    none = one.call("POST", "/webhook/none", {"a": 1}, shop)
    assert none.status == 404 and "access-control-allow-origin" not in none.headers


def test_pages_can_read_that_the_body_is_wrong(engine):
    one = engine(hook(**ORIGINS))
    answer = one.call("POST", "/webhook/in", NO_JSON, {**IS_JSON, "Origin": "https://shop.example"})
    assert answer.status == 400
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"


def test_the_item_says_where_it_came_in(engine):
    workflow = hook()
    workflow["nodes"][0]["parameters"]["path"] = "orders/:id"
    one = engine(workflow)
    item = one.call("POST", "/webhook/orders/42?x=1", {"a": 1}, {"Host": "hooks.example:8"}).json()
    assert item["webhookUrl"] == "http://hooks.example:8/webhook/orders/:id"
    assert item["executionMode"] == "production"
    assert item["params"] == {"id": "42"}


# --- while the store is down ----------------------------------------------------------------------

@pytest.mark.parametrize("mode, options", [
    ("lastNode", {}), ("onReceived", {"idempotencyKeyHeader": "idempotency-key"})])
def test_no_request_hangs_while_the_store_is_down(engine, tmp_path, mode, options):
    one = engine(hook(mode=mode, options=options), flags=("--webhook-accept-timeout", "1s"))
    assert one.call("POST", "/webhook/in", {"a": 0}).status in (200, 202)
    locker = sqlite3.connect(tmp_path / "store.db", isolation_level=None, timeout=60)
    locker.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    first = one.call("POST", "/webhook/in", {"a": 1})
    assert first.status == 503 and first.headers["retry-after"]
    assert "not known" in first.json()["error"]
    if options:  # the question for the key is on its way
        claim = one.call("POST", "/webhook/in", {"a": 1}, {"idempotency-key": "j"})
        assert claim.status == 503
    until(lambda: one.get("/readyz")[0] == 503)
    second = one.call("POST", "/webhook/in", {"a": 2}, {"idempotency-key": "k"})
    assert second.status == 503 and "nothing was started" in second.json()["error"]
    assert second.headers["retry-after"] and time.monotonic() - started < 60
    held = []
    asker = threading.Thread(target=lambda: held.append(one.call("POST", "/webhook/in", {"a": 3})))
    asker.start()
    time.sleep(0.3)
    locker.execute("ROLLBACK")
    locker.close()
    asker.join()
    assert held[0].status in (200, 202, 503)
    until(lambda: one.get("/readyz")[0] == 200)
    assert one.call("POST", "/webhook/in", {"a": 4}).status in (200, 202)
    until(lambda: one.done() == 3 + (held[0].status != 503))
    time.sleep(0.3)
    assert one.done() == 3 + (held[0].status != 503)  # never the second
