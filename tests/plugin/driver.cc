// Stands where NVIDIA's driver does. The program only asks whether it can be opened.
extern "C" [[gnu::visibility("default")]] int cuInit(unsigned) { return 100; }  // no device
