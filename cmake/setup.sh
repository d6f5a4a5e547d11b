# Sourced by demo.sh, test.sh and .ci/run: what a bare Debian 12 or Ubuntu 24.04 lacks, and the build.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root

say() { printf '%s\n' "$*"; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# install_packages GROUP…: installs the packages of these groups of packages.txt that are missing.
install_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "This is not Debian or Ubuntu: the packages of cmake/packages.txt are taken to be there."
    return
  fi
  local group package purpose
  local -a missing=() reasons=()
  while read -r group package purpose; do
    [[ " $* " == *" $group "* ]] || continue
    dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null |
      grep -qx installed && continue
    missing+=("$package")
    reasons+=("$package" "$purpose")
  done < <(grep -v '^#' "$root/cmake/packages.txt")
  ((${#missing[@]})) || return 0

  say "Installing with apt-get:"
  printf '  %-22s %s\n' "${reasons[@]}"
  local -a as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "packages are missing and there is no sudo; as root, run:" \
      "apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
  fi
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    fail "apt-get could not install the packages; all it said is in $log"
  fi
  rm -f "$log"
}

# build_oddity TARGET [OPTION…]: configures build/ with the options and builds a target.
build_oddity() {
  local target=$1
  shift
  local log
  log=$(mktemp)
  # A build folder of another place or generator cannot be reused, only made anew.
  if [[ -f $root/build/CMakeCache.txt ]] &&
    { ! grep -qx "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$root/build/CMakeCache.txt" ||
      ! grep -qx "CMAKE_GENERATOR:INTERNAL=Ninja" "$root/build/CMakeCache.txt"; }; then
    fail "$root/build belongs to another build: remove it and try again"
  fi
  if ! cmake -S "$root" -B "$root/build" -G Ninja "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    fail "CMake could not configure the build"
  fi
  sed -n 's/^-- \(CUDA engine\|Without the CUDA engine\): /\1: /p' "$log"
  rm -f "$log"
  cmake --build "$root/build" --target "$target"
}
