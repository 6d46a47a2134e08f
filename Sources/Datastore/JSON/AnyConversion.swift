// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Turns the content of anydata and anyxml from one encoding into the other (RFC 7951 sections 5.5 and 5.6).
///
/// Where the content is data of the schema, its types say how values are written and what is a list. Elsewhere text
/// becomes a string, and elements of one name an array.
struct AnyConversion {
  /// Nil where no schema is at hand.
  let schema: Schema?

  // MARK: XML to JSON

  func json(fromXML text: String) -> JSONValue {
    let root = XMLElementBuilder()
    let tokenizer = XMLTokenizer(handler: root)
    do throws(XMLError) {
      try tokenizer.feed("<content>\(text)</content>".utf8)
      try tokenizer.finish()
    } catch { return .string(text) }
    return root.top.map { value(of: $0, nil, schema?.root) } ?? .literal(.null)
  }

  /// `node` is what the element stands for, if anything; `parent` the namespace of what is around.
  private func value(of element: XMLElement, _ node: SchemaNode?, _ children: SchemaNode?) -> JSONValue {
    if let node, let type = node.type { return leaf(element, node, type) }
    if element.children.isEmpty { return element.text.isEmpty && node != nil ? .object([]) : .string(element.text) }
    var order: [String] = []
    var groups: [String: (node: SchemaNode?, values: [JSONValue])] = [:]
    for child in element.children {
      let module = schema?.module(namespace: child.namespace)
      let childNode = module.flatMap { children?.dataChild(child.name, in: $0) }
      let isQualified = child.namespace != element.namespace || node == nil && element.isTop
      // A namespace of no module stands for itself.
      let name = isQualified ? "\(module?.name ?? child.namespace):\(child.name)" : child.name
      let key = child.namespace.isEmpty ? child.name : name
      if groups[key] == nil {
        order.append(key)
        groups[key] = (childNode, [])
      }
      groups[key]?.values.append(value(of: child, childNode, childNode))
    }
    return .object(
      order.map { name in
        let (node, values) = groups[name] ?? (nil, [])
        let isArray = node.map { $0.kind == .list || $0.kind == .leafList } ?? (values.count > 1)
        return JSONValue.Member(name: name, value: isArray ? .array(values) : values.first ?? .literal(.null))
      })
  }

  private func leaf(_ element: XMLElement, _ node: SchemaNode, _ type: SchemaType) -> JSONValue {
    guard let schema,
      let value = try? type.parse(
        element.text,
        resolvePrefix: { prefix in element.scope[prefix].flatMap { schema.module(namespace: $0) } }, sealer: nil)
    else { return .string(element.text) }
    var sink = ByteSink(capacity: 64)
    JSONLeafWriter.append(value, type, node.module, nil, to: &sink)
    var output: [UInt8] = []
    sink.empty(into: &output)
    return (try? JSONValue.parse(output)) ?? .string(element.text)
  }

  // MARK: JSON to XML

  func xml(fromJSON text: String) -> String {
    guard let value = try? JSONValue.parse(Array(text.utf8)) else { return "" }
    var output: [UInt8] = []
    append(content: value, around: nil, children: schema?.root, to: &output)
    return String(decoding: output, as: UTF8.self)
  }

  private func append(
    content value: JSONValue, around namespace: String?, children: SchemaNode?, to output: inout [UInt8]
  ) {
    switch value {
    case .object(let members):
      for member in members where !member.name.hasPrefix("@") {
        append(member, around: namespace, children: children, to: &output)
      }
    case .array(let items):
      for item in items {
        append(content: item, around: namespace, children: children, to: &output)
      }
    case .literal(.null): break
    default: Array(value.text.utf8).withUnsafeBufferPointer { appendXMLEscaped($0, to: &output, inAttribute: false) }
    }
  }

  private func append(
    _ member: JSONValue.Member, around: String?, children: SchemaNode?, to output: inout [UInt8]
  ) {
    let parts = member.name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let name = parts.last ?? member.name
    guard Identifier.isValid(name) else { return }
    let module = parts.count == 2 ? schema?.module(named: parts[0]) : around.flatMap { schema?.module(namespace: $0) }
    // A module that is not known is told by its name.
    let namespace = parts.count == 2 ? module?.namespace ?? parts[0] : around
    let node = module.flatMap { children?.dataChild(name, in: $0) }
    var items = [member.value]
    if case .array(let several) = member.value, several != [.literal(.null)] { items = several }
    for item in items {
      output.append(contentsOf: "<\(name)".utf8)
      if let namespace, namespace != around { declare(nil, namespace, to: &output) }
      if let node, let schema, let value = leafValue(item, node, schema) {
        let (text, declared) = LeafWriter.namespacedText(value, of: node, sealer: nil)
        for (prefix, module) in declared { declare(prefix, module.namespace, to: &output) }
        output.append(UInt8(ascii: ">"))
        text.withUnsafeBufferPointer { appendXMLEscaped($0, to: &output, inAttribute: false) }
      } else {
        output.append(UInt8(ascii: ">"))
        append(content: item, around: namespace, children: node, to: &output)
      }
      output.append(contentsOf: "</\(name)>".utf8)
    }
  }

  private func declare(_ prefix: String?, _ namespace: String, to output: inout [UInt8]) {
    output.append(contentsOf: " xmlns\(prefix.map { ":\($0)" } ?? "")=\"".utf8)
    Array(namespace.utf8).withUnsafeBufferPointer { appendXMLEscaped($0, to: &output, inAttribute: true) }
    output.append(UInt8(ascii: "\""))
  }

  private func leafValue(_ value: JSONValue, _ node: SchemaNode, _ schema: Schema) -> Value? {
    guard let type = node.type else { return nil }
    let form: JSONForm
    switch value {
    case .string: form = .string
    case .number: form = .number
    case .literal(.yes), .literal(.no): form = .boolean
    case .array([.literal(.null)]): form = .null
    default: return nil
    }
    let text = form == .null ? [] : Array(value.text.utf8)
    return text.withUnsafeBufferPointer { text in
      try? type.parse(
        json: form, utf8: text, resolvePrefix: { $0.isEmpty ? node.module : schema.module(named: $0) }, sealer: nil)
    }
  }
}

/// An element of a document that no schema describes.
private final class XMLElement {
  let name: String
  let namespace: String
  let isTop: Bool
  /// What prefixes stand for in the element.
  let scope: [String: String]
  var children: [XMLElement] = []
  var text = ""

  init(name: String, namespace: String, isTop: Bool, scope: [String: String]) {
    self.name = name
    self.namespace = namespace
    self.isTop = isTop
    self.scope = scope
  }
}

private final class XMLElementBuilder: XMLHandler {
  private(set) var top: XMLElement?
  private var open: [XMLElement] = []

  func startElement(_ tag: XMLTag) throws(XMLError) -> XMLAction {
    var scope = open.last?.scope ?? [:]
    if let declarations = tag.declarations {
      for index in 0..<tag.declarationCount {
        scope[declarations[2 * index].map { String(cString: $0) } ?? ""] =
          declarations[2 * index + 1].map { String(cString: $0) } ?? ""
      }
    }
    let element = XMLElement(
      name: tag.nameText, namespace: tag.namespaceText ?? "", isTop: open.isEmpty, scope: scope)
    open.last?.children.append(element)
    open.append(element)
    if top == nil { top = element }
    return .descend
  }

  func characters(_ text: UnsafeBufferPointer<UInt8>) throws(XMLError) {
    open.last?.text += String(decoding: text, as: UTF8.self)
  }

  func endElement() throws(XMLError) {
    open.removeLast()
  }
}
