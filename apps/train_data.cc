#include "train_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "core/thread_pool.h"
#include "images/image_input.h"
#include "images/image_pipeline.h"
#include "images/image_set.h"
#include "interrupt.h"
#include "paths.h"
#include "reporters.h"

namespace oddity {
namespace {

/// A single file that holds one array: it is read whole, and a bad image in it is an error.
bool is_array_file(const ImageInputs& images) {
  const std::filesystem::path& path = images.paths().front();
  std::error_code error;
  if (images.paths().size() > 1 || !images.preprocessing().empty() || !images.cache().empty() ||
      !std::filesystem::is_regular_file(path, error)) {
    return false;
  }
  try {
    return recognise_input(path).kind == InputKind::array;
  } catch (const Error&) {
    return true;  // a pickle, or something that read_dataset says the right words about
  }
}

void print_first_bad(const ImageSet& set, const Console& console) {
  for (size_t i = 0; i < std::min(set.bad.size(), kMostNamedBad); ++i) {
    print_bad(console, set.bad[i].path, set.bad[i].status, set.bad[i].reason);
  }
}

/// Images that cannot be used are left out, and said.
void report_bad(const ImageSet& set, const Console& console) {
  print_first_bad(set, console);
  if (set.bad_rows() > 0) {
    console.warning(fmt::format("{} of {} cannot be used and {} left out", set.bad_rows(),
                                counted(set.rows(), "image"), set.bad_rows() == 1 ? "is" : "are"));
  }
  print_left_out(console, set.left_out);
}

/// By status, as the report of a table has them.
std::vector<ReportProblem> problems_of(const ImageSet& set) {
  std::vector<ReportProblem> problems;
  for (size_t i = 1; i < set.statuses.size(); ++i) {
    if (set.statuses[i] == 0) continue;
    const auto status = static_cast<ImageStatus>(i);
    ReportProblem& problem =
        problems.emplace_back(ReportProblem{std::string(name_of(status)), set.statuses[i], {}});
    for (const ImageRow& row : set.bad) {
      if (row.status == status) problem.examples.emplace_back(row.path, row.reason);
    }
  }
  return problems;
}

LoadedTrainData read_stream(const TrainData& data, const ComputeOptions& options,
                            const Console& console) {
  const auto stream = data.images.open(console, {.preprocessing = data.images.preprocessing(),
                                                 .shape = {},
                                                 .threads = chosen_threads(options.threads),
                                                 .start = {}});
  LoadingReporter reporter(progress_style(options.progress), data.images.max_bad());
  ImageSet set = read_image_set(*stream, [&](const ImageSet& so_far, double fraction) {
    try {
      reporter.update(so_far.rows(), so_far.bad_rows(), fraction);
    } catch (const TooManyBadImages& error) {
      reporter.finish();
      print_first_bad(so_far, console);
      throw TooManyBadImages("{}: allow more, or mend or remove such files", error.what());
    }
  });
  reporter.finish();
  report_bad(set, console);
  if (set.dataset.size() == 0) {
    throw Error("{}: holds no image that can be used", data.name());
  }
  return {std::move(set.dataset), problems_of(set)};
}

LoadedTrainData read_images(const TrainData& data, const ComputeOptions& options,
                            const Console& console) {
  if (data.images.paths().empty()) {
    console.info("loading MNIST dataset...");
    const std::filesystem::path folder = embedded_mnist();
    return {read_labelled_idx(folder / "train-images-idx3-ubyte.gz",
                              folder / "train-labels-idx1-ubyte.gz"),
            {}};
  }
  console.info("loading images...", data.name());
  if (!data.labels.empty()) {
    return {read_labelled_idx(data.images.paths().front(), data.labels), {}};
  }
  if (is_array_file(data.images)) return {read_dataset(data.images.paths().front()), {}};
  return read_stream(data, options, console);
}

int64_t count_label(const Dataset& dataset, int32_t label) {
  return std::count(dataset.label.begin(), dataset.label.end(), label);
}

}  // namespace

void check_train_data(const TrainData& data) {
  data.images.check();
  if (data.images.paths().empty() && !data.images.preprocessing().empty()) {
    throw ArgumentError("preprocessing of which images? Name them with --images");
  }
  if (!data.labels.empty() && data.images.paths().size() > 1) {
    throw ArgumentError("--labels {}: they are of one IDX file, --images names {}",
                        printable(data.labels), data.images.paths().size());
  }
  if (!data.labels.empty() && !data.images.preprocessing().empty()) {
    throw ArgumentError("--labels {}: images of an IDX file are taken as they are: leave out {}",
                        printable(data.labels), describe(data.images.preprocessing()));
  }
  if (!data.labels.empty() && data.images.paths().empty()) {
    throw ArgumentError("--labels {}: whose labels are they? Name the images with --images",
                        printable(data.labels));
  }
  if (data.draw.valid_label == data.draw.anomaly_label) {
    throw ArgumentError("--valid-label and --anomaly-label are both {}: name two labels",
                        data.draw.valid_label);
  }
}

std::string TrainData::name() const {
  if (images.paths().empty()) return "MNIST";
  return images.name();
}

LoadedTrainData load_train_data(const TrainData& data, const ComputeOptions& options,
                                const Console& console) {
  LoadedTrainData loaded = read_images(data, options, console);
  const Dataset& all = loaded.dataset;
  throw_if_interrupted();
  const bool labelled = data.images.paths().empty() || !data.labels.empty();
  if (!labelled && !data.draw_asked) {
    console.info("using the whole dataset...",
                 fmt::format("{} of {}, {}", counted(all.size(), "image"),
                             to_string(all.images.shape()), name_of(all.images.type())));
    return loaded;
  }
  const UnsupervisedOptions& draw = data.draw;
  if (!labelled && count_label(all, kUnknownLabel) == std::ssize(all.label)) {
    throw ArgumentError(
        "{} holds no labels to draw --valid-label {} and --anomaly-label {} by: name them with "
        "--labels, or the folders of the images by their labels",
        data.name(), draw.valid_label, draw.anomaly_label);
  }
  Dataset drawn = build_unsupervised_dataset(all, draw);
  console.info("creating unsupervised dataset...",
               fmt::format("{} of label {} + {} of label {}, seed {}",
                           with_thousands(count_label(drawn, draw.valid_label)), draw.valid_label,
                           with_thousands(count_label(drawn, draw.anomaly_label)),
                           draw.anomaly_label, draw.seed));
  loaded.dataset = std::move(drawn);
  return loaded;
}

}  // namespace oddity
