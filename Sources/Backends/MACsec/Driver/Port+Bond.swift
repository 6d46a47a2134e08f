// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Netlink

/// The port as a member of a bond.
extension Port {
  /// Takes what the system says of the links that the port has to do with.
  mutating func see(_ links: PortLinks, _ world: PortWorld) {
    if !isBondRead {
      isBondRead = true
      membership = BondMembership(bond: world.store?.bond(port: name))
    }
    (link, controlled, bond) = (links.own, links.controlled, links.bond(remembered: membership.bond))
    let before = membership.bond
    membership.see(parent: link, controlled: controlled, bond: bond)
    if membership.bond != before { keepBond(world) }
  }

  /// Where layer 3 of the interface is, while the port is there.
  var carrier: Carrier? {
    guard let active else { return nil }
    guard membership.bond != nil else { return .link(active.secY.controlledPortName) }
    return .member(active.secY.controlledPortName, leastMTU: (bond?.mtu ?? 0) + BondMembership.overhead)
  }

  mutating func leaveBond(_ world: PortWorld, now: Moment) {
    guard let link else { return }
    retryAt = now.uptime + Self.retryInterval
    do throws(SecYError) { _ = try world.environment.makeSecY(secYRequest(link)) } catch {
      // It stays where it is.
      problem = error.message
      return
    }
    let steps = membership.leave(parent: link)
    keepBond(world)
    do throws(NetlinkError) {
      for step in steps { try world.environment.setLink(step.link, step.settings) }
      problem = "the link \(linkName) leaves \(membership.bond ?? "its bond") to its controlled port"
    } catch { problem = "the link \(linkName) cannot be taken out of \(membership.bond ?? "its bond"): \(error)" }
  }

  /// Puts the controlled port into the bond, and sets it up while it may pass frames.
  mutating func joinBond(_ world: PortWorld, now: Moment) {
    guard let active, let link, let controlled, let bond, now.uptime >= nextBondTry else { return }
    // A TAP interface has no carrier while it may not.
    let isOpen = active.secY.kind == .kernel ? active.kay.portStatus != .blocked : nil
    guard !membership.join(parent: link, controlled: controlled, bond: bond, isOpen: isOpen).isEmpty else { return }
    do throws(NetlinkError) {
      // What is told may be older than what was done last.
      guard let current = try world.environment.link(controlled.index) else { return }
      self.controlled = current
      let steps = membership.join(parent: link, controlled: current, bond: bond, isOpen: isOpen)
      for step in steps {
        try world.environment.setLink(step.link, step.settings)
        if let master = step.settings.master {
          self.controlled?.master = master
          self.controlled?.flags.insert(.up)
        }
        if step.settings.isUp == true { self.controlled?.flags.insert(.up) }
        if step.settings.isUp == false { self.controlled?.flags.remove(.up) }
      }
      if problem == bondProblem { problem = guardProblem }
      bondProblem = nil
    } catch {
      nextBondTry = now.uptime + .seconds(1)
      bondProblem =
        link.mtu < bond.mtu + BondMembership.overhead
        ? "\(bond.name) has an MTU of \(bond.mtu), for which \(link.name) needs \(bond.mtu + BondMembership.overhead)"
        : "\(controlled.name) cannot be put into \(bond.name): \(error)"
      problem = bondProblem
    }
  }

  /// Gives the link back to the bond that it was taken out of.
  mutating func returnToBond(_ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    guard membership.hasLeft, let link, let bond,
      let current = (try? world.environment.link(link.index)) ?? nil
    else { return }
    let steps = membership.giveBack(parent: current, bond: bond)
    keepBond(world)
    // Somebody may set it up in between, and a bond takes none that is up.
    for attempt in 1...3 {
      do throws(NetlinkError) {
        for step in steps { try world.environment.setLink(step.link, step.settings) }
        break
      } catch {
        guard attempt == 3 else { continue }
        tell(EngineEvent(.failure("\(link.name) cannot go back into \(bond.name): \(error)")), now: now, &outputs)
      }
    }
  }

  private func keepBond(_ world: PortWorld) {
    world.store?.keep(bond: membership.hasLeft ? membership.bond : nil, port: name)
  }
}

/// What a port has to do with, of all links.
struct PortLinks: Sendable {
  var own: Link?
  var controlled: Link?
  private var master: Link?
  private var byName: [String: Link]

  /// - Parameters:
  ///   - name: of the port's link.
  ///   - links: all that there are, by their names.
  ///   - bonds: those of them that are bonds, by their indexes.
  init(of name: String, in links: [String: Link], bonds: [UInt32: Link]) {
    own = links[name]
    controlled = own.flatMap { links[ControlledPortName.of(parent: $0.name, index: $0.index)] }
    master = own?.master.flatMap { bonds[$0] } ?? controlled?.master.flatMap { bonds[$0] }
    byName = links
  }

  func bond(remembered: String?) -> Link? {
    master ?? remembered.flatMap { byName[$0] }.flatMap { $0.isBond ? $0 : nil }
  }

  /// Whether a port that has seen others has to look again.
  func differs(from port: Port) -> Bool {
    guard own == port.link, bond(remembered: port.membership.bond) == port.bond else { return true }
    return controlled?.index != port.controlled?.index || controlled?.master != port.controlled?.master
      || controlled?.flags.contains(.up) != port.controlled?.flags.contains(.up)
      || controlled?.mtu != port.controlled?.mtu
  }
}
