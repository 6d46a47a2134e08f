// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A Swift type that will be generated: its place among the others, and later its name.
///
/// The plan is a tree that mirrors the schema: types nest as their nodes do. It has identity, so that references can
/// point into it before names are known.
final class PlannedType {
  enum Kind {
    /// A module.
    case namespace(Module)
    /// A node above a wanted one, which is there only as a name to nest in.
    case passage(SchemaNode)
    /// A container, list entry, rpc or action body, or notification: a struct.
    case structure(SchemaNode)
    /// An rpc or action: a name around its input and output.
    case operation(SchemaNode)
    case choice(SchemaNode)
    /// The payload of a case that holds more than one node.
    case caseStructure(SchemaNode)
    /// The key of a list with several key leafs.
    case listKey(SchemaNode)
    case enumeration([EnumValue])
    case bits([BitValue])
    case union(UnionPlan)
    case identity(bases: [Identity], values: [Identity])
  }

  /// The members of a union, in order: index is the member's number in the union's definition.
  struct UnionPlan {
    struct Member {
      /// What the case is named after: the typedef, else the built-in type; the second of a name has a number.
      var sourceName: String
      /// Nil for the type empty, whose case has no payload.
      var type: SwiftType?
    }
    var members: [Member]
  }

  /// A union's is completed after it is made, so that types of its members can nest in it.
  private(set) var kind: Kind
  /// What the name is spelt from.
  let sourceName: String
  /// The module that brings the type to its place: tells augmented nodes from the home module's.
  let module: Module
  /// The schema node that gives the type its name: for a leaf's own type, the leaf.
  let node: SchemaNode?
  /// What the type stands for, for messages: a schema path, or a typedef.
  let source: String
  let comment: String?
  /// For a namespace: the definitions at the top of the module, whose names shared types keep off.
  let topNodes: [SchemaNode]
  private(set) weak var parent: PlannedType?
  private(set) var children: [PlannedType] = []
  /// Stored properties of a structure, a case structure or a list key; cases of a choice.
  var members: [PlannedMember] = []
  /// The data children of a structure that its layout lists, in schema order, choices looked through.
  var fields: [SchemaNode] = []
  /// Assigned by the naming stage.
  var name = ""

  init(
    _ kind: Kind, sourceName: String, module: Module, node: SchemaNode? = nil, source: String, comment: String? = nil,
    topNodes: [SchemaNode] = []
  ) {
    self.topNodes = topNodes
    self.kind = kind
    self.node = node
    self.sourceName = sourceName
    self.module = module
    self.source = source
    self.comment = comment
  }

  func add(_ child: PlannedType) {
    child.parent = self
    children.append(child)
  }

  func complete(_ union: UnionPlan) { kind = .union(union) }

  /// The names from the namespace inwards.
  var path: [String] { (parent?.path ?? []) + [name] }

  /// The top-level node that a namespace is one with.
  var mergedNode: SchemaNode? {
    guard parent == nil else { return nil }
    switch kind {
    case .structure(let node), .passage(let node): return node
    default: return nil
    }
  }
}

/// A stored property of a structure, or a case of a choice.
final class PlannedMember {
  enum Content {
    /// A leaf; `isRequired` ones are never absent.
    case leaf(SwiftType, isRequired: Bool)
    /// A leaf of type empty: a Boolean.
    case presence
    case leafList(SwiftType)
    case container(PlannedType, Need)
    case list(PlannedType)
    case any
    case choice(PlannedType, isRequired: Bool)
    /// A case of a choice whose payload is a struct.
    case caseStructure(PlannedType)
  }

  /// Whether a container's property can be left out.
  enum Need {
    /// A container that may be absent.
    case optional
    /// A non-presence container that can be made of nothing: the property starts as that.
    case implied
    /// A non-presence container with something mandatory in it.
    case required
  }

  /// What the member is named after: a case's is the case.
  let node: SchemaNode
  /// The node whose content it is; differs from `node` for a case with one data node.
  let contentNode: SchemaNode
  let content: Content
  /// Indices into the layout's fields that belong to the member: one, or for a choice and its cases those of all
  /// nodes in them.
  let fields: Range<Int>
  /// Assigned by the naming stage; not escaped.
  var name = ""

  init(node: SchemaNode, contentNode: SchemaNode? = nil, content: Content, fields: Range<Int>) {
    self.node = node
    self.contentNode = contentNode ?? node
    self.content = content
    self.fields = fields
  }
}

/// The type of a leaf's value.
indirect enum SwiftType {
  /// A type of Swift or of the support library.
  case named(String)
  case array(SwiftType)
  case planned(PlannedType)
}
