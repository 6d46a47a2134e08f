// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Secrets

/// Collects the bytes of an answer up to a limit; what it gives up is wiped.
final class WipedBuffer {
  private let limit: Int
  private var storage: UnsafeMutableRawBufferPointer
  private(set) var count = 0

  init(limit: Int) {
    self.limit = limit
    storage = .allocate(byteCount: min(1_024, limit), alignment: 1)
  }

  deinit { release(storage) }

  private func release(_ storage: UnsafeMutableRawBufferPointer) {
    if let base = storage.baseAddress { explicit_bzero(base, storage.count) }
    storage.deallocate()
  }

  /// Takes more bytes; false when they do not fit under the limit.
  func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count <= limit - count else { return false }
    if count + bytes.count > storage.count {
      let larger = UnsafeMutableRawBufferPointer.allocate(
        byteCount: min(limit, max(2 * storage.count, count + bytes.count)), alignment: 1)
      larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[..<count]))
      release(storage)
      storage = larger
    }
    UnsafeMutableRawBufferPointer(rebasing: storage[count..<(count + bytes.count)]).copyMemory(from: bytes)
    count += bytes.count
    return true
  }

  /// What was collected, copied into a buffer of its own size.
  var contents: SecretBytes { SecretBytes(copying: UnsafeRawBufferPointer(rebasing: storage[..<count])) }
}
