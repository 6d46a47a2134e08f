// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc

/// The parent interface: frames come from a ring that the kernel fills (TPACKET_V2), and go out through a socket.
///
/// The ring hands frames over one by one, not when a block is full or a time is over, so it adds no delay.
final class ParentPort {
  let name: String
  let index: UInt32
  /// Family and Ethernet address, as a struct sockaddr has them.
  let address: [UInt8]
  let mtu: Int
  /// To be polled for reading.
  let receiver: Int32
  let sender: Int32

  // From linux/if_packet.h.
  private static let family: Int32 = 17
  private static let level: Int32 = 263
  private enum Option {
    static let addMembership: Int32 = 1
    static let receiveRing: Int32 = 5
    static let statistics: Int32 = 6
    static let copyThreshold: Int32 = 7
    static let version: Int32 = 10
    static let reserve: Int32 = 12
    static let virtioHeader: Int32 = 15
    static let ignoreOutgoing: Int32 = 23
  }
  /// PACKET_MR_
  private enum Membership: UInt16 {
    case all = 1
    case allMulticast = 2
    case address = 3
  }
  enum Status {
    static let user: UInt32 = 1 << 0
    static let copied: UInt32 = 1 << 1
    static let hasTag: UInt32 = 1 << 4
    static let hasTagType: UInt32 = 1 << 6
  }

  /// Octets left free before each frame and its virtio header.
  static let reserved = 48
  private static let ringSize = 8 << 20
  private static let blockSize = 1 << 17

  let ring: UnsafeMutableRawPointer
  let slotSize: Int
  let slotCount: Int
  private var slot = 0

  init(name: String) throws(SecydError) {
    self.name = name
    let requests = try InterfaceRequest()
    index = try requests.index(name)
    address = try requests.hardwareAddress(name)
    mtu = try requests.mtu(name)
    // The ring's own header, what is reserved, and the longest frame with two tags.
    var size = 2_048
    while size < 128 + Self.reserved + mtu + 64 && size < Self.blockSize { size *= 2 }
    slotSize = size
    slotCount = Self.ringSize / size
    receiver = socket(Self.family, Self.kind, 0)
    sender = socket(Self.family, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard receiver >= 0, sender >= 0 else {
      let error = SecydError.system("cannot open a packet socket")
      close(receiver)
      close(sender)
      throw error
    }
    do throws(SecydError) {
      ring = try Self.map(receiver, slotSize: size)
      do throws(SecydError) {
        try Self.bind(sender, index, name: name, protocol: 0)
        try Self.prepareSender(sender)
        try Self.join(receiver, index, .allMulticast)
        try Self.bind(receiver, index, name: name, protocol: 0x0003)
      } catch {
        munmap(ring, Self.ringSize)
        throw error
      }
    } catch {
      close(receiver)
      close(sender)
      throw error
    }
  }

  deinit {
    munmap(ring, Self.ringSize)
    close(receiver)
    close(sender)
  }

  private static var kind: Int32 {
    Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
  }

  private static func set(_ descriptor: Int32, _ option: Int32, _ value: Int32, _ what: String) throws(SecydError) {
    var value = value
    guard setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
      throw .system("a packet socket does not take \(what)")
    }
  }

  private static func map(_ descriptor: Int32, slotSize: Int) throws(SecydError) -> UnsafeMutableRawPointer {
    try set(descriptor, Option.version, 1, "version 2 of the ring")
    try set(descriptor, Option.virtioHeader, 1, "virtio headers")
    try set(descriptor, Option.reserve, Int32(reserved), "reserved octets")
    try set(descriptor, Option.copyThreshold, 1, "a copy threshold")
    // Kernels before 4.20 do not know it; then what we sent is told by its packet type.
    var one: Int32 = 1
    _ = setsockopt(descriptor, level, Option.ignoreOutgoing, &one, socklen_t(MemoryLayout<Int32>.size))
    var room = Int32(4 << 20)
    _ = setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, socklen_t(MemoryLayout<Int32>.size))
    var request: [UInt32] = [
      UInt32(blockSize), UInt32(ringSize / blockSize), UInt32(slotSize), UInt32(ringSize / slotSize),
    ]
    guard setsockopt(descriptor, level, Option.receiveRing, &request, socklen_t(16)) == 0 else {
      throw .system("no memory for a ring of \(ringSize) octets")
    }
    guard let ring = mmap(nil, ringSize, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), ring != MAP_FAILED else {
      throw .system("the ring cannot be mapped")
    }
    return ring
  }

  /// A slow link may hold up a frame for so long; then it is dropped.
  private static func prepareSender(_ descriptor: Int32) throws(SecydError) {
    var limit = timeval(tv_sec: 0, tv_usec: 20_000)
    var room = Int32(1 << 20)
    guard setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size)) == 0,
      setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &room, socklen_t(MemoryLayout<Int32>.size)) == 0
    else { throw .system("a packet socket takes no limits") }
  }

  /// The controlled port's groups are not known to the parent, so it takes all multicast.
  private static func join(
    _ descriptor: Int32, _ index: UInt32, _ membership: Membership, address: [UInt8] = []
  ) throws(SecydError) {
    // A struct packet_mreq.
    var request = [UInt8](repeating: 0, count: 16)
    request.withUnsafeMutableBytes {
      $0.storeBytes(of: index, as: UInt32.self)
      $0.storeBytes(of: membership.rawValue, toByteOffset: 4, as: UInt16.self)
      $0.storeBytes(of: UInt16(address.count), toByteOffset: 6, as: UInt16.self)
      UnsafeMutableRawBufferPointer(rebasing: $0[8...]).copyBytes(from: address.prefix(8))
    }
    guard setsockopt(descriptor, level, Option.addMembership, request, socklen_t(request.count)) == 0 else {
      throw .system("interface \(index) does not take the frames of the controlled port")
    }
  }

  /// A sockaddr_ll: family, protocol in network order, interface index; the rest is not looked at.
  private static func bind(
    _ descriptor: Int32, _ index: UInt32, name: String, protocol: UInt16
  ) throws(SecydError) {
    var bytes = [UInt8](repeating: 0, count: 20)
    bytes.withUnsafeMutableBytes {
      $0.storeBytes(of: UInt16(family), as: UInt16.self)
      $0.storeBytes(of: `protocol`.bigEndian, toByteOffset: 2, as: UInt16.self)
      $0.storeBytes(of: index, toByteOffset: 4, as: UInt32.self)
    }
    let bound = bytes.withUnsafeBytes { bytes in
      bytes.withMemoryRebound(to: sockaddr.self) { Glibc.bind(descriptor, $0.baseAddress, socklen_t(bytes.count)) }
    }
    guard bound == 0 else { throw .system("cannot bind a packet socket to interface \(name)") }
  }

  /// Also frames to other hosts, while the controlled port is promiscuous (in a bridge, for example).
  func becomePromiscuous() { try? Self.join(receiver, index, .all) }

  /// Also frames to the address that a bond gave the controlled port: family and Ethernet address.
  func take(_ address: [UInt8]) { try? Self.join(receiver, index, .address, address: Array(address.dropFirst(2))) }

  /// How many frames the kernel dropped for want of room since the last call.
  func takeDrops() -> UInt64 {
    var counts: (UInt32, UInt32) = (0, 0)
    var length = socklen_t(8)
    guard getsockopt(receiver, Self.level, Option.statistics, &counts, &length) == 0 else { return 0 }
    return UInt64(counts.1)
  }

  func clearError() {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(receiver, SOL_SOCKET, SO_ERROR, &code, &length)
  }

  // MARK: The ring

  /// A frame in its place in the ring, ours until `release`.
  struct Slot {
    let header: UnsafeMutableRawPointer
    let status: UInt32

    var length: Int { Int(header.load(fromByteOffset: 4, as: UInt32.self)) }
    var held: Int { Int(header.load(fromByteOffset: 8, as: UInt32.self)) }
    var frameAt: Int { Int(header.load(fromByteOffset: 12, as: UInt16.self)) }
    var tag: UInt16 { header.load(fromByteOffset: 24, as: UInt16.self) }
    var tagType: UInt16 { header.load(fromByteOffset: 26, as: UInt16.self) }
    /// PACKET_ of linux/if_packet.h, in the address behind the header.
    var packetType: UInt8 { header.load(fromByteOffset: 32 + 10, as: UInt8.self) }
  }

  /// The next frame that the kernel has put into the ring.
  @inline(__always)
  func next() -> Slot? {
    let header = ring + slot * slotSize
    let status = agentd_load_acquire(header.assumingMemoryBound(to: UInt32.self))
    return status & Status.user == 0 ? nil : Slot(header: header, status: status)
  }

  /// Gives the place of the frame last taken back to the kernel.
  @inline(__always)
  func release() {
    agentd_store_release((ring + slot * slotSize).assumingMemoryBound(to: UInt32.self), 0)
    slot = slot + 1 == slotCount ? 0 : slot + 1
  }
}
