// Keras' model configuration: what is understood, what is written and what is refused.
#include "files/keras_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "files/atomic_file.h"
#include "files/hdf5_reader.h"
#include "files/zip.h"
#include "support/error_text.h"
#include "support/golden_cases.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

constexpr size_t kAll = size_t{1} << 30;

Json keras2_config() {
  const Hdf5Reader file(read_file(golden("trained/autoencoder.model"), kAll));
  return Json::parse(file.text("", "model_config"));
}

Json keras3_config() {
  const auto members = read_zip(golden("trained/autoencoder_keras3.keras"), {"config.json"}, kAll);
  return Json::parse(members.at(0).second);
}

/// The list of layers of the encoder (1) or decoder (2).
Json& nested_layers(Json& config, size_t part) {
  return config["config"]["layers"][part]["config"]["layers"];
}

/// Layer `index` of a nested model; index 0 is its input.
Json& layer(Json& config, size_t part, size_t index) { return nested_layers(config, part)[index]; }

std::string refusal(Json config, const std::function<void(Json&)>& spoil) {
  spoil(config);
  return error_text<Error>([&] { parse_keras_config(config.dump()); });
}

/// Every key that `written` has stands in `original` with the same value.
void expect_subset(const Json& written, const Json& original, const std::string& where) {
  if (written.is_object()) {
    for (const auto& [key, value] : written.items()) {
      ASSERT_TRUE(original.contains(key)) << where << "/" << key;
      expect_subset(value, original[key], where + "/" + key);
    }
  } else if (written.is_array()) {
    ASSERT_EQ(written.size(), original.size()) << where;
    for (size_t i = 0; i < written.size(); ++i) {
      expect_subset(written[i], original[i], where + "/" + std::to_string(i));
    }
  } else {
    EXPECT_EQ(written, original) << where;
  }
}

TEST(KerasConfig, WritesWhatTfKerasWrites) {
  Json written = Json::parse(keras_config_json(default_keras_config(mnist_architecture())));
  // A second, equal call of the encoder is there for Keras 3 alone.
  Json& calls = written["config"]["layers"][1]["inbound_nodes"];
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0], calls[1]);
  calls.erase(1);
  expect_subset(written, keras2_config(), "");
}

TEST(KerasConfig, ReadsBackWhatItWrites) {
  const Architecture architecture = conv_autoencoder(48, 80, 3, {5, 6, 7}, 9);
  const KerasConfig written = default_keras_config(architecture);
  const KerasConfig read = parse_keras_config(keras_config_json(written));
  EXPECT_EQ(read.architecture, architecture);
  EXPECT_EQ(read.encoder, "encoder");
  EXPECT_EQ(read.decoder, "decoder");
  EXPECT_EQ(read.layer_names, written.layer_names);
}

TEST(KerasConfig, NamesOfLayersDoNotMatter) {
  std::string text = keras2_config().dump();
  const std::string name = "\"conv2d\"";
  const std::string other = "\"conv2d_12\"";
  for (size_t at = text.find(name); at != text.npos; at = text.find(name, at)) {
    text.replace(at, name.size(), other);
  }
  const KerasConfig read = parse_keras_config(text);
  EXPECT_EQ(read.architecture, mnist_architecture());
  EXPECT_EQ(read.layer_names.at(0), "conv2d_12");
}

TEST(KerasConfig, DefaultsOfKerasStandForWhatIsAbsent) {
  Json config = keras2_config();
  for (const char* key :
       {"data_format", "dilation_rate", "groups", "use_bias", "activation", "dtype"}) {
    layer(config, 1, 1)["config"].erase(key);
  }
  EXPECT_EQ(parse_keras_config(config.dump()).architecture, mnist_architecture());
}

TEST(KerasConfig, BeforeTensorFlow23FunctionalWasCalledModel) {
  Json config = keras2_config();
  config["class_name"] = "Model";
  for (const size_t part : {1, 2}) config["config"]["layers"][part]["class_name"] = "Model";
  EXPECT_EQ(parse_keras_config(config.dump()).architecture, mnist_architecture());
}

TEST(KerasConfig, BatchNormalisationsAxisIsTheLastHoweverWritten) {
  for (const Json& axis : {Json(3), Json(-1), Json::array({3}), Json::array({-1})}) {
    Json config = keras2_config();
    layer(config, 1, 3)["config"]["axis"] = axis;
    EXPECT_EQ(parse_keras_config(config.dump()).architecture, mnist_architecture()) << axis;
  }
}

TEST(KerasConfig, RefusesOtherAttributesNamingLayerAttributeAndValues) {
  struct Refusal {
    size_t part, index;
    const char* key;
    Json value;
    const char* message;
  };
  const Json half_policy = {{"class_name", "Policy"}, {"config", {{"name", "mixed_float16"}}}};
  const Refusal refusals[] = {
      {1, 1, "kernel_size", Json::array({5, 3}),
       "layer conv2d (Conv2D): kernel_size is [5,3], only [3,3] is supported"},
      {1, 4, "strides", Json::array({1, 1}),
       "layer conv2d_1 (Conv2D): strides is [1,1], only [2,2] is supported"},
      {1, 1, "padding", "valid", "padding is \"valid\", only \"same\" is supported"},
      {1, 1, "data_format", "channels_first",
       "data_format is \"channels_first\", only \"channels_last\""},
      {1, 1, "dilation_rate", Json::array({2, 2}), "dilation_rate is [2,2]"},
      {1, 1, "groups", 2, "groups is 2, only 1"},
      {1, 1, "activation", "relu", "activation is \"relu\", only \"linear\""},
      {1, 1, "use_bias", false, "use_bias is false, only true"},
      {1, 1, "filters", 0, "filters is 0, a positive number was expected"},
      {1, 1, "filters", 1.5, "filters is 1.5, a positive number was expected"},
      {1, 1, "filters", 99'999'999, "a filter count must be between"},
      {1, 1, "dtype", "float64", "dtype is \"float64\", only float32"},
      {1, 1, "dtype", half_policy, "is \"mixed_float16\", only float32"},
      {1, 2, "alpha", 0.3, "layer leaky_re_lu (LeakyReLU): alpha is 0.3, only 0.2"},
      {1, 3, "axis", Json::array({1}), "axis is [1], only [3]"},
      {1, 3, "momentum", 0.9, "momentum is 0.9, only 0.99"},
      {1, 3, "epsilon", 1e-5, "epsilon is 1e-05, only 0.001"},
      {1, 3, "center", false, "center is false, only true"},
      {1, 3, "scale", false, "scale is false, only true"},
      {1, 7, "data_format", "channels_first", "layer flatten (Flatten): data_format"},
      {1, 8, "units", 17, "[null,17]"},
      {2, 1, "units", 3135, "layer dense_1 (Dense): units is 3135, only 3136"},
      {2, 1, "activation", "relu", "layer dense_1 (Dense): activation is \"relu\""},
      {2, 2, "target_shape", Json::array({64, 7, 7}),
       "layer reshape (Reshape): target_shape is [64,7,7], only [7,7,64]"},
      {2, 3, "filters", 65, "(Conv2DTranspose): filters is 65, only 64"},
      {2, 3, "output_padding", Json::array({1, 1}), "output_padding is [1,1]"},
      {2, 9, "strides", Json::array({2, 2}), "strides is [2,2], only [1,1]"},
      {2, 10, "activation", "tanh",
       "layer activation (Activation): activation is \"tanh\", only \"sigmoid\""},
      {1, 0, "batch_input_shape", Json::array({nullptr, 28, 28}), "[null,28,28]"},
      {1, 0, "batch_input_shape", Json::array({nullptr, nullptr, 28, 1}),
       "is null, a positive number was expected"},
      {1, 0, "batch_input_shape", Json::array({nullptr, 30, 28, 1}),
       "height 30 does not work with 2 filters"},
      {1, 0, "batch_input_shape", Json::array({nullptr, 56, 28, 1}),
       "layer input_1 (InputLayer): batch_input_shape is [null,28,28,1], only [null,56,28,1]"},
      {2, 0, "dtype", "float16", "layer input_2 (InputLayer): dtype is \"float16\""},
  };
  for (const Refusal& r : refusals) {
    const auto spoil = [&](Json& config) {
      layer(config, r.part, r.index)["config"][r.key] = r.value;
    };
    EXPECT_THAT(refusal(keras2_config(), spoil), HasSubstr(r.message));
  }
  EXPECT_THAT(
      refusal(keras3_config(), [](Json& c) { layer(c, 1, 2)["config"]["negative_slope"] = 0.1; }),
      HasSubstr("negative_slope is 0.1, only 0.2"));
}

TEST(KerasConfig, WhatIsAbsentMeansKerasDefault) {
  const auto without = [](size_t index, const char* key) {
    return refusal(keras2_config(), [&](Json& c) { layer(c, 1, index)["config"].erase(key); });
  };
  EXPECT_THAT(without(1, "strides"), HasSubstr("strides is [1,1], only [2,2] is supported"));
  EXPECT_THAT(without(1, "padding"), HasSubstr("padding is \"valid\""));
  EXPECT_THAT(without(2, "alpha"), HasSubstr("alpha is 0.3"));
}

TEST(KerasConfig, RefusesOtherNetworks) {
  EXPECT_THAT(refusal(keras2_config(), [](Json& c) { c["class_name"] = "Sequential"; }),
              HasSubstr("class_name is \"Sequential\", only Functional is supported"));
  EXPECT_THAT(refusal(keras2_config(), [](Json& c) { c["config"]["layers"].erase(2); }),
              HasSubstr("model has 2 layers"));
  EXPECT_THAT(
      refusal(keras2_config(), [](Json& c) { layer(c, 1, 2)["class_name"] = "MaxPooling2D"; }),
      HasSubstr("layer leaky_re_lu (MaxPooling2D) stands where a LeakyReLU is expected"));
  EXPECT_THAT(refusal(keras2_config(), [](Json& c) { nested_layers(c, 2).erase(10); }),
              HasSubstr("layer decoder (Functional): ends before its decoder.sigmoid1"));
  EXPECT_THAT(refusal(keras2_config(),
                      [](Json& c) { nested_layers(c, 2).push_back(nested_layers(c, 2)[10]); }),
              HasSubstr("layer activation (Activation) is one layer too many"));
  EXPECT_THAT(refusal(keras2_config(), [](Json& c) { nested_layers(c, 1) = Json::array(); }),
              HasSubstr("layer encoder (Functional): has no layers"));
}

TEST(KerasConfig, RefusesOtherConnections) {
  // The second convolution reads the first's activation, not its normalisation.
  EXPECT_THAT(refusal(keras2_config(),
                      [](Json& c) { layer(c, 1, 4)["inbound_nodes"][0][0][0] = "leaky_re_lu"; }),
              HasSubstr("layer conv2d_1 (Conv2D): its input is leaky_re_lu, only a chain"));
  EXPECT_THAT(refusal(keras3_config(),
                      [](Json& c) {
                        Json& tensor = layer(c, 1, 4)["inbound_nodes"][0]["args"][0];
                        tensor["config"]["keras_history"][0] = "leaky_re_lu";
                      }),
              HasSubstr("its input is leaky_re_lu"));
  EXPECT_THAT(refusal(keras2_config(),
                      [](Json& c) {
                        Json& calls = layer(c, 1, 4)["inbound_nodes"];
                        calls.push_back(calls[0]);
                        calls[1][0][0] = "conv2d";
                      }),
              HasSubstr("only one input is supported"));
  // The latent vector is not the last thing the encoder computes.
  EXPECT_THAT(refusal(keras2_config(),
                      [](Json& c) {
                        c["config"]["layers"][1]["config"]["output_layers"][0][0] = "flatten";
                      }),
              HasSubstr("output_layers is \"flatten\", only the last layer, dense"));
  // Batch statistics instead of the moving ones, for ever.
  EXPECT_THAT(refusal(keras2_config(),
                      [](Json& c) {
                        layer(c, 1, 3)["inbound_nodes"][0][0][3] = {{"training", true}};
                      }),
              HasSubstr("called with training = true, which is not supported"));
}

TEST(KerasConfig, RefusesWhatIsNotAConfiguration) {
  const auto parse = [](const std::string& text) {
    return error_text<Error>([&] { parse_keras_config(text); });
  };
  EXPECT_THAT(parse(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(parse("{\"class_name\": "), HasSubstr("not valid JSON"));
  EXPECT_THAT(parse("\xff\xfe"), HasSubstr("not valid JSON"));
  EXPECT_THAT(parse("3"), HasSubstr("model: class_name is missing"));
  EXPECT_THAT(parse("{\"class_name\": 3}"), HasSubstr("class_name is 3, text was expected"));
  EXPECT_THAT(parse("{\"class_name\": \"Functional\", \"config\": {\"layers\": {}}}"),
              HasSubstr("a list of at most"));
  EXPECT_THAT(parse(std::string(1'000'000, '[')), HasSubstr("nested deeper than 64"));
}

}  // namespace
}  // namespace oddity::test
