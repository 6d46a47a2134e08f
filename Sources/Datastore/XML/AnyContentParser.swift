// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Writes down the content of an anydata or anyxml as it came, with the namespaces that are in scope around it declared
/// at its outermost elements.
final class AnyContentParser: XMLHandler {
  private unowned let parser: DataParser
  private unowned let tokenizer: XMLTokenizer
  private let limit: Int
  private var xml: [UInt8] = []
  private var open: [[UInt8]] = []

  init(parser: DataParser, tokenizer: XMLTokenizer, limit: Int) {
    self.parser = parser
    self.tokenizer = tokenizer
    self.limit = limit
  }

  func startElement(_ tag: XMLTag) throws(XMLError) -> XMLAction {
    let name = Self.qualified(tag.prefix, tag.name)
    xml.append(UInt8(ascii: "<"))
    xml.append(contentsOf: name)
    if open.isEmpty {
      // The last declaration of a prefix is the one that counts.
      var declared: [String: String] = [:]
      for scope in tokenizer.namespacesInScope() { declared[scope.prefix] = scope.namespace }
      for (prefix, namespace) in declared.sorted(by: { $0.key < $1.key }) where !(prefix.isEmpty && namespace.isEmpty) {
        declare(prefix, Array(namespace.utf8))
      }
    } else if let declarations = tag.declarations {
      for index in 0..<tag.declarationCount {
        let prefix = declarations[2 * index].map { String(cString: $0) } ?? ""
        declare(prefix, declarations[2 * index + 1].map { Array(String(cString: $0).utf8) } ?? [])
      }
    }
    for index in 0..<tag.attributeCount {
      guard let attribute = tag.attribute(at: index) else { continue }
      xml.append(UInt8(ascii: " "))
      xml.append(contentsOf: Self.qualified(attribute.prefix, attribute.name))
      writeValue(attribute.value)
    }
    xml.append(UInt8(ascii: ">"))
    open.append(name)
    try checkSize()
    return .descend
  }

  func characters(_ text: UnsafeBufferPointer<UInt8>) throws(XMLError) {
    appendXMLEscaped(text, to: &xml, inAttribute: false)
    try checkSize()
  }

  func endElement() throws(XMLError) {
    guard let name = open.popLast() else { return }
    xml.append(contentsOf: Array("</".utf8))
    xml.append(contentsOf: name)
    xml.append(UInt8(ascii: ">"))
  }

  func finish() throws(XMLError) {
    parser.take(AnyContent(xml: String(decoding: xml, as: UTF8.self)))
  }

  private func declare(_ prefix: String, _ namespace: [UInt8]) {
    xml.append(contentsOf: Array((prefix.isEmpty ? " xmlns" : " xmlns:\(prefix)").utf8))
    namespace.withUnsafeBufferPointer { writeValue($0) }
  }

  private func writeValue(_ value: UnsafeBufferPointer<UInt8>) {
    xml.append(contentsOf: Array("=\"".utf8))
    appendXMLEscaped(value, to: &xml, inAttribute: true)
    xml.append(UInt8(ascii: "\""))
  }

  private func checkSize() throws(XMLError) {
    guard xml.count <= limit else {
      throw XMLError(
        .tooBig, line: tokenizer.line, column: tokenizer.column, message: "an anydata is longer than \(limit) bytes")
    }
  }

  private static func qualified(_ prefix: UnsafePointer<UInt8>?, _ name: UnsafePointer<UInt8>) -> [UInt8] {
    let local = Array(String(cString: name).utf8)
    guard let prefix else { return local }
    return Array(String(cString: prefix).utf8) + [UInt8(ascii: ":")] + local
  }
}
