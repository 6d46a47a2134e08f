// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import SecYEngine

/// Octets of hexadecimal digits.
func octets(_ text: String) -> [UInt8] {
  var result: [UInt8] = []
  var digits = Substring(text)
  while !digits.isEmpty {
    result.append(UInt8(digits.prefix(2), radix: 16)!)
    digits = digits.dropFirst(2)
  }
  return result
}

func number(_ text: String) -> UInt64 { UInt64(text, radix: 16)! }

/// How many runs a random test has: some in every test run, many with AGENTD_LONG=1.
func seeds(_ few: Int) -> Range<Int> { 0..<(getenv("AGENTD_LONG") == nil ? few : few * 10) }

/// A generator whose runs repeat by their seed (SplitMix64).
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

/// Frames through an engine, with room made and the verdict turned into octets; nil when it was discarded.
extension SecurityEntity {
  func sent(_ frame: [UInt8]) -> [UInt8]? {
    run(frame) { self.transmit($0, start: Self.headroom, length: frame.count) }
  }

  func received(_ frame: [UInt8]) -> [UInt8]? {
    run(frame) { self.receive($0, start: Self.headroom, length: frame.count) }
  }

  private func run(_ frame: [UInt8], _ body: (UnsafeMutableRawBufferPointer) -> FrameVerdict) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0xEE, count: Self.headroom) + frame
    buffer += [UInt8](repeating: 0xEE, count: Self.tailroom)
    return buffer.withUnsafeMutableBytes { bytes in
      guard case .pass(let start, let length) = body(bytes) else { return nil }
      return Array(bytes[start..<start + length])
    }
  }

  func addTransmit(_ number: UInt8, _ key: TestKey, nextPN: UInt64 = 1) throws {
    try key.lend(sci) { try self.addTransmitAssociation(number, key: $0, nextPN: nextPN) }
  }

  func addReceive(_ sci: UInt64, _ number: UInt8, _ key: TestKey, lowestPN: UInt64 = 1) throws {
    try key.lend(sci) { try self.addReceiveAssociation(sci, number, key: $0, lowestPN: lowestPN) }
  }
}

/// A key for tests. Its short channel identifiers are the low 32 bits of the SCI.
struct TestKey {
  var suite = FrameCipherSuite.gcmAES128
  var octets: [UInt8]
  var name: KeyName
  var salt = [UInt8](0x30..<0x3C)
  var ssci: UInt32?

  init(_ suite: FrameCipherSuite, seed: UInt8 = 1) {
    self.suite = suite
    octets = (0..<suite.keyLength).map { UInt8($0) &* 7 &+ seed }
    name = KeyName(high: UInt64(seed), low: 7)
  }

  func lend(_ sci: UInt64, _ body: (AssociationKey) throws -> Void) rethrows {
    try octets.withUnsafeBytes { bytes in
      let ssci = ssci ?? UInt32(truncatingIfNeeded: sci)
      try body(
        AssociationKey(
          identifier: name, bytes: bytes,
          extension: suite.hasExtendedPacketNumbers ? .init(ssci: ssci, salt: salt) : nil))
    }
  }
}

/// Two engines that know each other, ready to exchange frames.
struct Pair {
  static let left: UInt64 = 0x0200_0000_0001_0001
  static let right: UInt64 = 0x0200_0000_0002_0001
  let a = SecurityEntity(sci: Pair.left)
  let b = SecurityEntity(sci: Pair.right)
  let key: TestKey

  init(
    _ suite: FrameCipherSuite = .gcmAES128, nextPN: UInt64 = 1, _ change: (inout SecYSettings) -> Void = { _ in }
  ) throws {
    key = TestKey(suite)
    var settings = SecYSettings()
    settings.cipherSuite = suite
    change(&settings)
    for (own, peer) in [(a, b), (b, a)] {
      try own.configure(settings)
      try own.addReceiveChannel(peer.sci)
      try own.addReceive(peer.sci, 0, key, lowestPN: nextPN)
      try own.addTransmit(0, key, nextPN: nextPN)
      try own.enableTransmit(0, key: key.name)
      own.setPort(.protected)
    }
  }

  /// From left to right: destination, source, EtherType, then octets that count up.
  static func frame(_ dataOctets: Int = 100, etherType: [UInt8] = [0x08, 0x00]) -> [UInt8] {
    octets("020000000002020000000001") + etherType + (0..<dataOctets).map { UInt8(truncatingIfNeeded: $0) }
  }
}
