// Ctrl-C: the work stops at the next safe place, nothing is left half-written.
#pragma once

namespace oddity {

/// From here on the first SIGINT or SIGTERM only raises a flag; the second ends the program at
/// once. A signal that is ignored when the program starts (nohup, a background job) stays ignored.
void catch_interrupts();

/// Throws Interrupted where the flag is up. Called wherever work may stop.
void throw_if_interrupted();

}  // namespace oddity
