// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL

extension Trustpoint {
  /// charon's name for the private key that belongs to a certificate: SHA-1 of the bits of its public key.
  ///
  /// - Parameter certificate: DER or PEM.
  /// - Returns: 40 lower-case hexadecimal digits; nil when it is no certificate.
  public static func keyIdentifier(ofCertificate certificate: [UInt8]) -> String? {
    guard !certificate.isEmpty, certificate.count <= VICILimit.valueBytes,
      let source = BIO_new_mem_buf(certificate, Int32(certificate.count))
    else { return nil }
    defer { BIO_free(source) }
    let isDER = certificate[0] == 0x30
    guard let parsed = isDER ? d2i_X509_bio(source, nil) : PEM_read_bio_X509(source, nil, nil, nil) else {
      ERR_clear_error()
      return nil
    }
    defer { X509_free(parsed) }
    var digest = [UInt8](repeating: 0, count: 20)
    var length: UInt32 = 0
    guard X509_pubkey_digest(parsed, EVP_sha1(), &digest, &length) == 1, length == 20 else { return nil }
    return digest.map { byte in
      let text = String(byte, radix: 16)
      return byte < 16 ? "0" + text : text
    }.joined()
  }
}
