// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL
import Glibc

/// Clear secret bytes in a buffer of their own, wiped when the last reference goes.
///
/// The bytes are never copied by this type, never printed, and compared in constant time.
// Sendable: the buffer is written only before `init` returns and only read afterwards, until `deinit`,
// which runs when no other reference exists.
public final class SecretBytes: @unchecked Sendable {
  private let storage: UnsafeMutableRawBufferPointer
  /// The number of secret bytes.
  public let count: Int

  /// Makes `capacity` zeroed bytes and lets `initialize` fill them; it returns how many it wrote.
  /// What it leaves behind that count is wiped at once.
  public init<E: Error>(
    capacity: Int, initialize: (UnsafeMutableRawBufferPointer) throws(E) -> Int
  ) throws(E) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(capacity, 1), alignment: 16)
    buffer.initializeMemory(as: UInt8.self, repeating: 0)
    do {
      let written = try initialize(UnsafeMutableRawBufferPointer(rebasing: buffer[..<capacity]))
      count = min(max(written, 0), capacity)
      storage = buffer
    } catch {
      OPENSSL_cleanse(buffer.baseAddress, buffer.count)
      buffer.deallocate()
      throw error
    }
    if count < buffer.count, let base = buffer.baseAddress {
      OPENSSL_cleanse(base + count, buffer.count - count)
    }
  }

  /// Copies the bytes. The caller wipes the source if it has to.
  public convenience init(copying source: UnsafeRawBufferPointer) {
    self.init(capacity: source.count) { target in
      target.copyMemory(from: source)
      return source.count
    }
  }

  /// Copies the bytes of an array, which cannot be wiped: for tests and for bytes that are no secret yet.
  public convenience init(copying source: [UInt8]) {
    self.init(capacity: source.count) { target in
      target.copyBytes(from: source)
      return source.count
    }
  }

  /// Fresh random bytes from the cryptographic library.
  public static func random(count: Int) throws(SecretsError) -> SecretBytes {
    try SecretBytes(capacity: count) { (target) throws(SecretsError) -> Int in
      try Cryptography.random(into: target)
      return count
    }
  }

  deinit {
    OPENSSL_cleanse(storage.baseAddress, storage.count)
    storage.deallocate()
  }

  public var isEmpty: Bool { count == 0 }

  /// Lends the bytes to `body`, which must not let the pointer escape.
  public func withUnsafeBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try body(UnsafeRawBufferPointer(rebasing: storage[..<count]))
  }

  /// Whether both hold the same bytes, in a time that depends on the lengths only.
  public func isEqual(to other: SecretBytes) -> Bool {
    guard count == other.count else { return false }
    return CRYPTO_memcmp(storage.baseAddress, other.storage.baseAddress, count) == 0
  }
}

extension SecretBytes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "<secret>" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: EmptyCollection()) }
}

/// Keeps clear text out of core dumps and away from debuggers of other users.
///
/// Sets the process's core size limit to zero and its dumpable flag off. Call it first thing at start.
public func disableCoreDumps() throws(SecretsError) {
  var none = rlimit(rlim_cur: 0, rlim_max: 0)
  guard setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none) == 0 else {
    throw SecretsError(.system, "cannot set the limit of core dumps to 0: \(String(cString: strerror(errno)))")
  }
  guard agentd_prctl_undumpable() == 0 else {
    throw SecretsError(.system, "cannot make the process undumpable: \(String(cString: strerror(errno)))")
  }
}
