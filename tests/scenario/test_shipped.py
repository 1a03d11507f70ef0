# SPDX-License-Identifier: Apache-2.0
"""The shipped messaging workflows, as they are but for schedules and ports: one engine runs them all, on
SQLite and the embedded Kafka, between an SMSC and doubles of the Cloud API and the Bot API. One behaviour
of each is shown, and what becomes of every kind of bad message. Those that need Redis are tested in
tests/integration."""
import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import shipped
from shipped import PRICE, until

BUILD = Path(os.environ.get("CATALYST_BUILD", "build/release"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    if not (BUILD / "examples" / "smsc_sink").exists():
        pytest.skip("smsc_sink is not built")
    shipped.kcat.need()
    with shipped.World(BUILD, tmp_path_factory.mktemp("plane")) as running:
        running.tenant("acme", money=100_000_000, charge_points="sms=submit,whatsapp=submit")
        running.tenant("shop", charge_points="sms=delivery,whatsapp=delivery")
        running.tenant("poor", money=0)
        running.tenant("bare", money=0)
        yield running


# --- SMS ------------------------------------------------------------------------------------------

def test_sms_is_delivered_and_charged(world):
    before = world.money("shop")[1]
    name = world.send(tenant="shop")
    row = world.message(name, "delivered")
    assert (row["outcome"], row["segments"], row["price_micro"], row["currency"]) == ("accepted", 1, PRICE, "EUR")
    until(lambda: world.money("shop") == (0, before + 1), lambda: world.money("shop"))
    until(lambda: len(world.topic("billing.events", msg_id=name)) == 2)
    assert {one["op"] for one in world.topic("billing.events", msg_id=name)} == {"reserve", "commit"}
    until(lambda: [one["state"] for one in world.topic("messaging.sms.status", msg_id=name)]
          == ["accepted", "delivered"], lambda: world.topic("messaging.sms.status", msg_id=name))


@pytest.mark.parametrize("end,state", [("0001", "failed"), ("0002", "rejected")])
def test_sms_that_is_not_delivered_costs_nothing(world, end, state):
    before = world.money("shop")
    name = world.send(tenant="shop", to="+4915100" + end)
    world.message(name, state)
    until(lambda: {one["op"] for one in world.topic("billing.events", msg_id=name)} == {"reserve", "release"})
    until(lambda: world.money("shop") == before, lambda: world.money("shop"))


BAD = {
    "no JSON": (None, "failed", "bad_input"),
    "no tenant": ({"tenant": None}, "reject", "malformed"),
    "no text": ({"text": None}, "reject", "malformed"),
    "text is a number": ({"text": 17}, "reject", "malformed"),
    "bad number": ({"to": "mobile"}, "reject", "bad_number"),
    "empty number": ({"to": ""}, "reject", "bad_number"),
    "unknown tenant": ({"tenant": "nobody"}, "denied", "unknown_tenant"),
    "no rate": ({"to": "+881600000000"}, "denied", "no_rate"),
    "no funds": ({"tenant": "poor"}, "denied", "no_funds"),
    "oversize": ({"text": "long " * 10_000}, "rejected", "text"),
    "blocked": ({"text": "claim your prize"}, "reject", "content"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_message_has_a_row_a_reason_and_no_charge(world, case):
    members, outcome, reason = BAD[case]
    before = [world.money(tenant) for tenant in ("acme", "poor")]
    if members is None:
        world.produce("messaging.sms.outbound", "{no JSON")
        row = until(lambda: world.rows("SELECT * FROM messages_log WHERE outcome = 'failed'"))[0]
        name = row["id"]
    else:
        name = world.send(**members)
        row = until(lambda: world.rows("SELECT * FROM messages_log WHERE id = ?", name))[0]
    assert (row["outcome"], row["reason"]) == (outcome, reason)
    event = until(lambda: world.topic("messaging.sms.status", msg_id=name))
    assert len(event) == 1 and event[0]["state"] == outcome and reason in (event[0]["reason"], event[0]["code"])
    until(lambda: [world.money(tenant) for tenant in ("acme", "poor")] == before, "money has moved")


def test_an_id_that_comes_twice_is_sent_and_charged_once(world):
    before = world.money("acme")[1]
    name = world.send(to="+4915100003000")
    world.message(name, "delivered")
    world.send(to="+4915100003000", id=name)
    assert world.message(name, "duplicate")["reason"] == "same_id"
    world.send(to="+4915100004000", id=name)  # another message under the same id
    until(lambda: world.topic("messaging.sms.status", msg_id=name, state="denied", reason="conflict"))
    until(lambda: world.money("acme") == (0, before + 1), lambda: world.money("acme"))
    until(lambda: len(world.topic("messaging.sms.status", msg_id=name, state="delivered")) == 1)


def test_what_a_phone_says_comes_in(world, tmp_path):
    smsc = shipped.Smsc()
    with shipped.World(BUILD, tmp_path, workflows=("sms-receipts", "billing-admin"), credentials={
            "carrier": {"type": "smpp", "data": {"host": "127.0.0.1", "port": str(smsc.port), "systemId": "x",
                                                 "password": "y"}}}) as own:
        smsc.deliver(7, "4915100002000", "32100", "START now")
        said = until(lambda: own.topic("messaging.sms.inbound"))[0]
        assert (said["from"], said["to"], said["text"]) == ("+4915100002000", "+32100", "START now")
        assert (said["channel"], said["kind"]) == ("sms", "message")
        until(lambda: 7 in smsc.answered)
    smsc.close()


# --- quarantine -----------------------------------------------------------------------------------

def test_quarantine_released_denied_and_expired(world):
    before = world.money("acme")[1]
    released, denied = (world.send("please hold this") for _ in range(2))
    expired, poor = world.send("please hold briefly"), world.send("please hold this", tenant="poor")
    assert world.review("list", key="somebody else")[0] == 401
    assert world.message(released, "quarantine")["reason"] == "content"
    held = world.held(released)
    status, answer = world.review("release", {"id": held, "by": "ann"})
    assert (status, answer["state"], answer["decided_by"]) == (200, "released", "ann")
    world.message(released, "delivered")
    assert world.review("deny", {"id": held, "by": "bob"})[0] == 404
    assert world.review("deny", {"id": world.held(denied), "by": "bob"})[1]["state"] == "denied"
    assert world.review("release", {"id": world.held(poor)})[0] == 200
    assert world.message(poor, "denied")["reason"] == "no_funds"
    world.produce("messaging.sms.outbound", json.dumps({  # names no channel
        "id": "plain", "tenant_id": "acme", "from": "ACME", "to": "+4915100000000", "text": "hold this"}))
    assert world.review("release", {"id": world.held("plain")})[0] == 200
    assert world.message("plain", "denied")["reason"] == "bad_message"
    for name, code in ((denied, "quarantine_denied"), (expired, "quarantine_expired")):
        assert world.message(name, "rejected")["reason"] == code
        until(lambda: world.topic("messaging.sms.status", msg_id=name, state="rejected", code=code))
    until(lambda: world.money("acme") == (0, before + 1), lambda: world.money("acme"))


# --- tenants by SMPP, low balance -----------------------------------------------------------------

def test_a_tenant_by_smpp_gets_its_receipts(world):
    port = world.smpp_port()
    assert not shipped.Esme(port, "shop", "wrong").bound
    client = shipped.Esme(port, "shop", "pa55")
    delivered = client.submit("Shop", "4915100005000", "by SMPP")
    refused = client.submit("Shop", "4915100005001", "claim your prize")
    receipt = client.receipt(delivered)
    assert b"stat:DELIVRD" in receipt and b"4915100005000" in receipt and b"Shop" in receipt
    assert b"stat:REJECTD" in client.receipt(refused)
    assert world.message(delivered, "delivered")["tenant_id"] == "shop"
    client.close()


def test_receipts_wait_for_a_tenant_that_is_away(tmp_path):
    """Also over an engine that dies; what is too many or too old goes where people look."""
    def edit(workflow):
        shipped.quicken(workflow)
        for node in workflow["nodes"]:
            if node["name"] == "Deliver":
                assert node["parameters"]["options"] == {"keep": "24h", "keepMost": 10000}
                node["parameters"]["options"]["keepMost"] = 3

    with shipped.World(BUILD, tmp_path, workflows=("sms-outbound", "sms-receipts", "sms-server", "billing-admin"),
                       edit=edit) as own:
        own.tenant("shop")
        client = shipped.Esme(own.smpp_port(), "shop", "pa55", receiver=False)
        names = [client.submit("Shop", f"491510000500{n}", "by SMPP") for n in range(4, 7)]
        client.close()
        for name in names:
            own.message(name, "delivered")
        until(lambda: own.plane.metric("catalyst_smpp_kept") == 3)
        client = shipped.Esme(own.smpp_port(), "shop", "pa55", receiver=False)
        over = client.submit("Shop", "4915100005009", "one too many")
        client.close()
        lost = until(lambda: own.topic("messaging.sms.dlq"))
        assert [(one["message"]["id"], one["deliver"]["code"]) for one in lost] == [(over, "full")]
        own.plane.kill()
        own.plane.start()
        until(lambda: own.plane.metric("catalyst_smpp_kept") == 3, seconds=60)
        client = shipped.Esme(own.smpp_port(), "shop", "pa55")
        for name in names:
            assert b"stat:DELIVRD" in client.receipt(name)
        until(lambda: own.plane.metric("catalyst_smpp_kept") == 0)
        client.close()


def test_a_low_balance_is_told(world):
    world.tenant("low", money=4_000_000)
    # It may be told first while it has nothing yet.
    labels = {"alertname": "TenantLowBalance", "severity": "warning", "tenant": "low"}
    until(lambda: [one for one in world.topic("notifications.billing", fingerprint="low-balance:low")
                   if one["labels"] == labels
                   and one["annotations"]["summary"] == "tenant low can spend 4 EUR"],
          lambda: world.topic("notifications.billing", fingerprint="low-balance:low"))
    assert not world.topic("notifications.billing", fingerprint="low-balance:acme")


# --- WhatsApp -------------------------------------------------------------------------------------

def test_whatsapp_is_sent_and_its_statuses_settle(world):
    before = world.money("shop")[1]
    name = world.send("hi there", "+4915100006000", "whatsapp", "shop", **{"from": "106"})
    world.message(name, "accepted")
    path, body = world.cloud.got[-1]
    assert path.endswith("/106/messages") and body["text"]["body"] == "hi there"
    assert body["biz_opaque_callback_data"] == name
    until(lambda: world.money("shop") == (1, before), lambda: world.money("shop"))
    status = {"id": "wamid.4915100006000", "status": "delivered", "timestamp": str(int(time.time())),
              "recipient_id": "4915100006000", "biz_opaque_callback_data": name}
    assert world.whatsapp_call(secret="wrong", statuses=[status]) == 401
    for _ in range(2):  # a call may come again
        assert world.whatsapp_call(statuses=[status]) in (200, 202)
    row = world.message(name, "delivered")
    assert row["price_micro"] == PRICE
    until(lambda: world.money("shop") == (0, before + 1), lambda: world.money("shop"))


def test_whatsapp_template_and_refusal(world):
    before = world.money("acme")
    world.message(world.send("Your code", "+4915100006001", "whatsapp", template={"name": "code"},
                             **{"from": "106"}), "accepted")
    assert world.cloud.got[-1][1]["template"]["name"] == "code"
    until(lambda: world.money("acme")[1] == before[1] + 1)
    row = world.message(world.send("hi", "+4915100006009", "whatsapp", **{"from": "106"}), "rejected")
    assert row["reason"] == "131026"
    until(lambda: world.money("acme") == (0, before[1] + 1), lambda: world.money("acme"))


def test_whatsapp_messages_come_in_and_the_subscription_is_answered(world):
    for _ in range(2):  # a call may come again
        assert world.whatsapp_call(messages=[{
            "id": "wamid.in1", "from": "4915100007000", "type": "text", "timestamp": "1700000000",
            "text": {"body": "hello you"}}]) in (200, 202)
    message = until(lambda: world.topic("messaging.whatsapp.inbound", id="wamid.in1"))[0]
    assert (message["from"], message["to"], message["text"]) == ("4915100007000", "106", "hello you")
    assert world.whatsapp_call(errors=[{"code": 130429, "title": "Rate limit hit"}]) in (200, 202)
    alert = until(lambda: world.topic("notifications.alerts"))[0]["labels"]
    assert (alert["alertname"], alert["account"], alert["code"]) == ("WhatsAppError", "106", "130429")
    assert len(world.topic("messaging.whatsapp.inbound", id="wamid.in1")) == 1
    url = (f"{world.plane.http}/webhook/whatsapp?hub.mode=subscribe&hub.challenge=4711&hub.verify_token="
           + shipped.VERIFY)
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.read() == b"4711"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url + "x", timeout=60)


# --- Telegram -------------------------------------------------------------------------------------

def test_telegram_is_sent_and_charged_or_given_back(world):
    before = world.money("acme")[1]
    world.message(world.send("hi group", "-1001234567", "telegram"), "accepted")
    assert ("-1001234567", "hi group") in [(str(body.get("chat_id")), body.get("text")) for _, body in world.bot.got]
    row = world.message(world.send("hi", "403403", "telegram"), "rejected")
    assert row["reason"] == "403"
    until(lambda: world.money("acme") == (0, before + 1), lambda: world.money("acme"))
    world.message(world.send("hi", "nobody", "telegram"), "reject")


def test_telegram_is_charged_when_it_is_taken_whatever_the_charge_point(world):
    """There is no delivery that could charge it later."""
    for tenant, points in (("plain", {}), ("patient", {"charge_points": "sms=delivery,telegram=delivery"})):
        world.tenant(tenant, **points)
        world.message(world.send("hi", "-1001234567", "telegram", tenant), "accepted")
        until(lambda: world.money(tenant) == (0, 1), lambda: world.money(tenant))
        world.message(world.send("hi", "403403", "telegram", tenant), "rejected")
        until(lambda: world.money(tenant) == (0, 1), lambda: world.money(tenant))


def test_telegram_messages_and_presses_come_in(world):
    world.bot.updates += [
        {"update_id": 1, "message": {"message_id": 5, "date": 1700000000, "chat": {"id": 77}, "text": "hello"}},
        {"update_id": 2, "callback_query": {"id": "cb1", "from": {"id": 78}, "data": "yes",
                                            "message": {"message_id": 6, "chat": {"id": 77}}}}]
    said = until(lambda: world.topic("messaging.telegram.inbound", id="telegram-1"))[0]
    assert (said["from"], said["text"], said["ts_us"]) == ("77", "hello", 1700000000000000)
    press = until(lambda: world.topic("messaging.telegram.inbound", id="telegram-2"))[0]
    assert (press["from"], press["text"], press["type"]) == ("77", "yes", "callback")
    until(lambda: [body for path, body in world.bot.got if path.endswith("answerCallbackQuery")
                   and body["callback_query_id"] == "cb1"])
