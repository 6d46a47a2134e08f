// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Synchronization

/// A public key as SSH writes it (RFC 4253 section 6.6).
public struct SSHPublicKey: Sendable, Hashable {
  /// The key's own encoding, which begins with the name of its algorithm; what follows the algorithm in an
  /// authorized_keys line, decoded, and ietf-system's `key-data`.
  public let blob: [UInt8]

  public init(blob: [UInt8]) { self.blob = blob }

  /// The name of the key's algorithm, such as `ssh-ed25519`; nil when the blob does not begin with one.
  public var algorithm: String? {
    guard blob.count >= 4 else { return nil }
    let length = blob.prefix(4).reduce(0) { $0 << 8 | Int($1) }
    guard length <= 64, blob.count >= 4 + length else { return nil }
    return String(decoding: blob[4..<4 + length], as: UTF8.self)
  }
}

/// Decides who may log in. Both questions take as long for an unknown user as for a known one.
public protocol Authenticator: Sendable {
  /// Whether the user may log in with this key, whose possession the server has checked or will check. Asked on an
  /// event loop: must answer at once.
  func isAuthorized(user: String, key: SSHPublicKey) -> Bool
  /// Whether the password is the user's. Asked on a thread of its own: may take its time. The bytes are wiped after.
  func isAuthorized(user: String, password: UnsafeRawBufferPointer) -> Bool
}

/// Users held in memory; what an `Authenticator` over a configuration fills whenever that changes.
public final class UserDirectory: Authenticator {
  public struct User: Sendable {
    public let name: String
    public let authorizedKeys: [SSHPublicKey]
    /// The form of iana-crypt-hash (`$5$…`, `$6$…`); nil for a user who has no password.
    public let passwordHash: String?
    public init(name: String, authorizedKeys: [SSHPublicKey], passwordHash: String?) {
      self.name = name
      self.authorizedKeys = authorizedKeys
      self.passwordHash = passwordHash
    }
  }

  private let users: Mutex<[String: User]>

  public init(_ users: [User] = []) {
    self.users = Mutex(Dictionary(users.map { ($0.name, $0) }, uniquingKeysWith: { $1 }))
  }

  /// Replaces all users. Sessions that are open stay open.
  public func update(_ users: [User]) {
    let byName = Dictionary(users.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    self.users.withLock { $0 = byName }
  }

  public func isAuthorized(user: String, key: SSHPublicKey) -> Bool {
    let keys = users.withLock { $0[user]?.authorizedKeys } ?? []
    return keys.contains(key)
  }

  public func isAuthorized(user: String, password: UnsafeRawBufferPointer) -> Bool {
    PasswordHash.matches(password, hash: users.withLock { $0[user]?.passwordHash })
  }
}
