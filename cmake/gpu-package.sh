#!/usr/bin/env bash
# Collects what is needed to test and measure Oddity on another machine, one with a GPU, in the folder
# build/gpu-check. Copy it there and run: bash gpu-check.sh, which unpacks the rest beside itself.
# Usage: bash cmake/gpu-package.sh [BUILD_FOLDER]   a configured build to take instead of build/
#
# The other machine needs a driver and a C library no older than this one's; cuDNN and cuBLAS, for
# --precision tf32, are not in the folder: they are taken from that machine, PyTorch's included.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
(($# <= 1)) || fail "gpu-package.sh takes at most a build folder"
readonly most_megabytes=50

if (($# == 1)); then
  build=$(cd "$1" && pwd)
  cmake --build "$build" --target gpu_package
else
  build=$root/build
  install_packages build test
  build_oddity gpu_package -D ODDITY_BUILD_TESTS=ON
fi
if ! command -v patchelf >/dev/null; then
  say "Installing patchelf with apt-get"
  as_root=()
  if ((EUID != 0)); then as_root=(sudo); fi
  "${as_root[@]}" apt-get install --yes --no-install-recommends patchelf >/dev/null ||
    fail "patchelf could not be installed"
fi

folder=$build/gpu-check
rm -rf "$folder"
mkdir "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
package=$work/package
mkdir -p "$package"/{bin,lib,gpu,share/oddity/mnist,golden}
cp "$build/bin/oddity" "$package/bin/"
cp "$build/lib/liboddity_cuda.so" "$package/lib/"
cp "$build/gpu/gpu_tests" "$build/gpu/bench_cuda" "$package/gpu/"
cp "$root/tests/bench/bench_torch.py" "$root/tests/gpu/report.py" "$package/gpu/"
cp "$root"/apps/data/mnist/train-* "$package/share/oddity/mnist/"
(cd "$root/tests/golden" && find . -name '*.npy' -exec cp --parents -t "$package/golden" {} +)
commit=$(git -C "$root" rev-parse --short=10 HEAD 2>/dev/null || say unknown)
# + where the tree holds more than the commit.
if [[ -n $(git -C "$root" status --porcelain 2>/dev/null) ]]; then commit+=+; fi
say "$commit" >"$folder/commit"

programs=("$package/bin/oddity" "$package/gpu/gpu_tests" "$package/gpu/bench_cuda")
strip "${programs[@]}"
strip --strip-unneeded "$package/lib/liboddity_cuda.so"

# Every library but the C library's own, which belongs to the other machine's kernel and loader.
readonly c_library='/(libc|libm|libdl|librt|libpthread|libresolv|ld-linux-x86-64)\.so'
for file in "${programs[@]}" "$package/lib/liboddity_cuda.so"; do
  ldd "$file" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }'
done | sort -u | grep -Ev "$c_library" | xargs -r cp --dereference --target-directory="$package/lib"
chmod u+w "$package"/lib/*
for file in "$package"/lib/*.so*; do patchelf --set-rpath '$ORIGIN' "$file"; done
for file in "${programs[@]}"; do patchelf --set-rpath '$ORIGIN/../lib' "$file"; done

needed=$(objdump -T "${programs[@]}" "$package"/lib/*.so* | grep -o 'GLIBC_2\.[0-9]*' | sort -uV |
  tail -n 1)
say "$needed" >"$folder/needs"
cp "$root/cmake/gpu-check.sh" "$folder/"
# The kernels are in three of the files: a window that spans them keeps them once.
tar --create --directory="$package" --owner=0 --group=0 --numeric-owner bin lib gpu share golden |
  xz --lzma2=preset=6,dict=128MiB >"$folder/files.tar.xz"
megabytes=$(($(du --apparent-size --block-size=1000 --summarize "$folder" | cut -f 1) / 1000))
((megabytes <= most_megabytes)) ||
  fail "$folder has $megabytes MB, more than the $most_megabytes MB that it may"

# The folder is moved, unpacked and started with nothing of this machine's environment.
moved=$work/moved
cp -r "$folder" "$moved"
alone() { (cd "$moved" && env -i PATH=/usr/bin:/bin "$@"); }
alone bash gpu-check.sh --unpack
for file in bin/oddity gpu/gpu_tests gpu/bench_cuda lib/liboddity_cuda.so; do
  outside=$(alone ldd "$file" | awk '$2 == "=>" { print $3 }' | grep -v "^$moved/" |
    grep -Ev "$c_library" || true)
  [[ -z $outside ]] || fail "$file still takes libraries from outside: $outside"
done
tests=$(alone gpu/gpu_tests --gtest_list_tests | grep -c '^  ')
if ! alone bin/oddity info | grep -q '^device *cuda:0 ('; then
  alone gpu/gpu_tests --gtest_brief=1 >"$work/log" 2>&1 ||
    fail "gpu_tests does not skip where there is no GPU: $(tail -n 3 "$work/log")"
  for program in "gpu/bench_cuda" "bash gpu-check.sh"; do
    status=0
    # shellcheck disable=SC2086
    alone $program >"$work/log" 2>&1 || status=$?
    ((status == 6)) || fail "$program: exit code $status, not 6: $(tail -n 3 "$work/log")"
  done
  say "Checked here without a GPU: everything starts; nothing was computed on a GPU."
fi

say "$folder: $megabytes MB, $tests tests, commit $commit, needs a C library with $needed
Copy it to a machine with an NVIDIA GPU and run there: bash gpu-check.sh"
