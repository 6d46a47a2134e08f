// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Netlink

/// How a port comes up, goes on after a restart of the agent, and goes down.
extension Port {
  mutating func bringUp(_ link: Link, _ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    retryAt = nil
    let sci = SCI(address: MACAddress(rawValue: link.hardwareAddress.reduce(0) { $0 << 8 | UInt64($1) }))
    let request = SecYRequest(
      parent: link, sci: sci, configuration: settings.policy.initialConfiguration,
      exceptions: settings.policy.exceptions, choice: settings.dataPlane.requested)
    do {
      let secY = try world.environment.makeSecY(request)
      let content = try secY.open(request.configuration)
      let socket = try world.environment.openSocket(link)
      generation += 1
      var configuration = PortConfiguration(sci: sci, policy: enginePolicy)
      configuration.capability = secY.capability.macsecCapability
      configuration.policy.acceptableCipherSuites = secY.capability.cipherSuites
      var kay = KaY(configuration: configuration)
      if try !resume(&kay, content: content, world, now: now, &outputs) {
        // The controlled port stays, with its addresses and routes, if what is in it can be taken out.
        if !content.isEmpty, !secY.perform(content.removals).isEmpty {
          try secY.remove()
          _ = try secY.open(request.configuration)
        }
        kay.setKeyChains(primary: settings.primary, fallback: settings.fallback, now: now)
      }
      kay.setLink(isUp: link.isUsable, now: now)
      active = Active(kay: kay, link: link, socket: socket, secY: secY, nextPoll: now.uptime)
      problem = nil
      outputs.append(.watch(socket))
      outputs.append(.carry(.link(secY.controlledPortName)))
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
    _ kay: inout KaY, content: SecYState, _ world: PortWorld, now: Moment, _ outputs: inout [Output]
  ) throws -> Bool {
    guard !isRestored, let store = world.store else { return false }
    isRestored = true
    let (resumption, restarts) = store.read(port: name)
    self.restarts = restarts
    guard let resumption else {
      if !content.transmit.isEmpty { noteRestart(false, "nothing was kept of it", &outputs) }
      return false
    }
    let isResumed = kay.resume(
      resumption, secYHolds: content, primary: settings.primary, fallback: settings.fallback, now: now)
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
    active = nil
    world.store?.write(nil, restarts: restarts, port: name)
  }
}
