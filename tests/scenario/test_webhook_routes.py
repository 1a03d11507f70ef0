# SPDX-License-Identifier: Apache-2.0
"""Two workflows that want the same method and path: told before, and by an engine that meets them."""
import contextlib
import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from engines import Engine, until  # noqa: E402
from test_cases import definition  # noqa: E402


def hook(identity, path="orders/:id", method="POST", **more):
    return definition({"id": identity, "name": f"The {identity}", "nodes": [
        {"name": "Hook", "type": "catalyst.webhook", "parameters": {
            "httpMethod": method, "path": path, "responseMode": "lastNode"}},
        {"name": "Say", "type": "catalyst.set", "parameters": {
            "mode": "raw", "jsonOutput": {"by": identity}}}], "wires": ["Hook -> Say"], **more})


@pytest.fixture
def run(catalyst, tmp_path):
    """run("deploy", workflow, ..) -> the ended process; text words are words."""
    def run(command, *words):
        args = []
        for i, word in enumerate(words):
            if isinstance(word, str):
                args.append(word)
                continue
            path = tmp_path / f"{command}{i}.json"
            path.write_text(json.dumps(word))
            args.append(str(path))
        if command != "check":
            args += ["--store", f"sqlite:{tmp_path}/store.db"]
        return subprocess.run([str(catalyst), command, *args], capture_output=True, text=True,
                              check=False, timeout=120, cwd=tmp_path)

    return run


def assert_names_both(text, first, second, route="POST /webhook/orders/:"):
    assert f"The {first}" in text and f"The {second}" in text and route in text, text


def test_check_of_several_files(run):
    done = run("check", hook("one"), hook("two", "/orders/:number/"))
    assert done.returncode == 1
    assert_names_both(done.stderr, "one", "two")
    for other in (hook("two", method="PUT"), hook("two", "orders/new"), hook("two", "orders/:id/x"),
                  hook("one")):
        assert run("check", hook("one"), other).returncode == 0
    several = hook("two", method="GET,POST")
    assert run("check", hook("one"), several).returncode == 1


def test_two_nodes_of_one_workflow(run):
    twice = hook("one")
    twice["nodes"].append({**twice["nodes"][0], "id": "again", "name": "Again"})
    done = run("check", twice)
    assert done.returncode == 1 and "'Hook'" in done.stderr and "'Again'" in done.stderr


def test_deploy_refuses(run):
    assert run("deploy", hook("one")).returncode == 0
    done = run("deploy", hook("two", "orders/:other"))
    assert done.returncode == 1 and "is active" not in done.stdout
    assert_names_both(done.stderr, "one", "two")
    assert "two" not in run("list").stdout
    assert run("deploy", hook("one")).returncode == 0  # its own
    assert run("deploy", hook("one", "elsewhere"), hook("two")).returncode == 0  # it moved away
    assert run("deploy", hook("one")).returncode == 1
    assert run("deactivate", "two").returncode == 0
    assert run("deploy", hook("one")).returncode == 0
    done = run("activate", "two")
    assert done.returncode == 1
    assert_names_both(done.stderr, "one", "two")
    assert run("deactivate", "one").returncode == 0
    assert run("activate", "two").returncode == 0


@contextlib.contextmanager
def start(catalyst, tmp_path, *workflows, ready=True):
    with Engine(catalyst, tmp_path, "--store", f"sqlite:{tmp_path}/store.db", "--workers", "2",
                workflows=workflows, ready=ready) as one:
        if not ready:
            one.wait_listening()
        yield one


def test_serve_refuses(catalyst, tmp_path):
    with start(catalyst, tmp_path, hook("one"), hook("two")) as one:
        assert_names_both(one.wait_log("workflow.deploy.*")[0], "one", "two")
        assert one.call("POST", "/webhook/orders/1", {}).json() == {"by": "one"}
        assert one.get("/readyz")[0] == 200


def test_an_engine_that_meets_two(catalyst, tmp_path, run):
    run("deploy", hook("one"))
    run("deactivate", "one")
    run("deploy", hook("two"))
    with sqlite3.connect(tmp_path / "store.db") as db:  # as an older release left it
        tables = [name for name, in db.execute("SELECT name FROM sqlite_master WHERE type='table'")
                  if any(row[1] == "active" for row in db.execute(f"PRAGMA table_info({name})"))]
        assert len(tables) == 1
        db.execute(f"UPDATE {tables[0]} SET active = 1")
    db.close()
    with start(catalyst, tmp_path, ready=False) as one:
        line = one.wait_log("route.refused.*")[0]
        assert_names_both(line, "one", "two")
        # The other reasons of a start come and go first.
        until(lambda: "POST /webhook/orders/:id" in one.get("/readyz")[1])
        status, body = one.get("/readyz")
        reason = next(r for r in json.loads(body)["reasons"] if "/webhook/orders" in r)
        assert status == 503
        assert all(re.search(rf"workflow '(The )?{name}'", reason) for name in ("one", "two"))
        assert "catalyst_executions_total" in one.get("/metrics")[1]
        answers = {one.call("POST", "/webhook/orders/1", {}).json()["by"] for _ in range(20)}
        assert len(answers) == 1  # the same on all workers
        winner, = answers
        loser = "two" if winner == "one" else "one"
        assert one.log().count("route.refused") == 1
        run("deactivate", winner)
        until(lambda: one.get("/readyz")[0] == 200)
        assert one.call("POST", "/webhook/orders/1", {}).json() == {"by": loser}
        assert f"The {loser}" in one.wait_log("route.free.*")[0]
