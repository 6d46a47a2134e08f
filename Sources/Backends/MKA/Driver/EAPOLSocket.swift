// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// The uncontrolled port: an AF_PACKET socket for one EtherType on one interface.
///
/// The kernel hands it only frames of that EtherType that came from outside. It needs CAP_NET_RAW.
public final class EAPOLSocket: Sendable {
  /// To be polled for reading; owned by this object.
  public let descriptor: Int32
  private let interfaceIndex: UInt32

  /// The longest frame that is taken; longer ones are cut and then refused by their length.
  static let maximumFrameLength = 2_048

  // From linux/if_packet.h and linux/socket.h, which the C library's module leaves out.
  private static let packetFamily: Int32 = 17
  private static let packetLevel: Int32 = 263
  private static let addMembership: Int32 = 1
  private static let ignoreOutgoing: Int32 = 23
  private static let multicastMembership: UInt16 = 0

  /// Opens and joins the group. Fails with the system's reason.
  public init(
    interfaceIndex: UInt32, etherType: UInt16 = MKPDUFrame.etherType, group: MACAddress = .paeGroup
  ) throws(MKAError) {
    self.interfaceIndex = interfaceIndex
    // Protocol 0 first: nothing is queued before the socket is bound to its interface.
    let kinds = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    descriptor = socket(Self.packetFamily, kinds, 0)
    guard descriptor >= 0 else { throw Self.failure("open a packet socket") }
    do throws(MKAError) {
      var on: Int32 = 1
      // Kernels before 4.20 do not know it; the engine drops its own frames by their source too.
      _ = setsockopt(descriptor, Self.packetLevel, Self.ignoreOutgoing, &on, socklen_t(MemoryLayout<Int32>.size))
      try join(group)
      let address = Self.address(interfaceIndex: interfaceIndex, etherType: etherType)
      let bound = address.withUnsafeBytes { bytes in
        bytes.withMemoryRebound(to: sockaddr.self) { bind(descriptor, $0.baseAddress, socklen_t(address.count)) }
      }
      guard bound == 0 else { throw Self.failure("bind a packet socket to interface \(interfaceIndex)") }
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  private static func failure(_ what: String) -> MKAError {
    MKAError(.system, "cannot \(what): \(String(cString: strerror(errno)))")
  }

  /// A sockaddr_ll: family, protocol in network order, interface index; the rest is not looked at.
  private static func address(interfaceIndex: UInt32, etherType: UInt16) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 20)
    bytes.withUnsafeMutableBytes {
      $0.storeBytes(of: UInt16(packetFamily), as: UInt16.self)
      $0.storeBytes(of: etherType.bigEndian, toByteOffset: 2, as: UInt16.self)
      $0.storeBytes(of: interfaceIndex, toByteOffset: 4, as: UInt32.self)
    }
    return bytes
  }

  /// A packet_mreq: interface index, kind, length and address.
  private func join(_ group: MACAddress) throws(MKAError) {
    var request = [UInt8](repeating: 0, count: 16)
    request.withUnsafeMutableBytes {
      $0.storeBytes(of: interfaceIndex, as: UInt32.self)
      $0.storeBytes(of: Self.multicastMembership, toByteOffset: 4, as: UInt16.self)
      $0.storeBytes(of: 6, toByteOffset: 6, as: UInt16.self)
    }
    request.replaceSubrange(8..<14, with: group.bytes)
    guard setsockopt(descriptor, Self.packetLevel, Self.addMembership, request, socklen_t(request.count)) == 0 else {
      throw Self.failure("join the group \(group)")
    }
  }

  /// The next frame that waits; nil when none does.
  public func receive() throws(MKAError) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: Self.maximumFrameLength)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count >= 0 { return Array(buffer.prefix(count)) }
      switch errno {
      // That the link went down is told once; frames come again when it is back up.
      case EINTR, ENETDOWN: continue
      case EAGAIN: return nil
      default: throw Self.failure("receive on interface \(interfaceIndex)")
      }
    }
  }

  /// Sends a whole frame. Fails when the interface is down or its queue is full.
  public func send(_ frame: [UInt8]) throws(MKAError) {
    while Glibc.send(descriptor, frame, frame.count, 0) != frame.count {
      guard errno == EINTR else { throw Self.failure("send on interface \(interfaceIndex)") }
    }
  }
}
