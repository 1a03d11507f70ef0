# SPDX-License-Identifier: Apache-2.0
"""WhatsApp, Telegram and USSD beside programs that are not ours: what they send for the same message,
what they take and refuse of the same call, an emulator of the Bot API, published types of both APIs,
and the same menu in a library for USSD."""
import hashlib
import hmac
import http.server
import json
import random
import threading
import urllib.parse
import urllib.request

import pytest
from engines import Engine, until
from peer_judges import Judge, keep, wrongly_typed
from test_nodes import Workflow
from test_telegram import ACCEPTED, CALLS, MARKUP, Bot, BotApi, api as bot_api  # noqa: F401
from test_telegram_trigger import echo, node
from test_ussd import Phone, WORKFLOW
from test_whatsapp import (APP_SECRET, TOKEN, api, deliver, engine,  # noqa: F401
                           event)


@pytest.fixture
def judge():
    started = []

    def start(*words):
        started.append(Judge(*words))
        return started[-1]

    yield start
    for one in started:
        one.close()


# --- WhatsApp -------------------------------------------------------------------------------------

BUTTONS = {"type": "button", "body": {"text": "which?"}, "action": {"buttons": [
    {"type": "reply", "reply": {"id": "a", "title": "A"}}]}}
COMPONENTS = [{"type": "body", "parameters": [{"type": "text", "text": "123456"}]}]
# our parameters, and the same for the other client
MESSAGES = [
    ({"text": "hällo ☃ \"quoted\"\n"}, {"kind": "text", "text": "hällo ☃ \"quoted\"\n"}),
    ({"text": "see https://example.com", "previewUrl": True},
     {"kind": "text", "text": "see https://example.com", "preview": True}),
    ({"messageType": "template", "templateName": "code", "languageCode": "de",
      "components": COMPONENTS},
     {"kind": "template", "name": "code", "language": "de", "values": ["123456"]}),
    ({"messageType": "image", "mediaLink": "https://example.com/a.png", "caption": "look"},
     {"kind": "image", "link": "https://example.com/a.png", "caption": "look"}),
    ({"messageType": "interactive", "interactive": BUTTONS},
     {"kind": "buttons", "text": "which?", "id": "a", "title": "A"}),
    ({"text": "again", "options": {"replyTo": "wamid.7", "messageId": "m-7"}},
     {"kind": "text", "text": "again", "reply": "wamid.7", "opaque": "m-7"}),
]
TYPED = [{"messageType": kind, "mediaId": "4711", **more} for kind, more in (
    ("image", {"caption": "c"}), ("audio", {}), ("video", {"caption": "c"}),
    ("document", {"fileName": "a.pdf", "caption": "c"}))]


def our_whatsapp(catalyst, folder, double, parameters):
    workflow = Workflow(catalyst, folder, {"api": {"type": "whatsAppApi", "data": {
        "accessToken": TOKEN, "baseUrl": double.url}}})
    result = workflow.run("catalyst.whatsapp", {"phoneNumberId": "106", "to": "491511234567",
                                                **parameters},
                          credentials={"whatsAppApi": {"name": "api"}})
    assert result["status"] == "success" and result["nodes"]["Node"][0]["outputs"][0], result
    return double.requests[-1]


def plain(body):
    """Without what either may leave out: our id, defaults that the API has itself."""
    body = json.loads(json.dumps(body))
    for name in ("recipient_type", "biz_opaque_callback_data"):
        body.pop(name, None)
    if body.get("text", {}).get("preview_url") is False:
        del body["text"]["preview_url"]
    if "template" in body:
        body["template"]["language"].pop("policy", None)
    return body


def test_whatsapp_sends_what_another_client_sends(catalyst, tmp_path, api, judge):  # noqa: F811
    other = judge("answers")
    for ours, theirs in MESSAGES:
        path, authorization, body = our_whatsapp(catalyst, tmp_path, api, ours)
        sent = other.ask("whatsapp_sends", to="491511234567", **{"from": "106", **theirs})
        assert sent, other.refused
        assert authorization == f"Bearer {TOKEN}"
        assert urllib.parse.urlsplit(sent["url"]).path == path
        assert plain(body) == plain(sent["body"])
        if "opaque" in theirs:
            assert body["biz_opaque_callback_data"] == sent["body"]["biz_opaque_callback_data"]
    keep(peer="whatsapp-api-js", requests=len(MESSAGES))


def test_whatsapp_requests_are_typed(catalyst, tmp_path, api):  # noqa: F811
    # The package knows no links of pictures and no text that replies; the API and its other clients do.
    known = [m for m, _ in MESSAGES if "mediaLink" not in m and m.get("text") != "again"] + TYPED
    bodies = [our_whatsapp(catalyst, tmp_path, api, ours)[2] for ours in known]
    wrong = [{**bodies[0], "messaging_product": "sms"}, {**bodies[0], "text": {"boddy": "x"}},
             {**bodies[0], "type": "txt"}]
    cases = [("", body, True) for body in bodies] + [("", body, False) for body in wrong]
    assert not wrongly_typed(tmp_path, "whatsapp", cases)
    keep(peer="@whatsapp-cloudapi/types", requests=len(bodies), refused=len(wrong))


def signed(body, secret=APP_SECRET):
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


STATUS = {"id": "wamid.A", "status": "delivered", "timestamp": "1700000002",
          "recipient_id": "49151", "biz_opaque_callback_data": "m-1"}
TEXT = {"from": "49151", "id": "wamid.M", "timestamp": "1700000001", "type": "text",
        "text": {"body": "hällo ☃"}}


def whole(**value):
    """As the API has it, with what the tests of ours leave out."""
    call = event(**value)
    change = call["entry"][0]["changes"][0]["value"]
    change.update(messaging_product="whatsapp",
                  metadata={"display_phone_number": "4930106", "phone_number_id": "106"})
    return call


def test_whatsapp_calls_are_taken_and_refused_alike(engine, judge, tmp_path):  # noqa: F811
    other = judge("answers")
    calls = [whole(messages=[TEXT], contacts=[{"wa_id": "49151", "profile": {"name": "Jörg"}}]),
             *(whole(statuses=[{**STATUS, "status": state}])
               for state in ("sent", "delivered", "read", "failed"))]  # the package knows no failed
    assert not wrongly_typed(tmp_path, "whatsapp calls", [
        ("", call, True) for call in calls[:-1]] + [("", {**calls[0], "object": "page"}, False)])
    for call in calls:
        body = json.dumps(call, indent=1).encode()  # escaped, as the API writes what it signs
        got = other.ask("whatsapp_takes", secret=APP_SECRET, body=body.decode(),
                        signature=signed(body))
        answer = engine.call("POST", "/webhook/whatsapp", body, {
            "content-type": "application/json", "x-hub-signature-256": signed(body)})
        assert got and answer.status == 200, (other.refused, answer.body)
        if got["kind"] == "message":
            [ours] = answer.json()["messages"]
            assert [ours[k] for k in ("from", "name", "provider_id", "type", "text", "account")] == [
                got[k] for k in ("from", "name", "id", "type", "text", "phoneID")]
        else:
            [ours] = answer.json()["statuses"]
            assert [ours[k] for k in ("to", "state", "provider_id", "msg_id", "account")] == [
                got[k] for k in ("phone", "status", "id", "opaque", "phoneID")]
    body = json.dumps(calls[0]).encode()
    refused = [(body, signed(body, "another")), (body + b" ", signed(body)),
               (body.replace(b"49151", b"49152"), signed(body)), (body, "sha256=" + "0" * 64),
               (body, signed(body)[:-1])]
    done = engine.done()
    for body, signature in refused:
        assert other.ask("whatsapp_takes", secret=APP_SECRET, body=body.decode(),
                         signature=signature) is None and "Signature" in other.refused
        assert engine.call("POST", "/webhook/whatsapp", body, {
            "content-type": "application/json", "x-hub-signature-256": signature}).status == 401
    assert engine.done() == done
    keep(peer="whatsapp-api-js", calls=len(calls), refused=len(refused))


# --- Telegram -------------------------------------------------------------------------------------

BOT = "123456:AA-secret_Token"


class Throttling(http.server.ThreadingHTTPServer):
    """Before an emulator: the first `answers` are said here, the rest by it."""
    daemon_threads = True

    def __init__(self, url, *answers):
        proxy = self
        self.answers, self.passed = list(answers), []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if proxy.answers:
                    status, text = proxy.answers.pop(0)
                else:
                    proxy.passed.append(self.path)
                    request = urllib.request.Request(url + self.path, body, {
                        "content-type": self.headers["content-type"]})
                    with urllib.request.urlopen(request, timeout=60) as answer:
                        status, text = answer.status, answer.read()
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def history(emulator):
    return [one["message"] for one in emulator.post("/getUpdatesHistory", {"token": BOT})["result"]
            if "message" in one]


def test_telegram_with_an_emulator(catalyst, tmp_path, judge):
    emulator = judge("telegram")
    bot = Bot(catalyst, tmp_path, emulator.first["url"])
    [sent] = bot.ports({"chatId": "4711", "text": "hällo ☃", "replyMarkup": MARKUP})[ACCEPTED]
    assert sent["send"]["chat_id"] == "4711"
    [message] = history(emulator)
    assert (str(message["chat_id"]), message["text"]) == ("4711", "hällo ☃")
    assert message["reply_markup"] == MARKUP
    bot.ports({"operation": "editMessageText", "chatId": "4711", "text": "changed",
               "messageId": int(sent["send"]["provider_id"])})
    assert [m["text"] for m in history(emulator)] == ["changed"]
    assert bot.ports({"operation": "answerCallbackQuery", "callbackQueryId": "1"})[ACCEPTED]


def test_telegram_throttled_by_a_proxy(catalyst, tmp_path, judge):
    """The emulator knows no 429 and no 5xx: they are said before it."""
    emulator = judge("telegram")
    later = json.dumps({"ok": False, "error_code": 429, "description": "Too Many Requests: retry "
                        "after 1", "parameters": {"retry_after": 1}}).encode()
    with Throttling(emulator.first["url"], (429, later), (502, b"<html>")) as proxy:
        bot = Bot(catalyst, tmp_path, proxy.url)
        items = [{"chat": 7, "n": n} for n in range(5)]
        sent = bot.ports({"chatId": "={{ $json.chat }}", "text": "=m{{ $json.n }}"}, items,
                         retryOnFail=True, maxTries=5, waitBetweenTries=100)
        assert len(sent[ACCEPTED]) == 5
        assert sorted(m["text"] for m in history(emulator)) == [f"m{n}" for n in range(5)]
        assert len(proxy.passed) == 5
    keep(peer="telegram-test-api", messages=5, throttled=1, failed=1)


def user(text):
    return {"botToken": BOT, "date": 1700000000, "text": text, "from": {"id": 1, "is_bot": False},
            "chat": {"id": 7, "type": "private"}}


@pytest.mark.parametrize("how", ["polled", "by webhook"])
def test_telegram_updates_of_an_emulator(catalyst, tmp_path, judge, how):
    emulator = judge("telegram")
    whole_ = echo()
    if how == "by webhook":
        press, say = ("={{ $json.body.callback_query.id }}", "={{ $json.body.message.text }}")
        whole_["nodes"][0].update(type="catalyst.webhook", credentials={}, parameters={
            "httpMethod": "POST", "path": "bot"})
        condition = whole_["nodes"][1]["parameters"]["conditions"]["conditions"][0]
        condition["leftValue"] = "={{ $json.body.callback_query }}"
        whole_["nodes"][2]["parameters"].update(
            callbackQueryId=press, text="=took {{ $json.body.callback_query.data }}")
        whole_["nodes"][3]["parameters"].update(
            chatId="={{ $json.body.message.chat.id }}", text=say)
    env = {"CATALYST_CREDENTIAL_BOT": json.dumps({"type": "telegramApi", "data": {
        "accessToken": BOT, "baseUrl": emulator.first["url"]}})}
    with Engine(catalyst, tmp_path, "--store", f"sqlite:{tmp_path}/store.db", workflows=[whole_],
                env=env) as one:
        if how == "by webhook":
            emulator.post(f"/bot{BOT}/setWebhook", {
                "url": f"http://{one.addresses['webhooks']}/webhook/bot"})
        for text in ("one", "two ☃"):
            emulator.post("/sendMessage", user(text))
        emulator.post("/sendCallback", {**user(""), "data": "yes", "message": user("x")})
        one.wait_done(3, "success")
    said = [m["text"] for m in history(emulator) if "chat_id" in m]
    assert sorted(said) == ["one", "two ☃"]


def test_telegram_requests_are_typed(catalyst, tmp_path, bot_api):  # noqa: F811
    bot, cases = Bot(catalyst, tmp_path, bot_api.url), []
    for parameters in CALLS:
        bot.ports(parameters)
        _, _, method, body = bot_api.requests[-1]
        cases.append((method, body, True))
    cases += [("sendMessage", {"chat_id": 1, "txt": "x"}, False),
              ("sendMessage", {"chat_id": 1, "text": "x", "parse_mode": "html5"}, False),
              ("sendPhoto", {"chat_id": 1, "photo": 7}, False),
              ("answerCallbackQuery", {"text": "x"}, False)]
    assert not wrongly_typed(tmp_path, "telegram", cases)
    keep(peer="@grammyjs/types", requests=len(CALLS), refused=4)


# --- USSD -----------------------------------------------------------------------------------------

def walk(dice):
    """What a person enters, not always to the end of the session."""
    first = dice.choice("1223")
    inputs = [first] if first != "2" else ["2", str(dice.randrange(1, 10 ** dice.randrange(1, 7))),
                                           dice.choice("12")]
    return inputs[:dice.randrange(1, 4)]


def test_ussd_menu_is_that_of_another_library(catalyst, tmp_path, redis, judge):
    """Each hop of random sessions is answered with the same words, also the second time."""
    other, dice = judge("ussd"), random.Random(4)
    host, port = redis.url().removeprefix("redis://").split("/")[0].split(":")
    credentials = tmp_path / "credentials.json"
    credentials.write_text(json.dumps({"sessions": {"type": "redis", "data": {"host": host,
                                                                              "port": port}}}))
    hops = 0
    with Engine(catalyst, tmp_path, "--store", "memory:", "--credentials", credentials,
                "--workflows", WORKFLOW) as one:
        for number in range(60):
            phone, inputs = Phone(one, f"peer-{dice.getrandbits(64):x}"), walk(dice)
            for n in range(len(inputs) + 1):
                phone.inputs = inputs[:n]
                form = {"sessionId": phone.session, "phoneNumber": phone.number,
                        "networkCode": "63902", "serviceCode": "*384*1#", "text": "*".join(inputs[:n])}
                request = urllib.request.Request(other.first["url"],
                                                 urllib.parse.urlencode(form).encode())
                with urllib.request.urlopen(request, timeout=60) as answer:
                    theirs = answer.read().decode()
                assert phone.hop() == theirs, (number, inputs[:n])
                if dice.random() < 0.2:
                    assert phone.hop() == theirs, (number, inputs[:n])
                hops += 1
    keep(peer="ussd-menu-builder", sessions=60, hops=hops)
