"""The CPU engine beside the libraries that others use, and beside what the machine can do.

    $(tests/bench/venv.sh) tests/bench/bench_cpu.py [--rounds 5] [--seconds 3] [--threads 1 2] [--no-peers]

Training in steps of 32 and scoring of the reference's network on MNIST: Oddity, tf_keras, Keras 3, PyTorch and ONNX
Runtime, each in several settings and, scoring, at its fastest batch size; then other networks, Oddity alone. All are
started first and then measured in turns, a few seconds each, so that a machine that changes its speed does
so for all. The share of peak is the work of the network (valid taps only, whatever an implementation
computes instead) against what a loop of nothing but multiply-adds reaches in the same turns. Prints two
Markdown tables and holds them against what is asked for below; exit code 1 where one fails.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import peers
import processes

# Speed against the fastest peer, by threads; share of the machine's peak.
AGAINST_PEERS = {"train": {1: 1.9, 2: 2.5}, "score": {1: 1.6, 2: 2.2}}
MOST_TRIMMING = 1.05
SHARE = {"train": 0.75, "score": 0.80}
NETWORKS = [("64x64x3", "32,64"), ("32x24x3", "8,16,24"), ("256x256x1", "32,64")]
NETWORK_SHARE = 0.45


class Worker:
    """A process that measures one thing, for as long as it is asked to."""

    def __init__(self, name, command, threads, folder):
        self.name, self.setting, self.answers = name, "", []
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), TF_CPP_MIN_LOG_LEVEL="3")
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [str(part) for part in command], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise SystemExit(f"{self.name} ended:\n{self.log.read()}")
        return line.strip()

    def wait(self):
        line = self.line()
        while not line.startswith("ready"):
            line = self.line()
        self.setting = line.removeprefix("ready").strip()

    def measure(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        self.answers.append(json.loads(self.line()))

    def values(self, key="seconds"):
        return [answer[key] for answer in self.answers]

    def median(self, key="seconds"):
        return statistics.median(self.values(key))

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def in_turns(workers, rounds, seconds):
    """Measures each for some seconds, one after the other, again and again; then they end."""
    for _ in range(rounds):
        for worker in workers:
            worker.measure(seconds)
    for worker in workers:
        worker.end()


def started(name, command, threads, folder):
    """A worker that is ready: they start one at a time, as that takes the whole machine."""
    worker = Worker(name, command, threads, folder)
    worker.wait()
    print(f"{name} is ready {worker.setting}", file=sys.stderr, flush=True)
    return worker


def measure(job, threads, arguments, folder, model):
    ours = [arguments.bench, job, threads]
    workers = [started("peak", [arguments.bench, "peak", threads], threads, folder),
               started("oddity", ours, threads, folder)]
    if arguments.peers:
        for library, setting in peers.SETTINGS[job]:
            command = [sys.executable, Path(peers.__file__), job, library, setting, threads, model]
            workers.append(started(f"{library} {setting}", command, threads, folder))
    in_turns(workers, arguments.rounds, arguments.seconds)
    for worker in workers[1:]:
        print(f"{job}, {threads} threads: {worker.name} {1e6 * worker.median():.1f} us an image",
              file=sys.stderr, flush=True)
    return workers


def measure_networks(threads, arguments, folder):
    workers = [started("peak", [arguments.bench, "peak", threads], threads, folder)]
    for shape, filters in NETWORKS:
        for job in ("train", "score"):
            workers.append(started(f"{job} {shape}, filters {filters}",
                                   [arguments.bench, job, threads, shape, filters], threads, folder))
    in_turns(workers, arguments.rounds, arguments.seconds)
    return workers


def cost_of_trimming(threads, arguments, folder):
    """A trimmed step's time over a plain one's: the median over the turns."""
    workers = [started(job, [arguments.bench, job, threads], threads, folder)
               for job in ("train", "trim")]
    in_turns(workers, arguments.rounds, arguments.seconds)
    plain, trimmed = (worker.values() for worker in workers)
    return statistics.median(b / a for a, b in zip(plain, trimmed))


def share_of_peak(worker, peak, operations):
    """The median over the turns, each against the peak of the same turn."""
    return statistics.median(
        operations / seconds / limit
        for seconds, limit in zip(worker.values(), peak.values("operations_a_second")))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=processes.ROOT / "build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    arguments = parser.parse_args()
    folder = arguments.build.resolve()
    arguments.bench = folder / "bin/bench_cpu"
    load = processes.busy()
    failures, records = [], []

    def hold(what, value, limit, unit):
        if not value >= limit:
            failures.append(f"{what}: {value:.2f}{unit}, {limit:.2f} asked for")

    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model.onnx"
        if arguments.peers:
            keras = Path(scratch) / "model.h5"
            processes.run([folder / "bin/oddity", "train", "-d", "set.npz", "-m", keras, "--epochs",
                           1], scratch, 2)
            processes.run([folder / "bin/oddity", "export", "-m", keras, "--to", "onnx", "-o", model],
                          scratch, 2)
        for job, unit, of in (("train", "ms a step of 32", lambda s: 32e3 * s),
                              ("score", "images/s", lambda s: 1 / s)):
            for threads in arguments.threads:
                peak, ours, *others = measure(job, threads, arguments, folder, model)
                operations = ours.answers[0]["operations"]
                share = share_of_peak(ours, peak, operations)
                hold(f"{job}, {threads} threads, share of peak", share, SHARE[job], "")
                if others:
                    fastest = min(others, key=Worker.median)
                    ratio = fastest.median() / ours.median()
                    hold(f"{job}, {threads} threads, against {fastest.name}", ratio,
                         AGAINST_PEERS[job].get(threads, 1), "x")
                for worker in [ours, *others]:
                    values = sorted(of(value) for value in worker.values())
                    setting = f" ({worker.setting})" if worker.setting else ""
                    lines.append(
                        f"| {job}, {unit} | {threads} | {worker.name}{setting} "
                        f"| {of(worker.median()):,.1f} | {values[0]:,.1f}–{values[-1]:,.1f} "
                        f"| {worker.median() / ours.median():.2f} "
                        f"| {share_of_peak(worker, peak, operations):.0%} |")
                    records.append({"job": job, "threads": threads, "program": worker.name,
                                    "setting": worker.setting, "seconds": worker.values()})
                records.append({"job": job, "threads": threads, "program": "peak",
                                "operations_a_second": peak.values("operations_a_second")})
                lines.append(f"| {job} | {threads} | *peak, {peak.median('operations_a_second') / 1e9:,.1f} "
                             "GFLOP/s* | | | | 100% |")
        networks, trimming = [], []
        for threads in arguments.threads:
            cost = cost_of_trimming(threads, arguments, folder)
            hold(f"a plain step over a trimmed one, {threads} threads", 1 / cost, 1 / MOST_TRIMMING,
                 "")
            trimming.append(f"a trimmed step, {threads} threads: {cost:.3f} of a plain one")
            records.append({"job": "trim", "threads": threads, "of_plain": cost})
            peak, *workers = measure_networks(threads, arguments, folder)
            for worker in workers:
                share = share_of_peak(worker, peak, worker.answers[0]["operations"])
                hold(f"{worker.name}, {threads} threads, share of peak", share, NETWORK_SHARE, "")
                networks.append(f"| {worker.name} | {threads} | {1 / worker.median():,.0f} "
                                f"| {share:.0%} |")
                records.append({"job": worker.name, "threads": threads, "seconds": worker.values(),
                                "share": share})

    print(f"{processes.machine()}; load before {load:.1f}; {arguments.rounds} turns of "
          f"{arguments.seconds:g} s\n")
    print("| job | threads | program | median | lowest–highest | time against oddity's "
          "| of the machine's peak |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
    print("\n".join(lines))
    print("\n| network | threads | images/s | of the machine's peak |\n| --- | ---: | ---: | ---: |")
    print("\n".join(networks))
    print("\n" + "\n".join(trimming))
    processes.record("cpu", {"load_before": load, "measurements": records})
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
