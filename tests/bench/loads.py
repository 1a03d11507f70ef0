# SPDX-License-Identifier: Apache-2.0
"""The standard loads. Each function runs one load once on servers that stand and returns a record:
`per_s`, what it stood for, and the CPU time of each process per message or request."""
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import servers
from engine import Engine

MESSAGE_BYTES = 342
POLL_S = 0.05
TICK = os.sysconf("SC_CLK_TCK")


class Absent(Exception):
    """A load that cannot run here, by name and reason."""


def _stat(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def cpu_s(pid):
    """CPU seconds of a process, and of children it has waited for."""
    stat = _stat(pid)
    return sum(map(int, stat[11:15])) / TICK if stat else 0.0


def cpu_family_s(pid):
    """The same with the living children: PostgreSQL's backends."""
    total = cpu_s(pid)
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = _stat(entry)
            if stat and int(stat[1]) == pid:
                total += sum(map(int, stat[11:13])) / TICK
    return total


class Bench:
    """Servers, programs and the filled topic, shared by the loads of a session."""

    def __init__(self, root, build, directory, options):
        self.root, self.build, self.dir, self.options = root, build, Path(directory), options
        self.kafka = servers.Kafka(self.dir / "kafka", heap="512m").start()
        where = {"shared_preload_libraries": "pg_stat_statements"} if options.where else {}
        self.postgres = servers.Postgres(self.dir / "postgres", shared_buffers="1GB", max_wal_size="8GB",
                                         checkpoint_timeout="30min", **where).start()
        self.binary = Path(options.catalyst or build / "bin" / "catalyst")
        self.serial = 0
        self.filled = None

    def close(self):
        self.kafka.stop()
        self.postgres.stop()

    def program(self, name):
        path = self.build / "tests" / "bench" / name
        if not path.exists():
            raise Absent(f"{path} is not built")
        return str(path)

    def workflow(self, name):
        path = self.root / "workflows" / f"{name}.json"
        if not path.exists():
            raise Absent(f"{path.relative_to(self.root)} is not there")
        return path

    def tool(self, name, package):
        path = shutil.which(name)
        if not path:
            raise Absent(f"no {name}; tests/setup.sh bench installs {package}")
        return path

    def name(self, what):
        self.serial += 1
        return f"{what}{os.getpid()}x{self.serial}"

    def run_json(self, *words, **more):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)
        if done.returncode != 0:
            raise servers.Failed(f"{words[0]}: {done.stderr.strip()}")
        return json.loads(done.stdout.splitlines()[-1])

    def topic(self, what):
        topic = self.name(what)
        self.kafka.create_topic(topic, self.options.partitions)
        return topic

    def fill(self):
        """The topic of standard messages all Kafka loads read, filled once."""
        if not self.filled:
            topic = self.topic("in")
            self.filled = self.run_json(self.program("pipe_load"), "fill", "--brokers",
                                        self.kafka.url(), "--topic", topic, "--count",
                                        self.options.messages, "--mix", self.options.mix)
            self.filled["topic"] = topic
        return self.filled

    def engine(self, workflow, topics, durability, kafka=True):
        if not self.binary.exists():
            raise Absent(f"{self.binary} is not built")
        name = self.name("bench")
        return Engine(self.dir / name, self.binary, self.workflow(workflow),
                      {**topics, "bench.group": name}, durability,
                      self.postgres.create_database(name), self.kafka.url() if kafka else None,
                      self.options.workers)

    def cpu(self, engine=None):
        used = {"broker": cpu_s(self.kafka.pid), "postgres": cpu_family_s(self.postgres.pid)}
        if engine:
            used["engine"] = cpu_s(engine.pid)
        return used


def per_message(before, after, messages):
    return {name: round((after[name] - before[name]) / messages * 1e6, 3) for name in after}


def follow(engine, count, wanted, timeout_s):
    """Samples (time, count) from the first non-zero count until `wanted` is reached. The rate is taken
    between the first sample and the last, so the engine's start is not in it."""
    first = None
    end = time.monotonic() + timeout_s
    while True:
        engine.alive()
        now, seen = time.monotonic(), count()
        if seen and not first:
            first = (now, seen)
        if seen >= wanted:
            return first, (now, seen)
        if now > end:
            raise servers.Failed(f"{seen} of {wanted} after {timeout_s} s; the engine's log:\n"
                                 f"{servers.tail(engine.log)}")
        time.sleep(POLL_S)


def record_of(load, durability, nodes, first, last, cpu):
    seconds = last[0] - first[0]
    counted = last[1] - first[1]
    if counted <= 0 or seconds <= 0:
        raise servers.Failed(f"{load}: all was done between two looks; give more --messages")
    return {"load": load, "durability": durability, "nodes": nodes, "messages": last[1],
            "seconds": round(seconds, 3), "per_s": round(counted / seconds), "cpu_us": cpu}


def kafka_pipe(bench, load, workflow, durability, outputs):
    """A filled topic through a workflow: counted at the output topic, or where there is none at the
    engine's counters."""
    filled = bench.fill()
    out = bench.topic("out") if outputs else None
    engine = bench.engine(workflow, {"bench.in": filled["topic"], "bench.out": out or ""},
                          durability)
    try:
        before = bench.cpu(engine)
        wanted = filled["messages"] - (filled["malformed"] if outputs else 0)
        if outputs:
            first, last = follow(engine, lambda: bench.kafka.count(out), wanted,
                                 bench.options.timeout)
        else:
            first, last = follow(engine, lambda: sum(engine.done().values()), wanted,
                                 bench.options.timeout)
        cpu = per_message(before, bench.cpu(engine), filled["messages"])
        result = record_of(load, durability, engine.nodes, first, last, cpu)
        result["outcomes"] = engine.done()
    finally:
        engine.stop()
    if out:
        seen = bench.run_json(bench.program("pipe_load"), "drain", "--brokers", bench.kafka.url(),
                              "--topic", out, "--quiet-ms", 2500, "--bodies")
        bench.kafka.delete_topic(out)
        result["outputs"] = {k: seen[k] for k in ("messages", "distinct", "two_bodies")}
    return result


WARM_S = 8


def pipe_latency(bench, load, rate):
    """A paced producer at `rate`; latency from ts_us to the output seen. The first WARM_S seconds are
    sent but not counted: the broker's code is still being compiled then."""
    topic, out = bench.topic("pace"), bench.topic("out")
    engine = bench.engine("bench-pipe", {"bench.in": topic, "bench.out": out}, "exactly_once")
    try:
        engine.wait_ready()
        drain = subprocess.Popen(
            [bench.program("pipe_load"), "drain", "--brokers", bench.kafka.url(), "--topic", out,
             "--quiet-ms", "8000", "--warm-ms", str(WARM_S * 1000)], stdout=subprocess.PIPE, text=True)
        before = bench.cpu(engine)
        sent = bench.run_json(bench.program("pipe_load"), "pace", "--brokers", bench.kafka.url(),
                              "--topic", topic, "--rate", int(rate), "--seconds",
                              WARM_S + bench.options.seconds)
        cpu = per_message(before, bench.cpu(engine), sent["messages"])
        seen = json.loads(drain.communicate(timeout=120)[0])
    finally:
        engine.stop()
    for name in (topic, out):
        bench.kafka.delete_topic(name)
    return {"load": load, "durability": "exactly_once", "nodes": engine.nodes,
            "messages": seen["messages"], "missing": sent["messages"] - seen["messages"],
            "per_s": sent["per_s"], "p50_ms": seen["p50_ms"], "p99_ms": seen["p99_ms"],
            "max_ms": seen["max_ms"], "cpu_us": cpu}


def raw_pipe(bench, load, batch, codec):
    filled = bench.fill()
    out = bench.topic("raw")
    before = bench.cpu()
    result = bench.run_json(bench.program("raw_pipe"), "--brokers", bench.kafka.url(), "--in",
                            filled["topic"], "--out", out, "--pg", bench.postgres.url(), "--count",
                            filled["messages"], "--batch", batch, "--codec", codec, "--workers",
                            bench.options.workers)
    cpu = per_message(before, bench.cpu(), filled["messages"])
    bench.kafka.delete_topic(out)
    return {**result, "load": load, "durability": "exactly_once", "nodes": 0,
            "cpu_us": {**cpu, "raw_pipe": result["cpu_us"]}}


WRK = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = %s
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\\n{"requests":%%d,"seconds":%%.3f,"errors":%%d,"p50_ms":%%.3f,"p99_ms":%%.3f}\\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


def _wrk(bench, url):
    script = bench.dir / "post.lua"
    body = {"v": 1, "id": "01935407-887b-7007-8000-000000000001", "ts_us": 1732281600123456,
            "tenant_id": "t-0001", "trace_id": "1be0b8ea115dfaef", "channel": "sms",
            "from": "CATALYST", "to": "+25470465591",
            "meta": {"price": 0.0075, "retry": False}, "tags": ["otp", "ke", "gold"], "text": ""}
    missing = MESSAGE_BYTES - len(json.dumps(body, separators=(",", ":")))
    body["text"] = ("Your code is 853876. Do not share it with anybody. " * 4)[:missing]
    script.write_text(WRK % json.dumps(json.dumps(body, separators=(",", ":"))))
    return bench.run_json(bench.tool("wrk", "wrk"), "-t1", f"-c{bench.options.connections}",
                          f"-d{bench.options.seconds}s", "-s", script, url)


def _webhook_record(load, durability, nodes, seen, cpu):
    return {"load": load, "durability": durability, "nodes": nodes, "messages": seen["requests"],
            "seconds": seen["seconds"], "per_s": round(seen["requests"] / seen["seconds"]),
            "errors": seen["errors"], "p50_ms": seen["p50_ms"], "p99_ms": seen["p99_ms"],
            "cpu_us": cpu}


def webhook(bench, load, workflow):
    """The workflow's webhook has the path "bench"; wrk posts the standard message to it."""
    engine = bench.engine(workflow, {}, "exactly_once", kafka=False)
    try:
        engine.wait_ready()
        before = bench.cpu(engine)
        seen = _wrk(bench, engine.webhook + "/bench")
        cpu = per_message(before, bench.cpu(engine), seen["requests"])
        return _webhook_record(load, "exactly_once", engine.nodes, seen, cpu)
    finally:
        engine.stop()


NGINX = """daemon off; worker_processes auto; pid %(dir)s/nginx.pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path %(dir)s/body; proxy_temp_path %(dir)s/proxy; uwsgi_temp_path %(dir)s/uwsgi;
  fastcgi_temp_path %(dir)s/fastcgi; scgi_temp_path %(dir)s/scgi;
  server { listen 127.0.0.1:%(port)d; location / { return 202; } }
}
"""


def nginx(bench, load):
    """The yardstick of the webhooks: nginx that answers 202 and does nothing else."""
    binary = bench.tool("nginx", "nginx-light")
    directory = bench.dir / "nginx"
    directory.mkdir(exist_ok=True)
    port = servers.free_port()
    (directory / "nginx.conf").write_text(NGINX % {"dir": directory, "port": port})
    process = subprocess.Popen([binary, "-p", directory, "-c", directory / "nginx.conf"],
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        before = {"nginx": cpu_family_s(process.pid)}
        seen = _wrk(bench, f"http://127.0.0.1:{port}/webhook/bench")
        cpu = per_message(before, {"nginx": cpu_family_s(process.pid)}, seen["requests"])
        return _webhook_record(load, "-", 0, seen, cpu)
    finally:
        process.terminate()
        process.wait()


def engine_only(bench, load):
    """The engine without broker and database, one core: every line of bench_engine is a record."""
    done = subprocess.run([bench.program("bench_engine")], capture_output=True, text=True,
                          env={**os.environ, "CATALYST_PLUGINS": str(bench.build / "plugins")})
    if done.returncode != 0:
        raise servers.Failed(f"bench_engine: {done.stderr.strip()}")
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [{**row, "load": f"{load} {row.pop('bench').removeprefix('engine.')}",
             "durability": "-"} for row in rows]
