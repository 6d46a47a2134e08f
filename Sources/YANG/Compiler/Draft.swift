// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A schema node in the making: what its statements say, after uses, refine, augment and deviation, before types,
/// defaults and expressions are resolved.
///
/// Deviations and refines replace statements, so a draft holds statements, not their meaning.
final class Draft {
  struct Condition {
    let expression: Scoped
    let context: When.Context
  }

  let kind: SchemaNode.Kind
  let name: String
  /// The module whose namespace the node is in.
  let module: ParsedModule
  let source: Scoped
  unowned(unsafe) var parent: Draft?
  var children: [Draft] = []

  var config: Statement?
  var mandatory: Statement?
  var presence: Statement?
  var status: Statement?
  var key: Scoped?
  var uniques: [Scoped] = []
  var minElements: Statement?
  var maxElements: Statement?
  var orderedBy: Statement?
  var type: Scoped?
  var defaults: [Scoped] = []
  var units: Statement?
  var musts: [Scoped] = []
  var whens: [Condition] = []
  var summary: String?
  var reference: String?
  var extensions: [Scoped] = []
  /// The feature expressions of the `uses` and `refine` statements that shaped the node, the innermost first.
  var featuresOfUses: [String] = []
  /// The augment that brought the node, for the rule about mandatory nodes.
  var augment: Scoped?

  init(kind: SchemaNode.Kind, name: String, module: ParsedModule, source: Scoped) {
    self.kind = kind
    self.name = name
    self.module = module
    self.source = source
  }

  func adopt(_ child: Draft) {
    child.parent = self
    children.append(child)
  }

  func remove(_ child: Draft) { children.removeAll { $0 === child } }

  /// The schema child of that name, choices and cases counting as nodes.
  func child(_ name: String, in module: ParsedModule) -> Draft? {
    for child in children where child.name == name && child.module === module { return child }
    return nil
  }

  /// Nodes above, the root not counted.
  var depth: Int {
    var depth = 0
    var next = parent
    while let node = next {
      depth += 1
      next = node.parent
    }
    return depth
  }

  /// `/module:a/b`, for messages.
  var path: String {
    guard let parent, kind != .root else { return "" }
    let step = parent.kind == .root || parent.module !== module ? "\(module.name):\(name)" : name
    return parent.path + "/" + step
  }
}
