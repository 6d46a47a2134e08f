// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Names that generated code cannot take as they are.
enum ReservedNames {
  /// A member name as it stands in source text: keywords get back-quotes, and what even back-quotes cannot save gets
  /// an underscore (`none` and `some` would be read as Optional's).
  static func member(_ name: String) -> String {
    if unusableMembers.contains(name) { return name + "_" }
    return keywords.contains(name) ? "`\(name)`" : name
  }

  /// True for names of types that generated code itself refers to, or that Swift keeps.
  static func isReservedType(_ name: String) -> Bool { types.contains(name) }

  private static let unusableMembers: Set<String> = [
    "none", "some", "self", "init", "Type", "Protocol", "listKey", "rawValue", "allCases", "bitNames", "_",
  ]

  private static let keywords: Set<String> = [
    "as", "associatedtype", "async", "await", "break", "case", "catch", "class", "continue", "default", "defer",
    "deinit", "do", "else", "enum", "extension", "fallthrough", "false", "fileprivate", "for", "func", "guard", "if",
    "import", "in", "inout", "internal", "is", "let", "nil", "nonisolated", "operator", "precedencegroup", "private",
    "protocol", "public", "repeat", "rethrows", "return", "static", "struct", "subscript", "super", "switch", "throw",
    "throws", "true", "try", "typealias", "var", "where", "while",
  ]

  private static let types: Set<String> = [
    "Any", "AnyContent", "BitsRepresentable", "AnyObject", "Array", "Bool", "CaseIterable", "ChoiceRepresentable",
    "DatastoreError",
    "Decimal64", "EnumerationRepresentable", "Equatable", "Hashable", "IdentityRepresentable", "InstanceIdentifier",
    "Int", "Int16", "Int32", "Int64", "Int8", "KeyReader", "KeyedList", "LeafRepresentable", "ListEntry", "ListKey",
    "NoContent", "NodeContent",
    "NotificationRepresentable", "NodeLayout", "NodeReader", "NodeWriter", "OperationRepresentable", "OptionSet",
    "Optional", "Presence", "Protocol", "SchemaType", "Sealed", "Self", "Sendable", "Set", "String",
    "TreeRepresentable",
    "Type", "UInt", "UInt128", "UInt16", "UInt32", "UInt64", "UInt8", "UnionRepresentable", "Value", "YANG",
  ]
}
