#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many messages a second go over one SMPP bind: the real engine, catalyst.smsSend, loopback, and
the sink of examples/messaging as SMSC. Counted at the sink, from the first message it had to the last
that it answered.

    smpp_bind.py [--build build/release] [--messages 200000] [--windows 10,50,500] [--runs 5]

Prints a table of medians; appends one JSON line for each run to tests/bench/results/smpp.jsonl. Never
fails on a time."""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent)]
from loads import cpu_s  # noqa: E402

POLL_S = 0.01


class Sink:
    def __init__(self, program):
        self.process = subprocess.Popen([program, "--listen", "127.0.0.1:0", "--no-receipts"],
                                        stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["listening"].rpartition(":")[2]

    def accepted(self):
        self.process.send_signal(signal.SIGUSR1)
        return json.loads(self.process.stdout.readline())["accepted"]

    def close(self):
        self.process.terminate()
        self.process.wait()


def files(folder, port, window, messages):
    definition = {
        "id": "w", "name": "w", "settings": {},
        "connections": {"Start": {"main": [[{"node": "Send", "type": "main", "index": 0}]]}},
        "nodes": [{"id": "t", "name": "Start", "type": "catalyst.manualTrigger", "parameters": {}},
                  {"id": "n", "name": "Send", "type": "catalyst.smsSend", "parameters": {},
                   "credentials": {"smpp": {"name": "sink"}}}]}
    (folder / "w.json").write_text(json.dumps(definition))
    (folder / "c.json").write_text(json.dumps({"sink": {"type": "smpp", "data": {
        "host": "127.0.0.1", "port": port, "systemId": "bench", "password": "pw",
        "window": str(window)}}}))
    (folder / "in.json").write_text(json.dumps([
        {"id": f"m{n}", "from": "ACME", "to": f"+49151{n:07d}",
         "text": f"Your code is {n % 1000000:06d}. It is valid for 5 minutes."}
        for n in range(messages)]))


def run(build, window, messages):
    sink = Sink(build / "examples" / "smsc_sink")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files(folder, sink.port, window, messages)
        engine = subprocess.Popen(
            [build / "bin" / "catalyst", "run", folder / "w.json", "--credentials",
             folder / "c.json", "--output", "json", "--input", folder / "in.json"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        first, count = None, 0
        while count < messages:
            count, now = sink.accepted(), time.monotonic()
            if count and not first:
                first = (now, count, cpu_s(engine.pid), cpu_s(sink.process.pid))
            if engine.poll() is not None and count < messages:
                sys.exit(f"the engine ended after {count} messages")
            time.sleep(POLL_S)
        sent, took = count - first[1], now - first[0]
        record = {"load": "smpp-bind", "window": window, "messages": sent, "seconds": round(took, 3),
                  "per_s": round(sent / took),
                  "cpu_us": {"engine": round((cpu_s(engine.pid) - first[2]) / sent * 1e6, 2),
                             "sink": round((cpu_s(sink.process.pid) - first[3]) / sent * 1e6, 2)}}
        engine.wait()
    sink.close()
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--messages", type=int, default=200000)
    parser.add_argument("--windows", default="10,50,500")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--results", type=Path, default=HERE / "results" / "smpp.jsonl")
    options = parser.parse_args()
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    about = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": commit,
             "cores": len(os.sched_getaffinity(0)), "load_before": round(os.getloadavg()[0], 2)}
    print("| window | median /s | least | most | engine us/message |\n|---|---|---|---|---|")
    for window in map(int, options.windows.split(",")):
        records = [run(options.build.resolve(), window, options.messages)
                   for _ in range(options.runs)]
        with open(options.results, "a") as out:
            out.writelines(json.dumps({**about, **record}) + "\n" for record in records)
        rates = sorted(record["per_s"] for record in records)
        cpu = statistics.median(record["cpu_us"]["engine"] for record in records)
        print(f"| {window} | {statistics.median(rates):,.0f} | {rates[0]:,} | {rates[-1]:,} | {cpu:.2f} |",
              flush=True)


if __name__ == "__main__":
    main()
