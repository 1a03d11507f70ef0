# SPDX-License-Identifier: Apache-2.0
"""The ledger on real servers: messages from Kafka, several engines with several workers, PostgreSQL.
Tenants are hot and near zero, engines are killed, events come twice. What is asserted are the
invariants of a ledger, read from the tables alone.

Which test shows which, in these files: here (b), test_billing_accounts.py (a), _clocks (c), _outages (o),
_upkeep (u), and plugins/billing/tests (p); check() is Books.check, called between kills and under load.

  1  the sum of all postings of a currency is 0 at every committed point
       check() or Office.check, at the end of every test and in b and o under load
  2  avail + held + spent = top-ups, for each tenant; accounts are the fold of the transactions, and the
     cache is, too, when it is quiet
       check(); a the_cache_follows_and_may_be_lost; o the_cache_is_killed
  3  the balance is never below the credit limit, when workers race and slices go back
       check(); b hot_tenants_near_zero_in_a_race, a_zombie_cannot_spend_what_was_taken_back; with a limit
       c clocks_apart_and_set_while_they_run, p a_limit_is_spent_too; a unused_slices_go_back
  4  what comes twice changes nothing, nor do events that are read again
       b kill_9_and_repetition; a events_may_be_read_again (each operation); o broker_and_database_are_killed_
       under_load (a part of what the topic has, in any order)
  5  a message has one end; no hold is older than its time
       check(); b kill_9_and_repetition, receipts_settle_what_is_held; a old_holds_are_given_back; o broker_and_
       database_are_killed_under_load; u money_of_a_dead_worker_comes_back
  6  refunds are at most the charge
       check(); b receipts_settle_what_is_held; a refunds_and_partial_charges (one micro-unit more is refused)
  7  the same key with another body is refused
       b same_key_other_body_is_refused; a same_id_and_numbers, accounts (top-ups), events_may_be_read_again;
       u a_conflict_found_late_has_a_row_and_a_reason
  8  prices equal those of a slow rater, borders included
       a prices_equal_a_slow_rater, same_id_and_numbers; p test_money.c (prefixes, bands, months of zones)
  9  an invoice is the sum of its charges and their rounding, by half a minor unit a line at most
       a an_invoice_is_the_sum_of_its_charges
 10  cache, database and broker may be killed: nothing overspent, lost or charged twice
       o all; a the_database_dies (queue and deny); engines: b kill_9_and_repetition
 11  drift is found and told, and the cache alone is healed
       a drift_is_found_and_only_the_cache_healed; o the_cache_is_killed (the shipped job); p drift_is_told
 12  clocks that differ by minutes change no price, charge nothing twice, give nothing back early
       c clocks_apart_and_set_while_they_run; p a_clock_that_never_goes_back

The seed of each run is printed; CATALYST_TEST_SEED gives it again."""
import json
import os
import random
import time

import pytest

import kcat
from pipes import QUICK, Setting, node, until

SEED = int(os.environ.get("CATALYST_TEST_SEED", random.SystemRandom().randrange(1 << 30)))
PRICE = {"49": 70, "1": 10, "1242": 30}
DAY_US = 86_400_000_000


def connect(nodes, links):
    connections = {}
    for source, ports in links.items():
        connections[source] = {"main": [[{"node": to, "type": "main", "index": 0} for to in port]
                                        for port in ports]}
    for i, one in enumerate(nodes):
        one["position"] = [i * 200, 0]
    return connections


def outbound(source, identity, events, settle=None, reserve=None):
    """In -> reserve -> settle; the message itself says what became of its sending."""
    nodes = [node("In", "kafkaTrigger", {"topic": source, "options": {
                "onlyMessage": True, "properties": QUICK}}),
             node("Reserve", "billingReserve", {"events": events, **(reserve or {})}),
             node("Settle", "billingSettle", {"operation": "auto", "events": events,
                                              **(settle or {})})]
    return {"id": identity, "name": identity, "nodes": nodes,
            "settings": {"executionOrder": "v1", "durability": "exactly_once"},
            "connections": connect(nodes, {"In": [["Reserve"]], "Reserve": [["Settle"], []]})}


def receipts(source, identity, operation="auto"):
    nodes = [node("In", "kafkaTrigger", {"topic": source, "options": {
                "onlyMessage": True, "properties": QUICK}}),
             node("Settle", "billingSettle", {"operation": operation})]
    return {"id": identity, "name": identity, "nodes": nodes,
            "settings": {"executionOrder": "v1", "durability": "exactly_once"},
            "connections": connect(nodes, {"In": [["Settle"]]})}


class Books(Setting):
    def __init__(self, catalyst, kafka, postgres, unique, tmp_path):
        super().__init__(catalyst, kafka, postgres, unique, tmp_path)
        self.receipts = unique("receipts")
        self.refunds = unique("refunds")
        for topic in (self.receipts, self.refunds):
            kafka.create_topic(topic, partitions=4)
        self.definitions = [outbound(self.source, self.name, self.sink),
                            receipts(self.receipts, self.name + "r"),
                            receipts(self.refunds, self.name + "f", "refund")]
        self.random = random.Random(SEED)
        print(f"seed {SEED}")

    def engine(self, *flags, name="engine", start=True):
        from engines import Engine
        one = Engine(self.catalyst, self.tmp_path, "--store", self.url, "--kafka", self.kafka.url(),
                     *flags, workflows=self.definitions, name=name)
        self.engines.append(one)
        return one.start() if start else one

    def tenants(self, funds, limit=0, points=""):
        """Rates and tenants with this much money; the first engine has made the tables."""
        self.sql("INSERT INTO rate_card_versions VALUES ('default', 1, 0, 'EUR', '');"
                 "INSERT INTO rate_cards (card, version, channel, prefix, price_micro) VALUES "
                 + ",".join(f"('default', 1, 'sms', '{p}', {v})" for p, v in PRICE.items()))
        for tenant, micro in funds.items():
            self.sql("INSERT INTO tenant_billing_config (tenant_id, currency, credit_limit_micro, "
                     f"charge_points) VALUES ('{tenant}', 'EUR', {limit}, '{points}')")
            if micro:
                self.top_up(tenant, micro)

    def top_up(self, tenant, micro):
        self.sql("INSERT INTO billing_transactions (tenant_id, idempotency_key, body, op, "
                 f"amount_micro, currency) VALUES ('{tenant}', 'topup:{random.random()}', 1, "
                 f"'topup', {micro}, 'EUR')")

    def migrate(self):
        engine = self.engine("--workers", 1, name="first")
        assert engine.stop() == 0

    def message(self, n, tenant, outcome="accepted", to=None):
        return json.dumps({"v": 1, "id": f"m{n}", "tenant_id": tenant, "channel": "sms",
                           "to": to or self.random.choice(["+4915112345", "+12125550", "+12425550"]),
                           "text": "hello", "ts_us": 1_790_000_000_000_000 + n,
                           "send": {"outcome": outcome}})

    def number(self, query):
        return int(self.sql(query) or 0)

    def check(self):
        """What holds at every committed point."""
        assert self.sql("SELECT currency, sum(micro) FROM billing_postings GROUP BY 1 "
                        "HAVING sum(micro) <> 0") == ""                                    # 1
        assert self.sql("SELECT * FROM billing_balances WHERE avail_micro + held_micro + "
                        "spent_micro <> topups_micro") == ""                               # 2
        assert self.sql("SELECT * FROM billing_balances WHERE avail_micro + "
                        "credit_limit_micro < 0") == ""                                    # 3
        assert self.sql("""
            SELECT b.tenant_id, b.held_micro, f.held, b.spent_micro, f.spent FROM billing_balances b
            JOIN (SELECT tenant_id,
                  sum(CASE op WHEN 'reserve' THEN hold_micro WHEN 'commit' THEN -hold_micro
                      WHEN 'release' THEN -hold_micro ELSE 0 END) AS held,
                  sum(CASE op WHEN 'commit' THEN amount_micro WHEN 'refund' THEN -amount_micro
                      ELSE 0 END) AS spent FROM billing_transactions GROUP BY 1) f USING (tenant_id)
            WHERE b.held_micro <> f.held OR b.spent_micro <> f.spent""") == ""              # 2
        assert self.sql("SELECT tenant_id, idempotency_key FROM billing_transactions GROUP BY 1, 2 "
                        "HAVING count(*) > 1") == ""                                       # 5
        assert self.sql("""
            SELECT e.* FROM billing_transactions e LEFT JOIN billing_transactions r
            ON r.tenant_id = e.tenant_id AND r.idempotency_key = left(e.idempotency_key, -4) || ':res'
            WHERE e.op IN ('commit', 'release') AND e.hold_micro IS DISTINCT FROM r.hold_micro"""
                        ) == ""                                                            # 5
        assert self.sql("""
            SELECT f.* FROM billing_transactions f LEFT JOIN billing_transactions c
            ON c.tenant_id = f.tenant_id AND c.op = 'commit'
            AND c.idempotency_key = left(f.idempotency_key, -7) || ':end'
            WHERE f.op = 'refund' AND f.amount_micro > COALESCE(c.amount_micro, -1)""") == ""  # 6

    @staticmethod
    def metric(engine, name, **labels):
        return engine.metric("catalyst_billing_" + name, **labels)

    def done(self):
        return sum(self.statuses().values())

    def until_done(self, n, timeout_s=90):
        until(lambda: self.done() >= n, timeout_s,
              why=lambda: f"{self.done()} of {n}, seed {SEED}\n{self.engines[-1].log()[-3000:]}")


@pytest.fixture
def books(catalyst, kafka, postgres, unique, tmp_path):
    one = Books(catalyst, kafka, postgres, unique, tmp_path)
    one.migrate()
    yield one
    one.close()


def test_reserve_and_commit(books):
    b = books
    b.tenants({"acme": 1_000_000})
    messages = [b.message(n, "acme", "accepted", "+4915112345") for n in range(200)]
    messages += [b.message(n, "acme", "rejected", "+4915112345") for n in range(200, 250)]
    messages += [b.message(n, "acme", "unknown", "+4915112345") for n in range(250, 270)]
    messages += [b.message(n, "nobody") for n in range(270, 280)]
    engine = b.engine("--workers", 2)
    b.produce(messages)
    b.until_done(280)
    b.check()
    assert b.statuses() == {"success": 280}
    assert b.sql("SELECT held_micro, spent_micro, avail_micro FROM billing_balances") == (
        f"{20 * 70}|{200 * 70}|{1_000_000 - 220 * 70}")
    until(lambda: len(b.outputs()) == 270 + 250)
    assert b.metric(engine, "reserved_total", node="Reserve") == 270
    assert b.metric(engine, "denied_total", reason="unknown_tenant") == 10
    assert engine.stop() == 0


def test_hot_tenants_near_zero_in_a_race(books):
    """Three tenants with money for a part of what is asked, two engines with two workers each."""
    b = books
    funds = {"t0": 40_000, "t1": 70 * 333, "t2": 5}
    b.tenants(funds)
    engines = [b.engine("--workers", 2, name=f"engine{i}", start=False) for i in range(2)]
    for one in engines:
        one.start()
    messages = [b.message(n, f"t{n % 3}", to="+4915112345") for n in range(6000)]
    for at in range(0, 6000, 500):
        b.produce(messages[at:at + 500])
        b.check()
    b.until_done(6000)
    b.check()
    assert b.statuses() == {"success": 6000}
    # All but what is less than a message of each slice is spent, once slices went back.
    for tenant, micro in funds.items():
        spent = b.number(f"SELECT spent_micro FROM billing_balances WHERE tenant_id = '{tenant}'")
        assert spent <= micro
        assert micro - spent < 70 * 5, f"{tenant}: {spent} of {micro}, seed {SEED}"
    b.top_up("t2", 7_000)
    b.produce([b.message(n, "t2", to="+4915112345") for n in range(6000, 6200)])
    b.until_done(6200)
    b.check()
    assert b.number("SELECT spent_micro FROM billing_balances WHERE tenant_id = 't2'") > 7_000 - 350
    for one in engines:
        assert one.stop() == 0
    b.check()


def test_kill_9_and_repetition(books):
    """Engines die under load, and every message comes twice: each is charged once."""
    b = books
    b.tenants({f"t{i}": 100_000_000 for i in range(5)})
    outcomes = ["accepted", "accepted", "rejected", "unknown"]
    messages = [b.message(n, f"t{n % 5}", outcomes[n % 4], "+4915112345") for n in range(12000)]
    twice = messages + messages
    b.random.shuffle(twice)
    b.produce(twice[:12000])
    engine = b.engine("--workers", 2, start=False)
    for _ in range(4):
        engine.start()
        until(lambda: engine.done() > 0 or b.done() >= 12000, why=engine.log)
        time.sleep(b.random.uniform(0, 0.4))
        engine.kill()
        b.check()
    b.produce(twice[12000:])
    engine.start()
    b.until_done(24000, 120)
    b.check()
    assert b.statuses() == {"success": 24000}
    count = {op: int(n) for op, n in (row.split("|") for row in b.sql(
        "SELECT op, count(*) FROM billing_transactions GROUP BY 1").splitlines())}
    assert count == {"topup": 5, "reserve": 12000, "commit": 6000, "release": 3000}
    assert b.number("SELECT sum(spent_micro) FROM billing_balances") == 6000 * 70
    assert b.number("SELECT sum(held_micro) FROM billing_balances") == 3000 * 70
    assert engine.stop() == 0


def test_receipts_settle_what_is_held(books):
    """Charged on delivery: receipts come twice, out of order, and for what nobody reserved."""
    b = books
    b.tenants({"acme": 10_000_000}, points="sms=delivery")
    engine = b.engine("--workers", 2)
    b.produce([b.message(n, "acme", "accepted", "+4915112345") for n in range(400)])
    b.until_done(400)
    rows = b.sql("SELECT idempotency_key, slice_id, accept_us FROM billing_transactions "
                 "WHERE op = 'reserve'").splitlines()
    assert len(rows) == 400
    notes = []
    for i, row in enumerate(rows):
        key, slice_id, accept_us = row.split("|")
        context = {"tenant_id": "acme", "billing": {
            "op": "reserve", "idem": key[:-4], "units": 1, "price_micro": 70, "unit_micro": 70,
            "ccy": "EUR", "card": "default", "version": 1, "prefix": "49", "slice": int(slice_id),
            "channel": "sms", "ts_us": int(accept_us), "point": "delivery"}}
        for state in (["delivered", "delivered"] if i % 2 else ["failed", "sent", "failed"]):
            notes.append(json.dumps({"kind": "receipt", "message": context,
                                     "status": {"state": state}}))
    context["billing"] = {**context["billing"], "idem": "never"}
    notes.append(json.dumps({"message": context, "status": {"state": "delivered"}}))
    b.random.shuffle(notes)
    kcat.produce(b.kafka.url(), b.receipts, notes)
    until(lambda: b.done() >= 400 + len(notes), 60, why=lambda: f"{b.statuses()} {engine.log()[-2000:]}")
    b.check()
    # Where two workers settle the same message at one time the store lets one through.
    assert b.sql("SELECT op, count(*), sum(amount_micro) FROM billing_transactions "
                 "WHERE op <> 'reserve' GROUP BY 1 ORDER BY 1") == (
        f"commit|200|{200 * 70}\nrelease|200|{200 * 70}\ntopup|1|10000000")
    assert b.number("SELECT held_micro FROM billing_balances") == 0
    assert b.metric(engine, "refused_total", reason="no_reservation") == 1
    refunds = [json.dumps({"message": {"tenant_id": "acme", "billing": {
        **context["billing"], "idem": row.split("|")[0][:-4], "slice": int(row.split("|")[1])}}})
        for row in rows[:50]]
    kcat.produce(b.kafka.url(), b.refunds, refunds * 2)
    until(lambda: b.done() >= 500 + len(notes), 60, why=lambda: f"{b.statuses()} {engine.log()[-2000:]}")
    b.check()
    assert b.number("SELECT count(*) FROM billing_transactions WHERE op = 'refund'") == 25
    assert b.number("SELECT spent_micro FROM billing_balances") == 175 * 70
    assert engine.stop() == 0


def test_same_key_other_body_is_refused(books):
    """Across engines, where no memory of the first is left: the ledger tells, and nothing is charged."""
    b = books
    b.tenants({"acme": 1_000_000})
    for to, name in (("+4915112345", "one"), ("+12125550", "two")):
        engine = b.engine("--workers", 1, name=name)
        b.produce([b.message(1, "acme", to=to)])
        until(lambda: b.done() >= (1 if name == "one" else 2), why=engine.log)
        assert engine.stop() == 0
    b.check()
    assert b.statuses() == {"success": 2}
    assert b.number("SELECT count(*) FROM billing_transactions WHERE op = 'reserve'") == 1
    assert b.number("SELECT spent_micro FROM billing_balances") == 70


def test_a_zombie_cannot_spend_what_was_taken_back(books):
    """An engine that hangs for longer than its lease comes back to slices that are closed."""
    import signal
    b = books
    b.tenants({"acme": 70 * 1000})
    zombie = b.engine("--workers", 1, name="zombie")
    b.produce([b.message(n, "acme", to="+4915112345") for n in range(100)])
    b.until_done(100)
    zombie.signal(signal.SIGSTOP)
    b.sql("UPDATE billing_slices SET lease_us = 1")  # time goes by
    other = b.engine("--workers", 2, name="other")
    b.produce([b.message(n, "acme", to="+4915112345") for n in range(100, 1500)])
    b.until_done(1500)
    b.check()
    zombie.signal(signal.SIGCONT)
    b.produce([b.message(n, "acme", to="+4915112345") for n in range(1500, 1700)])
    b.until_done(1700)
    time.sleep(1)
    b.check()
    assert b.number("SELECT spent_micro FROM billing_balances") <= 70 * 1000
    zombie.kill()
    assert other.stop() == 0
    b.check()
