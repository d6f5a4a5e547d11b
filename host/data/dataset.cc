#include "data/dataset.h"

#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "data/byte_source.h"
#include "data/idx.h"
#include "data/npz.h"
#include "data/numpy_array.h"
#include "data/pickle.h"
#include "files/atomic_file.h"
#include "files/zip.h"

namespace oddity {
namespace {

constexpr size_t kStart = 256;  // bytes that tell the type of a file

/// What a file that holds no data set seems to be, and what to do about it.
std::string_view advice(std::string_view start) {
  if (start.starts_with("\x89HDF\r\n\x1a\n")) return "HDF5, which holds models: give it as --model";
  if (start.starts_with("\x89PNG") || start.starts_with("\xff\xd8\xff")) {
    return "a single picture: save the set as one NPY or NPZ file";
  }
  return "neither IDX (plain or gzip), NPY, NPZ nor a pickled NumPy array: save it as one of them";
}

/// A file from its start, unpacked where it is gzip, and its first bytes.
struct Opened {
  std::unique_ptr<ByteSource> source;
  std::string start;
};

Opened open(const std::filesystem::path& path) {
  auto source = open_file(path);
  std::string start = read_up_to(*source, kStart);
  source = prepend(start, std::move(source));
  if (start.empty()) throw Error("{}: the file is empty: write or copy it again", source->name());
  if (is_gzip(start)) {
    source = unpack_gzip(std::move(source));
    start = read_up_to(*source, kStart);
    source = prepend(start, std::move(source));
  }
  return {std::move(source), std::move(start)};
}

ImageArray read_pickled_images(ByteSource& source) {
  const auto bytes = read_exactly(source, source.limit(), "the pickle");
  PickledArray found;
  read_pickle({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, source.name(), found);
  const auto numbers = view_bytes(found.numbers, source.name());
  return read_array_images(*numbers, found.array);
}

}  // namespace

Dataset read_dataset(const std::filesystem::path& path) {
  const auto [source, start] = open(path);
  Dataset dataset;
  if (is_zip(start)) {
    dataset = read_npz(path);
  } else if (is_idx(start)) {
    dataset.images = read_idx_images(*source);
  } else if (is_npy(start)) {
    const NpyHeader header = read_npy_header(*source);
    dataset.images = read_array_images(*source, header);
  } else if (is_pickle(start)) {
    dataset.images = read_pickled_images(*source);
  } else {
    throw Error("{}: not a data set: {}", source->name(), advice(start));
  }
  if (dataset.index.empty()) {
    dataset.index.resize(dataset.size());
    std::iota(dataset.index.begin(), dataset.index.end(), int64_t{0});
  }
  if (dataset.label.empty()) dataset.label.assign(dataset.size(), kUnknownLabel);
  return dataset;
}

Dataset read_labelled_idx(const std::filesystem::path& images,
                          const std::filesystem::path& labels) {
  Dataset dataset;
  dataset.images = read_idx_images(*open(images).source);
  dataset.label = read_idx_labels(*open(labels).source);
  if (dataset.label.size() != dataset.size()) {
    throw Error("{} holds {} labels, {} holds {} images: give the labels of the same set",
                printable(labels), dataset.label.size(), printable(images), dataset.size());
  }
  dataset.index.resize(dataset.size());
  std::iota(dataset.index.begin(), dataset.index.end(), int64_t{0});
  return dataset;
}

std::string fingerprint(const ImageView& images) {
  const int64_t shape[] = {static_cast<int64_t>(images.count), images.shape.height,
                           images.shape.width, images.shape.channels};
  return Hash()
      .add(name_of(images.type))
      .add(shape, sizeof shape)
      .add(images.data, images.count * images.image_bytes())
      .text();
}

void write_dataset(const std::filesystem::path& path, const Dataset& dataset) {
  check_dataset_suffix(path);
  if (dataset.index.size() != dataset.size() || dataset.label.size() != dataset.size() ||
      (!dataset.path.empty() && dataset.path.size() != dataset.size())) {
    throw Error(
        "{}: a data set of {} images, {} rows, {} labels and {} paths: one of each an image",
        printable(path), dataset.size(), dataset.index.size(), dataset.label.size(),
        dataset.path.size());
  }
  if (path.extension() == ".npz") return write_npz(path, dataset);
  AtomicFile file(path);
  file.write(image_npy_header(dataset.images));
  file.write(pixel_bytes(dataset.images));
  file.commit();
}

void check_dataset_suffix(const std::filesystem::path& path) {
  const std::filesystem::path suffix = path.extension();
  if (suffix == ".npz" || suffix == ".npy") return;
  if (suffix == ".pickle" || suffix == ".pkl") {
    throw ArgumentError("{}: pickles are read but never written: give a name that ends in .npz",
                        printable(path));
  }
  throw ArgumentError("{}: a data set is written as .npz or .npy, not as '{}': change the suffix",
                      printable(path), printable(suffix));
}

}  // namespace oddity
