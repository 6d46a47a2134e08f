// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL
import Glibc

/// What TLS has agreed on with a server. A class, since most profiles have none.
public final class TLSSession: Sendable, Hashable {
  /// As OpenSSL names it, such as `TLSv1.3`.
  public let version: String
  /// As OpenSSL names it.
  public let cipherSuite: String
  /// When the server's certificate expires, in seconds since 1970; nil without one.
  public let certificateExpiry: Int64?

  init(version: String, cipherSuite: String, certificateExpiry: Int64?) {
    self.version = version
    self.cipherSuite = cipherSuite
    self.certificateExpiry = certificateExpiry
  }

  /// Of a connection whose handshake is done.
  convenience init(_ connection: OpaquePointer) {
    let cipher = SSL_get_current_cipher(connection).flatMap { SSL_CIPHER_get_name($0) }.map { String(cString: $0) }
    self.init(
      version: String(cString: SSL_get_version(connection)), cipherSuite: cipher ?? "",
      certificateExpiry: SSL_get0_peer_certificate(connection).flatMap(Self.expiry))
  }

  /// The end of a certificate's validity; nil when it is none.
  static func expiry(of certificate: OpaquePointer) -> Int64? {
    var parts = tm()
    guard let time = X509_get0_notAfter(certificate), ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
    return Int64(timegm(&parts))
  }

  public static func == (left: TLSSession, right: TLSSession) -> Bool {
    left === right
      || left.version == right.version && left.cipherSuite == right.cipherSuite
        && left.certificateExpiry == right.certificateExpiry
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(version)
    hasher.combine(cipherSuite)
  }
}
