# SPDX-License-Identifier: Apache-2.0
"""workflows/alerts: the rules for Prometheus, tested by promtool, which is skipped by name where it is
not installed (Debian's package prometheus). CATALYST_PROMTOOL names another one."""
import json
import os
import re
import shutil
import subprocess
import time

import pytest
from notifying import ROOT

FOLDER = ROOT / "workflows" / "alerts"
RULES = (FOLDER / "catalyst.rules.yml").read_text()
TESTS = sorted(FOLDER.glob("*.test.yml"))


@pytest.fixture
def promtool():
    found = os.environ.get("CATALYST_PROMTOOL") or shutil.which("promtool")
    if not found:
        pytest.skip("promtool is not installed")
    return found


def version(promtool):
    done = subprocess.run([promtool, "--version"], capture_output=True, text=True, timeout=60)
    return re.search(r"version (\S+)", done.stdout + done.stderr)[1]


def keep(figures):
    """A line of figures, in the file that CATALYST_TEST_RESULTS names."""
    line = json.dumps({"bench": "alert_rules", **figures})
    print("\n" + line)
    if os.environ.get("CATALYST_TEST_RESULTS"):
        with open(os.environ["CATALYST_TEST_RESULTS"], "a", encoding="utf-8") as kept:
            kept.write(line + "\n")


def test_all_rules_are_there():
    names = re.findall(r"- alert: (\w+)", RULES)
    assert len(set(names)) == 51
    twice = {name for name in names if names.count(name) > 1}
    assert twice == {"DbCpuHigh", "DiskFilling", "CertExpiry"}  # a warning, and critical beyond it
    assert set(re.findall(r"severity: (\w+)", RULES)) == {"critical", "warning", "none"}


def test_each_rule_fires_and_keeps_quiet():
    names = [name for file in TESTS for name in re.findall(r"(?m)^  - name: '(.*)'$", file.read_text())]
    rules = re.findall(r"- alert: (\w+)", RULES)
    for rule in rules:
        of_rule = [name for name in names if re.fullmatch(rule + "( warning| critical)?(: quiet)?", name)]
        quiet = [name for name in of_rule if name.endswith(": quiet")]
        assert len(quiet) == (rules.count(rule) if rule != "Watchdog" else 0), rule
        assert len(of_rule) - len(quiet) == rules.count(rule), rule


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_rules_fire_when_they_should(promtool, file):
    began = time.monotonic()
    done = subprocess.run([promtool, "test", "rules", file.name], cwd=FOLDER,
                          capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    keep({"file": file.name, "rules": RULES.count("- alert:"), "promtool": version(promtool),
          "tests": len(re.findall(r"(?m)^  - name: ", file.read_text())),
          "seconds": round(time.monotonic() - began, 1)})


def test_a_rule_that_is_wrong_is_found(promtool, tmp_path):
    (tmp_path / "catalyst.rules.yml").write_text(RULES.replace("> 100000", "> 300000"))
    (tmp_path / "catalyst.test.yml").write_text((FOLDER / "catalyst.test.yml").read_text())
    done = subprocess.run([promtool, "test", "rules", "catalyst.test.yml"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=280)
    assert done.returncode != 0 and "KafkaLagHigh" in done.stdout + done.stderr
