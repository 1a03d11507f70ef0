# SPDX-License-Identifier: Apache-2.0
"""What the SMPP tests share: npm's smpp as an SMSC, an HTTP listener that keeps what workflows give,
and workflows from a few words."""
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import peers  # noqa: E402

PASSWORD = "s3cr3tpw"


def until(condition, seconds=60, why=lambda: ""):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"never came true; {why()}"
        time.sleep(0.02)


class Smsc:
    """npm's smpp as a server; what it is told and said: smpp_smsc.js."""

    def __init__(self, receipts="none", ids="text"):
        try:
            modules = peers.node("smpp")
        except peers.Missing as reason:
            pytest.skip(str(reason))
        self.process = subprocess.Popen(
            ["node", str(Path(__file__).with_name("smpp_smsc.js"))], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "NODE_PATH": str(modules), "RECEIPTS": receipts, "IDS": ids,
                 "PASSWORD": PASSWORD})
        self.said = []
        self.port = json.loads(self.process.stdout.readline())["port"]
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        for line in self.process.stdout:
            self.said.append(json.loads(line))

    def tell(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def of(self, key):
        return [one for one in list(self.said) if key in one]

    def texts(self):
        return [one["submit"] for one in self.of("submit")]

    def credential(self, **more):
        return {"type": "smpp", "data": {"host": "127.0.0.1", "port": str(self.port),
                                         "systemId": "acme", "password": PASSWORD,
                                         **{key: str(value) for key, value in more.items()}}}

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.thread.join()


class Sink(http.server.ThreadingHTTPServer):
    """Keeps the JSON of every POST, by path."""
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                self.server.got.append((self.path, json.loads(body)))
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        super().__init__(("127.0.0.1", 0), Handler)
        self.got = []
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def at(self, path):
        return [body for where, body in list(self.got) if where == path]

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


def node(name, kind, parameters=None, **more):
    return {"id": name, "name": name, "type": f"catalyst.{kind}", "parameters": parameters or {},
            **more}


def post(name, sink, path):
    return node(name, "httpRequest", {
        "method": "POST", "url": f"http://127.0.0.1:{sink.server_port}{path}", "sendBody": True,
        "specifyBody": "json", "jsonBody": "={{ $json }}"})


def workflow(name, nodes, edges, **settings):
    """`edges`: (from, port, to)."""
    connections = {}
    for source, port, target in edges:
        ports = connections.setdefault(source, {"main": []})["main"]
        while len(ports) <= port:
            ports.append([])
        ports[port].append({"node": target, "type": "main", "index": 0})
    return {"id": name, "name": name, "active": True, "settings": settings, "nodes": nodes,
            "connections": connections}


def credentials(folder, **named):
    file = folder / "credentials.json"
    file.write_text(json.dumps(named))
    return file
