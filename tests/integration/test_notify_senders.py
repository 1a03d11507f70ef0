# SPDX-License-Identifier: Apache-2.0
"""The senders of notifications, run by the binary against doubles: aiosmtpd for mail (TLS, STARTTLS,
logins), own servers for Slack, PagerDuty and signed webhooks."""
import email
import email.policy
import json
import ssl
import subprocess
import threading
import time

import pytest
import servers
from notifying import NEW, OLD, Engine, Receiver, hook, until, verify
from test_nodes import Workflow

NOTICE = {"id": "n1-1", "kind": "slack", "status": "firing", "severity": "critical",
          "groupKey": '{}:{alertname="Down"}', "incident": "i1-1", "title": "[FIRING:1] Dämon down",
          "text": "firing: it is so {alertname=\"Down\"}", "firing": 1, "resolved": 0,
          "config": {"channel": "#ops", "to": "Jörg <joerg@example.com>, bob@example.com"},
          "groupLabels": {"alertname": "Down", "tenant": "t1"}, "commonLabels": {"alertname": "Down"}}
ACCEPTED, REJECTED, UNKNOWN = range(3)


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.close()


class Sender:
    def __init__(self, catalyst, folder, kind, data):
        self.kind = kind
        self.workflow = Workflow(catalyst, folder, {"it": {"type": kind, "data": data}})

    def __call__(self, node, parameters, items=None, **more):
        result = self.workflow.run(f"catalyst.{node}", parameters,
                                   [NOTICE] if items is None else items,
                                   credentials={self.kind: {"name": "it"}}, **more)
        assert result["status"] == "success", result["error"]
        assert "s3cret" not in json.dumps(result)
        return [[item["json"].get("send") for item in port or []]
                for port in result["nodes"]["Node"][0]["outputs"]]


# --- mail -----------------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


class Mailbox:
    """Answers that `say` has for RCPT, DATA; "drop" hangs up after the text."""

    def __init__(self):
        self.mails, self.say, self.logins = [], {}, []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if "rcpt" in self.say:
            return self.say["rcpt"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content,
                           session.ssl is not None))
        if self.say.get("data") == "drop":
            server.transport.abort()
            return "250 OK"
        return self.say.get("data", "250 taken")

    def authenticate(self, server, session, envelope, mechanism, data):
        from aiosmtpd.smtp import AuthResult
        self.logins.append((mechanism, data.login, data.password))
        return AuthResult(success=data.password == b"s3cret", handled=False)


@pytest.fixture
def mail_server(certificate):
    controllers = pytest.importorskip("aiosmtpd.controller", reason="aiosmtpd is not installed")
    running = []

    def start(mode="starttls", **more):
        box = Mailbox()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        port = servers.free_port()
        settings = {"hostname": "127.0.0.1", "port": port, "authenticator": box.authenticate,
                    "ready_timeout": 60, **more}
        if mode == "starttls":
            settings.update(tls_context=context, require_starttls=True)
        elif mode == "tls":
            settings.update(ssl_context=context, auth_require_tls=False)
        else:
            settings.update(auth_require_tls=False)
        one = controllers.Controller(box, **settings)
        one.start()
        running.append(one)
        box.credential = {"host": "localhost", "port": str(port), "security": mode,
                          "caFile": str(certificate[0])}
        return box

    yield start
    for one in running:
        one.stop()


FROM = {"from": "Catalyst <alerts@example.com>"}


@pytest.mark.parametrize("mode, auth", [("starttls", "PLAIN"), ("starttls", "LOGIN"),
                                        ("tls", "auto"), ("none", None)])
def test_mail(catalyst, tmp_path, mail_server, mode, auth):
    box = mail_server(mode)
    login = {"user": "ann", "password": "s3cret", "auth": auth} if auth else {}
    ports = Sender(catalyst, tmp_path, "smtp", {**box.credential, **login})("email", FROM)
    assert ports[ACCEPTED] == [{"outcome": "accepted", "channel": "email", "provider_id": "n1-1"}]
    sender, to, content, was_tls = box.mails[0]
    assert (sender, to) == ("alerts@example.com", ["joerg@example.com", "bob@example.com"])
    assert was_tls == (mode == "starttls")  # with tls the socket itself is
    if auth:
        assert box.logins == [("PLAIN" if auth == "auto" else auth, b"ann", b"s3cret")] or (
            auth == "auto" and box.logins[0][1:] == (b"ann", b"s3cret"))
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert not mail.defects
    assert mail["subject"] == NOTICE["title"]
    assert mail["from"] == "Catalyst <alerts@example.com>"
    assert [a.display_name for a in mail["to"].addresses] == ["Jörg", ""]
    assert mail["message-id"] == "<n1-1@example.com>"
    assert mail["references"] == mail["in-reply-to"] == "<i1-1@example.com>"
    assert mail.get_body(("plain",)).get_content().strip() == NOTICE["text"]
    assert "&quot;Down&quot;" in mail.get_body(("html",)).get_content()


@pytest.mark.parametrize("say, port, what", [
    ({"rcpt": "550 5.1.1 no such user"}, REJECTED, "permanent-recipient"),
    ({"data": "554 5.7.1 spam"}, REJECTED, "permanent-content"),
    ({"data": "drop"}, UNKNOWN, None)])
def test_mail_refused(catalyst, tmp_path, mail_server, say, port, what):
    box = mail_server("none")
    box.say = say
    ports = Sender(catalyst, tmp_path, "smtp", box.credential)("email", FROM)
    assert len(ports[port]) == 1 and ports[port][0].get("class") == what
    if port == UNKNOWN:
        assert len(box.mails) == 1  # not sent again


def test_mail_later(catalyst, tmp_path, mail_server):
    box = mail_server("none")
    box.say = {"rcpt": "451 4.3.0 come later"}
    sender = Sender(catalyst, tmp_path, "smtp", box.credential)
    threading.Timer(0.5, box.say.clear).start()
    ports = sender("email", FROM, retry={"tries": 200, "first_ms": 100, "max_ms": 200})
    assert len(ports[ACCEPTED]) == 1 and len(box.mails) == 1


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"caFile": ""}, {"host": "127.0.0.1"}])
def test_mail_account(catalyst, tmp_path, mail_server, change):
    """A wrong login, an authority nobody knows, a certificate for another name."""
    box = mail_server("starttls")
    data = {**box.credential, "user": "ann", "password": "s3cret", **change}
    ports = Sender(catalyst, tmp_path, "smtp", data)("email", FROM)
    assert ports[REJECTED][0]["class"] == "permanent-account", ports
    assert not box.mails


def test_mail_that_must_be_secure(catalyst, tmp_path, mail_server):
    """STARTTLS is asked for and the server has none: nothing is sent in the clear."""
    box = mail_server("none")
    ports = Sender(catalyst, tmp_path, "smtp", {**box.credential, "security": "starttls"})(
        "email", FROM)
    assert ports[REJECTED][0]["class"] == "permanent-account" and not box.mails


def test_a_daily_digest(catalyst, tmp_path, mail_server):
    if time.time() % 86400 > 86400 - 120:
        time.sleep(120)  # a digest belongs to a day
    box = mail_server("none")
    (tmp_path / "credentials.json").write_text(json.dumps(
        {"mail": {"type": "smtp", "data": box.credential}}))
    collect = hook("collect", {"type": "catalyst.email", "parameters": {
        "operation": "collect", "to": "={{ $json.body.to }}", "text": "={{ $json.body.text }}",
        "topic": "={{ $json.body.topic }}"}})
    due = hook("due", {"type": "catalyst.email", "parameters": {"operation": "due", "hour": 0}})
    due["nodes"].append({"id": "s", "name": "Send", "type": "catalyst.email", "parameters": {
        "operation": "digest", **FROM}, "credentials": {"smtp": {"name": "mail"}}})
    due["connections"]["Node"] = {"main": [[{"node": "Send", "type": "main", "index": 0}]]}
    with Engine(catalyst, tmp_path, "--store", f"sqlite:{tmp_path}/store.db", "--credentials",
                tmp_path / "credentials.json", workflows=[collect, due]) as engine:
        def post(path, body):
            answer = engine.call("POST", f"/webhook/{path}", body)
            assert answer.status == 200, answer.body

        post("due", {})  # nobody has anything
        for n in range(3):
            post("collect", {"to": "ann@example.com, bob@example.com", "topic": f"rule {n % 2}",
                             "text": f"line <{n}>"})
        post("due", {})
        until(lambda: len(box.mails) == 2)
        post("due", {})
        post("collect", {"to": "ann@example.com", "topic": "late", "text": "tomorrow"})
        post("due", {})  # sent today
        time.sleep(1)
    assert sorted(to for _, to, _, _ in box.mails) == [["ann@example.com"], ["bob@example.com"]]
    mail = email.message_from_bytes(box.mails[0][2], policy=email.policy.default)
    text = mail.get_body(("plain",)).get_content()
    assert text == "rule 0\n- line <0>\n- line <2>\n\nrule 1\n- line <1>\n"
    assert "line &lt;0&gt;" in mail.get_body(("html",)).get_content()


# --- Slack, PagerDuty -----------------------------------------------------------------------------

def test_slack(catalyst, tmp_path, receiver):
    receiver.answer = (200, b'{"ok":true,"ts":"17.5","channel":"C1"}', {})
    receiver.script = [(429, b"", {"retry-after": "1"})]
    sender = Sender(catalyst, tmp_path, "slackApi", {"accessToken": "s3cret",
                                                     "baseUrl": receiver.url + "/api"})
    began = time.monotonic()
    ports = sender("slack", {"threading": "thread"})
    assert ports[ACCEPTED][0]["provider_id"] == "17.5"
    assert time.monotonic() - began > 0.9
    assert [path for _, path, _, _ in receiver.got] == ["/api/chat.postMessage"] * 2
    body = json.loads(receiver.got[1][3])
    assert body["channel"] == "#ops" and body["attachments"][0]["color"] == "danger"
    assert receiver.got[1][2]["authorization"] == "Bearer s3cret"


def test_slack_hangs_up(catalyst, tmp_path, receiver):
    receiver.script = ["hang"]
    sender = Sender(catalyst, tmp_path, "slackApi", {"webhookUrl": receiver.url + "/s3cret"})
    ports = sender("slack", {"options": {"timeout": "3s"}})
    assert len(ports[UNKNOWN]) == 1 and len(receiver.got) == 1


def test_pagerduty(catalyst, tmp_path, receiver):
    receiver.answer = (202, b'{"status":"success"}', {})
    receiver.script = [500, "hang"]
    sender = Sender(catalyst, tmp_path, "pagerDutyEvents", {"routingKey": "s3cret",
                                                            "baseUrl": receiver.url})
    ports = sender("pagerDuty", {"options": {"timeout": "4s"}},
                   [NOTICE, {**NOTICE, "status": "resolved"}])
    assert len(ports[ACCEPTED]) == 2
    sent = receiver.items()
    assert len(sent) == 4 and len({e["dedup_key"] for e in sent}) == 1
    assert {e["event_action"] for e in sent} == {"trigger", "resolve"}
    for event in sent:
        assert event["routing_key"] == "s3cret" and len(event["dedup_key"]) == 64
        if event["event_action"] == "trigger":
            assert event["payload"]["severity"] == "critical"
            assert event["payload"]["summary"] == NOTICE["title"]


# --- signed webhooks ------------------------------------------------------------------------------

@pytest.fixture
def signed(catalyst, tmp_path):
    sender = Sender(catalyst, tmp_path, "webhookSigning", {"secret": f"{NEW}\n{OLD}"})
    return lambda url, items=None, retry=None, **more: sender(
        "webhookSigned", {"url": url, "allowPrivate": True, **more}, items,
        **({"retry": retry} if retry else {}))


def test_a_webhook_is_signed_and_repeated(signed, receiver):
    receiver.script = [500]
    ports = signed(receiver.url + "/x", retry={"tries": 3})
    assert ports[ACCEPTED][0]["provider_id"] == "n1-1"
    (at0, _, first, body0), (at1, _, second, body1) = receiver.got
    assert at1 - at0 > 4.5  # the ladder's first wait
    assert first["webhook-id"] == second["webhook-id"] == "n1-1"
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    for headers, body in ((first, body0), (second, body1)):
        for secret in (NEW, OLD):
            assert verify(secret, headers, body)
    assert "config" not in json.loads(body0)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "http://localhost:{port}/",
                                 "http://[::1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/",
                                 "http://0x7f000001:{port}/", "http://0:{port}/"])
def test_private_addresses_are_refused(signed, receiver, url):
    ports = signed(url.format(port=receiver.server_port), allowPrivate=False)
    assert ports[REJECTED][0]["code"] == "address", ports
    assert not receiver.got


def test_a_redirect_is_a_failure(signed, receiver):
    receiver.script = [(302, b"", {"location": receiver.url + "/elsewhere"})]
    ports = signed(receiver.url + "/x", retry={"tries": 3})
    assert len(ports[ACCEPTED]) == 1
    assert [path for _, path, _, _ in receiver.got] == ["/x", "/x"]


def test_gone_switches_it_off(signed, receiver):
    receiver.answer = (410, b"gone", {})
    assert signed(receiver.url + "/x")[REJECTED][0]["code"] == "disabled"
    assert len(receiver.got) == 1


@pytest.mark.parametrize("url", ["ftp://example.com/", "file:///etc/passwd", ""])
def test_other_protocols_are_refused(signed, url):
    ports = signed("={{ $json.url }}", [{"url": url}])
    assert ports[REJECTED][0]["code"] == "request"
