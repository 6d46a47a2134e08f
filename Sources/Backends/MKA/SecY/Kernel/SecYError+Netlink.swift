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
