# SPDX-License-Identifier: Apache-2.0
"""What tests of plugins' tables share (tests/scenario, tests/integration): the plugin
examples/third-party-plugin/accounts.c, workflows with it, and what holds on every store."""
import json
import os
import re
import subprocess
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def nodes_of(nodes, wires, **more):
    """A workflow's text as the format wants it; wires: "A -> B"."""
    links = {}
    for wire in wires:
        source, target = wire.split(" -> ")
        links.setdefault(source, {"main": [[]]})["main"][0].append(
            {"node": target, "type": "main", "index": 0})
    return {"settings": {"executionOrder": "v1"}, "connections": links, **more,
            "nodes": [{"id": f"n{i}", "typeVersion": 1, "position": [200 * i, 0], "parameters": {},
                       **node} for i, node in enumerate(nodes)]}


def build(folder, *flags):
    folder.mkdir(exist_ok=True)
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall",
                    "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden", *flags,
                    f"-I{ROOT}/sdk/include", "-Wl,-z,defs",
                    ROOT / "examples/third-party-plugin/accounts.c", "-o", folder / "accounts.so"],
                   check=True)
    return folder


def accounts(operation, **parameters):
    return {"name": operation, "type": "acme.accounts",
            "parameters": {"operation": operation, **parameters}}


CHARGE = accounts("charge", account="={{ $json.account }}", key="={{ $json.key }}",
                  amount="={{ $json.amount }}")
BALANCE = accounts("balance", account="={{ $json.account }}")
MOVE = accounts("move", account="={{ $json.account }}", to="={{ $json.to }}",
                amount="={{ $json.amount }}")


def hook(node, path):
    """A webhook that answers with the item of a node, or with status 500."""
    return nodes_of([
        {"name": "Hook", "type": "catalyst.webhook", "parameters": {
            "httpMethod": "POST", "path": path, "responseMode": "lastNode"}},
        {"name": "Body", "type": "catalyst.set", "parameters": {
            "mode": "raw", "jsonOutput": "={{ JSON.stringify($json.body) }}"}}, node],
        ["Hook -> Body", f"Body -> {node['name']}"], id=path, name=path)


WORKFLOWS = [hook(CHARGE, "charge"), hook(BALANCE, "balance"), hook(MOVE, "move")]


def ask(engine, path, **body):
    answer = engine.call("POST", f"/webhook/{path}", json.dumps(body).encode(),
                         {"content-type": "application/json"})
    return answer.status, (answer.json() if answer.status == 200 else answer.body.decode())


def balance(engine, account):
    status, item = ask(engine, "balance", account=account)
    assert status == 200, item
    return item["balance"]


def all_at_once(*calls):
    results = [None] * len(calls)

    def run(i):
        results[i] = ask(*calls[i][0], **calls[i][1])
    threads = [threading.Thread(target=run, args=[i]) for i in range(len(calls))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return results


def check_accounts(engine):
    """What holds on every store."""
    assert balance(engine, "ann") is None
    assert ask(engine, "charge", account="ann", key="in", amount=100)[0] == 200
    assert ask(engine, "charge", account="bob", key="in", amount=10)[0] == 200
    assert balance(engine, "ann") == 100
    # The same entry again moves nothing.
    assert ask(engine, "charge", account="ann", key="in", amount=100)[0] == 200
    assert balance(engine, "ann") == 100
    # Many at once, of which some would overdraw: these fail, the others are in.
    results = all_at_once(*[(([engine, "charge"]), dict(account="ann", key=f"k{i}", amount=-7))
                            for i in range(20)],
                          *[(([engine, "charge"]), dict(account="bob", key=f"k{i}", amount=1))
                            for i in range(20)])
    good = [status for status, _ in results[:20]].count(200)
    assert good == 14, results[:20]
    assert all(status == 200 for status, _ in results[20:])
    assert balance(engine, "ann") == 100 - 14 * 7 and balance(engine, "bob") == 30
    # Statements: both or neither.
    assert ask(engine, "move", account="bob", to="ann", amount=5) == (200, {"moved": True})
    assert ask(engine, "move", account="bob", to="nobody", amount=5)[0] == 500
    assert ask(engine, "move", account="bob", to="ann", amount=500)[0] == 500
    assert balance(engine, "ann") == 7 and balance(engine, "bob") == 25
    metrics = engine.metrics()

    def total(name):
        return sum(float(v) for v in re.findall(rf"^{name}{{[^}}]*}} (\S+)$", metrics, re.M))
    assert total("catalyst_sql_calls_total") >= 8
    assert total("catalyst_sql_errors_total") == 2
    assert total("catalyst_rows_refused_total") >= 6
    assert total("catalyst_sql_open") == 0


def migrate(catalyst, plugins, store, *flags):
    return subprocess.run([catalyst, "migrate", "--store", store, "--plugins", plugins, *flags],
                          text=True, capture_output=True, timeout=120)


def check_migrations(catalyst, plugins, store, tmp_path):
    done = migrate(catalyst, plugins, store, "--check")
    assert done.returncode in (1, 3), done.stderr
    done = migrate(catalyst, plugins, store)
    assert done.returncode == 0, done.stderr
    assert "plugin accounts, step 1: accounts and their entries\n" in done.stdout
    assert "plugin accounts, step 2: notes of accounts\n" in done.stdout
    assert "plugin accounts is at 2 of 2\n" in done.stdout
    done = migrate(catalyst, plugins, store)
    assert done.returncode == 0 and "step" not in done.stdout
    assert migrate(catalyst, plugins, store, "--check").returncode == 0
    edited = build(tmp_path / "edited", "-DEDITED_MIGRATION")
    for words in (["migrate"], ["migrate", "--check"], ["serve"]):
        done = subprocess.run([catalyst, *words, "--store", store, "--plugins", edited], text=True,
                              capture_output=True, timeout=120)
        assert done.returncode == 3, words
        assert "plugin 'accounts': migration 2 (notes of accounts) was changed after" in done.stderr
