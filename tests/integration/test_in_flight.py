# SPDX-License-Identifier: Apache-2.0
"""Every sender dies (kill -9) while its provider has the message and has not answered. Who knows no
idempotency keys gets it once, and the next life says `unknown`; who knows them gets it again under the
same key, and the next life says `accepted`."""
import email
import json
import threading

import pytest
import servers
from engines import Engine, until
from notifying import NEW, Receiver
from smpp_world import Sink, node, post, workflow

NOTICE = {"id": "n1-1", "status": "firing", "severity": "critical", "title": "down", "text": "it is",
          "groupKey": "g", "firing": 1, "resolved": 0}
PORTS = ["/accepted", "/rejected", "/unknown"]


@pytest.fixture
def sink():
    one = Sink()
    yield one
    one.close()


@pytest.fixture
def provider():
    one = Receiver()
    yield one
    one.close()


def flow(sink, send):
    """Hook -> Send, and what leaves on each port is told to the sink."""
    ends = [post(path[1:], sink, path) for path in PORTS]
    return [workflow("flow", [
        node("Hook", "webhook", {"httpMethod": "POST", "path": "send"}),
        node("Item", "set", {"mode": "raw", "jsonOutput": "={{ $json.body }}"}), send, *ends],
        [("Hook", 0, "Item"), ("Item", 0, "Send")] +
        [("Send", port, path[1:]) for port, path in enumerate(PORTS)], durability=durability)
        for durability in ("each_step", "exactly_once")]


class Drill:
    def __init__(self, catalyst, folder, definition, kind, data):
        file = folder / "credentials.json"
        file.write_text(json.dumps({"it": {"type": kind, "data": data}}))
        self.engine = Engine(catalyst, folder, "--store", f"sqlite:{folder}/store.db",
                             "--credentials", file, workflows=[definition])

    def send(self, **more):
        assert self.engine.call("POST", "/webhook/send", {**NOTICE, **more}).status == 202

    def die_with(self, arrived):
        """One message, and the engine's death when the provider has it."""
        self.send()
        until(arrived, what=self.engine.log)
        self.engine.kill()
        self.engine.start()


def sender(type_, parameters, kind, **more):
    return node("Send", type_, parameters, credentials={kind: {"name": "it"}}, **more)


# name: (node, parameters, credential, its data, the provider's answer)
ONCE = {
    "whatsapp": ("whatsapp", {"phoneNumberId": "106", "to": "491511234567",
                              "text": "={{ $json.text }}"},
                 "whatsAppApi", {"accessToken": "t", "baseUrl": "URL"},
                 {"messages": [{"id": "wamid.1"}]}),
    "telegram": ("telegram", {"chatId": "4711", "text": "={{ $json.text }}"},
                 "telegramApi", {"accessToken": "1:t", "baseUrl": "URL"},
                 {"ok": True, "result": {"message_id": 1, "chat": {"id": 4711}}}),
    "slack": ("slack", {"channel": "#ops"}, "slackApi", {"accessToken": "t", "baseUrl": "URL"},
              {"ok": True, "ts": "1.2", "channel": "C1"}),
    "slack webhook": ("slack", {}, "slackApi", {"webhookUrl": "URL"}, {"ok": True}),
}


@pytest.mark.parametrize("durability", [0, 1], ids=["each_step", "exactly_once"])
@pytest.mark.parametrize("name", ONCE)
def test_killed_with_the_answer_owed_it_is_sent_once(catalyst, tmp_path, sink, provider, name,
                                                     durability):
    type_, parameters, kind, data, answer = ONCE[name]
    provider.answer, provider.script = (200, json.dumps(answer).encode(), {}), ["hang"]
    data = {key: provider.url if value == "URL" else value for key, value in data.items()}
    drill = Drill(catalyst, tmp_path, flow(sink, sender(type_, parameters, kind))[durability], kind,
                  data)
    with drill.engine:
        drill.die_with(lambda: len(provider.got) == 1)
        until(lambda: sink.at("/unknown"), what=drill.engine.log)
        assert sink.at("/unknown")[0]["send"]["outcome"] == "unknown"
        drill.send(text="the next one")
        until(lambda: sink.at("/accepted"), what=drill.engine.log)
    assert len(provider.got) == 2 and len(sink.got) == 2
    assert b"the next one" in provider.got[1][3]


# name: (node, parameters, credential, its data, status, what names the message)
AGAIN = {
    "pagerDuty": ("pagerDuty", {}, "pagerDutyEvents", {"routingKey": "k", "baseUrl": "URL"}, 202,
                  lambda headers, body: json.loads(body)["dedup_key"]),
    "webhookSigned": ("webhookSigned", {"url": "URL", "allowPrivate": True}, "webhookSigning",
                      {"secret": NEW}, 200, lambda headers, body: headers["webhook-id"]),
}


@pytest.mark.parametrize("durability", [0, 1], ids=["each_step", "exactly_once"])
@pytest.mark.parametrize("name", AGAIN)
def test_killed_with_the_answer_owed_it_is_sent_again_under_its_key(catalyst, tmp_path, sink,
                                                                    provider, name, durability):
    type_, parameters, kind, data, status, key = AGAIN[name]
    provider.answer, provider.script = (status, b'{"status":"success"}', {}), ["hang"]
    data, parameters = ({k: provider.url if v == "URL" else v for k, v in members.items()}
                        for members in (data, parameters))
    drill = Drill(catalyst, tmp_path, flow(sink, sender(type_, parameters, kind))[durability], kind,
                  data)
    with drill.engine:
        drill.die_with(lambda: len(provider.got) == 1)
        until(lambda: sink.at("/accepted"), what=drill.engine.log)
    assert len(provider.got) == 2 and len(sink.got) == 1
    first, second = (key(headers, body) for _, _, headers, body in provider.got)
    assert first == second


class SlowMail:
    """A mail server that says nothing after the text until it is opened."""

    def __init__(self):
        self.mails, self.is_open, self.holds = [], threading.Event(), True

    async def handle_DATA(self, server, session, envelope):
        import asyncio
        self.mails.append(email.message_from_bytes(envelope.content))
        while self.holds and not self.is_open.is_set():
            await asyncio.sleep(0.05)
        return "250 taken"


@pytest.fixture
def mail():
    controllers = pytest.importorskip("aiosmtpd.controller", reason="aiosmtpd is not installed")
    box = SlowMail()
    box.port = servers.free_port()
    one = controllers.Controller(box, hostname="127.0.0.1", port=box.port, ready_timeout=60)
    one.start()
    yield box
    box.is_open.set()
    one.stop()


@pytest.mark.parametrize("durability", [0, 1], ids=["each_step", "exactly_once"])
def test_killed_with_the_answer_owed_a_mail_is_sent_once(catalyst, tmp_path, sink, mail, durability):
    send = sender("email", {"from": "alerts@example.com", "to": "ann@example.com"}, "smtp")
    drill = Drill(catalyst, tmp_path, flow(sink, send)[durability], "smtp",
                  {"host": "127.0.0.1", "port": str(mail.port), "security": "none"})
    with drill.engine:
        drill.die_with(lambda: len(mail.mails) == 1)
        until(lambda: sink.at("/unknown"), what=drill.engine.log)
        mail.holds = False
        drill.send(id="n2-2", title="the next one")
        until(lambda: sink.at("/accepted"), what=drill.engine.log)
    assert [m["subject"] for m in mail.mails] == ["down", "the next one"]
