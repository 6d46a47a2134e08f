// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// A resumption as bytes: a version, then all parts in order, numbers big endian, counts before lists.
///
/// The bytes hold SAKs. They are to be sealed before they leave memory.
extension KaYResumption {
  static let version: UInt8 = 1
  /// More than any resumption of full tables takes.
  static let maximumLength = 60_000

  /// The bytes, in memory that is wiped.
  public func encoded() -> SecretBytes {
    var writer = ResumptionWriter()
    write(to: &writer)
    defer { writer.wipe() }
    return writer.bytes.withUnsafeBytes { SecretBytes(copying: $0) }
  }

  private func write(to writer: inout ResumptionWriter) {
    writer.put(Self.version)
    writer.put(sci.rawValue)
    writer.put(time)
    writer.put(principal)
    writer.put(inUse.identifier)
    writer.put(inUse.ckn)
    writer.put(inUseSince)
    writer.put(securedSince)
    writer.put(UInt8(keyAge.hasAlarmed ? 1 : 0) | (keyAge.isExhausted ? 2 : 0))
    writer.list(ppkKeys) { $0.put($1) }
    writer.put(port.state)
    writer.put(port.protection.cipherSuite.identifier)
    writer.put(port.protection.offset.rawValue)
    writer.optional(port.transmitWhen) { $0.put($1) }
    writer.optional(port.retireWhen) { $0.put($1) }
    writer.optional(port.latest) { $0.put($1) }
    writer.optional(port.old) { $0.put($1) }
    writer.list(members) { $0.put($1) }
    writer.optional(secY.configuration) { writer, configuration in
      writer.put(configuration.cipherSuite.identifier)
      writer.put(configuration.confidentialityOffset.rawValue)
      writer.put(UInt8(configuration.replayProtect ? 1 : 0))
      writer.put(configuration.replayWindow)
    }
    writer.list(Array(secY.channels)) { $0.put($1.rawValue) }
    writer.list(Array(secY.receive)) { writer, entry in
      writer.put(entry.key)
      writer.put(entry.value)
    }
    writer.list(Array(secY.transmit)) { writer, entry in
      writer.put(entry.key.rawValue)
      writer.put(entry.value)
    }
    writer.optional(secY.enabled) { $0.put($1) }
    writer.list(Array(secY.lowestPN)) { writer, entry in
      writer.put(entry.key)
      writer.put(entry.value)
    }
  }

  /// Fails on anything but what ``encoded()`` makes.
  public init(decoding bytes: SecretBytes) throws(MKAError) {
    // The copy is wiped below; slices of it end with this call.
    var copy = bytes.withUnsafeBytes { Array($0) }
    defer { copy.withUnsafeMutableBytes { ResumptionWriter.wipe($0) } }
    var reader = ResumptionReader(ByteReader(copy[...]))
    guard try reader.uint8() == Self.version else { throw MKAError(.unsupported, "a resumption of another version") }
    sci = SCI(rawValue: try reader.uint64())
    time = try reader.moment()
    principal = try reader.ckn()
    inUse = (try reader.key(), try reader.ckn())
    inUseSince = try reader.moment()
    securedSince = try reader.moment()
    let flags = try reader.uint8()
    keyAge = KeyAgeState(hasAlarmed: flags & 1 != 0, isExhausted: flags & 2 != 0)
    ppkKeys = try reader.list { (reader) throws(MKAError) in try reader.key() }
    let state = try reader.uint8()
    let protection = ControlledPort.Protection(cipherSuite: try reader.suite(), offset: try reader.offset())
    let transmitWhen = try reader.optional { (reader) throws(MKAError) in try reader.duration() }
    let retireWhen = try reader.optional { (reader) throws(MKAError) in try reader.duration() }
    let latest = try reader.optional { (reader) throws(MKAError) in try reader.held() }
    let old = try reader.optional { (reader) throws(MKAError) in try reader.held() }
    port = ControlledPort.Resumption(
      state: state, latest: latest, old: old, protection: protection, transmitWhen: transmitWhen,
      retireWhen: retireWhen)
    members = try reader.list { (reader) throws(MKAError) in try reader.member() }
    secY = SecYModel()
    secY.configuration = try reader.optional { (reader) throws(MKAError) in
      SecYConfiguration(
        cipherSuite: try reader.suite(), confidentialityOffset: try reader.offset(),
        replayProtect: try reader.uint8() == 1, replayWindow: try reader.uint32())
    }
    secY.channels = Set(try reader.list { (reader) throws(MKAError) in SCI(rawValue: try reader.uint64()) })
    for (slot, key) in try reader.list({ (reader) throws(MKAError) in (try reader.slot(), try reader.key()) }) {
      secY.receive[slot] = key
    }
    for (number, key) in try reader.list({ (reader) throws(MKAError) in (try reader.uint8(), try reader.key()) }) {
      secY.transmit[AssociationNumber(truncating: number)] = key
    }
    secY.enabled = try reader.optional { (reader) throws(MKAError) in try reader.key() }
    for (slot, number) in try reader.list({ (reader) throws(MKAError) in (try reader.slot(), try reader.uint64()) }) {
      secY.lowestPN[slot] = number
    }
    guard reader.isAtEnd else { throw MKAError(.invalidLength, "octets behind a resumption") }
  }
}
