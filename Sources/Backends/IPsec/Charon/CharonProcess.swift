// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc

/// Starting, watching and ending the process.
enum CharonProcess {
  /// Starts charon in a session of its own, with nothing of ours but the lock.
  ///
  /// - Parameter lock: inherited as descriptor 3; the lock stays as long as charon has it.
  /// - Throws: `program`.
  static func spawn(_ settings: CharonSettings, lock: Int32) throws(CharonError) -> Int32 {
    let words = settings.command
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0)
    posix_spawn_file_actions_adddup2(&actions, lock, 3)
    posix_spawn_file_actions_adddup2(&actions, 0, 1)
    posix_spawn_file_actions_adddup2(&actions, 0, 2)
    posix_spawn_file_actions_addclosefrom_np(&actions, 4)
    var none = sigset_t()
    var all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | setSession
    posix_spawnattr_setflags(&attributes, Int16(flags))
    let environment = ["STRONGSWAN_CONF=\(settings.configurationPath)", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    var process: pid_t = 0
    let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    let variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
    defer { for text in arguments + variables { free(text) } }
    let code = posix_spawn(&process, words[0], &actions, &attributes, arguments, variables)
    guard code == 0 else {
      throw CharonError(.program, "\(words[0]) cannot be started: \(systemReason(code))")
    }
    return process
  }

  /// POSIX_SPAWN_SETSID, which the C library hides without _GNU_SOURCE.
  private static let setSession: Int32 = 0x80

  /// A descriptor that becomes readable at the end of the process; nil when it has ended already.
  static func watch(_ process: Int32) -> Int32? {
    let descriptor = agentd_pidfd_open(process)
    return descriptor >= 0 ? descriptor : nil
  }

  /// Takes the status of an ended process; one that is no child of ours left it to another.
  static func reap(_ process: Int32) -> String {
    var status: Int32 = 0
    guard waitpid(process, &status, WNOHANG) == process else { return "charon (\(process)) has ended" }
    let signal = status & 0x7f
    return signal == 0
      ? "charon (\(process)) has ended with status \((status >> 8) & 0xff)"
      : "charon (\(process)) was ended by signal \(signal)"
  }
}
