#include "files/hdf5_writer.h"

#include <hdf5.h>

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace oddity {
namespace {

/// Owns an identifier of libhdf5.
class Handle {
 public:
  Handle() = default;
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() { reset(); }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  void reset() {
    if (id_ >= 0) close_(std::exchange(id_, -1));
  }
  // Implicit, as libhdf5's functions take it.
  operator hid_t() const { return id_; }  // NOLINT(google-explicit-constructor)

 private:
  hid_t id_ = -1;
  herr_t (*close_)(hid_t) = nullptr;
};

/// libhdf5 prints its errors unless told not to; the setting is the program's, so it is put back.
class QuietErrors {
 public:
  QuietErrors() {
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~QuietErrors() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

/// The innermost reason on libhdf5's error stack.
std::string last_reason() {
  std::string reason = "unknown";
  const auto take = [](unsigned, const H5E_error2_t* error, void* to) -> herr_t {
    if (error->desc != nullptr) *static_cast<std::string*>(to) = error->desc;
    return 1;  // no further
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take, &reason);
  return reason;
}

template <typename Result>
Result check(Result result) {
  if (result < 0) throw Error("HDF5 cannot be written: {}", last_reason());
  return result;
}

Handle properties(hid_t kind) { return {check(H5Pcreate(kind)), H5Pclose}; }

Handle simple_space(std::span<const hsize_t> extents) {
  return {check(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr)),
          H5Sclose};
}

Handle scalar_space() { return {check(H5Screate(H5S_SCALAR)), H5Sclose}; }

Handle text_type(size_t length) {
  Handle type(check(H5Tcopy(H5T_C_S1)), H5Tclose);
  check(H5Tset_size(type, std::max<size_t>(length, 1)));  // a type cannot be empty
  check(H5Tset_strpad(type, H5T_STR_NULLPAD));
  return type;
}

}  // namespace

struct Hdf5Writer::State {
  QuietErrors quiet;
  Handle file;

  Handle open(const std::string& path) const {
    return {check(H5Oopen(file, path.empty() ? "/" : path.c_str(), H5P_DEFAULT)), H5Oclose};
  }
  void attribute(const std::string& path, const char* name, hid_t file_type, hid_t memory_type,
                 hid_t space, const void* value) const {
    const Handle object = open(path);
    const Handle attribute(
        check(H5Acreate2(object, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT)), H5Aclose);
    check(H5Awrite(attribute, memory_type, value));
  }
  void array(const std::string& path, std::span<const hsize_t> extents, hid_t file_type,
             hid_t memory_type, const void* values) const {
    const Handle creation = properties(H5P_DATASET_CREATE);
    check(H5Pset_obj_track_times(creation, false));
    const Handle space = simple_space(extents);
    const Handle dataset(
        check(H5Dcreate2(file, path.c_str(), file_type, space, H5P_DEFAULT, creation, H5P_DEFAULT)),
        H5Dclose);
    if (std::find(extents.begin(), extents.end(), 0u) != extents.end()) return;
    check(H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values));
  }
};

Hdf5Writer::Hdf5Writer() : state_(std::make_unique<State>()) {
  constexpr size_t kGrowth = size_t{1} << 20;
  const Handle access = properties(H5P_FILE_ACCESS);
  check(H5Pset_fapl_core(access, kGrowth, /*backing_store=*/false));
  check(H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18));
  const Handle creation = properties(H5P_FILE_CREATE);
  check(H5Pset_obj_track_times(creation, false));
  state_->file = {check(H5Fcreate("in memory", H5F_ACC_TRUNC, creation, access)), H5Fclose};
}

Hdf5Writer::~Hdf5Writer() = default;

void Hdf5Writer::group(const std::string& path) {
  const Handle creation = properties(H5P_GROUP_CREATE);
  check(H5Pset_obj_track_times(creation, false));
  const Handle group(
      check(H5Gcreate2(state_->file, path.c_str(), H5P_DEFAULT, creation, H5P_DEFAULT)), H5Gclose);
}

void Hdf5Writer::attribute(const std::string& path, const char* name, std::string_view text) {
  const Handle type = text_type(text.size());
  const std::string value(text);  // ends in NUL, so that an empty text has its one byte
  state_->attribute(path, name, type, type, scalar_space(), value.c_str());
}

void Hdf5Writer::attribute(const std::string& path, const char* name,
                           const std::vector<std::string>& texts) {
  size_t length = 1;
  for (const std::string& text : texts) length = std::max(length, text.size());
  std::string table;
  for (const std::string& text : texts) {
    table += text;
    table.append(length - text.size(), '\0');
  }
  const Handle type = text_type(length);
  const hsize_t count = texts.size();
  state_->attribute(path, name, type, type, simple_space({&count, 1}), table.data());
}

void Hdf5Writer::attribute(const std::string& path, const char* name, double number) {
  state_->attribute(path, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, scalar_space(), &number);
}

void Hdf5Writer::attribute(const std::string& path, const char* name, uint64_t number) {
  state_->attribute(path, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, scalar_space(), &number);
}

void Hdf5Writer::array(const std::string& path, std::span<const int64_t> shape,
                       std::span<const float> values) {
  const std::vector<hsize_t> extents(shape.begin(), shape.end());
  state_->array(path, extents, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, values.data());
}

void Hdf5Writer::array(const std::string& path, std::span<const double> values) {
  const hsize_t count = values.size();
  state_->array(path, {&count, 1}, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, values.data());
}

std::string Hdf5Writer::finish() {
  check(H5Fflush(state_->file, H5F_SCOPE_GLOBAL));
  const ssize_t size = check(H5Fget_file_image(state_->file, nullptr, 0));
  std::string bytes(static_cast<size_t>(size), '\0');
  check(H5Fget_file_image(state_->file, bytes.data(), bytes.size()));
  state_->file.reset();
  return bytes;
}

}  // namespace oddity
