// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc

/// Password hashes of crypt(3), the forms of iana-crypt-hash: SHA-256 (`$5$`) and SHA-512 (`$6$`). MD5 (`$1$`) is not
/// accepted.
public enum PasswordHash {
  /// The longest password that is looked at, in bytes.
  public static let maximumPasswordLength = 512

  /// Whether the password has this hash. Without a hash, or with one of a form that is not accepted, the answer is no,
  /// after as much work as with one.
  public static func matches(_ password: UnsafeRawBufferPointer, hash: String?) -> Bool {
    let isUsable = hash.map { ($0.hasPrefix("$6$") || $0.hasPrefix("$5$")) && $0.utf8.count <= 256 } ?? false
    let setting = isUsable ? hash ?? Self.decoy : Self.decoy
    guard let computed = crypt(password, setting: setting) else { return false }
    return equalsInConstantTime(Array(computed.utf8), Array(setting.utf8)) && isUsable
  }

  /// The SHA-512 hash of a password, with a random salt.
  /// - Returns: nil for a password that is too long or holds a zero byte.
  public static func make(_ password: UnsafeRawBufferPointer) -> String? {
    let alphabet = Array("./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    var random = SystemRandomNumberGenerator()
    let salt = (0..<16).map { _ in alphabet[Int(random.next(upperBound: UInt64(alphabet.count)))] }
    return crypt(password, setting: "$6$" + String(decoding: salt, as: UTF8.self) + "$")
  }

  /// What the password of an unknown user is compared with: a hash of the default cost that nothing has.
  private static let decoy = "$6$unknownuserssalt$"

  private static func crypt(_ password: UnsafeRawBufferPointer, setting: String) -> String? {
    guard password.count <= maximumPasswordLength, !password.contains(0) else { return nil }
    let text = UnsafeMutableBufferPointer<CChar>.allocate(capacity: password.count + 1)
    let scratch = UnsafeMutablePointer<crypt_data>.allocate(capacity: 1)
    defer {
      if let base = text.baseAddress { explicit_bzero(base, text.count) }
      explicit_bzero(scratch, MemoryLayout<crypt_data>.size)
      text.deallocate()
      scratch.deallocate()
    }
    for (index, byte) in password.enumerated() { text[index] = CChar(bitPattern: byte) }
    text[password.count] = 0
    memset(scratch, 0, MemoryLayout<crypt_data>.size)
    guard let result = crypt_r(text.baseAddress, setting, scratch) else { return nil }
    let hash = String(cString: result)
    return hash.hasPrefix("*") ? nil : hash
  }

  private static func equalsInConstantTime(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    guard left.count == right.count else { return false }
    return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
