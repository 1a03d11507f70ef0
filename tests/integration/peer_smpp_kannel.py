# SPDX-License-Identifier: Apache-2.0
"""Kannel's bearerbox and smsbox as a client of our SMSC side: an independent SMPP implementation in C
that is in use everywhere. Texts of every alphabet, long ones, receipts back, messages of phones, and a
server that is stopped and started under it. CATALYST_TEST_RESULTS names a file for a line of figures."""
import http.server
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest
import servers
from engines import Engine
from smpp_world import PASSWORD, Sink, credentials, node, post, until, workflow

LONG = "A text that is longer than one message may be. " * 8
RESULTS = {}
KEEP = os.environ.get("CATALYST_TEST_RESULTS", "")


class Reports(http.server.ThreadingHTTPServer):
    """What smsbox tells: receipts at /dlr, messages at /mo."""
    daemon_threads = True
    request_queue_size = 512

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                where = urllib.parse.urlsplit(self.path)
                self.server.got.append((where.path, dict(urllib.parse.parse_qsl(where.query))))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

        super().__init__(("127.0.0.1", 0), Handler)
        self.got = []
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def at(self, path):
        return [query for where, query in list(self.got) if where == path]

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Kannel:
    def __init__(self, folder, smsc_port, reports):
        self.ports = [servers.free_port() for _ in range(3)]
        admin, box, sendsms = self.ports
        self.reports = reports
        self.file = folder / "kannel.conf"
        self.file.write_text(f"""
group = core
admin-port = {admin}
admin-password = x
smsbox-port = {box}
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"
dlr-storage = internal
log-file = "{folder}/bearerbox.log"
log-level = 0

group = smsc
smsc = smpp
smsc-id = catalyst
host = 127.0.0.1
port = {smsc_port}
smsc-username = kannel
smsc-password = {PASSWORD}
system-type = ""
transceiver-mode = true
max-pending-submits = 50
reconnect-delay = 1
enquire-link-interval = 5
source-addr-autodetect = true
dest-addr-ton = 1
dest-addr-npi = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
log-file = "{folder}/smsbox.log"
log-level = 0

group = sendsms-user
username = u
password = p
max-messages = 10
concatenation = true

group = sms-service
keyword = default
get-url = "http://127.0.0.1:{reports.server_port}/mo?from=%p&to=%P&text=%b"
max-messages = 0
catch-all = true
""")
        self.processes = []
        self.start("bearerbox")
        until(lambda: "running" in self.status(), 30, lambda: servers.tail(folder / "bearerbox.log"))
        self.start("smsbox")
        until(lambda: "smsbox" in self.status(), 30, lambda: servers.tail(folder / "smsbox.log"))

    def start(self, name):
        program = shutil.which(name) or f"/usr/sbin/{name}"
        self.processes.append(subprocess.Popen([program, str(self.file)], stdin=subprocess.DEVNULL,
                                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def status(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[0]}/status.txt?password=x",
                                        timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    def online(self):
        return "online" in self.status()

    def send(self, n, text, **more):
        report = (f"http://127.0.0.1:{self.reports.server_port}/dlr?n={n}&type=%d&smsc_id=%F")
        query = urllib.parse.urlencode({
            "username": "u", "password": "p", "from": "SHOP", "to": f"49151{n:07d}", "text": text,
            "charset": "UTF-8", "dlr-mask": "31", "dlr-url": report, **more})
        with urllib.request.urlopen(
                f"http://127.0.0.1:{self.ports[2]}/cgi-bin/sendsms?{query}", timeout=20) as answer:
            assert answer.status == 202

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def reports():
    one = Reports()
    yield one
    one.close()


@pytest.fixture
def sink():
    one = Sink()
    yield one
    one.close()


@pytest.fixture
def world(catalyst, tmp_path, sink, reports):
    """An engine that is an SMSC, and Kannel bound to it."""
    if not (shutil.which("bearerbox") or os.path.exists("/usr/sbin/bearerbox")):
        pytest.skip("kannel: bearerbox is not installed")
    port = servers.free_port()
    tenants = {"type": "smppTenants", "data": {
        "tenants": f"kannel {PASSWORD} t-kannel binds=4 window=500"}}
    flow = workflow("smsc", [
        node("In", "smppServer", {"host": "127.0.0.1", "port": port},
             credentials={"smppTenants": {"name": "tenants"}}),
        post("Out", sink, "/in")], [("In", 0, "Out")], durability="exactly_once")
    back = workflow("back", [
        node("Hook", "webhook", {"path": "back", "httpMethod": "POST"}),
        node("Body", "set", {"mode": "raw", "jsonOutput": "={{ $json.body }}"}),
        node("Deliver", "smppDeliver"), post("Done", sink, "/delivered")],
        [("Hook", 0, "Body"), ("Body", 0, "Deliver"), ("Deliver", 0, "Done")],
        durability="at_least_once")
    engine = Engine(catalyst, tmp_path, "--store", "sqlite:" + str(tmp_path / "s.db"), "--workers", 2,
                    "--credentials", credentials(tmp_path, tenants=tenants),
                    workflows=[flow, back])
    with engine:
        kannel = Kannel(tmp_path, port, reports)
        try:
            until(kannel.online, 30, engine.log)
            yield engine, kannel
        finally:
            kannel.close()


def test_texts_parts_and_receipts(world, sink, reports):
    engine, kannel = world
    texts = {1: "Hello, world", 2: "Euro \u20ac and {braces}", 4: LONG}
    for n, text in texts.items():
        kannel.send(n, text)
    kannel.send(3, "\u041f\u0440\u0438\u0432\u0435\u0442 \U0001f600", coding="2")
    texts[3] = "\u041f\u0440\u0438\u0432\u0435\u0442 \U0001f600"
    until(lambda: len(sink.at("/in")) == 4, why=engine.log)
    got = {item["to"]: item for item in sink.at("/in")}
    for n, text in texts.items():
        assert got[f"+49151{n:07d}"]["text"].rstrip() == text.rstrip(), n
        assert got[f"+49151{n:07d}"]["from"] == "SHOP"
    assert got["+491510000004"]["parts"] == 3
    assert {item["tenant_id"] for item in got.values()} == {"t-kannel"}
    # type 8: the SMSC took it; 1: it was delivered
    until(lambda: {q["n"] for q in reports.at("/dlr") if q["type"] == "8"} >= {"1", "2", "3"},
          why=engine.log)
    for number, item in got.items():  # a minute later, in life
        state = "failed" if number.endswith("3") else "delivered"
        engine.call("POST", "/webhook/back", {"kind": "receipt", "message": item, "state": state})
    until(lambda: {q["n"] for q in reports.at("/dlr") if q["type"] == "1"} >= {"1", "2"},
          why=engine.log)
    until(lambda: {q["n"] for q in reports.at("/dlr") if q["type"] == "2"} == {"3"}, why=engine.log)
    RESULTS["texts"] = len(texts)


def test_messages_of_phones(world, sink, reports):
    engine, kannel = world
    for text in ("STOP", LONG):
        answer = engine.call("POST", "/webhook/back", {
            "kind": "message", "tenant_id": "t-kannel", "from": "+4915112345678", "to": "12345",
            "text": text})
        assert answer.status == 202
    until(lambda: len(sink.at("/delivered")) == 2, why=engine.log)
    until(lambda: len(reports.at("/mo")) >= 2, why=engine.log)
    assert reports.at("/mo")[0]["text"] == "STOP"
    assert reports.at("/mo")[0]["from"] in ("+4915112345678", "4915112345678")


def test_many_with_a_restart(world, sink, reports):
    """Kannel sends again what was not answered; what was answered has come."""
    engine, kannel = world
    count = 300
    began = time.monotonic()
    sender = threading.Thread(
        target=lambda: [kannel.send(n, f"message {n}") for n in range(1000, 1000 + count)])
    sender.start()
    until(lambda: len(sink.at("/in")) > 50, why=engine.log)
    engine.stop()
    engine.start()
    until(kannel.online, 60, engine.log)
    sender.join()
    until(lambda: len({item["to"] for item in sink.at("/in")}) == count, 60, engine.log)
    numbers = {str(n) for n in range(1000, 1000 + count)}
    until(lambda: {q["n"] for q in reports.at("/dlr") if q["type"] == "8"} >= numbers, 60, engine.log)
    RESULTS.update(messages=count, items=len(sink.at("/in")),
                   seconds=round(time.monotonic() - began, 1))


def test_results_are_kept():
    if RESULTS and KEEP:
        with open(KEEP, "a") as out:
            out.write(json.dumps({"bench": "smpp_kannel", "at": time.strftime(
                "%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **RESULTS}) + "\n")
