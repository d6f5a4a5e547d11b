// oddity inspect: models and data sets, recognised by their content.
#include "cli/cli_fixture.h"
#include "files/model_file.h"
#include "report/png.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class InspectTest : public CliTest {};

TEST_F(InspectTest, AModelOfOurs) {
  write_images();
  ASSERT_EQ(run(train_arguments()).exit_code, 0);
  std::filesystem::rename(folder_ / "model.h5", folder_ / "model.png");  // names mean nothing
  const ProgramResult text = run({"inspect", "model.png"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.err, "");
  EXPECT_THAT(text.out, AllOf(HasSubstr("encoder.conv1"), HasSubstr("Conv2DTranspose"),
                              HasSubstr("4x3x4"), HasSubstr("xxh3:"), HasSubstr("2, loss 0.")));
  const auto json = nlohmann::json::parse(run({"inspect", "model.png", "--json"}).out);
  EXPECT_EQ(json["kind"], "model");
  EXPECT_EQ(json["input"], (std::vector<int>{8, 6, 1}));
  EXPECT_EQ(json["layers"][0]["weights"], 3 * 3 * 4 + 4);
  EXPECT_EQ(json["layers"][0]["output"], (std::vector<int>{4, 3, 4}));
  EXPECT_EQ(json["record"]["epochs"], 2);
  int64_t sum = 0;
  for (const auto& layer : json["layers"]) sum += layer["weights"].get<int64_t>();
  EXPECT_EQ(json["weights"], sum);
}

TEST_F(InspectTest, ModelsOfKerasHaveOneHashWhateverTheirFormat) {
  std::string hash;
  for (const char* name :
       {"autoencoder.model", "autoencoder_tf_keras.h5", "autoencoder_keras3.keras"}) {
    const ProgramResult result =
        run({"inspect", golden(std::string("trained/") + name).string(), "--json"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const auto json = nlohmann::json::parse(result.out);
    EXPECT_EQ(json["weights"], 178769);
    EXPECT_TRUE(json["record"].is_null());
    if (hash.empty()) hash = json["hash"];
    EXPECT_EQ(json["hash"], hash) << name;
  }
}

TEST_F(InspectTest, ADataSet) {
  Dataset dataset = make_images(10);
  for (size_t i = 0; i < 10; ++i) dataset.label[i] = i < 4 ? 1 : 3;
  write_dataset(folder_ / "set.npz", dataset);
  write_dataset(folder_ / "set.npy", dataset);
  const ProgramResult text = run({"inspect", "set.npz"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("data set"), HasSubstr("8x6x1"), HasSubstr("uint8"),
                              HasSubstr("label 1"), HasSubstr("xxh3:")));
  const auto zipped = nlohmann::json::parse(run({"inspect", "set.npz", "--json"}).out);
  const auto plain = nlohmann::json::parse(run({"inspect", "set.npy", "--json"}).out);
  EXPECT_EQ(zipped["images"], 10);
  EXPECT_EQ(zipped["labels"]["3"], 6);
  EXPECT_EQ(plain["labels"]["unknown"], 10);
  EXPECT_EQ(zipped["hash"], plain["hash"]);
}

TEST_F(InspectTest, HowImagesArePreprocessed) {
  const Architecture architecture = conv_autoencoder(4, 8, 1, {1}, 1);
  ModelFile model{architecture, initial_weights(architecture, 7), ModelRecord{}, ""};
  model.record->input_type = "uint8";
  write_model(folder_ / "plain.h5", model);
  model.record->preprocessing = {.resize = ImageSize{4, 8}, .crop = true, .gray = true};
  write_model(folder_ / "model.h5", model);
  EXPECT_THAT(run({"inspect", "plain.h5"}).out, HasSubstr("preprocessing    none\n"));
  EXPECT_THAT(run({"inspect", "model.h5"}).out,
              HasSubstr("preprocessing    crop, gray, resize to 4x8\n"));
  const auto json = nlohmann::json::parse(run({"inspect", "model.h5", "--json"}).out);
  EXPECT_EQ(json["record"]["preprocessing"], "crop, gray, resize to 4x8");
}

TEST_F(InspectTest, PathsOfImages) {
  Dataset dataset = make_images(3);
  dataset.path = {"a.png", "b\xff.png", "c\xff.png"};
  write_dataset(folder_ / "set.npz", dataset);
  const ProgramResult text = run({"inspect", "set.npz"});
  EXPECT_THAT(text.out, HasSubstr("a.png … c\\xff.png\n")) << text.err;
  const auto json = nlohmann::json::parse(run({"inspect", "set.npz", "--json"}).out);
  EXPECT_EQ(json["first_path"], "a.png");
}

TEST_F(InspectTest, TheEmbeddedDigits) {
  const std::string path = std::string(ODDITY_MNIST_DIR) + "/t10k-images-idx3-ubyte.gz";
  const ProgramResult result = run({"inspect", path, "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(nlohmann::json::parse(result.out)["images"], 10000);
}

TEST_F(InspectTest, AnImageIsToldAsScoringReadsIt) {
  write("photo.jpg", encode_png(Picture(5, 3, 1, 51)));
  const ProgramResult result = run({"inspect", "photo.jpg", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["kind"], "image");
  EXPECT_EQ(json["format"], "PNG");
  EXPECT_EQ(json["shape"], (std::vector<int>{3, 5, 1}));
  EXPECT_NEAR(json["mean"].get<double>(), 0.2, 1e-7);  // 51/255 in float32
  write("cut.png", bytes("photo.jpg").substr(0, 40));
  expect_error(run({"inspect", "cut.png"}), 1, {"cut.png", "truncated"});
}

}  // namespace
}  // namespace oddity::test
