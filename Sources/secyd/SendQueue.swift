// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc

/// Frames that go out together with one system call.
final class SendQueue {
  static let capacity = 64
  // A struct mmsghdr: a msghdr of 56 octets, the sent length, and padding.
  private static let messageSize = 64
  private let messages: UnsafeMutableRawPointer
  private let vectors: UnsafeMutablePointer<iovec>
  private(set) var count = 0

  init() {
    messages = UnsafeMutableRawPointer.allocate(byteCount: Self.capacity * Self.messageSize, alignment: 16)
    messages.initializeMemory(as: UInt8.self, repeating: 0, count: Self.capacity * Self.messageSize)
    vectors = UnsafeMutablePointer<iovec>.allocate(capacity: Self.capacity)
    vectors.initialize(repeating: iovec(), count: Self.capacity)
    for index in 0..<Self.capacity {
      let message = (messages + index * Self.messageSize).assumingMemoryBound(to: msghdr.self)
      message.pointee.msg_iov = vectors + index
      message.pointee.msg_iovlen = 1
    }
  }

  deinit {
    messages.deallocate()
    vectors.deallocate()
  }

  var isFull: Bool { count == Self.capacity }

  /// The octets must stay until `flush`.
  @inline(__always)
  func append(_ frame: UnsafeMutableRawPointer, length: Int) {
    guard count < Self.capacity else { return }
    vectors[count] = iovec(iov_base: frame, iov_len: length)
    count += 1
  }

  func flush(to descriptor: Int32) {
    var sent = 0
    while sent < count {
      let result = agentd_sendmmsg(descriptor, messages + sent * Self.messageSize, UInt32(count - sent))
      if result > 0 {
        sent += Int(result)
        continue
      }
      switch errno {
      case EINTR: continue
      case EAGAIN, ENETDOWN, ENXIO, ENODEV:
        // The link is slow, down or gone: what waits is of no use later. The parent's own counters show it.
        sent = count
      default: sent += 1
      }
    }
    count = 0
  }
}
