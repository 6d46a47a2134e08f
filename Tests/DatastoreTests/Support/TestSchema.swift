// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

@testable import YANG

/// A schema built by hand, so that the tree is tested without the compiler.
struct TestSchema {
  let schema: Schema
  let module: Module
  let other: Module

  var root: SchemaNode { schema.root }

  init(_ top: [Item]) {
    func module(_ name: String) -> Module {
      Module(
        name: name, namespace: "urn:test:\(name)", prefix: name == "test" ? "t" : "o", revision: nil,
        isImplemented: true, yangVersion: .onePointOne, source: SourceText(file: "\(name).yang", bytes: []))
    }
    let modules = [module("test"), module("other")]
    self.module = modules[0]
    other = modules[1]
    let location = SourceLocation(file: "test.yang", line: 1, column: 1)
    let root = SchemaNode(kind: .root, name: "", module: modules[0], location: location)
    var nodes: [SchemaNode] = [root]
    func add(_ item: Item, to parent: SchemaNode, dataParent: SchemaNode) {
      let node = SchemaNode(
        kind: item.kind, name: item.name, module: item.isForeign ? modules[1] : modules[0], location: location)
      node.id = nodes.count
      nodes.append(node)
      node.parent = parent
      node.dataParent = dataParent
      node.isConfig = parent.isConfig && !item.isState
      node.hasPresence = item.hasPresence
      node.isOrderedByUser = item.isOrderedByUser
      if let base = item.base { node.type = SchemaType(base: base) }
      item.adjust?(node)
      parent.children.append(node)
      let isData = node.kind != .choice && node.kind != .case
      if isData {
        node.position = dataParent.dataChildren.count
        dataParent.dataChildren.append(node)
        dataParent.childIndex[node.name, default: []].append(node)
      }
      for child in item.children { add(child, to: node, dataParent: isData ? node : dataParent) }
      if node.kind == .list {
        node.keys = item.keys.map { key in node.dataChildren.first { $0.name == key }! }
        for key in node.keys { key.isKey = true }
      }
    }
    for item in top { add(item, to: root, dataParent: root) }
    schema = Schema(modules: modules, root: root, nodes: nodes, rpcs: [], notifications: [])
  }

  /// The node at a path such as `a/b`.
  func callAsFunction(_ path: String) -> SchemaNode {
    path.split(separator: "/").reduce(root) { node, name in node.dataChildren(named: String(name))[0] }
  }

  struct Item {
    var kind: SchemaNode.Kind
    var name: String
    var base: SchemaType.Base?
    var keys: [String] = []
    var hasPresence = false
    var isOrderedByUser = false
    var isState = false
    var isForeign = false
    var children: [Item] = []
    var adjust: ((SchemaNode) -> Void)?

    var state: Item { with { $0.isState = true } }
    var foreign: Item { with { $0.isForeign = true } }
    func with(_ change: (inout Item) -> Void) -> Item {
      var copy = self
      change(&copy)
      return copy
    }
    func adjusted(_ adjust: @escaping (SchemaNode) -> Void) -> Item { with { $0.adjust = adjust } }
  }
}

func leaf(_ name: String, _ base: SchemaType.Base = .string) -> TestSchema.Item {
  .init(kind: .leaf, name: name, base: base)
}
func leafList(_ name: String, _ base: SchemaType.Base = .string, byUser: Bool = false) -> TestSchema.Item {
  .init(kind: .leafList, name: name, base: base, isOrderedByUser: byUser)
}
func container(_ name: String, presence: Bool = false, _ children: [TestSchema.Item]) -> TestSchema.Item {
  .init(kind: .container, name: name, hasPresence: presence, children: children)
}
func list(
  _ name: String, key: String = "", byUser: Bool = false, _ children: [TestSchema.Item]
) -> TestSchema.Item {
  .init(
    kind: .list, name: name, keys: key.split(separator: " ").map(String.init), isOrderedByUser: byUser,
    children: children)
}
func choice(_ name: String, _ cases: [TestSchema.Item]) -> TestSchema.Item {
  .init(kind: .choice, name: name, children: cases)
}
func aCase(_ name: String, _ children: [TestSchema.Item]) -> TestSchema.Item {
  .init(kind: .case, name: name, children: children)
}
