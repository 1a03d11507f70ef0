#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One command: installs what is needed, builds, and runs every test, those with real servers too.
#
#   tests/all.sh              everything, as CI does
#   tests/all.sh quick        lint and the release build with all its tests
#   tests/all.sh LEG...       some of: lint release asan tsan clang
#
#   lint     format and house rules
#   release  gcc, every test: unit sim scenario abi integration fault fuzz-replay examples
#   asan     gcc with address and undefined behaviour sanitizers: unit sim scenario abi
#   tsan     gcc with the thread sanitizer: loops and workers
#   clang    clang-14 builds everything without a warning
#   peer     not among everything: beside programs that are not ours (Kannel, npm's smpp, tshark,
#            libsmpp34, Alertmanager, promtool, emulators of Slack and the Bot API and others that
#            tests/peers.py names), which are installed first; takes some minutes
#
# A bare Debian 12 as root will do. What was installed, fetched and built is kept: a second run is
# quick and needs no network. A test whose server cannot be had is skipped by name, and counted.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
exec </dev/null
export CTEST_OUTPUT_ON_FAILURE=1 NINJA_STATUS='[%f/%t] '
jobs=$(nproc)
began=$SECONDS
summary=() failed=() skipped=()

case ${1:-} in
-h | --help) sed -n '3,21s/^# \{0,1\}//p' "$0"; exit 0 ;;
'')    legs=(lint release asan tsan clang) ;;
quick) legs=(lint release) ;;
*)     legs=("$@") ;;
esac

say() { echo "== $* (at $((SECONDS - began)) s)"; }

# Every 40th line of ninja's progress, and the first lines of what the compiler has to say.
progress() {
    tee "$1" | awk -v whole="$1" '
        /^\[[0-9]+\/[0-9]+\]/ { if (++n % 40 == 0) { print; fflush() } next }
        ++said <= 150 { print }
        said == 151 { print "... the rest is in " whole }'
}

# build PRESET [TARGET...]
build() {
    local preset=$1 dir=build/$1 log
    shift
    log=$(mktemp)
    if ! cmake -C ".cmake/$preset.cmake" -B "$dir" >"$log" 2>&1; then
        cat "$log"
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
    ninja -C "$dir" -j "$jobs" -k 0 "$@" | progress "$dir/build.log"
}

# run PRESET CTEST-ARGUMENT...: keeps ctest's closing line for the summary.
run() {
    local preset=$1 dir=build/$1 status
    shift
    ctest --test-dir "$dir" -j "$jobs" --no-tests=error "$@" | tee "$dir/ctest.log"
    status=${PIPESTATUS[0]}
    closing=$(grep -E '^[0-9]+% tests passed|^No tests' "$dir/ctest.log" | tail -1)
    while read -r line; do skipped+=("$line"); done < <(
        grep -h '^SKIPPED ' "$dir/Testing/Temporary/LastTest.log" 2>/dev/null | sort -u)
    return "$status"
}

leg_lint() { tests/lint.sh quick; }
leg_release() {
    build release || return 1
    run release -LE 'bench|peer'
}
leg_asan() {
    build asan || return 1
    run asan -L 'unit|sim|scenario|abi'
}
leg_tsan() {
    local targets
    cmake -C .cmake/tsan.cmake -B build/tsan >/dev/null || return 1
    targets=$(ninja -C build/tsan -t targets all | grep -oE '^tests/test_unit_(loop|worker)_[^:]*')
    # shellcheck disable=SC2086 # one word each; none would mean all
    build tsan ${targets:-test_unit_loop} || return 1
    run tsan -R '^unit\.(loop|worker)\.'
}
leg_clang() { build clang; }
leg_peer() {
    tests/setup.sh peer || return 1
    build release || return 1
    run release -L peer
}

say "setup"
tests/setup.sh test || exit 1
for leg in "${legs[@]}"; do
    if ! declare -F "leg_$leg" >/dev/null; then
        echo "all.sh: no leg '$leg'; there are lint release asan tsan clang" >&2
        exit 2
    fi
    say "$leg"
    start=$SECONDS closing=
    if "leg_$leg"; then verdict=ok; else verdict=FAILED failed+=("$leg"); fi
    summary+=("$(printf '%-8s %-7s %4d s  %s' "$leg" "$verdict" $((SECONDS - start)) "$closing")")
done

echo
printf '%s\n' "${summary[@]}"
if [ ${#skipped[@]} -gt 0 ]; then
    echo "skipped, ${#skipped[@]} tests:"
    printf '  %s\n' "${skipped[@]#SKIPPED }"
fi
if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}"
    exit 1
fi
echo "all passed in $((SECONDS - began)) s"
