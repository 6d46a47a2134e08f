// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import SecYEngine
import Testing

@Suite("The test vectors of IEEE 802.1AE annex C")
struct VectorTests {
  /// An engine set up so that it must make the vector's frame, or take it.
  private func entity(_ vector: Vector, sci: UInt64) throws -> (SecurityEntity, TestKey, UInt64) {
    let tag = octets(vector.tag)
    let low = tag[4..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let packetNumber = vector.suite.hasExtendedPacketNumbers ? 0xB0DF_459C_0000_0000 | low : low
    var key = TestKey(vector.suite)
    key.octets = octets(vector.key)
    key.salt = octets("e630e81a48de86a21c66fa6d")
    key.ssci = 0x7A30_C118
    let entity = SecurityEntity(sci: sci)
    var settings = SecYSettings()
    settings.cipherSuite = vector.suite
    settings.confidentiality = vector.secured.isEmpty ? .integrityOnly : .whole
    settings.includesSCI = tag.count == 16
    try entity.configure(settings)
    entity.setPort(.protected)
    return (entity, key, packetNumber)
  }

  private func sci(_ vector: Vector) -> UInt64 {
    vector.tag.count == 32
      ? number(String(vector.tag.suffix(16))) : number(String(vector.addresses.suffix(12)) + "0001")
  }

  private func protected(_ vector: Vector) -> [UInt8] {
    octets(vector.addresses + vector.tag + (vector.secured.isEmpty ? vector.data : vector.secured) + vector.icv)
  }

  @Test("a frame is protected octet by octet as published", arguments: Vector.all)
  func protects(_ vector: Vector) throws {
    let (entity, key, packetNumber) = try entity(vector, sci: sci(vector))
    let number = octets(vector.tag)[2] & 3
    try entity.addTransmit(number, key, nextPN: packetNumber)
    try entity.enableTransmit(number, key: key.name)
    #expect(entity.sent(octets(vector.addresses + vector.data)) == protected(vector))
    #expect(entity.counts.transmit.associations.first?.nextPN == packetNumber + 1)
  }

  @Test("the published frame is validated and gives the user data", arguments: Vector.all)
  func validates(_ vector: Vector) throws {
    let (entity, key, packetNumber) = try entity(vector, sci: 0x0200_0000_00FF_0001)
    try entity.addReceiveChannel(sci(vector))
    try entity.addReceive(sci(vector), octets(vector.tag)[2] & 3, key, lowestPN: packetNumber)
    #expect(entity.received(protected(vector)) == octets(vector.addresses + vector.data))
    #expect(entity.received(protected(vector)) == nil, "replayed")
    #expect(entity.counts.receive[0].inPktsOK == 1)
    #expect(entity.counts.receive[0].inPktsLate == 1)
  }

  @Test("no octet of the published frame can be changed", arguments: Vector.all)
  func refusesChanges(_ vector: Vector) throws {
    let (entity, key, packetNumber) = try entity(vector, sci: 0x0200_0000_00FF_0001)
    try entity.addReceiveChannel(sci(vector))
    try entity.addReceive(sci(vector), octets(vector.tag)[2] & 3, key, lowestPN: packetNumber)
    let frame = protected(vector)
    for index in frame.indices {
      for bit in [UInt8(1), 0x80] {
        var changed = frame
        changed[index] ^= bit
        #expect(entity.received(changed) == nil, "octet \(index), bit \(bit)")
      }
    }
    #expect(entity.counts.receive[0].inPktsOK == 0)
    #expect(entity.received(frame) != nil, "the frame itself is still taken")
  }

  @Test("all are there") func count() { #expect(Vector.all.count == 33) }
}
