# cmake -D build=… -D compiler=… -D generator=… -D libdir=… -D bindir=… -P check.cmake
set(folder ${build}/package)
file(REMOVE_RECURSE ${folder})
set(ENV{DESTDIR} "")

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\n${output}\nexit code ${result}")
  endif()
endfunction()

run(${CMAKE_COMMAND} --install ${build} --prefix ${folder}/first)
file(RENAME ${folder}/first ${folder}/moved)  # nothing may depend on where it was installed

# What README.md shows is what is run here.
file(READ ${CMAKE_CURRENT_LIST_DIR}/../../README.md readme)
file(READ ${CMAKE_CURRENT_LIST_DIR}/consumer/main.cc example)
string(REGEX REPLACE "^[^\n]*\n" "" example "${example}")  # the first line says where it belongs
string(FIND "${readme}" "${example}" position)
if(position EQUAL -1)
  message(FATAL_ERROR "README.md and consumer/main.cc differ")
endif()
string(REGEX MATCH "```toml\n([^`]*)```" settings "${readme}")
file(WRITE ${folder}/run/run.toml "${CMAKE_MATCH_1}")

# Moved and with the build tree's data out of reach, the program still finds its own.
run(${CMAKE_COMMAND} -E chdir ${folder}/run ${folder}/moved/${bindir}/oddity train
    --config run.toml --epochs 1)

run(${CMAKE_COMMAND} -G ${generator} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${folder}/consumer
    -D CMAKE_PREFIX_PATH=${folder}/moved -D CMAKE_CXX_COMPILER=${compiler} -D CMAKE_BUILD_TYPE=Release)
file(STRINGS ${folder}/consumer/CMakeCache.txt found REGEX "^oddity_DIR:")
if(NOT found STREQUAL "oddity_DIR:PATH=${folder}/moved/${libdir}/cmake/oddity")
  message(FATAL_ERROR "another package was found: ${found}")
endif()
run(${CMAKE_COMMAND} --build ${folder}/consumer)
run(${CMAKE_COMMAND} -E chdir ${folder}/run ${folder}/consumer/consumer images.npz autoencoder.h5)
