// The emulator proves itself: each bug planted in a kernel must be found by the flavours that
// promise it, and by its own kind of finding, not by another; a correct kernel must have none.
#include "emulator/planted_bugs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <ostream>
#include <string>
#include <vector>

#include "check.h"
#include "emulator/emulator.h"
#include "emulator/sanitizer.h"

namespace oddity::emulator {
namespace {

/// What a flavour must say: the kind of finding (or AddressSanitizer's words), nothing where it
/// finds nothing, or that the results differ between the orders of threads.
struct Expectation {
  const char* name;
  Bug bug;
  const char* fast;
  const char* asan;
  const char* check;
};
void PrintTo(const Expectation& expectation, std::ostream* out) { *out << expectation.name; }

constexpr const char* kNothing = "";
constexpr const char* kOrder = "the order of threads shows";

constexpr Expectation kExpectations[] = {
    {"None", Bug::kNone, kNothing, kNothing, kNothing},
    {"GlobalPastEnd", Bug::kGlobalPastEnd, kNothing, "use-after-poison", "out-of-bounds"},
    {"GlobalFarPastEnd", Bug::kGlobalFarPastEnd, "out-of-bounds", "out-of-bounds", "out-of-bounds"},
    {"SharedPastEnd", Bug::kSharedPastEnd, "NaN", "use-after-poison|out of bounds",
     "out-of-bounds"},
    {"DynamicPastEnd", Bug::kDynamicPastEnd, kNothing, "use-after-poison", "out-of-bounds"},
    {"MissingBarrier", Bug::kMissingBarrier, kOrder, kOrder, "race|uninitialised"},
    {"MissingBarrierInLoop", Bug::kMissingBarrierInLoop, kOrder, kOrder, "race"},
    {"MissingWarpBarrier", Bug::kMissingWarpBarrier, kOrder, kOrder, "race|uninitialised"},
    {"ShuffleIsNoBarrier", Bug::kShuffleIsNoBarrier, kNothing, kNothing, "race"},
    {"RaceInShared", Bug::kRaceInShared, kNothing, kNothing, "race"},
    {"RaceOfBlocks", Bug::kRaceOfBlocks, kNothing, kNothing, "race"},
    {"AtomicAndPlain", Bug::kAtomicAndPlain, kOrder, kOrder, "race"},
    {"DivergentBarrier", Bug::kDivergentBarrier, "barrier-divergence", "barrier-divergence",
     "barrier-divergence"},
    {"TwoBarriers", Bug::kTwoBarriers, "barrier-divergence", "barrier-divergence",
     "barrier-divergence"},
    {"ExitBeforeBarrier", Bug::kExitBeforeBarrier, "barrier-divergence", "barrier-divergence",
     "barrier-divergence"},
    {"ExitBeforeShuffle", Bug::kExitBeforeShuffle, "warp-(mask|divergence)",
     "warp-(mask|divergence)", "warp-(mask|divergence)"},
    {"ShuffleOutsideOwnMask", Bug::kShuffleOutsideOwnMask, "warp-mask", "warp-mask", "warp-mask"},
    {"ShuffleFromOutsideMask", Bug::kShuffleFromOutsideMask, "warp-mask", "warp-mask", "warp-mask"},
    {"DivergentShuffle", Bug::kDivergentShuffle, "warp-divergence", "warp-divergence",
     "warp-divergence"},
    {"MisalignedVector", Bug::kMisalignedVector, "misaligned", "misaligned", "misaligned"},
    {"MisalignedCast", Bug::kMisalignedCast, kNothing, "misaligned address", "misaligned"},
    {"UninitialisedShared", Bug::kUninitialisedShared, "NaN", "NaN", "uninitialised"},
    {"UninitialisedGlobal", Bug::kUninitialisedGlobal, "NaN", "NaN", "uninitialised"},
    {"UseAfterFree", Bug::kUseAfterFree, "use-after-free", "use-after-free", "use-after-free"},
    {"HostPointer", Bug::kHostPointer, kNothing, kNothing, "host-memory"},
    {"TooManyThreads", Bug::kTooManyThreads, "invalid configuration", "invalid configuration",
     "invalid configuration"},
    {"TooMuchShared", Bug::kTooMuchShared, "invalid argument", "invalid argument",
     "invalid argument"},
};

const char* expected(const Expectation& expectation) {
  return has_checker() ? expectation.check : EMULATOR_ASAN ? expectation.asan : expectation.fast;
}

template <typename T>
T* on_device(std::size_t size, bool zero) {
  void* memory = nullptr;
  kernels::check(cudaMalloc(&memory, size * sizeof(T)));
  if (zero) {
    kernels::check(cudaMemset(memory, 0, size * sizeof(T)));
  }
  kernels::check(cudaDeviceSynchronize());
  return static_cast<T*>(memory);
}

struct Outcome {
  std::vector<float> values;
  std::vector<unsigned> counts;
};

/// Runs the kernel; whatever is found is on stderr.
Outcome run(Bug bug, Order order) {
  settings().order = order;
  Planted planted;
  planted.output = on_device<float>(kPlantedElements, false);
  planted.written = on_device<float>(kPlantedElements, true);
  planted.counts = on_device<unsigned>(kPlantedElements, true);
  planted.unwritten = on_device<float>(kPlantedElements, false);
  float* const freed = on_device<float>(kPlantedElements, true);
  kernels::check(cudaFree(freed));
  planted.freed = freed;
  const std::vector<float> host(kPlantedElements);
  planted.host = host.data();
  Outcome outcome{std::vector<float>(kPlantedElements), std::vector<unsigned>(kPlantedElements)};
  try {
    launch_planted(bug, planted);
    kernels::check(cudaMemcpy(outcome.values.data(), planted.output,
                              kPlantedElements * sizeof(float), cudaMemcpyDeviceToHost));
    kernels::check(cudaMemcpy(outcome.counts.data(), planted.counts,
                              kPlantedElements * sizeof(unsigned), cudaMemcpyDeviceToHost));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  return outcome;
}

/// Runs the kernel in two orders of threads and ends the process: with success only if there was
/// nothing to complain of.
[[noreturn]] void judge(Bug bug) {
  const Outcome forward = run(bug, Order::kForward);
  const bool found = !reports().empty() || cudaGetLastError() != cudaSuccess;
  const Outcome reverse = found ? forward : run(bug, Order::kReverse);
  if (found || !reports().empty()) {
    std::_Exit(1);
  }
  bool has_nan = false;
  for (int i = 0; i < 64; ++i) {
    has_nan = has_nan || std::isnan(forward.values[i]);
  }
  const bool writes_all = bug == Bug::kNone || bug == Bug::kSharedPastEnd ||
                          bug == Bug::kUninitialisedShared || bug == Bug::kUninitialisedGlobal;
  if (has_nan && writes_all) {
    std::fputs("NaN", stderr);
  }
  const bool same =
      std::memcmp(forward.values.data(), reverse.values.data(), 64 * sizeof(float)) == 0 &&
      forward.counts == reverse.counts;
  if (!same) {
    std::fputs(kOrder, stderr);
  }
  std::_Exit(same && !(has_nan && writes_all) ? 0 : 1);
}

class PlantedBugs : public testing::TestWithParam<Expectation> {};

INSTANTIATE_TEST_SUITE_P(Kernels, PlantedBugs, testing::ValuesIn(kExpectations),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(PlantedBugs, AreFoundByTheFlavoursThatPromiseIt) {
  const std::string expectation = expected(GetParam());
  if (expectation == kNothing) {
    EXPECT_EXIT(judge(GetParam().bug), testing::ExitedWithCode(0), "");
  } else {
    EXPECT_EXIT(
        judge(GetParam().bug), [](int status) { return status != 0; }, expectation);
  }
}

}  // namespace
}  // namespace oddity::emulator
