#!/usr/bin/env bash
# budgets.sh LIBRARY ARCHITECTURES OCCUPANCY FOLDER: installs the disassembler into FOLDER/venv, once, and
# runs check_budgets.py with it. Exit code 77, skipped, where it cannot be had; with CI=true that is a
# failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
library=$1
architectures=$2
occupancy=$3
folder=$4/venv

skip() {
  printf 'SKIPPED: the budgets of the kernels were not checked: %s\n' "$1"
  [[ ${CI:-} == true ]] && exit 1
  exit 77
}

if ! cmp -s "$here/requirements.txt" "$folder/requirements.txt"; then
  rm -rf "$folder"
  python3 -m venv "$folder" || skip "python3 -m venv failed (apt install python3-venv)"
  "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" ||
    skip "pip could not install what $here/requirements.txt lists"
  cp "$here/requirements.txt" "$folder/"  # last: an interrupted installation is begun anew
fi
cuobjdump=$(find "$folder" -name cuobjdump -type f -print -quit)
exec "$folder/bin/python" "$here/check_budgets.py" --library "$library" \
  --architectures "$architectures" --occupancy "$occupancy" --cuobjdump "$cuobjdump"
