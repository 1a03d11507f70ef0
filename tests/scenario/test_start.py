# SPDX-License-Identifier: Apache-2.0
"""Starting while something is missing: health is answered before the engine is up, and says why."""
import json
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import servers  # noqa: E402
from engines import Engine, until  # noqa: E402
from test_cases import definition  # noqa: E402


@pytest.fixture
def waiting(catalyst, tmp_path):
    """An engine whose database is not there."""
    e = Engine(catalyst, tmp_path, "--store", f"postgresql://x@127.0.0.1:{servers.free_port()}/x",
               ready=False).start()
    e.addresses["health"] = e.wait_log(r"serve admin: health http://(\S+?:\d+)")[1]
    e.wait_log("store.wait")
    yield e
    e.kill()


def test_readiness_tells_that_the_database_is_down(waiting):
    assert waiting.get("/healthz")[0] == 200
    status, body = waiting.get("/readyz")
    assert status == 503
    reasons = json.loads(body)["reasons"]
    assert len(reasons) == 1 and "store: connect:" in reasons[0] and "refused" in reasons[0]
    for path in ("/metrics", "/admin/state"):
        status, body = waiting.get(path)
        assert status == 503 and "starting" in body
    assert len(re.findall("store.wait", waiting.log())) < 10


def test_a_stop_while_the_database_is_down(waiting):
    waiting.signal(signal.SIGTERM)
    assert waiting.process.wait(60) == 3
    assert re.search("catalyst: store: connect: .*refused", waiting.log())


def test_readiness_tells_that_a_trigger_did_not_start(catalyst, tmp_path):
    flow = definition({"id": "pipe", "name": "pipe", "nodes": [
        {"name": "In", "type": "catalyst.kafkaTrigger", "parameters": {"topic": "a"}}],
        "wires": []})
    e = Engine(catalyst, tmp_path, "--store", "memory:", "--workers", "3", workflows=[flow],
               ready=False).start()
    try:
        e.wait_listening()
        e.wait_log("trigger.start_failed")
        reason = ("workflow 'pipe' node 'In': kafka: no brokers are configured; set --kafka HOST:PORT "
                  "(or --kafka embedded)")
        # the other reasons of a start go first
        until(lambda: json.loads(e.get("/readyz")[1])["reasons"] == [reason],
              what=lambda: e.get("/readyz")[1])
        assert e.get("/readyz")[0] == 503
    finally:
        e.kill()


def test_the_admin_port_is_taken(catalyst, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        e = Engine(catalyst, tmp_path, "--store", "memory:", "--admin-port",
                   taken.getsockname()[1], ready=False)
        e.start()
        assert e.process.wait(60) == 3
        assert "admin-port, admin-address: " in e.log() and "already in use" in e.log()
