# SPDX-License-Identifier: Apache-2.0
"""What the connectors' own tests leave open of CONNECTORS.md: answers that mean later, never, and
nothing, by the binary against doubles."""
import base64
import hashlib
import hmac
import json
import threading
import time

import pytest
from engines import Engine, until
from notifying import NEW, OLD, hook
from test_notify_senders import (ACCEPTED, FROM, NOTICE, REJECTED, Sender,  # noqa: F401
                                 certificate, mail_server, receiver, signed)
from smpp_world import credentials, node, post, workflow
from test_smpp import sink, sms, smsc  # noqa: F401
from test_ussd import Phone, WORKFLOW, key

QUICK = {"tries": 10, "first_ms": 50, "max_ms": 200}


# --- SMS ------------------------------------------------------------------------------------------

def test_a_receipt_that_comes_twice_moves_its_message_once(catalyst, tmp_path, smsc, sink):  # noqa: F811
    server, on = smsc(), {"credentials": {"smpp": {"name": "carrier"}}}
    send = workflow("send", [
        node("Hook", "webhook", {"path": "send", "httpMethod": "POST"}),
        node("Body", "set", {"mode": "raw", "jsonOutput": "={{ $json.body }}"}),
        node("Send", "smsSend", {}, **on), node("Record", "messageRecord"), post("Out", sink, "/sent")],
        [("Hook", 0, "Body"), ("Body", 0, "Send"), ("Send", 0, "Record"), ("Record", 0, "Out")])
    ports = ["/moved", "/old", "/nobody"]
    receive = workflow("receive", [
        node("In", "smppReceive", {}, **on), node("Status", "messageStatus"),
        *(post(path[1:], sink, path) for path in ports)],
        [("In", 0, "Status")] + [("Status", n, path[1:]) for n, path in enumerate(ports)])
    with Engine(catalyst, tmp_path, "--store", f"sqlite:{tmp_path}/store.db", "--credentials",
                credentials(tmp_path, carrier=server.credential()),
                workflows=[send, receive]) as engine:
        for n in range(2):
            assert engine.call("POST", "/webhook/send", sms("hi", n)).status == 202
        until(lambda: len(sink.at("/sent")) == 2, what=engine.log)
        for item in sink.at("/sent"):
            for _ in range(3):
                server.tell(deliver={
                    "esm_class": 4, "source_addr": item["to"][1:], "destination_addr": "ACME",
                    "short_message": f"id:{item['send']['provider_id']} sub:001 dlvrd:001 submit date:"
                    "2501021530 done date:2501021531 stat:DELIVRD err:000 text:x"})
        until(lambda: len(sink.got) == 2 + 6, what=engine.log)
    assert len(sink.at("/moved")) == 2 and len(sink.at("/old")) == 4
    assert {item["message"]["id"] for item in sink.at("/moved")} == {"m0", "m1"}


# --- Slack ----------------------------------------------------------------------------------------

@pytest.fixture
def slack(catalyst, tmp_path, receiver):  # noqa: F811
    receiver.answer = (200, b'{"ok":true,"ts":"17.5","channel":"C1"}', {})
    return Sender(catalyst, tmp_path, "slackApi", {"accessToken": "s3cret", "baseUrl": receiver.url})


def test_slack_is_asked_again(slack, receiver):  # noqa: F811
    """HTTP's words for later, and Slack's own, which come with 200."""
    receiver.script = [(503, b"", {}), (429, b"", {"retry-after": "0"}),
                       (200, b'{"ok":false,"error":"ratelimited"}', {"retry-after": "0"}),
                       (200, b'{"ok":false,"error":"internal_error"}', {})]
    assert slack("slack", {}, retry=QUICK)[ACCEPTED][0]["provider_id"] == "17.5"
    assert len(receiver.got) == 5 and len({body for _, _, _, body in receiver.got}) == 1


@pytest.mark.parametrize("answer, class_, code", [
    ((200, b'{"ok":false,"error":"channel_not_found"}', {}), "permanent-recipient", "channel_not_found"),
    ((200, b'{"ok":false,"error":"invalid_auth"}', {}), "permanent-account", "invalid_auth"),
    ((200, b'{"ok":false,"error":"invalid_blocks"}', {}), "permanent-content", "invalid_blocks"),
    ((404, b"no_service", {}), "permanent-account", "no_service")])
def test_slack_refuses(slack, receiver, answer, class_, code):  # noqa: F811
    receiver.script = [answer]
    [refused] = slack("slack", {}, retry=QUICK)[REJECTED]
    assert (refused["class"], refused["code"]) == (class_, code)
    assert len(receiver.got) == 1


def taking(catalyst, folder, form, secret, **options):
    """A webhook of that form, answered with the body's `id`; what comes again is answered as before."""
    (folder / "credentials.json").write_text(json.dumps({"k": {"type": "hmac", "data": {
        "secret": secret}}}))
    whole = hook("in", {"type": "catalyst.set", "parameters": {
        "mode": "raw", "jsonOutput": "={{ { id: $json.body.id } }}"}})
    whole["nodes"][0]["parameters"].update(authentication="hmac", options={"hmacForm": form, **options})
    whole["nodes"][0]["credentials"] = {"hmac": {"name": "k"}}
    return Engine(catalyst, folder, "--store", f"sqlite:{folder}/store.db", "--credentials",
                  folder / "credentials.json", workflows=[whole])


def hex_of(secret, text):
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def test_slack_calls_are_taken_when_slack_signed_them(catalyst, tmp_path):
    with taking(catalyst, tmp_path, "slack", "s3cret") as engine:
        def call(body=b'{"id": "e1"}', at=None, secret="s3cret", **change):
            at = str(int(time.time() if at is None else at))
            sum_ = hex_of(secret, f"v0:{at}:".encode() + body)
            return engine.call("POST", "/webhook/in", change.pop("sent", body), {
                "content-type": "application/json", "x-slack-request-timestamp": at,
                "x-slack-signature": f"v0={sum_}", **change}).status

        assert call() == 200 and call(b'{"id": "\xc3\xa4"}') == 200
        now = time.time()
        for refused in (dict(secret="other"), dict(sent=b'{"id": "e2"}'), dict(at=now - 400),
                        dict(at=now + 400), {"x-slack-signature": "v0=" + "0" * 64},
                        {"x-slack-signature": ""}, {"x-slack-request-timestamp": str(int(now) - 1)},
                        {"x-slack-signature": hex_of("s3cret", f"v0:{int(now)}:".encode() +
                                                     b'{"id": "e1"}')}):
            assert call(**refused) == 401, refused
        engine.wait_done(2)


# --- PagerDuty ------------------------------------------------------------------------------------

@pytest.fixture
def duty(catalyst, tmp_path, receiver):  # noqa: F811
    receiver.answer = (202, b'{"status":"success"}', {})
    return Sender(catalyst, tmp_path, "pagerDutyEvents", {"routingKey": "s3cret",
                                                          "baseUrl": receiver.url})


def test_pagerduty_is_asked_again(duty, receiver):  # noqa: F811
    receiver.script = [(429, b"", {"retry-after": "1"}), (503, b"", {})]
    began = time.monotonic()
    assert len(duty("pagerDuty", {}, retry=QUICK)[ACCEPTED]) == 1
    assert time.monotonic() - began > 0.9
    assert len(receiver.got) == 3 and len({e["dedup_key"] for e in receiver.items()}) == 1


@pytest.mark.parametrize("status, class_", [(400, "permanent-content"), (403, "permanent-account")])
def test_pagerduty_refuses(duty, receiver, status, class_):  # noqa: F811
    receiver.script = [(status, b'{"status":"invalid event"}', {})]
    [refused] = duty("pagerDuty", {}, retry=QUICK)[REJECTED]
    assert refused["class"] == class_ and "invalid event" in refused["text"]
    assert len(receiver.got) == 1


# --- signed webhooks ------------------------------------------------------------------------------

@pytest.mark.parametrize("answer", ["hang", (429, b"", {"retry-after": "1"})])
def test_a_webhook_without_an_answer_is_sent_again(signed, receiver, answer):  # noqa: F811
    """Nothing is unknown: who has seen the id drops it."""
    receiver.script = [answer]
    ports = signed(receiver.url + "/x", timeout="4s", retry={"tries": 3})
    assert len(ports[ACCEPTED]) == 1 and len(receiver.got) == 2
    assert len({headers["webhook-id"] for _, _, headers, _ in receiver.got}) == 1


def test_standard_webhooks_come_in_once(catalyst, tmp_path):
    """Any of several secrets; a call that comes again is answered from what it was answered."""
    with taking(catalyst, tmp_path, "standardWebhooks", f"{NEW} {OLD}",
                idempotencyKeyHeader="webhook-id") as engine:
        def call(id_="m1", at=None, secret=NEW, body=b'{"id": 1}', **change):
            at = str(int(time.time() if at is None else at))
            key = base64.b64decode(secret.removeprefix("whsec_"))
            sum_ = base64.b64encode(hmac.new(key, f"{id_}.{at}.".encode() + body, hashlib.sha256).digest())
            return engine.call("POST", "/webhook/in", change.pop("sent", body), {
                "content-type": "application/json", "webhook-id": id_, "webhook-timestamp": at,
                "webhook-signature": f"v1,{sum_.decode()}", **change})

        assert [call().status for _ in range(3)] == [200] * 3
        assert call().headers["idempotent-replayed"] == "true"
        assert call("m2", secret=OLD).status == 200
        other, now = "whsec_" + base64.b64encode(b"x" * 32).decode(), time.time()
        good = base64.b64encode(hmac.new(base64.b64decode(OLD.removeprefix("whsec_")),
                                         f"m3.{int(now)}.".encode() + b'{"id": 1}',
                                         hashlib.sha256).digest()).decode()
        assert call("m3", now, **{"webhook-signature": f"v1a,xyz v1,{good[::-1]} v1,{good}"}).status == 200
        for refused in (dict(secret=other), dict(sent=b'{"id": 2}'), dict(at=now - 400),
                        dict(at=now + 400), {"webhook-id": "m9"}, {"webhook-signature": f"v1a,{good}"},
                        {"webhook-signature": ""}, {"webhook-id": ""}):
            assert call("m4", **refused).status == 401, refused
        engine.wait_done(3)


# --- mail -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("say", ["421 4.7.0 too many", "450 4.2.1 greylisted",
                                 "452 4.5.3 too many recipients"])
def test_a_mail_that_must_wait_is_sent_later(catalyst, tmp_path, mail_server, say):  # noqa: F811
    box = mail_server("none")
    box.say = {"rcpt": say}
    sender = Sender(catalyst, tmp_path, "smtp", box.credential)
    threading.Timer(0.5, box.say.clear).start()
    ports = sender("email", FROM, retry={"tries": 400, "first_ms": 100, "max_ms": 200})
    assert len(ports[ACCEPTED]) == 1 and len(box.mails) == 1


def test_a_login_that_fails_for_now_is_no_wrong_password(catalyst, tmp_path, mail_server):  # noqa: F811
    says = ["454 4.7.0 Temporary authentication failure"]

    def authenticate(*_):
        from aiosmtpd.smtp import AuthResult
        if says:
            return AuthResult(success=False, handled=False, message=says.pop())
        return AuthResult(success=True)

    box = mail_server("none", authenticator=authenticate)
    sender = Sender(catalyst, tmp_path, "smtp", {**box.credential, "user": "ann",
                                                 "password": "s3cret", "auth": "PLAIN"})
    assert len(sender("email", FROM, retry=QUICK)[ACCEPTED]) == 1 and len(box.mails) == 1


# --- USSD by HTTP ---------------------------------------------------------------------------------

def ussd(catalyst, folder, redis, **options):
    host, port = redis.url().removeprefix("redis://").split("/")[0].split(":")
    file, whole = folder / "credentials.json", json.loads(WORKFLOW.read_text())
    file.write_text(json.dumps({"sessions": {"type": "redis", "data": {"host": host, "port": port}}}))
    gateway = next(node for node in whole["nodes"] if node["type"] == "catalyst.webhook")
    gateway["parameters"].setdefault("options", {}).update(options)
    return Engine(catalyst, folder, "--store", f"sqlite:{folder}/store.db", "--credentials", file,
                  workflows=[whole])


def test_ussd_from_elsewhere_is_refused(catalyst, tmp_path, redis, unique):
    """No gateway signs: its addresses are what it is known by."""
    with ussd(catalyst, tmp_path, redis, ipWhitelist="192.0.2.0/24") as engine:
        phone = Phone(engine, unique("s"))
        assert phone.post(text="")[0] == 403
        assert key(redis, phone.session, "EXISTS") == "0" and engine.done() == 0


def test_ussd_while_redis_is_away(catalyst, tmp_path, new_server, unique):
    """A hop that could not be kept is not answered as if it were, and the session goes on after."""
    redis = new_server("redis")
    with ussd(catalyst, tmp_path, redis) as engine:
        phone = Phone(engine, unique("s"))
        phone.hop()
        redis.pause()
        try:
            phone.inputs.append("2")
            said = []
            asking = threading.Thread(target=lambda: said.append(phone.post(text="2")))
            asking.start()
            time.sleep(1)
            assert not said or said[0][0] >= 500
        finally:
            redis.resume()
        asking.join()
        assert phone.hop() == "CON How much?"
        assert phone.enter("5").startswith("CON Top up 5?")


def test_ussd_killed_with_the_answer_owed(catalyst, tmp_path, new_server, unique):
    """The gateway asks again after kill -9: the menu has moved once."""
    redis = new_server("redis")
    with ussd(catalyst, tmp_path, redis) as engine:
        phone = Phone(engine, unique("s"))
        phone.hop(), phone.enter("2")
        redis.pause()
        try:
            def ask():
                with pytest.raises(OSError):
                    phone.post(text="2*7")

            asking = threading.Thread(target=ask)
            asking.start()
            until(lambda: engine.metric("catalyst_executions_started_total") >= 3)
            time.sleep(0.5)  # its first question is on its way to Redis
            engine.kill()
            asking.join()
        finally:
            redis.resume()
        engine.start()
        assert phone.enter("7") == "CON Top up 7?\n1 Yes\n2 No"
        assert key(redis, phone.session, "HGET", "hop") == "2"
        assert phone.enter("1") == "END Thank you. 7 is on its way."
