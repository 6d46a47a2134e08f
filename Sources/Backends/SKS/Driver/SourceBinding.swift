// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CCurl
import Glibc
import Netlink

/// Where a connection comes from: the address of an interface, the device of a VRF, or both.
///
/// Only the address is taken from the source interface, as on IOS XR: routing chooses where packets leave, so a
/// loopback interface can be a source. (Naming the interface to libcurl would bind the socket to the device.)
struct SourceBinding: Sendable, Hashable {
  /// An address to bind to, by family.
  struct Address: Sendable, Hashable {
    var bytes: [UInt8]
    /// The index of the link, for addresses that are unique only there.
    var scope: UInt32
  }

  /// The Linux link that has the addresses of an interface, where that is not the interface's own link.
  typealias Layer3Link = @Sendable (_ interface: String) -> String?

  var ipv4: Address?
  var ipv6: Address?
  var usesAddress: Bool
  var device: String?

  /// What the configuration asks for; nil when it asks for nothing. Looks the interface up in the kernel.
  init?(_ configuration: ProfileConfiguration, layer3Link: Layer3Link) throws(TransportFailure) {
    device = configuration.vrf
    usesAddress = configuration.sourceInterface != nil
    guard usesAddress || device != nil else { return nil }
    if let source = configuration.sourceInterface {
      let refusal = TransportFailure(stage: .refused, cause: .sourceInterface, clientCode: 45)
      do {
        guard let name = layer3Link(source.name) ?? source.link, let link = try RTNetlink.link(named: name) else {
          throw refusal
        }
        choose(try RTNetlink.addresses(of: link))
      } catch { throw refusal }
      guard ipv4 != nil || ipv6 != nil else { throw refusal }
    }
  }

  /// The first address of each family, those that reach far before those that do not.
  private mutating func choose(_ addresses: [LinkAddress]) {
    func reach(_ scope: LinkAddress.Scope) -> Int {
      switch scope {
      case .universe: 0
      case .site, .other: 1
      case .host: 2
      case .link: 3
      }
    }
    func best(_ family: LinkAddress.Family) -> Address? {
      let usable = addresses.filter { $0.family == family && !$0.isTentative }
      guard let first = usable.min(by: { reach($0.scope) < reach($1.scope) }) else { return nil }
      return Address(bytes: first.bytes, scope: first.scope == .link ? first.link : 0)
    }
    ipv4 = best(.ipv4)
    ipv6 = best(.ipv6)
  }

  /// What kept a socket from being bound.
  enum Problem: Sendable {
    case vrf(Int32)
    case address(Int32)
  }

  /// Binds a fresh socket of the family.
  func bind(_ descriptor: Int32, family: Int32) -> Problem? {
    if let device {
      let name = Array(device.utf8) + [0]
      guard setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, name, socklen_t(name.count)) == 0 else {
        return .vrf(errno)
      }
    }
    guard usesAddress else { return nil }
    guard let address = family == AF_INET6 ? ipv6 : ipv4 else { return .address(EADDRNOTAVAIL) }
    var storage = sockaddr_storage()
    let length = withUnsafeMutableBytes(of: &storage) { storage -> Int in
      if family == AF_INET6 {
        var socketAddress = sockaddr_in6()
        socketAddress.sin6_family = sa_family_t(AF_INET6)
        socketAddress.sin6_scope_id = address.scope
        withUnsafeMutableBytes(of: &socketAddress.sin6_addr) { $0.copyBytes(from: address.bytes) }
        return withUnsafeBytes(of: socketAddress) { source in
          storage.copyMemory(from: source)
          return source.count
        }
      }
      var socketAddress = sockaddr_in()
      socketAddress.sin_family = sa_family_t(AF_INET)
      withUnsafeMutableBytes(of: &socketAddress.sin_addr) { $0.copyBytes(from: address.bytes) }
      return withUnsafeBytes(of: socketAddress) { source in
        storage.copyMemory(from: source)
        return source.count
      }
    }
    let result = withUnsafePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(descriptor, $0, socklen_t(length)) }
    }
    return result == 0 ? nil : .address(errno)
  }
}
