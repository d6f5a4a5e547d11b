#include "images/image_cache.h"

#include <sys/stat.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/system_calls.h"
#include "core/text.h"
#include "data/byte_source.h"
#include "files/atomic_file.h"
#include "images/image_source.h"

namespace oddity {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "ODDITYC1";
// Far above what folders and lists of inputs come to.
constexpr uint32_t kMaxIdentity = 1 << 24;

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<uint32_t>(text.size()));
  out += text;
}

/// Takes numbers and texts from the front of some bytes.
class Bytes {
 public:
  Bytes(std::string_view bytes, const std::string& name) : rest_(bytes), name_(name) {}

  std::string_view take(size_t size) {
    if (size > rest_.size()) throw Error("{}: damaged cache: remove it", name_);
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string text() { return std::string(take(number<uint32_t>())); }

 private:
  std::string_view rest_;
  const std::string& name_;
};

/// Path, size and time of every file of a folder.
std::string hash_of_folder(const fs::path& folder) {
  const auto source = open_images({folder});
  Hash hash;
  SourceBatch batch;
  while (source->next(batch, {})) {
    for (const SourceEntry& entry : batch.entries) {
      hash.add(entry.path.c_str(), entry.path.size() + 1);
      struct stat status {};
      if (::stat(entry.file.c_str(), &status) != 0) continue;
      hash.add(fmt::format("{} {}\n", status.st_size, changed_at(status)));
    }
  }
  return hash.text();
}

/// Reads `size` bytes of a cache; what is missing is damage.
std::string read_whole(ByteSource& source, uint64_t size) {
  if (size > source.limit()) throw Error("{}: damaged cache: remove it", source.name());
  std::string bytes = read_up_to(source, size);
  if (bytes.size() != size) throw Error("{}: truncated cache: remove it", source.name());
  return bytes;
}

void check_hash(std::string_view bytes, uint64_t stored, const std::string& name) {
  if (Hash().add(bytes).value() != stored) throw Error("{}: damaged cache: remove it", name);
}

struct Header {
  std::string identity;
  ImageShape shape;
};

std::string encode(const Header& header) {
  std::string bytes(kMagic);
  put_text(bytes, header.identity);
  put(bytes, static_cast<uint32_t>(header.shape.height));
  put(bytes, static_cast<uint32_t>(header.shape.width));
  put(bytes, static_cast<uint32_t>(header.shape.channels));
  put(bytes, Hash().add(bytes).value());
  return bytes;
}

Header read_header(ByteSource& source) {
  std::string bytes = read_up_to(source, kMagic.size() + sizeof(uint32_t));
  if (!bytes.starts_with(kMagic) || bytes.size() < kMagic.size() + sizeof(uint32_t)) {
    throw Error("{}: not a cache: choose another name", source.name());
  }
  const std::string& name = source.name();
  const auto length = Bytes(std::string_view(bytes).substr(kMagic.size()), name).number<uint32_t>();
  if (length > kMaxIdentity) throw Error("{}: damaged cache: remove it", name);
  bytes += read_whole(source, length + 3 * sizeof(uint32_t));
  check_hash(bytes, Bytes(read_whole(source, sizeof(uint64_t)), name).number<uint64_t>(), name);
  Bytes fields(bytes, name);
  fields.take(kMagic.size());
  Header header;
  header.identity = fields.text();
  header.shape.height = fields.number<uint32_t>();
  header.shape.width = fields.number<uint32_t>();
  header.shape.channels = fields.number<uint32_t>();
  checked_bytes(PixelType::f32, header.shape, 1, name);
  return header;
}

/// What stands before the payload of a block.
struct BlockHeader {
  uint64_t payload = 0;
  uint32_t rows = 0;
  uint32_t images = 0;
  uint32_t left_out = 0;
  PixelType type = PixelType::u8;
  bool last = false;  // an empty one, behind all others
  double fraction = 0;
  SourcePosition end;
};
constexpr size_t kBlockHeader = 8 + 4 + 4 + 4 + 1 + 1 + 8 + 8 + 8 + 8;

std::string encode(const BlockHeader& block) {
  std::string bytes;
  put(bytes, block.payload);
  put(bytes, block.rows);
  put(bytes, block.images);
  put(bytes, block.left_out);
  put(bytes, static_cast<uint8_t>(block.type));
  put(bytes, static_cast<uint8_t>(block.last));
  put(bytes, block.fraction);
  put(bytes, block.end.entries);
  put(bytes, block.end.paths);
  put(bytes, Hash().add(bytes).value());
  return bytes;
}

BlockHeader read_block_header(ByteSource& source) {
  const std::string bytes = read_whole(source, kBlockHeader);
  const std::string& name = source.name();
  Bytes fields(bytes, name);
  BlockHeader block;
  block.payload = fields.number<uint64_t>();
  block.rows = fields.number<uint32_t>();
  block.images = fields.number<uint32_t>();
  block.left_out = fields.number<uint32_t>();
  const auto type = fields.number<uint8_t>();
  block.type = static_cast<PixelType>(type);
  block.last = fields.number<uint8_t>() != 0;
  block.fraction = fields.number<double>();
  block.end.entries = fields.number<uint64_t>();
  block.end.paths = fields.number<uint64_t>();
  const std::string_view checked = std::string_view(bytes).substr(0, kBlockHeader - 8);
  check_hash(checked, fields.number<uint64_t>(), name);
  if (type > static_cast<uint8_t>(PixelType::f32) || block.images > block.rows) {
    throw Error("{}: damaged cache: remove it", name);
  }
  return block;
}

class CachedImages final : public ImageStream {
 public:
  CachedImages(const fs::path& path, const SourcePosition& start)
      : source_(open_file(path)), header_(read_header(*source_)) {
    SourcePosition position;
    while (position.entries < start.entries && !ended_) {
      const BlockHeader block = read_block_header(*source_);
      read_whole(*source_, block.payload + sizeof(uint64_t));
      position = block.end;
      ended_ = block.last;
    }
    if (!(position == start)) {
      throw Error("{}: no batch of the cache ends where the run was cut short: leave --cache out",
                  source_->name());
    }
  }

  Wait next(ImageBatch& batch) override {
    if (ended_) return Wait::end;
    const BlockHeader block = read_block_header(*source_);
    const std::string payload = read_whole(*source_, block.payload);
    const std::string& name = source_->name();
    check_hash(payload, Bytes(read_whole(*source_, sizeof(uint64_t)), name).number<uint64_t>(),
               name);
    Bytes fields(payload, name);
    batch.clear();
    size_t good = 0;
    for (uint32_t i = 0; i < block.rows; ++i) {
      ImageRow row;
      const auto status = fields.number<uint8_t>();
      if (status >= kImageStatuses) throw Error("{}: damaged cache: remove it", name);
      row.status = static_cast<ImageStatus>(status);
      row.label = fields.number<int32_t>();
      row.path = fields.text();
      row.reason = fields.text();
      if (row.status == ImageStatus::ok) ++good;
      batch.rows.push_back(std::move(row));
    }
    if (good != block.images) throw Error("{}: damaged cache: remove it", name);
    const std::string_view pixels =
        fields.take(checked_bytes(block.type, header_.shape, block.images, name));
    const auto* const bytes = reinterpret_cast<const std::byte*>(pixels.data());
    batch.pixels.assign(bytes, bytes + pixels.size());
    batch.images = block.images;
    batch.type = block.type;
    batch.left_out = block.left_out;
    batch.fraction = block.fraction;
    batch.end = block.end;
    ended_ = block.last;
    return ended_ ? Wait::end : Wait::batch;
  }

  bool ready() const override { return !ended_; }
  std::optional<ImageShape> shape() const override { return header_.shape; }
  StageSeconds stage_seconds() const override { return {}; }

 private:
  std::unique_ptr<ByteSource> source_;
  Header header_;
  bool ended_ = false;
};

class CachingImages final : public ImageStream {
 public:
  CachingImages(const fs::path& path, const Header& header, std::unique_ptr<ImageStream> stream)
      : stream_(std::move(stream)), file_(path) {
    file_.write(encode(header));
  }

  Wait next(ImageBatch& batch) override {
    const Wait wait = stream_->next(batch);
    if (wait == Wait::not_yet || ended_) return wait;
    if (wait == Wait::batch) {
      end_ = batch.end;
      write(batch, /*last=*/false);
    } else {
      ImageBatch nothing;
      nothing.end = end_;
      nothing.fraction = 1;
      write(nothing, /*last=*/true);
      file_.commit();
      ended_ = true;
    }
    return wait;
  }

  bool ready() const override { return stream_->ready(); }
  std::optional<ImageShape> shape() const override { return stream_->shape(); }
  StageSeconds stage_seconds() const override { return stream_->stage_seconds(); }

 private:
  void write(const ImageBatch& batch, bool last) {
    std::string rows;
    for (const ImageRow& row : batch.rows) {
      put(rows, static_cast<uint8_t>(row.status));
      put(rows, row.label);
      put_text(rows, row.path);
      put_text(rows, row.reason);
    }
    const std::string_view pixels(reinterpret_cast<const char*>(batch.pixels.data()),
                                  batch.pixels.size());
    file_.write(encode(BlockHeader{.payload = rows.size() + pixels.size(),
                                   .rows = static_cast<uint32_t>(batch.rows.size()),
                                   .images = static_cast<uint32_t>(batch.images),
                                   .left_out = static_cast<uint32_t>(batch.left_out),
                                   .type = batch.type,
                                   .last = last,
                                   .fraction = batch.fraction,
                                   .end = batch.end}));
    file_.write(rows);
    file_.write(pixels);
    std::string hash;
    put(hash, Hash().add(rows).add(pixels).value());
    file_.write(hash);
  }

  std::unique_ptr<ImageStream> stream_;
  AtomicFile file_;
  SourcePosition end_;
  bool ended_ = false;
};

}  // namespace

std::string cache_identity(const std::vector<fs::path>& inputs, const Preprocessing& preprocessing,
                           const std::optional<ImageShape>& shape) {
  std::string identity = fmt::format("preprocessing: {}\nimages: {}\n", describe(preprocessing),
                                     shape ? to_string(*shape) : "as the first of them");
  for (const fs::path& input : inputs) {
    if (input == kStandardInput) {
      throw ArgumentError(
          "--cache: what comes on standard input cannot be compared with an earlier run: name the "
          "folders or archives with --images");
    }
    struct stat status {};
    if (::stat(input.c_str(), &status) != 0) throw Error("{}: no such file", printable(input));
    identity += S_ISDIR(status.st_mode)
                    ? fmt::format("{}: {}\n", printable(input), hash_of_folder(input))
                    : fmt::format("{}: {} bytes, changed {}\n", printable(input), status.st_size,
                                  changed_at(status));
  }
  return identity;
}

CacheState cache_state(const fs::path& path, const std::string& identity) {
  std::error_code error;
  if (!fs::exists(path, error)) return CacheState::missing;
  return read_header(*open_file(path)).identity == identity ? CacheState::current
                                                            : CacheState::outdated;
}

std::unique_ptr<ImageStream> open_cache(const fs::path& path, const SourcePosition& start) {
  return std::make_unique<CachedImages>(path, start);
}

std::unique_ptr<ImageStream> write_cache(const fs::path& path, const std::string& identity,
                                         std::unique_ptr<ImageStream> stream) {
  const std::optional<ImageShape> shape = stream->shape();
  if (!shape) throw Error("{}: there is no image to keep", printable(path));
  return std::make_unique<CachingImages>(path, Header{identity, *shape}, std::move(stream));
}

}  // namespace oddity
