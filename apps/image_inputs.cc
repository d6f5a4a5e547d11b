#include "image_inputs.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "images/image_cache.h"
#include "images/image_source.h"
#include "images/list_source.h"
#include "options.h"
#include "paths.h"

namespace oddity {

void ImageInputs::add_to(CLI::App& command, const std::string& images) {
  option_ = command
                .add_option("--images", paths_,
                            images +
                                ": folders, tar, zip, NPY, NPZ, IDX(.gz), image files (PNG, "
                                "JPEG, TIFF), or - for a list of files on standard input")
                ->type_name("PATH")
                ->check(file_name())
                ->group("Data");
  command
      .add_option("--resize", resize_,
                  "Resample every image to this size; images are never resized without it")
      ->type_name("WxH")
      ->group("Data");
  command
      .add_flag("--crop", crop_,
                "Before --resize, cut the largest centred part of its aspect ratio")
      ->group("Data");
  command.add_flag("--gray", gray_, "Make colour images grey")->group("Data");
}

void ImageInputs::add_reading_to(CLI::App& command) {
  add_file(command, "--cache", cache_,
           "Keep the decoded images here: the next run over them reads nothing else")
      ->group("Data");
  command
      .add_option("--max-bad", max_bad_,
                  "Stop with exit code 4 at more than this many images that cannot be used [no "
                  "limit]")
      ->type_name("N")
      ->check(whole_number(0, std::numeric_limits<int64_t>::max()))
      ->group("Data");
}

void ImageInputs::check() const {
  if (crop_ && resize_.empty()) {
    throw ArgumentError("--crop: to which aspect ratio? Give the size with --resize WxH");
  }
  preprocessing();
  for (const std::filesystem::path& path : paths_) {
    if (path == kStandardInput) continue;
    std::error_code error;
    if (std::filesystem::status(path, error).type() == std::filesystem::file_type::not_found) {
      throw Error("--images {}: no such file or folder", printable(path));
    }
  }
}

std::string ImageInputs::name() const {
  const std::string first =
      paths_.front() == kStandardInput ? "standard input" : printable(paths_.front());
  return paths_.size() == 1 ? first : fmt::format("{} and {} more", first, paths_.size() - 1);
}

std::vector<NamedPath> ImageInputs::files() const {
  std::vector<NamedPath> files;
  for (const std::filesystem::path& path : paths_) {
    std::error_code error;
    if (std::filesystem::is_regular_file(path, error)) files.push_back({"--images", path});
  }
  return files;
}

Preprocessing ImageInputs::preprocessing() const {
  Preprocessing asked{.resize = {}, .crop = crop_, .gray = gray_};
  if (!resize_.empty()) asked.resize = parse_image_size(resize_, "--resize");
  return asked;
}

Preprocessing ImageInputs::choose(const ModelFile& model,
                                  const std::filesystem::path& model_path) const {
  const Preprocessing asked = preprocessing();
  const Preprocessing stated = model.record ? model.record->preprocessing : Preprocessing{};
  if (!stated.empty() && !asked.empty() && !(asked == stated)) {
    throw ArgumentError("{} was trained with: {}; asked for: {}: leave these options out",
                        printable(model_path), describe(stated), describe(asked));
  }
  const Preprocessing chosen = stated.empty() ? asked : stated;
  const ImageShape expected = model.architecture.image();
  if (chosen.resize &&
      *chosen.resize != ImageSize{.width = expected.width, .height = expected.height}) {
    throw ArgumentError("--resize {}x{}: {} takes {}", chosen.resize->width, chosen.resize->height,
                        printable(model_path), to_string(expected));
  }
  if (chosen.gray && expected.channels != 1) {
    throw ArgumentError("--gray: {} takes {}, {} channels", printable(model_path),
                        to_string(expected), expected.channels);
  }
  return chosen;
}

std::unique_ptr<ImageStream> ImageInputs::open(const Console& console,
                                               const PipelineOptions& options) const {
  const auto pipeline = [&] { return open_pipeline(open_images(paths_), options); };
  if (cache_.empty()) return pipeline();
  const std::string identity = cache_identity(paths_, options.preprocessing, options.shape);
  const CacheState state = cache_state(cache_, identity);
  if (state == CacheState::current) {
    console.info("reading decoded images...", printable(cache_));
    return open_cache(cache_, options.start);
  }
  std::unique_ptr<ImageStream> stream = pipeline();
  if (options.start.entries > 0 || !stream->shape()) {
    console.info("decoded images are not kept: a cache begins with the first image");
    return stream;
  }
  console.info("keeping decoded images...",
               printable(cache_) + (state == CacheState::outdated
                                        ? ", what it holds is of other images or preprocessing"
                                        : ""));
  return write_cache(cache_, identity, std::move(stream));
}

std::unique_ptr<ImageStream> ImageInputs::open_again(const WantedEntries& wanted,
                                                     const PipelineOptions& options) const {
  std::vector<std::filesystem::path> inputs = paths_;
  std::erase(inputs, kStandardInput);
  if (!inputs.empty()) return open_pipeline(select_entries(open_images(inputs), wanted), options);
  inputs.assign(wanted.paths.begin(), wanted.paths.end());
  return open_pipeline(open_files(std::move(inputs)), options);
}

}  // namespace oddity
