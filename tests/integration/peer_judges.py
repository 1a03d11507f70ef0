# SPDX-License-Identifier: Apache-2.0
"""For the peer tests of connectors: programs of npm (peer_judges.js), published types as a judge of what
is sent, and a line of figures in the file that CATALYST_TEST_RESULTS names."""
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import peers  # noqa: E402

KEEP = os.environ.get("CATALYST_TEST_RESULTS", "")

# What each kind of request is by those who describe it: module, and the type in its terms.
TYPES = {
    "telegram": ("@grammyjs/types", "ApiMethods", "Parameters<ApiMethods<string>[{what!r}]>[0]"),
    "slack": ("@slack/web-api", "ChatPostMessageArguments, ChatUpdateArguments",
              "{what}"),
    "pagerduty": ("@pagerduty/pdjs/build/src/events", "EventParameters", "EventParameters['data']"),
    "whatsapp": ("@whatsapp-cloudapi/types/cloudapi", "CloudAPIRequest", "CloudAPIRequest"),
    "whatsapp calls": ("@whatsapp-cloudapi/types/webhook", "WebhookPayload", "WebhookPayload"),
}


def keep(peer, **figures):
    """Printed, and kept where somebody asked for it."""
    line = json.dumps({"bench": "connector_peers",
                       "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "peer": peer,
                       "version": {**peers.NPM, **peers.PYPI}[peer], **figures})
    print(line)
    if KEEP:
        with open(KEEP, "a", encoding="utf-8") as file:
            file.write(line + "\n")


def modules():
    try:
        return peers.node()
    except peers.Missing as reason:
        pytest.skip(str(reason))


class Judge:
    """A program of peer_judges.js; `first` is what it said at its start."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            ["node", str(Path(__file__).with_name("peer_judges.js")), *words], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "NODE_PATH": str(modules())})
        self.first = json.loads(self.process.stdout.readline())

    def line(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, what, **more):
        """What it gives, or None with the reason in `refused`."""
        self.process.stdin.write(json.dumps({"ask": what, **more}) + "\n")
        self.process.stdin.flush()
        answer = self.line()
        self.refused = answer.get("refused")
        return answer.get("given")

    def post(self, path, body, **headers):
        request = urllib.request.Request(
            self.first["url"].replace("localhost", "127.0.0.1") + path, json.dumps(body).encode(),
            {"content-type": "application/json", **headers})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def wrongly_typed(folder, kind, cases):
    """What the published types say against `cases`, a list of (what, value, fits): a text for each that
    fits and should not, or does not and should."""
    package, names, type_ = TYPES[kind]
    lines = [f"import type {{ {names} }} from '{package}';"]
    for number, (what, value, fits) in enumerate(cases):
        lines += [] if fits else ["// @ts-expect-error"]
        lines.append(f"export const c{number}: {type_.format(what=what)} = {json.dumps(value)};")
    folder = Path(folder) / kind.replace(" ", "_")
    folder.mkdir()
    (folder / "node_modules").symlink_to(modules())
    (folder / "cases.ts").write_text("\n".join(lines) + "\n")
    (folder / "tsconfig.json").write_text(json.dumps({"files": ["cases.ts"], "compilerOptions": {
        "strict": True, "noEmit": True, "skipLibCheck": True, "module": "esnext", "types": [],
        "moduleResolution": "bundler", "target": "es2022"}}))
    done = subprocess.run(["node", "node_modules/typescript/bin/tsc", "-p", "."], cwd=folder,
                          capture_output=True, text=True, timeout=300, check=False)
    said = done.stdout.strip().splitlines()
    assert done.returncode == 0 or said, done.stderr
    return [f"{line}\n    {lines[int(line.split('(')[1].split(',')[0]) - 1]}"
            if line.startswith("cases.ts(") else line for line in said]
