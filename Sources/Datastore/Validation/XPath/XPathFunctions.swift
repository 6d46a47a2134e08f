// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A call of a function of XPath 1.0 section 4 or RFC 7950 section 10.
final class FunctionOperation: XPathOperation {
  private let function: XPath.Function
  private let arguments: [any XPathOperation]
  // The library owns what is compiled with it.
  private unowned let library: XPathLibrary
  /// The compiled pattern of a re-match() whose pattern is a literal.
  private let pattern: Pattern?
  /// The identity that a derived-from() with a literal names, by the prefixes known when it was compiled.
  private let identity: Identity?

  init(
    _ function: XPath.Function, _ arguments: [any XPathOperation], library: XPathLibrary, pattern: Pattern? = nil,
    identity: Identity? = nil
  ) {
    self.function = function
    self.arguments = arguments
    self.library = library
    self.pattern = pattern
    self.identity = identity
  }

  var isNodeSet: Bool {
    switch function {
    case .current, .deref, .id: true
    default: false
    }
  }

  var isContextFree: Bool {
    switch function {
    case .last, .position, .lang: return false
    case .current: return true
    case .localName, .namespaceURI, .name, .string, .number, .stringLength, .normalizeSpace:
      if arguments.isEmpty { return false }
    default: break
    }
    return arguments.allSatisfy(\.isContextFree)
  }

  // MARK: Evaluation

  func evaluate(_ context: XPathContext) -> XPathValue {
    switch function {
    case .last: .number(Double(context.size))
    case .position: .number(Double(context.position))
    case .count: .number(Double(nodes(0, context).count))
    case .id: .nodes([])
    case .localName: .string(named(context)?.schema.name ?? "")
    case .namespaceURI: .string(named(context)?.schema.module.namespace ?? "")
    case .name: .string(named(context).map { "\($0.schema.module.prefix):\($0.schema.name)" } ?? "")
    case .string: .string(text(0, context))
    case .concat: .string(arguments.indices.map { text($0, context) }.joined())
    case .startsWith: .boolean(text(0, context).utf8.starts(with: text(1, context).utf8))
    case .contains: .boolean(Self.place(of: text(1, context), in: text(0, context)) != nil)
    case .substringBefore: .string(substring(context, before: true))
    case .substringAfter: .string(substring(context, before: false))
    case .substring: .string(substring(context))
    case .stringLength: .number(Double(text(0, context).unicodeScalars.count))
    case .normalizeSpace: .string(Self.normalized(text(0, context)))
    case .translate: .string(Self.translate(text(0, context), text(1, context), text(2, context)))
    case .boolean: .boolean(arguments.first?.boolean(context) ?? false)
    case .not: .boolean(!(arguments.first?.boolean(context) ?? false))
    case .true: .boolean(true)
    case .false, .lang: .boolean(false)
    case .number: .number(argument(context))
    case .sum: .number(nodes(0, context).reduce(0) { $0 + XPathValue.number(of: $1) })
    case .floor: .number(argument(context).rounded(.down))
    case .ceiling: .number(argument(context).rounded(.up))
    case .round: .number(XPathNumber.rounded(argument(context)))
    case .current: .nodes([context.environment.current])
    case .reMatch: .boolean(matches(context))
    case .deref: .nodes(dereferenced(context))
    case .derivedFrom: .boolean(isDerived(context, orSelf: false))
    case .derivedFromOrSelf: .boolean(isDerived(context, orSelf: true))
    case .enumValue: .number(enumValue(context))
    case .bitIsSet: .boolean(bitIsSet(context))
    }
  }

  func boolean(_ context: XPathContext) -> Bool {
    switch function {
    case .current: true
    default: evaluate(context).boolean
    }
  }

  func first(_ context: XPathContext, anyOrder: Bool, where body: (XPathNode) -> Bool) -> Bool {
    if case .current = function { return body(context.environment.current) }
    guard case .nodes(let nodes) = evaluate(context) else { return false }
    return nodes.contains(where: body)
  }

  // MARK: Arguments

  private func nodes(_ index: Int, _ context: XPathContext) -> [XPathNode] {
    guard index < arguments.count, case .nodes(let nodes) = arguments[index].evaluate(context) else { return [] }
    return nodes
  }

  private func firstNode(_ context: XPathContext) -> XPathNode? {
    var found: XPathNode?
    _ = arguments.first?.first(context, anyOrder: false) {
      found = $0
      return true
    }
    return found
  }

  /// An argument as a string; the context node where the argument may be left out.
  private func text(_ index: Int, _ context: XPathContext) -> String {
    index < arguments.count ? arguments[index].string(context) : context.node.stringValue
  }

  private func argument(_ context: XPathContext) -> Double {
    arguments.first?.number(context) ?? XPathValue.number(of: context.node)
  }

  private func named(_ context: XPathContext) -> XPathNode? {
    guard let node = arguments.isEmpty ? context.node : firstNode(context), node.schema.kind != .root else {
      return nil
    }
    if case .text = node.content { return nil }
    return node
  }

  // MARK: Strings

  private static func place(of part: String, in text: String) -> Range<String.UTF8View.Index>? {
    let (text, part) = (text.utf8, part.utf8)
    if part.isEmpty { return text.startIndex..<text.startIndex }
    var start = text.startIndex
    while start < text.endIndex {
      if text[start...].starts(with: part) { return start..<text.index(start, offsetBy: part.count) }
      start = text.index(after: start)
    }
    return nil
  }

  private func substring(_ context: XPathContext, before: Bool) -> String {
    let text = text(0, context)
    guard let place = Self.place(of: self.text(1, context), in: text) else { return "" }
    return String(before ? text[..<place.lowerBound] : text[place.upperBound...])
  }

  /// By characters from 1, its numbers rounded, with what IEEE 754 makes of infinities (section 4.2).
  private func substring(_ context: XPathContext) -> String {
    let start = XPathNumber.rounded(arguments[1].number(context))
    let end = arguments.count > 2 ? start + XPathNumber.rounded(arguments[2].number(context)) : .infinity
    var result = ""
    for (index, scalar) in text(0, context).unicodeScalars.enumerated() {
      let position = Double(index + 1)
      if position >= start, position < end { result.unicodeScalars.append(scalar) }
    }
    return result
  }

  private static func normalized(_ text: String) -> String {
    let words = text.utf8.split { XPathNumber.isSpace($0) }
    return words.map { String(Substring($0)) }.joined(separator: " ")
  }

  private static func translate(_ text: String, _ from: String, _ to: String) -> String {
    let (from, to) = (Array(from.unicodeScalars), Array(to.unicodeScalars))
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      guard let place = from.firstIndex(of: scalar) else {
        result.append(scalar)
        continue
      }
      if place < to.count { result.append(to[place]) }
    }
    return String(result)
  }

  // MARK: RFC 7950 section 10

  private func matches(_ context: XPathContext) -> Bool {
    let subject = text(0, context)
    if let pattern { return pattern.accepts(subject) }
    return library.pattern(text(1, context))?.accepts(subject) ?? false
  }

  private func dereferenced(_ context: XPathContext) -> [XPathNode] {
    guard let node = firstNode(context), let value = node.value else { return [] }
    if case .instanceIdentifier(let identifier) = value.withoutUnion {
      return identifier.resolve(from: context.environment).map { [$0] } ?? []
    }
    return library.references(of: node, value, context.environment)
  }

  private func isDerived(_ context: XPathContext, orSelf: Bool) -> Bool {
    guard let base = identity ?? library.identity(named: text(1, context)) else { return false }
    return arguments[0].first(context, anyOrder: true) { node in
      guard case .identity(let identity)? = node.value?.withoutUnion else { return false }
      return identity.ancestors.contains(base) || orSelf && identity == base
    }
  }

  private func enumValue(_ context: XPathContext) -> Double {
    guard case .enumeration(let value)? = firstNode(context)?.value?.withoutUnion else { return .nan }
    return Double(value.value)
  }

  private func bitIsSet(_ context: XPathContext) -> Bool {
    guard case .bits(let bits)? = firstNode(context)?.value?.withoutUnion else { return false }
    let name = text(1, context)
    return bits.contains { $0.name == name }
  }
}
