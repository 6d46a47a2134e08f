// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// Brings charon to a mapping and keeps its tunnels up: `Driver` and one `TunnelSession` for each tunnel, between the
/// notices of a `Charon` and its commands.
///
/// Whenever charon comes back, or the mapping changes, charon is converged and all SAs are listed, so that what was missed
/// does not matter; events keep the picture up to date in between. Convergence that fails is tried again after a second.
public actor TunnelKeeper {
  /// What becomes of a tunnel.
  public enum Notice: Sendable, Equatable {
    case up(tunnel: String, IKESA, QuantumResistance)
    case down(tunnel: String, reason: String)
    /// Its IKE SA, or the child SA in it, has new keys.
    case rekeyed(tunnel: String, IKESA, isChild: Bool)
    /// An attempt to bring it up failed, at this end or, where the far end began, as far as charon tells.
    case negotiationFailed(tunnel: String, reason: String, count: Int)
    /// It came up without the PPK that it should have, which is not required.
    case ppkFallback(tunnel: String)
    /// The key service gave no key for the tunnel.
    case ppkFetchFailed(tunnel: String, reason: String)
    /// While it was up it got a fresh PPK, in a new SA.
    case ppkRenewed(tunnel: String, IKESA, ppkID: String?)
    /// It got none; it is the last of so many failures in a row.
    case ppkRenewalFailed(tunnel: String, reason: String, count: Int)
    /// Its PPK is that old, or has reached its maximum age.
    case ppkAged(tunnel: String, Duration, isExhausted: Bool)
    /// What the far end of a tunnel protects, in charon's words, where the configuration wants it routed to the tunnel;
    /// empty when there is nothing, any more.
    case protected(tunnel: String, [String])
    /// A buffer of keys has few left, or is full again.
    case ppkBuffer(PPKBuffers.Owner, level: Int, isLow: Bool)
    /// charon refuses something that the tunnels need, or cannot be asked.
    case convergenceFailed(String)
  }

  /// How a tunnel is.
  public struct State: Sendable, Equatable {
    public var session: IKESA?
    public var quantumResistance: QuantumResistance
    /// Why it is down, or why the last attempt failed.
    public var reason: String?
    public var failureCount: Int
    /// Nil without a dynamic PPK.
    public var renewal: PPKRenewal.Report?
  }

  // What follows without `private` is for the keeper's other file.
  let sealer: Sealer
  let limits: TunnelSession.Limits
  let source: PPKBuffers?
  var dynamicPPKs = DynamicPPKs()
  /// Look-ups under way, by ID.
  var lookUps: [String: Task<SecretBytes?, Never>] = [:]
  /// The private keys that were given to a charon of others; nil when charon has no others.
  private var ourKeys: Set<String>?
  let onNotice: @Sendable (Notice) -> Void
  private var mapping: IPsecMapping?
  /// What an earlier agent left in charon of how tunnels were set up; read once for each charon.
  private var setUpNotes: [String: SetUpNote]?
  var client: VICIClient?
  var sessions: [String: TunnelSession] = [:]
  var connections: [String: DesiredConnection] = [:]
  /// Of tunnels with routes to it, what the far end protects.
  private var protected: [String: [String]] = [:]
  private var isConverging = false
  private var needsConvergence = false
  private var isListening = false
  /// Since all SAs were listed last, events have told of every change.
  private var hasSeenAll = false
  private var timer: Task<Void, Never>?

  /// - Parameters:
  ///   - source: of dynamic PPKs; without one, tunnels that require them stay down.
  ///   - sharesCharon: charon has private keys of others. Then one of ours that goes while no agent runs stays loaded.
  ///   - onNotice: called in order; it must not wait.
  public init(
    sealer: Sealer, limits: TunnelSession.Limits = .init(), source: (any DynamicPPKSource)? = nil,
    sharesCharon: Bool = false, onNotice: @escaping @Sendable (Notice) -> Void
  ) {
    self.sealer = sealer
    self.limits = limits
    self.source = source.map { source in
      PPKBuffers(source) { owner, level, isLow in onNotice(.ppkBuffer(owner, level: level, isLow: isLow)) }
    }
    ourKeys = sharesCharon ? [] : nil
    self.onNotice = onNotice
  }

  // MARK: Inputs

  /// A new mapping; converges to it when charon is there.
  public func configure(_ mapping: IPsecMapping) async {
    set(mapping)
    await converge()
  }

  /// The same, without waiting for charon.
  public func assign(_ mapping: IPsecMapping) {
    guard mapping != self.mapping else { return }
    set(mapping)
    Task { await converge() }
  }

  private func set(_ mapping: IPsecMapping) {
    self.mapping = mapping
    connections = Dictionary(mapping.desired.connections.map { ($0.name, $0) }) { first, _ in first }
    if let source { Task { await source.prepare(for: PPKBuffers.wanted(mapping.desired.connections)) } }
  }

  /// A notice of the charon that carries the tunnels. They have to come in order.
  public func take(_ notice: Charon.Notice, from charon: Charon) async { await take(notice, client: charon.client) }

  /// The same, of a charon that is reached by this client.
  public func take(_ notice: Charon.Notice, client viciClient: VICIClient?) async {
    switch notice {
    case .status(.down), .status(.stopped): lose()
    case .status: break
    case .vici(.ready):
      client = viciClient
      await converge()
    case .vici(.listening):
      // What happened before was not seen: list again.
      isListening = true
      await converge()
    case .vici(.down(.commands, _)): client = nil
    case .vici(.down):
      isListening = false
      hasSeenAll = false
    case .vici(.event(let name, let message)):
      if let event = CharonEvent(name, message) { await take(event) }
    }
  }

  /// Stops keeping; charon and its tunnels are left as they are.
  public func stop() {
    timer?.cancel()
    timer = nil
    client = nil
    mapping = nil
  }

  /// How the tunnels are.
  public var states: [String: State] {
    get async {
      let levels = await source?.bufferLevels ?? [:]
      return states(bufferLevels: levels)
    }
  }

  private func states(bufferLevels: [PPKBuffers.Owner: Int]) -> [String: State] {
    var states: [String: State] = [:]
    for tunnel in mapping?.tunnels ?? [] {
      let session = sessions[tunnel.name]
      let current = session?.current
      var renewal = session?.renewalReport
      if let ppk = tunnel.connections.first.flatMap({ connections[$0]?.ppk }), let owner = PPKBuffers.Owner(ppk) {
        renewal?.bufferLevel = bufferLevels[owner]
      }
      states[tunnel.name] = State(
        session: current, quantumResistance: current.map { resistance($0) } ?? .disabled,
        reason: tunnel.reasonDown ?? session?.lastFailure, failureCount: session?.failureCount ?? 0, renewal: renewal)
    }
    return states
  }

  // MARK: Convergence

  private func converge() async {
    needsConvergence = true
    guard !isConverging else { return }
    isConverging = true
    defer { isConverging = false }
    while needsConvergence, let client, let mapping {
      needsConvergence = false
      let driver = Driver(client: client, sealer: sealer)
      do throws(VICIError) {
        let (_, failures, loaded) = try await driver.converge(to: mapping.desired, ourKeys: ourKeys)
        ourKeys?.formUnion(mapping.desired.keys.map(\.identifier))
        if setUpNotes == nil {
          let found = SetUpNote.all(loaded.secrets)
          setUpNotes = found.mapValues { $0.note }
          dynamicPPKs.adopt(notes: found.mapValues { $0.name })
        }
        for failure in failures { onNotice(.convergenceFailed(failure.reason)) }
        let all = try await driver.sessions()
        // What happens before events are heard would be missed.
        guard !needsConvergence, isListening else { continue }
        await settle(mapping, all, failed: Set(failures.map(\.step)))
      } catch {
        onNotice(.convergenceFailed(error.description))
        try? await Task.sleep(for: .seconds(1))
        // Gone meanwhile? Then its return begins anew.
        needsConvergence = self.client != nil
      }
    }
  }

  private func settle(_ mapping: IPsecMapping, _ all: [IKESA], failed: Set<ReconciliationStep>) async {
    let byTunnel = Dictionary(grouping: all) { Self.tunnel(of: $0.connection) ?? "" }
    let names = Set(mapping.tunnels.map(\.name))
    for tunnel in mapping.tunnels {
      let wanted = tunnel.connections.compactMap { name -> TunnelSession.Wanted? in
        failed.contains(.loadConnection(name)) ? nil : connections[name].map { .init($0) }
      }
      await update(tunnel.name) { session, now in
        // The SAs first, so that one that is up is not begun again.
        let known = session.resynchronize(
          byTunnel[tunnel.name] ?? [], isComplete: !hasSeenAll,
          note: setUpNotes?[tunnel.name], now: now)
        let effects = known + session.configure(wanted, now: now)
        let ppk = wanted.first.flatMap { connections[$0.connection]?.ppk }
        session.configure(ppk?.lifetime, isRequired: ppk?.isRequired ?? false)
        return effects
      }
    }
    hasSeenAll = isListening
    // They are of what was there when this agent came.
    setUpNotes = [:]
    for name in sessions.keys where !names.contains(name) {
      sessions[name] = nil
      tellProtected(name)
      await unload(dynamicPPKs.release(name))
    }
    for name in dynamicPPKs.notes.keys where !names.contains(name) { await unload(dynamicPPKs.note(nil, name)) }
  }

  /// charon has ended: its SAs are gone with it.
  private func lose() {
    client = nil
    hasSeenAll = false
    setUpNotes = nil
    dynamicPPKs.loseNotes()
    for name in sessions.keys.sorted() {
      for case .wentDown(let reason) in sessions[name]?.charonLost(now: .now) ?? [] {
        onNotice(.down(tunnel: name, reason: reason))
      }
      tellProtected(name)
    }
  }

  // MARK: Sessions

  private func take(_ event: CharonEvent) async {
    guard let connection = event.connection, let tunnel = Self.tunnel(of: connection), sessions[tunnel] != nil else {
      return
    }
    if case .log(let line) = event, case .ppkMissing(let id, _) = NegotiationReport(line.message),
      case .dynamic(let profile, _, let remoteSystem, _) = connections[connection]?.ppk
    {
      // Where the plugin is, it was asked for: this is over at once.
      Task { _ = await lookUp(id, profile, remoteSystem, tunnel) }
    }
    await update(tunnel) { session, now in session.take(event, now: now) }
    switch event {
    case .rekeyed(_, let new): onNotice(.rekeyed(tunnel: tunnel, new, isChild: false))
    case .childRekeyed(let session, _, _): onNotice(.rekeyed(tunnel: tunnel, session, isChild: true))
    default: break
    }
  }

  /// The tunnel of one of our connections: `agentd:<tunnel>:<number>`.
  static func tunnel(of connection: String) -> String? {
    guard connection.hasPrefix(DesiredState.prefix), let end = connection.lastIndex(of: ":") else { return nil }
    let name = connection[..<end].dropFirst(DesiredState.prefix.count)
    return name.isEmpty ? nil : String(name)
  }

  func update(
    _ tunnel: String, _ body: (inout TunnelSession, ContinuousClock.Instant) -> [TunnelSession.Effect]
  ) async {
    let failuresBefore = sessions[tunnel]?.failureCount ?? 0
    let effects = body(&sessions[tunnel, default: TunnelSession(limits: limits, jitter: .random(in: 0..<1))], .now)
    if let session = sessions[tunnel], session.failureCount > failuresBefore {
      onNotice(
        .negotiationFailed(tunnel: tunnel, reason: session.lastFailure ?? "unknown", count: session.failureCount))
    }
    for effect in effects { await carryOut(effect, tunnel) }
    tellProtected(tunnel)
    setTimer()
  }

  private func carryOut(_ effect: TunnelSession.Effect, _ tunnel: String) async {
    switch effect {
    case .cameUp(let sa):
      onNotice(.up(tunnel: tunnel, sa, resistance(sa)))
      await finish(sa, tunnel)
    case .replaced(let sa):
      if connections[sa.connection]?.ppk?.lifetime != nil, sa.usesPPK {
        onNotice(.ppkRenewed(tunnel: tunnel, sa, ppkID: sessions[tunnel]?.currentSetUp?.ppkID))
      }
      await finish(sa, tunnel)
    case .wentDown(let reason): onNotice(.down(tunnel: tunnel, reason: reason))
    case .initiate(let wanted):
      if connections[wanted.connection]?.ppk?.lifetime != nil {
        // The key service may be slow, and events go on meanwhile.
        Task { await initiateWithFreshPPK(wanted, tunnel, isRenewal: false) }
      } else {
        await initiate(wanted, tunnel)
      }
    case .renew(let wanted): Task { await initiateWithFreshPPK(wanted, tunnel, isRenewal: true) }
    case .renewalFailed(let reason, let count):
      onNotice(.ppkRenewalFailed(tunnel: tunnel, reason: reason, count: count))
    case .ppkAged(let age, let isExhausted): onNotice(.ppkAged(tunnel: tunnel, age, isExhausted: isExhausted))
    case .terminate(let id):
      guard let client else { return }
      // It may have gone by itself.
      try? await Driver(client: client, sealer: sealer).terminate(id)
    }
  }

  /// What a new SA that carries the tunnel leaves to be done.
  private func finish(_ sa: IKESA, _ tunnel: String) async {
    if connections[sa.connection]?.ppk != nil, !sa.usesPPK { onNotice(.ppkFallback(tunnel: tunnel)) }
    await unload(dynamicPPKs.release(tunnel))
    await coverIKESA(sa, tunnel)
    await note(sa, tunnel)
  }

  private func tellProtected(_ tunnel: String) {
    var selectors: [String] = []
    if let sa = sessions[tunnel]?.current, connections[sa.connection]?.addsReverseRoute == true {
      selectors = sa.children.filter(\.isInstalled).flatMap(\.remoteSelectors)
    }
    let known = protected[tunnel] ?? []
    guard Set(selectors) != Set(known) else { return }
    protected[tunnel] = selectors.isEmpty ? nil : selectors
    onNotice(.protected(tunnel: tunnel, selectors))
  }

  func initiate(_ wanted: TunnelSession.Wanted, _ tunnel: String) async {
    guard let client else { return }
    do throws(VICIError) {
      try await Driver(client: client, sealer: sealer).initiate(wanted)
    } catch {
      await update(tunnel) { session, now in session.initiatingFailed(error.description, now: now) }
    }
  }

  private func resistance(_ sa: IKESA) -> QuantumResistance {
    QuantumResistance(sa, connections[sa.connection]?.ppk)
  }

  // MARK: Time

  private func setTimer() {
    timer?.cancel()
    guard let due = sessions.values.compactMap(\.nextTimeout).min() else {
      timer = nil
      return
    }
    timer = Task { [weak self] in
      guard (try? await Task.sleep(until: due, clock: .continuous)) != nil else { return }
      await self?.timesUp()
    }
  }

  private func timesUp() async {
    let now = ContinuousClock.now
    for name in sessions.keys.sorted() where sessions[name]?.nextTimeout.map({ $0 <= now }) == true {
      await update(name) { session, now in session.timeout(now: now) }
    }
    setTimer()
  }
}

extension CharonEvent {
  /// The connection that it is about.
  var connection: String? {
    switch self {
    case .sessionUp(let sa), .sessionDown(let sa), .childUp(let sa), .childDown(let sa), .rekeyed(_, let sa),
      .childRekeyed(let sa, _, _):
      sa.connection
    case .log(let line): line.connection
    }
  }
}
