// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL

/// A private key with its certificate. Owns both OpenSSL objects and frees them once.
final class CertifiedKey {
  let key: OpaquePointer
  let certificate: OpaquePointer

  /// Takes over both objects.
  init(key: OpaquePointer, certificate: OpaquePointer) {
    self.key = key
    self.certificate = certificate
  }

  deinit {
    X509_free(certificate)
    EVP_PKEY_free(key)
  }

  /// The certificate in PEM.
  func certificatePEM() throws(SimulatorError) -> [UInt8] {
    try Self.pem { PEM_write_bio_X509($0, certificate) }
  }

  /// The private key in PEM (PKCS #8), not encrypted.
  func keyPEM() throws(SimulatorError) -> [UInt8] {
    try Self.pem { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) }
  }

  private static func pem(_ write: (OpaquePointer) -> Int32) throws(SimulatorError) -> [UInt8] {
    guard let memory = BIO_new(BIO_s_mem()) else { throw TLSContext.failure("out of memory") }
    defer { BIO_free(memory) }
    guard write(memory) == 1 else { throw TLSContext.failure("cannot write PEM") }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4_096)
    while case let count = BIO_read(memory, &buffer, Int32(buffer.count)), count > 0 {
      bytes += buffer.prefix(Int(count))
    }
    wipe(&buffer)
    return bytes
  }
}

/// A certification authority for labs: P-256 keys, SHA-256 signatures, and certificates that last as long as asked.
struct CertificateAuthority {
  /// What a certificate is for.
  enum Purpose: Equatable {
    case authority
    case server(hosts: [String])
    case client
  }

  let identity: CertifiedKey

  /// A new authority with a key of its own.
  init(commonName: String, lifetimeInSeconds: Int) throws(SimulatorError) {
    identity = try Self.issue(commonName, .authority, lifetimeInSeconds: lifetimeInSeconds, by: nil)
  }

  /// A new key with a certificate of this authority.
  func issue(
    _ commonName: String, _ purpose: Purpose, lifetimeInSeconds: Int
  ) throws(SimulatorError) -> CertifiedKey {
    try Self.issue(commonName, purpose, lifetimeInSeconds: lifetimeInSeconds, by: identity)
  }

  private static func issue(
    _ commonName: String, _ purpose: Purpose, lifetimeInSeconds: Int, by issuer: CertifiedKey?
  ) throws(SimulatorError) -> CertifiedKey {
    let key = try makeKey()
    guard let certificate = X509_new() else {
      EVP_PKEY_free(key)
      throw TLSContext.failure("cannot make a certificate")
    }
    let made = CertifiedKey(key: key, certificate: certificate)
    try require(X509_set_version(certificate, 2) == 1, "version")  // 2 says version 3
    try setSerialNumber(certificate)
    try setName(X509_get_subject_name(certificate), commonName)
    let issuerName = X509_get_subject_name(issuer?.certificate ?? certificate)
    try require(X509_set_issuer_name(certificate, issuerName) == 1, "issuer")
    // A lifetime below zero makes a certificate that ran out that long ago, after one day.
    let begin = lifetimeInSeconds > 0 ? -60 : lifetimeInSeconds - 86_400
    try require(X509_gmtime_adj(X509_getm_notBefore(certificate), begin) != nil, "first day")
    try require(X509_gmtime_adj(X509_getm_notAfter(certificate), lifetimeInSeconds) != nil, "last day")
    try require(X509_set_pubkey(certificate, key) == 1, "public key")
    for (identifier, value) in extensions(purpose) {
      try add(identifier, value, to: certificate, issuer: issuer?.certificate ?? certificate)
    }
    try require(X509_sign(certificate, issuer?.key ?? key, EVP_sha256()) > 0, "signature")
    return made
  }

  private static func makeKey() throws(SimulatorError) -> OpaquePointer {
    guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nil) else { throw TLSContext.failure("cannot make a key") }
    defer { EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    guard EVP_PKEY_keygen_init(context) == 1,
      EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) == 1,
      EVP_PKEY_keygen(context, &key) == 1, let key
    else { throw TLSContext.failure("cannot make a key") }
    return key
  }

  private static func setSerialNumber(_ certificate: OpaquePointer) throws(SimulatorError) {
    guard let number = BN_new() else { throw TLSContext.failure("out of memory") }
    defer { BN_free(number) }
    try require(BN_rand(number, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1, "serial number")
    try require(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nil, "serial number")
  }

  private static func setName(_ name: OpaquePointer?, _ commonName: String) throws(SimulatorError) {
    let bytes = Array(commonName.utf8)
    let isSet = X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, bytes, Int32(bytes.count), -1, 0)
    try require(isSet == 1, "common name '\(commonName)', which has to be 1 to 64 characters long")
  }

  private static func extensions(_ purpose: Purpose) -> [(Int32, String)] {
    let identifiers = [(NID_subject_key_identifier, "hash"), (NID_authority_key_identifier, "keyid")]
    switch purpose {
    case .authority:
      return [
        (NID_basic_constraints, "critical,CA:TRUE"), (NID_key_usage, "critical,keyCertSign,cRLSign"),
        (NID_subject_key_identifier, "hash"),
      ]
    case .server(let hosts):
      let names = hosts.map { SocketAddress(host: $0, port: 0) == nil ? "DNS:\($0)" : "IP:\($0)" }
      return identifiers + [
        (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,digitalSignature"),
        (NID_ext_key_usage, "serverAuth"), (NID_subject_alt_name, names.joined(separator: ",")),
      ]
    case .client:
      return identifiers + [
        (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,digitalSignature"),
        (NID_ext_key_usage, "clientAuth"),
      ]
    }
  }

  private static func add(
    _ identifier: Int32, _ value: String, to certificate: OpaquePointer, issuer: OpaquePointer
  ) throws(SimulatorError) {
    var context = X509V3_CTX()
    X509V3_set_ctx(&context, issuer, certificate, nil, nil, 0)
    guard let new = X509V3_EXT_conf_nid(nil, &context, identifier, value) else {
      throw TLSContext.failure("cannot make the certificate's extension '\(value)'")
    }
    defer { X509_EXTENSION_free(new) }
    try require(X509_add_ext(certificate, new, -1) == 1, "extension '\(value)'")
  }

  private static func require(_ isDone: Bool, _ part: String) throws(SimulatorError) {
    if !isDone { throw TLSContext.failure("cannot set the certificate's \(part)") }
  }
}
