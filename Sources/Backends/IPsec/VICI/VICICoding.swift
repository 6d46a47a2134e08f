// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Limits of the wire format, and ours on what we take from a peer.
public enum VICILimit {
  /// Largest packet charon reads or sends, in bytes.
  public static let packetBytes = 512 * 1024
  /// Longest name, in bytes: its length field has one octet.
  public static let nameBytes = 255
  /// Longest value, in bytes: its length field has two octets.
  public static let valueBytes = 65535
  /// Deepest nesting of sections that we follow; charon's own messages reach four.
  public static let depth = 16
}

/// Element types of the wire format.
private enum Tag: UInt8 {
  case sectionStart = 1
  case sectionEnd, keyValue, listStart, listItem, listEnd
}

extension VICIMessage {
  /// The message in wire format.
  ///
  /// - Throws: `tooLong` when a name or value does not fit its length field, or sections nest too deep.
  public func encoded() throws(VICIError) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(encodedCount)
    try append(to: &bytes)
    return bytes
  }

  /// The number of bytes in wire format. Space is taken once by it, so that growing leaves no copies of secrets behind.
  var encodedCount: Int {
    elements.reduce(0) { count, element in
      let name = 2 + element.name.utf8.count
      return switch element {
      case .value(_, let value): count + name + 2 + value.count
      case .secret(_, let value): count + name + 2 + value.count
      case .list(_, let items): items.reduce(count + name + 1) { $0 + 3 + $1.count }
      case .section(_, let message): count + name + 1 + message.encodedCount
      }
    }
  }

  /// Appends the message in wire format.
  func append(to bytes: inout [UInt8]) throws(VICIError) {
    let start = bytes.count
    try append(to: &bytes, depth: 0)
    let count = bytes.count - start
    guard count <= VICILimit.packetBytes else {
      throw VICIError(.tooLong, "a VICI message of \(count) bytes, the limit is \(VICILimit.packetBytes)")
    }
  }

  private func append(to bytes: inout [UInt8], depth: Int) throws(VICIError) {
    guard depth <= VICILimit.depth else { throw VICIError(.tooLong, "VICI sections nested too deep") }
    for element in elements {
      switch element {
      case .value(let name, let value):
        try bytes.append(.keyValue, name)
        try bytes.append(value: value, of: name)
      case .secret(let name, let secret):
        try bytes.append(.keyValue, name)
        try secret.withUnsafeBytes { (value) throws(VICIError) in try bytes.append(value: value, of: name) }
      case .list(let name, let items):
        try bytes.append(.listStart, name)
        for item in items {
          bytes.append(Tag.listItem.rawValue)
          try bytes.append(value: item, of: name)
        }
        bytes.append(Tag.listEnd.rawValue)
      case .section(let name, let message):
        try bytes.append(.sectionStart, name)
        try message.append(to: &bytes, depth: depth + 1)
        bytes.append(Tag.sectionEnd.rawValue)
      }
    }
  }

  /// Reads a message in wire format.
  ///
  /// - Throws: `malformed` for anything the format does not allow; never reads past the bytes.
  public init(decoding bytes: some Sequence<UInt8>) throws(VICIError) {
    let bytes = Array(bytes)
    var reader = Reader(bytes: bytes[...])
    self = try reader.message(depth: 0)
  }
}

/// Takes elements from the front of the bytes.
private struct Reader {
  var bytes: ArraySlice<UInt8>

  mutating func message(depth: Int) throws(VICIError) -> VICIMessage {
    guard depth <= VICILimit.depth else { throw VICIError(.malformed, "VICI sections nested too deep") }
    var message = VICIMessage()
    while let type = bytes.popFirst() {
      switch Tag(rawValue: type) {
      case .keyValue:
        let name = try name()
        message.elements.append(.value(name: name, try value()))
      case .listStart:
        let name = try name()
        message.elements.append(.list(name: name, try items()))
      case .sectionStart:
        let name = try name()
        message.elements.append(.section(name: name, try self.message(depth: depth + 1)))
      case .sectionEnd where depth > 0:
        return message
      default:
        throw VICIError(.malformed, "VICI element type \(type) cannot stand here")
      }
    }
    guard depth == 0 else { throw VICIError(.malformed, "a VICI section without end") }
    return message
  }

  private mutating func items() throws(VICIError) -> [[UInt8]] {
    var items: [[UInt8]] = []
    while let type = bytes.popFirst() {
      switch Tag(rawValue: type) {
      case .listItem: items.append(try value())
      case .listEnd: return items
      default: throw VICIError(.malformed, "VICI element type \(type) within a list")
      }
    }
    throw VICIError(.malformed, "a VICI list without end")
  }

  private mutating func name() throws(VICIError) -> String {
    let length = Int(try octet())
    let name = try take(length)
    guard let text = String(validating: name, as: UTF8.self) else {
      throw VICIError(.malformed, "a VICI name that is not UTF-8")
    }
    return text
  }

  private mutating func value() throws(VICIError) -> [UInt8] {
    let high = Int(try octet())
    let low = Int(try octet())
    return Array(try take(high << 8 | low))
  }

  private mutating func octet() throws(VICIError) -> UInt8 {
    guard let octet = bytes.popFirst() else { throw VICIError(.malformed, "a VICI message cut short") }
    return octet
  }

  private mutating func take(_ count: Int) throws(VICIError) -> ArraySlice<UInt8> {
    guard bytes.count >= count else { throw VICIError(.malformed, "a VICI message cut short") }
    defer { bytes = bytes.dropFirst(count) }
    return bytes.prefix(count)
  }
}

extension [UInt8] {
  fileprivate mutating func append(_ tag: Tag, _ name: String) throws(VICIError) {
    let utf8 = name.utf8
    guard utf8.count <= VICILimit.nameBytes else { throw VICIError(.tooLong, "a VICI name of \(utf8.count) bytes") }
    append(tag.rawValue)
    append(UInt8(utf8.count))
    append(contentsOf: utf8)
  }

  fileprivate mutating func append(value: some Collection<UInt8>, of name: String) throws(VICIError) {
    guard value.count <= VICILimit.valueBytes else {
      throw VICIError(.tooLong, "the value of '\(name)' has \(value.count) bytes, VICI carries \(VICILimit.valueBytes)")
    }
    append(UInt8(value.count >> 8))
    append(UInt8(truncatingIfNeeded: value.count))
    append(contentsOf: value)
  }
}
