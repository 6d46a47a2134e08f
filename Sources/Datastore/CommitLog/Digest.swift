// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL

/// SHA-256 over a sequence of fields, each with its length, so that no two sequences give the same bytes.
struct FieldDigest {
  static let length = 32
  /// What the first commit of a log is chained to.
  static let none = [UInt8](repeating: 0, count: length)

  private var fields: [[UInt8]] = []

  mutating func add(_ field: [UInt8]) { fields.append(field) }
  mutating func add(_ field: String?) {
    // Nil and the empty text differ in the first byte.
    fields.append(field.map { [1] + Array($0.utf8) } ?? [0])
  }
  mutating func add(_ number: Int64) {
    fields.append(withUnsafeBytes(of: number.littleEndian) { Array($0) })
  }

  /// The digest, or nil when the cryptographic library fails.
  func finish() -> [UInt8]? {
    guard let context = EVP_MD_CTX_new() else { return nil }
    defer { EVP_MD_CTX_free(context) }
    guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else { return nil }
    for field in fields {
      let count = withUnsafeBytes(of: UInt64(field.count).littleEndian) { Array($0) }
      guard EVP_DigestUpdate(context, count, count.count) == 1, EVP_DigestUpdate(context, field, field.count) == 1
      else { return nil }
    }
    var digest = [UInt8](repeating: 0, count: Self.length)
    guard EVP_DigestFinal_ex(context, &digest, nil) == 1 else { return nil }
    return digest
  }
}
