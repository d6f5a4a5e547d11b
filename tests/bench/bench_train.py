"""How long `oddity train` takes beside the reference program: whole processes, side by side.

    $(tests/bench/venv.sh) tests/bench/bench_train.py [--pairs 3] [--threads 2]

Pairs run one after the other, their order changing from pair to pair, so that a machine that warms up or
is busy for a while does so for both. Exit code 1 where Oddity's median is not below half of the
reference's.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import processes


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=processes.ROOT / "build/bin/oddity")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()

    common = ["--epochs", arguments.epochs, "--threads", arguments.threads]
    commands = {
        "reference (tf_keras 2.21)": [
            sys.executable, Path(__file__).with_name("reference_program.py"), "train",
            "--dataset", "images.pickle", "--model", "autoencoder.model", *common],
        "oddity": [arguments.program.resolve(), "train",
                   "--dataset", "images.npz", "--model", "autoencoder.h5", *common],
    }
    runs = {name: [] for name in commands}
    load = processes.busy()
    for pair in range(arguments.pairs):
        names = list(commands) if pair % 2 == 0 else list(reversed(commands))
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                run = processes.run(commands[name], folder, arguments.threads)
            runs[name].append(run)
            print(f"pair {pair + 1}: {name} {run.wall:.1f} s", file=sys.stderr, flush=True)

    def median(name, value):
        return statistics.median(value(run) for run in runs[name])

    reference, ours = commands
    ratio = median(ours, lambda run: run.wall) / median(reference, lambda run: run.wall)
    print(f"Whole `train`, {arguments.epochs} epochs, {arguments.threads} threads, median of "
          f"{arguments.pairs} interleaved pairs; {processes.machine()}; load before {load:.1f}\n")
    print("| program | wall, s | lowest–highest | CPU, s | peak memory, MiB | wall against reference |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in commands:
        walls = sorted(run.wall for run in runs[name])
        print(f"| {name} | {statistics.median(walls):.1f} | {walls[0]:.1f}–{walls[-1]:.1f} "
              f"| {median(name, lambda run: run.cpu):.1f} "
              f"| {median(name, lambda run: run.peak) / 2**20:.0f} "
              f"| {1 if name == reference else ratio:.2f} |")
    processes.record("train", {
        "epochs": arguments.epochs, "threads": arguments.threads, "load_before": load,
        "ratio": ratio,
        "runs": {name: [{"wall": run.wall, "cpu": run.cpu, "peak": run.peak} for run in list_]
                 for name, list_ in runs.items()}})
    if not ratio < 0.5:
        print(f"FAILED: oddity takes {ratio:.2f} of the reference's time, not less than 0.5")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
