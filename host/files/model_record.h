// What our model files say besides the network: the root group `oddity`, which Keras ignores.
#pragma once

#include <optional>

#include "files/hdf5_reader.h"
#include "files/hdf5_writer.h"
#include "files/model_file.h"

namespace oddity {

/// Versions of the group's layout; a file with a newer one is refused. A model whose images are
/// preprocessed has one of its own: a program that knows nothing of it would score wrongly in
/// silence. All others keep the first, which every program reads.
inline constexpr uint64_t kPlainModelFormat = 1;
inline constexpr uint64_t kPreprocessingModelFormat = 2;
inline constexpr uint64_t kScoreModelFormat = 3;

/// None where there is no such group. Throws Error, without the file's name, for a newer version
/// and for values that cannot be.
std::optional<ModelRecord> read_model_record(const Hdf5Reader& file);

/// Throws Error for values that read_model_record would refuse.
void write_model_record(Hdf5Writer& file, const ModelRecord& record);

/// Throws Error where preprocessed images are none that the network takes.
void check_fit(const ModelRecord& record, const Architecture& architecture);

}  // namespace oddity
