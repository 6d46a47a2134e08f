// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibXML2

/// Takes the events of one element's content.
///
/// Handlers stand on a stack in the tokenizer: the one on top gets the events; `XMLAction.enter` puts another one on
/// top for the content of an element. Whatever a handler throws ends the parsing of the document.
public protocol XMLHandler: AnyObject {
  /// An element begins. The tag is valid during the call only.
  func startElement(_ tag: XMLTag) throws(XMLError) -> XMLAction
  /// A piece of text in the innermost element, white space included, valid during the call only. The text of one
  /// element may come in many pieces; a character is never cut.
  func characters(_ text: UnsafeBufferPointer<UInt8>) throws(XMLError)
  /// The innermost element that `startElement` did not skip has ended; for one that another handler was entered for,
  /// after that one's `finish`.
  func endElement() throws(XMLError)
  /// The element whose content this handler was entered for has ended: this is the last call.
  func finish() throws(XMLError)
}

extension XMLHandler {
  public func characters(_ text: UnsafeBufferPointer<UInt8>) throws(XMLError) {}
  public func finish() throws(XMLError) {}
}

/// What is to become of an element.
public enum XMLAction {
  /// Its content comes to the same handler.
  case descend
  /// Its content goes to another handler, from the next event to the element's end.
  case enter(any XMLHandler)
  /// No event of its content, nor its end, is handed on.
  case skip
}

/// A start tag, valid during the event only.
///
/// Names and namespaces are pointers into the tokenizer's dictionary: equal ones have equal addresses, as long as the
/// tokenizer lives and is not reset.
public struct XMLTag {
  /// The local name, ended by a zero byte.
  public let name: UnsafePointer<UInt8>
  /// The namespace, ended by a zero byte; nil for none.
  public let namespace: UnsafePointer<UInt8>?
  /// The prefix as written; nil for none.
  public let prefix: UnsafePointer<UInt8>?
  public let attributeCount: Int
  let declarationCount: Int
  /// Pairs of prefix (nil for none) and namespace that this tag declares.
  let declarations: UnsafeMutablePointer<UnsafePointer<UInt8>?>?
  let attributes: UnsafeMutablePointer<UnsafePointer<UInt8>?>?
  let tokenizer: UnsafeMutableRawPointer?

  public var nameText: String { String(cString: name) }
  public var namespaceText: String? { namespace.map { String(cString: $0) } }

  /// Whether the element has this name in this namespace.
  public func isNamed(_ name: StaticString, in namespace: StaticString) -> Bool {
    guard let own = self.namespace else { return false }
    return equals(self.name, name) && equals(own, namespace)
  }

  /// One attribute; namespace declarations are not among them.
  public struct Attribute {
    public let name: UnsafePointer<UInt8>
    public let namespace: UnsafePointer<UInt8>?
    /// The prefix as written; nil for none.
    public let prefix: UnsafePointer<UInt8>?
    /// Entities and character references are replaced.
    public let value: UnsafeBufferPointer<UInt8>

    public var nameText: String { String(cString: name) }
    public var namespaceText: String? { namespace.map { String(cString: $0) } }
    public var valueText: String { String(decoding: value, as: UTF8.self) }

    public func isNamed(_ name: StaticString, in namespace: StaticString?) -> Bool {
      guard equals(self.name, name) else { return false }
      guard let namespace else { return self.namespace == nil }
      return self.namespace.map { equals($0, namespace) } ?? false
    }
  }

  public func attribute(at index: Int) -> Attribute? {
    guard index >= 0, index < attributeCount, let attributes else { return nil }
    let fields = attributes + 5 * index
    guard let name = fields[0], let start = fields[3], let end = fields[4] else { return nil }
    return Attribute(
      name: name, namespace: fields[2], prefix: fields[1], value: UnsafeBufferPointer(start: start, count: end - start))
  }

  /// The attribute of that name and namespace (nil for an attribute without prefix).
  public func attribute(_ name: StaticString, in namespace: StaticString? = nil) -> Attribute? {
    for index in 0..<attributeCount {
      if let attribute = attribute(at: index), attribute.isNamed(name, in: namespace) { return attribute }
    }
    return nil
  }

  /// The namespace that a prefix (empty: no prefix) stands for here.
  public func namespace(forPrefix prefix: String) -> String? {
    XMLTokenizer.from(tokenizer)?.namespace(forPrefix: prefix)
  }
}

func equals(_ text: UnsafePointer<UInt8>, _ constant: StaticString) -> Bool {
  constant.withUTF8Buffer { buffer in
    for (index, byte) in buffer.enumerated() where text[index] != byte { return false }
    return text[buffer.count] == 0
  }
}
