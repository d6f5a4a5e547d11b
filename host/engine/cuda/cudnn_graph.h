// What an OperationSpec is in cuDNN's words: tensors with extents and strides, nodes between them,
// and the operation graph of both. One builder serves real devices and devices that are only
// described (tests plan for architectures that are not there).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/cuda/cudnn_descriptor.h"
#include "engine/cuda/operation.h"

namespace oddity::cuda {

/// Whether a convolution's epilogue is part of its graph. Without one both are the same.
enum class Fusion { fused, separate };

/// An operation graph and its parts. Tensor i + 1 (its unique id) is operand i of operands(spec);
/// what only connects nodes and what is passed by value has ids from kFirstInnerId on.
struct Graph {
  static constexpr int64_t kFirstInnerId = 100;

  struct Tensor {
    int64_t id;
    Descriptor descriptor;
  };
  /// A float that cuDNN reads from host memory while an execution is enqueued.
  struct Constant {
    int64_t id;
    float value;
  };

  std::vector<Tensor> tensors;
  std::vector<Constant> constants;
  std::vector<Descriptor> settings;  // of nodes: a convolution's strides, a pointwise node's mode
  std::vector<Descriptor> nodes;     // in the order of the computation
  std::vector<Descriptor> whole;     // one: the operation graph

  /// The tensor of operand `index`. Throws std::out_of_range where the graph does not have it (the
  /// bias of a separate epilogue, the moving moments).
  const Descriptor& operand(size_t index) const;
};

/// Whether cuDNN is asked for this kind of operation at all: convolutions and batch normalisation.
bool is_cudnn_kind(OperationKind kind);

/// The graph of `spec`, whose kind is one of is_cudnn_kind(). `handle` is null where the device is
/// only described. Throws DeviceError where cuDNN refuses the graph.
Graph build_graph(const std::shared_ptr<const CudnnLibrary>& library, cudnnHandle_t handle,
                  const OperationSpec& spec, Fusion fusion);

}  // namespace oddity::cuda
