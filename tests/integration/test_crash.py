# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the engine under load, again and again. At the end every message has one outcome, every
output id one body, and none is missing."""
import json
import random
import time

import pytest

from pipes import Feeder, Setting, message, until

MESSAGES, KILLS = 30000, 6  # and those that come meanwhile


@pytest.fixture
def setting(catalyst, kafka, postgres, unique, tmp_path):
    one = Setting(catalyst, kafka, postgres, unique, tmp_path)
    yield one
    one.close()


def reconcile(s, count, wrong):
    """The promise of exactly_once, read from the journal and from the output topic."""
    assert s.sql("SELECT count(*), count(DISTINCT id) FROM executions") == f"{count}|{count}"
    expected = {"success": count - wrong}
    if wrong:
        expected["error"] = wrong
    assert s.statuses() == expected
    positions = s.sql("SELECT sum(position) FROM source_position")
    assert int(positions) == count
    bodies, seen = {}, {}
    repeated = 0
    for m in s.outputs():
        identity = m["headers"]["catalyst-id"]
        repeated += identity in bodies
        assert bodies.setdefault(identity, m["payload"]) == m["payload"], identity
        n = json.loads(m["payload"])["n"]
        assert seen.setdefault(n, identity) == identity, f"message {n} left under two ids"
    assert len(bodies) == len(seen) == count - wrong
    return repeated


def test_kill_9_under_load(setting):
    s = setting
    wrong = 60
    texts = [message(n) for n in range(MESSAGES - wrong)] + ["{broken"] * wrong
    random.Random(7).shuffle(texts)
    s.produce(texts)
    feeder = Feeder(s, 1000, 0.6, first=MESSAGES - wrong)
    dice = random.Random(11)
    engine = s.engine("--workers", 2, start=False)
    for _ in range(KILLS):
        engine.start()
        until(lambda: engine.done() > 0, why=engine.log)  # the dead one's session has run out
        time.sleep(dice.uniform(0, 0.3))
        engine.kill()
    engine.start()
    until(lambda: engine.done() > 0, why=engine.log)
    count = feeder.stop() + wrong
    until(lambda: sum(s.statuses().values()) == count, 120,
          why=lambda: f"{s.statuses()}\n{engine.log()[-2000:]}")
    until(lambda: engine.metric("catalyst_outputs_waiting") == 0)
    assert engine.stop() == 0
    repeated = reconcile(s, count, wrong)
    print(f"{count} messages, {KILLS} kills under load, {repeated} outputs sent again with the same id and body")


def test_stopped_engine_that_comes_back_writes_nothing(setting):
    """SIGSTOP for longer than the session: another takes over, then the zombie goes on. Its heartbeat
    tells it that its work is gone, so it ends by itself, with 3."""
    import signal
    s = setting
    s.produce([message(n) for n in range(20000)])
    zombie = s.engine("--workers", 1, name="zombie")
    until(lambda: zombie.done() > 0, why=zombie.log)
    zombie.signal(signal.SIGSTOP)
    other = s.engine("--workers", 1, name="other")
    s.produce([message(n) for n in range(20000, 22000)])
    until(lambda: sum(s.statuses().values()) == 22000, 120, why=other.log)
    zombie.signal(signal.SIGCONT)
    s.produce([message(n) for n in range(22000, 24000)])
    until(lambda: sum(s.statuses().values()) == 24000, 120,
          why=lambda: zombie.log() + other.log())
    assert zombie.process.wait(60) == 3 and other.stop() == 0
    reconcile(s, 24000, 0)
