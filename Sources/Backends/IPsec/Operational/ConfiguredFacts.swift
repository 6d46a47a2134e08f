// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What the configuration says of tunnels and connections, for those who read their state: made once for each
/// configuration, so that a read looks things up by name.
struct ConfiguredFacts: Sendable {
  /// Of one connection of charon: what was loaded, from the very message.
  struct Connection: Sendable, Equatable {
    var ppk: DesiredConnection.PPK?
    var localAuthentication: String
    var remoteAuthentication: String
    /// Seconds that an IKE SA may live.
    var lifetime: Int?
    /// Seconds; nil without dead peer detection.
    var dpdInterval: UInt32?
    var initiates: Bool
  }

  struct Tunnel: Sendable, Equatable {
    var isShutdown: Bool
    var fvrf: String?
    var source: String?
    var destination: String?
    var initiates: Bool?
    /// Why nothing is loaded for it.
    var reasonDown: String?
    var interfaceID: UInt32?
  }

  private(set) var configuration = IPsecConfiguration()
  private(set) var connections: [String: Connection] = [:]
  private(set) var tunnels: [String: Tunnel] = [:]
  /// In the order of the configuration.
  private(set) var tunnelNames: [String] = []

  init() {}

  init(_ configuration: IPsecConfiguration, _ mapping: IPsecMapping) {
    self.configuration = configuration
    for connection in mapping.desired.connections { connections[connection.name] = Connection(connection) }
    let mapped = Dictionary(mapping.tunnels.map { ($0.name, $0) }) { first, _ in first }
    tunnelNames = configuration.tunnels.map(\.name)
    for interface in configuration.tunnels {
      let tunnel = mapped[interface.name]
      tunnels[interface.name] = Tunnel(
        isShutdown: interface.isShutdown, fvrf: interface.fvrf, source: interface.sourceAddress?.description,
        destination: interface.destination?.description,
        initiates: tunnel?.connections.first.flatMap { connections[$0]?.initiates },
        reasonDown: tunnel?.reasonDown, interfaceID: interface.interfaceID)
    }
  }

  /// The VRF of an owner's outer packets, as operators of routers read it.
  func fvrf(of owner: String) -> String { tunnels[owner]?.fvrf ?? "Default" }

  /// Whether and how a PPK protects an SA; nil when charon says that one does and nobody knows which.
  func quantumResistance(_ sa: IKESA) -> QuantumResistance? {
    guard sa.usesPPK else { return .disabled }
    let resistance = QuantumResistance(sa, connections[sa.connection]?.ppk)
    return resistance == .disabled ? nil : resistance
  }
}

extension ConfiguredFacts.Connection {
  init(_ connection: DesiredConnection) {
    let settings = connection.message().sections.first?.message ?? VICIMessage()
    func authentication(_ side: String) -> String {
      settings.section(side)?["auth"] == "psk" ? "PSK" : "RSA"
    }
    func number(_ name: String) -> Int? { settings[name].flatMap { Int($0) } }
    ppk = connection.ppk
    localAuthentication = authentication("local")
    remoteAuthentication = authentication("remote")
    lifetime = number("rekey_time").map { $0 + (number("over_time") ?? 0) }
    dpdInterval = number("dpd_delay").map { UInt32(clamping: $0) }
    initiates = connection.initiates
  }
}
