#!/usr/bin/env bash
# Makes build/bench-venv with what requirements.txt lists, once, and prints its Python.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=$PWD/build/bench-venv
wanted=tests/bench/requirements.txt
if ! cmp -s "$wanted" "$folder/requirements.txt"; then
  rm -rf "$folder"
  python3 -m venv "$folder" >&2
  "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" >&2
  cp "$wanted" "$folder/requirements.txt"  # last: an interrupted installation is begun anew
fi
printf '%s\n' "$folder/bin/python"
