#include "engine/cuda/cublas_dense.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "bias.h"

namespace oddity::cuda {
namespace {

class CublasDense final : public Operation {
 public:
  CublasDense(std::shared_ptr<CublasHandle> handle, const OperationSpec& spec,
              const MatrixProduct& product, int64_t workspace_bytes)
      : handle_(std::move(handle)),
        spec_(spec),
        product_(product),
        workspace_bytes_(workspace_bytes) {}

  int64_t workspace_bytes() const override { return workspace_bytes_; }

  void enqueue(cudaStream_t stream, std::span<float* const> tensors,
               void* workspace) const override {
    const float one = 1;
    const float zero = 0;
    const MatrixProduct& p = product_;
    const CublasLibrary& library = handle_->library();
    handle_->use(stream, workspace, workspace_bytes_);
    library.check(library.sgemm(handle_->get(), p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N,
                                p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N, p.rows, p.columns,
                                p.inner, &one, tensors[p.a], p.a_leading(), tensors[p.b],
                                p.b_leading(), &zero, tensors[p.c], p.c_leading()),
                  "cublasSgemm");
    if (spec_.kind == OperationKind::dense) {
      float* const y = tensors[3];
      kernels::bias_epilogue(stream, spec_.dense.images, spec_.dense.outputs, y, tensors[2],
                             kernels::Epilogue::bias, y);
    }
  }

  std::string computed_by() const override { return "cublas"; }

 private:
  std::shared_ptr<CublasHandle> handle_;
  OperationSpec spec_;
  MatrixProduct product_;
  int64_t workspace_bytes_;
};

}  // namespace

std::optional<MatrixProduct> matrix_product(const OperationSpec& spec) {
  const kernels::DenseShape& shape = spec.dense;
  if (std::max({shape.images, shape.inputs, shape.outputs}) > std::numeric_limits<int>::max()) {
    return std::nullopt;
  }
  const int images = static_cast<int>(shape.images);
  const int inputs = static_cast<int>(shape.inputs);
  const int outputs = static_cast<int>(shape.outputs);
  switch (spec.kind) {
    case OperationKind::dense:  // yᵀ = wᵀ · xᵀ
      return MatrixProduct{
          .rows = outputs, .columns = images, .inner = inputs, .a = 1, .b = 0, .c = 3};
    case OperationKind::dense_data_gradient:  // dxᵀ = w · dyᵀ
      return MatrixProduct{.rows = inputs,
                           .columns = images,
                           .inner = outputs,
                           .transpose_a = true,
                           .a = 1,
                           .b = 0,
                           .c = 2};
    case OperationKind::dense_weight_gradient:  // dwᵀ = dyᵀ · x
      return MatrixProduct{.rows = outputs,
                           .columns = inputs,
                           .inner = images,
                           .transpose_b = true,
                           .a = 1,
                           .b = 0,
                           .c = 2};
    default:
      return std::nullopt;
  }
}

std::shared_ptr<const Operation> make_cublas_dense(std::shared_ptr<CublasHandle> handle,
                                                   const OperationSpec& spec,
                                                   const MatrixProduct& product,
                                                   int64_t workspace_bytes) {
  return std::make_shared<CublasDense>(std::move(handle), spec, product, workspace_bytes);
}

}  // namespace oddity::cuda
