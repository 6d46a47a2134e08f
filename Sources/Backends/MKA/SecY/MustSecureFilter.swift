// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Netlink

/// What keeps frames in clear off a parent link under must-secure.
///
/// A MACsec device, the kernel's or ours, guards only its own traffic: the parent link's own stack would still send
/// and take frames in clear. This filter on the parent lets pass, both ways, only MKA, frames with a SecTAG, and the
/// configured exceptions. It does not care which SecY there is: the userspace one sends through it; it sees received
/// frames before the filter, and drops those in clear itself.
///
/// It is to be put in place before the link goes up, stays when the agent ends or is killed, and is found again by
/// ``isInPlace``. A flush of all of nf_tables takes it away, so the agent looks after it now and then.
public struct MustSecureFilter: Sendable, Hashable {
  /// The EtherType of the SecTAG (IEEE 802.1AE 9.8).
  public static let secTAG: UInt16 = 0x88E5
  private static let customerTag: UInt16 = 0x8100
  private static let serviceTag: UInt16 = 0x88A8

  private let filter: LinkFilter

  /// - Parameter etherType: that of MKPDUs, where it is configured.
  public init(
    parent: String, exceptions: ClearExceptions = ClearExceptions(), etherType: UInt16 = MKPDUFrame.etherType
  ) {
    var patterns: Set<LinkFilter.Pattern> = [LinkFilter.Pattern(Self.secTAG)]
    for type in Set([etherType, MKPDUFrame.etherType]) { patterns.insert(LinkFilter.Pattern(type)) }
    for type in exceptions.etherTypes { patterns.insert(LinkFilter.Pattern(type)) }
    if exceptions.vlanTags >= 1 {
      for tag in [Self.customerTag, Self.serviceTag] {
        patterns.insert(LinkFilter.Pattern(tags: [tag], Self.secTAG))
      }
    }
    if exceptions.vlanTags >= 2 {
      for outer in [Self.customerTag, Self.serviceTag] {
        patterns.insert(LinkFilter.Pattern(tags: [outer, Self.customerTag], Self.secTAG))
      }
    }
    filter = LinkFilter(link: parent, patterns: patterns)
  }

  public var parent: String { filter.link }

  /// Puts it in place, or in the place of one with other exceptions, without a gap.
  public func install() throws(SecYError) {
    do throws(NetlinkError) { try LinkFilters.install(filter) } catch {
      throw SecYError(error, "filter frames in clear on \(filter.link)")
    }
  }

  /// Whether it is in place, whole; and how many frames it has dropped.
  public func state() throws(SecYError) -> LinkFilterState {
    do throws(NetlinkError) { return try LinkFilters.state(of: filter) } catch {
      throw SecYError(error, "look at the filter of \(filter.link)")
    }
  }

  /// Puts it in place unless it is. The answer is whether it had to.
  public func ensure() throws(SecYError) -> Bool {
    if try state().isInPlace { return false }
    try install()
    return true
  }

  /// Takes away whatever filter of ours the link has.
  public static func remove(from parent: String) throws(SecYError) {
    do throws(NetlinkError) { try LinkFilters.remove(link: parent) } catch {
      throw SecYError(error, "remove the filter of \(parent)")
    }
  }

  /// The links that have a filter of ours: those to be removed are among them after a restart.
  public static func filteredLinks() throws(SecYError) -> Set<String> {
    do throws(NetlinkError) { return try LinkFilters.links() } catch {
      throw SecYError(error, "list the filters of links")
    }
  }
}

/// Cuts the stack of a parent link off from the frames that come in, so that only its controlled port takes them.
///
/// Without it, a port that passes frames in clear would take each one twice: the controlled port gets it, and so does
/// the parent's own stack. Addresses live on the controlled port, so the parent's has nothing to do. It is for both
/// SecYs, under must-secure and should-secure, for as long as there is a controlled port.
public enum ParentStack {
  /// No error when it is cut off already. The answer is whether it had to be done.
  @discardableResult
  public static func ensureCutOff(_ parent: String) throws(SecYError) -> Bool {
    do throws(NetlinkError) {
      if try LinkStack.isCutOff(link: parent) { return false }
      try LinkStack.cutOff(link: parent)
      return true
    } catch {
      throw SecYError(error, "cut the stack of \(parent) off")
    }
  }

  /// No error when it is connected.
  public static func reconnect(_ parent: String) throws(SecYError) {
    do throws(NetlinkError) { try LinkStack.reconnect(link: parent) } catch {
      throw SecYError(error, "reconnect the stack of \(parent)")
    }
  }
}
