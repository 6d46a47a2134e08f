// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService

/// What Cisco-IOS-XR-sks-server-oper shows of one profile of type remote.
public struct ProfileOperationalState: Sendable, Hashable {
  public var profileName: String
  public var status: ConnectionStatus
  public var reason: RefreshReason
  /// As last received; nil while the server is not connected.
  public var capabilities: KeyServiceCapabilities?
  public var server: Endpoint?
  public var vrf: String?
  /// The source interface by its name in the configuration.
  public var sourceInterface: String?
  public var proxy: Endpoint?
  public var authentication: TLSAuthentication
  /// The identity of the pre-shared key.
  public var pskIdentity: String?
  /// How many consumers are registered.
  public var clientCount: UInt32
  public var statistics: ProfileStatistics
  public var diagnostics: ConnectionDiagnostics
  /// When the certificate that this system shows expires, in seconds since 1970.
  public var certificateExpiry: Int64?
  /// Who keys are shared with when a consumer names nobody; nil while the capabilities are not known.
  var remote: RemoteSelection.Finding?

  init(name: String, configuration: ProfileConfiguration, engine: ProfileEngine?, clientCount: Int) {
    profileName = name
    server = configuration.server
    vrf = configuration.vrf
    sourceInterface = configuration.sourceInterface?.name
    proxy = configuration.proxy
    switch configuration.authentication {
    case .psk(let key):
      authentication = .psk
      pskIdentity = key.identity
    case .certificates(let credentials):
      authentication = configuration.server == nil ? .unknown : .certificate
      certificateExpiry = credentials.expiry
    case .systemTrust: authentication = configuration.server == nil ? .unknown : .certificate
    }
    self.clientCount = UInt32(clamping: clientCount)
    // A profile whose turn has not come yet is as good as new.
    status = engine?.status ?? (configuration.server == nil ? .unknown : .connecting)
    reason = engine?.reason ?? (configuration.server == nil ? .unknown : .serverUpdate)
    capabilities = engine?.capabilities
    statistics = engine?.statistics ?? ProfileStatistics()
    diagnostics = engine?.diagnostics ?? ConnectionDiagnostics()
    diagnostics.nextAttempt = engine?.pollDue
    remote = capabilities.map { RemoteSelection.find(configured: configuration.remoteSystem, capabilities: $0) }
  }
}
