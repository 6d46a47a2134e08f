// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import Netlink
import Synchronization
import YANG

/// Tells of interfaces whose operational status changed, as notifications of agentd-interfaces.
final class StatusNotifier: Sendable {
  private let ports: PortDirectory
  private let schema: Schema
  private let events: EventBus
  /// The status that each link had last, by its name.
  private let statuses = Mutex<[String: InterfaceState.OperStatus]>([:])
  /// The interfaces that a link is, as far as they are configured or mapped.
  private let interfaces: @Sendable (_ link: String) -> Set<String>

  init(
    ports: PortDirectory, schema: Schema, events: EventBus,
    interfaces: @escaping @Sendable (_ link: String) -> Set<String>
  ) {
    self.ports = ports
    self.schema = schema
    self.events = events
    self.interfaces = interfaces
  }

  /// Takes what the watcher tells, in order.
  func take(_ told: [LinkEvent]) {
    for event in told {
      switch event {
      case .appeared(let link): set(link.name, InterfaceState.operStatus(link), isNew: true)
      case .vanished(let link): set(link.name, .notPresent)
      case .changed(let old, let new):
        if old.name != new.name { set(old.name, .notPresent) }
        set(new.name, InterfaceState.operStatus(new), isNew: old.name != new.name)
      case .addressAdded, .addressRemoved: break
      }
    }
  }

  /// - Parameter isNew: the link was not there under that name; links that are down when they appear are no news.
  private func set(_ link: String, _ status: InterfaceState.OperStatus, isNew: Bool = false) {
    let before = statuses.withLock { statuses in
      defer { statuses[link] = status == .notPresent ? nil : status }
      return statuses[link] ?? .notPresent
    }
    guard before != status, !(isNew && status == .down) else { return }
    for interface in interfaces(link).sorted() {
      let notification = AgentdInterfaces.InterfaceStatusChanged(
        xrName: interface, linuxName: InterfaceState.isLinkName(link) ? link : nil, operStatus: status)
      guard
        let node = schema.notifications.first(where: { $0.path == AgentdInterfaces.InterfaceStatusChanged.schemaPath })
      else { return }
      events.publish(Event(schema: node, content: notification.interiorNode(node), time: .now))
    }
  }
}
