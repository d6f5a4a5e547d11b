#!/usr/bin/python3
"""Every bad or strange image gets the row it should.

    zoo.py PROGRAM [--model FILE] [--memory MEGABYTES]

Makes the zoo (make_zoo.py) and lets `oddity score` read each of its inputs, into .csv, .jsonl and .npy. Held
against what is expected: the rows, that the three tables say the same, the exit code, that a terminal gets
no control character, that nothing is written beside the tables, and how much memory was taken. Without a
model, one is trained on noise. Exit code 1 where anything differs.
"""

import argparse
import csv
import json
import math
import os
import re
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LONGEST = 120  # seconds that one input may take
# Where members of archives would land that are written as they are called, if not in our own folder.
ELSEWHERE = [Path("/etc/evil.png"), Path("/evil.png")]


def unescape(text):
    """The bytes of a path, as tables show it."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), text.encode())


def contents(folder, without):
    """All there is in a folder, except for one in it, and how large."""
    return {path: path.lstat().st_size for path in folder.rglob("*")
            if path != without and without not in path.parents}


def peak_megabytes():
    """Of the largest process that has ended so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def train(program, folder):
    model = folder / "model.h5"
    run = subprocess.run([program, "train", "--images", folder / "zoo/inputs/noise.npy",
                          "--dataset", folder / "data.npz", "--model", model, "--epochs", "1",
                          "--filters", "4", "--latent-dim", "3", "--device", "cpu"],
                         cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode != 0:
        raise SystemExit(f"no model can be trained: {run.stdout}")
    return model


def read_csv(path):
    """Rows as (path, score, is_outlier, status, reason), and what is wrong with the file."""
    text = path.read_bytes().decode()
    table = list(csv.DictReader(text.split("\n")))
    if len(table) + 1 != text.count("\n"):
        raise ValueError("a row is not one line")
    if [row["index"] for row in table] != [str(i) for i in range(len(table))]:
        raise ValueError("rows are not numbered from 0")
    outliers = {"true": True, "false": False, "": None}
    return [(row["path"], float(row["score"]) if row["score"] else None,
             outliers[row["is_outlier"]], row["status"], row["reason"]) for row in table]


def read_jsonl(path):
    table = [json.loads(line) for line in path.read_bytes().decode().split("\n")[:-1]]
    return [(row["path"], row["score"], row["is_outlier"], row["status"], row["reason"])
            for row in table]


def read_npy(path):
    data = path.read_bytes()
    begin = 10 + struct.unpack_from("<H", data, 8)[0]
    return list(struct.unpack(f"<{(len(data) - begin) // 4}f", data[begin:]))


class Zoo:
    def __init__(self, program, model, inputs, out):
        self.program, self.model, self.inputs, self.out = program, model, inputs, out
        self.failures = []
        self.last_line = ""  # of what the program printed

    def fail(self, name, text):
        self.failures.append(f"{name}: {text}")
        print(f"  FAILED  {text}")

    def score(self, name, suffix):
        """The table that a run leaves, or None; and the run's exit code."""
        table = self.out / f"{name.replace(' ', '_')}{suffix}"
        is_list = name.endswith(".list")
        source = (self.inputs / name).open("rb") if is_list else subprocess.DEVNULL
        command = [self.program, "score", "-m", self.model, "--images", "-" if is_list else name,
                   "-o", table, "--device", "cpu", "--progress", "none"]
        try:
            run = subprocess.run(command, cwd=self.inputs, stdin=source, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, timeout=LONGEST)
        except subprocess.TimeoutExpired:
            self.fail(name, f"{suffix}: not done after {LONGEST} seconds")
            return None, None
        finally:
            if is_list:
                source.close()
        if re.search(rb"[\0-\x09\x0b-\x1f\x7f]", run.stdout):
            self.fail(name, f"control characters in what is printed: {run.stdout}")
        self.last_line = (run.stdout.decode().strip().splitlines() or [""])[-1]
        return (table if table.exists() else None), run.returncode

    def check(self, name, expected):
        begin = time.monotonic()
        tables = {}
        statuses = [row[1] for row in expected]
        code = 0 if "ok" in statuses else 1
        for suffix in (".csv", ".jsonl", ".npy"):
            tables[suffix], found = self.score(name, suffix)
            if found != code:
                self.fail(name, f"{suffix}: exit code {found}, expected {code}: "
                                f"{self.last_line}")
            if list(self.out.glob("*.journal")):
                self.fail(name, f"{suffix}: its journal stays, although no row is in it")
                for journal in self.out.glob("*.journal"):
                    journal.unlink()
            if (tables[suffix] is None) != (not expected):
                self.fail(name, f"{suffix}: {'a' if tables[suffix] else 'no'} table")
        seconds = time.monotonic() - begin
        print(f"{name}: {len(expected)} rows, {seconds:.1f} s" if expected else
              f"{name}: refused, {seconds:.1f} s: {self.last_line}")
        if all(tables.values()):
            self.check_tables(name, expected, tables)

    def check_tables(self, name, expected, tables):
        try:
            rows = read_csv(tables[".csv"])
            if read_jsonl(tables[".jsonl"]) != rows:
                self.fail(name, ".jsonl says something else than .csv")
            scores = read_npy(tables[".npy"])
        except (ValueError, KeyError) as error:
            self.fail(name, f"a table cannot be read: {error}")
            return
        # A score is written with the digits of its float32 as float64: nothing is lost.
        if [None if math.isnan(score) else score for score in scores] != [row[1] for row in rows]:
            self.fail(name, ".npy holds other scores than .csv")
        for (path, score, is_outlier, status, reason) in rows:
            if (score is not None, is_outlier is not None, not reason) != (status == "ok",) * 3:
                self.fail(name, f"{path}: {status} with score {score}, reason '{reason}'")
        self.compare(name, rows, expected)

    def compare(self, name, rows, expected):
        found = [(os.fsdecode(unescape(row[0])), row[3], row[4]) for row in rows]
        if [row[0] for row in found] != [row[0] for row in expected]:
            surplus = [row[0] for row in found if row[0] not in [other[0] for other in expected]]
            missing = [row[0] for row in expected if row[0] not in [other[0] for other in found]]
            self.fail(name, f"other rows, or in another order: {len(found)} for {len(expected)}; "
                            f"unexpected: {ascii(surplus)}; missing: {ascii(missing)}")
            return
        for (path, status, reason), (_, right, *words) in zip(found, expected):
            # Sixty rows of noise are one case.
            if path or status != "ok":
                print(f"  {status:12}  {ascii(path)[1:-1][:60]}  {reason[:100]}")
            if status != right:
                self.fail(name, f"{ascii(path)}: {status} ({reason}), expected {right}")
            elif any(word not in reason for word in words):
                self.fail(name, f"{ascii(path)}: '{reason}' does not say '{words[0]}'")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=lambda text: Path(text).resolve())
    parser.add_argument("--model", type=lambda text: Path(text).resolve())
    parser.add_argument("--memory", type=float, default=1024, help="megabytes at most [1024]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        inputs, out = folder / "zoo/inputs", folder / "tables"  # deep enough for ../../evil.png
        subprocess.run([sys.executable, "-B", Path(__file__).with_name("make_zoo.py"), inputs],
                       check=True)
        out.mkdir()
        zoo = Zoo(options.program, options.model or train(options.program, folder), inputs, out)
        there = [path for path in ELSEWHERE if path.exists()]
        before = contents(folder, out)
        expected = json.loads((inputs / "expected.json").read_text())
        for input_, rows in expected.items():
            peak = peak_megabytes()
            zoo.check(input_, rows)
            if peak_megabytes() > max(options.memory, peak):
                zoo.fail(input_, f"takes {peak_megabytes():.0f} MB, allowed are {options.memory}")
        print("all inputs")
        changed = {path for path, _ in contents(folder, out).items() ^ before.items()}
        changed.update(path for path in ELSEWHERE if path.exists() and path not in there)
        if changed:
            zoo.fail("all", f"written beside the tables: {sorted(map(str, changed))}")
    rows = sum(len(rows) for rows in expected.values())
    print(f"{len(expected)} inputs, {rows} rows, at most {peak_megabytes():.0f} MB, "
          f"{len(zoo.failures)} failures")
    for failure in zoo.failures:
        print(f"  {failure}")
    return 1 if zoo.failures else 0


if __name__ == "__main__":
    sys.exit(main())
