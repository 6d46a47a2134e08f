// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// What a request asks for.
enum Operation: Sendable {
  /// Configuration of running and operational state (RFC 6241 section 7.7).
  case get(SubtreeFilter?)
  case getConfig(source: DatastoreName, SubtreeFilter?)
  case editConfig(EditConfiguration)
  case copyConfig(source: ConfigurationSource, target: DatastoreName)
  case validate(ConfigurationSource)
  case commit
  case discardChanges
  case lock(DatastoreName)
  case unlock(DatastoreName)
  case closeSession
  case killSession(UInt32)
  /// RFC 6022 section 3.1.
  case getSchema(SchemaRequest)
  /// RFC 5277 section 2.1.1.
  case createSubscription(SubscriptionRequest)
  /// An rpc of a module.
  case invoke(SchemaNode, input: InteriorNode)
  /// An action of a module (RFC 7950 section 7.15).
  case action(SchemaNode, target: InstancePath, input: InteriorNode)
}

/// Where a configuration comes from.
enum ConfigurationSource: Sendable {
  case datastore(DatastoreName)
  /// Given in the request itself.
  case inline(Edit)
}

/// The parameters of edit-config (RFC 6241 section 7.2).
struct EditConfiguration: Sendable {
  enum TestOption: String, Sendable {
    case testThenSet = "test-then-set"
    case set
    case testOnly = "test-only"
  }
  var target: DatastoreName
  var defaultOperation: EditOperation
  /// Nil when it was not given: then the edit is tested for itself, and validation is left to validate and commit.
  var testOption: TestOption?
  var edit: Edit
}

/// The parameters of get-schema.
struct SchemaRequest: Sendable {
  var identifier: String
  /// Nil asks for the only revision there is.
  var version: String?
}

/// The parameters of create-subscription.
struct SubscriptionRequest: Sendable {
  var stream: String
  var filter: SubtreeFilter?
  var stopTime: String?
}
