# SPDX-License-Identifier: Apache-2.0
"""The messaging plane as one thing to start and to ask: SMSC sink, engine, workflows, tenants, prices.

The example, the scenario test and the benchmark use it. By default nothing else is needed: an embedded
broker, a file for a store, lists from files. Given addresses, it takes real servers instead.

    with Plane(build, directory) as plane:
        plane.price("default", "EUR", [{"channel": "sms", "prefix": "", "price_micro": 50000}])
        plane.tenant("acme", currency="EUR", card="default")
        plane.top_up("acme", 10_000_000)
        ...
"""
import json
import os
import re
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ("sms-outbound", "sms-receipts", "billing-admin")
START_S = 60


class Failed(Exception):
    pass


class Sink:
    """The SMSC: takes everything, sends receipts; `flags` as smsc_sink --help tells."""

    def __init__(self, build, directory, *flags):
        self.log = Path(directory) / "smsc.json"
        words = [build / "examples" / "smsc_sink", "--listen", "127.0.0.1:0", "--account", "acme:secret",
                 *flags]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.port = int(json.loads(self._line(0))["listening"].rpartition(":")[2])

    def _line(self, number):
        end = time.monotonic() + START_S
        while True:
            lines = self.log.read_text().splitlines()
            if len(lines) > number:
                return lines[number]
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failed(f"smsc_sink ended or says nothing:\n{self.log.read_text()}")
            time.sleep(0.01)

    def counters(self):
        number = len(self.log.read_text().splitlines())
        os.kill(self.process.pid, signal.SIGUSR1)
        return json.loads(self._line(number))

    def stop(self):
        self.process.terminate()
        self.process.wait()


def without_lists(definition):
    """Firewalls that have no Redis to read deny lists from."""
    for node in definition["nodes"]:
        if node["type"] == "catalyst.firewall":
            node["parameters"].pop("deny", None)
            node.pop("credentials", None)


class Plane:
    def __init__(self, build, directory, workers=1, kafka=None, store=None, rules=None,
                 workflows=WORKFLOWS, sink_flags=(), smpp=None, settings=(), replace=None, edit=None,
                 credentials=None):
        """`replace` are texts in the workflow files, `edit` a function that may change a definition,
        `credentials` more of them; with one of Redis as `cache` the firewall reads its deny lists there."""
        self.build, self.dir = Path(build).resolve(), Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.store = store or f"sqlite:{self.dir / 'catalyst.db'}"
        self.kafka, self.workers, self.key = kafka, workers, secrets.token_hex(16)
        self.rules, self.workflows, self.sink_flags = rules, workflows, sink_flags
        self.smpp, self.settings, self.replace = smpp or {}, settings, replace or {}
        self.edit, self.credentials = edit, credentials or {}
        self.engine = self.sink = None
        self.log = self.dir / "engine.log"

    # --- life ---

    def __enter__(self):
        self.sink = Sink(self.build, self.dir, *self.sink_flags)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        self.sink.stop()

    def _files(self):
        credentials = {
            "carrier": {"type": "smpp", "data": {
                "host": "127.0.0.1", "port": str(self.sink.port), "systemId": "acme",
                "password": "secret", **self.smpp}},
            "billing-admin": {"type": "httpHeaderAuth", "data": {
                "name": "x-api-key", "value": self.key}}, **self.credentials}
        path = self.dir / "credentials.json"
        path.write_text(json.dumps(credentials))
        rules = self.rules or (ROOT / "examples" / "messaging" / "firewall.json").read_text()
        (self.dir / "firewall.json").write_text(rules)
        files = []
        for name in self.workflows:
            text = (ROOT / "workflows" / f"{name}.json").read_text()
            for old, new in self.replace.items():
                text = text.replace(old, new)
            files.append(self.dir / f"{name}.json")
            definition = json.loads(text)
            if "cache" not in credentials:
                without_lists(definition)
            if self.edit:
                self.edit(definition)
            files[-1].write_text(json.dumps(definition))
        return path, files

    def command(self):
        """What runs an engine of this plane: the files are written anew."""
        credentials, files = self._files()
        words = [self.build / "bin" / "catalyst", "serve", "--store", self.store, "--kafka",
                 self.kafka or "embedded", "--credentials", credentials, "--workers", self.workers,
                 "--http-port", "0", "--admin-port", "0", "--log-format", "text", *self.settings]
        for file in files:
            words += ["--workflows", file]
        return [str(word) for word in words]

    def start(self):
        """The engine; again after kill()."""
        words = self.command()
        mark = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.engine = subprocess.Popen(words, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log)
        end = time.monotonic() + START_S
        while True:
            said = self.log.read_bytes()[mark:].decode(errors="replace")
            line = re.search(r"ready.*version .*\n", said)
            if line and self._addresses(line[0]) and self._get(self.health + "/readyz")[0] == 200:
                return
            if self.engine.poll() is not None or time.monotonic() > end:
                raise Failed(f"the engine ended or is not ready:\n{said[-3000:]}")
            time.sleep(0.05)

    def _addresses(self, line):
        self.http = "http://" + re.search(r"webhooks https?://(\S+?:\d+)", line)[1]
        self.health = "http://" + re.search(r"health http://(\S+?:\d+)", line)[1]
        embedded = re.search(r"embedded kafka (\S+:\d+)", line)
        self.brokers = embedded[1] if embedded else self.kafka
        return True

    def stop(self):
        if self.engine and self.engine.poll() is None:
            self.engine.terminate()
            try:
                self.engine.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        self.engine.kill()
        self.engine.wait()

    # --- asking ---

    @staticmethod
    def _get(url, body=None, headers=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data, {"content-type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def ask(self, path, body=None):
        """billing-admin: the answer, which must be good."""
        status, text = self._get(f"{self.http}/webhook/billing/{path}", body, {"x-api-key": self.key})
        if status != 200:
            raise Failed(f"billing/{path}: {status} {text}")
        return json.loads(text)

    def tenant(self, name, **settings):
        return self.ask("tenant", {"tenant_id": name, "settings": settings})

    def top_up(self, name, amount_micro, key=None):
        return self.ask("topup", {"tenant_id": name, "amount_micro": amount_micro,
                                  "key": key or secrets.token_hex(8)})

    def price(self, card, currency, rows):
        """Also until the workers go by it, which look once a second: what comes before has no price."""
        loads = self._loads()
        answer = self.ask("rates", {"card": card, "currency": currency, "rows": rows})
        end = time.monotonic() + START_S
        while answer.get("op") != "refused" and self._loads() == loads and time.monotonic() < end:
            time.sleep(0.05)
        if self.workers > 1:
            time.sleep(2)  # one of them has said so
        return answer

    def _loads(self):
        return self.log.read_text(errors="replace").count("billing.rates: ")

    def balance(self, name):
        return self.ask(f"balance/{name}")

    def metric(self, name, **labels):
        """The sum of a metric's samples that have these labels."""
        total = 0.0
        for sample, value in re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$",
                                        self._get(self.health + "/metrics")[1], re.M):
            if all(f'{key}="{wanted}"' in sample for key, wanted in labels.items()):
                total += float(value)
        return total
