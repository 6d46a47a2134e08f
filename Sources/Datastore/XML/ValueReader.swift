// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import YANG

/// Reads the text of leafs into typed values: the schema's types, with what they need from around.
public struct ValueReader: Sendable {
  public let schema: Schema
  /// Seals secrets as they are read. Without one, leafs that hold secrets are refused.
  public let sealer: Sealer?
  /// A tree whose sealed values a client may refer to by what a read gave it (`SecretEncoding.opaque`).
  public var stored: InteriorNode?

  public init(schema: Schema, sealer: Sealer?, stored: InteriorNode? = nil) {
    self.schema = schema
    self.sealer = sealer
    self.stored = stored
  }

  /// The value that `text` stands for at a leaf or leaf-list. `namespace` says what a prefix (empty: none) stands for.
  func read(
    _ text: UnsafeBufferPointer<UInt8>, for leaf: SchemaNode, at path: () -> InstancePath,
    namespace: (String) -> String?
  ) throws(DatastoreError) -> Value {
    guard let type = leaf.type else {
      throw DatastoreError(.operationFailed, path: path(), message: "\(leaf.path) has no type")
    }
    do throws(ValueError) {
      if type.isPasswordHash, let hash = try hash(text, path) { return .string(hash) }
      return try type.parse(
        utf8: text, resolvePrefix: { namespace($0).flatMap { schema.module(namespace: $0) } }, sealer: sealer,
        existing: existing(text, type, path))
    } catch {
      throw DatastoreError(
        .invalidValue, appTag: error.appTag, path: path(), message: "\(leaf.name): \(error)",
        info: [("bad-element", leaf.name)])
    }
  }

  /// The value that stands in JSON in some form.
  func read(
    _ form: JSONForm, _ text: UnsafeBufferPointer<UInt8>, for leaf: SchemaNode, at path: () -> InstancePath
  ) throws(DatastoreError) -> Value {
    guard let type = leaf.type else {
      throw DatastoreError(.operationFailed, path: path(), message: "\(leaf.path) has no type")
    }
    do throws(ValueError) {
      return try type.parse(
        json: form, utf8: text, resolvePrefix: { $0.isEmpty ? leaf.module : schema.module(named: $0) }, sealer: sealer,
        existing: existing(text, type, path))
    } catch {
      throw DatastoreError(
        .invalidValue, appTag: error.appTag, path: path(), message: "\(leaf.name): \(error)",
        info: [("bad-element", leaf.name)])
    }
  }

  /// The stored secret that a text may refer to.
  private func existing(
    _ text: UnsafeBufferPointer<UInt8>, _ type: SchemaType, _ path: () -> InstancePath
  ) -> Sealed? {
    guard type.secretEncoding == .opaque, let stored, text.starts(with: Sealer.opaquePrefix.utf8),
      case .sealed(let sealed)? = stored.node(at: path())?.leafValue
    else { return nil }
    return sealed
  }

  /// What begins a password in clear text (RFC 7317, typedef crypt-hash).
  private static let clearTextMark = Array("$0$".utf8)

  /// The hash that stands for a password in clear text: the stored one if it is that password's, so that writing it
  /// again is no change. Nil for what is no clear text.
  private func hash(
    _ text: UnsafeBufferPointer<UInt8>, _ path: () -> InstancePath
  ) throws(ValueError) -> String? {
    guard text.starts(with: Self.clearTextMark) else { return nil }
    let password = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: text[Self.clearTextMark.count...]))
    if case .string(let stored)? = stored?.node(at: path())?.leafValue,
      PasswordHash.matches(password, hash: stored)
    {
      return stored
    }
    guard !password.isEmpty, let hash = PasswordHash.make(password) else {
      throw ValueError(
        .secret, "a password in clear text has 1 to \(PasswordHash.maximumPasswordLength) bytes and no zero byte")
    }
    return hash
  }
}
