#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "files/atomic_file.h"
#include "support/error_text.h"
#include "support/temporary_folder.h"
#include "train/trainer.h"

namespace oddity::test {
namespace {

TEST(History, IsATableOfEpochsThatRoundTrips) {
  const TemporaryFolder folder;
  write_history(folder / "history.csv",
                {{.loss = 0.041, .validation_loss = 0.0390000001}, {.loss = 1e-05}});
  EXPECT_EQ(read_file(folder / "history.csv", 1000),
            "epoch,loss,val_loss\n"
            "1,0.041,0.0390000001\n"
            "2,1e-05,0.0\n");
}

TEST(History, ReplacesAnOlderOne) {
  const TemporaryFolder folder;
  write_history(folder / "history.csv", {{.loss = 1, .validation_loss = 1}});
  write_history(folder / "history.csv", {});
  EXPECT_EQ(read_file(folder / "history.csv", 1000), "epoch,loss,val_loss\n");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(History, NamesTheFileItCannotWrite) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_text<Error>([&] { write_history(folder / "none" / "history.csv", {}); }),
              testing::HasSubstr("none does not exist: create it first"));
}

}  // namespace
}  // namespace oddity::test
