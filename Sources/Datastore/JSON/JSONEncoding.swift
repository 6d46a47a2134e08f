// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import YANG

/// The member names of every schema node as bytes, made once for a schema and shared by all readers and writers.
public final class JSONEncoding: Sendable {
  public let schema: Schema
  /// For each node `,"module:name":`, then `,"name":`.
  private let bytes: [UInt8]
  private let places: [Place]

  private struct Place {
    /// Where the two forms begin, and where both end.
    let qualified: UInt32
    let plain: UInt32
    let end: UInt32
  }

  public init(schema: Schema) {
    self.schema = schema
    var bytes: [UInt8] = []
    var places: [Place] = []
    places.reserveCapacity(schema.nodes.count)
    for node in schema.nodes {
      let qualified = UInt32(bytes.count)
      bytes.append(contentsOf: ",\"\(node.module.name):\(node.name)\":".utf8)
      let plain = UInt32(bytes.count)
      bytes.append(contentsOf: ",\"\(node.name)\":".utf8)
      places.append(Place(qualified: qualified, plain: plain, end: UInt32(bytes.count)))
    }
    self.bytes = bytes
    self.places = places
  }

  /// Appends the name of a member with quotes and colon, and a comma in front unless it is the first.
  @inline(__always)
  func appendName(_ node: SchemaNode, qualified: Bool, isFirst: Bool, to output: inout ByteSink) {
    let place = places[node.id]
    let start = Int(qualified ? place.qualified : place.plain) + (isFirst ? 1 : 0)
    bytes.withUnsafeBufferPointer { bytes in
      output.append(
        contentsOf: UnsafeBufferPointer(rebasing: bytes[start..<Int(qualified ? place.plain : place.end)]))
    }
  }

  /// Whether the text is the node's name: with its module's, or without.
  @inline(__always) func isName(_ text: UnsafeBufferPointer<UInt8>, of node: SchemaNode) -> Bool {
    let place = places[node.id]
    // Between the comma and quote in front, and the quote and colon behind.
    let start: Int
    switch text.count {
    case Int(place.end - place.plain) - 4: start = Int(place.plain) + 2
    case Int(place.plain - place.qualified) - 4: start = Int(place.qualified) + 2
    default: return false
    }
    guard let text = text.baseAddress else { return false }
    let length = start > Int(place.plain) ? Int(place.end - place.plain) - 4 : Int(place.plain - place.qualified) - 4
    return bytes.withUnsafeBufferPointer { bytes in
      bytes.baseAddress.map { memcmp(text, $0 + start, length) == 0 } ?? false
    }
  }
}
