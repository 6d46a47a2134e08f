// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The tags of every schema node as bytes, made once for a schema and shared by all writers.
public final class XMLEncoding: Sendable {
  public let schema: Schema
  /// For each node: its start tag with a namespace declaration, its start tag without, its end tag.
  private let bytes: [UInt8]
  private let offsets: [UInt32]

  public init(schema: Schema) {
    self.schema = schema
    var bytes: [UInt8] = []
    var offsets: [UInt32] = []
    offsets.reserveCapacity(3 * schema.nodes.count + 1)
    for node in schema.nodes {
      offsets.append(UInt32(bytes.count))
      bytes += Array("<\(node.name) xmlns=\"".utf8)
      Array(node.module.namespace.utf8).withUnsafeBufferPointer { appendXMLEscaped($0, to: &bytes, inAttribute: true) }
      bytes += Array("\">".utf8)
      offsets.append(UInt32(bytes.count))
      bytes += Array("<\(node.name)>".utf8)
      offsets.append(UInt32(bytes.count))
      bytes += Array("</\(node.name)>".utf8)
    }
    offsets.append(UInt32(bytes.count))
    self.bytes = bytes
    self.offsets = offsets
  }

  private func append(_ part: Int, to output: inout [UInt8]) {
    bytes.withUnsafeBufferPointer { bytes in
      output.append(
        contentsOf: UnsafeBufferPointer(rebasing: bytes[Int(offsets[part])..<Int(offsets[part + 1])]))
    }
  }

  /// Appends a start tag; with a declaration of its namespace when that is not the one around it.
  @inline(__always) func appendStart(_ node: SchemaNode, declaring: Bool, to output: inout [UInt8]) {
    append(3 * node.id + (declaring ? 0 : 1), to: &output)
  }

  @inline(__always) func appendEnd(_ node: SchemaNode, to output: inout [UInt8]) {
    append(3 * node.id + 2, to: &output)
  }
}
