#!/usr/bin/env bash
# report_test.sh PROGRAM FOLDER: reports with all their sections and hostile names, in a browser.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=$1
work=$2
if ! command -v chromium >/dev/null; then
  echo "there is no chromium: apt-get install chromium"
  [[ ${CI:-} == true ]] && exit 1
  exit 77
fi
rm -rf "$work"
mkdir -p "$work/set/3"
cd "$work"
"$program" train --dataset mnist.npz --model model.h5 --epochs 1 --progress none --report train.html
"$program" find --dataset mnist.npz --model model.h5 --report find.html --quantile .99
python3 - <<'P'
import struct, zlib
def png(values):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(values(x, y) for x in range(28)) for y in range(28))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 28, 28, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
names = [b"plain.png", b"<script>alert(1)</script>.png", b"\"quoted' & more.png", b"line\nbreak.png",
         b"\xff\xfe not UTF-8.png", "\u202edesrever.png".encode(), b"3/labelled.png", b"x" * 200 + b".png"]
for i, name in enumerate(names):
    open(b"set/" + name.replace(b"</", b"<"), "wb").write(png(lambda x, y: 255 if abs(x - 14) < 2 + i and 4 < y < 24 else 0))
for i in range(40):
    open(f"set/{i:02}.png", "wb").write(png(lambda x, y: 255 if abs(x - 10 - i % 9) < 2 and 4 < y < 24 else 0))
open(b"set/cut <b>.png", "wb").write(png(lambda x, y: 0)[:60])
open("set/text.png", "wb").write(b"no image")
P
"$program" score --model model.h5 --images set --output scores.csv --top-k 9 --report score.html
python3 "$here/look.py" train.html find.html score.html --out screenshots
