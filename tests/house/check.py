#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The house rules that a script can check: who includes whom, which folder owns which library, what
stands at the top level, first lines, forbidden words. Sizes are reported, not judged.

    check.py [ROOT] [--sizes]      exit code 1 and file:line: text for each breach

The rules are the tables below; a change of a rule is a change of core/README.md first.
"""
import fnmatch
import os
import re
import subprocess
import sys
from pathlib import Path

# Rooms on one line do not see each other; a line sees the lines above it.
LEVELS = [["base"], ["json", "loop"], ["http", "expr", "plugin"], ["workflow", "store"], ["engine"],
          ["trigger"], ["worker"], ["admin"], ["main"]]
ROOMS = [room for level in LEVELS for room in level]
BLIND = {"engine": {"loop", "http"}}  # the engine is pure

# Who may include a library's header: patterns of paths under core/ or plugins/.
LIBRARIES = [
    (r"uv\.h|uv/.*", ["core/loop/*", "core/http/*", "core/store/*", "core/trigger/*",
                      "core/worker/*"]),
    (r"libpq-fe\.h|postgres_ext\.h", ["core/store/pg*", "plugins/postgres/*"]),
    (r"sqlite3\.h", ["core/store/sqlite*", "core/store/mem*", "sdk/fake_sql.h"]),
    (r"librdkafka/.*|rdkafka.*\.h", ["core/trigger/kafka*", "plugins/kafka*"]),
    (r"lua\.h|lualib\.h|lauxlib\.h|lua5\.4/.*", ["core/expr/*"]),
    (r"pcre2\.h", ["core/expr/regex*"]),
    (r"jansson\.h", ["core/workflow/*", "core/plugin/*", "core/admin/*", "core/main/*",
                     "plugins/notify/*"]),
    (r"dlfcn\.h", ["core/plugin/*"]),
    (r"curl/.*", ["core/http/*", "plugins/notify/*"]),
    (r"http_parser\.h", ["core/http/*"]),
    (r"openssl/.*", ["core/http/*", "core/store/*", "core/main/cred*", "core/main/seal*",
                       "core/plugin/cred*", "core/expr/hash*", "sdk/include/catalyst/stream.h",
                       "plugins/notify/*"]),
    (r"lz4.*\.h", ["core/store/*"]),
    (r"hs/.*|hs\.h|libpsl\.h", ["plugins/firewall/*"]),
    (r"hiredis/.*|hiredis\.h", ["plugins/redis/*", "plugins/firewall/*"]),
    (r"cmocka\.h", ["sdk/fake_*", "sdk/template/*"]),
]
SYSTEM = set("""assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal
    stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time
    uchar wchar wctype aio byteswap dirent endian execinfo fcntl fnmatch ftw getopt glob grp iconv
    ifaddrs langinfo libgen link malloc mqueue netdb poll pthread pwd regex sched search semaphore
    spawn strings syslog termios unistd utime wordexp sysexits emmintrin tmmintrin smmintrin
    nmmintrin immintrin x86intrin cpuid arm_neon""".split())

TOP = {"CMakeLists.txt", "core", "plugins", "workflows", "sdk", "tests", "examples", "README.md"}

# Hosts of package registries, paths of one machine, and promises instead of work.
FORBIDDEN = [
    (r"\b(?:[a-z0-9-]+\.)*(?:debian|npmjs|pypi|pythonhosted|crates|maven|proxy\.golang)\.(?:org|io)\b"
     r"|\brepo\d*\.maven\b|\bmaven\.apache\.org\b|\bcentral\.sonatype\b", "names a registry host"),
    (r"(?<![\w./}>-])/(?:work|home|root)/\w", "is a path of one machine"),
    (r"\.\./shared\b", "points outside the project"),
    (r"\b(?:TODO|FIXME|XXX)\b", "promises work instead of doing it"),
]
TEXT = {".c", ".h", ".py", ".sh", ".lua", ".sql", ".md", ".txt", ".cmake", ".json", ".xml", ".js",
        ".html", ".css", ".in", ""}
SPDX = "SPDX-License-Identifier: Apache-2.0"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
FILE_LINES, FUNCTION_LINES = 700, 70


def project_files(root):
    """Tracked and new files that git does not ignore; without git all but dot-files and build."""
    try:
        out = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
                             capture_output=True, text=True, check=True).stdout
        return sorted({name for name in out.splitlines() if (root / name).is_file()})
    except (OSError, subprocess.CalledProcessError):
        found = []
        for folder, folders, files in os.walk(root):
            folders[:] = [f for f in folders if f not in (".git", "build", "__pycache__")]
            found += [os.path.relpath(os.path.join(folder, name), root) for name in files]
        return sorted(found)


def room_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "core" and len(parts) > 2 else None


def sees(room, other):
    """May a file of `room` include a header of the room `other`?"""
    level = {name: i for i, names in enumerate(LEVELS) for name in names}
    return room == other or (level[other] < level[room] and other not in BLIND.get(room, ()))


def check_room_include(path, room, header):
    other, name = header.split("/", 1)
    if other not in ROOMS:
        return f'includes "{header}": no such room; the rooms are {" ".join(ROOMS)}'
    if not sees(room, other):
        return f'includes "{header}": {room} may not see {other}'
    if other == room:
        return None
    if name.endswith("_int.h"):
        return f'includes "{header}": a header ending in _int.h stays inside its room'
    if room == "engine" and other == "store" and name != "store.h":
        return f'includes "{header}": of store the engine sees store.h only'
    return None


def check_library_include(path, header):
    for pattern, owners in LIBRARIES:
        if re.fullmatch(pattern, header):
            if not any(fnmatch.fnmatch(path, owner) for owner in owners):
                return f"includes <{header}>: only {', '.join(owners)} may"
            return None
    stem = header[:-2] if header.endswith(".h") else header
    if stem in SYSTEM or re.match(r"(sys|linux|net|netinet|arpa|asm)/", header):
        return None
    return f"includes <{header}>: not in the table of libraries of tests/house/check.py"


def check_include(path, quote, header):
    """A reason, or None when the include is fine. Tests may include what they need."""
    top, parts = path.split("/")[0], path.split("/")
    if top not in ("core", "plugins", "sdk") or "tests" in parts[1:]:
        return None
    if header.startswith("catalyst/"):
        return None
    if quote == "<":
        # Those that serve connections need sockets, one of them TLS; plugin.h itself stands on the
        # C library.
        if (top == "sdk" and parts[1] == "include" and header[:-2] not in SYSTEM and
                parts[-1] not in ("resolve.h", "stream.h")):
            return f"includes <{header}>: the SDK's header stands on the C library alone"
        return check_library_include(path, header)
    if top == "core":
        if "/" not in header:
            return f'includes "{header}": write the room too, "{room_of(path)}/{header}"'
        return check_room_include(path, room_of(path), header)
    first = header.split("/")[0]
    folder = os.path.normpath(os.path.join(os.path.dirname(path), header)).split(os.sep)[:2]
    if "/" in header and (first in ROOMS or (first == ".." and folder != parts[:2])):
        return f'includes "{header}": a plugin sees <catalyst/plugin.h> and its own folder'
    return None


def check_first_line(path, lines):
    if Path(path).suffix not in (".c", ".h", ".py", ".sh", ".sql"):
        return None
    head = lines[:2] if lines and lines[0].startswith("#!") else lines[:1]
    if not any(SPDX in line for line in head):
        return f"does not begin with {SPDX}"
    return None


def functions(lines):
    """(name, first line, length): our format puts both braces of a function in column 0."""
    start = name = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
            for back in range(number - 2, max(number - 12, -1), -1):
                found = re.match(r"[A-Za-z_].*?(\w+)\(", lines[back])
                if found:
                    name = found[1]
                    break
        elif line.startswith("}") and start:
            yield name, start, number - start + 1
            start = None


def check_words(lines):
    for number, line in enumerate(lines, 1):
        for pattern, why in FORBIDDEN:
            found = re.search(pattern, line)
            if found:
                yield number, f"'{found[0]}' {why}"


def check(root):
    """(breaches, sizes): breaches are "file:line: text", sizes (lines, what)."""
    breaches, sizes = [], []
    for path in project_files(root):
        top = path.split("/")[0]
        if top not in TOP and not top.startswith("."):
            breaches.append(f"{path}:1: the top level holds {' '.join(sorted(TOP))} and dot-files")
        if Path(path).suffix not in TEXT or "/corpus/" in path:
            continue
        try:
            lines = (root / path).read_text().splitlines()
        except UnicodeDecodeError:
            continue
        reason = check_first_line(path, lines)
        if reason:
            breaches.append(f"{path}:1: {reason}")
        if path != "tests/house/check.py" and path != "tests/house/test_check.py":
            breaches += [f"{path}:{number}: {why}" for number, why in check_words(lines)]
        if Path(path).suffix not in (".c", ".h"):
            continue
        for number, line in enumerate(lines, 1):
            found = INCLUDE.match(line)
            reason = check_include(path, *found.groups()) if found else None
            if reason:
                breaches.append(f"{path}:{number}: {reason}")
        if len(lines) > FILE_LINES:
            sizes.append((len(lines), f"{path}: {len(lines)} lines"))
        for name, start, length in functions(lines):
            if length > FUNCTION_LINES:
                sizes.append((length, f"{path}:{start}: {name} has {length} lines"))
    return breaches, sizes


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    root = Path(words[0] if words else Path(__file__).resolve().parents[2])
    breaches, sizes = check(root)
    if sizes:
        print(f"worth a second thought (files over {FILE_LINES}, functions over {FUNCTION_LINES}):")
        for _, text in sorted(sizes, reverse=True)[:None if "--sizes" in sys.argv else 20]:
            print(f"  {text}")
    for text in breaches:
        print(text)
    print(f"house: {len(breaches)} breaches" if breaches else "house: in order")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
