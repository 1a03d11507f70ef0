#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Format, house rules and clang-tidy.
#
#   lint.sh format            rewrites every C file with clang-format
#   lint.sh quick             only the checks that take seconds: format, house
#   lint.sh changed [BUILD]   all checks, clang-tidy on the C files changed since the last commit
#   lint.sh all [BUILD]       all checks, clang-tidy on every C file
#
# BUILD is a build directory with compile_commands.json (default build/release).
set -eu
cd "$(dirname "$0")/.."
what=${1:-changed}
build=${2:-build/release}
failed=0
scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT

sources() {
    find core plugins sdk tests examples -name '*.[ch]' ! -path '*/build/*'
}

if [ "$what" = format ]; then
    sources | xargs clang-format-14 -i
    exit 0
fi

echo "lint: clang-format"
if ! sources | xargs clang-format-14 --dry-run -Werror 2>"$scratch"; then
    grep -E '^[^ ]+:[0-9]+:[0-9]+: error:' "$scratch" | cut -d: -f1 | sort | uniq -c |
        while read -r count file; do echo "$file: $count places; run tests/lint.sh format"; done
    failed=1
fi

echo "lint: house rules"
/usr/bin/python3 tests/house/check.py || failed=1

case $what in
changed) files=$( (git diff --name-only HEAD; git ls-files -o --exclude-standard) |
                   grep '\.c$' | sort -u) || true ;;
all)     files=$(sources | grep '\.c$') ;;
*)       files= ;;
esac
if [ -n "$files" ]; then
    if [ ! -f "$build/compile_commands.json" ]; then
        echo "lint: no $build/compile_commands.json; configure first:" \
             "cmake -C .cmake/release.cmake -B build/release"
        exit 1
    fi
    echo "lint: clang-tidy"
    # Only files the build knows: others have no flags to be read with.
    for file in $files; do
        grep -qF "/$file\"" "$build/compile_commands.json" && echo "$file"
    done | xargs -r -P "$(nproc)" -n 4 clang-tidy-14 -p "$build" --quiet 2>/dev/null || failed=1
fi
exit $failed
