# SPDX-License-Identifier: Apache-2.0
"""Fixtures for tests of the built binary that need no server beside it."""
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def catalyst():
    """Path of the built binary."""
    build = os.environ.get("CATALYST_BUILD", str(Path(__file__).parents[2] / "build" / "release"))
    binary = Path(build) / "bin" / "catalyst"
    if not binary.exists():
        pytest.skip(f"catalyst: {binary} is not built")
    return binary


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch):
    """Settings of whoever runs the tests must not leak into them."""
    for name in list(os.environ):
        if name.startswith("CATALYST_") and name not in ("CATALYST_BUILD", "CATALYST_SOURCE"):
            monkeypatch.delenv(name)
