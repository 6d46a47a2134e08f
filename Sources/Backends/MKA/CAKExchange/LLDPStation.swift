// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Who is heard by LLDP, and when it is our turn to speak (IEEE 802.1AB-2016 clause 9).
struct LLDPStation: Sendable {
  /// A station that speaks CAK mode.
  struct Neighbour: Sendable, Hashable {
    let address: MACAddress
    var role: CAKPolicy.Role
    var system: String
    var offer: CAKAnnouncement.Offer?
    var expires: Duration
  }

  /// The most stations that are known; others are not heard.
  static let maximumNeighbourCount = 4
  /// How many frames may go out at once; one more each second.
  static let maximumCredit = 5
  /// After a change this many frames come each second (txFastInit).
  static let fastCount = 4
  static let fastInterval = Duration.seconds(1)

  var isLinkUp = true
  /// There is something new to say.
  var isChanged = true
  private(set) var neighbours: [Neighbour] = []
  private var lastContent: [OrganizationallySpecificTLV]?
  private var lastSent: Duration?
  private var fast = 0
  private var credit = maximumCredit
  private var creditTime = Duration.zero

  /// Keeps what a station says; with a time to live of 0, or without the capability, it is forgotten.
  mutating func note(
    _ address: MACAddress, timeToLive: UInt16, _ elements: [CAKAnnouncement], now: Duration
  ) {
    var capability: CAKAnnouncement.Capability?
    var offer: CAKAnnouncement.Offer?
    for element in elements {
      switch element {
      case .capability(let told): capability = told
      case .offer(let told): offer = told
      case .answer: break
      }
    }
    let place = neighbours.firstIndex { $0.address == address }
    guard timeToLive > 0, let capability else {
      if let place { neighbours.remove(at: place) }
      return
    }
    let neighbour = Neighbour(
      address: address, role: capability.role, system: capability.system, offer: offer,
      expires: now + .seconds(Int64(timeToLive)))
    if let place {
      neighbours[place] = neighbour
    } else if neighbours.count < Self.maximumNeighbourCount {
      neighbours.append(neighbour)
      // A new one is told at once who we are (9.2.5.12).
      isChanged = true
      fast = Self.fastCount
    }
  }

  /// Forgets who has not been heard for too long. The answer is whether there was one.
  mutating func expire(_ now: Duration) -> Bool {
    let count = neighbours.count
    neighbours.removeAll { now >= $0.expires }
    return neighbours.count != count
  }

  var nextExpiry: Duration? { neighbours.map(\.expires).min() }

  /// When a frame is due.
  func nextTransmit(_ policy: CAKPolicy) -> Duration? {
    guard isLinkUp else { return nil }
    guard let lastSent else { return .zero }
    let regular = lastSent + (fast > 0 ? min(Self.fastInterval, policy.transmitInterval) : policy.transmitInterval)
    guard isChanged else { return regular }
    return credit > 0 ? lastSent : min(regular, creditTime + .seconds(1))
  }

  /// Whether a frame with this content is to be sent now; then it counts as sent.
  mutating func takeTurn(_ content: [OrganizationallySpecificTLV], _ policy: CAKPolicy, now: Duration) -> Bool {
    let earned = max(0, (now - creditTime).components.seconds)
    if earned > 0 {
      credit = min(Self.maximumCredit, credit + Int(clamping: earned))
      creditTime = now
    }
    if content != lastContent {
      isChanged = true
    } else if fast == 0, lastSent != nil {
      isChanged = false
    }
    guard let due = nextTransmit(policy), now >= due, credit > 0 else { return false }
    if content != lastContent { fast = Self.fastCount }
    lastContent = content
    lastSent = now
    isChanged = false
    credit -= 1
    fast = max(0, fast - 1)
    return true
  }
}

/// What is told by LLDP.
extension CAKExchange {
  func message(timeToLive: UInt16, _ content: [OrganizationallySpecificTLV]) -> LLDPDU {
    LLDPDU(
      chassis: .chassis(address), port: .port(locally: portName), timeToLive: timeToLive, organizational: content)
  }

  /// Our elements: what we are, what we offer, and what became of what is offered to us.
  private var content: [OrganizationallySpecificTLV] {
    var elements: [CAKAnnouncement] = [.capability(.init(role: policy.role, system: policy.system))]
    if let key = keys.last(where: \.wasTaken) {
      elements.append(.offer(.init(keyLength: UInt8(key.cak.bits / 8), identifier: key.identifier)))
    }
    for neighbour in candidates {
      guard let offer = neighbour.offer else { continue }
      let outcome: CAKAnnouncement.Outcome?
      if keys.contains(where: { $0.identifier == offer.identifier }) {
        outcome = .held
      } else if let known = refused.first(where: { $0.identifier == offer.identifier }) {
        outcome = known.outcome
      } else if spent.contains(offer.identifier) {
        outcome = .notFound
      } else {
        outcome = Int(offer.keyLength) == policy.keyLength ? nil : .notAcceptable
      }
      if let outcome { elements.append(.answer(.init(outcome: outcome, identifier: offer.identifier))) }
    }
    return elements.map(\.element)
  }

  mutating func transmitIfDue(_ now: Moment) {
    let content = content
    guard station.isLinkUp, station.takeTurn(content, policy, now: now.uptime) else { return }
    do throws(MKAError) {
      effects.append(
        .send(try LLDPFrame.encode(message(timeToLive: policy.timeToLive, content), from: address)))
      counters.framesSent &+= 1
    } catch { emit(.failure(error.message)) }
  }
}
