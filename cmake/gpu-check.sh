#!/usr/bin/env bash
# Tests and measures Oddity on a machine with an NVIDIA GPU, in under eight minutes. Usage, in a folder made
# by cmake/gpu-package.sh and copied to that machine: bash gpu-check.sh
# (or, in the source tree where it was built: bash cmake/gpu-check.sh)
#
# Writes gpu.md (for people), gpu.json and logs/ into that folder (of a source tree: build/gpu-check/). A
# part that fails is recorded and the rest goes on. Exit code 0: all passed, 1: something failed,
# 6: there is no GPU. The card's settings are only read.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ -f $here/files.tar.xz && ! -x $here/bin/oddity ]]; then
  tar --extract --xz --no-same-owner --directory="$here" --file="$here/files.tar.xz"
fi
[[ ${1:-} != --unpack ]] || exit 0
if [[ -x $here/bin/oddity ]]; then
  root=$here
  out=$here
  report=$root/gpu/report.py
  torch_bench=$root/gpu/bench_torch.py
else
  root=$here/../build
  [[ -x $root/bin/oddity ]] || {
    printf 'error: there is no program in %s: bash cmake/gpu-package.sh builds it\n' "$root" >&2
    exit 1
  }
  out=$root/gpu-check
  report=$here/../tests/gpu/report.py
  torch_bench=$here/../tests/bench/bench_torch.py
fi
cd "$root"
readonly deadline=$((SECONDS + 470))
readonly samples=5
rm -rf "$out/logs" "$out/gpu.json" "$out/gpu.md"
mkdir -p "$out/logs"
logs=$(cd "$out/logs" && pwd)
failed=0

say() { printf '%s\n' "$*"; }

# record NAME RESULT SECONDS REMARK: a line of the report.
record() {
  printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >>"$logs/parts.tsv"
  printf '%4d s  %-28s %s%s\n' "$3" "$1" "$2" "${4:+ ($4)}"
  [[ $2 != FAILED ]] || failed=1
}

# part NAME SECONDS COMMAND…: runs a command for at most so long; what it says is in logs/NAME.log.
part() {
  local name=$1 limit=$2 begin=$SECONDS status=0
  shift 2
  local left=$((deadline - SECONDS))
  if ((left < 5)); then
    # A benchmark that is left out says nothing against the program.
    record "$name" "$([[ $name == bench-* ]] && printf 'not run' || printf FAILED)" 0 "no time was left"
    return
  fi
  timeout --kill-after=5 $((left < limit ? left : limit)) "$@" >"$logs/$name.log" 2>&1 </dev/null ||
    status=$?
  local remark=
  case $status in
    0) ;;
    124 | 137) remark="ended after its time, see logs/$name.log" ;;
    *) remark="exit code $status, see logs/$name.log" ;;
  esac
  record "$name" "$([[ $status == 0 ]] && printf passed || printf FAILED)" $((SECONDS - begin)) \
    "$remark"
}

# cuDNN and cuBLAS of Python's packages, where the machine has no others.
library_folders() {
  command -v python3 >/dev/null || return 0
  python3 - <<'PYTHON' 2>/dev/null || true
import glob, os, sys
folders = [os.path.dirname(library) for path in sys.path
           for name in ("libcudnn.so.9", "libcublas.so.13")
           for library in glob.glob(os.path.join(path, "nvidia", "*", "lib", name))]
print(":".join(dict.fromkeys(folders)))
PYTHON
}

machine() {
  uname -srm
  sed -n 's/^model name[^:]*: /processor: /p' /proc/cpuinfo | sort | uniq -c
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi
    nvidia-smi --query-gpu=index,name,driver_version,memory.total,pcie.link.gen.max,clocks.max.sm,power.limit \
      --format=csv,noheader
  else
    say "nvidia-smi is not there"
  fi
}

# two_runs PRECISION: the same command twice gives the same bytes.
two_runs() {
  local folder run
  folder=$(mktemp -d)
  for run in first second; do
    mkdir "$folder/$run"
    (cd "$folder/$run" && "$root/bin/oddity" train --dataset images.npz --model autoencoder.h5 \
      --device cuda --precision "$1" --seed 42 --epochs 2)
  done
  (cd "$folder/first" && sha256sum -- *)
  (cd "$folder/second" && sha256sum -- *)
  diff -r "$folder/first" "$folder/second"
  rm -rf "$folder"
}

# Each round's figures go to a file of their own, so that a round that fails spoils no other.
oddity_round() { gpu/bench_cuda >"$logs/bench_oddity_$1.json"; }
torch_round() { python3 "$torch_bench" >"$logs/bench_torch_$1.json"; }

export -f say machine two_runs oddity_round torch_round
export root logs torch_bench
more=$(library_folders)
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}${more:+${LD_LIBRARY_PATH:+:}$more}

if ! bin/oddity info >"$logs/info.log" 2>&1; then
  say "error: the program does not start here:"
  cat "$logs/info.log"
  exit 1
fi
if ! grep -q '^device *cuda:0 (' "$logs/info.log"; then
  say "There is no GPU to check on:"
  cat "$logs/info.log"
  exit 6
fi
cp commit "$logs/commit" 2>/dev/null ||
  git -C "$here" rev-parse --short=10 HEAD >"$logs/commit" 2>/dev/null || say unknown >"$logs/commit"
precisions=(fp32)
if grep -q '^device *cuda:0 (.*, tf32 (' "$logs/info.log"; then
  precisions+=(tf32)
else
  record tf32 'not there' 0 "why: logs/info.log"
fi

part machine 20 bash -euc machine
part info 20 bin/oddity info
for precision in "${precisions[@]}" auto; do
  part "selftest-$precision" 60 bin/oddity selftest --json --device cuda --precision "$precision"
done
part gpu_tests 150 gpu/gpu_tests --gtest_brief=1

sanitizer=$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer" \
  2>/dev/null || true)
if [[ -n $sanitizer ]]; then
  for tool in memcheck racecheck; do
    part "$tool" 90 "$sanitizer" --tool "$tool" --error-exitcode 9 gpu/gpu_tests \
      --gtest_filter='*/EngineTest.FirstStepOnMnist/*:Tf32Test.TrainingTwiceGivesTheSameBits:FusedScoresTest.AutoFlagsTheImagesOfFp32'
  done
else
  record compute-sanitizer 'not there' 0 ""
fi

for precision in "${precisions[@]}"; do
  part "two-runs-$precision" 60 bash -euc "two_runs $precision"
done

torch=$(python3 -c 'import torch; print(torch.cuda.is_available())' 2>/dev/null || true)
[[ $torch == True ]] || record pytorch 'not there' 0 ""
for ((round = 1; round <= samples; ++round)); do
  # Their order changes from round to round: a card that warms up does so for both.
  both=(oddity torch)
  ((round % 2)) || both=(torch oddity)
  for program in "${both[@]}"; do
    [[ $program == oddity || $torch == True ]] || continue
    part "bench-$program-$round" 100 bash -euc "${program}_round $round"
  done
done

if command -v python3 >/dev/null; then
  python3 "$report" "$out" || failed=1
  say "report: $out/gpu.md"
else
  say "There is no python3 to write the report: see $logs"
fi
exit $failed
