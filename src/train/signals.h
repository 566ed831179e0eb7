// What signals ask of a run: SIGINT and SIGTERM finish the step, save and stop (a second one: at once); SIGUSR1 saves
// beside the steps, writes the report once that is whole, and goes on.
#pragma once

namespace nuri {

/// Handlers while alive; the previous ones come back after.
class SignalScope {
 public:
  SignalScope();
  ~SignalScope();
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;
  static bool stop_asked();
  /// Whether a SIGUSR1 came since it was last taken; several are one.
  static bool save_asked();
  static bool take_save_asked();
};

}  // namespace nuri
