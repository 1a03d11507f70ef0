# SPDX-License-Identifier: Apache-2.0
"""The commands: what they say, where they say it, and how they end."""
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import pytest

from test_cases import definition

KEY = "0123456789abcdef" * 4
SECRET = "hunter2-very-secret"


@pytest.fixture
def cli(catalyst, tmp_path):
    """cli("list", ...) runs the binary in an empty folder."""
    def run(*words, env=None, stdin=None):
        return subprocess.run([str(catalyst), *map(str, words)], cwd=tmp_path, input=stdin,
                              capture_output=True, text=True, timeout=120,
                              env={**os.environ, **(env or {})})
    return run


@pytest.fixture
def write(tmp_path):
    def one(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
        return name
    return one


@pytest.fixture
def store(tmp_path, cli):
    """A SQLite store with its schema."""
    url = f"sqlite:{tmp_path}/store.db"
    done = cli("migrate", "--store", url)
    if "must begin with" in done.stderr:
        pytest.skip("sqlite: this build has no such store")
    assert done.returncode == 0, done.stderr
    return url


def small(identity="small", **settings):
    return definition({"id": identity, "name": f"The {identity} one", "settings": settings, "nodes": [
        {"name": "Start", "type": "catalyst.manualTrigger"},
        {"name": "Set", "type": "catalyst.set", "parameters": {"assignments": {"assignments": [
            {"name": "x", "type": "number", "value": "={{ $json.n }}"}]}}}],
        "wires": ["Start -> Set"]})


# --- words --------------------------------------------------------------------------------------

def test_no_command_is_wrong_usage(cli):
    done = cli()
    assert done.returncode == 2 and "usage: catalyst COMMAND" in done.stderr and not done.stdout


@pytest.mark.parametrize("words", [("help",), ("--help",), ("-h",)])
def test_help(cli, words):
    done = cli(*words)
    assert done.returncode == 0 and "usage: catalyst COMMAND" in done.stdout and not done.stderr
    for command in ("serve", "run", "check", "deploy", "list", "nodes", "executions", "credentials",
                    "migrate", "version"):
        assert re.search(rf"^  {command}\b", done.stdout, re.M)
        told = cli(command, "--help")
        assert told.returncode == 0 and told.stdout.startswith(f"usage: catalyst {command}")


def test_unknown_command(cli):
    done = cli("srve")
    assert done.returncode == 2 and "did you mean 'serve'?" in done.stderr
    assert "'catalyst help'" in cli("zzzzzzzz").stderr


def test_version(cli):
    for words in (("version",), ("--version",)):
        done = cli(*words)
        assert done.returncode == 0
        assert re.fullmatch(r"catalyst \d+\.\d+\.\d+ \(plugin SDK \d+\.\d+, ABI \d+\)\n", done.stdout)


# --- settings -----------------------------------------------------------------------------------

def test_unknown_flag_names_the_nearest(cli):
    done = cli("list", "--stor", "memory:")
    assert done.returncode == 2 and "did you mean '--store'?" in done.stderr


def test_unknown_environment_names_the_nearest(cli):
    done = cli("list", env={"CATALYST_STOER": "memory:"})
    assert done.returncode == 2
    assert "environment: unknown setting 'stoer'; did you mean 'store'?" in done.stderr


def test_unknown_name_in_a_file(cli, write):
    done = cli("list", "--config", write("c.json", {"workerz": 1}))
    assert done.returncode == 2
    assert "c.json: unknown setting 'workerz'; did you mean 'workers'?" in done.stderr


def test_a_broken_file_is_told_with_its_place(cli, write):
    done = cli("list", "--config", write("c.json", '{\n "store": }'))
    assert done.returncode == 2 and re.search(r"c\.json:2:\d+: ", done.stderr)


@pytest.mark.parametrize("words,text", [
    (["--workers", "many"], "'workers' must be a number"),
    (["--workers", "1000"], "from 0 to 256"),
    (["--http-body", "big"], "64k"),
    (["--drain", "soon"], "20s"),
    (["--migrate=maybe"], "true or false"),
    (["--log-level", "loud"], "debug, info, warn"),
    (["--log-format", "xml"], "auto, text or json"),
    (["--store"], "needs a value"),
])
def test_wrong_values(cli, words, text):
    done = cli("list", *words)
    assert done.returncode == 2 and text in done.stderr


def test_flags_win_over_environment_over_file(cli, write):
    write("catalyst.json", {"store": "file:", "drain": "1s"})
    assert "store: the URL" in cli("list").stderr
    assert cli("list", env={"CATALYST_STORE": "memory:"}).returncode == 0
    assert cli("list", "--store", "memory:", env={"CATALYST_STORE": "x:"}).returncode == 0


def test_settings_are_documented(cli):
    text = cli("help", "settings").stdout
    docs = cli("help", "settings", "--docs").stdout
    for name in ("store", "kafka", "http-port", "workers", "credentials-key", "lua-memory"):
        assert f"--{name} " in text
        assert f"CATALYST_{name.upper().replace('-', '_')}" in docs
    page = Path(__file__).resolve().parents[2] / "core" / "main" / "README.md"
    assert page.read_text() == docs, f"{page} is stale: build the target docs"


@pytest.mark.parametrize("content,text", [
    ({"store": 5}, "'store' must be a text"), ({"workers": 1.5}, "'workers' must be a whole number"),
    ({"workers": True}, "'workers' must be a whole number"),
    ({"migrate": 1}, "'migrate' must be true or false"),
    ({"plugins": {}}, "'plugins' must be a text or a list of texts"),
    ({"plugins": [1]}, "'plugins' must be a list of texts"),
    ({"http-body": None}, "'http-body' must be a number of bytes"), ([1], "must be a JSON object"),
])
def test_wrong_types_in_a_file(cli, write, content, text):
    done = cli("list", "--config", write("c.json", content))
    assert done.returncode == 2 and f"c.json: {text}" in done.stderr


def test_a_settings_file_that_cannot_be_read(cli, tmp_path):
    (tmp_path / "folder").mkdir()
    for name, text in (("nowhere.json", "settings: nowhere.json: No such file or directory"),
                       ("folder", "settings: folder: is a folder")):
        for done in (cli("list", "--config", name), cli("list", env={"CATALYST_CONFIG": name})):
            assert done.returncode == 2 and done.stderr == f"catalyst: {text}\n"


@pytest.mark.parametrize("words,text", [
    (["run", "f.json", "--ouput", "json"], "unknown flag '--ouput'; did you mean '--output'?"),
    (["run", "f.json", "--input"], "--input is given twice, or its value is missing"),
    (["run", "--inptu"], "did you mean '--input'?"),
    (["check", "f.json", "--plann"], "did you mean '--plan'?"),
    (["nodes", "--shema"], "did you mean '--schema'?"),
    (["nodes", "--schema", "--docs"], "choose one of --schema and --docs"),
    (["nodes", "if", "set"], "unexpected word 'set'"),
    (["migrate", "--chek"], "did you mean '--check'?"),
    (["deploy", "f.json", "--stor", "x"], "did you mean '--store'?"),
    (["activate", "--stor", "x"], "did you mean '--store'?"),
    (["executions", "list", "--limt", "3", "--store", "memory:"], "did you mean '--limit'?"),
    (["credentials", "list", "more", "--store", "memory:"], "unexpected word 'more'"),
    (["help", "settings", "--doc"], "did you mean '--docs'?"),
    (["help", "list", "more"], "unexpected word 'more'"),
    (["--store", "memory:", "list"], "the command comes first"),
    (["hepl"], "did you mean 'help'?"),
])
def test_misspelt_words(cli, words, text):
    done = cli(*words)
    assert done.returncode == 2 and text in done.stderr and not done.stdout


@pytest.mark.parametrize("words", [["list", "--store", "memory:"], ["nodes"], ["help"], ["version"]])
def test_a_full_disk_under_the_output_is_a_failure(catalyst, words):
    with open("/dev/full", "w") as full:
        done = subprocess.run([catalyst, *words], stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=120)
    assert done.returncode == 1
    assert "standard output cannot be written: No space left on device" in done.stderr


# --- check --------------------------------------------------------------------------------------

def test_check_finds_everything_with_place_and_suggestion(cli, write):
    flow = small()
    flow["nodes"][1]["type"] = "catalyst.sett"
    flow["nodes"].append({"id": "i", "name": "If", "type": "catalyst.if", "typeVersion": 1,
                          "position": [0, 0], "parameters": {"condtions": {}}})
    flow["nodes"].append({"id": "l", "name": "Limit", "type": "catalyst.limit", "typeVersion": 1,
                          "position": [0, 0], "parameters": {"maxItems": "many", "keep": "frist"}})
    flow["connections"]["Start"]["main"][0].append({"node": "Sett", "type": "main", "index": 0})
    done = cli("check", write("bad.json", flow))
    assert done.returncode == 1 and not done.stdout
    for place, text in ((r"\d+:\d+", "did you mean 'catalyst.set'?"),
                        (r"\d+:\d+", "did you mean 'conditions'?"),
                        (r"\d+:\d+", "maxItems"),
                        (r"\d+:\d+", "must be one of 'firstItems', 'lastItems', got \"frist\""),
                        (r"\d+:\d+", "did you mean 'Set'?")):
        assert re.search(rf"^bad\.json:{place}: error: .*{re.escape(text)}", done.stderr, re.M), \
            f"{text}\n{done.stderr}"


def test_check_points_at_the_line(cli, write):
    text = json.dumps(small(), indent=1)
    line = next(i for i, row in enumerate(text.splitlines(), 1) if '"catalyst.set"' in row)
    done = cli("check", write("bad.json", text.replace('"catalyst.set"', '"catalyst.sett"')))
    assert f"bad.json:{line}:" in done.stderr


@pytest.mark.parametrize("content,text", [
    ("{", "bad.json:1:"), ("[]", "object"), ("", "bad.json:1:1"), ('{"nodes": 1}', "nodes"),
    ('{"name": "\\ud800"}', "bad.json:1:"),
])
def test_check_of_what_is_no_workflow(cli, write, content, text):
    done = cli("check", write("bad.json", content))
    assert done.returncode == 1 and text in done.stderr


def test_check_cycle_port_credential(cli, write):
    flow = definition({"nodes": [
        {"name": "Start", "type": "catalyst.manualTrigger"},
        {"name": "A", "type": "catalyst.noOp"}, {"name": "B", "type": "catalyst.noOp"},
        {"name": "K", "type": "catalyst.kafkaTrigger", "parameters": {"topic": "t"},
         "credentials": {"kafka": {"name": "nowhere"}}}],
        "wires": ["Start -> A", "A -> B", "B -> A", "K:3 -> A"]})
    done = cli("check", write("bad.json", flow))
    assert done.returncode == 1
    for text in ("'A'", "no output 3", "there is no credential 'nowhere'"):
        assert text in done.stderr, done.stderr


def test_check_of_good_files_and_folders(cli, write, tmp_path):
    (tmp_path / "flows").mkdir()
    write("flows/b.json", small("b"))
    write("flows/a.json", small("a"))
    done = cli("check", "flows")
    assert done.returncode == 0
    assert done.stdout == "flows/a.json: ok, 2 nodes\nflows/b.json: ok, 2 nodes\n"
    assert "Set" in cli("check", "flows/a.json", "--plan").stdout
    assert cli("check", "-", stdin=json.dumps(small())).stdout == "-: ok, 2 nodes\n"
    assert "-:1:1: error" in cli("check", "-", stdin="").stderr
    assert cli("check").returncode == 2
    assert cli("check", "nowhere.json").returncode == 1


@pytest.mark.parametrize("command", ["check", "deploy"])
def test_a_folder_without_workflows_is_the_wrong_one(cli, write, tmp_path, command):
    (tmp_path / "empty").mkdir()
    write("f.json", small())
    done = cli(command, "f.json", "empty", "--store", "memory:")
    assert done.returncode == 1 and "empty: this folder holds no *.json files" in done.stderr


@pytest.fixture
def stranger(catalyst):
    """stranger(folder, "check", ...) runs the binary as somebody who may not read everything."""
    folder = Path(tempfile.mkdtemp(prefix="catalyst-cli-"))
    folder.chmod(0o755)
    as_root = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}

    def run(*words):
        try:
            return subprocess.run([str(catalyst), *words], cwd=folder, capture_output=True,
                                  text=True, timeout=120, **as_root)
        except PermissionError:
            pytest.skip(f"{catalyst} is out of reach for another user")
    run.folder = folder
    yield run
    for path in folder.iterdir():
        path.chmod(0o700)
    shutil.rmtree(folder)


def test_what_may_not_be_read_is_told(stranger):
    (stranger.folder / "flows").mkdir(mode=0o000)
    (stranger.folder / "f.json").write_text(json.dumps(small()))
    (stranger.folder / "f.json").chmod(0o000)
    (stranger.folder / "catalyst.key").write_text(KEY)
    (stranger.folder / "catalyst.key").chmod(0o000)
    for words, code, text in (
            (("check", "flows"), 1, "flows: Permission denied"),
            (("check", "f.json"), 1, "f.json: Permission denied"),
            (("run", "f.json"), 1, "f.json: Permission denied"),
            (("list", "--config", "f.json"), 2, "settings: f.json: Permission denied"),
            (("nodes", "--plugins", "flows"), 2, "plugins: folder 'flows': Permission denied"),
            (("serve", "--workflows", "flows", "--store", "memory:"), 2,
             "workflows: flows: Permission denied"),
            (("serve", "--credentials-key", "catalyst.key", "--store", "memory:"), 2,
             "credentials-key: catalyst.key: Permission denied"),
            (("list", "--store", "sqlite:flows/x.db"), 2, "open flows/x.db: Permission denied")):
        done = stranger(*words)
        assert (done.returncode, text in done.stderr) == (code, True), (words, done.stderr)


def test_check_warns_of_variables_that_no_setting_allows(cli, write):
    flow = small()
    flow["nodes"][1]["parameters"]["assignments"]["assignments"] = [
        {"id": str(i), "name": f"x{i}", "type": "string", "value": value} for i, value in enumerate([
            "={{ $env.HOME }}", "=a {{ $env['SHELL'] + 1 }} {{ $env?.PATH ?? 2 }}",
            "=$env.TEXT {{ '$env.QUOTED' }} {{ $env[$json.name] }} {{ $json.$env.FIELD }}"])]
    path = write("f.json", flow)
    done = cli("check", path, "--env-allow", "PATH")
    assert done.returncode == 0 and ": ok" in done.stdout
    for name in ("HOME", "SHELL"):
        assert re.search(rf"^f\.json:\d+:\d+: warning: .*\$env\.{name} is null: the setting env-allow "
                         rf"does not name it \(--env-allow {name}\)", done.stderr, re.M), done.stderr
    assert done.stderr.count("env-allow does") == 2, done.stderr
    many = [word for name in ("HOME", "SHELL", "PATH") for word in ("--env-allow", name)]
    assert cli("check", path, *many).stderr == ""


def test_check_suggests_the_name_that_is_part_of_the_wrong_one(cli, write):
    flow = small()
    flow["nodes"][1] = {**flow["nodes"][1], "type": "catalyst.code", "parameters": {"jsCode": "x"}}
    assert "did you mean 'code'?" in cli("check", write("f.json", flow)).stderr


# --- run ----------------------------------------------------------------------------------------

def test_run_prints_items(cli, write):
    flow = write("f.json", small())
    done = cli("run", flow, "--input", "-", stdin='[{"n": 1}, {"n": 2}]')
    assert (done.returncode, done.stdout) == (0, '{"x":1}\n{"x":2}\n')
    assert cli("run", flow, "--output", "none").stdout == ""
    write("in.jsonl", '{"n": 3}\n')
    assert cli("run", flow, "--input", "in.jsonl").stdout == '{"x":3}\n'


def test_run_failure(cli, write):
    done = cli("run", write("f.json", small()), "--input", "-", stdin='{"n": "three"}')
    assert done.returncode == 1 and "node 'Set'" in done.stderr and not done.stdout


@pytest.mark.parametrize("words,code,text", [
    (["run"], 2, "name a workflow file"),
    (["run", "f.json", "--output", "xml"], 2, "items, json or none"),
    (["run", "nowhere.json"], 1, "nowhere.json: No such file"),
    (["run", "f.json", "--input", "nowhere"], 2, "nowhere: No such file"),
    (["run", "f.json", "g.json"], 2, "unexpected word 'g.json'"),
])
def test_run_wrong_usage(cli, write, words, code, text):
    write("f.json", small())
    done = cli(*words)
    assert done.returncode == code and text in done.stderr


@pytest.mark.parametrize("binary,text", [
    ({"a": {"data": "aGk="}, "b": {"data": "no base64!"}}, "item 1: binary 'b': 'data' is not base64"),
    ({"a": {"mimeType": "text/plain"}}, "item 1: binary 'a': needs 'data', a text in base64"),
    ({"a": {"data": 5}}, "item 1: binary 'a': needs 'data', a text in base64"),
    ([1], "item 1: 'binary' must be an object, got"),
])
def test_run_refuses_binary_data_that_cannot_be_read(cli, write, binary, text):
    flow = write("f.json", small())
    items = [{"json": {"n": 1}}, {"json": {"n": 2}, "binary": binary}]
    done = cli("run", flow, "--input", "-", stdin=json.dumps(items))
    assert done.returncode == 2 and not done.stdout
    assert f"catalyst: input: {text}" in done.stderr, done.stderr
    good = [{"json": {"n": 1}, "binary": {"a": {"data": "aGk="}}}]
    assert cli("run", flow, "--input", "-", stdin=json.dumps(good)).returncode == 0


# --- nodes --------------------------------------------------------------------------------------

def test_nodes_lists_types(cli):
    done = cli("nodes")
    assert done.returncode == 0
    for name in ("if", "switch", "set", "code", "merge", "kafkaTrigger", "kafka"):
        assert re.search(rf"^catalyst\.{name} ", done.stdout, re.M)


def test_nodes_schema_is_json_schema(cli):
    whole = json.loads(cli("nodes", "--schema").stdout)
    assert "json-schema.org" in whole["$schema"]
    assert any("catalyst.if" in name for name in json.dumps(whole).split('"'))
    for line in cli("nodes").stdout.splitlines():
        one = json.loads(cli("nodes", line.split()[0], "--schema").stdout)
        assert one["type"] == "object", line


def test_nodes_docs(cli):
    done = cli("nodes", "--docs")
    assert done.returncode == 0 and "# " in done.stdout and "catalyst.if" in done.stdout
    assert "catalyst.if" in cli("nodes", "if", "--docs").stdout
    assert "Send each item" in cli("nodes", "catalyst.if").stdout


def test_nodes_unknown(cli):
    done = cli("nodes", "catalyst.iff")
    assert done.returncode == 1 and "did you mean 'catalyst.if'?" in done.stderr


def test_a_broken_plugin_is_named_and_the_others_load(cli, write, tmp_path):
    (tmp_path / "more").mkdir()
    write("more/broken.so", "this is no shared object")
    done = cli("nodes", "--plugins", "more")
    assert done.returncode == 0 and "catalyst.if" in done.stdout
    assert "broken.so: is no shared library" in done.stderr
    assert cli("nodes", "--plugins", "nowhere").returncode == 2


# --- credentials --------------------------------------------------------------------------------

def no_secret(done, *secrets):
    for secret in secrets:
        assert secret not in done.stdout + done.stderr


def test_credentials(cli, store, tmp_path):
    key = ("--store", store, "--credentials-key", KEY)
    done = cli("credentials", "set", "cluster", "kafka", f"password={SECRET}", "brokers=b:9092", *key)
    assert done.returncode == 0, done.stderr
    no_secret(done, SECRET, KEY)
    listed = cli("credentials", "list", "--store", store)
    assert re.search(r"^cluster +kafka$", listed.stdout, re.M)
    no_secret(listed, SECRET)
    for file in tmp_path.iterdir():
        assert SECRET.encode() not in file.read_bytes(), file
    assert cli("credentials", "delete", "cluster", "--store", store).returncode == 0
    assert "none yet" in cli("credentials", "list", "--store", store).stdout


def test_credentials_wrong(cli, store, write):
    write("bad.key", "no key at all")
    key = ("--store", store, "--credentials-key", KEY)
    for words, text in (
            (("set", "c", "kafka", "pasword=x", *key), "did you mean 'password'?"),
            (("set", "c", "kafkaa", "password=x", *key), "no plugin knows the type 'kafkaa'"),
            (("set", "c", "kafka", "password", *key), "is not FIELD=VALUE"),
            (("set", "c", "kafka", "password=x", "--store", store), "credentials-key is not set"),
            (("set", "c", *key), "NAME TYPE FIELD=VALUE"),
            (("set", "c", "kafka", "a=b", "--store", store, "--credentials-key", "short"), "64 hex"),
            (("set", "c", "kafka", "a=b", "--store", store, "--credentials-key", "no.key"),
             "no.key: No such file or directory; it must be 64 hex digits or a file"),
            (("set", "c", "kafka", "a=b", "--store", store, "--credentials-key", "bad.key"),
             "bad.key holds no key: 64 hex digits, as 'openssl rand -hex 32' makes them"),
            (("set", "c", "kafka", "a=b", "--store", store, "--credentials-key", KEY[:-1]), "64 hex"),
            (("steal", *key), "none of set, list, delete")):
        done = cli("credentials", *words)
        assert done.returncode in (1, 2) and text in done.stderr, (words, done.stderr)
        no_secret(done, KEY, KEY[:-1])


@pytest.mark.parametrize("kind,data,text", [
    ("redis", {"port": "abc"}, "field 'port': must be a whole number, got \"abc\""),
    ("redis", {"port": "70000"}, "field 'port': must be between 1 and 65535, got \"70000\""),
    ("redis", {"ssl": "on"}, "field 'ssl': must be true or false, got \"on\""),
    ("redis", {"host": ["a"]}, "field 'host': must be text, got an array"),
    ("kafka", {"protocol": "bogus"}, "field 'protocol': must be one of 'plaintext', 'ssl'"),
    ("kafka", {"protocol": "sasl_tls"}, "did you mean 'sasl_ssl'?"),
    ("postgres", {"ssl": "always"}, "field 'ssl': must be one of 'disable', 'allow'"),
    ("httpBearerAuth", {"token": 5}, "field 'token': must be text, got a number"),
    ("httpBearerAuth", {"token": None}, "field 'token' is missing"),
    ("httpBearerAuth", {"token": ""}, "field 'token' is missing"),
    ("reddis", {"port": 1}, "no plugin knows the type 'reddis'; did you mean 'redis'?"),
])
def test_a_wrong_credential_does_not_take_the_place_of_a_good_one(cli, store, kind, data, text):
    at = ("--store", store, "--credentials-key", KEY)
    good = {"redis": {"port": 6380, "ssl": True}, "kafka": {"protocol": "ssl"},
            "postgres": {"port": "5433", "ssl": None}}.get(kind, {"token": "a good one"})
    known = kind if kind != "reddis" else "httpBearerAuth"
    done = cli("credentials", "set", "c", known, "-", *at, stdin=json.dumps(good))
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(store.removeprefix("sqlite:")) as db:
        before = db.execute("SELECT * FROM credential").fetchall()
        assert len(before) == 1
    done = cli("credentials", "set", "c", kind, "-", *at, stdin=json.dumps(data))
    assert done.returncode == 1 and "credential 'c': " in done.stderr, done.stderr
    assert text in done.stderr, done.stderr
    with sqlite3.connect(store.removeprefix("sqlite:")) as db:
        assert db.execute("SELECT * FROM credential").fetchall() == before


def test_credentials_of_file_and_environment(cli, write):
    flow = small()
    flow["nodes"].append({"id": "k", "name": "K", "type": "catalyst.kafkaTrigger", "typeVersion": 1,
                          "position": [0, 0], "parameters": {"topic": "t"},
                          "credentials": {"kafka": {"name": "mine"}}})
    flow["connections"]["K"] = {"main": [[{"node": "Set", "type": "main", "index": 0}]]}
    path = write("f.json", flow)
    one = {"type": "kafka", "data": {"password": SECRET}}
    assert cli("check", path).returncode == 1
    given = cli("check", path, "--credentials", write("creds.json", {"mine": one}))
    assert given.returncode == 0, given.stderr
    given = cli("check", path, env={"CATALYST_CREDENTIAL_MINE": json.dumps(one)})
    assert given.returncode == 0, given.stderr
    wrong = cli("check", path, env={"CATALYST_CREDENTIAL_MINE": json.dumps(one)[:-4]})
    assert wrong.returncode == 2 and "environment: credential 'mine'" in wrong.stderr
    no_secret(wrong, SECRET)
    near = cli("check", path, env={"CATALYST_CREDENTIAL_MIN": json.dumps(one)})
    assert "did you mean 'min'?" in near.stderr


# --- the store ----------------------------------------------------------------------------------

def test_deploy_list_activate(cli, store, write):
    at = ("--store", store)
    done = cli("deploy", write("f.json", small()), *at)
    assert done.returncode == 0, done.stderr
    assert "version 1 is active" in done.stdout
    assert "version 1" in cli("deploy", "f.json", *at).stdout  # the same text: no new version
    assert "version 2" in cli("deploy", write("f.json", small(maxNodeRuns=50)), *at).stdout
    listed = cli("list", *at)
    assert re.search(r"^small +active +2 .*The small one$", listed.stdout, re.M), listed.stdout
    assert cli("deactivate", "small", *at).returncode == 0
    assert re.search(r"^small +- +2 ", cli("list", *at).stdout, re.M)
    assert cli("activate", "small", *at).returncode == 0
    done = cli("activate", "smal", *at)
    assert done.returncode == 1 and "no workflow 'smal'; did you mean 'small'?" in done.stderr
    assert "did you mean 'small'?" in cli("activate", "The small one", *at).stderr  # its name
    assert "'catalyst list' shows all" in cli("deactivate", "otherwise", *at).stderr
    for known in ("small", "The small one"):
        done = cli("executions", "list", "--workflow", known, *at)
        assert (done.returncode, done.stdout) == (0, "(none)\n")
    done = cli("executions", "list", "--workflow", "smlal", *at)
    assert done.returncode == 1 and "did you mean 'small'?" in done.stderr and not done.stdout


def test_deploy_refuses_mistakes(cli, store, write):
    flow = small()
    flow["nodes"][1]["type"] = "catalyst.nothing"
    done = cli("deploy", write("f.json", flow), "--store", store)
    assert done.returncode == 1 and "f.json:" in done.stderr
    assert "none yet" in cli("list", "--store", store).stdout


def test_executions_of_an_empty_store(cli, store):
    at = ("--store", store)
    assert cli("executions", "list", *at).stdout == "(none)\n"
    for words, code in ((("show", "1-0-1"), 1), (("show", "x"), 2), (("retry", "1-0-1"), 1),
                        (("list", "--status", "odd"), 2), (("list", "--limit", "0"), 2),
                        (("list", "--limit", "-1"), 2), (("list", "--limit", "5x"), 2),
                        (("show",), 2), (("forget",), 2)):
        done = cli("executions", *words, *at)
        assert done.returncode == code and done.stderr, words


def test_lists_have_a_head_on_a_terminal(catalyst, store):
    """`executions list` as `list`; a script reads its lines alone."""
    for words in (["executions", "list"], ["list"]):
        ours, theirs = os.openpty()
        done = subprocess.run([catalyst, *words, "--store", store], stdout=theirs, timeout=120)
        os.close(theirs)
        shown = os.read(ours, 4096).decode()
        os.close(ours)
        assert done.returncode == 0 and re.match(r"ID +STAT.*\r\n", shown), shown


def test_migrate(cli, store, tmp_path):
    done = cli("migrate", "--store", store)
    assert done.returncode == 0 and re.search(r"schema is at (\d+) of \1", done.stdout)
    assert cli("migrate", "--check", "--store", store).returncode == 0
    fresh = cli("migrate", "--check", "--store", f"sqlite:{tmp_path}/fresh.db")
    assert fresh.returncode in (1, 3), fresh.stdout


def test_a_store_of_a_newer_catalyst(cli, store):
    with sqlite3.connect(store.removeprefix("sqlite:")) as db:
        db.execute("INSERT INTO schema_version (version, name) VALUES (1000, 'future')")
    for words in (["list"], ["migrate"], ["migrate", "--check"], ["serve"], ["executions"],
                  ["credentials"]):
        done = cli(*words, "--store", store)
        assert done.returncode == 3, words
        assert re.search(r"schema is at version 1000, newer than the \d+ .*start a newer catalyst",
                         done.stderr)


def test_a_store_that_is_behind(cli, store):
    with sqlite3.connect(store.removeprefix("sqlite:")) as db:
        db.execute("DELETE FROM schema_version")
    done = cli("migrate", "--check", "--store", store)
    assert done.returncode == 1 and "run `catalyst migrate`" in done.stderr
    done = cli("list", "--migrate=false", "--store", store)
    assert done.returncode == 3 and "run `catalyst migrate`" in done.stderr


@pytest.mark.parametrize("command", ["list", "serve", "migrate"])
@pytest.mark.parametrize("path,code,text", [
    ("nowhere/x.db", 2, "open nowhere/x.db: its folder does not exist"),
    ("folder", 2, "open folder: is a folder; the path of a file is needed"),
    ("/", 2, "open /: is a folder; the path of a file is needed"),
    ("junk.db", 3, "junk.db: file is not a database"),
])
def test_a_path_that_is_no_store(cli, write, tmp_path, command, path, code, text):
    (tmp_path / "folder").mkdir()
    write("junk.db", "this is text and no database at all " * 50)
    done = cli(command, "--store", f"sqlite:{path}")
    assert done.returncode == code and f"catalyst: store: {text}" in done.stderr


@pytest.fixture
def full_disk(tmp_path):
    """A file system on which nothing fits any more."""
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if not mounted or mounted.returncode != 0:
        pytest.skip("a file system of its own cannot be had here")
    try:
        (folder / "fill").write_bytes(b"x" * 65536)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_under_the_store(cli, write, full_disk):
    write("f.json", small())
    for words in (["list"], ["migrate"], ["deploy", "f.json"]):
        done = cli(*words, "--store", f"sqlite:{full_disk}/x.db")
        assert done.returncode == 3 and re.search(r"x\.db: .*(full|No space)", done.stderr), words


@pytest.mark.parametrize("url", ["postgresql://catalyst@127.0.0.1:1/nowhere",
                                 "sqlite:/nowhere/at/all.db"])
def test_a_store_that_cannot_be_had(cli, url):
    done = cli("list", "--store", url)
    assert done.returncode in (2, 3) and "store" in done.stderr


@pytest.mark.parametrize("command", ["list", "serve", "migrate"])
def test_an_unknown_kind_of_store(cli, command):
    done = cli(command, "--store", "mysql://x")
    assert done.returncode == 2 and "postgresql://" in done.stderr
    done = cli(command, "--store", "sqlite:")
    assert done.returncode == 2 and "needs the path of a file" in done.stderr


# --- serve that cannot start --------------------------------------------------------------------

@pytest.mark.parametrize("words,code,text", [
    (["--workflows", "nowhere.json"], 2, "workflows: nowhere.json: No such file or directory"),
    (["--vars", "nowhere.json"], 2, "vars: nowhere.json: No such file or directory"),
    (["--vars", "list.json"], 2, "vars: list.json: must be a JSON object"),
    (["--credentials", "nowhere.json"], 2, "credentials: nowhere.json: No such file or directory"),
    (["--plugins", "nowhere"], 2, "plugins: folder 'nowhere': No such file or directory"),
    (["--lua-dir", "nowhere"], 2, "lua-dir: nowhere: there is no such folder"),
    (["--tls-cert", "nowhere.pem"], 2, "tls-cert: nowhere.pem: No such file or directory"),
    (["--tls-key", "list.json"], 2, "tls-key: is of no use without tls-cert"),
    (["--http-address", "nonsense"], 2, "http-port, http-address: http: listen on nonsense:"),
    (["--http-port", "70000"], 2, "'http-port' must be from -1 to 65535, got 70000"),
    (["--kafka", "embedded", "--kafka-property", "x"], 2, "\"x\" is not NAME=VALUE"),
    (["more"], 2, "unexpected word 'more'"),
])
def test_serve_with_wrong_settings(cli, write, words, code, text):
    write("list.json", [])
    done = cli("serve", "--store", "memory:", "--admin-port", "0", *words)
    assert done.returncode == code and text in done.stderr, done.stderr


@pytest.mark.parametrize("flag,other", [("http-port", "admin-port"), ("admin-port", "http-port")])
def test_serve_names_the_port_that_is_taken(cli, flag, other):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = cli("serve", "--store", "memory:", f"--{flag}", port, f"--{other}", 0)
    assert done.returncode == 3
    assert re.search(rf"^catalyst: {flag}, .*127\.0\.0\.1:{port}: address already in use",
                     done.stderr, re.M)
