// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL
import Secrets

/// AES-CMAC and AES key wrap on OpenSSL's EVP interface.
enum AES {
  static let blockLength = 16

  private static func failure(_ what: String) -> MKAError {
    MKAError(.cryptography, "the cryptographic library failed: \(what)")
  }

  /// AES-CMAC (NIST SP 800-38B) with a key of 16 or 32 octets; writes 16 octets to `target`.
  static func cmac(
    _ message: [UInt8], key: SecretBytes, into target: UnsafeMutableRawBufferPointer
  ) throws(MKAError) {
    guard key.count == 16 || key.count == 32, target.count >= blockLength else {
      throw MKAError(.invalidKey, "AES-CMAC takes a key of 16 or 32 octets")
    }
    let cipher = key.count == 16 ? "AES-128-CBC" : "AES-256-CBC"
    var length = 0
    let made = key.withUnsafeBytes { key in
      EVP_Q_mac(
        nil, "CMAC", nil, cipher, nil, key.baseAddress, key.count, message, message.count,
        target.bindMemory(to: UInt8.self).baseAddress, blockLength, &length)
    }
    guard made != nil, length == blockLength else { throw failure("AES-CMAC") }
  }

  /// AES key wrap (RFC 3394) with the default initial value: 8 octets more than the key.
  static func wrap(_ secret: SecretBytes, with kek: SecretBytes) throws(MKAError) -> [UInt8] {
    let context = try wrapContext(kek, encrypt: true)
    defer { EVP_CIPHER_CTX_free(context) }
    var wrapped = [UInt8](repeating: 0, count: secret.count + 8)
    var length: Int32 = 0
    let done = secret.withUnsafeBytes { secret in
      EVP_EncryptUpdate(
        context, &wrapped, &length, secret.bindMemory(to: UInt8.self).baseAddress, Int32(secret.count))
    }
    guard done == 1, Int(length) == wrapped.count else { throw failure("AES key wrap") }
    return wrapped
  }

  /// The inverse of `wrap`; fails when the wrapped key was not made with this KEK.
  static func unwrap(_ wrapped: [UInt8], with kek: SecretBytes) throws(MKAError) -> SecretBytes {
    guard wrapped.count == 24 || wrapped.count == 40 else {
      throw MKAError(.invalidLength, "a wrapped key has 24 or 40 octets")
    }
    let context = try wrapContext(kek, encrypt: false)
    defer { EVP_CIPHER_CTX_free(context) }
    return try SecretBytes(capacity: wrapped.count) { (target) throws(MKAError) -> Int in
      var length: Int32 = 0
      let done = EVP_DecryptUpdate(
        context, target.bindMemory(to: UInt8.self).baseAddress, &length, wrapped, Int32(wrapped.count))
      guard done == 1, Int(length) == wrapped.count - 8 else {
        ERR_clear_error()
        throw MKAError(.integrity, "a wrapped key does not unwrap")
      }
      return Int(length)
    }
  }

  private static func wrapContext(_ kek: SecretBytes, encrypt: Bool) throws(MKAError) -> OpaquePointer {
    guard kek.count == 16 || kek.count == 32 else { throw MKAError(.invalidKey, "a KEK has 16 or 32 octets") }
    guard let context = EVP_CIPHER_CTX_new() else { throw failure("AES key wrap") }
    EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW)
    let cipher = kek.count == 16 ? EVP_aes_128_wrap() : EVP_aes_256_wrap()
    let ready = kek.withUnsafeBytes { kek in
      EVP_CipherInit_ex(context, cipher, nil, kek.bindMemory(to: UInt8.self).baseAddress, nil, encrypt ? 1 : 0)
    }
    guard ready == 1 else {
      EVP_CIPHER_CTX_free(context)
      throw failure("AES key wrap")
    }
    return context
  }
}

/// SHA-256 (FIPS 180-4).
enum SHA256 {
  /// The 32 octets of the digest.
  static func digest(of message: [UInt8]) throws(MKAError) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    var length = 0
    guard EVP_Q_digest(nil, "SHA256", nil, message, message.count, &digest, &length) == 1, length == digest.count else {
      throw MKAError(.cryptography, "the cryptographic library failed: SHA-256")
    }
    return digest
  }
}
