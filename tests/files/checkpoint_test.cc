// Checkpoints read back as written; what is damaged, made to harm or somebody else's is refused in
// one line that names the file and the cure.
#include "train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>

#include "core/error.h"
#include "files/atomic_file.h"
#include "files/model_file.h"
#include "support/error_text.h"
#include "support/file_size_limit.h"
#include "support/memory_file.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

constexpr size_t kAll = size_t{1} << 30;

Checkpoint some_checkpoint() {
  Checkpoint checkpoint;
  checkpoint.identity = {{"--epochs", "20"}, {"images", "60 of 6x8x1, uint8"}, {"--note", ""}};
  checkpoint.architecture = conv_autoencoder(4, 4, 1, {2}, 3);
  checkpoint.weights = initial_weights(checkpoint.architecture, 1);
  checkpoint.optimizer.first = initial_weights(checkpoint.architecture, 2);
  checkpoint.optimizer.second = initial_weights(checkpoint.architecture, 3);
  for (Tensor& tensor : checkpoint.optimizer.second.tensors()) {
    for (float& value : tensor.values) value = std::abs(value);
  }
  checkpoint.optimizer.step = 342;
  checkpoint.history = {{0.25, 0.5}, {1.0 / 3, 1e-7}};
  return checkpoint;
}

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() { write_checkpoint(path(), some_checkpoint()); }

  std::filesystem::path path() const { return folder_ / "model.h5.ckpt"; }
  std::string bytes() const { return read_file(path(), kAll); }
  std::string refusal() const {
    return error_text<Error>([&] { read_checkpoint(path()); });
  }
  std::string refusal_of(std::string_view content) const {
    std::ofstream(path(), std::ios::binary) << content;
    return refusal();
  }
  /// What reading says after libhdf5 changed the file.
  std::string refusal_after(const std::function<void(hid_t file)>& change) const {
    write_checkpoint(path(), some_checkpoint());
    const hid_t file = H5Fopen(path().c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    change(file);
    EXPECT_GE(H5Fclose(file), 0);
    return refusal();
  }
  /// What writing says to a checkpoint that was spoilt.
  std::string refusal_to_write(const std::function<void(Checkpoint&)>& spoil) const {
    Checkpoint checkpoint = some_checkpoint();
    spoil(checkpoint);
    return error_text<Error>([&] { write_checkpoint(path(), checkpoint); });
  }

  TemporaryFolder folder_;
};

void replace_number(hid_t file, const char* name, uint64_t value) {
  const hid_t group = H5Oopen(file, "training_state", H5P_DEFAULT);
  H5Adelete(group, name);
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t attribute = H5Acreate2(group, name, H5T_STD_U64LE, space, H5P_DEFAULT, H5P_DEFAULT);
  ASSERT_GE(H5Awrite(attribute, H5T_NATIVE_UINT64, &value), 0);
  H5Aclose(attribute);
  H5Sclose(space);
  H5Oclose(group);
}

/// An array of zeros in place of another.
void replace_array(hid_t file, const char* name, hid_t type, const std::vector<hsize_t>& extents) {
  ASSERT_GE(H5Ldelete(file, name, H5P_DEFAULT), 0);
  const hid_t space = H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr);
  const hid_t array = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  ASSERT_GE(array, 0);
  const std::vector<double> zeros(1000);
  H5Dwrite(array, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros.data());
  H5Dclose(array);
  H5Sclose(space);
}

TEST_F(CheckpointTest, ReadsBackAsWritten) {
  const Checkpoint written = some_checkpoint();
  const Checkpoint read = read_checkpoint(path());
  EXPECT_EQ(read.identity, written.identity);
  EXPECT_EQ(read.architecture, written.architecture);
  EXPECT_EQ(read.weights, written.weights);
  EXPECT_EQ(read.optimizer.first, written.optimizer.first);
  EXPECT_EQ(read.optimizer.second, written.optimizer.second);
  EXPECT_EQ(read.optimizer.step, 342);
  ASSERT_EQ(read.history.size(), 2u);
  EXPECT_EQ(read.history[1].loss, 1.0 / 3);
  EXPECT_EQ(read.history[1].validation_loss, 1e-7);
  EXPECT_EQ(folder_.entries(), 1u);
}

TEST_F(CheckpointTest, TheSameStateIsTheSameBytes) {
  const std::string first = bytes();
  write_checkpoint(path(), some_checkpoint());
  EXPECT_EQ(bytes(), first);
}

TEST_F(CheckpointTest, IsNoModelAndAModelIsNone) {
  EXPECT_THAT(error_text<Error>([&] { read_model(path()); }),
              AllOf(HasSubstr("model.h5.ckpt"), HasSubstr("finish it with oddity train --resume")));
  const Checkpoint checkpoint = some_checkpoint();
  write_model(path(), {checkpoint.architecture, checkpoint.weights, std::nullopt, ""});
  EXPECT_THAT(refusal(), AllOf(HasSubstr("model.h5.ckpt"), HasSubstr("HDF5, but not a checkpoint"),
                               HasSubstr("--force")));
}

TEST_F(CheckpointTest, OtherFilesAreRefused) {
  for (const char* const content : {"", "index,score\n", "\x89HDF"}) {
    EXPECT_THAT(refusal_of(content), AllOf(HasSubstr("model.h5.ckpt cannot be continued"),
                                           HasSubstr("not HDF5"), HasSubstr("--force")));
  }
  EXPECT_THAT(error_text<Error>([&] { read_checkpoint(folder_ / "absent.ckpt"); }),
              HasSubstr("absent.ckpt: No such file"));
  EXPECT_THAT(error_text<Error>([&] { read_checkpoint("/dev/zero"); }),
              HasSubstr("/dev/zero is not a regular file"));
  EXPECT_THAT(error_text<Error>([&] { read_checkpoint(folder_.path()); }),
              HasSubstr("is not a regular file"));
}

TEST_F(CheckpointTest, AnOldOneStaysWhereANewOneCannotBeWritten) {
  const std::string before = bytes();
  Checkpoint next = some_checkpoint();
  next.history.push_back({0.1, 0.1});
  next.optimizer.step = 513;
  {
    const FileSizeLimit limit(100);
    EXPECT_THAT(error_text<Error>([&] { write_checkpoint(path(), next); }),
                AllOf(HasSubstr("model.h5.ckpt"), HasSubstr("too large")));
  }
  EXPECT_THAT(error_text<Error>([&] { write_checkpoint("/dev/full", next); }),
              HasSubstr("/dev/full: No space left on device: free some space"));
  EXPECT_EQ(bytes(), before);
  EXPECT_EQ(folder_.entries(), 1u);
}

TEST_F(CheckpointTest, WhatNoTrainingHasIsNotWritten) {
  const std::string before = bytes();
  EXPECT_THAT(refusal_to_write([](Checkpoint& c) { c.history.clear(); }),
              HasSubstr("no epoch is done"));
  EXPECT_THAT(refusal_to_write([](Checkpoint& c) { c.history[1].loss = std::nan(""); }),
              HasSubstr("epoch 2 has loss nan"));
  EXPECT_THAT(refusal_to_write([](Checkpoint& c) { c.optimizer.step = 341; }),
              HasSubstr("341 steps are not those of 2 epochs"));
  EXPECT_THAT(refusal_to_write([](Checkpoint& c) { c.optimizer.step = -342; }),
              HasSubstr("-342 steps"));
  EXPECT_THAT(
      refusal_to_write([](Checkpoint& c) { c.optimizer.second.tensors()[0].values[5] = -1e-9f; }),
      HasSubstr("second moment of encoder.conv1.kernel is -1e-09 at position 5"));
  EXPECT_THAT(refusal_to_write([](Checkpoint& c) { c.optimizer.first.tensors().pop_back(); }),
              HasSubstr("weight tensors"));
  EXPECT_THAT(
      refusal_to_write([](Checkpoint& c) { c.weights.tensors()[0].values[0] = std::nanf(""); }),
      HasSubstr("encoder.conv1.kernel holds nan"));
  EXPECT_EQ(bytes(), before);
}

TEST_F(CheckpointTest, ChangedParts) {
  EXPECT_THAT(refusal_after([](hid_t f) { replace_number(f, "format_version", 2); }),
              HasSubstr("it has checkpoint format 2, this program reads format 1"));
  EXPECT_THAT(refusal_after([](hid_t f) { replace_number(f, "step", 344); }),
              HasSubstr("it is damaged: it states hash xxh3:"));
  EXPECT_THAT(refusal_after([](hid_t f) { replace_number(f, "step", ~uint64_t{0}); }),
              HasSubstr("18446744073709551615 steps are too many"));
  EXPECT_THAT(
      refusal_after([](hid_t f) { replace_array(f, "training_state/loss", H5T_IEEE_F64LE, {3}); }),
      HasSubstr("3 losses and 2 validation losses"));
  EXPECT_THAT(
      refusal_after([](hid_t f) { replace_array(f, "training_state/loss", H5T_IEEE_F32LE, {2}); }),
      HasSubstr("1 dimensions of float32, a list of float64 was expected"));
  const char* const moment = "training_state/first_moment/encoder.conv1.kernel";
  EXPECT_THAT(refusal_after([&](hid_t f) {
                replace_array(f, moment, H5T_IEEE_F32LE, {3, 3, 2});
              }),
              AllOf(HasSubstr(moment), HasSubstr("[3,3,2]"), HasSubstr("[3,3,1,2]")));
  EXPECT_THAT(refusal_after([&](hid_t f) { H5Ldelete(f, moment, H5P_DEFAULT); }),
              AllOf(HasSubstr("there is no"), HasSubstr(moment)));
}

TEST_F(CheckpointTest, Truncated) {
  const std::string whole = bytes();
  for (size_t size = 0; size < whole.size(); size += 97) {
    EXPECT_THAT(refusal_of(whole.substr(0, size)), HasSubstr("model.h5.ckpt cannot be continued"));
  }
}

// A changed bit is refused, or lies where nothing is read.
TEST_F(CheckpointTest, FlippedBits) {
  const std::string whole = bytes();
  const Checkpoint written = some_checkpoint();
  constexpr uint32_t kSeed = 21;
  std::mt19937 random(kSeed);
  SCOPED_TRACE(kSeed);
  int refused = 0;
  for (int i = 0; i < 1500; ++i) {
    std::string changed = whole;
    char& byte = changed[random() % changed.size()];
    byte = static_cast<char>(byte ^ (1 << random() % 8));
    const MemoryFile file(changed);
    Checkpoint read;
    const std::string text = error_text<Error>([&] { read = read_checkpoint(file.path()); });
    EXPECT_THAT(text, AnyOf("(no error)", HasSubstr("/proc/self/fd/")));
    EXPECT_THAT(text, Not(HasSubstr("(another type of error)")));
    EXPECT_THAT(text, Not(HasSubstr("\n")));
    if (text != "(no error)") {
      ++refused;
    } else {
      EXPECT_EQ(read.weights, written.weights);
      EXPECT_EQ(read.optimizer.second, written.optimizer.second);
      EXPECT_EQ(read.identity, written.identity);
    }
  }
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace oddity::test
