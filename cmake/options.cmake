include(GNUInstallDirs)

# What a newer compiler newly warns of must not stop a person who only wants the program: warnings are
# errors with the compilers that CI runs.
set(tested OFF)
if(PROJECT_IS_TOP_LEVEL AND
   CMAKE_CXX_COMPILER_VERSION VERSION_LESS_EQUAL ${oddity_oldest_${CMAKE_CXX_COMPILER_ID}}.99)
  set(tested ON)
endif()

option(ODDITY_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(ODDITY_FUZZ "Build tests/fuzz as libFuzzer programs (Clang only)" OFF)
option(ODDITY_WARNINGS_AS_ERRORS "Stop at warnings" ${tested})
set(ODDITY_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread")
unset(tested)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# The target all_verify_interface_header_sets compiles each installed header by itself.
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ${PROJECT_IS_TOP_LEVEL})

find_program(ODDITY_CCACHE ccache)
mark_as_advanced(ODDITY_CCACHE)
if(ODDITY_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ODDITY_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${ODDITY_CCACHE})
endif()

if(ODDITY_FUZZ AND NOT CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  message(FATAL_ERROR "ODDITY_FUZZ needs Clang (libFuzzer), this is ${CMAKE_CXX_COMPILER_ID}: use --preset fuzz")
endif()
