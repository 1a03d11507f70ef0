# SPDX-License-Identifier: Apache-2.0
"""What became of the messages, read from where anybody would look: the tables of the store and the topics.
Counted per tenant, printed as a table, and compared with what must have become of them.
"""
import json
import sqlite3
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

from traffic import TENANTS, fate_of

# A column of the table: its name, and the outcomes and states of messages_current that it counts.
COLUMNS = (("delivered", ("delivered",)), ("failed", ("failed",)), ("expired", ("expired",)),
           ("refused", ("rejected",)), ("blocked", ("reject", "drop", "throttle")),
           ("held back", ("quarantine",)), ("denied", ("denied",)), ("twice", ("duplicate",)))
COLUMN_OF = {state: name for name, states in COLUMNS for state in states}
ROWS = ("SELECT id, tenant_id, recipient, outcome, reason, state, segments, price_micro FROM messages_current")
BALANCES = "SELECT tenant_id, credit_limit_micro, avail_micro, held_micro, spent_micro, topups_micro FROM billing_balances"
MOVES = "SELECT tenant_id, op, count(*) AS n, sum(amount_micro) AS micro FROM billing_transactions GROUP BY tenant_id, op"
ZERO = "SELECT currency, sum(micro) AS micro FROM billing_postings GROUP BY currency"
SETTLING = ("SELECT (SELECT count(*) FROM (SELECT DISTINCT id, outcome = 'duplicate' FROM messages_log) m) AS known, "
            "(SELECT count(DISTINCT id) FROM messages_current WHERE state IN ('accepted', 'sent')) AS away, "
            "(SELECT coalesce(sum(held_micro), 0) FROM billing_balances) AS held")


NOBODY = ""  # the tenant of what could not be read


class Sqlite:
    def __init__(self, path):
        self.path = Path(path)

    def rows(self, sql):
        base = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=30)
        try:
            base.row_factory = sqlite3.Row
            return [dict(row) for row in base.execute(sql)]
        finally:
            base.close()


class Postgres:
    def __init__(self, server):
        self.server = server

    def rows(self, sql):
        return json.loads(self.server.psql(f"SELECT coalesce(json_agg(q), '[]') FROM ({sql}) q").stdout)


def topic(brokers, name):
    """All messages of a topic, as JSON."""
    done = subprocess.run(["kcat", "-b", brokers, "-t", name, "-C", "-o", "beginning", "-e", "-q"],
                          capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


class Report:
    def __init__(self, store, sent, alerts, sink):
        """`sent` are traffic.Message, `alerts` of firewall.alerts, `sink` the SMSC's counters."""
        self.sent, self.alerts, self.sink = sent, alerts, sink
        self.rows = store.rows(ROWS)
        self.balances = {row["tenant_id"]: row for row in store.rows(BALANCES)}
        self.moves = defaultdict(int)
        for row in store.rows(MOVES):
            self.moves[row["tenant_id"], row["op"]] = int(row["micro"])
        self.zero = {row["currency"]: int(row["micro"]) for row in store.rows(ZERO)}
        self.wrong = []
        self._count()

    def _count(self):
        """Parts of a message are rows of their own; the message is counted once."""
        self.became, self.reasons, seen = defaultdict(Counter), defaultdict(Counter), set()
        self.rows_of = defaultdict(list)
        for row in self.rows:
            self.rows_of[row["id"]].append(row)
            if (row["id"], row["outcome"]) in seen:
                continue
            seen.add((row["id"], row["outcome"]))
            column = COLUMN_OF.get(row["state"], row["state"])
            self.became[row["tenant_id"]][column] += 1
            if row["reason"]:
                self.reasons[row["tenant_id"]][column, row["reason"]] += 1

    # --- does it add up? ---

    def check(self, what, got, wanted):
        if got != wanted:
            self.wrong.append(f"{what}: {got}, it should be {wanted}")

    def check_all(self):
        for tenant in TENANTS:
            self._check_tenant(tenant)
        self._check_fates()
        broken = sum(m.fate == "no_json" for m in self.sent)
        self.check("messages that are no JSON", self.reasons[NOBODY], {("failed", "bad_input"): broken})
        self.check("sums of the ledger", set(self.zero.values()), {0})
        stopped = sum(c["blocked"] + c["held back"] for c in self.became.values())
        self.check("alerts", len(self.alerts), stopped)
        taken = [row for row in self.rows if row["outcome"] == "accepted"]
        self.check("messages and parts that the SMSC took", self.sink["accepted"], len(taken))
        self.check("receipts that were taken", self.sink["receipts_taken"], len(taken))
        return not self.wrong

    def _check_tenant(self, tenant):
        name, sent = tenant.name, [m for m in self.sent if m.tenant == tenant.name]
        self.check(f"{name}: outcomes", sum(self.became[name].values()), len(sent))
        unknown = set(self.became[name]) - {column for column, _ in COLUMNS}
        self.check(f"{name}: outcomes that are no end", unknown, set())
        if tenant.funds is None:
            self.check(f"{name}: denied", self.became[name]["denied"], len(sent))
            return
        money = self.balances[name]
        charged, given_back = self.expected_money(tenant, sent)
        self.check(f"{name}: charged", money["spent_micro"], charged)
        self.check(f"{name}: charged by the ledger", self.moves[name, "commit"], charged)
        self.check(f"{name}: given back", self.moves[name, "release"], given_back)
        self.check(f"{name}: held", money["held_micro"], 0)
        self.check(f"{name}: balance", money["avail_micro"], money["topups_micro"] - charged)
        self.check(f"{name}: balance is above its limit",
                   money["avail_micro"] + money["credit_limit_micro"] >= 0, True)

    def expected_money(self, tenant, sent):
        """By our own prices and what became of each message, not by the ledger."""
        charged = given_back = 0
        for message in sent:
            if message.fate in ("duplicate", "no_json"):
                continue
            state = next((row["state"] for row in self.rows_of[message_id(message)]
                          if row["outcome"] in ("accepted", "rejected")), None)
            if state == "delivered" or (tenant.point == "submit" and state in ("failed", "expired")):
                charged += message.price
            elif state in ("failed", "expired", "rejected"):
                given_back += message.price
        return charged, given_back

    def _check_fates(self):
        """Each message for itself, where its fate was known beforehand."""
        for message in self.sent:
            if message.fate in ("no_json", "probe"):
                continue
            rows = self.rows_of[message_id(message)]
            if message.fate == "duplicate":
                self.check(f"{message_id(message)} sent twice", sum(r["outcome"] == "duplicate" for r in rows), 1)
                continue
            rows = [row for row in rows if row["outcome"] != "duplicate"]
            states = {row["state"] for row in rows}
            reasons = {row["reason"] for row in rows}
            fate = fate_of(message.number) if message.fate == "near" else message.fate
            if "denied" in states and message.tenant in ("broke", "shop"):
                self.check(f"{message_id(message)} denied", reasons, {"no_funds"})
            elif message.fate == "near" and "quarantine" in states:
                self.check(f"{message_id(message)} held back", reasons <= {"near", "score"}, True)
            elif fate in ("delivered", "failed", "expired"):
                self.check(f"{message_id(message)} ({message.number})", states, {fate})
            elif fate == "refused":
                self.check(f"{message_id(message)} ({message.number})", states, {"rejected"})
            else:
                self.check(f"{message_id(message)}", reasons, {fate})

    # --- to be read by people ---

    def table(self):
        head = ["tenant", "sent", *(name for name, _ in COLUMNS), "charged", "given back", "balance", "held"]
        lines = []
        for tenant in TENANTS:
            money = self.balances.get(tenant.name)
            count = self.became[tenant.name]
            lines.append([tenant.name, sum(m.tenant == tenant.name for m in self.sent),
                          *(count[name] or "." for name, _ in COLUMNS),
                          *([euro(money["spent_micro"]), euro(self.moves[tenant.name, "release"]),
                             euro(money["avail_micro"]), euro(money["held_micro"])]
                            if money else ["."] * 4)])
        count = self.became[NOBODY]
        lines.append(["(no JSON)", sum(m.tenant == NOBODY for m in self.sent),
                      *(count[name] or "." for name, _ in COLUMNS), *["."] * 4])
        lines.append(["all", len(self.sent),
                      *(sum(c[name] for c in self.became.values()) or "." for name, _ in COLUMNS),
                      euro(sum(m["spent_micro"] for m in self.balances.values())),
                      euro(sum(v for (_, op), v in self.moves.items() if op == "release")), "",
                      euro(sum(m["held_micro"] for m in self.balances.values()))])
        return grid([head, *lines])

    def why(self):
        lines = []
        for name in (*(tenant.name for tenant in TENANTS), NOBODY):
            found = ", ".join(f"{column} {n} {reason}" for (column, reason), n in
                              sorted(self.reasons[name].items()))
            if found:
                lines.append(f"  {name or '(no JSON)':9} {found}")
        return "\n".join(lines)

    def alerts_by_rule(self):
        rules = Counter(f"{alert['rule'] or alert['reason']} ({alert['verdict']})" for alert in self.alerts)
        return ", ".join(f"{n} {rule}" for rule, n in rules.most_common())


def message_id(message):
    return json.loads(message.body)["id"]


def euro(micro):
    return f"{micro / 1e6:.2f}"


def grid(lines):
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(f"{line[i]:<{w}}" if i == 0 else f"{line[i]:>{w}}"
                               for i, w in enumerate(widths)).rstrip() for line in lines)
