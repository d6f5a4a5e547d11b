#!/usr/bin/env bash
# roundtrip.sh PROGRAM FOLDER: installs Keras into FOLDER/venv, once, and runs roundtrip.py with it.
# Exit code 77, skipped, where Keras cannot be had; with CI=true that is a failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=$1
folder=$2/venv

skip() {
  printf 'SKIPPED: the round trip through Keras did not run: %s\n' "$1"
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
exec "$folder/bin/python" "$here/roundtrip.py" "$program" "$here/../golden"
