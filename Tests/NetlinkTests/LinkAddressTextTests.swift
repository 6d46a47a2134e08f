// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import Netlink

@Suite struct LinkAddressTextTests {
  private func address(_ family: LinkAddress.Family, _ bytes: [UInt8], _ length: UInt8) -> LinkAddress {
    LinkAddress(family: family, bytes: bytes, prefixLength: length, scope: .universe, link: 1, isTentative: false)
  }

  @Test func addressesAreWrittenWithTheirPrefixLength() {
    #expect(address(.ipv4, [192, 0, 2, 1], 24).text == "192.0.2.1/24")
    #expect(
      address(.ipv6, [0x20, 1, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [1], 64).text == "2001:db8::1/64")
  }

  @Test func bytesThatAreNoAddressGiveNoText() {
    #expect(address(.ipv4, [1, 2, 3], 24).text == nil)
    #expect(address(.ipv6, [192, 0, 2, 1], 24).text == nil)
  }
}
