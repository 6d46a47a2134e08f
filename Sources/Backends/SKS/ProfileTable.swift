// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService

/// All profiles: their engines, the pacing of their requests for capabilities, and their timers. A pure value machine
/// like the engines themselves; ``SKSService`` is its shell.
///
/// A profile costs a slot and its configuration until it is first due; its engine is made then.
struct ProfileTable {
  /// Names a request of a profile for the HTTP client. The generation tells a slot's profiles apart.
  struct RequestKey: Sendable, Hashable {
    var slot: UInt32
    var generation: UInt32
    var transaction: UInt32
  }

  enum Effect: Sendable {
    case start(RequestKey, SKIPRequest, TLSHash, ProfileConfiguration)
    case cancel(RequestKey)
    case complete(RequestID, Result<ConsumerAnswer, KeyServiceError>)
    case event(profile: String, ConnectionEvent, ConnectionDetails)
  }

  private final class Engine {
    var value = ProfileEngine()
  }

  private final class Configuration {
    let value: ProfileConfiguration
    init(_ value: ProfileConfiguration) { self.value = value }
  }

  private struct Slot {
    var name: String
    var configuration: Configuration?
    var engine: Engine?
    var generation: UInt32 = 0
  }

  private var slots: [Slot] = []
  private var freeSlots: [UInt32] = []
  private var slotsByName: [String: UInt32] = [:]
  private var slotsByRequest: [RequestID: UInt32] = [:]
  private var pacer: Pacer
  private var jobTimers = DueQueue()
  private var jitter: JitterSource

  init(limits: Pacer.Limits = .init(), seed: UInt64) {
    pacer = Pacer(limits: limits)
    jitter = JitterSource(seed: seed)
  }

  /// Sets the bounds for the requests for capabilities that begin from now on.
  mutating func setLimits(_ limits: Pacer.Limits) { pacer.limits = limits }

  var limits: Pacer.Limits { pacer.limits }
  var count: Int { slotsByName.count }
  var names: [String] { Array(slotsByName.keys) }
  func contains(_ profile: String) -> Bool { slotsByName[profile] != nil }
  func configuration(of profile: String) -> ProfileConfiguration? {
    slotsByName[profile].flatMap { slots[Int($0)].configuration?.value }
  }

  /// Reads a profile's engine; `body` gets nil while it was never due.
  func read<R>(_ profile: String, _ body: (ProfileConfiguration, ProfileEngine?) -> R) -> R? {
    guard let index = slotsByName[profile], let configuration = slots[Int(index)].configuration else { return nil }
    return body(configuration.value, slots[Int(index)].engine?.value)
  }

  // MARK: Inputs

  /// Adds, changes or (with nil) removes a profile.
  mutating func configure(
    _ name: String, _ configuration: ProfileConfiguration?, now: MonotonicInstant, effects: inout [Effect]
  ) {
    guard let index = slotsByName[name] else {
      if let configuration { add(name, configuration, now: now) }
      return
    }
    let slot = Int(index)
    let old = slots[slot].configuration?.value
    guard old != configuration else { return }
    slots[slot].configuration = configuration.map(Configuration.init)
    if let engine = slots[slot].engine {
      var output: [EngineEffect] = []
      let wasPolling = engine.value.isPolling
      engine.value.configure(
        profile: name, from: old, to: configuration, now: now, jitter: &jitter, effects: &output)
      if wasPolling && !engine.value.isPolling { pacer.finished() }
      carry(output, slot: slot, effects: &effects)
      setTimers(slot)
    } else {
      pacer.set(slot, due: configuration?.server == nil ? nil : now)
    }
    if configuration == nil { remove(name, slot) }
  }

  private mutating func add(_ name: String, _ configuration: ProfileConfiguration, now: MonotonicInstant) {
    let slot: Int
    if let free = freeSlots.popLast() {
      slot = Int(free)
      slots[slot].name = name
      slots[slot].configuration = Configuration(configuration)
    } else {
      slot = slots.count
      slots.append(Slot(name: name, configuration: Configuration(configuration)))
    }
    slotsByName[name] = UInt32(slot)
    if configuration.server != nil { pacer.set(slot, due: now) }
  }

  private mutating func remove(_ name: String, _ slot: Int) {
    slotsByName[name] = nil
    pacer.set(slot, due: nil)
    jobTimers.set(slot, due: nil)
    slots[slot] = Slot(name: "", generation: slots[slot].generation &+ 1)
    freeSlots.append(UInt32(slot))
  }

  /// Takes a request of a consumer.
  mutating func request(
    _ id: RequestID, _ request: ConsumerRequest, profile: String, deadline: Duration, now: MonotonicInstant,
    effects: inout [Effect]
  ) {
    guard let index = slotsByName[profile], let configuration = slots[Int(index)].configuration?.value else {
      effects.append(.complete(id, .failure(.unknownProfile(profile))))
      return
    }
    slotsByRequest[id] = index
    withEngine(Int(index), now: now, effects: &effects) { engine, _, output in
      engine.request(
        id, request, deadline: now + deadline, profile: profile, configuration: configuration, now: now,
        effects: &output)
    }
  }

  /// Gives a request of a consumer up; without effect when it was answered already.
  mutating func cancel(_ id: RequestID, why: String, now: MonotonicInstant, effects: inout [Effect]) {
    guard let index = slotsByRequest[id], let configuration = slots[Int(index)].configuration?.value else { return }
    withEngine(Int(index), now: now, effects: &effects) { engine, _, output in
      engine.cancel(id, why: why, configuration: configuration, now: now, effects: &output)
    }
  }

  /// Takes what became of a request. Results of profiles that are gone are dropped.
  mutating func result(
    _ key: RequestKey, _ result: HTTPResult, tls: TLSSession? = nil, now: MonotonicInstant, effects: inout [Effect]
  ) {
    let slot = Int(key.slot)
    guard slot < slots.count, slots[slot].generation == key.generation,
      let configuration = slots[slot].configuration?.value
    else { return }
    withEngine(slot, now: now, effects: &effects) { engine, jitter, output in
      engine.result(
        transaction: key.transaction, result, tls: tls, configuration: configuration, now: now, jitter: &jitter,
        effects: &output)
    }
    // A place among the paced requests may have become free.
    timeout(now: now, effects: &effects)
  }

  /// Does all that is due.
  mutating func timeout(now: MonotonicInstant, effects: inout [Effect]) {
    while let slot = pacer.next(now: now) {
      guard let configuration = slots[slot].configuration?.value else {
        pacer.finished()
        continue
      }
      let engine = engine(slot, now: now)
      var output: [EngineEffect] = []
      engine.value.poll(configuration: configuration, now: now, effects: &output)
      if !engine.value.isPolling { pacer.finished() }
      carry(output, slot: slot, effects: &effects)
      setTimers(slot)
    }
    while let (slot, due) = jobTimers.first, due <= now {
      guard let configuration = slots[slot].configuration?.value else {
        jobTimers.set(slot, due: nil)
        continue
      }
      withEngine(slot, now: now, effects: &effects) { engine, _, output in
        engine.timeout(configuration: configuration, now: now, effects: &output)
      }
    }
  }

  /// When ``timeout(now:effects:)`` is next worth a call.
  var nextTimeout: MonotonicInstant? {
    [pacer.nextTimeout, jobTimers.first?.due].compactMap { $0 }.min()
  }

  // MARK: Engines

  /// The slot's engine, made if this is the first time that it is due.
  private mutating func engine(_ slot: Int, now: MonotonicInstant) -> Engine {
    if let engine = slots[slot].engine { return engine }
    let engine = Engine()
    slots[slot].engine = engine
    var none: [EngineEffect] = []
    engine.value.configure(
      profile: slots[slot].name, from: nil, to: slots[slot].configuration?.value, now: now, jitter: &jitter,
      effects: &none)
    return engine
  }

  private mutating func withEngine(
    _ slot: Int, now: MonotonicInstant, effects: inout [Effect],
    _ body: (inout ProfileEngine, inout JitterSource, inout [EngineEffect]) -> Void
  ) {
    let engine = engine(slot, now: now)
    let wasPolling = engine.value.isPolling
    var output: [EngineEffect] = []
    body(&engine.value, &jitter, &output)
    if wasPolling && !engine.value.isPolling { pacer.finished() }
    carry(output, slot: slot, effects: &effects)
    setTimers(slot)
  }

  private mutating func setTimers(_ slot: Int) {
    pacer.set(slot, due: slots[slot].engine?.value.pollDue)
    jobTimers.set(slot, due: slots[slot].engine?.value.jobTimeout)
  }

  private mutating func carry(_ output: [EngineEffect], slot: Int, effects: inout [Effect]) {
    func key(_ transaction: UInt32) -> RequestKey {
      RequestKey(slot: UInt32(slot), generation: slots[slot].generation, transaction: transaction)
    }
    for effect in output {
      switch effect {
      case .start(let start):
        guard let configuration = slots[slot].configuration?.value else { continue }
        effects.append(.start(key(start.transaction), start.request, start.hash, configuration))
      case .cancel(let transaction): effects.append(.cancel(key(transaction)))
      case .complete(let id, let result):
        slotsByRequest[id] = nil
        effects.append(.complete(id, result))
      case .event(let event, let connection):
        effects.append(.event(profile: slots[slot].name, event, connection))
      }
    }
  }
}
