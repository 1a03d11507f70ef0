#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages a job needs, as root. Quick, silent and offline when they are there.
#
#   tests/setup.sh build     compiler and libraries
#   tests/setup.sh try       the same and kcat, for examples/try.sh
#   tests/setup.sh test      the same, the real servers, the second compiler; Kafka's jars by Maven
#   tests/setup.sh bench     the same and nginx and wrk as yardsticks
#   tests/setup.sh peer      what test does, and peers and oracles for ctest -L peer (npm, pip)
#
# No service is started and none that runs is touched: tests use private servers of their own.
set -eu
cd "$(dirname "$0")/.."

build="ca-certificates cmake gcc git libc6-dev make ninja-build pkg-config python3
    libcmocka-dev libcurl4-openssl-dev libhiredis-dev libhttp-parser-dev libjansson-dev
    liblua5.4-dev liblz4-dev libpcre2-dev libpq-dev libpsl-dev librdkafka-dev libsqlite3-dev libssl-dev
    libuv1-dev libvectorscan-dev"
try="kcat curl"
test="clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev llvm-14 maven postgresql-15
    libfaketime procps python3-aiosmtpd python3-jsonschema python3-pytest redis-server
    tzdata"
bench="nginx-light wrk"
peer="kannel libsmpp34-dev prometheus prometheus-alertmanager prometheus-blackbox-exporter
    prometheus-elasticsearch-exporter prometheus-node-exporter prometheus-pgbouncer-exporter
    prometheus-postgres-exporter prometheus-redis-exporter tshark"

case ${1:-} in
build) wanted="$build" ;;
try)   wanted="$build $try" ;;
test)  wanted="$build $try $test" ;;
bench) wanted="$build $try $test $bench" ;;
peer)  wanted="$build $try $test $peer" ;;
*)     sed -n '3,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
# Any Java 17 or later will do for Kafka, any npm and pip for the peers.
case $1 in test | bench | peer) command -v java >/dev/null || wanted="$wanted openjdk-17-jre-headless" ;; esac
case $1 in peer)
    command -v npm >/dev/null || wanted="$wanted nodejs npm"
    command -v pip3 >/dev/null || wanted="$wanted python3-pip" ;;
esac

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
    [ "$state" = installed ] || missing="$missing $package"
done

# Debian's scripts ask policy-rc.d before they start a service; 101 is "no".
policy=/usr/sbin/policy-rc.d
log=$(mktemp)
leftovers=$log
trap 'rm -f $leftovers' EXIT
trap 'exit 130' INT TERM
forbid_services() {
    if [ -e "$policy" ]; then return; fi
    leftovers="$log $policy"
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

install_missing() {
    if [ "$(id -u)" != 0 ]; then
        echo "setup: missing packages; run as root: apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    if ! command -v apt-get >/dev/null; then
        echo "setup: this is not Debian; install the equivalents of:$missing" >&2
        exit 1
    fi
    echo "setup: installing $(echo $missing | wc -w) packages:$missing"
    forbid_services
    export DEBIAN_FRONTEND=noninteractive LC_ALL=C
    lock="-o DPkg::Lock::Timeout=600 -o Acquire::Retries=3"
    # The lists may be stale or absent; when there is no network the packages may still be cached.
    apt-get -qq $lock update || echo "setup: apt-get update failed, trying with what is known" >&2
    # shellcheck disable=SC2086
    if ! apt-get -qq -y $lock install --no-install-recommends $missing >"$log" 2>&1; then
        tail -20 "$log" >&2
        echo "setup: apt-get could not install:$missing" >&2
        exit 1
    fi
}

if [ -n "$missing" ]; then
    began=$(date +%s)
    install_missing
    echo "setup: installed in $(($(date +%s) - began)) s"
fi

case $1 in
test | bench | peer)
    # Without the jars the tests that need the broker are skipped by name.
    /usr/bin/python3 tests/servers.py fetch >/dev/null ||
        echo "setup: no Kafka broker; tests that need it will be skipped" >&2 ;;
esac
case $1 in
peer)
    /usr/bin/python3 tests/peers.py fetch ||
        echo "setup: some peers are lacking; their tests will be skipped" >&2 ;;
esac
