#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""plugins/<folder>/README.md from the plugin's own tables, by `catalyst nodes --docs`.

    docs.py BUILD            writes them
    docs.py BUILD --check    exit code 1 when one is stale; 77 when there is no binary
"""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def generated(build, folder):
    """The whole README of one plugin: every node type in its shared object."""
    return subprocess.run([build / "bin" / "catalyst", "nodes", "--docs", "--plugin",
                           build / "plugins" / f"{folder.name}.so"],
                          capture_output=True, text=True, check=True).stdout


def main():
    build, check = Path(sys.argv[1]), "--check" in sys.argv
    if not (build / "bin" / "catalyst").exists():
        print(f"docs: {build}/bin/catalyst is not built")
        return 77
    stale = 0
    for folder in sorted({path.parent for path in ROOT.glob("plugins/*/*.c")}):
        page = folder / "README.md"
        text = generated(build, folder)
        if page.exists() and page.read_text() == text:
            continue
        stale += 1
        if check:
            print(f"{page.relative_to(ROOT)}:1: is stale; build the target docs")
        else:
            page.write_text(text)
            print(f"wrote {page.relative_to(ROOT)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"docs: {' '.join(map(str, error.cmd))}: {error.stderr.strip()}")
