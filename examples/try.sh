#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# First contact, one command on a bare Debian 12 as root: installs what it needs, builds, and runs
# Catalyst's main job with nothing beside it: a message goes into an embedded Kafka, through a JSON
# workflow whose state is kept in an embedded store, and its result comes out of Kafka again.
#
#   examples/try.sh           shows one message in and its result out
#   examples/try.sh --keep    the same, and leaves it running until Ctrl-C, to play with
#
# Everything it writes is in a private directory that is removed at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
workflow=workflows/hello.json topic_in=hello.in topic_out=hello.out
message='{"name":"World","amount":41}'

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

step "1. Packages and build"
tests/setup.sh try
cmake -C .cmake/release.cmake -B build/release >/dev/null
ninja -C build/release product | tail -1
catalyst=build/release/bin/catalyst

dir=$(mktemp -d)
engine=
cleanup() {
    [ -z "$engine" ] || kill "$engine" 2>/dev/null || true
    [ -z "$engine" ] || wait "$engine" 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

fail() {
    echo "try: $*; the end of the log:" >&2
    tail -20 "$dir/log" >&2
    exit 1
}

step "2. Start: $catalyst serve --kafka embedded --workflows $workflow"
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
admin=127.0.0.1:$(free_port)
"$catalyst" serve --kafka embedded --workflows "$workflow" --store "sqlite:$dir/catalyst.db" \
    --http-port "$(free_port)" --admin-port "${admin#*:}" >"$dir/log" 2>&1 &
engine=$!
for _ in $(seq 100); do
    kill -0 "$engine" 2>/dev/null || fail "the engine ended"
    curl -fsS "http://$admin/readyz" >/dev/null 2>&1 && break
    sleep 0.1
done
curl -fsS "http://$admin/readyz" >/dev/null || fail "not ready after 10 s"
# The engine's log tells where the embedded broker listens.
broker=$(grep -oE 'embedded kafka [0-9.]+:[0-9]+' "$dir/log" | head -1 | cut -d' ' -f3) && [ -n "$broker" ] ||
    fail "the log does not tell the address of the embedded broker"
echo "Kafka listens on $broker, metrics are at http://$admin/metrics"

step "3. A message goes in, its result comes out"
echo "in   $topic_in:  $message"
echo "$message" | kcat -b "$broker" -t "$topic_in" -P -q
result=$(timeout 20 kcat -b "$broker" -t "$topic_out" -C -o beginning -c 1 -q 2>/dev/null) ||
    fail "nothing came out of $topic_out in 20 s"
echo "out  $topic_out: $result"
echo "and what became of it is in the store:"
"$catalyst" executions list --store "sqlite:$dir/catalyst.db"

step "What to try next"
cat <<EOF
  send your own     echo '{"name":"you"}' | kcat -b $broker -t $topic_in -P      (with --keep)
  watch the results kcat -b $broker -t $topic_out -C                              (with --keep)
  change a step     edit $workflow, then: $catalyst check $workflow
  run it by hand    echo '$message' | $catalyst run $workflow --input -
  see the nodes     $catalyst nodes
  more              examples/, workflows/, README.md; all tests: tests/all.sh
EOF
if [ "${1:-}" = --keep ]; then
    step "Running; Ctrl-C ends it"
    wait "$engine"
fi
