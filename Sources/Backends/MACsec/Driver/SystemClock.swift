// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import MKA

/// The time that the engine is told.
enum SystemClock {
  /// The uptime is the kernel's since it was booted, sleep included: it goes on over restarts of the agent, which is
  /// what lets a port be resumed.
  static func now() -> Moment { Moment(uptime: read(CLOCK_BOOTTIME), wallClock: read(CLOCK_REALTIME)) }

  private static func read(_ clock: clockid_t) -> Duration {
    var value = timespec()
    clock_gettime(clock, &value)
    return .seconds(Int64(value.tv_sec)) + .nanoseconds(Int64(value.tv_nsec))
  }

  /// What tells this run of the kernel from others; empty where the system does not say.
  static func bootIdentifier() -> String {
    guard let file = fopen("/proc/sys/kernel/random/boot_id", "r") else { return "" }
    defer { fclose(file) }
    var bytes = [CChar](repeating: 0, count: 64)
    guard fgets(&bytes, Int32(bytes.count), file) != nil else { return "" }
    return String(decoding: bytes.prefix { $0 > 32 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
