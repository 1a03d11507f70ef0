# SPDX-License-Identifier: Apache-2.0
"""Invariant 12 of the ledger: engines whose clocks are minutes apart, and are set forward and back while they
run, charge a message once, at the price of its own accept time, and neither overdraw nor give a hold back early.

What holds and leases go by is the store's clock; libfaketime moves the engines'."""
import os
import threading
import time
from pathlib import Path

import pytest

from engines import Engine, until
from pipes import node
from test_billing_accounts import WORKFLOWS, Office, hook

MINUTES_5 = 300
CLOCK = hook("clock", [node("Clock", "set", {"mode": "raw", "jsonOutput": {"ms": "={{ Date.now() }}"}})],
             {"Hook": [["Clock"]], "Clock": [["End"]]})


class Clocked(Office):
    """An engine with a clock of its own; monotonic time is not touched."""

    def __init__(self, catalyst, tmp_path, url, sql, name, seconds):
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not found:
            pytest.skip("faketime: not installed")
        self.sql, self.n, self.name = sql, 0, name
        self.file = tmp_path / f"{name}.clock"
        self.engine = Engine(catalyst, tmp_path, "--store", url, "--workers", 1, name=name,
                             workflows=[*WORKFLOWS, CLOCK], env={
                                 "LD_PRELOAD": str(found[0]), "FAKETIME_TIMESTAMP_FILE": str(self.file),
                                 "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                                 "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
        self.start_at(seconds)

    def off_by(self):
        return self.call("clock")[0]["ms"] / 1000 - time.time()

    def is_at(self, seconds):
        until(lambda: abs(self.off_by() - seconds) < 30, what=lambda: f"{self.name} is off by {self.off_by()}")

    def set(self, seconds):
        self.file.write_text(f"{seconds:+d}")
        self.is_at(seconds)

    def start_at(self, seconds):
        self.file.write_text(f"{seconds:+d}")
        self.engine.start()
        self.is_at(seconds)

    def make(self, n, ts=None, tenant="acme"):
        messages = [self.message(tenant, ts=ts or int(time.time() * 1e6)) for _ in range(n)]
        for m in messages:
            m["id"] = self.name + m["id"]
        return messages


@pytest.fixture
def pair(catalyst, tmp_path, postgres, unique):
    """One engine five minutes late, one five minutes early."""
    name, made = unique("clocks"), []
    url = postgres.create_database(name)
    try:
        for who, seconds in (("late", -MINUTES_5), ("early", MINUTES_5)):
            made.append(Clocked(catalyst, tmp_path, url, lambda text: postgres.psql(
                text, database=name).stdout.strip(), who, seconds))
        yield made
    finally:
        for one in made:
            one.engine.kill()


def ops(items):
    return [item["billing"].get("reason", item["billing"]["op"]) for item in items]


def charge(o, messages):
    items = o.items("reserve", messages)
    assert ops(items) == ["reserve"] * len(messages)
    assert [s["settle"]["op"] for s in o.items("commit", items)] == ["commit"] * len(messages)


def spent(o, tenant="acme"):
    return o.do("balance", tenant=tenant)["spent"]


def check(pair):
    pair[0].check()
    assert pair[0].sql("SELECT * FROM billing_balances WHERE avail_micro + credit_limit_micro < 0") == ""
    assert pair[0].sql("""
        SELECT e.* FROM billing_transactions e JOIN billing_transactions r ON r.tenant_id = e.tenant_id
        AND r.idempotency_key = left(e.idempotency_key, -4) || ':res'
        WHERE e.op IN ('commit', 'release') AND e.slice_id <> r.slice_id""") == ""


def same_message_twice(pair, already):
    """Each engine charges, then is given what the other one had."""
    for one, other in (pair, pair[::-1]):
        messages = one.make(10)
        already += 10 * 100
        for o in (one, other, one):
            charge(o, messages)
            assert spent(one) == already
    return already


def race_for(pair, tenant, micro, limit=0):
    """Both spend the same money, and no more."""
    pair[0].tenant(tenant, micro, credit_limit_micro=limit)
    given = [None, None]

    def run(i):
        given[i] = sum((ops(pair[i].items("reserve", pair[i].make(20, tenant=tenant))) for _ in range(4)), [])

    threads = [threading.Thread(target=run, args=[i]) for i in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert 0 < sum(op == "reserve" for op in given[0] + given[1]) <= (micro + limit) // 100
    assert {*given[0], *given[1]} == {"reserve", "no_funds"}


def test_clocks_apart_and_set_while_they_run(pair):
    late, early = pair
    edge = int(time.time() * 1e6) + 3_600_000_000
    late.rates([{"prefix": "49", "price_micro": 100}])
    early.rates([{"prefix": "49", "price_micro": 250}], valid=edge)
    late.tenant("acme", 10**7)
    late.tenant("brief", 10**6, hold_ttl_s=1)
    late.tenant("minutes", 10**6, hold_ttl_s=120)
    for o in pair:
        o.fresh()
    # The message's own time decides, to the microsecond.
    for o in pair:
        for ts, price in ((edge - 1, 100), (edge, 250)):
            [item] = o.items("reserve", o.make(1, ts, "minutes"))
            assert (item["billing"]["price_micro"], item["billing"]["ts_us"]) == (price, ts)
    already = same_message_twice(pair, 0)
    race_for(pair, "race", 60 * 100)
    # Two minutes have not gone by, whatever a clock says; a second has.
    for o in pair:
        o.items("reserve", o.make(3, tenant="minutes"))
        o.items("reserve", o.make(3, tenant="brief"))
    time.sleep(1.2)
    assert early.do("expireHolds")["expired"] == 6
    assert late.do("expireHolds")["expired"] == 0
    assert late.do("balance", tenant="minutes")["held"] == 2 * (100 + 250 + 300)
    # Neither takes what the other one works with.
    open_ones = late.sql("SELECT count(*) FROM billing_slices WHERE state = 'open' AND tenant_id = 'acme'")
    assert open_ones == "2", late.sql("SELECT * FROM billing_slices")
    check(pair)

    # By ten minutes, in either direction, under way.
    late.set(MINUTES_5)
    early.set(-MINUTES_5)
    already = same_message_twice(pair, already)
    race_for(pair, "race2", 0, limit=60 * 100)
    leases = "SELECT min(lease_us) FROM billing_slices WHERE state = 'open' AND tenant_id = 'acme'"
    before = int(late.sql(leases))
    late.do("setTenant", tenant="race", settings={"status": "suspended"})
    for o in pair:  # what is looked at each second, and each ten
        until(lambda o=o: ops(o.items("reserve", o.make(1, tenant="race"))) == ["suspended"])
    until(lambda: int(late.sql(leases)) > before)
    assert late.sql("SELECT count(*) FROM billing_slices WHERE state = 'open' AND tenant_id = 'acme'") == open_ones
    already = same_message_twice(pair, already)
    assert late.do("expireHolds")["expired"] == early.do("expireHolds")["expired"] == 0
    check(pair)

    # An engine that starts with another clock than the one before it.
    early.engine.kill()
    early.start_at(MINUTES_5)
    same_message_twice(pair, already)
    check(pair)
