# SPDX-License-Identifier: Apache-2.0
"""The messaging plane seen from outside: what a running one tells by channel, class, verdict, reason and
price, and that every series the shipped alert rules name is told by somebody: by it, by a plugin's table,
or by the exporter the rule's group is for."""
import os
import re
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
import shipped
from shipped import PRICE, until

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CATALYST_BUILD", "build/release"))
sys.path.insert(0, str(ROOT / "tests" / "docs"))
import alerts  # noqa: E402

OURS = {"worker", "workflow", "node"}
ADDED = {"instance", "job"}  # by Prometheus
# Only where the store is PostgreSQL.
ELSEWHERE = {"catalyst_partitions_missing", "catalyst_retention_failures_total"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    if not (BUILD / "examples" / "smsc_sink").exists():
        pytest.skip("smsc_sink is not built")
    shipped.kcat.need()
    with shipped.World(BUILD, tmp_path_factory.mktemp("plane")) as running:
        running.tenant("acme", money=100_000_000)
        running.tenant("poor", money=1)
        yield running


@pytest.fixture(scope="module")
def played(world):
    """Some messages of each kind, and what the plane tells then."""
    ends = {world.send(**{"class": "otp"}): "delivered",
            world.send(to="+4915100000001", **{"class": "otp"}): "failed",
            world.send(to="+4915100000002", **{"class": "marketing"}): "rejected",
            world.send("claim your prize", **{"class": "marketing"}): "reject",
            world.send(tenant="poor", **{"class": "transactional"}): "denied",
            world.send(to="4711", channel="telegram"): "accepted"}
    for name, state in ends.items():
        world.message(name, state)
    until(lambda: world.plane.metric("catalyst_messages_ended_total") == 2)
    until(lambda: world.plane.metric("catalyst_billing_low_tenants") == 1, "low-balance did not run")
    for op, micro in (("commit", 2 * PRICE), ("release", PRICE)):  # a moment after the messages' ends
        until(lambda: world.plane.metric("catalyst_billing_amount_micro_total", op=op, channel="sms") >= micro,
              f"no {op}")
    until(lambda: world.plane.metric("catalyst_housekeeping_total", outcome="done") >= 1, "no housekeeping")
    return world


def page(world):
    return world.plane._get(world.plane.health + "/metrics")[1]


# --- what is told ---------------------------------------------------------------------------------

def test_messages_by_channel_class_and_end(played):
    metric, sms = played.plane.metric, {"channel": "sms"}
    for kind, outcome, n in (("otp", "accepted", 2), ("marketing", "rejected", 1), ("marketing", "reject", 1),
                             ("transactional", "denied", 1)):
        assert metric("catalyst_messages_recorded_total", outcome=outcome, **sms, **{"class": kind}) == n, kind
    assert metric("catalyst_messages_recorded_total", channel="telegram", outcome="accepted") == 1
    assert metric("catalyst_messages_ended_total", state="delivered", **sms, **{"class": "otp"}) == 1
    assert metric("catalyst_messages_ended_total", state="failed", **sms, **{"class": "otp"}) == 1
    assert metric("catalyst_messages_record_seconds_count", **sms) == 5
    assert metric("catalyst_messages_end_seconds_count", **sms) == 2


def test_verdicts_and_reasons(played):
    metric = played.plane.metric
    assert metric("catalyst_firewall_class_total", verdict="reject", **{"class": "marketing"}) == 1
    assert metric("catalyst_firewall_class_total", verdict="pass", **{"class": "otp"}) == 2
    assert metric("catalyst_firewall_reason_total", reason="content") == 1
    assert metric("catalyst_firewall_frame_seconds_count") >= 1
    assert metric("catalyst_billing_denied_total", reason="no_funds") == 1
    assert metric("catalyst_send_rejected_total", channel="sms", reason="permanent-recipient") == 1


def test_prices(played):
    """The message that failed was taken: it is charged at the point `submit`."""
    metric, otp = played.plane.metric, {"channel": "sms", "class": "otp"}
    assert metric("catalyst_billing_amount_micro_total", op="reserve", **otp) == 2 * PRICE
    assert metric("catalyst_billing_amount_micro_total", op="commit", **otp) == 2 * PRICE
    assert metric("catalyst_billing_amount_micro_total", op="release", channel="sms",
                  **{"class": "marketing"}) == PRICE
    assert metric("catalyst_billing_price_micro_count", channel="sms") == 3
    assert metric("catalyst_billing_price_micro_sum", channel="sms") == 3 * PRICE
    assert time.time() - metric("catalyst_billing_committed_time_seconds") < 600
    assert metric("catalyst_billing_low_tenants") == 1 and metric("catalyst_billing_imbalance_micro") == 0


def test_links_and_the_process(played):
    metric = played.plane.metric
    receive = {"workflow": "sms-receipts"}
    assert metric("catalyst_smpp_binds_up", **receive) == metric("catalyst_smpp_binds_configured", **receive) >= 0
    assert metric("catalyst_smpp_binds_configured") >= 1
    assert metric("catalyst_smpp_window_size") >= 1
    assert metric("catalyst_trigger_rebalances_total", workflow="sms-outbound") >= 1
    assert metric("catalyst_trigger_trouble") == 0
    assert metric("catalyst_http_client_seconds_count") >= 1  # Telegram's answer
    assert metric("catalyst_housekeeping_total", outcome="done") >= 1
    assert time.time() - metric("process_start_time_seconds") < 3600
    assert metric("process_cpu_seconds_total") > 0 and metric("process_open_fds") > 10


# --- what there is to be told ---------------------------------------------------------------------

class Known:
    """name -> label -> its values, None: any."""

    def __init__(self):
        self.names = {}

    def add(self, name, labels):
        have = self.names.setdefault(name, defaultdict(set))
        for key, values in labels.items():
            if values is None or have[key] is None:
                have[key] = None
            else:
                have[key] |= values

    def add_family(self, name, kind, labels):
        if kind != "histogram":
            self.add(name + ("_total" if kind == "counter" and not name.endswith("_total") else ""), labels)
            return
        self.add(name + "_bucket", {**labels, "le": None})
        self.add(name + "_sum", labels)
        self.add(name + "_count", labels)


def of_plugins():
    """Of the pages of the plugins, which are made of their tables."""
    known = Known()
    for readme in (ROOT / "plugins").glob("*/README.md"):
        for name, labels, kind in re.findall(r"(?m)^\| `(\w+)((?:\{[^`]*\})?)` \| (counter|gauge|histogram) \|",
                                             readme.read_text()):
            values = {key: set(text.split(", ")) for key, text in re.findall(r'(\w+)="([^"]*)"', labels)}
            known.add_family("catalyst_" + name, kind, {**values, **{key: None for key in OURS}})
    return known


def of_engine():
    """Names in the engine's tables: {name: kind}."""
    text = "".join((ROOT / "core" / "admin" / f"{name}.c").read_text() for name in ("metrics", "process"))
    return dict(re.findall(r'"((?:catalyst|process)_\w+)",\s*"(counter|gauge|histogram)"', text))


def of_life(text):
    known = Known()
    for name, labels in re.findall(r"(?m)^(\w+)((?:\{.*\})?) \S+$", text):
        known.add(name, {key: {value} for key, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)})
    return known


@pytest.fixture(scope="module")
def known(played):
    """Of life, and of tables what was not met yet; values of workflow and node are anything."""
    both, life = of_plugins(), of_life(page(played))
    for name, labels in life.names.items():
        both.add(name, {key: None if key in OURS | {"version"} else values for key, values in labels.items()})
    for name in ELSEWHERE:
        assert name in of_engine()
        both.add(name, {})
    return both


def test_tables_and_life_agree(played):
    tables, engine = of_plugins().names, of_engine()
    for name, labels in of_life(page(played)).names.items():
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if name in engine or engine.get(base) == "histogram":
            continue
        assert name in tables, name
        for key, values in labels.items():
            assert key in tables[name], (name, key)
            assert tables[name][key] is None or values <= tables[name][key], (name, key, values)


# --- rules ----------------------------------------------------------------------------------------

def wrong_matchers(group, expr, known):
    """What of an expression nobody can tell."""
    wrong = []
    for name, matchers in alerts.matchers(expr):
        if name in group.series:
            continue
        labels = known.names.get(name)
        if labels is None:
            wrong.append(f"no series {name}")
            continue
        for key, operator, wanted in matchers:
            values = labels.get(key)
            if key not in labels:
                wrong.append(f"{name} has no label {key}")
            elif values is not None and operator == "=" and wanted not in values:
                wrong.append(f"{name}: {key} is never {wanted}")
            elif values is not None and operator == "=~":
                wrong += [f"{name}: {key} is never {one}" for one in wanted.split("|")
                          if not any(re.fullmatch(one, value) for value in values)]
    return wrong


def wrong_rules(text, known):
    found = {}
    for group in alerts.groups(text):
        for rule in group.rules:
            wrong = wrong_matchers(group, rule.expr, known)
            wrong += [f"no series {name} in the runbook" for name in re.findall(r"\bcatalyst_\w+", rule.runbook)
                      if name not in known.names and name + "_count" not in known.names]
            if wrong:
                found[rule.name] = wrong
    return found


def test_every_series_of_a_rule_is_told_by_somebody(known):
    assert wrong_rules(None, known) == {}
    assert len(alerts.rules()) == 54


@pytest.mark.parametrize("old,new,alert,why", [
    ("catalyst_firewall_list_age_seconds", "catalyst_firewall_list_age", "FirewallSnapshotStale", "no series"),
    ('reason=~"volume|range', 'reason=~"volume|rage', "AitSuspected", "reason is never rage"),
    ('state=~"delivered|read"', 'status=~"delivered|read"', "ChannelDeliveryRateLow", "no label status"),
    ('le="1.048576"', 'le="1"', "WebhookReceiverSlow", "le is never 1"),
    ("pg_stat_activity_count)", "pg_stat_activity_counts)", "DbConnectionsHigh", "no series"),
    ("'the search engine", "'catalyst_tps", "", ""),
    ("catalyst_commit_seconds_total whether", "catalyst_commit_seconds whether", "EngineTpsBelowTarget", "runbook"),
])
def test_what_nobody_tells_is_found(known, old, new, alert, why):
    text = alerts.RULES.read_text()
    assert old in text
    found = wrong_rules(text.replace(old, new), known)
    assert list(found) == ([alert] if alert else []), found
    assert not alert or why in found[alert][0]


def test_series_of_promtool_tests_look_like_those_of_life(known):
    """A rule may pair series by all their labels: tests with other labels would not see that they differ."""
    text = "".join(file.read_text() for file in alerts.FOLDER.glob("*.test.yml"))
    found = re.findall(r"series: '(\w+)\{(.*?)\}', values", text)
    assert len(found) > 90
    for name, labels in found:
        if not name.startswith("catalyst_"):
            continue
        keys = set(re.findall(r'(\w+)="', labels))
        assert keys - ADDED == set(known.names[name]), name
