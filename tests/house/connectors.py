#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/integration/CONNECTORS.md says which test shows which case of which connector: every connector
has every case, and every test that is named is there.

    connectors.py [ROOT]      exit code 1 and a line for each breach
"""
import re
import sys
from pathlib import Path

PAGE = "tests/integration/CONNECTORS.md"
CONNECTORS = ("sms", "ussd", "whatsapp", "telegram", "slack", "pagerDuty", "email", "webhookSigned")
CASES = ("happy", "throttle", "transient", "permanent", "unknown outcome", "duplicate callback",
         "bad signature", "restart in flight")


def is_there(root, file, test):
    path = root / file if "/" in file else root / "tests" / "integration" / file
    pattern = {".py": r"^def {}\(", ".c": r"^static void {}\(void \*\*"}.get(path.suffix)
    return pattern and path.is_file() and re.search(pattern.format(re.escape(test)),
                                                    path.read_text(), re.M)


def breaches(root):
    found, seen = [], set()
    for number, line in enumerate((root / PAGE).read_text().splitlines(), 1):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 4 or cells[0] not in CONNECTORS:
            continue
        connector, case, _, shown = cells
        if case not in CASES or (connector, case) in seen:
            found.append(f"{PAGE}:{number}: {connector} has no case '{case}', or has it twice")
        seen.add((connector, case))
        tests = re.findall(r"`([\w./]+)::(\w+)`", shown)
        if not tests:
            found.append(f"{PAGE}:{number}: names no test")
        found += [f"{PAGE}:{number}: there is no {file}::{test}" for file, test in tests
                  if not is_there(root, file, test)]
    return found + [f"{PAGE}:1: {connector} lacks '{case}'" for connector in CONNECTORS
                    for case in CASES if (connector, case) not in seen]


if __name__ == "__main__":
    told = breaches(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])
    print("\n".join(told))
    sys.exit(1 if told else 0)
