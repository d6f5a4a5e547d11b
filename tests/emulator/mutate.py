#!/usr/bin/env python3
"""Removes each barrier of the kernels in turn, and expects the check flavour to notice.

usage: mutate.py BUILD [--sample N] [--seed S] [--only TEXT]

BUILD is a build folder in which kernels_check_tests is built. For each __syncthreads() and
__syncwarp() in kernels/*.cu and *.cuh the sources that contain it are compiled
without it, linked with the other objects, and the tests run that belong to the source: those in
tests/kernels/<name>_test.cc, or for a header those of all sources that include it. A barrier whose
removal no test notices must stand in survivors.txt with a reason.
"""

import argparse
import json
import pathlib
import random
import re
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KERNELS = ROOT / "kernels"
TESTS = ROOT / "tests" / "kernels"
BARRIER = re.compile(r"__sync(?:threads|warp)\(\)")
TIMEOUT_S = 300


def without_comments(line):
    return line.split("//")[0]


def barriers():
    """(path, index of the line, ordinal in the file) of every barrier."""
    found = []
    for path in sorted(KERNELS.glob("*.cu")) + sorted(KERNELS.glob("*.cuh")):
        ordinal = 0
        for index, line in enumerate(path.read_text().splitlines()):
            for _ in BARRIER.findall(without_comments(line)):
                ordinal += 1
                found.append((path, index, ordinal))
    return found


def identity(path, ordinal):
    return f"{path.name} {ordinal}"


def survivors():
    """Reasons by `<file> <ordinal>`, from lines `<file> <ordinal>: <reason>`."""
    reasons = {}
    for line in (HERE / "survivors.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, reason = line.split(":", 1)
            reasons[name.strip()] = reason.strip()
    return reasons


def includes(path, header):
    names = re.findall(r'#include "([^"]+)"', path.read_text())
    return header in names or any(
        includes(KERNELS / name, header) for name in names
        if name.endswith(".cuh") and (KERNELS / name).exists())


def sources_of(path):
    if path.suffix == ".cu":
        return [path]
    return [source for source in sorted(KERNELS.glob("*.cu")) if includes(source, path.name)]


def test_filter(sources):
    """The suites in the sources' test files; conv2d_transpose_few.cu is tested with its stem's
    longest prefix that has a test file."""
    suites = set()
    for source in sources:
        name = source.stem
        while name and not (TESTS / f"{name}_test.cc").exists():
            name = name.rpartition("_")[0]
        files = [TESTS / f"{name}_test.cc"] if name else sorted(TESTS.glob("*_test.cc"))
        for file in files:
            suites |= set(re.findall(r"^TEST(?:_[FP])?\((\w+),", file.read_text(), re.M))
    return ":".join(f"{suite}.*:*/{suite}.*" for suite in sorted(suites))


class Build:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        commands = json.loads((self.folder / "compile_commands.json").read_text())
        self.compile = {pathlib.Path(entry["file"]).name: entry for entry in commands
                        if "oddity_checked_kernels" in entry.get("output", entry["command"])}
        ninja = subprocess.run(
            ["ninja", "-C", self.folder, "-t", "commands", "kernels_check_tests"],
            capture_output=True, text=True, check=True).stdout
        self.link = [line for line in ninja.splitlines()
                     if re.search(r"-o \S*kernels_check_tests ", line)][-1]

    def object_of(self, source, target, overlay):
        """Compiles `source` into `target`; headers in `overlay` come before those in kernels/."""
        words = shlex.split(self.compile[source.name]["command"])
        output = words.index("-o")
        words[output + 1] = str(target)
        words[words.index("-c") + 1] = str(source)
        words[1:1] = [f"-I{overlay}"]
        subprocess.run(words, cwd=self.compile[source.name]["directory"], check=True)

    def program(self, objects, target):
        """Links the tests, with `objects` in place of the library's members of these names."""
        link = self.link.split("&&")[1] if "&&" in self.link else self.link
        words = shlex.split(link)
        output = words.index("-o")
        words[output + 1] = str(target)
        # An object that comes before a library keeps the library's member out.
        words[output:output] = [str(name) for name in objects]
        subprocess.run(words, cwd=self.folder, check=True)


def run_tests(program, tests):
    """What the tests say: a kind of finding, FAILED, or None if nothing."""
    try:
        result = subprocess.run(
            [program, f"--gtest_filter={tests}", "--gtest_brief=1", "--gtest_fail_fast"],
            capture_output=True, text=True, timeout=TIMEOUT_S, errors="replace")
    except subprocess.TimeoutExpired:
        return "timeout"
    if result.returncode == 0:
        return None
    found = re.search(r"\[emulator\] ([\w-]+)", result.stderr)
    return found.group(1) if found else "FAILED"


def try_mutant(build, path, index, ordinal):
    """Removes the barrier and runs the tests."""
    with tempfile.TemporaryDirectory() as folder:
        overlay = pathlib.Path(folder)
        lines = path.read_text().splitlines(keepends=True)
        before = sum(len(BARRIER.findall(without_comments(line))) for line in lines[:index])
        place = list(BARRIER.finditer(lines[index]))[ordinal - before - 1]
        lines[index] = lines[index][:place.start()] + "/* removed */" + lines[index][place.end():]
        mutant = overlay / path.name
        # Included headers are looked for beside the including file first: copy the sources too.
        sources = sources_of(path)
        for source in list(sources) + list(KERNELS.glob("*.cuh")):
            (overlay / source.name).write_text(source.read_text())
        mutant.write_text("".join(lines))
        objects = []
        for source in sources:
            objects.append(overlay / f"{source.name}.o")
            build.object_of(overlay / source.name, objects[-1], overlay)
        program = overlay / "tests"
        build.program(objects, program)
        return run_tests(program, test_filter(sources))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--sample", type=int, help="only so many barriers")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--only", default="", help="only files whose name contains this")
    options = parser.parse_args()
    todo = [one for one in barriers() if options.only in one[0].name]
    if options.sample is not None and options.sample < len(todo):
        todo = sorted(random.Random(options.seed).sample(todo, options.sample))
    build = Build(options.build)
    reasons = survivors()
    known = {identity(path, ordinal) for path, _, ordinal in barriers()}
    bad = [f"survivors.txt names {name}, which there is not" for name in reasons
           if name not in known]
    for path, index, ordinal in todo:
        name = identity(path, ordinal)
        caught = try_mutant(build, path, index, ordinal)
        excuse = reasons.get(name)
        print(f"{path.name}:{index + 1:<5} {name:32} {caught or 'SURVIVED'}"
              f"{f' ({excuse})' if excuse else ''}", flush=True)
        if caught is None and excuse is None:
            bad.append(f"{path.name}:{index + 1}: no test notices that this barrier is gone; find "
                       f"one, remove the barrier, or give a reason in survivors.txt as `{name}: …`")
        if caught is not None and excuse is not None:
            bad.append(f"survivors.txt excuses {name}, which is caught")
    print(f"{len(todo)} barriers removed in turn")
    for line in bad:
        print(line, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
