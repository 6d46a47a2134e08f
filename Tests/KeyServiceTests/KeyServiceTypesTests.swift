// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import KeyService

@Suite struct KeyServiceTypesTests {
  @Test func identifiersAreByteExact() {
    #expect(KeyIdentifier("AbC") != KeyIdentifier("abc"))
    // The same character written in two ways is two identifiers.
    #expect(KeyIdentifier("\u{E9}") != KeyIdentifier("e\u{301}"))
    #expect(KeyIdentifier("") == nil)
    #expect(KeyIdentifier(String(repeating: "a", count: 513)) == nil)
    #expect(KeyIdentifier("0fA9")?.description == "0fA9")
  }

  @Test func materialPrintsNoKey() throws {
    let identifier = try #require(KeyIdentifier("ab"))
    let key = KeyMaterial(identifier: identifier, remoteSystem: "B", secret: SecretBytes(copying: [0xde, 0xad]))
    #expect("\(key)" == "key ab, 16 bits, shared with B")
    var dumped = ""
    dump(key, to: &dumped)
    #expect(!dumped.contains("222") && !dumped.contains("storage"))
  }

  @Test func sizesAreWholeBytesWithinTheRange() throws {
    for bits in [8, 128, 256, 8192] { _ = try NewKeyRequest(sizeInBits: bits) }
    for bits in [-8, 0, 7, 12, 8200] {
      #expect(throws: KeyServiceError.self, "\(bits)") { try NewKeyRequest(sizeInBits: bits) }
      #expect(throws: KeyServiceError.self, "\(bits)") { try EntropyRequest(sizeInBits: bits) }
    }
  }

  @Test func clientsAreCountedUntilTheyLeave() {
    let registry = KeyClientRegistry()
    let policy = KeyClient(kind: .macsecPolicy, name: "R1toR2")
    let first = registry.register(policy, profile: "P")
    let second = registry.register(policy, profile: "P")
    do {
      let third = registry.register(KeyClient(kind: .keyringPeer, name: "x"), profile: "P")
      withExtendedLifetime(third) { #expect(registry.count(profile: "P") == 2) }
    }
    #expect(registry.count(profile: "P") == 1, "the released registration gave its place back")
    first.cancel()
    first.cancel()
    #expect(registry.count(profile: "P") == 1)
    second.cancel()
    #expect(registry.count(profile: "P") == 0 && registry.clients(profile: "P").isEmpty)
  }

  @Test func bufferPolicy() throws {
    let policy = try KeyBufferPolicy(target: 5, lowWater: 2)
    #expect(policy.shortage(level: 1, pending: 2) == 2 && policy.shortage(level: 9, pending: 0) == 0)
    #expect(policy.isLow(level: 2) && !policy.isLow(level: 3))
    let none = try KeyBufferPolicy(target: 0, lowWater: 0)
    #expect(none.shortage(level: 0, pending: 0) == 0 && !none.isLow(level: 0))
    for (target, low) in [(5, 5), (-1, 0), (1_001, 1), (5, -1), (0, 1)] {
      #expect(throws: KeyServiceError.self) { try KeyBufferPolicy(target: target, lowWater: low) }
    }
  }
}
