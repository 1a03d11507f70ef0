# SPDX-License-Identifier: Apache-2.0
"""Tables of plugins: migrations, rows with triggers and constraints, statements (sql/1), by the
plugin examples/third-party-plugin/accounts.c. tests/integration runs the same on PostgreSQL."""
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from accounts import (BALANCE, CHARGE, MOVE, WORKFLOWS, balance, build,  # noqa: E402
                      check_accounts, check_migrations, migrate, nodes_of)
from engines import Engine  # noqa: E402


@pytest.fixture(scope="session")
def plugins(tmp_path_factory):
    """A folder with the example's plugin: the header, and nothing else."""
    return build(tmp_path_factory.mktemp("plugins"))


@pytest.mark.parametrize("store", ["memory:", "sqlite:{}/store.db"])
def test_accounts(catalyst, plugins, tmp_path, store):
    store = store.format(tmp_path)
    flags = ["--store", store, "--plugins", plugins]
    with Engine(catalyst, tmp_path, *flags, workflows=WORKFLOWS) as engine:
        check_accounts(engine)
        if store == "memory:":
            return
        assert "plugin accounts, step 2: notes of accounts" in engine.log()
    with Engine(catalyst, tmp_path, *flags, workflows=WORKFLOWS) as engine:
        assert balance(engine, "ann") == 7
        assert "plugin accounts, step" not in engine.log()


def run_workflow(catalyst, plugins, tmp_path, node, *items):
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps(nodes_of(
        [{"name": "Start", "type": "catalyst.manualTrigger"}, node],
        [f"Start -> {node['name']}"], id="one", name="one")))
    return subprocess.run([catalyst, "run", path, "--plugins", plugins, "--input", "-"],
                          input="".join(json.dumps(i) + "\n" for i in items), text=True,
                          capture_output=True, timeout=60)


def test_run_has_tables_too(catalyst, plugins, tmp_path):
    done = run_workflow(catalyst, plugins, tmp_path, BALANCE, {"account": "x"}, {"account": "y"})
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"account": "x", "balance": None}, {"account": "y", "balance": None}]
    done = run_workflow(catalyst, plugins, tmp_path, CHARGE,
                        {"account": "x", "key": "a", "amount": 5})
    assert done.returncode == 0, done.stderr
    done = run_workflow(catalyst, plugins, tmp_path, CHARGE,
                        {"account": "x", "key": "a", "amount": -5})
    assert done.returncode == 1 and "accounts_funds" in done.stderr, done.stderr
    done = run_workflow(catalyst, plugins, tmp_path, MOVE, {"account": "x", "to": "y", "amount": 1})
    assert done.returncode == 1 and "there is no account 'x'" in done.stderr


def test_migrations(catalyst, plugins, tmp_path):
    store = f"sqlite:{tmp_path}/store.db"
    check_migrations(catalyst, plugins, store, tmp_path)
    with sqlite3.connect(tmp_path / "store.db") as db:
        assert db.execute("SELECT number, name FROM plugin_migration WHERE plugin = 'accounts' "
                          "ORDER BY 1").fetchall() == [(1, "accounts and their entries"),
                                                       (2, "notes of accounts")]
        db.execute("DELETE FROM plugin_migration WHERE plugin = 'accounts' AND number = 2")
        db.execute("ALTER TABLE accounts_account DROP COLUMN note")
    # A server that may not migrate says what to do.
    done = subprocess.run([catalyst, "serve", "--store", store, "--plugins", plugins,
                           "--migrate=false"], text=True, capture_output=True, timeout=60)
    assert done.returncode == 3
    assert "plugin 'accounts' are at version 1, this plugin needs 2: run `catalyst migrate`" in \
        done.stderr
    assert migrate(catalyst, plugins, store, "--check").returncode == 1
