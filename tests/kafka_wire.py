# SPDX-License-Identifier: Apache-2.0
"""Four requests of Kafka's wire protocol, so that tests make topics and read offsets in a
millisecond instead of starting a JVM or a client library for each.

Only the oldest request versions that a 4.x broker still takes are used (plain, non-flexible
encodings). One connection per call, one broker, no retries: callers wait with `wait_topic`.
"""
import socket
import struct
import time

LIST_OFFSETS, METADATA, CREATE_TOPICS, DELETE_TOPICS = 2, 3, 19, 20
LATEST, EARLIEST = -1, -2
ERRORS = {3: "unknown topic or partition", 5: "leader not available", 6: "not leader (yet)",
          7: "timed out", 36: "topic exists already", 37: "wrong number of partitions",
          38: "wrong replication"}


class KafkaError(Exception):
    def __init__(self, what, code):
        super().__init__(f"{what}: {ERRORS.get(code, 'error')} ({code})")
        self.code = code


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, fmt):
        values = struct.unpack_from(">" + fmt, self.data, self.at)
        self.at += struct.calcsize(">" + fmt)
        return values[0] if len(values) == 1 else values

    def text(self):
        length = self.take("h")
        if length < 0:
            return None
        self.at += length
        return self.data[self.at - length:self.at].decode()

    def array(self, element):
        return [element() for _ in range(self.take("i"))]


def _text(value):
    raw = value.encode()
    return struct.pack(">h", len(raw)) + raw


def _array(parts):
    return struct.pack(">i", len(parts)) + b"".join(parts)


def _call(broker, api, version, body, timeout_s=30):
    host, port = broker.rsplit(":", 1)
    head = struct.pack(">hhi", api, version, 1) + _text("catalyst-tests")
    with socket.create_connection((host, int(port)), timeout=timeout_s) as sock:
        sock.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        stream = sock.makefile("rb")
        size = stream.read(4)
        if len(size) < 4:
            raise ConnectionError(f"kafka {broker}: connection closed without an answer")
        reader = Reader(stream.read(struct.unpack(">i", size)[0]))
    reader.take("i")
    return reader


def create_topic(broker, name, partitions=4, config=None, exist_ok=False):
    """Makes a topic and returns when its partitions have leaders."""
    configs = _array([_text(k) + _text(str(v)) for k, v in (config or {}).items()])
    topic = _text(name) + struct.pack(">ih", partitions, 1) + _array([]) + configs
    reply = _call(broker, CREATE_TOPICS, 2, _array([topic]) + struct.pack(">ib", 20000, 0))
    reply.take("i")
    for topic, code, text in reply.array(lambda: (reply.text(), reply.take("h"), reply.text())):
        if code and not (code == 36 and exist_ok):
            raise KafkaError(f"create topic '{topic}': {text}", code)
    wait_topic(broker, name)


def delete_topic(broker, name):
    body = _array([_text(name)]) + struct.pack(">i", 20000)
    reply = _call(broker, DELETE_TOPICS, 1, body)
    reply.take("i")
    for topic, code in reply.array(lambda: (reply.text(), reply.take("h"))):
        if code:
            raise KafkaError(f"delete topic '{topic}'", code)


def partitions(broker, name):
    """Partition numbers that have a leader; KafkaError if the topic is not there (yet)."""
    reply = _call(broker, METADATA, 4, _array([_text(name)]) + struct.pack(">b", 0))

    def partition():
        code, number, leader = reply.take("hii")
        reply.array(lambda: reply.take("i"))
        reply.array(lambda: reply.take("i"))
        return number if code == 0 and leader >= 0 else None

    def topic():
        code, _, _ = reply.take("h"), reply.text(), reply.take("b")
        return code, reply.array(partition)

    reply.take("i")
    reply.array(lambda: (reply.take("i"), reply.text(), reply.take("i"), reply.text()))
    reply.text()
    reply.take("i")
    code, numbers = reply.array(topic)[0]
    if code or None in numbers:
        raise KafkaError(f"topic '{name}'", code or 5)
    return sorted(numbers)


def wait_topic(broker, name, timeout_s=20):
    """Returns when every partition answers: the metadata names a leader a moment before that."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            return offsets(broker, name)
        except KafkaError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def offsets(broker, name, when=LATEST):
    """{partition: offset}, the next to be written (LATEST) or the first kept (EARLIEST)."""
    wanted = [struct.pack(">iq", number, when) for number in partitions(broker, name)]
    body = struct.pack(">i", -1) + _array([_text(name) + _array(wanted)])
    reply = _call(broker, LIST_OFFSETS, 1, body)
    _, rows = reply.array(lambda: (reply.text(), reply.array(lambda: reply.take("ihqq"))))[0]
    for number, code, _, _ in rows:
        if code:
            raise KafkaError(f"offsets of '{name}' partition {number}", code)
    return {number: offset for number, _, _, offset in rows}


def count(broker, name):
    """How many records a topic without compaction and transactions holds."""
    first, last = offsets(broker, name, EARLIEST), offsets(broker, name, LATEST)
    return sum(last.values()) - sum(first.values())
