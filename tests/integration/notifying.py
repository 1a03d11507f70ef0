# SPDX-License-Identifier: Apache-2.0
"""For tests of notifications: an engine that routes alerts, and a receiver of signed webhooks that
verifies each with an implementation of its own."""
import base64
import datetime
import hashlib
import hmac
import http.server
import json
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "tests" / "scenario"))
from engines import Engine  # noqa: E402
from test_cases import definition  # noqa: E402

OLD, NEW = (("whsec_" + base64.b64encode(bytes([n]) * 32).decode()) for n in (1, 2))


def verify(secret, headers, body, now=None):
    """As a receiver does it: Standard Webhooks, version 1."""
    ident, stamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs((now or time.time()) - int(stamp)) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    sum_ = hmac.new(key, f"{ident}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return any(hmac.compare_digest(base64.b64encode(sum_).decode(), word[3:])
               for word in headers["webhook-signature"].split() if word.startswith("v1,"))


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps (time, path, headers, json). `script`: statuses to answer first, or "hang"."""
    daemon_threads = True
    request_queue_size = 256

    def __init__(self):
        receiver = self
        self.got, self.script, self.answer = [], [], (200, b"{}", {})
        self.lock, self.stopped = threading.Lock(), threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                with receiver.lock:
                    receiver.got.append((time.time(), self.path, dict(self.headers), body))
                    status = receiver.script.pop(0) if receiver.script else None
                if status == "hang":
                    receiver.stopped.wait(120)
                    self.close_connection = True
                    return
                code, text, more = receiver.answer if status is None else (
                    status if isinstance(status, tuple) else (status, b"no", {}))
                self.send_response(code)
                for name, value in {"content-length": len(text), **more}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(text)

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def handle_error(self, *_):
        pass

    def items(self):
        with self.lock:
            return [json.loads(body) for _, _, _, body in self.got]

    def close(self):
        self.stopped.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


def until(check, timeout_s=60, why=lambda: "it did not come"):
    end = time.monotonic() + timeout_s
    while not (found := check()):
        assert time.monotonic() < end, why()
        time.sleep(0.05)
    return found


def stamp(offset_s=0):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset_s)
    return at.isoformat().replace("+00:00", "Z")


HOOK = {"name": "Hook", "type": "catalyst.webhook"}


def hook(path, node):
    return definition({"id": path, "name": path, "nodes": [
        {**HOOK, "parameters": {"httpMethod": "POST", "path": path, "responseMode": "lastNode"}},
        {"name": "Node", **node}], "wires": ["Hook -> Node"]})


class Routing:
    """An engine with the webhooks alerts, silence, ack, and all notifications sent to a receiver."""

    def __init__(self, catalyst, folder, configuration, url, store=None, **node):
        self.receivers = url
        send = {"name": "Send", "type": "catalyst.webhookSigned", "retry": {"tries": 8},
                "parameters": {"url": url + "/hook", "allowPrivate": True, "body": "={{ $json }}"},
                "credentials": {"webhookSigning": {"name": "hook"}}}
        due = definition({"id": "due", "name": "due", "nodes": [
            {"name": "Due", "type": "catalyst.notifyTrigger", "parameters": {
                "configuration": configuration, "pollInterval": "50ms"}},
            {"name": "By kind", "type": "catalyst.notifyDispatch"}, send],
            "wires": ["Due -> By kind"] + [f"By kind:{port} -> Send" for port in range(6)]})
        workflows = [due, hook("alerts", {"type": "catalyst.notify", "parameters": {
            "alerts": "={{ $json.body }}"}}),
            hook("silence", {"type": "catalyst.notifySilence", "parameters": {
                "matchers": "={{ $json.body.matchers }}", "duration": "={{ $json.body.duration }}"}}),
            hook("expire", {"type": "catalyst.notifySilence", "parameters": {
                "operation": "expire", "id": "={{ $json.body.id }}"}}),
            hook("list", {"type": "catalyst.notifySilence", "parameters": {"operation": "list"}}),
            hook("ack", {"type": "catalyst.notifyAck", "parameters": {
                "what": "={{ $json.body.what }}", "who": "ann"}})]
        credentials = Path(folder) / "credentials.json"
        credentials.write_text(json.dumps({"hook": {"type": "webhookSigning", "data": {
            "secret": f"{NEW} {OLD}"}}}))
        self.engine = Engine(catalyst, folder, "--store", store or f"sqlite:{folder}/store.db",
                             "--credentials", credentials, workflows=workflows)

    def start(self):
        self.engine.start()
        self.engine.wait_log("notify.working")
        return self

    def post(self, path, body):
        answer = self.engine.call("POST", f"/webhook/{path}", body)
        assert answer.status == 200, answer.body
        return answer.json()

    def alert(self, over=False, **labels):
        return self.post("alerts", [{"labels": labels, "startsAt": stamp(),
                                     **({"endsAt": stamp(-1), "startsAt": stamp(-2)} if over
                                        else {})}])


def fast(**more):
    route = {"receiver": "team", "group_by": ["alertname"], "group_wait": "1s",
             "group_interval": "2s", "repeat_interval": "1h", **more.pop("route", {})}
    return {"route": route, "receivers": [{"name": "team", "webhook_configs": [{}]},
                                          {"name": "lead", "webhook_configs": [{}]}], **more}
