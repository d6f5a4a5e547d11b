#include "support/mnist.h"

#include <algorithm>
#include <filesystem>

#include "data/dataset.h"
#include "support/npy_file.h"

namespace oddity::test {

TestImages<uint8_t> mnist_anomaly_images() {
  const std::filesystem::path folder = ODDITY_MNIST_DIR;
  const Dataset mnist = read_dataset(folder / "train-images-idx3-ubyte.gz");
  const ImageView view = mnist.images.view();
  TestImages<uint8_t> images{view.shape, {}};
  for (const int32_t row : read_npy_file<int32_t>(golden("split/order.npy")).values) {
    const auto* pixels = reinterpret_cast<const uint8_t*>(view.image(static_cast<size_t>(row)));
    images.pixels.insert(images.pixels.end(), pixels, pixels + view.image_bytes());
  }
  return images;
}

}  // namespace oddity::test
