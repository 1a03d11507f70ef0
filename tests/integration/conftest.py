# SPDX-License-Identifier: Apache-2.0
"""Fixtures for tests against real servers.

`postgres`, `kafka`, `redis` are shared by the session: the ones CTest started (CATALYST_TEST_SERVERS
names their directory) or, when pytest is run by hand, ones started here. Tests share them, so they
use names of their own (`unique`) and leave them running. A test that kills, pauses or configures a
server gets its own from `new_server`. A server that cannot be had skips the test by name.
"""
import os
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import servers  # noqa: E402


@pytest.fixture(scope="session")
def server_dir():
    directory = servers.fresh_dir()
    servers.tie(directory, os.getpid(), remove=True)
    yield Path(directory)
    servers.stop_under(directory, remove=True)


def start(kind, directory, **settings):
    try:
        return servers.KINDS[kind](directory, **settings).start()
    except servers.Missing as reason:
        pytest.skip(str(reason))


def shared(kind, request):
    known = os.environ.get("CATALYST_TEST_SERVERS")
    if known:
        if f"CATALYST_TEST_{kind.upper()}" not in os.environ:
            pytest.skip(f"{kind}: it was not there when the test's servers were started")
        return servers.KINDS[kind](Path(known) / kind)
    return start(kind, request.getfixturevalue("server_dir") / kind)


@pytest.fixture(scope="session")
def postgres(request):
    return shared("postgres", request)


@pytest.fixture(scope="session")
def kafka(request):
    return shared("kafka", request)


@pytest.fixture(scope="session")
def redis(request):
    return shared("redis", request)


@pytest.fixture
def new_server(server_dir):
    """new_server("kafka", heap="256m") starts a server for this test alone."""
    started = []

    def make(kind, **settings):
        server = start(kind, server_dir / f"{kind}-{uuid.uuid4().hex[:8]}", **settings)
        started.append(server)
        return server

    yield make
    for server in started:
        server.discard()


@pytest.fixture
def unique():
    """unique("orders") is a topic, table or database name no other test uses."""
    return lambda name: f"{name}_{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def catalyst():
    """Path of the built binary."""
    build = os.environ.get("CATALYST_BUILD", str(Path(__file__).parents[2] / "build" / "release"))
    binary = Path(build) / "bin" / "catalyst"
    if not binary.exists():
        pytest.skip(f"catalyst: {binary} is not built")
    return binary
