// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import FoundationEssentials

/// Where an instance listens and how its clients prove who they are.
public struct ListenerConfiguration: Codable, Equatable, Sendable {
  /// The address and port.
  public var address: Endpoint
  /// The protection of the connections.
  public var security: Security
  /// The versions of TLS spoken.
  public var tlsVersions: [TLSVersion]
  /// OpenSSL's cipher list for TLS 1.2; `nil` for what suits the kind of authentication.
  public var tls12Ciphers: String?
  /// How long a connection may be idle, in seconds.
  public var idleSeconds: Int
  /// Whether a connection carries more than one request.
  public var keepsAlive: Bool

  /// How clients and server authenticate.
  public enum Security: Equatable, Sendable {
    /// TLS with external pre-shared keys.
    case psk([PreSharedKey])
    /// TLS with certificates.
    case certificate(CertificateConfiguration)
    /// No TLS, for a front end such as stunnel on the same machine.
    case plain
  }

  /// The versions of TLS.
  public enum TLSVersion: String, Codable, Equatable, Sendable, CaseIterable {
    case tls12 = "1.2"
    case tls13 = "1.3"
  }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case address, psk, certificate, plain
    case tlsVersions = "tls-versions"
    case tls12Ciphers = "tls12-ciphers"
    case idleSeconds = "idle-seconds"
    case keepsAlive = "keep-alive"
  }

  /// Makes a listener.
  public init(
    address: Endpoint, security: Security, tlsVersions: [TLSVersion] = TLSVersion.allCases,
    tls12Ciphers: String? = nil, idleSeconds: Int = 60, keepsAlive: Bool = true
  ) {
    self.address = address
    self.security = security
    self.tlsVersions = tlsVersions
    self.tls12Ciphers = tls12Ciphers
    self.idleSeconds = idleSeconds
    self.keepsAlive = keepsAlive
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.strictContainer(keyedBy: CodingKeys.self)
    address = try container.decode(Endpoint.self, forKey: .address)
    let isPlain = try container.decodeIfPresent(Bool.self, forKey: .plain) ?? false
    let keys = try container.decodeIfPresent([PreSharedKey].self, forKey: .psk)
    let certificate = try container.decodeIfPresent(CertificateConfiguration.self, forKey: .certificate)
    switch (keys, certificate, isPlain) {
    case (let keys?, nil, false): security = .psk(keys)
    case (nil, let certificate?, false): security = .certificate(certificate)
    case (nil, nil, true): security = .plain
    default:
      throw SimulatorError(.configuration, "listener \(address) needs exactly one of 'psk', 'certificate' and 'plain'")
    }
    tlsVersions = try container.decodeIfPresent([TLSVersion].self, forKey: .tlsVersions) ?? TLSVersion.allCases
    tls12Ciphers = try container.decodeIfPresent(String.self, forKey: .tls12Ciphers)
    idleSeconds = try container.decodeIfPresent(Int.self, forKey: .idleSeconds) ?? 60
    keepsAlive = try container.decodeIfPresent(Bool.self, forKey: .keepsAlive) ?? true
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(address, forKey: .address)
    switch security {
    case .psk(let keys): try container.encode(keys, forKey: .psk)
    case .certificate(let certificate): try container.encode(certificate, forKey: .certificate)
    case .plain: try container.encode(true, forKey: .plain)
    }
    try container.encode(tlsVersions, forKey: .tlsVersions)
    try container.encodeIfPresent(tls12Ciphers, forKey: .tls12Ciphers)
    try container.encode(idleSeconds, forKey: .idleSeconds)
    try container.encode(keepsAlive, forKey: .keepsAlive)
  }

  func validate(instance: String) throws(SimulatorError) {
    func fail(_ rule: String) -> SimulatorError {
      SimulatorError(.configuration, "instance '\(instance)', listener \(address): \(rule)")
    }
    guard !tlsVersions.isEmpty else { throw fail("tls-versions is empty") }
    guard (1...86_400).contains(idleSeconds) else { throw fail("idle-seconds is not 1 to 86400") }
    switch security {
    case .plain:
      guard address.isLocal else { throw fail("without TLS it may listen on loopback only") }
    case .psk(let keys):
      guard !keys.isEmpty else { throw fail("there is no pre-shared key") }
      guard Set(keys.map(\.identity)).count == keys.count else { throw fail("two pre-shared keys have one identity") }
      for key in keys {
        guard (1...255).contains(key.identity.utf8.count) else {
          throw fail("a PSK identity is not 1 to 255 bytes long")
        }
      }
    case .certificate:
      break
    }
  }
}

/// A pre-shared key that clients may use.
public struct PreSharedKey: Codable, Equatable, Sendable {
  /// The identity that the client sends.
  public var identity: String
  /// Where the key comes from.
  public var source: Source
  /// The hash it is bound to in TLS 1.3.
  public var hash: Hash

  /// Where a key is written.
  public enum Source: Equatable, Sendable {
    /// A file of hexadecimal digits; white space around them does not count.
    case file(String)
    /// The hexadecimal digits themselves.
    case hexadecimal(String)
  }

  /// The hash of a TLS 1.3 external PSK (RFC 8446 section 4.2.11).
  public enum Hash: String, Codable, Equatable, Sendable, CaseIterable {
    case sha256
    case sha384
    /// The one the client computed its binder with.
    case any
  }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case identity, key, hash
    case keyFile = "key-file"
  }

  /// Makes a pre-shared key.
  public init(identity: String, source: Source, hash: Hash = .any) {
    self.identity = identity
    self.source = source
    self.hash = hash
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.strictContainer(keyedBy: CodingKeys.self)
    identity = try container.decode(String.self, forKey: .identity)
    hash = try container.decodeIfPresent(Hash.self, forKey: .hash) ?? .any
    let file = try container.decodeIfPresent(String.self, forKey: .keyFile)
    let digits = try container.decodeIfPresent(String.self, forKey: .key)
    switch (file, digits) {
    case (let file?, nil): source = .file(file)
    case (nil, let digits?): source = .hexadecimal(digits)
    default: throw SimulatorError(.configuration, "PSK '\(identity)' needs exactly one of 'key' and 'key-file'")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(identity, forKey: .identity)
    switch source {
    case .file(let path): try container.encode(path, forKey: .keyFile)
    case .hexadecimal(let digits): try container.encode(digits, forKey: .key)
    }
    try container.encode(hash, forKey: .hash)
  }
}

/// The files of a listener that authenticates with certificates.
public struct CertificateConfiguration: Codable, Equatable, Sendable {
  /// The server's certificate chain, PEM.
  public var certificate: String
  /// The server's private key, PEM.
  public var key: String
  /// The authorities of clients, PEM; needed unless clients show no certificate.
  public var clientAuthorities: String?
  /// Whether a client has to show a certificate.
  public var client: ClientPolicy

  /// What a client without a certificate meets.
  public enum ClientPolicy: String, Codable, Equatable, Sendable, CaseIterable {
    /// No certificate is asked for.
    case none
    /// A certificate is checked if shown.
    case optional
    /// Without a certificate the handshake fails.
    case required
  }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case certificate, key, client
    case clientAuthorities = "client-authorities"
  }

  /// Makes a configuration; clients are required to show a certificate if authorities are given.
  public init(certificate: String, key: String, clientAuthorities: String? = nil, client: ClientPolicy? = nil) {
    self.certificate = certificate
    self.key = key
    self.clientAuthorities = clientAuthorities
    self.client = client ?? (clientAuthorities == nil ? .none : .required)
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.strictContainer(keyedBy: CodingKeys.self)
    self.init(
      certificate: try container.decode(String.self, forKey: .certificate),
      key: try container.decode(String.self, forKey: .key),
      clientAuthorities: try container.decodeIfPresent(String.self, forKey: .clientAuthorities),
      client: try container.decodeIfPresent(ClientPolicy.self, forKey: .client))
    guard client == .none || clientAuthorities != nil else {
      throw SimulatorError(.configuration, "client certificates are wanted, but 'client-authorities' is missing")
    }
  }
}
