# SPDX-License-Identifier: Apache-2.0
"""The same alerts to the engine and to Alertmanager 0.25, with one configuration: both must tell the
same, group by group and in the same order. Routes, grouping, inhibition, silences, send_resolved and
repetition are in it; events lie half a second away from all flushes, so that clocks may differ.

Skipped by name where prometheus-alertmanager is not installed."""
import collections
import json
import random
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
from notifying import Receiver, Routing, stamp, until

SECONDS = 36


def configuration(urls):
    """Alertmanager's, as JSON (which is YAML); the engine takes the same without the URLs."""
    def receiver(name, **more):
        return {"name": name, "webhook_configs": [{**({"url": urls} if urls else {}), **more}]}

    return {
        "route": {"receiver": "root", "group_by": ["alertname"], "group_wait": "1500ms",
                  "group_interval": "2s", "repeat_interval": "1h", "routes": [
                      {"receiver": "cluster", "matchers": ['team=~"sms|voice"'],
                       "group_by": ["alertname", "cluster"], "continue": True,
                       "routes": [{"receiver": "quiet", "matchers": ['severity="info"'],
                                   "group_by": ["..."]}]},
                      {"receiver": "again", "matchers": ['alertname="Disk"'],
                       "repeat_interval": "5s"},
                      {"receiver": "firing", "matchers": ['team!="db"', 'cluster!~"c[0-1]"']}]},
        "receivers": [receiver("root"), receiver("cluster"), receiver("quiet"), receiver("again"),
                      receiver("firing", send_resolved=False)],
        "inhibit_rules": [{"source_matchers": ['severity="critical"'],
                           "target_matchers": ['severity=~"warning|info"'],
                           "equal": ["cluster", "team"]}]}


class Alertmanager:
    def __init__(self, folder, url):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        config = folder / "alertmanager.yml"
        config.write_text(json.dumps(configuration(url)))
        self.log = open(folder / "alertmanager.log", "wb")
        self.process = subprocess.Popen(
            ["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={folder}/am",
             f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="],
            stdout=self.log, stderr=self.log)

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v2/{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def is_there(self):
        try:
            return bool(self.call("GET", "status"))
        except OSError:
            return False

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.log.close()


@pytest.fixture
def peer(tmp_path):
    if not shutil.which("prometheus-alertmanager"):
        pytest.skip("prometheus-alertmanager is not installed")
    receiver = Receiver()
    one = Alertmanager(tmp_path, receiver.url)
    one.receiver = receiver
    until(one.is_there)
    yield one
    one.close()
    receiver.close()


@pytest.fixture
def ours(catalyst, tmp_path):
    receiver = Receiver()
    one = Routing(catalyst, tmp_path, configuration(None), receiver.url)
    one.receiver = receiver
    one.start()
    yield one
    one.engine.kill()
    receiver.close()


def stream(seed):
    """[(second, what, ...)]. One alert of each group fires all the time, so that no group is empty and
    dropped in between: Alertmanager looks for empty ones every 30 s, at times of its own."""
    dice = random.Random(seed)
    names, clusters, teams = ["Disk", "Lag", "Bind"], ["c0", "c1", "c2"], ["sms", "voice", "db"]
    events, firing = [], set()
    for name in names:
        for cluster in clusters:
            for team in teams:
                events.append((0, "alert", {"alertname": name, "cluster": cluster, "team": team,
                                            "severity": "page", "anchor": "1"}, False))
    for second in range(1, SECONDS - 8):
        for _ in range(dice.randrange(1, 7)):
            labels = {"alertname": dice.choice(names), "cluster": dice.choice(clusters),
                      "team": dice.choice(teams),
                      "severity": dice.choice(["critical", "warning", "info"]),
                      "host": f"h{dice.randrange(2)}"}
            key = json.dumps(labels)
            over = key in firing and dice.random() < 0.7
            firing = firing - {key} if over else firing | {key}
            events.append((second, "alert", labels, over))
        if second in (5, 11):
            events.append((second, "silence", [f'cluster="{dice.choice(clusters)}"',
                                               'severity!="page"']))
        if second == 17:
            events.append((second, "expire"))
    return events


def play(events, peer, ours):
    began, silences = time.monotonic(), []
    for second, what, *rest in events:
        time.sleep(max(0, began + second - time.monotonic()))
        if what == "alert":
            labels, over = rest
            alert = [{"labels": labels, "startsAt": stamp(-1),
                      "endsAt": stamp(0 if over else 3600)}]
            peer.call("POST", "alerts", alert)
            ours.post("alerts", alert)
        elif what == "silence":
            matchers = [{"name": m.split("=")[0].rstrip("!"), "value": m.split('"')[1],
                         "isRegex": False, "isEqual": "!=" not in m} for m in rest[0]]
            silences.append((peer.call("POST", "silences", {
                "matchers": matchers, "startsAt": stamp(), "endsAt": stamp(3600),
                "createdBy": "t", "comment": "t"})["silenceID"],
                ours.post("silence", {"matchers": rest[0], "duration": "1h"})["silence"]["id"]))
        else:
            theirs, mine = silences[0]
            peer.call("DELETE", f"silence/{theirs}")
            ours.post("expire", {"id": mine})
    time.sleep(max(0, began + SECONDS - time.monotonic()))


def told(receiver):
    """{(receiver, group): [(status, firing, resolved)]}"""
    found = collections.defaultdict(list)
    for item in receiver.items():
        def those(status):
            return sorted(a["fingerprint"] for a in item["alerts"] if a["status"] == status)
        found[item["receiver"], item["groupKey"]].append(
            (item["status"], those("firing"), those("resolved")))
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_tell_the_same(peer, ours, seed):
    play(stream(seed), peer, ours)
    theirs, mine = told(peer.receiver), told(ours.receiver)
    total = sum(map(len, theirs.values()))
    print(f"seed {seed}: {total} notifications of Alertmanager, {sum(map(len, mine.values()))} of "
          f"the engine, {len(theirs)} groups")
    assert total > 40 and len(theirs) > 10
    assert any(resolved for told_ in theirs.values() for _, _, resolved in told_)
    assert sorted(mine) == sorted(theirs)
    for key in sorted(theirs):
        assert mine[key] == theirs[key], key
