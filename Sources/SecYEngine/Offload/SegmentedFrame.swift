// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A frame with more TCP payload than a segment may have, and the frames that it is to be cut into.
///
/// The host hands over such frames so that it, the kernel and we have one step for many segments. Each segment has the
/// headers of the whole with its own lengths, IPv4 identification, sequence number, flags and checksums.
public struct SegmentedFrame {
  private let frame: UnsafeRawBufferPointer
  private let network: Int
  private let transport: Int
  private let headers: Int
  private let isIPv6: Bool
  private let segmentSize: Int
  /// The sum of the addresses and the protocol, of the pseudo header.
  private let pseudoSum: UInt64
  /// How many frames it makes.
  public let count: Int

  /// Nil when it is not TCP over IP as `offload` says.
  public init?(_ frame: UnsafeRawBufferPointer, _ offload: FrameOffload) {
    guard offload.kind == FrameOffload.tcp4 || offload.kind == FrameOffload.tcp6, offload.needsChecksum else {
      return nil
    }
    isIPv6 = offload.kind == FrameOffload.tcp6
    transport = offload.checksumStart
    segmentSize = offload.segmentSize
    var at = 12
    guard frame.count >= 18 else { return nil }
    while at <= 20, at + 6 <= frame.count, VLAN.isTag(Octets.etherType(frame, at: at)) { at += 4 }
    guard Octets.etherType(frame, at: at) == (isIPv6 ? 0x86DD : 0x0800) else { return nil }
    network = at + 2
    guard transport >= network + (isIPv6 ? 40 : 20), transport + 20 <= frame.count, offload.checksumOffset == 16 else {
      return nil
    }
    headers = transport + Int(frame[transport + 12] >> 4) * 4
    guard headers >= transport + 20, headers < frame.count, segmentSize > 0 else { return nil }
    if isIPv6 {
      guard frame[network] >> 4 == 6 else { return nil }
    } else {
      guard frame[network] >> 4 == 4, network + Int(frame[network] & 15) * 4 == transport else { return nil }
    }
    let addresses = isIPv6 ? network + 8..<network + 40 : network + 12..<network + 20
    pseudoSum = InternetChecksum.sum(UnsafeRawBufferPointer(rebasing: frame[addresses])) + 6
    count = (frame.count - headers + segmentSize - 1) / segmentSize
    self.frame = frame
  }

  /// The octets of the longest segment.
  public var longest: Int { min(headers + segmentSize, frame.count) }

  /// Writes a segment, from 0 to `count` - 1.
  ///
  /// - Returns: its length; 0 when `target` is too short for it.
  public func write(_ index: Int, to target: UnsafeMutableRawBufferPointer) -> Int {
    let from = headers + index * segmentSize
    let payload = min(segmentSize, frame.count - from)
    let length = headers + payload
    guard index >= 0, payload > 0, length <= target.count, let base = target.baseAddress, let source = frame.baseAddress
    else { return 0 }
    base.copyMemory(from: source, byteCount: headers)
    (base + headers).copyMemory(from: source + from, byteCount: payload)
    writeNetwork(index, base, length: length)
    let sequence = UInt32(bigEndian: (source + transport + 4).loadUnaligned(as: UInt32.self))
    (base + transport + 4).storeBytes(
      of: (sequence &+ UInt32(truncatingIfNeeded: index * segmentSize)).bigEndian, as: UInt32.self)
    var flags = frame[transport + 13]
    // FIN and PSH are the last segment's, CWR is the first one's.
    if index < count - 1 { flags &= ~0x09 }
    if index > 0 { flags &= ~0x80 }
    (base + transport + 13).storeBytes(of: flags, as: UInt8.self)
    (base + transport + 16).storeBytes(of: 0, as: UInt16.self)
    let covered = UnsafeRawBufferPointer(start: base + transport, count: length - transport)
    let sum = InternetChecksum.sum(covered) + pseudoSum + UInt64(length - transport)
    (base + transport + 16).storeBytes(of: (~InternetChecksum.fold(sum)).bigEndian, as: UInt16.self)
    return length
  }

  private func writeNetwork(_ index: Int, _ base: UnsafeMutableRawPointer, length: Int) {
    if isIPv6 {
      let payload = UInt16(truncatingIfNeeded: length - network - 40)
      (base + network + 4).storeBytes(of: payload.bigEndian, as: UInt16.self)
      return
    }
    (base + network + 2).storeBytes(of: UInt16(truncatingIfNeeded: length - network).bigEndian, as: UInt16.self)
    let identification = UInt16(bigEndian: (base + network + 4).loadUnaligned(as: UInt16.self))
    (base + network + 4).storeBytes(
      of: (identification &+ UInt16(truncatingIfNeeded: index)).bigEndian, as: UInt16.self)
    (base + network + 10).storeBytes(of: 0, as: UInt16.self)
    let header = UnsafeRawBufferPointer(start: base + network, count: transport - network)
    let sum = ~InternetChecksum.fold(InternetChecksum.sum(header))
    (base + network + 10).storeBytes(of: sum.bigEndian, as: UInt16.self)
  }
}
