#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A third party's way: install the SDK somewhere, copy the template, build it there against what was
# installed, run its test, install the plugin, and load it by today's loader.
#
#     template.sh BUILD LOAD_ONE
set -eu
build=$1
load_one=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cmake --install "$build" --prefix "$scratch/prefix" --component sdk >"$scratch/log" ||
    { cat "$scratch/log"; exit 1; }
for file in include/catalyst/plugin.h include/catalyst/fake_host.h share/catalyst/sdk/README.md; do
    [ -f "$scratch/prefix/$file" ] || { echo "$file was not installed"; exit 1; }
done
cp -r "$scratch/prefix/share/catalyst/sdk/template" "$scratch/notify"
cd "$scratch/notify"
cmake -B build -DCMAKE_PREFIX_PATH="$scratch/prefix" -DCMAKE_INSTALL_PREFIX="$scratch/prefix" \
    >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
cmake --build build >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
if grep -i warning "$scratch/log"; then
    echo "the template builds with warnings"
    exit 1
fi
ctest --test-dir build --output-on-failure
cmake --install build >"$scratch/log"
"$load_one" "$scratch/prefix/lib/catalyst/plugins/notify.so" acme.notify
