"""The figures of `oddity evaluate` and `oddity compare` against scikit-learn and SciPy.

judging.py PROGRAM. Prints a line a check; the exit code is 1 where one failed.
"""
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy import special, stats
from sklearn import decomposition, metrics, neighbors

sys.path.append(str(Path(__file__).resolve().parent.parent / "support"))
import checks

# Both sum up at most some thousand numbers in [0, 1] in float64, in another order.
FIGURE_TOLERANCE = 1e-12
# Of baselines' scores, relative: images this near may be ranked the other way round. Distances of uint8 are exact
# but for their square roots, of other types sums of float32 squares; components are exact to 1e-11.
NEAR_PCA = 1e-8
NEAR_KNN = {"uint8": 1e-12, "uint16": 1e-5, "float32": 1e-5}
# Mean squared errors below this are rounding.
NO_ERROR = 1e-24
# Of p-values, relative. Above the smallest that a float64 holds in full, where SciPy loses digits as well.
P_VALUE_TOLERANCE = 1e-9
SMALLEST_P_VALUE = 1e-300


def run(program, arguments, codes):
    result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if result.returncode not in codes:
        sys.exit(f"{arguments}: exit code {result.returncode}: {result.stderr}")
    return json.loads(result.stdout)


def write_csv(path, columns):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values()))


def rankings(random):
    """Name, scores, and which are anomalies."""
    def drawn(count, share, shift):
        anomalies = random.random(count) < share
        anomalies[:2] = True, False
        return random.gamma(2, size=count) + shift * anomalies, anomalies

    for count in (2, 3, 10, 100, 5000):
        for share in (0.01, 0.3):
            yield f"{count} images, share {share}", *drawn(count, share, 1)
    for digits in (0, 1):
        scores, anomalies = drawn(2000, 0.05, 1)
        yield f"ties, {digits} digits", np.round(scores, digits), anomalies
    scores, anomalies = drawn(500, 0, 1)
    yield "a single anomaly", scores, anomalies
    yield "a single other image", scores, ~anomalies
    yield "equal scores", np.full(500, 0.125), random.random(500) < 0.2
    scores, anomalies = drawn(1000, 0.1, -3)
    yield "the wrong way round", scores, anomalies
    scores, anomalies = drawn(1000, 0.1, 100)
    yield "all anomalies above", scores, anomalies
    yield "tiny, huge and negative", np.ldexp(scores - 50, random.integers(-900, 900, 1000)), anomalies


def flagged_figures(anomalies, flagged):
    return (metrics.precision_score(anomalies, flagged, zero_division=np.nan),
            metrics.recall_score(anomalies, flagged))


def check_evaluate(program, folder, random):
    table, labels = folder / "scores.csv", folder / "labels.csv"
    for name, scores, anomalies in rankings(random):
        write_csv(table, {"index": range(len(scores)), "score": map(repr, scores.tolist())})
        write_csv(labels, {"index": range(len(scores)), "label": np.where(anomalies, 7, 2)})
        threshold = float(np.quantile(scores, 0.9))
        found = run(program, ["evaluate", "--scores", table, "--labels", labels, "--anomaly-label", 7,
                              "--threshold", repr(threshold), "--bootstrap", 0, "--json"], {0})
        n = int(anomalies.sum())
        at_n = np.zeros(len(scores), bool)
        at_n[np.argsort(-scores, kind="stable")[:n]] = True
        precision, recall = flagged_figures(anomalies, scores >= threshold)
        expected = {
            "auroc": metrics.roc_auc_score(anomalies, scores),
            "average_precision": metrics.average_precision_score(anomalies, scores),
            "precision_at_n": flagged_figures(anomalies, at_n)[0],
            "recall_at_n": flagged_figures(anomalies, at_n)[1],
        }
        differences = [abs(found[key]["value"] - value) for key, value in expected.items()]
        differences.append(abs(found["threshold"]["precision"]["value"] - precision))
        differences.append(abs(found["threshold"]["recall"]["value"] - recall))
        checks.check(f"evaluate, {name}", np.max(differences), FIGURE_TOLERANCE)


def pca_errors(images):
    pca = decomposition.PCA(min(16, len(images) - 1, images.shape[1]), svd_solver="full").fit(images)
    errors = ((images - pca.inverse_transform(pca.transform(images))) ** 2).mean(axis=1)
    return np.where(errors < NO_ERROR, 0, errors)


def knn_distances(images):
    # Asked for no images in particular it gives the neighbours of its own, themselves left out.
    nearest = neighbors.NearestNeighbors(n_neighbors=min(20, len(images) - 1), algorithm="kd_tree").fit(images)
    return nearest.kneighbors()[0].mean(axis=1)


def image_sets(random):
    """Name, images as an array, as fractions, and which are anomalies."""
    for count, shape in ((3, (4, 5)), (21, (6, 6, 3)), (300, (9, 7)), (400, (28, 28)), (60, (40, 33)), (2000, (8, 8))):
        size = int(np.prod(shape))
        patterns = random.random((6, size))
        anomalies = random.random(count) < 0.1
        anomalies[:2] = True, False
        weights = random.dirichlet(np.ones(6), count)
        images = 0.8 * weights @ patterns + 0.2 * random.random((count, size)) * (1 + anomalies[:, None]) / 2
        for dtype, one in ((np.uint8, 255), (np.uint16, 65535), (np.float32, 1)):
            stored = (images * one).astype(dtype)
            fractions = stored.astype(np.float64) / one
            yield f"{count} of {shape}", stored.reshape(count, *shape), fractions, anomalies


def near_pairs(scores, anomalies, near):
    """Pairs of an anomaly and another image whose scores are too near to say which is the odder one."""
    differences = abs(scores[anomalies, None] - scores[None, ~anomalies])
    return int(np.count_nonzero((differences > 0) & (differences <= near * abs(scores[None, ~anomalies]))))


def check_against(program, folder, random):
    table, dataset = folder / "scores.csv", folder / "set.npz"
    for name, images, fractions, anomalies in image_sets(random):
        write_csv(table, {"score": map(repr, random.random(len(images)).tolist())})
        np.savez(dataset, images=images, label=np.where(anomalies, 7, 2).astype(np.int32))
        found = run(program, ["evaluate", "--scores", table, "-d", dataset, "--anomaly-label", 7,
                              "--against", "pca,knn", "--bootstrap", 0, "--json"], {0})
        near = NEAR_PCA, NEAR_KNN[str(images.dtype)]
        for baseline, scores, limit in zip(found["against"], (pca_errors(fractions), knn_distances(fractions)), near):
            swaps = near_pairs(scores, anomalies, limit)
            expected = {"auroc": metrics.roc_auc_score(anomalies, scores),
                        "average_precision": metrics.average_precision_score(anomalies, scores)}
            # A swap is worth one pair of AUROC, of average precision at most one anomaly.
            worth = {"auroc": swaps / (anomalies.sum() * (~anomalies).sum()), "average_precision": swaps / anomalies.sum()}
            for key, value in expected.items():
                checks.check(f"against {baseline['name']}, {name}, {images.dtype}: {key}",
                             abs(baseline[key]["value"] - value), FIGURE_TOLERANCE + worth[key])


def samples(random):
    """Pairs of sets of scores, from alike to apart, small to large, with and without ties."""
    for count_a, count_b in ((30, 30), (50, 200), (250, 260), (290, 300), (1000, 700), (6809, 1362),
                             (20000, 50000), (300000, 250000), (10, 100000)):
        for shift in (0, 0.3, 1, 3, 8, 20):
            # In units in which the test sees them: about z = 0.8 + shift.
            a = random.random(count_a)
            b = random.random(count_b) + shift * 0.5 / np.sqrt(min(count_a, count_b))
            yield f"{count_a} and {count_b}, shift {shift}", a, b
    yield "ties", random.integers(0, 9, 900) / 4, random.integers(0, 8, 700) / 4
    yield "equal sets", np.arange(100.0), np.arange(100.0)
    # Few of one kind: the distance has hardly a value, and its cases of few draws are used.
    for count_b in (1, 2, 3, 5, 9):
        yield f"1000 and {count_b}", random.random(1000), random.random(count_b)


def check_compare(program, folder, random):
    paths = folder / "a.npy", folder / "b.npy"
    worst = 0
    for name, a, b in samples(random):
        for path, scores in zip(paths, (a, b)):
            np.save(path, scores)
        found = run(program, ["compare", *paths, "--json"], {0, 5})
        expected = stats.ks_2samp(a, b, method="asymp")
        quantiles = max(abs(found[side]["quantiles"][repr(q)] - np.quantile(scores, q))
                        for side, scores in (("a", a), ("b", b)) for q in (0.5, 0.99, 0.999))
        # Ours is never below the chance of the rarest order of the scores.
        p_value = max(expected.pvalue, 2 / special.comb(len(a) + len(b), len(a)))
        difference = abs(found["p_value"] - p_value)
        if p_value >= SMALLEST_P_VALUE:
            difference /= p_value
        worst = max(worst, difference)
        checks.check(f"compare, {name}, p {expected.pvalue:.3g}: p-value", difference, P_VALUE_TOLERANCE)
        checks.check(f"compare, {name}: distance", abs(found["ks_distance"] - expected.statistic), 0)
        checks.check(f"compare, {name}: quantiles", quantiles, 0)
    print(f"the worst p-value is {worst:.3g} off")


def main():
    program = Path(sys.argv[1]).resolve()
    seed = int(os.environ.get("ODDITY_TEST_SEED", "1"))
    print(f"seed {seed}; ODDITY_TEST_SEED sets another")
    random = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        check_evaluate(program, Path(folder), random)
        check_against(program, Path(folder), random)
        check_compare(program, Path(folder), random)
    return checks.conclude()


if __name__ == "__main__":
    sys.exit(main())
