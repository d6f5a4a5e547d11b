"""Whole processes, timed; and what the machine is, for the records."""

import datetime
import json
import os
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Run:
    wall: float  # seconds from start to end
    cpu: float  # seconds of all cores, user and system
    peak: int  # bytes of resident memory at most
    output: str


def run(command, folder, threads):
    """Runs a command to its end in a folder; an exit code other than 0 is an error."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    log = Path(folder) / "log.txt"
    with log.open("w+") as output:
        begin = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], cwd=folder, env=environment,
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    text = log.read_text()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{text}\nexit code {process.returncode}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, text)


def machine():
    """The processor and how much of it there is: "AMD EPYC 9R14, 2 cores"."""
    name = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
            break
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def busy():
    """The load of the last minute, to be recorded with every result."""
    return os.getloadavg()[0]


def commit():
    """The commit measured, with + where the tree holds more."""
    def git(*arguments):
        return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True,
                              text=True, check=True).stdout.strip()
    return git("rev-parse", "--short=10", "HEAD") + ("+" if git("status", "--porcelain") else "")


def record(name, result):
    """Writes a result with its circumstances to records/<name>.json and says so."""
    path = Path(__file__).parent / "records" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    whole = {"date": datetime.date.today().isoformat(), "commit": commit(), "machine": machine(),
             **result}
    path.write_text(json.dumps(whole, indent=1) + "\n")
    print(f"\nrecord: {path.relative_to(ROOT)}")
