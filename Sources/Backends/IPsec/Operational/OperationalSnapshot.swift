// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import YANG

/// Everything that one read shows, as values that do not change any more.
struct OperationalSnapshot: Sendable {
  typealias Paths = IPsecOperationalView.Paths

  let facts: ConfiguredFacts
  /// In the order of their numbers.
  let sessions: [SessionState]
  let owners: [String: SADirectory.Owner]
  let traffic: [String: TrafficCount]
  let histories: [String: TunnelHistory]
  let keeperStates: [String: TunnelKeeper.State]
  let failures: FailureCounts
  let daemon: CharonStateModel.Daemon
  let counters: CharonCounters?
  let statistics: CharonStatistics?
  let clock: TimeOfDay
  let link: @Sendable (String, ConfiguredFacts.Tunnel?) -> TunnelLink?

  /// The entries, or the one container, that a request wants; one at a time.
  func nodes(_ request: OperationalRequest) -> AnyIterator<InteriorNode> {
    let keys = request.keys ?? []
    // Below the list of nodes the first key is the node's.
    if request.path.hasPrefix(Paths.node), let first = keys.first, first.text != IPsecOperationalView.nodeName {
      return AnyIterator { nil }
    }
    let key = request.path.hasPrefix(Paths.node) ? keys.dropFirst().first : keys.first
    return switch request.path {
    case Paths.node: Self.one(IKEv2Node(nodeName: IPsecOperationalView.nodeName), request)
    case Paths.stats: Self.one(IKEv2Node.Stats(counters, failures), request)
    case Paths.summary: Self.one(IKEv2Node.Summary(sessions, facts), request)
    case Paths.charon: Self.one(CharonStateModel(daemon, statistics, counters), request)
    case Paths.session: Self.some(sessions(key), request) { SessionModel($0, facts) }
    case Paths.interface: Self.some(tunnelSessions(key), request, transform: interface)
    case Paths.tunnel: Self.some(tunnels(key), request, transform: tunnel)
    case Paths.policy: Self.some(facts.policyModels.filter { key.names($0.name) }, request) { $0 }
    case Paths.proposal: Self.some(facts.proposalModels.filter { key.names($0.name) }, request) { $0 }
    case Paths.profile: Self.some(facts.profileModels.filter { key.names($0.name) }, request) { $0 }
    case Paths.allSAs: Self.some(allSAs, request) { IKEv2Node.SA.All.SA().showing($0.sa, of: $0.session, facts) }
    case Paths.localAddress:
      Self.some(grouped(key) { $0.local.address }, request) { group in
        IKEv2Node.SA.LocalV4.IP(
          address: group.address, sa: group.sas.map { .init().showing($0.sa, of: $0.session, facts) })
      }
    case Paths.remoteAddress:
      Self.some(grouped(key) { $0.remote.address }, request) { group in
        IKEv2Node.SA.RemoteV4.IP(
          address: group.address, sa: group.sas.map { .init().showing($0.sa, of: $0.session, facts) })
      }
    default: AnyIterator { nil }
    }
  }

  // MARK: What is wanted

  private func sessions(_ key: Value?) -> [SessionState] {
    guard let key else { return sessions }
    guard case .uint(let number) = key else { return [] }
    // In the order of numbers, so that one is found without a look at all.
    var (low, high) = (0, sessions.count)
    while low < high {
      let middle = (low + high) / 2
      if sessions[middle].number < number { low = middle + 1 } else { high = middle }
    }
    return low < sessions.count && sessions[low].number == number ? [sessions[low]] : []
  }

  private func tunnelSessions(_ key: Value?) -> [SessionState] {
    guard let key else { return sessions.sorted { $0.owner < $1.owner } }
    return sessions.first { $0.owner == key.text }.map { [$0] } ?? []
  }

  private func interface(_ session: SessionState) -> TunnelSAModel? {
    let tunnel = facts.tunnels[session.owner]
    let isOurs = tunnel != nil || session.sas.contains { $0.connection != session.owner }
    return isOurs ? TunnelSAModel(session, facts, link: link(session.owner, tunnel)) : nil
  }

  private func tunnels(_ key: Value?) -> [TunnelContext] {
    if let key {
      guard let name = key.text, facts.tunnels[name] != nil else { return [] }
      return [TunnelContext(name: name, session: sessions.first { $0.owner == name })]
    }
    let byOwner = Dictionary(sessions.map { ($0.owner, $0) }) { first, _ in first }
    return facts.tunnelNames.map { TunnelContext(name: $0, session: byOwner[$0]) }
  }

  private struct TunnelContext {
    let name: String
    let session: SessionState?
  }

  private func tunnel(_ context: TunnelContext) -> TunnelStateModel? {
    let name = context.name
    return TunnelStateModel(
      name, facts, session: context.session, keeper: keeperStates[name], history: histories[name], owner: owners[name],
      traffic: traffic[name], link: link(name, facts.tunnels[name]), clock: clock)
  }

  private var allSAs: [(sa: IKESA, session: SessionState)] {
    sessions.flatMap { session in session.sas.map { ($0, session) } }
  }

  /// The SAs by an address of theirs; the models have IPv4 only.
  private func grouped(
    _ key: Value?, by address: (IKESA) -> String
  ) -> [(address: String, sas: [(sa: IKESA, session: SessionState)])] {
    var groups: [IPv4Address: [(sa: IKESA, session: SessionState)]] = [:]
    for session in sessions {
      for sa in session.sas {
        let text = address(sa)
        guard key.names(text), let address = IPv4Address(text) else { continue }
        groups[address, default: []].append((sa, session))
      }
    }
    return groups.sorted { $0.key < $1.key }.map { ($0.key.description, $0.value) }
  }

  // MARK: Making nodes

  private static func one<T: TreeRepresentable>(_ value: T, _ request: OperationalRequest) -> AnyIterator<InteriorNode>
  {
    AnyIterator(CollectionOfOne(value.interiorNode(request.schema)).makeIterator())
  }

  private static func some<Item, T: TreeRepresentable>(
    _ items: [Item], _ request: OperationalRequest, transform: @escaping (Item) -> T?
  ) -> AnyIterator<InteriorNode> {
    var rest = items.makeIterator()
    return AnyIterator {
      while let item = rest.next() {
        if let value = transform(item) { return value.interiorNode(request.schema) }
      }
      return nil
    }
  }
}

extension Value {
  fileprivate var text: String? { if case .string(let text) = self { text } else { nil } }
}

extension Value? {
  /// Whether an entry of that name is wanted.
  fileprivate func names(_ name: String) -> Bool { self == nil || self?.text == name }
}
