// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL
import Secrets

extension ProfileConfiguration {
  /// Finds what would keep the profile from ever connecting, so that a commit can be refused with the reason: a key
  /// that is no key, certificates that are none, a private key that does not belong to its certificate.
  public func check(sealer: Sealer) throws(SKSConfigurationError) {
    switch authentication {
    case .psk(let key):
      do { _ = try PSKCredential(key, hash: .sha384, sealer: sealer) } catch {
        throw SKSConfigurationError(element: "type/remote/kme/psk/key", error.description)
      }
    case .certificates(let credentials): try credentials.check(sealer: sealer)
    case .systemTrust: break
    }
  }
}

extension CertificateCredentials {
  fileprivate func check(sealer: Sealer) throws(SKSConfigurationError) {
    func refusal(_ what: String) -> SKSConfigurationError {
      SKSConfigurationError(element: "type/remote/kme/client/trustpoint", what)
    }
    guard PEMReader.certificates(in: authorities).count > 0 else {
      throw refusal("the trustpoint's authorities hold no certificate in PEM form")
    }
    guard let chain, let privateKey else { return }
    guard let certificate = PEMReader.certificates(in: chain).first else {
      throw refusal("the trustpoint's own certificate is not in PEM form")
    }
    let clear: SecretBytes
    do { clear = try sealer.open(privateKey) } catch { throw refusal(error.message) }
    guard let key = PEMReader.PrivateKey(clear) else {
      throw refusal("the trustpoint's private key is not in PEM form, or is encrypted")
    }
    guard X509_check_private_key(certificate.pointer, key.pointer) == 1 else {
      throw refusal("the trustpoint's private key does not belong to its certificate")
    }
  }
}

/// Reads PEM texts with OpenSSL.
enum PEMReader {
  /// Owns a certificate.
  final class Certificate {
    let pointer: OpaquePointer
    init(_ pointer: OpaquePointer) { self.pointer = pointer }
    deinit { X509_free(pointer) }
    /// In seconds since 1970.
    var expiry: Int64? { TLSSession.expiry(of: pointer) }
  }

  /// Owns a private key.
  final class PrivateKey {
    let pointer: OpaquePointer

    /// Nil when the text holds no private key that opens without a password.
    init?(_ text: SecretBytes) {
      let pointer = text.withUnsafeBytes { text -> OpaquePointer? in
        guard let source = BIO_new_mem_buf(text.baseAddress, Int32(text.count)) else { return nil }
        defer { BIO_free(source) }
        return PEM_read_bio_PrivateKey(source, nil, { _, _, _, _ in 0 }, nil)
      }
      ERR_clear_error()
      guard let pointer else { return nil }
      self.pointer = pointer
    }

    deinit { EVP_PKEY_free(pointer) }
  }

  /// The certificates of a text, in order.
  static func certificates(in text: [UInt8]) -> [Certificate] {
    guard let source = BIO_new_mem_buf(text, Int32(clamping: text.count)) else { return [] }
    defer {
      BIO_free(source)
      ERR_clear_error()
    }
    var certificates: [Certificate] = []
    while let certificate = PEM_read_bio_X509(source, nil, { _, _, _, _ in 0 }, nil) {
      certificates.append(Certificate(certificate))
    }
    return certificates
  }
}
