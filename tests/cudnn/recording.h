// What cuDNN was told: a CudnnLibrary that keeps every attribute that is set on a descriptor, and
// an interpreter that computes a graph from nothing but these, by the definitions in cuDNN's
// documentation. So a graph can be compared with the reference where no device can run it.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "engine/cuda/cudnn_graph.h"

namespace oddity::test {

/// The real library, recording. For one thread.
std::shared_ptr<const cuda::CudnnLibrary> recording_library();

/// Numbers by the unique ids of their tensors, in the order in which they lie in memory.
using TensorValues = std::map<int64_t, std::vector<double>>;

/// Computes `graph`, which was built with recording_library(), in float64: reads the tensors that
/// no node writes and adds all others. Throws std::runtime_error where a node contradicts itself
/// (an extent that does not follow from the others) or has a setting that is not known here.
void interpret(const cuda::Graph& graph, TensorValues& values);

}  // namespace oddity::test
