# SPDX-License-Identifier: Apache-2.0
"""Bodies of many megabytes, to and from a server on this machine: they pass through files, so the
engine's memory stays small."""
import contextlib
import hashlib
import http.server
import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from engines import Engine, until  # noqa: E402
from test_cases import definition  # noqa: E402

SANITIZED = "asan" in os.environ.get("CATALYST_BUILD", "")
MEGABYTE = 1 << 20
LARGE = 64 * MEGABYTE
PIECE = bytes(range(256)) * 256


class Site(http.server.ThreadingHTTPServer):
    """/down/<bytes> gives that many; everything else takes a body and remembers what it was."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Page)
        self.taken = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that goes away is part of the tests."""


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        left = int(self.path.rsplit("/", 1)[1])
        self.send_response(200)
        self.send_header("content-type", "application/octet-stream")
        if self.path.startswith("/chunked"):
            self.send_header("connection", "close")
            self.close_connection = True
        else:
            self.send_header("content-length", str(left))
        self.end_headers()
        try:
            while left:
                left -= self.wfile.write(PIECE[:left])
        except OSError:
            self.close_connection = True

    def do_POST(self):
        left, digest, first, last = int(self.headers["content-length"]), hashlib.sha256(), b"", b""
        length = left
        while left:
            piece = self.rfile.read(min(left, len(PIECE)))
            if not piece:
                return
            digest.update(piece)
            first, last, left = first or piece[:1000], (last + piece)[-400:], left - len(piece)
        self.server.taken.append({"path": self.path, "bytes": length, "sha256": digest.hexdigest(),
                                  "first": first, "last": last,
                                  "type": self.headers["content-type"]})
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


@pytest.fixture
def site():
    site = Site()
    yield site
    site.shutdown()


def digest_of(size):
    digest = hashlib.sha256()
    for _ in range(size // len(PIECE)):
        digest.update(PIECE)
    return digest.hexdigest()


def passing(site, down, **up):
    """A webhook whose execution gets a file and sends it on."""
    response = {"options": {"timeout": "120s", "response": {"response": {"responseFormat": "file"}},
                            **down.pop("options", {})}}
    return definition({"id": "files", "name": "files", "nodes": [
        {"name": "Hook", "type": "catalyst.webhook", "parameters": {
            "httpMethod": "POST", "path": "in", "responseMode": "lastNode"}},
        {"name": "Down", "type": "catalyst.httpRequest", "parameters": {**down, **response}},
        {"name": "Up", "type": "catalyst.httpRequest", "parameters": {
            "method": "POST", "url": f"{site.url}/up", "sendBody": True,
            "options": {"timeout": "120s"}, **up}}],
        "wires": ["Hook -> Down", "Down -> Up"]})


@pytest.fixture
def engine(catalyst, tmp_path):
    started = []

    def start(*workflows, flags=()):
        one = Engine(catalyst, tmp_path, "--store", f"sqlite:{tmp_path}/store.db", "--workers", "1",
                     "--blob-dir", str(tmp_path / "blobs"), *flags, workflows=workflows).start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()


def peak(engine):
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{engine.pid}/status").read_text())[1]) << 10


def assert_small(engine, before):
    grown = peak(engine) - before
    print(f"memory grew by {grown / MEGABYTE:.1f} MiB")
    assert SANITIZED or grown < 12 * MEGABYTE


def test_a_large_file_is_passed_on(engine, site, tmp_path):
    one = engine(passing(site, {"url": f"{site.url}/down/{LARGE}"}, contentType="binaryData"))
    assert one.call("POST", "/webhook/none").status == 404
    before = peak(one)
    assert one.call("POST", "/webhook/in").status == 200
    assert site.taken[0]["bytes"] == LARGE and site.taken[0]["sha256"] == digest_of(LARGE)
    assert_small(one, before)
    folder = tmp_path / "blobs"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and not list(folder.iterdir())

    def held():
        with contextlib.suppress(FileNotFoundError):  # one that was closed meanwhile
            return [f for f in Path(f"/proc/{one.pid}/fd").iterdir() if "blobs/" in os.readlink(f)]
        return True
    until(lambda: not held(), what="a file is not released with its execution")


def test_a_large_file_in_a_form(engine, site):
    fields = [{"name": "note", "value": "v"},
              {"parameterType": "formBinaryData", "name": "f", "inputDataFieldName": "data"},
              {"name": "end", "value": "w"}]
    one = engine(passing(site, {"url": f"{site.url}/chunked/{LARGE}"},
                         contentType="multipart-form-data", bodyParameters={"parameters": fields}))
    before = peak(one)
    assert one.call("POST", "/webhook/in").status == 200
    taken = site.taken[0]
    boundary = taken["type"].split("boundary=")[1].encode()
    assert taken["first"].startswith(b"--" + boundary + b"\r\n") and b'name="note"' in taken["first"]
    assert b'filename="%d"' % LARGE in taken["first"]
    assert taken["last"].endswith(b"\r\nw\r\n--" + boundary + b"--\r\n")
    head = taken["first"].index(bytes(range(200)))
    tail = len(taken["last"]) - taken["last"].rindex(bytes(range(200, 256))) - 56
    assert taken["bytes"] == head + LARGE + tail
    assert_small(one, before)


@pytest.mark.parametrize("path", ["down", "chunked"])
def test_limits_are_told(catalyst, engine, site, tmp_path, path):
    one = engine(passing(site, {"url": f"{site.url}/{path}/{2 * MEGABYTE}",
                                "options": {"maxResponseSize": "1M"}}, contentType="binaryData"))
    assert one.call("POST", "/webhook/in").status == 500
    assert not site.taken
    told = subprocess.run([str(catalyst), "executions", "list", "--store",
                           f"sqlite:{tmp_path}/store.db"], capture_output=True, text=True, check=True)
    assert "larger than 1048576 bytes" in told.stdout


def test_a_folder_of_others_is_refused(catalyst, tmp_path, site):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    one = Engine(catalyst, tmp_path, "--store", "memory:", "--blob-dir", str(folder),
                 workflows=[passing(site, {"url": site.url})])
    with pytest.raises(Exception):
        one.start()
    assert "others may look into it" in one.log()


def test_what_a_killed_engine_left_goes(engine, site, tmp_path):
    folder = tmp_path / "blobs"
    folder.mkdir(mode=0o700)
    (folder / "blob-1-1").write_bytes(b"left")
    (folder / "other").write_bytes(b"not ours")
    engine(passing(site, {"url": site.url}))
    assert [f.name for f in folder.iterdir()] == ["other"]
