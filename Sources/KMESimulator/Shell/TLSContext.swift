// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL
import FoundationEssentials
import Glibc

/// The TLS settings of one listener.
// Sendable: everything is set in `init` and only read afterwards; OpenSSL counts references to an SSL_CTX atomically
// and lets any thread make sessions from it.
final class TLSContext: @unchecked Sendable {
  let pointer: OpaquePointer
  private let keys: [String: Key]

  /// A loaded pre-shared key.
  struct Key {
    var bytes: [UInt8]
    var hash: PreSharedKey.Hash
  }

  init(_ listener: ListenerConfiguration) throws(SimulatorError) {
    guard let context = SSL_CTX_new(TLS_server_method()) else { throw Self.failure("cannot make a TLS context") }
    pointer = context
    if case .psk(let configured) = listener.security {
      var loaded: [String: Key] = [:]
      for key in configured { loaded[key.identity] = try Self.load(key) }
      keys = loaded
    } else {
      keys = [:]
    }
    try setVersions(listener.tlsVersions)
    SSL_CTX_set_options(context, UInt64(1) << 14 | UInt64(1) << 30)  // SSL_OP_NO_TICKET, SSL_OP_NO_RENEGOTIATION
    SSL_CTX_set_num_tickets(context, 0)
    SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_OFF), nil)
    SSL_CTX_ctrl(context, SSL_CTRL_MODE, Int(SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER), nil)
    SSL_CTX_ctrl(context, SSL_CTRL_SET_DH_AUTO, 1, nil)
    switch listener.security {
    case .psk: try setPreSharedKeys(listener)
    case .certificate(let configuration): try setCertificate(configuration, listener)
    case .plain: break
    }
  }

  deinit {
    SSL_CTX_free(pointer)
  }

  /// The key of an identity.
  func key(_ identity: String) -> Key? { keys[identity] }

  private func setVersions(_ versions: [ListenerConfiguration.TLSVersion]) throws(SimulatorError) {
    let lowest = versions.contains(.tls12) ? TLS1_2_VERSION : TLS1_3_VERSION
    let highest = versions.contains(.tls13) ? TLS1_3_VERSION : TLS1_2_VERSION
    guard SSL_CTX_ctrl(pointer, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(lowest), nil) == 1,
      SSL_CTX_ctrl(pointer, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(highest), nil) == 1
    else { throw Self.failure("cannot set the TLS versions") }
  }

  private func setPreSharedKeys(_ listener: ListenerConfiguration) throws(SimulatorError) {
    let ciphers = listener.tls12Ciphers ?? "kECDHEPSK:kDHEPSK:kPSK:!eNULL:!aNULL"
    guard SSL_CTX_set_cipher_list(pointer, ciphers) == 1 else {
      throw Self.failure("OpenSSL knows no cipher of '\(ciphers)'")
    }
    SSL_CTX_set_psk_server_callback(pointer, tls12KeyCallback)
    SSL_CTX_set_psk_find_session_callback(pointer, tls13KeyCallback)
    SSL_CTX_set_client_hello_cb(pointer, clientHelloCallback, nil)
  }

  private func setCertificate(
    _ configuration: CertificateConfiguration, _ listener: ListenerConfiguration
  ) throws(SimulatorError) {
    if let ciphers = listener.tls12Ciphers, SSL_CTX_set_cipher_list(pointer, ciphers) != 1 {
      throw Self.failure("OpenSSL knows no cipher of '\(ciphers)'")
    }
    guard SSL_CTX_use_certificate_chain_file(pointer, configuration.certificate) == 1 else {
      throw Self.failure("cannot use the certificate '\(configuration.certificate)'")
    }
    guard SSL_CTX_use_PrivateKey_file(pointer, configuration.key, SSL_FILETYPE_PEM) == 1,
      SSL_CTX_check_private_key(pointer) == 1
    else { throw Self.failure("cannot use the key '\(configuration.key)'") }
    guard configuration.client != .none, let authorities = configuration.clientAuthorities else { return }
    guard SSL_CTX_load_verify_locations(pointer, authorities, nil) == 1 else {
      throw Self.failure("cannot use the authorities '\(authorities)'")
    }
    SSL_CTX_set_client_CA_list(pointer, SSL_load_client_CA_file(authorities))
    let mode = configuration.client == .required ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_PEER
    SSL_CTX_set_verify(pointer, mode, nil)
  }

  private static func load(_ key: PreSharedKey) throws(SimulatorError) -> Key {
    let text: [UInt8]
    switch key.source {
    case .hexadecimal(let digits): text = Array(digits.utf8)
    case .file(let path):
      guard let data = try? Data(contentsOf: URL(filePath: path)) else {
        throw SimulatorError(.configuration, "cannot read the key file '\(path)' of PSK '\(key.identity)'")
      }
      text = Array(data)
    }
    let digits = text.filter { !Character(UnicodeScalar($0)).isWhitespace }
    guard let bytes = Hexadecimal.decode(digits), (1...256).contains(bytes.count) else {
      throw SimulatorError(.configuration, "PSK '\(key.identity)' is not 1 to 256 bytes in hexadecimal digits")
    }
    return Key(bytes: bytes, hash: key.hash)
  }

  /// An error with the first reason that OpenSSL gives.
  static func failure(_ what: String) -> SimulatorError {
    let code = ERR_get_error()
    ERR_clear_error()
    let reason = ERR_reason_error_string(code).map { String(cString: $0) }
    return SimulatorError(.tls, reason.map { "\(what): \($0)" } ?? what)
  }
}
