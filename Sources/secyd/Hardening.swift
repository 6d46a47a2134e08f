// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc
import Secrets

/// What keeps keys in this process and this process small.
enum Hardening {
  private static let netAdmin: UInt64 = 1 << 12
  private static let netRaw: UInt64 = 1 << 13
  /// RLIMIT_MEMLOCK, which the C library's module leaves out.
  private static let lockedMemoryLimit = __rlimit_resource_t(8)

  /// No core dumps, no reading by debuggers of other users, no registers and memory in the report of a crash, and
  /// memory that is not paged out where that is allowed.
  ///
  /// - Returns: whether memory is locked.
  static func protectMemory() throws(SecydError) -> Bool {
    do throws(SecretsError) { try disableCoreDumps() } catch { throw SecydError("\(error)") }
    for number in [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGTRAP] { signal(number, SIG_DFL) }
    // With a limit memory could not grow any more once the right to lock is given up: then better not at all.
    var unlimited = rlimit(rlim_cur: rlim_t.max, rlim_max: rlim_t.max)
    guard setrlimit(Self.lockedMemoryLimit, &unlimited) == 0 else { return false }
    // MCL_CURRENT, MCL_FUTURE and MCL_ONFAULT: pages are locked as they come into use.
    return mlockall(1 | 2 | 4) == 0
  }

  /// All capabilities go but the two that packets and the controlled port need.
  static func dropPrivileges() throws(SecydError) {
    let wanted = netAdmin | netRaw
    guard agentd_effective_capabilities() & wanted == wanted else {
      throw SecydError("secyd needs the capabilities CAP_NET_ADMIN and CAP_NET_RAW")
    }
    guard agentd_keep_only_capabilities(wanted) == 0 else { throw .system("capabilities cannot be given up") }
  }
}

/// The lock that says that a secyd serves this directory: held as long as the process lives.
struct DirectoryLock: ~Copyable {
  private let descriptor: Int32

  init(path: String) throws(SecydError) {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw .system("cannot open \(path)") }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw SecydError("\(path) is held by another secyd") }
    let text = Array("\(getpid())\n".utf8)
    ftruncate(descriptor, 0)
    pwrite(descriptor, text, text.count, 0)
  }

  deinit { close(descriptor) }
}
