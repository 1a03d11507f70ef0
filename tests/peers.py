#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Peers and oracles that are not Debian's: packages of npm and PyPI with their versions fixed, kept in
the same cache as Kafka's jars.

    peers.py fetch     bring them into the cache; needs the network once
    peers.py node      the directory for NODE_PATH

Tests call node() or python(), which raise Missing when a package is not there; they never fetch."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from servers import Missing, cache_dir  # noqa: E402

NPM = {
    # SMPP, segments and alphabets
    "smpp": "0.5.1", "sms-segments-calculator": "1.3.0", "@trt2/gsm-charset-utils": "1.0.13",
    # emulators of the Bot API and of Slack, menus for USSD gateways
    "telegram-test-api": "4.2.1", "emulate": "0.12.2", "ussd-menu-builder": "1.2.0",
    # what is sent, described as types; Slack's, PagerDuty's and Telegram's by those who make them
    "typescript": "5.9.3", "@grammyjs/types": "5.0.0", "@slack/web-api": "8.2.0",
    "@pagerduty/pdjs": "2.2.4", "@whatsapp-cloudapi/types": "4.2.0",
    # receivers: WhatsApp's webhooks, signed webhooks, mails
    "whatsapp-api-js": "5.3.0", "standardwebhooks": "1.1.1", "smtp-server": "3.21.6",
    "mailparser": "3.14.2"}
PYPI = {"gsmcodecs": "1.0.0", "slack_sdk": "3.47.0", "phonenumbers": "9.0.43"}


def node(*wanted):
    """node_modules with those of NPM; none named: all."""
    modules = cache_dir() / "peers" / "node_modules"
    for name in wanted or NPM:
        if not (modules / name).exists():
            raise Missing(f"{name}: not in the cache; run tests/peers.py fetch")
    if not shutil.which("node"):
        raise Missing("node: not installed; install Debian's nodejs")
    return modules


def python(*wanted):
    """A directory for sys.path with those of PYPI; none named: all."""
    packages = cache_dir() / "peers" / "python"
    for name in wanted or PYPI:
        if not (packages / name).exists():
            raise Missing(f"{name}: not in the cache; run tests/peers.py fetch")
    return packages


def fetch():
    """Each by its own client; what cannot be had is told, and the others are brought all the same."""
    home = cache_dir() / "peers"
    home.mkdir(parents=True, exist_ok=True)
    lacking = []
    for check, tool, command in (
            (node, "npm", ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix",
                           str(home), *(f"{n}@{v}" for n, v in NPM.items())]),
            (python, "pip3", ["pip3", "install", "--quiet", "--no-deps", "--target",
                              str(home / "python"), *(f"{n}=={v}" for n, v in PYPI.items())])):
        try:
            check()
            continue
        except Missing as reason:
            if not shutil.which(tool):
                lacking.append(f"{reason} ({tool} is not installed)")
                continue
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lacking.append(f"{tool}: {done.stderr.strip()[-300:]}")
    return lacking


if __name__ == "__main__":
    if sys.argv[1:] == ["fetch"]:
        missing = fetch()
        if missing:
            print("\n".join(missing), file=sys.stderr)
        sys.exit(1 if missing else 0)
    if sys.argv[1:] == ["node"]:
        print(node())
        sys.exit(0)
    print(__doc__)
    sys.exit(os.EX_USAGE)
