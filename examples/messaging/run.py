#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The messaging plane at work: starts it, sends messages of a few tenants, waits for their ends, shows what
became of them and checks that all of it adds up. `run.sh` beside it installs and builds first.

    run.py [--build DIR] [--messages N] [--seed N] [--keep] [--real]

--keep   leaves it running until Ctrl-C, to look around
--real   Apache Kafka, PostgreSQL and Redis instead of what is embedded; private ones, stopped at the end

Exit code 1: a number does not add up, or something did not come to its end. 77: a server is missing.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import kafka_wire  # noqa: E402
import servers  # noqa: E402
from plane import WORKFLOWS, Failed, Plane  # noqa: E402
from report import SETTLING, Postgres, Report, Sqlite, euro, topic  # noqa: E402
from traffic import DENIED_NUMBER, PRICES, SINK_FLAGS, TENANTS, TOPIC, Traffic  # noqa: E402

STUCK_S = 30  # without any progress
DENY_KEY = "firewall:blacklist"


def step(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


class World:
    """What the plane runs on: nothing but files, or real servers."""

    def __init__(self, directory, is_real):
        self.dir, self.is_real = directory, is_real
        self.kafka = self.postgres = self.redis = None
        (directory / "denied.txt").write_text("+4930000000\n")

    def start(self, build):
        """Real servers get their topics and tables by `catalyst init-platform`, as anybody's would."""
        if not self.is_real:
            return
        servers.tie(self.dir, os.getpid(), remove=True)  # they stop however this process ends
        servers.start_all(("kafka", "postgres", "redis"), self.dir)
        self.kafka, self.postgres, self.redis = servers_by_kind(self.dir)
        command = [build / "bin" / "catalyst", "init-platform", "--kafka", self.kafka.url(), "--store",
                   self.postgres.url(), "--partitions", "4"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Failed(f"catalyst init-platform: {done.stdout}")
        for name in consumed_topics():
            kafka_wire.create_topic(self.kafka.url(), name, 4, exist_ok=True)

    def plane(self, build):
        settings = dict(sink_flags=SINK_FLAGS, edit=self.edit)
        if self.is_real:
            settings.update(kafka=self.kafka.url(), store=self.postgres.url(), credentials={
                "cache": {"type": "redis", "data": {"host": "127.0.0.1", "port": str(self.redis.port)}}})
        return Plane(build, self.dir / "plane", **settings)

    def edit(self, definition):
        """The shipped workflow as it is; where there is no Redis its firewall has the deny list in a file."""
        for node in definition["nodes"]:
            if node["type"] == "catalyst.firewall" and not self.is_real:
                node["parameters"]["deny"] = {"file": str(self.dir / "denied.txt")}

    def deny(self, number):
        if self.is_real:
            digits = number.lstrip("+")
            self.redis.ask("ZADD", DENY_KEY, "0", digits)
            self.redis.ask("XADD", DENY_KEY + ":changes", "*", "op", "add", "number", digits)
            return f"redis-cli -p {self.redis.port} ZADD {DENY_KEY} 0 {digits}"
        path = self.dir / "denied.txt"
        path.write_text(path.read_text() + number + "\n")
        return f"echo {number} >> {path}"

    def store(self):
        if self.is_real:
            return Postgres(self.postgres)
        return Sqlite(self.dir / "plane" / "catalyst.db")

    def sql_hint(self):
        if self.is_real:
            return f"psql {self.postgres.url()}"
        return f"sqlite3 {self.dir}/plane/catalyst.db     (Debian's package sqlite3)"

    def stop(self):
        servers.stop_under(self.dir)


def consumed_topics():
    """What the workflows listen to; a broker does not make a topic because somebody listens."""
    for name in WORKFLOWS:
        for node in json.loads((ROOT / "workflows" / f"{name}.json").read_text())["nodes"]:
            if node["type"] == "catalyst.kafkaTrigger":
                yield node["parameters"]["topic"]


def servers_by_kind(directory):
    found = {server.kind: server for server in servers.found_under(directory)}
    return found["kafka"], found["postgres"], found["redis"]


def set_up(plane, options):
    """The messages are made after the prices: what was accepted before a price began has none."""
    plane.price("default", "EUR", [{"channel": "sms", "prefix": prefix, "price_micro": micro}
                                   for prefix, micro in PRICES.items()])
    traffic = Traffic(options.messages, options.seed)
    for tenant in TENANTS:
        if tenant.funds is None:
            continue
        cost = sum(m.price for m in traffic.messages if m.tenant == tenant.name)
        limit, funds = cost * tenant.limit // 100, cost * tenant.funds // 100
        settings = {"currency": "EUR", "mode": "postpaid" if limit else "prepaid",
                    "credit_limit_micro": limit}
        if tenant.point == "delivery":
            settings["charge_points"] = "sms=delivery"
        plane.tenant(tenant.name, **settings)
        if funds:
            plane.top_up(tenant.name, funds, key="first")
        print(f"  {tenant.name:8} {euro(funds):>8} EUR, credit limit {euro(limit):>6}   {tenant.what}")
    return traffic


def produce(plane, messages):
    subprocess.run(["kcat", "-b", plane.brokers, "-t", TOPIC, "-P", "-K", "|"], text=True, check=True,
                   input="".join(m.line() for m in messages), timeout=120)


def deny_under_way(world, plane, store, traffic, sent):
    """A number is denied while messages flow: the first to it is delivered, a later one is blocked."""
    began, outcome, line = time.monotonic(), None, None
    while outcome != "reject":
        if time.monotonic() - began > STUCK_S:
            raise Failed(f"{DENIED_NUMBER} was denied and is still served")
        probe = traffic.probe()
        sent.append(probe)
        produce(plane, [probe])
        name = json.loads(probe.body)["id"]
        outcome = until(lambda: outcome_of(store, name), f"an outcome of {name}")
        if line is None:
            line = world.deny(DENIED_NUMBER)
            print(f"  {line}")
        time.sleep(0.3)
    print(f"  {DENIED_NUMBER} was served before, and is blocked now, without a restart")


def outcome_of(store, name):
    rows = store.rows(f"SELECT outcome FROM messages_log WHERE id = '{name}'")
    return rows[0]["outcome"] if rows else None


def until(ask, what):
    end = time.monotonic() + STUCK_S
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failed(f"{what}: nothing after {STUCK_S} s")
        time.sleep(0.1)


def wait_settled(plane, store, sent):
    """Every message has its outcome, no receipt is awaited, nothing is held."""
    wanted, last, changed, shown = len(sent), None, time.monotonic(), 0
    while True:
        row = store.rows(SETTLING)[0]
        now = (row["known"], row["away"], int(row["held"]))
        if now != last:
            last, changed = now, time.monotonic()
        done = now == (wanted, 0, 0)
        if done or time.monotonic() - shown > (0.3 if sys.stdout.isatty() else 3):
            shown = time.monotonic()
            end = "\r" if sys.stdout.isatty() and not done else "\n"
            print(f"  {now[0]:6} of {wanted} have an outcome, {now[1]:5} await their receipt, "
                  f"{euro(now[2]):>8} EUR are held  ", end=end, flush=True)
        if done:
            return
        if time.monotonic() - changed > STUCK_S or plane.engine.poll() is not None:
            raise Failed("it does not come to its end; the engine says:\n" + servers.tail(plane.log, 10))
        time.sleep(0.1)


def settled_report(plane, store, sent):
    """What leaves with a commit, alerts and answers to the SMSC, is seen a moment after the rows."""
    end = time.monotonic() + STUCK_S
    while True:
        report = Report(store, sent, topic(plane.brokers, "firewall.alerts"), plane.sink.counters())
        good = report.check_all()
        if good or time.monotonic() > end:
            return report, good
        time.sleep(0.5)


def hints(world, plane):
    print(f"""  SQL            {world.sql_hint()}
                 SELECT * FROM messages_current WHERE id = 'm7';
                 SELECT * FROM billing_balances;
                 SELECT account, sum(micro) FROM billing_postings GROUP BY account;
  topics         kcat -b {plane.brokers} -t firewall.alerts -C -o beginning -e
                 also billing.events, messaging.sms.status, {TOPIC}
  one of yours   echo '{{"v":1,"id":"mine","tenant_id":"acme","channel":"sms","from":"ME","to":"+4915112345650",
                 "text":"hello","ts_us":{int(time.time() * 1e6)}}}' | tr -d '\\n' | kcat -b {plane.brokers} -t {TOPIC} -P
  metrics        curl {plane.health}/metrics
  executions     {plane.build}/bin/catalyst executions list --limit 5 --store {plane.store}
  the engine     {plane.log}
  pages          workflows/README.md, plugins/{{smpp,firewall,billing,messages}}/README.md""")


def show(report, world, plane, seconds):
    step("5. What became of them")
    print(report.table())
    print("\nWhy:")
    print(report.why())
    print(f"\nAlerts on firewall.alerts: {len(report.alerts)}: {report.alerts_by_rule()}")
    print("The ledger's accounts sum up to " +
          ", ".join(f"{euro(micro)} {currency}" for currency, micro in report.zero.items()))
    print(f"{len(report.sent)} messages in {seconds:.1f} s, all of them through "
          f"{'Kafka, PostgreSQL and Redis' if world.is_real else 'one process with an embedded broker and one file'}")


def play(world, build, options):
    step("1. Start: SMSC sink, engine, workflows sms-outbound, sms-receipts, billing-admin")
    world.start(build)
    with world.plane(build) as plane:
        store = world.store()
        print(f"  broker {plane.brokers}, store {plane.store}, metrics {plane.health}/metrics")
        step("2. Prices and tenants, by the webhooks of billing-admin")
        traffic = set_up(plane, options)
        began, half, sent = time.monotonic(), len(traffic.messages) // 2, list(traffic.messages)
        step(f"3. {len(sent)} messages go to {TOPIC}; half way a number is denied")
        produce(plane, sent[:half])
        deny_under_way(world, plane, store, traffic, sent)
        produce(plane, traffic.messages[half:])
        step("4. Until all is settled")
        wait_settled(plane, store, sent)
        seconds = time.monotonic() - began
        report, good = settled_report(plane, store, sent)
        show(report, world, plane, seconds)
        step("6. It adds up" if good else "6. It does NOT add up")
        for line in report.wrong[:20]:
            print(f"  {line}")
        if options.keep:
            step("Where to look; Ctrl-C ends it")
            hints(world, plane)
            wait_for_end(plane)
        else:
            print("  with --keep it stays, and tells where to look: SQL, topics, metrics")
    return 0 if good else 1


def wait_for_end(plane):
    try:
        plane.engine.wait()
    except KeyboardInterrupt:
        print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build" / "release", type=Path)
    parser.add_argument("--messages", default=3000, type=int)
    parser.add_argument("--seed", default=1, type=int)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--real", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not shutil.which("kcat"):
        print("SKIPPED: no kcat; install Debian's kcat")
        return 77
    directory = Path(servers.fresh_dir())
    world = World(directory, options.real)
    try:
        return play(world, options.build.resolve(), options)
    except servers.Missing as reason:
        print(f"SKIPPED: {reason}")
        return 77
    except (Failed, servers.Failed, subprocess.SubprocessError) as why:
        print(f"\nrun: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        world.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
