# SPDX-License-Identifier: Apache-2.0
"""What keeps the ledger in order: money of dead workers comes back and cannot be used by those that were only
thought dead, conflicts that are found when the row is written have a row and a reason, and a low balance is told
once for each crossing."""
import json
import signal
import time
from pathlib import Path

import pytest

import kcat
from engines import Engine, until
from pipes import QUICK, node
from test_billing import connect
from test_billing_accounts import WORKFLOWS, Office, account

SHIPPED = Path(__file__).parents[2] / "workflows"
FOLD = account("expireHolds", foldAfter="1ms")
FOLD["id"] = FOLD["name"] = FOLD["nodes"][0]["parameters"]["path"] = "fold"
LEFT = "SELECT COALESCE(sum(granted_micro - held_micro - spent_micro + freed_micro), 0) FROM billing_slices"


class Desk(Office):
    """One of several engines on the same books."""

    def __init__(self, catalyst, tmp_path, url, sql, name, *flags, workflows=()):
        self.sql, self.n, self.name = sql, 0, name
        self.engine = Engine(catalyst, tmp_path, "--store", url, "--workers", 1, *flags, name=name,
                             workflows=[*WORKFLOWS, FOLD, *workflows])
        self.engine.start()

    def messages(self, n, **more):
        return [{**self.message(ts=int(time.time() * 1e6), **more), "id": f"{self.name}{self.n}"} for _ in range(n)]

    def cash(self):
        return int(self.sql("SELECT cash_micro FROM billing_accounts WHERE tenant_id = 'acme'"))

    def take_out(self, micro):
        self.n += 1
        return self.do("adjust", tenant="acme", micro=-micro, key=f"{self.name}{self.n}")


@pytest.fixture
def desks(catalyst, tmp_path, postgres, unique):
    name, made = unique("upkeep"), []
    url = postgres.create_database(name)

    def make(who, *flags, **more):
        one = Desk(catalyst, tmp_path, url, lambda text: postgres.psql(text, database=name).stdout.strip(),
                   who, *flags, **more)
        made.append(one)
        return one

    yield make
    for one in made:
        one.engine.kill()


def test_money_of_a_dead_worker_comes_back(desks):
    """Also what it held is settled, and refunded when its slice is long gone."""
    dead, o = desks("dead"), desks("heir")
    o.rates([{"prefix": "49", "price_micro": 100}])
    o.tenant("acme", 10**7)
    dead.fresh()
    items = dead.items("reserve", dead.messages(5))
    dead.engine.kill()
    assert int(o.sql(LEFT)) > 0
    money = o.do("balance", tenant="acme")
    assert (money["held"], money["avail"]) == (500, 10**7 - 500)
    assert o.take_out(money["avail"])["reason"] == "no_funds"  # a part of it is the dead one's
    assert o.do("expireHolds")["expired"] == 0
    assert int(o.sql(LEFT)) > 0, "its lease has not ended"
    o.sql("UPDATE billing_slices SET lease_us = 1")  # time goes by
    o.do("expireHolds")
    assert (o.sql(LEFT), o.cash()) == ("0", 10**7 - 500)
    assert o.take_out(money["avail"])["avail"] == 0
    o.check()
    assert o.do("balance", tenant="acme")["held"] == 500
    o.tenant("acme", 10**6)
    settled = o.items("commit", items)
    assert [s["settle"]["op"] for s in settled] == ["commit"] * 5
    for _ in range(2):
        o.do("fold")
    assert o.sql(f"SELECT count(*) FROM billing_slices WHERE slice_id = {items[0]['billing']['slice']}") == "0"
    assert o.sql("SELECT spent_micro FROM billing_slices WHERE owner = ''") == "500"
    given = [{k: v for k, v in item.items() if k != "settle"} for item in settled[:2]]
    assert [s["settle"]["op"] for s in o.items("refund", given)] == ["refund", "refund"]
    o.do("fold")
    money = o.do("balance", tenant="acme")
    assert (money["avail"], money["held"], money["spent"]) == (10**6 + 200, 0, 300)
    assert o.cash() == 10**6 + 200
    o.check()


def test_a_zombie_cannot_use_what_came_back(desks):
    """It hangs, its money is given back and taken out, and it goes on where it was."""
    zombie, o = desks("zombie"), desks("heir")
    o.rates([{"prefix": "49", "price_micro": 100}])
    o.tenant("acme", 10**7)
    zombie.fresh()
    zombie.items("reserve", zombie.messages(3))
    zombie.engine.signal(signal.SIGSTOP)
    o.sql("UPDATE billing_slices SET lease_us = 1")  # time goes by
    for fold in (False, True):
        o.do("fold" if fold else "expireHolds")
        left = o.do("balance", tenant="acme")["avail"]
        if left:
            assert o.take_out(left)["avail"] == 0
        zombie.engine.signal(signal.SIGCONT)
        answer = zombie.engine.call("POST", "/webhook/reserve", {"items": zombie.messages(3)})
        if answer.status == 200:  # it has noticed
            assert [item["billing"]["reason"] for item in answer.json()] == ["no_funds"] * 3
        else:
            assert answer.status == 500
        o.check()
        assert o.sql("SELECT count(*) FROM billing_transactions WHERE op = 'reserve'") == "3"
        assert o.do("balance", tenant="acme")["avail"] == 0
    o.tenant("acme", 1000)
    until(lambda: [item["billing"]["op"] for item in zombie.items("reserve", zombie.messages(1))] == ["reserve"])
    assert zombie.engine.stop() == 0
    o.check()


# --- conflicts that are found late ----------------------------------------------------------------

def outbound(source, events):
    """The shipped workflow for SMS, without firewall and sending."""
    shipped = json.loads((SHIPPED / "sms-outbound.json").read_text())
    kept = {n["name"]: n for n in shipped["nodes"] if n["name"] in ("Broken", "What broke", "Record broken")}
    kept["Record broken"]["parameters"]["events"] = events
    nodes = [node("In", "kafkaTrigger", {"topic": source, "options": {"onlyMessage": True, "properties": QUICK}}),
             node("Reserve", "billingReserve", {"events": events}),
             node("Settle", "billingSettle", {"events": events}),
             node("Record", "messageRecord", {"events": events}), *kept.values()]
    links = connect(nodes, {"In": [["Reserve"]], "Reserve": [["Settle"], ["Record"]],
                            "Settle": [["Record"]] * 3})
    links.update({name: shipped["connections"][name] for name in kept if name in shipped["connections"]})
    return {"id": source, "name": source, "nodes": nodes, "connections": links,
            "settings": {"executionOrder": "v1", "durability": "exactly_once"}}


def test_a_conflict_found_late_has_a_row_and_a_reason(desks, kafka, unique):
    """Another engine gets the same id with another number, and cannot know of the first."""
    events, source = unique("events"), unique("source")
    for topic in (events, source):
        kafka.create_topic(topic, partitions=1)
    one, other = desks("one"), desks("other", "--kafka", kafka.url(), workflows=[outbound(source, events)])
    one.rates([{"prefix": "49", "price_micro": 100}])
    one.tenant("acme", 10**6)
    one.fresh()
    rows = "SELECT count(*) FROM messages_log WHERE "

    def send(name, to):
        kcat.produce(kafka.url(), source, [json.dumps({
            "v": 1, "id": name, "tenant_id": "acme", "channel": "sms", "from": "me", "to": to, "text": "hi",
            "ts_us": int(time.time() * 1e6), "send": {"outcome": "accepted", "channel": "sms"}})])

    send("known", "+4915112345")  # now it knows the tenant, and what the ledger had
    until(lambda: one.sql(rows + "id = 'known'") == "1")
    items = one.items("commit", one.items("reserve", [{**one.messages(1)[0], "id": "m1"}]))
    assert items[0]["settle"]["op"] == "commit"
    send("m1", "+4915154321")
    until(lambda: one.sql(rows + "id = 'm1' AND outcome = 'failed'") == "1", what=other.engine.log)
    assert one.sql("SELECT tenant_id, recipient, reason, price_micro FROM messages_log WHERE id = 'm1' "
                   "AND outcome = 'failed'") == "acme|+4915154321|conflict|0"
    assert one.sql("SELECT node, error LIKE '%billing_transactions%' FROM executions WHERE status = 'error'"
                   ) == "Reserve|t"
    assert one.sql("SELECT count(*), sum(amount_micro) FROM billing_transactions WHERE idempotency_key LIKE 'm1:%' "
                   "AND tenant_id = 'acme'") == "2|200"
    money = one.do("balance", tenant="acme")
    assert (money["spent"], money["held"]) == (200, 0)

    def told():
        return [e for e in (json.loads(m["payload"]) for m in kcat.consume(kafka.url(), events))
                if e.get("msg_id") == "m1"]

    until(lambda: [e for e in told() if e.get("state") == "failed"], what=lambda: str(told()))
    assert [e for e in told() if "op" in e] == []
    one.check()


# --- low balances ---------------------------------------------------------------------------------

def test_a_low_balance_is_told_once_for_each_crossing(desks, kafka, unique):
    """The shipped workflow, every second: also when the engine is killed, and when the balance wavers."""
    topic = unique("notifications")
    kafka.create_topic(topic, partitions=1)
    text = (SHIPPED / "low-balance.json").read_text().replace('"notifications.billing"', json.dumps(topic))
    flow = json.loads(text)
    flow["nodes"][0]["parameters"]["rule"]["interval"] = [{"field": "seconds", "secondsInterval": 1}]
    o = desks("one", "--kafka", kafka.url(), workflows=[flow])

    def told():
        return [(e["labels"]["severity"], e["status"], e["labels"]["tenant"]) for e in (
            json.loads(m["payload"]) for m in kcat.consume(kafka.url(), topic))]

    def move(micro):
        o.n += 1
        o.do("adjust", tenant="acme", micro=micro, key=f"move{o.n}")

    def looks(n=1):
        """So many runs that began after now have ended."""
        seen = o.engine.metric("catalyst_executions_total", workflow="low-balance")
        until(lambda: o.engine.metric("catalyst_executions_total", workflow="low-balance") > seen + n)

    o.tenant("rich", 10**9)
    o.tenant("acme", 7_000_000)
    o.tenant("empty")
    looks()
    assert told() == []
    wanted = []
    for micro, more in [(-2_100_000, [("warning", "firing")]), (500_000, []),
                        (-5_400_000, [("critical", "firing")]), (100_000, []),
                        (6_000_000, [("warning", "resolved"), ("critical", "resolved")]),
                        (-2_000_000, [("warning", "firing")])]:
        move(micro)
        wanted += [(*one, "acme") for one in more]
        if more:
            until(lambda: len(told()) >= len(wanted), what=told)
        else:
            looks()
        assert told() == wanted
        if micro == 100_000:
            o.engine.kill()
            o.engine.start()
    looks()
    assert told() == wanted
