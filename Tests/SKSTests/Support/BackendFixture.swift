// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import Models
import Secrets
import Synchronization
import Testing
import YANG

@testable import SKS

/// The product's own modules, compiled as the agent does.
let productSchema: Schema = {
  let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../yang")
  do { return try Schema.compile(directory: folder.standardizedFileURL.path).schema } catch { fatalError("\(error)") }
}()

typealias KMEModel = SKSServer.Profiles.Profile.TypeContainer.Remote.KME

/// A whole configuration, as far as the backend looks at it.
struct ConfigurationFixture {
  var server = SKSServer()
  var trustpoints = Crypto.CA.Trustpoint.Trustpoints()
  var mappings = AgentdInterfaces.InterfacesMapping()

  /// A profile of type remote on a closed port, changed as told.
  mutating func setRemote(_ name: String, _ change: (inout KMEModel) -> Void = { _ in }) {
    var kme = KMEModel(server: .init(ipv4: "127.0.0.1", port: 9))
    change(&kme)
    var profile = ProfileModel(profileName: name)
    profile.type.remote = .init(kme: kme)
    server.profiles.profile.set(profile)
  }

  /// The configuration as a data tree.
  var root: InteriorNode {
    get throws {
      var slots: [InteriorNode.Slot] = []
      for var node in [
        try server.interiorNode(schema: productSchema), try trustpoints.interiorNode(schema: productSchema),
        try mappings.interiorNode(schema: productSchema),
      ] where !node.isEmpty {
        while let parent = node.schema.dataParent, parent.kind != .root {
          node = InteriorNode(schema: parent, slots: [InteriorNode.Slot(node.schema, .container(node))])
        }
        slots.append(InteriorNode.Slot(node.schema, .container(node)))
      }
      return InteriorNode(schema: productSchema.root, slots: slots.sorted { $0.position < $1.position })
    }
  }
}

/// A backend with the configuration that it was given last, and the events that it published.
final class BackendFixture: Sendable {
  let backend: SKSBackend
  let sealer: Sealer
  let bus = EventBus()
  let events: EventSubscription
  private let running = Mutex(InteriorNode(schema: productSchema.root))

  init() throws {
    sealer = try Sealer(try MasterKey())
    events = bus.subscribe {}
    backend = try SKSBackend(schema: productSchema, sealer: sealer, events: bus)
  }

  deinit { backend.shutdown() }

  func seal(_ text: String) throws -> Sealed { try sealer.seal(SecretBytes(copying: Array(text.utf8))) }

  func changes(to configuration: ConfigurationFixture) throws -> ChangeSet {
    ChangeSet(
      subscriptions: backend.subscriptions, from: running.withLock { $0 }, to: try configuration.root,
      schema: productSchema)
  }

  /// The refusals of a change, each as its path (names, and keys in brackets) and reason.
  func refusals(_ configuration: ConfigurationFixture) throws -> [String] {
    func text(_ step: InstancePath.Step) -> String {
      "/\(step.schema.name)" + step.keys.map { if case .string(let key) = $0 { "[\(key)]" } else { "[?]" } }.joined()
    }
    return backend.prepare(try changes(to: configuration)).map { refusal in
      refusal.path.steps.map(text).joined() + ": \(refusal.reason)"
    }
  }

  /// Commits a configuration that must not be refused.
  func commit(_ configuration: ConfigurationFixture, sourceLocation: Testing.SourceLocation = #_sourceLocation) throws {
    let changes = try changes(to: configuration)
    let refusals = backend.prepare(changes)
    #expect(refusals.isEmpty, "\(refusals.map { "\($0.path): \($0.reason)" })", sourceLocation: sourceLocation)
    backend.apply(changes)
    running.withLock { $0 = changes.newRoot }
  }

  /// The entries of a list of operational state.
  func state<Entry: ListEntry>(_ type: Entry.Type, key: String? = nil) throws -> [Entry] {
    let schema = try #require(productSchema.node(at: Entry.schemaPath))
    let request = OperationalRequest(path: Entry.schemaPath, schema: schema, keys: key.map { [.string($0)] })
    return try backend.operational(request).map { try Entry($0) }
  }

  func profile(_ name: String) throws -> ProfileStateModel {
    try #require(try state(ProfileStateModel.self, key: name).first)
  }
  func statistics(_ name: String) throws -> ProfileStatModel {
    try #require(try state(ProfileStatModel.self, key: name).first)
  }

  /// Waits until a profile is as told, at most ten seconds.
  @discardableResult
  func wait(
    _ name: String, sourceLocation: Testing.SourceLocation = #_sourceLocation,
    until condition: (ProfileStateModel.RemoteProfileInfo) -> Bool
  ) async throws -> ProfileStateModel {
    for _ in 0..<1_000 {
      let state = try profile(name)
      if condition(state.remoteProfileInfo) { return state }
      try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("not reached: \(try profile(name))", sourceLocation: sourceLocation)
    return try profile(name)
  }

  /// Calls the test of a key.
  func testKey(_ input: AgentdSKS.TestKey.Input) async throws(DatastoreError) -> AgentdSKS.TestKey.Output {
    guard let rpc = productSchema.rpcs.first(where: { $0.path == AgentdSKS.TestKey.schemaPath }) else {
      throw DatastoreError(.unknownElement, message: "no test-key")
    }
    let invocation = Invocation(
      schema: rpc, target: nil, input: try input.interiorNode(schema: productSchema), user: "operator")
    guard let output = try await backend.invoke(invocation) else {
      throw DatastoreError(.operationFailed, message: "no output")
    }
    return try AgentdSKS.TestKey.Output(output)
  }
}
