// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets

/// What is wrong with an answer. The text never quotes a key.
struct SKIPAnswerError: Error, Sendable, Hashable {
  let reason: String
  init(_ reason: String) { self.reason = reason }
}

/// Decodes and checks the bodies of successful answers (status 200).
///
/// Members that are not known are let pass; those that are must have their type. Keys and entropy are decoded from the
/// body into wiped buffers without passing through a string.
enum SKIPAnswer {
  /// The largest body taken, in bytes.
  static let maximumLength = 65_536
  /// The longest name of a system or algorithm, in bytes.
  static let maximumNameLength = 1_024
  /// The size of a key or of entropy when none was asked for, in bits.
  static let defaultSize = 256
  /// The sizes taken for a key whose size was not asked for, in bits.
  static let plausibleKeySizes = 64...8_192

  static func capabilities(_ body: SecretBytes) throws(SKIPAnswerError) -> KeyServiceCapabilities {
    try body.withUnsafeBytes { (body) throws(SKIPAnswerError) in
      let members = try JSONScanner.members(of: body)
      guard case .array(let elements)? = members["remoteSystemID"], !elements.isEmpty else {
        throw SKIPAnswerError("remoteSystemID is not a list of at least one name")
      }
      var remotes: [String] = []
      for element in elements {
        guard case .string(let range) = element else { throw SKIPAnswerError("remoteSystemID holds no string") }
        remotes.append(try name(range, in: body, member: "remoteSystemID"))
      }
      return KeyServiceCapabilities(
        offersEntropy: try boolean("entropy", members), offersKeys: try boolean("key", members),
        algorithm: try name("algorithm", members, in: body), localSystem: try name("localSystemID", members, in: body),
        remoteSystems: remotes)
    }
  }

  /// The answer to a request for a new key (`expected` nil) or for the key of an identifier, which must be echoed.
  static func key(
    _ body: SecretBytes, expected: KeyIdentifier?, sizeInBits: Int?, remote: String
  ) throws(SKIPAnswerError) -> KeyMaterial {
    try body.withUnsafeBytes { (body) throws(SKIPAnswerError) in
      let members = try JSONScanner.members(of: body)
      guard case .string(let range)? = members["keyId"] else { throw SKIPAnswerError("keyId is not a string") }
      guard let identifier = KeyIdentifier(try JSONScanner.text(range, in: body)), identifier.isHexadecimal else {
        throw SKIPAnswerError("keyId is not 1 to \(KeyIdentifier.maximumLength) hexadecimal digits")
      }
      if let expected, identifier != expected {
        throw SKIPAnswerError("keyId \(identifier) came instead of \(expected)")
      }
      let secret = try secret("key", members, in: body)
      let size = secret.count * 8
      if let sizeInBits, size != sizeInBits {
        throw SKIPAnswerError("the key has \(size) bits instead of \(sizeInBits)")
      }
      guard sizeInBits != nil || plausibleKeySizes.contains(size) else {
        throw SKIPAnswerError(
          "the key has \(size) bits, outside \(plausibleKeySizes.lowerBound) to \(plausibleKeySizes.upperBound)")
      }
      return KeyMaterial(identifier: identifier, remoteSystem: remote, secret: secret)
    }
  }

  static func entropy(_ body: SecretBytes, bits: Int?) throws(SKIPAnswerError) -> SecretBytes {
    try body.withUnsafeBytes { (body) throws(SKIPAnswerError) in
      let members = try JSONScanner.members(of: body)
      let expected = bits ?? defaultSize
      guard case .number(let range)? = members["minentropy"],
        let delivered = Int(String(decoding: body[range], as: UTF8.self))
      else { throw SKIPAnswerError("minentropy is not an integer") }
      guard delivered == expected else {
        throw SKIPAnswerError("minentropy is \(delivered) instead of \(expected)")
      }
      let secret = try secret("randomStr", members, in: body)
      guard secret.count * 8 == expected else {
        throw SKIPAnswerError("randomStr has \(secret.count * 8) bits instead of \(expected)")
      }
      return secret
    }
  }

  // MARK: Members

  private static func secret(
    _ member: String, _ members: [String: JSONScanner.Value], in body: UnsafeRawBufferPointer
  ) throws(SKIPAnswerError) -> SecretBytes {
    guard case .string(let range)? = members[member] else { throw SKIPAnswerError("\(member) is not a string") }
    return try JSONScanner.hexadecimal(range, in: body, member: member)
  }

  private static func boolean(
    _ member: String, _ members: [String: JSONScanner.Value]
  ) throws(SKIPAnswerError) -> Bool {
    guard case .boolean(let value)? = members[member] else { throw SKIPAnswerError("\(member) is not a boolean") }
    return value
  }

  private static func name(
    _ member: String, _ members: [String: JSONScanner.Value], in body: UnsafeRawBufferPointer
  ) throws(SKIPAnswerError) -> String {
    guard case .string(let range)? = members[member] else { throw SKIPAnswerError("\(member) is not a string") }
    return try name(range, in: body, member: member)
  }

  /// A name is shown to operators in XML: no control characters.
  private static func name(
    _ range: Range<Int>, in body: UnsafeRawBufferPointer, member: String
  ) throws(SKIPAnswerError) -> String {
    let text = try JSONScanner.text(range, in: body)
    guard !text.isEmpty, text.utf8.count <= maximumNameLength else {
      throw SKIPAnswerError("\(member) does not have 1 to \(maximumNameLength) bytes")
    }
    let isPlain = text.unicodeScalars.allSatisfy {
      $0.value >= 0x20 && $0.value != 0x7F && $0.value & 0xFFFE != 0xFFFE
    }
    guard isPlain else { throw SKIPAnswerError("\(member) holds a control character") }
    return text
  }
}
