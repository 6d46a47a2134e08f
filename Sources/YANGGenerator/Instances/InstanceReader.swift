// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibXML2
import YANG

/// Reads documents and replies back, as plain as they are written.
public struct InstanceReader {
  private let schema: Schema

  public init(schema: Schema) { self.schema = schema }

  /// The children of an element, which has to be the whole document.
  ///
  /// - Parameter path: names of elements that lead from the document's element to the one whose content is read.
  /// - Throws: for what is not well-formed, and for elements that the schema does not have.
  public func read(_ xml: String, below path: [String] = []) throws(GeneratorError) -> Instance {
    guard let document = xmlReadMemory(xml, Int32(xml.utf8.count), nil, nil, Int32(XML_PARSE_HUGE.rawValue)),
      var element = xmlDocGetRootElement(document)
    else { throw GeneratorError("not well-formed: \(xml.prefix(200))") }
    defer { xmlFreeDoc(document) }
    for name in path {
      guard let next = Self.children(element).first(where: { Self.name($0) == name }) else {
        throw GeneratorError("there is no element \(name) in \(xml.prefix(200))")
      }
      element = next
    }
    var root = Instance(schema.root)
    for child in Self.children(element) { root.children.append(try read(child, below: schema.root)) }
    return root
  }

  private func read(_ element: xmlNodePtr, below parent: SchemaNode) throws(GeneratorError) -> Instance {
    let namespace = element.pointee.ns?.pointee.href.map { String(cString: $0) } ?? ""
    let name = Self.name(element)
    guard let module = schema.module(namespace: namespace), let child = parent.dataChild(name, in: module) else {
      throw GeneratorError("\(name) of \(namespace) is not below \(parent.path)")
    }
    var instance = Instance(child)
    if child.kind == .anydata || child.kind == .anyxml {
      instance.content = Self.text(element)
    } else if let type = child.type {
      instance.scalar = scalar(Self.text(element), type, element)
    } else {
      for inner in Self.children(element) { instance.children.append(try read(inner, below: child)) }
    }
    return instance
  }

  /// The text as it is written; where it names modules by prefixes, with their names.
  private func scalar(_ text: String, _ type: SchemaType, _ element: xmlNodePtr) -> Scalar {
    let parsed = Scalar(text, of: type) { prefix in
      let found = xmlSearchNs(element.pointee.doc, element, prefix.isEmpty ? nil : prefix)
      return found?.pointee.href.flatMap { schema.module(namespace: String(cString: $0)) }
    }
    if let parsed, parsed.isQualified { return parsed }
    return Scalar(verbatim: text, base: parsed?.base ?? .string)
  }

  static func children(_ element: xmlNodePtr) -> [xmlNodePtr] {
    var children: [xmlNodePtr] = []
    var next = element.pointee.children
    while let child = next {
      if child.pointee.type == XML_ELEMENT_NODE { children.append(child) }
      next = child.pointee.next
    }
    return children
  }

  static func name(_ element: xmlNodePtr) -> String { element.pointee.name.map { String(cString: $0) } ?? "" }

  /// The text of an element and of all in it.
  static func text(_ element: xmlNodePtr) -> String {
    var text = ""
    var next = element.pointee.children
    while let child = next {
      switch child.pointee.type {
      case XML_TEXT_NODE, XML_CDATA_SECTION_NODE: text += child.pointee.content.map { String(cString: $0) } ?? ""
      case XML_ELEMENT_NODE: text += Self.text(child)
      default: break
      }
      next = child.pointee.next
    }
    return text
  }
}

extension Instance {
  /// One line for each node, in an order that depends on the content alone; where order is data, by place. Two
  /// configurations are equal when their lines are.
  public func lines(hiding isHidden: (SchemaNode) -> Bool = { _ in false }) -> [String] {
    var lines: [String] = []
    append(to: &lines, at: "", isHidden)
    return lines.sorted()
  }

  /// The text in an anydata, without markup and blanks: servers may write it in another way.
  private var plainContent: String {
    var text = ""
    var isMarkup = false
    for character in content ?? "" {
      if character == "<" { isMarkup = true }
      if !isMarkup, !character.isWhitespace { text.append(character) }
      if character == ">" { isMarkup = false }
    }
    return text
  }

  private func append(to lines: inout [String], at path: String, _ isHidden: (SchemaNode) -> Bool) {
    var places: [SchemaNode: Int] = [:]
    for child in children where !(child.schema.isNonPresenceContainer && child.children.isEmpty) {
      let name = child.schema.module.name + ":" + child.schema.name
      let step = "\(path)/\(name)\(child.identity.isEmpty ? "" : "\(child.identity)")"
      let shown = isHidden(child.schema) ? "(hidden)" : child.scalar?.text ?? child.plainContent
      var line = "\(step) = \(JSONText.string(shown))"
      if child.schema.isOrderedByUser {
        places[child.schema, default: 0] += 1
        line += " at \(places[child.schema] ?? 0)"
      }
      lines.append(line)
      child.append(to: &lines, at: step, isHidden)
    }
  }
}
