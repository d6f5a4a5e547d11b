// The names in one folder, in few bytes: there may be millions.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace oddity {

/// Files and folders, in the order of the bytes of their names; that of a folder ends in '/' and is
/// sorted with it, so that the paths of all files, folder by folder, are in the order of their
/// bytes. Links are what they lead to; those that lead nowhere are files. Left out are names that
/// begin with a dot, and what is neither file nor folder.
class FolderListing {
 public:
  /// Reads the folder open as `descriptor`, which it closes in any case. Throws ImageError.
  explicit FolderListing(int descriptor);

  size_t size() const { return names_.size(); }
  std::string_view operator[](size_t i) const { return names_[i]; }
  /// Whether there is a folder among them.
  bool has_folders() const { return has_folders_; }

 private:
  void add(std::string_view name, bool is_folder);

  // Names one after the other, each with a NUL at its end: blocks, as an array that grows would
  // need twice the memory for a moment.
  struct Block {
    std::unique_ptr<char[]> bytes;
    size_t used = 0;
    size_t size = 0;
  };
  std::vector<Block> blocks_;
  std::vector<const char*> names_;
  size_t count_ = 0;
  bool has_folders_ = false;
};

}  // namespace oddity
