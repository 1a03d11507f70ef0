# SPDX-License-Identifier: Apache-2.0
"""Slack, PagerDuty, mail and signed webhooks beside programs that are not ours: an emulator of Slack,
Slack's and PagerDuty's published types, Alertmanager's own events, nodemailer's mail server and parser,
and the reference implementation of Standard Webhooks."""
import json
import shutil
import sys
import time

import pytest
from engines import Engine, until
from notifying import NEW, OLD, hook, stamp
from peer_channels import judge  # noqa: F401
from peer_judges import keep, peers, wrongly_typed
from test_connectors import taking
from test_notify_alertmanager import Alertmanager
from test_notify_senders import ACCEPTED, FROM, NOTICE, REJECTED, Sender, receiver  # noqa: F401

QUICK = {"tries": 10, "first_ms": 50, "max_ms": 200}


# --- Slack ----------------------------------------------------------------------------------------

TOKEN = "xoxb-s3cret"


class Slack:
    """The emulator, and questions to it."""

    def __init__(self, emulator):
        self.emulator, self.url = emulator, emulator.first["url"].replace("localhost", "127.0.0.1")
        self.channels = {one["name"]: one["id"] for one in self.ask("conversations.list")["channels"]}

    def ask(self, method, **body):
        answer = self.emulator.post(f"/api/{method}", body, authorization=f"Bearer {TOKEN}")
        assert answer["ok"], answer
        return answer

    def messages(self, channel="ops"):
        return self.ask("conversations.history", channel=self.channels[channel])["messages"]

    def replies(self, ts):
        return self.ask("conversations.replies", channel=self.channels["ops"], ts=ts)["messages"]


@pytest.fixture
def slack(judge):  # noqa: F811
    return Slack(judge("slack", TOKEN))


def test_slack_messages_are_there(catalyst, tmp_path, slack):
    sender = Sender(catalyst, tmp_path, "slackApi", {"accessToken": TOKEN,
                                                     "baseUrl": slack.url + "/api"})
    [sent] = sender("slack", {"channel": "ops"})[ACCEPTED]
    [there] = slack.messages()
    assert there["ts"] == sent["provider_id"]
    assert there["text"] == "[FIRING:1] Dämon down"
    [attachment] = there["attachments"]
    assert attachment["color"] == "danger" and attachment["text"] == NOTICE["text"]
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*bold*"}}]
    [sent] = sender("slack", {"channel": slack.channels["ops"], "blocks": blocks})[ACCEPTED]
    there = next(m for m in slack.messages() if m["ts"] == sent["provider_id"])
    assert there["blocks"] == blocks


@pytest.mark.parametrize("threading_", ["thread", "update"])
def test_slack_follows_an_incident(catalyst, tmp_path, slack, threading_):
    """Run by one engine, which remembers the first message."""
    (tmp_path / "credentials.json").write_text(json.dumps({"it": {"type": "slackApi", "data": {
        "accessToken": TOKEN, "baseUrl": slack.url + "/api"}}}))
    node = {"type": "catalyst.slack", "credentials": {"slackApi": {"name": "it"}}, "parameters": {
        "channel": "ops", "threading": threading_}}
    send = hook("send", node)
    send["nodes"].insert(1, {"id": "item", "name": "Item", "type": "catalyst.set", "parameters": {
        "mode": "raw", "jsonOutput": "={{ $json.body }}"}})
    send["connections"] = {"Hook": {"main": [[{"node": "Item", "type": "main", "index": 0}]]},
                           "Item": {"main": [[{"node": "Node", "type": "main", "index": 0}]]}}
    with Engine(catalyst, tmp_path, "--store", f"sqlite:{tmp_path}/store.db", "--credentials",
                tmp_path / "credentials.json", workflows=[send]) as engine:
        for n, status in enumerate(("firing", "firing", "resolved")):
            answer = engine.call("POST", "/webhook/send", {**NOTICE, "id": f"n{n}", "title": f"t{n}",
                                                           "status": status})
            assert answer.json()["send"]["outcome"] == "accepted", answer.body
    if threading_ == "update":
        [there] = slack.messages()
        assert there["text"] == "t2" and there["attachments"][0]["color"] == "good"
    else:
        first = min(m["ts"] for m in slack.messages())
        assert sorted(m["text"] for m in slack.replies(first)) == ["t0", "t1", "t2"]


@pytest.mark.parametrize("channel, token, class_, code", [
    ("nowhere", TOKEN, "permanent-recipient", "channel_not_found"),
    ("ops", "xoxb-wrong", "permanent-account", "missing_scope")])
def test_slack_refuses(catalyst, tmp_path, slack, channel, token, class_, code):
    sender = Sender(catalyst, tmp_path, "slackApi", {"accessToken": token,
                                                     "baseUrl": slack.url + "/api"})
    [refused] = sender("slack", {"channel": channel})[REJECTED]
    assert (refused["class"], refused["code"]) == (class_, code)
    assert not slack.messages()
    keep(peer="emulate", refused=code)


def test_slack_incoming_webhook(catalyst, tmp_path, slack):
    sender = Sender(catalyst, tmp_path, "slackApi", {"webhookUrl": slack.url + "/services/T/B/X"})
    assert len(sender("slack", {"channel": "ops"})[ACCEPTED]) == 1  # which the webhook knows better
    assert "[FIRING:1] Dämon down" in [m["text"] for m in slack.messages("general")]
    blocks = [{"type": "divider"}]
    assert sender("slack", {"blocks": blocks}, [{}])[ACCEPTED]
    [refused] = sender("slack", {"attachments": [7], "text": "x"})[REJECTED]
    assert (refused["class"], refused["code"]) == ("permanent-content", "invalid_attachments")


def test_slack_requests_are_typed(catalyst, tmp_path, receiver):  # noqa: F811
    receiver.answer = (200, b'{"ok":true,"ts":"17.5","channel":"C1"}', {})
    sender = Sender(catalyst, tmp_path, "slackApi", {"accessToken": TOKEN, "baseUrl": receiver.url})
    for parameters in ({}, {"text": "x"}, {"blocks": [{"type": "divider"}, {
            "type": "section", "text": {"type": "mrkdwn", "text": "*x*"}}]},
            {"text": "x", "attachments": [{"color": "good", "text": "y", "fallback": "y"}]}):
        assert sender("slack", {"channel": "C1", **parameters})[ACCEPTED]
    cases = [("ChatPostMessageArguments", body, True) for body in receiver.items()]
    cases += [("ChatPostMessageArguments", {"channel": 7, "text": "x"}, False),
              ("ChatPostMessageArguments", {"channel": "C", "text": "x", "attachments": "y"}, False),
              ("ChatPostMessageArguments", {"channel": "C", "blocks": "x"}, False)]
    assert not wrongly_typed(tmp_path, "slack", cases)
    keep(peer="@slack/web-api", requests=len(receiver.got), refused=3)


# --- PagerDuty ------------------------------------------------------------------------------------

def duty(catalyst, folder, url):
    return Sender(catalyst, folder, "pagerDutyEvents", {"routingKey": "s3cret", "baseUrl": url})


def test_pagerduty_events_are_typed(catalyst, tmp_path, receiver):  # noqa: F811
    receiver.answer = (202, b'{"status":"success"}', {})
    assert len(duty(catalyst, tmp_path, receiver.url)("pagerDuty", {
        "component": "c", "group": "g", "class": "k", "severity": "={{ $json.severity }}"}, [
            {**NOTICE, "severity": severity} for severity in ("critical", "error", "warning", "info")
        ])[ACCEPTED]) == 4
    events = receiver.items()
    # The package knows neither client nor client_url, which the Events API has.
    for event in events:
        assert event.pop("client") == "Catalyst" and len(event["dedup_key"]) <= 255
    wrong = [{**events[0], "event_action": "open"},
             {**events[0], "payload": {**events[0]["payload"], "severity": "bad"}},
             {"routing_key": "k", "event_action": "trigger", "payload": {"summary": "s"}}]
    assert not wrongly_typed(tmp_path, "pagerduty", [("", one, True) for one in events] + [
        ("", one, False) for one in wrong])
    keep(peer="@pagerduty/pdjs", requests=len(events), refused=len(wrong))


def test_pagerduty_and_alertmanager_mean_one_incident(catalyst, tmp_path, receiver,  # noqa: F811
                                                       monkeypatch):
    """Alertmanager sends its own event, and to us what we make ours of: both close what either opens."""
    if not shutil.which("prometheus-alertmanager"):
        pytest.skip("prometheus-alertmanager is not installed")
    receiver.answer = (202, b'{"status":"success"}', {})

    monkeypatch.setattr("test_notify_alertmanager.configuration", lambda url: {
        "route": {"receiver": "r", "group_by": ["alertname"], "group_wait": "100ms",
                  "group_interval": "1s"},
        "receivers": [{"name": "r", "webhook_configs": [{"url": url + "/hook"}],
                       "pagerduty_configs": [{"url": url + "/v2/enqueue", "routing_key": "s3cret"}]}]})

    def got(path):
        return [json.loads(body) for _, where, _, body in list(receiver.got) if where == path]

    peer = Alertmanager(tmp_path, receiver.url)
    try:
        until(peer.is_there)
        for ends, n in ((3600, 1), (-1, 2)):
            peer.call("POST", "alerts", [{"labels": {"alertname": "Down", "x": 'a"b'},
                                          "startsAt": stamp(-60), "endsAt": stamp(ends)}])
            until(lambda: len(got("/hook")) == n and len(got("/v2/enqueue")) == n)
    finally:
        peer.close()
    theirs, items = got("/v2/enqueue"), got("/hook")
    receiver.got.clear()
    for item in items:
        [sent] = duty(catalyst, tmp_path, receiver.url)("pagerDuty", {"summary": "down"}, [item])[
            ACCEPTED]
        assert sent["provider_id"] == theirs[0]["dedup_key"]
    ours = receiver.items()
    for name in ("routing_key", "event_action", "dedup_key"):
        assert [event[name] for event in ours] == [event[name] for event in theirs]
    assert [event["event_action"] for event in ours] == ["trigger", "resolve"]
    assert ours[0]["payload"]["severity"] == theirs[0]["payload"]["severity"]


# --- mail -----------------------------------------------------------------------------------------

def test_mail_is_read_by_another_parser(catalyst, tmp_path, judge):  # noqa: F811
    server = judge("mail")
    sender = Sender(catalyst, tmp_path, "smtp", {"host": "127.0.0.1", "security": "none",
                                                 "port": str(server.first["port"])})
    long = "Ünder löng " * 30
    texts = ["plain", "ünï ☃\n.\n..two dots\nFrom here\n" + "x" * 2000, "a\r\nb\nc", "=3D =?utf-8?q?x?="]
    for n, text in enumerate(texts):
        title = long.strip() if n == 1 else f"[FIRING:{n}] \"quoted\" <b> ☃"
        item = {**NOTICE, "id": f"n{n}", "title": title, "text": text}
        assert len(sender("email", FROM, [item])[ACCEPTED]) == 1
        got = server.line()
        assert got["from"] == "alerts@example.com"
        assert got["to"] == ["joerg@example.com", "bob@example.com"]
        assert got["names"] == ["Jörg", ""]
        assert got["sender"] == {"address": "alerts@example.com", "name": "Catalyst"}
        assert got["subject"] == title and got["id"] == f"<n{n}@example.com>"
        assert got["references"] == ["<i1-1@example.com>"] and got["inReplyTo"] == "<i1-1@example.com>"
        assert got["text"].strip().split() == text.split()
        assert "<script" not in got["html"] and got["date"]
    keep(peer="mailparser", mails=len(texts))


@pytest.mark.parametrize("password, port", [("s3cret", ACCEPTED), ("other", REJECTED)])
def test_mail_server_of_another_takes_the_login(catalyst, tmp_path, judge, password, port):  # noqa: F811
    server = judge("mail")
    sender = Sender(catalyst, tmp_path, "smtp", {
        "host": "127.0.0.1", "security": "none", "port": str(server.first["port"]), "user": "ann",
        "password": password})
    [send] = sender("email", FROM)[port]
    assert port == ACCEPTED or send["class"] == "permanent-account"


# --- Standard Webhooks ----------------------------------------------------------------------------

def test_webhooks_are_verified_by_the_reference(catalyst, tmp_path, receiver, judge):  # noqa: F811
    """Under each of two secrets, whatever the body; and nothing else passes."""
    reference = judge("answers")
    sender = Sender(catalyst, tmp_path, "webhookSigning", {"secret": f"{NEW} {OLD}"})
    bodies = [{"text": "plain"}, {"text": "ünï ☃ \" \\ \u0000"}, [], {}, {"n": [1, 2.5, None]}]
    items = [{"id": f"m{n}", "body": body} for n, body in enumerate(bodies)]
    ports = sender("webhookSigned", {"url": receiver.url, "allowPrivate": True,
                                     "body": "={{ $json.body }}"}, items)
    assert len(ports[ACCEPTED]) == len(bodies)
    for _, _, headers, body in receiver.got:
        sent = {name: value for name, value in headers.items() if name.startswith("webhook-")}
        text = body.decode()
        for secret in (NEW, OLD):
            given = reference.ask("webhook_verifies", secret=secret, headers=sent, body=text)
            assert not reference.refused and given == json.loads(text)
        other = NEW[:-8] + "AAAAAAA="
        stale = {**sent, "webhook-timestamp": str(int(sent["webhook-timestamp"]) - 400)}
        for secret, head, said in ((other, sent, text), (NEW, sent, text + " "), (NEW, stale, text),
                                   (NEW, {**sent, "webhook-id": "x"}, text)):
            assert reference.ask("webhook_verifies", secret=secret, headers=head, body=said) is None
            assert reference.refused
    keep(peer="standardwebhooks", webhooks=len(bodies))


def test_webhooks_of_the_reference_come_in(catalyst, tmp_path, judge):  # noqa: F811
    reference = judge("answers")
    with taking(catalyst, tmp_path, "standardWebhooks", f"{NEW} {OLD}") as engine:
        def call(body, secret, at, sent=None):
            signature = reference.ask("webhook_signs", secret=secret, id="m1", at=at, body=body)
            return engine.call("POST", "/webhook/in", (sent or body).encode(), {
                "content-type": "application/json", "webhook-id": "m1", "webhook-timestamp": str(at),
                "webhook-signature": signature}).status

        now = int(time.time())
        for body in ('{"id":"plain"}', '{"id": "ünï ☃"}'):
            for secret in (NEW, OLD):
                assert call(body, secret, now) == 200
            assert call(body, NEW[:-8] + "AAAAAAA=", now) == 401
            assert call(body, NEW, now - 400) == 401
            assert call(body, NEW, now, body + " ") == 401


def test_slack_calls_are_taken_and_refused_as_by_its_sdk(catalyst, tmp_path):
    try:
        sys.path.insert(0, str(peers.python("slack_sdk")))
    except peers.Missing as reason:
        pytest.skip(str(reason))
    from slack_sdk.signature import SignatureVerifier
    theirs, now = SignatureVerifier("s3cret"), int(time.time())
    body = json.dumps({"id": "ünï ☃"})
    good = theirs.generate_signature(timestamp=str(now), body=body)
    calls = [(body, now, good), (body + " ", now, good), (body, now - 1, good),
             (body, now - 400, theirs.generate_signature(timestamp=str(now - 400), body=body)),
             (body, now, SignatureVerifier("other").generate_signature(timestamp=str(now), body=body)),
             (body, now, good[:-1]), (body, now, good.removeprefix("v0="))]
    with taking(catalyst, tmp_path, "slack", "s3cret") as engine:
        for sent, at, signature in calls:
            headers = {"x-slack-request-timestamp": str(at), "x-slack-signature": signature}
            ours = engine.call("POST", "/webhook/in", sent.encode(), {
                "content-type": "application/json", **headers}).status
            assert ours == (200 if theirs.is_valid_request(sent, headers) else 401), (at, signature)
        assert engine.done() == 1
    keep(peer="slack_sdk", calls=len(calls), refused=len(calls) - 1)
