# SPDX-License-Identifier: Apache-2.0
"""The messaging plane on real Kafka and PostgreSQL, killed with -9 under way, and with engines that come
and go: no message is sent twice, none is lost, none is charged twice, and the ledger holds.

Each message has a number of its own, so the SMSC's log tells what was sent how often. A message that was
on the wire when the engine died may or may not have reached the SMSC: its outcome is `unknown`, and its
price stays held until the hold ends."""
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "messaging"))
import kcat  # noqa: E402
from pipes import QUICK, until  # noqa: E402
from plane import WORKFLOWS, Plane  # noqa: E402
from report import Postgres  # noqa: E402
from traffic import fate_of  # noqa: E402

SEED = int(os.environ.get("CATALYST_TEST_SEED", random.SystemRandom().randrange(1 << 30)))
COUNT, A_SECOND, PRICE = 3000, 300, 70_000
TENANTS = {"acme": "submit", "bank": "delivery", "shop": "submit", "broke": "submit", "ghost": None}
OUTCOMES = {"accepted", "rejected", "unknown", "denied"}
ENDS = {"delivered", "failed", "expired"}
# The SMSC answers late, so that something is on the wire when the engine dies.
SINK = ("--failed", "5", "--expired", "2", "--on", "99=refuse:11", "--receipt-delay", "100",
        "--receipt-jitter", "400", "--delay", "40", "--jitter", "30")
ACCOUNT = {"window": "100", "responseSeconds": "5"}


class Drill(Plane):
    """The shipped workflows on shared servers, under names of their own."""

    def __init__(self, build, directory, kafka, postgres, name):
        self.name, self.server, self.sent = name, kafka, {}
        self.topics = [f"{name}.{end}" for end in ("outbound", "released", "status", "inbound",
                                                   "billing.events", "firewall.alerts")]
        for topic in self.topics:
            kafka.create_topic(topic, 4)
        url = postgres.create_database(name)
        self.smsc_log = Path(directory) / "smsc.log"
        super().__init__(build, directory, workers=2, workflows=(*WORKFLOWS, "billing-upkeep"), kafka=kafka.url(), store=url,
                         sink_flags=(*SINK, "--log", self.smsc_log), smpp=ACCOUNT, edit=self.edit,
                         replace={"messaging.sms.": f"{name}.", "billing.events": f"{name}.billing.events",
                                  "firewall.alerts": f"{name}.firewall.alerts",
                                  "catalyst-sms-": f"{name}-"})
        self.base = Postgres(postgres)
        self.psql = lambda sql: postgres.psql(sql, database=name).stdout.strip()

    def edit(self, definition):
        """Consumers notice a death soon; of the upkeep only old holds are given back, every second."""
        if definition["id"] == "billing-upkeep":
            wanted = ("Every minute", "Old holds")
            definition["nodes"] = [node for node in definition["nodes"] if node["name"] in wanted]
            definition["connections"] = {wanted[0]: definition["connections"][wanted[0]]}
            definition["nodes"][0]["parameters"] = {"rule": {"interval": [{"field": "seconds"}]}}
        for node in definition["nodes"]:
            if node["type"] == "catalyst.kafkaTrigger":
                node["parameters"].setdefault("options", {})["properties"] = QUICK

    def number(self, sql):
        return int(self.psql(sql) or 0)

    def outcomes(self):
        return dict(row.split("|") for row in self.psql("SELECT id, outcome FROM messages_log").splitlines())

    def submitted(self):
        """Numbers that the SMSC took, as often as it did."""
        self.sink.counters()  # has it write its log
        return Counter(line.split()[3] for line in self.smsc_log.read_text().splitlines())


@pytest.fixture
def drill(catalyst, kafka, postgres, unique, tmp_path):
    if not (catalyst.parents[1] / "examples" / "smsc_sink").exists():
        pytest.skip("smsc_sink: not built")
    with Drill(catalyst.parents[1], tmp_path, kafka, postgres, unique("plane")) as one:
        print(f"seed {SEED}")
        yield one
        one.stop()
        for topic in one.topics:
            kafka.delete_topic(topic)


def set_up(drill):
    drill.price("default", "EUR", [{"channel": "sms", "prefix": "", "price_micro": PRICE}])
    for name, point in TENANTS.items():
        if point:
            drill.tenant(name, currency="EUR", charge_points=f"sms={point}",
                         credit_limit_micro=COUNT * PRICE if name == "shop" else 0)
    drill.top_up("acme", COUNT * PRICE)
    drill.top_up("bank", COUNT * PRICE)
    drill.top_up("broke", 40 * PRICE)


def produce(drill):
    """A part every tenth of a second, whether the engine lives or not."""
    dice, names, lines = random.Random(SEED), list(TENANTS), []
    for n in range(COUNT):
        to = f"+49151{n:05}{dice.randrange(100):02}"
        drill.sent[f"m{n}"] = (names[n % len(names)], to)
        lines.append(f'{to}|{{"v":1,"id":"m{n}","ts_us":{int(time.time() * 1e6)},"channel":"sms",'
                     f'"tenant_id":"{names[n % len(names)]}","from":"ACME","to":"{to}","text":"hello"}}')

    def go():
        for at in range(0, COUNT, A_SECOND // 10):
            kcat.produce(drill.server.url(), f"{drill.name}.outbound", lines[at:at + A_SECOND // 10], "-K", "|")
            time.sleep(0.1)
    thread = threading.Thread(target=go)
    thread.start()
    return thread


def check_ledger(drill):
    """What holds at every committed point."""
    assert drill.psql("SELECT currency, sum(micro) FROM billing_postings GROUP BY 1 HAVING sum(micro) <> 0") == ""
    assert drill.psql("SELECT * FROM billing_balances WHERE avail_micro + held_micro + spent_micro "
                      "<> topups_micro OR avail_micro + credit_limit_micro < 0") == ""
    assert drill.psql("SELECT tenant_id, idempotency_key FROM billing_transactions GROUP BY 1, 2 "
                      "HAVING count(*) > 1") == ""


def check_messages(drill):
    """One outcome each; none sent twice; what has a receipt has come to its end."""
    rows = [row.split("|") for row in drill.psql(
        "SELECT id, recipient, outcome, state, reason FROM messages_current").splitlines()]
    assert Counter(row[0] for row in rows) == Counter(dict.fromkeys(drill.sent, 1)), f"seed {SEED}"
    submitted = drill.submitted()
    assert {to: n for to, n in submitted.items() if n > 1} == {}, f"seed {SEED}"
    for name, to, outcome, state, reason in rows:
        tenant = drill.sent[name][0]
        was_sent = submitted[to.lstrip("+")] > 0
        assert outcome in OUTCOMES, (name, outcome, reason)
        if tenant == "ghost":
            assert (outcome, reason) == ("denied", "unknown_tenant"), (name, outcome, reason)
        elif outcome == "accepted":
            assert was_sent and state == fate_of(to), (name, to, state)
        elif outcome == "unknown":
            assert reason in ("restart", "connection", "timeout"), (name, reason)
        else:
            assert not was_sent, (name, to, outcome, reason)
            assert outcome == "rejected" or (tenant == "broke" and reason == "no_funds"), (name, reason)
    return {row[0]: row for row in rows}


def check_charges(drill, rows):
    """Each message is charged once, by its tenant's charge point, or not at all."""
    ends = dict(row.split("|") for row in drill.psql(
        "SELECT left(idempotency_key, -4), op FROM billing_transactions "
        "WHERE op IN ('commit', 'release')").splitlines())
    for name, (_, _, outcome, state, _) in rows.items():
        point = TENANTS[drill.sent[name][0]]
        wanted = None
        if outcome == "accepted":
            wanted = "commit" if point == "submit" or state == "delivered" else "release"
        elif outcome == "rejected":
            wanted = "release"
        assert ends.get(name) == wanted, (name, outcome, state, ends.get(name), f"seed {SEED}")
    unknown = sum(row[2] == "unknown" for row in rows.values())
    assert drill.number("SELECT sum(held_micro) FROM billing_balances") == unknown * PRICE
    return unknown


def wait(drill, sql, wanted, timeout_s=180):
    until(lambda: drill.number(sql) == wanted, timeout_s,
          why=lambda: f"{sql}: {drill.number(sql)}, not {wanted}; seed {SEED}\n" + drill.log.read_text()[-3000:])


def test_killed_three_times(drill):
    dice = random.Random(SEED)
    set_up(drill)
    producer = produce(drill)
    for part in (0.15, 0.4, 0.65):
        until(lambda: drill.number("SELECT count(*) FROM messages_log") > part * COUNT, 120,
              why=lambda: drill.log.read_text()[-3000:])
        time.sleep(dice.uniform(0.1, 1.2))
        drill.kill()
        check_ledger(drill)
        drill.start()
    producer.join()
    wait(drill, "SELECT count(*) FROM messages_log", COUNT)
    wait(drill, "SELECT count(*) FROM messages_current WHERE state = 'accepted'", 0)
    time.sleep(1)  # nothing more may happen
    check_ledger(drill)
    rows = check_messages(drill)
    unknown = check_charges(drill, rows)
    print(f"{COUNT} messages: {dict(Counter(row[2] for row in rows.values()))}, seed {SEED}")
    assert sum(row[2] == "accepted" for row in rows.values()) > COUNT / 4
    # What nobody will ever tell is given back when its hold ends.
    releases = drill.number("SELECT count(*) FROM billing_transactions WHERE op = 'release'")
    for name, point in TENANTS.items():
        if point:
            drill.tenant(name, hold_ttl_s=1)
    wait(drill, "SELECT sum(held_micro) FROM billing_balances", 0)
    check_ledger(drill)
    assert drill.number("SELECT count(*) FROM billing_transactions WHERE op = 'release'") == releases + unknown


def test_engines_come_and_go(drill):
    """Their partitions go back and forth: what has begun ends where it is, the rest goes on elsewhere."""
    dice = random.Random(SEED)
    set_up(drill)
    producer = produce(drill)
    for visit in range(3):
        with open(drill.dir / f"second-{visit}.log", "wb") as log:
            second = subprocess.Popen(drill.command(), cwd=drill.dir, stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=log)
        time.sleep(dice.uniform(1, 3))
        second.terminate()
        assert second.wait(60) == 0
    producer.join()
    wait(drill, "SELECT count(*) FROM messages_log", COUNT)
    wait(drill, "SELECT count(*) FROM messages_current WHERE state = 'accepted'", 0)
    check_ledger(drill)
    assert check_charges(drill, check_messages(drill)) == 0
