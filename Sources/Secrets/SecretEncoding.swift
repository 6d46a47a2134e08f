// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// How a leaf writes and reads its secret.
public enum SecretEncoding: Sendable, Hashable, CaseIterable {
  /// IOS XR's `Proprietary-password`: `!` and clear text, or a type-7 string; read as a type-7 string.
  case type7
  /// IOS XR's `Type6-password`: `!` and clear text, or this agent's own coding; read in that coding.
  case type6
  /// Any text (a PEM private key, for example); read as a keyed digest that tells only whether it changed.
  case opaque
}

/// The type-7 coding: obfuscation that everyone can undo, used because the models ask for it.
enum TypeSeven {
  private static let key = Array("dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87".utf8)
  /// The offsets that encoders use in practice.
  static let usualOffsets = 16

  /// Two decimal digits of offset, then each byte XOR the key byte at (offset + index) modulo 53, in upper-case hex.
  static func encode(_ clear: UnsafeRawBufferPointer, offset: Int) -> String {
    let digits = (offset < 10 ? "0" : "") + String(offset)
    return digits
      + Hexadecimal.encode(
        clear.enumerated().lazy.map { $1 ^ key[(offset + $0) % key.count] }, uppercase: true)
  }

  static func decode(_ text: UnsafeRawBufferPointer) throws(SecretsError) -> (offset: Int, clear: SecretBytes) {
    func malformed(_ why: String) -> SecretsError {
      SecretsError(.malformed, "not a type-7 string: \(why); clear text is written with ! in front")
    }
    guard text.count >= 2, let tens = decimal(text[0]), let ones = decimal(text[1]) else {
      throw malformed("it must begin with two decimal digits")
    }
    let offset = tens * 10 + ones
    guard offset < key.count else { throw malformed("its first two digits must not exceed \(key.count - 1)") }
    guard text.count > 2 else { throw SecretsError(.empty, "the type-7 string holds an empty secret") }
    guard text.count % 2 == 0 else { throw malformed("it must hold an even number of hexadecimal digits") }
    let count = (text.count - 2) / 2
    let clear = try SecretBytes(capacity: count) { (target) throws(SecretsError) -> Int in
      for index in 0..<count {
        guard let high = Hexadecimal.value(text[2 + 2 * index]), let low = Hexadecimal.value(text[3 + 2 * index])
        else { throw malformed("all after its first two digits must be hexadecimal digits") }
        target[index] = (high << 4 | low) ^ key[(offset + index) % key.count]
      }
      return count
    }
    return (offset, clear)
  }

  private static func decimal(_ byte: UInt8) -> Int? {
    UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte ? Int(byte - UInt8(ascii: "0")) : nil
  }
}
