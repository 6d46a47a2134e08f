// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Interfaces
import KeyService
import MKA
import Netlink

/// The uncontrolled port as the driver needs it: an EAPOL socket, or what stands for one in a test.
public protocol PortSocket: Sendable {
  /// To be polled for reading.
  var descriptor: Int32 { get }
  /// The next frame that waits; nil when none does.
  func receive() throws(MKAError) -> [UInt8]?
  func send(_ frame: [UInt8]) throws(MKAError)
}

extension EAPOLSocket: PortSocket {}

/// What a SecY is made for.
public struct SecYRequest: Sendable {
  public enum Choice: Sendable, Hashable { case automatic, kernel, userspace }

  /// The parent link: present, and Ethernet.
  public var parent: Link
  public var sci: SCI
  public var configuration: SecYConfiguration
  public var exceptions: ClearExceptions
  public var choice: Choice
  /// The bond of which the controlled port is to be a member.
  public var bond: Link?
}

/// What becomes of frames in clear on a parent link.
public enum ParentGuard: Sendable, Hashable {
  /// As on any link.
  case open
  /// They pass, but the parent's own stack takes none: they are the controlled port's.
  case cutOff
  /// Only MKA, protected frames and these pass.
  case protectedOnly(ClearExceptions)
}

/// The world as the driver of ports finds it.
public struct PortEnvironment: Sendable {
  /// Opens the uncontrolled port of a link.
  public var openSocket: @Sendable (Link) throws(MKAError) -> any PortSocket
  /// Opens what sends and takes LLDP frames on a link.
  public var openLLDPSocket: @Sendable (Link) throws(MKAError) -> any PortSocket
  /// Chooses a SecY and makes it, or takes over the one that is there. It is not opened yet.
  public var makeSecY: @Sendable (SecYRequest) throws(SecYError) -> any SecY
  /// What the SecY that would be chosen can do; nil where there is none.
  public var capability: @Sendable (SecYRequest.Choice) -> SecYCapability?
  /// Says what passes the parent link, both ways. May be told again what is so already.
  public var guardParent: @Sendable (_ parent: String, ParentGuard) throws(SecYError) -> Void
  /// A link as it is now, by its index; nil when it is not there.
  public var link: @Sendable (UInt32) throws(NetlinkError) -> Link?
  /// Changes a link, by its index.
  public var setLink: @Sendable (UInt32, LinkSettings) throws(NetlinkError) -> Void
  /// The links that have such a filter, also from an earlier process.
  public var filteredLinks: @Sendable () -> Set<String>
  /// Tells when such a filter may have been taken away by somebody; nil where nothing tells.
  public var filterWatch: LinkFilterWatch?
  /// Whether the kernel has MACsec.
  public var hasKernelMACsec: Bool

  public init(
    openSocket: @escaping @Sendable (Link) throws(MKAError) -> any PortSocket,
    makeSecY: @escaping @Sendable (SecYRequest) throws(SecYError) -> any SecY,
    capability: @escaping @Sendable (SecYRequest.Choice) -> SecYCapability?,
    guardParent: @escaping @Sendable (_ parent: String, ParentGuard) throws(SecYError) -> Void,
    link: @escaping @Sendable (UInt32) throws(NetlinkError) -> Link? = { _ in nil },
    setLink: @escaping @Sendable (UInt32, LinkSettings) throws(NetlinkError) -> Void = { _, _ in },
    filteredLinks: @escaping @Sendable () -> Set<String> = { [] }, filterWatch: LinkFilterWatch? = nil,
    openLLDPSocket: @escaping @Sendable (Link) throws(MKAError) -> any PortSocket = { _ throws(MKAError) in
      throw MKAError(.system, "there is no LLDP here")
    },
    hasKernelMACsec: Bool = false
  ) {
    self.openSocket = openSocket
    self.openLLDPSocket = openLLDPSocket
    self.makeSecY = makeSecY
    self.capability = capability
    self.guardParent = guardParent
    self.link = link
    self.setLink = setLink
    self.filteredLinks = filteredLinks
    self.filterWatch = filterWatch
    self.hasKernelMACsec = hasKernelMACsec
  }
}
