#include <fmt/format.h>

#include <string>

#include "core/text.h"
#include "files/atomic_file.h"
#include "train/trainer.h"

namespace oddity {

void write_history(const std::filesystem::path& path, const History& history) {
  std::string table = "epoch,loss,val_loss\n";
  for (size_t i = 0; i < history.size(); ++i) {
    table += fmt::format("{},{},{}\n", i + 1, shortest(history[i].loss),
                         shortest(history[i].validation_loss));
  }
  write_file(path, table);
}

}  // namespace oddity
