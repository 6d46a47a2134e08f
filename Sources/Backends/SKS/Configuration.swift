// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// A profile of type remote: one key management entity and how to reach it.
public struct ProfileConfiguration: Sendable, Hashable {
  /// The key management entity; nil while none is configured.
  public var server: Endpoint?
  /// The Linux name of the VRF device that the connection is bound to.
  public var vrf: String?
  /// How the two ends of TLS know each other.
  public var authentication: Authentication
  /// The interface whose address the connection comes from.
  public var sourceInterface: SourceInterface?
  /// An HTTP proxy that is asked to tunnel (CONNECT).
  public var proxy: Endpoint?
  /// The remote system that keys are shared with; nil to infer it.
  public var remoteSystem: String?
  public var settings: ProfileSettings
  /// What the key management entity has to call this system; nil takes any name.
  public var localSystem: String?
  public var tls: TLSParameters

  public init(
    server: Endpoint? = nil, vrf: String? = nil, authentication: Authentication = .systemTrust,
    sourceInterface: SourceInterface? = nil, proxy: Endpoint? = nil, remoteSystem: String? = nil,
    settings: ProfileSettings = .standard, localSystem: String? = nil, tls: TLSParameters = TLSParameters()
  ) {
    self.server = server
    self.vrf = vrf
    self.authentication = authentication
    self.sourceInterface = sourceInterface
    self.proxy = proxy
    self.remoteSystem = remoteSystem
    self.settings = settings
    self.localSystem = localSystem
    self.tls = tls
  }

  /// Why the session has to begin anew when the profile changes from `old`; nil when it can go on.
  func rebuildReason(from old: ProfileConfiguration) -> RefreshReason? {
    if server != old.server { return server == nil ? .serverRemoved : .serverUpdate }
    if localSystem != old.localSystem { return .serverUpdate }
    if vrf != old.vrf { return .vrfUpdate }
    if tls != old.tls { return .tlsPSKUpdate }
    if authentication != old.authentication {
      return authentication == .systemTrust ? .tlsPSKRemoved : .tlsPSKUpdate
    }
    if sourceInterface != old.sourceInterface {
      return sourceInterface == nil ? .sourceInterfaceRemoved : .sourceInterfaceUpdate
    }
    if proxy != old.proxy { return proxy == nil ? .proxyRemoved : .proxyUpdate }
    return nil
  }
}

/// A host and a TCP port.
public struct Endpoint: Sendable, Hashable {
  public let host: Host
  public let port: UInt16

  public init(host: Host, port: UInt16) {
    self.host = host
    self.port = port
  }
}

/// An address literal or a name to resolve. The texts are checked, so they are safe inside a URL.
public enum Host: Sendable, Hashable {
  case ipv4(String)
  case ipv6(String)
  case hostname(String)

  /// As written in the model's leaf `ipv4`, for example `192.0.2.34`.
  public init(ipv4 text: String) throws(SKSConfigurationError) {
    guard AddressText.isIPv4(text) else {
      throw SKSConfigurationError(element: "ipv4", "\(text) is not an IPv4 address")
    }
    self = .ipv4(text)
  }

  /// As written in the model's leaf `ipv6`, without zone.
  public init(ipv6 text: String) throws(SKSConfigurationError) {
    guard AddressText.isIPv6(text) else {
      throw SKSConfigurationError(element: "ipv6", "\(text) is not an IPv6 address")
    }
    self = .ipv6(text)
  }

  /// Letters, digits, hyphens, underscores and dots, 1 to 255 of them.
  public init(hostname text: String) throws(SKSConfigurationError) {
    let isPlain = text.utf8.allSatisfy {
      switch $0 {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
        true
      default: false
      }
    }
    guard isPlain, (1...255).contains(text.utf8.count) else {
      throw SKSConfigurationError(element: "hostname", "\(text) is not a host name")
    }
    self = .hostname(text)
  }

  /// The address or name as written.
  public var text: String {
    switch self {
    case .ipv4(let text), .ipv6(let text), .hostname(let text): text
    }
  }

  /// As it stands in a URL.
  var urlText: String {
    if case .ipv6(let text) = self { "[\(text)]" } else { text }
  }
}

/// An interface by its name in the configuration and its name in Linux.
public struct SourceInterface: Sendable, Hashable {
  /// As configured, for example `HundredGigE0/1/0/17`.
  public let name: String
  /// The Linux link that it maps to; nil when it maps to none, which keeps the profile from connecting.
  public let link: String?

  public init(name: String, link: String?) {
    self.name = name
    self.link = link
  }
}

/// What TLS is asked for beyond its credentials.
public struct TLSParameters: Sendable, Hashable {
  public enum Version: UInt8, Sendable, Hashable {
    /// TLS 1.3 if the server agrees, else TLS 1.2.
    case negotiated
    case tls12
    case tls13
  }

  public var version: Version
  /// The name that the server is asked for by and has to prove; nil for the one that it is reached by.
  public var serverName: Host?

  public init(version: Version = .negotiated, serverName: Host? = nil) {
    self.version = version
    self.serverName = serverName
  }
}

/// How the two ends of TLS know each other.
public enum Authentication: Sendable, Hashable {
  /// By a pre-shared key: whoever does not prove to know it is refused, whatever certificate it shows.
  case psk(PreSharedKey)
  /// By certificates: the server's is verified against the authorities, ours is shown if there is one.
  case certificates(CertificateCredentials)
  /// The server's certificate is verified against the authorities that the system trusts; nothing of ours is shown.
  case systemTrust
}

/// A TLS pre-shared key.
public struct PreSharedKey: Sendable, Hashable {
  /// The longest identity that TLS 1.2 clients can send, in bytes.
  public static let maximumIdentityLength = 127

  /// How the key's text gives its bytes.
  public enum Form: UInt8, Sendable, Hashable {
    /// The bytes of the text are the key.
    case text
    /// The text holds hexadecimal digits.
    case hexadecimal
  }

  /// The hash that the key is bound to in TLS 1.3 (RFC 8446 section 4.2.11). TLS 1.2 does not care.
  public enum Hash: UInt8, Sendable, Hashable {
    /// Tries SHA-384, which SKIP's mandatory suite wants, and SHA-256, in turn, and stays with what works.
    case automatic
    case sha256
    case sha384
  }

  public let identity: String
  public let key: Sealed
  public let form: Form
  public let hash: Hash

  /// The identity has 1 to ``maximumIdentityLength`` bytes and no NUL.
  public init(
    identity: String, key: Sealed, form: Form = .text, hash: Hash = .automatic
  ) throws(SKSConfigurationError) {
    guard (1...Self.maximumIdentityLength).contains(identity.utf8.count), !identity.utf8.contains(0) else {
      throw SKSConfigurationError(
        element: "kme/psk/id", "a PSK identity has 1 to \(Self.maximumIdentityLength) bytes and no NUL")
    }
    self.identity = identity
    self.key = key
    self.form = form
    self.hash = hash
  }
}

/// Certificates of a trustpoint. Shared between the profiles that name it.
public final class CertificateCredentials: Sendable, Hashable {
  /// The certificates, PEM, that the server's must lead to.
  public let authorities: [UInt8]
  /// Our certificate and its chain, PEM; nil to show none.
  public let chain: [UInt8]?
  /// The private key of our certificate, PEM.
  public let privateKey: Sealed?
  /// When our certificate expires, in seconds since 1970; nil if there is none that can be read.
  public let expiry: Int64?

  public init(authorities: [UInt8], chain: [UInt8]? = nil, privateKey: Sealed? = nil) throws(SKSConfigurationError) {
    guard !authorities.isEmpty else {
      throw SKSConfigurationError(element: "trustpoint", "the trustpoint holds no certificate authority")
    }
    guard (chain == nil) == (privateKey == nil) else {
      throw SKSConfigurationError(
        element: "trustpoint", "the trustpoint must hold a certificate and its private key, or neither")
    }
    self.authorities = authorities
    self.chain = chain
    self.privateKey = privateKey
    expiry = chain.flatMap { PEMReader.certificates(in: $0).first?.expiry }
  }

  public static func == (left: CertificateCredentials, right: CertificateCredentials) -> Bool {
    left === right
      || left.authorities == right.authorities && left.chain == right.chain && left.privateKey == right.privateKey
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(authorities)
    hasher.combine(privateKey)
  }
}

/// Times and limits of a profile. Shared between the profiles that leave them alone.
public final class ProfileSettings: Sendable, Hashable {
  /// The limit of connecting, TLS included (0.1 s to 5 min).
  public let connectTimeout: Duration
  /// The limit of a whole request, connecting included (0.1 s to 10 min).
  public let requestTimeout: Duration
  /// The time between two requests for the capabilities while connected (1 s to 1 day); zero for none.
  public let refreshInterval: Duration
  /// The back-off after the first failure; it doubles with each (10 ms to 1 h).
  public let minimumBackOff: Duration
  /// The largest back-off (10 ms to 1 day, at least the smallest).
  public let maximumBackOff: Duration
  /// How long a key that the server does not know is asked for again, as its peer may not have synchronized yet
  /// (0 to 10 min).
  public let keyWindow: Duration
  /// How often a request of a consumer is sent at most (1 to 100), counting only sendings that cannot lose a key.
  public let maximumAttempts: UInt8

  public static let standard = ProfileSettings()

  private init() {
    connectTimeout = .seconds(5)
    requestTimeout = .seconds(15)
    refreshInterval = .seconds(300)
    minimumBackOff = .seconds(1)
    maximumBackOff = .seconds(300)
    keyWindow = .seconds(10)
    maximumAttempts = 4
  }

  public init(
    connectTimeout: Duration = .seconds(5), requestTimeout: Duration = .seconds(15),
    refreshInterval: Duration = .seconds(300), minimumBackOff: Duration = .seconds(1),
    maximumBackOff: Duration = .seconds(300), keyWindow: Duration = .seconds(10), maximumAttempts: UInt8 = 4
  ) throws(SKSConfigurationError) {
    func check(_ name: String, _ value: Duration, _ range: ClosedRange<Duration>) throws(SKSConfigurationError) {
      guard range.contains(value) else {
        throw SKSConfigurationError(
          element: name, "\(name) is \(value), allowed is \(range.lowerBound) to \(range.upperBound)")
      }
    }
    try check("connect-timeout", connectTimeout, .milliseconds(100) ... .seconds(300))
    try check("request-timeout", requestTimeout, .milliseconds(100) ... .seconds(600))
    if refreshInterval != .zero { try check("refresh-interval", refreshInterval, .seconds(1) ... .seconds(86_400)) }
    try check("minimum-back-off", minimumBackOff, .milliseconds(10) ... .seconds(3_600))
    try check("maximum-back-off", maximumBackOff, minimumBackOff...max(minimumBackOff, .seconds(86_400)))
    try check("key-window", keyWindow, .zero ... .seconds(600))
    guard (1...100).contains(maximumAttempts) else {
      throw SKSConfigurationError(element: "maximum-attempts", "maximum-attempts is 1 to 100")
    }
    self.connectTimeout = connectTimeout
    self.requestTimeout = requestTimeout
    self.refreshInterval = refreshInterval
    self.minimumBackOff = minimumBackOff
    self.maximumBackOff = maximumBackOff
    self.keyWindow = keyWindow
    self.maximumAttempts = maximumAttempts
  }

  public static func == (left: ProfileSettings, right: ProfileSettings) -> Bool {
    left === right
      || left.connectTimeout == right.connectTimeout && left.requestTimeout == right.requestTimeout
        && left.refreshInterval == right.refreshInterval && left.minimumBackOff == right.minimumBackOff
        && left.maximumBackOff == right.maximumBackOff && left.keyWindow == right.keyWindow
        && left.maximumAttempts == right.maximumAttempts
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(requestTimeout)
    hasher.combine(refreshInterval)
  }
}
