"""Holds every compiled kernel to its row of budgets.txt, on every architecture. Needs no GPU.

    check_budgets.py --library liboddity_kernels.a --architectures 75,80 --occupancy PROGRAM
                     --cuobjdump PROGRAM [--budgets budgets.txt]

Prints what each kernel uses; exit code 1 where one uses more than it may.
"""

import argparse
import os
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from cuobjdump import read_kernels


@dataclass
class Budget:
    """A row of budgets.txt."""

    pattern: str  # of the kernel's name, as a shell's
    threads: int  # of a block: the kernel's __launch_bounds__
    registers: int  # at most
    shared: int  # bytes at most
    occupancy: int  # percent of an SM's warps at least
    float64: bool  # whether it may compute in float64


@dataclass
class Instructions:
    """A row of budgets.txt that counts instructions in a kernel's code."""

    pattern: str  # of the kernel's name
    opcode: str  # as a shell's pattern
    least: int
    most: int


def lines_of(text):
    """Number and text of what is no comment."""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].strip()
        if line:
            yield number, line


def read_instructions(text):
    rows = []
    for number, line in lines_of(text):
        if not line.startswith("instructions "):
            continue
        try:
            pattern, opcode, *counts = line.split(None, 1)[1].rsplit(None, 3)
            rows.append(Instructions(pattern, opcode, *map(int, counts)))
        except (ValueError, TypeError) as error:
            raise ValueError(f"line {number} of the budgets counts no instructions: {line}") from error
    return rows


def check_instructions(kernels, rows):
    for row in rows:
        matching = [kernel for kernel in kernels if fnmatchcase(kernel.name, row.pattern)]
        if not matching:
            yield f"the instructions of {row.pattern} are of no kernel"
        for kernel in matching:
            count = sum(n for opcode, n in kernel.instructions.items()
                        if fnmatchcase(opcode, row.opcode))
            if not row.least <= count <= row.most:
                yield (f"{kernel.name} on sm_{kernel.architecture} has {count} {row.opcode}, not "
                       f"{row.least} to {row.most}")


def read_budgets(text):
    budgets = []
    for number, line in lines_of(text):
        if line.startswith("instructions "):
            continue
        try:
            pattern, *numbers, float64 = line.rsplit(None, 5)
            threads, registers, shared, occupancy = map(int, numbers)
            budgets.append(Budget(pattern, threads, registers, shared, occupancy,
                                  {"float64": True, "-": False}[float64]))
        except (ValueError, KeyError) as error:
            raise ValueError(f"line {number} of the budgets is no row: {line}") from error
    return budgets


def is_local_memory(opcode):
    return opcode.split(".")[0] in ("LDL", "STL")


def is_float_atomic(opcode):
    """RED and ATOM in float change their result with the order in which threads arrive; loops around
    compare-and-swap are how the compiler adds floats in shared memory."""
    base, *modifiers = opcode.split(".")
    if base not in ("RED", "REDG", "REDS", "ATOM", "ATOMG", "ATOMS", "UREDG"):
        return False
    return any(re.match(r"B?F(16|32|64)|CAS", modifier) for modifier in modifiers)


def is_float64(opcode):
    base, *modifiers = opcode.split(".")
    return (base in ("DADD", "DMUL", "DFMA", "DSETP", "DMNMX", "DMMA", "DSET") or
            any(modifier.startswith("F64") or modifier.endswith("64H") for modifier in modifiers))


def listed(opcodes):
    return ", ".join(f"{count} {opcode}" for opcode, count in sorted(opcodes.items()))


def check_kernel(kernel, budget, occupancy):
    """What is wrong with a kernel, in words. `occupancy`: percent."""
    def any_of(test):
        return {opcode: n for opcode, n in kernel.instructions.items() if test(opcode)}

    if kernel.stack or kernel.local or any_of(is_local_memory):
        yield (f"uses local memory: {kernel.stack} bytes of stack, {kernel.local} local, "
               f"{listed(any_of(is_local_memory)) or 'no access'}")
    if found := any_of(is_float_atomic):
        yield f"adds in an order that changes from run to run: {listed(found)}"
    if (found := any_of(is_float64)) and not budget.float64:
        yield f"computes in float64, which its budget does not allow: {listed(found)}"
    if kernel.threads != budget.threads:
        bounds = f"{kernel.threads} threads" if kernel.threads else "no __launch_bounds__"
        yield f"has {bounds}, its budget is for {budget.threads} threads"
    if kernel.registers > budget.registers:
        yield f"uses {kernel.registers} registers, not at most {budget.registers}"
    if kernel.shared > budget.shared:
        yield f"uses {kernel.shared} bytes of shared memory, not at most {budget.shared}"
    if occupancy < budget.occupancy:
        yield f"has an occupancy of {occupancy} %, not at least {budget.occupancy} %"


def check(kernels, budgets, architectures, occupancies):
    """Everything that is wrong, sorted; `occupancies` are those of the kernels, in percent."""
    failures = []
    built = defaultdict(set)
    used = set()
    for kernel, occupancy in zip(kernels, occupancies, strict=True):
        built[kernel.name].add(kernel.architecture)
        rows = [row for row in budgets if fnmatchcase(kernel.name, row.pattern)]
        if len(rows) != 1:
            failures.append(f"{kernel.name}: {len(rows)} rows of the budgets match, not one")
            continue
        used.add(rows[0].pattern)
        failures += [f"{kernel.name} on sm_{kernel.architecture} {what}"
                     for what in check_kernel(kernel, rows[0], occupancy)]
    for name, found in built.items():
        for architecture in set(architectures) - found:
            failures.append(f"{name} was not built for sm_{architecture}")
    for row in budgets:
        if row.pattern not in used:
            failures.append(f"the budget of {row.pattern} is of no kernel")
    return sorted(set(failures))


def read_occupancies(program, kernels):
    """Percent of an SM's warps, by cuda_occupancy.h."""
    lines = [f"{k.architecture} {k.registers} {k.shared} {k.threads or 1024}" for k in kernels]
    output = subprocess.run([program], input="\n".join(lines) + "\n", text=True, check=True,
                            stdout=subprocess.PIPE).stdout
    return [int(line.split()[2]) for line in output.splitlines()]


def table(kernels, occupancies):
    """A line a kernel: registers and occupancy on each architecture."""
    columns = sorted({kernel.architecture for kernel in kernels})
    rows = defaultdict(dict)
    for kernel, occupancy in zip(kernels, occupancies, strict=True):
        rows[kernel.name][kernel.architecture] = (kernel, occupancy)
    width = max(len(name) for name in rows)
    yield (f"{'registers, occupancy':{width}}  threads  shared  " +
           "  ".join(f"{f'sm_{column}':>8}" for column in columns))
    for name, cells in sorted(rows.items()):
        some = [kernel for kernel, _ in cells.values()]
        text = [f"{cells[c][0].registers:3} {cells[c][1]:3}%" if c in cells else "-"
                for c in columns]
        yield (f"{name:{width}}  {max(k.threads for k in some):7}  "
               f"{max(k.shared for k in some):6}  " + "  ".join(f"{cell:>8}" for cell in text))


def real_architectures(text):
    """CMake's list: 120 and 90-real are built, 120-virtual is PTX."""
    return [int(re.match(r"\d+", part).group()) for part in re.split("[;,]", text)
            if not part.endswith("-virtual")]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True)
    parser.add_argument("--architectures", type=real_architectures, required=True)
    parser.add_argument("--occupancy", required=True)
    parser.add_argument("--cuobjdump", required=True)
    parser.add_argument("--budgets", type=Path,
                        default=Path(__file__).with_name("budgets.txt"))
    arguments = parser.parse_args()

    # cuobjdump starts nvdisasm, which lies beside it.
    folder = os.path.dirname(os.path.abspath(arguments.cuobjdump))
    environment = dict(os.environ, PATH=folder + os.pathsep + os.environ.get("PATH", ""))
    kernels = read_kernels(arguments.library, arguments.cuobjdump, environment)
    occupancies = read_occupancies(arguments.occupancy, kernels)
    print("\n".join(table(kernels, occupancies)))
    text = arguments.budgets.read_text()
    failures = check(kernels, read_budgets(text), arguments.architectures, occupancies)
    failures += check_instructions(kernels, read_instructions(text))
    for failure in failures:
        print(f"FAILED: {failure}")
    print(f"{len(kernels)} kernels, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
