#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""workflows/alerts/README.md: each alert with its series and what to do, made from the rules.

    alerts.py           writes it
    alerts.py --check   exit code 1 when it is stale

Tests read the rules by this module, too: rules(), series(), matchers().
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "workflows" / "alerts"
RULES, PAGE = FOLDER / "catalyst.rules.yml", FOLDER / "README.md"
HEAD = """# Alerts

<!-- Generated from catalyst.rules.yml by the build target `docs`: edit that. -->

[`catalyst.rules.yml`](catalyst.rules.yml) holds rules for Prometheus, a group for each source of series: leave out
what you do not run. [`catalyst.test.yml`](catalyst.test.yml) and [`catalyst.long.test.yml`](catalyst.long.test.yml)
have each of them fire and keep quiet (`promtool test rules *.test.yml`); a running plane, the tables of the plugins and
the exporters' own `/metrics` are held against the series they name. A job for the engines is all that Prometheus needs
for the first group:

```yaml
rule_files: [catalyst.rules.yml]
scrape_configs:
  - job_name: catalyst
    static_configs: [{targets: ['engine-1:5679', 'engine-2:5679']}]
```

The workflow [alert-routing](../alert-routing.json) groups, mutes and escalates what comes to its webhook `alerts`, which
is behind a header of the credential `alerts`; labels and annotations go along. Of an Alertmanager it is a receiver:

```yaml
receivers:
  - name: catalyst
    webhook_configs:
      - url: http://engine-1:5678/webhook/alerts
        http_config: {authorization: {type: Bearer, credentials: SECRET}}
```
"""
WORDS = set("by without on ignoring group_left group_right offset and or unless bool".split())


class Rule:
    def __init__(self, group, text):
        self.group = group
        self.name = re.search(r"- alert: (\w+)", text)[1]
        self.expr = unquoted(re.search(r"\n +expr: '(.*)'\n", text)[1])
        waits = re.search(r"\n +for: (\w+)\n", text)
        self.wait = waits[1] if waits else None
        self.severity = re.search(r"severity: (\w+)", text)[1]
        self.summary = unquoted(re.search(r"\n +summary: '(.*)'\n", text)[1])
        self.runbook = unquoted(re.search(r"\n +runbook: '(.*)'(\n|$)", text)[1])


class Group:
    def __init__(self, name, comment):
        self.name = name
        whole = " ".join(comment.replace("#", " ").split()).removeprefix("Series of ")
        self.source, _, listed = whole.partition(": ")
        self.series = set(listed.split())
        self.rules = []


def unquoted(text):
    return text.replace("''", "'")


def groups(text=None):
    """The groups of the rule file, which is written in one way: a comment with the source of their
    series, the name, the rules."""
    text = text or RULES.read_text()
    found = []
    for part in re.split(r"(?m)^(?=  # Series of)", text)[1:]:
        comment, name, rules = re.match(r"((?:  #.*\n)+)  - name: (\S+)\n    rules:\n(.*)", part, re.S).groups()
        group = Group(name, comment)
        group.rules = [Rule(group, one) for one in re.split(r"(?m)^(?=      - alert: )", rules) if one.strip()]
        found.append(group)
    return found


def rules(text=None):
    return [rule for group in groups(text) for rule in group.rules]


def matchers(expr):
    """[(series, [(label, operator, value)])] of an expression."""
    found = []
    expr = re.sub(r"\[[^\]]*\]", " ", expr)
    expr = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)", " ", expr)
    for name, braces in re.findall(r'([a-zA-Z_:][\w:]*)((?:\{(?:[^{}"]|"[^"]*")*\})?)(?!\w*\s*\()', expr):
        if name in WORDS or re.search(rf"\b{name}\s*\(", expr) and not braces:
            continue
        found.append((name, re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', braces)))
    return [one for one in found if not re.fullmatch(r"[smhdw]", one[0])]


def series(expr):
    """Names in an expression, each once, in their order."""
    return list(dict.fromkeys(name for name, _ in matchers(expr)))


def cell(text):
    return text.replace("|", "\\|")


def page():
    out = [HEAD]
    for group in groups():
        out.append(f"\n## {group.name}\n\nSeries of {group.source}.\n\n"
                   "| alert | severity | for | means | what to do | series |\n|---|---|---|---|---|---|\n")
        for rule in group.rules:
            names = ", ".join(f"`{name}`" for name in series(rule.expr))
            summary = re.sub(r"{{ \$labels\.(\w+) }}", r"(\1)", rule.summary)
            summary = summary.replace("{{ $value }}", "(number)")
            out.append(f"| {rule.name} | {rule.severity} | {rule.wait or ''} | {cell(summary)} | "
                       f"{cell(rule.runbook)} | {names} |\n")
    return "".join(out)


def main():
    wanted = page()
    if "--check" not in sys.argv:
        PAGE.write_text(wanted)
    elif not PAGE.exists() or PAGE.read_text() != wanted:
        sys.exit(f"{PAGE.relative_to(ROOT)}:1: is stale; build the target docs")


if __name__ == "__main__":
    main()
