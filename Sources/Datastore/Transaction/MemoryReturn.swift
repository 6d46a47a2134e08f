// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Dispatch
import Synchronization

/// Gives memory that a large change freed back to the system. The allocator keeps it for later, all over its arenas,
/// where a small configuration would hold the memory of the largest there ever was.
final class MemoryReturn: Sendable {
  /// Less than this is not worth the walk over the arenas.
  static let minimumBytes = 16 << 20
  /// Long enough for replies and backends to be done with the old trees.
  private static let delay = DispatchTimeInterval.milliseconds(1500)

  private let queue = DispatchQueue(label: "datastore.memory", qos: .utility)
  private let isPending = Mutex(false)

  /// To be called after what may have freed much. Costs nothing when it was called a moment ago.
  func schedule() {
    let isFirst = isPending.withLock { pending in
      defer { pending = true }
      return !pending
    }
    guard isFirst else { return }
    queue.asyncAfter(deadline: .now() + Self.delay) { [self] in
      isPending.withLock { $0 = false }
      if Self.freeBytes > Self.minimumBytes { malloc_trim(0) }
    }
  }

  /// Bytes that the allocator holds and nobody uses.
  static var freeBytes: Int { mallinfo2().fordblks }
}
