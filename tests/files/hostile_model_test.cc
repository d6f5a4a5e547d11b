// Model files that are damaged, made to harm, or simply not ours: one line that names the file and
// what is wrong with it, and never more than that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "files/atomic_file.h"
#include "files/model_file.h"
#include "files/zip.h"
#include "support/error_text.h"
#include "support/golden_cases.h"
#include "support/memory_file.h"
#include "support/npy_file.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr size_t kAll = size_t{1} << 30;
// The layer whose weights the tests spoil, in a file of ours.
constexpr const char* kKernel = "model_weights/encoder/conv2d/kernel:0";
constexpr const char* kBias = "model_weights/encoder/conv2d/bias:0";

class HostileModel : public testing::Test {
 protected:
  HostileModel() {
    ModelFile model{conv_autoencoder(4, 4, 1, {2}, 3), {}, ModelRecord{}, ""};
    model.weights = initial_weights(model.architecture, 1);
    model.record->version = "0.1.0";
    model.record->input_type = "uint8";
    model.record->training_scores = {0.f, 1.f};
    write_model(path(), model);
  }

  fs::path path() const { return folder_ / "model.h5"; }
  std::string bytes() const { return read_file(path(), kAll); }

  std::string refusal() const {
    return error_text<Error>([&] { read_model(path()); });
  }
  /// Replaces the file, without syncing as write_file does.
  void store(std::string_view content) const { std::ofstream(path(), std::ios::binary) << content; }
  std::string refusal_of(std::string_view content) const {
    store(content);
    return refusal();
  }
  /// What reading says after libhdf5 changed the file.
  std::string refusal_after(const std::function<void(hid_t file)>& change) const {
    const hid_t file = H5Fopen(path().c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    change(file);
    EXPECT_GE(H5Fclose(file), 0);
    return refusal();
  }

  TemporaryFolder folder_;
};

/// An array in place of another; `prepare` changes how it is stored.
void replace_array(
    hid_t file, const char* name, hid_t type, const std::vector<hsize_t>& extents,
    const std::function<void(hid_t)>& prepare = [](hid_t) {}) {
  ASSERT_GE(H5Ldelete(file, name, H5P_DEFAULT), 0);
  const hid_t space = H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr);
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  prepare(creation);
  const hid_t array = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  ASSERT_GE(array, 0);
  hsize_t count = 1;
  for (const hsize_t extent : extents) count *= extent;
  if (count < 1000) {
    const std::vector<float> zeros(count);
    H5Dwrite(array, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros.data());
  }
  H5Dclose(array);
  H5Pclose(creation);
  H5Sclose(space);
}

void replace_number(hid_t file, const char* group, const char* name, hid_t type,
                    const void* value) {
  const hid_t object = H5Oopen(file, group, H5P_DEFAULT);
  H5Adelete(object, name);
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  ASSERT_GE(H5Awrite(attribute, type, value), 0);
  H5Aclose(attribute);
  H5Sclose(space);
  H5Oclose(object);
}

TEST_F(HostileModel, TheFileItselfIsFine) { EXPECT_EQ(refusal(), "(no error)"); }

TEST_F(HostileModel, NotAModel) {
  EXPECT_THAT(refusal_of(""), HasSubstr("model.h5 is empty"));
  EXPECT_THAT(refusal_of("index,score\n0,0.5\n"), HasSubstr("model.h5 is not a Keras model"));
  EXPECT_THAT(refusal_of("\x89HDF"), HasSubstr("is not a Keras model"));
  EXPECT_THAT(error_text<Error>([&] { read_model(folder_.path()); }), HasSubstr("is a folder"));
  EXPECT_THAT(error_text<Error>([&] { read_model(folder_ / "absent.h5"); }),
              HasSubstr("absent.h5: No such file"));
  EXPECT_THAT(error_text<Error>([&] { read_model("/dev/zero"); }),
              HasSubstr("/dev/zero is not a regular file"));
}

TEST_F(HostileModel, Truncated) {
  const std::string whole = bytes();
  for (size_t size = 1; size < whole.size(); size += 487) {
    EXPECT_THAT(refusal_of(whole.substr(0, size)), HasSubstr("model.h5")) << size;
  }
  EXPECT_THAT(refusal_of(whole.substr(0, whole.size() / 2)),
              HasSubstr("model.h5: truncated: the HDF5 file had "));
}

TEST_F(HostileModel, Hdf5WithoutAModel) {
  EXPECT_THAT(refusal_after([](hid_t file) { H5Adelete(file, "model_config"); }),
              HasSubstr("holds weights without a model: save it with model.save()"));
  EXPECT_THAT(refusal_after([](hid_t file) { H5Ldelete(file, "model_weights", H5P_DEFAULT); }),
              HasSubstr("is HDF5, but not a Keras model: attribute model_config is missing"));
}

TEST_F(HostileModel, MissingParts) {
  const std::string whole = bytes();
  EXPECT_THAT(refusal_after([](hid_t f) { H5Ldelete(f, "model_weights/decoder", H5P_DEFAULT); }),
              HasSubstr("there is no model_weights/decoder"));
  store(whole);
  EXPECT_THAT(refusal_after([](hid_t f) { H5Ldelete(f, kKernel, H5P_DEFAULT); }),
              HasSubstr(std::string("there is no ") + kKernel));
  store(whole);
  EXPECT_THAT(refusal_after([](hid_t f) {
                H5Adelete_by_name(f, "model_weights/encoder", "weight_names", H5P_DEFAULT);
              }),
              HasSubstr("attribute weight_names of model_weights/encoder is missing"));
}

TEST_F(HostileModel, WeightsOfAnotherTypeOrShape) {
  struct Row {
    hid_t type;
    std::vector<hsize_t> extents;
    const char* message;
  };
  const hid_t half = H5Tcopy(H5T_IEEE_F32LE);
  H5Tset_fields(half, 15, 10, 5, 0, 10);
  H5Tset_size(half, 2);
  H5Tset_ebias(half, 15);
  const std::vector<Row> rows = {
      {H5T_IEEE_F64LE, {3, 3, 1, 2}, "is float64, only float32 is supported"},
      {H5T_IEEE_F32BE, {3, 3, 1, 2}, "is big-endian float32, only float32"},
      {H5T_STD_I32LE, {3, 3, 1, 2}, "is int32, only float32"},
      {half, {3, 3, 1, 2}, "is float16, only float32"},
      {H5T_IEEE_F32LE, {3, 3, 2, 1}, "is [3,3,2,1], the model's configuration needs [3,3,1,2]"},
      {H5T_IEEE_F32LE, {18}, "is [18], the model's configuration needs [3,3,1,2]"},
      // Never written, so that the file stays small; nothing of that size may be allocated.
      {H5T_IEEE_F32LE, {3, 3, 1, hsize_t{1} << 55}, "was never written"},
  };
  const std::string whole = bytes();
  for (const Row& row : rows) {
    store(whole);
    EXPECT_THAT(refusal_after([&](hid_t f) { replace_array(f, kKernel, row.type, row.extents); }),
                AllOf(HasSubstr("model.h5: array "), HasSubstr(row.message)));
  }
  H5Tclose(half);
}

TEST_F(HostileModel, OtherStorage) {
  const std::string whole = bytes();
  const auto stored = [&](const std::function<void(hid_t)>& prepare) {
    store(whole);
    return refusal_after([&](hid_t f) { replace_array(f, kBias, H5T_IEEE_F32LE, {2}, prepare); });
  };
  EXPECT_EQ(stored([](hid_t c) { H5Pset_layout(c, H5D_COMPACT); }), "(no error)");
  const hsize_t chunk = 2;
  EXPECT_THAT(stored([&](hid_t c) { H5Pset_chunk(c, 1, &chunk); }),
              AllOf(HasSubstr("is stored in chunks"), HasSubstr("h5repack --layout=CONTI")));
  EXPECT_THAT(stored([&](hid_t c) {
                H5Pset_chunk(c, 1, &chunk);
                H5Pset_deflate(c, 9);
              }),
              HasSubstr("is stored in chunks"));
}

// A model must not make the program read (or, through a filter, run) anything else.
TEST_F(HostileModel, OpensNoOtherFile) {
  const std::string whole = bytes();
  const std::string secret = (folder_ / "secret.bin").string();
  write_file(secret, std::string(8, 'x'));
  write_file(folder_ / "other.h5", whole);

  EXPECT_THAT(refusal_after([&](hid_t f) {
                replace_array(f, kBias, H5T_IEEE_F32LE, {2},
                              [&](hid_t c) { H5Pset_external(c, secret.c_str(), 0, 8); });
              }),
              HasSubstr("keeps its numbers in another file, which is not opened"));
  store(whole);
  EXPECT_THAT(refusal_after([&](hid_t f) {
                H5Ldelete(f, kBias, H5P_DEFAULT);
                H5Lcreate_external("other.h5", kBias, f, kBias, H5P_DEFAULT, H5P_DEFAULT);
              }),
              HasSubstr("conv2d holds links to other files, or is in a newer format"));
  store(whole);
  EXPECT_THAT(refusal_after([&](hid_t f) {
                H5Ldelete(f, kBias, H5P_DEFAULT);
                H5Lcreate_soft("/model_weights/decoder/conv2d_transpose/bias:0", f, kBias,
                               H5P_DEFAULT, H5P_DEFAULT);
              }),
              HasSubstr("bias:0 is a link by name, which is not followed"));
  store(whole);
  EXPECT_THAT(refusal_after([&](hid_t f) {
                replace_array(f, kBias, H5T_IEEE_F32LE, {2}, [&](hid_t c) {
                  const hsize_t extent = 2;
                  const hid_t space = H5Screate_simple(1, &extent, nullptr);
                  H5Pset_virtual(c, space, "other.h5", kBias, space);
                  H5Sclose(space);
                });
              }),
              Not(HasSubstr("(no error)")));
}

// What others put beside Keras' attributes is none of ours, of whatever type.
TEST_F(HostileModel, ForeignAttributesDoNotMatter) {
  EXPECT_EQ(refusal_after([](hid_t f) {
              const hid_t space = H5Screate(H5S_NULL);
              const hid_t pair = H5Tcreate(H5T_COMPOUND, 8);
              H5Tinsert(pair, "a", 0, H5T_NATIVE_INT);
              H5Tinsert(pair, "b", 4, H5T_NATIVE_FLOAT);
              for (const char* group : {"/", "model_weights/encoder", "oddity"}) {
                const hid_t object = H5Oopen(f, group, H5P_DEFAULT);
                H5Aclose(H5Acreate2(object, "note", pair, space, H5P_DEFAULT, H5P_DEFAULT));
                H5Oclose(object);
              }
              H5Tclose(pair);
              H5Sclose(space);
            }),
            "(no error)");
}

TEST_F(HostileModel, NewerFormatOfHdf5) {
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
  H5Fclose(H5Fcreate(path().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access));
  H5Pclose(access);
  EXPECT_THAT(refusal(), HasSubstr("save it from Keras again, without libver"));
}

TEST_F(HostileModel, WeightsThatAreNotNumbers) {
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(refusal_after([&](hid_t f) {
                  const float values[2] = {0, value};
                  const hid_t array = H5Dopen2(f, kBias, H5P_DEFAULT);
                  H5Dwrite(array, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
                  H5Dclose(array);
                }),
                AllOf(HasSubstr("model.h5: weight tensor encoder.conv1.bias holds "),
                      HasSubstr("at position 1")));
  }
}

TEST_F(HostileModel, Records) {
  const std::string whole = bytes();
  const auto with_number = [&](const char* name, hid_t type, auto value) {
    store(whole);
    return refusal_after([&](hid_t f) { replace_number(f, "oddity", name, type, &value); });
  };
  EXPECT_THAT(with_number("format_version", H5T_NATIVE_UINT64, uint64_t{4}),
              HasSubstr("has Oddity's model format 4, this program reads formats 1 to 3"));
  EXPECT_THAT(with_number("format_version", H5T_NATIVE_UINT64, uint64_t{2}),
              HasSubstr("attribute preprocess_crop of oddity is missing"));
  EXPECT_THAT(with_number("format_version", H5T_NATIVE_INT64, int64_t{-1}),
              HasSubstr("attribute format_version of oddity is int64, not one unsigned integer"));
  EXPECT_THAT(with_number("seed", H5T_NATIVE_UINT64, uint64_t{1} << 32),
              HasSubstr("seed is 4294967296"));
  EXPECT_THAT(with_number("threshold", H5T_NATIVE_DOUBLE, std::nan("")),
              HasSubstr("threshold is nan"));
  EXPECT_THAT(with_number("threshold", H5T_NATIVE_FLOAT, 1.f),
              HasSubstr("threshold of oddity is float32, not one float64"));
  EXPECT_THAT(with_number("input_scale", H5T_NATIVE_DOUBLE, -1.0),
              HasSubstr("input scale is -1.0"));
  store(whole);
  EXPECT_THAT(refusal_after([](hid_t f) {
                replace_array(f, "oddity/training_scores", H5T_IEEE_F32LE, {2, 1});
              }),
              HasSubstr("array oddity/training_scores has 2 dimensions of float32"));
}

TEST_F(HostileModel, Preprocessing) {
  ModelFile model{conv_autoencoder(4, 4, 3, {2}, 3), {}, ModelRecord{}, ""};
  model.weights = initial_weights(model.architecture, 1);
  model.record->input_type = "uint8";
  model.record->preprocessing.resize = {4, 4};
  write_model(path(), model);
  const std::string whole = bytes();
  const auto with = [&](const char* name, uint64_t value) {
    store(whole);
    return refusal_after(
        [&](hid_t f) { replace_number(f, "oddity", name, H5T_NATIVE_UINT64, &value); });
  };
  EXPECT_EQ(with("preprocess_crop", 1), "(no error)");
  EXPECT_THAT(with("preprocess_crop", 2), HasSubstr("preprocess_crop is 2, 0 or 1 was expected"));
  EXPECT_THAT(with("preprocess_gray", 1),
              HasSubstr("model.h5: model record: images are made gray, the network takes 4x4x3"));
  EXPECT_THAT(with("preprocess_width", 8), HasSubstr("resized to 8x4, the network takes 4x4x3"));
  EXPECT_THAT(with("preprocess_width", 0), HasSubstr("resized to 0x4, 1 to 65535 was expected"));
  EXPECT_THAT(with("preprocess_height", ~uint64_t{0}), HasSubstr("1 to 65535 was expected"));
  const auto without = [&](const char* name) {
    store(whole);
    return refusal_after([&](hid_t f) {
      const hid_t object = H5Oopen(f, "oddity", H5P_DEFAULT);
      H5Adelete(object, name);
      H5Oclose(object);
    });
  };
  EXPECT_THAT(without("preprocess_height"), HasSubstr("preprocess_height of oddity is missing"));
  EXPECT_THAT(without("preprocess_width"), HasSubstr("preprocess_width of oddity is missing"));
}

TEST_F(HostileModel, Scores) {
  ModelFile model{conv_autoencoder(4, 4, 1, {2}, 3), {}, ModelRecord{}, ""};
  model.weights = initial_weights(model.architecture, 1);
  model.record->input_type = "uint8";
  model.record->score = {.kind = ScoreKind::robust, .variation_floor = 2};
  model.record->trim = 0.06;
  write_model(path(), model);
  const std::string whole = bytes();
  const auto with = [&](const char* name, double value) {
    store(whole);
    return refusal_after(
        [&](hid_t f) { replace_number(f, "oddity", name, H5T_NATIVE_DOUBLE, &value); });
  };
  EXPECT_EQ(with("trim", 0.5), "(no error)");
  EXPECT_THAT(with("trim", 1), HasSubstr("trim is 1.0, 0 to below 1 was expected"));
  EXPECT_THAT(with("trim", std::nan("")), HasSubstr("trim is nan"));
  EXPECT_THAT(with("variation_floor", -1), HasSubstr("variation floor is -1.0"));
  EXPECT_THAT(with("variation_floor", HUGE_VAL), HasSubstr("variation floor is inf"));
  std::string other = whole;
  other.replace(other.find("robust"), 6, "rubust");
  store(other);
  EXPECT_THAT(refusal_after([](hid_t) {}),
              HasSubstr("score is rubust, mse or robust was expected"));
}

/// Sets the stored length of the attribute model_config of a file that h5py wrote, whose text lies
/// in a heap of the file.
std::string with_text_length(std::string file, uint32_t length) {
  const size_t text = file.find("{\"class_name\": \"Functional\"");
  uint64_t size = 0;
  std::memcpy(&size, &file.at(text - 8), 8);
  const auto stored = static_cast<uint32_t>(size);
  const std::string pattern(reinterpret_cast<const char*>(&stored), 4);
  const size_t descriptor = file.find(pattern);
  EXPECT_LT(descriptor, text);
  std::memcpy(&file.at(descriptor), &length, 4);
  return file;
}

// libhdf5 1.10.8 writes past its buffer here.
TEST_F(HostileModel, LengthsOfTextsThatAreNotTheirs) {
  const std::string file = read_file(golden("trained/autoencoder_tf_keras.h5"), kAll);
  EXPECT_THAT(refusal_of(with_text_length(file, 300)), HasSubstr("is not valid JSON"));
  EXPECT_THAT(refusal_of(with_text_length(file, 0)), HasSubstr("is not valid JSON"));
  EXPECT_THAT(refusal_of(with_text_length(file, 0xFFFFFFFF)),
              HasSubstr("model.h5: damaged HDF5: a text is longer than its place"));
}

TEST_F(HostileModel, Archives) {
  const fs::path golden_archive = golden("trained/autoencoder_keras3.keras");
  const std::vector<std::string> names = {"metadata.json", "config.json", "model.weights.h5"};
  const auto members = read_zip(golden_archive, names, kAll);
  const auto refusal_with = [&](const std::function<void(std::string&, std::string&)>& change) {
    std::vector<std::pair<std::string, std::string>> changed;
    for (auto [name, content] : members) {
      change(name, content);
      if (!name.empty()) changed.emplace_back(name, content);
    }
    write_zip(path(), changed);
    return refusal();
  };
  for (const char* name : {"config.json", "model.weights.h5"}) {
    EXPECT_THAT(refusal_with([&](std::string& member, std::string&) {
                  if (member == name) member.clear();
                }),
                HasSubstr(fmt::format("model.h5 is a zip without {}", name)));
  }
  const auto spoil = [&](const char* name, const std::string& content) {
    return refusal_with([&](std::string& member, std::string& old) {
      if (member == name) old = content;
    });
  };
  EXPECT_EQ(spoil("metadata.json", "not json"), "(no error)");
  EXPECT_THAT(spoil("config.json", "not json"), HasSubstr("model.h5: model configuration is not"));
  EXPECT_THAT(spoil("model.weights.h5", "not HDF5"), HasSubstr("model.h5: damaged HDF5"));
  EXPECT_THAT(spoil("model.weights.h5", read_file(golden("trained/autoencoder.model"), kAll)),
              HasSubstr("there is no layers/functional/layers/conv2d/vars/0"));

  std::string archive = read_file(golden_archive, kAll);
  EXPECT_THAT(refusal_of(archive.substr(0, archive.size() / 2)), HasSubstr("model.h5"));
  archive[archive.size() / 2] = static_cast<char>(archive[archive.size() / 2] ^ 1);
  EXPECT_THAT(refusal_of(archive), HasSubstr("model.h5"));
}

// Every byte of a file may lie. A changed file is refused with an Error or read as another valid
// model; nothing else may happen, which the sanitizers watch.
TEST_F(HostileModel, FlippedBits) {
  const std::string small = small_cases().front().folder;
  const std::vector<std::string> files = {bytes(), read_file(golden(small + "/keras3.h5"), kAll),
                                          read_file(golden(small + "/keras3.keras"), kAll)};
  constexpr uint32_t kSeed = 20;
  std::mt19937 random(kSeed);
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string changed = files[static_cast<size_t>(i) % files.size()];
    for (auto flips = 1 + random() % 3; flips > 0; --flips) {
      char& byte = changed[random() % changed.size()];
      byte = static_cast<char>(byte ^ (1 << random() % 8));
    }
    const MemoryFile file(changed);
    const std::string text = error_text<Error>([&] { read_model(file.path()); });
    EXPECT_THAT(text, AnyOf("(no error)", HasSubstr("/proc/self/fd/")));
    EXPECT_THAT(text, Not(HasSubstr("(another type of error)")));
    EXPECT_THAT(text, Not(HasSubstr("\n")));
    if (text != "(no error)") ++refused;
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace oddity::test
