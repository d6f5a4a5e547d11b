#include "data/pickle.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "data/pickle_file.h"
#include "data/pickle_opcodes.h"
#include "data/pickle_text.h"
#include "data/pickle_values.h"

namespace oddity {
namespace {

using namespace pickle;

// A plain array needs some twenty of each; memory is held to what such bounds allow.
constexpr size_t kMaxStack = 100;
constexpr size_t kMaxMemo = 1000;
constexpr size_t kMaxItems = 1000;  // in all tuples together
constexpr int kMaxDepth = 8;
constexpr int kNewestProtocol = 5;

class Interpreter {
 public:
  Interpreter(std::string_view pickle, std::string_view name, std::string& decoded)
      : file_(pickle, name), decoded_(decoded) {}

  Array run() {
    while (step()) {
    }
    if (stack_.size() != 1 || !marks_.empty()) not_plain();
    const auto* array = std::get_if<std::shared_ptr<Array>>(&stack_.back().held);
    if (!array || !(*array)->complete) not_plain();
    file_.expect_end();
    return **array;
  }

 private:
  [[noreturn]] void not_plain() const { file_.not_plain(); }

  // The stack and the memo.

  template <typename T>
  void push(T value) {
    if (stack_.size() == kMaxStack) not_plain();
    stack_.push_back({std::move(value)});
  }
  Value pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) not_plain();
    Value top = std::move(stack_.back());
    stack_.pop_back();
    return top;
  }
  Value& top() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) not_plain();
    return stack_.back();
  }
  void put(uint64_t key) {
    if (memo_.size() == kMaxMemo) not_plain();
    memo_[key] = top();
  }
  void get(uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) not_plain();
    push(found->second.held);
  }
  void tuple(size_t count) {
    items_ += count;
    if (items_ > kMaxItems) not_plain();
    auto made = std::make_shared<Tuple>();
    int depth = 0;
    for (; count > 0; --count) {
      made->items.push_back(pop());
      const auto* inner = std::get_if<std::shared_ptr<const Tuple>>(&made->items.back().held);
      if (inner) depth = std::max(depth, (*inner)->depth);
    }
    if (depth == kMaxDepth) not_plain();
    made->depth = depth + 1;
    std::reverse(made->items.begin(), made->items.end());
    push(std::shared_ptr<const Tuple>(std::move(made)));
  }
  void marked_tuple() {
    if (marks_.empty()) not_plain();
    const size_t mark = marks_.back();
    tuple(stack_.size() - mark);
    marks_.pop_back();
  }

  /// `value` as a T, or an error.
  template <typename T>
  const T& as(const Value& value) const {
    const T* held = std::get_if<T>(&value.held);
    if (!held) not_plain();
    return *held;
  }
  const std::vector<Value>& items(const Value& value, size_t count) const {
    const auto& tuple = as<std::shared_ptr<const Tuple>>(value)->items;
    if (tuple.size() != count) not_plain();
    return tuple;
  }

  // What NumPy writes.

  void global(std::string_view module, std::string_view name) {
    for (const KnownName& known : kKnownNames) {
      if (known.module == module && known.name == name) return push(known.global);
    }
    throw Error(
        "{}: the pickle asks for {}.{}, which is refused and was not executed: only a plain NumPy "
        "array of numbers is read: save NPZ",
        file_.name(), printable(module), printable(name));
  }

  std::vector<int64_t> shape(const Value& value) const {
    std::vector<int64_t> extents;
    for (const Value& extent : as<std::shared_ptr<const Tuple>>(value)->items) {
      extents.push_back(as<int64_t>(extent));
    }
    return extents;
  }

  Value encode(const Value& text, const Value& encoding) {
    if (as<Text>(encoding).raw != "latin1") not_plain();
    // Bytes are never more than the text they come from, and a text is decoded once: more than the
    // whole file is an attack. It also means that `decoded_` never moves.
    const Text& held = as<Text>(text);
    if (held.raw.size() > file_.size() - encoded_) not_plain();
    if (encoded_ == 0) decoded_.reserve(file_.size());
    encoded_ += held.raw.size();
    const size_t at = decoded_.size();
    if (!append_latin1(held, decoded_)) not_plain();
    return {Bytes{std::string_view(decoded_).substr(at)}};
  }

  void reduce() {
    const Value arguments = pop();
    const Value callee = pop();
    switch (as<Global>(callee)) {
      case Global::encode: {
        const auto& given = items(arguments, 2);
        return push(encode(given[0], given[1]).held);
      }
      case Global::reconstruct: {
        const auto& given = items(arguments, 3);
        if (as<Global>(given[0]) != Global::ndarray || shape(given[1]) != std::vector<int64_t>{0} ||
            as<Bytes>(given[2]).view != "b") {
          not_plain();
        }
        return push(std::make_shared<Array>());
      }
      case Global::dtype: {
        const auto& given = items(arguments, 3);
        Dtype dtype{fmt::format("|{}", as<Text>(given[0]).raw.substr(0, 16))};
        if (dtype.type.starts_with("|O")) check_array({dtype.type, {}, 0}, file_.name());
        if (as<bool>(given[1]) || !as<bool>(given[2])) not_plain();
        return push(std::make_shared<Dtype>(std::move(dtype)));
      }
      case Global::frombuffer: {
        const auto& given = items(arguments, 4);
        return push(std::make_shared<Array>(
            array(given[2], given[1], as<Text>(given[3]).raw != "C", given[0])));
      }
      case Global::ndarray:
        break;
    }
    not_plain();
  }

  Array array(const Value& extents, const Value& type, bool fortran_order, const Value& numbers) {
    if (fortran_order) {
      throw Error("{}: the array is in Fortran order: save np.ascontiguousarray(array)",
                  file_.name());
    }
    return {true, as<std::shared_ptr<Dtype>>(type)->type, shape(extents), as<Bytes>(numbers).view};
  }

  void build() {
    const Value state = pop();
    Value& target = top();
    if (const auto* dtype = std::get_if<std::shared_ptr<Dtype>>(&target.held)) {
      // (3, byte order, subarray, names, fields, item size, alignment, flags)
      const auto& given = items(state, 8);
      const std::string_view order = as<Text>(given[1]).raw;
      if (as<int64_t>(given[0]) != 3 || order.size() != 1) not_plain();
      for (const size_t none : {2, 3, 4}) as<None>(given[none]);
      (*dtype)->type.front() = order[0];
      return;
    }
    const auto& built = as<std::shared_ptr<Array>>(target);
    // (1, shape, dtype, in Fortran order, numbers)
    const auto& given = items(state, 5);
    if (as<int64_t>(given[0]) != 1) not_plain();
    *built = array(given[1], given[2], as<bool>(given[3]), given[4]);
  }

  /// Interprets one opcode; false at the end.
  bool step() {
    const auto opcode = static_cast<unsigned char>(file_.take(1)[0]);
    switch (opcode) {
      case kProtocol:
        if (const auto protocol = file_.unsigned_integer(1); protocol > kNewestProtocol) {
          throw Error("{}: pickle protocol {}, the newest known is {}: save NPZ", file_.name(),
                      protocol, kNewestProtocol);
        }
        break;
      case kFrame:
        file_.take(8);
        break;
      case kStop:
        return false;
      case kMark:
        if (marks_.size() == kMaxStack) not_plain();
        marks_.push_back(stack_.size());
        break;
      case kNone:
        push(None{});
        break;
      case kNewTrue:
        push(true);
        break;
      case kNewFalse:
        push(false);
        break;
      case kInt: {
        const std::string_view text = file_.line();
        if (text == "00" || text == "01") {
          push(text == "01");
        } else {
          push(file_.decimal(text));
        }
        break;
      }
      case kLong: {
        std::string_view text = file_.line();
        if (text.ends_with('L')) text.remove_suffix(1);
        push(file_.decimal(text));
        break;
      }
      case kBinInt:
        push(file_.signed_integer(4));
        break;
      case kBinInt1:
        push(static_cast<int64_t>(file_.unsigned_integer(1)));
        break;
      case kBinInt2:
        push(static_cast<int64_t>(file_.unsigned_integer(2)));
        break;
      case kLong1:
        push(file_.signed_integer(file_.unsigned_integer(1)));
        break;
      case kUnicode:
        push(Text{file_.line(), true});
        break;
      case kBinUnicode:
        push(Text{file_.take(file_.unsigned_integer(4)), false});
        break;
      case kShortBinUnicode:
        push(Text{file_.take(file_.unsigned_integer(1)), false});
        break;
      case kBinUnicode8:
        push(Text{file_.take(file_.unsigned_integer(8)), false});
        break;
      case kBinBytes:
        push(Bytes{file_.take(file_.unsigned_integer(4))});
        break;
      case kShortBinBytes:
        push(Bytes{file_.take(file_.unsigned_integer(1))});
        break;
      case kBinBytes8:
      case kByteArray8:
        push(Bytes{file_.take(file_.unsigned_integer(8))});
        break;
      case kEmptyTuple:
        tuple(0);
        break;
      case kTuple1:
        tuple(1);
        break;
      case kTuple2:
        tuple(2);
        break;
      case kTuple3:
        tuple(3);
        break;
      case kTuple:
        marked_tuple();
        break;
      case kGlobal: {
        const std::string_view module = file_.line();
        global(module, file_.line());
        break;
      }
      case kStackGlobal: {
        const Value name = pop();
        const Value module = pop();
        global(as<Text>(module).raw, as<Text>(name).raw);
        break;
      }
      case kPut:
        put(static_cast<uint64_t>(file_.decimal(file_.line())));
        break;
      case kBinPut:
        put(file_.unsigned_integer(1));
        break;
      case kLongBinPut:
        put(file_.unsigned_integer(4));
        break;
      case kMemoize:
        put(memo_.size());
        break;
      case kGet:
        get(static_cast<uint64_t>(file_.decimal(file_.line())));
        break;
      case kBinGet:
        get(file_.unsigned_integer(1));
        break;
      case kLongBinGet:
        get(file_.unsigned_integer(4));
        break;
      case kReduce:
        reduce();
        break;
      case kBuild:
        build();
        break;
      default:
        throw Error(
            "{}: the pickle's instruction {:#04x} at byte {} is no part of a plain NumPy array of "
            "numbers: save NPZ",
            file_.name(), opcode, file_.at() - 1);
    }
    return true;
  }

  PickleFile file_;
  std::string& decoded_;
  size_t encoded_ = 0;
  std::vector<Value> stack_;
  std::vector<size_t> marks_;
  std::map<uint64_t, Value> memo_;
  size_t items_ = 0;
};

}  // namespace

bool is_pickle(std::string_view start) {
  if (start.size() < 2) return false;
  const auto second = static_cast<unsigned char>(start[1]);
  // From protocol 2 on the file says so. Before, an object begins with a name or a mark.
  return (start[0] == '\x80' && second >= 2 && second <= 16) ||
         (start[0] == 'c' && start.find('\n') != start.npos) || start[0] == '(';
}

void read_pickle(std::string_view pickle, std::string_view name, PickledArray& found) {
  Array array = Interpreter(pickle, name, found.decoded).run();
  found.array = {std::move(array.type), std::move(array.shape), 0};
  found.numbers = array.numbers;
  check_array(found.array, name);
  if (found.numbers.size() != found.array.bytes()) {
    throw Error("{}: {} of shape {} need {} bytes, there are {}: write the file again", name,
                found.array.type, shape_text(found.array.shape), found.array.bytes(),
                found.numbers.size());
  }
}

}  // namespace oddity
