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
  }

  private let sealer: Sealer
  private let limits: TunnelSession.Limits
  private let source: (any DynamicPPKSource)?
  private var dynamicPPKs = DynamicPPKs()
  /// Look-ups under way, by ID.
  private var lookUps: [String: Task<SecretBytes?, Never>] = [:]
  /// The private keys that were given to a charon of others; nil when charon has no others.
  private var ourKeys: Set<String>?
  private let onNotice: @Sendable (Notice) -> Void
  private var mapping: IPsecMapping?
  private var client: VICIClient?
  private var sessions: [String: TunnelSession] = [:]
  private var connections: [String: DesiredConnection] = [:]
  private var isConverging = false
  private var needsConvergence = false
  private var isListening = false
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
    self.source = source
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
    case .vici(.down): isListening = false
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
    var states: [String: State] = [:]
    for tunnel in mapping?.tunnels ?? [] {
      let session = sessions[tunnel.name]
      let current = session?.current
      states[tunnel.name] = State(
        session: current, quantumResistance: current.map { resistance($0) } ?? .disabled,
        reason: tunnel.reasonDown ?? session?.lastFailure, failureCount: session?.failureCount ?? 0)
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
        let failures = try await driver.converge(to: mapping.desired, ourKeys: ourKeys).failures
        ourKeys?.formUnion(mapping.desired.keys.map(\.identifier))
        for failure in failures { onNotice(.convergenceFailed(failure.reason)) }
        let all = try await driver.sessions()
        guard !needsConvergence else { continue }
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
        let known = session.resynchronize(byTunnel[tunnel.name] ?? [], now: now)
        return known + session.configure(wanted, now: now)
      }
    }
    for name in sessions.keys where !names.contains(name) { sessions[name] = nil }
  }

  /// charon has ended: its SAs are gone with it.
  private func lose() {
    client = nil
    for name in sessions.keys.sorted() {
      for case .wentDown(let reason) in sessions[name]?.charonLost(now: .now) ?? [] {
        onNotice(.down(tunnel: name, reason: reason))
      }
    }
  }

  // MARK: Sessions

  private func take(_ event: CharonEvent) async {
    guard let connection = event.connection, let tunnel = Self.tunnel(of: connection), sessions[tunnel] != nil else {
      return
    }
    if case .log(let line) = event, case .ppkMissing(let id, _) = NegotiationReport(line.message),
      case .dynamic(let profile, _, let remoteSystem) = connections[connection]?.ppk
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

  private func update(
    _ tunnel: String, _ body: (inout TunnelSession, ContinuousClock.Instant) -> [TunnelSession.Effect]
  ) async {
    let failuresBefore = sessions[tunnel]?.failureCount ?? 0
    let effects = body(&sessions[tunnel, default: TunnelSession(limits: limits)], .now)
    if let session = sessions[tunnel], session.failureCount > failuresBefore {
      onNotice(
        .negotiationFailed(tunnel: tunnel, reason: session.lastFailure ?? "unknown", count: session.failureCount))
    }
    for effect in effects { await carryOut(effect, tunnel) }
    setTimer()
  }

  private func carryOut(_ effect: TunnelSession.Effect, _ tunnel: String) async {
    switch effect {
    case .cameUp(let sa):
      let resistance = resistance(sa)
      onNotice(.up(tunnel: tunnel, sa, resistance))
      if connections[sa.connection]?.ppk != nil, !sa.usesPPK { onNotice(.ppkFallback(tunnel: tunnel)) }
      await unload(dynamicPPKs.release(tunnel))
      await coverIKESA(sa)
    case .wentDown(let reason): onNotice(.down(tunnel: tunnel, reason: reason))
    case .initiate(let wanted):
      if case .dynamic(let profile, let isRequired, let remoteSystem) = connections[wanted.connection]?.ppk {
        // The key service may be slow, and events go on meanwhile.
        Task {
          await initiate(wanted, tunnel, profile: profile, remoteSystem: remoteSystem, isRequired: isRequired)
        }
      } else {
        await initiate(wanted, tunnel)
      }
    case .terminate(let id):
      guard let client else { return }
      // It may have gone by itself.
      try? await Driver(client: client, sealer: sealer).terminate(id)
    }
  }

  private func initiate(_ wanted: TunnelSession.Wanted, _ tunnel: String) async {
    guard let client else { return }
    do throws(VICIError) {
      try await Driver(client: client, sealer: sealer).initiate(wanted)
    } catch {
      await update(tunnel) { session, now in session.initiatingFailed(error.description, now: now) }
    }
  }

  // MARK: Dynamic PPKs

  /// A PPK protects what is derived after it was mixed in: the children, but not the keys of the IKE SA that set them up
  /// (RFC 8784, section 6). Its first rekey makes up for that; the end that began does it.
  private func coverIKESA(_ sa: IKESA) async {
    guard sa.usesPPK, sa.role == .initiator, (sa.established ?? .zero) < limits.healthyAfter, let client else { return }
    // If it fails, the rekey at its time does it.
    try? await Driver(client: client, sealer: sealer).rekey(sa.uniqueID)
  }

  /// Begins a negotiation with a key of the key service.
  private func initiate(
    _ wanted: TunnelSession.Wanted, _ tunnel: String, profile: String, remoteSystem: String?, isRequired: Bool
  ) async {
    do {
      let id: String
      if let again = dynamicPPKs.idToOfferAgain(tunnel) {
        id = again
      } else {
        await unload(dynamicPPKs.release(tunnel))
        guard let source else { throw VICIError(.refused, "there is no key service") }
        let fresh = try await source.newPPK(profile: profile, remoteSystem: remoteSystem)
        try await load(fresh.id, fresh.key)
        dynamicPPKs.offer(fresh.id, tunnel)
        id = fresh.id
      }
      // The configuration, or charon, may have changed while the key was fetched.
      guard let client, let connection = connections[wanted.connection], connection.childName == wanted.child else {
        return
      }
      try await client.call("load-conn", connection.message(dynamicPPK: id))
      await initiate(wanted, tunnel)
      // The attempt holds on to what it began with. A responder has to take any ID, or two ends that begin at once would
      // each insist on their own.
      _ = try? await client.call("load-conn", connection.message())
      return
    } catch {
      let reason = "no PPK from SKS profile '\(profile)': \(error)"
      onNotice(.ppkFetchFailed(tunnel: tunnel, reason: reason))
      guard !isRequired else {
        return await update(tunnel) { session, now in session.initiatingFailed(reason, now: now) }
      }
    }
    await initiate(wanted, tunnel)
  }

  /// The key of an ID that a far end has named, for charon's plugin.
  func answer(_ question: PPKQuestion) async -> PPKAnswer {
    guard let tunnel = Self.tunnel(of: question.connection), sessions[tunnel] != nil,
      case .dynamic(let profile, _, let remoteSystem) = connections[question.connection]?.ppk,
      PPKIdentifier.fault(ofDynamic: question.id) == nil
    else { return .notFound }
    guard source != nil else { return .unavailable }
    guard let key = await lookUp(question.id, profile, remoteSystem, tunnel) else { return .notFound }
    return .found(key)
  }

  /// Fetches the key of an ID that the far end has named and charon does not have, and loads it, for its next attempts:
  /// the key service gives it once.
  private func lookUp(
    _ id: String, _ profile: String, _ remoteSystem: String?, _ tunnel: String
  ) async -> SecretBytes? {
    if let underWay = lookUps[id] { return await underWay.value }
    guard let source, dynamicPPKs.beginLookUp(id) else { return nil }
    let lookUp = Task { () -> SecretBytes? in
      do {
        let key = try await source.ppk(profile: profile, remoteSystem: remoteSystem, id: id)
        dynamicPPKs.lookedUp(id, tunnel, isLoaded: true)
        // Who asks does not wait for charon: a command before this one may itself wait for the IKE SA that the plugin
        // asks for.
        Task { await loadForLater(id, key, profile, tunnel) }
        return key
      } catch {
        dynamicPPKs.lookedUp(id, tunnel, isLoaded: false)
        onNotice(.ppkFetchFailed(tunnel: tunnel, reason: "no PPK of that ID from SKS profile '\(profile)': \(error)"))
        return nil
      }
    }
    lookUps[id] = lookUp
    defer { lookUps[id] = nil }
    return await lookUp.value
  }

  private func loadForLater(_ id: String, _ key: SecretBytes, _ profile: String, _ tunnel: String) async {
    do throws(VICIError) { try await load(id, key) } catch {
      onNotice(.ppkFetchFailed(tunnel: tunnel, reason: "the PPK from SKS profile '\(profile)' is not usable: \(error)"))
    }
  }

  private func load(_ id: String, _ key: SecretBytes) async throws(VICIError) {
    if let fault = PPKIdentifier.fault(ofDynamic: id) { throw VICIError(.refused, fault) }
    guard !key.isEmpty else { throw VICIError(.refused, "the key is empty") }
    guard let client else { throw VICIError(.disconnected, "charon's VICI socket is not connected") }
    var message = VICIMessage()
    message.add("id", DynamicPPKs.secretName(id))
    message.add("type", "ppk")
    message.add("data", key)
    message.add("owners", PPKIdentifier.owners(id))
    try await client.call("load-shared", message)
  }

  private func unload(_ names: [String]) async {
    for name in names {
      var message = VICIMessage()
      message.add("id", name)
      // With charon gone, its secrets are too.
      _ = try? await client?.call("unload-shared", message)
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
