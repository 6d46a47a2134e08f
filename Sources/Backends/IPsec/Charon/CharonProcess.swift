// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Processes

/// Starting and watching the process.
enum CharonProcess {
  /// Starts charon in a session and a control group of its own, with nothing of ours but the lock.
  ///
  /// - Parameter lock: inherited as descriptor 3; the lock stays as long as charon has it.
  /// - Throws: `program`.
  static func spawn(_ settings: CharonSettings, lock: Int32) throws(CharonError) -> Int32 {
    let words = settings.command
    do throws(DetachedProcess.Failure) {
      return try DetachedProcess.start(
        words, environment: ["STRONGSWAN_CONF=\(settings.configurationPath)"], inherited: lock)
    } catch {
      throw CharonError(.program, "\(words.first ?? "charon") cannot be started: \(error.reason)")
    }
  }

  /// A descriptor that becomes readable at the end of the process; nil when it has ended already.
  static func watch(_ process: Int32) -> Int32? {
    let descriptor = agentd_pidfd_open(process)
    return descriptor >= 0 ? descriptor : nil
  }

  /// Takes the status of an ended process; one that is no child of ours left it to another.
  static func reap(_ process: Int32) -> String {
    switch DetachedProcess.reap(process) {
    case .status(let status)?: "charon (\(process)) has ended with status \(status)"
    case .signal(let signal)?: "charon (\(process)) was ended by signal \(signal)"
    case .unknown?, nil: "charon (\(process)) has ended"
    }
  }
}
