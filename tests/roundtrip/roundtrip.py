"""Model files through the real Keras: ours are loaded and predict the same there, theirs here.

roundtrip.py PROGRAM GOLDEN: PROGRAM is the test program of model.cc. Prints a line a check; the exit
code is 1 where one failed.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "support"))
import checks
import quiet_tensorflow  # before Keras
import keras
import numpy as np
import tf_keras

# Reconstructions lie in (0,1); float32 sums in another order. Each side is up to 1e-6 from float64 (Keras
# 9.9e-7 where the goldens were made), how far depends on the processor: 7.7e-7 apart on one, 1.1e-6 on
# another.
TOLERANCE = 2e-6
# Latent vectors have no bounds: as much, relative to the largest of the batch.
LATENT_TOLERANCE = 2e-6


class Ours:
    """The library, through the test program."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def run(self, *arguments):
        subprocess.run([self.program, *map(str, arguments)], check=True)

    def compute(self, what, model, images):
        """what: predict or encode."""
        np.save(self.folder / "images.npy", images)
        self.run(what, model, self.folder / "images.npy", self.folder / "out.npy")
        return np.load(self.folder / "out.npy")


def largest_difference(a, b):
    return float(np.abs(a - b).max()) if a.shape == b.shape else float("nan")


def round_trip(ours, library, model_path, images):
    """Our file into `library`, what it saves back into ours, before and after training there."""
    name = f"{library.__name__} {library.__version__}, {model_path.name}"
    reconstructed = ours.compute("predict", model_path, images)
    latent = ours.compute("encode", model_path, images)

    model = library.models.load_model(model_path, compile=False)
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    theirs = model.predict(images, verbose=0)
    checks.check(f"{name} reconstructs", largest_difference(theirs, reconstructed), TOLERANCE)
    their_latent = encoder.predict(images, verbose=0)
    checks.check(f"{name} encodes", largest_difference(their_latent, latent),
          LATENT_TOLERANCE * float(np.abs(latent).max()))
    checks.check(f"{name} decodes", largest_difference(decoder.predict(their_latent, verbose=0), theirs),
          TOLERANCE)

    for suffix in ("h5", "keras"):
        saved = ours.folder / f"saved.{suffix}"
        model.save(saved)
        checks.check(f"{name} saves .{suffix}",
              largest_difference(ours.compute("predict", saved, images), reconstructed), 0)

    # Trained further there: other weights and moving statistics, the optimizer's state beside them.
    library.utils.set_random_seed(42)
    model.compile(loss="mse", optimizer=library.optimizers.Adam(learning_rate=1e-3))
    model.fit(images, images, epochs=2, batch_size=4, verbose=0)
    for suffix in ("h5", "keras"):
        saved, back = ours.folder / f"trained.{suffix}", ours.folder / "back.h5"
        model.save(saved)
        ours.run("convert", saved, back)
        weights = library.models.load_model(back, compile=False).get_weights()
        checks.check(f"{name} trains and saves .{suffix}",
              max(map(largest_difference, weights, model.get_weights())), 0)


def main():
    program, golden = sys.argv[1], Path(sys.argv[2])
    small = golden / "small"
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        ours = Ours(program, folder)
        ours.run("convert", golden / "trained/autoencoder.model", folder / "mnist.h5")
        ours.run("convert", small / "h10w14c2_f4_l3_b5/keras3.keras", folder / "small.h5")
        ours.run("make", folder / "fresh.h5")
        cases = [("mnist.h5", golden / "forward/x.npy"),
                 ("small.h5", small / "h10w14c2_f4_l3_b5/x.npy"),
                 ("fresh.h5", small / "h32w24c3_f8-16-24_l5_b3/x.npy")]
        for library in (keras, tf_keras):
            for name, images in cases:
                round_trip(ours, library, folder / name, np.load(images))
    return checks.conclude()


if __name__ == "__main__":
    sys.exit(main())
