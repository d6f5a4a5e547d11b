#include "detect/score_line.h"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/text.h"

namespace oddity {
namespace {

enum class Type { number, text, flag };

/// A column while a line is read.
struct Field {
  std::string_view name;
  Type type;
  std::string* value;
  bool is_there = false;
};

/// Takes the keys and values of one object as the parser comes to them; keeps the columns', and
/// what is wrong first. Returns false, which ends the parsing, where something is.
class Handler final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Handler(std::array<Field, 5>& fields) : fields_(fields) {}

  const std::string& problem() const { return problem_; }

  bool null() override { return take(nullptr, "null", {}); }
  bool boolean(bool value) override {
    static constexpr Type kType = Type::flag;
    return take(&kType, "true or false", value ? "true" : "false");
  }
  bool number_integer(number_integer_t value) override {
    return take_number(fmt::format("{}", value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return take_number(fmt::format("{}", value));
  }
  bool number_float(number_float_t, const string_t& text) override { return take_number(text); }
  bool string(string_t& value) override {
    static constexpr Type kType = Type::text;
    return take(&kType, "a string", value);
  }
  bool binary(binary_t&) override { return false; }  // JSON has none

  bool start_object(std::size_t) override { return ++depth_ == 1 || begin_nested("an object"); }
  bool start_array(std::size_t) override {
    if (++depth_ == 1) return fail("an array");
    return begin_nested("an array");
  }
  bool end_object() override { return --depth_ >= 0; }
  bool end_array() override { return --depth_ >= 0; }

  bool key(string_t& name) override {
    if (depth_ != 1) return true;
    field_ = nullptr;
    for (Field& field : fields_) {
      if (field.name == name) field_ = &field;
    }
    if (field_ == nullptr) return true;
    if (field_->is_there) return fail(fmt::format("the key {} is there twice", field_->name));
    return field_->is_there = true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return fail(fmt::format("not a JSON object: damaged at byte {}", position));
  }

 private:
  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  bool begin_nested(std::string_view what) {
    if (depth_ != 2 || field_ == nullptr) return true;
    return fail(fmt::format("{} is {}", field_->name, what));
  }

  bool take_number(std::string text) {
    static constexpr Type kType = Type::number;
    return take(&kType, "a number", std::move(text));
  }

  /// `type` is null for a value that may stand in every column.
  bool take(const Type* type, std::string_view what, std::string value) {
    if (depth_ == 0) return fail(fmt::format("not a JSON object, but {}", what));
    if (depth_ > 1 || field_ == nullptr) return true;
    if (type != nullptr && *type != field_->type) {
      return fail(
          fmt::format("{} is {}: not what a table of scores holds there", field_->name, what));
    }
    *field_->value = std::move(value);
    return true;
  }

  std::array<Field, 5>& fields_;
  Field* field_ = nullptr;  // that the next value at depth 1 is of; null for one of no column
  int64_t depth_ = 0;
  std::string problem_;
};

}  // namespace

std::pair<ScoreLine, ScoreLine::Columns> ScoreLineReader::read(
    std::string_view line, const std::function<std::string()>& place) {
  std::array<Field, 5> fields{{{"index", Type::number, &index_},
                               {"path", Type::text, &path_},
                               {"score", Type::number, &score_},
                               {"is_outlier", Type::flag, &is_outlier_},
                               {"status", Type::text, &status_}}};
  for (const Field& field : fields) field.value->clear();
  // The parser would take a zero byte for the end of the line.
  if (line.find('\0') != line.npos) throw Error("{}: not a JSON object: a zero byte", place());
  Handler handler(fields);
  if (!nlohmann::json::sax_parse(line.begin(), line.end(), &handler)) {
    throw Error("{}: {}", place(), handler.problem());
  }
  if (!fields[2].is_there) {
    throw Error("{}: there is no score: a row without one has the score null", place());
  }
  return {{index_, path_, score_, is_outlier_, status_},
          {fields[0].is_there, fields[1].is_there, fields[3].is_there, fields[4].is_there}};
}

}  // namespace oddity
