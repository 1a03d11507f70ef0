# SPDX-License-Identifier: Apache-2.0
"""kcat for tests: produce lines, read a topic whole."""
import json
import shutil
import subprocess
import time

import pytest


def need():
    if not shutil.which("kcat"):
        pytest.skip("kcat: not installed")


def produce(broker, topic, messages, *flags):
    """Messages are texts without a newline."""
    need()
    subprocess.run(["kcat", "-b", broker, "-t", topic, "-P", *flags], text=True, check=True,
                   input="".join(message + "\n" for message in messages), timeout=120)


def consume(broker, topic, *flags):
    """All messages that are there: {topic, partition, offset, key, headers, payload}. Of a topic that
    is not there, none; half a topic is never given."""
    need()
    for _ in range(5):
        done = subprocess.run(["kcat", "-b", broker, "-t", topic, "-C", "-o", "beginning", "-e", "-q",
                               "-J", *flags], text=True, capture_output=True, timeout=120)
        if done.returncode == 0 or "Unknown topic" in done.stderr:
            break
        time.sleep(1)  # a broker that comes back, a leader that is chosen
    else:
        raise AssertionError(f"kcat: {topic}: {done.stderr}")
    found = []
    for line in done.stdout.splitlines():
        message = json.loads(line)
        flat = message.get("headers") or []
        message["headers"] = dict(zip(flat[::2], flat[1::2]))
        found.append(message)
    return found
