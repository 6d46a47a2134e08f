// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What charon has loaded, and which connections have SAs.
public struct LoadedState: Sendable, Equatable {
  /// Connections with the names of their children.
  public var connections: [String: Set<String>] = [:]
  public var secrets: Set<String> = []
  public var keys: Set<String> = []
  /// Names of the connections of IKE SAs.
  public var sessions: Set<String> = []

  public init() {}

  /// Takes the parts of `list-conns` and `list-sas`, and the answers of `get-shared` and `get-keys`.
  public init(connections: [VICIMessage], sessions: [VICIMessage], shared: VICIMessage, keys: VICIMessage) {
    for (name, connection) in connections.flatMap(\.sections) {
      self.connections[name] = Set(connection.section("children")?.sections.map(\.name) ?? [])
    }
    self.sessions = Set(sessions.flatMap(\.sections).map(\.name))
    secrets = Set(shared.list("keys"))
    self.keys = Set(keys.list("keys"))
  }
}

/// One step towards the desired state.
public enum ReconciliationStep: Sendable, Hashable {
  case loadSecret(String)
  case loadKey(String)
  case loadConnection(String)
  case unloadConnection(String)
  /// Ends the SAs of a connection that is not wanted any more.
  case terminate(String)
  case unloadSecret(String)
  case unloadKey(String)
}

/// What has to be done so that charon has what it should.
public struct ReconciliationPlan: Sendable, Equatable {
  public var steps: [ReconciliationStep] = []

  /// Secrets come before the connections that need them, and go after those that needed them. What is equal, and what is
  /// not ours, is not touched: connections and secrets by the prefix of their names.
  ///
  /// - Parameter ourKeys: the private keys that are ours, which have no names; nil for all, in a charon that is ours alone.
  public init(desired: DesiredState, loaded: LoadedState, ourKeys: Set<String>? = nil) {
    let absent = Set(desired.secrets.filter { !loaded.secrets.contains($0.id) }.map(\.group))
    for secret in desired.secrets where absent.contains(secret.group) { steps.append(.loadSecret(secret.id)) }
    for key in desired.keys where !loaded.keys.contains(key.identifier) { steps.append(.loadKey(key.identifier)) }
    for connection in desired.connections where loaded.connections[connection.name] != [connection.childName] {
      steps.append(.loadConnection(connection.name))
    }
    let connections = Set(desired.connections.map(\.name))
    for name in loaded.connections.keys.sorted() where name.isOurs && !connections.contains(name) {
      steps.append(.unloadConnection(name))
    }
    for name in loaded.sessions.sorted() where name.isOurs && !connections.contains(name) {
      steps.append(.terminate(name))
    }
    let secrets = Set(desired.secrets.map(\.id))
    for id in loaded.secrets.sorted() where id.isOurs && !secrets.contains(id) { steps.append(.unloadSecret(id)) }
    let keys = Set(desired.keys.map(\.identifier))
    for key in loaded.keys.sorted() where !keys.contains(key) && ourKeys?.contains(key) != false {
      steps.append(.unloadKey(key))
    }
  }

  public var isEmpty: Bool { steps.isEmpty }
}

extension String {
  fileprivate var isOurs: Bool { hasPrefix(DesiredState.prefix) }
}
