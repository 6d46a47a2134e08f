// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibXML2
import YANG

/// A document as a tree of libxml2, with the nodes that expressions see beside those that are written: non-presence
/// containers, and leafs and leaf-lists whose default is in use (RFC 7950 section 6.4.1).
///
/// Made to be obviously right, not to be fast. Conditions are evaluated by libxml2.
final class AccessibleTree {
  struct Node {
    let schema: SchemaNode
    let parent: Int
    /// Where it stands in the document; nil for what is implicit.
    let path: [Int]?
    let scalar: Scalar?
    let element: xmlNodePtr
  }

  let schema: Schema
  let conditions: ConditionTexts
  let document: xmlDocPtr
  /// Index 0 is the root.
  private(set) var nodes: [Node] = []
  private var below: [[Int]] = []
  private var namespaces: [String: xmlNsPtr] = [:]
  private var madeEvaluator: XPathEvaluator?
  var evaluator: XPathEvaluator {
    if let madeEvaluator { return madeEvaluator }
    let made = XPathEvaluator(self)
    madeEvaluator = made
    return made
  }

  /// - Throws: when libxml2 has no memory.
  init(_ root: Instance, schema: Schema, conditions: ConditionTexts) throws(GeneratorError) {
    self.schema = schema
    self.conditions = conditions
    guard let document = xmlNewDoc(nil) else { throw GeneratorError("libxml2 has no memory") }
    self.document = document
    let top = UnsafeMutableRawPointer(document).assumingMemoryBound(to: xmlNode.self)
    nodes.append(Node(schema: root.schema, parent: -1, path: [], scalar: nil, element: top))
    below.append([])
    for (index, child) in root.children.enumerated() { try add(child, below: 0, at: [index]) }
    try addImplicit()
  }

  deinit {
    madeEvaluator?.close()
    xmlFreeDoc(document)
    for namespace in namespaces.values { xmlFreeNs(namespace) }
  }

  /// The node that an element of the tree stands for; nil for one that has been taken out.
  func index(of element: xmlNodePtr) -> Int? {
    let top = UnsafeMutableRawPointer(document).assumingMemoryBound(to: xmlNode.self)
    return element == top ? 0 : Int(bitPattern: element.pointee._private)
  }

  /// The nodes below, in no particular order.
  func children(of index: Int) -> [Int] { below[index] }

  /// The nodes below each node.
  var childTable: [[Int]] { below }

  // MARK: Building

  private func add(_ instance: Instance, below parent: Int, at path: [Int]) throws(GeneratorError) {
    let index = try add(instance.schema, scalar: instance.scalar, below: parent, at: path)
    for (place, child) in instance.children.enumerated() { try add(child, below: index, at: path + [place]) }
  }

  @discardableResult
  private func add(
    _ schema: SchemaNode, scalar: Scalar?, below parent: Int, at path: [Int]?
  ) throws(GeneratorError) -> Int {
    guard let element = xmlNewDocNode(document, namespace(schema.module), schema.name, nil) else {
      throw GeneratorError("libxml2 has no memory")
    }
    if let scalar, !scalar.text.isEmpty, let text = xmlNewDocText(document, scalar.text) { xmlAddChild(element, text) }
    element.pointee._private = UnsafeMutableRawPointer(bitPattern: nodes.count)
    place(element, schema, below: nodes[parent].element)
    nodes.append(Node(schema: schema, parent: parent, path: path, scalar: scalar, element: element))
    below[parent].append(nodes.count - 1)
    below.append([])
    return nodes.count - 1
  }

  /// Among its siblings in the order of the schema, behind those of its own schema node.
  private func place(_ element: xmlNodePtr, _ schema: SchemaNode, below parent: xmlNodePtr) {
    var sibling = parent.pointee.children
    while let next = sibling {
      if let index = index(of: next), nodes[index].schema.position > schema.position {
        xmlAddPrevSibling(next, element)
        return
      }
      sibling = next.pointee.next
    }
    xmlAddChild(parent, element)
  }

  private func namespace(_ module: Module) -> xmlNsPtr? {
    if let known = namespaces[module.namespace] { return known }
    guard let made = xmlNewNs(nil, module.namespace, nil) else { return nil }
    namespaces[module.namespace] = made
    return made
  }

  // MARK: What is implicit

  private func addImplicit() throws(GeneratorError) {
    var conditional: [(child: SchemaNode, parent: Int)] = []
    var next = 0
    // New containers come to the end and are looked at in their turn.
    while next < nodes.count {
      conditional += try addUnconditional(below: next)
      next += 1
    }
    // A default can make a condition true: around until nothing comes any more.
    var hasChanged = true
    while hasChanged {
      hasChanged = false
      for (place, candidate) in conditional.enumerated().reversed() {
        guard isActive(candidate.child, below: candidate.parent),
          try whensHold(ofMissing: candidate.child, below: candidate.parent)
        else { continue }
        conditional.remove(at: place)
        let first = nodes.count
        try addInstances(of: candidate.child, below: candidate.parent)
        var added = first
        while added < nodes.count {
          conditional += try addUnconditional(below: added)
          added += 1
        }
        hasChanged = true
        break
      }
    }
  }

  /// Adds what needs no condition; gives back what does.
  private func addUnconditional(below index: Int) throws(GeneratorError) -> [(child: SchemaNode, parent: Int)] {
    let node = nodes[index]
    guard node.schema.isInterior else { return [] }
    var conditional: [(child: SchemaNode, parent: Int)] = []
    let present = Set(children(of: index).map { nodes[$0].schema })
    for child in node.schema.dataChildren where child.isConfig && !present.contains(child) {
      guard child.kind == .container && !child.hasPresence || !child.defaults.isEmpty else { continue }
      guard isActive(child, below: index) else { continue }
      if child.whens.isEmpty {
        try addInstances(of: child, below: index)
      } else {
        conditional.append((child, index))
      }
    }
    return conditional
  }

  private func addInstances(of child: SchemaNode, below parent: Int) throws(GeneratorError) {
    guard let type = child.type else {
      try add(child, scalar: nil, below: parent, at: nil)
      return
    }
    for value in child.defaults {
      let text = type.canonicalText(of: value) { $0.name }
      guard let scalar = Scalar(text, of: type, in: schema) else { continue }
      try add(child, scalar: scalar, below: parent, at: nil)
    }
  }

  /// Whether a child stands in no case of a choice, or in the one that is chosen or the default (section 7.9.3).
  private func isActive(_ child: SchemaNode, below parent: Int) -> Bool {
    let written = children(of: parent).filter { nodes[$0].path != nil }.map { nodes[$0].schema }
    func holds(_ part: SchemaNode) -> Bool {
      part.kind == .choice || part.kind == .case ? part.children.contains(where: holds) : written.contains(part)
    }
    var inner = child
    while let above = inner.parent, above !== child.dataParent {
      if above.kind == .choice {
        let chosen = above.children.first(where: holds) ?? above.defaultCase
        if chosen !== inner { return false }
      }
      inner = above
    }
    return true
  }

  // MARK: Conditions

  /// Whether all `when` conditions of a node hold (section 7.21.5).
  func whensHold(_ index: Int) throws(GeneratorError) -> Bool {
    let node = nodes[index]
    for when in node.schema.whens {
      let context = when.context == .node ? index : node.parent
      guard try evaluator.boolean(when.condition, at: context) else { return false }
    }
    return true
  }

  /// Whether they would hold if the node were there: a dummy takes its place meanwhile.
  func whensHold(ofMissing child: SchemaNode, below parent: Int) throws(GeneratorError) -> Bool {
    if child.whens.isEmpty { return true }
    guard child.kind != .choice && child.kind != .case else {
      for when in child.whens {
        guard try evaluator.boolean(when.condition, at: parent) else { return false }
      }
      return true
    }
    let dummy = try add(child, scalar: nil, below: parent, at: nil)
    defer {
      xmlUnlinkNode(nodes[dummy].element)
      xmlFreeNode(nodes[dummy].element)
      nodes.removeLast()
      below.removeLast()
      below[parent].removeLast()
    }
    return try whensHold(dummy)
  }
}

/// Why a document cannot be made or judged.
public struct GeneratorError: Error, Sendable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}
