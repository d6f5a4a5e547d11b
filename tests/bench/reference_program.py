"""The program that Oddity does natively, in tf_keras: what the benchmarks compare against.

    python reference_program.py train --dataset images.pickle --model autoencoder.model
    python reference_program.py find  --dataset images.pickle --model autoencoder.model

The same data, architecture, optimizer and pictures as `oddity train` and `oddity find`; written for this
comparison. Labels and the saved data set follow the same draw (seed 42).
"""

import argparse
import gzip
import os
import pickle
import random
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

EPOCHS = 20
LEARNING_RATE = 1e-3
BATCH_SIZE = 32
FILTERS = (32, 64)
LATENT_DIM = 16
SEED = 42


def read_idx(path):
    """A gzip-compressed IDX file of bytes."""
    content = gzip.decompress(path.read_bytes())
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", dimensions, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def build_unsupervised_dataset(images, labels, valid_label=1, anomaly_label=3, contamination=0.01):
    """All images of one label, contaminated with a few of another, shuffled."""
    random.seed(SEED)
    valid = list(np.where(labels == valid_label)[0])
    anomalies = list(np.where(labels == anomaly_label)[0])
    random.shuffle(valid)
    random.shuffle(anomalies)
    anomalies = anomalies[: int(len(valid) * contamination)]
    drawn = np.vstack([images[valid], images[anomalies]])
    np.random.seed(SEED)
    np.random.shuffle(drawn)
    return drawn


def build_autoencoder(keras, height, width, depth):
    layers = keras.layers
    inputs = keras.Input((height, width, depth))
    x = inputs
    for filters in FILTERS:
        x = layers.Conv2D(filters, 3, strides=2, padding="same")(x)
        x = layers.LeakyReLU(alpha=0.2)(x)
        x = layers.BatchNormalization()(x)
    encoded = x.shape[1:]
    latent = layers.Dense(LATENT_DIM)(layers.Flatten()(x))
    encoder = keras.Model(inputs, latent, name="encoder")

    latent_inputs = keras.Input((LATENT_DIM,))
    x = layers.Dense(int(np.prod(encoded)))(latent_inputs)
    x = layers.Reshape(encoded)(x)
    for filters in reversed(FILTERS):
        x = layers.Conv2DTranspose(filters, 3, strides=2, padding="same")(x)
        x = layers.LeakyReLU(alpha=0.2)(x)
        x = layers.BatchNormalization()(x)
    outputs = layers.Activation("sigmoid")(layers.Conv2DTranspose(depth, 3, padding="same")(x))
    decoder = keras.Model(latent_inputs, outputs, name="decoder")
    return keras.Model(inputs, decoder(encoder(inputs)), name="autoencoder")


def side_by_side(originals, reconstructions):
    """One row an image: original | reconstruction, as bytes."""
    pairs = np.concatenate([originals, reconstructions], axis=2)
    return (np.vstack(list(pairs)) * 255).astype("uint8")[..., 0]


def import_keras(threads):
    import tensorflow as tf

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    import tf_keras

    return tf_keras


def train(arguments):
    keras = import_keras(arguments.threads)
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from sklearn.model_selection import train_test_split

    print("[INFO] loading MNIST dataset...")
    labels = read_idx(arguments.mnist / "train-labels-idx1-ubyte.gz")
    digits = read_idx(arguments.mnist / "train-images-idx3-ubyte.gz")
    print("[INFO] creating unsupervised dataset...")
    images = build_unsupervised_dataset(digits, labels)
    images = np.expand_dims(images, -1).astype("float32") / 255.0
    train_images, test_images = train_test_split(images, test_size=0.2, random_state=42)

    print("[INFO] building autoencoder...")
    keras.utils.set_random_seed(arguments.init_seed)
    autoencoder = build_autoencoder(keras, 28, 28, 1)
    optimizer = keras.optimizers.legacy.Adam(
        learning_rate=LEARNING_RATE, decay=LEARNING_RATE / arguments.epochs)
    autoencoder.compile(loss="mse", optimizer=optimizer)
    begin = time.perf_counter()
    history = autoencoder.fit(
        train_images, train_images, validation_data=(test_images, test_images),
        epochs=arguments.epochs, batch_size=BATCH_SIZE, verbose=2).history
    print(f"[INFO] fit took {time.perf_counter() - begin:.3f} s")

    print("[INFO] making predictions...")
    chosen = test_images[:10]
    picture = side_by_side(chosen, autoencoder.predict(chosen, verbose=0))
    plt.imsave(arguments.vis, picture, cmap="gray", vmin=0, vmax=255)

    epochs = np.arange(arguments.epochs)
    plt.style.use("ggplot")
    plt.figure()
    plt.plot(epochs, history["loss"], label="train_loss")
    plt.plot(epochs, history["val_loss"], label="val_loss")
    plt.title("Training Loss")
    plt.xlabel("Epoch #")
    plt.ylabel("Loss")
    plt.legend(loc="best")
    plt.savefig(arguments.plot)

    print("[INFO] saving image data...")
    arguments.dataset.write_bytes(pickle.dumps(images))
    print("[INFO] saving autoencoder...")
    autoencoder.save(arguments.model, save_format="h5")


def find(arguments):
    keras = import_keras(arguments.threads)
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    print("[INFO] loading autoencoder and image data...")
    autoencoder = keras.models.load_model(arguments.model)
    images = pickle.loads(arguments.dataset.read_bytes())  # written by this program a moment ago
    reconstructions = autoencoder.predict(images, verbose=0)
    errors = np.mean((images - reconstructions) ** 2, axis=(1, 2, 3))
    threshold = np.quantile(errors.astype("float64"), arguments.quantile)
    outliers = np.where(errors >= threshold)[0]
    print(f"[INFO] mse threshold: {threshold}")
    print(f"[INFO] {len(outliers)} outliers found")
    plt.imsave(arguments.montage, side_by_side(images[outliers], reconstructions[outliers]),
               cmap="gray", vmin=0, vmax=255)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    mnist = Path(__file__).resolve().parents[2] / "apps/data/mnist"

    command = commands.add_parser("train")
    command.set_defaults(run=train)
    command.add_argument("-v", "--vis", type=Path, default="recon_vis.png")
    command.add_argument("-p", "--plot", type=Path, default="plot.png")
    command.add_argument("--mnist", type=Path, default=mnist)
    command.add_argument("--epochs", type=int, default=EPOCHS)
    command.add_argument("--init-seed", type=int, default=SEED)

    command = commands.add_parser("find")
    command.set_defaults(run=find)
    command.add_argument("-q", "--quantile", type=float, default=0.999)
    command.add_argument("--montage", type=Path, default="outliers.png")

    for command in commands.choices.values():
        command.add_argument("-d", "--dataset", type=Path, required=True)
        command.add_argument("-m", "--model", type=Path, required=True)
        command.add_argument("--threads", type=int, default=0, help="0: as TensorFlow likes")

    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
