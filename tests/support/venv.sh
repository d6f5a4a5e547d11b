# Sourced by what needs Python packages: they come from PyPI, into a virtual environment of their own.

# make_venv FOLDER REQUIREMENTS: makes the environment, once. Says on standard error why it cannot.
make_venv() {
  local folder=$1 requirements=$2
  if cmp -s "$requirements" "$folder/requirements.txt"; then return 0; fi
  rm -rf "$folder"
  if ! python3 -m venv "$folder" >&2; then
    printf 'python3 -m venv failed (apt install python3-venv)\n' >&2
    return 1
  fi
  if ! "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2; then
    printf 'pip could not install what %s lists\n' "$requirements" >&2
    return 1
  fi
  cp "$requirements" "$folder/requirements.txt" # last: an interrupted installation is begun anew
}

# make_venv_or_skip WHAT FOLDER REQUIREMENTS: for a test, which is skipped (exit code 77) where there is no
# environment; with CI=true that is a failure.
make_venv_or_skip() {
  if make_venv "$2" "$3"; then return 0; fi
  printf 'SKIPPED: %s\n' "$1"
  [[ ${CI:-} == true ]] && exit 1
  exit 77
}
