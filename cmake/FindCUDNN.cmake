# Finds the headers of cuDNN; the library is opened at run time and never linked. They lie in the
# CUDA toolkit, where NVIDIA's apt packages put them, or in the PyPI wheel (nvidia-cudnn-cu13),
# which has the library as libcudnn.so.9 alone. CUDNN_ROOT names another place.
#
#   CUDNN_FOUND
#   CUDNN_VERSION      9.19.0
#   CUDNN_INCLUDE_DIR  of cudnn_graph.h
#   CUDNN_LIBRARY_DIR  of libcudnn.so.9 where there is one beside the headers, for a run path
set(hints ${CUDAToolkit_INCLUDE_DIRS} ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_TARGET_DIR})

# The wheel's folder, of the Python that is found first.
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_Interpreter_FOUND)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -c
      "import importlib.util as u; print(*u.find_spec('nvidia.cudnn').submodule_search_locations)"
    OUTPUT_VARIABLE wheel OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  list(APPEND hints ${wheel})
endif()

find_path(CUDNN_INCLUDE_DIR cudnn_graph.h HINTS ${hints} PATH_SUFFIXES include)
# First the library beside the headers: another version may lie elsewhere.
cmake_path(GET CUDNN_INCLUDE_DIR PARENT_PATH beside)
find_path(CUDNN_LIBRARY_DIR libcudnn.so.9 HINTS ${beside} ${hints}
  PATH_SUFFIXES lib lib64 lib/${CMAKE_LIBRARY_ARCHITECTURE})
mark_as_advanced(CUDNN_INCLUDE_DIR CUDNN_LIBRARY_DIR)

unset(CUDNN_VERSION)
if(EXISTS ${CUDNN_INCLUDE_DIR}/cudnn_version.h)
  set(parts "")
  foreach(part MAJOR MINOR PATCHLEVEL)
    file(STRINGS ${CUDNN_INCLUDE_DIR}/cudnn_version.h line REGEX "^#define CUDNN_${part} +[0-9]+")
    string(REGEX REPLACE "^#define CUDNN_${part} +([0-9]+).*" "\\1" number "${line}")
    list(APPEND parts ${number})
  endforeach()
  list(JOIN parts "." CUDNN_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CUDNN
  REQUIRED_VARS CUDNN_INCLUDE_DIR
  VERSION_VAR CUDNN_VERSION)

foreach(variable hints wheel beside parts part line number)
  unset(${variable})
endforeach()
