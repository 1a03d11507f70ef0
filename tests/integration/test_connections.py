# SPDX-License-Identifier: Apache-2.0
"""How nodes reach their servers: TLS, local sockets, users, databases, time limits; and redis.call()
of Lua steps."""
import json
import os
import pwd
import shutil
import subprocess
import tempfile
import time

import pytest
import servers
from test_nodes import Postgres, Redis, Workflow


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def certificate(folder, name, ca=None, more=""):
    """<name>.pem and <name>.key, signed by `ca` or by itself."""
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-subj",
            f"/CN={name}", *(["-out", f"{name}.csr"] if ca else
                             ["-x509", "-days", "2", "-out", f"{name}.pem"]))
    if ca:
        (folder / "more.cnf").write_text(more)
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey",
                f"{ca}.key", "-CAcreateserial", "-days", "2", "-extfile", "more.cnf", "-out",
                f"{name}.pem")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    certificate(folder, "ca")
    certificate(folder, "other-ca")
    certificate(folder, "server", "ca", "subjectAltName=DNS:localhost,DNS:redis.test,IP:127.0.0.1")
    certificate(folder, "client", "ca")
    return folder


@pytest.fixture
def tls_server(new_server, certificates):
    return new_server("redis", **{
        "tls-port": servers.free_port(), "tls-cert-file": certificates / "server.pem",
        "tls-key-file": certificates / "server.key", "tls-ca-cert-file": certificates / "ca.pem",
        "tls-auth-clients": "optional"})


@pytest.fixture
def node(catalyst, tmp_path):
    def make(**data):
        return Redis(Workflow(catalyst, tmp_path, {"cache": {"type": "redis", "data": {
            name: str(value) for name, value in data.items()}}}))
    return make


def test_tls(node, tls_server, certificates):
    at = {"host": "127.0.0.1", "port": tls_server.settings["tls-port"], "ssl": "true"}
    ca = certificates / "ca.pem"
    assert node(**at, caFile=ca)("set", key="tls", value="x" * 100000) == [{}]
    assert node(**{**at, "host": "localhost"}, caFile=ca).get("tls") == "x" * 100000
    assert node(**at, caFile=ca, serverName="redis.test").get("tls") == "x" * 100000
    assert len(node(**at, caFile=ca)("incr", [{}] * 2000, key="tls-n")) == 2000
    assert node(**at, disableTlsVerification="true")("incr", key="tls-n") == [{"tls-n": 2001}]


@pytest.mark.parametrize("more, says", [
    ({"caFile": "other-ca.pem"}, "certificate"),
    ({}, "certificate"),  # the system's authorities did not sign it
    ({"caFile": "ca.pem", "serverName": "elsewhere.test"}, "ostname mismatch"),
])
def test_tls_verifies(node, tls_server, certificates, more, says):
    more = {name: certificates / value if name == "caFile" else value
            for name, value in more.items()}
    error = node(host="127.0.0.1", port=tls_server.settings["tls-port"], ssl="true",
                 **more).error("info")
    assert error["code"] == "auth" and says in error["message"]


def test_tls_client_certificate(node, new_server, certificates):
    server = new_server("redis", **{
        "tls-port": servers.free_port(), "tls-cert-file": certificates / "server.pem",
        "tls-key-file": certificates / "server.key", "tls-ca-cert-file": certificates / "ca.pem"})
    at = {"host": "127.0.0.1", "port": server.settings["tls-port"], "ssl": "true",
          "caFile": certificates / "ca.pem"}
    own = {"certFile": certificates / "client.pem", "keyFile": certificates / "client.key"}
    assert node(**at, **own)("incr", key="n") == [{"n": 1}]
    # The server says so after the handshake and hangs up: one of the two is seen first.
    assert node(**at).error("incr", key="n")["code"] in ("auth", "connection")
    wrong = node(**at, certFile=certificates / "client.pem", keyFile=certificates / "server.key")
    assert "server.key" in wrong.error("info")["message"]


def test_local_socket(node, redis, unique):
    key = unique("local")
    assert node(path=redis.dir / "redis.sock")("incr", key=key) == [{key: 1}]


def test_user_and_database(node, new_server):
    server = new_server("redis")
    assert server.ask("ACL", "SETUSER", "ann", "on", ">s3cret", "~a*", "+@all") == "+OK"
    ann = {"host": "127.0.0.1", "port": server.port, "user": "ann", "password": "s3cret"}
    assert node(**ann, database=3)("incr", key="a") == [{"a": 1}]
    assert server.ask("EXISTS", "a") == ":0"  # database 0
    assert node(**ann)("incr", key="a") == [{"a": 1}]
    assert node(**ann).error("incr", key="b")["code"] == "auth"
    error = node(**{**ann, "password": "wr0ng"}).error("incr", key="a")
    assert error["code"] == "auth" and "wr0ng" not in json.dumps(error)
    error = node(**ann, database=99).error("incr", key="a")
    assert "DB index is out of range" in error["message"]


# --- PostgreSQL -----------------------------------------------------------------------------------

@pytest.fixture
def tls_postgres(new_server, certificates):
    """A server that takes TLS connections from hosts only; its user must be able to read the key."""
    folder = tempfile.mkdtemp(prefix="catalyst-tls-")
    os.chmod(folder, 0o755)
    for name in ("server.pem", "server.key"):
        shutil.copy(certificates / name, folder)
    if os.geteuid() == 0:
        os.chown(f"{folder}/server.key", pwd.getpwnam("postgres").pw_uid, -1)
    os.chmod(f"{folder}/server.key", 0o600)
    yield new_server("postgres", ssl="on", ssl_cert_file=f"{folder}/server.pem",
                     ssl_key_file=f"{folder}/server.key")
    shutil.rmtree(folder)


def test_postgres_tls(catalyst, tmp_path, tls_postgres, certificates):
    def is_tls(**data):
        return Postgres(catalyst, tmp_path, tls_postgres, **data)(
            "executeQuery", query="SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")

    ca = str(certificates / "ca.pem")
    assert is_tls(ssl="verify-full", caFile=ca, host="localhost") == [{"ssl": True}]
    assert is_tls(ssl="verify-full", caFile=ca) == [{"ssl": True}]  # by address
    assert is_tls(ssl="require") == [{"ssl": True}]
    assert is_tls(ssl="disable") == [{"ssl": False}]
    wrong = Postgres(catalyst, tmp_path, tls_postgres, ssl="verify-full",
                     caFile=str(certificates / "other-ca.pem"))
    error = wrong.error("executeQuery", query="SELECT 1")
    assert error["code"] == "auth" and "certificate verify failed" in error["message"]


def test_postgres_gives_up_slow_statements(catalyst, tmp_path, postgres):
    started = time.monotonic()
    result = Postgres(catalyst, tmp_path, postgres).run(
        "executeQuery", [{"s": 30}, {"s": 0}],
        {"query": "SELECT $1::int AS s FROM pg_sleep($1::int)",
         "options": {"queryReplacement": ["={{ $json.s }}"], "timeout": "1s"}},
        onError="continueErrorOutput", retryOnFail=True, maxTries=2, waitBetweenTries=1)
    good, bad = result["nodes"]["Node"][0]["outputs"]
    assert [item["json"]["s"] for item in good] == [0]
    assert [item["json"]["s"] for item in bad] == [30]
    assert time.monotonic() - started < 25  # nobody waits for the 30 seconds


# --- redis.call() of Lua steps --------------------------------------------------------------------

@pytest.fixture
def script(catalyst, tmp_path, redis):
    workflow = Workflow(catalyst, tmp_path, {"cache": {"type": "redis", "data": {
        "host": "127.0.0.1", "port": str(redis.port)}}})

    class Script:
        node = {"credentials": {"redis": {"name": "cache"}}}

        def __call__(self, code, items=None, mode="runOnceForEachItem"):
            return workflow.items("catalyst.code", {"mode": mode, "code": code}, items, **self.node)

        def error(self, code, node=None):
            return workflow.error("catalyst.code", {"mode": "runOnceForEachItem", "code": code},
                                  [{}], **(self.node if node is None else node))
    return Script()


def test_script_calls(script, unique):
    key = unique("call")
    assert script(f"""
        local k = '{key}'
        return {{
            missing = redis.call('GET', k) == nil,
            set = redis.call('SET', k, 'a\\0b'),
            get = #redis.call('GET', k),
            incr = redis.call('INCRBY', k .. 'n', 9007199254740993),
            push = redis.call('RPUSH', k .. 'l', 1, 2, 3),
            list = redis.call('LRANGE', k .. 'l', 0, -1),
            some = redis.call('MGET', k .. 'n', 'nowhere'),
            eval = redis.call('EVAL', 'return {{1, "x"}}', 0),
        }}""") == [{"missing": True, "set": "OK", "get": 3, "incr": 9007199254740993, "push": 3,
                    "list": ["1", "2", "3"], "some": ["9007199254740993", None],
                    "eval": [1, "x"]}]


def test_script_calls_of_many_items(script, unique):
    key = unique("many")
    given = script(f"item.json.n = redis.call('INCR', '{key}')", [{"i": i} for i in range(2000)])
    assert [item["i"] for item in given] == list(range(2000))
    assert sorted(item["n"] for item in given) == list(range(1, 2001))
    all_at_once = script(f"""
        local sum = 0
        for _, item in ipairs(items) do sum = sum + redis.call('DECR', '{key}') end
        return {{sum = sum, left = redis.call('GET', '{key}')}}""",
                         [{}] * 3, "runOnceForAllItems")
    assert all_at_once == [{"sum": 1999 + 1998 + 1997, "left": "1997"}]


def test_script_errors_are_raised(script, unique):
    key = unique("err")
    assert script(f"""
        redis.call('SET', '{key}', 'x')
        local ok, why = pcall(redis.call, 'INCR', '{key}')
        return {{ok = ok, why = why, still = redis.call('GET', '{key}')}}""")[0]["still"] == "x"
    error = script.error(f"redis.call('SET', '{key}', 'x')\nredis.call('INCR', '{key}')")
    assert "line 2" in error["message"] and "not an integer" in error["message"]
    assert "'multi' is not offered" in script.error("redis.call('multi')")["message"]
    assert "not offered" in script.error(
        "redis.call('XREAD', 'block', 0, 'STREAMS', 's', '$')")["message"]
    error = script.error("redis.call('GET', 'x')", {})
    assert "names no credential of type redis" in error["message"]
    assert "no plugin has a function 'acme.none'" in script.error("call('acme.none', 1)")["message"]


def test_script_waits_for_the_server(catalyst, tmp_path, new_server):
    server = new_server("redis")
    server.stop()
    workflow = Workflow(catalyst, tmp_path, {"cache": {"type": "redis", "data": {
        "host": "127.0.0.1", "port": str(server.port)}}})
    process = workflow.start("catalyst.code", {
        "mode": "runOnceForEachItem", "code": "return {n = redis.call('INCR', 'back')}"}, [{}],
        credentials={"redis": {"name": "cache"}})
    time.sleep(1)
    server.start()
    result = workflow.result(process)
    assert result["status"] == "success", result["error"]
    assert result["nodes"]["Node"][0]["outputs"][0][0]["json"] == {"n": 1}
