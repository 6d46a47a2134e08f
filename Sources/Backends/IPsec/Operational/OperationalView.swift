// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Glibc
import Models
import Synchronization
import YANG

/// Operational state of IKEv2 and IPsec for readers: what charon tells, gathered once for all lists that a read touches.
///
/// charon is asked when someone reads (`refresh`), by one streamed listing whatever the number of SAs, and no more often
/// than every half second unless an event has changed something. Events (`take`) keep the picture right in between, so
/// that traffic of SAs that end between two reads is not lost. Reading itself (`operational`) waits for nothing: it
/// makes each entry from the last snapshot when the reader pulls it.
public final class IPsecOperationalView: Sendable {
  typealias Instant = ContinuousClock.Instant

  /// Nodes of the schema that are answered here.
  public static let paths: [String] = [
    Paths.node, Paths.session, Paths.stats, Paths.summary, Paths.policy, Paths.proposal, Paths.profile,
    Paths.localAddress, Paths.remoteAddress, Paths.allSAs, Paths.interface, Paths.charon, Paths.tunnel,
  ]
  /// Those of them for which charon is asked first.
  public static let refreshedPaths: [String] = [
    Paths.session, Paths.stats, Paths.summary, Paths.localAddress, Paths.remoteAddress, Paths.allSAs, Paths.interface,
    Paths.charon, Paths.tunnel,
  ]
  /// The one node of the models that list nodes of a router: here it is the agent.
  public static let nodeName = "0/RP0/CPU0"

  enum Paths {
    static let node = "/Cisco-IOS-XR-ikev2-oper:ikev2/nodes/node"
    static let session = node + "/session-ids/session-id"
    static let stats = node + "/stats"
    static let summary = node + "/summary"
    static let policy = node + "/policies/policy"
    static let proposal = node + "/proposals/proposal"
    static let profile = node + "/profiles/profile"
    static let localAddress = node + "/sa/local-v4/ip"
    static let remoteAddress = node + "/sa/remote-v4/ip"
    static let allSAs = node + "/sa/all/sa"
    static let interface = "/Cisco-IOS-XR-ipsec-xr-oper:ipsec/ipsec-sa/interfaces/interface"
    static let charon = "/agentd-ipsec-oper:ipsec-state/charon"
    static let tunnel = "/agentd-ipsec-oper:ipsec-state/tunnel"
  }

  /// How long things take at most.
  struct Limits: Sendable {
    /// How old an answer of charon may be that a read shows, while no event has changed anything.
    var age = Duration.milliseconds(500)
    /// How long a read waits for one answer of charon.
    var answer = Duration.seconds(2)
    /// How long it waits for the connection, when charon is known to be there.
    var connection = Duration.seconds(1)
  }

  /// What of charon a read needs.
  struct Needs: OptionSet, Sendable {
    let rawValue: Int
    static let sas = Needs(rawValue: 1)
    static let counters = Needs(rawValue: 2)
    static let statistics = Needs(rawValue: 4)

    init(rawValue: Int) { self.rawValue = rawValue }

    init(_ paths: Set<String>) {
      self = []
      if paths.contains(where: { $0 != Paths.stats && $0 != Paths.charon }) { insert(.sas) }
      if paths.contains(Paths.stats) { insert(.counters) }
      if paths.contains(Paths.charon) { formUnion([.sas, .counters, .statistics]) }
    }
  }

  fileprivate struct State {
    var facts = ConfiguredFacts()
    var directory = SADirectory()
    var numbers = SessionNumbers()
    var histories: [String: TunnelHistory] = [:]
    var failures = FailureCounts()
    var daemon = CharonStateModel.Daemon()
    var counters: CharonCounters?
    var statistics: CharonStatistics?
    var keeperStates: [String: TunnelKeeper.State] = [:]
    /// A connection of its own: a read neither waits for the keeper's commands nor breaks them when it is given up.
    var client: VICIClient?
    /// The daemon that answers; nil while none does.
    var process: Int32?
    var keeper: TunnelKeeper?
    /// When each need was last met, or tried to be.
    var asked: [Int: Instant] = [:]
    var flight: Task<Void, Never>?
    var snapshot: OperationalSnapshot?
  }

  private let state = Mutex(State())
  private let limits: Limits
  private let link: @Sendable (String, ConfiguredFacts.Tunnel?) -> TunnelLink?

  /// - Parameter link: the Linux link of a tunnel interface, by its name and the number of its XFRM interface. Asked at
  ///   most once for each tunnel that a read shows.
  public convenience init(
    link: @escaping @Sendable (_ tunnel: String, _ interfaceID: UInt32?) -> TunnelLink? = { _, _ in nil }
  ) {
    self.init(limits: Limits(), link: link)
  }

  init(limits: Limits, link: @escaping @Sendable (_ tunnel: String, _ interfaceID: UInt32?) -> TunnelLink?) {
    self.limits = limits
    self.link = { name, tunnel in link(name, tunnel?.interfaceID) }
  }

  // MARK: Inputs

  /// The configuration, and what it comes to.
  public func configure(_ configuration: IPsecConfiguration, _ mapping: IPsecMapping) {
    let facts = ConfiguredFacts(configuration, mapping)
    state.withLock { state in
      state.facts = facts
      let names = Set(facts.tunnelNames)
      state.histories = state.histories.filter { names.contains($0.key) }
      state.changed()
    }
  }

  /// Who keeps the tunnels: asked for their states.
  public func follow(_ keeper: TunnelKeeper) { state.withLock { $0.keeper = keeper } }

  /// A notice of the charon that carries the tunnels. They have to come in order.
  ///
  /// - Parameters:
  ///   - client: which brought it; nil when there is none.
  ///   - own: the charon, when it is one of the agent's own.
  public func take(_ notice: Charon.Notice, client: VICIClient?, own: Charon?) {
    let (restarts, isOld, plane) = (own?.restartCount, own?.runsOldSettings, own?.settings.dataPlane)
    state.withLock { state in
      state.daemon.restarts = restarts
      state.daemon.runsOldSettings = isOld
      if let plane { state.daemon.dataPlane = plane }
      switch notice {
      case .status(let status): state.take(status)
      case .vici(let notice): state.take(notice, path: client?.path, isOwn: own != nil)
      }
    }
  }

  deinit { state.withLock { $0.client?.stop() } }

  /// What the keeper tells of a tunnel.
  public func take(_ notice: TunnelKeeper.Notice) {
    let now = Event.Time.now
    state.withLock { state in
      switch notice {
      case .up(let tunnel, let sa, _): state.histories[tunnel, default: .init()].cameUp(sa, at: now)
      case .down(let tunnel, let reason): state.histories[tunnel, default: .init()].wentDown(reason, at: now)
      case .negotiationFailed(let tunnel, let reason, _):
        state.histories[tunnel, default: .init()].failed(reason, at: now)
      case .ppkFallback(let tunnel):
        state.failures.ppkFallbacks &+= 1
        state.histories[tunnel, default: .init()].failures.ppkFallbacks &+= 1
      case .ppkFetchFailed(let tunnel, let reason):
        state.failures.ppkFetchFailures &+= 1
        state.histories[tunnel, default: .init()].failures.ppkFetchFailures &+= 1
        state.histories[tunnel, default: .init()].failed(reason, at: now)
      default: return
      }
      state.changed()
    }
  }

  // MARK: Asking charon

  /// Brings up to date what these paths show, within about two seconds. Reads at the same time share one question.
  public func refresh(_ paths: Set<String>) async {
    let needs = Needs(paths)
    // A question that was under way may be older than an event, or ask for less: then there is another.
    for _ in 0..<3 {
      let flight: Task<Void, Never>? = state.withLock { state in
        let stale = state.stale(of: needs, age: limits.age, now: .now)
        guard !stale.isEmpty else { return nil }
        if let flight = state.flight { return flight }
        let flight = Task { await ask(stale) }
        state.flight = flight
        return flight
      }
      guard let flight else { return }
      await flight.value
    }
  }

  private func ask(_ needs: Needs) async {
    let (client, keeper) = state.withLock { ($0.process == nil ? nil : $0.client, $0.keeper) }
    let begun = ContinuousClock.now
    // An event that comes from here on makes the answer old at once.
    state.withLock { state in
      for need in needs.members { state.asked[need.rawValue] = begun }
    }
    var failure: VICIError?
    var (sessions, counters, statistics): ([IKESA]?, CharonCounters?, CharonStatistics?) = (nil, nil, nil)
    let states = needs.contains(.sas) ? await keeper?.states : nil
    if let client {
      do throws(VICIError) {
        if needs.contains(.sas) { sessions = try await listing(client) }
        if needs.contains(.counters) {
          counters = try await currentCounters(client)
        }
        if needs.contains(.statistics) {
          statistics = try await connected { () async throws(VICIError) in
            CharonStatistics(try await client.call("stats", limit: limits.answer))
          }
        }
      } catch { failure = error }
    } else {
      failure = VICIError(.disconnected, "charon's VICI socket is not connected")
    }
    let time = Event.Time.now
    state.withLock { [sessions, counters, statistics, failure] state in
      state.flight = nil
      if let states { state.keeperStates = states }
      if let sessions {
        state.directory.take(listing: sessions, now: .now)
        state.daemon.lastAnswer = time
      }
      if let counters { state.counters = counters }
      if let statistics { state.statistics = statistics }
      state.daemon.lastError = failure?.description
      state.snapshot = nil
    }
  }

  private func listing(_ client: VICIClient) async throws(VICIError) -> [IKESA] {
    // Those that are busy are skipped, since asking would wait for them.
    var noWaiting = VICIMessage()
    noWaiting.add("noblock", true)
    let parts = try await connected {
      () async throws(VICIError) in
      try await client.list("list-sas", noWaiting, event: "list-sa", limit: limits.answer)
    }
    return parts.flatMap { IKESA.list($0) }
  }

  /// Waits for the connection, which is made when charon is known to be there.
  private func connected<T>(_ ask: () async throws(VICIError) -> T) async throws(VICIError) -> T {
    let deadline = ContinuousClock.now.advanced(by: limits.connection)
    while true {
      do throws(VICIError) { return try await ask() } catch {
        guard error.code == .disconnected, ContinuousClock.now < deadline else { throw error }
        try? await Task.sleep(for: .milliseconds(20))
      }
    }
  }

  /// Nil where charon lacks the plugin.
  private func currentCounters(_ client: VICIClient) async throws(VICIError) -> CharonCounters? {
    do throws(VICIError) {
      return try await connected { () async throws(VICIError) in
        CharonCounters(try await client.call("get-counters", limit: limits.answer))
      }
    } catch {
      guard error.code == .unknown || error.code == .refused else { throw error }
      return nil
    }
  }

  // MARK: Answers

  /// The data at one of `paths`, made as it is pulled.
  public func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> {
    currentSnapshot().nodes(request)
  }

  private func currentSnapshot() -> OperationalSnapshot {
    state.withLock { state in
      if let snapshot = state.snapshot { return snapshot }
      let snapshot = state.makeSnapshot(link: link)
      state.snapshot = snapshot
      return snapshot
    }
  }
}

extension IPsecOperationalView.Needs {
  fileprivate var members: [Self] { [Self.sas, .counters, .statistics].filter { contains($0) } }
}

extension IPsecOperationalView.State {
  /// What is shown is not what is known any more.
  fileprivate mutating func changed() {
    asked[IPsecOperationalView.Needs.sas.rawValue] = nil
    snapshot = nil
  }

  fileprivate func stale(
    of needs: IPsecOperationalView.Needs, age: Duration, now: ContinuousClock.Instant
  ) -> IPsecOperationalView.Needs {
    needs.members.reduce(into: []) { stale, need in
      if asked[need.rawValue].map({ $0.duration(to: now) > age }) ?? true { stale.insert(need) }
    }
  }

  fileprivate mutating func take(_ status: CharonSupervisor.Status) {
    daemon.status = status
    switch status {
    case .running(let process, _):
      self.process = process
      daemon.runningSince = ProcessStart.time(of: process)
    case .silent: break
    case .starting: process = nil
    case .down, .stopped:
      lose()
      if status == .stopped {
        client?.stop()
        client = nil
      }
    }
    changed()
  }

  fileprivate mutating func take(_ notice: VICIClient.Notice, path: String?, isOwn: Bool) {
    switch notice {
    case .ready(let version, let process):
      // Another daemon has none of the SAs of the one before.
      if let before = self.process, before != process { lose() }
      if !isOwn { take(.running(process, isAdopted: true)) }
      self.process = process
      daemon.version = version
      statistics = nil
      if let path, client?.path != path { connect(path) }
      changed()
    case .listening:
      directory.isListening = true
      changed()
    case .down(.commands, let error):
      daemon.lastError = error.description
      if !isOwn { take(.down(reason: error.description, restartIn: .zero)) }
      snapshot = nil
    case .down: directory.isListening = false
    case .event(let name, let message):
      guard let event = CharonEvent(name, message) else { return }
      if case .log(let line) = event {
        take(line)
      } else {
        directory.take(event, now: .now)
        changed()
      }
    }
  }

  private mutating func lose() {
    directory.lose()
    process = nil
    daemon.runningSince = nil
    counters = nil
    statistics = nil
  }

  private mutating func connect(_ path: String) {
    client?.stop()
    client = nil
    do throws(VICIError) {
      let client = try VICIClient(path: path, events: []) { _ in }
      try client.start()
      self.client = client
    } catch { daemon.lastError = error.description }
  }

  private mutating func take(_ line: CharonEvent.LogLine) {
    let usesPPK = line.connection.flatMap { facts.connections[$0]?.ppk } != nil
    let before = failures
    failures.take(line.message, usesPPK: usesPPK)
    guard failures != before, let connection = line.connection else { return }
    let owner = SADirectory.owner(of: connection)
    guard facts.tunnels[owner] != nil else { return }
    histories[owner, default: .init()].failures.take(line.message, usesPPK: usesPPK)
    if case .failure(let reason) = NegotiationReport(line.message) {
      histories[owner, default: .init()].failed(reason, at: .now)
    }
    snapshot = nil
  }

  fileprivate mutating func makeSnapshot(
    link: @escaping @Sendable (String, ConfiguredFacts.Tunnel?) -> TunnelLink?
  ) -> OperationalSnapshot {
    let sessions = directory.sessions(now: .now)
    directory.forget(except: Set(facts.tunnelNames))
    numbers.keep(only: sessions.keys)
    let numbered = sessions.sorted { $0.key < $1.key }.compactMap { owner, sas in
      numbers.number(of: owner).map { SessionState(number: $0, owner: owner, sas: sas) }
    }
    return OperationalSnapshot(
      facts: facts, sessions: numbered.sorted { $0.number < $1.number }, owners: directory.owners,
      traffic: directory.traffic, histories: histories, keeperStates: keeperStates, failures: failures, daemon: daemon,
      counters: counters, statistics: statistics, clock: .now, link: link)
  }
}
