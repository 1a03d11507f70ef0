# SPDX-License-Identifier: Apache-2.0
"""Each house rule is broken once here, so that the check is known to see it."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import check  # noqa: E402
import connectors  # noqa: E402

HEAD = "/* SPDX-License-Identifier: Apache-2.0\n * purpose. */\n"


class House(unittest.TestCase):
    def breaches(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return check.check(root)[0]

    def ok(self, path, include):
        self.assertEqual(self.breaches({path: f"{HEAD}#include {include}\n"}), [])

    def bad(self, path, include, why):
        found = self.breaches({path: f"{HEAD}#include {include}\n"})
        self.assertEqual(len(found), 1, found)
        self.assertIn(f"{path}:3: ", found[0])
        self.assertIn(why, found[0])

    def test_order_of_rooms(self):
        self.ok("core/engine/step.c", '"workflow/workflow.h"')
        self.ok("core/engine/step.c", '"engine/engine_int.h"')
        self.ok("core/admin/routes.c", '"worker/worker.h"')
        self.ok("core/store/pg/conn.c", '"store/store_int.h"')
        self.bad("core/workflow/plan.c", '"engine/engine.h"', "workflow may not see engine")
        self.bad("core/json/parse.c", '"loop/loop.h"', "json may not see loop")
        self.bad("core/base/map.c", '"nowhere/x.h"', "no such room")
        self.bad("core/base/map.c", '"map.h"', 'write the room too, "base/map.h"')

    def test_inner_headers_stay_inside(self):
        self.bad("core/engine/step.c", '"workflow/workflow_int.h"', "stays inside")

    def test_engine_is_pure(self):
        self.bad("core/engine/step.c", '"loop/loop.h"', "engine may not see loop")
        self.bad("core/engine/step.c", '"http/http.h"', "engine may not see http")
        self.bad("core/engine/step.c", '"store/other.h"', "store.h only")
        self.bad("core/engine/step.c", "<uv.h>", "core/loop/*")

    def test_libraries_have_one_owner(self):
        self.ok("core/store/pg/conn.c", "<libpq-fe.h>")
        self.ok("core/store/pg_conn.c", "<libpq-fe.h>")
        self.ok("core/trigger/kafka.c", "<librdkafka/rdkafka.h>")
        self.ok("core/http/tls.c", "<openssl/ssl.h>")
        self.ok("plugins/redis/redis.c", "<hiredis/hiredis.h>")
        self.ok("core/base/clock.c", "<sys/types.h>")
        self.bad("core/store/sqlite.c", "<libpq-fe.h>", "core/store/pg*")
        self.bad("core/json/parse.c", "<jansson.h>", "core/workflow/*")
        self.bad("core/engine/step.c", "<lua.h>", "core/expr/*")
        self.bad("core/main/main.c", "<dlfcn.h>", "core/plugin/*")
        self.bad("core/main/main.c", "<zmq.h>", "not in the table")
        self.bad("plugins/set/set.c", "<librdkafka/rdkafka.h>", "plugins/kafka*")

    def test_plugins_see_the_sdk_only(self):
        self.ok("plugins/set/set.c", "<catalyst/plugin.h>")
        self.ok("plugins/set/set.c", '"fields.h"')
        self.ok("plugins/set/tests/test_set.c", '"base/arena.h"')
        self.bad("plugins/set/set.c", '"base/arena.h"', "its own folder")
        self.bad("plugins/set/set.c", '"../if/if.h"', "its own folder")
        self.ok("plugins/set/train/learn.c", '"../model.h"')
        self.bad("plugins/set/train/learn.c", '"../../if/if.h"', "its own folder")

    def test_sdk_stands_alone(self):
        self.ok("sdk/include/catalyst/plugin.h", "<stdint.h>")
        self.bad("sdk/include/catalyst/plugin.h", "<uv.h>", "C library alone")

    def test_top_level(self):
        self.assertEqual(self.breaches({"README.md": "", ".gitignore": "", "tests/a.md": ""}), [])
        self.assertIn("util/a.md:1: the top level", self.breaches({"util/a.md": ""})[0])

    def test_first_line(self):
        self.assertIn("does not begin", self.breaches({"core/base/a.c": "int a;\n"})[0])
        script = "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"
        self.assertEqual(self.breaches({"tests/a.sh": script}), [])

    def test_words(self):
        # A "~" keeps the words out of this file; it is gone before they are checked.
        for text in ("http://deb.deb~ian.org/deb~ian", "https://repo1.ma~ven.org/ma~ven2", "see py~pi.org",
                     "cd /wo~rk/main", "x=/root/thing", "read ../shared/data", "/* TODO: later */"):
            text = text.replace("~", "")
            self.assertEqual(len(self.breaches({"tests/a.md": text})), 1, text)
        for text in ("Debian 12", "a/wo~rk/place", "${HOME}/wo~rk/x", "${x}/root/y", "network"):
            text = text.replace("~", "")
            self.assertEqual(self.breaches({"tests/a.md": text}), [], text)

    def test_function_lengths(self):
        lines = ["static int f(int a,", "             int b)", "{"] + ["    a++;"] * 5 + ["}"]
        self.assertEqual(list(check.functions(lines)), [("f", 3, 7)])


class Connectors(unittest.TestCase):
    def told(self, page, tests):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "tests" / "integration"
            root.mkdir(parents=True)
            (root / "CONNECTORS.md").write_text(page)
            (root / "test_a.py").write_text(tests)
            return connectors.breaches(Path(folder))

    def page(self, without=None, shown="`test_a.py::test_x`"):
        return "\n".join(f"| {connector} | {case} | what | {shown} |" for connector in
                         connectors.CONNECTORS for case in connectors.CASES if case != without)

    def test_every_case_has_a_test_that_is_there(self):
        there = "def test_x(one):\n    pass\n"
        self.assertEqual(self.told(self.page(), there), [])
        self.assertEqual(len(self.told(self.page("throttle"), there)), len(connectors.CONNECTORS))
        self.assertEqual(len(self.told(self.page(), "def test_xy(): pass\n")), 64)
        self.assertEqual(len(self.told(self.page(shown="somewhere"), there)), 64)
        self.assertEqual(len(self.told(self.page() + "\n| sms | happy | x | `test_a.py::test_x` |",
                                       there)), 1)


if __name__ == "__main__":
    unittest.main()
