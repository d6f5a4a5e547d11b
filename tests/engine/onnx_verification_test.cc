// What `oddity export` compares an ONNX file with the engine by: it passes what is right, and finds
// what is not.
#include "engine/onnx_verification.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/error.h"
#include "files/onnx_model.h"
#include "support/error_text.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

ModelFile some_model(const char* type = "uint8") {
  ModelFile model{conv_autoencoder(12, 8, 3, {3, 5}, 7), {}, ModelRecord{}, ""};
  model.weights = initial_weights(model.architecture, 7);
  model.record->input_type = type;
  return model;
}

OnnxDifference verify(const ModelFile& written, const ModelFile& model,
                      std::optional<double> threshold = {}) {
  std::optional<OnnxThreshold> stored;
  if (threshold) stored = {*threshold, "a test"};
  const auto engine = make_engine("cpu");
  NoProgress nobody;
  return verify_onnx(onnx_model(written, stored), model, threshold, *engine, nobody);
}

TEST(OnnxVerification, PassesWhatWasWritten) {
  for (const char* type : {"uint8", "uint16", "float32"}) {
    SCOPED_TRACE(type);
    const ModelFile model = some_model(type);
    const OnnxDifference difference = verify(model, model, 0.08);
    EXPECT_EQ(difference.images, 16u);
    // Float32 noise: the engine sums in float32, the evaluator in float64.
    EXPECT_LE(difference.reconstruction, 1e-6);
    EXPECT_LE(difference.score, 1e-6);
  }
}

TEST(OnnxVerification, PassesATrainedNetwork) {
  const ModelFile model = read_model(golden("trained/autoencoder.model"));
  const OnnxDifference difference = verify(model, model);
  // Noise is not what it was trained on, and drives activations further.
  EXPECT_LE(difference.reconstruction, 1e-5);
}

TEST(OnnxVerification, FindsAnotherWeight) {
  const ModelFile model = some_model();
  for (const char* name :
       {"encoder.conv1.kernel", "encoder.bn2.moving_variance", "encoder.dense1.bias",
        "decoder.convT1.kernel", "decoder.bn1.beta", "decoder.convT3.bias"}) {
    SCOPED_TRACE(name);
    ModelFile written = model;
    written.weights.at(name).values.back() += 0.25f;
    EXPECT_THAT(error_text<Error>([&] { verify(written, model); }),
                AllOf(HasSubstr("computes something else than the model"),
                      HasSubstr("the reconstruction of test image")));
  }
}

TEST(OnnxVerification, FindsAnotherThreshold) {
  const ModelFile model = some_model();
  const auto engine = make_engine("cpu");
  NoProgress nobody;
  const std::string bytes = onnx_model(model, OnnxThreshold{0.01, "a test"});
  EXPECT_THAT(error_text<Error>([&] { verify_onnx(bytes, model, 0.9, *engine, nobody); }),
              AllOf(HasSubstr("is an outlier in the file"), HasSubstr("threshold 0.9")));
  EXPECT_THAT(error_text<Error>([&] { verify_onnx(bytes, model, {}, *engine, nobody); }),
              HasSubstr("says which images are outliers"));
}

TEST(OnnxVerification, KnowsTheRule) {
  const ModelFile model = some_model();
  const auto engine = make_engine("cpu");
  NoProgress nobody;
  const ScoreRule rule{.kind = ScoreKind::robust, .variation_floor = 3};
  const std::string bytes = onnx_model(model, {}, rule);
  EXPECT_LE(verify_onnx(bytes, model, {}, *engine, nobody, rule).score, 1e-6);
  // The black image shows less than either floor.
  for (const ScoreRule& other : {ScoreRule{}, ScoreRule{ScoreKind::robust, 4}}) {
    EXPECT_THAT(error_text<Error>([&] { verify_onnx(bytes, model, {}, *engine, nobody, other); }),
                HasSubstr("the score of test image 0"));
  }
}

TEST(OnnxVerification, FindsOverflow) {
  ModelFile model = some_model();
  for (float& value : model.weights.at("encoder.dense1.kernel").values) value = 3e38f;
  EXPECT_THAT(error_text<Error>([&] { verify(model, model); }), HasSubstr("nan"));
}

}  // namespace
}  // namespace oddity::test
