# SPDX-License-Identifier: Apache-2.0
"""catalyst.firewall in a running engine with a real Redis: lists that change while it runs, rules that
are replaced under load, Redis that goes away, messages that are held and released."""
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "tests" / "scenario"))
from engines import Engine, until  # noqa: E402
from test_cases import definition  # noqa: E402

import kcat  # noqa: E402
from test_connections import certificates, tls_server  # noqa: E402, F401

RULES = {
    "outage": {"closedRoutes": ["premium"], "maxAge": "2s", "action": "reject"},
    "rules": [
        {"id": "allow", "action": "pass", "when": {"list": "allow"}},
        {"id": "deny", "action": "reject", "code": "denied", "when": {"list": "deny"}},
        {"id": "lottery", "action": "quarantine", "hold": "1h", "when": {"text": "you have won"}},
        {"id": "brief", "action": "quarantine", "hold": "1s", "when": {"text": "act now"}},
        {"id": "otp", "action": "throttle",
         "when": {"class": "otp", "limit": {"per": "recipient", "limit": 3, "window": "10m"}}},
    ],
}


def hook(path, *nodes, wires):
    start = {"name": "Hook", "type": "catalyst.webhook", "parameters": {
        "httpMethod": "POST", "path": path, "responseMode": "lastNode"}}
    body = {"name": "Body", "type": "catalyst.set", "parameters": {
        "mode": "raw", "jsonOutput": "={{ $json.body }}"}}
    return definition({"id": path, "name": path, "nodes": [start, body, *nodes],
                       "wires": ["Hook -> Body", *wires]})


def gate(parameters, credential):
    end = {"name": "End", "type": "catalyst.noOp", "parameters": {}}
    firewall = {"name": "Firewall", "type": "catalyst.firewall", "parameters": parameters}
    if credential:
        firewall["credentials"] = {"redis": {"name": "lists"}}
    hold = {"name": "Hold", "type": "catalyst.firewallQuarantine", "parameters": {}}
    return hook("gate", firewall, hold, end, wires=[
        "Body -> Firewall", "Firewall:0 -> End", "Firewall:1 -> Hold", "Hold -> End",
        "Firewall:2 -> End", "Firewall:3 -> End"])


def review(operation, **parameters):
    node = {"name": "Review", "type": "catalyst.firewallReview",
            "parameters": {"operation": operation, **parameters}}
    found, none = ({"name": name, "type": "catalyst.set", "parameters": {
        "includeOtherFields": True, "assignments": {"assignments": [
            {"name": "answer", "type": "string", "value": name.lower()}]}}}
        for name in ("Found", "None"))
    return hook(operation, node, found, none, wires=[
        "Body -> Review", "Review:0 -> Found", "Review:1 -> None"])


class Gate:
    def __init__(self, catalyst, folder, redis=None, store=None, rules=None, flags=(), login=None,
                 **parameters):
        self.folder = folder
        self.rules_file = folder / "rules.json"
        self.put_rules(rules or RULES)
        flags = ["--store", store or f"sqlite:{folder}/store.db", "--workers", "2", *flags]
        if redis:
            credentials = folder / "credentials.json"
            credentials.write_text(json.dumps({"lists": {"type": "redis", "data": {
                "host": "127.0.0.1", "port": str(redis.port), **(login or {})}}}))
            flags += ["--credentials", credentials]
        parameters = {"rules": str(self.rules_file), "throttle": "block",
                      "options": {"poll": 100}, **parameters}
        self.engine = Engine(catalyst, folder, *flags, workflows=[
            gate(parameters, redis is not None), review("list"), review("expire"),
            review("release", id="={{ $json.id }}", by="={{ $json.by }}"),
            review("deny", id="={{ $json.id }}")])

    def put_rules(self, rules):
        beside = self.folder / "rules.new"
        beside.write_text(rules if isinstance(rules, str) else json.dumps(rules, indent=1))
        os.replace(beside, self.rules_file)

    def __enter__(self):
        self.engine.start()
        return self

    def __exit__(self, *_):
        self.engine.kill()

    def send(self, to="491511234567", text="hello", **more):
        answer = self.engine.call("POST", "/webhook/gate", {
            "v": 1, "id": more.pop("id", "m1"), "tenant_id": "acme", "from": "ACME", "to": to,
            "text": text, **more})
        assert answer.status == 200, (answer.status, answer.body, self.engine.log()[-2000:])
        return answer.json()["firewall"]

    def verdict(self, *words, **more):
        got = self.send(*words, **more)
        return got["verdict"], got.get("rule"), got.get("reason")

    def metric(self, name, **labels):
        return self.engine.metric("catalyst_firewall_" + name, **labels)

    def until(self, wanted, *words, **more):
        """Far sooner than the 15 minutes after which a list is read anew anyway."""
        until(lambda: self.verdict(*words, **more) == wanted, what=lambda: (
            f"{self.verdict(*words, **more)}, not {wanted}\n{self.engine.log()[-2000:]}"))

    def ask(self, path, body=None):
        answer = self.engine.call("POST", f"/webhook/{path}", body or {})
        assert answer.status == 200, (answer.status, answer.body, self.engine.log()[-2000:])
        return answer.json()


PASSED, DENIED = ("pass", None, None), ("reject", "deny", "number")


def test_lists_of_redis_change_while_it_runs(catalyst, tmp_path, new_server):
    redis = new_server("redis")
    for i in range(2000):
        redis.ask("ZADD", "firewall:blacklist", "0", f"49160{i:07}")
    redis.ask("ZADD", "firewall:blacklist", "1000000", "491719999999")  # long over
    saved = tmp_path / "deny.list"
    with Gate(catalyst, tmp_path, redis, deny={"key": "firewall:blacklist", "savedFile": str(saved)},
              allow={"key": "firewall:allowed"}) as gate:
        assert gate.verdict("491600000000") == gate.verdict("491600001999") == DENIED
        assert gate.verdict("491600002000") == gate.verdict("491719999999") == PASSED
        # By the stream, both ways.
        redis.ask("XADD", "firewall:blacklist:changes", "*", "op", "add", "number", "491600002000")
        redis.ask("ZADD", "firewall:blacklist", "0", "491600002000")
        gate.until(DENIED, "491600002000")
        redis.ask("ZREM", "firewall:blacklist", "491600002000")
        redis.ask("XADD", "firewall:blacklist:changes", "*", "op", "remove", "number",
                  "491600002000")
        gate.until(PASSED, "491600002000")
        # By a score above all others: an entry that ends in a moment. One that has ended before a slow
        # machine looked is no end: the next one lasts longer.
        for lasts_s in (3, 10, 30):
            ends = int(time.time()) + lasts_s
            redis.ask("ZADD", "firewall:blacklist", str(ends), "491700000001")
            seen = until(lambda: gate.verdict("491700000001") == DENIED and "denied"
                         or time.time() > ends + 2 and "over")
            if seen == "denied":
                break
        assert seen == "denied"
        gate.until(PASSED, "491700000001")
        # By the number of members alone.
        redis.ask("ZREM", "firewall:blacklist", "491600000007")
        gate.until(PASSED, "491600000007")
        redis.ask("ZADD", "firewall:allowed", "0", "491600000008")
        gate.until(("pass", "allow", "allowed"), "491600000008")
        assert gate.metric("trouble") == 0
        assert saved.exists()


def test_redis_goes_away_and_lists_stay(catalyst, tmp_path, new_server):
    redis = new_server("redis")
    redis.ask("ZADD", "firewall:blacklist", "0", "491600000001")
    saved = str(tmp_path / "deny.list")
    deny = {"key": "firewall:blacklist", "savedFile": saved}
    with Gate(catalyst, tmp_path, redis, deny=deny) as gate:
        assert gate.verdict("491600000001") == DENIED
        assert gate.verdict(route_hint="premium") == PASSED
        redis.stop()
        # The list stays and grows old; a route that must not go by old lists is closed.
        gate.until(("reject", None, "stale"), route_hint="premium")
        assert gate.verdict("491600000001") == DENIED
        assert gate.verdict() == PASSED
        gate.engine.wait_log("firewall.refused.*redis")
        until(lambda: gate.metric("list_age_seconds") >= 2)
        redis.start()
        redis.ask("ZADD", "firewall:blacklist", "0", "491600000001")
        gate.until(PASSED, route_hint="premium")
        gate.until(DENIED, "491600000001")
        until_saved(catalyst, saved, "491600000001")
        redis.stop()
    # Without Redis from the start: with the list as it was saved.
    with Gate(catalyst, tmp_path, redis, deny=deny, options={"wait": 1000, "poll": 100}) as gate:
        assert gate.verdict("491600000001") == DENIED
        assert gate.verdict("491600000002") == PASSED


def until_saved(catalyst, file, number):
    """The list is in force a moment before it is saved."""
    tool = catalyst.parent.parent / "plugins" / "firewall_list"
    if not tool.exists():
        time.sleep(2)
        return
    until(lambda: subprocess.run([tool, "has", file, number], capture_output=True,
                                 timeout=120).returncode == 0, what=f"{number} is not saved")


def test_rules_are_replaced_without_loss(catalyst, tmp_path):
    def rules(n):
        return {"rules": [{"id": f"r{n}", "action": "reject", "code": f"c{n}",
                           "when": {"text": "forbidden"}}]}

    answers, trouble, stop = [], [], threading.Event()

    def work(gate):
        while not stop.is_set():
            try:
                answers.append(gate.send(text="this is forbidden"))
            except Exception as error:  # noqa: BLE001
                trouble.append(error)

    with Gate(catalyst, tmp_path, rules=rules(0)) as gate:
        threads = [threading.Thread(target=work, args=(gate,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for n in range(1, 11):
            if n % 3 == 0:
                gate.put_rules('{"rules": [{"id": "x", "action": "rejct", "when": {"url": true}}]}')
                until(lambda: gate.engine.log().count("did you mean 'reject'") >= n // 3)
            gate.put_rules(rules(n))
            before = len(answers)
            until(lambda: trouble or f"r{n}" in [answer["rule"] for answer in answers[before:]],
                  what=lambda: f"r{n} is not in force\n{gate.engine.log()[-2000:]}")
        stop.set()
        for thread in threads:
            thread.join()
        assert not trouble
        seen = set()
        for answer in answers:
            assert answer["code"] == "c" + answer["rule"][1:]
            seen.add((answer["rule"], answer["version"].split("-")[0]))
        assert len(seen) > 10 and len({rule for rule, _ in seen}) == len(seen)
        # Every load is on record, a moment later, and the rules of each version with it.
        store = sqlite3.connect(tmp_path / "store.db", timeout=120)
        until(lambda: {answer["version"] for answer in answers} <= {row[0] for row in store.execute(
            "SELECT version FROM firewall_audit WHERE kind = 'rules' AND outcome = 'loaded'")},
            what="a version is not on record")
        until(lambda: store.execute("SELECT count(*) FROM firewall_audit WHERE outcome = 'refused' AND "
                                    "detail LIKE '%did you mean%'").fetchone()[0] >= 1)
    bodies = dict(store.execute("SELECT hash, body FROM firewall_rules"))
    for rule, version in seen:
        assert json.loads(bodies[version])["rules"][0]["id"] == rule


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_held_messages_are_decided(catalyst, tmp_path, kind, request, unique):
    store, postgres, name = None, None, unique("firewall")
    if kind == "postgres":
        postgres = request.getfixturevalue("postgres")
        store = postgres.create_database(name)
    with Gate(catalyst, tmp_path, store=store) as gate:
        for n, (text, rule) in enumerate([("You have WON!", "lottery")] * 3 + [("Act now", "brief")]):
            assert gate.verdict(text=text, id=f"m{n}") == ("quarantine", rule, "content")
        held = gate.ask("list")
        assert held["quarantine"]["state"] == "held" and held["text"] in ("You have WON!", "Act now")
        one = gate.ask("release", {"id": "acme/m1", "by": "ann"})
        assert one["answer"] == "found" and one["id"] == "m1" and one["to"] == "491511234567"
        assert one["quarantine"]["state"] == "released"
        assert one["quarantine"]["decided_by"] == "ann"
        assert gate.ask("release", {"id": "acme/m1", "by": "bob"})["answer"] == "none"
        assert gate.ask("deny", {"id": "acme/m1"})["answer"] == "none"
        assert gate.ask("deny", {"id": "acme/m2"})["answer"] == "found"
        assert gate.ask("deny", {"id": "acme/m0"})["answer"] == "found"
        # The one that was held for a second ends by itself.
        until(lambda: gate.ask("expire") and gate.ask("list")["answer"] == "none",
              what=lambda: gate.ask("list"))
        if postgres:
            until(lambda: postgres.psql(
                "SELECT a.kind, a.entries, r.body <> '' FROM firewall_audit a JOIN firewall_rules r "
                "ON a.version LIKE r.hash || '-%'", database=name).stdout.strip() == "rules|5|t")


def test_lists_come_by_tls_and_login(catalyst, tmp_path, tls_server, certificates):  # noqa: F811
    redis = tls_server
    redis.ask("ACL", "SETUSER", "lists", "on", ">se cret", "~*", "+@all")
    redis.ask("ZADD", "firewall:blacklist", "0", "491600000001")
    login = {"port": str(redis.settings["tls-port"]), "ssl": "true", "user": "lists",
             "password": "se cret"}
    deny = {"key": "firewall:blacklist"}
    with Gate(catalyst, tmp_path, redis, deny=deny,
              login={**login, "caFile": str(certificates / "ca.pem")}) as gate:
        assert gate.verdict("491600000001") == DENIED
        redis.ask("XADD", "firewall:blacklist:changes", "*", "op", "add", "number", "491600000002")
        gate.until(DENIED, "491600000002")
    for wrong, says in (({"caFile": str(certificates / "other-ca.pem")}, "certificate verify failed"),
                        ({"caFile": str(certificates / "ca.pem"), "password": "x"}, "WRONGPASS")):
        with Gate(catalyst, tmp_path, redis, deny=deny, login={**login, **wrong},
                  options={"wait": 500, "poll": 100}) as gate:
            assert gate.verdict("491600000001") == PASSED  # no list, and it says so
            gate.engine.wait_log(f"firewall.refused.*{says}")
            assert "se cret" not in gate.engine.log()


def test_alerts_go_to_kafka(catalyst, tmp_path):
    kcat.need()
    with Gate(catalyst, tmp_path, flags=["--kafka", "embedded"], events="firewall.alerts",
              hashKey="pepper") as gate:
        assert gate.verdict(text="you have won 491511234567") == ("quarantine", "lottery", "content")
        assert gate.verdict() == PASSED
        found = until(lambda: kcat.consume(gate.engine.addresses["kafka"], "firewall.alerts"),
                      what=gate.engine.log)
        assert len(found) == 1 and found[0]["key"] == "acme"
        alert = json.loads(found[0]["payload"])
        assert {**alert, "ts_us": 0, "ver": "", "evidence_hash": "", "msisdn_hash": ""} == {
            "v": 1, "id": "m1", "ts_us": 0, "tenant_id": "acme", "rule": "lottery", "ver": "",
            "verdict": "quarantine", "mode": "enforce", "score": 0, "reason": "content",
            "evidence_hash": "", "msisdn_hash": ""}
        assert len(alert["evidence_hash"]) == len(alert["msisdn_hash"]) == 16
        assert "won" not in found[0]["payload"] and "4915" not in found[0]["payload"]


def test_rules_of_the_manual_are_taken(catalyst, tmp_path):
    page = (ROOT / "plugins" / "firewall" / "README.md").read_text()
    text = next(block for block in page.split("```json")[1:] if '"rules": [' in block).split("```")[0].strip()
    tool = catalyst.parent.parent / "plugins" / "firewall_check"
    if tool.exists():
        file = tmp_path / "manual.json"
        file.write_text(text)
        done = subprocess.run([tool, file], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and "17 rules" in done.stdout, done.stderr
        file.write_text(text.replace('"action": "drop"', '"action": "dropp"'))
        done = subprocess.run([tool, file], capture_output=True, text=True, timeout=120)
        assert done.returncode == 1 and "line 10: rule 'bad-hosts': 'action' knows no 'dropp'; did " \
            "you mean 'drop'?" in done.stderr, done.stderr
    with Gate(catalyst, tmp_path, rules=text) as gate:
        assert gate.verdict() == PASSED
        assert gate.verdict(text="see http://evil.example/x") == ("drop", "bad-hosts", "host")
        assert gate.verdict("431511234567", text="Double your BTC today") == ("reject", "crypto",
                                                                             "content")
        assert gate.verdict("431511234567", **{"from": "PayPa1"}) == ("quarantine", "brands",
                                                                      "lookalike")
        assert gate.verdict(**{"from": "Nobody"}) == ("reject", "registry", "unregistered")


def test_a_list_is_made_and_mapped(catalyst, tmp_path):
    tool = catalyst.parent.parent / "plugins" / "firewall_list"
    if not tool.exists():
        pytest.skip(f"firewall_list: {tool} is not built")
    lines, made = tmp_path / "lines", tmp_path / "deny.list"
    lines.write_text("".join(f"49160{i:07}\n" for i in range(100000)))
    done = subprocess.run([tool, "make", lines, made], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.startswith("100000 numbers"), done.stderr
    for number, code in (("491600000000", 0), ("491700000000", 1)):
        assert subprocess.run([tool, "has", made, number], capture_output=True,
                              timeout=120).returncode == code
    lines.write_text("nobody\n")
    done = subprocess.run([tool, "make", lines, made], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "line 1: 'nobody'" in done.stderr
    with Gate(catalyst, tmp_path, deny={"file": str(made)}) as gate:
        assert gate.verdict("491600099999") == DENIED
        assert gate.verdict("491600100000") == PASSED
        until(lambda: gate.metric("denied_numbers") == 100000)  # gauges are told now and then


def test_codes_are_limited(catalyst, tmp_path):
    with Gate(catalyst, tmp_path) as gate:
        for _ in range(3):
            assert gate.verdict("491522222222", **{"class": "otp"}) == PASSED
        assert gate.verdict("491522222222", **{"class": "otp"}) == ("throttle", "otp", "limit")
        assert gate.verdict("491522222222") == PASSED
        assert gate.verdict("nobody") == ("reject", None, "bad_number")
        assert gate.metric("verdict_total", verdict="throttle") == 1
        assert gate.metric("reason_total", reason="limit") == 1
        assert gate.metric("reason_total", reason="bad_number") == 1
