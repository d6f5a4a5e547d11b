#include "options.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "core/text.h"

namespace oddity {
namespace {

template <typename Number>
bool parse(const std::string& text, Number& value) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && stop == end;
}

template <typename Accepts>
CLI::Validator number_that(Accepts accepts, std::string what) {
  const auto check = [accepts, what = std::move(what)](std::string& text) -> std::string {
    double value = 0;
    if (parse(text, value) && std::isfinite(value) && accepts(value)) return {};
    return fmt::format("'{}' is not {}", printable(text), what);
  };
  return {check, ""};
}

class HelpFormatter final : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(34); }

  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0) return {};
    return " " + option->get_type_name() +
           (option->get_expected_max() == CLI::detail::expected_max_vector_size ? " ..." : "");
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    if (option->get_required()) return option->get_description() + " (required)";
    if (option->get_default_str().empty()) return option->get_description();
    return fmt::format("{} [{}]", option->get_description(), option->get_default_str());
  }

  std::string make_usage(const CLI::App* app, std::string) const override {
    if (app->get_parent() == nullptr) return "Usage: oddity COMMAND [OPTIONS]\n";
    std::string usage = "Usage: oddity " + app->get_name();
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_required() && option->nonpositional()) {
        usage += fmt::format(" {} {}", option->get_name(), option->get_type_name());
      } else if (option->get_required()) {
        usage += " " + option->get_type_name();
      }
    }
    return usage + " [OPTIONS]\n";
  }

  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    return CLI::detail::find_and_replace(CLI::Formatter::make_help(app, name, mode), "\n\n\n",
                                         "\n\n");
  }
};

}  // namespace

CLI::Validator whole_number(int64_t low, int64_t high) {
  const auto check = [low, high](std::string& text) -> std::string {
    int64_t value = 0;
    if (parse(text, value) && value >= low && value <= high) return {};
    return fmt::format("'{}' is not a whole number from {} to {}", printable(text), low, high);
  };
  return {check, ""};
}

CLI::Validator number(double low, double high, Ends ends) {
  if (ends == Ends::open) {
    return number_that([=](double value) { return value > low && value < high; },
                       fmt::format("a number between {} and {}, both excluded", low, high));
  }
  return number_that([=](double value) { return value >= low && value <= high; },
                     fmt::format("a number from {} to {}", low, high));
}

CLI::Validator finite_number() {
  return number_that([](double) { return true; }, "a finite number");
}

CLI::Validator positive_number() {
  return number_that([](double value) { return value > 0; }, "a finite number above 0");
}

CLI::Validator file_name() {
  return {[](std::string& text) { return text.empty() ? "name a file" : std::string(); }, ""};
}

CLI::Option* add_file(CLI::App& command, const char* name, std::filesystem::path& path,
                      const char* description) {
  return command.add_option(name, path, description)->type_name("FILE")->check(file_name());
}

std::shared_ptr<CLI::Formatter> help_formatter() { return std::make_shared<HelpFormatter>(); }

void add_device_options(CLI::App& command, ComputeOptions& options) {
  // Once more, so that help lists its group last.
  command.set_help_flag("-h,--help", "Print this help message and exit")->group("Common");
  command.add_option("--device", options.device, "Where to compute: auto, cpu, cuda or cuda:N")
      ->type_name("DEVICE")
      ->capture_default_str()
      ->group("Common");
  command
      .add_option(
          "--threads", options.threads,
          "CPU threads; the results are the same whatever their number [all that may be used]")
      ->type_name("N")
      ->check(whole_number(1, 1024))
      ->group("Common");
  command
      .add_option(
          "--precision", options.precision,
          "How products are computed: fp32; on CUDA devices also tf32, by cuDNN and cuBLAS, "
          "fp16 for scores, or auto: the fastest that flags the same images as fp32")
      ->type_name("PRECISION")
      ->check(CLI::IsMember({"auto", "fp32", "tf32", "fp16"}).description(""))
      ->capture_default_str()
      ->group("Common");
}

void add_compute_options(CLI::App& command, ComputeOptions& options) {
  add_device_options(command, options);
  command
      .add_option("--progress", options.progress,
                  "How to show progress: auto, bar, plain or none; auto is a bar on a terminal")
      ->type_name("STYLE")
      ->check(CLI::IsMember({"auto", "bar", "plain", "none"}).description(""))
      ->capture_default_str()
      ->group("Common");
  command.add_flag("--force", options.force, "Replace output files that exist")->group("Common");
}

EngineOptions engine_options(const ComputeOptions& options) {
  EngineOptions made;
  made.threads = options.threads;
  for (const Precision precision :
       {Precision::automatic, Precision::fp32, Precision::tf32, Precision::fp16}) {
    if (options.precision == name_of(precision)) made.precision = precision;
  }
  return made;
}

}  // namespace oddity
