# SPDX-License-Identifier: Apache-2.0
"""One command of Redis and its answer, for tests that look into a cache."""
import socket


def read(stream):
    line = stream.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind == b"$":
        return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2].decode()
    if kind == b"*":
        return [read(stream) for _ in range(int(rest))]
    return int(rest) if kind == b":" else rest.decode()


def command(port, *words):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        parts = [f"*{len(words)}\r\n"] + [f"${len(w.encode())}\r\n{w}\r\n" for w in words]
        sock.sendall("".join(parts).encode())
        return read(sock.makefile("rb"))


def hgetall(port, key):
    flat = command(port, "HGETALL", key)
    return dict(zip(flat[::2], flat[1::2]))
