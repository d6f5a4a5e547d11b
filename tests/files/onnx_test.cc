// ONNX files: what is in them, and what they compute according to our own evaluator.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"
#include "data/variation.h"
#include "engine/robust_reference.h"
#include "files/onnx_evaluator.h"
#include "files/onnx_graph.h"
#include "files/onnx_model.h"
#include "reference/network.h"
#include "support/error_text.h"
#include "support/golden_cases.h"
#include "support/mnist.h"
#include "support/near.h"
#include "support/npy_file.h"
#include "support/test_images.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

/// Initial weights, those that start as 0 or 1 moved away from it.
Weights moved_weights(const Architecture& architecture) {
  Weights weights = initial_weights(architecture, 7);
  Philox random(7, /*stream=*/1000);
  for (Tensor& tensor : weights.tensors()) {
    if (tensor.name.ends_with(".kernel")) continue;
    for (float& value : tensor.values) value += 0.6f * random.uniform() - 0.3f;
  }
  return weights;
}

ModelFile some_model(const Architecture& architecture, const char* type = "uint8") {
  ModelFile model{architecture, moved_weights(architecture), ModelRecord{}, ""};
  model.record->input_type = type;
  return model;
}

ModelFile small_model(const char* type = "uint8") {
  return some_model(conv_autoencoder(4, 8, 3, {2, 5}, 3), type);
}

TEST(OnnxModel, HasOneInputAndItsOutputs) {
  const OnnxGraph graph = parse_onnx(onnx_model(small_model(), OnnxThreshold{0.25, "a test"}));
  EXPECT_EQ(graph.input_type, PixelType::u8);
  EXPECT_EQ(graph.image, (ImageShape{8, 4, 3}));
  ASSERT_EQ(graph.outputs.size(), 3u);
  EXPECT_THAT(graph.outputs.at("reconstruction").shape, ElementsAre(8, 4, 3));
  EXPECT_STREQ(kOnnxTypeNames[graph.outputs.at("reconstruction").type], "float32");
  EXPECT_THAT(graph.outputs.at("score").shape, ElementsAre());
  EXPECT_STREQ(kOnnxTypeNames[graph.outputs.at("score").type], "float32");
  EXPECT_THAT(graph.outputs.at("outlier").shape, ElementsAre());
  EXPECT_STREQ(kOnnxTypeNames[graph.outputs.at("outlier").type], "bool");
}

TEST(OnnxModel, ComputesInTheOrderOfTheLayers) {
  std::vector<std::string> operators;
  for (const OnnxNode& node :
       parse_onnx(onnx_model(some_model(conv_autoencoder(2, 2, 1, {1}, 1)), {})).nodes) {
    operators.push_back(node.type);
  }
  EXPECT_THAT(operators,
              ElementsAre("Cast", "Div", "Transpose", "Conv", "LeakyRelu", "BatchNormalization",
                          "Transpose", "Flatten", "Gemm", "Gemm", "Reshape", "Transpose",
                          "ConvTranspose", "LeakyRelu", "BatchNormalization", "ConvTranspose",
                          "Sigmoid", "Transpose", "Sub", "Mul", "ReduceMean"));
}

TEST(OnnxModel, TakesThePixelsThatTheModelWasTrainedOn) {
  for (const PixelType type : {PixelType::u8, PixelType::u16, PixelType::f32}) {
    const ModelFile model = small_model(std::string(name_of(type)).c_str());
    EXPECT_EQ(input_type(model), type);
    EXPECT_EQ(parse_onnx(onnx_model(model, {})).input_type, type);
  }
  ModelFile model = small_model();
  model.record.reset();
  EXPECT_EQ(parse_onnx(onnx_model(model, {})).input_type, PixelType::u8);
}

TEST(OnnxModel, SaysWhatIsNotInTheGraph) {
  ModelFile model = small_model();
  EXPECT_THAT(parse_onnx(onnx_model(model, {})).metadata,
              ElementsAre(Pair("preprocessing", "none"), Pair("score_rule", "mse"),
                          Pair("weights", hash_of(model.weights))));
  model.record->preprocessing = {.resize = ImageSize{4, 8}, .crop = true};
  EXPECT_THAT(
      parse_onnx(onnx_model(model, OnnxThreshold{0.1, "a test"}, {ScoreKind::robust, 2})).metadata,
      ElementsAre(Pair("preprocessing", "crop, resize to 4x8"), Pair("score_rule", "robust"),
                  Pair("threshold", "0.1"), Pair("threshold_origin", "a test"),
                  Pair("weights", hash_of(model.weights))));
}

TEST(OnnxModel, SameModelGivesTheSameBytes) {
  const ModelFile model = small_model();
  const std::string bytes = onnx_model(model, OnnxThreshold{0.25, "a test"});
  EXPECT_EQ(onnx_model(small_model(), OnnxThreshold{0.25, "a test"}), bytes);
  EXPECT_NE(onnx_model(model, OnnxThreshold{0.5, "a test"}), bytes);
}

TEST(OnnxModel, RefusesWhatNoFileHolds) {
  // 600 million weights; that there are none here is not looked at before.
  const ModelFile huge{conv_autoencoder(4096, 4096, 1, {64}, 1), {}, {}, ""};
  EXPECT_THAT(error_text<Error>([&] { onnx_model(huge, {}); }),
              AllOf(HasSubstr("weights take"), HasSubstr("at most 2,147,483,647"),
                    HasSubstr("--to keras")));
  ModelFile model = small_model();
  model.weights.at("encoder.conv1.bias").values[1] = std::nanf("");
  EXPECT_THAT(error_text<Error>([&] { onnx_model(model, {}); }),
              HasSubstr("encoder.conv1.bias holds nan"));
}

/// What a file computes of images, against the reference in float64.
template <typename Pixel>
void expect_like_reference(const ModelFile& model, const TestImages<Pixel>& images) {
  const OnnxEvaluator evaluator(onnx_model(model, {}));
  const OnnxResult result = evaluator.run(images.view());
  const reference::Pass pass = reference::Network(model.architecture, model.weights)
                                   .run(widen(images), reference::Mode::inference);
  // The evaluator sums in float64, but keeps float32 between operators, as the graph says: a unit
  // in the last place, 6e-8, a layer. A wrong operator is off by hundredths.
  EXPECT_TRUE(all_near(result.reconstruction, pass.reconstruction.values, {.absolute = 1e-6}));
  EXPECT_TRUE(all_near(result.score, pass.scores, {.absolute = 1e-9, .relative = 1e-5}));
  EXPECT_FALSE(result.outlier);
}

TEST(OnnxEvaluator, ComputesWhatTheReferenceDoes) {
  for (const Architecture& architecture :
       {mnist_architecture(), conv_autoencoder(4, 8, 3, {2, 5}, 3),
        conv_autoencoder(8, 24, 1, {33, 1, 17}, 65), conv_autoencoder(2, 2, 5, {1}, 1),
        conv_autoencoder(32, 64, 2, {3, 5, 7, 9, 11}, 2)}) {
    SCOPED_TRACE(to_string(architecture.image()));
    const ModelFile model = some_model(architecture);
    for (const size_t count : {1, 3}) {
      expect_like_reference(model, random_images<uint8_t>(architecture.image(), count, 42));
    }
  }
}

TEST(OnnxEvaluator, ScoresByTheRobustRule) {
  for (const Architecture& architecture :
       {mnist_architecture(), conv_autoencoder(4, 8, 3, {2, 5}, 3),
        conv_autoencoder(2, 2, 5, {1}, 1)}) {
    const ImageShape shape = architecture.image();
    SCOPED_TRACE(to_string(shape));
    const auto images = random_images<uint8_t>(shape, 3, 42);
    const auto size = static_cast<size_t>(shape.size());
    std::vector<float> x;
    for (const uint8_t pixel : images.pixels) x.push_back(unit(pixel));
    const auto image = [&](const std::vector<float>& values, size_t i) {
      return std::span<const float>(values.data() + i * size, size);
    };
    // Above none of the images' variations, and above some.
    for (const double floor : {0.0, total_variation(image(x, 1), shape)}) {
      const std::string bytes =
          onnx_model(some_model(architecture), {}, {ScoreKind::robust, floor});
      const OnnxResult result = OnnxEvaluator(bytes).run(images.view());
      std::vector<double> expected;
      for (size_t i = 0; i < 3; ++i) {
        expected.push_back(
            robust_score(image(x, i), image(result.reconstruction, i), shape, floor));
      }
      // As above; a smoothed error may be small beside the errors.
      EXPECT_TRUE(all_near(result.score, expected, {.relative = 1e-5}));
    }
  }
}

TEST(OnnxEvaluator, ScalesEveryTypeOfPixels) {
  const ImageShape shape{8, 4, 3};
  expect_like_reference(small_model("uint16"), random_images<uint16_t>(shape, 5, 42));
  expect_like_reference(small_model("float32"), random_images<float>(shape, 5, 42));
}

TEST(OnnxEvaluator, ReconstructsAsKerasDoes) {
  ModelFile model = read_model(golden("trained/autoencoder.model"));
  model.record.emplace().input_type = "float32";
  const TestImages<float> images = golden_forward_images();
  const OnnxResult result = OnnxEvaluator(onnx_model(model, {})).run(images.view());
  // Keras itself is up to 1e-6 from float64 here.
  EXPECT_TRUE(
      all_near(result.reconstruction, golden_values("forward/trained_output"), {.absolute = 2e-6}));
}

TEST(OnnxEvaluator, ScoresAsKerasDoes) {
  constexpr size_t kCount = 40;
  TestImages<uint8_t> images = mnist_anomaly_images();
  images.pixels.resize(kCount * static_cast<size_t>(images.shape.size()));
  std::vector<float> expected = golden_values("trained/scores");
  expected.resize(kCount);
  const ModelFile model = read_model(golden("trained/autoencoder.model"));
  const OnnxResult result = OnnxEvaluator(onnx_model(model, {})).run(images.view());
  // Between real implementations scores differ by 3e-6.
  EXPECT_TRUE(all_near(result.score, expected, {.relative = 1e-5}));
}

TEST(OnnxEvaluator, TakesNoImages) {
  const OnnxEvaluator evaluator(onnx_model(small_model(), OnnxThreshold{0.25, "a test"}));
  const OnnxResult result = evaluator.run({nullptr, PixelType::u8, {8, 4, 3}, 0});
  EXPECT_TRUE(result.reconstruction.empty());
  EXPECT_TRUE(result.score.empty());
  EXPECT_TRUE(result.outlier->empty());
}

TEST(OnnxEvaluator, AnOutlierScoresAtTheThresholdOrAboveInFloat64) {
  const ModelFile model = small_model();
  const TestImages<uint8_t> images = random_images<uint8_t>({8, 4, 3}, 1, 42);
  const auto run = [&](double threshold) {
    return OnnxEvaluator(onnx_model(model, OnnxThreshold{threshold, "a test"})).run(images.view());
  };
  const auto score = static_cast<double>(run(0).score.at(0));
  EXPECT_THAT(*run(score).outlier, ElementsAre(true));
  // The next float64: in float32 it is the score itself.
  EXPECT_THAT(*run(std::nextafter(score, 1)).outlier, ElementsAre(false));
  EXPECT_THAT(*run(std::nextafter(score, 0)).outlier, ElementsAre(true));
}

TEST(OnnxEvaluator, RefusesOtherImages) {
  const OnnxEvaluator evaluator(onnx_model(small_model(), {}));
  const auto refusal = [&](const auto& images) {
    return error_text<Error>([&] { evaluator.run(images.view()); });
  };
  EXPECT_THAT(refusal(random_images<uint8_t>({8, 4, 1}, 1, 42)),
              AllOf(HasSubstr("takes uint8 images of 4x8x3"), HasSubstr("uint8 of 4x8x1")));
  EXPECT_THAT(refusal(random_images<uint16_t>({8, 4, 3}, 1, 42)), HasSubstr("uint16 of 4x8x3"));
}

TEST(OnnxEvaluator, KeepsToItsLimits) {
  const ModelFile model = small_model();
  const std::string bytes = onnx_model(model, {});
  const TestImages<uint8_t> images = random_images<uint8_t>({8, 4, 3}, 1, 42);
  const auto refusal = [&](const OnnxLimits& limits) {
    return error_text<Error>([&] { OnnxEvaluator(bytes, limits).run(images.view()); });
  };
  EXPECT_THAT(refusal({.numbers = 90}), HasSubstr("the images: [1,8,4,3] numbers"));
  // The images and their float32 twins are 192 numbers.
  EXPECT_THAT(refusal({.numbers = 191}), HasSubstr("images.float (Cast): [1,8,4,3] numbers"));
  EXPECT_THAT(refusal({.operations = 1000}), HasSubstr("more than 1000 operations"));
  EXPECT_EQ(refusal({.numbers = 1000, .operations = 1e5}), "(no error)");
}

}  // namespace
}  // namespace oddity::test
