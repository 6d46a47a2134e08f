// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc

/// Starting, and reaping, a secyd.
enum SecydProcess {
  /// POSIX_SPAWN_SETSID, which the C library hides without _GNU_SOURCE.
  private static let setSession: Int32 = 0x80

  /// Starts one in a session of its own, with nothing of ours but its log.
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
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0)
    posix_spawn_file_actions_adddup2(&actions, 0, 1)
    posix_spawn_file_actions_addopen(
      &actions, 2, directory.log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, 0o600)
    posix_spawn_file_actions_addclosefrom_np(&actions, 3)
    var none = sigset_t()
    var all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | setSession))
    // The report of a crash shows memory, where keys are.
    let environment = ["SWIFT_BACKTRACE=enable=no", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    let variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
    defer { for text in arguments + variables { free(text) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, settings.program, &actions, &attributes, arguments, variables)
    guard code == 0 else {
      throw SecYError(.refused, "\(settings.program) cannot be started: \(SecydDirectory.reason(code))")
    }
    return process
  }

  /// Takes the status of a child that has ended; false while it lives.
  static func reap(_ process: Int32) -> Bool {
    var status: Int32 = 0
    let result = waitpid(process, &status, WNOHANG)
    return result == process || (result < 0 && errno == ECHILD)
  }
}
