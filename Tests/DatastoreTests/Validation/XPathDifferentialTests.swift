// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibXML2
import Foundation
import Testing
import YANG

@testable import Datastore

/// Random expressions on random trees have the value that libxml2 gives them.
///
/// The schema has nothing that only YANG knows (defaults, non-presence containers, identities), and one top-level node,
/// so that a tree and its XML document are the same to an expression.
@Suite struct XPathDifferentialTests {
  static let module = """
    module x { yang-version 1.1; namespace "urn:x"; prefix x;
      container top { presence p; leaf t { type string; } leaf n { type int32; } leaf-list l { type string; ordered-by user; }
        list a { key k; ordered-by user; leaf k { type string; } leaf v { type int32; }
          list b { key "i j"; ordered-by user; leaf i { type int32; } leaf j { type string; } leaf v { type int32; }
            container c { presence p; leaf v { type int32; } leaf-list l { type string; ordered-by user; } } } }
        container d { presence p; leaf k { type string; } container e { presence p; leaf v { type int32; } leaf k { type string; } } } }
    }
    """

  @Test func agreesWithLibxml2() throws {
    let rounds = ProcessInfo.processInfo.environment["AGENTD_LONG"] == "1" ? 200_000 : 6000
    let seed = UInt64.random(in: 0...UInt64.max)
    print("XPath against libxml2: seed \(seed)")
    let fixture = try ConfigurationFixture(Self.module)
    let table = ConstraintTable(schema: fixture.schema)
    let module = try #require(fixture.schema.module(named: "x"))
    var maker = RandomConfiguration(schema: fixture.schema, random: SeededRandom(seed))
    var tree = InteriorNode(schema: fixture.schema.root)
    var document: Document?
    var differences = 0
    for round in 0..<rounds {
      if round % 40 == 0 {
        for _ in 0..<40 { tree = maker.changed(tree) }
        document = tree.isEmpty ? nil : Document(Self.xml(tree))
      }
      guard let document else { continue }
      let expression = ExpressionMaker(random: maker.random).make(&maker.random)
      // libxml2 2.9 takes "//." for "//self::node()" without the node it starts from.
      if expression.contains("//.") { continue }
      let place = Int.random(in: 0..<document.elements.count, using: &maker.random)
      let root = XPathNode(root: tree)
      let node = Self.elements(root, table.library.implicit)[place]
      let parsed = try XPath.parse(expression, defaultModule: module, resolvePrefix: { $0 == "x" ? module : nil })
      var compiler = XPathCompiler(library: table.library, context: node.schema)
      let operation = compiler.compile(parsed, in: compiler.initial).operation
      func context() -> XPathContext {
        XPathContext(node: node, environment: XPathEnvironment(current: node, implicit: table.library.implicit))
      }
      let value = operation.evaluate(context())
      let ours = Self.describe(value)
      let theirs = document.evaluate(expression, at: place)
      var same = ours == theirs
      // However the value is asked for, it is the same.
      same = same && operation.boolean(context()) == value.boolean && operation.string(context()) == value.string
      if !same {
        Issue.record(
          "seed \(seed), round \(round): \(expression) at \(node.path) in \(Self.xml(tree)): \(ours), not \(theirs)")
        differences += 1
        if differences > 3 { return }
      }
    }
  }

  /// The elements of a tree in document order, the root first.
  static func elements(_ root: XPathNode, _ implicit: ImplicitNodes) -> [XPathNode] {
    let environment = XPathEnvironment(current: root, implicit: implicit)
    var result = [root]
    _ = XPathAxes.descendants(of: root, environment) {
      if case .text = $0.content {} else { result.append($0) }
      return false
    }
    return result
  }

  static func describe(_ value: XPathValue) -> String {
    switch value {
    case .nodes(let nodes):
      "nodes "
        + nodes.map { node in
          if case .text = node.content { return "text:\(node.stringValue)" }
          return "\(node.schema.name):\(node.stringValue)"
        }.joined(separator: "|")
    case .string(let text): "string \(text)"
    case .number(let number): Self.describe(number)
    case .boolean(let flag): "boolean \(flag)"
    }
  }

  /// Without the signs of zero and of what is no number.
  static func describe(_ number: Double) -> String {
    number.isNaN ? "number NaN" : "number \(number == 0 ? 0 : number)"
  }

  static func xml(_ node: InteriorNode) -> String {
    func element(_ schema: SchemaNode, _ content: String) -> String {
      let declaration = schema.dataParent?.kind == .root ? " xmlns:x='urn:x'" : ""
      return "<x:\(schema.name)\(declaration)>\(content)</x:\(schema.name)>"
    }
    return node.slots.map { slot in
      let child = node.schema.dataChildren[Int(slot.position)]
      switch slot.node {
      case .leaf(let value): return element(child, value.xpathText)
      case .leafList(let values): return values.map { element(child, $0.xpathText) }.joined()
      case .container(let inner): return element(child, xml(inner))
      case .list(let entries): return entries.map { element(child, xml($0)) }.joined()
      case .any: return ""
      }
    }.joined()
  }

  /// A document of libxml2.
  final class Document {
    private let document: xmlDocPtr
    private let context: xmlXPathContextPtr
    private(set) var elements: [xmlNodePtr] = []

    init?(_ text: String) {
      guard let document = xmlReadMemory(text, Int32(text.utf8.count), nil, nil, 0),
        let context = xmlXPathNewContext(document)
      else { return nil }
      self.document = document
      self.context = context
      xmlXPathRegisterNs(context, "x", "urn:x")
      func collect(_ node: xmlNodePtr) {
        elements.append(node)
        var child = node.pointee.children
        while let next = child {
          if next.pointee.type == XML_ELEMENT_NODE { collect(next) }
          child = next.pointee.next
        }
      }
      elements.append(UnsafeMutableRawPointer(document).assumingMemoryBound(to: xmlNode.self))
      if let root = xmlDocGetRootElement(document) { collect(root) }
    }

    deinit {
      xmlXPathFreeContext(context)
      xmlFreeDoc(document)
    }

    func evaluate(_ expression: String, at place: Int) -> String {
      context.pointee.node = elements[place]
      context.pointee.proximityPosition = 1
      context.pointee.contextSize = 1
      guard let object = xmlXPathEval(expression, context) else { return "error" }
      defer { xmlXPathFreeObject(object) }
      switch object.pointee.type {
      case XPATH_NODESET:
        let count = object.pointee.nodesetval.map { Int($0.pointee.nodeNr) } ?? 0
        let nodes = (0..<count).compactMap { object.pointee.nodesetval?.pointee.nodeTab[$0] }
        return "nodes " + nodes.map(Self.describe).joined(separator: "|")
      case XPATH_STRING: return "string \(String(cString: object.pointee.stringval))"
      case XPATH_NUMBER: return XPathDifferentialTests.describe(object.pointee.floatval)
      case XPATH_BOOLEAN: return "boolean \(object.pointee.boolval != 0)"
      default: return "another type"
      }
    }

    private static func describe(_ node: xmlNodePtr) -> String {
      let content = xmlNodeGetContent(node).map { text in
        defer { free(text) }
        return String(cString: text)
      }
      switch node.pointee.type {
      case XML_TEXT_NODE: return "text:\(content ?? "")"
      case XML_DOCUMENT_NODE: return ":\(content ?? "")"
      default: return "\(String(cString: node.pointee.name)):\(content ?? "")"
      }
    }
  }
}

/// Writes random expressions over the names of the schema above.
private struct ExpressionMaker {
  private var random: SeededRandom

  init(random: SeededRandom) { self.random = random }

  func make(_ outer: inout SeededRandom) -> String {
    var maker = self
    defer { outer = maker.random }
    return maker.any(3)
  }

  private mutating func pick(_ choices: [String]) -> String { choices.randomElement(using: &random) ?? "" }
  private mutating func number(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }

  private mutating func any(_ depth: Int) -> String {
    switch number(5) {
    case 0: return set(depth)
    case 1: return text(depth)
    case 2: return numeric(depth)
    default: return flag(depth)
    }
  }

  private mutating func set(_ depth: Int) -> String {
    guard depth > 0 else { return pick(["x:v", "x:k", "..", ".", "x:a", "//x:v", "/x:top", "x:l"]) }
    switch number(8) {
    case 0: return "(\(set(depth - 1)) | \(set(depth - 1)))"
    case 1: return "(\(set(depth - 1)))[\(any(depth - 1))]"
    case 2: return "(\(set(depth - 1)))/\(step(depth - 1))"
    case 3: return "(\(set(depth - 1)))//\(step(depth - 1))"
    default:
      let start = pick(["", "", "/", "//", "../", "./", "../../", "/x:top/x:a/", ".//"])
      return start + (0...number(3)).map { _ in step(depth - 1) }.joined(separator: number(6) == 0 ? "//" : "/")
    }
  }

  private mutating func step(_ depth: Int) -> String {
    if number(6) == 0 { return pick(["..", "."]) }
    let axis = pick([
      "", "", "", "", "", "", "child::", "descendant::", "descendant-or-self::", "ancestor::", "ancestor-or-self::",
      "parent::",
      "self::", "following-sibling::", "preceding-sibling::", "following::", "preceding::",
    ])
    var result =
      axis + pick(["x:a", "x:b", "x:v", "x:k", "x:c", "x:d", "x:e", "x:l", "x:i", "*", "node()", "text()", "x:*"])
    for _ in 0..<[0, 0, 0, 1, 1, 2][number(6)] where depth > 0 {
      let keys = ["x:k='\(pick(["a", "b"]))'", "x:i=1", "x:j='a'", "x:i='1'"]
      switch number(4) {
      case 0: result += "[\(pick(["1", "2", "last()", "position() = 2", "position() > 1", "last() - 1"]))]"
      case 1: result += "[\(keys[number(4)])]"
      case 2: result += "[x:i='\(number(4))'][x:j='\(pick(["a", "b", "c"]))']"
      default: result += "[\(any(depth - 1))]"
      }
    }
    return result
  }

  private mutating func text(_ depth: Int) -> String {
    guard depth > 0 else { return pick(["'a'", "'b'", "''", "'1'", "' 2 '", "'ab'", "\"c\""]) }
    switch number(12) {
    case 0: return "string(\(any(depth - 1)))".replacingNumbers
    case 1: return "concat(\(text(depth - 1)), \(text(depth - 1)))"
    case 2: return "substring-before(\(text(depth - 1)), \(text(0)))"
    case 3: return "substring-after(\(text(depth - 1)), \(text(0)))"
    case 4: return "substring(\(text(depth - 1)), \(numeric(0)), \(numeric(0)))"
    case 5: return "normalize-space(\(text(depth - 1)))"
    case 6: return "translate(\(text(depth - 1)), 'abc', 'x')"
    case 7: return "local-name(\(set(depth - 1)))"
    case 8: return "name(\(set(depth - 1)))"
    case 9: return "string()"
    case 10: return "string(\(set(depth - 1)))"
    default: return pick(["'a'", "'b1'", "' a  b '"])
    }
  }

  private mutating func numeric(_ depth: Int) -> String {
    guard depth > 0 else { return pick(["0", "1", "2", "3", "-1", "1.5", "0.5", "position()", "last()"]) }
    switch number(10) {
    case 0: return "(\(numeric(depth - 1)) \(pick(["+", "-", "*", "div", "mod"])) \(numeric(depth - 1)))"
    case 1: return "-\(numeric(depth - 1))"
    case 2: return "count(\(set(depth - 1)))"
    case 3: return "sum(\(set(depth - 1)))"
    case 4: return "string-length(\(text(depth - 1)))"
    case 5: return "\(pick(["floor", "ceiling", "round"]))(\(numeric(depth - 1)))"
    case 6: return "number(\(any(depth - 1)))"
    case 7: return "number()"
    default: return pick(["1", "2", "position()"])
    }
  }

  private mutating func flag(_ depth: Int) -> String {
    guard depth > 0 else { return pick(["true()", "false()"]) }
    switch number(9) {
    case 0: return "(\(any(depth - 1)) and \(any(depth - 1)))"
    case 1: return "(\(any(depth - 1)) or \(any(depth - 1)))"
    case 2: return "not(\(any(depth - 1)))"
    case 3: return "boolean(\(any(depth - 1)))"
    case 4: return "contains(\(text(depth - 1)), \(text(0)))"
    case 5: return "starts-with(\(text(depth - 1)), \(text(0)))"
    default:
      return "(\(any(depth - 1)) \(pick(["=", "!=", "<", "<=", ">", ">=", "="])) \(any(depth - 1)))"
    }
  }
}

extension String {
  /// Numbers as text are compared apart: libxml2 rounds them to fewer digits.
  fileprivate var replacingNumbers: String { "boolean(\(self))" }
}
