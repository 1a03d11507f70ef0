# SPDX-License-Identifier: Apache-2.0
"""An SMSC for USSD tests, in a few lines: takes any bind, accepts what is submitted, keeps it with its
parameters, and delivers what a phone does. Texts that begin with "bad" are refused."""
import socket
import struct
import threading

from engines import until

OP, INFO = 0x0501, 0x1383
BEGIN, ASK, TELL, FINAL, INPUT, TOLD = 1, 2, 3, 17, 18, 19


def text_end(body, at):
    end = body.index(0, at)
    return body[at:end].decode(), end + 1


def read_sm(body):
    """submit_sm as {service, from, to, text, op, info}."""
    service, at = text_end(body, 0)
    source, at = text_end(body, at + 2)
    target, at = text_end(body, at + 2)
    at += 3
    _, at = text_end(body, at)
    _, at = text_end(body, at)
    registered, _, coding, _, length = body[at:at + 5]
    text, at = body[at + 5:at + 5 + length], at + 5 + length
    found = {"service": service, "from": source, "to": target, "registered": registered,
             "text": text.decode("utf-16-be" if coding == 8 else "latin-1")}
    while at < len(body):
        tag, size = struct.unpack(">HH", body[at:at + 4])
        found[{OP: "op", INFO: "info"}.get(tag, tag)] = int.from_bytes(body[at + 4:at + 4 + size], "big")
        at += 4 + size
    return found


class Smsc:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.got, self.answered, self.peer, self.number = [], [], None, 0
        threading.Thread(target=self._accept, daemon=True).start()

    def credential(self):
        return {"type": "smpp", "data": {"host": "127.0.0.1", "port": str(self.port), "systemId": "ussd",
                                         "password": "pw"}}

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        stream = peer.makefile("rb")
        try:
            while len(head := stream.read(16)) == 16:
                length, command, status, number = struct.unpack(">IIII", head)
                self._take(peer, command, status, number, stream.read(length - 16))
        except OSError:
            pass
        finally:
            if self.peer is peer:
                self.peer = None

    def _take(self, peer, command, status, number, body):
        if command >= 0x80000000:
            self.answered.append((number, status))
            return
        answer, wrong = b"", 0
        if command in (1, 2, 9):
            answer, self.peer = b"smsc\0", peer
        elif command == 4:
            self.got.append(read_sm(body))
            wrong = 11 if self.got[-1]["text"].startswith("bad") else 0
            answer = b"" if wrong else b"id%d\0" % len(self.got)
        peer.sendall(struct.pack(">IIII", 16 + len(answer), command | 0x80000000, wrong, number) + answer)

    def bound(self):
        return self.peer is not None

    def deliver(self, number, op, info, text="", code="384"):
        """Something a phone did; returns when the engine has answered, which means: it is stored."""
        peer = until(lambda: self.peer, what="no bind")
        self.number += 1
        mine = self.number
        body = (b"USSD\0\1\1" + number.encode() + b"\0\0\0" + code.encode() + b"\0" + bytes(9)
                + bytes([len(text)]) + text.encode() + struct.pack(">HHB", OP, 1, op)
                + struct.pack(">HHH", INFO, 2, info))
        peer.sendall(struct.pack(">IIII", 16 + len(body), 5, 0, mine) + body)
        until(lambda: (mine, 0) in self.answered, what=lambda: f"not answered: {self.answered[-3:]}")

    def to(self, number):
        return [one for one in list(self.got) if one["to"] == number]

    def close(self):
        self.listener.close()
        if self.peer:
            self.peer.close()
