// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// What the configuration comes to: what charon should load, and what is wrong with the rest.
public struct IPsecMapping: Sendable, Equatable {
  /// Whether references to what does not exist are refused.
  public enum ReferenceCheck: Sendable, Equatable {
    case refuse
    /// Taken, as a router does: the tunnels concerned stay down and say why.
    case warn
  }

  /// A tunnel and how it is carried.
  public struct Tunnel: Sendable, Equatable {
    public let name: String
    /// Names of charon's connections, the one to initiate first.
    public var connections: [String] = []
    /// Why there are none.
    public var reasonDown: String?
  }

  public private(set) var desired = DesiredState()
  public private(set) var tunnels: [Tunnel] = []
  public private(set) var corrections: [Correction] = []

  /// What keeps the configuration from being committed.
  public func refusals(_ check: ReferenceCheck) -> [Correction] {
    corrections.filter { $0.severity == .error || ($0.severity == .reference && check == .refuse) }
  }

  /// - Parameter dataPlane: of the charon that is to carry it.
  public init(_ configuration: IPsecConfiguration, dataPlane: CharonSettings.DataPlane) {
    let index = ConfigurationIndex(configuration)
    corrections = Validation(index).corrections
    var secretIDs: Set<String> = []
    var keyIDs: Set<String> = []
    var owned: [String: (secret: DesiredSecret, tunnel: String)] = [:]
    var pairs: [String: String] = [:]
    var carried: String?
    for interface in configuration.tunnels {
      var tunnel = Tunnel(name: interface.name)
      var mapper = TunnelMapper(index, interface)
      if let ends = interface.ends, let other = pairs[ends], !interface.isShutdown {
        mapper.fail("/destination", "tunnel '\(other)' has the same source and destination")
      }
      if dataPlane == .userspace, let carried, !interface.isShutdown {
        mapper.fail(
          "/protection", "charon's userspace data plane carries one route-based tunnel, and '\(carried)' is it")
      }
      mapper.map()
      for secret in mapper.secrets where secret.kind == .ike {
        for owner in secret.owners {
          if let other = owned[owner], other.secret.group != secret.group, other.secret.content != secret.content {
            mapper.fail("", "tunnel '\(other.tunnel)' has another preshared key for the peer \(owner)")
          }
        }
      }
      corrections += mapper.corrections
      tunnel.reasonDown = mapper.reasonDown
      if mapper.reasonDown == nil {
        if let ends = interface.ends { pairs[ends] = interface.name }
        carried = carried ?? interface.name
        tunnel.connections = mapper.connections.map(\.name)
        desired.connections += mapper.connections
        for secret in mapper.secrets {
          for owner in secret.owners where secret.kind == .ike { owned[owner] = (secret, interface.name) }
          if secretIDs.insert(secret.id).inserted { desired.secrets.append(secret) }
        }
        for key in mapper.keys where keyIDs.insert(key.identifier).inserted { desired.keys.append(key) }
      }
      tunnels.append(tunnel)
    }
  }
}

extension TunnelInterface {
  /// Source and destination, when both are known.
  fileprivate var ends: String? {
    guard let sourceAddress, let destination else { return nil }
    return "\(sourceAddress) \(destination) \(fvrf ?? "")"
  }
}
