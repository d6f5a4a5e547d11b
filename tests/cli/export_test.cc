// oddity export: ONNX and Keras files, verified before they appear.
#include "cli/cli_fixture.h"
#include "files/model_file.h"
#include "files/onnx_evaluator.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ExportTest : public CliTest {
 protected:
  ExportTest() { write_network(); }

  static ModelFile network() {
    ModelFile model{conv_autoencoder(6, 8, 1, {4}, 3), {}, ModelRecord{}, ""};
    model.weights = initial_weights(model.architecture, 42);
    model.record->version = "0.1.0";
    model.record->input_type = "uint8";
    model.record->threshold = 0.0625;
    return model;
  }
  void write_network(const ModelFile& model = network()) const {
    write_model(folder_ / "model.h5", model);
  }

  ProgramResult export_to(const std::string& format, const std::string& output,
                          const Arguments& more = {}, const std::string& model = "model.h5") const {
    Arguments all = {"export", "-m", model, "--to", format, "-o", output};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
};

TEST_F(ExportTest, OnnxWithTheThresholdOfTheModel) {
  const ProgramResult result = export_to("onnx", "model.onnx", {"--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("threshold: 0.0625, quantile 0.999 of the training scores"),
                    HasSubstr("verified...  "), HasSubstr("16 images"), Not(HasSubstr("WARNING"))));
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["format"], "onnx");
  EXPECT_EQ(json["opset"], 17);
  EXPECT_EQ(json["ir_version"], 8);
  EXPECT_EQ(json["input"], (std::vector<int>{8, 6, 1}));
  EXPECT_EQ(json["input_type"], "uint8");
  EXPECT_EQ(json["threshold"], 0.0625);
  EXPECT_EQ(json["threshold_origin"], "model");
  EXPECT_EQ(json["preprocessing"], "none");
  EXPECT_EQ(json["verified"]["images"], 16);
  EXPECT_LT(json["verified"]["reconstruction_difference"], 1e-6);
  EXPECT_EQ(files(), (std::set<std::string>{"model.h5", "model.onnx"}));

  const OnnxEvaluator file(bytes("model.onnx"));
  EXPECT_EQ(file.image(), (ImageShape{8, 6, 1}));
  EXPECT_EQ(file.metadata().at("threshold"), "0.0625");
}

TEST_F(ExportTest, OnnxScoresAsFindDoes) {
  write_images();
  ASSERT_EQ(export_to("onnx", "model.onnx").exit_code, 0);
  const ProgramResult found =
      run({"find", "-d", "images.npy", "-m", "model.h5", "--scores", "scores.npy", "--json"});
  ASSERT_EQ(found.exit_code, 0) << found.err;
  const OnnxResult result = OnnxEvaluator(bytes("model.onnx")).run(make_images().images.view());
  const auto scores = read_npy_file<float>(folder_ / "scores.npy").values;
  ASSERT_EQ(result.score.size(), scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    // Sums of 48 squares, in float32 there and in float64 here.
    EXPECT_NEAR(result.score[i], scores[i], 1e-5f * scores[i]);
  }
  std::vector<size_t> positions;
  const auto json = nlohmann::json::parse(found.out);
  for (const auto& row : json["found"]) {
    positions.push_back(row["position"]);
  }
  std::vector<size_t> outliers;
  for (size_t i = 0; i < result.outlier->size(); ++i) {
    if ((*result.outlier)[i]) outliers.push_back(i);
  }
  EXPECT_EQ(outliers, positions);
  EXPECT_GT(outliers.size(), 0u) << "the threshold of this test flags none";
  EXPECT_LT(outliers.size(), scores.size()) << "the threshold of this test flags all";
}

TEST_F(ExportTest, OnnxWithAThresholdOfItsOwn) {
  const ProgramResult result = export_to("onnx", "a.onnx", {"--threshold", "0.5", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(nlohmann::json::parse(result.out)["threshold_origin"], "option");
  EXPECT_EQ(OnnxEvaluator(bytes("a.onnx")).metadata().at("threshold"), "0.5");
}

TEST_F(ExportTest, OnnxOfAModelOfKeras) {
  const std::string model = golden("trained/autoencoder.model").string();
  const ProgramResult none = export_to("onnx", "a.onnx", {"--json"}, model);
  ASSERT_EQ(none.exit_code, 0) << none.err;
  EXPECT_THAT(none.err, HasSubstr("stores no threshold"));
  EXPECT_TRUE(nlohmann::json::parse(none.out)["threshold"].is_null());
  EXPECT_FALSE(OnnxEvaluator(bytes("a.onnx")).has_outlier());
  EXPECT_EQ(export_to("onnx", "b.onnx", {"--threshold", ".1"}, model).exit_code, 0);
  EXPECT_TRUE(OnnxEvaluator(bytes("b.onnx")).has_outlier());
}

TEST_F(ExportTest, OnnxWarnsOfWhatIsDoneBeforeTheGraph) {
  ModelFile model = network();
  model.record->preprocessing = {.resize = ImageSize{6, 8}, .gray = true};
  write_network(model);
  const ProgramResult result = export_to("onnx", "model.onnx");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("[WARNING] what the model does with images before is not in "
                                    "the file: gray, resize to 6x8"));
  EXPECT_EQ(OnnxEvaluator(bytes("model.onnx")).metadata().at("preprocessing"),
            "gray, resize to 6x8");
}

TEST_F(ExportTest, EveryFormatToEveryOther) {
  const std::string golden_model = golden("trained/autoencoder.model").string();
  ASSERT_EQ(export_to("keras", "a.keras", {}, golden_model).exit_code, 0);
  ASSERT_EQ(export_to("keras", "b.h5", {}, "a.keras").exit_code, 0);
  ASSERT_EQ(export_to("keras", "c.keras", {}, "b.h5").exit_code, 0);
  ASSERT_EQ(export_to("onnx", "d.onnx", {}, "c.keras").exit_code, 0);
  EXPECT_EQ(bytes("c.keras"), bytes("a.keras"));
  EXPECT_EQ(read_model(folder_ / "b.h5").weights, read_model(golden_model).weights);
  EXPECT_EQ(OnnxEvaluator(bytes("d.onnx")).metadata().at("weights"),
            hash_of(read_model(golden_model).weights));
}

TEST_F(ExportTest, KerasFilesKeepTheRecord) {
  const ProgramResult result = export_to("keras", "a.keras", {"--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(nlohmann::json::parse(result.out)["weights"], hash_of(network().weights));
  EXPECT_EQ(read_model(folder_ / "a.keras").record, network().record);
  ASSERT_EQ(export_to("keras", "b.h5", {}, "a.keras").exit_code, 0);
  EXPECT_EQ(bytes("b.h5"), bytes("model.h5"));
}

TEST_F(ExportTest, SameBytesEachTime) {
  for (const char* name : {"onnx", "keras"}) {
    const std::string first = std::string("a.") + name;
    const std::string second = std::string("b.") + name;
    ASSERT_EQ(export_to(name, first, {"--threads", "1"}).exit_code, 0);
    ASSERT_EQ(export_to(name, second, {"--threads", "2"}).exit_code, 0);
    EXPECT_EQ(bytes(first), bytes(second));
  }
}

TEST_F(ExportTest, ReplacesNothingUnasked) {
  write("model.onnx", "dear");
  expect_error(export_to("onnx", "model.onnx"), 1, {"model.onnx exists", "--force"});
  EXPECT_EQ(bytes("model.onnx"), "dear");
  EXPECT_EQ(export_to("onnx", "model.onnx", {"--force"}).exit_code, 0);
  EXPECT_NE(bytes("model.onnx"), "dear");
}

TEST_F(ExportTest, WrongOptionsAreExitCode2) {
  expect_error(export_to("tflite", "model.onnx"), 2, {"--to", "tflite", "onnx", "keras"});
  expect_error(export_to("onnx", "model.h5"), 2, {"--output model.h5", "--to onnx", ".onnx"});
  expect_error(export_to("keras", "model.onnx"), 2, {"model.onnx", "--to keras", ".h5 or .keras"});
  expect_error(export_to("keras", "./model.h5", {"--force"}), 2,
               {"--output would replace --model model.h5"});
  expect_error(export_to("onnx", "model.onnx", {"--threshold", "nan"}), 2,
               {"--threshold", "'nan'"});
  expect_error(export_to("keras", "a.keras", {"--threshold", ".5"}), 2,
               {"--threshold 0.5", "--to keras", "leave it out"});
  expect_error(export_to("onnx", "model.onnx", {"--device", "gpu"}), 2, {"gpu"});
  expect_error(run({"export", "-m", "model.h5", "-o", "model.onnx"}), 2, {"--to is required"});
  EXPECT_EQ(files(), std::set<std::string>{"model.h5"});
}

TEST_F(ExportTest, BadModelsLeaveNothing) {
  expect_error(export_to("onnx", "a.onnx", {}, "none.h5"), 1, {"none.h5", "no such file"});
  write("text.h5", "hello");
  expect_error(export_to("onnx", "a.onnx", {}, "text.h5"), 1, {"text.h5", "not a Keras model"});
  ModelFile model = network();
  for (float& value : model.weights.at("encoder.dense1.kernel").values) value = 3e38f;
  write_network(model);
  expect_error(export_to("onnx", "a.onnx"), 1, {"a.onnx is not written", "nan"});
  EXPECT_EQ(files(), (std::set<std::string>{"model.h5", "text.h5"}));
}

}  // namespace
}  // namespace oddity::test
