# SPDX-License-Identifier: Apache-2.0
"""A running `catalyst serve` for tests: started with flags, asked over HTTP, stopped or killed.

    with Engine(catalyst, tmp_path, "--store", "memory:", workflows=[definition]) as engine:
        engine.get("/readyz")              health, metrics, state: (status, body)
        engine.call("POST", "/webhook/x")  webhooks: Answer

Ports are the system's choice and read from the log. The log is text; `log()` returns it whole.

Tests run beside others on small machines: they wait for what they have caused (`until`, `wait_log`,
`wait_done`), never for a time, and what must not end yet is held by a `Gate` until it is opened.
"""
import atexit
import http.client
import http.server
import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

LIMIT_S = 60  # nothing that comes at all takes that long, also on a machine with other work


def until(check, timeout_s=LIMIT_S, what="it did not come"):
    """Waits for check() to be true and returns what it gave. `what` says what did not come: a text, or
    a function that gives one."""
    end = time.monotonic() + timeout_s
    while not (found := check()):
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(0.02)
    return found


class Gate(http.server.ThreadingHTTPServer):
    """A server that answers nothing until it is opened: what a test needs under way stays under way
    however slow the machine is. `step` is a node that asks it; `wait(n)` waits until n asked.

        with Gate() as gate:
            engine(hook(nodes=[gate.step], wires=["Hook -> Held"]))
            ...
            gate.wait()
            gate.open()
    """
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                self.server.asked.append(self.path)
                self.server.is_open.wait()
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.is_open = [], threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def step(self):
        """Asked once again by an engine that takes the execution up after a crash."""
        return {"name": "Held", "type": "catalyst.code", "parameters": {"code": (
            f"http.request{{ url = 'http://127.0.0.1:{self.server_port}/', timeout = 600000 }}\n"
            "return {done = true}")}}

    def wait(self, n=1):
        until(lambda: len(self.asked) >= n, what=lambda: f"{len(self.asked)} of {n} asked the gate")

    def open(self):
        self.is_open.set()

    def handle_error(self, *_):
        """Who asked may be gone: killed engines are part of the tests."""

    def __exit__(self, *_):
        self.open()
        self.shutdown()
        self.server_close()


_started = []


@atexit.register
def _kill_the_rest():
    """A test that failed may not have come to the end of its engines."""
    for process in _started:
        if process.poll() is None:
            process.kill()
            process.wait()


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Engine:
    def __init__(self, binary, directory, *flags, workflows=(), env=None, name="engine",
                 ready=True):
        self.dir = Path(directory) / name
        self.dir.mkdir(parents=True, exist_ok=True)
        self.log_file = self.dir / "log.txt"
        self.ready = ready
        words = [str(binary), "serve", "--http-port", "0", "--admin-port", "0", "--log-format",
                 "text", *map(str, flags)]
        for i, workflow in enumerate(workflows):
            path = self.dir / f"workflow{i}.json"
            path.write_text(json.dumps(workflow))
            words += ["--workflows", str(path)]
        self.words = words
        self.env = {**os.environ, **(env or {})}
        self.process = None
        self.addresses = {}

    def start(self, timeout_s=LIMIT_S):
        self.addresses = {}  # those of an earlier run are nobody's now
        self.mark = self.log_file.stat().st_size if self.log_file.exists() else 0
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(self.words, cwd=self.dir, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=self.env)
        _started.append(self.process)
        if self.ready:
            try:
                self.wait_listening(timeout_s)
                self.wait_ready(timeout_s)
            except BaseException:
                self.kill()  # nobody else knows of it yet
                raise
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None and self.stop() is None:
            self.kill()

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        """What this run has said."""
        return self.log_file.read_bytes()[self.mark:].decode(errors="replace")

    def alive(self):
        assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log()}"

    def wait_log(self, pattern, timeout_s=LIMIT_S):
        """Waits for a line; returns the match."""
        end = time.monotonic() + timeout_s
        while True:
            found = re.search(pattern, self.log())
            if found:
                return found
            self.alive()
            assert time.monotonic() < end, f"no '{pattern}' in:\n{self.log()}"
            time.sleep(0.02)

    def wait_listening(self, timeout_s=LIMIT_S):
        line = self.wait_log(r"ready.*version .*\n", timeout_s)[0]
        for name, pattern in (("webhooks", r"webhooks https?://(\S+?:\d+)"),
                              ("health", r"health http://(\S+?:\d+)"),
                              ("kafka", r"embedded kafka (\S+:\d+)")):
            found = re.search(pattern, line)
            self.addresses[name] = found[1] if found else None

    def wait_ready(self, timeout_s=LIMIT_S):
        end = time.monotonic() + timeout_s
        while True:
            self.alive()
            status, body = self.get("/readyz")
            if status == 200:
                return
            assert time.monotonic() < end, f"not ready: {body}\n{self.log()[-3000:]}"
            time.sleep(0.02)

    def request(self, where, method, path, body=None, headers=None, timeout_s=2 * LIMIT_S):
        connection = http.client.HTTPConnection(self.addresses[where], timeout=timeout_s)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path):
        """(status, text); status 0: it does not answer."""
        try:
            answer = self.request("health", "GET", path, timeout_s=LIMIT_S / 2)
            return answer.status, answer.body.decode()
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)

    def metrics(self):
        """The whole page. An engine that lives gives it; no answer is no zero."""
        end = time.monotonic() + LIMIT_S
        while True:
            status, text = self.get("/metrics")
            if status == 200:
                return text
            self.alive()
            assert time.monotonic() < end, f"/metrics: {status} {text}\n{self.log()[-3000:]}"
            time.sleep(0.02)

    def call(self, method, path, body=None, headers=None):
        """A webhook; a body that is no text or bytes is sent as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
            headers.setdefault("content-type", "application/json")
        return self.request("webhooks", method, path, body, headers)

    def metric(self, name, **labels):
        """The sum of a metric's samples that have these labels."""
        total = 0.0
        for sample, value in re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", self.metrics(), re.M):
            if all(f'{key}="{wanted}"' in sample for key, wanted in labels.items()):
                total += float(value)
        return total

    def done(self, outcome=None):
        labels = {"outcome": outcome} if outcome else {}
        return int(self.metric("catalyst_executions_total", **labels))

    def wait_done(self, n, outcome=None, timeout_s=LIMIT_S):
        """Until n executions have ended (so), and not one more."""
        until(lambda: self.done(outcome) >= n, timeout_s,
              lambda: f"{self.done(outcome)} of {n} ended\n{self.log()[-3000:]}")
        assert self.done(outcome) == n

    def signal(self, signum):
        os.kill(self.pid, signum)

    def stop(self, timeout_s=LIMIT_S):
        """SIGTERM; the exit code, or None when it did not end in time."""
        self.process.terminate()
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait()
