// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import YANG

extension ValueReader {
  /// Interim until the schema's types read their own values: the built-in bases, without restrictions.
  func read(
    _ text: UnsafeBufferPointer<UInt8>, _ type: SchemaType, _ leaf: SchemaNode, _ path: () -> InstancePath,
    _ namespace: (String) -> String?
  ) throws(DatastoreError) -> Value {
    let string = String(decoding: text, as: UTF8.self)
    let trimmed = String(string.drop { " \n\r\t".contains($0) }.reversed().drop { " \n\r\t".contains($0) }.reversed())
    var value: Value?
    switch type.base {
    case .string: value = .string(string)
    case .boolean: value = trimmed == "true" ? .boolean(true) : trimmed == "false" ? .boolean(false) : nil
    case .empty: value = trimmed.isEmpty ? .empty : nil
    case .int8, .int16, .int32, .int64: value = Int64(trimmed).map { .int($0) }
    case .uint8, .uint16, .uint32, .uint64: value = UInt64(trimmed).map { .uint($0) }
    case .enumeration: value = type.enums.first { $0.name == trimmed }.map { .enumeration($0) }
    default: value = nil
    }
    if let value { return value }
    throw DatastoreError(
      .invalidValue, path: path(), message: "the value of \(leaf.name) does not fit its type",
      info: [("bad-element", leaf.name)])
  }
}
