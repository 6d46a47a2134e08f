// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// Finds the places that the mapping names by text (`ModelPath`) in the schema in force.
struct ModelPathResolver: Sendable {
  private let schema: Schema

  init(_ schema: Schema) { self.schema = schema }

  /// As far as the schema has the steps: a reason at the node above is better than none.
  func path(_ text: String) -> InstancePath {
    var path = InstancePath.root
    var node = schema.root
    var rest = Substring(text)
    while let step = Self.nextStep(&rest) {
      // A module is named where it changes; nodes of one name may come of several modules.
      let parts = step.name.split(separator: ":")
      let children = node.dataChildren(named: parts.last.map { String($0) } ?? "")
      let module = parts.count == 2 ? String(parts[0]) : node.module.name
      guard let child = children.first(where: { $0.module.name == module }) else { break }
      path = path.appending(child, keys: step.keys.map { .string($0) })
      node = child
    }
    return path
  }

  /// Takes `/name[key='value']` from the front; quotes keep slashes and brackets in values apart.
  private static func nextStep(_ rest: inout Substring) -> (name: Substring, keys: [String])? {
    guard rest.first == "/" else { return nil }
    rest.removeFirst()
    let name = rest.prefix { $0 != "/" && $0 != "[" }
    rest = rest[name.endIndex...]
    var keys: [String] = []
    while rest.first == "[" {
      guard let quote = rest.firstIndex(where: { $0 == "'" || $0 == "\"" }) else { return nil }
      let value = rest[rest.index(after: quote)...].prefix { $0 != rest[quote] }
      keys.append(String(value))
      rest = rest[value.endIndex...].dropFirst()
      guard rest.first == "]" else { return nil }
      rest.removeFirst()
    }
    return name.isEmpty ? nil : (name, keys)
  }
}
