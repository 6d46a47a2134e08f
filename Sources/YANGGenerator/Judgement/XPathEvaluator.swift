// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibXML2
import YANG

/// The texts of a schema's expressions for libxml2, made once for each.
final class ConditionTexts {
  let schema: Schema
  private var texts: [ObjectIdentifier: String] = [:]
  private var prefixes: [ObjectIdentifier: String] = [:]

  init(schema: Schema) {
    self.schema = schema
    for (number, module) in schema.modules.enumerated() { prefixes[ObjectIdentifier(module)] = "m\(number)" }
  }

  func text(_ expression: XPathExpression) -> String {
    if let known = texts[ObjectIdentifier(expression)] { return known }
    let text = text(expression.tree)
    texts[ObjectIdentifier(expression)] = text
    return text
  }

  func text(_ tree: XPath) -> String {
    let writer = XPathText(
      prefix: { [prefixes] in prefixes[ObjectIdentifier($0)] ?? "none" },
      identity: { [self] literal in identity(named: literal).map { "\($0.module.name):\($0.name)" } ?? literal })
    return writer.text(tree)
  }

  func register(in context: xmlXPathContextPtr) {
    for module in schema.modules {
      guard let prefix = prefixes[ObjectIdentifier(module)] else { continue }
      xmlXPathRegisterNs(context, prefix, module.namespace)
    }
  }

  /// The identity that a literal names with its module's name or prefix.
  func identity(named text: String) -> Identity? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    let candidates = schema.modules.filter { $0.name == parts[0] } + schema.modules.filter { $0.prefix == parts[0] }
    for module in candidates {
      if let found = module.identities.first(where: { $0.name == parts[1] }) { return found }
    }
    return nil
  }
}

/// Evaluates expressions on an accessible tree with libxml2, to which the functions of RFC 7950 section 10 are added.
final class XPathEvaluator {
  private unowned let tree: AccessibleTree
  private var context: xmlXPathContextPtr?
  /// What current() is.
  fileprivate var current: xmlNodePtr?

  init(_ tree: AccessibleTree) { self.tree = tree }

  /// Gives libxml2's context back, before the document goes.
  func close() {
    if let context { xmlXPathFreeContext(context) }
    context = nil
  }

  /// The truth of an expression with a node as its context.
  func boolean(_ expression: XPathExpression, at index: Int) throws(GeneratorError) -> Bool {
    let object = try evaluate(tree.conditions.text(expression), at: index)
    defer { xmlXPathFreeObject(object) }
    return xmlXPathCastToBoolean(object) != 0
  }

  /// The nodes that an expression leads to.
  func nodes(_ expression: XPathExpression, at index: Int) throws(GeneratorError) -> [Int] {
    let object = try evaluate(tree.conditions.text(expression), at: index)
    defer { xmlXPathFreeObject(object) }
    return nodes(of: object)
  }

  fileprivate func nodes(of object: xmlXPathObjectPtr) -> [Int] {
    guard object.pointee.type == XPATH_NODESET, let set = object.pointee.nodesetval else { return [] }
    return (0..<Int(set.pointee.nodeNr)).compactMap { place in
      guard let node = set.pointee.nodeTab[place], node.pointee.type != XML_TEXT_NODE else { return nil }
      return tree.index(of: node)
    }
  }

  /// The value of an expression in the form of `XPathText`, described: its type and text.
  func describe(_ text: String, at index: Int) throws(GeneratorError) -> String {
    let object = try evaluate(text, at: index)
    defer { xmlXPathFreeObject(object) }
    switch object.pointee.type {
    case XPATH_NODESET: return "nodes \(nodes(of: object))"
    case XPATH_BOOLEAN: return "boolean \(object.pointee.boolval != 0)"
    case XPATH_NUMBER: return "number \(object.pointee.floatval)"
    default: return "string \(object.pointee.stringval.map { String(cString: $0) } ?? "")"
    }
  }

  private func evaluate(_ text: String, at index: Int) throws(GeneratorError) -> xmlXPathObjectPtr {
    let context = try opened()
    // A function may evaluate an expression of its own while another is evaluated.
    let (node, position, size) = (context.pointee.node, context.pointee.proximityPosition, context.pointee.contextSize)
    let outer = current
    defer {
      context.pointee.node = node
      context.pointee.proximityPosition = position
      context.pointee.contextSize = size
      current = outer
    }
    context.pointee.node = tree.nodes[index].element
    context.pointee.proximityPosition = 1
    context.pointee.contextSize = 1
    current = tree.nodes[index].element
    guard let object = xmlXPathEval(text, context) else {
      throw GeneratorError("libxml2 cannot evaluate \(text)")
    }
    return object
  }

  private func opened() throws(GeneratorError) -> xmlXPathContextPtr {
    if let context { return context }
    guard let context = xmlXPathNewContext(tree.document) else { throw GeneratorError("libxml2 has no memory") }
    self.context = context
    tree.conditions.register(in: context)
    context.pointee.userData = Unmanaged.passUnretained(self).toOpaque()
    for (name, function) in Self.functions { xmlXPathRegisterFunc(context, name, function) }
    return context
  }

  // MARK: RFC 7950 section 10

  private static let functions: [(String, @convention(c) (xmlXPathParserContextPtr?, Int32) -> Void)] = [
    (
      "current",
      { parser, _ in
        guard let (evaluator, parser) = XPathEvaluator.of(parser), let current = evaluator.current else { return }
        valuePush(parser, xmlXPathNewNodeSet(current))
      }
    ),
    (
      "deref",
      { parser, _ in
        guard let (evaluator, parser) = XPathEvaluator.of(parser) else { return }
        let result = xmlXPathNewNodeSet(nil)
        if let node = evaluator.popNodes(parser).first, let nodes = try? evaluator.tree.references(of: node) {
          for node in nodes { xmlXPathNodeSetAdd(result?.pointee.nodesetval, evaluator.tree.nodes[node].element) }
        }
        valuePush(parser, result)
      }
    ),
    (
      "re-match",
      { parser, _ in
        guard let (evaluator, parser) = XPathEvaluator.of(parser) else { return }
        let pattern = evaluator.popText(parser)
        let subject = evaluator.popText(parser)
        valuePush(parser, xmlXPathNewBoolean(Pattern(expression: pattern)?.accepts(subject) == true ? 1 : 0))
      }
    ),
    ("derived-from", { parser, _ in XPathEvaluator.derived(parser, orSelf: false) }),
    ("derived-from-or-self", { parser, _ in XPathEvaluator.derived(parser, orSelf: true) }),
    (
      "enum-value",
      { parser, _ in
        guard let (evaluator, parser) = XPathEvaluator.of(parser) else { return }
        let node = evaluator.popNodes(parser).first.map { evaluator.tree.nodes[$0] }
        let found = node?.schema.type?.valueType.enums.first { $0.name == node?.scalar?.text }
        valuePush(parser, xmlXPathNewFloat(found.map { Double($0.value) } ?? .nan))
      }
    ),
    (
      "bit-is-set",
      { parser, _ in
        guard let (evaluator, parser) = XPathEvaluator.of(parser) else { return }
        let bit = evaluator.popText(parser)
        let text = evaluator.popNodes(parser).first.flatMap { evaluator.tree.nodes[$0].scalar?.text } ?? ""
        valuePush(parser, xmlXPathNewBoolean(text.split(separator: " ").contains { $0 == bit } ? 1 : 0))
      }
    ),
  ]

  private static func derived(_ parser: xmlXPathParserContextPtr?, orSelf: Bool) {
    guard let (evaluator, parser) = of(parser) else { return }
    let name = evaluator.popText(parser)
    let nodes = evaluator.popNodes(parser)
    let conditions = evaluator.tree.conditions
    let holds = conditions.identity(named: name).map { base in
      nodes.contains { node in
        guard let scalar = evaluator.tree.nodes[node].scalar, scalar.base == .identityref,
          let identity = conditions.identity(named: scalar.text)
        else { return false }
        return identity.ancestors.contains(base) || orSelf && identity == base
      }
    }
    valuePush(parser, xmlXPathNewBoolean(holds == true ? 1 : 0))
  }

  private static func of(
    _ parser: xmlXPathParserContextPtr?
  ) -> (evaluator: XPathEvaluator, parser: xmlXPathParserContextPtr)? {
    guard let parser, let data = parser.pointee.context?.pointee.userData else { return nil }
    return (Unmanaged<XPathEvaluator>.fromOpaque(data).takeUnretainedValue(), parser)
  }

  private func popNodes(_ parser: xmlXPathParserContextPtr) -> [Int] {
    guard let object = valuePop(parser) else { return [] }
    defer { xmlXPathFreeObject(object) }
    return nodes(of: object)
  }

  private func popText(_ parser: xmlXPathParserContextPtr) -> String {
    guard let object = xmlXPathConvertString(valuePop(parser)) else { return "" }
    defer { xmlXPathFreeObject(object) }
    return object.pointee.stringval.map { String(cString: $0) } ?? ""
  }
}
