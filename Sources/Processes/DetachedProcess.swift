// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc

/// A program that is to outlive the one that starts it: in a session of its own, with default signals, with nothing of
/// ours but what is named.
public enum DetachedProcess {
  /// The program cannot be started.
  public struct Failure: Error, Sendable {
    public let errorNumber: Int32
    /// What the system says, without the name of the program.
    public var reason: String { String(cString: strerror(errorNumber)) }
  }

  /// How a child ended.
  public enum Ending: Sendable, Equatable {
    case status(Int32)
    case signal(Int32)
    /// It is no child of ours, or its status has been taken before.
    case unknown
  }

  /// Starts a program. Standard input and output are `/dev/null`.
  ///
  /// - Parameters:
  ///   - words: the path of the program, and its arguments.
  ///   - environment: `NAME=value`, besides the path for programs.
  ///   - log: a file that is emptied, or made for its owner, and gets standard error; `/dev/null` when nil.
  ///   - inherited: a descriptor that the program gets as its number 3.
  public static func start(
    _ words: [String], environment: [String], log: String? = nil, inherited: Int32? = nil
  ) throws(Failure) -> Int32 {
    guard let program = words.first else { throw Failure(errorNumber: ENOENT) }
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0)
    // Before 1 and 2, which it could be.
    if let inherited { posix_spawn_file_actions_adddup2(&actions, inherited, 3) }
    posix_spawn_file_actions_adddup2(&actions, 0, 1)
    if let log {
      posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, 0o600)
    } else {
      posix_spawn_file_actions_adddup2(&actions, 0, 2)
    }
    posix_spawn_file_actions_addclosefrom_np(&actions, inherited == nil ? 3 : 4)
    var none = sigset_t()
    var all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | setSession))
    let variables = environment + ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    let settings: [UnsafeMutablePointer<CChar>?] = variables.map { strdup($0) } + [nil]
    defer { for text in arguments + settings { free(text) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, program, &actions, &attributes, arguments, settings)
    guard code == 0 else { throw Failure(errorNumber: code) }
    ControlGroup.separate(process)
    return process
  }

  /// POSIX_SPAWN_SETSID, which the C library hides without _GNU_SOURCE.
  private static let setSession: Int32 = 0x80

  /// Takes the status of a child that has ended; nil while it lives.
  public static func reap(_ process: Int32) -> Ending? {
    var status: Int32 = 0
    let result = waitpid(process, &status, WNOHANG)
    guard result == process else { return result < 0 && errno == ECHILD ? .unknown : nil }
    ControlGroup.sweep()
    let signal = status & 0x7f
    return signal == 0 ? .status((status >> 8) & 0xff) : .signal(signal)
  }
}
