// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// The key under which every secret at rest is sealed: 32 random bytes in a file that only its owner reads.
public struct MasterKey: Sendable {
  /// The length of the file, in bytes.
  public static let length = 32

  private let bytes: SecretBytes

  /// A fresh key that lives in memory only: for tests and for tools that keep nothing.
  public init() throws(SecretsError) {
    bytes = try SecretBytes.random(count: Self.length)
  }

  /// Takes key bytes from elsewhere; they must be ``length`` bytes.
  public init(_ bytes: SecretBytes) throws(SecretsError) {
    guard bytes.count == Self.length else {
      throw SecretsError(.keyFile, "a master key has \(Self.length) bytes, this one has \(bytes.count)")
    }
    self.bytes = bytes
  }

  /// A key of 32 bytes for one purpose (HKDF-SHA-256): different purposes give unrelated keys.
  public func subKey(purpose: String) throws(SecretsError) -> SecretBytes {
    try Cryptography.deriveKey(from: bytes, info: "agentd \(purpose)")
  }

  /// Reads the key from `path`.
  ///
  /// Refused, with the reason: no regular file (links are not followed), another owner than this process's user or
  /// root, any access for group or others, another length than ``length``.
  public static func load(path: String) throws(SecretsError) -> MasterKey {
    let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path, "cannot be opened: \(reason())") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure(path, "cannot be examined: \(reason())") }
    guard status.st_mode & S_IFMT == S_IFREG else { throw failure(path, "is not a regular file") }
    guard status.st_uid == geteuid() || status.st_uid == 0 else {
      throw failure(path, "belongs to user \(status.st_uid), not to user \(geteuid()), who runs this")
    }
    guard status.st_mode & 0o077 == 0 else {
      let mode = String(status.st_mode & 0o7777, radix: 8)
      throw failure(path, "has mode \(mode), which lets others in; it must be 600 or 400")
    }
    guard status.st_size == off_t(length) else {
      throw failure(path, "has \(status.st_size) bytes, a master key has \(length)")
    }
    let bytes = try SecretBytes(capacity: length) { (target) throws(SecretsError) -> Int in
      var filled = 0
      while filled < length {
        let count = read(descriptor, target.baseAddress.map { $0 + filled }, length - filled)
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { throw failure(path, "cannot be read: \(reason())") }
        filled += count
      }
      return filled
    }
    return try MasterKey(bytes)
  }

  /// Reads the key from `path`, and makes it first if there is none.
  ///
  /// The file appears whole or not at all, also after a power cut: it is written beside its place, synced, linked
  /// to its name and the directory synced. Of two processes that do this at once, both end up with the same key.
  public static func loadOrCreate(path: String) throws(SecretsError) -> MasterKey {
    if access(path, F_OK) != 0 && errno == ENOENT { try create(path: path) }
    return try load(path: path)
  }

  private static func create(path: String) throws(SecretsError) {
    let key = try SecretBytes.random(count: length)
    let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max)).new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure(path, "cannot be created: \(reason())") }
    defer { unlink(temporary) }
    let written = key.withUnsafeBytes { bytes -> Bool in
      var done = 0
      while done < bytes.count {
        let count = write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { return false }
        done += count
      }
      return fchmod(descriptor, 0o600) == 0 && fsync(descriptor) == 0
    }
    let why = reason()
    guard close(descriptor) == 0, written else { throw failure(path, "cannot be written: \(why)") }
    guard link(temporary, path) == 0 || errno == EEXIST else {
      throw failure(path, "cannot be put in its place: \(reason())")
    }
    try syncDirectory(of: path)
  }

  private static func syncDirectory(of path: String) throws(SecretsError) {
    let directory = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path, "its directory cannot be opened: \(reason())") }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure(path, "its directory cannot be synced: \(reason())") }
  }

  private static func failure(_ path: String, _ what: String) -> SecretsError {
    SecretsError(.keyFile, "master key file \(path) \(what)")
  }

  private static func reason() -> String { String(cString: strerror(errno)) }
}

extension MasterKey: CustomStringConvertible {
  public var description: String { "<master key>" }
}
