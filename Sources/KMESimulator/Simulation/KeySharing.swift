// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A key with its identifier.
struct SharedKey: Equatable {
  var id: String
  var bytes: [UInt8]
}

/// Keys on their way from the KME that made it to the KME of the remote system.
struct KeyShare: Equatable {
  /// Names this delivery, over all processes.
  var token: String
  /// Under which name the receiver keeps them: for SKIP, the localSystemID of the KME that made them.
  var from: String
  /// The localSystemID of the KME that is to hold them.
  var to: String
  var keys: [SharedKey]
  /// How long after their arrival they may be fetched.
  var availableIn = Duration.zero
  /// How long they may be fetched.
  var lifetime: Duration
}

/// A message between the processes of one QKD network.
enum LinkMessage: Equatable {
  /// The local system identifiers that the sender serves.
  case systems([String])
  /// Keys for one of the receiver's systems.
  case share(KeyShare)
  /// Whether the keys were taken in.
  case outcome(token: String, accepted: Bool)
}

/// Which deliveries to other processes are under way, and which process serves which system.
///
/// The processes form a star: one hub, the others joined to it. A process that joined sends every key for a system that
/// it does not serve itself to the hub; the hub knows from the greetings who serves what, and passes on.
struct KeySharing {
  /// How long the outcome of a delivery is waited for.
  static let patience = Duration.seconds(5)
  /// How many deliveries may be under way, own and passed on.
  static let capacity = 4_096

  /// A client's request whose answer waits for the outcome of a delivery.
  struct Waiting {
    var answer: CallAnswer
    var keyCount: Int
    var failure: CallFailure
    var shape: AnswerShape
    var context: Simulation.Context
    var deadline: Duration
  }

  /// A delivery that this process passes on.
  struct Relay {
    var origin: UInt64
    var deadline: Duration
  }

  var waiting: [String: Waiting] = [:]
  var relays: [String: Relay] = [:]
  /// Which link leads to which system.
  var routes: [String: UInt64] = [:]
  /// The link to the hub, for systems without a route.
  var hub: UInt64?

  /// When `handleTimeout` is due.
  var nextTimeout: Duration? {
    [waiting.values.map(\.deadline).min(), relays.values.map(\.deadline).min()].compactMap(\.self).min()
  }
}

extension Simulation {
  /// What became of a delivery at once.
  enum Delivery: Equatable {
    case accepted
    case refused
    /// It has to go over this link.
    case sent(UInt64)
  }

  /// The greeting for a new link.
  var greeting: LinkMessage { .systems(instances.map(\.configuration.localSystemID)) }

  /// Puts keys into the store of an instance of this process, all or none, or names the link that leads to its system.
  mutating func deliver(_ share: KeyShare, now: Duration, from origin: UInt64? = nil) -> Delivery {
    if let index = instances.firstIndex(where: { $0.configuration.localSystemID == share.to }) {
      let entries = share.keys.map { key in
        let entry = KeyStore.Entry(
          remoteSystemID: share.from, key: key.bytes, availableFrom: now + share.availableIn,
          expires: now + share.lifetime)
        return (key.id, entry)
      }
      return instances[index].store.deposit(entries, now: now) ? .accepted : .refused
    }
    guard sharing.waiting.count + sharing.relays.count < KeySharing.capacity,
      let link = sharing.routes[share.to] ?? sharing.hub, link != origin
    else { return .refused }
    return .sent(link)
  }

  /// Takes a message of another process.
  mutating func receive(_ message: LinkMessage, link: UInt64, now: Duration) -> [Effect] {
    switch message {
    case .systems(let systems):
      for system in systems.prefix(256) where sharing.hub != link { sharing.routes[system] = link }
      return []
    case .share(let share):
      switch deliver(share, now: now, from: link) {
      case .accepted: return [.send(.outcome(token: share.token, accepted: true), link: link)]
      case .refused: return [.send(.outcome(token: share.token, accepted: false), link: link)]
      case .sent(let next):
        sharing.relays[share.token] = KeySharing.Relay(origin: link, deadline: now + KeySharing.patience)
        return [.send(.share(share), link: next)]
      }
    case .outcome(let token, let accepted):
      if let relay = sharing.relays.removeValue(forKey: token) {
        return [.send(.outcome(token: token, accepted: accepted), link: relay.origin)]
      }
      guard var waiting = sharing.waiting.removeValue(forKey: token) else { return [] }
      waiting.context.now = now
      return conclude(waiting, accepted: accepted)
    }
  }

  /// Forgets a link; deliveries over it end when their time is over.
  mutating func forget(link: UInt64) {
    sharing.routes = sharing.routes.filter { $0.value != link }
    if sharing.hub == link { sharing.hub = nil }
  }

  /// Gives up on deliveries whose outcome did not come.
  mutating func handleTimeout(now: Duration) -> [Effect] {
    sharing.relays = sharing.relays.filter { $0.value.deadline > now }
    var effects: [Effect] = []
    for (token, waiting) in sharing.waiting where waiting.deadline <= now {
      sharing.waiting[token] = nil
      effects += conclude(waiting, accepted: false)
    }
    return effects
  }

  private mutating func conclude(_ waiting: KeySharing.Waiting, accepted: Bool) -> [Effect] {
    guard accepted else { return finish(failure: waiting.failure, waiting.shape, waiting.context) }
    return finishNewKeys(waiting.answer, count: waiting.keyCount, waiting.shape, waiting.context)
  }
}
