#!/usr/bin/env bash
# Builds everything and runs the tests; installs what is missing. Arguments go to ctest:
# bash cmake/test.sh -R Quantile. With CI=true the tests that need PyPI run as well.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

install_packages build test
say "Building into build/"
build_oddity all -D ODDITY_BUILD_TESTS=ON

cd "$root"
selection=(-LE '^full$')  # cmake/full-check.sh
if [[ ${CI:-} != true ]]; then
  selection=(-LE '^(full|optional)$')
  count=$(ctest --test-dir build -N -L '^optional$' | sed -n 's/^Total Tests: //p')
  ((count == 0)) || say "Skipping $count optional tests (Keras, ONNX Runtime and a disassembler from PyPI): CI=true bash cmake/test.sh runs them too."
fi
ctest --test-dir build --output-on-failure --no-tests=error --parallel "$(nproc)" \
  "${selection[@]}" "$@"
