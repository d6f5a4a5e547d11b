#!/usr/bin/env bash
# judging.sh PROGRAM FOLDER: installs scikit-learn and SciPy into FOLDER/venv, once, and runs judging.py with
# them. Exit code 77, skipped, where they cannot be had; with CI=true that is a failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=$1
folder=$2/venv

source "$here/../support/venv.sh"
make_venv_or_skip "evaluate and compare were not held against scikit-learn and SciPy" "$folder" \
  "$here/requirements.txt"
exec "$folder/bin/python" -B "$here/judging.py" "$program"
