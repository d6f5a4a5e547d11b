"""Scoring a million images: memory that does not grow with their number, and cores that do not wait.

    python3 tests/bench/bench_score.py [--images 1000000] [--pairs 3] [--kinds tar folder npy] [--scratch DIR]

Digits of the embedded MNIST, over and over, as a tar of PNG, a folder of PNG and an NPY. Each is scored at a
tenth of the number and at the whole of it. Prints, and holds against what is asked for:
- the peak of anonymous memory, whole against tenth: at most 10 % more (folders: 64 bytes a file more)
- images a second from the start of the process to the files on the disk, against what the cores could do
  if they never waited: cores / (CPU seconds an image of all stages, by `oddity bench`): at least 90 %. Both on
  the tenth, in turns, as machines change their speed within minutes: the median of the pairs' ratios
Exit code 1 where one of these fails. Needs 5 GB in the scratch folder, which is emptied again.
"""

import argparse
import gzip
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zlib
from io import BytesIO
from pathlib import Path

import processes

SIZE = 28 * 28
MEMORY_RATIO = 1.10
BYTES_A_FILE = 64
SHARE = 0.90


def digits():
    path = processes.ROOT / "apps/data/mnist/train-images-idx3-ubyte.gz"
    return gzip.decompress(path.read_bytes())[16:]


def png(pixels):
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))
    rows = b"".join(b"\0" + pixels[row * 28:row * 28 + 28] for row in range(28))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 28, 28, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b""))


def make(kind, path, count, pictures, pixels):
    """`count` images: those of MNIST in their order, again and again."""
    if kind == "tar":
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            for i in range(count):
                picture = pictures[i % len(pictures)]
                member = tarfile.TarInfo(f"{i // 1000:04}/{i:07}.png")
                member.size = len(picture)
                archive.addfile(member, BytesIO(picture))
    elif kind == "folder":
        path.mkdir()
        for i in range(count):
            (path / f"{i:07}.png").write_bytes(pictures[i % len(pictures)])
    else:
        shape = f"({count}, 28, 28)"
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
        header += " " * (63 - (10 + len(header)) % 64) + "\n"
        with path.open("wb") as array:
            array.write(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode())
            for begin in range(0, count, 60000):
                array.write(pixels[:min(60000, count - begin) * SIZE])


def run(command):
    """Runs a command; its seconds and the peak of its anonymous memory, in bytes."""
    peak = 0
    begin = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    def watch():
        nonlocal peak
        while process.poll() is None:
            try:
                for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                    if line.startswith("RssAnon:"):
                        peak = max(peak, int(line.split()[1]) * 1024)
            except (FileNotFoundError, ProcessLookupError):
                return
            time.sleep(0.01)
    watcher = threading.Thread(target=watch)
    watcher.start()
    error = process.stderr.read()
    process.wait()
    seconds = time.perf_counter() - begin
    watcher.join()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{error}\nexit code {process.returncode}")
    return seconds, peak


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=processes.ROOT / "build/bin/oddity")
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=["tar", "folder", "npy"])
    parser.add_argument("--scratch", type=Path)
    arguments = parser.parse_args()
    program = arguments.program.resolve()
    load = processes.busy()
    cores = len(os.sched_getaffinity(0))

    pixels = digits()
    pictures = [png(pixels[i:i + SIZE]) for i in range(0, len(pixels), SIZE)]
    rows = []
    failures = []
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        scratch = Path(scratch)
        model = scratch / "model.h5"
        run([program, "train", "-d", scratch / "set.npz", "-m", model, "--epochs", 1,
             "--vis", scratch / "vis.png", "--plot", scratch / "plot.png",
             "--history", scratch / "history.csv"])
        for kind in arguments.kinds:
            peaks, shares = {}, []
            for count in (arguments.images // 10, arguments.images):
                images = scratch / f"images.{kind}"
                make(kind, images, count, pictures, pixels)
                table = scratch / "scores.csv"
                seconds, peaks[count] = run([program, "score", "-m", model, "--images", images,
                                             "-o", table, "--force", "--progress", "none"])
                print(f"{kind}, {count:,} images: {seconds:.1f} s, "
                      f"{peaks[count] / 2**20:.1f} MiB", file=sys.stderr, flush=True)
                for _ in range(arguments.pairs if count < arguments.images else 0):
                    bench = json.loads(subprocess.run(
                        [program, "bench", "-m", model, "--images", images, "--count", str(count),
                         "--repeats", "1", "--json"],
                        check=True, capture_output=True, text=True).stdout)
                    cpu = sum(stage["cpu_microseconds"] for stage in bench["stages"]
                              if stage["stage"] != "end to end")
                    pair, _ = run([program, "score", "-m", model, "--images", images, "-o", table,
                                   "--force", "--progress", "none"])
                    shares.append(count / pair / (cores / cpu * 1e6))
                shutil.rmtree(images) if images.is_dir() else images.unlink()
            small, large = peaks.values()
            allowed = small * MEMORY_RATIO
            if kind == "folder":
                allowed += (arguments.images - arguments.images // 10) * BYTES_A_FILE
            share = statistics.median(shares)
            rows.append({"kind": kind, "images": arguments.images, "seconds": seconds,
                         "images_per_second": arguments.images / seconds, "share": share,
                         "shares": shares, "peak_tenth": small, "peak": large, "stages": bench["stages"]})
            if large > allowed:
                failures.append(f"{kind}: {large / 2**20:.1f} MiB of anonymous memory, "
                                f"{allowed / 2**20:.1f} allowed")
            if not share >= SHARE:
                failures.append(f"{kind}: {share:.0%} of what the cores could do")

    print(f"{arguments.images:,} images of 28x28, {processes.machine()}; load before {load:.1f}\n")
    print("| set | images/s | of what the cores could do | lowest–highest | peak memory at a tenth, MiB | at all, MiB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        print(f"| {row['kind']} | {row['images_per_second']:,.0f} | {row['share']:.0%} "
              f"| {min(row['shares']):.0%}–{max(row['shares']):.0%} | {row['peak_tenth'] / 2**20:.1f} "
              f"| {row['peak'] / 2**20:.1f} |")
    print("\n| set | stage | µs an image | CPU µs an image |\n| --- | --- | ---: | ---: |")
    for row in rows:
        for stage in row["stages"]:
            print(f"| {row['kind']} | {stage['stage']} | {stage['microseconds']:.2f} "
                  f"| {stage['cpu_microseconds']:.2f} |")
    processes.record("score", {"load_before": load, "sets": rows})
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
