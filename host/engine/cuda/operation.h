// The heavy computations of the network behind one narrow interface: a specification goes in, a
// planned operation comes out. Who plans decides how it is computed: our kernels (fp32), cuDNN and
// cuBLAS (tf32), or, in tests, plain loops that execute the same specification.
#pragma once

#include <cuda_runtime_api.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "batchnorm.h"
#include "conv2d_transpose.h"
#include "dense.h"
#include "engine/engine.h"

namespace oddity::cuda {

enum class OperationKind {
  conv2d,                  // x, w, bias (unless Epilogue::none) → y
  conv2d_transpose,        // x, w, bias (unless Epilogue::none) → y
  conv2d_weight_gradient,  // x, dy → dw
  dense,                   // x, w, bias → y
  dense_data_gradient,     // dy, w → dx
  dense_weight_gradient,   // x, dy → dw
  batch_norm_training,     // x, gamma, beta → y, mean, inverse_deviation; moves moving_mean,
                           // moving_variance
  batch_norm_backward,     // x, dy, gamma, mean, inverse_deviation → dx, dgamma, dbeta
};

/// What is to be computed. Only what the kind names is read; the rest stays as it is made, so that
/// equal computations compare equal. Shapes, layouts and formulas are those of the functions of the
/// same names in kernels/.
struct OperationSpec {
  OperationKind kind = OperationKind::conv2d;
  kernels::Conv2dShape conv;
  kernels::Epilogue epilogue = kernels::Epilogue::none;  // of conv2d and conv2d_transpose
  kernels::DenseShape dense;
  kernels::BatchNormShape norm;
  // NOLINTNEXTLINE(modernize-use-nullptr): what the compiler writes compares with a literal 0.
  friend auto operator<=>(const OperationSpec&, const OperationSpec&) = default;
};

enum class Access { read, write, update };

/// A tensor that an operation reads or writes.
struct Operand {
  const char* name;
  int64_t size;  // float32 numbers
  Access access;
};

/// The operands of a specification in the order in which enqueue() takes them: that of the comments
/// of OperationKind, what is read first.
std::vector<Operand> operands(const OperationSpec& spec);

/// For messages and tables: "conv2d 32x28x28x1 -> 32x14x14x32, bias, leaky_relu".
std::string to_string(const OperationSpec& spec);

/// A computation that is ready to run, any number of times. It holds no tensor and no workspace.
class Operation {
 public:
  virtual ~Operation() = default;
  /// Device memory that a run needs, 256-byte aligned; only one run at a time may use it.
  virtual int64_t workspace_bytes() const = 0;
  /// Enqueues the computation. `tensors` are device pointers, 256-byte aligned, as operands() lists
  /// them; none overlaps another. Throws DeviceError.
  virtual void enqueue(cudaStream_t stream, std::span<float* const> tensors,
                       void* workspace) const = 0;
  /// Who computes, for tables: "kernels", "cudnn engine 28", "cublas".
  virtual std::string computed_by() const = 0;
};

/// Plans operations for one device.
class Planner {
 public:
  virtual ~Planner() = default;
  /// Throws DeviceError where planning fails. Plans may be shared between equal specifications.
  virtual std::shared_ptr<const Operation> plan(const OperationSpec& spec) = 0;
  /// The number of images that inference is to be planned for, always, as the bits of an image's
  /// result may change with it (a library chooses by shape); 0: any number, the bits are the same.
  virtual int64_t inference_images() const { return 0; }
  /// Whether training and inference are rather made of kernels that compute several operations at
  /// once (fused_step.h, fused_inference.h).
  virtual bool fuses() const { return false; }
  virtual Precision precision() const { return Precision::fp32; }
  /// "fp32", "tf32 (cuDNN 9.19.0, cuBLAS 13.0)".
  virtual std::string name() const = 0;
};

/// Plans for the kernels of kernels/: everything, strict fp32. `note` is why, where it was not
/// asked for: name() says it.
std::unique_ptr<Planner> make_kernel_planner(std::string note = "");

}  // namespace oddity::cuda
