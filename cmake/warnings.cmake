# Every target of ours links this: warnings are errors, and arithmetic is what the source says.
add_library(oddity_warnings INTERFACE)
target_compile_options(oddity_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
    -Woverloaded-virtual -Wdouble-promotion
    $<$<BOOL:${ODDITY_WARNINGS_AS_ERRORS}>:-Werror>
    # No silent FMA: the same source gives the same bits on every path.
    -ffp-contract=off>
  $<$<COMPILE_LANGUAGE:CUDA>:
    -Xcompiler=-Wall,-Wextra,-Wshadow
    $<$<BOOL:${ODDITY_WARNINGS_AS_ERRORS}>:-Werror=all-warnings>>)

if(ODDITY_SANITIZE)
  # The standard library's own checks as well: an index past the end of a span is no heap overflow yet.
  target_compile_definitions(oddity_warnings INTERFACE _GLIBCXX_ASSERTIONS)
  target_compile_options(oddity_warnings INTERFACE
    -fsanitize=${ODDITY_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  target_link_options(oddity_warnings INTERFACE -fsanitize=${ODDITY_SANITIZE})
endif()
if(ODDITY_FUZZ)
  target_compile_options(oddity_warnings INTERFACE -fsanitize=fuzzer-no-link)
endif()
