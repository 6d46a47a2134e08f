// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

extension LinkAddress {
  /// The address with its prefix length, such as `192.0.2.1/24`; nil when the bytes do not fit the family.
  public var text: String? {
    guard bytes.count == (family == .ipv4 ? 4 : 16) else { return nil }
    var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let code = family == .ipv4 ? AF_INET : AF_INET6
    guard inet_ntop(code, bytes, &buffer, socklen_t(buffer.count)) != nil else { return nil }
    let digits = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return String(decoding: digits, as: UTF8.self) + "/\(prefixLength)"
  }
}
