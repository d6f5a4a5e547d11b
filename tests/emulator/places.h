// Addresses in the program.
#pragma once

namespace oddity::emulator::checker {

/// `file:line` of a return address, with the lines it was inlined into: `a.cuh:3 in b.cu:7`. Needs
/// debug information and addr2line. Lives as long as the program.
const char* place_name(void* return_address);

/// Whether the address lies in the program's own image: constants and tables of the kernels.
bool is_program_data(const void* address);

}  // namespace oddity::emulator::checker
