// ONNX files that are damaged, made to harm, or simply not ours: one line that names what is wrong,
// and never more than that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <functional>
#include <random>
#include <string>

#include "core/error.h"
#include "files/onnx_evaluator.h"
#include "files/onnx_model.h"
#include "support/error_text.h"
#include "support/test_images.h"

namespace oddity::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

class HostileOnnx : public testing::Test {
 protected:
  HostileOnnx() {
    ModelFile model{conv_autoencoder(4, 4, 1, {2}, 3), {}, {}, ""};
    model.weights = initial_weights(model.architecture, 1);
    bytes_ = onnx_model(model, OnnxThreshold{0.25, "a test"});
  }

  /// What is said of a file: when it is opened, or when it is run on two images.
  static std::string refusal_of(const std::string& bytes) {
    return error_text<Error>([&] {
      const OnnxEvaluator evaluator(bytes);
      evaluator.run(random_images<uint8_t>({4, 4, 1}, 2, 42).view());
    });
  }
  /// The same after a change of the file.
  std::string refusal_after(const std::function<void(onnx::ModelProto& model)>& change) const {
    onnx::ModelProto model;
    EXPECT_TRUE(model.ParseFromString(bytes_));
    change(model);
    return refusal_of(model.SerializeAsString());
  }

  static onnx::NodeProto& node(onnx::ModelProto& model, const std::string& name) {
    for (onnx::NodeProto& found : *model.mutable_graph()->mutable_node()) {
      if (found.name() == name) return found;
    }
    throw std::runtime_error("no node " + name);
  }
  static onnx::AttributeProto& attribute(onnx::ModelProto& model, const std::string& of,
                                         const std::string& name) {
    for (onnx::AttributeProto& found : *node(model, of).mutable_attribute()) {
      if (found.name() == name) return found;
    }
    throw std::runtime_error("no attribute " + name);
  }
  static onnx::TensorProto& array(onnx::ModelProto& model, const std::string& name) {
    for (onnx::TensorProto& found : *model.mutable_graph()->mutable_initializer()) {
      if (found.name() == name) return found;
    }
    throw std::runtime_error("no array " + name);
  }

  std::string bytes_;
};

TEST_F(HostileOnnx, WhatIsNotChangedRuns) {
  EXPECT_EQ(refusal_of(bytes_), "(no error)");
  EXPECT_EQ(refusal_after([](onnx::ModelProto&) {}), "(no error)");
}

TEST_F(HostileOnnx, NotAModel) {
  EXPECT_THAT(refusal_of("hello"), HasSubstr("not an ONNX model"));
  EXPECT_THAT(refusal_of(""), HasSubstr("IR version 0, only 8"));
  EXPECT_THAT(refusal_of(bytes_.substr(0, bytes_.size() / 2)), HasSubstr("damaged"));
}

TEST_F(HostileOnnx, OtherVersions) {
  EXPECT_THAT(refusal_after([](auto& model) { model.set_ir_version(9); }),
              HasSubstr("IR version 9, only 8"));
  EXPECT_THAT(refusal_after([](auto& model) { model.mutable_opset_import(0)->set_version(18); }),
              HasSubstr("only operators of opset 17"));
  EXPECT_THAT(
      refusal_after([](auto& model) { model.mutable_opset_import(0)->set_domain("ai.onnx.ml"); }),
      HasSubstr("no other domain"));
  EXPECT_THAT(refusal_after([](auto& model) { model.add_functions(); }),
              HasSubstr("functions and training are not supported"));
}

TEST_F(HostileOnnx, OperatorsAreRefusedByName) {
  EXPECT_THAT(
      refusal_after([](auto& model) { node(model, "decoder.sigmoid1").set_op_type("Loop\n"); }),
      HasSubstr("decoder.sigmoid1: there is no operator Loop\\x0a here"));
  EXPECT_THAT(refusal_after(
                  [](auto& model) { node(model, "decoder.sigmoid1").set_domain("com.microsoft"); }),
              HasSubstr("the domain com.microsoft"));
  EXPECT_THAT(refusal_after([](auto& model) { node(model, "score").add_output("more"); }),
              HasSubstr("ReduceMean has 2 outputs"));
}

TEST_F(HostileOnnx, WhatNodesRead) {
  EXPECT_THAT(refusal_after([](auto& model) { node(model, "score").set_input(0, "outlier"); }),
              HasSubstr("score reads outlier, which nothing before it gives"));
  EXPECT_THAT(refusal_after([](auto& model) { node(model, "score").add_input("score.error"); }),
              HasSubstr("score (ReduceMean): 2 inputs, 1 were expected"));
  EXPECT_THAT(
      refusal_after([](auto& model) { node(model, "score.error").set_output(0, "images.float"); }),
      HasSubstr("images.float is defined twice"));
  EXPECT_THAT(
      refusal_after([](auto& model) { node(model, "encoder.conv1").set_input(0, "images"); }),
      HasSubstr("encoder.conv1 (Conv): input 1 is [2,1,3,3], [-1,4,3,3] was"));
  EXPECT_THAT(
      refusal_after([](auto& model) { node(model, "images.scaled").set_input(0, "images"); }),
      HasSubstr("images.scaled (Div): input 0 is uint8"));
  EXPECT_THAT(
      refusal_after([](auto& model) { node(model, "score.error").set_input(1, "encoder.dense1"); }),
      HasSubstr("input 1 is [2,3], [2,4,4,1] was expected"));
}

TEST_F(HostileOnnx, Attributes) {
  EXPECT_THAT(refusal_after([](auto& model) {
                onnx::AttributeProto& more = *node(model, "encoder.conv1").add_attribute();
                more.set_name("dilations");
                more.set_type(onnx::AttributeProto::INTS);
                more.add_ints(2);
              }),
              HasSubstr("encoder.conv1 (Conv): attribute dilations is not supported"));
  EXPECT_THAT(refusal_after(
                  [](auto& model) { node(model, "encoder.lrelu1").mutable_attribute()->Clear(); }),
              HasSubstr("attribute alpha is missing"));
  EXPECT_THAT(refusal_after([](auto& model) {
                attribute(model, "encoder.lrelu1", "alpha").set_type(onnx::AttributeProto::INT);
              }),
              HasSubstr("attribute alpha is missing or of another type"));
  EXPECT_THAT(refusal_after([](auto& model) {
                attribute(model, "encoder.lrelu1", "alpha").set_type(onnx::AttributeProto::GRAPH);
              }),
              HasSubstr("attribute alpha is neither"));
  EXPECT_THAT(refusal_after([](auto& model) {
                attribute(model, "encoder.conv1", "kernel_shape").set_ints(0, 5);
              }),
              HasSubstr("kernel_shape is [5,3]"));
  EXPECT_THAT(refusal_after([](auto& model) {
                attribute(model, "encoder.conv1", "strides").set_ints(0, int64_t{1} << 62);
              }),
              HasSubstr("only [1,1] and [2,2]"));
  EXPECT_THAT(refusal_after(
                  [](auto& model) { attribute(model, "decoder.convT1", "pads").set_ints(0, -1); }),
              HasSubstr("only four of 0 or 1"));
  EXPECT_THAT(
      refusal_after([](auto& model) { attribute(model, "images.nchw", "perm").set_ints(0, 1); }),
      HasSubstr("perm is [1,3,1,2]"));
  EXPECT_THAT(refusal_after([](auto& model) { attribute(model, "score", "axes").set_ints(0, 0); }),
              HasSubstr("only over the axes 1, 2 and 3"));
  EXPECT_THAT(refusal_after([](auto& model) { attribute(model, "images.float", "to").set_i(8); }),
              HasSubstr("to type 8"));
  EXPECT_THAT(
      refusal_after([](auto& model) { attribute(model, "encoder.flatten1", "axis").set_i(-1); }),
      HasSubstr("axis is -1, only 1"));
}

TEST_F(HostileOnnx, Arrays) {
  EXPECT_THAT(refusal_after([](auto& model) {
                array(model, "encoder.conv1.kernel").set_dims(0, int64_t{1} << 31);
              }),
              HasSubstr("encoder.conv1.kernel is [2147483648,1,3,3], but 72 bytes"));
  EXPECT_THAT(refusal_after([](auto& model) {
                array(model, "encoder.conv1.kernel").set_dims(0, int64_t{1} << 62);
              }),
              HasSubstr("has an extent of 4611686018427387904"));
  EXPECT_THAT(
      refusal_after([](auto& model) { array(model, "encoder.conv1.kernel").set_dims(0, -2); }),
      HasSubstr("has an extent of -2"));
  // 2^31 · 2^31 · 4 numbers overflow to 0.
  EXPECT_THAT(refusal_after([](auto& model) {
                onnx::TensorProto& bias = array(model, "encoder.conv1.bias");
                bias.clear_dims();
                for (const int64_t extent : {int64_t{1} << 31, int64_t{1} << 31, int64_t{4}}) {
                  bias.add_dims(extent);
                }
                bias.clear_raw_data();
              }),
              HasSubstr("but 0 bytes of raw data"));
  EXPECT_THAT(refusal_after([](auto& model) {
                array(model, "encoder.conv1.bias").mutable_raw_data()->push_back('x');
              }),
              HasSubstr("but 9 bytes of raw data"));
  EXPECT_THAT(refusal_after([](auto& model) {
                array(model, "encoder.conv1.bias").set_data_type(onnx::TensorProto::STRING);
              }),
              HasSubstr("encoder.conv1.bias is of type 8"));
  EXPECT_THAT(refusal_after([](auto& model) {
                array(model, "encoder.conv1.bias").set_data_type(onnx::TensorProto::BOOL);
              }),
              HasSubstr("neither int64, float32 nor float64"));
  EXPECT_THAT(refusal_after([](auto& model) {
                array(model, "encoder.conv1.bias").set_data_location(onnx::TensorProto::EXTERNAL);
              }),
              HasSubstr("lies in another file"));
  EXPECT_THAT(refusal_after([](auto& model) {
                const int64_t shape[] = {0, int64_t{1} << 31, int64_t{1} << 31, int64_t{1} << 31};
                array(model, "decoder.reshape1.shape").set_raw_data(shape, sizeof(shape));
              }),
              HasSubstr("decoder.reshape1 (Reshape): [2,2147483648,2147483648,2147483648]"));
}

TEST_F(HostileOnnx, InputsAndOutputs) {
  const auto dim = [](onnx::ValueInfoProto& value, int i) {
    return value.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(i);
  };
  EXPECT_THAT(refusal_after([](auto& model) { model.mutable_graph()->clear_input(); }),
              HasSubstr("0 inputs, only one"));
  EXPECT_THAT(refusal_after([&](auto& model) {
                dim(*model.mutable_graph()->mutable_input(0), 0)->set_dim_value(2);
              }),
              HasSubstr("images does not leave the number of images free"));
  EXPECT_THAT(refusal_after([&](auto& model) {
                dim(*model.mutable_graph()->mutable_input(0), 2)->set_dim_value(6);
              }),
              HasSubstr("output reconstruction is declared as float32 [4,4,1] of an image, float32 "
                        "[4,6,1] was expected"));
  EXPECT_THAT(refusal_after([](auto& model) {
                model.mutable_graph()
                    ->mutable_input(0)
                    ->mutable_type()
                    ->mutable_tensor_type()
                    ->set_elem_type(onnx::TensorProto::INT64);
              }),
              HasSubstr("the images are int64"));
  EXPECT_THAT(refusal_after([](auto& model) {
                model.mutable_graph()->mutable_output()->DeleteSubrange(0, 1);
              }),
              HasSubstr("output reconstruction is missing"));
  EXPECT_THAT(refusal_after([](auto& model) {
                model.mutable_graph()->mutable_output(1)->set_name("encoder.dense1");
              }),
              HasSubstr("there is no output encoder.dense1"));
  EXPECT_THAT(refusal_after([](auto& model) {
                node(model, "score").set_output(0, "mean");
                node(model, "outlier.score").set_input(0, "mean");
              }),
              HasSubstr("the outputs' list reads score"));
  EXPECT_THAT(refusal_after([](auto& model) {
                *model.mutable_graph()->add_output() = model.graph().output(1);
              }),
              HasSubstr("output score is listed twice"));
  EXPECT_THAT(refusal_after([&](auto& model) {
                dim(*model.mutable_graph()->mutable_output(0), 3)->set_dim_value(2);
              }),
              HasSubstr("output reconstruction is declared as float32 [4,4,2] of an image, float32 "
                        "[4,4,1] was expected"));
  EXPECT_THAT(refusal_after([](auto& model) {
                model.mutable_graph()
                    ->mutable_output(2)
                    ->mutable_type()
                    ->mutable_tensor_type()
                    ->set_elem_type(onnx::TensorProto::FLOAT);
              }),
              HasSubstr("output outlier is declared as float32 [] of an image, bool [] was"));
}

TEST_F(HostileOnnx, LongListsEndEarly) {
  EXPECT_THAT(refusal_after([](auto& model) {
                for (int i = 0; i < 1000; ++i) model.mutable_graph()->add_node();
              }),
              HasSubstr("nodes, at most 1000"));
  EXPECT_THAT(refusal_after([](auto& model) {
                node(model, "encoder.conv1").set_op_type(std::string(100'000, 'x'));
              }),
              HasSubstr("xxx..."));
}

// Any damage is found, or makes another model that runs: nothing else.
TEST_F(HostileOnnx, RandomDamage) {
  std::mt19937 random(42);
  size_t refused = 0;
  constexpr size_t kRounds = 3000;
  for (size_t round = 0; round < kRounds; ++round) {
    std::string damaged = bytes_;
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    const std::string text = refusal_of(damaged);
    ASSERT_THAT(text, AnyOf("(no error)", StartsWith("ONNX: "), HasSubstr("not an ONNX model")));
    refused += text != "(no error)";
  }
  EXPECT_GT(refused, kRounds / 10);
}

}  // namespace
}  // namespace oddity::test
