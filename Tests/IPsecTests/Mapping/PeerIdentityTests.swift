// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import IPsec

@Suite struct PeerIdentityTests {
  private func range(_ address: String, _ mask: String) throws -> PeerIdentity {
    .address(try #require(IPv4Range(address, mask)))
  }

  @Test func addressesAreReadStrictly() {
    #expect(IPv4Address("192.0.2.1")?.description == "192.0.2.1")
    #expect(IPv4Address("0.0.0.0")?.bits == 0)
    #expect(IPv4Address("255.255.255.255")?.bits == .max)
    for text in [
      "", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "1.2.3.-4", "1.2.3.+4", "a.b.c.d", "1..2.3", "1.2.3.4 ",
    ] {
      #expect(IPv4Address(text) == nil, "\(text)")
    }
  }

  @Test(
    arguments: [
      ("255.255.255.0", 24), ("255.255.255.255", 32), ("0.0.0.0", 0), ("128.0.0.0", 1), ("255.255.255.254", 31),
      ("255.0.255.0", nil), ("0.0.0.255", nil), ("255.255.255.253", nil),
    ] as [(String, Int?)])
  func masksHaveTheirOnesInFront(mask: String, length: Int?) throws {
    #expect(IPv4Range("10.0.0.1", mask)?.prefixLength == length)
  }

  @Test func namesIgnoreCaseAndDomainsNeverMatchThemselves() {
    #expect(PeerIdentity.fqdn("X.Cisco.COM") == .fqdn("x.cisco.com"))
    #expect(PeerIdentity.domain("cisco.com").covers(.fqdn("X.CISCO.com")))
    #expect(PeerIdentity.domain("Cisco.com").covers(.fqdn("a.b.cisco.com")))
    #expect(!PeerIdentity.domain("cisco.com").covers(.fqdn("cisco.com")))
    #expect(!PeerIdentity.domain("cisco.com").covers(.fqdn("notcisco.com")))
    #expect(!PeerIdentity.domain("cisco.com").covers(.fqdn(".cisco.com.evil")))
    #expect(PeerIdentity.domain("cisco.com").covers(.domain("lab.cisco.com")))
    #expect(!PeerIdentity.domain("lab.cisco.com").covers(.domain("cisco.com")))
    #expect(PeerIdentity.fqdn("cisco.com") != .domain("cisco.com"))
  }

  @Test func rangesCoverWhatIsInThem() throws {
    #expect(try range("10.10.10.1", "255.255.255.0").covers(range("10.10.10.77", "255.255.255.255")))
    #expect(try !range("10.10.10.1", "255.255.255.0").covers(range("10.10.0.0", "255.255.0.0")))
    #expect(try range("10.10.10.1", "255.255.255.0") == range("10.10.10.2", "255.255.255.0"))
    #expect(try PeerIdentity.any.covers(range("10.0.0.0", "255.0.0.0")))
    #expect(try !range("0.0.0.0", "0.0.0.0").covers(.fqdn("a.example.com")))
  }

  @Test func charonsPatterns() throws {
    #expect(try range("10.10.10.1", "255.255.255.0").pattern == "10.10.10.0/24")
    #expect(try range("10.10.10.1", "255.255.255.255").pattern == "10.10.10.1")
    #expect(try range("10.10.10.1", "0.0.0.0").pattern == "0.0.0.0/0")
    #expect(PeerIdentity.fqdn("RouterB.example.com").pattern == "fqdn:RouterB.example.com")
    #expect(PeerIdentity.domain("example.com").pattern == "fqdn:*.example.com")
    #expect(PeerIdentity.any.pattern == "%any")
  }

  @Test func dynamicIDsThatCharonWouldMisreadAreRefused() {
    for id in ["6f1a", "0123456789abcdef-0123", "550e8400-e29b-41d4-a716-446655440000", "AbC"] {
      #expect(PPKIdentifier.fault(ofDynamic: id) == nil, "\(id)")
    }
    for id in [
      "", "10.1.2.3", "10.1.2.3/24", "10.1.2.3-10.1.2.4", "cn=foo", "@#01", "*", "%any", "fqdn:x", "a b",
      "ä", String(repeating: "a", count: 128),
    ] {
      #expect(PPKIdentifier.fault(ofDynamic: id) != nil, "\(id)")
    }
    #expect(PPKIdentifier.fault(ofManual: "123") == nil)
    #expect(PPKIdentifier.fault(ofManual: "a+b/C9") == nil)
    for id in ["", "a.b", "a:b", "*", String(repeating: "a", count: 128)] {
      #expect(PPKIdentifier.fault(ofManual: id) != nil, "\(id)")
    }
  }
}
