// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Secrets

/// Writes the parts of a resumption into memory that never moves, so that it can be wiped.
struct ResumptionWriter {
  private(set) var bytes: [UInt8] = []

  init() { bytes.reserveCapacity(KaYResumption.maximumLength) }

  mutating func wipe() { bytes.withUnsafeMutableBytes { Self.wipe($0) } }

  static func wipe(_ memory: UnsafeMutableRawBufferPointer) {
    if let base = memory.baseAddress { explicit_bzero(base, memory.count) }
  }

  mutating func put(_ value: UInt8) { bytes.append(value) }
  mutating func put(_ value: UInt32) { withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) } }
  mutating func put(_ value: UInt64) { withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) } }
  mutating func put(_ value: MemberIdentifier) {
    put(value.high)
    put(value.low)
  }
  mutating func put(_ value: SAKIdentifier) {
    put(value.keyServer)
    put(value.number)
  }

  /// In nanoseconds.
  mutating func put(_ value: Duration) {
    let (seconds, attoseconds) = value.components
    put(UInt64(bitPattern: seconds &* 1_000_000_000 &+ attoseconds / 1_000_000_000))
  }
  mutating func put(_ value: Moment) {
    put(value.uptime)
    put(value.wallClock)
  }
  mutating func put(octets value: [UInt8]) {
    put(UInt32(value.count))
    bytes.append(contentsOf: value)
  }
  mutating func put(_ value: CKN) { put(octets: value.bytes) }
  mutating func put(_ value: SecYModel.Slot) {
    put(value.sci.rawValue)
    put(value.associationNumber.rawValue)
  }

  mutating func put(_ held: ControlledPort.Held) {
    let sak = held.sak
    put(sak.identifier)
    put(sak.associationNumber.rawValue)
    put(sak.cipherSuite.identifier)
    put(sak.confidentialityOffset.rawValue)
    put(UInt32(sak.key.count))
    sak.key.withUnsafeBytes { bytes.append(contentsOf: $0) }
    // The members in the order of their short identifiers.
    list(sak.ssci.sorted { $0.value < $1.value }.map(\.key)) { $0.put($1.rawValue) }
    put(held.ckn)
    put(UInt8(held.receives ? 1 : 0) | (held.transmits ? 2 : 0) | (held.waitsForAll ? 4 : 0))
  }

  mutating func put(_ member: KaYResumption.Member) {
    put(member.ckn)
    put(octets: member.check)
    put(member.memberIdentifier)
    put(member.messageNumber)
    put(member.keyNumber)
    list(member.takenKeys) { $0.put($1) }
    list(member.peers) { $0.put($1) }
    put(UInt8(member.isDistributionComplete ? 1 : 0))
  }

  mutating func put(_ peer: KaYResumption.LivePeer) {
    put(peer.memberIdentifier)
    put(peer.sci.rawValue)
    put(peer.messageNumber)
    put(peer.priority)
    put(UInt8(peer.claimsKeyServer ? 1 : 0) | (peer.desiresMACsec ? 2 : 0))
    put(peer.capability.rawValue)
    put(peer.version)
    optional(peer.ppkSystem) { $0.put(octets: Array($1.utf8)) }
  }

  mutating func list<Element>(_ elements: [Element], _ write: (inout Self, Element) -> Void) {
    put(UInt32(elements.count))
    for element in elements { write(&self, element) }
  }

  mutating func optional<Value>(_ value: Value?, _ write: (inout Self, Value) -> Void) {
    put(UInt8(value == nil ? 0 : 1))
    if let value { write(&self, value) }
  }
}

/// Reads the parts of a resumption.
struct ResumptionReader {
  /// The most elements of any list.
  static let maximumCount = 1_024
  private var reader: ByteReader

  init(_ reader: ByteReader) { self.reader = reader }

  var isAtEnd: Bool { reader.remaining == 0 }

  mutating func uint8() throws(MKAError) -> UInt8 { try reader.uint8() }
  mutating func uint32() throws(MKAError) -> UInt32 { try reader.uint32() }
  mutating func uint64() throws(MKAError) -> UInt64 { try reader.uint64() }
  mutating func secret(_ length: Int) throws(MKAError) -> SecretBytes {
    SecretBytes(copying: Array(try reader.take(length)))
  }
  mutating func octets() throws(MKAError) -> [UInt8] { Array(try reader.take(Int(try uint32()))) }
  mutating func ckn() throws(MKAError) -> CKN { try CKN(try octets()) }
  mutating func key() throws(MKAError) -> SAKIdentifier {
    SAKIdentifier(keyServer: try reader.memberIdentifier(), number: try uint32())
  }
  mutating func duration() throws(MKAError) -> Duration { .nanoseconds(Int64(bitPattern: try uint64())) }
  mutating func moment() throws(MKAError) -> Moment { Moment(uptime: try duration(), wallClock: try duration()) }

  mutating func suite() throws(MKAError) -> CipherSuite {
    guard let suite = CipherSuite(identifier: try uint64()) else {
      throw MKAError(.unsupported, "an unknown cipher suite")
    }
    return suite
  }

  mutating func offset() throws(MKAError) -> ConfidentialityOffset {
    guard let offset = ConfidentialityOffset(rawValue: try uint8()) else {
      throw MKAError(.malformed, "an unknown confidentiality offset")
    }
    return offset
  }

  mutating func slot() throws(MKAError) -> SecYModel.Slot {
    SecYModel.Slot(sci: SCI(rawValue: try uint64()), associationNumber: AssociationNumber(truncating: try uint8()))
  }

  mutating func held() throws(MKAError) -> ControlledPort.Held {
    let identifier = try key()
    let number = AssociationNumber(truncating: try uint8())
    let suite = try suite()
    let offset = try offset()
    let length = Int(try uint32())
    guard length == suite.keyLength else { throw MKAError(.invalidKey, "a SAK of the wrong length") }
    let secret = SecretBytes(copying: Array(try reader.take(length)))
    let members = try list { (reader) throws(MKAError) in SCI(rawValue: try reader.uint64()) }
    let sak = SAK(
      identifier: identifier, associationNumber: number, cipherSuite: suite, confidentialityOffset: offset,
      key: secret, members: members)
    var held = ControlledPort.Held(sak: sak, ckn: try ckn())
    let flags = try uint8()
    held.receives = flags & 1 != 0
    held.transmits = flags & 2 != 0
    held.waitsForAll = flags & 4 != 0
    return held
  }

  mutating func member() throws(MKAError) -> KaYResumption.Member {
    KaYResumption.Member(
      ckn: try ckn(), check: try octets(), memberIdentifier: try reader.memberIdentifier(),
      messageNumber: try uint32(), keyNumber: try uint32(),
      takenKeys: try list { (reader) throws(MKAError) in try reader.key() },
      peers: try list { (reader) throws(MKAError) in try reader.peer() }, isDistributionComplete: try uint8() == 1)
  }

  mutating func peer() throws(MKAError) -> KaYResumption.LivePeer {
    let identifier = try reader.memberIdentifier()
    let sci = SCI(rawValue: try uint64())
    let number = try uint32()
    let priority = try uint8()
    let flags = try uint8()
    guard let capability = MACsecCapability(rawValue: try uint8()) else {
      throw MKAError(.malformed, "an unknown capability")
    }
    return KaYResumption.LivePeer(
      memberIdentifier: identifier, sci: sci, messageNumber: number, priority: priority,
      claimsKeyServer: flags & 1 != 0, desiresMACsec: flags & 2 != 0, capability: capability, version: try uint8(),
      ppkSystem: try optional { (reader) throws(MKAError) in String(decoding: try reader.octets(), as: UTF8.self) })
  }

  mutating func list<Element>(
    _ read: (inout Self) throws(MKAError) -> Element
  ) throws(MKAError) -> [Element] {
    let count = Int(try uint32())
    guard count <= Self.maximumCount else { throw MKAError(.tooMany, "too long a list in a resumption") }
    var elements: [Element] = []
    for _ in 0..<count { elements.append(try read(&self)) }
    return elements
  }

  mutating func optional<Value>(_ read: (inout Self) throws(MKAError) -> Value) throws(MKAError) -> Value? {
    switch try uint8() {
    case 0: return nil
    case 1: return try read(&self)
    default: throw MKAError(.malformed, "neither a value nor none")
    }
  }
}
