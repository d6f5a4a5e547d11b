// Loads the driver's double before anything looks for a driver: whoever opens libcuda.so.1 later
// gets it, on machines with a GPU, too.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdio>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (::dlopen(ODDITY_DRIVER_DOUBLE, RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    std::fprintf(stderr, "%s\n", ::dlerror());
    return 1;
  }
  return RUN_ALL_TESTS();
}
