# The oldest compilers the project is built and tested with; an older one would fail later and in
# many more words.
set(oddity_oldest_GNU 12)
set(oddity_oldest_Clang 14)
if(NOT DEFINED oddity_oldest_${CMAKE_CXX_COMPILER_ID})
  message(WARNING "Oddity is tested with GCC and Clang, not with ${CMAKE_CXX_COMPILER_ID}")
elseif(CMAKE_CXX_COMPILER_VERSION VERSION_LESS oddity_oldest_${CMAKE_CXX_COMPILER_ID})
  message(FATAL_ERROR
    "Oddity needs ${CMAKE_CXX_COMPILER_ID} ${oddity_oldest_${CMAKE_CXX_COMPILER_ID}} or newer, "
    "${CMAKE_CXX_COMPILER} is ${CMAKE_CXX_COMPILER_VERSION}: choose another with CXX=…")
endif()
