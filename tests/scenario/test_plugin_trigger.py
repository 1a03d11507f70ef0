# SPDX-License-Identifier: Apache-2.0
"""Triggers of plugins in `catalyst serve`, by the plugin of examples/third-party-plugin: lines over
TCP, answered when they are in the journal. Whoever has an answer has it for good: also when the
engine is killed at any moment."""
import contextlib
import http.server
import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import servers  # noqa: E402
from engines import Engine, until  # noqa: E402
from test_cases import definition  # noqa: E402


@pytest.fixture(scope="session")
def plugins(tmp_path_factory):
    """A folder with the example's plugin, built as its README says: the header, and nothing else."""
    folder = tmp_path_factory.mktemp("plugins")
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall",
                    "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden",
                    f"-I{ROOT}/sdk/include", "-Wl,-z,defs",
                    ROOT / "examples/third-party-plugin/lines.c", "-o", folder / "lines.so"],
                   check=True)
    return folder


@pytest.fixture
def engine(catalyst, plugins, tmp_path):
    started = []

    def start(*workflows, flags=(), **more):
        one = Engine(catalyst, tmp_path, "--store", f"sqlite:{tmp_path}/store.db", "--plugins",
                     plugins, *flags, workflows=workflows, **more).start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def port():
    return servers.free_port()


class Sink(http.server.ThreadingHTTPServer):
    """Keeps the lines that workflows post to it."""
    daemon_threads = True
    request_queue_size = 512

    def __init__(self):
        sink = self
        self.got = []
        self.down = False
        self.held = threading.Event()
        self.held.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                sink.held.wait(120)
                if not sink.down:
                    sink.got.append(body["line"])
                self.send_response(503 if sink.down else 200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """Engines that are killed hang up."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"


@pytest.fixture
def sink():
    one = Sink()
    yield one
    one.held.set()
    one.shutdown()
    one.server_close()


def lines(port, nodes=(), wires=(), settings=None, identity="lines", **parameters):
    return definition({
        "id": identity, "name": identity, "active": True,
        "settings": {"executionOrder": "v1", **(settings or {})},
        "nodes": [{"name": "Lines", "type": "acme.lines", "parameters": {"port": port, **parameters}},
                  *nodes],
        "wires": list(wires)})


def post(sink):
    return {"name": "Post", "type": "catalyst.httpRequest", "parameters": {
        "method": "POST", "url": sink.url, "sendBody": True, "specifyBody": "json",
        "jsonBody": "={{ JSON.stringify($json) }}"}}


def sets(name, expression):
    return {"name": name, "type": "catalyst.set", "parameters": {
        "mode": "manual", "assignments": {"assignments": [
            {"name": "said", "type": "string", "value": expression}]}}}


class Client:
    def __init__(self, port, timeout_s=60):
        end = time.monotonic() + timeout_s
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
                break
            except OSError:
                assert time.monotonic() < end, "nobody listens"
                time.sleep(0.05)
        self.file = self.socket.makefile("rb")

    def send(self, *texts):
        self.socket.sendall("".join(f"{t}\n" for t in texts).encode())

    def answer(self):
        return self.file.readline().decode().rstrip("\n")

    def close(self):
        self.socket.close()


# --- events -------------------------------------------------------------------------------------

@pytest.mark.parametrize("durability", ["exactly_once", "each_step", "at_least_once", "none"])
def test_lines_are_answered_when_stored(engine, port, durability):
    e = engine(lines(port, settings={"durability": durability}), flags=["--workers", 1])
    client = Client(port)
    client.send("one", "two", 'with "quotes" \\ and \t tab')
    assert [client.answer() for _ in range(3)] == ["stored 1", "stored 2", "stored 3"]
    until(lambda: e.done("success") == 3)


def test_ended_gives_the_workflows_item(engine, port):
    engine(lines(port, [sets("Say", "=hello {{ $json.line }}")], ["Lines -> Say"], answer="ended"),
           flags=["--workers", 1])
    client = Client(port)
    client.send("Ann", "Bob")
    assert sorted(client.answer() for _ in range(2)) == ['ended 1 {"said":"hello Ann"}',
                                                         'ended 2 {"said":"hello Bob"}']


def test_ended_tells_why_it_failed(engine, port):
    engine(lines(port, [{"name": "Stop", "type": "catalyst.stopAndError",
                         "parameters": {"errorMessage": "=no {{ $json.line }}"}}],
                 ["Lines -> Stop"], answer="ended"), flags=["--workers", 1])
    client = Client(port)
    client.send("way")
    assert client.answer() == "failed 1 no way"


def test_more_than_the_engine_has_room_for(engine, port, sink):
    """Parked executions fill the engine: accept() takes fewer, and room() brings the rest."""
    sink.held.clear()
    e = engine(lines(port, [post(sink)], ["Lines -> Post"]),
               flags=["--workers", 1, "--max-live", 20])
    client = Client(port)
    client.send(*(f"line {i}" for i in range(200)))
    time.sleep(0.5)
    assert e.done() == 0
    sink.held.set()
    assert [client.answer() for _ in range(200)] == [f"stored {i + 1}" for i in range(200)]
    until(lambda: e.done("success") == 200)
    assert sorted(sink.got) == sorted(f"line {i}" for i in range(200))


def test_a_flood_is_taken_as_fast_as_it_can_be(engine, port):
    """Far more than buffers hold: sockets are not read meanwhile, and no client is lost."""
    engine(lines(port), flags=["--workers", 1])
    client, n = Client(port), 50000
    flood = "".join(f"line {i} with a few words more\n" for i in range(n)).encode()
    threading.Thread(target=client.socket.sendall, args=(flood,), daemon=True).start()
    for i in range(n):
        assert client.answer() == f"stored {i + 1}"


# --- life ---------------------------------------------------------------------------------------

def test_start_is_tried_again(engine, port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        e = engine(lines(port), flags=["--workers", 1], ready=False)
        e.wait_listening()
        until(lambda: e.get("/readyz")[0] == 503
              and f"port {port}: Address already in use" in e.get("/readyz")[1], what=e.log)
    until(lambda: e.get("/readyz")[0] == 200)
    client = Client(port)
    client.send("x")
    assert client.answer() == "stored 1"


def redeploy(e, workflow):
    path = e.dir / "workflow0.json"
    path.write_text(json.dumps(workflow))
    e.signal(1)


def test_new_version_goes_on_without_a_stop(engine, port):
    """The same parameters: connections stay, later lines run on the new version."""
    e = engine(lines(port, [sets("Say", "one")], ["Lines -> Say"], answer="ended"),
               flags=["--workers", 1])
    client = Client(port)
    client.send("a")
    assert client.answer() == 'ended 1 {"said":"one"}'
    redeploy(e, lines(port, [sets("Say", "two")], ["Lines -> Say"], answer="ended"))

    def second():
        client.send("b")
        return client.answer().endswith('{"said":"two"}')
    until(second)
    e.alive()


def test_new_parameters_start_it_anew(engine, port):
    e = engine(lines(port), flags=["--workers", 1])
    client = Client(port)
    client.send("a")
    assert client.answer() == "stored 1"
    redeploy(e, lines(port, [sets("Say", "two")], ["Lines -> Say"], answer="ended"))

    def changed():
        again = Client(port)
        try:
            again.send("b")
            return again.answer() == 'ended 1 {"said":"two"}'
        except ConnectionError:
            return False  # it came to the old port's listener, in the moment that one was closed
        finally:
            again.close()
    until(changed)


def test_what_was_taken_is_stored_before_the_end(engine, port):
    e = engine(lines(port), flags=["--workers", 1])
    client = Client(port)
    client.send(*(str(i) for i in range(500)))
    first = client.answer()
    assert e.stop() == 0
    rest = []
    with contextlib.suppress(ConnectionResetError):  # it closes with lines of ours that it did not read
        while line := client.file.readline().decode():
            rest.append(line)
    assert first == "stored 1" and all(line.startswith("stored ") for line in rest)


def test_failed_for_good_is_told(catalyst, plugins, tmp_path):
    path = tmp_path / "w.json"
    path.write_text(json.dumps(lines(70000)))
    result = subprocess.run([catalyst, "check", path, "--plugins", plugins], capture_output=True,
                            text=True, timeout=60)
    assert result.returncode == 1 and "port" in result.stdout + result.stderr


# --- death --------------------------------------------------------------------------------------

def test_no_answer_before_the_commit(engine, port, tmp_path):
    """Somebody holds the store's file: nothing is durable, so nothing is answered; the lines that
    a kill drops then were never promised."""
    e = engine(lines(port), flags=["--workers", 1])
    client = Client(port)
    client.send("a")
    assert client.answer() == "stored 1"
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    client.send("b", "c")
    client.socket.settimeout(0.7)
    with pytest.raises(TimeoutError):
        client.answer()
    e.kill()
    other.close()
    e.start()
    again = Client(port)
    again.send("b", "c")
    assert [again.answer(), again.answer()] == ["stored 1", "stored 2"]


def test_killed_while_lines_come(engine, port, sink):
    """Every line that was answered is run in the end, however often the engine was killed: what
    they have to do is refused until then, so it is the journal alone that knows of them."""
    again = {"retryOnFail": True, "maxTries": 1000, "waitBetweenTries": 700}
    e = engine(lines(port, [{**post(sink), **again}], ["Lines -> Post"]), flags=["--workers", 2])
    sink.down = True
    stop, stored = threading.Event(), set()
    lock = threading.Lock()

    def talk(number):
        count = 0
        while not stop.is_set():
            try:
                client, line = Client(port), 0
                waiting = {}
                while not stop.is_set():
                    texts = [f"{number}-{count + i}" for i in range(50)]
                    waiting.update({line + 1 + i: text for i, text in enumerate(texts)})
                    count, line = count + 50, line + 50
                    client.send(*texts)
                    for _ in texts:
                        word, n = client.answer().split()
                        assert word == "stored"
                        with lock:
                            stored.add(waiting.pop(int(n)))
                client.close()
            except (OSError, ValueError):
                time.sleep(0.05)  # killed: what was not answered is not counted

    talkers = [threading.Thread(target=talk, args=(i,), daemon=True) for i in range(4)]
    for t in talkers:
        t.start()
    dice = random.Random(7)
    for _ in range(6):
        before = len(stored)
        until(lambda: len(stored) > before + 10, what=lambda: f"no line is stored\n{e.log()[-2000:]}")
        time.sleep(dice.random() * 0.3)
        e.kill()
        e.start()
    until(lambda: len(stored) > before + 50, what=lambda: f"no line is stored\n{e.log()[-2000:]}")
    stop.set()
    for t in talkers:
        t.join(120)
    print(f"{len(stored)} lines were stored")
    sink.down = False
    end = time.monotonic() + 120
    while not stored <= set(sink.got) and time.monotonic() < end:
        time.sleep(0.1)
    missing = sorted(stored - set(sink.got))
    assert not missing, f"{len(missing)} of {len(stored)} are lost: {missing[:10]}"


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-v"]))
