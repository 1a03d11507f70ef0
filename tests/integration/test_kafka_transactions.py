# SPDX-License-Identifier: Apache-2.0
"""kafka-transactions: a reader with isolation.level=read_committed sees each output once, whatever
happens to the engine. Without the setting the same drill shows repeats (test_crash.py), each with
the id and body it had before."""
import collections
import json
import random
import signal
import struct
import time

import pytest

import kafka_wire
import kcat
from engines import Engine
from pipes import Feeder, Setting, message, pipe, until

MESSAGES, KILLS = 20000, 8  # and those that come meanwhile
ON = ("--kafka-transactions", "true")


@pytest.fixture
def setting(catalyst, kafka, postgres, unique, tmp_path):
    one = Setting(catalyst, kafka, postgres, unique, tmp_path)
    yield one
    one.close()


def committed(s):
    """What a reader of committed transactions sees: how often each id, and which messages."""
    found = kcat.consume(s.kafka.url(), s.sink, "-X", "isolation.level=read_committed")
    ids = collections.Counter(m["headers"]["catalyst-id"] for m in found)
    return ids, sorted(json.loads(m["payload"])["n"] for m in found)


def each_once(s, count, done=None):
    until(lambda: len(committed(s)[1]) >= count, 120, why=lambda: f"{len(committed(s)[1])} of {count}")
    ids, numbers = committed(s)
    twice = [one for one, times in ids.items() if times > 1]
    assert not twice, f"{len(twice)} ids more than once, {twice[:3]}"
    assert numbers == list(range(count))
    assert sum(s.statuses().values()) == (done or count)


def all_done(s, count, *engines):
    until(lambda: sum(s.statuses().values()) == count, 120,
          why=lambda: f"{s.statuses()}\n" + "".join(one.log()[-2000:] for one in engines))
    until(lambda: all(one.metric("catalyst_outputs_waiting") == 0 for one in engines), 120,
          why=lambda: "".join(one.log()[-2000:] for one in engines))


def transactions(engine, outcome):
    return sum(float(line.split()[-1]) for line in engine.metrics().splitlines()
               if line.startswith("catalyst_kafka_transactions_total") and f'"{outcome}"' in line)


def test_kill_9_under_load(setting):
    s = setting
    s.produce([message(n) for n in range(MESSAGES)])
    feeder = Feeder(s, 1000, 0.7, first=MESSAGES)
    dice = random.Random(5)
    engine = s.engine("--workers", 2, *ON, start=False)
    for _ in range(KILLS):
        engine.start()
        until(lambda: engine.done() > 0, why=engine.log)
        time.sleep(dice.uniform(0, 0.3))
        engine.kill()
    engine.start()
    until(lambda: transactions(engine, "committed") > 0, why=engine.log)
    count = feeder.stop()
    all_done(s, count, engine)
    assert engine.stop() == 0
    each_once(s, count)


def test_partitions_move_between_engines(setting):
    """Engines come and go while messages pass: a worker that lost a partition cannot commit for it."""
    s = setting
    feeder = Feeder(s, 500, 0.25)
    first = s.engine("--workers", 1, *ON, name="first")
    second = s.engine("--workers", 1, *ON, name="second", start=False)
    for _ in range(3):
        second.start()
        until(lambda: second.done() > 0, why=second.log)
        time.sleep(0.3)
        assert second.stop() == 0
    third = s.engine("--workers", 2, *ON, name="third")
    until(lambda: third.done() > 0, why=third.log)
    count = feeder.stop()
    all_done(s, count, first, third)
    assert first.stop() == 0 and third.stop() == 0
    each_once(s, count)


def test_engine_that_sleeps_through_a_rebalance(setting):
    """SIGSTOP in the middle of transactions, longer than the session: another engine sends what was
    left, and what the sleeper had begun is not committed when it wakes."""
    s = setting
    s.produce([message(n) for n in range(20000)])
    sleeper = s.engine("--workers", 1, *ON, name="sleeper")
    until(lambda: sleeper.done() > 0, why=sleeper.log)
    sleeper.signal(signal.SIGSTOP)
    other = s.engine("--workers", 1, *ON, name="other")
    s.produce([message(n) for n in range(20000, 22000)])
    all_done(s, 22000, other)
    sleeper.signal(signal.SIGCONT)
    time.sleep(2)
    s.produce([message(n) for n in range(22000, 24000)])
    until(lambda: sum(s.statuses().values()) == 24000, 120,
          why=lambda: sleeper.log() + other.log())
    sleeper.stop()
    other.stop()
    each_once(s, 24000)


def group_offsets(broker, group, topic, partitions=4):
    """{partition: (offset, metadata)} of a group: OffsetFetch."""
    numbers = kafka_wire._array([struct.pack(">i", n) for n in range(partitions)])
    reply = kafka_wire._call(broker, 9, 5, kafka_wire._text(group) + kafka_wire._array(
        [kafka_wire._text(topic) + numbers]))
    reply.take("i")
    (_, rows), = reply.array(lambda: (reply.text(), reply.array(
        lambda: (*reply.take("iqi"), reply.text(), reply.take("h")))))
    return {number: (offset, text) for number, offset, _, text, _ in rows}


def test_offset_of_the_group_is_what_was_released(setting):
    """It moves with transactions, and without outputs too; and carries the mark."""
    s = setting
    group = f"catalyst-{s.name}-in"
    ends = lambda: kafka_wire.offsets(s.kafka.url(), s.source)
    found = lambda: group_offsets(s.kafka.url(), group, s.source)
    there = lambda: {number: offset for number, (offset, _) in found().items()}
    # Some for each partition: what comes in one piece kcat puts into one, and the mark of a partition
    # that never moved has the producer's name alone.
    for number in range(4):
        kcat.produce(s.kafka.url(), s.source, [message(n) for n in range(number, 1000, 4)], "-p", str(number))
    with s.engine("--workers", 1, *ON, start=False) as engine:
        all_done(s, 1000, engine)
        until(lambda: there() == ends(), why=lambda: f"{there()} {ends()}")
        s.produce([message(n, text="") for n in range(1000, 1100)])  # ends at the first node
        all_done(s, 1100, engine)
        until(lambda: there() == ends(), why=lambda: f"{there()} {ends()}")
        assert transactions(engine, "committed") > 0
    each_once(s, 1000, 1100)
    released = s.sql("SELECT source, epoch, block_seq, partition FROM source_position")
    for source, epoch, seq, number in (row.split("|") for row in released.splitlines()):
        mark = found()[int(number)][1].split()
        assert mark[:3] == ["catalyst1", source, epoch], (mark, released)
        assert int(mark[3]) <= int(seq) and mark[4].startswith("catalyst-")


def test_refused_output_aborts_until_it_is_taken(setting, unique):
    """A message too large for its topic: the transaction is aborted, and the next one, until a person
    raises the limit. Nothing of the others is seen twice."""
    s = setting
    limit = lambda size: kafka_wire._call(s.kafka.url(), 33, 1, kafka_wire._array(
        [struct.pack(">b", 2) + kafka_wire._text(s.sink) + kafka_wire._array(
            [kafka_wire._text("max.message.bytes") + kafka_wire._text(str(size))])]) + b"\0")
    s.sink = unique("small")
    s.kafka.create_topic(s.sink, partitions=4, **{"max.message.bytes": 20000})
    s.definition = pipe(s.source, s.sink, s.name)
    s.produce([message(n) for n in range(100)] + [message(100, text="x" * 60000)])
    engine = s.engine("--workers", 1, *ON, "--kafka-property", "compression.codec=none")
    until(lambda: transactions(engine, "aborted") > 1, why=engine.log)
    engine.wait_log("too large")
    limit(1000000)
    all_done(s, 101, engine)
    assert engine.stop() == 0
    each_once(s, 101)


def test_many_partitions(catalyst, tmp_path):
    """150 new partitions at once, each asked for its first offset on the pool. (Embedded cluster.)"""
    kcat.need()
    flow = pipe("many.in", "many.out", "many", properties=[])  # its groups form after 3 s
    with Engine(catalyst, tmp_path, "--store", "memory:", "--kafka", "embedded", "--workers", 1,
                "--kafka-partitions", 150, *ON, workflows=[flow]) as engine:
        broker = engine.addresses["kafka"]
        for n in range(150):
            kcat.produce(broker, "many.in", [message(n)], "-p", str(n))
        until(lambda: engine.done("success") == 150, why=engine.log)
        until(lambda: len(kcat.consume(broker, "many.out")) == 150, why=engine.log)


def test_fenced_producer_is_replaced(setting):
    """Somebody takes the engine's transactional.id under load, several times: what left is asked of
    the group, and the rest is sent by a new producer."""
    s = setting
    group = f"catalyst-{s.name}-in"
    feeder = Feeder(s, 500, 0.2)
    marks = lambda: [text for _, text in group_offsets(s.kafka.url(), group, s.source).values() if text]
    engine = s.engine("--workers", 1, *ON)
    for _ in range(3):
        before = engine.done()
        until(lambda: engine.done() > before + 500 and marks(), why=engine.log)
        mark = marks()[0].split()
        kafka_wire._call(s.kafka.url(), 22, 1,
                         kafka_wire._text(mark[4]) + struct.pack(">i", 10000))
        time.sleep(0.5)
    engine.wait_log("the producer is made anew")
    count = feeder.stop()
    all_done(s, count, engine)
    assert engine.stop() == 0
    each_once(s, count)
