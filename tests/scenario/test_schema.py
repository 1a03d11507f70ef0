# SPDX-License-Identifier: Apache-2.0
"""The published JSON Schema and the compiler agree about every golden case of tests/unit/workflow.

The schema says no more than JSON Schema can: what hangs on other nodes, on expressions, on
credentials or on the machine is the compiler's alone, and those cases are listed here by name.
"""
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed")

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "unit" / "workflow" / "cases"

# The compiler refuses them and the schema cannot.
BEYOND = {
    # names of other nodes, and what those are
    "connections: a source that is not there",
    "connections: a target that is not there",
    "connections: an output that is not there",
    "connections: an output that is not there, beside an error output",
    "connections: an error output that onError does not make",
    "connections: an output of a node that has none",
    "connections: an output of a switch beyond its rules",
    "connections: an input that is not there",
    "connections: a target that is a trigger",
    "connections: to and from a note",
    "connections: a mistake beside connections that are given twice",
    "nodes: two nodes of one name",
    # the graph
    "graph: an active workflow that nothing starts",
    "graph: its only trigger is disabled",
    "graph: a cycle of two",
    "graph: a node that feeds itself",
    "graph: a copy that leaves does not end the cycle",
    "graph: an if whose branches both lead back",
    "graph: an if that can leave, but leads into a cycle that cannot",
    "graph: a disabled if passes everything on",
    "graph: what a disabled node has on other outputs leads nowhere",
    "graph: an error output that is not connected is no way out",
    "graph: two cycles are two mistakes",
    "graph: a cycle between two inputs of a merge",
    # two values that do not go together, and a node type's own check
    "nodes: retry whose longest wait is shorter than its first",
    "parameters: the node type's own check",
    "parameters: a merge with more inputs than a node may have",
    "parameters: a merge without inputs",
    # expressions
    "parameters: an expression that is not closed",
    "parameters: an expression with a mistake behind escapes",
    "parameters: the same without escapes",
    "parameters: an expression inside a value",
    "parameters: an expression that looks up a node that is not there",
    "parameters: an expression that looks up a note",
    "parameters: idempotencyKey with a mistake",
    "settings: concurrency with a key that does not compile",
    # this machine: its credentials and its time zones
    "parameters: a credential that is not there",
    "timezone: time zones",
    "timezone: a region that is misspelt",
    "timezone: a place nobody knows",
    "timezone: a file of the folder that is no zone",
    "timezone: a folder is no zone",
}

# The compiler takes them and the schema does not, which says what should be written.
STRICTER = {
    "good: null is the same as not there",
}


@pytest.fixture(scope="module")
def validator():
    build = Path(os.environ.get("CATALYST_BUILD", ROOT / "build" / "release"))
    program = build / "tests" / "test_unit_workflow_schema"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    schema = json.loads(subprocess.run([program, "--print"], check=True, capture_output=True,
                                       text=True, timeout=120).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def read(text):
    """None: no JSON at all, which is not the schema's affair."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def golden():
    for file in sorted(CASES.glob("*.txt")):
        for one in re.split(r"^=== ", file.read_text(), flags=re.M)[1:]:
            title, _, rest = one.partition("\n")
            text, _, report = re.split(r"^(---)\n", rest, maxsplit=1, flags=re.M)
            yield f"{file.stem}: {title}", text, report
    for file in sorted((CASES / "n8n").glob("*.json")):
        yield f"n8n: {file.stem}", file.read_text(), file.with_suffix(".plan").read_text()


def test_the_schema_agrees_with_the_compiler(validator):
    wrong, seen = [], 0
    for title, text, report in golden():
        flow = read(text)
        if flow is None:
            continue
        seen += 1
        refused = re.search(r"^\S+:\d+:\d+: error: ", report, re.M)
        errors = [f"{e.json_path}: {e.message[:200]}" for e in validator.iter_errors(flow)]
        if refused and not errors and title not in BEYOND:
            wrong.append(f"{title}: the schema takes it; the compiler: {report.splitlines()[0]}")
        if errors and not refused and title not in STRICTER:
            wrong.append(f"{title}: the compiler takes it; the schema: {errors[0]}")
        if title in BEYOND and errors or title in STRICTER and not errors:
            wrong.append(f"{title}: is no exception any more")
    assert not wrong, "\n".join(wrong)
    assert seen > 100
    assert BEYOND | STRICTER <= {title for title, _, _ in golden()}, "an exception without a case"


def test_shipped_workflows_fit_the_schema(catalyst):
    schema = json.loads(subprocess.run([catalyst, "nodes", "--schema"], check=True,
                                       capture_output=True, text=True, timeout=120).stdout)
    validator = jsonschema.Draft202012Validator(schema)
    flows = [*ROOT.glob("workflows/**/*.json"), *ROOT.glob("examples/*/workflows/*.json")]
    flows = [(path, flow) for path in flows if "nodes" in (flow := json.loads(path.read_text()))]
    wrong = [f"{path.relative_to(ROOT)}: {e.json_path}: {e.message[:200]}"
             for path, flow in flows for e in validator.iter_errors(flow)]
    assert not wrong, "\n".join(wrong)
    assert flows
