// ONNX files, run on two black images.
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "files/onnx_evaluator.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr oddity::OnnxLimits kLimits{.numbers = int64_t{1} << 18, .operations = 1e7};
  constexpr int64_t kLargest = 64;  // what the images take is not the file's to say
  try {
    const oddity::OnnxEvaluator evaluator({reinterpret_cast<const char*>(data), size}, kLimits);
    const oddity::ImageShape& image = evaluator.image();
    if (image.height > kLargest || image.width > kLargest || image.channels > kLargest) return 0;
    const oddity::ImageArray images(evaluator.input_type(), image, 2);
    static_cast<void>(evaluator.run(images.view()));
  } catch (const oddity::Error&) {
  }
  return 0;
}
