#include "images/selected_source.h"

#include <utility>
#include <vector>

namespace oddity {
namespace {

class SelectedSource final : public ImageSource {
 public:
  SelectedSource(std::unique_ptr<ImageSource> source, WantedEntries wanted)
      : source_(std::move(source)), wanted_(std::move(wanted)) {}

  bool next(SourceBatch& batch, const BatchLimits& limits) override {
    while (source_->next(batch, limits)) {
      std::erase_if(batch.entries, [this](const SourceEntry& entry) {
        const uint64_t place = place_++;
        return entry.path.empty() ? !wanted_.places.contains(place)
                                  : !wanted_.paths.contains(entry.path);
      });
      if (!batch.entries.empty()) return true;
    }
    return false;
  }

  uint64_t skip(uint64_t entries, const std::function<void(const std::string&)>& seen) override {
    const uint64_t skipped = source_->skip(entries, seen);
    place_ += skipped;
    return skipped;
  }

  void stop() override { source_->stop(); }
  std::optional<uint64_t> total() const override { return std::nullopt; }
  double fraction() const override { return source_->fraction(); }

 private:
  std::unique_ptr<ImageSource> source_;
  WantedEntries wanted_;
  uint64_t place_ = 0;  // of the next entry of the source
};

}  // namespace

std::unique_ptr<ImageSource> select_entries(std::unique_ptr<ImageSource> source,
                                            WantedEntries wanted) {
  return std::make_unique<SelectedSource>(std::move(source), std::move(wanted));
}

}  // namespace oddity
