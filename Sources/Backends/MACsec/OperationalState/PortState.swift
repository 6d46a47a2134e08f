// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Models

/// agentd-macsec: what an operator wants to know of a port beyond the published models.
enum PortState {
  static func port(_ port: Port, now: Moment) -> PortStateModel {
    let status = port.active?.kay.status(now: now)
    let isSecured = port.active?.kay.isSecured ?? false
    return PortStateModel(
      interfaceName: port.name, linuxName: port.linkName, linkPresent: port.link != nil,
      controlledLink: port.active?.secY.controlledPortName, bond: port.membership.bond,
      dataPlane: port.active.map { $0.secY.kind == .kernel ? .kernel : .userspace }, isSecured: isSecured,
      reason: reason(port, status, now: now),
      securedSince: status?.securedSince.map { StateText.dateAndTime($0.wallClock) },
      eventsSuppressed: port.filter.droppedCount, keyService: keyService(port, status, now: now),
      restarts: .init(
        resumed: port.restarts.resumed, renewed: port.restarts.renewed, lastReason: port.restarts.lastReason))
  }

  /// Why it is not secured, or what is wrong beside.
  private static func reason(_ port: Port, _ status: KaYStatus?, now: Moment) -> String? {
    if let missing = port.settings.missing { return missing }
    if let problem = port.problem { return problem }
    guard let active = port.active, let status, !active.kay.isSecured else { return nil }
    if !active.link.isUsable, let link = port.link, !link.isUsable { return "the link \(port.linkName) is down" }
    if status.isStalled { return "the key in use was too old, and the key service gives no other" }
    if let reason = status.ppkReason { return reason }
    if let exchange = active.exchange?.status(now: now) {
      if let reason = exchange.reason { return reason }
      if exchange.keys.isEmpty { return "there is no key of the key service yet" }
    }
    if status.participants.isEmpty {
      return "no key of the key chain \(port.settings.binding.primary) is in its lifetime"
    }
    switch status.state {
    case .initial:
      return status.participants.allSatisfy(\.peerKeys.isEmpty) ? "no peer has been heard" : mismatch(status)
    case .pending: return "a peer is heard, which does not hear this device"
    case .active: return "a peer is live, and no SAK is in use yet"
    case .secured: return nil
    }
  }

  private static func mismatch(_ status: KaYStatus) -> String {
    status.participants.contains { $0.peerKeys.contains { !$0.matches } }
      ? "the peer has another key under the same name" : "the peer has fallen silent"
  }

  private static func keyService(
    _ port: Port, _ status: KaYStatus?, now: Moment
  ) -> PortStateModel.KeyService {
    guard let source = port.settings.policy.keySource, let status else { return .init() }
    if let exchange = port.active?.exchange {
      return keyService(port, exchange.status(now: now), source: source.profile, now: now)
    }
    let age = status.keyInUseSince.map { now.uptime - $0.uptime }
    let isInUse = status.isPPKInUse
    let left = port.settings.policy.mka.keyLifetime.flatMap { limit in
      age.map { max(.zero, limit.maximumAge - $0) }
    }
    return .init(
      isInUse: isInUse, source: source.profile, keyAge: isInUse ? age?.wholeSeconds : nil,
      nextRollover: status.timeToRekey?.wholeSeconds, exhaustedIn: isInUse ? left?.wholeSeconds : nil,
      isStalled: status.isStalled, bufferLevel: port.active.map { UInt8(clamping: $0.buffer.level) },
      reason: status.ppkReason, fallbackCount: status.ppkFallback?.count ?? 0,
      lastFallbackTime: status.ppkFallback.map { StateText.dateAndTime($0.time.wallClock) },
      lastFallbackReason: status.ppkFallback?.reason)
  }

  /// Mode cak.
  private static func keyService(
    _ port: Port, _ exchange: CAKExchangeStatus, source: String, now: Moment
  ) -> PortStateModel.KeyService {
    let age = exchange.current?.inUseSince.map { now.uptime - $0.uptime }
    let left = port.settings.policy.cak?.lifetime.flatMap { limit in age.map { max(.zero, limit.maximumAge - $0) } }
    let counters = exchange.counters
    var shown = PortStateModel.KeyService.CAKExchange(
      duty: exchange.duty == .takes ? .taker : exchange.duty == .fetches ? .fetcher : .none,
      framesSent: counters.framesSent, framesReceived: counters.framesReceived, framesMalformed: counters.malformed,
      keysTaken: counters.keysTaken, keysFetched: counters.keysFetched, rollovers: counters.rollovers,
      keysRefused: counters.refused, keysAbandoned: counters.abandoned)
    for key in exchange.keys {
      shown.key.set(
        .init(
          ckn: "\(key.ckn)", keyID: String(decoding: key.identifier, as: UTF8.self), taken: key.wasTaken,
          inUseSince: key.inUseSince.map { StateText.dateAndTime($0.wallClock) }))
    }
    for neighbour in exchange.neighbours {
      shown.neighbour.set(
        .init(address: "\(neighbour.address)", systemID: neighbour.system, role: "\(neighbour.role)"))
    }
    return .init(
      isInUse: exchange.current != nil, source: source, keyAge: age?.wholeSeconds,
      nextRollover: exchange.timeToRollover?.wholeSeconds, exhaustedIn: left?.wholeSeconds,
      isStalled: exchange.isStalled, bufferLevel: port.active.map { UInt8(clamping: $0.buffer.level) },
      reason: exchange.reason, fallbackCount: exchange.fallback?.count ?? 0,
      lastFallbackTime: exchange.fallback.map { StateText.dateAndTime($0.time.wallClock) },
      lastFallbackReason: exchange.fallback?.reason, cakExchange: shown)
  }
}
