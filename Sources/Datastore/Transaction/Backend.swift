// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A part of the agent that carries configuration out and knows operational state: the doors that the datastore
/// knocks on. All configuration reaches a backend as typed, keyed changes.
///
/// `prepare` may refuse; `apply` cannot fail by signature: it takes the new desired state and converges to it,
/// showing in operational state how far it is.
public protocol Backend: Sendable {
  /// A short name for logs and errors.
  var name: String { get }
  /// Data paths (`SchemaNode.path`) of the list entries, containers or leafs whose changes this backend wants.
  var subscriptions: [String] { get }
  /// Data paths of operational (config false) subtrees that this backend provides.
  var operationalPaths: [String] { get }
  /// Paths of rpcs (`/module:name`) and actions that this backend carries out.
  var operations: [String] { get }

  /// Says what cannot be done. Called before the commit is durable; must not change anything outside. Bounded time.
  func prepare(_ changes: ChangeSet) -> [Refusal]
  /// Takes the committed state. Called after the commit is durable, in the order of registration. Must return soon.
  func apply(_ changes: ChangeSet)
  /// Produces the operational data below one of `operationalPaths`. `request.keys` are key values that the reader's
  /// filter fixes, outermost list first, so that only those entries need be produced. The reader pulls the entries (or
  /// the one container) one at a time, at the pace of its channel, and may stop at any of them.
  func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode>
  /// Those of `operationalPaths` whose data others hold, so that it has to be fetched before it can be read.
  var refreshedPaths: [String] { get }
  /// Fetches what these paths show: called before a read that touches them, which waits for it. `operational` then
  /// tells what was fetched, or what was known before, should it not come within a bounded time. Several reads may
  /// call at once.
  func refresh(_ paths: Set<String>) async
  /// Carries out an rpc or action. Input and output are trees below the schema's input and output nodes.
  func invoke(_ operation: Invocation) async throws(DatastoreError) -> InteriorNode?
}

/// What a backend need not write that has nothing behind a door.
extension Backend {
  public func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> { AnyIterator { nil } }

  public var refreshedPaths: [String] { [] }

  public func refresh(_ paths: Set<String>) async {}

  public func invoke(_ operation: Invocation) async throws(DatastoreError) -> InteriorNode? {
    throw DatastoreError(.operationNotSupported, message: "\(operation.schema.path) is not carried out here")
  }
}

/// Why a backend cannot accept a change.
public struct Refusal: Sendable {
  public let path: InstancePath
  public let reason: String
  public init(path: InstancePath, reason: String) {
    self.path = path
    self.reason = reason
  }
}

/// What an operational read wants of a provider.
public struct OperationalRequest: Sendable {
  /// The provider's path that is asked for.
  public let path: String
  public let schema: SchemaNode
  /// Fixed keys of the list at `path`: nil reads all entries.
  public let keys: [Value]?
  public init(path: String, schema: SchemaNode, keys: [Value]?) {
    self.path = path
    self.schema = schema
    self.keys = keys
  }
}

/// A call of an rpc or action.
public struct Invocation: Sendable {
  public let schema: SchemaNode
  /// For an action, the instance it is called on.
  public let target: InstancePath?
  public let input: InteriorNode
  /// The name of the user who calls.
  public let user: String
  public init(schema: SchemaNode, target: InstancePath?, input: InteriorNode, user: String) {
    self.schema = schema
    self.target = target
    self.input = input
    self.user = user
  }
}

/// One changed instance at a subscribed path.
public struct InstanceChange: Sendable {
  public let path: InstancePath
  /// The subtree before (nil: created) and after (nil: deleted).
  public let old: DataNode?
  public let new: DataNode?
}

/// The changes of one commit that concern one backend, and both whole configurations for looking around.
public struct ChangeSet: Sendable {
  /// By subscribed path, in document order.
  public let changes: [String: [InstanceChange]]
  public let oldRoot: InteriorNode
  public let newRoot: InteriorNode
}
