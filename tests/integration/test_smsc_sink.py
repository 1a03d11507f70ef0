# SPDX-License-Identifier: Apache-2.0
"""examples/messaging/smsc_sink: the SMSC that demonstrations, benchmarks and other tests rely on. A
client of a few lines speaks SMPP to it, with none of the engine's code."""
import json
import os
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

SINK = Path(os.environ.get("CATALYST_BUILD", "build/release")) / "examples" / "smsc_sink"
BIND_TX, SUBMIT, DELIVER, UNBIND, BIND_RX, TRX, ENQUIRE, MULTI = 2, 4, 5, 6, 1, 9, 0x15, 0x21
RESP = 0x80000000


@pytest.fixture
def sink():
    if not SINK.exists():
        pytest.skip(f"{SINK} is not built")
    running = []

    def start(*flags):
        running.append(Sink(*flags))
        return running[-1]
    yield start
    for one in running:
        one.stop()


class Sink:
    def __init__(self, *flags):
        self.process = subprocess.Popen([SINK, "--listen", "127.0.0.1:0", *flags],
                                        stdout=subprocess.PIPE, text=True)
        host, port = json.loads(self.process.stdout.readline())["listening"].split(":")
        self.address = (host, int(port))

    def counters(self):
        self.process.send_signal(signal.SIGUSR1)
        return json.loads(self.process.stdout.readline())

    def until(self, name, wanted):
        end = time.monotonic() + 60
        while (counters := self.counters())[name] != wanted:
            assert time.monotonic() < end, counters
            time.sleep(0.02)
        return counters

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            out, _ = self.process.communicate(timeout=60)
            assert self.process.returncode == 0
            return json.loads(out)


class Client:
    def __init__(self, sink, system_id="shop", password="secret", kind=TRX, expect=0):
        self.sock = socket.create_connection(sink.address, timeout=60)
        self.buffer, self.sequence = b"", 0
        body = f"{system_id}\0{password}\0\0".encode() + b"\x34\0\0\0"
        assert self.call(kind, body)[1] == expect

    def send(self, command, body=b"", sequence=None, status=0):
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        self.sock.sendall(struct.pack(">IIII", 16 + len(body), command, status, sequence) + body)
        return sequence

    def read(self, seconds=60):
        """(command, status, sequence, body), or None when the connection has ended."""
        self.sock.settimeout(seconds)
        while True:
            if len(self.buffer) >= 4:
                length = struct.unpack(">I", self.buffer[:4])[0]
                if len(self.buffer) >= length:
                    pdu, self.buffer = self.buffer[:length], self.buffer[length:]
                    return *struct.unpack(">III", pdu[4:16]), pdu[16:]
            piece = self.sock.recv(65536)
            if not piece:
                return None
            self.buffer += piece

    def call(self, command, body=b""):
        self.send(command, body)
        return self.read()

    def submit(self, to, registered=1, text=b"hello"):
        return self.send(SUBMIT, submit_body(to, registered, text))


def submit_body(to, registered=1, text=b"hello"):
    return (b"\0\x05\0SHOP\0\x01\x01" + to.encode() + b"\0\0\0\0\0\0" + bytes([registered]) +
            b"\0\0\0" + bytes([len(text)]) + text)


def text_of(body):
    """The short_message of a deliver_sm."""
    at = body.index(0) + 3
    at = body.index(0, at) + 3
    at = body.index(0, at) + 1 + 3
    at = body.index(0, at) + 1
    at = body.index(0, at) + 1 + 4
    return body[at + 1:at + 1 + body[at]].decode()


def id_of(answer):
    assert answer[1] == 0, answer
    return answer[3].split(b"\0")[0].decode()


def test_binds_are_checked(sink):
    one = sink("--account", "shop:secret", "--account", "bank:geheim")
    Client(one)
    Client(one, "bank", "geheim", BIND_RX)
    Client(one, "shop", "wrong", expect=0x0e)
    Client(one, "nobody", "secret", expect=0x0f)
    counters = one.counters()
    assert (counters["binds"], counters["binds_refused"]) == (2, 2)


def test_messages_and_what_is_none(sink):
    client = Client(sink("--no-receipts"))
    first = client.call(SUBMIT, submit_body("491511234500"))
    second = client.call(SUBMIT, submit_body("491511234501"))
    assert int(id_of(second)) == int(id_of(first)) + 1
    assert client.call(ENQUIRE)[:2] == (ENQUIRE | RESP, 0)
    dests = b"\x02\x01\x01\x01" + b"4911\0" + b"\x01\x01\x01" + b"4912\0"
    multi = b"\0\x05\0SHOP\0" + dests + b"\0\0\0\0\0\x01\0\0\0\x01x"
    answer = client.call(MULTI, multi)
    assert answer[:2] == (MULTI | RESP, 0) and answer[3].endswith(b"\0\0")
    assert client.call(0x777)[:2] == (RESP, 3)  # generic_nack, ESME_RINVCMDID
    assert client.call(SUBMIT, b"\0")[:2] == (SUBMIT | RESP, 2)  # ESME_RINVCMDLEN
    assert client.call(UNBIND)[:2] == (UNBIND | RESP, 0)
    assert client.read() is None


def test_a_receiver_cannot_send(sink):
    assert Client(sink(), kind=BIND_RX).call(SUBMIT, submit_body("491511234500"))[1] == 4


def test_fates_by_destination(sink):
    one = sink("--failed", "5", "--expired", "2", "--rejected", "1", "--on", "777=refuse:0x0b",
               "--on", "8888=silent", "--on", "9999=lose", "--receipt-delay", "10")
    client = Client(one)
    wanted = {"00": "UNDELIV", "04": "UNDELIV", "05": "EXPIRED", "06": "EXPIRED", "07": "REJECTD",
              "08": "DELIVRD", "99": "DELIVRD"}
    ids = {id_of(client.call(SUBMIT, submit_body("4915112345" + last))): last for last in wanted}
    got = {}
    while len(got) < len(ids):
        command, _, sequence, body = client.read()
        assert command == DELIVER
        client.send(DELIVER | RESP, b"\0", sequence)
        words = dict(part.split(":", 1) for part in text_of(body).split() if ":" in part)
        got[words["id"]] = words["stat"]
        assert b"\x04\x27\x00\x01" in body and b"\x00\x1e" in body
    assert {ids[i]: state for i, state in got.items()} == wanted
    assert client.call(SUBMIT, submit_body("49151777"))[1] == 0x0b
    assert client.call(SUBMIT, submit_body("491518888"))[1] == 0
    client.submit("491519999")
    assert client.read()[0] == DELIVER  # its receipt, and no response
    assert client.call(SUBMIT, submit_body("491511234599", registered=0))[1] == 0
    counters = one.until("receipts_sent", 8)
    assert counters["lost"] == 1 and counters["refused"] == 1


def test_receipts_return_until_they_are_taken(sink):
    one = sink("--receipt-delay", "0")
    client = Client(one, kind=BIND_TX)  # cannot receive
    wanted = id_of(client.call(SUBMIT, submit_body("491511234599")))
    first = Client(one, kind=BIND_RX)
    other = Client(one, "bank", "x", BIND_RX)  # must not get it
    command, _, sequence, body = first.read()
    assert f"id:{wanted} " in text_of(body)
    first.send(DELIVER | RESP, b"\0", sequence, status=0x64)
    command, _, sequence, body = first.read()
    assert f"id:{wanted} " in text_of(body)
    first.sock.close()  # not answered
    second = Client(one, kind=BIND_RX)
    command, _, sequence, body = second.read()
    assert f"id:{wanted} " in text_of(body)
    second.send(DELIVER | RESP, b"\0", sequence)
    with pytest.raises(TimeoutError):
        second.read(0.8)
    with pytest.raises(TimeoutError):
        other.read(0.1)
    counters = one.counters()
    assert counters["receipts_taken"] == 1 and counters["receipts_again"] == 2


def test_ids_early_receipts_and_forms(sink):
    client = Client(sink("--ids", "hex-decimal", "--early", "--form", "text"))
    client.submit("491511234599")
    receipt, response = client.read(), client.read()
    assert (receipt[0], response[0]) == (DELIVER, SUBMIT | RESP)
    decimal = text_of(receipt[3]).split()[0][3:]
    assert int(id_of(response), 16) == int(decimal) and b"\x04\x27\x00\x01" not in receipt[3]


def test_throttle(sink):
    one = sink("--rate", "100", "--no-receipts")
    client = Client(one)
    began = time.monotonic()
    for _ in range(2000):
        client.submit("491511234599")
    statuses = [client.read()[1] for _ in range(2000)]
    took = time.monotonic() - began
    assert set(statuses) == {0, 0x58} and 1 <= statuses.count(0) <= 60 + 100 * took
    time.sleep(0.2)
    assert client.call(SUBMIT, submit_body("491511234599"))[1] == 0


def test_late_and_out_of_order(sink):
    client = Client(sink("--delay", "50", "--jitter", "50", "--no-receipts", "--congestion", "85"))
    began = time.monotonic()
    for _ in range(100):
        client.submit("491511234599")
    answers = [client.read() for _ in range(100)]
    order = [a[2] for a in answers]
    assert sorted(order) == list(range(2, 102)) and order != sorted(order)
    assert time.monotonic() - began >= 0.05
    assert answers[0][3].endswith(b"\x04\x28\x00\x01\x55")


def test_connections_that_drop(sink, tmp_path):
    log = tmp_path / "log"
    one = sink("--drop-after", "3", "--on", "13=drop", "--no-receipts", "--log", str(log))
    client = Client(one)
    for last in ("01", "02"):
        assert client.call(SUBMIT, submit_body("4915112345" + last))[1] == 0
    client.submit("491511234503")
    assert client.read() is None
    client = Client(one)
    client.submit("491511234513")
    assert client.read() is None
    counters = one.counters()
    assert counters["dropped"] == 2 and counters["accepted"] == 2
    lines = log.read_text().splitlines()
    assert [line.split()[3][-2:] for line in lines] == ["01", "02"]


def test_a_stream_that_is_none_ends(sink):
    one = sink()
    client = Client(one)
    client.sock.sendall(b"\xff" * 16)
    assert client.read() is None
    assert one.counters()["malformed"] == 1


def test_it_is_fast(sink):
    """A flood of one connection: the figure is printed, the floor is far below what it does."""
    one = sink("--receipt-delay", "200")
    client = Client(one)
    body = submit_body("491511234599", registered=1, text=b"Your code is 482913. Ends at 12:40")
    many = 20000
    flood = b"".join(struct.pack(">IIII", 16 + len(body), SUBMIT, 0, i) + body
                     for i in range(1, many + 1))
    pid = os.fork()  # one writes, one reads, as a client with a window does
    if pid == 0:
        try:
            for _ in range(10):
                client.sock.sendall(flood)
        finally:
            os._exit(0)
    began, responses = time.monotonic(), 0
    client.sock.settimeout(120)
    buffer = bytearray()
    while responses < 10 * many:
        buffer += client.sock.recv(1 << 20)
        at, end = 0, len(buffer)
        while end - at >= 16:
            length = int.from_bytes(buffer[at:at + 4], "big")
            if end - at < length:
                break
            responses += buffer[at + 4] == 0x80
            at += length
        del buffer[:at]
    seconds = time.monotonic() - began
    os.waitpid(pid, 0)
    with open(f"/proc/{one.process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    client.sock.close()
    counters = one.stop()
    assert counters["accepted"] == 10 * many
    print(f"\n{10 * many / seconds:.0f} submit_sm/s seen by the client, "
          f"{counters['accepted'] / cpu:.0f} a second of the sink's processor, "
          f"receipts sent: {counters['receipts_sent']}")
    assert counters["accepted"] / cpu > 50000
