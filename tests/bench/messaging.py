# SPDX-License-Identifier: Apache-2.0
"""The load `messaging`: the whole plane on real Kafka and PostgreSQL with a fast SMSC sink, all on the
same cores. A message goes in, past the firewall with 10,000 content rules, is rated, reserved, sent
over SMPP and settled; its receipt finds it and moves its state; every step has its events and rows.

`messaging` fills the topic first and counts messages whose receipt is through (state delivered) a
second; `messaging-latency` paces a producer and takes the time from a message's ts_us to its delivered
event."""
import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import servers
from loads import Absent, follow, per_message, record_of, cpu_s, cpu_family_s

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "messaging"))
import plane  # noqa: E402

TENANTS, RULES, WARM_S = 1000, 10000, 8
DELIVERED = '"state":"delivered"'
# The rules are compiled once, by the engine that sets the tenants up.
RULES_KEPT = {'"throttle": "block"': '"throttle": "block", "options": {"cacheFolder": "."}'}

# By a word of the statement; statements inside triggers are counted in the one that fires them.
PARTS = {"ledger, two lines, with the balances they move": 'INTO "billing_transactions"',
         "messages_log": 'INTO "messages_log"', "messages_status": 'INTO "messages_status"',
         "executions that wait": "execution", "blocks of the journal": "INTO block",
         "positions, compare-and-set": "catalyst_fence", "slices and rates": "billing_"}
STATEMENTS = ("SELECT replace(query, chr(10), ' '), total_exec_time FROM pg_stat_statements "
              "WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND toplevel")


def rules():
    """Content rules as they are in the field: mostly words, some links, none of which the load's own
    messages hold."""
    dice = random.Random(7)
    words = ["prize", "casino", "loan", "bitcoin", "winner", "parcel", "refund", "urgent", "viagra", "tax"]
    found = []
    for i in range(RULES):
        if i % 5 == 4:
            when = {"regex": f"https?://[a-z0-9.-]*{dice.choice(words)}{i}\\.(com|top|xyz)/"}
        else:
            when = {"words": [f"{dice.choice(words)} {dice.choice(words)} {i}"]}
        found.append({"id": f"c{i}", "action": "reject", "code": "blocked", "reason": "content", "when": when})
    return json.dumps({"format": 1, "rules": found})


class Run(plane.Plane):
    """The plane on the bench's servers, with topics of its own."""

    def __init__(self, bench):
        self.bench, self.name = bench, bench.name("plane")
        name = self.name
        self.topics = {f"messaging.sms.{end}": f"{name}.{end}"
                       for end in ("outbound", "status", "inbound", "released")}
        self.topics.update({topic: f"{name}.{topic}" for topic in ("billing.events", "firewall.alerts")})
        for topic in self.topics.values():
            bench.kafka.create_topic(topic, bench.options.partitions)
        super().__init__(bench.build, bench.dir / name, workers=bench.options.workers,
                         kafka=bench.kafka.url(), store=bench.postgres.create_database(name),
                         rules=rules(), sink_flags=("--receipt-delay", "50"), smpp={"window": "1000"},
                         replace={**self.topics, "catalyst-sms-outbound": name, **RULES_KEPT})

    def topic(self, name):
        return self.topics[name]

    def fund(self):
        """Prices, tenants with money, and the rules in their cache."""
        self.price("default", "EUR", [{"channel": "sms", "prefix": "", "price_micro": 50000},
                                      {"channel": "sms", "prefix": "254", "price_micro": 21000}])
        for number in range(TENANTS):
            self.tenant(f"t-{number:04}", currency="EUR")
            self.top_up(f"t-{number:04}", 10 ** 12)
        end = time.monotonic() + 120
        while not self.metric("catalyst_firewall_rules"):
            if time.monotonic() > end:
                raise servers.Failed(f"the rules are not compiled:\n{servers.tail(self.log)}")
            time.sleep(0.1)

    def cpu(self):
        return {"engine": cpu_s(self.engine.pid), "smsc": cpu_s(self.sink.process.pid),
                "broker": cpu_s(self.bench.kafka.pid), "postgres": cpu_family_s(self.bench.postgres.pid)}

    def nodes(self):
        """Of the two workflows a message goes through."""
        return sum(len(json.loads((plane.ROOT / "workflows" / f"{name}.json").read_text())["nodes"])
                   for name in ("sms-outbound", "sms-receipts"))

    def where(self, messages):
        """Time inside the engine's nodes and the database's statements, us a message by the clock."""
        samples = re.findall(r'^catalyst_node_busy_seconds_total\{(.*)\} (\S+)$',
                             self._get(self.health + "/metrics")[1], re.M)
        nodes = {}
        for labels, seconds in samples:
            name = "node " + " / ".join(re.findall(r'"(sms-[^"]*|[A-Z][^"]*)"', labels))
            nodes[name] = nodes.get(name, 0) + float(seconds) * 1e6 / messages
        asked = self.bench.postgres.psql(STATEMENTS, database=self.name).stdout.splitlines()
        tables = {}
        for text, ms in (row.rsplit("|", 1) for row in asked):
            part = next((part for part, words in PARTS.items() if words in text), "all other statements")
            tables[part] = tables.get(part, 0) + float(ms) * 1000 / messages
        return {"engine": {name: us for name, us in nodes.items() if "sms-" in name}, "postgres": tables}

    def forget(self):
        """The next run finds the servers as the first did."""
        self.bench.postgres.drop_database(self.name)
        for topic in self.topics.values():
            self.bench.kafka.delete_topic(topic)


def messaging(bench, load):
    count = min(bench.options.messages, 400000)
    with Run(bench) as run:
        try:
            run.fund()
            run.stop()
            filled = bench.run_json(bench.program("pipe_load"), "fill", "--brokers", bench.kafka.url(),
                                    "--topic", run.topic("messaging.sms.outbound"), "--count", count,
                                    "--mix", bench.options.mix)
            if bench.options.where:
                bench.postgres.psql("CREATE EXTENSION pg_stat_statements; SELECT pg_stat_statements_reset()",
                                    database=run.name)
            run.start()
            wanted = filled["messages"] - filled["malformed"] - filled["duplicates"]
            before = run.cpu()
            first, last = follow_delivered(run, wanted, bench.options.timeout)
            cpu = per_message(before, run.cpu(), wanted)
            result = record_of(load, "exactly_once", run.nodes(), first, last, cpu)
            if bench.options.where:
                result["where_us"] = run.where(wanted)
            result["smsc"] = {k: run.sink.counters()[k] for k in ("submits", "receipts_taken")}
        finally:
            run.stop()
        run.forget()
    return result


def follow_delivered(run, wanted, timeout_s):
    class Alive:
        log = run.log

        @staticmethod
        def alive():
            if run.engine.poll() is not None:
                raise servers.Failed(f"the engine ended; its log:\n{servers.tail(run.log)}")
    moved = lambda: int(run.metric("catalyst_messages_moved_total"))  # noqa: E731
    return follow(Alive, moved, wanted, timeout_s)


def messaging_latency(bench, load, rate):
    with Run(bench) as run:
        try:
            run.fund()
            drain = subprocess.Popen(
                [bench.program("pipe_load"), "drain", "--brokers", bench.kafka.url(), "--topic",
                 run.topic("messaging.sms.status"), "--quiet-ms", "8000", "--warm-ms", str(WARM_S * 1000),
                 "--only", DELIVERED, "--time-field", "msg_ts_us"], stdout=subprocess.PIPE, text=True)
            before, nodes = run.cpu(), run.nodes()
            sent = bench.run_json(bench.program("pipe_load"), "pace", "--brokers", bench.kafka.url(),
                                  "--topic", run.topic("messaging.sms.outbound"), "--rate", int(rate),
                                  "--mix", "clean", "--seconds", WARM_S + bench.options.seconds)
            cpu = per_message(before, run.cpu(), sent["messages"])
            seen = json.loads(drain.communicate(timeout=180)[0])
        finally:
            run.stop()
        run.forget()
    return {"load": load, "durability": "exactly_once", "nodes": nodes, "messages": seen["messages"],
            "missing": sent["messages"] - seen["messages"], "per_s": sent["per_s"],
            "p50_ms": seen["p50_ms"], "p99_ms": seen["p99_ms"], "max_ms": seen["max_ms"], "cpu_us": cpu}
