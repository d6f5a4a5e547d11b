#!/usr/bin/env bash
# roundtrip.sh PROGRAM FOLDER: installs Keras into FOLDER/venv, once, and runs roundtrip.py with it.
# Exit code 77, skipped, where Keras cannot be had; with CI=true that is a failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=$1
folder=$2/venv

source "$here/../support/venv.sh"
make_venv_or_skip "the round trip through Keras did not run" "$folder" "$here/requirements.txt"
exec "$folder/bin/python" "$here/roundtrip.py" "$program" "$here/../golden"
