# SPDX-License-Identifier: Apache-2.0
"""Invariant 10 of the ledger: the broker, PostgreSQL, and both are killed while messages are charged, and
started again on their data. Afterwards each message was charged at most once and has one end, the books add up,
nothing is held, and billing.events tells of every row, at least once. With CATALYST_TEST_TRANSACTIONS it runs with
`--kafka-transactions` besides, where readers of what is committed get every event once.

And the cache is killed, which nothing waits for. Engines that are killed are in test_billing.py."""
import json
import os
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

import kcat
import redis_ask
import servers
from engines import Engine, until
from pipes import QUICK, node
from test_billing import SEED, Books, connect
from test_billing_accounts import WORKFLOWS, Office

PRICE = 70
OUTCOMES = ["accepted", "accepted", "rejected", "unknown"]
N = 1500  # messages while each of them is away


def upkeep(identity, events):
    """As the shipped one does it, but every second."""
    nodes = [node("Often", "scheduleTrigger", {"rule": {"interval": [
                {"field": "seconds", "secondsInterval": 1}]}}),
             node("Old holds", "billingAccount", {"operation": "expireHolds", "events": events})]
    return {"id": identity, "name": identity, "nodes": nodes,
            "settings": {"executionOrder": "v1", "durability": "exactly_once"},
            "connections": connect(nodes, {"Often": [["Old holds"]]})}


def replay(source, identity):
    """What reads billing.events again."""
    nodes = [node("In", "kafkaTrigger", {"topic": source, "options": {
                "onlyMessage": True, "properties": QUICK}}),
             node("Apply", "billingAccount", {"operation": "applyEvent"})]
    return {"id": identity, "name": identity, "nodes": nodes,
            "settings": {"executionOrder": "v1", "durability": "exactly_once"},
            "connections": connect(nodes, {"In": [["Apply"]]})}


def again(server):
    """PostgreSQL's children notice a moment later that their parent is gone."""
    end = time.monotonic() + 60
    while True:
        try:
            return server.start()
        except servers.Failed:
            assert time.monotonic() < end
            time.sleep(0.2)


class Killed(Books):
    def feed(self, first):
        """In the background, as producers go on while a broker is away; a tenth comes twice."""
        messages = [self.message(n, f"t{n % 3}", OUTCOMES[n % 4], "+4915112345")
                    for n in range(first, first + N)]
        messages += messages[::10] if self.twice else []
        self.random.shuffle(messages)
        thread = threading.Thread(target=kcat.produce, args=(
            self.kafka.url(), self.source, messages, "-E", "-X", "linger.ms=1"))
        thread.start()
        return thread

    def ends(self):
        return self.number("SELECT count(*) FROM billing_transactions WHERE idempotency_key LIKE '%:end'")

    def finish(self, engine, total):
        """A lane that was fenced while broker and database were away together may have to wait for the group's
        next change: what it waits with must not be lost."""
        why = f"seed {SEED}"
        try:
            until(lambda: self.ends() >= total, what=why)
        except AssertionError:
            print("the engine is started again", self.ends(), "of", total)
            assert engine.stop() == 0
            engine.start()
            until(lambda: self.ends() >= total, what=lambda: f"{self.ends()} of {total}, {why}\n{engine.log()[-3000:]}")

    def read_again(self, told, engine):
        """Invariant 4: a part of the events, from anywhere, and some of them twice."""
        at, n = self.random.randrange(len(told) // 2), 600
        part = told[at:at + n] + told[at:at + n // 3] + told[-n // 3:]
        self.random.shuffle(part)
        books = "SELECT sum(amount_micro), count(*), sum(hold_micro) FROM billing_transactions"
        money = "SELECT tenant_id, avail_micro, held_micro, spent_micro FROM billing_balances ORDER BY 1"
        before = self.sql(books), self.sql(money)
        kcat.produce(self.kafka.url(), self.receipts, [json.dumps(e) for e in part])
        until(lambda: engine.metric("catalyst_executions_total", workflow=self.name + "p") >= len(part))
        assert engine.metric("catalyst_billing_account_refused_total", workflow=self.name + "p") == 0
        assert (self.sql(books), self.sql(money)) == before

    def events_of_rows(self, once):
        """What billing.events says, once it has told all."""
        rows = {f"{tenant}/{key}": (op, int(micro)) for tenant, key, op, micro in (
            line.split("|") for line in self.sql(
                "SELECT tenant_id, idempotency_key, op, amount_micro FROM billing_transactions "
                "WHERE slice_id IS NOT NULL").splitlines())}
        told = []

        def complete():
            told[:] = [json.loads(m["payload"]) for m in self.outputs()]
            return {e["id"] for e in told} >= set(rows)

        def lacking():
            lost = sorted(set(rows) - {e["id"] for e in told})
            return f"{len(lost)} of {len(rows)} rows have no event: {Counter(rows[i][0] for i in lost)} {lost[:9]}"

        until(complete, 120, lacking)
        assert {(e["id"], e["op"], e["price_micro"]) for e in told} == {(k, *v) for k, v in rows.items()}
        assert not once or len([e for e in told if e["op"] != "release"]) == len(
            [op for op, _ in rows.values() if op != "release"])
        return told


@pytest.mark.parametrize("transactions", [False] + [True] * ("CATALYST_TEST_TRANSACTIONS" in os.environ))
def test_broker_and_database_are_killed_under_load(catalyst, new_server, unique, tmp_path, transactions):
    kafka, postgres = new_server("kafka"), new_server("postgres")
    rounds = [kafka], [postgres], [kafka, postgres]
    total = len(rounds) * N
    b = Killed(catalyst, kafka, postgres, unique, tmp_path)
    b.twice = not transactions  # a repeated message tells its reservation once more
    b.definitions = [b.definitions[0], upkeep(b.name + "u", b.sink), replay(b.receipts, b.name + "p")]
    try:
        b.migrate()
        b.tenants({f"t{i}": 10**9 for i in range(3)})
        b.sql("UPDATE tenant_billing_config SET hold_ttl_s = 2")
        engine = b.engine("--workers", 2, *(["--kafka-transactions"] if transactions else []))
        for i, killed in enumerate(rounds):
            before = b.ends()
            feeding = b.feed(i * N)
            until(lambda: b.ends() > before, what=engine.log)
            time.sleep(b.random.uniform(0, 0.3))
            for one in killed:
                one.kill()
            for one in killed:
                again(one)
            feeding.join()
            b.check()
        engine.alive()
        b.finish(engine, total)
        b.check()
        assert b.sql("SELECT op, count(*), sum(amount_micro) FROM billing_transactions GROUP BY 1 ORDER BY 1") == (
            f"commit|{total // 2}|{total // 2 * PRICE}\nrelease|{total // 2}|{total // 2 * PRICE}\n"
            f"reserve|{total}|{total * PRICE}\ntopup|3|3000000000")
        assert b.number("SELECT sum(held_micro) FROM billing_balances") == 0
        assert b.number("SELECT sum(held_micro) FROM billing_slices") == 0
        b.read_again(b.events_of_rows(transactions), engine)
        assert engine.stop() == 0
        assert b.sql("SELECT tenant_id FROM billing_balances WHERE avail_micro + spent_micro <> 1000000000") == ""
    finally:
        b.close()
        kafka.kill()  # it takes its time otherwise


def test_the_cache_is_killed(catalyst, tmp_path, postgres, new_server, unique):
    """Nobody asks it what may be spent: a tenant near zero gets all it has and no more while it is away, and it
    is right again when it comes back with nothing."""
    redis, name = new_server("redis"), unique("cache")
    flows = [json.loads((Path(__file__).parents[2] / "workflows" / f"billing-{one}.json").read_text())
             for one in ("upkeep", "reconcile")]
    flows[1]["nodes"][0]["parameters"]["rule"]["interval"] = [{"field": "seconds", "secondsInterval": 1}]
    secrets = tmp_path / "credentials.json"
    secrets.write_text(json.dumps({"cache": {"type": "redis", "data": {
        "host": "127.0.0.1", "port": str(redis.port)}}}))
    url = postgres.create_database(name)
    o = Office.__new__(Office)
    o.n, o.sql = 0, lambda text: postgres.psql(text, database=name).stdout.strip()
    o.engine = Engine(catalyst, tmp_path, "--store", url, "--workers", 1, "--credentials", secrets,
                      workflows=[*WORKFLOWS, *flows])

    def cached(avail, held):
        def same():
            have = redis_ask.hgetall(redis.port, "tenant:acme:balance")
            return (have.get("avail"), have.get("held")) == (str(avail), str(held))
        until(same, what=lambda: str(redis_ask.hgetall(redis.port, "tenant:acme:balance")))

    with o.engine:
        o.rates([{"prefix": "49", "price_micro": PRICE}])
        o.tenant("acme", 10 * PRICE)
        o.fresh()
        o.items("commit", o.items("reserve", [o.message() for _ in range(4)]))
        cached(6 * PRICE, 0)
        redis.kill()
        given = [o.items("reserve", [o.message()])[0] for _ in range(9)]
        assert [item["billing"].get("reason", "reserve") for item in given] == ["reserve"] * 6 + ["no_funds"] * 3
        redis.start()
        cached(0, 6 * PRICE)
        o.items("commit", given[:6])
        cached(0, 0)
        # Invariant 11: a field that somebody wrote, and a balance that is not there, with no move of money.
        rows = "SELECT count(*), sum(amount_micro) FROM billing_transactions"
        before = o.sql(rows)
        o.sql("UPDATE billing_accounts SET updated_us = 1; UPDATE billing_slices SET updated_us = 1")
        redis_ask.command(redis.port, "HSET", "tenant:acme:balance", "avail", "5", "version", "987654321")
        cached(0, 0)
        redis_ask.command(redis.port, "HSET", "tenant:acme:balance", "held", "7")
        cached(0, 0)
        redis_ask.command(redis.port, "DEL", "tenant:acme:balance")
        cached(0, 0)
        assert "2 differences in 1 tenants" in o.engine.log() and "1 differences in 1 tenants" in o.engine.log()
        assert o.do("reconcile", cache=[])["drift"] == []
        assert o.sql(rows) == before
        o.check()
