// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A secret as it lives in data trees, snapshots, diffs and the commit log: encrypted.
///
/// Two sealed values are equal when their clear texts are (their keyed fingerprints are compared), so writing the same
/// secret again is no change although its ciphertext differs. Values of different master keys are never equal.
/// It is one reference wide. Made and opened by ``Sealer``.
public struct Sealed: Sendable, Hashable {
  /// Format 1: version, type-7 offset, fingerprint, nonce, ciphertext, tag. All before the nonce is authenticated.
  private let box: [UInt8]

  static let version: UInt8 = 1
  static let noOffset: UInt8 = 0xFF
  private static let offsetIndex = 1
  private static let fingerprintRange = 2..<(2 + KeyedFingerprint.length)
  private static let nonceRange = fingerprintRange.upperBound..<(fingerprintRange.upperBound + Cryptography.nonceLength)
  private static let minimumLength = nonceRange.upperBound + Cryptography.tagLength
  /// The longest serialized form, in bytes.
  public static let maximumLength = minimumLength + Sealer.maximumClearTextLength

  /// Takes the serialized form back. Only its outer shape is checked here; ``Sealer/open(_:)`` checks the rest.
  public init(serialized: some Collection<UInt8>) throws(SecretsError) {
    let box = Array(serialized)
    guard box.count >= Self.minimumLength, box.count <= Self.maximumLength, box[0] == Self.version else {
      throw SecretsError(.malformed, "not a sealed value of version \(Self.version)")
    }
    self.box = box
  }

  init(header: [UInt8], nonce: [UInt8], encrypted: [UInt8]) {
    box = header + nonce + encrypted
  }

  /// The form for the commit log: opaque bytes, safe to store anywhere.
  public var serialized: [UInt8] { box }

  /// The keyed fingerprint of the clear text.
  public var fingerprint: KeyedFingerprint {
    // The box is never shorter than this by either initializer; an empty fingerprint is only formal.
    KeyedFingerprint(box[Self.fingerprintRange]) ?? KeyedFingerprint.none
  }

  /// The offset of the type-7 string that was written, which reads give back.
  var typeSevenOffset: Int? { box[Self.offsetIndex] == Self.noOffset ? nil : Int(box[Self.offsetIndex]) }
  var authenticatedHeader: ArraySlice<UInt8> { box[..<Self.fingerprintRange.upperBound] }
  var nonce: ArraySlice<UInt8> { box[Self.nonceRange] }
  var encrypted: ArraySlice<UInt8> { box[Self.nonceRange.upperBound...] }

  public static func == (left: Sealed, right: Sealed) -> Bool {
    left.box[fingerprintRange] == right.box[fingerprintRange]
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(fingerprint)
  }
}

extension Sealed: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "<sealed>" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: EmptyCollection()) }
}
