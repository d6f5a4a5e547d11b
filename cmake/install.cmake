# The install tree: bin/oddity, its data and the CUDA engine beside it, the library with its headers, and the package that
# find_package(oddity) reads. Nothing in it holds an absolute path: it can be moved.
include(CMakePackageConfigHelpers)

install(TARGETS oddity EXPORT oddity
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/oddity)
if(TARGET oddity_program)
  install(TARGETS oddity_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET oddity_cuda)
  # Beside bin/, as the program looks for it, whatever the folder of libraries is called.
  install(TARGETS oddity_cuda LIBRARY DESTINATION lib)
endif()
install(DIRECTORY apps/data/mnist DESTINATION ${CMAKE_INSTALL_DATADIR}/oddity)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/oddity)
install(EXPORT oddity NAMESPACE oddity:: FILE oddity-targets.cmake DESTINATION ${package})
configure_package_config_file(cmake/oddity-config.cmake.in oddity-config.cmake
  INSTALL_DESTINATION ${package})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/oddity-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/oddity-config.cmake
              ${PROJECT_BINARY_DIR}/oddity-config-version.cmake DESTINATION ${package})
