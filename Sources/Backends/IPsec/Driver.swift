// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// Carries out what `ReconciliationPlan` says, over VICI. It keeps nothing between calls: what is loaded is asked each
/// time, so it does not matter who has restarted meanwhile.
public struct Driver: Sendable {
  /// A step that failed; the others are done nevertheless.
  public struct Failure: Error, Sendable {
    public let step: ReconciliationStep
    public let reason: String
  }

  private let client: VICIClient
  private let sealer: Sealer

  public init(client: VICIClient, sealer: Sealer) {
    self.client = client
    self.sealer = sealer
  }

  /// Asks charon what it has.
  public func loaded() async throws(VICIError) -> LoadedState {
    // SAs that are busy are skipped, since asking would wait for them: their names come up at the next time.
    var noWaiting = VICIMessage()
    noWaiting.add("noblock", true)
    return LoadedState(
      connections: try await client.list("list-conns", event: "list-conn"),
      sessions: try await client.list("list-sas", noWaiting, event: "list-sa"),
      shared: try await client.call("get-shared"), keys: try await client.call("get-keys"))
  }

  /// Brings charon to the desired state.
  ///
  /// - Parameter ourKeys: the private keys that may be unloaded; nil for all.
  /// - Returns: what was done, what of it failed, and what was loaded before.
  /// - Throws: when charon cannot be asked, or the connection to it is lost on the way: try again when it is back.
  @discardableResult
  public func converge(
    to desired: DesiredState, ourKeys: Set<String>? = nil
  ) async throws(VICIError) -> (plan: ReconciliationPlan, failures: [Failure], loaded: LoadedState) {
    let loaded = try await loaded()
    let plan = ReconciliationPlan(desired: desired, loaded: loaded, ourKeys: ourKeys)
    let secrets = Dictionary(desired.secrets.map { ($0.id, $0) }) { first, _ in first }
    let keys = Dictionary(desired.keys.map { ($0.identifier, $0) }) { first, _ in first }
    let connections = Dictionary(desired.connections.map { ($0.name, $0) }) { first, _ in first }
    var failures: [Failure] = []
    for step in plan.steps {
      do throws(VICIError) {
        switch step {
        case .loadSecret(let id): try await load("load-shared", secrets[id]?.message)
        case .loadKey(let id): try await load("load-key", keys[id]?.message)
        case .loadConnection(let name):
          if let connection = connections[name] { try await client.call("load-conn", connection.message()) }
        case .unloadConnection(let name): try await client.call("unload-conn", Self.message("name", name))
        case .terminate(let name): try await terminate(name)
        case .unloadSecret(let id): try await client.call("unload-shared", Self.message("id", id))
        case .unloadKey(let id): try await client.call("unload-key", Self.message("id", id))
        }
      } catch {
        guard error.code == .refused || error.code == .tooLong || error.code == .unknown else { throw error }
        failures.append(Failure(step: step, reason: error.description))
      }
    }
    return (plan, failures, loaded)
  }

  /// The SAs there are. Those that are busy are skipped, since asking would wait for them.
  public func sessions() async throws(VICIError) -> [IKESA] {
    var noWaiting = VICIMessage()
    noWaiting.add("noblock", true)
    return try await client.list("list-sas", noWaiting, event: "list-sa").flatMap { IKESA.list($0) }
  }

  /// Starts a negotiation and does not wait for it: events tell how it goes.
  public func initiate(_ connection: DesiredConnection) async throws(VICIError) {
    try await initiate(.init(connection))
  }

  /// The same, by names.
  public func initiate(_ wanted: TunnelSession.Wanted) async throws(VICIError) {
    var message = VICIMessage()
    message.add("ike", wanted.connection)
    message.add("child", wanted.child)
    message.add("timeout", -1)
    try await client.call("initiate", message)
  }

  /// Ends the IKE SAs of a connection, without waiting for the far end.
  public func terminate(_ name: String) async throws(VICIError) {
    var message = VICIMessage()
    message.add("ike", name)
    message.add("timeout", -1)
    try await client.call("terminate", message)
  }

  /// Ends one IKE SA, without waiting for the far end.
  public func terminate(_ uniqueID: UInt32) async throws(VICIError) {
    var message = VICIMessage()
    message.add("ike-id", Int(uniqueID))
    message.add("timeout", -1)
    try await client.call("terminate", message)
  }

  /// Gives an IKE SA fresh keys, by a new exchange in it.
  public func rekey(_ uniqueID: UInt32) async throws(VICIError) {
    var message = VICIMessage()
    message.add("ike-id", Int(uniqueID))
    try await client.call("rekey", message)
  }

  private func load(
    _ command: String, _ message: ((Sealer) throws(SecretsError) -> VICIMessage)?
  ) async throws(VICIError) {
    guard let message else { return }
    let opened: VICIMessage
    do throws(SecretsError) { opened = try message(sealer) } catch {
      throw VICIError(.refused, "the secret cannot be opened: \(error)")
    }
    try await client.call(command, opened)
  }

  private static func message(_ name: String, _ value: String) -> VICIMessage {
    var message = VICIMessage()
    message.add(name, value)
    return message
  }
}
