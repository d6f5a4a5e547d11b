#include "interrupt.h"

#include <csignal>

#include "core/error.h"

namespace oddity {
namespace {

// A signal handler can reach nothing but a global of this type.
volatile std::sig_atomic_t interrupted = 0;

extern "C" void raise_flag(int) { interrupted = 1; }

}  // namespace

void catch_interrupts() {
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler == SIG_IGN) continue;
    struct sigaction action {};
    action.sa_handler = raise_flag;
    sigemptyset(&action.sa_mask);
    // Restart: a read or write that was under way goes on; the flag is looked at in between.
    action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
    sigaction(signal, &action, nullptr);
  }
}

void throw_if_interrupted() {
  if (interrupted != 0) throw Interrupted("interrupted: no file was written");
}

}  // namespace oddity
