// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Packets and bytes in both directions.
public struct TrafficCount: Sendable, Equatable {
  public var inPackets: UInt64 = 0
  public var inBytes: UInt64 = 0
  public var outPackets: UInt64 = 0
  public var outBytes: UInt64 = 0

  public init() {}

  init(_ child: ChildSA) {
    inPackets = child.inbound.packets
    inBytes = child.inbound.bytes
    outPackets = child.outbound.packets
    outBytes = child.outbound.bytes
  }

  /// Counters of 64 bits go around, as those of the models do.
  static func += (left: inout TrafficCount, right: TrafficCount) {
    left.inPackets &+= right.inPackets
    left.inBytes &+= right.inBytes
    left.outPackets &+= right.outPackets
    left.outBytes &+= right.outBytes
  }

  /// Of one SA at two times: what came later does not take back what was seen before.
  func atLeast(_ other: TrafficCount) -> TrafficCount {
    var result = self
    result.inPackets = max(inPackets, other.inPackets)
    result.inBytes = max(inBytes, other.inBytes)
    result.outPackets = max(outPackets, other.outPackets)
    result.outBytes = max(outBytes, other.outBytes)
    return result
  }
}

/// The SAs that charon has, by listings and by the events in between, and the traffic of each owner over all its SAs.
///
/// An owner is a tunnel interface, or a connection that is not ours. charon leaves SAs out of a listing that are busy just
/// then; events tell when an SA is gone. So an established SA that is missing is kept as it was last seen, unless
/// events may have been missed, or it is missing again and again.
///
/// The counters of a pair of SAs begin at zero with each rekey and end with the pair: what the pair had when it was
/// last seen, or when charon told of its end, goes into the owner's total.
struct SADirectory: Sendable {
  typealias Instant = ContinuousClock.Instant

  /// How often in a row an established SA may be missing.
  static let mostMisses = 8

  /// An IKE SA as it was last told.
  struct Entry: Sendable {
    var sa: IKESA
    /// When that was.
    var told: Instant
    var misses = 0
  }

  /// What is known of an owner beyond its present SAs.
  struct Owner: Sendable, Equatable {
    /// Of pairs that have ended.
    var ended = TrafficCount()
    var since: Instant
    var ikeRekeys: UInt32 = 0
    var childRekeys: UInt32 = 0
  }

  private struct Pair: Sendable {
    let owner: String
    var count: TrafficCount
    /// A listing may have been made before the pair was: what is absent may come again.
    var absentSince: Instant?
  }

  private(set) var entries: [UInt32: Entry] = [:]
  private(set) var owners: [String: Owner] = [:]
  /// By charon's number of the pair.
  private var pairs: [UInt32: Pair] = [:]
  /// Numbers of IKE SAs and of pairs of which charon has told the end: a listing that was on its way does not bring
  /// them back. charon does not use a number twice.
  private var goneSAs: [UInt32: Instant] = [:]
  private var gonePairs: [UInt32: Instant] = [:]
  static let rememberedFor = Duration.seconds(10)
  /// Events come. While they do not, or may not all have come since the last listing, listings alone are believed.
  var isListening = false { didSet { isUncertain = true } }
  private var isUncertain = true

  /// Whose SA it is: the tunnel interface, or the connection if it is not ours.
  static func owner(of connection: String) -> String { TunnelKeeper.tunnel(of: connection) ?? connection }

  // MARK: Inputs

  /// All SAs that charon lists, but for those that are busy.
  mutating func take(listing: [IKESA], now: Instant) {
    forgetGone(now: now)
    var next: [UInt32: Entry] = [:]
    next.reserveCapacity(listing.count)
    for var sa in listing where goneSAs[sa.uniqueID] == nil {
      if !gonePairs.isEmpty { sa.children.removeAll { gonePairs[$0.uniqueID] != nil } }
      next[sa.uniqueID] = Entry(sa: sa, told: now)
      note(Self.owner(of: sa.connection), since: now.advanced(by: .zero - (sa.children.first?.installed ?? .zero)))
      for child in sa.children { count(child, of: sa, now: now) }
    }
    for (id, entry) in entries where next[id] == nil {
      guard !isUncertain, entry.sa.isUsable, entry.misses < Self.mostMisses else { continue }
      next[id] = Entry(sa: entry.sa, told: entry.told, misses: entry.misses + 1)
    }
    entries = next
    isUncertain = !isListening
    let present = Set(next.values.flatMap { $0.sa.children.map(\.uniqueID) })
    let limit = now.advanced(by: .zero - Self.rememberedFor)
    for (id, pair) in pairs where !present.contains(id) {
      if let since = pair.absentSince, since <= limit { end(pair: id) }
      if pair.absentSince == nil { pairs[id]?.absentSince = now }
    }
  }

  mutating func take(_ event: CharonEvent, now: Instant) {
    switch event {
    case .sessionUp(let sa): put(sa, children: entries[sa.uniqueID]?.sa.children ?? [], now)
    case .sessionDown(let sa):
      for child in entries.removeValue(forKey: sa.uniqueID)?.sa.children ?? [] { leave(pair: child.uniqueID, now) }
      goneSAs[sa.uniqueID] = now
    case .childUp(let sa):
      for child in sa.children { count(child, of: sa, now: now) }
      let others = entries[sa.uniqueID]?.sa.children ?? []
      put(
        sa, children: others.filter { other in !sa.children.contains { $0.uniqueID == other.uniqueID } } + sa.children,
        now)
    case .childDown(let sa):
      for child in sa.children {
        count(child, of: sa, now: now)
        leave(pair: child.uniqueID, now)
      }
      entries[sa.uniqueID]?.sa.children.removeAll { gone in sa.children.contains { $0.uniqueID == gone.uniqueID } }
    case .rekeyed(let old, let new):
      put(new, children: entries[old.uniqueID]?.sa.children ?? [], now)
      entries[old.uniqueID] = nil
      goneSAs[old.uniqueID] = now
      owners[Self.owner(of: new.connection)]?.ikeRekeys &+= 1
    case .childRekeyed(let session, let old, let new):
      for child in [old, new] { count(child, of: session, now: now) }
      // The old pair takes packets for a while: its total is what the listing after its end does not have any more.
      let others = entries[session.uniqueID]?.sa.children ?? []
      let kept = others.filter { $0.uniqueID != new.uniqueID && $0.uniqueID != old.uniqueID }
      put(session, children: kept + [new, old], now)
      owners[Self.owner(of: session.connection)]?.childRekeys &+= 1
    case .log: break
    }
  }

  /// charon has ended, and its SAs with it. The next one counts from one again.
  mutating func lose() {
    for id in Array(pairs.keys) { end(pair: id) }
    entries = [:]
    goneSAs = [:]
    gonePairs = [:]
    isUncertain = true
  }

  /// Owners that are neither configured nor have SAs are forgotten.
  mutating func forget(except configured: Set<String>) {
    let live = Set(entries.values.map { Self.owner(of: $0.sa.connection) })
    owners = owners.filter { configured.contains($0.key) || live.contains($0.key) }
    pairs = pairs.filter { owners[$0.value.owner] != nil }
  }

  // MARK: Answers

  /// The SAs of each owner, the oldest first.
  func sessions(now: Instant) -> [String: [IKESA]] {
    var result: [String: [IKESA]] = [:]
    for entry in entries.values {
      result[Self.owner(of: entry.sa.connection), default: []].append(entry.sa.aged(by: entry.told.duration(to: now)))
    }
    return result.mapValues { $0.count < 2 ? $0 : $0.sorted { $0.uniqueID < $1.uniqueID } }
  }

  /// The traffic of each owner over all its SAs.
  var traffic: [String: TrafficCount] {
    var result = owners.mapValues(\.ended)
    for pair in pairs.values { result[pair.owner, default: TrafficCount()] += pair.count }
    return result
  }

  // MARK: Steps

  private mutating func put(_ sa: IKESA, children: [ChildSA], _ now: Instant) {
    var sa = sa
    sa.children = children
    entries[sa.uniqueID] = Entry(sa: sa, told: now)
    note(Self.owner(of: sa.connection), since: now)
  }

  private mutating func leave(pair id: UInt32, _ now: Instant) {
    end(pair: id)
    gonePairs[id] = now
  }

  private mutating func forgetGone(now: Instant) {
    let limit = now.advanced(by: .zero - Self.rememberedFor)
    if !goneSAs.isEmpty { goneSAs = goneSAs.filter { $0.value > limit } }
    if !gonePairs.isEmpty { gonePairs = gonePairs.filter { $0.value > limit } }
  }

  private mutating func note(_ owner: String, since: Instant) {
    if owners[owner] == nil { owners[owner] = Owner(since: since) }
  }

  private mutating func count(_ child: ChildSA, of sa: IKESA, now: Instant) {
    guard gonePairs[child.uniqueID] == nil else { return }
    let count = TrafficCount(child)
    if let known = pairs[child.uniqueID] {
      pairs[child.uniqueID] = Pair(owner: known.owner, count: count.atLeast(known.count))
    } else {
      let owner = Self.owner(of: sa.connection)
      note(owner, since: now.advanced(by: .zero - (child.installed ?? .zero)))
      pairs[child.uniqueID] = Pair(owner: owner, count: count)
    }
  }

  private mutating func end(pair id: UInt32) {
    guard let pair = pairs.removeValue(forKey: id) else { return }
    owners[pair.owner]?.ended += pair.count
  }
}

extension IKESA {
  /// The same SA some time later, as far as that can be told.
  func aged(by age: Duration) -> IKESA {
    guard age >= .seconds(1) else { return self }
    var sa = self
    sa.established? += age
    sa.rekeysIn? -= age
    for index in sa.children.indices {
      sa.children[index].installed? += age
      sa.children[index].rekeysIn? -= age
      sa.children[index].expiresIn? -= age
      sa.children[index].inbound.idle? += age
      sa.children[index].outbound.idle? += age
    }
    return sa
  }
}
