// The HDF5 reader and writer by themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"
#include "files/hdf5_reader.h"
#include "files/hdf5_writer.h"
#include "support/error_text.h"

namespace oddity::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Hdf5, ReadsBackWhatItWrites) {
  const std::vector<float> numbers = {1, -2.5f, std::numeric_limits<float>::denorm_min(), 0, 3, 4};
  const std::vector<int64_t> shape = {3, 1, 2};
  Hdf5Writer writer;
  writer.group("a");
  writer.group("a/b");
  writer.array("a/b/numbers", shape, numbers);
  writer.array("a/doubles", std::vector<double>{0.1, 0.2});
  writer.array("a/none", std::vector<double>{});
  writer.attribute("", "text", "häuser");
  writer.attribute("a", "empty", "");
  writer.attribute("a/b", "list", std::vector<std::string>{"one", "", "three"});
  writer.attribute("a/b", "nothing", std::vector<std::string>{});
  writer.attribute("a/b/numbers", "real", 1.0 / 3);
  writer.attribute("a/b", "natural", std::numeric_limits<uint64_t>::max());

  const Hdf5Reader reader(writer.finish());
  EXPECT_EQ(reader.text("", "text"), "häuser");
  EXPECT_EQ(reader.text("a", "empty"), "");
  EXPECT_THAT(reader.texts("a/b", "list"), ElementsAre("one", "", "three"));
  EXPECT_THAT(reader.texts("a/b", "nothing"), IsEmpty());
  EXPECT_EQ(reader.real("a/b/numbers", "real"), 1.0 / 3);
  EXPECT_EQ(reader.natural("a/b", "natural"), std::numeric_limits<uint64_t>::max());

  const Hdf5Reader::Array array = reader.array("a/b/numbers");
  EXPECT_EQ(array.shape, shape);
  EXPECT_EQ(array.type, "float32");
  ASSERT_EQ(array.bytes.size(), numbers.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(array.bytes.data(), numbers.data(), array.bytes.size()), 0);
  EXPECT_EQ(reader.array("a/doubles").type, "float64");
  EXPECT_THAT(reader.array("a/none").shape, ElementsAre(0));
}

TEST(Hdf5, KnowsWhatIsThere) {
  Hdf5Writer writer;
  writer.group("a");
  writer.array("a/list", std::vector<double>{1});
  writer.attribute("a", "text", "x");
  const Hdf5Reader reader(writer.finish());
  EXPECT_TRUE(reader.has(""));
  EXPECT_TRUE(reader.has("a/list"));
  EXPECT_FALSE(reader.has("b"));
  EXPECT_FALSE(reader.has("a/list/more"));
  EXPECT_TRUE(reader.has_attribute("a", "text"));
  EXPECT_FALSE(reader.has_attribute("a", "other"));
  EXPECT_FALSE(reader.has_attribute("", "text"));
}

TEST(Hdf5, ErrorsNameTheObjectAndTheTypes) {
  Hdf5Writer writer;
  writer.group("a");
  writer.attribute("a", "text", "x");
  writer.attribute("a", "texts", std::vector<std::string>{"x", "y"});
  writer.attribute("a", "real", 1.5);
  writer.attribute("a", "natural", uint64_t{1});
  const Hdf5Reader reader(writer.finish());
  EXPECT_THAT(error_text<Error>([&] { reader.text("a", "real"); }),
              HasSubstr("attribute real of a is float64, not text"));
  EXPECT_THAT(error_text<Error>([&] { reader.text("a", "texts"); }),
              HasSubstr("attribute texts of a holds 2 texts, not 1"));
  EXPECT_THAT(error_text<Error>([&] { reader.real("a", "text"); }),
              HasSubstr("attribute text of a is text, not one float64"));
  EXPECT_THAT(error_text<Error>([&] { reader.natural("a", "real"); }),
              HasSubstr("attribute real of a is float64, not one unsigned integer"));
  EXPECT_THAT(error_text<Error>([&] { reader.natural("", "absent"); }),
              HasSubstr("attribute absent is missing"));
  EXPECT_THAT(error_text<Error>([&] { reader.text("b", "text"); }), HasSubstr("there is no b"));
  EXPECT_THAT(error_text<Error>([&] { reader.array("a"); }), HasSubstr("a is not an array"));
}

// Names beyond one leaf of the group's tree, attributes beyond one block of the object's header.
TEST(Hdf5, LargeGroupsAndObjects) {
  Hdf5Writer writer;
  constexpr int kMembers = 3000;
  constexpr int kAttributes = 200;
  for (int i = 0; i < kMembers; ++i) writer.group("group_" + std::to_string(i));
  for (int i = 0; i < kAttributes; ++i) {
    writer.attribute("group_7", ("attribute_" + std::to_string(i)).c_str(), uint64_t(i));
  }
  const Hdf5Reader reader(writer.finish());
  for (int i = 0; i < kMembers; i += 97) EXPECT_TRUE(reader.has("group_" + std::to_string(i))) << i;
  EXPECT_FALSE(reader.has("group_" + std::to_string(kMembers)));
  for (int i = 0; i < kAttributes; ++i) {
    EXPECT_EQ(reader.natural("group_7", "attribute_" + std::to_string(i)), uint64_t(i));
  }
}

TEST(Hdf5, WriterTellsWhyItCannot) {
  Hdf5Writer writer;
  EXPECT_THAT(error_text<Error>([&] { writer.group("absent/group"); }),
              HasSubstr("HDF5 cannot be written: "));
  writer.group("twice");
  EXPECT_THAT(error_text<Error>([&] { writer.group("twice"); }), HasSubstr("exist"));
}

TEST(Hdf5, TruncatedAnywhereIsAnErrorThatSaysSo) {
  Hdf5Writer writer;
  writer.array("list", std::vector<double>(100, 1));
  const std::string whole = writer.finish();
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string text = error_text<Error>([&] { Hdf5Reader(whole.substr(0, size)); });
    EXPECT_THAT(text, testing::AnyOf(
                          HasSubstr("the superblock ends too early"),
                          HasSubstr("truncated: the HDF5 file had " + std::to_string(whole.size()) +
                                    " bytes and holds " + std::to_string(size))));
  }
}

}  // namespace
}  // namespace oddity::test
