// The Keras 3 archive as we write it. That Keras loads it and predicts the same: tests/roundtrip.
#include "files/keras_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "files/atomic_file.h"
#include "files/keras_config.h"
#include "files/zip.h"
#include "support/error_text.h"
#include "support/golden_cases.h"
#include "support/npy_file.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr size_t kAll = size_t{1} << 30;

ModelFile some_model(const Architecture& architecture) {
  ModelFile model{architecture, initial_weights(architecture, 7), ModelRecord{}, ""};
  ModelRecord& record = *model.record;
  record.version = "0.1.0";
  record.input_type = "uint16";
  record.loss = record.validation_loss = {0.5, 0.25};
  record.training_scores = {0.f, 0.25f};
  record.threshold = 0.02863757349550724;
  return model;
}

class KerasArchive : public testing::Test {
 protected:
  ModelFile read_back(const std::string& bytes) const {
    write_file(folder_ / "model.keras", bytes);
    return read_model(folder_ / "model.keras");
  }

  TemporaryFolder folder_;
};

TEST_F(KerasArchive, ReadsBackWhatItWrote) {
  std::vector<Architecture> architectures = {mnist_architecture(),
                                             conv_autoencoder(2, 2, 1, {1}, 1),
                                             conv_autoencoder(64, 32, 4, {3, 5, 7, 9, 11}, 2)};
  for (const SmallCase& c : small_cases()) architectures.push_back(c.architecture);
  for (const Architecture& architecture : architectures) {
    SCOPED_TRACE(to_string(architecture.image()));
    const ModelFile model = some_model(architecture);
    const ModelFile read = read_back(keras_archive_bytes(model));
    EXPECT_EQ(read.architecture, architecture);
    EXPECT_EQ(read.weights, model.weights);
    EXPECT_EQ(read.record, model.record);
    EXPECT_EQ(read.format, "Oddity's Keras archive (0.1.0)");
  }
}

TEST_F(KerasArchive, RecordMayBeAbsent) {
  ModelFile model = some_model(conv_autoencoder(2, 2, 1, {1}, 1));
  model.record.reset();
  const ModelFile read = read_back(keras_archive_bytes(model));
  EXPECT_FALSE(read.record);
  EXPECT_EQ(read.format, "Keras archive (3.15.1)");
}

TEST_F(KerasArchive, SameModelGivesTheSameBytes) {
  const ModelFile model = some_model(mnist_architecture());
  const std::string bytes = keras_archive_bytes(model);
  // What memory held before must not show.
  std::vector<std::string> rubbish(100, std::string(10'000, '\xAB'));
  rubbish.clear();
  EXPECT_EQ(keras_archive_bytes(model), bytes);
}

TEST_F(KerasArchive, TheMetadataHoldsNoTime) {
  write_file(folder_ / "model.keras", keras_archive_bytes(some_model(mnist_architecture())));
  EXPECT_THAT(read_zip(folder_ / "model.keras", {"metadata.json"}, kAll),
              ElementsAre(Pair("metadata.json",
                               "{\"date_saved\":\"1980-01-01@00:00:00\","
                               "\"keras_version\":\"3.15.1\"}")));
}

// All that our configuration says of a layer, Keras 3's own says, too.
TEST_F(KerasArchive, SaysOfLayersWhatKerasSays) {
  const Architecture architecture = mnist_architecture();
  const auto config = [](const std::filesystem::path& path) {
    return nlohmann::json::parse(read_zip(path, {"config.json"}, kAll).at(0).second);
  };
  write_file(folder_ / "model.keras", keras_archive_bytes(some_model(architecture)));
  const nlohmann::json ours = config(folder_ / "model.keras");
  const nlohmann::json theirs = config(golden("trained/autoencoder_keras3.keras"));
  size_t compared = 0;
  for (const size_t part : {1, 2}) {
    const auto& our_layers = ours["config"]["layers"][part]["config"]["layers"];
    const auto& their_layers = theirs["config"]["layers"][part]["config"]["layers"];
    ASSERT_EQ(our_layers.size(), their_layers.size());
    for (size_t i = 1; i < our_layers.size(); ++i) {
      for (const char* key : {"module", "class_name", "registered_name", "name"}) {
        EXPECT_EQ(our_layers[i][key], their_layers[i][key]);
      }
      for (const auto& [key, value] : our_layers[i]["config"].items()) {
        // Types are spelled out there; axis −1 is the last of four.
        if (key == "dtype" || key == "axis") continue;
        const nlohmann::json& other = their_layers[i]["config"][key];
        // Their slope is the decimal, ours the float32.
        if (key == "negative_slope") {
          EXPECT_NEAR(value.get<double>(), other.get<double>(), 1e-8);
        } else {
          EXPECT_EQ(value, other) << our_layers[i]["name"] << ": " << key;
        }
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 80u);
}

TEST_F(KerasArchive, RefusesWhatItWouldNotRead) {
  ModelFile model = some_model(conv_autoencoder(2, 2, 1, {1}, 1));
  model.record->input_type = "int7";
  EXPECT_THAT(error_text<Error>([&] { keras_archive_bytes(model); }), HasSubstr("int7"));
  model = some_model(conv_autoencoder(2, 2, 1, {1}, 1));
  model.weights.tensors().pop_back();
  EXPECT_THAT(error_text<Error>([&] { keras_archive_bytes(model); }), HasSubstr("weight tensors"));
}

}  // namespace
}  // namespace oddity::test
