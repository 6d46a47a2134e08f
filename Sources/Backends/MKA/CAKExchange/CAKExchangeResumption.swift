// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// What CAK mode keeps over a restart of the process: its keys, and the identifiers that are spent.
///
/// The bytes hold CAKs. They are to be sealed before they leave memory. Unlike members of MKA they are good for as long
/// as the keys are: with them a session begins anew without the key service.
extension CAKExchange {
  private static let version: UInt8 = 1

  /// Changes whenever what ``encoded()`` holds does. Then it is to be kept before the effects are carried out.
  public var mark: Int {
    var hasher = Hasher()
    for key in keys {
      hasher.combine(key.ckn)
      hasher.combine(key.isHeldBack)
      hasher.combine(key.inUseSince)
    }
    hasher.combine(spent.count)
    hasher.combine(spent.last)
    hasher.combine(age.isStalled)
    hasher.combine(isFallenBack)
    hasher.combine(lastFallback)
    return hasher.finalize()
  }

  /// The bytes, in memory that is wiped.
  public func encoded() -> SecretBytes {
    var writer = ResumptionWriter()
    defer { writer.wipe() }
    writer.put(Self.version)
    writer.put(sequence)
    writer.put(
      UInt8(age.hasAlarmed ? 1 : 0) | (age.isExhausted ? 2 : 0) | (age.isStalled ? 4 : 0) | (isFallenBack ? 8 : 0))
    writer.list(keys) { writer, key in
      writer.put(octets: key.identifier)
      key.cak.secret.withUnsafeBytes { secret in
        writer.put(UInt32(secret.count))
        for octet in secret { writer.put(octet) }
      }
      writer.put(key.sequence)
      writer.put(UInt8(key.wasTaken ? 1 : 0) | (key.isHeldBack ? 2 : 0))
      writer.put(key.obtained)
      writer.optional(key.inUseSince) { $0.put($1) }
    }
    writer.list(spent) { $0.put(octets: $1) }
    return writer.bytes.withUnsafeBytes { SecretBytes(copying: $0) }
  }

  /// Goes on with what was kept; fails on anything but what ``encoded()`` makes, and then changes nothing.
  public mutating func restore(_ bytes: SecretBytes) throws(MKAError) {
    var copy = bytes.withUnsafeBytes { Array($0) }
    defer { copy.withUnsafeMutableBytes { ResumptionWriter.wipe($0) } }
    var reader = ResumptionReader(ByteReader(copy[...]))
    guard try reader.uint8() == Self.version else { throw MKAError(.unsupported, "kept by another version") }
    let sequence = try reader.uint32()
    let flags = try reader.uint8()
    let keys = try reader.list { (reader) throws(MKAError) in
      let identifier = try reader.octets()
      let length = Int(try reader.uint32())
      guard length == 16 || length == 32 else { throw MKAError(.invalidKey, "a CAK of the wrong length") }
      let cak = try CAK(try reader.secret(length))
      let number = try reader.uint32()
      let flags = try reader.uint8()
      return Held(
        identifier: identifier, ckn: try CKN(keyIdentifier: identifier), cak: cak, sequence: number,
        wasTaken: flags & 1 != 0, obtained: try reader.moment(), isHeldBack: flags & 2 != 0,
        inUseSince: try reader.optional { (reader) throws(MKAError) in try reader.moment() })
    }
    let spent = try reader.list { (reader) throws(MKAError) in try reader.octets() }
    guard reader.isAtEnd, keys.count <= Self.maximumKeyCount, spent.count <= Self.maximumSpentCount else {
      throw MKAError(.invalidLength, "too much was kept")
    }
    self.sequence = sequence
    self.keys = keys
    self.spent = spent
    isFallenBack = flags & 8 != 0
    age = KeyAgeState(hasAlarmed: flags & 1 != 0, isExhausted: flags & 2 != 0, isStalled: flags & 4 != 0)
  }
}
