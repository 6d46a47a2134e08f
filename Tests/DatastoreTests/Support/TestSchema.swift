// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A small schema, written in Swift, compiled from the YANG text that follows from it: a module `test`, and a module
/// `other` that adds the foreign nodes.
struct TestSchema {
  let schema: Schema

  var root: SchemaNode { schema.root }

  init(_ top: [Item]) {
    var augments = ""
    let body = top.map { $0.text(path: "", &augments) }.joined()
    self.init(
      test: "module test { yang-version 1.1; namespace urn:test:test; prefix t; \(body) }",
      other: "module other { yang-version 1.1; namespace urn:test:other; prefix o; "
        + "import test { prefix t; } \(augments) }")
  }

  /// Compiles the text of the two modules.
  init(test: String, other: String = "module other { namespace urn:test:other; prefix o; }") {
    do {
      let sources = [("test", test), ("other", other)].map { name, text in
        SourceText(file: "\(name).yang", bytes: Array(text.utf8))
      }
      schema = try Schema.compile(sources: sources).schema
    } catch { fatalError("the test's schema does not compile: \(error)") }
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

    var state: Item { with { $0.isState = true } }
    var foreign: Item { with { $0.isForeign = true } }
    func with(_ change: (inout Item) -> Void) -> Item {
      var copy = self
      change(&copy)
      return copy
    }

    /// The statement in YANG. Foreign nodes become augments instead.
    func text(path: String, _ augments: inout String) -> String {
      let own = path + "/t:" + name
      let keyword = kind == .leafList ? "leaf-list" : "\(kind)"
      var body = base.map { " type \($0.rawValue);" } ?? ""
      if !keys.isEmpty { body += " key '\(keys.joined(separator: " "))';" }
      if hasPresence { body += " presence yes;" }
      if isOrderedByUser { body += " ordered-by user;" }
      if isState { body += " config false;" }
      for child in children { body += " " + child.text(path: own, &augments) }
      let statement = "\(keyword) \(name) {\(body) }"
      if isForeign {
        augments += " augment '\(path)' { \(statement) }"
        return ""
      }
      return statement
    }
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
