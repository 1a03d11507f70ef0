#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""workflows/README.md: a picture and a paragraph for each shipped workflow, made from the files.

    pictures.py           writes it
    pictures.py --check   exit code 1 when it is stale

A picture is a Mermaid flowchart: nodes with their type, an arrow for each connection, named by the
output it leaves from where the node has several. The paragraph is the workflow's `description`. Names
of outputs come from the pages of the plugins.
"""
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "workflows" / "README.md"
HEAD = """# Workflows

<!-- Generated from the workflow files by the build target `docs`: edit those. -->

Shipped with Catalyst, to be used as they are or copied. Each is one JSON file: `catalyst check FILE` finds
mistakes, `catalyst serve --workflows FILE` runs it, `catalyst deploy FILE` puts it into the store of running
engines. The credentials they name are in [`credentials.example.json`](credentials.example.json), to be copied
and filled in. Outbound ones read the firewall's rules from `firewall.json` in the engine's working directory,
`examples/messaging/firewall.json` is one to begin with, and its deny list from Redis; without Redis take `deny`
and the credential out of the node Firewall, or name a file there. Each has a test: those of messaging in
tests/scenario/test_shipped.py, those that need servers besides in tests/integration. `bash
examples/messaging/run.sh` runs messaging as a whole.

"""


def outputs_of_types():
    """{type or alias: [names of its outputs]}"""
    found = {}
    for page in sorted((ROOT / "plugins").glob("*/README.md")):
        for section in re.split(r"(?m)^## ", page.read_text())[1:]:
            line = re.search(r"(?m)^- Outputs: (.*)$", section)
            names = re.findall(r"`([^`]+)`", line[1]) if line else []
            also = re.search(r"(?m)^- Also: (.*)$", section)
            for name in [section.split()[0]] + re.findall(r"`([^`]+)`", also[1] if also else ""):
                found[name] = names
    return found


def rule_names(node):
    """A switch's outputs by what they compare with."""
    rules = node.get("parameters", {}).get("rules", {}).get("values", [])
    names = []
    for rule in rules:
        conditions = rule.get("conditions", {}).get("conditions", [])
        names.append(rule.get("outputKey") or
                     " and ".join(str(c.get("rightValue", "")) for c in conditions))
    return names + ["else"]


def label(text):
    return '"' + str(text).replace('"', "'").replace("<", "&lt;") + '"'


def node_shape(number, node, triggers):
    kind = node["type"].removeprefix("catalyst.").removeprefix("n8n-nodes-base.")
    text = label(f"{node['name']}<br/><i>{kind}</i>").replace("&lt;", "<")
    return f"    n{number}([{text}])" if node["name"] in triggers else f"    n{number}[{text}]"


def arrows(workflow, numbers, outputs):
    types = {node["name"]: node for node in workflow["nodes"]}
    for source, by_type in workflow["connections"].items():
        node = types[source]
        names = rule_names(node) if node["type"].endswith(".switch") else outputs.get(node["type"], [])
        for index, targets in enumerate(by_type.get("main", [])):
            for target in targets or []:
                name = names[index] if len(names) > 1 and index < len(names) else None
                arrow = f"-->|{label(name)}|" if name else "-->"
                yield f"    n{numbers[source]} {arrow} n{numbers[target['node']]}"


def picture(workflow, outputs):
    nodes = [node for node in workflow["nodes"] if not node["type"].endswith("stickyNote")]
    numbers = {node["name"]: number for number, node in enumerate(nodes)}
    fed = {target["node"] for by_type in workflow["connections"].values()
           for targets in by_type.get("main", []) for target in targets or []}
    triggers = set(numbers) - fed
    lines = [node_shape(number, node, triggers) for number, node in enumerate(nodes)]
    lines += arrows(workflow, numbers, outputs)
    return "```mermaid\nflowchart LR\n" + "\n".join(lines) + "\n```\n"


def page():
    outputs = outputs_of_types()
    parts = [HEAD]
    for path in sorted((ROOT / "workflows").glob("*.json")):
        if path.name.startswith("bench-") or path.name == "credentials.example.json":
            continue
        workflow = json.loads(path.read_text())
        parts.append(f"## {workflow['name']}\n\n[`{path.name}`]({path.name})\n\n")
        if workflow.get("description"):
            parts.append(workflow["description"].strip() + "\n\n")
        parts.append(picture(workflow, outputs) + "\n")
    return "".join(parts).rstrip("\n") + "\n"


def main():
    made = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(made)
        return 0
    if PAGE.exists() and PAGE.read_text() == made:
        return 0
    print(f"{PAGE.relative_to(ROOT)}:1: stale; the build target `docs` writes it", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
