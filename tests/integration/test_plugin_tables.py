# SPDX-License-Identifier: Apache-2.0
"""Tables of plugins on PostgreSQL: what tests/scenario/test_plugin_tables.py does on the others, and
what only PostgreSQL has: engines that start together, a schema of its own, a server that goes away."""
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from accounts import (WORKFLOWS, ask, balance, build, check_accounts,  # noqa: E402
                      check_migrations, migrate)
from engines import Engine  # noqa: E402


@pytest.fixture(scope="session")
def plugins(tmp_path_factory):
    return build(tmp_path_factory.mktemp("plugins"))


@pytest.fixture
def database(postgres, unique):
    name = unique("tables")
    return name, postgres.create_database(name)


def test_accounts(catalyst, plugins, tmp_path, database):
    flags = ["--store", database[1], "--plugins", plugins]
    with Engine(catalyst, tmp_path, *flags, workflows=WORKFLOWS) as engine:
        check_accounts(engine)
    with Engine(catalyst, tmp_path, *flags, workflows=WORKFLOWS) as engine:
        assert balance(engine, "ann") == 7


def test_migrations(catalyst, plugins, tmp_path, postgres, database):
    check_migrations(catalyst, plugins, database[1], tmp_path)
    rows = postgres.psql("SELECT number, name, applied_at > now() - interval '1 hour' FROM "
                         "plugin_migration WHERE plugin = 'accounts' ORDER BY 1",
                         database=database[0]).stdout.split("\n")
    assert rows[:2] == ["1|accounts and their entries|t", "2|notes of accounts|t"]


def test_tables_live_beside_the_engines(catalyst, plugins, tmp_path, postgres, database):
    postgres.psql("CREATE SCHEMA mine", database=database[0])
    url = f"{database[1]}?options=-csearch_path%3Dmine"
    with Engine(catalyst, tmp_path, "--store", url, "--plugins", plugins,
                workflows=WORKFLOWS) as engine:
        assert ask(engine, "charge", account="ann", key="in", amount=5)[0] == 200
        assert balance(engine, "ann") == 5
    assert postgres.psql("SELECT balance FROM mine.accounts_account", database=database[0]) \
        .stdout.strip() == "5"


def test_engines_that_start_together_migrate_once(catalyst, plugins, database):
    done = [None] * 4

    def run(i):
        done[i] = migrate(catalyst, plugins, database[1])
    threads = [threading.Thread(target=run, args=[i]) for i in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert all(d.returncode == 0 for d in done), [d.stderr for d in done]
    steps = "".join(d.stdout for d in done)
    assert steps.count("plugin accounts, step 1") == 1
    assert steps.count("plugin accounts, step 2") == 1


def test_a_server_that_goes_away(catalyst, plugins, tmp_path, new_server):
    server = new_server("postgres")
    with Engine(catalyst, tmp_path, "--store", server.url(), "--plugins", plugins,
                workflows=WORKFLOWS) as engine:
        assert ask(engine, "charge", account="ann", key="in", amount=5)[0] == 200
        assert balance(engine, "ann") == 5
        server.stop()
        late = []

        def later():
            late.append(ask(engine, "balance", account="ann"))
        waits = threading.Thread(target=later)
        waits.start()
        time.sleep(1)
        server.start()
        waits.join()
        # It waited for the server; or failed in words, when it was under way.
        status, item = late[0]
        assert status == 500 or item == {"account": "ann", "balance": 5}, late
        end = time.monotonic() + 90
        while True:
            status, item = ask(engine, "balance", account="ann")
            if status == 200:
                break
            assert time.monotonic() < end, item
            time.sleep(0.2)
        assert item["balance"] == 5
        assert ask(engine, "charge", account="ann", key="out", amount=-5)[0] == 200
        assert balance(engine, "ann") == 0
