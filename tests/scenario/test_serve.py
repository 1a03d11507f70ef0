# SPDX-License-Identifier: Apache-2.0
"""`catalyst serve` with the store of a file: health, metrics, webhooks, signals, rest."""
import base64
import contextlib
import hashlib
import hmac
import http.client
import http.server
import json
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from engines import Engine, Gate, until  # noqa: E402
from test_cases import definition  # noqa: E402

SECRET = "hunter2-very-secret"
SANITIZED = "asan" in os.environ.get("CATALYST_BUILD", "")


@pytest.fixture
def engine(catalyst, tmp_path):
    """engine(workflow, ..., flags=[..]) starts one with a store of its own."""
    started = []

    def start(*workflows, flags=(), store=None, **more):
        one = Engine(catalyst, tmp_path, "--store", store or f"sqlite:{tmp_path}/store.db", *flags,
                     workflows=workflows, **more).start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def gate():
    with Gate() as one:
        yield one


def hook(path="in", nodes=(), wires=(), identity="hook", **parameters):
    trigger = {"name": "Hook", "type": "catalyst.webhook",
               "parameters": {"httpMethod": "POST", "path": path, **parameters}}
    if "authentication" in parameters:
        trigger["credentials"] = {AUTH[parameters["authentication"]][0]: {"name": "key"}}
    return definition({"id": identity, "name": identity, "nodes": [trigger, *nodes],
                       "wires": list(wires)})


def sets(name, **fields):
    return {"name": name, "type": "catalyst.set", "parameters": {
        "mode": "raw", "jsonOutput": fields}}


# --- health -------------------------------------------------------------------------------------

def test_health_and_readiness(engine):
    e = engine()
    assert e.get("/healthz") == (200, '{"healthy":true}\n')
    status, body = e.get("/readyz")
    assert status == 200 and json.loads(body) == {"ready": True, "reasons": []}
    assert e.get("/nothing")[0] == 404
    assert e.request("health", "POST", "/healthz").status == 405
    assert json.loads(e.get("/admin/state")[1])["workers"]


SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*\})? '
                    r'([-+]?(?:\d+(?:\.\d*)?(?:e[-+]?\d+)?|Inf|NaN))$')


def check_metrics(text):
    """What promtool checks: HELP and TYPE before samples, names grouped, histograms whole."""
    kinds, seen, current = {}, set(), None
    buckets = {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split()[2]
            assert current not in seen, f"{current} comes twice"
            seen.add(current)
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name == current and kind in ("counter", "gauge", "histogram", "untyped")
            kinds[name] = kind
            continue
        found = SAMPLE.match(line)
        assert found, line
        name, labels, value = found.groups()
        base = re.sub(r"_(bucket|sum|count)$", "", name) if kinds.get(current) == "histogram" else name
        assert base == current, f"{name} stands under {current}"
        if kinds[current] == "counter":
            assert name.endswith("_total") and float(value) >= 0
        if name.endswith("_bucket"):
            key = (current, re.sub(r',?le="[^"]*"', "", labels))
            last = buckets.setdefault(key, [])
            assert not last or float(value) >= last[-1], f"{line}: buckets must grow"
            last.append(float(value))
        if name.endswith("_count") and kinds[current] == "histogram":
            assert buckets[(current, labels)][-1] == float(value), line
    return kinds


def test_metrics_format(engine):
    e = engine(hook(nodes=[sets('Quo"te', a=1)], wires=['Hook -> Quo"te']))
    e.call("POST", "/webhook/in", {"a": 1})
    until(lambda: e.done() == 1)
    kinds = check_metrics(e.get("/metrics")[1])
    for name in ("catalyst_executions_total", "catalyst_execution_seconds", "catalyst_frame_items",
                 "catalyst_node_items_total", "catalyst_commits_total",
                 "process_resident_memory_bytes"):
        assert name in kinds
    assert e.metric("catalyst_node_items_total", workflow="hook") == 2
    assert e.metric("catalyst_executions_total", outcome="success") == 1


def test_port_taken(catalyst, tmp_path):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = str(sock.getsockname()[1])
        for flags in (("--http-port", port, "--admin-port", "0"),
                      ("--admin-port", port, "--http-port", "0")):
            done = subprocess.run([catalyst, "serve", "--store", "memory:", *flags], text=True,
                                  capture_output=True, timeout=120, cwd=tmp_path)
            assert done.returncode == 3
            assert port in done.stderr and "in use" in done.stderr, done.stderr


def test_a_workflow_path_that_is_not_there(catalyst, tmp_path):
    (tmp_path / "fine.json").write_text(json.dumps(hook()))
    done = subprocess.run([catalyst, "serve", "--store", "memory:", "--http-port", "0",
                           "--admin-port", "0", "--workflows", "fine.json", "--workflows",
                           "nowhere.json"], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 2 and "workflows: nowhere.json: No such file" in done.stderr


# --- webhooks -----------------------------------------------------------------------------------

def test_webhook_on_received(engine):
    e = engine(hook(nodes=[sets("S", v="={{ $json.body.v }}")], wires=["Hook -> S"]))
    answer = e.call("POST", "/webhook/in", {"v": 1})
    assert answer.status == 202, answer.body
    until(lambda: e.done("success") == 1)
    assert e.call("GET", "/webhook/in").status in (404, 405)
    assert e.call("POST", "/webhook/other").status == 404


def test_webhook_last_node(engine):
    e = engine(hook(path="orders/:id", responseMode="lastNode", nodes=[sets(
        "S", id="={{ $json.params.id }}", q="={{ $json.query.full }}", sum="={{ $json.body.a + 1 }}",
        agent="={{ $json.headers['x-agent'] }}")], wires=["Hook -> S"]))
    answer = e.call("POST", "/webhook/orders/4%202?full=yes", {"a": 2}, {"X-Agent": "test"})
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json() == {"id": "4 2", "q": "yes", "sum": 3, "agent": "test"}


def test_webhook_failed_execution(engine):
    e = engine(hook(responseMode="lastNode", nodes=[{
        "name": "Stop", "type": "catalyst.stopAndError", "parameters": {"errorMessage": "no way"}}],
        wires=["Hook -> Stop"]))
    assert e.call("POST", "/webhook/in", {}).status == 500
    until(lambda: e.done("error") == 1)


def test_webhook_respond_node(engine):
    e = engine(hook(responseMode="responseNode", nodes=[
        {"name": "Answer", "type": "catalyst.respondToWebhook", "parameters": {
            "respondWith": "json", "responseBody": {"hello": "={{ $json.body.name }}"},
            "options": {"responseCode": 201, "responseHeaders": [{"name": "X-Made-By", "value": "me"}]}}},
        {"name": "After", "type": "catalyst.noOp"}], wires=["Hook -> Answer", "Answer -> After"]))
    answer = e.call("POST", "/webhook/in", {"name": "Ada"})
    assert (answer.status, answer.json()) == (201, {"hello": "Ada"})
    assert answer.headers["x-made-by"] == "me"
    until(lambda: e.done("success") == 1)


def test_webhook_bad_body_is_400_and_others_go_on(engine):
    e = engine(hook(responseMode="lastNode", nodes=[sets("S", ok=True)], wires=["Hook -> S"]))
    bad = e.call("POST", "/webhook/in", "{no json", {"content-type": "application/json"})
    assert 400 <= bad.status < 600
    assert e.call("POST", "/webhook/in", {"a": 1}).status == 200


def sign_jwt(payload, secret):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")
    head = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(payload)
    mark = hmac.new(secret.encode(), head, hashlib.sha256).digest()
    return (head + b"." + base64.urlsafe_b64encode(mark).rstrip(b"=")).decode()


BODY = b'{"a":1}'
AUTH = {
    "basicAuth": ("httpBasicAuth", {"user": "ada", "password": SECRET},
                  lambda: {"authorization": "Basic " + base64.b64encode(
                      f"ada:{SECRET}".encode()).decode()},
                  {"authorization": "Basic " + base64.b64encode(b"ada:wrong").decode()}),
    "headerAuth": ("httpHeaderAuth", {"name": "X-Key", "value": SECRET},
                   lambda: {"x-key": SECRET}, {"x-key": SECRET + "x"}),
    "hmac": ("hmac", {"secret": SECRET},
             lambda: {"x-signature": "sha256=" + hmac.new(SECRET.encode(), BODY,
                                                          hashlib.sha256).hexdigest()},
             {"x-signature": "sha256=" + "0" * 64}),
    "jwtAuth": ("jwtAuth", {"secret": SECRET},
                lambda: {"authorization": "Bearer " + sign_jwt({"sub": "ada",
                                                                "exp": time.time() + 3600}, SECRET)},
                {"authorization": "Bearer " + sign_jwt({"sub": "ada"}, "other")}),
}


@pytest.mark.parametrize("kind", AUTH)
def test_webhook_authentication(engine, kind):
    credential, data, good, bad = AUTH[kind]
    e = engine(hook(authentication=kind), env={
        "CATALYST_CREDENTIAL_KEY": json.dumps({"type": credential, "data": data})})
    json_type = {"content-type": "application/json"}
    assert e.call("POST", "/webhook/in", BODY, {**json_type, **good()}).status == 202, e.log()
    for headers in ({}, bad):
        refused = e.call("POST", "/webhook/in", BODY, {**json_type, **headers})
        assert refused.status in (401, 403)
        assert SECRET.encode() not in refused.body
    until(lambda: e.done() == 1)
    e.signal(signal.SIGUSR1)
    e.wait_log("serve dump")
    assert SECRET not in e.log()


def test_webhook_limits(engine):
    e = engine(hook(), flags=("--http-body", "1k", "--http-header", "1k"))
    assert e.call("POST", "/webhook/in", {"a": "x" * 2000}).status == 413
    assert e.call("POST", "/webhook/in", {}, {"x-long": "x" * 3000}).status == 431
    assert e.call("POST", "/webhook/in", {"a": 1}).status == 202


# --- stopping, reloading ------------------------------------------------------------------------

def held_hook(gate, **more):
    return hook(nodes=[gate.step], wires=["Hook -> Held"], **{"responseMode": "lastNode", **more})


def test_accepted_is_kept_over_kill(engine, gate):
    slow = held_hook(gate, responseMode="onReceived")
    e = engine(slow)
    assert e.call("POST", "/webhook/in", {"a": 1}).status == 202
    e.kill()
    gate.open()
    again = engine(slow)
    again.wait_done(1, "success")


def call_aside(e, gate, answers=None):
    """A request that is under way when this returns."""
    def call():
        try:
            answer = e.call("POST", "/webhook/in", {})
            if answers is not None:
                answers.append(answer)
        except (OSError, http.client.HTTPException):
            pass
    caller = threading.Thread(target=call)
    caller.start()
    gate.wait()
    return caller


def test_sigterm_drains(engine, gate):
    e, answers = engine(held_hook(gate), flags=("--drain", "120s")), []
    caller = call_aside(e, gate, answers)
    e.process.terminate()
    e.wait_log("drain")
    gate.open()
    caller.join(60)
    assert answers and answers[0].status == 200 and answers[0].json() == {"done": True}
    assert e.process.wait(60) == 0


def test_health_answers_while_it_drains(engine, gate):
    e = engine(held_hook(gate), flags=("--drain", "120s"))
    caller = call_aside(e, gate)
    e.process.terminate()
    until(lambda: "draining" in e.get("/readyz")[1])
    assert e.get("/readyz")[0] == 503
    assert e.get("/healthz")[0] == 200
    check_metrics(e.get("/metrics")[1])
    gate.open()
    assert e.process.wait(60) == 0
    caller.join()


def test_the_version_of_metrics_is_the_one_that_list_shows(engine):
    e = engine(hook("a", identity="one"), hook("b", identity="two"))
    for path in ("a", "b"):
        assert e.call("POST", f"/webhook/{path}", {}).status == 202
    for workflow in ("one", "two"):
        until(lambda: e.metric("catalyst_executions_started_total", workflow=workflow,
                               version="1") == 1)
    assert not e.metric("catalyst_executions_started_total", version="2")


def test_the_last_line_says_that_it_stopped(engine):
    e = engine(hook())
    assert e.stop() == 0
    assert "stopped" in e.log().splitlines()[-1], e.log()


def renamed(tmp_path, from_name, to_name):
    with sqlite3.connect(tmp_path / "store.db", timeout=20) as db:
        db.execute(f"ALTER TABLE {from_name} RENAME TO {to_name}")


def test_a_store_that_is_down_is_told_once(engine, tmp_path):
    e = engine(hook())
    renamed(tmp_path, "engine_instance", "hidden")
    e.wait_log("heartbeat")
    time.sleep(2.2)  # four heartbeats
    assert len(re.findall("serve heartbeat", e.log())) <= 2, e.log()  # on change only
    renamed(tmp_path, "hidden", "engine_instance")
    e.wait_log("heartbeat.*the store answers again")
    assert len(re.findall("serve heartbeat", e.log())) <= 3, e.log()


def test_a_cut_while_the_store_is_down_says_what_is_lost(engine, tmp_path):
    e = engine(hook(), flags=("--drain", "700ms", "--workers", "1"),
               env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert e.call("POST", "/webhook/in", {}).status == 202
    db = sqlite3.connect(tmp_path / "store.db", isolation_level=None, check_same_thread=False, timeout=60)
    until(lambda: db.execute("SELECT count(*) FROM executions WHERE status = 'success'").fetchone()[0] == 1)
    db.execute("BEGIN IMMEDIATE")
    answers = []

    def call():
        try:
            answers.append(e.call("POST", "/webhook/in", {}).status)
        except (OSError, http.client.HTTPException):
            pass
    caller = threading.Thread(target=call)
    caller.start()
    until(lambda: e.metric("catalyst_executions_started_total") == 2)
    e.process.terminate()
    e.wait_log("drain.cut")
    db.execute("ROLLBACK")
    db.close()
    assert e.process.wait(60) == 0
    caller.join()
    assert 202 not in answers
    assert re.search(r"0 executions are cut: 0 of them are in the store .* 0 are not; the end of 1 "
                     r"more is not in the store; what is not was not acknowledged", e.log()), e.log()
    assert "journal" not in e.log()


def test_a_second_signal_cuts(engine, gate):
    e = engine(held_hook(gate), flags=("--drain", "300s"))
    caller = call_aside(e, gate)
    e.process.terminate()
    e.wait_log("drain")
    e.process.terminate()
    assert e.process.wait(60) == 0
    assert "cut" in e.log()
    caller.join()


def test_what_does_not_end_in_time_is_cut_and_kept(engine, gate, tmp_path):
    # a worker that is cut leaves its memory to the system
    e = engine(held_hook(gate), flags=("--drain", "500ms"), env={"ASAN_OPTIONS": "detect_leaks=0"})
    caller = call_aside(e, gate)
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db", timeout=60)) as db:
        until(lambda: db.execute("SELECT count(*) FROM executions WHERE status = 'waiting'").fetchone()[0])
    assert e.stop() == 0
    caller.join()
    assert re.search(r"drain\.cut.* 1 executions are cut: 1 of them are in the store and go on", e.log())
    gate.open()
    again = engine(held_hook(gate))
    again.wait_done(1, "success")


def test_stop_when_idle_is_quick(engine):
    e = engine()
    began = time.monotonic()
    assert e.stop() == 0
    assert time.monotonic() - began < 15  # and not the 20 s that work has to end


def test_sighup_reads_workflows_again(engine):
    e = engine(hook(responseMode="lastNode", nodes=[sets("S", v=1)], wires=["Hook -> S"]))
    assert e.call("POST", "/webhook/in", {}).json() == {"v": 1}
    (e.dir / "workflow0.json").write_text(json.dumps(
        hook(responseMode="lastNode", nodes=[sets("S", v=2)], wires=["Hook -> S"])))
    e.signal(signal.SIGHUP)
    until(lambda: e.call("POST", "/webhook/in", {}).json() == {"v": 2})
    (e.dir / "workflow0.json").write_text("{ broken")
    e.signal(signal.SIGHUP)
    e.wait_log(r"workflow0\.json has mistakes and is left out")
    assert e.call("POST", "/webhook/in", {}).json() == {"v": 2}


def test_deploy_and_deactivate_reach_a_running_engine(engine, catalyst, tmp_path):
    e = engine()
    store = ("--store", f"sqlite:{tmp_path}/store.db")
    flow = tmp_path / "late.json"
    flow.write_text(json.dumps(hook(path="late", identity="late")))
    subprocess.run([catalyst, "deploy", flow, *store], check=True, capture_output=True)
    until(lambda: e.call("POST", "/webhook/late", {}).status == 202)
    subprocess.run([catalyst, "deactivate", "late", *store], check=True, capture_output=True)
    until(lambda: e.call("POST", "/webhook/late", {}).status == 404)


def test_executions_can_be_looked_at_and_retried(engine, catalyst, tmp_path):
    e = engine(hook(nodes=[{"name": "Stop", "type": "catalyst.stopAndError", "parameters": {
        "errorMessage": "=no {{ $json.body.what }}"}}], wires=["Hook -> Stop"]))
    e.call("POST", "/webhook/in", {"what": "bread"})
    until(lambda: e.done("error") == 1)

    def ask(*words):
        return subprocess.run([catalyst, "executions", *words, "--store",
                               f"sqlite:{tmp_path}/store.db"], text=True, capture_output=True)
    until(lambda: "no bread" in ask("list").stdout)
    line = ask("list", "--status", "error").stdout
    identity = line.split()[0]
    assert " error " in line and "at 'Stop'" in line
    shown = json.loads(ask("show", identity).stdout)
    assert shown["status"] == "error" and "no bread" in json.dumps(shown["error"])
    assert "bread" in json.dumps(shown["state"])
    assert ask("retry", identity).returncode == 0
    until(lambda: e.done("error") == 2)


def test_broken_workflow_is_left_out(engine):
    broken = hook(path="broken", identity="broken")
    broken["nodes"][0]["type"] = "catalyst.webhok"
    e = engine(broken, hook(path="fine", identity="fine"))
    assert e.call("POST", "/webhook/fine", {}).status == 202
    assert "did you mean 'catalyst.webhook'?" in e.log()


def test_broken_plugin_is_named_at_start(engine, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "broken.so").write_text("no")
    e = engine(hook(), flags=("--plugins", tmp_path / "more"))
    assert "broken.so" in e.log()
    assert e.call("POST", "/webhook/in", {}).status == 202


# --- rest ---------------------------------------------------------------------------------------

def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(SANITIZED, reason="sanitizers take memory and time of their own")
def test_idle_costs_little(engine):
    e, used = engine(hook()), 1
    for _ in range(5):  # on a slow machine the start is not over at once
        before, began = cpu_seconds(e.pid), time.monotonic()
        time.sleep(5)
        used = min(used, (cpu_seconds(e.pid) - before) / (time.monotonic() - began))
        if used <= 0.01:
            break
    resident = int(Path(f"/proc/{e.pid}/statm").read_text().split()[1]) * resource.getpagesize()
    assert used <= 0.01, f"{used:.2%} of a core"
    assert resident < 50e6, f"{resident / 1e6:.0f} MB"


def test_full_disk(catalyst, tmp_path):
    """A small file system fills up: webhooks are not accepted any more, and nothing crashes."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small],
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"full disk: no tmpfs can be mounted here: {mounted.stderr.strip()}")
    e = Engine(catalyst, tmp_path, "--store", f"sqlite:{small}/store.db", workflows=[hook()])
    try:
        e.start()
        filler = small / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        statuses = []

        def call():
            try:
                statuses.append(e.call("POST", "/webhook/in", {"a": os.urandom(3000).hex()}).status)
            except (OSError, http.client.HTTPException):
                statuses.append(0)
        callers = [threading.Thread(target=call) for _ in range(20)]
        for caller in callers:
            caller.start()
        e.wait_log("full")
        e.alive()
        filler.unlink()
        for caller in callers:
            caller.join(120)
        until(lambda: e.call("POST", "/webhook/in", {"a": 1}).status == 202)
    finally:
        e.kill()
        subprocess.run(["umount", "-l", small])


# --- TLS, and calls to the outside -----------------------------------------------------------------

def test_webhooks_over_tls(engine, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl: not installed")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                    tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True,
                   capture_output=True)
    e = engine(hook(), flags=("--tls-cert", tmp_path / "cert.pem", "--tls-key",
                              tmp_path / "key.pem"))
    trust = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    trust.minimum_version = ssl.TLSVersion.TLSv1_3
    connection = http.client.HTTPSConnection(e.addresses["webhooks"], context=trust, timeout=60)
    for _ in range(3):
        connection.request("POST", "/webhook/in", body=b'{"a":1}',
                           headers={"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 202
    connection.close()
    until(lambda: e.done("success") == 3)


def test_tls_files_that_cannot_be_read(catalyst, tmp_path):
    done = subprocess.run([catalyst, "serve", "--store", "memory:", "--tls-cert", "none.pem",
                           "--tls-key", "none.pem", "--http-port", "0", "--admin-port", "0"],
                          capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode in (2, 3) and "none.pem" in done.stderr


class Peer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append((self.path, self.headers.get("x-from"), body))
        self.server.times.append(time.monotonic())
        fail = len(self.server.seen) == 1
        self.send_response(503 if fail else 200)
        if fail:
            self.send_header("retry-after", "0")
        self.send_header("content-length", "11")
        self.end_headers()
        self.wfile.write(b'{"ok":true}')

    def log_message(self, *_):
        pass


def test_lua_asks_a_server_and_is_retried(engine):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    server.seen, server.times = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = f"""
local r = http.request{{ method = 'POST', url = 'http://127.0.0.1:{server.server_port}/ask',
                        headers = {{ ['x-from'] = 'lua' }}, body = json_encode({{ n = item.json.body.n }}) }}
if r.status ~= 200 then error('status ' .. r.status) end
return {{ answer = json_decode(r.body).ok, status = r.status }}"""
    e = engine(hook(responseMode="lastNode", wires=["Hook -> Ask"], nodes=[
        {"name": "Ask", "type": "catalyst.code", "retry": {"tries": 3, "first_ms": 10},
         "parameters": {"mode": "runOnceForEachItem", "code": code}}]))
    try:
        assert e.call("POST", "/webhook/in", {"n": 7}).json() == {"answer": True, "status": 200}
        assert server.seen == [("/ask", "lua", b'{"n":7}')] * 2
        assert e.metric("catalyst_node_retried_total", node="Ask") == 1
    finally:
        server.shutdown()


def test_far_retry_leaves_memory_and_comes_back(engine):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    server.seen, server.times = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    e = engine(hook(wires=["Hook -> Ask"], nodes=[
        {"name": "Ask", "type": "catalyst.httpRequest",
         "retry": {"tries": 3, "first_ms": 4000, "jitter": 0},
         "parameters": {"method": "POST", "url": f"http://127.0.0.1:{server.server_port}/ask",
                        "sendBody": True, "specifyBody": "json", "jsonBody": "={{ $json.body }}"}}]),
        flags=["--evict-after", "1s", "--workers", "1"])
    live = lambda: json.loads(e.get("/admin/state")[1])["workers"][0]["live"]  # noqa: E731
    try:
        assert e.call("POST", "/webhook/in", {"n": 7}).status == 202
        until(lambda: len(server.seen) == 1)
        until(lambda: live() == 0)
        assert e.metric("catalyst_node_retried_total", node="Ask") == 1
        until(lambda: len(server.seen) == 2)
        assert server.times[1] - server.times[0] > 3.9
        until(lambda: e.metric("catalyst_executions_total", outcome="success") == 1)
        until(lambda: live() == 0)
        assert [body for _, _, body in server.seen] == [b'{"n":7}'] * 2
    finally:
        server.shutdown()
