#include "images/image_pipeline.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/hash.h"
#include "images/entry_loader.h"

namespace oddity {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLongestWait{100};
// Batches in memory: enough of small ones for an engine to be given thousands of images at once.
constexpr int kSlots = 64;
// Of packed pixels in one batch, where images are large.
constexpr size_t kBatchPixels = size_t{1} << 20;
// Of what was read and is not decoded yet: where members of archives are large, the reader waits.
constexpr size_t kMostUndecoded = size_t{64} << 20;

/// Batches go round in a ring of slots: filled by the reader, loaded by whichever worker comes
/// first, taken in order. As many as there are slots are in memory, whatever the size of the set.
struct Slot {
  SourceBatch source;
  ImageBatch images;
  std::exception_ptr error;  // in place of images: what reading or loading threw
  bool loaded = false;
};

/// Where a source stands, as what has passed.
class Passed {
 public:
  void add(const std::string& path) {
    ++entries_;
    paths_.add(path.c_str(), path.size() + 1);
  }
  SourcePosition position() const { return {entries_, entries_ == 0 ? 0 : paths_.value()}; }

 private:
  uint64_t entries_ = 0;
  Hash paths_;
};

class Pipeline final : public ImageStream {
 public:
  Pipeline(std::unique_ptr<ImageSource> source, const PipelineOptions& options)
      : source_(std::move(source)), shape_(options.shape), slots_(slot_count(options.threads)) {
    pass_over(options.start);
    for (int i = 0; i < options.threads; ++i) loaders_.emplace_back(options.preprocessing);
    find_shape();
    if (shape_) limits_.entries = std::min(limits_.entries, images_in(kBatchPixels));
    limits_.files = std::min(limits_.files, limits_.entries);
    if (ended_) return;
    threads_.emplace_back([this] { read(); });
    for (EntryLoader& loader : loaders_) threads_.emplace_back([&] { load(loader); });
  }

  ~Pipeline() override {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    source_->stop();
    free_.notify_all();
    filled_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  Wait next(ImageBatch& batch) override {
    if (!first_.empty()) {
      std::swap(batch, first_.front());
      first_.pop_front();
      return Wait::batch;
    }
    std::unique_lock lock(mutex_);
    const bool come = loaded_.wait_for(
        lock, kLongestWait, [&] { return slot(taken_).loaded || (ended_ && taken_ == read_); });
    if (!come) return Wait::not_yet;
    if (!slot(taken_).loaded) return Wait::end;
    Slot& slot = this->slot(taken_);
    if (slot.error) std::rethrow_exception(slot.error);
    std::swap(batch, slot.images);
    slot.loaded = false;
    ++taken_;
    lock.unlock();
    free_.notify_one();
    return Wait::batch;
  }

  bool ready() const override {
    const std::lock_guard lock(mutex_);
    return !first_.empty() || (slots_[taken_ % slots_.size()].loaded && !failed());
  }

  std::optional<ImageShape> shape() const override { return shape_; }

  StageSeconds stage_seconds() const override {
    const std::lock_guard lock(mutex_);
    return seconds_;
  }

 private:
  static size_t slot_count(int threads) {
    return static_cast<size_t>(std::max(kSlots, 2 * threads + 2));
  }

  Slot& slot(uint64_t number) { return slots_[number % slots_.size()]; }
  bool failed() const { return slots_[taken_ % slots_.size()].error != nullptr; }

  size_t images_in(size_t bytes) const {
    return std::max<size_t>(1, bytes / static_cast<size_t>(shape_->size()));
  }

  void pass_over(const SourcePosition& start) {
    const uint64_t passed =
        source_->skip(start.entries, [this](const std::string& path) { passed_.add(path); });
    if (passed == start.entries && passed_.position() == start) return;
    throw Error("the images are not those that were read before: {}: score them anew with --force",
                passed < start.entries
                    ? fmt::format("there are {} of {}", passed, start.entries)
                    : fmt::format("among the first {} are others than before", start.entries));
  }

  /// One batch of the source: what it holds, and what is known of it as a whole.
  bool fill(SourceBatch& source, ImageBatch& images) {
    const auto began = Clock::now();
    const bool more = source_->next(source, limits_);
    for (const SourceEntry& entry : source.entries) passed_.add(entry.path);
    images.end = passed_.position();
    images.fraction = source_->fraction();
    const std::lock_guard lock(mutex_);
    seconds_.list += std::chrono::duration<double>(Clock::now() - began).count();
    return more;
  }

  void load(EntryLoader& loader, std::optional<ImageShape>& shape, const SourceBatch& source,
            ImageBatch& images) {
    const SourcePosition end = images.end;
    const double fraction = images.fraction;
    const StageSeconds before = loader.seconds();
    loader.load(source, shape, images);
    images.end = end;
    images.fraction = fraction;
    const StageSeconds& after = loader.seconds();
    const std::lock_guard lock(mutex_);
    seconds_.read += after.read - before.read;
    seconds_.decode += after.decode - before.decode;
    seconds_.preprocess += after.preprocess - before.preprocess;
  }

  /// Without a shape given, the first good image sets it: until then one thread does all.
  void find_shape() {
    while (!shape_ && !ended_) {
      SourceBatch source;
      ImageBatch images;
      if (!fill(source, images)) {
        ended_ = true;
        return;
      }
      load(loaders_.front(), shape_, source, images);
      first_.push_back(std::move(images));
    }
  }

  void read() {
    for (;;) {
      std::unique_lock lock(mutex_);
      free_.wait(lock, [&] {
        return stopped_ || (read_ - taken_ < slots_.size() && undecoded_ <= kMostUndecoded);
      });
      if (stopped_) return;
      Slot& slot = this->slot(read_);
      lock.unlock();
      bool more = false;
      try {
        more = fill(slot.source, slot.images);
      } catch (...) {
        slot.error = std::current_exception();
      }
      lock.lock();
      const bool error = slot.error != nullptr;
      undecoded_ += slot.source.bytes.size();
      if (more || error) ++read_;
      if (error) slot.loaded = true;
      if (!more) ended_ = true;
      lock.unlock();
      (more ? filled_ : loaded_).notify_one();
      if (!more) {
        filled_.notify_all();
        return;
      }
    }
  }

  void load(EntryLoader& loader) {
    std::optional<ImageShape> shape = shape_;
    for (;;) {
      std::unique_lock lock(mutex_);
      filled_.wait(lock, [&] { return stopped_ || ended_ || loading_ < read_; });
      // After the end there may still be batches to load, but never one that failed.
      if (stopped_ || loading_ == read_ || slot(loading_).error) return;
      Slot& slot = this->slot(loading_++);
      lock.unlock();
      std::exception_ptr error;
      try {
        load(loader, shape, slot.source, slot.images);
      } catch (...) {
        error = std::current_exception();
      }
      const size_t bytes = slot.source.bytes.size();
      // Memory of usual batches is used again, that of huge ones is not kept (= {} would keep it).
      if (bytes > 2 * limits_.bytes) std::vector<std::byte>().swap(slot.source.bytes);
      lock.lock();
      undecoded_ -= bytes;
      slot.error = error;
      slot.loaded = true;
      lock.unlock();
      loaded_.notify_one();
      free_.notify_one();
    }
  }

  std::unique_ptr<ImageSource> source_;
  BatchLimits limits_;
  Passed passed_;
  std::optional<ImageShape> shape_;
  std::deque<EntryLoader> loaders_;
  std::deque<ImageBatch> first_;  // up to the one that set the shape

  mutable std::mutex mutex_;  // of all below
  std::condition_variable free_;
  std::condition_variable filled_;
  std::condition_variable loaded_;
  std::vector<Slot> slots_;
  // Batches that were read, that a worker has begun to load, that were taken.
  uint64_t read_ = 0;
  uint64_t loading_ = 0;
  uint64_t taken_ = 0;
  size_t undecoded_ = 0;  // bytes that were read and are not decoded
  bool ended_ = false;
  bool stopped_ = false;
  StageSeconds seconds_;

  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<ImageStream> open_pipeline(std::unique_ptr<ImageSource> source,
                                           const PipelineOptions& options) {
  if (options.threads < 1) {
    throw ArgumentError("threads: at least 1 is needed, not {}", options.threads);
  }
  return std::make_unique<Pipeline>(std::move(source), options);
}

}  // namespace oddity
