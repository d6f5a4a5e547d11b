#!/usr/bin/env bash
# Makes build/bench-venv with what requirements.txt lists, once, and prints its Python.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tests/support/venv.sh
make_venv "$PWD/build/bench-venv" tests/bench/requirements.txt
printf '%s\n' "$PWD/build/bench-venv/bin/python"
