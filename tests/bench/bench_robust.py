"""What the robust mode finds, beside the default and what anyone gets for free.

    apt-get install dataset-fashion-mnist
    $(tests/bench/venv.sh) tests/bench/bench_robust.py

Each task is a set of images of one label with one in a hundred of another label, or of any other, among
them; three draws of these, which seed the training, too. Nobody is told which they are. AP is the average
precision with which the scores rank them. The mode's constants were fixed before; losses stand in the
table like everything else.

The baselines are those of `oddity evaluate --against`, and an isolation forest: PCA of 16 components
(mean squared error of the reconstruction), the mean distance to the 20 nearest other images,
scikit-learn's IsolationForest with its defaults; all fitted to the images they judge, as ours is.
"""

import argparse
import gzip
import statistics
import tempfile
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors

import processes

MNIST = processes.ROOT / "apps/data/mnist"
FASHION = Path("/usr/share/datasets/fashion-mnist")
# name, images, what belongs, what does not (none: all others)
TASKS = [
    ("MNIST 1 v 3", MNIST, 1, 3),
    ("MNIST 2 v 7", MNIST, 2, 7),
    ("MNIST 4 v 9", MNIST, 4, 9),
    ("MNIST 5 v rest", MNIST, 5, None),
    ("MNIST 8 v rest", MNIST, 8, None),
    ("Fashion trouser v dress", FASHION, 1, 3),
    ("Fashion sneaker v boot", FASHION, 7, 9),
    ("Fashion pullover v rest", FASHION, 2, None),
    ("Fashion sandal v rest", FASHION, 5, None),
    ("Fashion bag v rest", FASHION, 8, None),
]
CONTAMINATION = 0.01
METHODS = ("default", "robust", "PCA-16", "kNN-20", "isolation forest")


def read_idx(path, header):
    if not path.exists():
        raise SystemExit(f"{path} is missing: apt-get install dataset-fashion-mnist")
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def draw(folder, valid, anomaly, seed):
    """Images [N,28,28] of a task in random order, and which of them do not belong."""
    labels = read_idx(folder / "train-labels-idx1-ubyte.gz", 8)
    images = read_idx(folder / "train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    random = np.random.default_rng(seed)
    normal = np.flatnonzero(labels == valid)
    others = np.flatnonzero(labels != valid if anomaly is None else labels == anomaly)
    chosen = random.choice(others, int(CONTAMINATION * len(normal)), replace=False)
    order = random.permutation(np.concatenate([normal, chosen]))
    return images[order], labels[order] != valid


def ours(program, images, seed, threads, options):
    """Scores by oddity."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        np.save(folder / "set.npy", images)
        processes.run([program, "train", "--images", "set.npy", "--dataset", "images.npz", "--model", "model.h5",
                       "--seed", seed, "--threads", threads, *options], folder, threads)
        processes.run([program, "find", "--dataset", "images.npz", "--model", "model.h5",
                       "--scores", "scores.npy", "--threads", threads], folder, threads)
        with np.load(folder / "images.npz") as dataset:
            rows = dataset["index"]
        scores = np.empty(len(images))
        scores[rows] = np.load(folder / "scores.npy")
        return scores


def pca(x):
    model = PCA(16, svd_solver="covariance_eigh").fit(x)
    return ((x - model.inverse_transform(model.transform(x))) ** 2).mean(axis=1)


def nearest(x):
    distances, _ = NearestNeighbors(n_neighbors=21, algorithm="brute").fit(x).kneighbors(x)
    return distances[:, 1:].mean(axis=1)  # the nearest is the image itself


def forest(x, seed, threads):
    return -IsolationForest(random_state=seed, n_jobs=threads).fit(x).score_samples(x)


def figures(task, seed, program, threads):
    """AP and AUROC of each method on one draw."""
    _, folder, valid, anomaly = task
    images, odd = draw(folder, valid, anomaly, seed)
    x = images.reshape(len(images), -1).astype(np.float32) / 255
    scores = {
        "default": ours(program, images, seed, threads, []),
        "robust": ours(program, images, seed, threads, ["--robust"]),
        "PCA-16": pca(x),
        "kNN-20": nearest(x),
        "isolation forest": forest(x, seed, threads),
    }
    return {name: {"AP": float(average_precision_score(odd, of)), "AUROC": float(roc_auc_score(odd, of))}
            for name, of in scores.items()}


def spread(values):
    """Mean ± standard deviation."""
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def table(results, figure):
    """Markdown: a row a task, the best of each in bold, and the mean over the tasks."""
    lines = [f"| {figure} | {' | '.join(METHODS)} |", f"| --- |{' --- |' * len(METHODS)}"]
    means = {name: [] for name in METHODS}
    for task, runs in results.items():
        values = {name: [run[name][figure] for run in runs] for name in METHODS}
        best = max(METHODS, key=lambda name: statistics.mean(values[name]))
        cells = []
        for name in METHODS:
            means[name].append(statistics.mean(values[name]))
            cells.append(f"**{spread(values[name])}**" if name == best else spread(values[name]))
        lines.append(f"| {task} | {' | '.join(cells)} |")
    lines.append(f"| mean of {len(results)} tasks | "
                 f"{' | '.join(f'{statistics.mean(means[name]):.3f}' for name in METHODS)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=processes.ROOT / "build/bin/oddity")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--tasks", nargs="+", default=[], metavar="TEXT",
                        help="only tasks whose names contain one of these; no record is written")
    arguments = parser.parse_args()
    chosen = [task for task in TASKS
              if not arguments.tasks or any(text in task[0] for text in arguments.tasks)]
    results = {}
    for task in chosen:
        for seed in arguments.seeds:
            one = figures(task, seed, arguments.program.resolve(), arguments.threads)
            results.setdefault(task[0], []).append(one)
            print(f"{task[0]}, seed {seed}: "
                  + ", ".join(f"{name} {one[name]['AP']:.3f}" for name in METHODS), flush=True)
    for figure in ("AP", "AUROC"):
        print(f"\n{table(results, figure)}")
    if not arguments.tasks:
        processes.record("robust", {"seeds": arguments.seeds, "contamination": CONTAMINATION,
                                    "results": results})


if __name__ == "__main__":
    main()
