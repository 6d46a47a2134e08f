// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Netlink
import Secrets

/// CAK mode: carries the exchange of key identifiers between the KaY, the LLDP socket and the key service.
extension Port {
  /// The policy of CAK mode with what is known of this system; nil in other modes.
  var exchangePolicy: CAKPolicy? {
    guard var policy = settings.policy.cak else { return nil }
    policy.system = settings.policy.keySource?.localSystem ?? active?.system ?? ""
    return policy
  }

  /// An exchange for a port that comes up; nil in other modes.
  func makeExchange(_ link: Link, sci: SCI) -> CAKExchange? {
    guard let policy = exchangePolicy, let source = settings.policy.keySource else { return nil }
    var exchange = CAKExchange(
      policy: policy, address: sci.address, portName: "\(link.name)/macsec", chainName: source.profile)
    exchange.setFallback(settings.primary)
    return exchange
  }

  /// Gives an exchange the keys that were kept of the one before it.
  mutating func restore(_ exchange: inout CAKExchange?) {
    // What cannot be read is as good as nothing: then a new key is taken.
    if let keptKeys { try? exchange?.restore(keptKeys) }
    keptKeys = nil
  }

  mutating func configureExchange(isUp: Bool) {
    guard let policy = exchangePolicy else { return }
    let profile = settings.policy.keySource?.profile
    let isOther = profile != active?.profile
    active?.exchange?.setPolicy(policy, renewing: isOther)
    active?.profile = profile
    active?.exchange?.setFallback(settings.primary)
    active?.exchange?.setLink(isUp: isUp)
  }

  /// Brings the exchange and the KaY into line; what the exchange wants done.
  mutating func negotiate(_ now: Moment) -> [CAKExchange.Effect] {
    guard var current = active, current.exchange != nil else { return [] }
    active = nil
    current.exchange?.settle(&current.kay, now: now)
    let effects = current.exchange?.takeEffects() ?? []
    active = current
    return effects
  }

  mutating func carryOut(_ effects: [CAKExchange.Effect], now: Moment, _ outputs: inout [Output]) {
    for effect in effects {
      switch effect {
      // What is not sent now is sent again with the next interval.
      case .send(let frame): try? active?.lldp?.send(frame)
      case .event(let event): tell(event, now: now, &outputs)
      case .key(let request): ask(request, now: now, &outputs)
      }
    }
  }

  mutating func receiveLLDP(_ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    guard let socket = active?.lldp else { return }
    for _ in 0..<Self.maximumFramesAtOnce {
      guard let frame = (try? socket.receive()) ?? nil else { break }
      active?.exchange?.receive(frame, now: now)
      carryOut(world, now: now, &outputs)
    }
  }
}
