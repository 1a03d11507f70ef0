# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks know of the engine: its command line, its metrics, its readiness. When those
change, this file changes and the loads do not."""
import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import servers

DONE_METRIC = "catalyst_executions_total"


def command(binary, workflow, store, kafka, workers, http_port, admin_port):
    """`catalyst serve` for one workflow."""
    words = [binary, "serve", "--workflows", workflow, "--store", store, "--workers", workers,
             "--http-port", http_port, "--admin-port", admin_port]
    if kafka:
        words += ["--kafka", kafka]
    return [str(word) for word in words]


class Engine:
    """A running engine with a copy of a workflow: `replace` puts topics and a consumer group into
    its text, `durability` into its settings. `webhook` is the address of webhooks."""

    def __init__(self, directory, binary, workflow, replace, durability, store, kafka=None,
                 workers=1):
        self.dir = Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        http_port, admin_port = servers.free_port(), servers.free_port()
        self.webhook = f"http://127.0.0.1:{http_port}/webhook"
        self.admin = f"http://127.0.0.1:{admin_port}"
        self.log = self.dir / "log.txt"
        text = Path(workflow).read_text()
        for old, new in replace.items():
            text = text.replace(old, new)
        definition = json.loads(text)
        definition.setdefault("settings", {})["durability"] = durability
        self.nodes = len(definition["nodes"])
        copy = self.dir / Path(workflow).name
        copy.write_text(json.dumps(definition))
        words = command(binary, copy, store, kafka, workers, http_port, admin_port)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(words, cwd=self.dir, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.pid = self.process.pid

    def get(self, path):
        """(status, body); status 0 when nobody listens."""
        try:
            with urllib.request.urlopen(self.admin + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def alive(self):
        if self.process.poll() is not None:
            raise servers.Failed(f"the engine ended with {self.process.returncode}; its log:\n"
                                 f"{servers.tail(self.log)}")

    def wait_ready(self, timeout_s=30):
        end = time.monotonic() + timeout_s
        while True:
            self.alive()
            status, body = self.get("/readyz")
            if status == 200:
                return self
            if time.monotonic() > end:
                raise servers.Failed(f"the engine is not ready after {timeout_s} s: {body}\n"
                                     f"{servers.tail(self.log)}")
            time.sleep(0.02)

    def done(self):
        """{outcome: executions ended}, over all workflows."""
        _, text = self.get("/metrics")
        outcomes = {}
        for labels, value in re.findall(rf"^{DONE_METRIC}\{{(.*)\}} (\S+)", text, re.M):
            outcome = re.search(r'outcome="([^"]*)"', labels)
            name = outcome[1] if outcome else "all"
            outcomes[name] = outcomes.get(name, 0) + int(float(value))
        return outcomes

    def stop(self):
        """SIGTERM drains; what does not end in 20 s is killed."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode
