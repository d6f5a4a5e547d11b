# Every library the project uses, with the oldest version it is built and tested with (Debian 12's).
# The Debian packages that hold them are in packages.txt; what the static library needs at link time is
# looked for again in oddity-config.cmake.in.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(ZLIB 1.2 REQUIRED)
pkg_check_modules(oddity_hdf5 REQUIRED IMPORTED_TARGET hdf5>=1.10)
pkg_check_modules(oddity_libarchive REQUIRED IMPORTED_TARGET libarchive>=3.6)
pkg_check_modules(oddity_spng REQUIRED IMPORTED_TARGET spng>=0.7)
pkg_check_modules(oddity_deflate REQUIRED IMPORTED_TARGET libdeflate>=1.14)
pkg_check_modules(oddity_jpeg REQUIRED IMPORTED_TARGET libjpeg>=2)
pkg_check_modules(oddity_tiff REQUIRED IMPORTED_TARGET libtiff-4>=4.5)
pkg_check_modules(oddity_cairo REQUIRED IMPORTED_TARGET cairo>=1.16)
pkg_check_modules(oddity_highway REQUIRED IMPORTED_TARGET libhwy>=1.0)
pkg_check_modules(oddity_xxhash REQUIRED IMPORTED_TARGET libxxhash>=0.8)
pkg_check_modules(oddity_toml REQUIRED IMPORTED_TARGET tomlplusplus>=3.3)
pkg_check_modules(oddity_protobuf REQUIRED IMPORTED_TARGET protobuf>=3.21)
# Of ONNX only the messages, libonnx_proto. Its own CMake package wants all of its libraries to be there.
find_path(ODDITY_ONNX_INCLUDE onnx/onnx-ml.pb.h REQUIRED)
find_library(ODDITY_ONNX_PROTO onnx_proto REQUIRED)
mark_as_advanced(ODDITY_ONNX_INCLUDE ODDITY_ONNX_PROTO)
