// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import YANG

/// Writes leafs and whole small subtrees as XML.
struct LeafWriter {
  let encoding: XMLEncoding
  /// Encodes secrets as their types ask for; without one they show as `SchemaType.hiddenSecret`.
  let sealer: Sealer?

  /// Appends one element with a value.
  func append(_ value: Value, of leaf: SchemaNode, declaring: Bool, to output: inout [UInt8]) {
    if value.needsNamespaces { return appendWithNamespaces(value, of: leaf, declaring: declaring, to: &output) }
    encoding.appendStart(leaf, declaring: declaring, to: &output)
    appendText(value, of: leaf, to: &output)
    encoding.appendEnd(leaf, to: &output)
  }

  private func appendText(_ value: Value, of leaf: SchemaNode, to output: inout [UInt8]) {
    switch value {
    case .string(let text): appendString(text, to: &output)
    case .uint, .int, .boolean, .empty, .decimal64, .binary:
      leaf.type?.append(canonical: value, to: &output, sealer: sealer, prefix: { _ in "" })
    default:
      var text: [UInt8] = []
      leaf.type?.append(canonical: value, to: &text, sealer: sealer, prefix: { _ in "" })
      text.withUnsafeBufferPointer { appendXMLEscaped($0, to: &output, inAttribute: false) }
    }
  }

  private func appendString(_ text: String, to output: inout [UInt8]) {
    var text = text
    text.withUTF8 { appendXMLEscaped($0, to: &output, inAttribute: false) }
  }

  /// The text of a value that names modules, and the prefixes in it, which are to be declared at its element.
  static func namespacedText(
    _ value: Value, of leaf: SchemaNode, sealer: Sealer?
  ) -> (text: [UInt8], declared: [(prefix: String, module: Module)]) {
    var declared: [(prefix: String, module: Module)] = []
    var text: [UInt8] = []
    leaf.type?.append(canonical: value, to: &text, sealer: sealer) { module in
      // An identity of the element's own module needs no prefix: the default namespace is the right one.
      if case .identity = value.withoutUnion, module === leaf.module { return "" }
      if let known = declared.first(where: { $0.module === module }) { return known.prefix }
      var prefix = module.prefix
      while declared.contains(where: { $0.prefix == prefix }) { prefix += "x" }
      declared.append((prefix, module))
      return prefix
    }
    return (text, declared)
  }

  /// A value that names modules: their namespaces are declared at the element.
  private func appendWithNamespaces(_ value: Value, of leaf: SchemaNode, declaring: Bool, to output: inout [UInt8]) {
    let (text, declared) = Self.namespacedText(value, of: leaf, sealer: sealer)
    encoding.appendStart(leaf, declaring: declaring, to: &output)
    output.removeLast()
    for declaration in declared {
      output += Array(" xmlns:\(declaration.prefix)=\"".utf8)
      Array(declaration.module.namespace.utf8).withUnsafeBufferPointer {
        appendXMLEscaped($0, to: &output, inAttribute: true)
      }
      output.append(UInt8(ascii: "\""))
    }
    output.append(UInt8(ascii: ">"))
    text.withUnsafeBufferPointer { appendXMLEscaped($0, to: &output, inAttribute: false) }
    encoding.appendEnd(leaf, to: &output)
  }

  /// Appends the captured content of an anydata or anyxml.
  func append(_ content: AnyContent, of node: SchemaNode, declaring: Bool, to output: inout [UInt8]) {
    encoding.appendStart(node, declaring: declaring, to: &output)
    switch content.form {
    case .xml: output.append(contentsOf: content.text.utf8)
    case .json: output.append(contentsOf: AnyConversion(schema: encoding.schema).xml(fromJSON: content.text).utf8)
    }
    encoding.appendEnd(node, to: &output)
  }

  /// The longest list, and about the most bytes, that are written without a pause.
  private static let maximumEntries = 32
  static let maximumBytes = 65_536

  /// Appends a whole container or entry. False, with part of it appended, when there is too much in it for one go: a
  /// long list, or more than takes the output beyond `end`.
  func appendWhole(_ node: InteriorNode, declaring: Bool, end: Int, to output: inout [UInt8]) -> Bool {
    let schema = node.schema
    encoding.appendStart(schema, declaring: declaring, to: &output)
    let slots = node.slots
    for index in 0..<slots.count {
      let slot = slots[index]
      let child = schema.dataChildren[Int(slot.position)]
      let declaring = child.module !== schema.module
      switch slot.node {
      case .leaf(let value): append(value, of: child, declaring: declaring, to: &output)
      case .leafList(let values):
        guard values.count <= Self.maximumEntries else { return false }
        for value in values { append(value, of: child, declaring: declaring, to: &output) }
      case .container(let below):
        guard appendWhole(below, declaring: declaring, end: end, to: &output) else { return false }
      case .list(let entries):
        guard entries.count <= Self.maximumEntries else { return false }
        for entry in entries {
          guard appendWhole(entry, declaring: declaring, end: end, to: &output) else { return false }
        }
      case .any(let content): append(content, of: child, declaring: declaring, to: &output)
      }
    }
    encoding.appendEnd(schema, to: &output)
    return output.count <= end
  }
}

extension Value {
  fileprivate var needsNamespaces: Bool {
    switch self {
    case .identity, .instanceIdentifier: true
    case .union(_, let value): value.needsNamespaces
    default: false
    }
  }
}
