# SPDX-License-Identifier: Apache-2.0
"""workflows/alert-routing.json as it is shipped, but for its waits: doubles of Slack, PagerDuty and an
SMSC say what reaches people. A failed notification becomes an alert, not over the failed channel."""
import json
import socketserver
import struct
import threading
import time

import pytest
from notifying import NEW, ROOT, Engine, Receiver, until


class Smsc(socketserver.ThreadingTCPServer):
    """Takes every bind and every submit_sm, and keeps (from, to, text)."""
    daemon_threads = allow_reuse_address = True

    def __init__(self):
        smsc = self
        self.sent = []

        class Handler(socketserver.BaseRequestHandler):
            def read(self, n):
                data = b""
                while len(data) < n:
                    more = self.request.recv(n - len(data))
                    if not more:
                        raise ConnectionError
                    data += more
                return data

            def handle(self):
                try:
                    while True:
                        length, command, _, number = struct.unpack(">IIII", self.read(16))
                        body = self.read(length - 16)
                        if command & 0x80000000:
                            continue
                        answer = b""
                        if command in (1, 2, 9):
                            answer = b"smsc\0"
                        elif command == 4:
                            smsc.sent.append(self.submit(body))
                            answer = b"id%d\0" % len(smsc.sent)
                        self.request.sendall(struct.pack(">IIII", 16 + len(answer),
                                                         command | 0x80000000, 0, number) + answer)
                except (ConnectionError, OSError):
                    pass

            @staticmethod
            def submit(body):
                def text(at):
                    end = body.index(b"\0", at)
                    return body[at:end].decode(), end + 1
                _, at = text(0)
                source, at = text(at + 2)
                to, at = text(at + 2)
                _, at = text(at + 3)
                _, at = text(at)
                length = body[at + 4]
                return source, to, body[at + 5:at + 5 + length].decode()

        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


@pytest.fixture
def world(catalyst, tmp_path):
    slack, pagerduty, smsc = Receiver(), Receiver(), Smsc()
    slack.answer = (200, b'{"ok":true,"ts":"1.1","channel":"C"}', {})
    pagerduty.answer = (202, b'{"status":"success"}', {})
    workflow = json.loads((ROOT / "workflows/alert-routing.json").read_text())
    due = next(n for n in workflow["nodes"] if n["name"] == "Due")["parameters"]
    due["pollInterval"] = "50ms"
    route = due["configuration"]["route"]
    for one in (route, *route["routes"]):
        one.update(group_wait="500ms", group_interval="1s")
    credentials = tmp_path / "credentials.json"
    credentials.write_text(json.dumps({
        "alerts": {"type": "httpHeaderAuth", "data": {"name": "x-secret", "value": "s3cret"}},
        "slack": {"type": "slackApi", "data": {"accessToken": "t", "baseUrl": slack.url}},
        "pagerduty": {"type": "pagerDutyEvents", "data": {"routingKey": "k",
                                                          "baseUrl": pagerduty.url}},
        "mail": {"type": "smtp", "data": {"host": "localhost", "port": "1", "security": "none"}},
        "alarm-sms": {"type": "smpp", "data": {"host": "127.0.0.1", "systemId": "a", "password": "b",
                                               "port": str(smsc.server_address[1])}},
        "alert-hook": {"type": "webhookSigning", "data": {"secret": NEW}}}))
    engine = Engine(catalyst, tmp_path, "--store", f"sqlite:{tmp_path}/store.db", "--kafka",
                    "embedded", "--credentials", credentials, workflows=[workflow])
    engine.start()
    engine.wait_log("notify.working")

    def alert(over=False, **labels):
        answer = engine.call("POST", "/webhook/alerts", [
            {"labels": labels, "annotations": {"summary": f"{labels['alertname']} it is"},
             **({"status": "resolved"} if over else {})}], {"x-secret": "s3cret"})
        assert answer.status in (200, 202), answer.body

    yield slack, pagerduty, smsc, alert, engine
    engine.kill()
    for one in (slack, pagerduty, smsc):
        one.close()


def test_critical_reaches_the_one_on_duty(world):
    slack, pagerduty, smsc, alert, engine = world
    alert(alertname="SmppBindDown", severity="critical", tenant="t1")
    until(lambda: slack.got and pagerduty.got and smsc.sent)
    source, to, text = smsc.sent[0]
    assert source == "Catalyst" and to in ("4915500000001", "4915500000002")
    assert text == "CRITICAL SmppBindDown: SmppBindDown it is"
    assert pagerduty.items()[0]["event_action"] == "trigger"
    assert slack.items()[0]["channel"] == "#messaging"
    alert(over=True, alertname="SmppBindDown", severity="critical", tenant="t1")
    until(lambda: len(slack.got) == 2 and len(pagerduty.got) == 2)
    assert pagerduty.items()[1]["event_action"] == "resolve"
    assert slack.items()[1]["thread_ts"] == "1.1"  # into the thread of the first
    assert len(smsc.sent) == 1  # no SMS that it is over
    refused = engine.call("POST", "/webhook/alerts", [], {"x-secret": "no"})
    assert refused.status in (401, 403)


def test_an_alert_about_sms_goes_by_other_ways(world):
    slack, pagerduty, smsc, alert, _ = world
    alert(alertname="DlrTimeouts", severity="critical", channel="sms")
    until(lambda: slack.got and pagerduty.got)
    time.sleep(1)
    assert not smsc.sent


def test_a_failed_notification_is_an_alert(world):
    slack, pagerduty, smsc, alert, _ = world
    pagerduty.answer = (400, b'{"status":"invalid event"}', {})
    alert(alertname="KafkaLagHigh", severity="critical", tenant="t1")
    failure = until(lambda: [i for i in slack.items() if "NotificationFailures" in i["text"]])
    assert "pagerduty" in json.dumps(failure[0])
    until(lambda: len(smsc.sent) == 2)
    assert "NotificationFailures" in smsc.sent[1][2]
    time.sleep(2)
    assert len(pagerduty.got) == 1  # the failure is not told where it failed
