// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Netlink
import Secrets

/// How a port comes up, goes on after a restart of the agent, and goes down.
extension Port {
  func secYRequest(_ link: Link) -> SecYRequest {
    SecYRequest(
      parent: link,
      sci: SCI(address: MACAddress(rawValue: link.hardwareAddress.reduce(0) { $0 << 8 | UInt64($1) })),
      configuration: settings.policy.initialConfiguration, exceptions: settings.policy.exceptions,
      choice: settings.dataPlane.requested, bond: bond)
  }

  mutating func bringUp(_ link: Link, _ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    retryAt = nil
    let request = secYRequest(link)
    let sci = request.sci
    do {
      let secY = try world.environment.makeSecY(request)
      let content = try secY.open(request.configuration)
      let socket = try world.environment.openSocket(link)
      generation += 1
      var configuration = PortConfiguration(sci: sci, policy: enginePolicy)
      configuration.capability = secY.capability.macsecCapability
      configuration.policy.acceptableCipherSuites = secY.capability.cipherSuites
      var kay = KaY(configuration: configuration)
      var exchange = makeExchange(link, sci: sci)
      let lldp = exchange == nil ? nil : try world.environment.openLLDPSocket(link)
      if try !resume(&kay, &exchange, content: content, world, now: now, &outputs) {
        // The controlled port stays, with its addresses and routes, if what is in it can be taken out.
        if !content.isEmpty, !secY.perform(content.removals).isEmpty {
          try secY.remove()
          _ = try secY.open(request.configuration)
        }
        if exchange == nil { kay.setKeyChains(primary: settings.primary, fallback: settings.fallback, now: now) }
      }
      exchange?.setLink(isUp: link.isUsable)
      kay.setLink(isUp: link.isUsable, now: now)
      active = Active(kay: kay, link: link, socket: socket, secY: secY, nextPoll: now.uptime)
      active?.exchange = exchange
      active?.lldp = lldp
      active?.profile = settings.policy.keySource?.profile
      problem = nil
      outputs.append(.watch(socket))
      if let lldp { outputs.append(.watch(lldp)) }
      if let source = settings.policy.keySource, source.localSystem == nil {
        outputs.append(.askSystem(profile: source.profile))
      }
    } catch {
      problem = "\(error)"
      retryAt = now.uptime + Self.retryInterval
    }
  }

  /// Goes on where the last process ended, if this is the first time in this process and it is not too late.
  private mutating func resume(
    _ kay: inout KaY, _ exchange: inout CAKExchange?, content: SecYState, _ world: PortWorld, now: Moment,
    _ outputs: inout [Output]
  ) throws -> Bool {
    guard !isRestored, let store = world.store else {
      restore(&exchange)
      return false
    }
    isRestored = true
    let (resumption, keys, restarts) = store.read(port: name)
    self.restarts = restarts
    keptKeys = keys
    restore(&exchange)
    guard let resumption else {
      if !content.transmit.isEmpty { noteRestart(false, "nothing was kept of it", &outputs) }
      return false
    }
    let (primary, fallback) = exchange.map { ($0.chain, $0.fallbackInUse) } ?? (settings.primary, settings.fallback)
    let isResumed = kay.resume(resumption, secYHolds: content, primary: primary, fallback: fallback, now: now)
    let isCurrent = resumption.isCurrent(now: now)
    noteRestart(
      isResumed,
      isResumed
        ? nil : isCurrent ? "its keys or its data plane have changed" : "the MKA life time was over", &outputs)
    return isResumed
  }

  private mutating func noteRestart(_ isResumed: Bool, _ reason: String?, _ outputs: inout [Output]) {
    if isResumed { restarts.resumed += 1 } else { restarts.renewed += 1 }
    if let reason { restarts.lastReason = reason }
    outputs.append(.restarted(isResumed: isResumed, reason: reason))
  }

  /// Ends the session and takes the controlled port away.
  mutating func takeDown(_ world: PortWorld, removing: Bool = true, now: Moment, _ outputs: inout [Output]) {
    retryAt = nil
    guard var going = active else { return }
    going.kay.shutDown(now: now)
    for effect in going.kay.takeEffects() {
      if case .event(let event) = effect { tell(event, now: now, &outputs) }
    }
    if removing { do { try going.secY.remove() } catch { problem = error.message } }
    outputs.append(.unwatch(going.socket))
    if let lldp = going.lldp {
      if let farewell = going.exchange?.farewell() { try? lldp.send(farewell) }
      outputs.append(.unwatch(lldp))
    }
    keptKeys = going.exchange?.encoded()
    active = nil
    world.store?.write(nil, keys: settings.isShutDown ? nil : keptKeys, restarts: restarts, port: name)
  }
}
