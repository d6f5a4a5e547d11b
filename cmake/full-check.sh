#!/usr/bin/env bash
# What takes longer than .ci/run may: a whole epoch of MNIST on the emulator beside the CPU engine, and every
# barrier of every kernel removed in turn. Run before an issue is called done. Usage: bash cmake/full-check.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
(($# == 0)) || fail "full-check.sh takes no options"

install_packages build test
say "Building into build/"
build_oddity all -D ODDITY_BUILD_TESTS=ON

cd "$root"
begin=$SECONDS
ctest --test-dir build --output-on-failure --no-tests=error --verbose -L '^full$'
say "--- an epoch on the emulator: $((SECONDS - begin)) s"
begin=$SECONDS
python3 tests/emulator/mutate.py build
say "--- every barrier removed: $((SECONDS - begin)) s"
