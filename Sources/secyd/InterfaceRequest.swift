// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc

/// The small requests about a network interface that go by its name (netdevice(7)).
struct InterfaceRequest: ~Copyable {
  private let descriptor: Int32
  private static let size = 40

  init() throws(SecydError) {
    descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw .system("no socket for interface requests") }
  }

  deinit { close(descriptor) }

  /// A struct ifreq: 16 octets of name, then a union.
  static func with<Result>(
    _ name: String, _ body: (UnsafeMutableRawBufferPointer) throws(SecydError) -> Result
  ) throws(SecydError) -> Result {
    let utf8 = Array(name.utf8)
    guard !utf8.isEmpty, utf8.count < 16 else { throw SecydError("'\(name)' is no name of an interface") }
    let request = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
    defer { request.deallocate() }
    request.initializeMemory(as: UInt8.self, repeating: 0)
    request.copyBytes(from: utf8)
    return try body(request)
  }

  private func perform<Result>(
    _ number: UInt, _ name: String, _ what: String, set: (UnsafeMutableRawBufferPointer) -> Void,
    get: (UnsafeMutableRawBufferPointer) -> Result
  ) throws(SecydError) -> Result {
    try Self.with(name) { (request) throws(SecydError) -> Result in
      set(request)
      guard agentd_ioctl(descriptor, number, request.baseAddress) == 0 else {
        throw .system("cannot \(what) of interface \(name)")
      }
      return get(request)
    }
  }

  private func number(_ number: UInt, _ name: String, _ what: String) throws(SecydError) -> Int32 {
    try perform(number, name, what, set: { _ in }) { $0.load(fromByteOffset: 16, as: Int32.self) }
  }

  func index(_ name: String) throws(SecydError) -> UInt32 {
    UInt32(truncatingIfNeeded: try number(0x8933, name, "read the index"))
  }

  func mtu(_ name: String) throws(SecydError) -> Int { Int(try number(0x8921, name, "read the MTU")) }

  func setMTU(_ name: String, _ mtu: Int) throws(SecydError) {
    try perform(
      0x8922, name, "set the MTU to \(mtu)",
      set: { $0.storeBytes(of: Int32(truncatingIfNeeded: mtu), toByteOffset: 16, as: Int32.self) }
    ) { _ in }
  }

  /// IFF_ flags.
  func flags(_ name: String) throws(SecydError) -> UInt16 {
    UInt16(truncatingIfNeeded: try number(0x8913, name, "read the flags"))
  }

  func setFlags(_ name: String, _ flags: UInt16) throws(SecydError) {
    try perform(
      0x8914, name, "set the flags", set: { $0.storeBytes(of: flags, toByteOffset: 16, as: UInt16.self) }
    ) { _ in }
  }

  /// Family (2 octets) and Ethernet address (6).
  func hardwareAddress(_ name: String) throws(SecydError) -> [UInt8] {
    let address = try perform(0x8927, name, "read the address", set: { _ in }) { Array($0[16..<24]) }
    guard address[0] == 1, address[1] == 0 else { throw SecydError("interface \(name) is no Ethernet") }
    return address
  }

  func setHardwareAddress(_ name: String, _ address: [UInt8]) throws(SecydError) {
    try perform(
      0x8924, name, "set the address",
      set: { UnsafeMutableRawBufferPointer(rebasing: $0[16..<16 + address.count]).copyBytes(from: address) }
    ) { _ in }
  }

  static let up: UInt16 = 0x1
  static let running: UInt16 = 0x40
  static let promiscuous: UInt16 = 0x100
  /// A member of a bond.
  static let slave: UInt16 = 0x800
}
