"""What `oddity export` writes, through the real ONNX Runtime and the real Keras 3.

export.py ODDITY README: ODDITY is the program; README the file whose example is run. Prints a line a
check; the exit code is 1 where one failed.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "support"))
import checks
import quiet_tensorflow  # before Keras
import keras
import numpy as np
import onnx
import onnxruntime

# Scores between real implementations differ by 3e-6, relative; sums of squares in float32 in another
# order add some of that.
SCORE_TOLERANCE = 1e-5
# Reconstructions lie in (0,1); each side is up to 1e-6 from float64: see roundtrip.py.
TOLERANCE = 2e-6


def largest_difference(a, b):
    return float(np.abs(a - b).max()) if a.shape == b.shape else float("nan")


class Program:
    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def run(self, *arguments):
        subprocess.run([self.path, *map(str, arguments)], cwd=self.folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def train(self, images, filters, latent, *more):
        """Trains on images.npy for an epoch; gives the images and scores that `find` sees."""
        np.save(self.folder / "images.npy", images)
        self.run("train", "--images", "images.npy", "-d", "set.npz", "-m", "model.h5", "--filters",
                 *filters, "--latent-dim", latent, "--epochs", 1, "--force", *more)
        return self.find()

    def find(self):
        self.run("find", "-d", "set.npz", "-m", "model.h5", "--scores", "scores.npy", "--force")
        return np.load(self.folder / "set.npz")["images"], np.load(self.folder / "scores.npy")

    def export(self, to, name):
        self.run("export", "-m", "model.h5", "--to", to, "-o", name, "--force")
        return self.folder / name


def in_batches(session, images, sizes):
    """The outputs for all images, run in batches of these sizes, the last one again and again."""
    parts = []
    at = 0
    while at < len(images):
        size = sizes[min(len(parts), len(sizes) - 1)]
        parts.append(session.run(None, {"images": images[at:at + size]}))
        at += size
    return [np.concatenate(output) for output in zip(*parts)]


def check_model(program, name, images, scores):
    path = program.export("onnx", "model.onnx")
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    threshold = float(metadata["threshold"])

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    reconstruction, score, outlier = in_batches(session, images, [1, 7, 500])
    checks.check(f"{name}: scores of ONNX Runtime, relative",
          float((np.abs(score - scores) / scores).max()), SCORE_TOLERANCE)
    ours = scores.astype(np.float64) >= threshold
    checks.check(f"{name}: outliers that differ, of {ours.sum()}", int((outlier != ours).sum()), 0)
    checks.check(f"{name}: outliers missing altogether", int(not ours.any()), 0)

    # A few: Keras scales nothing.
    few = slice(0, 101)
    largest = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[images.dtype.type]
    scaled = images[few].astype(np.float32) / np.float32(largest)
    predictions = []
    for suffix in ("h5", "keras"):
        exported = keras.models.load_model(program.export("keras", f"exported.{suffix}"),
                                           compile=False)
        predictions.append(exported.predict(scaled, verbose=0))
        checks.check(f"{name}: Keras {keras.__version__}, .{suffix}",
              largest_difference(predictions[-1], reconstruction[few]), TOLERANCE)
    checks.check(f"{name}: .h5 and .keras in Keras", largest_difference(*predictions), 0)


def run_example(readme, program):
    """The example of the README on what the commands above it there leave behind."""
    code = re.search(r"```python\n(.*?)```", readme.read_text(), re.DOTALL).group(1)
    os.chdir(program.folder)
    names = {}
    exec(code, names)
    scores = np.load(program.folder / "scores.npy")[:len(names["score"])]
    checks.check("README's example: scores, relative",
          float((np.abs(names["score"] - scores) / scores).max()), SCORE_TOLERANCE)


def main():
    oddity, readme = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        program = Program(oddity, Path(folder))
        # The embedded MNIST, as the README trains it, but for one epoch.
        program.run("train", "-d", "set.npz", "-m", "model.h5", "--epochs", 1)
        digits, scores = program.find()
        check_model(program, "MNIST", digits, scores)
        for name in ("set.npz", "model.onnx"):
            (program.folder / {"set.npz": "images.npz", "model.onnx": "autoencoder.onnx"}[name]
             ).write_bytes((program.folder / name).read_bytes())
        run_example(readme, program)

        digits = digits[:2003]
        colour = np.concatenate([digits, 255 - digits, np.roll(digits, 3, axis=1)], axis=3)
        wide = np.pad(digits, ((0, 0), (2, 2), (10, 10), (0, 0)))
        cases = [("one filter", digits, [7], 3),
                 ("colour, 3 filters, 32x48", np.pad(colour, ((0, 0), (2, 2), (10, 10), (0, 0))),
                  [8, 5, 12], 9),
                 ("uint16", wide.astype(np.uint16) * 257, [16, 8], 16),
                 ("float32", (digits / np.float32(255)).astype(np.float32), [16, 32], 5)]
        for name, images, filters, latent in cases:
            check_model(program, name, *program.train(images, filters, latent))
        for name, images in (("robust", digits), ("robust, colour", colour)):
            check_model(program, name, *program.train(images, [8, 16], 5, "--robust"))
    return checks.conclude()


if __name__ == "__main__":
    sys.exit(main())
