# SPDX-License-Identifier: Apache-2.0
"""What the example sends: tenants, prices and messages whose fate is known beforehand.

The fate of a message that reaches the SMSC is told by its number (see smsc_sink --help): the last two
digits 00 to 04 fail, 05 and 06 expire, 99 is refused, all others are delivered. Each message has a number
of its own. The same seed gives the same messages.
"""
import json
import random
import time
from collections import namedtuple

SINK_FLAGS = ("--failed", "5", "--expired", "2", "--on", "99=refuse:11", "--receipt-delay", "300",
              "--receipt-jitter", "400")
TOPIC = "messaging.sms.outbound"
DENIED_NUMBER = "+4930123456"  # comes onto the deny list under way

# Micro-units of EUR for a segment, by the longest prefix.
PRICES = {"": 50_000, "49": 75_000, "33": 62_000, "254": 21_000}
COUNTRIES = ("4915", "33", "254", "44")

# share: of all messages. funds and limit: in hundredths of what the tenant's messages would cost.
Tenant = namedtuple("Tenant", "name share funds limit point what")
TENANTS = (
    Tenant("acme", 38, 200, 0, "submit", "prepaid"),
    Tenant("bank", 25, 200, 0, "delivery", "prepaid, pays when delivered"),
    Tenant("shop", 15, 0, 80, "submit", "postpaid with a credit limit"),
    Tenant("broke", 10, 25, 0, "submit", "prepaid, little money"),
    Tenant("spammer", 10, 200, 0, "submit", "prepaid, sends spam"),
    Tenant("ghost", 2, None, 0, "submit", "has no account"),
)

TEXTS = {
    "acme": "Your order {n} has left our house and arrives tomorrow between 9 and 12.",
    "bank": "{n} is your code. Nobody of the bank will ever ask you for it.",
    "shop": "Thank you! Your table for {p} on Friday, number {n}, is kept until 20:00.",
    "broke": "Reminder: your visit {n} at the garage is on Monday at 8.",
    "spammer": "Summer is here, our beach bar opens at noon. Voucher {n}.",
    "ghost": "Message {n} of somebody we do not know.",
}
LONG = (" Please have the papers at hand that you got by mail, the key of the cellar and, if you can find it,"
        " the old meter's last bill.")
SPAM = (("content", "You have won {n} EUR! Call 0900 {n} and claim your prize today"),
        ("host", "Your account is locked, log in at https://paypa1-login.example/{n} within the hour"),
        ("near", "Watches {n} percent off, today only: https://watches.example/{n}"))


class Message:
    """A line for the topic, and what is to become of it: `fate` ("near": when no verdict stops it, what its
    number says), and the price of its segments."""

    def __init__(self, tenant, number, fate, body, key):
        self.tenant, self.number, self.fate, self.body, self.key = tenant, number, fate, body, key
        self.price = 0

    def line(self):
        return f"{self.key}|{self.body}\n"


def price_of(number, segments):
    prefix = max((p for p in PRICES if number[1:].startswith(p)), key=len)
    return PRICES[prefix] * segments


def fate_of(number):
    """What the SMSC does with it."""
    end = int(number[-2:])
    return "failed" if end < 5 else "expired" if end < 7 else "refused" if end == 99 else "delivered"


class Traffic:
    def __init__(self, count, seed=1):
        self.random, self.count = random.Random(seed), 0
        self.start_us = int(time.time() * 1e6)
        self.messages = []
        for tenant in TENANTS:
            for _ in range(max(4, count * tenant.share // 100)):
                self.messages.append(self._of(tenant.name))
        self.random.shuffle(self.messages)
        self._add_bad(max(3, count // 200))

    def _number(self):
        """A number that no other message has."""
        country = self.random.choice(COUNTRIES)
        return f"+{country}{self.count:06}{self.random.randrange(100):02}"

    def _message(self, tenant, number, text, fate, segments=1, **members):
        name = f"m{self.count}"
        body = {"v": 1, "id": name, "ts_us": self.start_us + self.count, "tenant_id": tenant,
                "trace_id": f"trace-{self.count}", "channel": "sms", "from": tenant.upper(), "to": number,
                "text": text, **members}
        made = Message(tenant, number, fate, json.dumps({k: v for k, v in body.items() if v is not None}),
                       number)
        made.price = price_of(number, segments)
        self.count += 1
        return made

    def _of(self, tenant):
        number, n = self._number(), self.random.randrange(10**6)
        if tenant == "spammer" and self.random.random() < 0.75:
            fate, text = self.random.choice(SPAM)
            return self._message(tenant, number, text.format(n=n), fate)
        text = TEXTS[tenant].format(n=n, p=self.random.randrange(2, 9))
        is_long = tenant == "acme" and self.random.random() < 0.1
        return self._message(tenant, number, text + LONG * is_long,
                             "unknown_tenant" if tenant == "ghost" else fate_of(number), 1 + is_long,
                             **{"class": "otp" if tenant == "bank" else "transactional"})

    def _add_bad(self, each):
        """Members missing, no JSON, no number, the same id twice."""
        bad = []
        for _ in range(each):
            bad.append(self._message("acme", self._number(), None, "malformed"))
            bad.append(self._message("acme", "+0049 cellar", "hello", "bad_number"))
            bad.append(Message("", "", "no_json", "{this is no JSON", "none"))
            self.count += 1
        first = [m for m in self.messages if m.tenant == "acme" and m.fate == "delivered"][:each]
        bad += [Message(m.tenant, m.number, "duplicate", m.body, m.key) for m in first]
        self.messages += bad

    def probe(self):
        """One to the number that is to be denied."""
        return self._message("acme", DENIED_NUMBER, "A message to a number that is on no list yet.", "probe")
