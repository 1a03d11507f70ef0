# SPDX-License-Identifier: Apache-2.0
"""Nodes that talk to servers, run by the binary against real ones."""
import http.server
import json
import subprocess
import threading
import time

import pytest

TRIGGER = {"id": "t", "name": "Start", "type": "catalyst.manualTrigger", "parameters": {}}


class Workflow:
    """Start -> Node, run once by `catalyst run`."""

    def __init__(self, catalyst, folder, credentials=None):
        self.catalyst, self.folder = catalyst, folder
        self.credentials = folder / "credentials.json"
        self.credentials.write_text(json.dumps(credentials or {}))

    def start(self, type_, parameters, items=None, **node):
        definition = {
            "id": "w", "name": "w", "settings": {}, "connections": {
                "Start": {"main": [[{"node": "Node", "type": "main", "index": 0}]]}},
            "nodes": [TRIGGER, {"id": "n", "name": "Node", "type": type_, "parameters": parameters,
                                **node}]}
        file = self.folder / "workflow.json"
        file.write_text(json.dumps(definition))
        process = subprocess.Popen(
            [self.catalyst, "run", file, "--credentials", self.credentials, "--output", "json",
             "--input", "-"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdin.write(json.dumps(items if items is not None else [{}]))
        process.stdin.close()
        process.stdin = None  # communicate() must not close it again
        return process

    def output(self, process, timeout_s=120):
        """What it said on stdout and on stderr until its end."""
        try:
            return process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"it did not end in {timeout_s} s: {out[-1000:]}\n{err[-3000:]}") from None

    def result(self, process):
        out, err = self.output(process)
        assert out, err
        return json.loads(out)

    def run(self, type_, parameters, items=None, **node):
        return self.result(self.start(type_, parameters, items, **node))

    def items(self, type_, parameters, items=None, **node):
        """What the node gives; the execution must succeed."""
        result = self.run(type_, parameters, items, **node)
        assert result["status"] == "success", result["error"]
        return [item["json"] for item in result["nodes"]["Node"][0]["outputs"][0]]

    def error(self, type_, parameters, items=None, **node):
        result = self.run(type_, parameters, items, **node)
        assert result["status"] == "error", result
        return result["error"]


# --- Redis ----------------------------------------------------------------------------------------

@pytest.fixture
def on_redis(catalyst, tmp_path, redis):
    host, port = "127.0.0.1", redis.port
    workflow = Workflow(catalyst, tmp_path, {
        "cache": {"type": "redis", "data": {"host": host, "port": str(port)}}})
    return Redis(workflow)


class Redis:
    def __init__(self, workflow):
        self.workflow = workflow
        self.node = {"credentials": {"redis": {"name": "cache"}}}

    def __call__(self, operation, items=None, **parameters):
        return self.workflow.items("catalyst.redis", {"operation": operation, **parameters}, items,
                                   **self.node)

    def get(self, key, **more):
        return self("get", key=key, propertyName="v", **more)[0]["v"]

    def error(self, operation, items=None, **parameters):
        return self.workflow.error("catalyst.redis", {"operation": operation, **parameters}, items,
                                   **self.node)


def test_redis_set_and_get(on_redis, unique):
    key = unique("k")
    assert on_redis("set", [{"a": 1}], key=key, value="x") == [{"a": 1}]
    assert on_redis.get(key) == "x"
    assert on_redis("delete", key=key) == [{}]
    assert on_redis.get(key) is None


def test_redis_expires(on_redis, unique):
    key = unique("k")
    on_redis("set", key=key, value="x", expire=True, ttl=1)
    end = time.monotonic() + 60
    while on_redis.get(key) is not None:
        assert time.monotonic() < end, "it does not expire"
    on_redis("set", key=key, value="x", expire=True, ttl=1000)
    assert on_redis.get(key) == "x"


def test_redis_types(on_redis, unique):
    for value, type_ in [({"a": "1", "b": "x"}, "hash"), (["a", "b"], "list")]:
        key = unique("k")
        on_redis("set", key=key, value=value)
        assert on_redis.get(key) == value
        assert on_redis.get(key, keyType=type_) == value
    key = unique("k")
    on_redis("set", key=key, value=["a", "a"], keyType="sets")
    assert on_redis.get(key) == ["a"]
    on_redis("set", key=key, value=["b"], keyType="sets")  # replaces
    assert on_redis.get(key) == ["b"]
    assert "wants an object" in on_redis.error("set", key=key, value="x", keyType="hash")["message"]


def test_redis_counts_in_a_pipeline(on_redis, unique):
    key = unique("k")
    given = on_redis("incr", [{}] * 500, key=key)
    assert [item[key] for item in given] == list(range(1, 501))
    assert on_redis("incr", key=key, expire=True, ttl=100)[0][key] == 501


def test_redis_lists(on_redis, unique):
    key = unique("k")
    on_redis("push", [{"n": 1}, {"n": 2}], list=key, messageData="={{ JSON.stringify($json) }}",
             tail=True)
    assert on_redis("llen", list=key) == [{key: 2}]
    assert on_redis("pop", list=key, propertyName="a.b") == [{"a": {"b": {"n": 1}}}]
    assert on_redis("pop", list=key, propertyName="a.b", options={"dotNotation": False}) == [
        {"a.b": {"n": 2}}]
    assert on_redis("pop", list=key, propertyName="v") == [{"v": None}]


def test_redis_hashes_and_sorted_sets(on_redis, unique):
    key = unique("h")
    on_redis("hset", key=key, field="f", value="1")
    assert on_redis("hget", key=key, field="f", propertyName="v") == [{"v": "1"}]
    assert on_redis("hgetall", key=key, propertyName="v") == [{"v": {"f": "1"}}]
    key = unique("z")
    on_redis("zadd", [{"m": "b", "s": 2.5}, {"m": "a", "s": 1}], key=key, member="={{ $json.m }}",
             score="={{ $json.s }}")
    assert on_redis("zrange", key=key, propertyName="v") == [{"v": ["a", "b"]}]
    assert on_redis("zrange", key=key, propertyName="v", reverse=True, withScores=True) == [
        {"v": [{"member": "b", "score": 2.5}, {"member": "a", "score": 1}]}]


def test_redis_keys_and_info(on_redis, unique):
    prefix = unique("p")
    on_redis("set", key=prefix + ":a", value="1")
    on_redis("set", key=prefix + ":b", value={"x": "y"})
    assert on_redis("keys", keyPattern=prefix + ":*") == [
        {prefix + ":a": "1", prefix + ":b": {"x": "y"}}]
    names = on_redis("keys", keyPattern=prefix + ":*", getValues=False)[0]["keys"]
    assert sorted(names) == [prefix + ":a", prefix + ":b"]
    assert on_redis("info")[0]["redis_mode"] == "standalone"


def test_redis_scripts(on_redis, unique):
    key = unique("k")
    assert on_redis("eval", [{"n": 5}], propertyName="v", keys=[key],
                    script="return redis.call('INCRBY', KEYS[1], ARGV[1])",
                    arguments=["={{ $json.n }}"]) == [{"v": 5}]
    assert on_redis.error("eval", script="return nonsense()")["code"] == "rejected"


def test_redis_one_bad_item_of_many(on_redis, unique):
    key = unique("k")
    on_redis("set", key=key, value={"a": "b"})
    result = on_redis.workflow.run(
        "catalyst.redis", {"operation": "incr", "key": "={{ $json.k }}"},
        [{"k": unique("a")}, {"k": key}, {"k": unique("b")}],
        onError="continueErrorOutput", **on_redis.node)
    good, bad = result["nodes"]["Node"][0]["outputs"]
    assert len(good) == 2 and len(bad) == 1
    assert "WRONGTYPE" in bad[0]["json"]["error"]


def test_redis_by_name(catalyst, tmp_path, redis):
    workflow = Workflow(catalyst, tmp_path, {"cache": {"type": "redis", "data": {
        "host": "localhost", "port": str(redis.port)}}})
    assert Redis(workflow)("info")[0]["tcp_port"] == redis.port


def test_redis_wrong_password(catalyst, tmp_path, redis):
    workflow = Workflow(catalyst, tmp_path, {"cache": {"type": "redis", "data": {
        "host": "127.0.0.1", "port": str(redis.port), "password": "s3cret-word"}}})
    error = Redis(workflow).error("info")
    assert error["code"] == "auth"
    assert "s3cret-word" not in json.dumps(error)


def test_redis_comes_back(catalyst, tmp_path, new_server):
    server = new_server("redis")
    port = server.port
    server.stop()
    workflow = Workflow(catalyst, tmp_path, {"cache": {"type": "redis", "data": {
        "host": "127.0.0.1", "port": str(port)}}})
    process = workflow.start("catalyst.redis", {
        "operation": "incr", "key": "back", "options": {"timeout": "90s"}}, [{}],
                             credentials={"redis": {"name": "cache"}})
    time.sleep(1)
    server.start()
    result = workflow.result(process)
    assert result["status"] == "success", result["error"]


# --- PostgreSQL -----------------------------------------------------------------------------------

class Postgres:
    def __init__(self, catalyst, folder, server, **more):
        self.server = server
        self.workflow = Workflow(catalyst, folder, {"db": {"type": "postgres", "data": {
            "host": "127.0.0.1", "port": str(server.port), "database": "catalyst",
            "user": "catalyst", **more}}})
        self.node = {"credentials": {"postgres": {"name": "db"}}}

    def __call__(self, operation, items=None, **parameters):
        return self.workflow.items("catalyst.postgres", {"operation": operation, **parameters},
                                   items, **self.node)

    def run(self, operation, items=None, parameters=None, **node):
        return self.workflow.run("catalyst.postgres", {"operation": operation, **parameters}, items,
                                 **self.node, **node)

    def error(self, operation, items=None, **parameters):
        return self.workflow.error("catalyst.postgres", {"operation": operation, **parameters},
                                   items, **self.node)

    def table(self, name, columns):
        self.server.psql(f"CREATE TABLE {name} ({columns})")
        return name


@pytest.fixture
def on_postgres(catalyst, tmp_path, postgres):
    return Postgres(catalyst, tmp_path, postgres)


def test_postgres_types(on_postgres):
    row = on_postgres("executeQuery", query="""SELECT true AS b, 7::smallint AS i2, 2147483647 AS i4,
        9007199254740993 AS i8, 1.5::real AS f4, 12345678901234567890.123 AS num, 'x' AS t,
        '{"a": [1]}'::jsonb AS j, null AS n, '2024-02-29'::date AS d, 'NaN'::numeric AS nan,
        '\\x00ff'::bytea AS raw, '2024-02-29 12:00:00.25Z'::timestamptz AS tz,
        '2024-02-29 12:00'::timestamp AS ts, ARRAY[[1, 2], [3, NULL]] AS a,
        ARRAY['x', 'a "b" \\c', NULL] AS ta, ARRAY['{"a": 1}'::jsonb] AS ja""")[0]
    assert row == {"b": True, "i2": 7, "i4": 2147483647, "i8": 9007199254740993, "f4": 1.5,
                   "num": 12345678901234567890.123, "t": "x", "j": {"a": [1]}, "n": None,
                   "d": "2024-02-29", "nan": "NaN", "raw": "\\x00ff",
                   "tz": "2024-02-29T12:00:00.25Z", "ts": "2024-02-29T12:00:00",
                   "a": [[1, 2], [3, None]], "ta": ["x", 'a "b" \\c', None], "ja": [{"a": 1}]}


def test_postgres_bound_parameters(on_postgres):
    injection = "'; DROP TABLE x; --"
    items = [{"a": 1, "b": injection, "c": None, "d": {"k": [True]}}]
    query = "SELECT $1::int + 1 AS a, $2::text AS b, $3::text AS c, $4::jsonb AS d"
    assert on_postgres("executeQuery", items, query=query, options={"queryReplacement": [
        "={{ $json.a }}", "={{ $json.b }}", "={{ $json.c }}", "={{ $json.d }}"]}) == [
        {"a": 2, "b": injection, "c": None, "d": {"k": [True]}}]
    assert on_postgres("executeQuery", query="SELECT $1 || $2 AS ab",
                       options={"queryReplacement": "x, y"}) == [{"ab": "xy"}]


def test_postgres_statements_without_rows(on_postgres, unique):
    table = on_postgres.table(unique("t"), "a int")
    assert on_postgres("executeQuery", query=f"INSERT INTO {table} VALUES (1), (2)") == [
        {"success": True, "rowCount": 2}]
    assert on_postgres("executeQuery", query=f"SELECT * FROM {table} WHERE a > 9") == []


def test_postgres_insert_many(on_postgres, unique):
    table = on_postgres.table(unique("t"), "id serial, n int, s text, j jsonb")
    given = on_postgres("insert", [{"n": i, "s": f"x{i}", "j": {"i": i}} for i in range(1, 1501)],
                        table=table)
    assert [row["n"] for row in given] == list(range(1, 1501))
    assert given[41] == {"id": 42, "n": 42, "s": "x42", "j": {"i": 42}}
    # 1,500 rows in at most a few statements
    count = on_postgres.server.psql(
        f"SELECT count(*), count(DISTINCT xmin::text) FROM {table}").stdout.strip()
    rows, transactions = (int(n) for n in count.split("|"))
    assert rows == 1500 and transactions <= 10


def test_postgres_one_bad_row_of_many(on_postgres, unique):
    table = on_postgres.table(unique("t"), "n int PRIMARY KEY CHECK (n <> 13)")
    result = on_postgres.run("insert", [{"n": i} for i in range(40)], {"table": table},
                             onError="continueErrorOutput")
    assert result["status"] == "success"
    good, bad = result["nodes"]["Node"][0]["outputs"]
    assert sorted(item["json"]["n"] for item in good) == [i for i in range(40) if i != 13]
    assert [item["json"]["n"] for item in bad] == [13]
    assert on_postgres.server.psql(f"SELECT count(*) FROM {table}").stdout.strip() == "39"


def test_postgres_items_of_several_shapes(on_postgres, unique):
    table = on_postgres.table(unique("t"), "a int, b int")
    given = on_postgres("insert", [{"a": 1}, {"b": 2}, {"a": 3, "b": 4}, {"a": 5, "b": 6}],
                        table=table, options={"outputColumns": ["b", "a"]})
    assert given == [{"b": None, "a": 1}, {"b": 2, "a": None}, {"b": 4, "a": 3}, {"b": 6, "a": 5}]


def test_postgres_upsert_update_select_delete(on_postgres, unique):
    table = on_postgres.table(unique("t"), '"Id x" int PRIMARY KEY, n int')
    match = {"mappingMode": "autoMapInputData", "matchingColumns": ["Id x"]}
    on_postgres("upsert", [{"Id x": 1, "n": 1}, {"Id x": 2, "n": 2}], table=table, columns=match)
    given = on_postgres("upsert", [{"Id x": 1, "n": 10}, {"Id x": 1, "n": 11}], table=table,
                        columns=match)  # the same key twice in one frame
    assert given == [{"Id x": 1, "n": 10}, {"Id x": 1, "n": 11}]
    assert on_postgres("update", [{"k": 2}], table=table, columns={
        "mappingMode": "defineBelow", "matchingColumns": ["Id x"],
        "value": {"Id x": "={{ $json.k }}", "n": 20}}) == [{"Id x": 2, "n": 20}]
    assert on_postgres("select", table=table, sort={"values": [
        {"column": "n", "direction": "DESC"}]}, limit=1) == [{"Id x": 2, "n": 20}]
    assert on_postgres("select", [{"n": 15}], table=table, where={"values": [
        {"column": "n", "condition": "<", "value": "={{ $json.n }}"}]}) == [{"Id x": 1, "n": 11}]
    assert on_postgres("deleteTable", table=table, deleteCommand="delete", where={"values": [
        {"column": "n", "condition": ">", "value": 0}, {"column": "n", "condition": "IS NULL"}]},
        combineConditions="OR") == [{"success": True, "rowCount": 2}]


def test_postgres_insert_skips_what_is_there(on_postgres, unique):
    table = on_postgres.table(unique("t"), "n int PRIMARY KEY")
    given = on_postgres("insert", [{"n": 1}, {"n": 1}, {"n": 2}], table=table,
                        options={"skipOnConflict": True})
    assert given == [{"n": 1}, {"n": 2}]


def test_postgres_errors(on_postgres, unique, catalyst, tmp_path, postgres):
    error = on_postgres.error("executeQuery", query="SELECT nonsense")
    assert error["code"] == "rejected" and "42703" in error["message"]
    table = on_postgres.table(unique("t"), "n int NOT NULL")
    assert on_postgres.error("insert", [{"n": None}], table=table)["code"] == "constraint"
    assert on_postgres.error("insert", [{"n": "x"}], table=table)["code"] == "data"
    assert on_postgres.error("insert", [{}], table=table)["code"] == "statement"
    (tmp_path / "other").mkdir()
    wrong = Postgres(catalyst, tmp_path / "other", postgres, database="nowhere")
    assert wrong.error("executeQuery", query="SELECT 1")["code"] == "auth"


def test_postgres_by_name(catalyst, tmp_path, postgres):
    on = Postgres(catalyst, tmp_path, postgres, host="localhost")
    assert on("executeQuery", query="SELECT 1 AS one") == [{"one": 1}]


def test_postgres_comes_back(catalyst, tmp_path, new_server):
    server = new_server("postgres")
    server.stop()
    on = Postgres(catalyst, tmp_path, server)
    process = on.workflow.start("catalyst.postgres", {
        "operation": "executeQuery", "query": "SELECT 1 AS one", "options": {"timeout": "90s"}},
        **on.node)
    time.sleep(1)
    server.start()
    result = on.workflow.result(process)
    assert result["status"] == "success", result["error"]


def test_postgres_lost_answer_is_not_repeated(catalyst, tmp_path, new_server):
    server = new_server("postgres")
    on = Postgres(catalyst, tmp_path, server)
    on.table("t", "n int")
    process = on.workflow.start("catalyst.postgres", {
        "operation": "executeQuery", "query": "INSERT INTO t SELECT 1 FROM pg_sleep(300)"}, **on.node)
    end = time.monotonic() + 60
    while "pg_sleep" not in server.psql("SELECT query FROM pg_stat_activity WHERE state = 'active' "
                                        "AND query LIKE 'INSERT%'").stdout:
        assert time.monotonic() < end, "the statement does not run"
        time.sleep(0.1)
    server.kill()
    result = on.workflow.result(process)
    assert result["status"] == "error" and result["error"]["code"] == "unknown"


# --- HTTP -----------------------------------------------------------------------------------------

class Site(http.server.ThreadingHTTPServer):
    """Answers by the path; remembers what it was asked."""
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Page)
        self.seen = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def asked(self, path):
        return [request for request in self.seen if request["path"].split("?")[0] == path]


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", type_="application/json", **headers):
        self.send_response(status)
        self.send_header("content-type", type_)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        request = {"method": self.command, "path": self.path, "body": body.decode("latin-1"),
                   "headers": {name.lower(): value for name, value in self.headers.items()}}
        self.server.seen.append(request)
        path = self.path.split("?")[0]
        tries = len(self.server.asked(path))
        if path == "/echo":
            self.answer(200, json.dumps(request).encode())
        elif path == "/list":
            self.answer(200, b'[{"a":1},{"a":2}]')
        elif path == "/text":
            self.answer(200, b"hello", "text/plain")
        elif path == "/file":
            self.answer(200, b"\x00\xff", "application/octet-stream")
        elif path == "/moved":
            self.answer(302, location="/list")
        elif path == "/busy":
            self.answer(*((429, b"{}") if tries == 1 else (200, b'{"tries":%d}' % tries)),
                        retry_after="1")
        elif path == "/broken":
            self.answer(503 if tries < 3 else 200, b'{"tries":%d}' % tries)
        elif path == "/gone":
            self.answer(404, b'{"why":"gone"}')
        elif path == "/hang":
            time.sleep(3)
            self.answer(200, b"{}")
        elif path == "/cut":
            self.close_connection = True
            self.connection.close()
        elif path == "/pages":
            page = int(self.path.split("page=")[1])
            self.answer(200, json.dumps({"list": [page] if page < 4 else []}).encode())
        elif path == "/next":
            n = int(self.path.split("n=")[1]) if "n=" in self.path else 1
            self.answer(200, json.dumps({"n": n, "next": f"/next?n={n + 1}" if n < 3 else None})
                        .encode())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_one


@pytest.fixture
def site():
    site = Site()
    yield site
    site.shutdown()


class Http:
    def __init__(self, workflow, site):
        self.workflow, self.site = workflow, site

    def __call__(self, path, items=None, node=None, **parameters):
        return self.workflow.items("catalyst.httpRequest",
                                   {"url": self.site.url + path, **parameters}, items, **node or {})

    def error(self, path, items=None, node=None, **parameters):
        return self.workflow.error("catalyst.httpRequest",
                                   {"url": self.site.url + path, **parameters}, items, **node or {})


@pytest.fixture
def on_http(catalyst, tmp_path, site):
    return Http(Workflow(catalyst, tmp_path, {
        "basic": {"type": "httpBasicAuth", "data": {"user": "ann", "password": "pw"}},
        "bearer": {"type": "httpBearerAuth", "data": {"token": "t0ken"}},
        "header": {"type": "httpHeaderAuth", "data": {"name": "X-Key", "value": "k3y"}}}), site)


def test_http_methods_and_bodies(on_http):
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert on_http("/echo", method=method)[0]["method"] == method
    echo = on_http("/echo", [{"a": [1]}], method="POST", sendBody=True, specifyBody="json",
                   jsonBody={"v": "={{ $json.a }}"})[0]
    assert json.loads(echo["body"]) == {"v": [1]}
    assert echo["headers"]["content-type"] == "application/json"
    echo = on_http("/echo", [{"a": "x y"}], method="POST", sendBody=True,
                   contentType="form-urlencoded", bodyParameters={"parameters": [
                       {"name": "q", "value": "={{ $json.a }}"}]}, sendQuery=True,
                   queryParameters={"parameters": [{"name": "k", "value": "=a{{ $json.a }}"}]})[0]
    assert echo["body"] == "q=x%20y" and echo["path"] == "/echo?k=ax%20y"


def test_http_multipart_with_a_file(on_http):
    items = [{"json": {}, "binary": {"data": {"data": "AP8=", "mimeType": "image/png",
                                              "fileName": "a.png"}}}]
    echo = on_http("/echo", items, method="POST", sendBody=True, contentType="multipart-form-data",
                   bodyParameters={"parameters": [
                       {"parameterType": "formBinaryData", "name": "f", "inputDataFieldName": "data"},
                       {"name": "n", "value": "v"}]})[0]
    assert 'name="f"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n\x00\xff\r\n' in echo["body"]


def test_http_many_items_at_once(on_http):
    start = time.monotonic()
    assert len(on_http("/hang", [{}] * 20)) == 20
    assert time.monotonic() - start < 40  # and not 60, one after the other


def test_http_authentication(on_http):
    def headers(kind, type_):
        return on_http("/echo", authentication="genericCredentialType", genericAuthType=type_,
                       node={"credentials": {type_: {"name": kind}}})[0]["headers"]

    assert headers("basic", "httpBasicAuth")["authorization"] == "Basic YW5uOnB3"
    assert headers("bearer", "httpBearerAuth")["authorization"] == "Bearer t0ken"
    assert headers("header", "httpHeaderAuth")["x-key"] == "k3y"


def test_http_answers(on_http):
    assert on_http("/list") == [{"a": 1}, {"a": 2}]
    assert on_http("/moved") == [{"a": 1}, {"a": 2}]
    assert on_http("/text") == [{"data": "hello"}]
    full = on_http("/gone", options={"response": {"response": {
        "fullResponse": True, "neverError": True}}})[0]
    assert full["statusCode"] == 404 and full["body"] == {"why": "gone"}
    result = on_http.workflow.run("catalyst.httpRequest", {"url": on_http.site.url + "/file"})
    item = result["nodes"]["Node"][0]["outputs"][0][0]
    assert item["binary"]["data"]["data"] == "AP8="


def test_http_errors(on_http):
    error = on_http.error("/gone")
    assert error["code"] == "rejected" and "HTTP 404" in error["message"]
    assert "gone" in error["description"]
    assert on_http.error("/moved", options={"redirect": {"redirect": {
        "followRedirects": False}}})["code"] == "rejected"


def test_http_tries_again(on_http):
    start = time.monotonic()
    assert on_http("/busy") == [{"tries": 2}]
    assert time.monotonic() - start >= 1  # Retry-After
    assert on_http("/broken", method="POST") == [{"tries": 3}]


def test_http_lost_answer(on_http):
    error = on_http.error("/cut", method="POST")
    assert error["code"] == "unknown" and len(on_http.site.asked("/cut")) == 1
    error = on_http.error("/hang", method="POST", options={"timeout": 2000})
    assert error["code"] == "unknown" and len(on_http.site.asked("/hang")) == 1
    on_http.site.seen.clear()
    error = on_http.error("/cut", method="POST", options={"idempotencyHeader": "Idempotency-Key"},
                          node={"retryOnFail": True, "maxTries": 2, "waitBetweenTries": 10})
    assert error["code"] == "transport"
    keys = [request["headers"]["idempotency-key"] for request in on_http.site.asked("/cut")]
    assert len(keys) == 2 and keys[0] == keys[1]


def test_http_pages(on_http):
    number = {"paginationMode": "updateAParameterInEachRequest", "pageParameter": "page",
              "itemsPath": "list"}
    assert [page["list"] for page in on_http(
        "/pages", options={"pagination": {"pagination": number}})] == [[1], [2], [3], []]
    follow = {"paginationMode": "responseContainsNextURL", "nextUrlPath": "next"}
    assert [page["n"] for page in on_http(
        "/next", options={"pagination": {"pagination": follow}})] == [1, 2, 3]
    follow["maxRequests"] = 2
    assert len(on_http("/next", options={"pagination": {"pagination": follow}})) == 2
