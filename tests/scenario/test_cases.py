# SPDX-License-Identifier: Apache-2.0
"""Runs every cases/*.json through `catalyst run --output json` and compares what came out.

A case:

    {"name": "what it shows",
     "workflow": {...}            the definition; or "workflowFile": path from the top of the sources
     "input": ...                 handed to --input; none: none
     "args": [..], "env": {..}    more flags, more environment
     "expect": {
       "status": "success",       of the execution, or "refused" when it must not start
       "error": "text",           a part of the error, or of what stderr says when refused
       "stderr": ["text", ..],    parts of what stderr says
       "absent": ["Node", ..],    nodes that must not have run
       "nodes": {"Node": [[[item, ..], ..], ..]}}}     runs of the node, outputs of the run, items

An expected item with json, binary or pairedItem (and error) and nothing else is compared in the
fields it gives; any other object is the item's whole json. "wires": ["A -> B", "A:1 -> B:1"] beside nodes is
short for connections; nodes without a position stand in one row.
"""
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CASES = sorted((HERE / "cases").glob("*.json"))
ITEM_FIELDS = {"json", "binary", "pairedItem", "error"}


def connections(wires):
    """["A:1 -> B:0"] as the format's connections."""
    found = {}
    for wire in wires:
        parts = re.fullmatch(r"(.+?)(?::(\d+))? -> (.+?)(?::(\d+))?", wire)
        source, output, target, index = parts.groups()
        outputs = found.setdefault(source, {"main": []})["main"]
        while len(outputs) <= int(output or 0):
            outputs.append([])
        outputs[int(output or 0)].append({"node": target, "type": "main", "index": int(index or 0)})
    return found


def definition(workflow):
    """The case's workflow as the format wants it."""
    whole = {"id": "case", "name": "case", "connections": {}, "settings": {"executionOrder": "v1"},
             **workflow}
    whole["nodes"] = [{"id": f"n{i}", "typeVersion": 1, "position": [200 * i, 0], "parameters": {},
                       **node} for i, node in enumerate(whole["nodes"])]
    if "wires" in whole:
        whole["connections"] = connections(whole.pop("wires"))
    return whole


def run(catalyst, case, tmp_path):
    if "workflowFile" in case:
        path = ROOT / case["workflowFile"]
    else:
        path = tmp_path / "workflow.json"
        path.write_text(json.dumps(definition(case["workflow"]), indent=1))
    command = [catalyst, "run", path, "--output", "json", *case.get("args", [])]
    text = None
    if "input" in case:
        command += ["--input", "-"]
        text = case["input"] if isinstance(case["input"], str) else json.dumps(case["input"])
    return subprocess.run(command, input=text, text=True, capture_output=True, timeout=120,
                          cwd=tmp_path, env={**os.environ, **case.get("env", {})})


def compare_item(want, got, where):
    if set(want) <= ITEM_FIELDS and set(want) - {"error"}:
        for field, value in want.items():
            assert got.get(field) == value, f"{where}.{field}"
    else:
        assert got["json"] == want, where


def compare_node(name, runs, got):
    assert len(got) == len(runs), f"'{name}' ran {len(got)} times, not {len(runs)}"
    for r, outputs in enumerate(runs):
        have = got[r]["outputs"]
        have = have + [[]] * (len(outputs) - len(have))
        for o, items in enumerate(outputs):
            where = f"'{name}' run {r} output {o}"
            assert len(have[o]) == len(items), f"{where}: {json.dumps(have[o])}"
            for i, item in enumerate(items):
                compare_item(item, have[o][i], f"{where} item {i}")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(catalyst, path, tmp_path):
    case = json.loads(path.read_text())
    want = case["expect"]
    done = run(catalyst, case, tmp_path)
    for text in want.get("stderr", []):
        assert text in done.stderr
    if want["status"] == "refused":
        assert done.returncode in (1, 2), done.stderr
        assert not done.stdout
        assert want["error"] in done.stderr
        return
    assert done.stdout, done.stderr
    got = json.loads(done.stdout)
    assert got["status"] == want["status"], (got.get("error"), done.stderr)
    assert done.returncode == (0 if want["status"] == "success" else 1)
    if "error" in want:
        assert want["error"] in json.dumps(got["error"], ensure_ascii=False)
    for name in want.get("absent", []):
        assert name not in got["nodes"]
    for name, runs in want.get("nodes", {}).items():
        assert name in got["nodes"], f"'{name}' did not run"
        compare_node(name, runs, got["nodes"][name])


def test_there_are_enough_cases():
    assert len(CASES) >= 40
