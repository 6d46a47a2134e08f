// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// The body of a VICI packet: key/values, lists and sections in the order they stand in. Names may repeat, since charon
/// sends one section for each SA and SAs may share a connection's name.
public struct VICIMessage: Sendable, Equatable {
  /// One element of a message or section.
  public enum Element: Sendable, Equatable {
    case value(name: String, [UInt8])
    case list(name: String, [[UInt8]])
    case section(name: String, VICIMessage)
    /// A value that is wiped when the message goes. On the wire it is a value like any other; never made by decoding.
    case secret(name: String, SecretBytes)

    /// The name of any kind of element.
    public var name: String {
      switch self {
      case .value(let name, _), .list(let name, _), .section(let name, _), .secret(let name, _): name
      }
    }

    public static func == (left: Element, right: Element) -> Bool {
      guard left.name == right.name else { return false }
      return switch (left, right) {
      case (.value(_, let left), .value(_, let right)): left == right
      case (.list(_, let left), .list(_, let right)): left == right
      case (.section(_, let left), .section(_, let right)): left == right
      case (.secret(_, let left), .secret(_, let right)): left.isEqual(to: right)
      default: false
      }
    }
  }

  public var elements: [Element]

  public init(_ elements: [Element] = []) { self.elements = elements }

  /// The first value of that name, as text; nil when there is none or it is not UTF-8.
  public subscript(name: String) -> String? {
    for case .value(name, let bytes) in elements { return String(validating: bytes, as: UTF8.self) }
    return nil
  }

  /// The first list of that name, as texts; empty when there is none.
  public func list(_ name: String) -> [String] {
    for case .list(name, let items) in elements { return items.map { String(decoding: $0, as: UTF8.self) } }
    return []
  }

  /// The first section of that name.
  public func section(_ name: String) -> VICIMessage? {
    for case .section(name, let message) in elements { return message }
    return nil
  }

  /// All sections, in order.
  public var sections: [(name: String, message: VICIMessage)] {
    elements.compactMap { element in
      if case .section(let name, let message) = element { (name, message) } else { nil }
    }
  }

  /// Adds a value; numbers and booleans go as charon writes them, in decimal and as yes or no.
  public mutating func add(_ name: String, _ value: String) { elements.append(.value(name: name, Array(value.utf8))) }
  public mutating func add(_ name: String, _ value: Int) { add(name, String(value)) }
  public mutating func add(_ name: String, _ value: Bool) { add(name, value ? "yes" : "no") }
  public mutating func add(_ name: String, _ items: [String]) {
    elements.append(.list(name: name, items.map { Array($0.utf8) }))
  }
  public mutating func add(_ name: String, _ section: VICIMessage) {
    elements.append(.section(name: name, section))
  }
  public mutating func add(_ name: String, _ secret: SecretBytes) {
    elements.append(.secret(name: name, secret))
  }
}

extension VICIMessage: CustomStringConvertible {
  /// Names only: values may be secrets.
  public var description: String {
    elements.map { element in
      switch element {
      case .value(let name, _), .secret(let name, _): name
      case .list(let name, let items): "\(name)[\(items.count)]"
      case .section(let name, let message): "\(name){\(message)}"
      }
    }.joined(separator: " ")
  }
}
