#include "core/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <new>

namespace oddity {

struct Hash::State {
  State() : xxh3(XXH3_createState()) {
    if (xxh3 == nullptr) throw std::bad_alloc();
    XXH3_64bits_reset(xxh3);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { XXH3_freeState(xxh3); }

  XXH3_state_t* xxh3;
};

Hash::Hash() : state_(std::make_unique<State>()) {}
Hash::~Hash() = default;
Hash::Hash(Hash&&) noexcept = default;
Hash& Hash::operator=(Hash&&) noexcept = default;

Hash& Hash::add(const void* data, size_t bytes) {
  // XXH3 takes no null pointer, which an empty vector may hand over.
  if (bytes > 0) XXH3_64bits_update(state_->xxh3, data, bytes);
  return *this;
}

uint64_t Hash::value() const { return XXH3_64bits_digest(state_->xxh3); }

std::string Hash::text() const { return fmt::format("xxh3:{:016x}", value()); }

}  // namespace oddity
