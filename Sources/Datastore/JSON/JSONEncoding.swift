// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import YANG

/// The member names of every schema node as bytes, made once for a schema and shared by all readers and writers.
public final class JSONEncoding: Sendable {
  public let schema: Schema
  /// For each node `"module:name":`.
  private let bytes: [UInt8]
  private let places: [Place]

  private struct Place {
    /// Of `module`, of `name`, and of the quote behind it.
    let module: UInt32
    let name: UInt32
    let end: UInt32
  }

  public init(schema: Schema) {
    self.schema = schema
    var bytes: [UInt8] = []
    var places: [Place] = []
    places.reserveCapacity(schema.nodes.count)
    for node in schema.nodes {
      bytes.append(UInt8(ascii: "\""))
      let module = UInt32(bytes.count)
      bytes.append(contentsOf: node.module.name.utf8)
      bytes.append(UInt8(ascii: ":"))
      let name = UInt32(bytes.count)
      bytes.append(contentsOf: node.name.utf8)
      places.append(Place(module: module, name: name, end: UInt32(bytes.count)))
      bytes.append(contentsOf: [UInt8(ascii: "\""), UInt8(ascii: ":")])
    }
    self.bytes = bytes
    self.places = places
  }

  /// Appends the name of a member with quotes and colon.
  @inline(__always) func appendName(_ node: SchemaNode, qualified: Bool, to output: inout [UInt8]) {
    let place = places[node.id]
    bytes.withUnsafeBufferPointer { bytes in
      let end = Int(place.end) + 2
      if qualified {
        output.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[(Int(place.module) - 1)..<end]))
      } else {
        output.append(UInt8(ascii: "\""))
        output.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[Int(place.name)..<end]))
      }
    }
  }

  /// Whether the text is the node's name: with its module's, or without.
  @inline(__always) func isName(_ text: UnsafeBufferPointer<UInt8>, of node: SchemaNode) -> Bool {
    let place = places[node.id]
    let start: Int
    switch text.count {
    case Int(place.end - place.name): start = Int(place.name)
    case Int(place.end - place.module): start = Int(place.module)
    default: return false
    }
    guard let text = text.baseAddress, place.end > place.name else { return false }
    return bytes.withUnsafeBufferPointer { bytes in
      bytes.baseAddress.map { memcmp(text, $0 + start, Int(place.end) - start) == 0 } ?? false
    }
  }
}
