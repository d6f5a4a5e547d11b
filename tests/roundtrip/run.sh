#!/usr/bin/env bash
# run.sh WHAT FOLDER SCRIPT ARGUMENT…: installs Keras and ONNX Runtime into FOLDER/venv, once, and runs the
# Python script with it. Exit code 77, skipped, where they cannot be had; with CI=true that is a failure.
# WHAT did not run is said then.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
what=$1
folder=$2/venv
shift 2

source "$here/../support/venv.sh"
make_venv_or_skip "$what did not run" "$folder" "$here/requirements.txt"
exec "$folder/bin/python" -B "$here/$1" "${@:2}"
