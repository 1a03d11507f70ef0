#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real servers for tests and benchmarks: PostgreSQL, Redis and Apache Kafka.

Each runs in a private directory on a free loopback port and is stopped by its process id; the
machine's own services are never touched. Used as a module by pytest (tests/integration/conftest.py)
and from a shell:

    servers.py start kafka postgres redis [--dir D] [--tie PID] [--set NAME=VALUE]...
    servers.py stop D [D...]          stop every server found at or under D
    servers.py with kafka postgres -- COMMAND...   start, run the command, stop, its exit code
    servers.py topic D NAME [--partitions N]
    servers.py fetch                  bring Kafka's jars into the cache, needs the network once

`start` puts each server in D/<name> (a fresh directory when D is not given) and prints shell lines,
which `with` puts into the environment of its command:

    CATALYST_TEST_SERVERS=/tmp/catalyst-servers-x1
    CATALYST_TEST_KAFKA=127.0.0.1:41873
    CATALYST_TEST_POSTGRES=postgresql://catalyst@127.0.0.1:33743/catalyst
    CATALYST_TEST_REDIS=redis://127.0.0.1:35479

A directory that was used before keeps its data and its ports, so start after stop is a restart.
With --tie the servers stop when process PID ends, however it ends (PID may be `parent`), and a
fresh directory is removed. A server that cannot be had (program not installed, jars not cached and
no network) is `Missing`: tests skip by that name, and commands end with 77.
"""
import argparse
import base64
import json
import os
import pwd
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))
import kafka_wire  # noqa: E402

KAFKA_VERSION = "4.1.1"
START_TIMEOUT_S = 180


class Missing(Exception):
    """The server is not installed and cannot be fetched."""


class Failed(Exception):
    """The server is there but did not start or stop."""


def free_port():
    """A port for a server that starts in a moment, or for nobody. It lies below those that the system
    gives to outgoing connections and to bind(0), which would take it before the server does, or while
    the server is away; of its 20,000 neighbours two askers hardly choose the same."""
    try:
        low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        low = 0
    for _ in range(1000 if low > 25000 else 0):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", random.SystemRandom().randrange(low - 20000, low)))
            except OSError:
                continue
            return sock.getsockname()[1]
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "catalyst"


def tail(path, lines=15):
    try:
        return "\n".join(Path(path).read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


class Server:
    """A process with a directory and ports. Subclasses say how to prepare, start and ask it."""

    kind = "server"
    ports = ("port",)
    stop_signal = signal.SIGTERM
    discard_signal = signal.SIGKILL
    stop_timeout_s = 30

    def __init__(self, directory, **settings):
        self.dir = Path(directory).resolve()
        self.state_file = self.dir / "server.json"
        self.log = self.dir / "log.txt"
        self.pid = None
        self.child = None
        state = self._state()
        self.settings = {**state.get("settings", {}), **{k: str(v) for k, v in settings.items()}}
        self.port_of = state.get("ports", {})
        if state.get("pid") and self._is_ours(state):
            self.pid = state["pid"]

    # -- what subclasses fill in --
    def require(self):
        """Raises Missing when the server cannot be had here."""

    def prepare(self):
        """Makes the data directory; called at the first start only."""

    def command(self):
        raise NotImplementedError

    def ready(self):
        """True when it answers."""
        raise NotImplementedError

    def url(self):
        return f"127.0.0.1:{self.port}"

    def env(self):
        return {f"CATALYST_TEST_{self.kind.upper()}": self.url()}

    # -- the same for all --
    @property
    def port(self):
        return self.port_of["port"]

    def _state(self):
        try:
            return json.loads(self.state_file.read_text())
        except (OSError, ValueError):
            return {}

    @staticmethod
    def _start_time(pid):
        """Start time in clock ticks: with the pid it names one process for ever."""
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
        except OSError:
            return None

    def _is_ours(self, state):
        return self._start_time(state["pid"]) == state.get("started")

    def _save(self):
        state = {"kind": self.kind, "pid": self.pid, "ports": self.port_of,
                 "started": self._start_time(self.pid) if self.pid else None,
                 "settings": self.settings, "url": self.url()}
        self.state_file.write_text(json.dumps(state, indent=1) + "\n")

    def running(self):
        if self.child is not None and self.child.poll() is not None:
            return False
        if self.pid is None:
            return False
        started = self._start_time(self.pid)
        return started is not None and not self._zombie()

    def _zombie(self):
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            return True

    def start(self):
        """Starts it, waits until it answers, returns self. A port that was taken in the meantime
        is chosen anew, unless clients may know it already; then the processes of a life that was killed
        may still be going, and it is tried again."""
        if self.running():
            return self
        self.require()
        first = not self.state_file.exists()
        self.dir.mkdir(parents=True, exist_ok=True)
        if first:
            self.prepare()
        for _ in range(3 if first else 20):
            if first:
                self.port_of = {name: free_port() for name in self.ports}
            if self._launch():
                return self
            if self.is_slow:
                break
            if not first:
                time.sleep(1)
        raise Failed(f"{self.kind} did not start; the end of {self.log}:\n{tail(self.log)}")

    def _launch(self):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(self.command(), cwd=self.dir, stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log, start_new_session=True)
        self.pid = self.child.pid
        self._save()
        end = time.monotonic() + START_TIMEOUT_S
        while True:
            self.is_slow = time.monotonic() > end
            if self.is_slow or self.child.poll() is not None:
                break
            if self.ready():
                return True
            time.sleep(0.05)
        self.kill()
        return False

    def _wait_gone(self, timeout_s):
        end = time.monotonic() + timeout_s
        while self.running():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        self.pid, self.child = None, None
        if self.state_file.exists():
            self._save()
        return True

    def stop(self):
        """Orderly stop; kills after a time. Fine to call when it is not running."""
        if not self.running():
            return
        self.resume()
        os.kill(self.pid, self.stop_signal)
        if not self._wait_gone(self.stop_timeout_s):
            self.kill()

    def discard(self):
        """The end of a server whose data nobody wants: writing them out takes a busy disk long."""
        if not self.running():
            return
        self.resume()
        os.kill(self.pid, self.discard_signal)
        if not self._wait_gone(self.stop_timeout_s):
            self.kill()

    def kill(self):
        """kill -9, as a crash."""
        if self.running():
            os.kill(self.pid, signal.SIGKILL)
            self._wait_gone(60)

    def pause(self):
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)


class Postgres(Server):
    """PostgreSQL 15 from Debian: database and superuser `catalyst`, no password, fsync on."""

    kind = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends the sessions instead of waiting for them
    discard_signal = signal.SIGQUIT  # "immediate": nothing is written, shared memory is given back

    def require(self):
        self.bin = self._bin()
        if os.geteuid() == 0:
            self._account()

    @staticmethod
    def _bin():
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"),
                       key=lambda path: int(path.parts[4]))
        if found:
            return found[-1].parent
        on_path = shutil.which("postgres")
        if not on_path:
            raise Missing("postgres: no server program; install Debian's postgresql-15")
        return Path(on_path).parent

    @staticmethod
    def _account():
        try:
            return pwd.getpwnam("postgres")
        except KeyError:
            raise Missing("postgres: root cannot run it and there is no user postgres") from None

    def _as_user(self, command):
        """PostgreSQL refuses to run as root; setpriv (util-linux) becomes the server, no shell."""
        if os.geteuid() != 0:
            return command
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] + command

    def prepare(self):
        sock = self.dir / "sock"
        if len(str(sock)) > 85:
            raise Failed(f"postgres: {sock} is too long for a unix socket; use a shorter --dir")
        sock.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            self.dir.chmod(0o755)
            account = self._account()
            for path in (self.dir, sock):
                os.chown(path, account.pw_uid, account.pw_gid)
        done = subprocess.run(
            self._as_user([str(self.bin / "initdb"), "-D", str(self.dir / "data"), "-U", "catalyst",
                           "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]),
            cwd="/", capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"postgres: initdb in {self.dir}: {done.stderr.strip() or done.stdout}")

    def command(self):
        settings = {"listen_addresses": "127.0.0.1", "port": self.port,
                    "unix_socket_directories": self.dir / "sock", "fsync": "on",
                    "synchronous_commit": "on", "shared_buffers": "128MB", "max_wal_size": "1GB",
                    "max_connections": "100", "autovacuum_naptime": "10s", "timezone": "UTC",
                    "log_timezone": "UTC", "cluster_name": "catalyst-test"}
        settings.update(self.settings)
        command = [str(self.bin / "postgres"), "-D", str(self.dir / "data")]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        return self._as_user(command)

    def ready(self):
        asked = self.psql("SELECT 1", database="postgres", check=False)
        if asked.returncode != 0:
            return False
        there = self.psql("SELECT 1 FROM pg_database WHERE datname = 'catalyst'",
                          database="postgres").stdout
        if not there.strip():
            self.psql("CREATE DATABASE catalyst", database="postgres")
        return True

    def psql(self, sql, database="catalyst", check=True):
        """Runs SQL with psql, rows as lines, columns divided by |."""
        done = subprocess.run(
            [str(self._bin() / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h",
             "127.0.0.1", "-p", str(self.port), "-U", "catalyst", "-d", database, "-c", sql],
            capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise Failed(f"psql: {done.stderr.strip()}")
        return done

    def url(self, database="catalyst"):
        return f"postgresql://catalyst@127.0.0.1:{self.port}/{database}"

    def socket_url(self, database="catalyst"):
        return f"postgresql://catalyst@/{database}?host={self.dir}/sock&port={self.port}"

    def create_database(self, name):
        """A fresh database beside `catalyst`, for a test that wants one of its own."""
        self.psql(f'CREATE DATABASE "{name}"', database="postgres")
        return self.url(name)

    def drop_database(self, name):
        """Whoever is still connected is sent away."""
        self.psql(f'DROP DATABASE "{name}" WITH (FORCE)', database="postgres")


class Redis(Server):
    """Redis from Debian, in memory only."""

    kind = "redis"

    def require(self):
        if not shutil.which("redis-server"):
            raise Missing("redis: no redis-server; install Debian's redis-server")

    def command(self):
        settings = {"port": self.port, "bind": "127.0.0.1", "dir": self.dir, "save": "",
                    "appendonly": "no", "daemonize": "no", "unixsocket": self.dir / "redis.sock"}
        settings.update(self.settings)
        command = ["redis-server"]
        for name, value in settings.items():
            command += [f"--{name}", str(value)]
        return command

    def ready(self):
        return self.ask("PING") == "+PONG"

    def ask(self, *words):
        """One command, the first line of its answer."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=20) as sock:
                parts = [f"*{len(words)}\r\n"] + [f"${len(w.encode())}\r\n{w}\r\n" for w in words]
                sock.sendall("".join(parts).encode())
                return sock.makefile("r").readline().strip()
        except OSError:
            return None

    def url(self):
        return f"redis://127.0.0.1:{self.port}"


class Kafka(Server):
    """Apache Kafka in KRaft mode, broker and controller in one process.

    Settings that begin with `heap` or `jvm` go to the JVM: heap=512m, jvm=-XX:...; all others are
    broker properties.
    """

    kind = "kafka"
    ports = ("port", "controller")
    INTERNAL = {"cleanup.policy": "compact", "segment.bytes": 104857600,
                "compression.type": "uncompressed"}

    @staticmethod
    def cache():
        return cache_dir() / f"kafka-{KAFKA_VERSION}"

    @classmethod
    def fetch(cls):
        """Copies the jars into the cache with Maven, once; they appear there all or not at all."""
        cache = cls.cache()
        if (cache / "complete").exists():
            return cache
        if not shutil.which("mvn"):
            raise Missing("kafka: jars are not cached and there is no mvn; install Debian's maven")
        print(f"kafka: fetching {KAFKA_VERSION} by Maven, about 54 MB, once", file=sys.stderr)
        cache.parent.mkdir(parents=True, exist_ok=True)
        staged = cache.with_name(f"{cache.name}.{os.getpid()}")
        done = subprocess.run(
            ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies",
             f"-DoutputDirectory={staged}/lib", "-DincludeScope=runtime"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            shutil.rmtree(staged, ignore_errors=True)
            raise Missing("kafka: Maven could not fetch the jars: "
                          + cls._first_error(done.stdout + done.stderr))
        cls._format_once(staged)
        (staged / "complete").touch()
        try:
            staged.rename(cache)
        except OSError:  # another process was quicker
            shutil.rmtree(staged)
        return cache

    @staticmethod
    def _first_error(output):
        """Maven's first complaint without its colours; its hints for users of Maven say nothing."""
        plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
        found = re.search(r"\[ERROR\] (.+)", plain)
        return found[1].split(" -> [Help")[0] if found else plain.strip()[:300]

    @classmethod
    def _format_once(cls, staged):
        """Formats an empty log directory to copy from: saves a JVM start for every server."""
        conf = staged / "format.properties"
        conf.write_text(cls._properties(staged / "format", 9092, 9093, {}))
        cluster = base64.urlsafe_b64encode(uuid.UUID(int=uuid.uuid4().int >> 8).bytes)[:22].decode()
        done = subprocess.run(
            ["java", "-cp", f"{staged}/lib/*", "kafka.tools.StorageTool", "format", "-t", cluster,
             "-c", str(conf)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Failed(f"kafka: format: {(done.stdout + done.stderr).strip()}")

    @staticmethod
    def _properties(logs, port, controller, settings):
        properties = {
            "process.roles": "broker,controller", "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": logs,
            "offsets.topic.replication.factor": 1, "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "auto.create.topics.enable": "true", "num.partitions": 4,
            # A group forms at once, and fail-over drills may ask for sessions below 6 s.
            "group.initial.rebalance.delay.ms": 0, "group.min.session.timeout.ms": 500,
            # A broker started again after a crash waits until its old session has run out.
            "broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500,
        }
        properties.update(settings)
        return "".join(f"{name}={value}\n" for name, value in properties.items())

    def require(self):
        if not shutil.which("java"):
            raise Missing("kafka: no java; install Debian's openjdk-17-jre-headless")
        self.fetch()

    def prepare(self):
        shutil.copytree(self.cache() / "format", self.dir / "logs")

    def command(self):
        jvm = {k: v for k, v in self.settings.items() if k.startswith(("heap", "jvm"))}
        broker = {k: v for k, v in self.settings.items() if k not in jvm}
        conf = self.dir / "server.properties"
        conf.write_text(self._properties(self.dir / "logs", self.port,
                                         self.port_of["controller"], broker))
        heap = jvm.pop("heap", "512m")
        return ["java", f"-Xms{heap}", f"-Xmx{heap}", *jvm.values(),
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-cp", f"{self.cache()}/lib/*", "kafka.Kafka", str(conf)]

    def ready(self):
        """The internal topics are made here too, so that the first group and the first
        transaction of a test do not wait for them."""
        try:
            for topic in ("__consumer_offsets", "__transaction_state"):
                kafka_wire.create_topic(self.url(), topic, 4, self.INTERNAL, exist_ok=True)
            return True
        except (OSError, kafka_wire.KafkaError):
            return False

    def create_topic(self, name, partitions=4, **config):
        kafka_wire.create_topic(self.url(), name, partitions, config)

    def delete_topic(self, name):
        kafka_wire.delete_topic(self.url(), name)

    def count(self, name):
        return kafka_wire.count(self.url(), name)


KINDS = {cls.kind: cls for cls in (Postgres, Redis, Kafka)}


def found_under(directory):
    """The servers whose directories are at or under this one."""
    for state in sorted(Path(directory).glob("**/server.json")):
        kind = json.loads(state.read_text()).get("kind")
        if kind in KINDS:
            yield KINDS[kind](state.parent)


def tie(directory, pid, remove):
    """Leaves a small process behind that stops the servers when process `pid` ends."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        raise Failed(f"--tie: there is no process {pid}") from None
    if os.fork():
        os.close(watched)
        return
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    select.select([watched], [], [])
    stop_under(directory, remove)
    os._exit(0)


def stop_under(directory, remove=False):
    for server in found_under(directory):
        server.discard() if remove else server.stop()
    if remove:
        shutil.rmtree(directory, ignore_errors=True)


def fresh_dir():
    """Under the temporary directory, and passable for PostgreSQL's own user."""
    directory = tempfile.mkdtemp(prefix="catalyst-servers-")
    os.chmod(directory, 0o755)
    return directory


def start_all(kinds, directory, settings=None, allow_missing=False):
    """Starts servers in directory/<kind>; the environment that tells tests of them."""
    env = {"CATALYST_TEST_SERVERS": str(directory)}
    for kind in kinds:
        try:
            env.update(KINDS[kind](Path(directory) / kind, **(settings or {})).start().env())
        except Missing as reason:
            if not allow_missing:
                raise
            print(f"missing {reason}", file=sys.stderr)
    return env


def read_env(path):
    return dict(line.split("=", 1) for line in Path(path).read_text().splitlines())


def command_start(args):
    directory = args.dir or fresh_dir()
    try:
        env = start_all(args.kinds, directory, dict(p.split("=", 1) for p in args.set),
                        args.allow_missing)
    except (Missing, Failed):
        stop_under(directory, remove=not args.dir)
        raise
    lines = "".join(f"{name}={value}\n" for name, value in env.items())
    if args.env_file:
        Path(args.env_file).write_text(lines)
    print(lines, end="", flush=True)
    if args.tie:
        tie(directory, os.getppid() if args.tie == "parent" else int(args.tie), not args.dir)
    return 0


def command_stop(args):
    for directory in args.dirs:
        stop_under(directory)
    if args.env_file and Path(args.env_file).exists():
        stop_under(read_env(args.env_file)["CATALYST_TEST_SERVERS"], remove=True)
        Path(args.env_file).unlink()
    return 0


def command_with(args):
    """Uses the servers of --env-file when they run, else starts its own."""
    words = args.words
    if "--" not in words:
        raise Failed("with: write -- before the command")
    kinds, command = words[:words.index("--")], words[words.index("--") + 1:]
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not command:
        raise Failed(f"with: give servers ({', '.join(KINDS)}), then -- and a command")
    if args.env_file and Path(args.env_file).exists():
        env = read_env(args.env_file)
        for kind in kinds:
            if f"CATALYST_TEST_{kind.upper()}" not in env:
                raise Missing(f"{kind}: it was not there when the test's servers were started")
        return subprocess.run(command, env={**os.environ, **env}).returncode
    directory = fresh_dir()
    tie(directory, os.getpid(), remove=True)
    env = start_all(kinds, directory)
    try:
        return subprocess.run(command, env={**os.environ, **env}).returncode
    finally:
        stop_under(directory, remove=True)


def command_topic(args):
    for server in found_under(args.dir):
        if server.kind == "kafka":
            kafka_wire.create_topic(server.url(), args.name, args.partitions, exist_ok=True)
            return 0
    raise Failed(f"no kafka in {args.dir}")


def command_fetch(_):
    print(Kafka.fetch())
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="start servers, print their addresses")
    start.add_argument("kinds", nargs="+", choices=KINDS, metavar="|".join(KINDS))
    start.add_argument("--dir")
    start.add_argument("--tie", metavar="PID|parent")
    start.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    start.add_argument("--allow-missing", action="store_true")
    start.add_argument("--env-file")
    start.set_defaults(run=command_start)
    stop = commands.add_parser("stop", help="stop servers")
    stop.add_argument("dirs", nargs="*")
    stop.add_argument("--env-file")
    stop.set_defaults(run=command_stop)
    within = commands.add_parser("with", help="run a command with servers")
    within.add_argument("--env-file")
    within.add_argument("words", nargs=argparse.REMAINDER, metavar="SERVER... -- COMMAND...")
    within.set_defaults(run=command_with)
    topic = commands.add_parser("topic", help="make a topic")
    topic.add_argument("dir")
    topic.add_argument("name")
    topic.add_argument("--partitions", type=int, default=4)
    topic.set_defaults(run=command_topic)
    fetch = commands.add_parser("fetch", help="bring Kafka's jars into the cache")
    fetch.set_defaults(run=command_fetch)
    args = parser.parse_args()
    try:
        return args.run(args)
    except Missing as reason:
        print(f"missing {reason}", file=sys.stderr)
        return 77
    except Failed as reason:
        print(f"servers: {reason}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
