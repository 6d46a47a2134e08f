// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CCurl
import COpenSSL
import Secrets

/// A pre-shared key ready for TLS, and the callbacks that give it to OpenSSL.
///
/// libcurl knows no pre-shared keys; they are set on each connection's own SSL context. Three things are done there
/// that authentication rests on: TLS 1.2 may only use suites whose key exchange is the pre-shared key; TLS 1.3, which
/// would fall back to certificates with a server that does not know the key, refuses every certificate; and no session
/// is cached, so a changed key counts at once.
// Sendable: all is immutable after `init`.
final class PSKCredential: @unchecked Sendable {
  /// The longest key that OpenSSL takes, in bytes.
  static let maximumKeyLength = 512
  /// Suites of TLS 1.2 with a pre-shared key; those with Diffie-Hellman come first.
  private static let suites12 = "kECDHEPSK:kDHEPSK:kPSK:!eNULL:!3DES:!RC4"

  private let identity: [UInt8]
  private let identityBuffer: UnsafeMutableBufferPointer<UInt8>
  private let key: SecretBytes
  private let hash: TLSHash

  /// Unseals the key. Errors say what is wrong with it, never what it is.
  init(_ key: PreSharedKey, hash: TLSHash, sealer: Sealer) throws(SKSConfigurationError) {
    let element = "kme/psk/key"
    let text: SecretBytes
    do { text = try sealer.open(key.key) } catch { throw SKSConfigurationError(element: element, error.message) }
    switch key.form {
    case .text: self.key = text
    case .hexadecimal:
      do {
        self.key = try text.withUnsafeBytes { (text) throws(SKIPAnswerError) in
          try JSONScanner.hexadecimal(0..<text.count, in: text, member: element)
        }
      } catch { throw SKSConfigurationError(element: element, error.reason) }
    }
    guard (1...Self.maximumKeyLength).contains(self.key.count) else {
      throw SKSConfigurationError(element: element, "a pre-shared key has 1 to \(Self.maximumKeyLength) bytes")
    }
    identity = Array(key.identity.utf8)
    // OpenSSL reads the identity after the callback has returned, so it needs a place that stays.
    identityBuffer = .allocate(capacity: identity.count)
    _ = identityBuffer.initialize(from: identity)
    self.hash = hash
  }

  deinit { identityBuffer.deallocate() }

  // MARK: The SSL context

  private static let index: Int32 = agentd_ssl_ctx_new_index { _, credential, _, _, _, _ in
    if let credential { Unmanaged<PSKCredential>.fromOpaque(credential).release() }
  }

  /// libcurl's context callback: `data` is the credential, which lives through the call.
  static let configureContext: curl_ssl_ctx_callback = { _, context, data in
    guard let context, let data else { return CURLE_SSL_CERTPROBLEM }
    let credential = Unmanaged<PSKCredential>.fromOpaque(data).takeUnretainedValue()
    return credential.configure(OpaquePointer(context)) ? CURLE_OK : CURLE_SSL_CERTPROBLEM
  }

  private func configure(_ context: OpaquePointer) -> Bool {
    let suites13 =
      switch hash {
      case .sha256: "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
      case .sha384: "TLS_AES_256_GCM_SHA384"
      }
    guard SSL_CTX_set_cipher_list(context, Self.suites12) == 1, SSL_CTX_set_ciphersuites(context, suites13) == 1
    else { return false }
    // The context keeps the credential alive as long as a handshake can ask for it.
    let reference = Unmanaged.passRetained(self)
    guard SSL_CTX_set_ex_data(context, Self.index, reference.toOpaque()) == 1 else {
      reference.release()
      return false
    }
    _ = agentd_ssl_ctx_set_session_cache_off(context)
    SSL_CTX_set_options(context, UInt64(1) << 1)  // SSL_OP_CLEANSE_PLAINTEXT
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER) { _, _ in 0 }
    SSL_CTX_set_cert_verify_callback(context, { _, _ in 0 }, nil)
    SSL_CTX_set_psk_client_callback(context) { ssl, _, identity, identityLength, key, keyLength in
      guard let ssl, let identity, let key, let credential = PSKCredential.of(ssl) else { return 0 }
      return credential.write12(identity, Int(identityLength), key, Int(keyLength))
    }
    SSL_CTX_set_psk_use_session_callback(context) { ssl, digest, identity, identityLength, session in
      guard let ssl, let identity, let identityLength, let session, let credential = PSKCredential.of(ssl) else {
        return 0
      }
      return credential.session13(ssl, digest, identity, identityLength, session)
    }
    return true
  }

  private static func of(_ ssl: OpaquePointer) -> PSKCredential? {
    SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), index).map {
      Unmanaged<PSKCredential>.fromOpaque($0).takeUnretainedValue()
    }
  }

  /// TLS 1.2: writes identity and key; returns the key's length, 0 for none.
  private func write12(
    _ target: UnsafeMutablePointer<CChar>, _ room: Int, _ keyTarget: UnsafeMutablePointer<UInt8>, _ keyRoom: Int
  ) -> UInt32 {
    guard identity.count < room, key.count <= keyRoom else { return 0 }
    for (index, byte) in identity.enumerated() { target[index] = CChar(bitPattern: byte) }
    target[identity.count] = 0
    key.withUnsafeBytes { key in
      for index in 0..<key.count { keyTarget[index] = key[index] }
    }
    return UInt32(key.count)
  }

  /// TLS 1.3: offers the key as a session of the suite with its hash. In the first hello there is no digest yet;
  /// after a retry it is the chosen suite's, and a key of another hash must not be offered.
  private func session13(
    _ ssl: OpaquePointer, _ digest: OpaquePointer?, _ identity: UnsafeMutablePointer<UnsafePointer<UInt8>?>,
    _ identityLength: UnsafeMutablePointer<Int>, _ session: UnsafeMutablePointer<OpaquePointer?>
  ) -> Int32 {
    identity.pointee = nil
    identityLength.pointee = 0
    session.pointee = nil
    let suite: [UInt8] = hash == .sha256 ? [0x13, 0x01] : [0x13, 0x02]
    guard let cipher = SSL_CIPHER_find(ssl, suite) else { return 0 }
    if let digest, SSL_CIPHER_get_handshake_digest(cipher) != digest { return 1 }
    guard let fresh = SSL_SESSION_new() else { return 0 }
    let isMade = key.withUnsafeBytes { key in
      SSL_SESSION_set1_master_key(fresh, key.bindMemory(to: UInt8.self).baseAddress, key.count) == 1
        && SSL_SESSION_set_cipher(fresh, cipher) == 1
        && SSL_SESSION_set_protocol_version(fresh, TLS1_3_VERSION) == 1
    }
    guard isMade else {
      SSL_SESSION_free(fresh)
      return 0
    }
    identity.pointee = UnsafePointer(identityBuffer.baseAddress)
    identityLength.pointee = identityBuffer.count
    session.pointee = fresh
    return 1
  }
}
