#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The standard loads on real servers, and the yardsticks beside them in the same rounds.

    bench.py [--build build/release] [--runs 5] [--loads pipe,raw-pipe,...] [--messages 2000000]

Prints a table of medians with least and most, and the ratios to the yardsticks taken round by round;
appends one JSON line per run to tests/bench/results/. Broker, PostgreSQL (fsync on), load generator
and engine share the machine. Never fails on a time; a load that cannot run here is named.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent)]
import loads  # noqa: E402
import messaging  # noqa: E402
import servers  # noqa: E402

LOADS = {
    "engine-only": lambda b: loads.engine_only(b, "engine-only"),
    "raw-pipe": lambda b: loads.raw_pipe(b, "raw-pipe", 1024, "none"),
    "raw-pipe-4096": lambda b: loads.raw_pipe(b, "raw-pipe-4096", 4096, "lz4"),
    "pipe": lambda b: loads.kafka_pipe(b, "pipe", "bench-pipe", "exactly_once", True),
    "pipe-none": lambda b: loads.kafka_pipe(b, "pipe-none", "bench-pipe", "none", True),
    "noop": lambda b: loads.kafka_pipe(b, "noop", "bench-noop", "exactly_once", False),
    "pipe-latency": lambda b: loads.pipe_latency(b, "pipe-latency", b.latency_rate()),
    "nginx": lambda b: loads.nginx(b, "nginx"),
    "webhook-202": lambda b: loads.webhook(b, "webhook-202", "bench-webhook-202"),
    "webhook-sync": lambda b: loads.webhook(b, "webhook-sync", "bench-webhook-sync"),
    "messaging": lambda b: messaging.messaging(b, "messaging"),
    "messaging-latency": lambda b: messaging.messaging_latency(
        b, "messaging-latency", b.latency_rate("messaging")),
}
RATIOS = [("pipe", "raw-pipe"), ("pipe-none", "raw-pipe"), ("noop", "raw-pipe"),
          ("webhook-202", "nginx"), ("webhook-sync", "nginx")]


class Session(loads.Bench):
    """Keeps the records of all rounds."""

    def __init__(self, *args):
        super().__init__(*args)
        self.records = []

    def of(self, load):
        return [record for record in self.records if record["load"] == load]

    def latency_rate(self, load="pipe"):
        """Half of what that load did in this session, unless --rate says otherwise."""
        done = [record["per_s"] for record in self.of(load)]
        if self.options.rate:
            return self.options.rate
        if not done:
            raise loads.Absent(f"needs --rate or the load {load} in the same session")
        return statistics.median(done) / 2


def commit_id():
    def git(*words):
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True,
                              text=True).stdout.strip()
    return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")


def machine():
    model = "?"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {"cores": len(os.sched_getaffinity(0)), "cpu": model,
            "load_before": round(os.getloadavg()[0], 2)}


def run_load(session, name, run, about):
    began = time.monotonic()
    found = LOADS[name](session)
    for record in found if isinstance(found, list) else [found]:
        record = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **about, "run": run,
                  "message_bytes": loads.MESSAGE_BYTES, **record}
        session.records.append(record)
        with open(session.options.results, "a") as out:
            out.write(json.dumps(record) + "\n")
    last = session.records[-1]
    print(f"  run {run} {name:14} {last.get('per_s', 0):>9,}/s   {time.monotonic() - began:.1f} s",
          flush=True)


def spread(values, digits=0):
    values = sorted(values)
    return [f"{value:,.{digits}f}" for value in
            (statistics.median(values), values[0], values[-1])]


def cpu_text(records):
    names = sorted({name for r in records for name in (r.get("cpu_us") or {})})
    return ", ".join(f"{name} {statistics.median(r['cpu_us'].get(name, 0) for r in records):.2f}"
                     for name in names)


def table(session):
    print("\n| load | durability | nodes | median /s | least | most | p50 ms | p99 ms |"
          " CPU s per million |\n|---|---|---|---|---|---|---|---|---|")
    for load in dict.fromkeys(record["load"] for record in session.records):
        records = session.of(load)
        rates = [r["per_s"] for r in records if "per_s" in r]
        if not rates:
            continue
        p50, p99 = ([r[key] for r in records if key in r] for key in ("p50_ms", "p99_ms"))
        cells = [load, records[0]["durability"], str(records[0].get("nodes", "")), *spread(rates),
                 spread(p50, 2)[0] if p50 else "", spread(p99, 2)[0] if p99 else "",
                 cpu_text([r for r in records if isinstance(r.get("cpu_us"), dict)])]
        print("| " + " | ".join(cells) + " |")
    lines = []
    for load, yardstick in RATIOS:
        pairs = {r["run"]: r["per_s"] for r in session.of(yardstick)}
        found = [r["per_s"] / pairs[r["run"]] for r in session.of(load) if r["run"] in pairs]
        if found:
            lines.append("| {} | {} | {} | {} | {} |".format(load, yardstick, *spread(found, 2)))
    if lines:
        print("\n| load | of yardstick | median | least | most |\n|---|---|---|---|---|")
        print("\n".join(lines))


def where_table(session):
    """Where the time of `messaging` goes: CPU of each process, and time inside its parts."""
    records = [r for r in session.of("messaging") if r.get("where_us")]
    if not records:
        return
    print("\n| process | part | us a message |\n|---|---|---|")
    for process in sorted(records[0]["cpu_us"], key=lambda name: -records[0]["cpu_us"][name]):
        cpu = statistics.median(r["cpu_us"][process] for r in records)
        print(f"| {process} | **CPU in all** | **{cpu:.1f}** |")
        parts = {part for r in records for part in r["where_us"].get(process, {})}
        found = {part: statistics.median(r["where_us"].get(process, {}).get(part, 0) for r in records)
                 for part in parts}
        for part in sorted(found, key=lambda name: -found[name]):
            if found[part] >= 0.1:
                print(f"| | {part} | {found[part]:.1f} |")


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--catalyst", help="another binary")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--loads", default=",".join(LOADS))
    parser.add_argument("--messages", type=int, default=2000000)
    parser.add_argument("--mix", default="standard", choices=["standard", "clean"])
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--rate", type=float, help="of pipe-latency; default half of pipe")
    parser.add_argument("--seconds", type=int, default=10, help="of paced and webhook loads")
    parser.add_argument("--timeout", type=int, default=180)
    parser.add_argument("--where", action="store_true",
                        help="also print where the time of messaging goes, which makes it a little slower")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "bench.jsonl")
    options = parser.parse_args()
    options.names = options.loads.split(",")
    unknown = [name for name in options.names if name not in LOADS]
    if unknown:
        parser.error(f"no load {', '.join(unknown)}; there are {', '.join(LOADS)}")
    return options


def main():
    options = parse()
    options.results.parent.mkdir(parents=True, exist_ok=True)
    about = {"commit": commit_id(), **machine(), "workers": options.workers,
             "partitions": options.partitions}
    print(f"commit {about['commit']}, {about['cores']} cores of {about['cpu']}, shared by broker, "
          f"PostgreSQL (fsync on), load generator and engine; load average before {about['load_before']}")
    print(f"messages of {loads.MESSAGE_BYTES} bytes, mix {options.mix}, {options.partitions} "
          f"partitions, {options.workers} workers, {options.runs} runs of each load", flush=True)
    directory = servers.fresh_dir()
    servers.tie(directory, os.getpid(), remove=True)
    absent = {}
    session = Session(ROOT, options.build.resolve(), directory, options)
    try:
        for run in range(1, options.runs + 1):
            for name in options.names:
                if name in absent:
                    continue
                try:
                    run_load(session, name, run, about)
                except loads.Absent as reason:
                    absent[name] = str(reason)
                except (servers.Failed, subprocess.TimeoutExpired) as reason:
                    print(f"  run {run} {name} FAILED: {reason}", flush=True)
    finally:
        session.close()
    table(session)
    where_table(session)
    for name, reason in absent.items():
        print(f"not run: {name}: {reason}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except servers.Missing as reason:
        sys.exit(f"bench: {reason}")
