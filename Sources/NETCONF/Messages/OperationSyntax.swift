// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore

/// How an operation of the protocol itself is written, and how its parameters become an `Operation`. Operations of
/// other modules are read by their schema.
struct OperationSyntax: Sendable {
  let name: StaticString
  let namespace: StaticString
  let parameters: [Parameter]
  let build: @Sendable (ParameterReader) throws(DatastoreFailure) -> Operation

  /// The syntax of the operation that an element names.
  static func of(_ tag: XMLTag) -> OperationSyntax? { all.first { tag.isNamed($0.name, in: $0.namespace) } }

  private static let defaults = Parameter(name: "with-defaults", kind: .text, namespace: Namespace.withDefaults)
  private static let filter = Parameter(name: "filter", kind: .filter)
  private static let target = Parameter(name: "target", kind: .datastore(orInline: false), isMandatory: true)

  /// In the order in which they are likely.
  static let all: [OperationSyntax] = [
    OperationSyntax(
      name: "get-config", namespace: Namespace.base,
      parameters: [
        Parameter(name: "source", kind: .datastore(orInline: false), isMandatory: true), filter, defaults,
      ]
    ) { reader throws(DatastoreFailure) in
      try checkDefaults(reader)
      return .getConfig(source: try reader.requiredDatastore("source"), try reader.filter())
    },
    OperationSyntax(
      name: "get", namespace: Namespace.base, parameters: [filter, defaults]
    ) { reader throws(DatastoreFailure) in
      try checkDefaults(reader)
      return .get(try reader.filter())
    },
    OperationSyntax(
      name: "edit-config", namespace: Namespace.base,
      parameters: [
        target, Parameter(name: "default-operation", kind: .text), Parameter(name: "test-option", kind: .text),
        Parameter(name: "error-option", kind: .text),
        Parameter(name: "config", kind: .configuration, isMandatory: true),
      ], build: editConfig),
    OperationSyntax(name: "commit", namespace: Namespace.base, parameters: []) { _ in .commit },
    OperationSyntax(
      name: "validate", namespace: Namespace.base,
      parameters: [Parameter(name: "source", kind: .datastore(orInline: true), isMandatory: true)]
    ) { reader throws(DatastoreFailure) in .validate(try reader.source("source")) },
    OperationSyntax(name: "discard-changes", namespace: Namespace.base, parameters: []) { _ in .discardChanges },
    OperationSyntax(
      name: "lock", namespace: Namespace.base, parameters: [target]
    ) { reader throws(DatastoreFailure) in .lock(try reader.requiredDatastore("target")) },
    OperationSyntax(
      name: "unlock", namespace: Namespace.base, parameters: [target]
    ) { reader throws(DatastoreFailure) in .unlock(try reader.requiredDatastore("target")) },
    OperationSyntax(name: "close-session", namespace: Namespace.base, parameters: []) { _ in .closeSession },
    OperationSyntax(
      name: "kill-session", namespace: Namespace.base,
      parameters: [Parameter(name: "session-id", kind: .text, isMandatory: true)]
    ) { reader throws(DatastoreFailure) in
      let text = reader.text("session-id") ?? ""
      guard let id = UInt32(text), id > 0 else {
        throw DatastoreFailure(.invalid("session-id", text, expected: "a number from 1 to 4294967295"))
      }
      return .killSession(id)
    },
    OperationSyntax(
      name: "copy-config", namespace: Namespace.base,
      parameters: [
        target, Parameter(name: "source", kind: .datastore(orInline: true), isMandatory: true), defaults,
      ]
    ) { reader throws(DatastoreFailure) in
      try checkDefaults(reader)
      return .copyConfig(source: try reader.source("source"), target: try reader.requiredDatastore("target"))
    },
    OperationSyntax(
      name: "get-schema", namespace: Namespace.monitoring,
      parameters: [
        Parameter(name: "identifier", kind: .text, isMandatory: true), Parameter(name: "version", kind: .text),
        Parameter(name: "format", kind: .text),
      ], build: getSchema),
    OperationSyntax(
      name: "create-subscription", namespace: Namespace.notification,
      parameters: [
        Parameter(name: "stream", kind: .text), filter, Parameter(name: "startTime", kind: .text),
        Parameter(name: "stopTime", kind: .text),
      ], build: createSubscription),
  ]

  private static let editConfig: @Sendable (ParameterReader) throws(DatastoreFailure) -> Operation = {
    reader throws(DatastoreFailure) in
    var edit = EditConfiguration(
      target: try reader.requiredDatastore("target"), defaultOperation: .merge, testOption: nil,
      edit: try reader.edit("config"))
    if let text = reader.text("default-operation") {
      guard let operation = EditOperation(rawValue: text), [.merge, .replace, .none].contains(operation) else {
        throw DatastoreFailure(.invalid("default-operation", text, expected: "merge, replace or none"))
      }
      edit.defaultOperation = operation
    }
    if let text = reader.text("test-option") {
      guard let option = EditConfiguration.TestOption(rawValue: text) else {
        throw DatastoreFailure(.invalid("test-option", text, expected: "test-then-set, set or test-only"))
      }
      edit.testOption = option
    }
    switch reader.text("error-option") {
    // An edit takes effect as a whole or not at all, which is what both of these allow.
    case nil, "stop-on-error", "rollback-on-error": break
    case "continue-on-error":
      throw DatastoreFailure(
        DatastoreError(
          .operationNotSupported, layer: .protocol,
          message: "error-option continue-on-error is not supported: an edit takes effect as a whole or not at all"))
    case .some(let text):
      throw DatastoreFailure(
        .invalid("error-option", text, expected: "stop-on-error, continue-on-error or rollback-on-error"))
    }
    return .editConfig(edit)
  }

  private static let getSchema: @Sendable (ParameterReader) throws(DatastoreFailure) -> Operation = {
    reader throws(DatastoreFailure) in
    // The format is an identity of ietf-netconf-monitoring, whose prefix is the client's choice.
    if let format = reader.text("format"), format.split(separator: ":").last != "yang" {
      throw DatastoreFailure(
        DatastoreError(
          .invalidValue, layer: .protocol, message: "schemas are there in the format yang only, not '\(format)'",
          info: [("bad-element", "format")]))
    }
    let version = reader.text("version").flatMap { $0.isEmpty ? nil : $0 }
    return .getSchema(SchemaRequest(identifier: reader.text("identifier") ?? "", version: version))
  }

  private static let createSubscription: @Sendable (ParameterReader) throws(DatastoreFailure) -> Operation = {
    reader throws(DatastoreFailure) in
    if reader.text("startTime") != nil {
      throw DatastoreFailure(
        DatastoreError(
          .operationFailed, layer: .protocol,
          message: "the stream does not support replay: startTime cannot be given",
          info: [("bad-element", "startTime")]))
    }
    if reader.text("stopTime") != nil {
      // RFC 5277 section 2.1.1: stopTime goes with startTime only.
      throw DatastoreFailure(
        DatastoreError(
          .missingElement, layer: .protocol, message: "stopTime is given without startTime",
          info: [("bad-element", "startTime")]))
    }
    return .createSubscription(
      SubscriptionRequest(stream: reader.text("stream") ?? "NETCONF", filter: try reader.filter()))
  }

  private static func checkDefaults(_ reader: ParameterReader) throws(DatastoreFailure) {
    guard let mode = reader.text("with-defaults"), mode != "explicit" else { return }
    throw DatastoreFailure(.invalid("with-defaults", mode, expected: "explicit, the only mode that is announced"))
  }
}

extension ParameterReader {
  func requiredDatastore(_ name: String) throws(DatastoreFailure) -> DatastoreName {
    do throws(DatastoreError) { return try datastore(name) } catch { throw DatastoreFailure(error) }
  }
}
