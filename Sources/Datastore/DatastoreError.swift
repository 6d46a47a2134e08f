// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// An error of an edit, a validation or a commit, in the terms of RFC 6241 section 4.3 and appendix A.
public struct DatastoreError: Error, Sendable {
  /// error-tag of RFC 6241 appendix A.
  public enum Tag: String, Sendable {
    case inUse = "in-use"
    case invalidValue = "invalid-value"
    case tooBig = "too-big"
    case missingAttribute = "missing-attribute"
    case badAttribute = "bad-attribute"
    case unknownAttribute = "unknown-attribute"
    case missingElement = "missing-element"
    case badElement = "bad-element"
    case unknownElement = "unknown-element"
    case unknownNamespace = "unknown-namespace"
    case accessDenied = "access-denied"
    case lockDenied = "lock-denied"
    case resourceDenied = "resource-denied"
    case rollbackFailed = "rollback-failed"
    case dataExists = "data-exists"
    case dataMissing = "data-missing"
    case operationNotSupported = "operation-not-supported"
    case operationFailed = "operation-failed"
    case malformedMessage = "malformed-message"
  }
  /// error-type: which layer found it.
  public enum Layer: String, Sendable { case transport, rpc, `protocol`, application }

  public var tag: Tag
  public var layer: Layer
  /// error-app-tag, such as must-violation (RFC 7950 section 15).
  public var appTag: String?
  public var path: InstancePath?
  public var message: String
  /// Children of error-info: (name, text), such as bad-element and bad-attribute.
  public var info: [(name: String, text: String)]
  /// The text of the rule that does not hold, such as the condition of a `must` with an error message of its own.
  public var rule: String?
  /// The line of the document that it was found in, from 1; nil when it is of no document.
  public var line: Int?

  public init(
    _ tag: Tag, layer: Layer = .application, appTag: String? = nil, path: InstancePath? = nil, message: String,
    info: [(name: String, text: String)] = []
  ) {
    self.tag = tag
    self.layer = layer
    self.appTag = appTag
    self.path = path
    self.message = message
    self.info = info
  }
}
