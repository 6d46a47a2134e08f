// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// An XPath 1.0 expression of a schema, parsed once, its prefixes resolved (RFC 7950 section 6.4).
public final class XPathExpression: Sendable {
  /// The text as written in the module.
  public let source: String
  public let tree: XPath
  /// The data nodes that the value can depend on, found by walking the paths over the schema from each context node;
  /// nil when that cannot be bounded (then anything may matter). Sorted by id, without duplicates.
  public let reads: [SchemaNode]?
  /// The module that each prefix in the expression's literals stands for, where a literal may be the name of an
  /// identity; under the empty string that of names without prefix.
  public let literalModules: [String: Module]

  init(source: String, tree: XPath, reads: [SchemaNode]?, literalModules: [String: Module] = [:]) {
    self.source = source
    self.tree = tree
    self.reads = reads
    self.literalModules = literalModules
  }

  /// A literal with the name of its prefix's module in place of the prefix, as identities are written apart from any
  /// module; nil when it is no name with a prefix of the expression.
  public func qualified(_ literal: String) -> String? {
    guard let (prefix, name) = Identifier.reference(literal), let module = literalModules[prefix ?? ""] else {
      return nil
    }
    return "\(module.name):\(name)"
  }
}

/// The parsed form of an XPath expression.
public indirect enum XPath: Sendable {
  case or(XPath, XPath)
  case and(XPath, XPath)
  case comparison(Comparison, XPath, XPath)
  case arithmetic(Arithmetic, XPath, XPath)
  case negation(XPath)
  case union(XPath, XPath)
  case path(LocationPath)
  /// A filter expression: primary, predicates, and the steps that may follow a slash.
  case filter(primary: XPath, predicates: [XPath], steps: [Step])
  case literal(String)
  case number(Double)
  case variable(String)
  case call(Function, [XPath])

  public enum Comparison: Sendable { case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual }
  public enum Arithmetic: Sendable { case add, subtract, multiply, divide, modulo }

  public enum Axis: String, Sendable {
    case ancestor
    case ancestorOrSelf = "ancestor-or-self"
    case attribute, child, descendant
    case descendantOrSelf = "descendant-or-self"
    case following
    case followingSibling = "following-sibling"
    case namespace, parent, preceding
    case precedingSibling = "preceding-sibling"
    case `self`
  }

  public enum NodeTest: Sendable {
    /// A name; the module is nil when the name has no prefix and the context gives none (then any module matches).
    case name(module: Module?, String)
    /// `*`, or `prefix:*`.
    case any(module: Module?)
    case node
    case text
    case comment
    case processingInstruction(String?)
  }

  public struct Step: Sendable {
    public let axis: Axis
    public let test: NodeTest
    public let predicates: [XPath]
  }

  public struct LocationPath: Sendable {
    public let isAbsolute: Bool
    public let steps: [Step]
  }

  /// Core functions of XPath 1.0 section 4 and those of RFC 7950 section 10.
  public enum Function: String, Sendable, CaseIterable {
    case last, position, count, id
    case localName = "local-name"
    case namespaceURI = "namespace-uri"
    case name, string, concat
    case startsWith = "starts-with"
    case contains
    case substringBefore = "substring-before"
    case substringAfter = "substring-after"
    case substring
    case stringLength = "string-length"
    case normalizeSpace = "normalize-space"
    case translate, boolean, not
    case `true`
    case `false`
    case lang, number, sum, floor, ceiling, round
    case current
    case reMatch = "re-match"
    case deref
    case derivedFrom = "derived-from"
    case derivedFromOrSelf = "derived-from-or-self"
    case enumValue = "enum-value"
    case bitIsSet = "bit-is-set"
  }
}
