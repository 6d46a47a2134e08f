// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import YANG

/// The notifications of agentd-sks.
enum ConnectionNotifications {
  /// kme-connected or kme-lost; nil when the module is not in force.
  static func event(
    _ profile: String, _ event: ConnectionEvent, _ connection: ConnectionDetails, schema: Schema
  ) -> Event? {
    let (address, port) = (connection.server.host.text, connection.server.port)
    let localSystem = connection.capabilities.localSystem
    switch event {
    case .connected:
      return make(
        AgentdSKS.KMEConnected(
          profileName: profile, serverAddress: address, serverPort: port, localSystemID: localSystem,
          remoteSystem: connection.capabilities.remoteSystems.uniqued), schema)
    case .lost(let reason, let detail):
      return make(
        AgentdSKS.KMELost(
          profileName: profile, serverAddress: address, serverPort: port, localSystemID: localSystem,
          reason: SKSServerOper.SKSHTTPCServerRefreshReason(reason), error: detail.isEmpty ? nil : detail), schema)
    }
  }

  private static func make<Notification: NotificationRepresentable>(
    _ notification: Notification, _ schema: Schema
  ) -> Event? {
    guard let node = schema.notifications.first(where: { $0.path == Notification.schemaPath }) else { return nil }
    return Event(schema: node, content: notification.interiorNode(node), time: .now)
  }
}

extension [String] {
  /// Each value once, where it comes first: a leaf-list's values are distinct.
  fileprivate var uniqued: [String] {
    var seen: Set<String> = []
    return filter { seen.insert($0).inserted }
  }
}
