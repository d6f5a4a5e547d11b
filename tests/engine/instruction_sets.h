// The CPU engine's instruction sets that this machine has; one it lacks cannot be tested on it.
#pragma once

#include <string>
#include <vector>

#include "core/error.h"
#include "engine/cpu/kernels.h"

namespace oddity::test {

struct InstructionSet {
  std::string name;
  cpu::Simd simd;
};

inline std::vector<InstructionSet> instruction_sets() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet& set : {InstructionSet{"best", cpu::Simd::best},
                                    {"half", cpu::Simd::half},
                                    {"avx2", cpu::Simd::avx2},
                                    {"baseline", cpu::Simd::baseline}}) {
    try {
      cpu::kernels(set.simd);
      sets.push_back(set);
    } catch (const DeviceError&) {
    }
  }
  return sets;
}

}  // namespace oddity::test
