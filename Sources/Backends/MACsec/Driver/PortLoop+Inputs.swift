// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Netlink

/// What others put into the inbox.
extension PortLoop {
  func take(_ message: PortDriver.Message) {
    switch message {
    case .configure(let changes): for change in changes { configure(change.name, change.settings) }
    case .links(let links):
      self.links = links
      bonds = Dictionary(links.values.lazy.filter(\.isBond).map { ($0.index, $0) }) { one, _ in one }
      updateLinks()
    case .names: updateLinks()
    case .answer(let answer, let transaction, let generation, let port):
      guard let slot = slot(port) else { return }
      perform(slot) { port, world, now, outputs in
        port.complete(transaction, with: answer, generation: generation, world, now: now, &outputs)
      }
    case .prefetched(let answer, let remoteSystem, let generation, let port):
      guard let slot = slot(port) else { return }
      perform(slot) { port, _, now, outputs in
        port.take(prefetched: answer, remoteSystem: remoteSystem, generation: generation, now: now, &outputs)
      }
    case .system(let system, let profile):
      performAll { port, world, now, outputs in
        if port.settings.policy.keySource?.profile == profile {
          port.learn(system: system, world, now: now, &outputs)
        }
      }
    case .openUnconfigured: openUnconfigured()
    case .stop: isStopped = true
    }
  }

  func openUnconfigured() {
    let configured = driver.table.withLock { table in
      Set(table.ports.compactMap { port in port.flatMap { $0.settings.isShutDown ? nil : $0.linkName } })
    }
    let environment = driver.world.environment
    for link in environment.filteredLinks() where !configured.contains(link) {
      // What cannot be taken away is told by the link's own counters, and tried again at the next start.
      try? environment.guardParent(link, .open)
    }
  }

  private func slot(_ name: String) -> Int? { driver.table.withLock { $0.slots[name] } }

  func configure(_ name: String, _ settings: PortSettings?) {
    let linkName = driver.directory.linkName(of: name)
    let links = PortLinks(of: linkName, in: links, bonds: bonds)
    guard let settings else {
      guard let slot = slot(name) else { return }
      perform(slot) { port, world, now, outputs in
        port.takeDown(world, now: now, &outputs)
        port.openParent(world)
        port.returnToBond(world, now: now, &outputs)
        outputs.append(.carry(.own))
      }
      driver.table.withLock { table in
        table.ports[slot] = nil
        table.slots[name] = nil
      }
      queue.set(slot, due: nil)
      driver.world.store?.remove(port: name)
      return
    }
    let slot = driver.table.withLock { table -> Int in
      if let slot = table.slots[name] { return slot }
      let slot = table.ports.firstIndex { $0 == nil } ?? table.ports.count
      if slot == table.ports.count { table.ports.append(nil) }
      table.ports[slot] = Port(name: name, settings: settings, linkName: linkName)
      table.slots[name] = slot
      return slot
    }
    perform(slot) { port, world, now, outputs in
      let needsNewSecY = port.settings.needsOtherSecY(than: settings)
      port.settings = settings
      port.linkName = linkName
      port.see(links, world)
      if needsNewSecY { port.takeDown(world, now: now, &outputs) }
      port.retryAt = nil
      port.converge(world, now: now, &outputs)
    }
  }

  private func updateLinks() {
    let ports = driver.table.withLock { table in table.slots.sorted { $0.value < $1.value } }
    for (name, slot) in ports {
      let linkName = driver.directory.linkName(of: name)
      let links = PortLinks(of: linkName, in: links, bonds: bonds)
      let isNews = driver.table.withLock { table in
        table.ports[slot].map { links.differs(from: $0) || linkName != $0.linkName } ?? false
      }
      guard isNews else { continue }
      perform(slot) { port, world, now, outputs in
        if port.link?.index != links.own?.index { port.retryAt = nil }
        // A link that leaves a bond is down for a moment.
        if port.membership.isParentMember { port.retryAt = nil }
        port.linkName = linkName
        port.see(links, world)
        port.converge(world, now: now, &outputs)
      }
    }
  }
}
