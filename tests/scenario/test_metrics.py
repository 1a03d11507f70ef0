# SPDX-License-Identifier: Apache-2.0
"""What plugins count, in /metrics of a running engine: names, labels, kinds, and what promtool says of
the whole page. promtool is of Debian's package prometheus; CATALYST_PROMTOOL names another one."""
import json
import os
import re
import shutil
import subprocess

import pytest

from test_cases import definition
from test_serve import check_metrics, engine, until  # noqa: F401

RULES = {"rules": [
    {"id": "won", "action": "quarantine", "when": {"text": "you have won"}},
    {"id": "no", "action": "reject", "when": {"text": "forbidden"}},
]}


@pytest.fixture
def plane(engine, tmp_path):  # noqa: F811
    """Webhook, firewall, reservation: the tenants are unknown to the books."""
    (tmp_path / "rules.json").write_text(json.dumps(RULES))
    nodes = [
        {"name": "Hook", "type": "catalyst.webhook", "parameters": {
            "httpMethod": "POST", "path": "in", "responseMode": "lastNode"}},
        {"name": "Body", "type": "catalyst.set", "parameters": {
            "mode": "raw", "jsonOutput": "={{ $json.body }}"}},
        {"name": 'The "wall"', "type": "catalyst.firewall", "parameters": {
            "rules": str(tmp_path / "rules.json")}},
        {"name": "Reserve", "type": "catalyst.billingReserve", "parameters": {}},
        {"name": "Settle", "type": "catalyst.billingSettle", "parameters": {"operation": "auto"}},
        {"name": "Dispatch", "type": "catalyst.notifyDispatch", "parameters": {}},
    ]
    wires = ["Hook -> Body", 'Body -> The "wall"', 'The "wall":0 -> Reserve',
             'The "wall":2 -> Dispatch', "Reserve:0 -> Settle"]
    return engine(definition({"id": "plane", "name": "plane", "nodes": nodes, "wires": wires}),
                  flags=["--workers", "2"])


def send(e, text, to="491511234567"):
    answer = e.call("POST", "/webhook/in", {
        "v": 1, "id": "m1", "tenant_id": "acme", "channel": "sms", "from": "ACME", "to": to,
        "text": text})
    assert answer.status == 200, e.log()[-2000:]


def test_plugins_have_names_of_their_own(plane):
    for _ in range(3):
        send(plane, "hello")
    send(plane, "you have won")
    send(plane, "forbidden")
    send(plane, "hello", to="none")
    plane.wait_done(6)
    rules = r'^catalyst_firewall_rules\{worker="(\d)",.*\} (\S+)$'
    # each worker tells its own, once it knows, a moment later: a gauge is no sum
    until(lambda: {value for _, value in re.findall(rules, plane.metrics(), re.M)} == {"2"})
    text = plane.metrics()
    kinds = check_metrics(text)
    assert kinds["catalyst_firewall_verdict_total"] == "counter"
    assert kinds["catalyst_firewall_rules"] == "gauge"
    assert kinds["catalyst_billing_grant_seconds"] == "histogram"
    assert "# HELP catalyst_firewall_rules Rules in force\n" in text
    assert "catalyst_node_metric" not in text
    wall = {"workflow": "plane", "node": 'The \\"wall\\"'}
    for verdict, n in (("pass", 3), ("quarantine", 1), ("reject", 2), ("drop", 0)):
        assert plane.metric("catalyst_firewall_verdict_total", verdict=verdict, **wall) == n, verdict
    assert plane.metric("catalyst_firewall_reason_total", reason="bad_number") == 1
    assert plane.metric("catalyst_billing_denied_total", reason="unknown_tenant") == 3
    assert plane.metric("catalyst_billing_reserved_total") == 0


def test_promtool_takes_it(plane):
    promtool = os.environ.get("CATALYST_PROMTOOL") or shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool is not installed")
    send(plane, "hello")
    until(lambda: plane.done() == 1)
    done = subprocess.run([promtool, "check", "metrics"], input=plane.metrics(),
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
