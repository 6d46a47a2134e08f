// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// One MKA participant: a member of the CA of one CAK (IEEE 802.1X-2020 9.3).
///
/// It knows who else is a member and alive, and who is the key server among them. What to do about it is the KaY's.
struct Participant: Sendable {
  /// What a CAK is to its port.
  enum Role: Sendable, Hashable {
    /// The latest active key of the primary chain.
    case primary
    /// Of the primary chain, shortly before its time.
    case next
    case fallback
    /// Superseded, but still in its lifetime and perhaps in use.
    case oldPrimary
    case oldFallback

    var isFallback: Bool { self == .fallback || self == .oldFallback }
  }

  enum Election: Sendable, Hashable {
    /// No live peer, or nobody who could.
    case none
    case own
    case peer(MemberIdentifier)
  }

  /// Whether the ICVs of one station verify.
  struct ICVStatus: Sendable, Hashable {
    var matches: Bool
    var memberIdentifier: MemberIdentifier
    var checked: Moment
    var reported: Bool?
    var lastReport: Duration?
  }

  /// The most stations whose ICV status is kept.
  static let maximumICVStatusCount = 32
  /// The most key servers whose key numbers are remembered.
  static let maximumKeyNumberCount = 64

  var key: KeyChain.Key
  let keyChain: String
  var role: Role
  var ick: IntegrityCheckKey
  var kek: KeyEncryptingKey

  private(set) var memberIdentifier: MemberIdentifier
  private(set) var messageNumber: UInt32 = 0
  /// No number up to this one is used after a restart: it is kept before they are sent.
  private(set) var reservedMessageNumber: UInt32 = 0
  /// Numbers up to this one may have been sent before a restart; until when that matters.
  private var formerNumbers: (upTo: UInt32, until: Duration)?
  /// The numbers sent within the life time, and when.
  private var sentNumbers: [(number: UInt32, time: Duration)] = []
  var lastSent: Moment?
  var nextHello: Duration
  /// An MKPDU is due before the next hello.
  var newInformation = true

  var peers = PeerTable()
  var election = Election.none
  /// The last key number that we gave, under this member identifier.
  var keyNumber: UInt32 = 0
  /// What we distribute as key server.
  var distribution: Distribution?
  /// The highest key number taken from each key server, so that no SAK is ever installed again.
  private var keyNumbers: [(keyServer: MemberIdentifier, number: UInt32)] = []
  var icvStatus: [SCI: ICVStatus] = [:]
  var counters = ParticipantCounters()
  /// When it took over from another key, or began.
  var began: Moment
  /// When a live peer was last heard.
  var lastHeard: Duration?
  /// The key server told to go without MACsec.
  var serverWantsPlain = false
  /// PPK mode: what the key server is to be told.
  var refusal: PPKAnnouncement.Refusal?

  var ckn: CKN { key.ckn }

  /// A new member. Fails when there are no random numbers.
  init(
    key: KeyChain.Key, keyChain: String, role: Role, now: Moment, random: inout any RandomSource
  ) throws(MKAError) {
    self.key = key
    self.keyChain = keyChain
    self.role = role
    ick = try key.cak.integrityCheckKey(ckn: key.ckn)
    kek = try key.cak.keyEncryptingKey(ckn: key.ckn)
    memberIdentifier = try Self.freshIdentifier(&random)
    nextHello = now.uptime
    began = now
  }

  private static func freshIdentifier(_ random: inout any RandomSource) throws(MKAError) -> MemberIdentifier {
    let bytes = try random.bytes(MemberIdentifier.length)
    guard let identifier = MemberIdentifier(bytes.withUnsafeBytes { Array($0) }) else {
      throw MKAError(.cryptography, "too few random bytes")
    }
    return identifier
  }

  /// Goes on as a member that was known before. Fails when the CAK is not that of the member.
  init(
    resuming member: KaYResumption.Member, key: KeyChain.Key, keyChain: String, role: Role, now: Moment, life: Duration,
    random: inout any RandomSource
  ) throws(MKAError) {
    try self.init(key: key, keyChain: keyChain, role: role, now: now, random: &random)
    guard try ick.check() == member.check else { throw MKAError(.invalidKey, "the CAK is another one") }
    memberIdentifier = member.memberIdentifier
    messageNumber = member.messageNumber
    reservedMessageNumber = member.messageNumber
    formerNumbers = (member.messageNumber, now.uptime + life)
    keyNumber = member.keyNumber
    keyNumbers = member.takenKeys.map { ($0.keyServer, $0.number) }
    for known in member.peers {
      var peer = Peer(
        BasicParameterSet(
          version: known.version, keyServerPriority: known.priority, isKeyServer: known.claimsKeyServer,
          desiresMACsec: known.desiresMACsec, capability: known.capability, sci: known.sci,
          memberIdentifier: known.memberIdentifier, messageNumber: known.messageNumber, ckn: key.ckn),
        now: now, expires: now.uptime + life)
      peer.isLive = true
      peer.ppk = known.ppkSystem.map { PPKAnnouncement.Capability(system: $0) }
      _ = peers.add(peer)
    }
    lastHeard = peers.hasLive ? now.uptime : nil
  }

  /// As key server after a restart: this is what all live peers have.
  mutating func resumeDistribution(of sak: SAK, made: Duration) {
    for place in peers.peers.indices where peers[place].isLive { peers[place].acknowledgedKey = sak.identifier }
    var distribution = Distribution(
      sak: sak, set: nil, ppk: nil, members: Set(peers.live.map(\.memberIdentifier)), made: made)
    distribution.wasComplete = true
    self.distribution = distribution
  }

  /// Becomes a new member: message and key numbers begin again (IEEE 802.1X-2020 9.4.2).
  mutating func renew(random: inout any RandomSource) throws(MKAError) {
    memberIdentifier = try Self.freshIdentifier(&random)
    messageNumber = 0
    reservedMessageNumber = 0
    sentNumbers = []
    formerNumbers = nil
    keyNumber = 0
    distribution = nil
    newInformation = true
  }

  // MARK: Message numbers

  /// The number of the MKPDU that is being sent; nil when they are used up.
  mutating func takeMessageNumber(now: Duration, life: Duration) -> UInt32? {
    guard messageNumber < UInt32.max else { return nil }
    messageNumber += 1
    if messageNumber > reservedMessageNumber {
      let (next, overflows) = messageNumber.addingReportingOverflow(KaYResumption.messageNumberStep)
      reservedMessageNumber = overflows ? UInt32.max : next
    }
    sentNumbers.removeAll { $0.time + life < now }
    sentNumbers.append((messageNumber, now))
    return messageNumber
  }

  /// Whether a peer that lists us with this number has heard us within the life time.
  func isRecent(_ number: UInt32, now: Duration, life: Duration) -> Bool {
    if let formerNumbers, number <= formerNumbers.upTo, now <= formerNumbers.until { return true }
    return sentNumbers.contains { $0.number == number && $0.time + life >= now }
  }

  // MARK: Key numbers

  /// Whether a SAK of this number was already taken, or a later one.
  func hasTaken(_ key: SAKIdentifier) -> Bool {
    keyNumbers.contains { $0.keyServer == key.keyServer && $0.number >= key.number }
  }

  /// The last SAK taken from each key server.
  var takenKeys: [SAKIdentifier] { keyNumbers.map { SAKIdentifier(keyServer: $0.keyServer, number: $0.number) } }

  /// Remembers a SAK as taken.
  mutating func take(_ key: SAKIdentifier) {
    keyNumbers.removeAll { $0.keyServer == key.keyServer }
    keyNumbers.append((key.keyServer, key.number))
    if keyNumbers.count > Self.maximumKeyNumberCount { keyNumbers.removeFirst() }
  }

  // MARK: Election

  /// Elects among ourselves and the live peers that may serve: lowest priority, then lowest SCI (9.5).
  /// True when the result changed.
  mutating func elect(sci: SCI, priority: UInt8) -> Bool {
    var best: (priority: UInt8, sci: SCI, result: Election)?
    let live = peers.live
    if !live.isEmpty {
      if priority < 255 { best = (priority, sci, .own) }
      for peer in live where peer.claimsKeyServer {
        if let current = best, (current.priority, current.sci) <= (peer.priority, peer.sci) { continue }
        best = (peer.priority, peer.sci, .peer(peer.memberIdentifier))
      }
    }
    let result = best?.result ?? .none
    defer { election = result }
    return result != election
  }

  /// All live peers have acknowledged what we distribute. One that comes back without it undoes that.
  var isDistributionComplete: Bool {
    guard let distribution else { return true }
    let live = peers.live
    return !live.isEmpty
      && live.allSatisfy {
        !$0.desiresMACsec || ($0.acknowledgedKey == distribution.sak.identifier && !$0.lostKey)
      }
  }

  /// The live peer that is the key server.
  var keyServer: Peer? {
    guard case .peer(let member) = election else { return nil }
    return peers[member]
  }
}

/// A SAK that a key server hands out.
struct Distribution: Sendable {
  let sak: SAK
  /// The set as sent; nil in PPK mode.
  let set: DistributedSAK?
  /// PPK mode: the element as sent.
  let ppk: PPKAnnouncement.Distribution?
  /// The live peers that it was made for. With others it is handed out no more: short channel identifiers follow from
  /// the live peer list beside it.
  let members: Set<MemberIdentifier>
  let made: Duration
  /// PPK mode: the peer could not get the key.
  var wasRefused = false
  /// All peers have once acknowledged it.
  var wasComplete = false
  /// How often the one before it was replaced for want of acknowledgement.
  var attempts = 0
}
