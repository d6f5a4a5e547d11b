#include "data/npz.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "data/numpy_array.h"
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
  std::set<std::string> seen;
  std::string members;               // for the message about missing images
  constexpr size_t kMaxNames = 500;  // bytes
  while (zip.next()) {
    const std::string member = zip.name();
    if (members.size() < kMaxNames) {
      members += (members.empty() ? "" : ", ") + printable(std::string_view(member));
    }
    if (member != "images.npy" && member != "index.npy" && member != "label.npy") continue;
    const std::string name = fmt::format("{}: {}", file, member);
    if (!seen.insert(member).second) throw Error("{} occurs twice: write the file again", name);
    MemberSource source(zip, name, limit);
    const NpyHeader header = read_npy_header(source);
    if (member == "images.npy") {
      dataset.images = read_array_images(source, header);
    } else if (member == "index.npy") {
      dataset.index = read_array_integers(source, header);
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
  return dataset;
}

void write_npz(const std::filesystem::path& path, const Dataset& dataset) {
  const std::array<int64_t, 1> rows{static_cast<int64_t>(dataset.size())};
  ZipWriter zip(path);
  zip.add("images.npy", {image_npy_header(dataset.images), pixel_bytes(dataset.images)});
  zip.add("index.npy", {npy_header("<i8", rows), bytes_of(dataset.index)});
  zip.add("label.npy", {npy_header("<i4", rows), bytes_of(dataset.label)});
  zip.commit();
}

}  // namespace oddity
