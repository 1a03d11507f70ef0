# SPDX-License-Identifier: Apache-2.0
"""The exporters of Debian beside real servers: each series that the alert rules say is theirs is in their
/metrics. An exporter that is not installed skips its test by name; tests/setup.sh peer brings them."""
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "docs"))
import alerts  # noqa: E402

# postgres_exporter has the first since 0.12, the second was a query of one's own before.
BY_VERSION = {"pg_replication_lag_seconds", "pg_replication_lag"}


def listed(exporter):
    return next(group.series for group in alerts.groups() if group.name == exporter)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def exporter(tmp_path):
    """exporter(command.., path=, env=) starts one, with {port} in its words; the names it tells."""
    running = []

    def start(*words, path="/metrics", env=None):
        if not shutil.which(words[0]):
            pytest.skip(f"{words[0]} is not installed")
        port = free_port()
        with open(tmp_path / "log", "wb") as log:
            running.append(subprocess.Popen([word.format(port=port) for word in words], env=env, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, cwd=tmp_path))
        end = time.monotonic() + 30
        while True:
            try:
                text = urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30).read().decode()
                return set(re.findall(r"(?m)^([a-zA-Z_:][\w:]*)[{ ]", text))
            except OSError:
                assert running[-1].poll() is None and time.monotonic() < end, (tmp_path / "log").read_text()
                time.sleep(0.1)

    yield start
    for process in running:
        process.terminate()
        process.wait(20)


def test_node(exporter):
    names = exporter("prometheus-node-exporter", "--web.listen-address=127.0.0.1:{port}")
    assert listed("node_exporter") <= names
    assert "process_start_time_seconds" in names


def test_postgres(exporter, postgres):
    names = exporter("prometheus-postgres-exporter", "--web.listen-address=127.0.0.1:{port}",
                     env={"DATA_SOURCE_NAME": postgres.url() + "?sslmode=disable"})
    assert listed("postgres_exporter") - BY_VERSION <= names


def test_redis(exporter, redis):
    names = exporter("prometheus-redis-exporter", "-redis.addr", redis.url(),
                     "-web.listen-address", "127.0.0.1:{port}")
    assert listed("redis_exporter") <= names


def test_blackbox(exporter, tmp_path):
    key, cert, config = tmp_path / "key.pem", tmp_path / "cert.pem", tmp_path / "blackbox.yml"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days",
                    "2", "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=60)
    config.write_text("modules: {tls: {prober: tcp, tcp: {tls: true, tls_config: {insecure_skip_verify: true}}}}\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            while True:
                try:
                    with context.wrap_socket(server.accept()[0], server_side=True) as one:
                        one.recv(1)
                except OSError:
                    if server.fileno() < 0:
                        return
        threading.Thread(target=serve, daemon=True).start()
        names = exporter("prometheus-blackbox-exporter", f"--config.file={config}",
                         "--web.listen-address=127.0.0.1:{port}",
                         path=f"/probe?module=tls&target=127.0.0.1:{server.getsockname()[1]}")
        server.shutdown(socket.SHUT_RDWR)
    assert listed("blackbox_exporter") <= names
