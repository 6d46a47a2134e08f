// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

extension LinkAddress {
  /// The address with its prefix length, such as `192.0.2.1/24`; nil when the bytes do not fit the family.
  public var text: String? {
    guard bytes.count == (family == .ipv4 ? 4 : 16) else { return nil }
    return AddressPrefix(self)?.description
  }
}
