// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Why a server cannot start or go on.
public enum ServerError: Error, Sendable, CustomStringConvertible {
  /// A system call failed with this errno.
  case system(String, Int32)
  /// An address that cannot be listened on, with the reason.
  case address(String, reason: String)
  /// A host key that cannot be made, read or used, with the reason.
  case hostKey(String, reason: String)
  /// libssh refused, with its words.
  case ssh(String)

  public var description: String {
    switch self {
    case .system(let call, let code): "\(call): \(Self.text(code))"
    case .address(let address, let reason): "cannot listen on \(address): \(reason)"
    case .hostKey(let file, let reason): "host key \(file): \(reason)"
    case .ssh(let reason): "SSH library: \(reason)"
    }
  }

  static func text(_ code: Int32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let base = buffer.baseAddress, strerror_r(code, base, 256) == 0 else { return "error \(code)" }
      return String(cString: base)
    }
  }
}
