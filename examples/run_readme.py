#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of an example's README and compares what they print.

    run_readme.py BUILD FOLDER

Every ```sh block is run, all in one shell and in a copy of the folder; the ```text block that
follows one is what it must print, where `...` stands for anything. The usual ports are replaced by
free ones, so that examples can be tested side by side. 77: something the example needs is missing.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from servers import free_port  # noqa: E402

PORTS = re.compile(r"\b56(?:78|79|80)\b")
MARK = "--- end of block {} ---"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def blocks(text):
    """[(commands, expected or None)]"""
    found = []
    for kind, body in BLOCK.findall(text):
        if kind == "sh":
            found.append([body, None])
        elif kind == "text" and found:
            found[-1][1] = body
    return found


def matches(want, got):
    pattern = re.escape(want.strip()).replace(re.escape("..."), ".*?")
    return re.fullmatch(pattern, got.strip(), re.S)


def main():
    build, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    text = (folder / "README.md").read_text()
    for tool in ("curl", "kcat"):
        if f"{tool} " in text and not shutil.which(tool):
            print(f"SKIPPED example {folder.name}: no {tool}")
            return 77
    ports = {usual: str(free_port()) for usual in ("5678", "5679", "5680")}
    todo = blocks(text)
    script = ["set -e", "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT"]
    for i, (commands, _) in enumerate(todo):
        script += [PORTS.sub(lambda port: ports[port[0]], commands),
                   f"echo '{MARK.format(i)}'"]
    scratch = Path(tempfile.mkdtemp())
    try:
        shutil.copytree(folder, scratch / folder.name)
        for file in (scratch / folder.name).glob("*.json"):
            file.write_text(PORTS.sub(lambda port: ports[port[0]], file.read_text()))
        done = subprocess.run(
            ["bash", "-c", "\n".join(script)], cwd=scratch / folder.name, text=True, timeout=240,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "CATALYST_BUILD": str(build),
                 "PATH": f"{build / 'bin'}:{os.environ['PATH']}",
                 "CATALYST_HTTP_PORT": ports["5678"], "CATALYST_ADMIN_PORT": ports["5679"]})
        logs = "".join(f"--- {log.name}\n{log.read_text()}"
                       for log in sorted((scratch / folder.name).glob("*.log")))
    finally:
        shutil.rmtree(scratch)
    rest, wrong = done.stdout, done.returncode != 0
    for i, (commands, want) in enumerate(todo):
        got, mark, rest = rest.partition(MARK.format(i) + "\n")
        print(f"$ {commands.strip()}\n{got.rstrip()}")
        if not mark:
            break
        if want is not None and not matches(want, got):
            print(f"*** it should have printed:\n{want.rstrip()}")
            wrong = True
    if wrong:
        print(logs)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
