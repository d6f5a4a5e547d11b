// The network as Keras keeps it in HDF5: the files of Keras 2 and 3's `save("x.h5")`, and the
// weights inside a Keras 3 archive.
#pragma once

#include "files/hdf5_reader.h"
#include "files/hdf5_writer.h"
#include "files/keras_config.h"
#include "files/model_file.h"

namespace oddity {

/// The array at `path` as the tensor `spec`. Throws Error unless it is float32 of its shape.
Tensor read_tensor(const Hdf5Reader& file, const std::string& path, const TensorSpec& spec);

/// Architecture and weights of a whole model file. Throws Error, without the file's name.
KerasConfig read_keras_config(const Hdf5Reader& file);
Weights read_keras_weights(const Hdf5Reader& file, const KerasConfig& config);

/// The weights of `model.weights.h5`, where objects are named by class and position.
Weights read_keras_archive_weights(const Hdf5Reader& file, const Architecture& architecture);

/// Writes what read_keras_archive_weights reads.
void write_keras_archive_weights(Hdf5Writer& file, const Architecture& architecture,
                                 const Weights& weights);

/// Writes what read_keras_config and read_keras_weights read, in the format of Keras 2, which Keras
/// 3 reads too.
void write_keras_model(Hdf5Writer& file, const Architecture& architecture, const Weights& weights);

}  // namespace oddity
