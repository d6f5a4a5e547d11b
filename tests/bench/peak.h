// What a core can do at most.
#pragma once

namespace oddity::bench {

/// Multiply-adds of float32 numbers a second that this thread makes in about `seconds`, in
/// registers and in the widest vectors of the machine: half its floating-point operations.
double multiply_adds_a_second(double seconds);

}  // namespace oddity::bench
