// The cache of decoded images: the file as it is, and with its checksums made right, which nobody
// guesses.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "core/error.h"
#include "core/hash.h"
#include "images/image_cache.h"
#include "support/memory_file.h"

namespace {

constexpr size_t kMagic = 8;
constexpr size_t kBlockHeader = 54;  // image_cache.h

void put_hash(std::string& bytes, size_t begin, size_t end) {
  const uint64_t hash =
      oddity::Hash().add(std::string_view(bytes).substr(begin, end - begin)).value();
  std::memcpy(bytes.data() + end, &hash, sizeof(hash));
}

/// Every checksum that has a place in `bytes`.
void repair(std::string& bytes) {
  if (bytes.size() < kMagic + 4) return;
  uint32_t identity = 0;
  std::memcpy(&identity, bytes.data() + kMagic, sizeof(identity));
  size_t at = kMagic + 4 + size_t{identity} + 12;
  if (at + 8 > bytes.size()) return;
  put_hash(bytes, 0, at);
  at += 8;
  while (at + kBlockHeader <= bytes.size()) {
    put_hash(bytes, at, at + kBlockHeader - 8);
    uint64_t payload = 0;
    std::memcpy(&payload, bytes.data() + at, sizeof(payload));
    at += kBlockHeader;
    if (payload > bytes.size() - at || bytes.size() - at - payload < 8) return;
    put_hash(bytes, at, at + payload);
    at += payload + 8;
  }
}

void read(const std::string& bytes) {
  const oddity::test::MemoryFile file(bytes);
  try {
    const auto images = oddity::open_cache(file.path(), {});
    oddity::ImageBatch batch;
    while (images->next(batch) != oddity::ImageStream::Wait::end) continue;
  } catch (const oddity::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  read(bytes);
  repair(bytes);
  read(bytes);
  return 0;
}
