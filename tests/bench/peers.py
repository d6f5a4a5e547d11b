"""The reference's network in the libraries that others use, measured as bench_cpu.cc measures Oddity.

    python peers.py train|score LIBRARY SETTING THREADS [MODEL.onnx]

LIBRARY and SETTING are those of SETTINGS below. In a folder that holds share/oddity/mnist. Prints "ready" and,
scoring, the fastest of BATCHES; then, for each number of seconds read from standard input, works that long and prints one
JSON object: the median seconds of an image. Training goes in steps of 32.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

import reference_program

SETTINGS = {
    "train": [("tf_keras", "fit"), ("tf_keras", "tf.function"), ("keras", "fit"),
              ("torch", "eager"), ("torch", "channels_last"), ("torch", "compile")],
    "score": [("tf_keras", "predict"), ("tf_keras", "tf.function"), ("keras", "tf.function"),
              ("torch", "eager"), ("torch", "channels_last"), ("torch", "compile"),
              ("onnxruntime", "session")],
}
BATCH = 32
BATCHES = (32, 128, 512, 2048)
SCORED = 4096


def read_images():
    """The reference's data set, float32 in [0,1], [N, 28, 28, 1]."""
    folder = Path("share/oddity/mnist")
    digits = reference_program.read_idx(folder / "train-images-idx3-ubyte.gz")
    labels = reference_program.read_idx(folder / "train-labels-idx1-ubyte.gz")
    images = reference_program.build_unsupervised_dataset(digits, labels)
    return images[..., np.newaxis].astype("float32") / 255


def import_keras(library, threads):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if library == "tf_keras":
        import tf_keras as keras
    else:
        os.environ["KERAS_BACKEND"] = "tensorflow"
        import keras
    return tf, keras


def keras_model(library, keras):
    # Keras 3 calls the slope of LeakyReLU otherwise.
    if library == "keras":
        layers = keras.layers
        original = layers.LeakyReLU
        layers.LeakyReLU = lambda alpha: original(negative_slope=alpha)
    return reference_program.build_autoencoder(keras, 28, 28, 1)


def train_keras(library, setting, threads, images):
    tf, keras = import_keras(library, threads)
    keras.utils.set_random_seed(42)
    model = keras_model(library, keras)
    optimizers = keras.optimizers.legacy if library == "tf_keras" else keras.optimizers
    optimizer = optimizers.Adam(1e-5)
    if setting == "fit":
        model.compile(loss="mse", optimizer=optimizer)
        return lambda: model.fit(images, images, batch_size=BATCH, epochs=1, verbose=0)

    # The step alone, compiled once: what fit can cost at the least.
    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - x))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    batches = [tf.constant(images[i:i + BATCH]) for i in range(0, len(images), BATCH)]
    return lambda: [step(batch) for batch in batches]


def score_keras(library, setting, threads, images):
    tf, keras = import_keras(library, threads)
    model = keras_model(library, keras)

    def predict(batch):
        return lambda: np.mean((model.predict(images, batch_size=batch, verbose=0) - images) ** 2,
                               axis=(1, 2, 3))

    @tf.function
    def scores(x):
        return tf.reduce_mean(tf.square(model(x, training=False) - x), axis=(1, 2, 3))

    def compiled(batch):
        batches = [tf.constant(images[i:i + batch]) for i in range(0, len(images), batch)]
        return lambda: [scores(part) for part in batches]

    return predict if setting == "predict" else compiled


def torch_model(setting, threads):
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(42)

    class Crop(nn.Module):
        """Keras pads strided layers behind the last row and column only."""

        def forward(self, x):
            return x[:, :, :-1, :-1]

    def down(inputs, outputs):
        return [nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(inputs, outputs, 3, 2), nn.LeakyReLU(0.2),
                nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)]

    def up(inputs, outputs):
        return [nn.ConvTranspose2d(inputs, outputs, 3, 2), Crop(), nn.LeakyReLU(0.2),
                nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)]

    model = nn.Sequential(
        *down(1, 32), *down(32, 64), nn.Flatten(), nn.Linear(3136, 16), nn.Linear(16, 3136),
        nn.Unflatten(1, (64, 7, 7)), *up(64, 64), *up(64, 32), nn.ConvTranspose2d(32, 1, 3, 1, 1),
        nn.Sigmoid())
    if setting != "eager":
        model = model.to(memory_format=torch.channels_last)
    return torch, model


def torch_batches(torch, setting, images, batch):
    # One channel: the same bytes in either layout.
    form = torch.contiguous_format if setting == "eager" else torch.channels_last
    x = torch.from_numpy(images.reshape(-1, 1, 28, 28)).contiguous(memory_format=form)
    return list(x.split(batch))


def train_torch(setting, threads, images):
    torch, model = torch_model(setting, threads)
    optimizer = torch.optim.Adam(model.parameters(), 1e-5, eps=1e-7, fused=True)
    forward = torch.compile(model) if setting == "compile" else model
    batches = torch_batches(torch, setting, images, BATCH)

    def work():
        for x in batches:
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(forward(x), x)
            loss.backward()
            optimizer.step()
            loss.item()

    return work


def score_torch(setting, threads, images):
    torch, model = torch_model(setting, threads)
    model.eval()
    # Each batch size its own code: made for any size it is slower.
    forward = torch.compile(model, dynamic=False) if setting == "compile" else model

    def batched(batch):
        batches = torch_batches(torch, setting, images, batch)

        def work():
            with torch.inference_mode():
                for x in batches:
                    ((forward(x) - x) ** 2).mean((1, 2, 3))

        return work

    return batched


def score_onnxruntime(path, threads, images):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    pixels = np.round(images * 255).astype("uint8")

    def batched(batch):
        batches = [pixels[i:i + batch] for i in range(0, len(pixels), batch)]
        return lambda: [session.run(["score"], {"images": part}) for part in batches]

    return batched


def seconds_of(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main():
    job, library, setting, threads = sys.argv[1:4] + [int(sys.argv[4])]
    images = read_images()
    if job == "train":
        images = images[:len(images) // 5 * 4 // BATCH * BATCH]
        work = (train_torch(setting, threads, images) if library == "torch"
                else train_keras(library, setting, threads, images))
        work()
    else:
        images = images[:SCORED]
        batched = (score_torch(setting, threads, images) if library == "torch"
                   else score_onnxruntime(sys.argv[5], threads, images)
                   if library == "onnxruntime"
                   else score_keras(library, setting, threads, images))
        candidates = {batch: batched(batch) for batch in BATCHES}
        for candidate in candidates.values():
            candidate()
        best = min(candidates,
                   key=lambda batch: min(seconds_of(candidates[batch]) for _ in range(3)))
        work = candidates[best]
    print("ready" if job == "train" else f"ready batch {best}", flush=True)
    for line in sys.stdin:
        samples = []
        begin = time.perf_counter()
        while not samples or time.perf_counter() - begin < float(line):
            samples.append(seconds_of(work) / len(images))
        print(json.dumps({"seconds": statistics.median(samples)}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
