"""What the compiler made of each kernel, read from cuobjdump's text."""

import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Kernel:
    """One kernel on one architecture."""

    name: str  # demangled, without namespaces and parameters: "normalise_kernel<4>"
    architecture: int  # 86
    registers: int = 0  # of a thread
    stack: int = 0  # bytes of a thread
    local: int = 0
    shared: int = 0  # static, bytes of a block, with what the system keeps there
    threads: int = 0  # __launch_bounds__; 0 where there are none
    instructions: Counter = field(default_factory=Counter)  # opcodes with modifiers: "LDG.E.128"


def read_kernels(library, cuobjdump, environment):
    """All kernels of a library, an object or a plugin."""
    def dump(option):
        return subprocess.run([cuobjdump, option, library], check=True, text=True,
                              capture_output=True, env=environment).stdout
    return parse(dump("--dump-resource-usage"), dump("--dump-elf"), dump("--dump-sass"), demangle)


def demangle(names):
    """c++filt comes with every compiler that builds this project."""
    output = subprocess.run(["c++filt"], input="\n".join(names), check=True, text=True,
                            capture_output=True).stdout
    return output.splitlines()


def parse(resources, elf, sass, demangle):
    """Joins the three dumps; a kernel that not all of them know is an error."""
    found = parse_resources(resources)
    threads = parse_threads(elf)
    instructions = parse_instructions(sass)
    if not found:
        raise ValueError("there is not one kernel in the dump of cuobjdump")
    if found.keys() != instructions.keys():
        different = sorted(found.keys() ^ instructions.keys())
        raise ValueError(f"resources and instructions are of different kernels: {different[:3]}")
    keys = sorted(found)
    kernels = []
    for key, whole in zip(keys, demangle([name for _, name in keys]), strict=True):
        kernels.append(Kernel(short_name(whole), key[0], **found[key], threads=threads.get(key, 0),
                              instructions=instructions[key]))
    return kernels


def short_name(demangled):
    """"void oddity::kernels::(anonymous namespace)::f<4>(float*)" is "f<4>"."""
    name = re.sub(r"\(anonymous namespace\)::|<unnamed>::|_GLOBAL__N_\w+::|oddity::|kernels::", "",
                  demangled)
    name = re.sub(r"^void ", "", name)
    depth = 0
    for i, letter in enumerate(name):
        depth += (letter == "<") - (letter == ">")
        if letter == "(" and depth == 0:
            return name[:i]
    return name


def _architecture(line):
    match = re.fullmatch(r"arch = sm_(\d+)\w*", line.strip())
    return int(match.group(1)) if match else None


def parse_resources(text):
    kernels = {}
    architecture = name = None
    for line in text.splitlines():
        architecture = _architecture(line) or architecture
        if match := re.match(r"\s*Function (\S+):$", line):
            name = match.group(1)
        elif name and (match := re.match(r"\s*REG:\d+ ", line)):
            values = dict(re.findall(r"(REG|STACK|SHARED|LOCAL):(\d+)", line))
            kernels[architecture, name] = {
                "registers": int(values["REG"]), "stack": int(values["STACK"]),
                "local": int(values["LOCAL"]), "shared": int(values["SHARED"])}
            name = None
    return kernels


def parse_threads(text):
    """Threads of a block as the kernel's __launch_bounds__ say, from its section .nv.info."""
    threads = {}
    architecture = name = None
    wanted = False
    for line in text.splitlines():
        architecture = _architecture(line) or architecture
        if match := re.match(r"\.nv\.info\.(\S+)$", line):
            name = match.group(1)
        elif "EIATTR_" in line:
            wanted = line.split()[-1] == "EIATTR_MAX_THREADS"
        elif wanted and "Value:" in line:
            x, y, z = (int(part, 16) for part in line.split()[1:4])
            threads[architecture, name] = x * y * z
            wanted = False
    return threads


def parse_instructions(text):
    kernels = {}
    architecture = counts = None
    for line in text.splitlines():
        architecture = _architecture(line) or architecture
        if match := re.match(r"\s*Function : (\S+)$", line):
            counts = kernels[architecture, match.group(1)] = Counter()
        elif counts is not None and (match := re.match(
                r"\s*/\*[0-9a-f]{4,}\*/\s+\{?\s*(?:@!?U?P\w+\s+)?([A-Z][\w.]*)", line)):
            counts[match.group(1)] += 1
    return kernels
