// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL

/// The few primitives that this module needs, on OpenSSL's EVP interface.
enum Cryptography {
  static let nonceLength = 12
  static let tagLength = 16
  static let digestLength = 32

  private static func failure(_ what: String) -> SecretsError {
    SecretsError(.cryptography, "the cryptographic library failed: \(what)")
  }

  static func random(into target: UnsafeMutableRawBufferPointer) throws(SecretsError) {
    guard target.count > 0 else { return }
    let bytes = target.bindMemory(to: UInt8.self)
    guard RAND_bytes(bytes.baseAddress, Int32(bytes.count)) == 1 else { throw failure("random numbers") }
  }

  /// HKDF with SHA-256 and no salt (RFC 5869): 32 bytes for the purpose named by `info`.
  static func deriveKey(from key: SecretBytes, info: String) throws(SecretsError) -> SecretBytes {
    guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nil) else { throw failure("HKDF") }
    defer { EVP_PKEY_CTX_free(context) }
    return try SecretBytes(capacity: digestLength) { (target) throws(SecretsError) -> Int in
      let ready = key.withUnsafeBytes { key in
        EVP_PKEY_derive_init(context) > 0
          && EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) > 0
          && EVP_PKEY_CTX_set1_hkdf_key(context, key.bindMemory(to: UInt8.self).baseAddress, Int32(key.count)) > 0
      }
      let info = Array(info.utf8)
      var length = target.count
      guard ready, EVP_PKEY_CTX_add1_hkdf_info(context, info, Int32(info.count)) > 0,
        EVP_PKEY_derive(context, target.bindMemory(to: UInt8.self).baseAddress, &length) > 0
      else { throw failure("HKDF") }
      return length
    }
  }

  /// HMAC-SHA-256.
  static func authenticate(
    _ message: UnsafeRawBufferPointer, key: SecretBytes
  ) throws(SecretsError) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: digestLength)
    var length = UInt32(digestLength)
    // An empty buffer may have no address, which HMAC takes as "no message": give it one.
    var placeholder: UInt8 = 0
    let made = key.withUnsafeBytes { key in
      withUnsafePointer(to: &placeholder) { placeholder in
        HMAC(
          EVP_sha256(), key.baseAddress, Int32(key.count),
          message.bindMemory(to: UInt8.self).baseAddress ?? placeholder, message.count, &digest, &length)
      }
    }
    guard made != nil, length == digestLength else { throw failure("HMAC") }
    return digest
  }

  /// AES-256-GCM: the ciphertext followed by its tag.
  static func encrypt(
    _ clear: UnsafeRawBufferPointer, key: SecretBytes, nonce: ArraySlice<UInt8>, authenticating: ArraySlice<UInt8>
  ) throws(SecretsError) -> [UInt8] {
    guard let context = EVP_CIPHER_CTX_new() else { throw failure("AES-GCM") }
    defer { EVP_CIPHER_CTX_free(context) }
    let nonce = Array(nonce)
    let associated = Array(authenticating)
    let initialized = key.withUnsafeBytes {
      EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nil, $0.bindMemory(to: UInt8.self).baseAddress, nonce)
    }
    var output = [UInt8](repeating: 0, count: clear.count + tagLength)
    var length: Int32 = 0
    var final: Int32 = 0
    guard nonce.count == nonceLength, initialized == 1,
      EVP_EncryptUpdate(context, nil, &length, associated, Int32(associated.count)) == 1,
      EVP_EncryptUpdate(context, &output, &length, clear.bindMemory(to: UInt8.self).baseAddress, Int32(clear.count))
        == 1
    else { throw failure("AES-GCM") }
    let finished = output.withUnsafeMutableBufferPointer { output -> Bool in
      guard let base = output.baseAddress else { return false }
      return EVP_EncryptFinal_ex(context, base + Int(length), &final) == 1
        && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tagLength), base + clear.count) == 1
    }
    guard finished, Int(length + final) == clear.count else { throw failure("AES-GCM") }
    return output
  }

  /// The inverse of `encrypt`; nil when the tag does not fit.
  static func decrypt(
    _ sealed: ArraySlice<UInt8>, key: SecretBytes, nonce: ArraySlice<UInt8>, authenticating: ArraySlice<UInt8>
  ) throws(SecretsError) -> SecretBytes? {
    guard sealed.count >= tagLength, nonce.count == nonceLength else { return nil }
    guard let context = EVP_CIPHER_CTX_new() else { throw failure("AES-GCM") }
    defer { EVP_CIPHER_CTX_free(context) }
    let nonce = Array(nonce)
    let associated = Array(authenticating)
    let ciphertext = Array(sealed.dropLast(tagLength))
    var tag = Array(sealed.suffix(tagLength))
    let initialized = key.withUnsafeBytes {
      EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nil, $0.bindMemory(to: UInt8.self).baseAddress, nonce)
    }
    var authentic = false
    let clear = try SecretBytes(capacity: ciphertext.count) { (target) throws(SecretsError) -> Int in
      // Room for one byte more: an empty text still wants an address.
      var spare: UInt8 = 0
      var length: Int32 = 0
      var final: Int32 = 0
      let bytes = target.bindMemory(to: UInt8.self)
      let updated = withUnsafeMutablePointer(to: &spare) { spare -> Bool in
        let output = bytes.baseAddress ?? spare
        guard EVP_DecryptUpdate(context, nil, &length, associated, Int32(associated.count)) == 1,
          EVP_DecryptUpdate(context, output, &length, ciphertext, Int32(ciphertext.count)) == 1,
          EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tagLength), &tag) == 1
        else { return false }
        authentic = EVP_DecryptFinal_ex(context, output + Int(length), &final) == 1
        return true
      }
      guard initialized == 1, updated else { throw failure("AES-GCM") }
      return authentic ? Int(length + final) : 0
    }
    return authentic ? clear : nil
  }
}
