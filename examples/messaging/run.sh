#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The messaging plane, one command on a bare Debian 12 as root: installs what it needs, builds, starts an
# SMSC, the engine with an embedded broker and one file for a store, sends some thousand messages of a few
# tenants and shows what became of them.
#
#   examples/messaging/run.sh                  that
#   examples/messaging/run.sh --keep           and leaves it running until Ctrl-C, to look around
#   examples/messaging/run.sh --messages 500   so many messages; --seed N for others
#   examples/messaging/run.sh --real           on Apache Kafka, PostgreSQL and Redis, private ones
#
# With CATALYST_BUILD in the environment that build is used, and nothing is installed or built.
# Everything it writes is in a private directory that is removed at the end.
set -euo pipefail
cd "$(dirname "$0")/../.."

packages=try
for word in "$@"; do
    [ "$word" != --real ] || packages=test
done
if [ -z "${CATALYST_BUILD:-}" ]; then
    printf '\n\033[1m0. Packages and build\033[0m\n'
    tests/setup.sh "$packages"
    cmake -C .cmake/release.cmake -B build/release >/dev/null
    ninja -C build/release product smsc_sink | tail -1
fi
exec python3 examples/messaging/run.py --build "${CATALYST_BUILD:-build/release}" "$@"
