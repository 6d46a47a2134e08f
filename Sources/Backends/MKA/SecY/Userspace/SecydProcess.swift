// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Processes

/// Starting a secyd.
enum SecydProcess {
  /// Starts one in a session and a control group of its own, with nothing of ours but its log.
  ///
  /// - Throws: `refused`.
  static func spawn(
    _ settings: SecydSettings, _ directory: SecydDirectory, parent: String, port: String, sci: SCI
  ) throws(SecYError) -> Int32 {
    let digits = String(sci.rawValue, radix: 16)
    let words = [
      settings.program, "--parent", parent, "--port", port, "--sci",
      String(repeating: "0", count: 16 - digits.count) + digits, "--directory", directory.path,
    ]
    do throws(DetachedProcess.Failure) {
      // The report of a crash shows memory, where keys are.
      return try DetachedProcess.start(words, environment: ["SWIFT_BACKTRACE=enable=no"], log: directory.log)
    } catch {
      throw SecYError(.refused, "\(settings.program) cannot be started: \(error.reason)")
    }
  }

  /// Takes the status of a child that has ended; false while it lives.
  static func reap(_ process: Int32) -> Bool { DetachedProcess.reap(process) != nil }
}
