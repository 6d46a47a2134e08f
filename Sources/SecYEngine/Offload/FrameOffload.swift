// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What the host left to be done on a frame that it sends: a struct virtio_net_hdr, which stands before the frame.
public struct FrameOffload: Sendable, Equatable {
  /// Its length in octets.
  public static let length = 10

  /// Whether the checksum is to be completed.
  public var needsChecksum: Bool
  /// How the frame is to be cut (VIRTIO_NET_HDR_GSO_), without the flag for congestion notification; 0 for not at all.
  public var kind: UInt8
  /// The octets of payload of each segment.
  public var segmentSize: Int
  /// From where on the checksum covers, and where it is after that.
  public var checksumStart: Int
  public var checksumOffset: Int

  static let tcp4: UInt8 = 1
  static let tcp6: UInt8 = 4

  public init(needsChecksum: Bool, kind: UInt8, segmentSize: Int, checksumStart: Int, checksumOffset: Int) {
    self.needsChecksum = needsChecksum
    self.kind = kind
    self.segmentSize = segmentSize
    self.checksumStart = checksumStart
    self.checksumOffset = checksumOffset
  }

  /// In the machine's order, as the kernel writes it. `header` has 10 octets or more.
  @inline(__always)
  public init(_ header: UnsafeRawPointer) {
    needsChecksum = header.load(as: UInt8.self) & 1 != 0
    kind = header.load(fromByteOffset: 1, as: UInt8.self) & 0x7F
    segmentSize = Int(header.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
    checksumStart = Int(header.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
    checksumOffset = Int(header.loadUnaligned(fromByteOffset: 8, as: UInt16.self))
  }

  /// Completes the checksum of a whole frame, whose field holds the sum of the pseudo header.
  ///
  /// - Returns: false when it is not within the frame.
  public func complete(_ frame: UnsafeMutableRawBufferPointer) -> Bool {
    let at = checksumStart + checksumOffset
    guard checksumStart >= 14, checksumStart < frame.count, at + 2 <= frame.count else { return false }
    let covered = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(frame)[checksumStart...])
    var sum = ~InternetChecksum.fold(InternetChecksum.sum(covered))
    // To UDP 0 means that there is none (RFC 768).
    if sum == 0 && checksumOffset == 6 { sum = 0xFFFF }
    frame.storeBytes(of: sum.bigEndian, toByteOffset: at, as: UInt16.self)
    return true
  }
}
