// Files that lie: each ends in one line that names the file, and in nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"
#include "data/dataset.h"
#include "data/files.h"
#include "support/error_text.h"
#include "support/memory_file.h"
#include "support/temporary_folder.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// What reading `path` says; one line that begins with the file.
std::string refusal(const std::filesystem::path& path) {
  const std::string text = error_text<Error>([&] { read_dataset(path); });
  EXPECT_THAT(text, AllOf(StartsWith(path.string()), Not(HasSubstr("\n"))));
  return text;
}

/// What reading a file of these bytes says.
std::string refusal_of_bytes(std::string_view bytes) { return refusal(MemoryFile(bytes).path()); }

std::string big_endian(std::initializer_list<uint32_t> words) {
  std::string bytes;
  for (const uint32_t word : words) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(word >> shift));
  }
  return bytes;
}

/// An NPY file with this header, and 24 bytes of data.
std::string npy(std::string_view dict) {
  std::string header(dict);
  header.append(117 - header.size(), ' ').push_back('\n');
  return std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + std::string(24, '\1');
}

// Small files of every format, each good: what is cut or flipped below starts here.
const char* const kSmallFiles[] = {
    "u8.npy",
    "f32.npy",
    "f64.npy",
    "images.idx",
    "images.idx.gz",
    "stored.npz",
    "deflated.npz",
    "f32_0_numpy2.pickle",
    "f32_2_numpy1.pickle",
    "f32_4_numpy2.pickle",
    "f32_5_numpy2.pickle",
};

class SmallFileTest : public testing::TestWithParam<const char*> {};

TEST_P(SmallFileTest, TruncatedAnywhereIsAnError) {
  const std::string whole = bytes_of(data_golden(GetParam()));
  for (size_t size = 0; size < whole.size(); ++size) {
    const MemoryFile cut(std::string_view(whole).substr(0, size));
    EXPECT_THROW(read_dataset(cut.path()), Error) << size << " of " << whole.size() << " bytes";
  }
}

TEST_P(SmallFileTest, BytesAfterTheEndAreAnError) {
  const std::string whole = bytes_of(data_golden(GetParam()));
  const MemoryFile longer(whole + "x");
  if (whole.starts_with("PK")) {
    // A zip is found from its back: bytes that follow are looked over, as by every reader of zips.
    EXPECT_EQ(read_dataset(longer.path()).size(), 3u);
  } else {
    EXPECT_THROW(read_dataset(longer.path()), Error);
  }
}

TEST_P(SmallFileTest, AFlippedBitIsAnErrorOrImagesOfTheSameShape) {
  const std::string whole = bytes_of(data_golden(GetParam()));
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    const MemoryFile flipped(bytes);
    try {
      const Dataset dataset = read_dataset(flipped.path());
      EXPECT_EQ(dataset.images.shape(), (ImageShape{2, 4, 1})) << "bit " << bit;
      EXPECT_EQ(dataset.size(), 3u) << "bit " << bit;
      EXPECT_EQ(dataset.index.size(), dataset.size());
      EXPECT_EQ(dataset.label.size(), dataset.size());
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), StartsWith(flipped.path().string())) << "bit " << bit;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryFormat, SmallFileTest, testing::ValuesIn(kSmallFiles),
                         [](const auto& file) { return test_name(file.param); });

TEST(HostileFile, MissingEmptyAndFoldersAreNamed) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal(folder / "nothing.npz"), HasSubstr("no such file"));
  EXPECT_THAT(refusal(folder.path()), HasSubstr("a folder, expected a file"));
  EXPECT_THAT(refusal("/dev/zero"), HasSubstr("not a regular file"));
  EXPECT_THAT(refusal_of_bytes(""), HasSubstr("empty"));
  EXPECT_THAT(refusal_of_bytes("hello"), HasSubstr("neither IDX"));
}

TEST(HostileFile, AModelOrAPictureSaysWhatItIs) {
  EXPECT_THAT(refusal_of_bytes("\x89HDF\r\n\x1a\n more"), HasSubstr("--model"));
  EXPECT_THAT(refusal_of_bytes("\x89PNG\r\n\x1a\n more"), HasSubstr("single picture"));
  EXPECT_THAT(refusal_of_bytes("\xff\xd8\xff\xe0 more"), HasSubstr("single picture"));
}

TEST(HostileFile, NamesCannotBreakTheLine) {
  const TemporaryFolder folder;
  const auto path = write_bytes(folder / "a\nb\x1b[31m.npy", "hello");
  EXPECT_THAT(error_text<Error>([&] { read_dataset(path); }),
              AllOf(HasSubstr("a\\x0ab\\x1b[31m.npy"), Not(HasSubstr("\n"))));
}

TEST(HostileIdx, CountsThatOverflowOrExceedTheFileTakeNoMemory) {
  // 0xffffffff in four extents overflows 64 bits; read as signed it is -1.
  EXPECT_THAT(refusal_of_bytes(big_endian({0x804, ~0u, ~0u, ~0u, ~0u}) + "data"),
              HasSubstr("4294967295 images of 4294967295x4294967295x4294967295 are larger than"));
  EXPECT_THAT(refusal_of_bytes(big_endian({0x803, 60000, 28, 28}) + "data"),
              AllOf(HasSubstr("truncated: 60000 images of 28x28x1: expected 47040000 bytes"),
                    HasSubstr("at most 20")));
  EXPECT_THAT(refusal_of_bytes(big_endian({0x803, 0x80000000, 1, 1}) + "data"),
              HasSubstr("2147483648"));
}

TEST(HostileIdx, OtherArraysAreNamed) {
  EXPECT_THAT(refusal_of_bytes(big_endian({0x803, 0, 28, 28})), HasSubstr("no images"));
  EXPECT_THAT(refusal_of_bytes(big_endian({0x803, 4, 0, 28})), HasSubstr("28x0x1"));
  EXPECT_THAT(refusal_of_bytes(big_endian({0x801, 4}) + "\1\1\1\1"), HasSubstr("4 labels"));
  EXPECT_THAT(refusal_of_bytes(big_endian({0x802, 2, 2}) + "\1\1\1\1"), HasSubstr("2 dimensions"));
  EXPECT_THAT(refusal_of_bytes(big_endian({0xd03, 1, 1, 1}) + "\1\1\1\1"),
              AllOf(HasSubstr("0x0d"), HasSubstr("NPY")));
}

TEST(HostileIdx, LabelsMustMatchTheImages) {
  const auto images = data_golden("images.idx");
  const auto text = [&](const std::filesystem::path& labels) {
    return error_text<Error>([&] { read_labelled_idx(images, labels); });
  };
  EXPECT_THAT(text(data_golden("bad_four_labels.idx")),
              AllOf(HasSubstr("bad_four_labels.idx holds 4 labels"),
                    HasSubstr("images.idx holds 3 images")));
  EXPECT_THAT(text(images), HasSubstr("3 dimensions, expected labels"));
  EXPECT_THAT(text(data_golden("u8.npy")), HasSubstr("not an IDX file"));
  EXPECT_THAT(text("/nowhere"), HasSubstr("/nowhere: no such file"));
  EXPECT_THAT(text(MemoryFile(big_endian({0x801, ~0u}) + "\1").path()),
              HasSubstr("4294967295 labels"));
}

TEST(HostileGzip, UnpacksNoMoreThanItsHeaderDeclares) {
  // A few kilobytes that go on to unpack to megabytes after the 24 pixels declared.
  const std::string text = refusal(data_golden("bad_bomb.idx.gz"));
  EXPECT_THAT(text, HasSubstr("more bytes follow"));
}

TEST(HostileGzip, DeclaresNoMoreThanItCanUnpackTo) {
  EXPECT_THAT(refusal(data_golden("bad_huge.idx.gz")),
              AllOf(HasSubstr("truncated"), HasSubstr("47040000000")));
}

TEST(HostileNpy, ArraysThatAreNotImagesNameTheCure) {
  EXPECT_THAT(refusal(data_golden("bad_big_endian.npy")),
              AllOf(HasSubstr("big-endian"), HasSubstr("astype('<f4')")));
  EXPECT_THAT(refusal(data_golden("bad_fortran.npy")), HasSubstr("np.ascontiguousarray"));
  EXPECT_THAT(refusal(data_golden("bad_object.npy")), HasSubstr("never loaded"));
  EXPECT_THAT(refusal(data_golden("bad_structured.npy")), HasSubstr("structured"));
  EXPECT_THAT(refusal(data_golden("bad_int64.npy")), AllOf(HasSubstr("<i8"), HasSubstr("uint8")));
  EXPECT_THAT(refusal(data_golden("bad_float16.npy")),
              AllOf(HasSubstr("<f2"), HasSubstr("float32")));
  EXPECT_THAT(refusal(data_golden("bad_bool.npy")), AllOf(HasSubstr("|b1"), HasSubstr("uint8")));
  EXPECT_THAT(refusal(data_golden("bad_flat.npy")),
              AllOf(HasSubstr("(3, 8)"), HasSubstr("[N,H,W]")));
  EXPECT_THAT(refusal(data_golden("bad_empty.npy")), HasSubstr("no images"));
}

TEST(HostileNpy, HeadersThatLieAreRefused) {
  const auto shape = [](const std::string& text) {
    return refusal_of_bytes(
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': " + text + ", }"));
  };
  EXPECT_THAT(shape("(-3, 2, 4, 1)"), HasSubstr("negative extent"));
  EXPECT_THAT(shape("(3, 2, 4, 2)"), HasSubstr("expected 48 bytes"));
  EXPECT_THAT(shape("(3, 2, 2, 1)"), HasSubstr("more bytes follow"));
  EXPECT_THAT(shape("(4294967296, 4294967296, 4, 1)"), HasSubstr("larger than any file"));
  EXPECT_THAT(shape("(99999999999999999999, 2, 4, 1)"), HasSubstr("out of range"));
  EXPECT_THAT(shape("(3, 2, 0, 1)"), HasSubstr("0x2x1"));
  EXPECT_THAT(shape("(3, 2, 04, 1)"), HasSubstr("damaged NPY header"));
  EXPECT_THAT(shape("(3, 2, 4 1)"), HasSubstr("damaged NPY header"));
  EXPECT_THAT(shape("(3.0, 2, 4, 1)"), HasSubstr("damaged NPY header"));
  EXPECT_THAT(shape("(3, 2, 4, 1"), HasSubstr("damaged NPY header"));
  EXPECT_THAT(shape("__import__('os')"), HasSubstr("damaged NPY header"));

  for (const char* dict : {
           "",
           "{}",
           "{'descr': '|u1', 'fortran_order': False}",
           "{'shape': (3, 2, 4, 1)}",
           "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (3, 2, 4, 1)}",
           "{'descr': '|u1', 'fortran_order': Falsy, 'shape': (3, 2, 4, 1)}",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2, 4, 1), 'x': 1}",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2, 4, 1)} + {}",
           "{'descr': '|u1, 'fortran_order': False, 'shape': (3, 2, 4, 1)}",
           "{'descr': 1, 'fortran_order': False, 'shape': (3, 2, 4, 1)}",
       }) {
    EXPECT_THAT(refusal_of_bytes(npy(dict)), HasSubstr("damaged NPY header")) << dict;
  }
  for (const char* type :
       {"", "u1", "|", "|u", "|u3", "|f1", "|u12", "=u1", "|S1", "<U1", "|\x01"}) {
    EXPECT_THAT(refusal_of_bytes(npy(std::string("{'descr': '") + type +
                                     "', 'fortran_order': False, 'shape': (3, 2, 4, 1), }")),
                HasSubstr("not supported"))
        << type;
  }
  std::string many = "(";
  for (int i = 0; i < 33; ++i) many += "1,";
  EXPECT_THAT(shape(many.substr(0, 60) + ")"), HasSubstr("reshape it"));

  EXPECT_THAT(
      refusal_of_bytes(std::string("\x93NUMPY\x09\x00\x76\x00", 10) + std::string(118, ' ')),
      HasSubstr("version 9.0"));
  EXPECT_THAT(refusal_of_bytes(std::string("\x93NUMPY\x02\x00\xff\xff\xff\x7f", 12) + "{}"),
              HasSubstr("2147483647 bytes"));
}

/// `name` with number 13 replaced: image 1, row 1, column 1.
template <typename T>
std::string with_bad_float(const char* name, T value) {
  std::string bytes = bytes_of(data_golden(name));
  std::memcpy(bytes.data() + bytes.size() - (24 - 13) * sizeof(T), &value, sizeof(T));
  return bytes;
}

TEST(HostileNpy, BadFloatsNameTheImageAndTheValue) {
  const auto at = HasSubstr("row 1, column 1");
  for (const auto& [value, text] : {std::pair{std::nanf(""), "1 holds nan"},
                                    {-HUGE_VALF, "1 holds -inf"},
                                    {255.0f, "1 holds 255"}}) {
    EXPECT_THAT(refusal_of_bytes(with_bad_float("f32.npy", value)), AllOf(HasSubstr(text), at));
  }
  for (const auto& [value, text] : {std::pair{std::nan(""), "1 holds nan"},
                                    {-1e300, "1 holds -inf"},  // as a float32
                                    {255.0, "1 holds 255"}}) {
    EXPECT_THAT(refusal_of_bytes(with_bad_float("f64.npy", value)), AllOf(HasSubstr(text), at));
  }
}

TEST(HostileNpz, WhatDoesNotFitIsNamed) {
  EXPECT_THAT(refusal(data_golden("bad_no_images.npz")),
              HasSubstr("no array 'images', only pictures.npy: save it as np.savez"));
  EXPECT_THAT(refusal(data_golden("bad_twice.npz")), HasSubstr("images.npy occurs twice"));
  EXPECT_THAT(refusal(data_golden("bad_labels.npz")),
              AllOf(HasSubstr("label has 2 entries"), HasSubstr("3 images")));
  EXPECT_THAT(refusal(data_golden("bad_no_labels.npz")), HasSubstr("label has 0 entries"));
  EXPECT_THAT(refusal(data_golden("bad_float_index.npz")),
              AllOf(HasSubstr("index.npy"), HasSubstr("expected integers")));
  EXPECT_THAT(refusal(data_golden("bad_large_label.npz")), HasSubstr("label 2147483648"));
  EXPECT_THAT(refusal(data_golden("bad_large_index.npz")), HasSubstr("18446744073709551615"));
  EXPECT_THAT(refusal(data_golden("bad_object.npz")), HasSubstr("never loaded"));
  EXPECT_THAT(refusal_of_bytes("PK\x03\x04 and no more"), HasSubstr("damaged zip"));
}

TEST(HostileNpz, ChecksumsAreVerified) {
  std::string bytes = bytes_of(data_golden("stored.npz"));
  // The pixels are stored: 0, 1 … 23.
  bytes.at(bytes.find(std::string("\x15\x16\x17", 3))) = 1;
  EXPECT_THAT(refusal_of_bytes(bytes), HasSubstr("CRC"));
}

class HostilePickleTest : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(HostilePickleTest, IsRefusedByName) {
  const std::filesystem::path witness = "/tmp/oddity-pickle-was-executed";
  EXPECT_THAT(refusal(data_golden(GetParam().first)), HasSubstr(GetParam().second));
  EXPECT_FALSE(std::filesystem::exists(witness));
}

constexpr const char* kPlain = "not a pickle of one plain NumPy array";
INSTANTIATE_TEST_SUITE_P(
    Files, HostilePickleTest,
    testing::Values(std::pair{"bad_system_0.pickle", "posix.system, which is refused"},
                    std::pair{"bad_system_2.pickle", "posix.system, which is refused"},
                    std::pair{"bad_system_4.pickle", "posix.system, which is refused"},
                    std::pair{"bad_system_5.pickle", "posix.system, which is refused"},
                    std::pair{"bad_eval.pickle", "builtins.eval, which is refused"},
                    std::pair{"bad_system_then_array.pickle", "os.system, which is refused"},
                    std::pair{"bad_list.pickle", "instruction 0x5d"},
                    std::pair{"bad_dict.pickle", "instruction 0x7d"},
                    std::pair{"bad_number.pickle", kPlain},
                    std::pair{"bad_object_array.pickle", "never loaded"},
                    std::pair{"bad_fortran.pickle", "np.ascontiguousarray"},
                    std::pair{"bad_big_endian.pickle", "big-endian"},
                    std::pair{"bad_two_arrays.pickle", kPlain},
                    std::pair{"bad_trailing.pickle", "follow the end of the pickle"}),
    [](const auto& file) { return test_name(file.param.first); });

TEST(HostilePickle, MemoryIsHeldToTheSizeOfTheFile) {
  const std::string protocol("\x80\x02", 2);
  const auto repeat = [](std::string_view part, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += part;
    return text;
  };
  // A tuple in a tuple in a tuple …: freeing it must not exhaust the stack.
  EXPECT_THAT(refusal_of_bytes(protocol + "N" + repeat("\x85", 1000000) + "."), HasSubstr(kPlain));
  EXPECT_THAT(refusal_of_bytes(protocol + repeat("N", 1000000) + "."), HasSubstr(kPlain));
  EXPECT_THAT(refusal_of_bytes(protocol + repeat("(", 1000000) + "."), HasSubstr(kPlain));
  std::string memo = protocol;
  for (int i = 0; i < 70000; ++i) memo += fmt::format("Np{}\n", i);
  EXPECT_THAT(refusal_of_bytes(memo + "."), HasSubstr(kPlain));
  // One text, decoded again and again.
  const std::string text = std::string("X\x00\x00\x01\x00", 5) + std::string(65536, 'a') + "q\x01";
  const std::string decode("c_codecs\nencode\nh\x01X\x06\x00\x00\x00latin1\x86R", 31);
  EXPECT_THAT(refusal_of_bytes(protocol + text + repeat(decode, 1000) + "."), HasSubstr(kPlain));
  // Lengths that overflow.
  EXPECT_THAT(refusal_of_bytes(std::string("\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff", 11)),
              HasSubstr("18446744073709551615"));
  EXPECT_THAT(refusal_of_bytes(std::string("\x80\x06", 2)), HasSubstr("protocol 6"));
}

}  // namespace
}  // namespace oddity::test
