// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// One metadata annotation of an instance (RFC 7952).
public struct Annotation: Sendable, Hashable {
  /// The module that defines it.
  public let module: Module
  public let name: String
  /// Its value as JSON has it; one that came in XML is a string.
  public let value: JSONValue

  static let defaultModule = "ietf-netconf-with-defaults"
  static let defaultNamespace = "urn:ietf:params:xml:ns:netconf:default:1.0"

  /// The namespace of the attribute that the annotation is in XML.
  var namespace: String { module.name == Self.defaultModule ? Self.defaultNamespace : module.namespace }

  public init(module: Module, name: String, value: JSONValue) {
    self.module = module
    self.name = name
    self.value = value
  }

  public static func == (left: Annotation, right: Annotation) -> Bool {
    left.module === right.module && left.name == right.name && left.value == right.value
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    hasher.combine(value)
  }
}

/// The annotations of a tree's instances, which stand beside the tree: those of one node, and below it by step.
public struct Annotations: Sendable, Equatable {
  public var own: [Annotation] = []
  public var below: [InstancePath.Step: Annotations] = [:]
  /// Of leaf-list entries whose values are not known yet.
  var unplaced: [(leafList: SchemaNode, place: Int, annotations: [Annotation])] = []

  public init() {}

  public static func == (left: Annotations, right: Annotations) -> Bool {
    left.own == right.own && left.below == right.below
  }
}
