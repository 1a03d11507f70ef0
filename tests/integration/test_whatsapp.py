# SPDX-License-Identifier: Apache-2.0
"""WhatsApp against a double of the Cloud API: signed webhook calls in, messages out.

The double answers as the API's description of its message endpoint says; what it answers next is set
by the test.
"""
import hashlib
import hmac
import http.server
import json
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from engines import Engine  # noqa: E402

APP_SECRET, TOKEN, VERIFY = "app-secret-83", "EAAGtoken83", "verify-83"


class CloudApi(http.server.ThreadingHTTPServer):
    """Takes messages; `answers` are (status, error code) for the next ones, then all is accepted."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), CloudApiHandler)
        self.requests, self.answers, self.hang = [], [], threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class CloudApiHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        is_media = self.path.endswith("/media")
        body = body if is_media else json.loads(body)
        self.server.requests.append((self.path, self.headers["authorization"], body))
        status, code = self.server.answers.pop(0) if self.server.answers else (200, 0)
        if status == 0:  # taken, and never answered
            self.server.hang.wait(120)
            self.close_connection = True
            return
        reply = {"error": {"message": f"refused: {self.headers['authorization']}", "code": code}}
        if status == 200 and is_media:
            reply = {"id": f"media{len(self.server.requests)}"}
        elif status == 200:
            reply = {"messaging_product": "whatsapp",
                     "contacts": [{"input": body["to"], "wa_id": body["to"]}],
                     "messages": [{"id": f"wamid.{len(self.server.requests)}"}]}
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def api():
    double = CloudApi()
    yield double
    double.hang.set()
    double.shutdown()
    double.server_close()


def workflow(id_, nodes, wires):
    """A wire is (from, port, to)."""
    whole = {"id": id_, "name": id_, "settings": {"executionOrder": "v1"}, "connections": {}}
    whole["nodes"] = [{"id": f"n{i}", "typeVersion": 1, "position": [200 * i, 0], "parameters": {},
                       **node} for i, node in enumerate(nodes)]
    for source, port, target in wires:
        ports = whole["connections"].setdefault(source, {"main": []})["main"]
        ports.extend([] for _ in range(port + 1 - len(ports)))
        ports[port].append({"node": target, "type": "main", "index": 0})
    return whole


def hook(name, method, path, mode, **more):
    parameters = {"httpMethod": method, "path": path, "responseMode": mode, **more.pop("extra", {})}
    return {"name": name, "type": "catalyst.webhook", "parameters": parameters, **more}


def receiving():
    """Signed calls and the subscription's question at one path; each kind is answered under its
    name, so that the test sees which port an event took."""
    signed = {"authentication": "hmac", "options": {"hmacHeader": "X-Hub-Signature-256"}}
    nodes = [hook("Calls", "POST", "whatsapp", "responseNode", extra=signed,
                  credentials={"hmac": {"name": "app"}}),
             hook("Subscription", "GET", "whatsapp", "responseNode"),
             {"name": "Events", "type": "catalyst.whatsappEvents",
              "credentials": {"whatsAppWebhook": {"name": "verify"}}}]
    wires = [("Calls", 0, "Events"), ("Subscription", 0, "Events")]
    for port, name in enumerate(("messages", "statuses", "errors")):
        nodes.append({"name": name, "type": "catalyst.respondToWebhook", "parameters": {
            "respondWith": "allIncomingItems", "options": {"responseKey": name}}})
        wires.append(("Events", port, name))
    return workflow("receive", nodes, wires)


def sending():
    nodes = [hook("In", "POST", "send", "lastNode"),
             {"name": "Send", "type": "catalyst.whatsapp", "parameters": {
                 "phoneNumberId": "106", "to": "={{ $json.body.to }}",
                 "text": "={{ $json.body.text }}",
                 "options": {"messageId": "={{ $json.body.id }}", "timeout": "5s"}},
              "retryOnFail": True, "maxTries": 3, "waitBetweenTries": 50,
              "credentials": {"whatsAppApi": {"name": "api"}}}]
    wires = [("In", 0, "Send")]
    for port, name in enumerate(("Accepted", "Rejected", "Unknown")):
        nodes.append({"name": name, "type": "catalyst.set", "parameters": {
            "mode": "raw", "jsonOutput": f"={{{{ {{ port: '{name}', send: $json.send }} }}}}"}})
        wires.append(("Send", port, name))
    return workflow("send", nodes, wires)


def picturing():
    """The body of the call is the picture."""
    nodes = [hook("In", "POST", "picture", "lastNode"),
             {"name": "Send", "type": "catalyst.whatsapp", "parameters": {
                 "phoneNumberId": "106", "to": "={{ $json.query.to }}", "messageType": "image",
                 "binaryPropertyName": "data", "caption": "look"},
              "retryOnFail": True, "maxTries": 3, "waitBetweenTries": 50,
              "credentials": {"whatsAppApi": {"name": "api"}}}]
    return workflow("picture", nodes, [("In", 0, "Send")])


@pytest.fixture
def engine(catalyst, tmp_path, api):
    keys = {"APP": ("hmac", {"secret": APP_SECRET}),
            "VERIFY": ("whatsAppWebhook", {"verifyToken": VERIFY}),
            "API": ("whatsAppApi", {"accessToken": TOKEN, "baseUrl": api.url,
                                    "apiVersion": "v21.0"})}
    env = {f"CATALYST_CREDENTIAL_{name}": json.dumps({"type": kind, "data": data})
           for name, (kind, data) in keys.items()}
    one = Engine(catalyst, tmp_path, "--store", f"sqlite:{tmp_path}/store.db", "--workers", "1",
                 workflows=[receiving(), sending(), picturing()], env=env).start()
    yield one
    one.kill() if one.stop() is None else None
    for secret in (APP_SECRET, TOKEN, VERIFY):
        assert secret not in one.log()


# --- receiving ------------------------------------------------------------------------------------

def event(**value):
    return {"object": "whatsapp_business_account", "entry": [{"id": "W", "changes": [
        {"field": "messages", "value": {"metadata": {"phone_number_id": "106"}, **value}}]}]}


def deliver(engine, call, secret=APP_SECRET, **headers):
    body = json.dumps(call, indent=1).encode()  # the signature is over these bytes, spaces and all
    mark = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return engine.call("POST", "/webhook/whatsapp", body, {
        "content-type": "application/json", "X-Hub-Signature-256": f"sha256={mark}", **headers})


def test_signed_calls_become_events(engine):
    answer = deliver(engine, event(messages=[
        {"from": "49151", "id": "wamid.M", "timestamp": "1700000001", "type": "text",
         "text": {"body": "hällo"}}]))
    assert answer.status == 200, answer.body
    message = answer.json()["messages"][0]
    assert message["text"] == "hällo" and message["from"] == "49151"
    assert message["dedupe"] == "whatsapp:message:wamid.M"
    assert message["ts_provider"] == 1700000001000
    status = {"id": "wamid.A", "status": "delivered", "timestamp": "1700000002",
              "recipient_id": "49151", "biz_opaque_callback_data": "m-1"}
    given = [deliver(engine, event(statuses=[status])).json()["statuses"][0] for _ in range(2)]
    assert given[0] == given[1]  # redelivered: the same item, the same dedupe key
    assert given[0]["msg_id"] == "m-1" and given[0]["state"] == "delivered"
    error = deliver(engine, event(errors=[{"code": 130429, "message": "rate"}])).json()["errors"][0]
    assert error["class"] == "throttle" and error["code"] == 130429


def test_other_signatures_are_refused(engine):
    call = event(messages=[{"from": "1", "id": "wamid.X", "type": "text"}])
    assert deliver(engine, call, secret="another").status == 401
    assert deliver(engine, call, **{"X-Hub-Signature-256": "sha256=" + "0" * 64}).status == 401
    assert deliver(engine, call, **{"X-Hub-Signature-256": ""}).status == 401
    assert engine.call("POST", "/webhook/whatsapp", call).status == 401
    assert engine.done() == 0


def subscribe(engine, token, mode="subscribe"):
    return engine.call("GET", f"/webhook/whatsapp?hub.mode={mode}&hub.verify_token={token}"
                              "&hub.challenge=1158201444")


def test_the_challenge(engine):
    answer = subscribe(engine, VERIFY)
    assert (answer.status, answer.body) == (200, b"1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    for refused in (subscribe(engine, "wrong"), subscribe(engine, VERIFY, mode="other")):
        assert (refused.status, refused.body) == (403, b"")


# --- sending --------------------------------------------------------------------------------------

def send(engine, id_="m-1", text="hi"):
    return engine.call("POST", "/webhook/send", {"to": "+491511234567", "text": text, "id": id_})


def test_accepted(engine, api):
    answer = send(engine, text="hällo").json()
    assert answer == {"port": "Accepted", "send": {
        "outcome": "accepted", "channel": "whatsapp", "account": "106", "to": "+491511234567",
        "msg_id": "m-1", "provider_id": "wamid.1", "wa_id": "491511234567"}}
    path, authorization, body = api.requests[0]
    assert path == "/v21.0/106/messages" and authorization == f"Bearer {TOKEN}"
    assert body["text"]["body"] == "hällo" and body["biz_opaque_callback_data"] == "m-1"


def test_rejected_without_the_token(engine, api):
    api.answers = [(400, 131047), (401, 190)]
    window = send(engine).json()
    assert window["port"] == "Rejected" and window["send"]["class"] == "window-closed"
    account = send(engine)
    assert account.json()["send"]["class"] == "permanent-account"
    assert TOKEN.encode() not in account.body
    assert send(engine, text="x" * 4097).json()["send"]["reason"] == "limit"
    assert len(api.requests) == 2


def test_throttled_and_transient_are_tried_again(engine, api):
    api.answers = [(429, 130429), (500, 131000)]
    assert send(engine).json()["port"] == "Accepted"
    assert len(api.requests) == 3
    assert len({body["biz_opaque_callback_data"] for _, _, body in api.requests}) == 1


def test_unknown_is_sent_once(engine, api):
    api.answers = [(0, 0)]
    answer = send(engine).json()
    assert answer["port"] == "Unknown" and answer["send"]["outcome"] == "unknown"
    time.sleep(0.3)
    assert len(api.requests) == 1


# --- files ----------------------------------------------------------------------------------------

PICTURE = bytes(range(256)) * 4000


def test_a_picture_is_uploaded_and_sent(engine, api):
    """An upload sends nothing, so it is made again; the message names the file's id."""
    api.answers = [(500, 131000)]
    answer = engine.call("POST", "/webhook/picture?to=491511234567", PICTURE,
                         {"content-type": "image/png"})
    assert answer.status == 200, answer.body
    (first, _, _), (second, auth, form), (third, _, message) = api.requests
    assert (first, second, third) == ("/v21.0/106/media", "/v21.0/106/media", "/v21.0/106/messages")
    assert auth == f"Bearer {TOKEN}"
    assert form.count(PICTURE) == 1 and b'name="messaging_product"\r\n\r\nwhatsapp\r\n' in form
    assert message["image"] == {"id": "media2", "caption": "look"}


def test_a_refused_picture_is_not_sent(engine, api):
    api.answers = [(400, 131053)]
    answer = engine.call("POST", "/webhook/picture?to=491511234567", b"no picture",
                         {"content-type": "image/png"})
    assert answer.json()["send"]["class"] == "permanent-content"
    assert [path for path, _, _ in api.requests] == ["/v21.0/106/media"]
