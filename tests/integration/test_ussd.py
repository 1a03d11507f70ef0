# SPDX-License-Identifier: Apache-2.0
"""workflows/ussd-menu.json over a real Redis: sessions as an HTTP gateway drives them, hops that come
twice, sessions that end or are not known, and an engine that dies between two hops."""
import json
import subprocess
import threading
import urllib.parse
from pathlib import Path

import pytest
from engines import Engine, until

WORKFLOW = Path(__file__).resolve().parents[2] / "workflows" / "ussd-menu.json"


@pytest.fixture
def start(catalyst, tmp_path, redis):
    credentials = tmp_path / "credentials.json"
    host, port = redis.url().removeprefix("redis://").split("/")[0].split(":")
    credentials.write_text(json.dumps({
        "sessions": {"type": "redis", "data": {"host": host, "port": port}}}))

    def make():
        return Engine(catalyst, tmp_path, "--store", "memory:", "--credentials", credentials,
                      "--workflows", WORKFLOW)
    return make


@pytest.fixture
def engine(start):
    with start() as running:
        yield running


class Phone:
    """Dials; `enter` adds what was typed to what the gateway repeats."""

    def __init__(self, engine, session, number="+254700000001"):
        self.engine, self.session, self.number, self.inputs = engine, session, number, []

    def post(self, **fields):
        fields = {"sessionId": self.session, "phoneNumber": self.number, "networkCode": "63902",
                  "serviceCode": "*384*1#", **fields}
        answer = self.engine.call("POST", "/webhook/ussd", urllib.parse.urlencode(fields),
                                  {"content-type": "application/x-www-form-urlencoded"})
        return answer.status, answer.body.decode()

    def hop(self):
        status, body = self.post(text="*".join(self.inputs))
        assert status == 200, body
        return body

    def enter(self, text):
        self.inputs.append(text)
        return self.hop()


def key(redis, session, *words):
    return subprocess.run(["redis-cli", "-u", redis.url(), *words[:1], f"session:{session}:data",
                           *words[1:]], capture_output=True, text=True, check=True).stdout.strip()


def test_a_session_from_dialling_to_its_end(engine, redis, unique):
    phone = Phone(engine, unique("s"))
    assert phone.hop() == "CON Catalyst\n1 My balance\n2 Top up\n3 Leave"
    assert 200 < int(key(redis, phone.session, "TTL")) <= 300
    assert phone.enter("2") == "CON How much?"
    assert phone.enter("lots") == "CON Not a choice here.\nHow much?"
    assert phone.enter("250") == "CON Top up 250?\n1 Yes\n2 No"
    assert phone.enter("1") == "END Thank you. 250 is on its way."
    status, _ = phone.post(status="Success", durationInMillis="4000", hopsCount="4")
    assert status == 200
    until(lambda: key(redis, phone.session, "EXISTS") == "0", what="the session is kept")


def test_a_hop_that_comes_again_gets_its_answer_again(engine, redis, unique):
    phone = Phone(engine, unique("s"))
    first = phone.hop()
    assert phone.hop() == first
    asked = phone.enter("2")
    assert phone.hop() == asked and phone.hop() == asked
    assert key(redis, phone.session, "HGET", "hop") == "1"
    assert phone.enter("5") == "CON Top up 5?\n1 Yes\n2 No"


def test_what_comes_late_or_from_nowhere_ends(engine, unique):
    phone = Phone(engine, unique("s"))
    phone.inputs = ["2"]
    assert phone.hop() == "END Your session has ended. Please dial again."
    phone.inputs = []
    phone.hop(), phone.enter("2"), phone.enter("5")
    phone.inputs = ["3"]
    assert phone.hop().startswith("END Your session has ended")


def test_what_is_no_hop_is_refused(engine):
    assert Phone(engine, "").post(text="") == (400, "END no_session")
    assert Phone(engine, "a b").post(text="") == (400, "END bad_session")
    assert Phone(engine, "x", "").post(text="") == (400, "END no_number")


def test_an_engine_that_dies_forgets_no_session(start, unique):
    engine = start().start()
    phone = Phone(engine, unique("s"))
    phone.hop()
    assert phone.enter("2") == "CON How much?"
    engine.kill()
    with start() as phone.engine:
        assert phone.hop() == "CON How much?"  # the gateway asks again: nothing has moved
        assert phone.enter("7") == "CON Top up 7?\n1 Yes\n2 No"


def test_many_sessions_at_once(engine, unique):
    failed = []

    def dial(name, amount):
        try:
            phone = Phone(engine, name)
            phone.hop(), phone.enter("2")
            assert phone.enter(str(amount)).startswith(f"CON Top up {amount}?")
            assert phone.enter("1") == f"END Thank you. {amount} is on its way."
        except Exception as error:  # told by the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=dial, args=(unique("s"), 100 + i)) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
