#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs pytest for CTest: 77 (skipped) when pytest is missing or every test was skipped, and the
skipped tests by name at the end, so that none passes silently."""
import sys

try:
    import pytest
except ImportError:
    print("SKIPPED all: no pytest; install Debian's python3-pytest")
    sys.exit(77)


class Count:
    def __init__(self):
        self.ran, self.skipped = 0, []

    def pytest_runtest_logreport(self, report):
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            self.skipped.append(f"SKIPPED {report.nodeid}: {reason.removeprefix('Skipped: ')}")
        elif report.when == "call":
            self.ran += 1


count = Count()
code = pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[count])
print("\n".join(count.skipped))
if code == 0 and not count.ran:
    code = 77
sys.exit(int(code))
