// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Netlink

extension SecYError {
  /// From what the kernel said when it was to do something.
  init(_ error: NetlinkError, _ what: String) {
    let code: Code =
      switch error {
      case .refused(let number, _):
        switch number {
        case ENODEV, ENOENT, ENXIO: .absent
        case EEXIST, EBUSY: .conflict
        case EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT: .unsupported
        default: .refused
        }
      case .timedOut, .inconsistent: .unreachable
      case .malformed, .system, .invalidRequest: .refused
      }
    self.init(code, "cannot \(what): \(error)")
  }
}

/// Runs a request and says what it was for when it fails; refusals with these numbers are none.
func doing<R>(
  _ what: String, _ body: () throws(NetlinkError) -> R
) throws(SecYError) -> R {
  do throws(NetlinkError) { return try body() } catch { throw SecYError(error, what) }
}

func doing(
  _ what: String, except numbers: Set<Int32>, _ body: () throws(NetlinkError) -> Void
) throws(SecYError) {
  do throws(NetlinkError) { try body() } catch {
    if let number = error.refusal, numbers.contains(number) { return }
    throw SecYError(error, what)
  }
}
