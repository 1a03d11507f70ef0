# SPDX-License-Identifier: Apache-2.0
"""catalyst.telegramTrigger in `catalyst serve` against a double of the Bot API's getUpdates: an
update is acknowledged when it is in the journal and not before, a crash at any moment loses none and
runs none twice, and of two engines one asks. Updates by webhook: the secret of setWebhook."""
import http.server
import json
import sqlite3
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenario"))
from engines import Engine, until  # noqa: E402
from test_cases import definition  # noqa: E402

TOKEN = "123456:AA-secret_Token"


class BotApi(http.server.ThreadingHTTPServer):
    """Updates wait until an offset behind them is asked; what is sent is kept. `script`: answers
    (status, body) that come first."""
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.updates, self.sent, self.asked, self.script = [], [], [], []
        self.asking, self.most_asking = 0, 0
        self.changed = threading.Condition()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def add(self, *updates):
        with self.changed:
            self.updates += updates
            self.changed.notify_all()

    def handle_error(self, *_):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def get_updates(self, asked):
        api = self.server
        end = time.monotonic() + asked["timeout"]
        with api.changed:
            api.asked.append((time.monotonic(), asked["offset"]))
            if api.script:
                return api.script.pop(0)
            api.asking += 1
            api.most_asking = max(api.most_asking, api.asking)
            api.updates = [u for u in api.updates if u["update_id"] >= asked["offset"]]
            while not api.updates and time.monotonic() < end:
                api.changed.wait(end - time.monotonic())
            api.asking -= 1
            return 200, {"ok": True, "result": api.updates[:asked["limit"]]}

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        method = self.path.split("/")[2]
        if method == "getUpdates":
            status, answer = self.get_updates(body)
        else:
            with self.server.changed:
                self.server.sent.append((method, body))
                number = len(self.server.sent)
            status, answer = 200, {"ok": True, "result": True if method == "answerCallbackQuery"
                                   else {"message_id": number, "chat": {"id": 1}}}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def api():
    server = BotApi()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def engine(catalyst, tmp_path, api):
    started = []

    def start(workflow, store=None, flags=(), **more):
        env = {"CATALYST_CREDENTIAL_BOT": json.dumps(
            {"type": "telegramApi", "data": {"accessToken": TOKEN, "baseUrl": api.url}})}
        one = Engine(catalyst, tmp_path, "--store", store or f"sqlite:{tmp_path}/store.db", *flags,
                     workflows=[workflow], env=env, **more).start(60)
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()
        assert TOKEN not in one.log_file.read_text() and "AA-secret" not in one.log_file.read_text()


def node(name, kind, parameters, **more):
    return {"name": name, "type": kind, "parameters": parameters,
            "credentials": {"telegramApi": {"name": "bot"}}, **more}


def echo(durability="exactly_once", **options):
    """Answers each message with its text, and each press of a button."""
    return definition({
        "id": "echo", "name": "echo", "active": True,
        "settings": {"executionOrder": "v1", "durability": durability},
        "nodes": [
            node("In", "catalyst.telegramTrigger", {
                "updates": ["message", "callback_query"],
                "options": {"timeout": "2s", **options}}),
            {"name": "Press?", "type": "catalyst.if", "parameters": {"conditions": {
                "combinator": "and", "options": {}, "conditions": [{
                    "leftValue": "={{ $json.callback_query }}", "rightValue": "",
                    "operator": {"type": "object", "operation": "exists"}}]}}},
            node("Answer", "catalyst.telegram", {
                "operation": "answerCallbackQuery", "callbackQueryId":
                "={{ $json.callback_query.id }}", "text": "=took {{ $json.callback_query.data }}"}),
            node("Say", "catalyst.telegram", {
                "chatId": "={{ $json.message.chat.id }}", "text": "={{ $json.message.text }}",
                "options": {"rate": 0, "chatInterval": 0}})],
        "wires": ["In -> Press?", "Press?:0 -> Answer", "Press?:1 -> Say"]})


def message(number, text=None):
    return {"update_id": number, "message": {"message_id": number, "chat": {"id": 7},
                                             "text": text or f"m{number}"}}


def texts(api):
    return [body["text"] for method, body in api.sent if method == "sendMessage"]


# --- the way in ---------------------------------------------------------------------------------

def test_messages_and_presses(engine, api):
    api.add(message(500), {"update_id": 501, "callback_query": {"id": "cb1", "data": "yes"}})
    engine(echo(), flags=["--workers", 2])
    until(lambda: len(api.sent) == 2)
    assert ("answerCallbackQuery", {"callback_query_id": "cb1", "text": "took yes"}) in api.sent
    api.add(message(502, 'quotes " and \\ and ☃'))
    until(lambda: 'quotes " and \\ and ☃' in texts(api))
    until(lambda: api.asked[-1][1] == 503 and not api.updates)
    assert texts(api).count("m500") == 1


def test_many_updates_in_several_answers(engine, api):
    api.add(*(message(n) for n in range(1, 351)))
    engine(echo(limit=100))
    until(lambda: len(api.sent) == 350, what=lambda: f"{len(api.sent)} of 350")
    until(lambda: not api.updates)
    assert sorted(texts(api)) == sorted(f"m{n}" for n in range(1, 351))
    assert api.most_asking == 1


def test_an_update_that_comes_twice_runs_once(engine, api):
    """The Bot API gives again what it was not told to forget; here it forgets nothing."""
    api.script = [(200, {"ok": True, "result": [message(10), message(11)]}),
                  (200, {"ok": True, "result": [message(10), message(11), message(12)]})]
    e = engine(echo())
    until(lambda: "m12" in texts(api))
    time.sleep(0.3)
    assert sorted(texts(api)) == ["m10", "m11", "m12"]
    until(lambda: e.metric("catalyst_telegram_updates_repeated_total", node="In") == 2)


def test_a_new_version_goes_on_asking(engine, api):
    """The same parameters: nothing is stopped, and what is counted is told of the new version."""
    api.add(message(1))
    e = engine(echo(), flags=["--workers", 1])
    until(lambda: texts(api) == ["m1"])
    newer = echo()
    newer["nodes"][3]["parameters"]["text"] = "=again {{ $json.message.text }}"
    (e.dir / "workflow0.json").write_text(json.dumps(newer))
    e.signal(1)
    for number in range(2, 60):
        api.add(message(number))
        until(lambda: len(api.sent) == number)
        if "again" in texts(api)[-1]:
            break
        time.sleep(0.1)
    api.add(message(100))
    until(lambda: texts(api)[-1] == "again m100")
    assert api.most_asking == 1
    until(lambda: e.metric("catalyst_telegram_updates_total", node="In") == 2)


def test_trouble_is_in_the_ready_check(engine, api):
    trouble = 409, {"ok": False, "error_code": 409, "description": "Conflict: webhook is set"}
    api.script = [(200, {"ok": True, "result": []}), *[trouble] * 1000]
    e = engine(echo())
    until(lambda: "Conflict: webhook is set" in e.get("/readyz")[1])
    until(lambda: e.get("/readyz")[0] == 503)
    api.script.clear()
    api.add(message(1))
    until(lambda: e.get("/readyz")[0] == 200)
    until(lambda: texts(api) == ["m1"])


def test_throttled_it_waits(engine, api):
    api.script = [(429, {"ok": False, "error_code": 429, "parameters": {"retry_after": 2}})]
    api.add(message(1))
    engine(echo(), ready=False)
    until(lambda: texts(api) == ["m1"])
    assert api.asked[1][0] - api.asked[0][0] >= 2


# --- death --------------------------------------------------------------------------------------

def test_killed_it_loses_none_and_runs_none_twice(engine, api):
    """each_step: what the crash cuts in the middle of a call is not repeated, but told as unknown;
    so every update is run once, and sent at most once."""
    e = engine(echo("each_step"), flags=["--workers", 1])
    total = 0
    for turn in range(4):
        api.add(*(message(1000 + total + i) for i in range(25)))
        total += 25
        time.sleep(0.15 + 0.1 * turn)
        e.kill()
        e.start(60)
    until(lambda: not api.updates, 60)
    time.sleep(1)
    got = texts(api)
    assert len(got) == len(set(got)), "an update was sent twice"
    assert got
    store = sqlite3.connect(e.dir.parent / "store.db", timeout=60)
    until(lambda: store.execute("SELECT count(*) FROM executions WHERE status = 'success'"
                                ).fetchone()[0] == total, 60,
          lambda: str(store.execute("SELECT status, count(*) FROM executions GROUP BY 1").fetchall()))


def test_of_two_engines_one_asks(engine, api, postgres, unique):
    """The other takes over when it dies, and goes on where the journal is."""
    url = postgres.create_database(unique("telegram"))
    first = engine(echo(), store=url, name="first", flags=["--workers", 2])
    second = engine(echo(), store=url, name="second", flags=["--workers", 2])
    api.add(*(message(n) for n in range(1, 21)))
    until(lambda: len(api.sent) == 20)
    time.sleep(3)
    assert api.most_asking == 1
    first.kill()
    api.add(*(message(n) for n in range(21, 41)))
    until(lambda: len(set(texts(api))) == 40, 60, lambda: f"{len(api.sent)} of 40")
    until(lambda: not api.updates)
    assert sorted(texts(api)) == sorted(f"m{n}" for n in range(1, 41))
    second.alive()


# --- by webhook ---------------------------------------------------------------------------------

def test_webhook_form_checks_the_secret(catalyst, tmp_path, api):
    workflow = definition({
        "id": "hook", "name": "hook", "active": True,
        "nodes": [{"name": "Hook", "type": "catalyst.webhook", "parameters": {
            "httpMethod": "POST", "path": "bot", "authentication": "headerAuth"},
            "credentials": {"httpHeaderAuth": {"name": "secret"}}},
            node("Say", "catalyst.telegram", {"chatId": "={{ $json.body.message.chat.id }}",
                                              "text": "={{ $json.body.message.text }}"})],
        "wires": ["Hook -> Say"]})
    env = {"CATALYST_CREDENTIAL_BOT": json.dumps(
        {"type": "telegramApi", "data": {"accessToken": TOKEN, "baseUrl": api.url}}),
        "CATALYST_CREDENTIAL_SECRET": json.dumps({"type": "httpHeaderAuth", "data": {
            "name": "X-Telegram-Bot-Api-Secret-Token", "value": "s3cret_Word"}})}
    with Engine(catalyst, tmp_path, "--store", "memory:", workflows=[workflow], env=env) as e:
        for headers in ({}, {"x-telegram-bot-api-secret-token": "s3cret_Wor"},
                        {"x-telegram-bot-api-secret-token": "s3cret_Word1"}):
            assert e.call("POST", "/webhook/bot", message(1), headers).status == 401
        assert e.call("POST", "/webhook/bot", message(2),
                      {"x-telegram-bot-api-secret-token": "s3cret_Word"}).status // 100 == 2
        until(lambda: texts(api) == ["m2"])


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-v"]))
