# SPDX-License-Identifier: Apache-2.0
"""Every definition that is shipped, in workflows/ and examples/, has no mistake, and each credential that
one in workflows/ names has a placeholder in credentials.example.json."""
import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CREDENTIALS = ROOT / "workflows" / "credentials.example.json"
SHIPPED = sorted({*ROOT.glob("workflows/*.json"), *ROOT.glob("examples/*/workflow*.json")} - {CREDENTIALS})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_shipped_definition(catalyst, path):
    words = [catalyst, "check", path]
    if path.parent == CREDENTIALS.parent:
        words += ["--credentials", CREDENTIALS]
    done = subprocess.run(words, capture_output=True, text=True)
    if "no plugin has the node type" in done.stderr and "third-party" in str(path):
        pytest.skip("its plugin is built by the example's own test")
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_example_credentials_are_those_that_are_named():
    named = {reference["name"] for path in SHIPPED if path.parent == CREDENTIALS.parent
             for node in json.loads(path.read_text())["nodes"]
             for reference in node.get("credentials", {}).values()}
    assert set(json.loads(CREDENTIALS.read_text())) == named
