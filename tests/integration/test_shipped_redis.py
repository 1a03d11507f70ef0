# SPDX-License-Identifier: Apache-2.0
"""The shipped messaging workflows that need Redis, on a real one: keywords of people that reach the deny
list of running firewalls, and the cache of balances."""
import json
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "scenario"))
import redis_ask  # noqa: E402
import shipped  # noqa: E402
from shipped import until  # noqa: E402

BUILD = Path(os.environ.get("CATALYST_BUILD", "build/release"))
PERSON = "+4915100008000"
RULES = json.loads((ROOT / "examples" / "messaging" / "firewall.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("plane")


@pytest.fixture
def world(folder, new_server):
    if not (BUILD / "examples" / "smsc_sink").exists():
        pytest.skip("smsc_sink is not built")
    redis = new_server("redis")
    workflows = ("sms-outbound", "sms-receipts", "telegram-outbound", "inbound-keywords", "billing-admin",
                 "billing-upkeep")
    with shipped.World(BUILD, folder, rules=RULES, workflows=workflows, credentials={
            "cache": {"type": "redis", "data": {"host": "127.0.0.1", "port": str(redis.port)}}}) as running:
        running.redis = lambda *words: redis_ask.command(redis.port, *words)
        for tenant in ("acme", "platform"):
            running.tenant(tenant, charge_points="sms=submit")
        yield running


def until_ends(world, where, **message):
    """Sends until a message ends like that: what a running firewall knows follows Redis a moment later."""
    def ends():
        row = until(lambda name=world.send(**message): world.rows(
            "SELECT * FROM messages_log WHERE id = ?", name), "a message left no row")[0]
        return row[where[0]] == where[1]
    until(ends, seconds=60)


def says(world, text, channel="sms", person=PERSON, to="+4932100"):
    """The id of the answer, if there is one."""
    world.count += 1
    name = f"in{world.count}"
    world.produce(f"messaging.{channel}.inbound", json.dumps({
        "v": 1, "id": name, "channel": channel, "from": person, "to": to, "text": text}))
    return f"reply-{name}"


def test_keywords_and_balances(world):
    world.message(world.send(to=PERSON), "delivered")
    quiet = says(world, "I will stop by at eight")
    # Stopped: answered once, then nothing more reaches the number.
    answer = world.message(says(world, " Stop! "), "delivered")
    assert (answer["tenant_id"], answer["recipient"], answer["sender"]) == ("platform", PERSON, "+4932100")
    assert world.redis("ZSCORE", "firewall:blacklist", PERSON[1:]) == "0"
    until_ends(world, ("reason", "number"), to=PERSON, **{"class": "marketing"})
    before = world.money("acme")
    for members in ({"class": "marketing"}, {}):
        assert world.message(world.send(to=PERSON, **members), "reject")["reason"] == "number"
    assert world.money("acme") == before
    for kind in ("otp", "transactional"):  # what a person waits for still comes
        world.message(world.send("Your code is 4711", PERSON, **{"class": kind}), "delivered")
    assert world.money("acme") == (0, before[1] + 2)
    world.message(world.send(to=PERSON[:-1] + "5"), "delivered")  # others get theirs
    # Started again.
    world.message(says(world, "START"), "delivered")
    assert world.redis("ZSCORE", "firewall:blacklist", PERSON[1:]) is None
    until_ends(world, ("outcome", "accepted"), to=PERSON)
    # A chat's number is no telephone number, and has a list of its own.
    world.message(says(world, "/stop", "telegram", "77001"), "accepted")
    assert world.bot.got[-1][1]["text"].startswith("You will get no more")
    assert world.redis("ZCARD", "firewall:blacklist:telegram") == 1
    assert world.redis("ZCARD", "firewall:blacklist") == 0
    until_ends(world, ("reason", "number"), to="77001", channel="telegram")
    world.message(says(world, "help"), "delivered")
    assert not world.rows("SELECT * FROM messages_log WHERE id = ?", quiet)
    # The cache of balances follows the ledger.
    until(lambda: world.redis("HGET", "tenant:acme:balance", "avail")
          == str(world.plane.balance("acme")["avail"]))
