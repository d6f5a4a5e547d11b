// Some of a source's entries.
#include "images/selected_source.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace oddity::test {
namespace {

/// Entries of the paths given, three a batch.
class ListedSource final : public ImageSource {
 public:
  explicit ListedSource(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  bool next(SourceBatch& batch, const BatchLimits&) override {
    batch.clear();
    while (batch.entries.size() < 3 && at_ < paths_.size()) {
      SourceEntry entry;
      entry.path = paths_[at_];
      entry.label = static_cast<int32_t>(at_++);
      batch.entries.push_back(entry);
    }
    return !batch.entries.empty();
  }
  uint64_t skip(uint64_t, const std::function<void(const std::string&)>&) override { return 0; }
  std::optional<uint64_t> total() const override { return paths_.size(); }
  double fraction() const override { return 0; }

 private:
  std::vector<std::string> paths_;
  size_t at_ = 0;
};

/// The places of the entries that are left.
std::vector<int32_t> selected(std::vector<std::string> paths, WantedEntries wanted) {
  const auto source =
      select_entries(std::make_unique<ListedSource>(std::move(paths)), std::move(wanted));
  std::vector<int32_t> places;
  SourceBatch batch;
  while (source->next(batch, {})) {
    EXPECT_FALSE(batch.entries.empty()) << "a batch holds one entry at least";
    for (const SourceEntry& entry : batch.entries) places.push_back(entry.label);
  }
  EXPECT_TRUE(batch.entries.empty()) << "nothing is left at the end";
  return places;
}

TEST(SelectedSource, ByPathWhereThereIsOne) {
  EXPECT_EQ(selected({"a", "b", "c", "d", "e", "f", "g", "b"}, {{"b", "g", "none"}, {0, 3}}),
            (std::vector<int32_t>{1, 6, 7}));
}

TEST(SelectedSource, ByPlaceWhereThereIsNone) {
  EXPECT_EQ(selected(std::vector<std::string>(8), {{"a"}, {0, 6, 7, 99}}),
            (std::vector<int32_t>{0, 6, 7}));
}

TEST(SelectedSource, NothingWanted) {
  EXPECT_EQ(selected({"a", "b", "", "d"}, {}), (std::vector<int32_t>{}));
}

}  // namespace
}  // namespace oddity::test
