// Conv and ConvTranspose of exported graphs: 3×3, stride 1 or 2, images [N,C,H,W].
#pragma once

#include "files/onnx_operators.h"

namespace oddity {

OnnxTensor onnx_conv(const OnnxCall& call);
OnnxTensor onnx_conv_transpose(const OnnxCall& call);

}  // namespace oddity
