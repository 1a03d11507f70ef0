# SPDX-License-Identifier: Apache-2.0
"""A running `catalyst serve` for tests: started with flags, asked over HTTP, stopped or killed.

    with Engine(catalyst, tmp_path, "--store", "memory:", workflows=[definition]) as engine:
        engine.get("/readyz")              health, metrics, state: (status, body)
        engine.call("POST", "/webhook/x")  webhooks: Answer

Ports are the system's choice and read from the log. The log is text; `log()` returns it whole.
"""
import http.client
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path


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

    def start(self, timeout_s=30):
        self.mark = self.log_file.stat().st_size if self.log_file.exists() else 0
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(self.words, cwd=self.dir, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=self.env)
        if self.ready:
            self.wait_listening(timeout_s)
            self.wait_ready(timeout_s)
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill() if self.process.poll() is None and self.stop() is None else None

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        """What this run has said."""
        return self.log_file.read_bytes()[self.mark:].decode(errors="replace")

    def alive(self):
        assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log()}"

    def wait_log(self, pattern, timeout_s=30):
        """Waits for a line; returns the match."""
        end = time.monotonic() + timeout_s
        while True:
            found = re.search(pattern, self.log())
            if found:
                return found
            self.alive()
            assert time.monotonic() < end, f"no '{pattern}' in:\n{self.log()}"
            time.sleep(0.02)

    def wait_listening(self, timeout_s=30):
        line = self.wait_log(r"ready.*version .*\n", timeout_s)[0]
        for name, pattern in (("webhooks", r"webhooks https?://(\S+?:\d+)"),
                              ("health", r"health http://(\S+?:\d+)"),
                              ("kafka", r"embedded kafka (\S+:\d+)")):
            found = re.search(pattern, line)
            self.addresses[name] = found[1] if found else None

    def wait_ready(self, timeout_s=30):
        end = time.monotonic() + timeout_s
        while True:
            self.alive()
            status, body = self.get("/readyz")
            if status == 200:
                return
            assert time.monotonic() < end, f"not ready: {body}\n{self.log()[-3000:]}"
            time.sleep(0.02)

    def request(self, where, method, path, body=None, headers=None, timeout_s=20):
        connection = http.client.HTTPConnection(self.addresses[where], timeout=timeout_s)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path):
        try:
            answer = self.request("health", "GET", path, timeout_s=5)
            return answer.status, answer.body.decode()
        except OSError as error:
            return 0, str(error)

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
        for sample, value in re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", self.get("/metrics")[1],
                                        re.M):
            if all(f'{key}="{wanted}"' in sample for key, wanted in labels.items()):
                total += float(value)
        return total

    def done(self, outcome=None):
        labels = {"outcome": outcome} if outcome else {}
        return int(self.metric("catalyst_executions_total", **labels))

    def signal(self, signum):
        os.kill(self.pid, signum)

    def stop(self, timeout_s=30):
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
