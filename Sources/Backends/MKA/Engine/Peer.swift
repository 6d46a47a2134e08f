// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Another member of a CA, as one participant knows it.
struct Peer: Sendable {
  let memberIdentifier: MemberIdentifier
  let sci: SCI
  var messageNumber: UInt32
  var priority: UInt8
  var claimsKeyServer: Bool
  var desiresMACsec: Bool
  var capability: MACsecCapability
  var version: UInt8
  /// It has shown that it hears us.
  var isLive: Bool
  /// When it is forgotten.
  var expires: Duration
  var lastHeard: Moment
  /// What its last MKPDU said.
  var sakUse: SAKUse?
  var extendedPacketNumbers: XPNParameterSet?
  /// The last key of ours, as key server, that it said it receives with.
  var acknowledgedKey: SAKIdentifier?
  /// It receives no more with a key that it had acknowledged.
  var lostKey = false
  var requestedSuspension: UInt8 = 0
  var announcedSuites: [CipherSuiteAnnouncement]?
  /// What it showed of PPK mode.
  var ppk: PPKAnnouncement.Capability?

  init(_ basic: BasicParameterSet, now: Moment, expires: Duration) {
    memberIdentifier = basic.memberIdentifier
    sci = basic.sci
    messageNumber = basic.messageNumber
    priority = basic.keyServerPriority
    claimsKeyServer = basic.isKeyServer
    desiresMACsec = basic.desiresMACsec
    capability = basic.capability
    version = basic.version
    isLive = false
    self.expires = expires
    lastHeard = now
  }

  func receives(_ key: SAKIdentifier) -> Bool { sakUse?.key(key)?.receives ?? false }
  func transmits(_ key: SAKIdentifier) -> Bool { sakUse?.key(key)?.transmits ?? false }

  /// The whole lowest acceptable packet number that it told for a key; nil when none.
  func lowestAcceptablePN(of key: SAKIdentifier, extended: Bool) -> UInt64? {
    guard let sakUse else { return nil }
    let isLatest = sakUse.latest?.identifier == key
    guard let low = sakUse.key(key)?.lowestAcceptablePN else { return nil }
    var value = UInt64(low)
    if extended, let numbers = extendedPacketNumbers {
      value |= UInt64(isLatest ? numbers.latestLowestAcceptablePNHigh : numbers.oldLowestAcceptablePNHigh) << 32
    }
    return value == 0 ? nil : value
  }
}

/// The members that a participant knows, and those that it knew lately.
struct PeerTable: Sendable {
  /// The most live peers: a CA of 30 members and one to spare.
  static let maximumLiveCount = 30
  /// The most potential peers.
  static let maximumPotentialCount = 30
  /// The most departed members remembered.
  static let maximumDepartedCount = 64

  /// Members that were replaced or expired, so that their old messages are known as replays.
  private struct Departed: Sendable {
    let memberIdentifier: MemberIdentifier
    let messageNumber: UInt32
  }

  private(set) var peers: [Peer] = []
  private var departed: [Departed] = []

  var live: [Peer] { peers.filter(\.isLive) }
  var potential: [Peer] { peers.filter { !$0.isLive } }
  var liveCount: Int { peers.reduce(0) { $0 + ($1.isLive ? 1 : 0) } }
  var hasLive: Bool { peers.contains(where: \.isLive) }
  var hasPotential: Bool { peers.contains { !$0.isLive } }
  var nextExpiry: Duration? { peers.lazy.map(\.expires).min() }

  func index(of member: MemberIdentifier) -> Int? { peers.firstIndex { $0.memberIdentifier == member } }

  subscript(index: Int) -> Peer {
    get { peers[index] }
    set { peers[index] = newValue }
  }

  subscript(member: MemberIdentifier) -> Peer? { peers.first { $0.memberIdentifier == member } }

  /// Whether the message is one that a departed member sent before it departed.
  func isReplayOfDeparted(_ basic: BasicParameterSet) -> Bool {
    departed.contains { $0.memberIdentifier == basic.memberIdentifier && $0.messageNumber >= basic.messageNumber }
  }

  /// Adds a member; a live one takes the place of any other of the same SCI. Nil when there is no room.
  mutating func add(_ peer: Peer) -> Int? {
    if peer.isLive {
      guard liveCount < Self.maximumLiveCount else { return nil }
    } else if peers.count - liveCount >= Self.maximumPotentialCount {
      // The oldest makes room: a flood of replayed messages must not keep a new member out for long.
      guard let oldest = peers.indices.filter({ !peers[$0].isLive }).min(by: { peers[$0].expires < peers[$1].expires })
      else { return nil }
      peers.remove(at: oldest)
    }
    peers.append(peer)
    return peers.count - 1
  }

  /// Removes those of this SCI other than the member that has just proved that it is there.
  mutating func removeOthers(than member: MemberIdentifier, of sci: SCI) -> [Peer] {
    remove { $0.sci == sci && $0.memberIdentifier != member }
  }

  /// Removes those whose time is over.
  mutating func expire(at now: Duration) -> [Peer] { remove { $0.expires <= now } }

  /// Lets live peers live at least until then.
  mutating func extendLife(to time: Duration) {
    for index in peers.indices where peers[index].isLive { peers[index].expires = max(peers[index].expires, time) }
  }

  private mutating func remove(where isGone: (Peer) -> Bool) -> [Peer] {
    guard peers.contains(where: isGone) else { return [] }
    let gone = peers.filter(isGone)
    peers.removeAll(where: isGone)
    departed.append(
      contentsOf: gone.map { Departed(memberIdentifier: $0.memberIdentifier, messageNumber: $0.messageNumber) })
    if departed.count > Self.maximumDepartedCount { departed.removeFirst(departed.count - Self.maximumDepartedCount) }
    return gone
  }
}
