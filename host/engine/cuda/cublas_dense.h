// Dense layers and their gradients as products of matrices by cuBLAS.
#pragma once

#include <memory>
#include <optional>

#include "engine/cuda/cublas_library.h"
#include "engine/cuda/operation.h"

namespace oddity::cuda {

/// c = op(a) · op(b) in BLAS' terms: matrices column-major, a row-major matrix is the transpose of
/// itself. op(a) is rows × inner, op(b) inner × columns, c rows × columns; none has gaps. a, b and
/// c are positions in operands().
struct MatrixProduct {
  int rows = 0;
  int columns = 0;
  int inner = 0;
  bool transpose_a = false;
  bool transpose_b = false;
  size_t a = 0;
  size_t b = 0;
  size_t c = 0;

  int a_leading() const { return transpose_a ? inner : rows; }
  int b_leading() const { return transpose_b ? columns : inner; }
  int c_leading() const { return rows; }
};

/// What a dense kind computes before its bias; none for other kinds, and where an extent is beyond
/// BLAS' 31 bits.
std::optional<MatrixProduct> matrix_product(const OperationSpec& spec);

/// The operation of a dense kind with matrix_product(spec) = `product` on the device of `handle`,
/// with so many bytes of workspace.
std::shared_ptr<const Operation> make_cublas_dense(std::shared_ptr<CublasHandle> handle,
                                                   const OperationSpec& spec,
                                                   const MatrixProduct& product,
                                                   int64_t workspace_bytes);

}  // namespace oddity::cuda
