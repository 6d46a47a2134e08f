// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Writes the names of planned types so that Swift's lexical look-up finds the right one.
struct References {
  /// The Swift module that the generated files are compiled in.
  let swiftModule: String
  let namespaces: [PlannedType]

  /// How the type is called within `scope`: by its own name when it nests there, else by its path, with the Swift
  /// module in front when something nearer has the name that the path begins with.
  func name(_ type: PlannedType, from scope: PlannedType) -> String {
    if let parent = type.parent, parent === scope { return type.name }
    let path = type.path
    let text = path.joined(separator: ".")
    guard let first = path.first, isHidden(first, from: scope) else { return text }
    return swiftModule + "." + text
  }

  /// True when a type within the scopes around has the name that a namespace is called by.
  private func isHidden(_ name: String, from scope: PlannedType) -> Bool {
    var place: PlannedType? = scope
    while let here = place {
      if here.children.contains(where: { $0.name == name }) { return true }
      place = here.parent
    }
    return false
  }
}
