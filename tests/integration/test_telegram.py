# SPDX-License-Identifier: Apache-2.0
"""catalyst.telegram, run by the binary against a double of the Bot API: what is sent, what comes of
each answer, and what is not sent twice. The bot's token must show in no output and no log.

With CATALYST_TEST_DATA the requests are compared with the Bot API's own description there,
telegram-bot-api/api.json; without it that test is skipped by name."""
import http.server
import json
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
import servers
from test_nodes import Workflow

TOKEN = "123456:AA-secret_Token"
PICTURE = bytes(range(256)) * 4000  # many pieces of an upload
ACCEPTED, REJECTED, UNKNOWN = range(3)


class BotApi(http.server.ThreadingHTTPServer):
    """Answers in the order of `script`, then with success: (status, body, headers), "hang" or
    "drop"."""
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests, self.script = [], []
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_):
        pass  # the other side hung up: some tests want that


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(200, PICTURE, {"content-type": "image/png"})

    def parameters(self):
        """Of a JSON body, or of a form: its parts by name as (head, bytes)."""
        body = self.rfile.read(int(self.headers["content-length"]))
        boundary = self.headers["content-type"].partition("boundary=")[2].encode()
        if not boundary:
            return json.loads(body)
        first, *parts, last = body.split(b"--" + boundary)
        assert (first, last) == (b"", b"--\r\n")
        parts = [part[2:-2].split(b"\r\n\r\n", 1) for part in parts]
        return {head.split(b'"')[1].decode(): (head.decode(), value) for head, value in parts}

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in {"content-length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.parameters()
        _, bot, method = self.path.split("/")
        api = self.server
        with api.lock:
            api.requests.append((time.monotonic(), bot, method, body))
            number = len(api.requests)
            step = api.script.pop(0) if api.script else None
        if step in ("hang", "drop"):
            if step == "hang":
                api.stopped.wait(120)
            self.close_connection = True
            return
        chat = body.get("chat_id", 0)
        chat = int(chat[1]) if isinstance(chat, tuple) else chat
        status, answer, headers = step or (
            200, {"ok": True, "result": {"message_id": number, "chat": {"id": chat}}}, {})
        self.answer(status, json.dumps(answer).encode(), headers)


@pytest.fixture
def api():
    server = BotApi()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.stopped.set()
    server.shutdown()
    thread.join()
    server.server_close()


class Bot:
    def __init__(self, catalyst, folder, url):
        self.workflow = Workflow(catalyst, folder, {"bot": {"type": "telegramApi", "data": {
            "accessToken": TOKEN, "baseUrl": url}}})

    def run(self, parameters, items=None, **node):
        process = self.workflow.start("catalyst.telegram", parameters, items,
                                      credentials={"telegramApi": {"name": "bot"}}, **node)
        out, err = self.workflow.output(process)
        assert out, err
        assert TOKEN not in out + err and "secret" not in out + err
        return json.loads(out)

    def ports(self, parameters, items=None, **node):
        result = self.run(parameters, items, **node)
        assert result["status"] == "success", result["error"]
        ports = result["nodes"]["Node"][0]["outputs"]
        return [[item["json"] for item in port or []] for port in ports]


@pytest.fixture
def bot(catalyst, tmp_path, api):
    return Bot(catalyst, tmp_path, api.url)


SAY = {"chatId": "={{ $json.chat }}", "text": "=hello {{ $json.n }}"}


def test_sends(bot, api):
    given = bot.ports(SAY, [{"chat": 4711, "n": n} for n in range(20)])[ACCEPTED]
    assert len(api.requests) == 20
    assert {bot for _, bot, _, _ in api.requests} == {"bot" + TOKEN}
    assert sorted(body["text"] for _, _, _, body in api.requests) == sorted(
        f"hello {n}" for n in range(20))
    for item in given:
        number = int(item["send"]["provider_id"])
        assert api.requests[number - 1][3]["text"] == f"hello {item['n']}"
        assert item["send"] == {"outcome": "accepted", "channel": "telegram", "chat_id": "4711",
                                "provider_id": str(number)}


def test_uploads(catalyst, tmp_path, api):
    """A picture that another node fetched."""
    def step(name, kind, parameters, **more):
        return {"id": name, "name": name, "type": f"catalyst.{kind}", "parameters": parameters,
                **more}

    def to(name):
        return {"main": [[{"node": name, "type": "main", "index": 0}]]}

    file, credentials = tmp_path / "upload.json", tmp_path / "credentials.json"
    file.write_text(json.dumps({
        "id": "w", "name": "w", "settings": {},
        "connections": {"Start": to("Fetch"), "Fetch": to("Node")},
        "nodes": [step("Start", "manualTrigger", {}),
                  step("Fetch", "httpRequest", {"url": f"{api.url}/cat.png"}),
                  step("Node", "telegram", {"operation": "sendPhoto", "chatId": "7",
                                            "binaryData": True, "caption": "a cat"},
                       credentials={"telegramApi": {"name": "bot"}})]}))
    credentials.write_text(json.dumps({"bot": {"type": "telegramApi", "data": {
        "accessToken": TOKEN, "baseUrl": api.url}}}))
    run = subprocess.run([catalyst, "run", file, "--credentials", credentials, "--output", "json"],
                         capture_output=True, text=True, timeout=120)
    result = json.loads(run.stdout)
    assert result["status"] == "success" and TOKEN not in run.stdout + run.stderr
    sent = result["nodes"]["Node"][0]["outputs"][ACCEPTED][0]["json"]["send"]
    assert sent["provider_id"] == "1" and sent["chat_id"] == "7"
    [(_, _, method, form)] = api.requests
    assert method == "sendPhoto" and form["caption"][1] == b"a cat"
    head, picture = form["photo"]
    assert picture == PICTURE and 'filename="cat.png"' in head and "image/png" in head


def test_refused(bot, api):
    api.script = [(403, {"ok": False, "error_code": 403,
                         "description": f"Forbidden: bot{TOKEN} was blocked by the user"}, {})]
    rejected = bot.ports(SAY, [{"chat": 1, "n": 1}])[REJECTED]
    assert rejected[0]["send"]["class"] == "permanent-recipient"
    assert rejected[0]["send"]["text"] == "Forbidden: bot* was blocked by the user"
    rejected = bot.ports({"chatId": "1", "text": "x" * 4097})[REJECTED]
    assert "4097 characters" in rejected[0]["send"]["text"]
    assert len(api.requests) == 1


def test_throttled(bot, api):
    api.script = [(429, {"ok": False, "error_code": 429, "description": "Too Many Requests",
                         "parameters": {"retry_after": 1}}, {"retry-after": 40})]
    assert len(bot.ports(SAY, [{"chat": 1, "n": 1}], retryOnFail=True)[ACCEPTED]) == 1
    first, second = (request[0] for request in api.requests)
    assert 0.9 < second - first < 35  # not the 40 of the header


def test_busy_server_is_asked_again(bot, api):
    api.script = [(502, {}, {})]
    assert len(bot.ports(SAY, [{"chat": 1, "n": 1}], retryOnFail=True, waitBetweenTries=100)[
        ACCEPTED]) == 1
    assert len(api.requests) == 2


def test_moved_group(bot, api):
    api.script = [(400, {"ok": False, "error_code": 400, "description": "group chat was upgraded",
                         "parameters": {"migrate_to_chat_id": -1001234567890}}, {})]
    given = bot.ports(SAY, [{"chat": -5, "n": 1}])[ACCEPTED]
    assert [body["chat_id"] for _, _, _, body in api.requests] == [-5, -1001234567890]
    assert given[0]["send"]["chat_id"] == "-1001234567890"


@pytest.mark.parametrize("how", ["hang", "drop"])
def test_lost_answer_is_not_sent_again(bot, api, how):
    """The server got the message and said nothing, or died over it."""
    api.script = [how]
    unknown = bot.ports({**SAY, "options": {"timeout": 3000}}, [{"chat": 1, "n": 1}],
                        retryOnFail=True, waitBetweenTries=50)[UNKNOWN]
    assert unknown[0]["send"]["outcome"] == "unknown" and unknown[0]["send"]["chat_id"] == "1"
    time.sleep(0.5)
    assert len(api.requests) == 1


def test_unreachable(catalyst, tmp_path):
    bot = Bot(catalyst, tmp_path, f"http://127.0.0.1:{servers.free_port()}")
    result = bot.run(SAY, [{"chat": 1, "n": 1}], retryOnFail=True, maxTries=2,
                     waitBetweenTries=50)
    assert result["status"] == "error" and result["error"]["code"] == "transport"


# --- the Bot API's description --------------------------------------------------------------------

MARKUP = {"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]}
OPTIONS = {"disableNotification": True, "protectContent": True, "messageThreadId": 3,
           "replyToMessageId": 4, "parseMode": "HTML", "replyMarkup": MARKUP}
CALLS = [
    {"chatId": "1", "text": "x", "disableLinkPreview": True, **OPTIONS},
    {"operation": "sendPhoto", "chatId": "@c", "file": "https://h/a.png", "caption": "c",
     **OPTIONS},
    {"operation": "sendDocument", "chatId": "1", "file": "id", "caption": "c", **OPTIONS},
    {"operation": "editMessageText", "chatId": "1", "messageId": 2, "text": "x",
     "parseMode": "MarkdownV2", "replyMarkup": MARKUP, "disableLinkPreview": True},
    {"operation": "editMessageText", "inlineMessageId": "i", "text": "x"},
    {"operation": "answerCallbackQuery", "callbackQueryId": "q", "text": "x", "showAlert": True},
]


def wrong(types, fields, value):
    """What in an object is not as `fields` describe it."""
    known = {field["name"]: field for field in fields}
    found = [f"{name} is missing" for name, field in known.items()
             if field["required"] and name not in value]
    for name, given in value.items():
        if name not in known:
            found.append(f"there is no {name}")
        elif all(wrong_type(types, type_, given) for type_ in known[name]["types"]):
            found.append(f"{name} is {given!r}, not {known[name]['types']}")
    return found


def wrong_type(types, type_, value):
    plain = {"Integer": int, "String": str, "Boolean": bool}
    if type_ in plain:
        return type(value) is not plain[type_]
    if type_.startswith("Array of "):
        return not isinstance(value, list) or any(
            wrong_type(types, type_[len("Array of "):], one) for one in value)
    return not isinstance(value, dict) or bool(wrong(types, types[type_].get("fields", []), value))


def test_requests_are_as_the_bot_api_describes(bot, api):
    file = Path(os.environ.get("CATALYST_TEST_DATA", "")) / "telegram-bot-api" / "api.json"
    if "CATALYST_TEST_DATA" not in os.environ or not file.exists():
        pytest.skip("CATALYST_TEST_DATA has no telegram-bot-api/api.json")
    described = json.loads(file.read_text())
    for parameters in CALLS:
        assert len(bot.ports(parameters)[ACCEPTED]) == 1
        _, _, method, body = api.requests[-1]
        assert method == parameters.get("operation", "sendMessage")
        assert not wrong(described["types"], described["methods"][method]["fields"], body)
    assert wrong(described["types"], described["methods"]["sendMessage"]["fields"],
                 {"chat_id": 1, "txt": "x", "parse_mode": 3}) == [
        "text is missing", "there is no txt", "parse_mode is 3, not ['String']"]
