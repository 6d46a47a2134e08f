// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc

/// The controlled port: a TAP interface of the parent's address. What the host sends there is protected, and what
/// proves authentic comes out of it.
///
/// The interface outlives a secyd that is killed, with its addresses and routes; only `remove` deletes it.
final class ControlledPort {
  /// Octets of a struct virtio_net_hdr, which stands before each frame.
  static let headerLength = 10

  let name: String
  let descriptor: Int32
  private var hasCarrier: Bool?

  // From linux/if_tun.h, where they are made by macros.
  private static let setInterface: UInt = 0x4004_54CA
  private static let setPersistent: UInt = 0x4004_54CB
  private static let setCarrierNumber: UInt = 0x4004_54E2
  private static let setHeaderSize: UInt = 0x4004_54D8
  private static let setOffload: UInt = 0x4004_54D0
  private static let tap: UInt16 = 0x0002 | 0x1000 | 0x4000

  /// Makes the interface, or takes it over where an earlier secyd left it.
  ///
  /// - Parameter address: family and Ethernet address, as a struct sockaddr has them.
  init(name: String, address: [UInt8], mtu: Int) throws(SecydError) {
    self.name = name
    descriptor = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .system("cannot open /dev/net/tun") }
    do throws(SecydError) {
      let descriptor = descriptor
      try InterfaceRequest.with(name) { (request) throws(SecydError) in
        request.storeBytes(of: Self.tap, toByteOffset: 16, as: UInt16.self)
        guard agentd_ioctl(descriptor, Self.setInterface, request.baseAddress) == 0 else {
          throw .system("cannot make TAP interface \(name)")
        }
      }
      var size = Int32(Self.headerLength)
      guard agentd_ioctl(descriptor, Self.setHeaderSize, &size) == 0,
        agentd_ioctl(descriptor, Self.setPersistent, UnsafeMutableRawPointer(bitPattern: 1)) == 0
      else { throw .system("cannot set up TAP interface \(name)") }
      // Checksums are completed and TCP segments of both IP versions are cut here, also with congestion notification;
      // where the kernel does not want to leave that to us, it does it itself.
      _ = agentd_ioctl(descriptor, Self.setOffload, UnsafeMutableRawPointer(bitPattern: 0x01 | 0x02 | 0x04 | 0x08))
      setCarrier(false)
      let requests = try InterfaceRequest()
      // A bond gives its members an address of its own.
      let isBondMember = try requests.flags(name) & InterfaceRequest.slave != 0
      if !isBondMember, try requests.hardwareAddress(name) != address {
        try requests.setHardwareAddress(name, address)
      }
      if try requests.mtu(name) != mtu { try requests.setMTU(name, mtu) }
      try requests.setFlags(name, try requests.flags(name) | InterfaceRequest.up)
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  /// Whether the host sees the port as operational.
  func setCarrier(_ carrier: Bool) {
    guard hasCarrier != carrier else { return }
    var value: Int32 = carrier ? 1 : 0
    // Kernels before 5.0 do not know it: there the port looks operational always, and the SecY drops what it must.
    _ = agentd_ioctl(descriptor, Self.setCarrierNumber, &value)
    hasCarrier = carrier
  }

  /// The interface goes once this object's descriptor is closed.
  func remove() { _ = agentd_ioctl(descriptor, Self.setPersistent, UnsafeMutableRawPointer(bitPattern: 0)) }
}
