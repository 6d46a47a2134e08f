// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Seals clear texts under a master key and opens them again; reads and writes the encodings of the models.
public final class Sealer: Sendable {
  /// The longest secret, in bytes.
  public static let maximumClearTextLength = 65_536
  /// What the read form of an opaque secret begins with; 32 hexadecimal digits follow.
  public static let opaquePrefix = "$sealed$"

  private let sealingKey: SecretBytes
  private let fingerprintKey: SecretBytes
  private let typeSixKey: SecretBytes
  private let typeSixNonceKey: SecretBytes
  private let reportKey: SecretBytes

  public init(_ masterKey: MasterKey) throws(SecretsError) {
    sealingKey = try masterKey.subKey(purpose: "sealing 1")
    fingerprintKey = try masterKey.subKey(purpose: "sealing fingerprint 1")
    typeSixKey = try masterKey.subKey(purpose: "type 6 encryption 1")
    typeSixNonceKey = try masterKey.subKey(purpose: "type 6 nonce 1")
    reportKey = try masterKey.subKey(purpose: "report fingerprint 1")
  }

  // MARK: Sealing and opening

  /// Seals a clear text. The caller wipes its own copy.
  public func seal(clear: UnsafeRawBufferPointer) throws(SecretsError) -> Sealed {
    try seal(clear, typeSevenOffset: nil)
  }

  /// Seals a clear text.
  public func seal(_ clear: SecretBytes) throws(SecretsError) -> Sealed {
    try clear.withUnsafeBytes { (bytes) throws(SecretsError) in try seal(bytes, typeSevenOffset: nil) }
  }

  private func seal(_ clear: UnsafeRawBufferPointer, typeSevenOffset: Int?) throws(SecretsError) -> Sealed {
    guard !clear.isEmpty else { throw SecretsError(.empty, "the secret is empty") }
    guard clear.count <= Self.maximumClearTextLength else {
      throw SecretsError(.tooLong, "the secret is longer than \(Self.maximumClearTextLength) bytes")
    }
    let fingerprint = try Cryptography.authenticate(clear, key: fingerprintKey).prefix(KeyedFingerprint.length)
    let header = [Sealed.version, typeSevenOffset.map(UInt8.init) ?? Sealed.noOffset] + fingerprint
    var nonce = [UInt8](repeating: 0, count: Cryptography.nonceLength)
    try nonce.withUnsafeMutableBufferPointer { (nonce) throws(SecretsError) in
      try Cryptography.random(into: UnsafeMutableRawBufferPointer(nonce))
    }
    let encrypted = try Cryptography.encrypt(clear, key: sealingKey, nonce: nonce[...], authenticating: header[...])
    return Sealed(header: header, nonce: nonce, encrypted: encrypted)
  }

  /// Decrypts. Fails when the value was altered or sealed under another master key.
  public func open(_ sealed: Sealed) throws(SecretsError) -> SecretBytes {
    let clear = try Cryptography.decrypt(
      sealed.encrypted, key: sealingKey, nonce: sealed.nonce, authenticating: sealed.authenticatedHeader)
    guard let clear else {
      throw SecretsError(.notSealedHere, "a sealed value was altered, or was sealed under another master key")
    }
    return clear
  }

  // MARK: The models' encodings

  /// Takes what a client wrote (UTF-8) into a leaf of this encoding, where nothing is stored yet.
  public func parse(
    written: UnsafeRawBufferPointer, encoding: SecretEncoding
  ) throws(SecretsError) -> Sealed {
    switch encoding {
    case .type7:
      if let clear = Self.markedClearText(written) { return try seal(clear, typeSevenOffset: nil) }
      let (offset, clear) = try TypeSeven.decode(written)
      return try clear.withUnsafeBytes { (clear) throws(SecretsError) in try seal(clear, typeSevenOffset: offset) }
    case .type6:
      if let clear = Self.markedClearText(written) { return try seal(clear, typeSevenOffset: nil) }
      return try seal(try decodeTypeSix(written))
    case .opaque:
      guard !Self.isReference(written) else {
        throw SecretsError(
          .unknownReference,
          "\(Self.opaquePrefix)… stands for a stored secret and can only be written back in its place")
      }
      return try seal(written, typeSevenOffset: nil)
    }
  }

  /// Takes what a client wrote over the stored value `existing`, which is returned when the secret is the same.
  ///
  /// For `opaque` this is where the form that reads return may be written back: it means "unchanged".
  public func parse(
    written: UnsafeRawBufferPointer, encoding: SecretEncoding, existing: Sealed?
  ) throws(SecretsError) -> Sealed {
    guard let existing else { return try parse(written: written, encoding: encoding) }
    if encoding == .opaque, Self.isReference(written),
      Self.reference(to: existing).utf8.elementsEqual(written)
    {
      return existing
    }
    let new = try parse(written: written, encoding: encoding)
    return new == existing ? existing : new
  }

  /// As ``parse(written:encoding:existing:)``, for a string. The caller's string cannot be wiped.
  public func parse(
    written: String, encoding: SecretEncoding, existing: Sealed? = nil
  ) throws(SecretsError) -> Sealed {
    var written = written
    let result = written.withUTF8 { bytes -> Result<Sealed, SecretsError> in
      do throws(SecretsError) {
        return .success(try parse(written: UnsafeRawBufferPointer(bytes), encoding: encoding, existing: existing))
      } catch { return .failure(error) }
    }
    return try result.get()
  }

  /// The form that a read returns: never the clear text, and the same at each read.
  ///
  /// `type7`: with the offset that was written, or one that follows from the fingerprint. `type6`: `S` and
  /// upper-case hexadecimal digits. `opaque`: ``opaquePrefix`` and the fingerprint.
  public func encoded(_ sealed: Sealed, encoding: SecretEncoding) throws(SecretsError) -> String {
    switch encoding {
    case .type7:
      let offset = sealed.typeSevenOffset ?? Int(sealed.fingerprint.bytes[0]) % TypeSeven.usualOffsets
      return try open(sealed).withUnsafeBytes { TypeSeven.encode($0, offset: offset) }
    case .type6:
      return try encodeTypeSix(try open(sealed))
    case .opaque:
      return Self.reference(to: sealed)
    }
  }

  // MARK: Reports

  /// A fingerprint of a key for people to compare, unrelated to the fingerprints of sealed values.
  /// Equal keys give equal fingerprints within one master key only.
  public func reportFingerprint(of key: SecretBytes) throws(SecretsError) -> KeyedFingerprint {
    let digest = try key.withUnsafeBytes { (key) throws(SecretsError) in
      try Cryptography.authenticate(key, key: reportKey)
    }
    return KeyedFingerprint(digest) ?? .none
  }

  // MARK: Forms

  private static func markedClearText(_ written: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    written.first == UInt8(ascii: "!") ? UnsafeRawBufferPointer(rebasing: written[1...]) : nil
  }

  private static func reference(to sealed: Sealed) -> String { opaquePrefix + sealed.fingerprint.description }

  private static func isReference(_ written: UnsafeRawBufferPointer) -> Bool {
    written.starts(with: opaquePrefix.utf8)
  }

  /// Type 6 is ours: `S`, then in hexadecimal a version byte, a nonce that is a keyed digest of the clear text (so
  /// that equal texts read equal), and AES-256-GCM's ciphertext and tag. Letter and digits fit the models' patterns.
  private static let typeSixMark = UInt8(ascii: "S")
  private static let typeSixVersion: UInt8 = 1

  private func typeSixNonce(_ clear: SecretBytes) throws(SecretsError) -> ArraySlice<UInt8> {
    try clear.withUnsafeBytes { (clear) throws(SecretsError) in
      try Cryptography.authenticate(clear, key: typeSixNonceKey).prefix(Cryptography.nonceLength)
    }
  }

  private func encodeTypeSix(_ clear: SecretBytes) throws(SecretsError) -> String {
    let nonce = try typeSixNonce(clear)
    let encrypted = try clear.withUnsafeBytes { (clear) throws(SecretsError) in
      try Cryptography.encrypt(clear, key: typeSixKey, nonce: nonce, authenticating: [Self.typeSixVersion])
    }
    return "S" + Hexadecimal.encode([Self.typeSixVersion] + nonce + encrypted, uppercase: true)
  }

  private func decodeTypeSix(_ written: UnsafeRawBufferPointer) throws(SecretsError) -> SecretBytes {
    let refusal = SecretsError(
      .notSealedHere, "not a type-6 string of this agent: write the clear text with ! in front instead")
    let limit = 2 * (Self.maximumClearTextLength + Cryptography.nonceLength + Cryptography.tagLength + 1)
    guard written.first == Self.typeSixMark, written.count <= limit + 1,
      let bytes = Hexadecimal.decode(written[1...]), bytes.first == Self.typeSixVersion,
      bytes.count >= 1 + Cryptography.nonceLength
    else { throw refusal }
    let body = bytes.dropFirst()
    let nonce = body.prefix(Cryptography.nonceLength)
    let clear = try Cryptography.decrypt(
      body.dropFirst(Cryptography.nonceLength), key: typeSixKey, nonce: nonce, authenticating: [Self.typeSixVersion])
    guard let clear, try typeSixNonce(clear) == nonce else { throw refusal }
    return clear
  }
}
