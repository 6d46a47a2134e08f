// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// The name of a connectivity association key: 1 to 32 octets. Names that differ in trailing zeros differ.
public struct CKN: Sendable, Hashable, CustomStringConvertible {
  /// The allowed lengths in octets.
  public static let lengths = 1...32

  public let bytes: [UInt8]

  public init(_ bytes: some Collection<UInt8>) throws(MKAError) {
    guard Self.lengths.contains(bytes.count) else {
      throw MKAError(.invalidKey, "a CKN has 1 to 32 octets, not \(bytes.count)")
    }
    self.bytes = Array(bytes)
  }

  /// From an even number of up to 64 hexadecimal digits.
  public init(hexadecimal text: String) throws(MKAError) {
    guard let bytes = Hex.bytes(text), !bytes.isEmpty else {
      throw MKAError(.invalidKey, "a CKN is an even number of hexadecimal digits, 2 to 64 of them")
    }
    try self.init(bytes)
  }

  /// The name filled with zeros to 32 octets, which some vendors send.
  public var padded: CKN {
    guard let padded = try? CKN(bytes + [UInt8](repeating: 0, count: Self.lengths.upperBound - bytes.count)) else {
      return self
    }
    return padded
  }

  /// The context of the keys derived from the CAK: the first 16 octets, zeros behind a shorter name.
  var derivationContext: [UInt8] { Array((bytes + [UInt8](repeating: 0, count: 16)).prefix(16)) }

  public var description: String { Hex.text(bytes, uppercase: true) }
}

/// A connectivity association key: who has it is a member.
public struct CAK: Sendable {
  let secret: SecretBytes

  /// 16 octets for AES-128-CMAC or 32 for AES-256-CMAC.
  public init(_ secret: SecretBytes) throws(MKAError) {
    guard secret.count == 16 || secret.count == 32 else {
      throw MKAError(.invalidKey, "a CAK has 16 or 32 octets, not \(secret.count)")
    }
    self.secret = secret
  }

  /// From the 32 or 64 hexadecimal digits of a key string. The digits are the caller's to wipe.
  public init(hexadecimal digits: SecretBytes) throws(MKAError) {
    let refusal = MKAError(.invalidKey, "a CAK is written as 32 or 64 hexadecimal digits")
    guard digits.count == 32 || digits.count == 64 else { throw refusal }
    let secret = try SecretBytes(capacity: digits.count / 2) { (target) throws(MKAError) -> Int in
      try digits.withUnsafeBytes { (digits) throws(MKAError) in
        for index in 0..<target.count {
          guard let high = Self.value(digits[2 * index]), let low = Self.value(digits[2 * index + 1]) else {
            throw refusal
          }
          target[index] = high << 4 | low
        }
      }
      return target.count
    }
    try self.init(secret)
  }

  private static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case 0x30...0x39: digit - 0x30
    case 0x41...0x46: digit - 0x41 + 10
    case 0x61...0x66: digit - 0x61 + 10
    default: nil
    }
  }

  /// The length in bits, 128 or 256, which is also that of the keys derived from it.
  public var bits: Int { secret.count * 8 }

  /// The name that operators know: AES-128-CMAC or AES-256-CMAC.
  public var algorithm: String { "AES-\(bits)-CMAC" }

  /// Whether both are the same key, told in constant time.
  public func isEqual(to other: CAK) -> Bool { secret.isEqual(to: other.secret) }

  /// The key encrypting key (IEEE 802.1X-2020 9.3.3).
  public func keyEncryptingKey(ckn: CKN) throws(MKAError) -> KeyEncryptingKey {
    KeyEncryptingKey(
      secret: try KeyDerivation.derive(
        from: secret, label: "IEEE8021 KEK", context: ckn.derivationContext, bits: bits))
  }

  /// The integrity check value key (IEEE 802.1X-2020 9.3.3).
  public func integrityCheckKey(ckn: CKN) throws(MKAError) -> IntegrityCheckKey {
    IntegrityCheckKey(
      secret: try KeyDerivation.derive(
        from: secret, label: "IEEE8021 ICK", context: ckn.derivationContext, bits: bits))
  }

  /// A SAK made from the CAK (IEEE 802.1X-2020 9.8.1). The nonce is random and as long as the SAK.
  public func makeSAK(
    nonce: SecretBytes, members: [MemberIdentifier], number: UInt32
  ) throws(MKAError) -> SecretBytes {
    var context = nonce.withUnsafeBytes { Array($0) }
    for member in members { context.append(contentsOf: member.bytes) }
    var writer = ByteWriter()
    writer.append(number)
    context.append(contentsOf: writer.bytes)
    return try KeyDerivation.derive(from: secret, label: "IEEE8021 SAK", context: context, bits: nonce.count * 8)
  }
}

/// Verifies and makes the ICV of MKPDUs.
public struct IntegrityCheckKey: Sendable {
  let secret: SecretBytes

  /// Tells this key from others without telling anything of it.
  func check() throws(MKAError) -> [UInt8] { try icv(of: Array("agentd MKA resumption".utf8)) }

  /// The 16 octets of AES-CMAC over a frame.
  public func icv(of frame: [UInt8]) throws(MKAError) -> [UInt8] {
    var icv = [UInt8](repeating: 0, count: AES.blockLength)
    let result = icv.withUnsafeMutableBytes { target -> Result<Void, MKAError> in
      do throws(MKAError) {
        return .success(try AES.cmac(frame, key: secret, into: target))
      } catch { return .failure(error) }
    }
    try result.get()
    return icv
  }
}

/// Wraps the keys that a key server distributes.
public struct KeyEncryptingKey: Sendable {
  let secret: SecretBytes

  /// AES key wrap (RFC 3394): 24 octets for a key of 16, 40 for one of 32.
  public func wrap(_ key: SecretBytes) throws(MKAError) -> [UInt8] { try AES.wrap(key, with: secret) }

  /// Fails when the key was not wrapped with this KEK.
  public func unwrap(_ wrapped: [UInt8]) throws(MKAError) -> SecretBytes { try AES.unwrap(wrapped, with: secret) }
}
