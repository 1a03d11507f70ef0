# SPDX-License-Identifier: Apache-2.0
"""What the tests of shipped messaging workflows share: the plane with everything in one engine, doubles of
the Cloud API and the Bot API, a client of SMPP, and questions to topics and tables."""
import hashlib
import hmac
import http.server
import json
import re
import socket
import sqlite3
import struct
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "examples" / "messaging"), str(ROOT / "tests" / "integration"), str(ROOT / "tests")]
import kcat  # noqa: E402
from plane import Plane  # noqa: E402

PRICE = 50_000
SECRET, VERIFY, BOT = "app-secret", "verify-me", "123456:AA-bot"
RULES = {"format": 1, "rules": [
    {"id": "prize", "action": "reject", "code": "blocked", "when": {"words": ["claim your prize"]}},
    {"id": "brief", "action": "quarantine", "hold": "1s", "when": {"words": ["hold briefly"]}},
    {"id": "held", "action": "quarantine", "hold": "1h", "when": {"words": ["hold this"]}}]}
WORKFLOWS = ("sms-outbound", "sms-receipts", "sms-server", "billing-admin", "low-balance", "quarantine-review",
             "whatsapp-outbound", "whatsapp-events", "telegram-outbound", "telegram-inbound")
# The SMSC goes by the end of the number.
SINK = ("--receipt-delay", "50", "--on", "0001=failed", "--on", "0002=refuse:11", "--on", "0003=silent")


def until(condition, what="it did not come", seconds=60):
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(0.05)


class Double(http.server.ThreadingHTTPServer):
    """Keeps each POST as (path, body) and answers with what `answer(path, body)` gives: (status, JSON)."""
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if not self.path.endswith("getUpdates"):
                    self.server.got.append((self.path, body))
                status, reply = answer(self.path, body)
                text = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        super().__init__(("127.0.0.1", 0), Handler)
        self.got = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass

    def close(self):
        self.shutdown()
        self.server_close()


def cloud_api(_, body):
    """Numbers that end with 9 are no WhatsApp users."""
    if body["to"].endswith("9"):
        return 400, {"error": {"message": "not there", "code": 131026}}
    return 200, {"messaging_product": "whatsapp", "contacts": [{"input": body["to"], "wa_id": body["to"]}],
                 "messages": [{"id": f"wamid.{body['to'].lstrip('+')}"}]}


class BotApi(Double):
    """Chat 403403 has blocked the bot; `updates` wait to be fetched."""

    def __init__(self):
        self.updates = []
        super().__init__(self.answer)

    def answer(self, path, body):
        if path.endswith("getUpdates"):
            self.updates = [u for u in self.updates if u["update_id"] >= body["offset"]]
            if not self.updates:
                time.sleep(0.1)
            return 200, {"ok": True, "result": self.updates}
        if str(body.get("chat_id")) == "403403":
            return 403, {"ok": False, "error_code": 403, "description": "Forbidden: bot was blocked"}
        result = True if path.endswith("answerCallbackQuery") else {
            "message_id": len(self.got), "chat": {"id": body["chat_id"]}}
        return 200, {"ok": True, "result": result}


class Esme:
    """A tenant's client: binds as transceiver, submits, and keeps the receipts that come."""

    def __init__(self, port, system_id, password, receiver=True):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.stream, self.number, self.receipts = self.sock.makefile("rb"), 0, []
        command = 9 if receiver else 2
        self._send(command, f"{system_id}\0{password}\0\0".encode() + b"\x34\0\0\0")
        self.bound = self._answer(0x80000000 | command)[0] == 0

    def _send(self, command, body, status=0, number=None):
        self.number += number is None
        self.sock.sendall(struct.pack(">IIII", 16 + len(body), command, status,
                                      self.number if number is None else number) + body)

    def _read(self):
        length, command, status, number = struct.unpack(">IIII", self.stream.read(16))
        body = self.stream.read(length - 16)
        if command == 5:
            self.receipts.append(body)
            self._send(0x80000005, b"\0", number=number)
        elif command == 0x15:
            self._send(0x80000015, b"", number=number)
        return command, status, body

    def _answer(self, wanted):
        while True:
            command, status, body = self._read()
            if command == wanted:
                return status, body

    def submit(self, source, to, text):
        """The id that the SMSC gave."""
        body = b"\0\5\0" + source.encode() + b"\0\1\1" + to.encode() + b"\0\0\0\0\0\0\1\0\0\0"
        self._send(4, body + bytes([len(text)]) + text.encode())
        status, answer = self._answer(0x80000004)
        assert status == 0, status
        return answer.rstrip(b"\0").decode()

    def receipt(self, name):
        while not any(name.encode() in body for body in self.receipts):
            self._read()
        return next(body for body in self.receipts if name.encode() in body)

    def close(self):
        self.stream.close()
        self.sock.close()


class Smsc:
    """Takes one bind, and delivers what a phone says."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answered, self.peer, self.bound = [], None, threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        self.peer, _ = self.listener.accept()
        stream = self.peer.makefile("rb")
        while len(head := stream.read(16)) == 16:
            length, command, _, number = struct.unpack(">IIII", head)
            stream.read(length - 16)
            if command < 0x80000000:
                self.peer.sendall(struct.pack(">IIII", 16 + (command == 9), command | 0x80000000, 0, number)
                                  + b"\0" * (command == 9))
                self.bound.set()
            else:
                self.answered.append(number)

    def deliver(self, number, source, to, text):
        assert self.bound.wait(60), "nobody binds"
        body = (b"\0\1\1" + source.encode() + b"\0\1\1" + to.encode() + b"\0" + bytes(9) + bytes([len(text)])
                + text.encode())
        self.peer.sendall(struct.pack(">IIII", 16 + len(body), 5, 0, number) + body)

    def close(self):
        self.listener.close()
        if self.peer:
            self.peer.close()


def quicken(workflow):
    """Schedules each second, and any free port."""
    for node in workflow["nodes"]:
        if node["type"] == "catalyst.scheduleTrigger":
            node["parameters"]["rule"] = {"interval": [{"field": "seconds", "secondsInterval": 1}]}
        elif node["type"] == "catalyst.smppServer":
            node["parameters"].update(host="127.0.0.1", port=0)


class World:
    """All workflows in one engine, its doubles, tenants and prices."""

    def __init__(self, build, directory, rules=None, workflows=WORKFLOWS, edit=quicken, credentials=None):
        self.cloud, self.bot, self.count = Double(cloud_api), BotApi(), 0
        header = {"type": "httpHeaderAuth", "data": {"name": "x-api-key", "value": "reviewer"}}
        self.plane = Plane(build, directory, rules=json.dumps(rules or RULES), workflows=workflows,
                           sink_flags=SINK, edit=edit, credentials={
            "quarantine": header,
            "tenants": {"type": "smppTenants", "data": {"tenants": "shop pa55 shop\nbare pa55 bare"}},
            "bot": {"type": "telegramApi", "data": {"accessToken": BOT, "baseUrl": self.bot.url}},
            "whatsapp": {"type": "whatsAppApi", "data": {"accessToken": "t", "baseUrl": self.cloud.url}},
            "whatsapp-app": {"type": "hmac", "data": {"secret": SECRET}},
            "whatsapp-webhook": {"type": "whatsAppWebhook", "data": {"verifyToken": VERIFY}},
            **(credentials or {})})

    def __enter__(self):
        self.plane.__enter__()
        self.plane.price("default", "EUR", [{"channel": channel, "prefix": prefix, "price_micro": PRICE}
                                            for channel, prefix in (("sms", "49"), ("whatsapp", "49"),
                                                                    ("telegram", ""))])
        return self

    def __exit__(self, *_):
        self.plane.stop()
        self.plane.__exit__()
        self.cloud.close()
        self.bot.close()

    def tenant(self, name, money=10_000_000, **settings):
        self.plane.tenant(name, currency="EUR", **settings)
        if money:
            self.plane.top_up(name, money)

    # --- messages ---

    def send(self, text="hello", to="+4915100000000", channel="sms", tenant="acme", **members):
        """Its id."""
        self.count += 1
        message = {"v": 1, "id": f"m{self.count}", "ts_us": int(time.time() * 1e6), "tenant_id": tenant,
                   "trace_id": f"t{self.count}", "channel": channel, "from": "ACME", "to": to, "text": text,
                   **members}
        self.produce(f"messaging.{channel}.outbound",
                     json.dumps({key: value for key, value in message.items() if value is not None}))
        return message["id"]

    def produce(self, topic, line):
        kcat.produce(self.plane.brokers, topic, [line])

    def topic(self, name, **wanted):
        """The messages of a topic that have these members."""
        found = [json.loads(one["payload"]) for one in kcat.consume(self.plane.brokers, name)]
        return [one for one in found if all(one.get(key) == value for key, value in wanted.items())]

    def rows(self, question, *values):
        with sqlite3.connect(f"file:{self.plane.dir}/catalyst.db?mode=ro", uri=True, timeout=60) as store:
            store.row_factory = sqlite3.Row
            found = [dict(row) for row in store.execute(question, values)]
        store.close()
        return found

    def message(self, name, state):
        """The message's row when it is in that state."""
        question = "SELECT * FROM messages_current WHERE id = ?"
        return until(lambda: [row for row in self.rows(question, name) if row["state"] == state],
                     lambda: f"{name} is not {state}: {self.rows(question, name)}\n"
                             + self.plane.log.read_text()[-2000:])[0]

    def money(self, tenant):
        """(held, spent) in prices."""
        balance = self.plane.balance(tenant)
        return balance["held"] / PRICE, balance["spent"] / PRICE

    # --- HTTP ---

    def review(self, what, body=None, key="reviewer"):
        status, text = self.plane._get(f"{self.plane.http}/webhook/quarantine/{what}", body, {"x-api-key": key})
        return status, json.loads(text) if status in (200, 404) else text

    def held(self, name):
        found = until(lambda: [one for one in self.review("list")[1] if one["id"] == name], "not held")
        return found[0]["quarantine"]["id"]

    def whatsapp_call(self, secret=SECRET, **value):
        """A signed call of the webhook: its status."""
        body = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "W", "changes": [{
            "field": "messages", "value": {"metadata": {"phone_number_id": "106"}, **value}}]}]}, indent=1)
        mark = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
        request = urllib.request.Request(f"{self.plane.http}/webhook/whatsapp", body.encode(), {
            "content-type": "application/json", "X-Hub-Signature-256": f"sha256={mark}"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def smpp_port(self):
        return int(re.findall(r"smpp.*?127\.0\.0\.1:(\d+)", self.plane.log.read_text())[-1])
