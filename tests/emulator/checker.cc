// The check flavour: exact bounds, alignment, uninitialised reads, and races in CUDA's own terms,
// independent of the order in which threads happened to run.
//
// The work of a launch is cut into stretches: what one thread does between two resumptions by the
// scheduler. A stretch comes before the present one if both are of one thread, if a barrier of the
// block lies between them, or a __syncwarp that both lanes took part in. Stretches of different
// blocks of a launch are never ordered; those of different launches always are, because the
// streams' order is the runtime's business.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "emulator/hooks.h"
#include "emulator/internal.h"
#include "emulator/places.h"
#include "emulator/shadow.h"

namespace oddity::emulator {

bool has_checker() { return true; }

void kernel_entered() { checker::watch(); }

namespace checker {
namespace {

constexpr unsigned kLanes = 32;

struct Owner {
  std::uint32_t block;
  std::uint32_t thread;
};

Shadow shadow;

// Of the present launch: owners[i] did stretch launch_start + i.
std::vector<Owner> owners;
Stretch launch_start = 1;

// Of the present block.
std::uint32_t block = 0;
unsigned threads = 0;
Stretch last_barrier = 0;
// met[warp][a][b]: stretches of lane a before this number come before what lane b does now.
std::vector<Stretch> met;

// Of the present thread.
std::uint32_t thread = 0;
Stretch now = 0;
const char* stack = nullptr;
std::size_t stack_bytes = 0;
thread_local bool in_kernel = false;  // of this host thread: a kernel's own code runs

Stretch next_number() { return launch_start + Stretch(owners.size()); }

void begin_stretch() {
  now = next_number();
  owners.push_back({block, thread});
}

const Owner& owner(Stretch stretch) { return owners[stretch - launch_start]; }

Stretch met_of(unsigned lane) {
  return met[std::size_t(thread / kLanes) * kLanes * kLanes + lane * kLanes + thread % kLanes];
}

/// Whether that stretch may happen at the same time as the present one.
bool is_concurrent(Stretch stretch) {
  if (stretch < launch_start) {
    return false;
  }
  const Owner& other = owner(stretch);
  if (other.block != block) {
    return true;
  }
  if (other.thread == thread || stretch < last_barrier) {
    return false;
  }
  return other.thread / kLanes != thread / kLanes || stretch >= met_of(other.thread % kLanes);
}

/// The same for a byte's readers, of which only the last is known by name.
bool readers_are_concurrent(const Cell& cell) {
  if (is_concurrent(cell.read)) {
    return true;
  }
  if (!cell.many_readers || cell.read < launch_start) {
    return false;
  }
  if (owner(cell.read).block == block && cell.read < last_barrier) {
    return false;
  }
  if (cell.readers_in_warps || owner(cell.read).thread / kLanes != thread / kLanes) {
    return true;
  }
  const unsigned first = thread / kLanes * kLanes;
  for (unsigned lane = 0; lane < std::min(kLanes, threads - first); ++lane) {
    if (first + lane != thread && cell.read >= met_of(lane)) {
      return true;
    }
  }
  return false;
}

void note_read(Cell& cell, bool atomic) {
  const bool in_launch = cell.read >= launch_start;
  const bool same_block = in_launch && owner(cell.read).block == block;
  const bool recent = same_block && cell.read >= last_barrier;
  if (in_launch && !same_block) {
    cell.many_readers = cell.readers_in_warps = true;
  } else if (!recent) {
    cell.many_readers = cell.readers_in_warps = false;
  } else if (owner(cell.read).thread != thread) {
    cell.many_readers = true;
    cell.readers_in_warps =
        cell.readers_in_warps || owner(cell.read).thread / kLanes != thread / kLanes;
  }
  cell.read_was_atomic = atomic && (!recent || cell.read_was_atomic || cell.read == 0);
  cell.read = now;
}

/// The thread's stack and the built-in variables.
bool is_own_memory(const void* address) {
  const char* const p = static_cast<const char*>(address);
  const auto is_in = [p](const auto& variable) {
    const char* const begin = reinterpret_cast<const char*>(&variable);
    return p >= begin && p < begin + sizeof variable;
  };
  return (p >= stack && p < stack + stack_bytes) || is_in(threadIdx) || is_in(blockIdx) ||
         is_in(blockDim) || is_in(gridDim);
}

/// Page-locked host memory.
bool is_mapped(const void* address) {
  const Allocation* const pinned = find_pinned(address);
  return pinned != nullptr && pinned->live;
}

struct Description {
  const char* verb;
  const char* space;
  std::size_t bytes;
  void* place;
};

void fail_race(const Description& access, const char* with, Stretch stretch) {
  const Owner& other = owner(stretch);
  fail("race", {place_name(access.place), 0},
       "%s of %s memory is not ordered with a %s by thread %u of %s", access.verb, access.space,
       with, other.thread, other.block == block ? "this block" : "another block");
}

void check_byte(Cell& cell, Access kind, const Description& access) {
  const bool write = kind == Access::kWrite || kind == Access::kAtomicWrite;
  const bool atomic = kind == Access::kAtomicRead || kind == Access::kAtomicWrite;
  if (kind == Access::kRead && cell.read == now && !cell.read_was_atomic) {
    return;  // the same stretch has read it before
  }
  if (!cell.addressable) {
    fail("out-of-bounds", {place_name(access.place), 0}, "%zu-byte %s outside every %s array",
         access.bytes, access.verb, access.space);
  }
  if (!write && !cell.initialised) {
    fail("uninitialised", {place_name(access.place), 0},
         "%zu-byte %s of %s memory that nobody wrote", access.bytes, access.verb, access.space);
  }
  if (!(atomic && cell.write_was_atomic) && is_concurrent(cell.write)) {
    fail_race(access, "write", cell.write);
  }
  if (!write) {
    note_read(cell, atomic);
    return;
  }
  if (!(atomic && cell.read_was_atomic) && readers_are_concurrent(cell)) {
    fail_race(access, "read", cell.read);
  }
  cell.write = now;
  cell.initialised = true;
  cell.write_was_atomic = atomic;
}

/// Four bytes; they mostly have the same past.
void check_word(Cell* cells, Access kind, const Description& access) {
  if (cells[0] == cells[1] && cells[0] == cells[2] && cells[0] == cells[3]) {
    check_byte(cells[0], kind, access);
    cells[1] = cells[2] = cells[3] = cells[0];
    return;
  }
  for (int i = 0; i < 4; ++i) {
    check_byte(cells[i], kind, access);
  }
}

}  // namespace

void access(const void* address, std::size_t bytes, Access kind, bool aligned, void* place) {
  if (!in_kernel) {
    return;
  }
  using Place = Found::Place;
  const bool write = kind == Access::kWrite || kind == Access::kAtomicWrite;
  const Found found = shadow.find(address);
  const Description access{write ? "write" : "read",
                           found.place == Place::kShared ? "shared" : "global", bytes, place};
  switch (found.place) {
    case Place::kUnwatched:
      if (!is_own_memory(address) && !is_program_data(address) && !is_mapped(address)) {
        fail("host-memory", {place_name(place), 0},
             "%zu-byte %s of %p, which is host memory that is not mapped", bytes, access.verb,
             address);
      }
      return;
    case Place::kFreed:
      fail("use-after-free", {place_name(place), 0}, "%zu-byte %s of %p in freed memory", bytes,
           access.verb, address);
    case Place::kBeyond:
      fail("out-of-bounds", {place_name(place), 0}, "%zu-byte %s %zu bytes past an allocation",
           bytes, access.verb, found.count);
    case Place::kNowhere:
      fail("out-of-bounds", {place_name(place), 0}, "%zu-byte %s of %p outside every allocation",
           bytes, access.verb, address);
    case Place::kShared:
    case Place::kGlobal:
      break;
  }
  if (found.count < bytes) {
    fail("out-of-bounds", {place_name(place), 0}, "%zu-byte %s reaches past an allocation", bytes,
         access.verb);
  }
  const bool has_natural_alignment = bytes <= 16 && (bytes & (bytes - 1)) == 0;
  if (aligned && has_natural_alignment && reinterpret_cast<std::uintptr_t>(address) % bytes != 0) {
    fail("misaligned", {place_name(place), 0}, "%zu-byte %s at %p", bytes, access.verb, address);
  }
  constexpr std::size_t kWord = 4;
  if (bytes % kWord != 0) {
    for (std::size_t i = 0; i < bytes; ++i) {
      check_byte(found.cells[i], kind, access);
    }
    return;
  }
  for (std::size_t i = 0; i < bytes; i += kWord) {
    check_word(&found.cells[i], kind, access);
  }
}

void report_misuse(const char* kind, const char* file, int line, const char* what) {
  if (in_kernel) {
    fail(kind, {file, line}, "%s", what);
  }
  report(kind, {file, line}, Culprit::kHost, "%s", what);
}

void launch_begins() {
  launch_start = next_number();
  owners.clear();
  block = 0;
}

void watch() { in_kernel = true; }

void launch_ends() { in_kernel = false; }

void block_begins(unsigned count) {
  ++block;
  threads = count;
  last_barrier = next_number();
  met.assign(std::size_t(count + kLanes - 1) / kLanes * kLanes * kLanes, 0);
}

void stack_changes(const void* new_stack, std::size_t bytes) {
  stack = static_cast<const char*>(new_stack);
  stack_bytes = bytes;
}

void thread_resumes(unsigned number, bool starts) {
  thread = number;
  in_kernel = !starts;
  begin_stretch();
}

void block_barrier() { last_barrier = next_number(); }

void warp_barrier(unsigned number, unsigned mask) {
  Stretch* const table = &met[std::size_t(number / kLanes) * kLanes * kLanes];
  for (unsigned a = 0; a < kLanes; ++a) {
    for (unsigned b = 0; b < kLanes; ++b) {
      if ((mask >> a & 1) != 0 && (mask >> b & 1) != 0) {
        table[a * kLanes + b] = next_number();
      }
    }
  }
  begin_stretch();
}

void shared_reset(const char* arena, std::size_t size, std::size_t used) {
  shadow.reset_shared(arena, size, used);
}
void shared_allocated(const void* array, std::size_t bytes) {
  shadow.allocate_shared(array, bytes);
}
void device_allocated(const void* memory, std::size_t bytes) { shadow.allocate(memory, bytes); }
void device_freed(const void* memory) { shadow.free(memory); }

void device_written(const void* memory, std::size_t bytes) {
  Cell* const cells = shadow.device_cells(memory);
  for (std::size_t i = 0; cells != nullptr && i < bytes; ++i) {
    cells[i].initialised = true;
  }
}

void device_copied(const void* to, const void* from, std::size_t bytes) {
  const Cell* const source = shadow.device_cells(from);
  std::vector<bool> initialised(bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    initialised[i] = source[i].initialised;
  }
  Cell* const target = shadow.device_cells(to);
  for (std::size_t i = 0; i < bytes; ++i) {
    target[i].initialised = initialised[i];
  }
}

}  // namespace checker
}  // namespace oddity::emulator
