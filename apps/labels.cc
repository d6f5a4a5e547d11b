#include "labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "data/idx.h"
#include "files/atomic_file.h"
#include "files/csv_reader.h"
#include "images/folder_label.h"

namespace oddity {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxLabelFile = size_t{16} << 30;

template <typename Number>
std::optional<Number> whole_number_of(std::string_view text) {
  Number value{};
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc() || end != last) return {};
  return value;
}

std::vector<int32_t> labels_of_dataset(const ScoreColumns& table, const LabelFiles& files,
                                       const Dataset& dataset) {
  if (dataset.size() != table.size()) {
    throw Error("{} holds {} rows, {} {} images: give the data set that was scored",
                printable(files.scores), table.size(), printable(files.dataset), dataset.size());
  }
  // find numbers images as the set does, score by their place in it.
  bool is_by_place = true;
  std::optional<size_t> other;  // the first row that is numbered otherwise than in the set
  for (size_t i = 0; i < table.index.size(); ++i) {
    is_by_place = is_by_place && table.index[i] == static_cast<int64_t>(i);
    if (!other && table.index[i] != dataset.index[i]) other = i;
  }
  if (other && !is_by_place) {
    throw Error(
        "row {} of {} is of index {}, image {} of {} of {}: give the data set that was scored",
        *other, printable(files.scores), table.index[*other], *other, printable(files.dataset),
        dataset.index[*other]);
  }
  return dataset.label;
}

/// The file from its start, unpacked, where it is IDX.
std::unique_ptr<ByteSource> open_idx(const fs::path& path) {
  constexpr size_t kStart = 16;
  auto source = open_file(path);
  std::string start = read_up_to(*source, kStart);
  source = prepend(start, std::move(source));
  if (is_gzip(start)) {
    source = unpack_gzip(std::move(source));
    start = read_up_to(*source, kStart);
    source = prepend(start, std::move(source));
  }
  if (!is_idx(start)) return nullptr;
  return source;
}

std::vector<int32_t> labels_of_idx(const ScoreColumns& table, const LabelFiles& files,
                                   ByteSource& source) {
  std::vector<int32_t> all = read_idx_labels(source);
  if (table.index.empty()) {
    if (all.size() == table.size()) return all;
    throw Error("{} holds {} rows without their index, {} {} labels: give a table with indices",
                printable(files.scores), table.size(), source.name(), all.size());
  }
  std::vector<int32_t> labels;
  for (const int64_t index : table.index) {
    if (index < 0 || static_cast<uint64_t>(index) >= all.size()) {
      throw Error("{} has a row of index {}, {} {} labels: give those of the set that was scored",
                  printable(files.scores), index, source.name(), all.size());
    }
    labels.push_back(all[static_cast<size_t>(index)]);
  }
  return labels;
}

int32_t label_of(const std::string& text, const CsvReader& csv) {
  if (text.empty()) return kUnknownLabel;
  const auto label = whole_number_of<int32_t>(text);
  if (!label || *label < kUnknownLabel) {
    throw Error("{}: label \"{}\" is not a whole number from 0, or empty where it is not known",
                csv.place(), printable(std::string_view(text)));
  }
  return *label;
}

/// The labels of a CSV file by the text of its column `key`, which `read` turns into what images
/// are known by.
template <typename Key, typename Read>
std::unordered_map<Key, int32_t> read_labels(CsvReader& csv, size_t key_column, size_t label_column,
                                             const Read& read) {
  std::unordered_map<Key, int32_t> labels;
  while (csv.next()) {
    const std::string& text = csv.field(key_column);
    if (!labels.emplace(read(text), label_of(csv.field(label_column), csv)).second) {
      throw Error("{}: {} is there twice: leave one line of it", csv.place(),
                  printable(std::string_view(text)));
    }
  }
  return labels;
}

template <typename Key, typename Keys>
std::vector<int32_t> look_up(const std::unordered_map<Key, int32_t>& labels, const Keys& keys) {
  std::vector<int32_t> found;
  found.reserve(keys.size());
  for (const auto& key : keys) {
    const auto at = labels.find(key);
    found.push_back(at == labels.end() ? kUnknownLabel : at->second);
  }
  return found;
}

std::vector<int32_t> labels_of_csv(const ScoreColumns& table, const LabelFiles& files) {
  const std::string text = read_file(files.labels, kMaxLabelFile);
  const std::string name = printable(files.labels);
  CsvReader csv(text, name);
  const auto label = csv.column("label");
  const auto path = csv.column("path");
  const auto index = csv.column("index");
  if (!label || (!path && !index)) {
    throw Error("{}:1: the columns are {}: expected path,label or index,label, or an IDX file",
                name, csv.columns());
  }
  if (path) {
    if (table.path.empty()) {
      throw Error("{} names images by path, {} holds none: give labels by index", name,
                  printable(files.scores));
    }
    return look_up(
        read_labels<std::string>(csv, *path, *label, [](const auto& t) { return unescaped(t); }),
        table.path);
  }
  const auto labels = read_labels<int64_t>(csv, *index, *label, [&](const std::string& field) {
    const auto value = whole_number_of<int64_t>(field);
    if (value) return *value;
    throw Error("{}: index \"{}\" is not a whole number", csv.place(),
                printable(std::string_view(field)));
  });
  if (!table.index.empty()) return look_up(labels, table.index);
  std::vector<int64_t> rows(table.size());
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int64_t>(i);
  return look_up(labels, rows);
}

std::vector<int32_t> labels_of_folders(const ScoreColumns& table) {
  std::vector<int32_t> labels;
  labels.reserve(table.size());
  for (const std::string& path : table.path) labels.push_back(label_of_parent(path));
  labels.resize(table.size(), kUnknownLabel);
  return labels;
}

void check_known(const std::vector<int32_t>& labels, const std::string& problem) {
  const auto is_known = [](int32_t label) { return label != kUnknownLabel; };
  if (std::none_of(labels.begin(), labels.end(), is_known)) throw Error("{}", problem);
}

}  // namespace

std::vector<int32_t> labels_of(const ScoreColumns& table, const LabelFiles& files,
                               const Dataset& dataset) {
  std::vector<int32_t> labels = labels_of_dataset(table, files, dataset);
  check_known(labels, fmt::format("{} holds no labels: give --labels", printable(files.dataset)));
  return labels;
}

std::vector<int32_t> labels_of(const ScoreColumns& table, const LabelFiles& files) {
  if (!files.dataset.empty()) return labels_of(table, files, read_dataset(files.dataset));
  std::vector<int32_t> labels;
  std::string problem;
  if (!files.labels.empty()) {
    const auto idx = open_idx(files.labels);
    labels = idx ? labels_of_idx(table, files, *idx) : labels_of_csv(table, files);
    problem = fmt::format("{} labels no image of {}: are its paths or indices written as there?",
                          printable(files.labels), printable(files.scores));
  } else {
    labels = labels_of_folders(table);
    problem =
        fmt::format("{} holds no path in a folder named by a number: give --dataset or --labels",
                    printable(files.scores));
  }
  check_known(labels, problem);
  return labels;
}

}  // namespace oddity
