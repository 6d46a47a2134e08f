// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import IPsec

@Suite struct OperationalStateTests {
  /// As charon sent it for a tunnel with a PPK over its userspace data plane.
  private func listSA(_ extra: [(String, String)] = []) -> VICIMessage {
    var child = VICIMessage()
    for (name, value) in [
      ("name", "c1"), ("uniqueid", "1"), ("reqid", "1"), ("state", "INSTALLED"), ("mode", "TUNNEL"),
      ("protocol", "ESP"), ("encap", "yes"), ("spi-in", "0f265462"), ("spi-out", "fb80a5f7"), ("encr-alg", "AES_CBC"),
      ("encr-keysize", "256"), ("integ-alg", "HMAC_SHA2_256_128"), ("bytes-in", "252"), ("packets-in", "3"),
      ("use-in", "0"), ("bytes-out", "18446744073709551615"), ("packets-out", "3"), ("rekey-time", "3248"),
      ("life-time", "3958"), ("install-time", "2"), ("if-id-in", "0000001f"),
    ] { child.add(name, value) }
    child.add("local-ts", ["10.1.0.1/32"])
    child.add("remote-ts", ["10.2.0.1/32", "10.3.0.0/16"])
    var sa = VICIMessage()
    for (name, value) in [
      ("uniqueid", "1"), ("version", "2"), ("state", "ESTABLISHED"), ("local-host", "192.0.2.1"),
      ("local-port", "4500"), ("local-id", "hosta.example.com"), ("remote-host", "192.0.2.2"), ("remote-port", "4500"),
      ("remote-id", "hostb.example.com"), ("initiator-spi", "cc62360e42ba0ea9"), ("responder-spi", "ea645c05f42a23ba"),
      ("nat-any", "yes"), ("encr-alg", "AES_CBC"), ("encr-keysize", "256"), ("integ-alg", "HMAC_SHA2_256_128"),
      ("prf-alg", "PRF_HMAC_SHA2_256"), ("dh-group", "ECP_384"), ("ppk", "yes"), ("established", "2"),
      ("rekey-time", "14219"),
    ] + extra { sa.add(name, value) }
    sa.add("child-sas", VICIMessage([.section(name: "c1-1", child)]))
    return VICIMessage([.section(name: "tun1", sa)])
  }

  @Test func anSAIsTakenWithItsChildren() throws {
    let sa = try #require(IKESA.list(listSA([("initiator", "yes")])).first)
    #expect(sa.uniqueID == 1)
    #expect(sa.connection == "tun1")
    #expect(sa.isEstablished)
    #expect(sa.role == .initiator)
    #expect(sa.localSPI == "cc62360e42ba0ea9")
    #expect(sa.remoteSPI == "ea645c05f42a23ba")
    #expect(sa.remote.description == "192.0.2.2/4500")
    #expect(sa.usesPPK)
    #expect(sa.isBehindNAT)
    #expect(sa.established == .seconds(2))
    #expect(sa.rekeysIn == .seconds(14219))
    #expect(
      sa.algorithms
        == Algorithms(
          encryption: "AES_CBC", keySize: 256, integrity: "HMAC_SHA2_256_128", prf: "PRF_HMAC_SHA2_256",
          group: "ECP_384"
        ))
    let child = try #require(sa.children.first)
    #expect(child.isInstalled)
    #expect(child.name == "c1")
    #expect(child.inboundSPI == "0f265462")
    #expect(child.inbound == .init(bytes: 252, packets: 3, idle: .seconds(0)))
    #expect(child.outbound == .init(bytes: .max, packets: 3, idle: nil), "never used is not used just now")
    #expect(child.expiresIn == .seconds(3958))
    #expect(child.interfaceID == 31)
    #expect(child.remoteSelectors == ["10.2.0.1/32", "10.3.0.0/16"])
  }

  @Test func theResponderHasTheSPIsTheOtherWay() throws {
    let sa = try #require(IKESA.list(listSA()).first)
    #expect(sa.role == .responder)
    #expect(sa.localSPI == "ea645c05f42a23ba")
  }

  @Test func anSAThatIsBeingSetUpLacksWhatIsNotKnownYet() throws {
    var section = VICIMessage()
    section.add("uniqueid", "7")
    section.add("state", "CONNECTING")
    section.add("remote-id", "%any")
    let sa = try #require(IKESA(connection: "x", section))
    #expect(sa.algorithms == nil)
    #expect(sa.established == nil)
    #expect(!sa.usesPPK)
    #expect(sa.children.isEmpty)
  }

  @Test func numbersThatAreNoneAreLeftOut() {
    var section = VICIMessage()
    section.add("state", "ESTABLISHED")
    #expect(IKESA(connection: "x", section) == nil)
    for id in ["-1", "x", "4294967296", ""] {
      var message = section
      message.add("uniqueid", id)
      #expect(IKESA(connection: "x", message) == nil, "\(id)")
    }
    section.add("uniqueid", "1")
    section.add("established", "99999999999999999999")
    section.add("local-port", "port")
    section.elements.append(.value(name: "remote-id", [0xff, 0xfe]))
    let sa = IKESA(connection: "x", section)
    #expect(sa?.established == nil)
    #expect(sa?.local.port == 0)
    #expect(sa?.remoteIdentity == "")
  }

  @Test func anyMessageIsTakenOrLeft() {
    for seed in 0..<2000 as Range<UInt64> {
      var random = SplitMix(seed: seed)
      let bytes = (0..<Int(random.next() % 64)).map { _ in UInt8(random.next() % 8) }
      if let message = try? VICIMessage(decoding: bytes) { _ = IKESA.list(message) }
    }
    #expect(IKESA.list(VICIMessage()).isEmpty)
  }
}
