# The CUDA engine is built where the CUDA toolkit and cuDNN's headers are found; their absence is one
# line, not an error. Neither is linked but for the static CUDA runtime: cuDNN and cuBLAS are opened by the
# engine when it first needs them.
set(ODDITY_CUDA AUTO CACHE STRING "Build the CUDA engine: AUTO (where the toolkit is found), ON, OFF")
set_property(CACHE ODDITY_CUDA PROPERTY STRINGS AUTO ON OFF)
set(oddity_oldest_cuda 12.8)  # the first that knows sm_100 and sm_120

# The tests run the kernels' sources without nvcc; all they need is the toolkit's headers.
find_package(CUDAToolkit ${oddity_oldest_cuda} QUIET)
find_package(CUDNN 9.8 QUIET)
set(why_no_cuda_engine "")
if(NOT CUDAToolkit_FOUND)
  set(why_no_cuda_engine "the CUDA toolkit ${oddity_oldest_cuda} or newer was not found")
elseif(NOT CUDNN_FOUND)
  set(why_no_cuda_engine "the headers of cuDNN 9.8 or newer were not found (CUDNN_ROOT names their folder)")
elseif(ODDITY_CUDA)
  # The toolkit just found is the one to compile with, on the PATH or not.
  if(NOT CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE})
  endif()
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    # Turing to Blackwell; PTX of the newest for what comes after it.
    set(CMAKE_CUDA_ARCHITECTURES 75-real;80-real;86-real;89-real;90-real;100-real;120 CACHE STRING
      "GPU architectures to build for")
  endif()
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
  enable_language(CUDA)
  # Before 3.26 CMake does not know what nvcc calls C++20.
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
endif()

set(ODDITY_HAS_CUDA OFF)
if(ODDITY_CUDA STREQUAL AUTO AND why_no_cuda_engine)
  message(STATUS "Without the CUDA engine: ${why_no_cuda_engine}")
elseif(ODDITY_CUDA AND why_no_cuda_engine)
  message(FATAL_ERROR "ODDITY_CUDA=${ODDITY_CUDA}, but ${why_no_cuda_engine}")
elseif(ODDITY_CUDA)
  set(ODDITY_HAS_CUDA ON)
  message(STATUS "CUDA engine: toolkit ${CUDAToolkit_VERSION}, cuDNN ${CUDNN_VERSION}, "
    "architectures ${CMAKE_CUDA_ARCHITECTURES}")
endif()
