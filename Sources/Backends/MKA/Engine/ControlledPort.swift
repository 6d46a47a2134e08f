// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The CP state machine (IEEE 802.1X-2020 figure 12-2), by the standard's names.
///
/// Inputs are its variables above the line, set by the KaY; `step` then runs it until it rests. What the SecY has to
/// hold follows from `latest`, `old`, `protection` and `controlledPortEnabled`: the KaY brings the SecY there after
/// each step. It departs from the standard in two points. The key in use stays `latest` when its predecessor is
/// retired, and becomes `old` only when the next one comes. And a change of key server is no change of connection:
/// what is installed stays until the new server's first SAK, so that its election costs no frame.
struct ControlledPort: Sendable {
  enum State: Sendable, Hashable {
    case initial, change, allowed, authenticated, secured
    case receive, receiving, ready, transmit, transmitting, abandon, retire
  }

  enum Connection: Sendable, Hashable {
    /// Not decided: what passes is the security policy's to say.
    case pending
    /// The key server wants frames in clear.
    case authenticated
    case secure
  }

  /// A SAK in one of the two places, and under which CAK it came.
  struct Held: Sendable {
    var sak: SAK
    var ckn: CKN
    var receives = false
    var transmits = false
    /// It is not transmitted with before all receive, however long that takes.
    var waitsForAll = false

    var identifier: SAKIdentifier { sak.identifier }
  }

  /// The suite and offset that the SecY is set up for.
  struct Protection: Sendable, Hashable {
    var cipherSuite: CipherSuite
    var offset: ConfidentialityOffset
  }

  // Inputs
  var connection = Connection.pending
  /// A SAK that was made or received and waits to be installed.
  var newSAK: Held?
  var electedSelf = false
  var allReceiving = false
  var serverTransmitting = false
  let timers: Timers

  // Outputs
  private(set) var state = State.initial
  private(set) var latest: Held?
  private(set) var old: Held?
  private(set) var protection: Protection?
  private(set) var controlledPortEnabled = false
  private(set) var transmitWhen: Duration?
  private(set) var retireWhen: Duration?
  /// Something changed that peers want to know at once. The KaY takes it down.
  var newInformation = false

  init(timers: Timers) { self.timers = timers }

  var nextTimeout: Duration? {
    switch state {
    case .receiving: transmitWhen
    case .transmitting: retireWhen
    default: nil
    }
  }

  /// Whether a new SAK would be taken up at once, not after the one under way.
  var acceptsNewSAK: Bool { state != .transmit && state != .transmitting && newSAK == nil }

  private var changedConnection: Bool {
    guard connection == .secure else { return true }
    guard let newSAK, let protection else { return false }
    return Protection(cipherSuite: newSAK.sak.cipherSuite, offset: newSAK.sak.confidentialityOffset) != protection
  }

  /// Gives up the latest SAK, which cannot be used; the one before it, if there still is one, goes on.
  mutating func discardLatest() {
    guard latest != nil else { return }
    latest = old
    old = nil
    state = latest == nil ? .change : .retire
    controlledPortEnabled = latest != nil
    newInformation = true
  }

  /// Sets all that ``Resumption`` holds.
  mutating func restore(_ resumption: Resumption) {
    guard Resumption.states.indices.contains(Int(resumption.state)) else { return }
    state = Resumption.states[Int(resumption.state)]
    latest = resumption.latest
    old = resumption.old
    protection = resumption.protection
    transmitWhen = resumption.transmitWhen
    retireWhen = resumption.retireWhen
    controlledPortEnabled = true
  }

  /// Gives up all SAKs at once, as if there never had been any.
  mutating func discardAll() {
    newSAK = nil
    state = .change
    enter(.change, now: .zero)
  }

  /// Runs transitions until none is due.
  mutating func step(now: Duration) {
    // The longest path without rest visits each state once.
    for _ in 0..<24 {
      guard let next = transition(now: now) else { return }
      state = next
      enter(next, now: now)
    }
    assertionFailure("the CP state machine does not come to rest")
  }

  private func transition(now: Duration) -> State? {
    switch state {
    case .initial: return .change
    case .change:
      switch connection {
      case .pending: return nil
      case .authenticated: return .authenticated
      case .secure: return newSAK == nil ? nil : .secured
      }
    case .allowed, .authenticated: return connection == .authenticated ? nil : .change
    case .secured: return changedConnection ? .change : newSAK == nil ? nil : .receive
    case .receive: return .receiving
    case .receiving:
      if newSAK != nil || changedConnection { return .abandon }
      if !electedSelf { return .ready }
      return allReceiving || (transmitWhen.map { now >= $0 } ?? false) ? .transmit : nil
    case .ready:
      if newSAK != nil || changedConnection { return .abandon }
      return serverTransmitting || !controlledPortEnabled ? .transmit : nil
    case .transmit: return .transmitting
    case .transmitting: return changedConnection || (retireWhen.map { now >= $0 } ?? true) ? .retire : nil
    case .retire: return changedConnection ? .change : newSAK == nil ? nil : .receive
    case .abandon: return changedConnection || newSAK == nil ? .retire : .receive
    }
  }

  private mutating func enter(_ state: State, now: Duration) {
    switch state {
    case .initial, .change:
      latest = nil
      old = nil
      protection = nil
      controlledPortEnabled = false
      if connection != .secure { newSAK = nil }
      newInformation = true
    case .allowed, .authenticated:
      controlledPortEnabled = true
      newInformation = true
    case .secured:
      if let newSAK {
        protection = Protection(cipherSuite: newSAK.sak.cipherSuite, offset: newSAK.sak.confidentialityOffset)
      }
    case .receive:
      if old == nil { old = latest }
      latest = newSAK
      newSAK = nil
      // Only one association can have the number; the peers that made this so have lost the old one too.
      if old?.sak.associationNumber == latest?.sak.associationNumber { old = nil }
      allReceiving = false
      serverTransmitting = false
    case .receiving:
      latest?.receives = true
      transmitWhen = latest?.waitsForAll == true ? nil : now + timers.life
      newInformation = true
    case .ready: newInformation = true
    case .transmit:
      controlledPortEnabled = true
      latest?.transmits = true
      old?.transmits = false
      allReceiving = false
      serverTransmitting = false
    case .transmitting:
      retireWhen = old == nil ? now : now + timers.retire
      newInformation = true
    case .abandon:
      latest = old
      old = nil
    case .retire:
      old = nil
      newInformation = true
    }
  }
}

extension ControlledPort {
  /// What a secured port has to keep over a restart.
  struct Resumption: Sendable {
    /// By their place in `states`.
    var state: UInt8
    var latest: Held?
    var old: Held?
    var protection: Protection
    var transmitWhen: Duration?
    var retireWhen: Duration?

    /// The states in which a secured port rests.
    static let states: [State] = [.receiving, .ready, .transmitting, .retire]
  }

  /// Nil while the port is not secured.
  var resumption: Resumption? {
    guard controlledPortEnabled, let protection, let place = Resumption.states.firstIndex(of: state) else { return nil }
    return Resumption(
      state: UInt8(place), latest: latest, old: old, protection: protection, transmitWhen: transmitWhen,
      retireWhen: retireWhen)
  }

  init(resuming resumption: Resumption, timers: Timers) {
    self.init(timers: timers)
    connection = .secure
    restore(resumption)
  }
}
