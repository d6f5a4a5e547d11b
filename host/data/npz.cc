#include "data/npz.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "data/numpy_array.h"
#include "data/packed_paths.h"
#include "files/zip.h"

namespace oddity {
namespace {

class MemberSource final : public ByteSource {
 public:
  MemberSource(ZipReader& zip, std::string name, uint64_t limit)
      : ByteSource(std::move(name)), zip_(zip), limit_(limit) {}
  size_t read(void* out, size_t size) override { return zip_.read(out, size); }
  uint64_t limit() const override { return limit_; }

 private:
  ZipReader& zip_;
  uint64_t limit_;
};

std::vector<int32_t> labels_of(const std::vector<int64_t>& integers, std::string_view name) {
  std::vector<int32_t> labels;
  labels.reserve(integers.size());
  for (const int64_t label : integers) {
    if (!std::in_range<int32_t>(label)) {
      throw Error("{}: label {} is outside [{}, {}]", name, label,
                  std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max());
    }
    labels.push_back(static_cast<int32_t>(label));
  }
  return labels;
}

/// All that is left. Memory grows with what arrives.
std::string read_rest(ByteSource& source) {
  constexpr size_t kBlock = 1 << 16;
  std::string bytes;
  for (size_t used = 0;;) {
    bytes.resize(used + kBlock);
    const size_t got = source.read(bytes.data() + used, kBlock);
    bytes.resize(used += got);
    if (got == 0) return bytes;
  }
}

template <typename T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

Dataset read_npz(const std::filesystem::path& path) {
  ZipReader zip(path);
  const std::string file = printable(path);
  // What is stored or deflated unpacks to no more.
  const uint64_t limit = zip.file_size() * kDeflateRatio;
  Dataset dataset;
  std::vector<int64_t> path_offsets;
  std::string path_member;  // understood only beside offsets: else it is somebody else's
  std::set<std::string> seen;
  std::string members;               // for the message about missing images
  constexpr size_t kMaxNames = 500;  // bytes
  while (zip.next()) {
    const std::string member = zip.name();
    if (members.size() < kMaxNames) {
      members += (members.empty() ? "" : ", ") + printable(std::string_view(member));
    }
    constexpr std::string_view kOurs[] = {"images.npy", "index.npy", "label.npy", "path.npy",
                                          "path_offset.npy"};
    if (std::find(std::begin(kOurs), std::end(kOurs), member) == std::end(kOurs)) continue;
    const std::string name = fmt::format("{}: {}", file, member);
    if (!seen.insert(member).second) throw Error("{} occurs twice: write the file again", name);
    MemberSource source(zip, name, limit);
    if (member == "path.npy") {
      path_member = read_rest(source);
      continue;
    }
    const NpyHeader header = read_npy_header(source);
    if (member == "images.npy") {
      dataset.images = read_array_images(source, header);
    } else if (member == "index.npy") {
      dataset.index = read_array_integers(source, header);
    } else if (member == "path_offset.npy") {
      path_offsets = read_array_integers(source, header);
    } else {
      dataset.label = labels_of(read_array_integers(source, header), name);
    }
  }
  if (!seen.contains("images.npy")) {
    throw Error("{}: no array 'images', only {}: save it as np.savez(file, images=...)", file,
                members);
  }
  for (const auto& [member, count] :
       {std::pair<std::string_view, size_t>{"index", dataset.index.size()},
        {"label", dataset.label.size()}}) {
    if (seen.contains(fmt::format("{}.npy", member)) && count != dataset.size()) {
      throw Error("{}: {} has {} entries, there are {} images: save one an image", file, member,
                  count, dataset.size());
    }
  }
  if (seen.contains("path_offset.npy")) {
    if (!seen.contains("path.npy")) {
      throw Error("{}: path_offset without path: save both, or neither", file);
    }
    const NpyHeader header = parse_npy(path_member, fmt::format("{}: path.npy", file));
    if (header.type != "|u1" || header.shape.size() != 1) {
      throw Error("{}: path: {} of shape {}, expected bytes, uint8 of shape (N,)", file,
                  header.type, shape_text(header.shape));
    }
    dataset.path = unpack_paths({path_member.substr(header.data_offset), std::move(path_offsets)},
                                dataset.size(), file);
  }
  return dataset;
}

void write_npz(const std::filesystem::path& path, const Dataset& dataset) {
  const std::array<int64_t, 1> rows{static_cast<int64_t>(dataset.size())};
  ZipWriter zip(path);
  zip.add("images.npy", {image_npy_header(dataset.images), pixel_bytes(dataset.images)});
  zip.add("index.npy", {npy_header("<i8", rows), bytes_of(dataset.index)});
  zip.add("label.npy", {npy_header("<i4", rows), bytes_of(dataset.label)});
  if (!dataset.path.empty()) {
    const PackedPaths paths = pack_paths(dataset.path);
    const std::array<int64_t, 1> bytes{static_cast<int64_t>(paths.bytes.size())};
    const std::array<int64_t, 1> offsets{static_cast<int64_t>(paths.offsets.size())};
    zip.add("path.npy", {npy_header("|u1", bytes), paths.bytes});
    zip.add("path_offset.npy", {npy_header("<i8", offsets), bytes_of(paths.offsets)});
  }
  zip.commit();
}

}  // namespace oddity
