// A libcuda.so.1 without a device, for these tests only and never installed: with it cuDNN plans
// engines that compile their kernels at run time on machines without a driver. Loading what was
// compiled "succeeds"; whatever would need a device answers that there is none.
//
// The functions are those that cuDNN 9.19 looks up when it loads the driver. They have the names of
// the driver's, not its parameters: what is passed beyond the first goes unread.

extern "C" {

using Result = int;  // CUresult
constexpr Result kSuccess = 0;
constexpr Result kNoDevice = 100;

Result cuDriverGetVersion(int* version) {
  *version = 13000;
  return kSuccess;
}
Result cuGetErrorName(Result, const char** text) {
  *text = "DRIVER_DOUBLE";
  return kSuccess;
}
Result cuGetErrorString(Result, const char** text) {
  *text = "this driver is a test double";
  return kSuccess;
}

// Handles are only ever handed back: any address that is not null does.
#define ODDITY_GIVES_A_HANDLE(function) \
  Result function(void** handle) {      \
    static char something;              \
    *handle = &something;               \
    return kSuccess;                    \
  }
ODDITY_GIVES_A_HANDLE(cuLibraryLoadData)
ODDITY_GIVES_A_HANDLE(cuLibraryGetKernel)
ODDITY_GIVES_A_HANDLE(cuLibraryGetModule)
ODDITY_GIVES_A_HANDLE(cuKernelGetFunction)
ODDITY_GIVES_A_HANDLE(cuModuleLoadData)
ODDITY_GIVES_A_HANDLE(cuModuleLoadDataEx)
ODDITY_GIVES_A_HANDLE(cuModuleGetFunction)

Result cuKernelGetAttribute(int* value) {
  *value = 0;
  return kSuccess;
}

#define ODDITY_SUCCEEDS(function) \
  Result function() { return kSuccess; }
ODDITY_SUCCEEDS(cuKernelSetAttribute)
ODDITY_SUCCEEDS(cuFuncSetAttribute)
ODDITY_SUCCEEDS(cuLibraryUnload)
ODDITY_SUCCEEDS(cuModuleUnload)

#define ODDITY_HAS_NO_DEVICE(function) \
  Result function() { return kNoDevice; }
ODDITY_HAS_NO_DEVICE(cuInit)
ODDITY_HAS_NO_DEVICE(cuDeviceGet)
ODDITY_HAS_NO_DEVICE(cuDeviceGetCount)
ODDITY_HAS_NO_DEVICE(cuDeviceGetAttribute)
ODDITY_HAS_NO_DEVICE(cuCtxGetCurrent)
ODDITY_HAS_NO_DEVICE(cuCtxGetLimit)
ODDITY_HAS_NO_DEVICE(cuCtxPopCurrent)
ODDITY_HAS_NO_DEVICE(cuCtxPushCurrent)
ODDITY_HAS_NO_DEVICE(cuStreamGetCtx)
ODDITY_HAS_NO_DEVICE(cuLinkCreate)
ODDITY_HAS_NO_DEVICE(cuLinkAddData)
ODDITY_HAS_NO_DEVICE(cuLinkComplete)
ODDITY_HAS_NO_DEVICE(cuLinkDestroy)
ODDITY_HAS_NO_DEVICE(cuLibraryLoadFromFile)
ODDITY_HAS_NO_DEVICE(cuLaunchKernel)
ODDITY_HAS_NO_DEVICE(cuLaunchKernelEx)
ODDITY_HAS_NO_DEVICE(cuLaunchCooperativeKernel)
ODDITY_HAS_NO_DEVICE(cuOccupancyMaxPotentialClusterSize)
ODDITY_HAS_NO_DEVICE(cuOccupancyMaxActiveClusters)
ODDITY_HAS_NO_DEVICE(cuOccupancyMaxActiveBlocksPerMultiprocessor)
ODDITY_HAS_NO_DEVICE(cuOccupancyAvailableDynamicSMemPerBlock)

}  // extern "C"
