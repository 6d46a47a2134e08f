// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Glibc

/// Network namespaces for tests: work runs on a thread of its own, alone in a new namespace.
public enum NetworkNamespace {
  /// Whether this process may make them.
  public static let isPermitted: Bool = {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
    let mask = line.flatMap { UInt64($0.dropFirst(7).trimmingCharacters(in: .whitespaces), radix: 16) } ?? 0
    return mask & (1 << 21) != 0 && mask & (1 << 12) != 0  // CAP_SYS_ADMIN, CAP_NET_ADMIN
  }()

  /// Carries out `work` in a namespace with nothing but its loopback, and gives back what it threw.
  public static func run(_ work: @escaping @Sendable () throws -> Void) async throws {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      let thread = Thread {
        // What Swift's own module for the C library leaves out: unshare and CLONE_NEWNET.
        guard let symbol = dlsym(nil, "unshare"),
          unsafeBitCast(symbol, to: (@convention(c) (Int32) -> Int32).self)(0x4000_0000) == 0
        else {
          return continuation.resume(throwing: POSIXError(POSIXErrorCode(rawValue: errno) ?? .EPERM))
        }
        continuation.resume(with: Result { try work() })
      }
      thread.start()
    }
  }
}
