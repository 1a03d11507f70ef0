# SPDX-License-Identifier: Apache-2.0
"""Error workflows: what starts them, the item they begin with, and that they never go in circles."""
import http.server
import json
import re
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from engines import Engine, until  # noqa: E402
from test_cases import definition  # noqa: E402

ALARM = {"name": "Alarm", "type": "n8n-nodes-base.errorTrigger", "typeVersion": 1}
FAIL = {"name": "Fail", "type": "catalyst.stopAndError",
        "parameters": {"errorMessage": "=no {{ $json.body?.what }}"}}


@pytest.fixture
def engine(catalyst, tmp_path):
    """engine(workflow, ..) starts one with a store of its own."""
    started = []

    def start(*workflows, flags=()):
        one = Engine(catalyst, tmp_path, "--store", f"sqlite:{tmp_path}/store.db", *flags,
                     workflows=workflows).start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()


def flow(identity, *nodes, name=None, **settings):
    """A workflow whose nodes follow each other."""
    wires = [f"{a['name']} -> {b['name']}" for a, b in zip(nodes, nodes[1:])]
    return definition({"id": identity, "name": name or identity, "nodes": list(nodes),
                       "wires": wires, "settings": {"executionOrder": "v1", **settings}})


def hook(path="in"):
    return {"name": "Hook", "type": "catalyst.webhook",
            "parameters": {"httpMethod": "POST", "path": path}}


@pytest.fixture
def peer():
    """A server that keeps what is posted to it: peer.got, peer.url."""
    class Peer(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            server.got.append(json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_):
            """Engines that are killed hang up."""

    server = Server(("127.0.0.1", 0), Peer)
    server.got = []
    server.url = f"http://127.0.0.1:{server.server_port}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def post(peer):
    return {"name": "Post", "type": "catalyst.httpRequest", "parameters": {
        "method": "POST", "url": peer.url, "sendBody": True, "specifyBody": "json",
        "jsonBody": "={{ $json }}"}}


@pytest.mark.parametrize("named", ["alarm", "The alarm"])
def test_a_failed_webhook_starts_it_with_the_failure(engine, peer, named):
    e = engine(flow("alarm", ALARM, post(peer), name="The alarm"),
               flow("orders", hook(), FAIL, name="Orders", errorWorkflow=named))
    e.call("POST", "/webhook/in", {"what": "bread"})
    until(lambda: peer.got)
    item = peer.got[0]
    assert item["workflow"] == {"id": "orders", "name": "Orders"}
    execution = item["execution"]
    assert execution["lastNodeExecuted"] == "Fail" and execution["mode"] == "webhook"
    assert execution["error"]["message"] == "no bread" and execution["error"]["node"] == "Fail"
    assert execution["id"].endswith("-0")
    e.wait_done(1, "success")
    e.wait_done(1, "error")
    assert len(peer.got) == 1


def test_a_failed_schedule_starts_it(engine, peer):
    clock = {"name": "Clock", "type": "catalyst.scheduleTrigger", "parameters": {
        "rule": {"interval": [{"field": "seconds", "secondsInterval": 1}]}}}
    e = engine(flow("alarm", ALARM, post(peer)), flow("tick", clock, FAIL, errorWorkflow="alarm"))
    until(lambda: len(peer.got) >= 2)
    assert peer.got[0]["workflow"]["id"] == "tick"
    assert peer.got[0]["execution"]["mode"] == "trigger"
    assert peer.got[0]["execution"]["id"] != peer.got[1]["execution"]["id"]
    e.process.terminate()


def test_every_failure_starts_one(engine, peer):
    e = engine(flow("alarm", ALARM, post(peer)), flow("orders", hook(), FAIL,
                                                      errorWorkflow="alarm"),
               flags=("--workers", "2"))
    for i in range(40):
        e.call("POST", "/webhook/in", {"what": i})
    until(lambda: len(peer.got) == 40)
    assert {g["execution"]["error"]["message"] for g in peer.got} == {f"no {i}" for i in range(40)}


def test_it_starts_itself_with_a_trigger_of_its_own(engine, peer):
    both = definition({"id": "both", "name": "both", "nodes": [hook(), FAIL, ALARM, post(peer)],
                       "wires": ["Hook -> Fail", "Alarm -> Post"]})
    e = engine(both)
    e.call("POST", "/webhook/in", {"what": "bread"})
    until(lambda: peer.got)
    assert peer.got[0]["workflow"]["id"] == "both"


@pytest.mark.parametrize("of_alarm", [{}, {"errorWorkflow": "alarm"}, {"errorWorkflow": "other"}])
def test_a_failing_error_workflow_starts_none(engine, peer, of_alarm):
    e = engine(flow("alarm", ALARM, FAIL, **of_alarm), flow("other", ALARM, post(peer)),
               flow("orders", hook(), FAIL, errorWorkflow="alarm"))
    e.call("POST", "/webhook/in", {"what": "bread"})
    until(lambda: e.done("error") == 2)
    time.sleep(0.5)
    assert e.done("error") == 2 and e.done() == 2 and not peer.got


def test_one_that_is_not_there_is_told(engine):
    quiet = {"name": "Hook", "type": "catalyst.webhook", "parameters": {"path": "quiet"}}
    e = engine(flow("orders", hook(), FAIL, name="Orders", errorWorkflow="quiet"),
               flow("quiet", quiet))
    e.call("POST", "/webhook/in", {"what": "bread"})
    e.wait_log(r"error workflow 'quiet' of workflow 'Orders' \(orders\) does not start: "
               r"no active workflow")
    assert e.log().count("does not start") == 1


def test_one_that_was_deactivated_is_told(engine, peer, catalyst, tmp_path):
    e = engine(flow("alarm", ALARM, post(peer)),
               flow("orders", hook(), FAIL, errorWorkflow="alarm"), flags=("--workers", "1"))
    subprocess.run([catalyst, "deactivate", "alarm", "--store", f"sqlite:{tmp_path}/store.db"],
                   check=True, capture_output=True)
    e.wait_log(r"workflow\.stops: 'alarm'")

    def is_told():  # the workers have it by mail
        e.call("POST", "/webhook/in", {"what": "bread"})
        return re.search(r"error workflow 'alarm' of workflow 'orders' \(orders\) does not start",
                         e.log())
    until(is_told)
    told = e.log().count("does not start")
    e.call("POST", "/webhook/in", {"what": "milk"})
    until(lambda: e.log().count("does not start") > told)
    assert not [one for one in peer.got if "milk" in json.dumps(one)]


def test_it_goes_on_after_a_stop_and_after_a_kill(engine, peer, tmp_path):
    def stored():
        with sqlite3.connect(tmp_path / "store.db", timeout=60) as store:
            found = store.execute("SELECT count(*) FROM executions WHERE status = 'success'").fetchone()
        store.close()
        return found[0]
    flows = (flow("alarm", ALARM, post(peer)), flow("orders", hook(), FAIL, errorWorkflow="alarm"))
    for i, end in enumerate(("stop", "kill", "stop")):
        e = engine(*flows)
        e.call("POST", "/webhook/in", {"what": i})
        until(lambda: stored() == i + 1)  # before that a kill has it begin again
        assert len(peer.got) == i + 1
        assert peer.got[i]["execution"]["error"]["message"] == f"no {i}"
        assert getattr(e, end)() in (0, None)
    assert e.process.returncode == 0 and len(peer.got) == 3


def test_check_and_deploy_warn_of_one_that_is_not_there(catalyst, tmp_path):
    def ask(*words):
        done = subprocess.run([catalyst, *words], cwd=tmp_path, capture_output=True, text=True,
                              timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stderr
    orders = flow("orders", hook(), FAIL, name="Orders", errorWorkflow="alarn")
    (tmp_path / "orders.json").write_text(json.dumps(orders))
    (tmp_path / "alarm.json").write_text(json.dumps(flow("alarm", ALARM, FAIL, name="The alarm")))
    store = ("--store", f"sqlite:{tmp_path}/store.db")
    said = ask("check", "orders.json", "alarm.json")
    assert said == ("orders.json: warning: errorWorkflow: there is no workflow 'alarn' among the "
                    "files checked; did you mean 'alarm'?\n")
    assert "it must be active there when 'Orders' fails" in ask("check", "orders.json")
    said = ask("deploy", "orders.json", *store)
    assert "there is no workflow 'alarn' in the store; it must be active" in said
    for name in ("alarm", "The alarm"):
        orders["settings"]["errorWorkflow"] = name
        (tmp_path / "orders.json").write_text(json.dumps(orders))
        assert ask("check", "orders.json", "alarm.json") == ""
        assert "no workflow" in ask("check", "orders.json")
    assert ask("deploy", "alarm.json", *store) == ask("deploy", "orders.json", *store) == ""
