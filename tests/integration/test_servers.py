# SPDX-License-Identifier: Apache-2.0
"""The servers themselves: what every other test takes for granted."""
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import kafka_wire
import servers

SCRIPT = Path(servers.__file__)


def kcat(kafka, *args, stdin=None):
    if not servers.shutil.which("kcat"):
        pytest.skip("kcat: not installed")
    return subprocess.run(["kcat", "-b", kafka.url(), *args], input=stdin, text=True,
                          capture_output=True, check=True, timeout=120).stdout


def test_postgres_is_durable_and_private(postgres):
    assert postgres.psql("SHOW fsync").stdout.strip() == "on"
    assert postgres.psql("SHOW listen_addresses").stdout.strip() == "127.0.0.1"


def test_postgres_database_of_its_own(postgres, unique):
    name = unique("db")
    assert postgres.create_database(name).endswith("/" + name)
    assert postgres.psql("SELECT current_database()", database=name).stdout.strip() == name


def test_postgres_keeps_data_and_port_over_a_crash(new_server):
    server = new_server("postgres")
    port = server.port
    server.psql("CREATE TABLE t AS SELECT 42 AS n")
    server.kill()
    assert not server.running()
    server.start()
    assert server.port == port
    assert server.psql("SELECT n FROM t").stdout.strip() == "42"


def test_redis_answers(redis):
    assert redis.ask("SET", "k", "v") == "+OK"


def test_kafka_topics_and_offsets(kafka, unique):
    topic = unique("t")
    kafka.create_topic(topic, partitions=3)
    assert kafka_wire.partitions(kafka.url(), topic) == [0, 1, 2]
    assert kafka.count(topic) == 0
    kcat(kafka, "-P", "-t", topic, stdin="a\nb\nc\n")
    assert kafka.count(topic) == 3
    assert sorted(kcat(kafka, "-C", "-t", topic, "-e", "-q").split()) == ["a", "b", "c"]
    with pytest.raises(kafka_wire.KafkaError, match="exists"):
        kafka.create_topic(topic)
    kafka.delete_topic(topic)


def test_kafka_group_forms_at_once(kafka, unique):
    topic = unique("t")
    kafka.create_topic(topic, partitions=1)
    kcat(kafka, "-P", "-t", topic, stdin="a\n")
    began = time.monotonic()
    out = kcat(kafka, "-G", unique("g"), "-X", "auto.offset.reset=earliest", "-q", "-c", "1", topic)
    assert out.strip() == "a"
    assert time.monotonic() - began < 30


def test_kafka_keeps_data_and_port_over_a_crash(new_server, unique):
    server = new_server("kafka", heap="256m")
    topic, port = unique("t"), server.port
    server.create_topic(topic, partitions=2)
    kcat(server, "-P", "-t", topic, stdin="a\n")
    server.kill()
    server.start()
    assert (server.port, server.count(topic)) == (port, 1)


def test_tied_server_ends_with_its_owner(tmp_path):
    if not servers.shutil.which("redis-server"):
        pytest.skip("redis: not installed")
    owner = subprocess.Popen(["sleep", "600"])
    subprocess.run([sys.executable, SCRIPT, "start", "redis", "--dir", tmp_path, "--tie",
                    str(owner.pid)], check=True, stdout=subprocess.DEVNULL)
    server = servers.Redis(tmp_path / "redis")
    assert server.running()
    owner.kill()
    owner.wait()
    end = time.monotonic() + 60
    while server.running() and time.monotonic() < end:
        time.sleep(0.05)
    assert not server.running()


def test_with_runs_the_command_and_stops(tmp_path):
    if not servers.shutil.which("redis-server"):
        pytest.skip("redis: not installed")
    done = subprocess.run([sys.executable, SCRIPT, "with", "redis", "--", "sh", "-c",
                           "echo $CATALYST_TEST_SERVERS; exit 3"], text=True, capture_output=True)
    assert done.returncode == 3, done.stderr
    assert not Path(done.stdout.strip()).exists()


def test_missing_server_is_77_and_named(tmp_path):
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path), "LANG": "C"}
    done = subprocess.run([sys.executable, SCRIPT, "start", "kafka", "--dir", tmp_path], env=env,
                          text=True, capture_output=True)
    assert done.returncode == 77
    assert "kafka: no java; install" in done.stderr


def test_a_server_that_dies_says_why(tmp_path):
    if not servers.shutil.which("redis-server"):
        pytest.skip("redis: not installed")
    server = servers.Redis(tmp_path / "r", **{"no-such-setting": "1"})
    with pytest.raises(servers.Failed, match="Bad directive"):
        server.start()
    assert not server.running()
    os.stat(server.log)
