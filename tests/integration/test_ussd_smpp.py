# SPDX-License-Identifier: Apache-2.0
"""workflows/ussd-smpp-menu.json and ussd-outbound.json between an SMSC, a real Redis and an engine that
may die: sessions that phones begin, and messages that are pushed to them. peer_ussd_smpp.py does the same
with npm's smpp as the SMSC."""
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "scenario"))
import redis_ask  # noqa: E402
import servers  # noqa: E402
import shipped  # noqa: E402
import ussd_smsc  # noqa: E402
from engines import until  # noqa: E402
from shipped import PRICE  # noqa: E402
from ussd_smsc import ASK, BEGIN, FINAL, INPUT, TELL, TOLD  # noqa: E402

BUILD = Path(os.environ.get("CATALYST_BUILD", "build/release"))
WORKFLOWS = ("ussd-smpp-menu", "ussd-outbound", "quarantine-review", "billing-admin")
MAIN = "Catalyst\n1 My balance\n2 Top up\n3 Leave"
GONE = "Your session has ended. Please dial again."
RULES = {"format": 1, "rules": [
    {"id": "held", "action": "quarantine", "hold": "1h", "when": {"words": ["hold this"]}},
    {"id": "stopped", "action": "reject", "when": {"list": "deny", "class": ["marketing", "none"]}}]}


@pytest.fixture(scope="module")
def smsc():
    one = ussd_smsc.Smsc()
    yield one
    one.close()


class World(shipped.World):
    def __init__(self, smsc, redis, folder):
        super().__init__(BUILD, folder, rules=RULES, workflows=WORKFLOWS, credentials={
            "ussd": smsc.credential(),
            **{name: {"type": "redis", "data": {"host": "127.0.0.1", "port": str(redis.port)}}
               for name in ("sessions", "cache")}})
        self.smsc, self.redis_server, self.phones = smsc, redis, 0

    def redis(self, *words):
        return redis_ask.command(self.redis_server.port, *words)

    def phone(self, session):
        self.phones += 1
        return Phone(self, f"2547000{self.phones:05d}", session)


@pytest.fixture(scope="module")
def own_redis(server_dir):
    """It is paused under way, so it is nobody else's."""
    try:
        server = servers.KINDS["redis"](server_dir / "redis-ussd").start()
    except servers.Missing as missing:
        pytest.skip(str(missing))
    yield server
    server.discard()


@pytest.fixture(scope="module")
def world(smsc, own_redis, tmp_path_factory):
    if not (BUILD / "examples" / "smsc_sink").exists():
        pytest.skip("smsc_sink is not built")
    shipped.kcat.need()
    with World(smsc, own_redis, tmp_path_factory.mktemp("plane")) as running:
        running.plane.price("default", "EUR", [{"channel": "ussd", "prefix": "254", "price_micro": PRICE}])
        running.tenant("acme")
        running.tenant("patient", charge_points="ussd=delivery")
        yield running


class Phone:
    """Dials and enters; `said` is what it was shown since it asked last."""

    def __init__(self, world, number, session):
        self.world, self.number, self.session, self.hop = world, number, session, 0

    def info(self, hop, end=0):
        return self.session << 8 | hop << 1 | end

    def act(self, op, text, hop=None, end=0):
        """What came back."""
        hop = self.hop if hop is None else hop
        before = len(self.world.smsc.to(self.number))
        self.world.smsc.deliver(self.number, op, self.info(hop, end), text)
        return self.shown(before, hop)

    def shown(self, before, hop):
        until(lambda: len(self.world.smsc.to(self.number)) > before,
              what=lambda: self.world.plane.log.read_text()[-2000:])
        reply = self.world.smsc.to(self.number)[before]
        assert (reply["from"], reply["service"], reply["info"]) == ("384", "USSD", self.info(hop)), reply
        assert reply["registered"] == 0
        return reply["op"], reply["text"]

    def dial(self):
        self.hop = 0
        return self.act(BEGIN, "*384#")

    def enter(self, text):
        self.hop += 1
        return self.act(INPUT, text)

    def kept(self):
        return self.world.redis("EXISTS", f"session:{self.number}.{self.session}:data")


# --- sessions that phones begin -------------------------------------------------------------------

def test_a_session_from_dialling_to_its_end(world):
    phone = world.phone(7)
    assert phone.dial() == (ASK, MAIN)
    assert 200 < world.redis("TTL", f"session:{phone.number}.7:data") <= 300
    assert phone.enter("9") == (ASK, f"Not a choice here.\n{MAIN}")
    assert phone.enter("2") == (ASK, "How much?")
    assert phone.enter("lots") == (ASK, "Not a choice here.\nHow much?")
    assert phone.enter("250") == (ASK, "Top up 250?\n1 Yes\n2 No")
    assert phone.enter("1") == (FINAL, "Thank you. 250 is on its way.")
    assert phone.enter("1") == (FINAL, GONE)  # it is over
    assert phone.dial() == (ASK, MAIN)  # numbers of sessions come again
    assert phone.enter("2") == (ASK, "How much?")


def test_an_action_answers(world):
    phone = world.phone(255)
    phone.dial()
    assert phone.enter("1") == (FINAL, "Your balance is 12.50.")


def test_a_hop_that_comes_again_gets_its_answer_again(world):
    phone = world.phone(1)
    first = phone.dial()
    assert phone.act(BEGIN, "*384#") == first
    asked = phone.enter("2")
    assert phone.act(INPUT, "2") == asked and phone.act(INPUT, "2") == asked
    assert phone.enter("5") == (ASK, "Top up 5?\n1 Yes\n2 No")
    assert phone.act(INPUT, "7", hop=1) == (FINAL, GONE)  # an older hop says something new


def test_who_hangs_up_is_forgotten_and_who_is_not_known_is_told(world):
    phone = world.phone(3)
    phone.dial()
    assert phone.kept() == 1
    world.smsc.deliver(phone.number, INPUT, phone.info(1, end=1))  # the end bit: aborted, or timed out
    until(lambda: phone.kept() == 0)
    assert len(world.smsc.to(phone.number)) == 1  # nobody is there to be answered
    assert phone.enter("2") == (FINAL, GONE)
    assert phone.dial() == (ASK, MAIN)
    world.redis("PEXPIRE", f"session:{phone.number}.3:data", "1")  # its 300 s are over
    until(lambda: phone.kept() == 0)
    assert phone.enter("2") == (FINAL, GONE)


def test_two_phones_with_one_session_number(world):
    one, other = world.phone(9), world.phone(9)
    one.dial(), other.dial()
    assert one.enter("2") == (ASK, "How much?")
    assert other.enter("1")[0] == FINAL
    assert one.enter("11") == (ASK, "Top up 11?\n1 Yes\n2 No")


def test_what_is_no_hop_is_answered_and_forgotten(world):
    before = len(world.smsc.got)
    world.smsc.deliver("", BEGIN, 256, "*384#")
    phone = world.phone(4)
    assert phone.dial() == (ASK, MAIN)
    assert len(world.smsc.got) == before + 1


def test_an_engine_that_dies_forgets_no_session(world):
    phone, busy = world.phone(5), world.phone(6)
    phone.dial(), busy.dial()
    assert phone.enter("2") == (ASK, "How much?")
    # This hop is stored and answered, and waits for Redis when the engine dies.
    world.redis_server.pause()
    try:
        busy.hop += 1
        world.smsc.deliver(busy.number, INPUT, busy.info(1), "2")
        world.plane.kill()
        until(lambda: not world.smsc.bound())
    finally:
        world.redis_server.resume()
    assert len(world.smsc.to(busy.number)) == 1
    world.plane.start()
    assert busy.shown(1, 1) == (ASK, "How much?")
    assert phone.enter("7") == (ASK, "Top up 7?\n1 Yes\n2 No")
    assert busy.enter("8") == (ASK, "Top up 8?\n1 Yes\n2 No")
    assert phone.enter("1") == (FINAL, "Thank you. 7 is on its way.")
    assert len(world.smsc.to(busy.number)) == 3


# --- pushed ---------------------------------------------------------------------------------------

def push(world, phone, text, tenant="acme", **members):
    """Its id, and what the SMSC got."""
    name = world.send(text, "+" + phone.number, "ussd", tenant, **{"from": "384", "class": "transactional",
                                                                   **members})
    until(lambda: world.smsc.to(phone.number) or world.rows("SELECT * FROM messages_log WHERE id = ?", name))
    got = world.smsc.to(phone.number)
    return name, got[-1] if got else None


def test_a_push_is_told_and_confirmed(world):
    before = world.money("patient")
    phone = world.phone(0)
    name, got = push(world, phone, "Your package is here.", "patient")
    assert (got["op"], got["text"], got["service"], got["info"] & 1) == (TELL, "Your package is here.", "USSD", 0)
    world.message(name, "accepted")
    until(lambda: world.money("patient") == (1, before[1]))  # held until the phone confirms
    for _ in range(2):  # an SMSC may say it again
        world.smsc.deliver(phone.number, TOLD, got["info"])
    row = world.message(name, "delivered")
    assert (row["channel"], row["account"], row["price_micro"]) == ("ussd", "ussd", PRICE)
    until(lambda: world.money("patient") == (0, before[1] + 1), what=lambda: world.money("patient"))
    until(lambda: [one["state"] for one in world.topic("messaging.ussd.status", msg_id=name)]
          == ["accepted", "delivered"])
    until(lambda: {one["op"] for one in world.topic("billing.events", msg_id=name)} == {"reserve", "commit"})


def test_a_question_is_answered_and_goes_on_in_the_menu(world):
    before = world.money("acme")[1]
    phone = world.phone(0)
    name, got = push(world, phone, "Top up how much?", ask=True, screen="amount")
    assert got["op"] == ASK
    phone.session = got["info"] >> 8
    assert phone.enter("40") == (ASK, "Top up 40?\n1 Yes\n2 No")
    world.message(name, "delivered")
    said = until(lambda: world.topic("messaging.ussd.inbound", in_reply_to=name))
    assert [(one["from"], one["to"], one["text"]) for one in said] == [("+" + phone.number, "384", "40")]
    assert phone.enter("1") == (FINAL, "Thank you. 40 is on its way.")
    assert len(world.topic("messaging.ussd.inbound", in_reply_to=name)) == 1
    assert world.money("acme") == (0, before + 1)  # charged when it was taken: the default


def test_a_question_without_a_screen_is_thanked_for(world):
    phone = world.phone(0)
    name, got = push(world, phone, "How was it?", ask=True)
    phone.session = got["info"] >> 8
    assert phone.enter("5 stars") == (FINAL, "Thank you.")
    assert until(lambda: world.topic("messaging.ussd.inbound", in_reply_to=name))[0]["text"] == "5 stars"


@pytest.mark.parametrize("case", ["refused", "too long", "no rate", "stopped"])
def test_a_push_that_does_not_go_costs_nothing(world, case):
    before, phone = world.money("acme"), world.phone(0)
    text, members, state, reason = {
        "refused": ("bad idea", {}, "rejected", "ESME_RINVDSTADR"),
        "too long": ("a" * 183, {}, "rejected", "too_long"),
        "no rate": ("hello", {}, "denied", "no_rate"),
        "stopped": ("buy now", {"class": "marketing"}, "reject", "number")}[case]
    if case == "no rate":
        phone.number = "881600000000"
    if case == "stopped":
        world.redis("ZADD", "firewall:blacklist", "0", phone.number)
        world.redis("XADD", "firewall:blacklist:changes", "*", "op", "add", "number", phone.number)
        until(lambda: push(world, phone, text, **members)[0] and world.rows(
            "SELECT * FROM messages_log WHERE recipient = ? AND outcome = 'reject'", "+" + phone.number))
        before = until(lambda: (now := world.money("acme"))[0] == 0 and now)
    name, _ = push(world, phone, text, **members)
    assert world.message(name, state)["reason"] == reason
    until(lambda: world.money("acme") == before, what=lambda: world.money("acme"))
    until(lambda: world.topic("messaging.ussd.status", msg_id=name, state=state))


def test_a_push_that_was_held_and_released(world):
    phone = world.phone(0)
    name = world.send("please hold this", "+" + phone.number, "ussd", **{"from": "384"})
    world.message(name, "quarantine")
    assert world.review("release", {"id": world.held(name)})[0] == 200
    world.message(name, "accepted")
    assert [one["op"] for one in world.smsc.to(phone.number)] == [TELL]
