#!/usr/bin/env bash
# Builds the program, trains it on the embedded MNIST (ones among which a few threes hide), finds the
# anomalies, and says where the pictures are. Installs what is missing. Usage: bash cmake/demo.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
(($# == 0)) || fail "demo.sh takes no options; the program's own: build/bin/oddity --help"

install_packages build
say "Building build/bin/oddity"
if [[ -f $root/build/CMakeCache.txt ]]; then
  build_oddity oddity_program
else
  build_oddity oddity_program -D ODDITY_BUILD_TESTS=OFF
fi

cd "$root"
mkdir -p output
run() {
  printf '\n$ oddity %s\n' "$*"
  build/bin/oddity "$@"
}
# --force: the files of an earlier demo are made again, with the same bytes.
run train --dataset output/images.npz --model output/autoencoder.h5 \
  --vis output/recon_vis.png --plot output/plot.png --history output/history.csv --force
run find --dataset output/images.npz --model output/autoencoder.h5 --montage output/outliers.png \
  --report output/report.html

say "
What was found and why, for any browser:
  $root/output/report.html
Pictures:
  $root/output/outliers.png   the anomalies, each beside its reconstruction
  $root/output/recon_vis.png  images of the validation set and their reconstructions
  $root/output/plot.png       the loss over the epochs"
