#include "detect/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/system_calls.h"
#include "core/text.h"
#include "detect/journal_block.h"

namespace oddity {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kMagic = "ODDITYJ1";
constexpr size_t kPrefix = kMagic.size() + sizeof(uint32_t);  // before the identity
constexpr size_t kHash = sizeof(uint64_t);
constexpr uint64_t kMaxIdentity = 16 << 20;
constexpr auto kSyncInterval = std::chrono::milliseconds(400);

[[noreturn]] void throw_cannot_open(const fs::path& path, int code) {
  if (code == ELOOP) {
    throw Error("cannot write {}: it is a symbolic link: remove it", printable(path));
  }
  throw Error("cannot write {}: {}", printable(path), cause_of(code));
}

/// What has been written is kept whatever happened: each cure ends in going on.
[[noreturn]] void throw_cannot_append(const fs::path& path, int code) {
  const char* cure = "go on with --resume";
  if (code == ENOSPC || code == EDQUOT) cure = "free some space and go on with --resume";
  if (code == EFBIG) cure = "raise the limit (ulimit -f) and go on with --resume";
  throw Error("cannot write {}: {}: {}", printable(path), std::generic_category().message(code),
              cure);
}

[[noreturn]] void throw_busy(const fs::path& path) {
  throw Error("cannot write {}: another oddity is writing it: wait for it or choose another output",
              printable(path));
}

struct stat status_of(const Descriptor& file, const fs::path& path) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw_cannot_open(path, errno);
  return status;
}

/// Opens the file if there is one; none where there is not.
std::optional<Descriptor> open_existing(const fs::path& path, int mode) {
  // O_NONBLOCK: a pipe of that name would wait for its other end.
  Descriptor file(
      retry([&] { return ::open(path.c_str(), mode | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); }));
  if (file.get() < 0 && errno == ENOENT) return {};
  if (file.get() < 0) throw_cannot_open(path, errno);
  if (!S_ISREG(status_of(file, path).st_mode)) {
    throw Error("cannot write {}: it is no file: choose another output", printable(path));
  }
  return file;
}

void lock(const Descriptor& file, const fs::path& path) {
  // A file system that knows no locks is used without.
  if (retry([&] { return ::flock(file.get(), LOCK_EX | LOCK_NB); }) != 0 && errno == EWOULDBLOCK) {
    throw_busy(path);
  }
  // Another one may have removed or replaced it after it was opened here.
  if (status_of(file, path).st_nlink == 0) throw_busy(path);
}

/// The error of a call that syncs; 0 where all went well. EINVAL: the file system has nothing to
/// sync.
template <typename Call>
int sync_error(Call call) {
  return retry(call) == 0 || errno == EINVAL ? 0 : errno;
}

/// Writes at `offset`; the error, 0 where all went well.
int write_at(int file, std::string_view bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = retry(
        [&] { return ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return 0;
}

bool cut_off(int file, uint64_t size) {
  return retry([&] { return ::ftruncate(file, static_cast<off_t>(size)); }) == 0;
}

template <typename T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string encode_header(const std::string& identity) {
  std::string header(kMagic);
  header += bytes_of(static_cast<uint32_t>(identity.size()));
  header += identity;
  return header += bytes_of(Hash().add(header).value());
}

/// The identity in the header of a file of `size` bytes; none where the file is the beginning of a
/// header, or empty.
std::optional<std::string> read_header(int file, const fs::path& path, uint64_t size) {
  std::string header(std::min<uint64_t>(size, kPrefix), '\0');
  PartReader in(file, path, 0, size);
  in.read(header.data(), header.size());
  if (!kMagic.starts_with(std::string_view(header).substr(0, kMagic.size()))) {
    throw Error("{} is no journal of this version of oddity: start anew with --force",
                printable(path));
  }
  if (header.size() < kPrefix) return {};
  uint32_t length = 0;
  std::copy_n(header.end() - sizeof length, sizeof length, reinterpret_cast<char*>(&length));
  if (length <= kMaxIdentity && in.left() < length + kHash) return {};
  if (length <= kMaxIdentity) {
    header.resize(kPrefix + length);
    in.read(header.data() + kPrefix, length);
    uint64_t hash = 0;
    in.read(&hash, sizeof hash);
    if (hash == Hash().add(header).value()) return header.substr(kPrefix);
  }
  throw Error("{} is damaged in its header: start anew with --force", printable(path));
}

/// Whether nothing but zeros stands from byte `begin` on: what a power cut may leave where a file
/// had grown already and its bytes had not arrived.
bool only_zeros(int file, const fs::path& path, uint64_t begin, uint64_t end) {
  PartReader in(file, path, begin, end);
  while (in.left() > 0) {
    if (in.some(in.left()).find_first_not_of('\0') != std::string_view::npos) return false;
  }
  return true;
}

}  // namespace

struct Journal::State {
  fs::path path;
  Descriptor file;
  std::string identity;
  uint64_t begin = 0;  // of the first block
  uint64_t end = 0;    // of the last whole block
  uint64_t rows = 0;
  uint64_t bad_rows = 0;
  SourcePosition position;
  bool complete = false;
  bool has_rest = false;  // half a block behind `end`, which could not be cut off
  Clock::time_point synced = Clock::now();
};

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}
Journal::~Journal() = default;
Journal::Journal(Journal&&) noexcept = default;
Journal& Journal::operator=(Journal&&) noexcept = default;

bool Journal::begun(const fs::path& path) {
  const auto file = open_existing(path, O_RDONLY);
  if (!file) return false;
  const auto size = static_cast<uint64_t>(status_of(*file, path).st_size);
  return read_header(file->get(), path, size).has_value();
}

Journal Journal::create(const fs::path& path, const std::string& identity, bool replace) {
  if (identity.size() > kMaxIdentity) {
    throw Error("{}: the description of the run is {} bytes, a journal holds {}", printable(path),
                identity.size(), kMaxIdentity);
  }
  if (const auto old = open_existing(path, O_RDWR)) {
    lock(*old, path);
    if (!replace && begun(path)) {
      throw Error("{} exists: go on with --resume, or start anew with --force", printable(path));
    }
    // Removed, not overwritten: the file may have another name elsewhere.
    if (::unlink(path.c_str()) != 0) throw_cannot_open(path, errno);
  }
  auto state = std::make_unique<State>();
  state->path = path;
  state->identity = identity;
  state->file = Descriptor(
      retry([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666); }));
  if (state->file.get() < 0 && errno == EEXIST) throw_busy(path);
  if (state->file.get() < 0) throw_cannot_open(path, errno);
  lock(state->file, path);
  const std::string header = encode_header(identity);
  int code = write_at(state->file.get(), header, 0);
  if (code == 0) code = sync_error([&] { return ::fsync(state->file.get()); });
  if (code != 0) {
    ::unlink(path.c_str());
    throw_cannot_open(path, code);
  }
  sync_folder(path.has_parent_path() ? path.parent_path() : ".");
  state->begin = state->end = header.size();
  state->synced = Clock::now();
  return Journal(std::move(state));
}

Journal Journal::resume(const fs::path& path) {
  auto file = open_existing(path, O_RDWR);
  if (!file) throw_cannot_open(path, ENOENT);
  lock(*file, path);
  const auto size = static_cast<uint64_t>(status_of(*file, path).st_size);
  auto identity = read_header(file->get(), path, size);
  if (!identity) {
    throw Error("{} ends within its header: start anew with --force", printable(path));
  }
  auto state = std::make_unique<State>();
  state->path = path;
  state->identity = std::move(*identity);
  state->begin = state->end = kPrefix + state->identity.size() + kHash;
  while (state->end < size) {
    const Block block = find_block(file->get(), path, state->end, size);
    if (!block.whole) {
      if (only_zeros(file->get(), path, block.end, size)) break;
      throw Error("{} is damaged at byte {}, within the file: start anew with --force",
                  printable(path), state->end);
    }
    if (state->complete) {
      throw Error("{} goes on behind its last block, at byte {}: start anew with --force",
                  printable(path), state->end);
    }
    visit_rows(file->get(), path, block, [&](const ScoreRow& row) {
      if (row.status != ImageStatus::ok) ++state->bad_rows;
    });
    state->end = block.end;
    state->rows += block.rows;
    state->position = block.position;
    state->complete = block.last;
  }
  if (state->end < size && !cut_off(file->get(), state->end)) throw_cannot_append(path, errno);
  state->file = std::move(*file);
  return Journal(std::move(state));
}

const std::string& Journal::identity() const { return state_->identity; }
uint64_t Journal::rows() const { return state_->rows; }
uint64_t Journal::bad_rows() const { return state_->bad_rows; }
SourcePosition Journal::position() const { return state_->position; }
bool Journal::complete() const { return state_->complete; }

void Journal::append(std::span<const ScoreRow> rows, SourcePosition end, bool last) {
  State& journal = *state_;
  if (journal.complete) throw Error("{} is complete already", printable(journal.path));
  const std::string block = encode_block(rows, end, last);
  // The rest of a block that failed might reach beyond this one.
  if (journal.has_rest && !cut_off(journal.file.get(), journal.end)) {
    throw_cannot_append(journal.path, errno);
  }
  journal.has_rest = false;
  if (const int code = write_at(journal.file.get(), block, journal.end)) {
    journal.has_rest = !cut_off(journal.file.get(), journal.end);
    throw_cannot_append(journal.path, code);
  }
  journal.end += block.size();
  journal.rows += rows.size();
  journal.bad_rows += static_cast<uint64_t>(std::count_if(
      rows.begin(), rows.end(), [](const auto& row) { return row.status != ImageStatus::ok; }));
  journal.position = end;
  journal.complete = last;
  if (Clock::now() - journal.synced > kSyncInterval) sync();
}

void Journal::sync() {
  if (const int code = sync_error([&] { return ::fdatasync(state_->file.get()); })) {
    throw_cannot_append(state_->path, code);
  }
  state_->synced = Clock::now();
}

void Journal::for_each(const std::function<void(const ScoreRow&)>& visit) const {
  const State& journal = *state_;
  for (uint64_t at = journal.begin; at < journal.end;) {
    const Block block = find_block(journal.file.get(), journal.path, at, journal.end);
    if (!block.whole) {
      throw Error("{} was changed at byte {} by something else: start anew with --force",
                  printable(journal.path), at);
    }
    visit_rows(journal.file.get(), journal.path, block, visit);
    at = block.end;
  }
}

void Journal::remove() {
  if (::unlink(state_->path.c_str()) != 0 && errno != ENOENT) {
    throw Error("cannot remove {}: {}", printable(state_->path), cause_of(errno));
  }
}

uint64_t write_scores(const fs::path& path, const Journal& journal, double threshold) {
  ScoreTable table(path, journal.rows(), threshold);
  int64_t index = 0;
  journal.for_each([&](const ScoreRow& row) { table.add(index++, row); });
  table.commit();
  return table.outliers();
}

fs::path journal_path(const fs::path& output) {
  fs::path path = output;
  path += ".journal";
  return path;
}

}  // namespace oddity
