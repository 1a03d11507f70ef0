# SPDX-License-Identifier: Apache-2.0
"""How the redis node reaches its server: TLS, local sockets, users, databases."""
import json
import subprocess

import pytest
import servers
from test_nodes import Redis, Workflow


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
    error = node(**at).error("incr", key="n")
    assert error["code"] == "auth" and "certificate required" in error["message"]
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
