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

source "$here/../support/venv.sh"
make_venv_or_skip "the budgets of the kernels were not checked" "$folder" "$here/requirements.txt"
cuobjdump=$(find "$folder" -name cuobjdump -type f -print -quit)
exec "$folder/bin/python" "$here/check_budgets.py" --library "$library" \
  --architectures "$architectures" --occupancy "$occupancy" --cuobjdump "$cuobjdump"
