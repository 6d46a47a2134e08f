// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Why a netlink exchange failed.
public enum NetlinkError: Error, Sendable, Hashable {
  /// A message does not follow its format; the text says where.
  case malformed(String)
  /// The kernel refused the request, with its error number and, where it gave one, its reason.
  case refused(errorNumber: Int32, reason: String?)
  /// A socket call failed.
  case system(call: String, errorNumber: Int32)
  /// The kernel did not answer in time.
  case timedOut
  /// The answer changed while it was read, again and again.
  case inconsistent
  /// The request cannot be made; the text says why.
  case invalidRequest(String)
}

extension NetlinkError {
  /// The kernel's error number, if it refused.
  public var refusal: Int32? {
    if case .refused(let number, _) = self { number } else { nil }
  }
}

extension NetlinkError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .malformed(let what): "malformed netlink message: \(what)"
    case .refused(let number, let reason):
      "the kernel refused: \(reason.map { "\($0) (\(Self.text(number)))" } ?? Self.text(number))"
    case .system(let call, let number): "\(call) on a netlink socket: \(Self.text(number))"
    case .timedOut: "the kernel did not answer a netlink request in time"
    case .inconsistent: "the kernel's tables changed each time they were read"
    case .invalidRequest(let what): what
    }
  }

  private static func text(_ number: Int32) -> String { String(cString: strerror(number)) }
}
