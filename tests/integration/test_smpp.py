# SPDX-License-Identifier: Apache-2.0
"""SMPP with the binary: as a client of npm's smpp, which throttles, loses, delays and reorders answers,
sends receipts in its own ways and cuts connections; and as a server of plain sockets. What may have been
sent is never sent twice, also by an engine that was killed."""
import json
import select
import socket
import struct
import subprocess
import time

import pytest
import servers
from engines import Engine
from smpp_world import PASSWORD, Sink, Smsc, credentials, node, post, until, workflow
from test_nodes import Workflow

ACCEPTED, REJECTED, UNKNOWN = range(3)


@pytest.fixture
def smsc():
    made = []

    def make(**how):
        made.append(Smsc(**how))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def sink():
    one = Sink()
    yield one
    one.close()


def sms(text, n=0):
    return {"id": f"m{n}", "from": "ACME", "to": f"+49151{n:07d}", "text": text}


def send(catalyst, folder, server, items, parameters=None, **cred):
    """Runs smsSend once over the items; what leaves on each port."""
    run = Workflow(catalyst, folder, {"carrier": server.credential(**cred)})
    process = run.start("catalyst.smsSend", parameters or {}, items,
                        credentials={"smpp": {"name": "carrier"}})
    out, err = run.output(process)
    assert PASSWORD not in out + err
    result = json.loads(out)
    assert result["status"] == "success", result["error"]
    ports = result["nodes"]["Node"][0]["outputs"]
    return [[item["json"] for item in port or []] for port in ports]


# --- sending --------------------------------------------------------------------------------------

def test_sends(catalyst, tmp_path, smsc):
    server = smsc()
    ports = send(catalyst, tmp_path, server, [sms(f"hello {n}", n) for n in range(50)], window=10)
    assert len(ports[ACCEPTED]) == 50
    of = {one["to"]: str(one["id"]) for one in server.of("id")}
    for item in ports[ACCEPTED]:
        assert item["send"]["provider_id"] == of[item["to"][1:]]
    assert server.texts() == [f"hello {n}" for n in range(50)]
    assert server.of("bind") == [{"bind": "bind_transceiver", "system_id": "acme"}]


def test_answers_out_of_order_and_late(catalyst, tmp_path, smsc):
    server = smsc()
    items = [sms(f"shuffle {n}", n) for n in range(10)] + [sms("late 400", 77)]
    ports = send(catalyst, tmp_path, server, items)
    of = {one["to"]: str(one["id"]) for one in server.of("id")}
    assert len(ports[ACCEPTED]) == 11
    assert all(item["send"]["provider_id"] == of[item["to"][1:]] for item in ports[ACCEPTED])


def test_throttled_is_kept_in_order(catalyst, tmp_path, smsc):
    server = smsc()
    items = [dict(sms(text, 1)) for text in ("one", "throttle 1", "full 1", "four")]
    ports = send(catalyst, tmp_path, server, items, {"options": {"attempts": 1}})
    assert len(ports[ACCEPTED]) == 4
    assert server.texts()[4:] == ["throttle 1", "full 1"]
    again = server.of("submit")[4]["at"] - server.of("submit")[3]["at"]
    assert again >= 950


def test_refused_and_several_parts(catalyst, tmp_path, smsc):
    server = smsc()
    ports = send(catalyst, tmp_path, server, [sms("bad", 1), sms("long " + "x" * 300, 2),
                                              sms("\u0416 \U0001f600", 3)])
    assert ports[REJECTED][0]["send"]["class"] == "permanent-recipient"
    long = [item for item in ports[ACCEPTED] if item["send"]["segments"] > 1]
    assert long[0]["send"]["segments"] == 2 and len(long[0]["send"]["provider_ids"]) == 2
    parts = [one for one in server.of("submit") if one["esm"] & 0x40]
    assert len(parts) == 2 and all(part["udh"] for part in parts)
    assert [one["coding"] for one in server.of("submit")][-1] == 8


def test_lost_answers_are_unknown_and_not_sent_again(catalyst, tmp_path, smsc):
    server = smsc()
    ports = send(catalyst, tmp_path, server, [sms("lost", 1), sms("fine", 2)], responseSeconds=4)
    assert [item["send"]["code"] for item in ports[UNKNOWN]] == ["timeout"]
    assert len(ports[ACCEPTED]) == 1
    assert server.texts().count("lost") == 1


def test_cut_in_flight(catalyst, tmp_path, smsc):
    server = smsc()
    ports = send(catalyst, tmp_path, server,
                 [sms("lost", 1), sms("lost", 2), sms("cut", 3)], responseSeconds=20)
    assert [item["send"]["code"] for item in ports[UNKNOWN]] == ["connection"] * 3
    time.sleep(0.5)
    assert len(server.texts()) == 3


def test_wrong_password_does_not_burn_the_queue(catalyst, tmp_path, smsc):
    server = smsc()
    ports = send(catalyst, tmp_path, server, [sms("x", 1)], {"options": {"maxWait": 4000}},
                 password="wrong")
    assert ports[REJECTED][0]["send"]["class"] == "permanent-account"
    assert ports[REJECTED][0]["send"]["code"] == "expired"
    assert len(server.of("bind")) == 1


# --- receiving ------------------------------------------------------------------------------------

def receiving(sink, **parameters):
    """smppReceive -> /in, and a webhook -> smsSend -> /sent, /unknown."""
    on = {"credentials": {"smpp": {"name": "carrier"}}}
    return [workflow("receive", [node("In", "smppReceive", parameters, **on), post("Out", sink, "/in")],
                     [("In", 0, "Out")], durability="exactly_once"),
            workflow("send", [node("Hook", "webhook", {"path": "send", "httpMethod": "POST"}),
                              node("Body", "set", {"mode": "raw", "jsonOutput": "={{ $json.body }}"}),
                              node("Send", "smsSend", {}, **on), post("Sent", sink, "/sent"),
                              post("Unknown", sink, "/unknown")],
                     [("Hook", 0, "Body"), ("Body", 0, "Send"), ("Send", 0, "Sent"),
                      ("Send", 2, "Unknown")], durability="each_step")]


def start(catalyst, folder, server, sink, **cred):
    return Engine(catalyst, folder, "--store", "sqlite:" + str(folder / "store.db"), "--workers", 1,
                  "--credentials", credentials(folder, carrier=server.credential(**cred)),
                  workflows=receiving(sink))


@pytest.mark.parametrize("when", ["after", "before"])
def test_receipts(catalyst, tmp_path, smsc, sink, when):
    """Hexadecimal in responses, decimal in receipts, and receipts that are faster than responses."""
    server = smsc(receipts=when, ids="hex")
    with start(catalyst, tmp_path, server, sink, responseIds="hex", receiptIds="decimal") as engine:
        for n in range(5):
            assert engine.call("POST", "/webhook/send", sms(f"hi {n}", n)).status == 202
        until(lambda: len(sink.at("/sent")) == 5 and len(sink.at("/in")) == 5, why=engine.log)
        assert len(server.of("bind")) == 1  # both directions share the bind
        ids = {item["send"]["provider_id"] for item in sink.at("/sent")}
        receipts = sink.at("/in")
        assert {one["provider_id"] for one in receipts} == ids
        assert {(one["kind"], one["state"], one["code"]) for one in receipts} == {
            ("receipt", "delivered", "000")}
        until(lambda: len(server.of("answer")) == 5)
        assert {one["answer"] for one in server.of("answer")} == {0}
        assert PASSWORD not in engine.log()


def test_messages_and_parts(catalyst, tmp_path, smsc, sink):
    server = smsc()
    with start(catalyst, tmp_path, server, sink) as engine:
        until(lambda: server.of("bind"), why=engine.log)
        time.sleep(0.2)
        base = {"source_addr": "4915112345678", "source_addr_ton": 1, "destination_addr": "12345"}
        server.tell(name="one", deliver={**base, "short_message": "STOP"})
        server.tell(name="ucs2", deliver={**base, "data_coding": 8, "hex": "0416d83dde00"})
        server.tell(name="p2", deliver={**base, "esm_class": 0x40, "hex": "050003090202" + "62" * 3})
        server.tell(name="p1", deliver={**base, "esm_class": 0x40, "hex": "050003090201" + "61" * 3})
        until(lambda: len(sink.at("/in")) == 3, why=engine.log)
        texts = sorted(one["text"] for one in sink.at("/in"))
        assert texts == ["STOP", "aaabbb", "\u0416\U0001f600"]
        assert {one["from"] for one in sink.at("/in")} == {"+4915112345678"}
        until(lambda: len(server.of("answer")) == 4)
        assert {one["answer"] for one in server.of("answer")} == {0}


def test_reconnects(catalyst, tmp_path, smsc, sink):
    server = smsc()
    with start(catalyst, tmp_path, server, sink) as engine:
        assert engine.call("POST", "/webhook/send", sms("first", 1)).status == 202
        until(lambda: len(sink.at("/sent")) == 1, why=engine.log)
        server.tell(cut=True)
        until(lambda: len(server.of("bind")) == 2, why=engine.log)
        assert engine.call("POST", "/webhook/send", sms("second", 2)).status == 202
        until(lambda: len(sink.at("/sent")) == 2, why=engine.log)
        assert server.texts() == ["first", "second"]
        assert "smpp_binds_up" in engine.get("/metrics")[1]


def test_killed_in_flight(catalyst, tmp_path, smsc, sink):
    """kill -9 while answers are owed: the next life says unknown and sends nothing again."""
    server = smsc()
    engine = start(catalyst, tmp_path, server, sink, responseSeconds=60)
    with engine:
        for n in range(3):
            assert engine.call("POST", "/webhook/send", sms("lost", n)).status == 202
        until(lambda: len(server.texts()) == 3, why=engine.log)
        engine.kill()
        engine.start()
        until(lambda: len(sink.at("/unknown")) == 3, why=engine.log)
        assert {item["send"]["code"] for item in sink.at("/unknown")} == {"restart"}
        assert engine.call("POST", "/webhook/send", sms("new", 9)).status == 202
        until(lambda: len(sink.at("/sent")) == 1, why=engine.log)
        assert server.texts() == ["lost"] * 3 + ["new"]


# --- TLS --------------------------------------------------------------------------------------------

def certificate(folder, name):
    files = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
                    f"subjectAltName=DNS:{name},IP:127.0.0.1", "-keyout", files[1], "-out", files[0]],
                   check=True, capture_output=True)
    return map(str, files)


def test_tls_both_ways(catalyst, tmp_path, sink):
    """Our client at our server by TLS; a client that does not trust the certificate stays out."""
    port = servers.free_port()
    crt, key = certificate(tmp_path, "smsc.example")
    client = {"host": "127.0.0.1", "port": str(port), "systemId": "shop", "password": PASSWORD,
              "ssl": "true", "serverName": "smsc.example"}
    named = {
        "tenants": {"type": "smppTenants", "data": {
            "tenants": f"shop {PASSWORD} t-1 binds=8", "certFile": crt, "keyFile": key}},
        "trusting": {"type": "smpp", "data": {**client, "caFile": crt}},
        "wary": {"type": "smpp", "data": client}}
    smsc_side = workflow("smsc", [
        node("In", "smppServer", {"host": "127.0.0.1", "port": port},
             credentials={"smppTenants": {"name": "tenants"}}), post("Out", sink, "/in")],
        [("In", 0, "Out")])
    file = credentials(tmp_path, **named)
    with Engine(catalyst, tmp_path, "--store", "sqlite:" + str(tmp_path / "s.db"), "--workers", 1,
                "--credentials", file, workflows=[smsc_side]) as engine:
        run = Workflow(catalyst, tmp_path, named)
        for name, wanted, wait_ms in (("trusting", ACCEPTED, 60000), ("wary", REJECTED, 5000)):
            result = run.run("catalyst.smsSend", {"options": {"maxWait": wait_ms}}, [sms("by TLS", 1)],
                             credentials={"smpp": {"name": name}})
            left = result["nodes"]["Node"][0]["outputs"][wanted]
            assert len(left) == 1, result
        assert "certificate" in left[0]["json"]["send"]["text"]
        until(lambda: len(sink.at("/in")) == 1, why=engine.log)
        assert sink.at("/in")[0]["text"] == "by TLS"


# --- the SMSC side --------------------------------------------------------------------------------

class Client:
    """An ESME of a few lines, so that nothing is hidden."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.sequence = 0

    def ask(self, command, body=b""):
        self.sequence += 1
        self.socket.sendall(struct.pack(">IIII", 16 + len(body), command, 0, self.sequence) + body)

    def take(self):
        head = self.read(16)
        length, command, status, sequence = struct.unpack(">IIII", head)
        return command, status, sequence, self.read(length - 16)

    def read(self, n):
        data = b""
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            assert more, "closed"
            data += more
        return data

    def bind(self, system_id, password):
        self.ask(9, f"{system_id}\0{password}\0\0".encode() + bytes([0x34, 0, 0]) + b"\0")
        return self.take()[1]

    def submit(self, to, text):
        self.ask(4, b"\0" + b"\5\0SHOP\0" + b"\1\1" + to.encode() + b"\0" + bytes([0, 0, 0]) + b"\0\0"
                 + bytes([1, 0, 0, 0, len(text)]) + text.encode())


def test_tenants(catalyst, tmp_path, sink):
    """Submit over two workers, receipts back over whichever has the bind."""
    port = servers.free_port()
    tenants = {"type": "smppTenants", "data": {"tenants": "shop s3cr3tpw t-1 binds=8 window=200"}}
    flow = workflow("smsc", [
        node("In", "smppServer", {"host": "127.0.0.1", "port": port},
             credentials={"smppTenants": {"name": "tenants"}}),
        node("Receipt", "smppDeliver", {"kind": "receipt", "state": "delivered"}),
        post("Out", sink, "/in"), post("Accepted", sink, "/accepted"),
        post("Offline", sink, "/offline")],
        [("In", 0, "Receipt"), ("In", 0, "Out"), ("Receipt", 0, "Accepted"),
         ("Receipt", 3, "Offline")], durability="exactly_once")
    with Engine(catalyst, tmp_path, "--store", "sqlite:" + str(tmp_path / "s.db"), "--workers", 2,
                "--credentials", credentials(tmp_path, tenants=tenants), workflows=[flow]) as engine:
        bad = Client(port)
        assert bad.bind("shop", "wrong") == 0x0E
        clients = [Client(port) for _ in range(4)]
        assert all(client.bind("shop", PASSWORD) == 0 for client in clients)
        given, receipts = set(), set()
        for n in range(40):
            clients[n % 4].submit(f"49151{n:07d}", f"text {n}")
        end = time.monotonic() + 60
        while (len(given) < 40 or len(receipts) < 40) and time.monotonic() < end:
            ready, _, _ = select.select([client.socket for client in clients], [], [], 0.5)
            for client in (client for client in clients if client.socket in ready):
                command, status, sequence, body = client.take()
                if command == 0x80000004:
                    assert status == 0
                    given.add(body.rstrip(b"\0").decode())
                elif command == 5:
                    receipts.add(body.partition(b"id:")[2].split(b" ")[0].decode())
                    client.socket.sendall(struct.pack(">IIII", 17, 0x80000005, 0, sequence) + b"\0")
        assert len(given) == 40 and receipts == given, (len(given), len(receipts), engine.log())
        until(lambda: len(sink.at("/accepted")) == 40 and len(sink.at("/in")) == 40)
        first = sink.at("/in")[0]
        assert first["tenant_id"] == "t-1" and first["channel"] == "sms" and first["dlr"] is True
        assert {one["id"] for one in sink.at("/in")} == given
        assert PASSWORD not in engine.log()
