"""The same network on the same images in PyTorch, measured as bench_cuda.cc measures Oddity.

    python3 bench_torch.py [--epochs 5] [--images 1000000] [--scores 10000000] [--modes eager,graph,compile]

Run it in a folder that holds share/oddity/mnist and golden/split. Prints one JSON object with the keys of
bench_cuda; what cannot be measured is in "not_available". Exit code 6, and one line, where PyTorch or its
GPU is missing.

PyTorch pads the strided layers by one on both sides, its natural way, where Keras pads at one end: as
many multiplications. Data, order and learning rates are on the GPU before the clock starts, as Oddity's.
"""

import argparse
import array
import gzip
import json
import statistics
import struct
import sys
import time

EXIT_NO_DEVICE = 6
BATCH = 32
SCORING_BATCH = 4096

try:
    import torch
    from torch import nn
except ImportError as error:
    print(f"not available: PyTorch cannot be imported: {error}", file=sys.stderr)
    sys.exit(EXIT_NO_DEVICE)


def read_images(path):
    with gzip.open(path) as file:
        _, count, height, width = struct.unpack(">4i", file.read(16))
        return torch.frombuffer(bytearray(file.read()), dtype=torch.uint8).view(
            count, 1, height, width)


def read_positions(path):
    """A one-dimensional NPY file of int32 or int64."""
    with open(path, "rb") as file:
        data = file.read()
    header = struct.unpack("<H", data[8:10])[0]
    text = data[10:10 + header].decode()
    code = "i" if "<i4" in text else "q" if "<i8" in text else None
    if code is None:
        raise SystemExit(f"{path} holds neither int32 nor int64")
    return list(array.array(code, data[10 + header:]))


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()

        def norm(channels):
            return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)

        def down(inputs, outputs):
            return [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.LeakyReLU(0.2), norm(outputs)]

        def up(inputs, outputs):
            return [nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, 1), nn.LeakyReLU(0.2),
                    norm(outputs)]

        self.encoder = nn.Sequential(*down(1, 32), *down(32, 64), nn.Flatten(),
                                     nn.Linear(3136, 16))
        self.decoder = nn.Sequential(nn.Linear(16, 3136), nn.Unflatten(1, (64, 7, 7)),
                                     *up(64, 64), *up(64, 32), nn.ConvTranspose2d(32, 1, 3, 1, 1),
                                     nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))


def prepare(pixels):
    return pixels.float().div_(255).contiguous(memory_format=torch.channels_last)


class Training:
    """One epoch after the other over the same positions, in one of three modes."""

    def __init__(self, mode, pixels, positions):
        self.mode, self.pixels = mode, pixels
        self.model = Autoencoder().cuda().to(memory_format=torch.channels_last)
        self.batches = list(positions.split(BATCH))
        self.rates = torch.full((len(self.batches),), 1e-3, device="cuda")
        self.rate = torch.tensor(1e-3, device="cuda")
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=self.rate, eps=1e-7,
                                          capturable=True, fused=True)
        self.total = torch.zeros((), device="cuda")
        self.forward = torch.compile(self.model) if mode == "compile" else self.model
        self.graphs = {}
        if mode == "graph":
            for count in {len(batch) for batch in self.batches}:
                self.graphs[count] = self.capture(count)

    def step(self, positions):
        x = prepare(self.pixels[positions])
        self.optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.mse_loss(self.forward(x), x)
        loss.backward()
        self.optimizer.step()
        self.total += loss.detach() * len(positions)

    def capture(self, count):
        positions = self.batches[0][:count].clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.step(positions)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step(positions)
        return positions, graph

    def epoch(self):
        self.model.train()
        self.total.zero_()
        for i, batch in enumerate(self.batches):
            self.rate.copy_(self.rates[i])
            if self.mode == "graph":
                positions, graph = self.graphs[len(batch)]
                positions.copy_(batch)
                graph.replay()
            else:
                self.step(batch)
        return self.total.item()  # waits


class Scoring:
    """The mean squared error of each image, SCORING_BATCH at a time."""

    def __init__(self, mode, pixels):
        self.mode, self.pixels = mode, pixels
        self.model = Autoencoder().cuda().to(memory_format=torch.channels_last).eval()
        self.forward = torch.compile(self.model) if mode == "compile" else self.model
        self.scores = torch.empty(len(pixels), device="cuda")
        self.full = len(pixels) - len(pixels) % SCORING_BATCH
        if mode == "graph" and self.full:
            self.capture()

    @torch.no_grad()
    def errors(self, pixels):
        x = prepare(pixels)
        return (self.forward(x) - x).square_().mean((1, 2, 3))

    def capture(self):
        self.input = self.pixels[:SCORING_BATCH].clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.errors(self.input)
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.output = self.errors(self.input)

    def run(self):
        for i in range(0, len(self.pixels), SCORING_BATCH):
            part = self.pixels[i:i + SCORING_BATCH]
            if self.mode == "graph" and len(part) == SCORING_BATCH:
                self.input.copy_(part)
                self.graph.replay()
                self.scores[i:i + len(part)] = self.output
            else:
                self.scores[i:i + len(part)] = self.errors(part)
        torch.cuda.synchronize()


def median_seconds(count, work):
    """Of `count` calls after one that is not timed."""
    work()
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.measurements = []
        self.not_available = {}
        images = read_images("share/oddity/mnist/train-images-idx3-ubyte.gz")
        self.images = images[read_positions("golden/split/order.npy")].contiguous()
        self.positions = torch.tensor(read_positions("golden/split/train.npy"), device="cuda")

    def add(self, what, precision, mode, unit, value):
        self.measurements.append({"what": what, "precision": precision, "mode": mode,
                                  "unit": unit, "value": value})

    def repeated(self):
        count = self.arguments.images
        whole = -(-count // len(self.images))
        return self.images.repeat(whole, 1, 1, 1)[:count]

    def run(self, precision, mode):
        is_tf32 = precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = is_tf32
        torch.backends.cudnn.allow_tf32 = is_tf32
        torch.backends.cudnn.benchmark = True
        torch.manual_seed(42)
        try:
            training = Training(mode, self.images.cuda(), self.positions)
            seconds = median_seconds(self.arguments.epochs, training.epoch)
            self.add("training epoch", precision, mode, "ms", 1e3 * seconds)
            self.add("training step", precision, mode, "us", 1e6 * seconds / len(training.batches))
            del training
            scoring = Scoring(mode, self.repeated().cuda())
            self.add("scoring, resident", precision, mode, "images/s",
                     self.arguments.images / median_seconds(3, scoring.run))
        except Exception as error:  # another release may lack what a mode needs
            self.not_available[f"{precision} {mode}"] = f"{type(error).__name__}: {error}"[:300]
        torch.cuda.empty_cache()

    def run_common(self):
        scores = torch.rand(self.arguments.scores, device="cuda")
        rank = (self.arguments.scores - 1) * 999 // 1000 + 1

        def select():
            return scores.kthvalue(rank).values.item(), scores.kthvalue(rank + 1).values.item()

        self.add("quantile .999, resident", "-", "-", "ms", 1e3 * median_seconds(5, select))
        pixels = self.repeated()

        def upload():
            pixels.cuda()
            torch.cuda.synchronize()

        seconds = median_seconds(3, upload)
        self.add("upload, with allocation", "-", "-", "GB/s", 1e-9 * pixels.numel() / seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--images", type=int, default=1000000)
    parser.add_argument("--scores", type=int, default=10000000)
    parser.add_argument("--modes", default="eager,graph,compile")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print(f"not available: PyTorch {torch.__version__} finds no GPU", file=sys.stderr)
        return EXIT_NO_DEVICE
    bench = Bench(arguments)
    for precision in ("fp32", "tf32"):
        for mode in arguments.modes.split(","):
            bench.run(precision, mode)
    bench.run_common()
    print(json.dumps({"program": f"PyTorch {torch.__version__}",
                      "device": torch.cuda.get_device_name(0),
                      "measurements": bench.measurements,
                      "not_available": bench.not_available}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
