// Model files of every kind Keras writes, and ours.
#include "files/model_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"
#include "files/atomic_file.h"
#include "files/hdf5_reader.h"
#include "support/error_text.h"
#include "support/golden_cases.h"
#include "support/npy_file.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

using testing::HasSubstr;

constexpr size_t kAll = size_t{1} << 30;

/// A file of Keras, and the goldens that hold its weights.
struct KerasFile {
  std::string file;
  Architecture architecture;
  std::string weights;
  std::string format;
};

std::vector<KerasFile> keras_files() {
  const Architecture mnist = mnist_architecture();
  const SmallCase small = small_cases().front();
  const std::string init = small.folder + "/init";
  return {
      {"trained/autoencoder.model", mnist, "trained/weights", "Keras HDF5 (tf_keras 2.21.0)"},
      {"trained/autoencoder_tf_keras.h5", mnist, "trained/weights", "Keras HDF5 (tf_keras 2.21.0)"},
      {"trained/autoencoder_keras3.keras", mnist, "trained/weights", "Keras archive (3.15.1)"},
      {small.folder + "/tf_keras_with_optimizer.h5", small.architecture, init,
       "Keras HDF5 (tf_keras 2.21.0)"},
      {small.folder + "/keras3.h5", small.architecture, init, "Keras HDF5 (Keras 3.15.1)"},
      {small.folder + "/keras3.keras", small.architecture, init, "Keras archive (3.15.1)"},
  };
}

ModelRecord some_record() {
  ModelRecord record;
  record.version = "0.1.0";
  record.input_type = "uint8";
  record.input_scale = 1.0 / 255;
  record.seed = 4'000'000'000;
  record.init_seed = std::numeric_limits<uint64_t>::max();
  record.loss = {0.041, 0.0102, 1.0 / 3};
  record.validation_loss = {0.039, 0.021, 2.0 / 3};
  record.training_scores = {0.f, 1e-30f, 0.001f, 0.001f, 0.25f};
  record.threshold = 0.02863757349550724;
  record.threshold_quantile = 0.99;
  return record;
}

void expect_equal(const ModelRecord& a, const ModelRecord& b) {
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.input_type, b.input_type);
  EXPECT_EQ(a.input_scale, b.input_scale);
  EXPECT_EQ(a.seed, b.seed);
  EXPECT_EQ(a.init_seed, b.init_seed);
  EXPECT_EQ(a.loss, b.loss);
  EXPECT_EQ(a.validation_loss, b.validation_loss);
  EXPECT_EQ(a.training_scores, b.training_scores);
  EXPECT_EQ(a.threshold, b.threshold);
  EXPECT_EQ(a.threshold_quantile, b.threshold_quantile);
  EXPECT_EQ(a.preprocessing, b.preprocessing);
  EXPECT_EQ(a.score, b.score);
  EXPECT_EQ(a.trim, b.trim);
}

TEST(ModelFile, ReadsWhatKerasWritesBitForBit) {
  for (const KerasFile& keras : keras_files()) {
    SCOPED_TRACE(keras.file);
    const ModelFile model = read_model(golden(keras.file));
    EXPECT_EQ(model.architecture, keras.architecture);
    EXPECT_EQ(model.weights, golden_weights(keras.architecture, keras.weights));
    EXPECT_EQ(model.format, keras.format);
    EXPECT_FALSE(model.record);
  }
}

TEST(ModelFile, IsRecognisedByContentNotByName) {
  const TemporaryFolder folder;
  std::filesystem::copy_file(golden("trained/autoencoder_keras3.keras"), folder / "a.h5");
  std::filesystem::copy_file(golden("trained/autoencoder.model"), folder / "b.keras");
  EXPECT_EQ(read_model(folder / "a.h5").weights, read_model(folder / "b.keras").weights);
}

TEST(ModelFile, ReadsBackWhatItWrote) {
  const TemporaryFolder folder;
  std::vector<Architecture> architectures = {mnist_architecture(),
                                             conv_autoencoder(2, 2, 1, {1}, 1),
                                             conv_autoencoder(64, 32, 4, {3, 5, 7, 9, 11}, 2)};
  for (const SmallCase& c : small_cases()) architectures.push_back(c.architecture);
  for (const Architecture& architecture : architectures) {
    SCOPED_TRACE(to_string(architecture.image()));
    const ModelFile model{architecture, initial_weights(architecture, 7), some_record(), ""};
    write_model(folder / "model.h5", model);
    const ModelFile read = read_model(folder / "model.h5");
    EXPECT_EQ(read.architecture, architecture);
    EXPECT_EQ(read.weights, model.weights);
    EXPECT_EQ(read.format, "Oddity's Keras HDF5 (0.1.0)");
    ASSERT_TRUE(read.record);
    expect_equal(*read.record, *model.record);
  }
}

TEST(ModelFile, RecordMayBeAbsentOrEmpty) {
  const TemporaryFolder folder;
  const Architecture architecture = conv_autoencoder(2, 2, 1, {1}, 1);
  ModelFile model{architecture, initial_weights(architecture, 7), std::nullopt, ""};
  write_model(folder / "model.h5", model);
  EXPECT_FALSE(read_model(folder / "model.h5").record);

  model.record = ModelRecord{};
  model.record->input_type = "float32";
  write_model(folder / "model.h5", model);
  const ModelFile read = read_model(folder / "model.h5");
  ASSERT_TRUE(read.record);
  expect_equal(*read.record, *model.record);
}

TEST(ModelFile, StatesHowImagesArePreprocessed) {
  const TemporaryFolder folder;
  const Architecture architecture = conv_autoencoder(4, 8, 1, {1}, 1);
  ModelFile model{architecture, initial_weights(architecture, 7), some_record(), ""};
  for (const Preprocessing& preprocessing :
       {Preprocessing{}, Preprocessing{.resize = std::nullopt, .gray = true},
        Preprocessing{.resize = ImageSize{4, 8}},
        Preprocessing{.resize = ImageSize{4, 8}, .crop = true, .gray = true}}) {
    model.record->preprocessing = preprocessing;
    write_model(folder / "model.h5", model);
    const ModelFile read = read_model(folder / "model.h5");
    ASSERT_TRUE(read.record);
    expect_equal(*read.record, *model.record);
  }
}

TEST(ModelFile, StatesHowImagesAreScored) {
  const TemporaryFolder folder;
  const Architecture architecture = conv_autoencoder(4, 8, 1, {1}, 1);
  ModelFile model{architecture, initial_weights(architecture, 7), some_record(), ""};
  model.record->score = {.kind = ScoreKind::robust, .variation_floor = 4.25};
  model.record->trim = 0.06;
  for (const bool gray : {false, true}) {
    model.record->preprocessing.gray = gray;
    for (const char* name : {"model.h5", "model.keras"}) {
      write_model(folder / name, model);
      const ModelFile read = read_model(folder / name);
      ASSERT_TRUE(read.record);
      expect_equal(*read.record, *model.record);
    }
  }
}

// A program that knows nothing of preprocessing or scores must not read what needs it, and has to
// go on reading everything else.
TEST(ModelFile, HasANewerFormatOnlyWhereItIsNeeded) {
  const TemporaryFolder folder;
  const Architecture architecture = conv_autoencoder(4, 4, 1, {1}, 1);
  ModelFile model{architecture, initial_weights(architecture, 7), some_record(), ""};
  const auto format = [&] {
    write_model(folder / "model.h5", model);
    return Hdf5Reader(read_file(folder / "model.h5", kAll)).natural("oddity", "format_version");
  };
  EXPECT_EQ(format(), 1u);
  EXPECT_FALSE(
      Hdf5Reader(read_file(folder / "model.h5", kAll)).has_attribute("oddity", "preprocess_gray"));
  model.record->preprocessing.gray = true;
  EXPECT_EQ(format(), 2u);
  model.record->score.kind = ScoreKind::robust;
  EXPECT_EQ(format(), 3u);
  model.record->preprocessing = {};
  EXPECT_EQ(format(), 3u);
}

TEST(ModelFile, SameModelGivesTheSameBytes) {
  const TemporaryFolder folder;
  const Architecture architecture = mnist_architecture();
  const ModelFile model{architecture, initial_weights(architecture, 7), some_record(), ""};
  write_model(folder / "a.h5", model);
  // What memory held before must not show.
  std::vector<std::string> rubbish(100, std::string(10'000, '\xAB'));
  rubbish.clear();
  write_model(folder / "b.h5", model);
  EXPECT_EQ(read_file(folder / "a.h5", kAll), read_file(folder / "b.h5", kAll));
}

TEST(ModelFile, AppearsWholeOrNotAtAll) {
  const TemporaryFolder folder;
  const Architecture architecture = conv_autoencoder(2, 2, 1, {1}, 1);
  ModelFile model{architecture, initial_weights(architecture, 7), std::nullopt, ""};
  EXPECT_THAT(error_text<Error>([&] { write_model(folder / "absent" / "model.h5", model); }),
              HasSubstr("absent/model.h5"));

  model.weights.tensors()[0].values[4] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_text<Error>([&] { write_model(folder / "model.h5", model); }),
              HasSubstr("encoder.conv1.kernel holds nan at position 4"));
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(ModelFile, RefusesToWriteARecordItWouldNotRead) {
  const TemporaryFolder folder;
  const Architecture architecture = conv_autoencoder(2, 2, 1, {1}, 1);
  const auto refusal = [&](void (*spoil)(ModelRecord&)) {
    ModelFile model{architecture, initial_weights(architecture, 7), some_record(), ""};
    spoil(*model.record);
    return error_text<Error>([&] { write_model(folder / "model.h5", model); });
  };
  EXPECT_THAT(refusal([](ModelRecord& r) { r.input_type = "int7"; }),
              HasSubstr("input type is int7, uint8, uint16 or float32 was expected"));
  EXPECT_THAT(refusal([](ModelRecord& r) { r.input_scale = 0; }), HasSubstr("input scale is 0.0"));
  EXPECT_THAT(refusal([](ModelRecord& r) { r.threshold = std::nan(""); }),
              HasSubstr("threshold is nan"));
  EXPECT_THAT(refusal([](ModelRecord& r) { r.threshold_quantile = 1.5; }),
              HasSubstr("threshold quantile is 1.5, 0 to 1"));
  EXPECT_THAT(refusal([](ModelRecord& r) { r.loss.pop_back(); }),
              HasSubstr("2 losses and 3 validation losses"));
  EXPECT_THAT(refusal([](ModelRecord& r) { r.loss[0] = std::nan(""); }),
              HasSubstr("a loss is not finite"));
  EXPECT_THAT(refusal([](ModelRecord& r) { r.training_scores[0] = 9; }),
              HasSubstr("training scores are not finite and sorted"));
  EXPECT_THAT(refusal([](ModelRecord& r) { r.preprocessing.crop = true; }),
              HasSubstr("images are cropped, but not resized"));
  EXPECT_THAT(refusal([](ModelRecord& r) {
                r.preprocessing.resize = {0, 2};
              }),
              HasSubstr("images are resized to 0x2, 1 to 65535 was expected"));
  EXPECT_THAT(refusal([](ModelRecord& r) {
                r.preprocessing.resize = {2, 65536};
              }),
              HasSubstr("images are resized to 2x65536"));
  EXPECT_THAT(refusal([](ModelRecord& r) {
                r.preprocessing.resize = {4, 2};
              }),
              HasSubstr("images are resized to 4x2, the network takes 2x2x1"));
  EXPECT_THAT(refusal([](ModelRecord& r) { r.training_scores.assign(1'000'001, 0.f); }),
              HasSubstr("1000001 training scores, at most 1000000"));
  EXPECT_EQ(folder.entries(), 0u);
}

}  // namespace
}  // namespace oddity::test
