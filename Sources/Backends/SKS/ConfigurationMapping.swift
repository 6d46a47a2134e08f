// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import Secrets
import YANG

/// The configured profile as the model has it.
typealias ProfileModel = SKSServer.Profiles.Profile
typealias TrustpointModel = Crypto.CA.Trustpoint.Trustpoints.Trustpoint
typealias InterfaceMappingModel = AgentdInterfaces.InterfacesMapping.InterfaceMapping

/// What a profile refers to by name.
struct ProfileReferences: Sendable, Hashable {
  var trustpoint: String?
  var sourceInterface: String?

  init(_ profile: ProfileModel) {
    trustpoint = profile.type.remote?.kme?.client.trustpoint
    sourceInterface = profile.type.remote?.kme?.sourceInterface
  }
}

/// Turns configured profiles into what the service takes, with what they refer to looked up in one configuration.
///
/// What profiles share (a trustpoint's certificates, settings) is made once. Errors name the element by its path below
/// `profile`.
struct ConfigurationMapper {
  /// A trustpoint's certificates, or why they cannot be used.
  typealias Credentials = Result<CertificateCredentials, SKSConfigurationError>

  /// Finds a trustpoint and an interface's mapping in the configuration.
  private let trustpoint: (String) -> TrustpointModel?
  private let linuxName: (String) -> String?
  /// The certificates that were asked for so far, by trustpoint.
  private(set) var credentials: [String: Credentials]
  private var settings: Set<ProfileSettings> = []

  init(
    credentials: [String: Credentials] = [:], trustpoint: @escaping (String) -> TrustpointModel?,
    linuxName: @escaping (String) -> String?
  ) {
    self.credentials = credentials
    self.trustpoint = trustpoint
    self.linuxName = linuxName
  }

  /// The configuration for the service; without a server where none is configured.
  mutating func configuration(of profile: ProfileModel) throws(SKSConfigurationError) -> ProfileConfiguration {
    guard profile.deviceIdentifiers.deviceIdentifier.isEmpty else {
      throw SKSConfigurationError(
        element: "device-identifiers", "this agent has no local key engine: keys come from profiles of type remote")
    }
    guard let kme = profile.type.remote?.kme else { return ProfileConfiguration() }
    return ProfileConfiguration(
      server: try endpoint(
        "server", ipv4: kme.server.ipv4, ipv6: kme.server.ipv6, hostname: kme.server.hostname, port: kme.server.port),
      vrf: try vrf(kme.server.vrf), authentication: try authentication(of: kme),
      sourceInterface: kme.sourceInterface.map(sourceInterface),
      proxy: try endpoint(
        "http-proxy", ipv4: kme.httpProxy.ipv4, ipv6: kme.httpProxy.ipv6, hostname: kme.httpProxy.hostname,
        port: kme.httpProxy.port),
      remoteSystem: kme.client.remoteSystemID, settings: try settings(of: kme.client),
      localSystem: kme.client.localSystemID, tls: try tls(of: kme.client.tls))
  }

  private func endpoint(
    _ element: String, ipv4: String?, ipv6: String?, hostname: String?, port: UInt32?
  ) throws(SKSConfigurationError) -> Endpoint? {
    let place = "type/remote/kme/\(element)"
    let host: Host
    do throws(SKSConfigurationError) {
      if let ipv4 {
        host = try Host(ipv4: ipv4)
      } else if let ipv6 {
        host = try Host(ipv6: ipv6)
      } else if let hostname {
        host = try Host(hostname: hostname)
      } else {
        return nil
      }
    } catch { throw SKSConfigurationError(element: "\(place)/\(error.element)", error.description) }
    guard let port = port.flatMap({ UInt16(exactly: $0) }), port > 0 else {
      throw SKSConfigurationError(element: place, "a port from 1 to 65535 is missing")
    }
    return Endpoint(host: host, port: port)
  }

  /// `default` is the table in which everything is without VRFs.
  private func vrf(_ name: String?) throws(SKSConfigurationError) -> String? {
    guard let name, name != "default" else { return nil }
    guard Self.isLinkName(name) else {
      throw SKSConfigurationError(
        element: "type/remote/kme/server/vrf",
        "a VRF is a Linux device, whose name has at most 15 bytes and no slash, colon or space")
    }
    return name
  }

  /// The mapping says which link it is; a name without one is a link's own.
  private func sourceInterface(_ name: String) -> SourceInterface {
    SourceInterface(name: name, link: linuxName(name) ?? (Self.isLinkName(name) ? name : nil))
  }

  /// What the kernel takes as the name of a link.
  static func isLinkName(_ name: String) -> Bool {
    (1...15).contains(name.utf8.count) && name != "." && name != ".."
      && name.utf8.allSatisfy { $0 > 32 && $0 != 127 && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":") }
  }

  // MARK: Authentication

  private mutating func authentication(of kme: ProfileModel.TypeContainer.Remote.KME) throws(SKSConfigurationError)
    -> Authentication
  {
    if let psk = kme.psk {
      guard let identity = psk.id, let key = psk.key.seven else {
        throw SKSConfigurationError(element: "type/remote/kme/psk", "a pre-shared key needs an id and a key")
      }
      do {
        return .psk(
          try PreSharedKey(
            identity: identity, key: key, form: PreSharedKey.Form(kme.client.tls.pskEncodingOrDefault),
            hash: PreSharedKey.Hash(kme.client.tls.pskHashOrDefault)))
      } catch { throw SKSConfigurationError(element: "type/remote/kme/psk/id", error.description) }
    }
    guard let name = kme.client.trustpoint else { return .systemTrust }
    return .certificates(try certificates(of: name).get())
  }

  /// A trustpoint's certificates, made when first asked for.
  private mutating func certificates(of name: String) -> Credentials {
    if let known = credentials[name] { return known }
    let made: Credentials
    do throws(SKSConfigurationError) {
      guard let trustpoint = trustpoint(name) else {
        throw SKSConfigurationError(element: "", "there is no trustpoint \(name)")
      }
      made = .success(
        try CertificateCredentials(
          authorities: Array((trustpoint.caCertificates ?? "").utf8),
          chain: trustpoint.certificate.map { Array($0.utf8) },
          privateKey: trustpoint.privateKey))
    } catch {
      made = .failure(SKSConfigurationError(element: "type/remote/kme/client/trustpoint", error.description))
    }
    credentials[name] = made
    return made
  }

  private func tls(
    of tls: ProfileModel.TypeContainer.Remote.KME.Client.TLS
  ) throws(SKSConfigurationError) -> TLSParameters {
    let version: TLSParameters.Version =
      switch tls.versionOrDefault {
      case .negotiated: .negotiated
      case .tls1_2: .tls12
      case .tls1_3: .tls13
      }
    guard let name = tls.serverName else { return TLSParameters(version: version) }
    let place = "type/remote/kme/client/tls/server-name"
    guard name.utf8.contains(where: { $0 != UInt8(ascii: ".") }) else {
      throw SKSConfigurationError(element: place, "the root of all names is no server's name")
    }
    do { return TLSParameters(version: version, serverName: try Host(hostname: name)) } catch {
      throw SKSConfigurationError(element: place, error.description)
    }
  }

  // MARK: Settings

  private mutating func settings(
    of client: ProfileModel.TypeContainer.Remote.KME.Client
  ) throws(SKSConfigurationError) -> ProfileSettings {
    let (timers, retry) = (client.timers, client.retry)
    guard retry.maxDelayOrDefault >= retry.baseDelayOrDefault else {
      throw SKSConfigurationError(
        element: "type/remote/kme/client/retry",
        "max-delay (\(retry.maxDelayOrDefault) ms) is below base-delay (\(retry.baseDelayOrDefault) ms)")
    }
    let made: ProfileSettings
    do {
      made = try ProfileSettings(
        connectTimeout: .milliseconds(timers.connectTimeoutOrDefault),
        requestTimeout: .milliseconds(timers.requestTimeoutOrDefault),
        refreshInterval: .seconds(timers.capabilityRefreshIntervalOrDefault),
        minimumBackOff: .milliseconds(retry.baseDelayOrDefault), maximumBackOff: .milliseconds(retry.maxDelayOrDefault),
        keyWindow: .milliseconds(timers.synchronizationWindowOrDefault), maximumAttempts: retry.maxAttemptsOrDefault)
    } catch { throw SKSConfigurationError(element: "type/remote/kme/client", error.description) }
    return settings.insert(made).memberAfterInsert
  }
}

extension PreSharedKey.Form {
  init(_ encoding: ProfileModel.TypeContainer.Remote.KME.Client.TLS.PSKEncoding) {
    switch encoding {
    case .text: self = .text
    case .hexadecimal: self = .hexadecimal
    }
  }
}

extension PreSharedKey.Hash {
  init(_ hash: ProfileModel.TypeContainer.Remote.KME.Client.TLS.PSKHash) {
    switch hash {
    case .automatic: self = .automatic
    case .sha256: self = .sha256
    case .sha384: self = .sha384
    }
  }
}
