#include "files/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "data/files.h"
#include "support/error_text.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Npy, HeadersSayWhatNumpyWrote) {
  const std::string bytes = bytes_of(data_golden("f32.npy"));
  const NpyHeader header = parse_npy(bytes, "f32.npy");
  EXPECT_EQ(header.type, "<f4");
  EXPECT_THAT(header.shape, ElementsAre(3, 2, 4, 1));
  EXPECT_EQ(header.data_offset, 128u);
  EXPECT_EQ(header.count(), 24u);
  EXPECT_EQ(header.item_size(), 4u);
  EXPECT_EQ(header.bytes(), 96u);
}

TEST(Npy, HeadersReadBackAsWritten) {
  const std::vector<int64_t> longest(64, 1);
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{}, {0}, {7}, {3, 0, 5}, {1362, 28, 28, 1}, longest}) {
    const std::string bytes = npy_header("<i8", shape);
    EXPECT_EQ(bytes.size() % 64, 0u);
    const NpyHeader header = parse_npy_header(bytes, "a.npy");
    EXPECT_EQ(header.type, "<i8");
    EXPECT_EQ(header.shape, shape);
    EXPECT_EQ(header.data_offset, bytes.size());
  }
}

TEST(Npy, ScalarsHoldOneNumber) {
  const NpyHeader header = parse_npy(npy_header("<f8", {}) + std::string(8, '\0'), "a.npy");
  EXPECT_THAT(header.shape, IsEmpty());
  EXPECT_EQ(header.count(), 1u);
}

TEST(Npy, TheDataMustBeExactlyWhatTheHeaderDeclares) {
  const std::string header = npy_header("<u2", std::vector<int64_t>{5});
  parse_npy(header + std::string(10, 'x'), "a.npy");
  for (const size_t size : {0u, 9u, 11u}) {
    EXPECT_THAT(error_text<Error>([&] { parse_npy(header + std::string(size, 'x'), "a.npy"); }),
                AllOf(HasSubstr("a.npy: <u2 of shape (5,) need 10 bytes"),
                      HasSubstr("there are " + std::to_string(size))));
  }
}

TEST(Npy, ShapesOfPythonTwoAreRead) {
  std::string bytes = npy_header("|u1", std::vector<int64_t>{3, 2});
  bytes.replace(bytes.find("(3, 2)"), 8, "(3L, 2L)");
  bytes.replace(bytes.find("2L)") + 3, 3, ", }");
  EXPECT_THAT(parse_npy_header(bytes, "a.npy").shape, ElementsAre(3, 2));
}

TEST(Npy, EveryIntegerAndFloatTypeIsKnown) {
  for (const char* type :
       {"|u1", "|i1", "<u2", "<i2", "<f2", "<u4", "<i4", "<f4", "<u8", "<i8", "<f8"}) {
    EXPECT_EQ(parse_npy_header(npy_header(type, {}), "a.npy").type, type);
  }
}

TEST(Npy, ShapesAreWrittenAsInPython) {
  EXPECT_EQ(shape_text({}), "()");
  EXPECT_EQ(shape_text(std::vector<int64_t>{3}), "(3,)");
  EXPECT_EQ(shape_text(std::vector<int64_t>{3, 28}), "(3, 28)");
}

}  // namespace
}  // namespace oddity::test
