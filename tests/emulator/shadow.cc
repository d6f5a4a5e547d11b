#include "emulator/shadow.h"

#include <algorithm>

#include "emulator/internal.h"

namespace oddity::emulator::checker {

Found Shadow::find(const void* pointer) {
  using Place = Found::Place;
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  if (last_ != nullptr && address - last_begin_ < last_->size()) {  // most often
    return {Place::kGlobal, &(*last_)[address - last_begin_],
            last_->size() - (address - last_begin_)};
  }
  if (address - arena_ < shared_.size()) {
    const std::size_t offset = address - arena_;
    return {Place::kShared, &shared_[offset], shared_.size() - offset};
  }
  if (!in_device_heap(pointer)) {
    return {};
  }
  if (Cell* const cell = device_cells(pointer)) {
    return {Place::kGlobal, cell, last_->size() - (address - last_begin_)};
  }
  const Allocation* const allocation = find_allocation(pointer);
  if (allocation == nullptr || address < allocation->begin) {
    return {Place::kNowhere};
  }
  if (!allocation->live) {
    return {Place::kFreed};
  }
  return {Place::kBeyond, nullptr, address - allocation->end};
}

Cell* Shadow::device_cells(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  if (last_ == nullptr || address - last_begin_ >= last_->size()) {
    auto found = device_.upper_bound(address);
    if (found == device_.begin()) {
      return nullptr;
    }
    --found;
    if (address - found->first >= found->second.size()) {
      return nullptr;
    }
    last_begin_ = found->first;
    last_ = &found->second;
  }
  return &(*last_)[address - last_begin_];
}

void Shadow::allocate(const void* memory, std::size_t bytes) {
  Cell cell;
  cell.addressable = true;
  device_[reinterpret_cast<std::uintptr_t>(memory)].assign(bytes, cell);
}

void Shadow::free(const void* memory) {
  last_ = nullptr;
  device_.erase(reinterpret_cast<std::uintptr_t>(memory));
}

void Shadow::reset_shared(const char* arena, std::size_t size, std::size_t used) {
  if (reinterpret_cast<std::uintptr_t>(arena) != arena_ || shared_.size() != size) {
    arena_ = reinterpret_cast<std::uintptr_t>(arena);
    shared_.assign(size, Cell{});
  } else {
    std::fill_n(shared_.begin(), used, Cell{});
  }
}

void Shadow::allocate_shared(const void* array, std::size_t bytes) {
  const std::size_t offset = reinterpret_cast<std::uintptr_t>(array) - arena_;
  for (std::size_t i = 0; i < bytes; ++i) {
    shared_[offset + i].addressable = true;
  }
}

}  // namespace oddity::emulator::checker
